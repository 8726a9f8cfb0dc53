//! 030b: the id of a conversation's latest message.

use crate::{
    catalogue::id as command,
    db_proxy::{
        group::groups,
        message::messages::{self, Latest},
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
            reply::{carried, reply},
            silent::Silent,
        },
    },
    mutants::Mutant,
    wire::{
        Pdu,
        im::{
            base_define::SessionType,
            message::{ImGetLatestMsgIdReq, ImGetLatestMsgIdRsp},
        },
    },
};

/// Answers 0 if there is no message.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImGetLatestMsgIdReq = request.view()?;
    let on_failure = cx.on_failed_query();
    let latest = if asked.session_type == SessionType::Single as i32 {
        messages::latest_single(cx, on_failure, asked.user_id, asked.session_id).await?
    } else {
        latest_of_group(cx, on_failure, asked.session_id, asked.user_id).await?
    };
    let known = latest.is_some();
    let response = ImGetLatestMsgIdRsp {
        user_id: asked.user_id,
        session_type: asked.session_type,
        session_id: asked.session_id,
        latest_msg_id: latest.map_or(0, |message| message.msg_id)
            - u32::from(known && cx.protocol().mutated(Mutant::LatestIdIsOld)),
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::MSG_GET_LATEST_MSG_ID_RSP, &response))
}

/// Only `members-from-store` asks whether the user is in the group: then there is no message for
/// others, nor one from before a member joined.
async fn latest_of_group<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
    user: u32,
) -> Result<Option<Latest>, StoreError> {
    let mut hidden = 0;
    if cx.protocol().members_from_store {
        let Some(since) = groups::since(cx, on_failure, group, user).await? else {
            return Ok(None);
        };
        hidden = since.hidden();
    }
    let latest = groups::latest(cx, on_failure, group).await?;
    Ok(latest.filter(|latest| latest.msg_id > hidden))
}
