//! 0201: a user's recent sessions.

use super::{
    context::{Context, OnFailure, StoreError, World},
    group, message, session,
    silent::Silent,
    table::{carried, reply},
};
use crate::wire::{
    Pdu, command,
    im::{
        base_define::{ContactSessionInfo, SessionStatusType, SessionType},
        buddy::{ImRecentContactSessionReq, ImRecentContactSessionRsp},
    },
};

/// Lists at most 100 sessions that changed after the time asked for, each with its latest
/// message; one without a message is left out. Removed ones too if the request asks for them
/// (switch `catch-up-on-gap`): other devices of the user may hold less than they have.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    const LIVE: &str = "select * from IMRecentSession where userId = ? and status = 0 \
        and updated >? order by updated desc limit 100";
    const ALL: &str = "select * from IMRecentSession where userId = ? \
        and updated >? order by updated desc limit 100";
    let asked: ImRecentContactSessionReq = request.view()?;
    let on_failure = cx.on_failed_query();
    let with_removed = cx.protocol().catch_up_on_gap && asked.with_removed == Some(1);
    let text = if with_removed { ALL } else { LIVE };
    let params = [asked.user_id.into(), asked.latest_update_time.into()];
    let found = cx.select(on_failure, cx.reader(), text, &params).await?;
    let mut list = Vec::new();
    for row in 0..found.rows.len() {
        let session_id = found.get(row, "peerId").uint();
        let removed = found.get(row, "status").uint() != 0;
        let (session_type, latest) = match found.get(row, "type").uint() {
            session::SINGLE => {
                let user = asked.user_id;
                let latest = message::latest_single(cx, on_failure, user, session_id).await?;
                (SessionType::Single, latest)
            }
            session::GROUP if removed && !is_member(cx, asked.user_id, session_id).await? => {
                continue;
            }
            session::GROUP => {
                (SessionType::Group, group::latest(cx, on_failure, session_id).await?)
            }
            _ => continue,
        };
        let Some(latest) = latest else { continue };
        list.push(ContactSessionInfo {
            session_id,
            session_type: session_type as i32,
            session_status: match removed {
                false => SessionStatusType::SessionStatusOk as i32,
                true => SessionStatusType::SessionStatusDelete as i32,
            },
            updated_time: found.get(row, "updated").uint(),
            latest_msg_id: latest.msg_id,
            latest_msg_data: latest.content,
            latest_msg_type: latest.msg_type,
            latest_msg_from_user_id: latest.from,
        });
    }
    let response = ImRecentContactSessionRsp {
        user_id: asked.user_id,
        contact_session_list: list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE, &response))
}

/// A session with a group goes when its user leaves: what was said there later is not for him.
async fn is_member<W: World>(
    cx: &mut Context<W>,
    user: u32,
    group: u32,
) -> Result<bool, StoreError> {
    Ok(group::joined(cx, OnFailure::Fail, group, user).await?.is_some())
}
