//! What is said of messages that were not read.

use super::{
    Exchange, Judged, Reads, Says,
    conversations::{
        GROUP, Latest, Member, SINGLE, Since, latest_group, latest_single, memberships, of_group,
        of_relation, relation,
    },
    number, right,
    stores::{Row, View},
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id::MSG_UNREAD_CNT_REQUEST,
    protocol::Protocol,
    wire::im::{
        base_define::{SessionType, UnreadInfo},
        message::{ImUnreadMsgCntReq, ImUnreadMsgCntRsp},
    },
};

pub(super) const ANSWERS: &[(u16, &str, Says)] =
    &[(MSG_UNREAD_CNT_REQUEST, "unread", unread_counts)];

/// How far a user has read, by (type, peer or group).
type Marks = BTreeMap<(u32, u32), u32>;

/// Which conversations a user's count is made of, and up to where each was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Of {
    /// The peers, in text order.
    pub peers: Vec<u32>,
    /// The groups, by the last change of the membership.
    pub groups: Vec<Member>,
}

/// 0308: each peer with something unread, in text order, then the groups, each with its count and
/// its latest message; one without a message is left out, and not counted.
fn unread_counts(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImUnreadMsgCntReq, ImUnreadMsgCntRsp>();
    let Some((question, answer)) = both else { return Ok(()) };
    let (user, protocol) = (question.user_id, exchange.protocol);
    let said = &answer.unreadinfo_list;
    let total = said.iter().fold(0, |sum: u32, info| sum.wrapping_add(info.unread_cnt));
    right(answer.total_cnt == total, || {
        format!("in all {}, where its own list has {total}", answer.total_cnt)
    })?;
    let judge = |of: &Of, marks: &Marks, rest: &mut Reads<'_>| {
        let known = |view: View<'_>, key| count(view, protocol, user, key, of, marks);
        in_order(said, of)?;
        each(said, of, rest, protocol, user, known)
    };
    reads.choose(
        |view| peers(view, protocol, user),
        |peers, rest| {
            rest.choose(
                |view| memberships(view, protocol, user),
                |groups, rest| {
                    let of = Of { peers: peers.clone(), groups: groups.clone() };
                    rest.choose(
                        |view| marks(view, protocol, user),
                        |marks, rest| judge(&of, marks, rest),
                    )
                },
            )
        },
    )
}

/// The peers whose messages are counted: of each session, or (the original) of each counter.
pub fn peers(view: View<'_>, protocol: &Protocol, user: u32) -> Vec<u32> {
    if !protocol.unread_from_store {
        return view.hash(&format!("unread_{user}")).map(|(peer, _)| number(peer)).collect();
    }
    let own = view.rows_with("IMRecentSession", [("userId", user), ("type", SINGLE)]);
    let by_text: BTreeMap<String, u32> =
        own.map(|row| row.uint("peerId")).map(|peer| (peer.to_string(), peer)).collect();
    by_text.into_values().collect()
}

/// How far a user has read (`unread-from-store`).
pub fn marks(view: View<'_>, protocol: &Protocol, user: u32) -> Marks {
    if !protocol.unread_from_store {
        return Marks::new();
    }
    let own = view.rows_with("TTRead", [("userId", user)]);
    own.map(|row| ((row.uint("type"), row.uint("peerId")), row.uint("msgId"))).collect()
}

/// What a user has not read of a peer or group; `None` where the original has no counter. With
/// `unread-from-store` a user without a mark has not read what the original's counters say, which are
/// written no more; but for who joined a group since.
pub fn count(
    view: View<'_>,
    protocol: &Protocol,
    user: u32,
    (kind, id): (u32, u32),
    of: &Of,
    marks: &Marks,
) -> Option<u32> {
    if !protocol.unread_from_store {
        return counter(view, user, (kind, id));
    }
    let mark = marks.get(&(kind, id)).copied();
    let unread = match (kind, mark) {
        (SINGLE, Some(mark)) => {
            let relation = relation(view, protocol, user, id);
            let new = |row: &Row<'_>| row.uint("fromId") == id && row.uint("msgId") > mark;
            of_relation(view, relation).filter(new).count() as u32
        }
        (SINGLE, None) => counter(view, user, (kind, id)).unwrap_or(0),
        _ => {
            let since = of.groups.iter().find(|member| member.group == id)?.since;
            let after = |mark: u32| {
                let new = |row: &Row<'_>| {
                    row.uint("userId") != user && row.uint("msgId") > mark && since.shows(row)
                };
                of_group(view, id).filter(new).count() as u32
            };
            match (mark, since) {
                (Some(mark), _) => after(mark),
                (None, Since::Message(_)) => after(0),
                (None, Since::Second(_)) => across(view, view, user, id),
            }
        }
    };
    (unread > 0).then_some(unread)
}

