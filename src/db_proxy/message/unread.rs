//! 0307: what a user has not read.

use crate::{
    db_proxy::{
        group::{self, normal_list},
        message::{self, Latest, read_mark, single::unread_key},
        plumbing::{
            context::{Context, OnFailure, StoreError, World, or_empty},
            silent::Silent,
            text::number,
        },
        table::{carried, reply},
    },
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

/// All that a user has not read.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Of each peer.
    pub peers: Vec<Unread>,
    /// Of each group, its id first; none is 0.
    pub groups: Vec<(u32, u32)>,
}

/// Lists each peer with unread messages, in text order of the ids, then the groups, each with the
/// latest message. One without a message is left out, of the total too.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImUnreadMsgCntReq = request.view()?;
    let on_failure = cx.on_failed_query();
    let user = asked.user_id;
    let mut list = Vec::new();
    if cx.protocol().unread_from_store {
        let Counts { peers, groups } = read_mark::counts(cx, on_failure, user).await?;
        list_peers(cx, on_failure, user, peers, &mut list).await?;
        list_groups(cx, on_failure, groups, &mut list).await?;
    } else {
        // One after the other, as in golden 19.
        let peers = peer_counters(cx, on_failure, user).await?;
        list_peers(cx, on_failure, user, peers, &mut list).await?;
        let groups = group_counters(cx, on_failure, user).await?;
        list_groups(cx, on_failure, groups, &mut list).await?;
    }
    let response = ImUnreadMsgCntRsp {
        user_id: user,
        total_cnt: list.iter().fold(0, |sum, info| sum.wrapping_add(info.unread_cnt)),
        unreadinfo_list: list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::MSG_UNREAD_CNT_RESPONSE, &response))
}

async fn list_peers<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
    peers: Vec<Unread>,
    list: &mut Vec<UnreadInfo>,
) -> Result<(), StoreError> {
    for Unread { peer, count, relation } in peers {
        let latest = match relation {
            Some(relation) => message::latest_of(cx, on_failure, relation, peer).await?,
            None => message::latest_single(cx, on_failure, user, peer).await?,
        };
        list.extend(latest.map(|latest| info(peer, SessionType::Single, count, latest)));
    }
    Ok(())
}

async fn list_groups<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    groups: Vec<(u32, u32)>,
    list: &mut Vec<UnreadInfo>,
) -> Result<(), StoreError> {
    for (group, count) in groups {
        let latest = group::latest(cx, on_failure, group).await?;
        list.extend(latest.map(|latest| info(group, SessionType::Group, count, latest)));
    }
    Ok(())
}

/// All that a user has not read, as a push shows it: peers without a message count too.
pub async fn total<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<u32, StoreError> {
    let Counts { peers, groups } = if cx.protocol().unread_from_store {
        read_mark::counts(cx, on_failure, user).await?
    } else {
        let peers = peer_counters(cx, on_failure, user).await?;
        Counts { peers, groups: group_counters(cx, on_failure, user).await? }
    };
    let counts = peers.iter().map(|unread| unread.count).chain(groups.iter().map(|g| g.1));
    Ok(counts.fold(0, u32::wrapping_add))
}

fn info(session_id: u32, session_type: SessionType, unread_cnt: u32, latest: Latest) -> UnreadInfo {
    UnreadInfo {
        session_id,
        session_type: session_type as i32,
        unread_cnt,
        latest_msg_id: latest.msg_id,
        latest_msg_data: latest.content,
        latest_msg_type: latest.msg_type,
        latest_msg_from_user_id: latest.from,
    }
}

/// The groups with something that a user has not read, by his last change there.
async fn group_counters<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<Vec<(u32, u32)>, StoreError> {
    let mut counts = Vec::new();
    for group in normal_list::memberships(cx, on_failure, user).await? {
        let count = group::unread(cx, on_failure, group, user).await?;
        if count != 0 {
            counts.push((group, count));
        }
    }
    Ok(counts)
}

/// What a user has not read of each peer, in text order of the peers.
async fn peer_counters<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<Vec<Unread>, StoreError> {
    let read = cx.cache().hgetall(&unread_key(user)).await.map_err(StoreError::from);
    let hash = or_empty(on_failure, read)?;
    let unread = |(peer, count): (&Vec<u8>, &Vec<u8>)| Unread {
        peer: number(peer),
        count: number(count),
        relation: None,
    };
    Ok(hash.iter().map(unread).collect())
}
