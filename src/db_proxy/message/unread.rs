//! 0307: what a user has not read.

use crate::{
    catalogue::id as command,
    db_proxy::{
        group::groups,
        message::{
            counts::{self, Counts, Unread},
            messages::{self, Latest},
            read_mark,
        },
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
            base_define::{SessionType, UnreadInfo},
            message::{ImUnreadMsgCntReq, ImUnreadMsgCntRsp},
        },
    },
};

/// Lists each peer with unread messages, in text order of the ids, then the groups, each with the
/// latest message. A peer or group without a message is left out, and not counted in the total.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImUnreadMsgCntReq = request.view()?;
    let on_failure = cx.on_failed_query();
    let user = asked.user_id;
    let mut list = Vec::new();
    if cx.protocol().unread_from_store {
        let counts = read_mark::counts(cx, on_failure, user).await?;
        list = listed(cx, on_failure, counts).await?;
    } else {
        // One after the other, as in golden 19.
        let peers = counts::peer_counters(cx, on_failure, user).await?;
        list_peers(cx, on_failure, user, peers, &mut list).await?;
        let groups = counts::group_counters(cx, on_failure, user).await?;
        list_groups(cx, on_failure, groups, &mut list).await?;
    }
    if list.len() > 1 && cx.protocol().mutated(Mutant::UnreadLacksLast) {
        list.pop();
    }
    let response = ImUnreadMsgCntRsp {
        user_id: user,
        total_cnt: list.iter().fold(0, |sum, info| sum.wrapping_add(info.unread_cnt)),
        unreadinfo_list: list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::MSG_UNREAD_CNT_RESPONSE, &response))
}

/// Lists what was counted; the latest messages are read in one round trip.
async fn listed<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    Counts { peers, groups }: Counts,
) -> Result<Vec<UnreadInfo>, StoreError> {
    let of_peers = peers.iter().map(|of| messages::latest_select(cx, of.relation));
    let of_groups = groups.iter().map(|(group, _)| groups::latest_select(cx, *group));
    let selects: Vec<_> = of_peers.chain(of_groups).collect();
    let found = cx.select_all(on_failure, cx.reader(), &selects).await?;
    let (with_peers, in_groups) = found.split_at(peers.len());
    let mut list = Vec::new();
    for (Unread { peer, count, .. }, found) in peers.into_iter().zip(with_peers) {
        let latest = messages::latest_from(cx, found, peer);
        list.extend(latest.map(|latest| info(peer, SessionType::Single, count, latest)));
    }
    for ((group, count), found) in groups.into_iter().zip(in_groups) {
        let latest = groups::latest_from(found);
        list.extend(latest.map(|latest| info(group, SessionType::Group, count, latest)));
    }
    Ok(list)
}

async fn list_peers<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
    peers: Vec<Unread>,
    list: &mut Vec<UnreadInfo>,
) -> Result<(), StoreError> {
    for Unread { peer, count, .. } in peers {
        let latest = messages::latest_single(cx, on_failure, user, peer).await?;
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
        let latest = groups::latest(cx, on_failure, group).await?;
        list.extend(latest.map(|latest| info(group, SessionType::Group, count, latest)));
    }
    Ok(())
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