/// The counters of the original: of peers one each, also at 0; of groups those that are not.
fn counter(view: View<'_>, user: u32, (kind, id): (u32, u32)) -> Option<u32> {
    if kind == SINGLE {
        return view.field(&format!("unread_{user}"), &id.to_string()).map(|n| number(n));
    }
    Some(across(view, view, user, id)).filter(|count| *count != 0)
}

/// The original's count of a group, whose two keys may be of two versions.
pub fn across(all: View<'_>, read: View<'_>, user: u32, group: u32) -> u32 {
    let all = all.counter(&format!("{group}_im_group_msg"));
    all.saturating_sub(read.counter(&format!("{user}_{group}_im_user_group")))
}

/// Peers come first, in text order, then groups in theirs.
fn in_order(said: &[UnreadInfo], of: &Of) -> Judged {
    let peers = of.peers.iter().map(|&peer| (SINGLE, peer));
    let mut all = peers.chain(of.groups.iter().map(|member| (GROUP, member.group)));
    for key in said.iter().map(key) {
        right(all.any(|of| of == key), || {
            format!("{key:?} (type, id), which is not unread there or not in order")
        })?;
    }
    Ok(())
}

fn each(
    said: &[UnreadInfo],
    of: &Of,
    rest: &mut Reads<'_>,
    protocol: &Protocol,
    user: u32,
    count: impl Fn(View<'_>, (u32, u32)) -> Option<u32>,
) -> Judged {
    let latest = |view: View<'_>, (kind, id): (u32, u32)| match kind {
        SINGLE => latest_single(view, protocol, user, id),
        _ => latest_group(view, protocol, id),
    };
    let listed: BTreeSet<_> = said.iter().map(key).collect();
    // Counts of all come before the first latest message, but for the original's, which goes from
    // peer to peer and then to the groups: what is read later may be newer, so each is judged from
    // here on.
    let start = *rest;
    let peers = of.peers.iter().map(|&peer| (SINGLE, peer));
    for key in peers.chain(of.groups.iter().map(|member| (GROUP, member.group))) {
        let mut reads = start;
        if !protocol.unread_from_store && key.0 == GROUP {
            group_counter(said, key.1, &mut reads, user, &latest)?;
        } else if let Some(info) = said.iter().find(|info| self::key(info) == key) {
            let count_of = |view: View<'_>| count(view, key);
            reads.equals(&format!("of {key:?} (type, id)"), &Some(info.unread_cnt), count_of)?;
            let shown = Some(latest_in(info));
            reads.equals(&format!("of {key:?} (type, id) the latest"), &shown, |view| {
                latest(view, key)
            })?;
        } else if !listed.contains(&key) {
            reads.equals(&format!("of {key:?} (type, id)"), &None, |view| {
                count(view, key).filter(|_| latest(view, key).is_some())
            })?;
        }
    }
    Ok(())
}

/// The original's count of a group comes from two keys, one read after the other.
fn group_counter(
    said: &[UnreadInfo],
    group: u32,
    reads: &mut Reads<'_>,
    user: u32,
    latest: &impl Fn(View<'_>, (u32, u32)) -> Option<Latest>,
) -> Judged {
    let of = (GROUP, group);
    let info = said.iter().find(|info| key(info) == of);
    let count = |key: String| move |view: View<'_>| view.counter(&key);
    let read = count(format!("{user}_{group}_im_user_group"));
    reads.choose(count(format!("{group}_im_group_msg")), |all, rest| {
        let unread = |view: View<'_>| {
            let unread = all.saturating_sub(read(view));
            Some(unread).filter(|unread| *unread != 0)
        };
        let Some(info) = info else {
            return rest.equals(&format!("of {of:?} (type, id)"), &None, |view| {
                unread(view).filter(|_| latest(view, of).is_some())
            });
        };
        rest.equals(&format!("of {of:?} (type, id)"), &Some(info.unread_cnt), unread)?;
        let shown = Some(latest_in(info));
        rest.equals(&format!("of {of:?} (type, id) the latest"), &shown, |view| latest(view, of))
    })
}

fn key(info: &UnreadInfo) -> (u32, u32) {
    let is_group = info.session_type == SessionType::Group as i32;
    (if is_group { GROUP } else { SINGLE }, info.session_id)
}

fn latest_in(info: &UnreadInfo) -> Latest {
    Latest {
        msg_id: info.latest_msg_id,
        msg_type: info.latest_msg_type,
        content: info.latest_msg_data.clone(),
        from: info.latest_msg_from_user_id,
    }
}
