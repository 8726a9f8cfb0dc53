//! What the answer to a change promises: its effect is in the stores at some version between the
//! question and the answer, or the answer says why not.

use super::{
    Exchange, Judged, Reads, Says,
    conversations::{GROUP, SINGLE, exists, latest_group, latest_single, members, since},
    number, right,
    stores::{Row, View},
};
use bytes::Bytes;
use std::collections::BTreeSet;
use teamtalk::{
    catalogue::id::{
        BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST, BUDDY_LIST_REMOVE_SESSION_REQ,
        GROUP_CHANGE_MEMBER_REQUEST, GROUP_CREATE_REQUEST, GROUP_SHIELD_GROUP_REQUEST,
        LOGIN_REQ_PUSH_SHIELD, MSG_READ_ACK,
    },
    protocol::Protocol,
    wire::im::{
        base_define::{GroupModifyType, GroupType, SessionType},
        buddy::{ImChangeSignInfoReq, ImChangeSignInfoRsp, ImRemoveSessionReq, ImRemoveSessionRsp},
        group::{
            ImGroupChangeMemberReq, ImGroupChangeMemberRsp, ImGroupCreateReq, ImGroupCreateRsp,
            ImGroupShieldReq, ImGroupShieldRsp,
        },
        login::{ImPushShieldReq, ImPushShieldRsp},
        message::{ImMsgDataReadAck, ImMsgDataReadNotify},
    },
};

pub(super) const ANSWERS: &[(u16, &str, Says)] = &[
    (BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST, "signature", signature),
    (LOGIN_REQ_PUSH_SHIELD, "push-shield-set", push_shield),
    (BUDDY_LIST_REMOVE_SESSION_REQ, "session-removed", session_removed),
    (GROUP_SHIELD_GROUP_REQUEST, "group-muted", group_muted),
    (GROUP_CREATE_REQUEST, "group-created", group_created),
    (GROUP_CHANGE_MEMBER_REQUEST, "members-changed", members_changed),
    (MSG_READ_ACK, "read", read),
];

/// The longest signature, in bytes.
const LONGEST_SIGNATURE: usize = 128;

/// Judges by whether something was so at a version.
fn seen(reads: &mut Reads<'_>, what: &str, is_so: impl Fn(View<'_>) -> bool) -> Judged {
    reads.holds(is_so, |is_so| right(*is_so, || format!("{what}, which it never was")))
}

/// Without `answered-refusals` a change that failed is answered like one that was not needed.
fn may_have_failed(exchange: &Exchange<'_>) -> bool {
    !exchange.protocol.answered_refusals && exchange.may_lack_a_store()
}

/// 0 says that it is done, 1 that it is not.
fn is_a_result(code: u32) -> Judged {
    right(code <= 1, || format!("result {code}"))
}

fn user(view: View<'_>, id: u32) -> Option<Row<'_>> {
    view.rows_with("IMUser", [("id", id)]).next()
}

/// 0214: the signature is stored and counts as a change of users, or it is too long, is no text, is the user's already, or there is no
/// such user.
fn signature(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImChangeSignInfoReq, ImChangeSignInfoRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    is_a_result(answer.result_code)?;
    let is_stored = |view: View<'_>| {
        user(view, asked.user_id).is_some_and(|row| row.bytes("sign_info") == asked.sign_info)
    };
    if answer.result_code == 0 {
        right(answer.sign_info.as_ref() == Some(&asked.sign_info), || {
            format!("the signature {:?}", answer.sign_info)
        })?;
        seen(reads, "a signature stored", is_stored)?;
        // Without that nobody who asks for what is new of users (0208) is given it.
        let since = exchange.clock.iter().map(|(first, _)| *first).min().unwrap_or_default();
        let is_marked = |view: View<'_>| {
            view.text("total_user_update").is_some_and(|time| number(time) >= since)
        };
        let may_fail = exchange.stores_failed;
        return seen(reads, "a change of users noted", |view| may_fail || is_marked(view));
    }
    let never = asked.sign_info.len() > LONGEST_SIGNATURE
        || std::str::from_utf8(&asked.sign_info).is_err()
        || may_have_failed(exchange);
    right(answer.sign_info.is_none(), || "a signature, not stored".to_string())?;
    seen(reads, "a signature that can't be stored", |view| {
        never || user(view, asked.user_id).is_none() || is_stored(view)
    })
}

