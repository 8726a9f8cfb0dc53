//! 0307: what a user has not read.

use super::{
    context::{Context, OnFailure, StoreError, World, or_empty},
    group_list, message, read_mark,
    silent::Silent,
    single::unread_key,
    table::{carried, reply},
    text::number,
};
use crate::{
    store::cache::Cache,
    wire::{
        Pdu, command,
        im::{
            base_define::{SessionType, UnreadInfo},
            message::{ImUnreadMsgCntReq, ImUnreadMsgCntRsp},
        },
    },
};

/// What a user has not read of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// Who wrote it.
    pub peer: u32,
    /// How many messages; not 0 but in what Redis holds.
    pub count: u32,
    /// Their relation, if it was looked up already.
    pub relation: Option<u32>,
}

/// Lists each peer with unread messages, in text order of the ids, with the latest message.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImUnreadMsgCntReq = request.view()?;
    let on_failure = cx.on_failed_query();
    let user = asked.user_id;
    let mut list = Vec::new();
    for Unread { peer, count, relation } in counts(cx, on_failure, user).await? {
        let latest = match relation {
            Some(relation) => message::latest_of(cx, on_failure, relation, peer).await?,
            None => message::latest_single(cx, on_failure, user, peer).await?,
        };
        // A peer without a message is left out, of the total too.
        let Some(latest) = latest else { continue };
        list.push(UnreadInfo {
            session_id: peer,
            session_type: SessionType::Single as i32,
            unread_cnt: count,
            latest_msg_id: latest.msg_id,
            latest_msg_data: latest.content,
            latest_msg_type: latest.msg_type,
            latest_msg_from_user_id: latest.from,
        });
    }
    // Groups with unread messages come after the peers: a later issue (see `Silent::Later`).
    group_list::memberships(cx, on_failure, user).await?;
    let response = ImUnreadMsgCntRsp {
        user_id: user,
        total_cnt: list.iter().fold(0, |sum, info| sum.wrapping_add(info.unread_cnt)),
        unreadinfo_list: list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::MSG_UNREAD_CNT_RESPONSE, &response))
}

/// All that a user has not read, as a push shows it: peers without a message count too.
pub async fn total<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<u32, StoreError> {
    let counts = counts(cx, on_failure, user).await?;
    group_list::memberships(cx, on_failure, user).await?;
    Ok(counts.iter().fold(0, |sum, unread| sum.wrapping_add(unread.count)))
}

/// What a user has not read of each peer, in text order of the peers.
async fn counts<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<Vec<Unread>, StoreError> {
    if cx.protocol().unread_from_store {
        return read_mark::counts(cx, on_failure, user).await;
    }
    let read = cx.cache().hgetall(&unread_key(user)).await.map_err(StoreError::from);
    let hash = or_empty(on_failure, read)?;
    let unread = |(peer, count): (&Vec<u8>, &Vec<u8>)| Unread {
        peer: number(peer),
        count: number(count),
        relation: None,
    };
    Ok(hash.iter().map(unread).collect())
}