/// 010d: the setting is stored, or is as asked already, or there is no such user.
fn push_shield(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImPushShieldReq, ImPushShieldRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    is_a_result(answer.result_code)?;
    let is_stored = |view: View<'_>| {
        user(view, asked.user_id)
            .is_some_and(|row| row.uint("push_shield_status") == asked.shield_status)
    };
    if answer.result_code == 0 {
        right(answer.shield_status == Some(asked.shield_status), || {
            format!("the status {:?}", answer.shield_status)
        })?;
        return seen(reads, "a setting for pushes stored", is_stored);
    }
    right(answer.shield_status.is_none(), || "a setting, not stored".to_string())?;
    let never = asked.shield_status > u8::MAX.into() || may_have_failed(exchange);
    seen(reads, "a setting for pushes that can't be stored", |view| {
        never || user(view, asked.user_id).is_none() || is_stored(view)
    })
}

/// 0207: the session is removed and its messages read, or there is none.
fn session_removed(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImRemoveSessionReq, ImRemoveSessionRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    is_a_result(answer.result_code)?;
    let kind = if asked.session_type == SessionType::Group as i32 { GROUP } else { SINGLE };
    let with = |view: View<'_>, status: u32| {
        let of = [("userId", asked.user_id), ("peerId", asked.session_id), ("type", kind)];
        let mut own = view.rows_with("IMRecentSession", of);
        own.any(|row| row.uint("status") == status)
    };
    if answer.result_code != 0 {
        // Whoever leaves a group, or asks for the same beside this, removes it too.
        let (views, user) = (reads.views(), asked.user_id);
        let left = |view: &View<'_>| !live(*view, asked.session_id).contains(&user);
        let left = kind == GROUP && views.iter().any(left);
        let others = || left || exchange.may_be_another() || may_have_failed(exchange);
        let first = views[0];
        return right(!with(first, 0) || others(), || {
            "no session to remove, where there is one".into()
        });
    }
    // With `single-session` none of its rows is live then; the original removes one of several.
    let single = exchange.protocol.single_session;
    let start = *reads;
    seen(reads, "a session removed", |view| with(view, 1) && !(single && with(view, 0)))?;
    let mut reads = start;
    is_read(exchange, (asked.user_id, kind, asked.session_id), u32::MAX, &mut reads)
}

/// A conversation is read up to a msg_id, or up to the latest message.
fn is_read(
    exchange: &Exchange<'_>,
    (user, kind, id): (u32, u32, u32),
    up_to: u32,
    reads: &mut Reads<'_>,
) -> Judged {
    let protocol = exchange.protocol;
    if protocol.unread_from_store {
        return reads.choose(
            |view| newest(view, protocol, (user, kind, id)).min(up_to),
            |newest, rest| {
                seen(rest, "a conversation read", |view| {
                    let of = [("userId", user), ("peerId", id), ("type", kind)];
                    let mut marks = view.rows_with("TTRead", of);
                    marks.next().map_or(0, |row| row.uint("msgId")) >= *newest
                })
            },
        );
    }
    if exchange.may_lack_a_store() {
        // The original removes the session all the same.
        return Ok(());
    }
    if kind == SINGLE {
        let (key, field) = (format!("unread_{user}"), id.to_string());
        return seen(reads, "a counter cleared", |view| view.field(&key, &field).is_none());
    }
    let count = |key: String| move |view: View<'_>| view.counter(&key);
    let of_user = count(format!("{user}_{id}_im_user_group"));
    reads.choose(count(format!("{id}_im_group_msg")), |all, rest| {
        seen(rest, "a counter read", |view| of_user(view) == *all)
    })
}

fn newest(view: View<'_>, protocol: &Protocol, (user, kind, id): (u32, u32, u32)) -> u32 {
    let latest = match kind {
        SINGLE => latest_single(view, protocol, user, id),
        _ => latest_group(view, protocol, id),
    };
    latest.map_or(0, |latest| latest.msg_id)
}

/// 0304 to who read, with `confirmed-read-acks`: the mark is stored.
fn read(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImMsgDataReadAck, ImMsgDataReadNotify>();
    let Some((asked, answer)) = both else { return Ok(()) };
    // With both switches a device is believed as far as there are messages.
    let as_far_as_can_be = exchange.protocol.unread_from_store && exchange.protocol.edge_limits;
    let may_be = answer.msg_id == asked.msg_id || as_far_as_can_be && answer.msg_id < asked.msg_id;
    right(may_be, || format!("msg_id {}", answer.msg_id))?;
    let kind = if asked.session_type == SessionType::Group as i32 { GROUP } else { SINGLE };
    // With `edge-limits` nothing is kept for who is not in the group.
    let (user, id) = (asked.user_id, asked.session_id);
    let left = |view: &View<'_>| !live(*view, id).contains(&user);
    if kind == GROUP && exchange.protocol.edge_limits && reads.views().iter().any(left) {
        return Ok(());
    }
    if as_far_as_can_be {
        // Ids are drawn as far as the floor says, messages are there as far as they are stored.
        seen(reads, "messages up to what is said to be read", |view| {
            let newest = newest(view, exchange.protocol, (user, kind, id));
            let believed = newest.max(drawn(view, (user, kind, id))).min(asked.msg_id);
            (newest.min(asked.msg_id)..=believed).contains(&answer.msg_id)
        })?;
    }
    is_read(exchange, (user, kind, id), answer.msg_id, reads)
}

/// The last msg_id that the floor of a conversation knows of (`id-floor-from-store`).
fn drawn(view: View<'_>, (user, kind, id): (u32, u32, u32)) -> u32 {
    let [small, big] = match kind {
        SINGLE => [user.min(id), user.max(id)],
        _ => [0, id],
    };
    let of = [("smallId", small), ("bigId", big)];
    view.rows_with("TTRelation", of).map(|row| row.uint("lastId")).max().unwrap_or_default()
}

/// 040a: a member's setting is stored, or they are no member.
fn group_muted(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImGroupShieldReq, ImGroupShieldRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    is_a_result(answer.result_code)?;
    let (group, user) = (asked.group_id, asked.user_id);
    let joined = |view: View<'_>| since(view, exchange.protocol, group, user).is_some();
    if answer.result_code != 0 {
        return seen(reads, "no member to mute it", |view| {
            !joined(view) || may_have_failed(exchange)
        });
    }
    seen(reads, "a member who mutes it", joined)?;
    let (key, field) = (format!("group_set_{group}"), format!("{user}_1"));
    seen(reads, "a setting of a group stored", |view| {
        view.field(&key, &field).is_some_and(|set| number(set) == asked.shield_status)
    })
}

/// 0406: the group is there with its members, or it has no name or no members.
fn group_created(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImGroupCreateReq, ImGroupCreateRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    is_a_result(answer.result_code)?;
    let ids: BTreeSet<u32> = asked.member_id_list.iter().copied().collect();
    let ids: Vec<u32> = ids.into_iter().collect();
    right(answer.group_name == asked.group_name, || format!("a name {:?}", answer.group_name))?;
    if answer.result_code != 0 {
        right(answer.group_id.is_none() && answer.user_id_list.is_empty(), || {
            "a group, not created".to_string()
        })?;
        let texts = [&asked.group_name, &asked.group_avatar];
        let no_text = |text: &&Bytes| std::str::from_utf8(text).is_err() || text.len() > 255;
        let never = asked.group_name.is_empty() || ids.is_empty() || texts.iter().any(no_text);
        return right(never || may_have_failed(exchange), || {
            "no group, which nothing stood against".to_string()
        });
    }
    right(answer.user_id_list == ids, || format!("the members {:?}", answer.user_id_list))?;
    let group = answer.group_id.unwrap_or(0);
    seen(reads, "a group created", |view| {
        let is_asked = |row: Row<'_>| {
            let numbers =
                [("id", group), ("creator", asked.user_id), ("version", 1), ("status", 0)];
            row.has(numbers)
                && row.uint("type") == asked.group_type as u32
                && row.bytes("name") == asked.group_name
                && row.bytes("avatar") == asked.group_avatar
        };
        view.rows("IMGroup").any(is_asked)
    })?;
    seen(reads, "its members", |view| live(view, group).is_superset(&ids.iter().copied().collect()))
}

fn live(view: View<'_>, group: u32) -> BTreeSet<u32> {
    let live = view.rows_with("IMGroupMember", [("groupId", group), ("status", 0)]);
    live.map(|row| row.uint("userId")).collect()
}

/// 0408: those who came or went have, and all who are there now are named; or the user may not do it,
/// or nobody was named. The creator may, anybody may add to a temporary group, and user 0 may.
fn members_changed(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImGroupChangeMemberReq, ImGroupChangeMemberRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    is_a_result(answer.result_code)?;
    let (group, protocol) = (asked.group_id, exchange.protocol);
    let adds = asked.change_type == GroupModifyType::Add as i32;
    let ids: BTreeSet<u32> = asked.member_id_list.iter().copied().collect();
    right(answer.change_type == asked.change_type, || "another change".to_string())?;
    let may = |view: View<'_>| {
        view.rows("IMGroup").any(|row| {
            let tmp = row.uint("type") == GroupType::Tmp as u32;
            let may = [0, row.uint("creator")].contains(&asked.user_id) || (adds && tmp);
            row.uint("id") == group && may
        })
    };
    let changed: BTreeSet<u32> = answer.chg_user_id_list.iter().copied().collect();
    if answer.result_code != 0 {
        let nobody = |view: View<'_>| {
            let there: BTreeSet<u32> = members(view, protocol, group).into_iter().collect();
            let needless = if adds { ids.is_subset(&there) } else { ids.is_disjoint(&there) };
            ids.is_empty() || (needless && !protocol.members_from_store)
        };
        return seen(reads, "a change that may not be made", |view| {
            !may(view) || nobody(view) || may_have_failed(exchange)
        });
    }
    seen(reads, "a user who may change members", |view| {
        may(view) && exists(view, protocol, group)
    })?;
    reads.clone().holds(
        |view| {
            let there: BTreeSet<u32> = members(view, protocol, group).into_iter().collect();
            ids.iter().filter(|id| there.contains(id) != adds).copied().collect::<BTreeSet<_>>()
        },
        |needed| {
            // If nobody needed it, or as the original has it when somebody is taken out, all.
            let once = changed.len() == answer.chg_user_id_list.len();
            right(once && !changed.is_empty() && (changed == *needed || changed == ids), || {
                format!("the change {changed:?}, where {needed:?} were not as asked")
            })
        },
    )?;
    let is_done = |view: View<'_>| {
        let live = live(view, group);
        if adds { changed.is_subset(&live) } else { changed.is_disjoint(&live) }
    };
    let start = *reads;
    seen(reads, "members changed", is_done)?;
    let version = |view: View<'_>| {
        let mut row = view.rows_with("IMGroup", [("id", group)]);
        row.next().map_or(0, |row| row.uint("version"))
    };
    let first = start.views()[0];
    if !is_done(first) {
        let before = version(first);
        seen(&mut start.clone(), "another version of the group", |view| version(view) > before)?;
    }
    let mut start = start;
    start.equals("now there", &answer.cur_user_id_list, |view| members(view, protocol, group))
}

#[cfg(test)]
mod tests {
    use super::{BUDDY_LIST_REMOVE_SESSION_REQ, Exchange, Reads, SINGLE, session_removed};
    use crate::{
        model::Stores,
        plan::Host,
        record::{Changed, Columns, End, Frame, Kind, Line},
    };
    use std::{cell::Cell, sync::Arc};
    use teamtalk::{
        catalogue::id::BUDDY_LIST_REMOVE_SESSION_RES,
        protocol::Protocol,
        store::sql::Value,
        wire::{
            Pdu,
            im::{
                base_define::SessionType,
                buddy::{ImRemoveSessionReq, ImRemoveSessionRsp},
            },
        },
    };

    /// The rows of user 1's session with user 2 are committed, the n-th with the n-th status.
    fn commit(stores: &mut Stores, n: u64, statuses: [i64; 2]) {
        let columns = ["id", "userId", "peerId", "type", "status"];
        let names = columns.map(String::from).to_vec();
        let of = Arc::new(Columns { table: "IMRecentSession".into(), names });
        let row = |(id, status)| {
            let values = [id, 1, 2, i64::from(SINGLE), status].map(Value::Int);
            Changed::row(&of, &[Value::Int(id)].into(), None, Some(&values))
        };
        let changed = (1..).zip(statuses).map(row).collect();
        let kind = Kind::Holds { store: "sql", changed };
        stores.observe(&Line { n, sim_us: n, host: Host::of("world"), incarnation: 0, kind });
    }

    /// Seed 30365 of `hardened`: of two rows of a session one was removed, and the user was told that it is.
    #[test]
    fn a_session_is_removed_with_all_its_rows() {
        let frame =
            |command, body: &dyn Fn(u16) -> Pdu| Frame::new(1, End::Acceptor, 0, body(command));
        let session_type = SessionType::Single as i32;
        let asked = frame(BUDDY_LIST_REMOVE_SESSION_REQ, &|command| {
            let body =
                ImRemoveSessionReq { user_id: 1, session_type, session_id: 2, attach_data: None };
            Pdu::new(command, 5, &body)
        });
        let answer = frame(BUDDY_LIST_REMOVE_SESSION_RES, &|command| {
            let (user_id, session_id, result_code) = (1, 2, 0);
            let attach_data = None;
            let body =
                ImRemoveSessionRsp { user_id, result_code, session_type, session_id, attach_data };
            Pdu::new(command, 5, &body)
        });
        let is_right = |protocol: &Protocol, statuses| {
            let mut stores = Stores::default();
            commit(&mut stores, 10, [0, 0]);
            commit(&mut stores, 20, statuses);
            let exchange = Exchange {
                asked: &asked,
                answer: &answer,
                protocol,
                clock: vec![(1, 1)],
                beside: false,
                stores_failed: false,
                excused: Cell::new(None),
            };
            session_removed(&exchange, &mut Reads::between(&stores, 15, 25)).is_ok()
        };
        assert!(is_right(&Protocol::hardened(), [1, 1]));
        assert!(!is_right(&Protocol::hardened(), [0, 1]));
        let mut unread = Protocol::teamtalk();
        assert!(unread.set("unread-from-store", true));
        assert!(is_right(&unread, [0, 1]), "the original removes one row");
        assert!(!is_right(&unread, [0, 0]));
    }
}
