//! How often: PDUs of a command and requests of all kinds in a second, and who a device says it is.

use super::raw::{ALICE, Raw, STRANGER, Seen, login, on_seed};
use std::{collections::BTreeSet, iter::repeat_n, time::Duration};
use teamtalk::{
    catalogue::{
        self, Peer, Serve, id as command,
        limits::Limits,
        probe::{self, Which},
    },
    wire::{
        Pdu,
        im::{base_define::MsgType, message::ImMsgData},
        tt::extension::RefusedCode,
    },
};

/// A PDU of a command that is in order, with the least values.
fn least(id: u16) -> Pdu {
    let all = probe::all(&Limits::default()).into_iter();
    let mut body = all.filter(|of| of.command == id && of.limit == Which::Body);
    Pdu::raw(id, 1, body.next().expect("each has a longest body").body(0))
}

/// Commands of which a connection has one.
pub const OF_LOGINS: [u16; 2] = [command::LOGIN_REQ_USERLOGIN, command::LOGIN_REQ_LOGINOUT];

/// Of the messages that a user may send each connection may send half: here all, so that one is enough.
const MESSAGES: (&str, u32) = ("messages.rate", 40);

/// Commands of which a device may send many, and how many a second.
pub fn commands() -> Vec<(u16, u32)> {
    let limits = Limits::default();
    let of = |command: &catalogue::Command| Some((command.id, limits.of(command.id)?.rate));
    catalogue::ALL.iter().filter_map(of).filter(|(id, _)| !OF_LOGINS.contains(id)).collect()
}

/// Sends so many of one or some kinds in a window; what came of it, and how many were too many.
fn burst(raw: &mut Raw, pdus: impl Iterator<Item = Pdu>) -> (Seen, usize) {
    raw.next_window();
    raw.take();
    raw.send(ALICE, &pdus.collect::<Vec<_>>());
    let seen = raw.take();
    let told = seen.refusals(ALICE);
    let is_over = |(_, code): &&(u16, RefusedCode)| *code == RefusedCode::RefusedTooMany;
    let over = told.iter().filter(is_over).count();
    let reasons = seen.refused.iter().filter(|(_, why)| why.ends_with("a second")).count();
    assert_eq!(over, reasons, "a reason each: {:?}", seen.refused);
    assert!(seen.closed.is_empty() && seen.links.is_empty(), "{:?} {:?}", seen.closed, seen.links);
    (seen, over)
}

#[test]
fn each_rate_serves_what_is_under_it_and_at_it_and_refuses_one_more() {
    for (id, most) in commands() {
        let name = catalogue::name(id).expect("a command");
        let (at, over) = on_seed(|| {
            let mut raw = Raw::online(&[MESSAGES]);
            for count in [most - 1, most] {
                let (_, over) = burst(&mut raw, repeat_n(least(id), count as usize));
                assert_eq!(over, 0, "{name}: {count} in a second");
            }
            // What is the first time is not what it is later: both are asked in the same state.
            let (at, _) = burst(&mut raw, repeat_n(least(id), most as usize));
            (at, burst(&mut raw, repeat_n(least(id), most as usize + 1)))
        });
        let (over, too_many) = over;
        assert_eq!(too_many, 1, "{name}: {} in a second", most + 1);
        assert_eq!(over.told.len(), at.told.len() + 1, "{name}: the others are served as before");
        assert_eq!(over.by_others(), at.by_others(), "{name}: nobody else notices");
    }
}

#[test]
fn requests_of_all_kinds_have_a_rate_together() {
    let kinds = [
        command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST,
        command::MSG_UNREAD_CNT_REQUEST,
        command::GROUP_NORMAL_LIST_REQUEST,
    ];
    on_seed(|| {
        let mut raw = Raw::online(&[("requests.rate", 30)]);
        for (count, too_many) in [(29, 0), (30, 0), (31, 1)] {
            let (seen, over) = burst(&mut raw, (0..count).map(|n| least(kinds[n % 3])));
            assert_eq!((over, seen.told.len()), (too_many, count), "{count} requests");
            assert_eq!(seen.by_others(), 0);
        }
    });
}

fn message() -> Pdu {
    let said = ImMsgData {
        from_user_id: 1,
        to_session_id: 2,
        msg_type: MsgType::SingleText.into(),
        msg_data: "x".into(),
        ..Default::default()
    };
    Pdu::new(command::MSG_DATA, 1, &said)
}

/// As SYSTEM.md section 3 says, step 1.
#[test]
fn messages_of_a_connection_have_a_rate() {
    for (most, set) in [(20, None), (7, Some(("messages.rate", 7)))] {
        on_seed(|| {
            let mut raw = Raw::online(set.as_slice());
            for (count, too_many) in [(most - 1, 0), (most, 0), (most + 1, 1)] {
                let (seen, over) = burst(&mut raw, repeat_n(message(), count));
                assert_eq!(over, too_many, "{count} messages");
                let acked = seen.of(ALICE, command::MSG_DATA_ACK).count();
                assert_eq!(acked, count - too_many, "{count} messages: {seen:?}");
            }
        });
    }
}

/// An answer of a msg_server, which no device may send.
fn unserved() -> Pdu {
    Pdu::raw(command::LOGIN_RES_USERLOGIN, 1, Vec::new().into())
}

#[test]
fn what_is_served_to_no_device_has_a_rate() {
    on_seed(|| {
        let mut raw = Raw::online(&[]);
        for (count, too_many) in [(19, 0), (20, 0), (21, 1)] {
            let (seen, over) = burst(&mut raw, repeat_n(unserved(), count));
            assert_eq!((over, seen.by_others()), (too_many, 0), "{count} of them: {seen:?}");
        }
    });
}

/// Of a rate of 3, and twice that: the seventh in a second costs the connection.
#[test]
fn so_many_times_a_rate_are_abuse() {
    for (count, closed) in [(5, vec![]), (6, vec![]), (7, vec![ALICE])] {
        let seen = on_seed(|| {
            let mut raw = Raw::online(&[("unserved.rate", 3), ("abuse", 2)]);
            raw.next_window();
            raw.take();
            raw.send(ALICE, &vec![unserved(); count]);
            raw.take()
        });
        let slots: Vec<_> = seen.closed.iter().map(|(slot, _)| *slot).collect();
        assert_eq!(slots, closed, "{count} of them: {:?}", seen.closed);
        assert!(seen.links.is_empty(), "{:?}", seen.links);
    }
}

/// A login that is under way leaves others waiting, whatever the rate: those are refused, too, but not for it.
#[test]
fn a_strangers_logins_have_a_rate() {
    let most = Limits::default().of(command::LOGIN_REQ_USERLOGIN).expect("limits").rate as usize;
    for (count, too_many) in [(most - 1, 0), (most, 0), (most + 1, 1)] {
        let seen = on_seed(|| {
            let mut raw = Raw::online(&[]);
            raw.connect(STRANGER);
            raw.next_window();
            raw.take();
            raw.send(STRANGER, &vec![login("carol", "x"); count]);
            raw.take()
        });
        let over = (command::LOGIN_REQ_USERLOGIN, RefusedCode::RefusedTooMany);
        let over = seen.refusals(STRANGER).into_iter().filter(|told| *told == over).count();
        assert_eq!(over, too_many, "{count} logins: {seen:?}");
        assert_eq!((seen.by_others(), &seen.links[..]), (0, &[][..]), "{seen:?}");
    }
}

/// A user comes and goes: each time on another connection.
#[test]
fn a_users_logouts_have_a_rate() {
    let most = Limits::default().of(command::LOGIN_REQ_LOGINOUT).expect("limits").rate;
    for (count, too_many) in [(most - 1, 0), (most, 0), (most + 1, 1)] {
        let (seen, took) = on_seed(|| {
            let mut raw = Raw::online(&[]);
            let began = raw.now();
            raw.take();
            for n in 1..=count {
                if n > 1 {
                    raw.connect(STRANGER + n);
                    raw.log_in(STRANGER + n, ALICE);
                }
                let slot = if n > 1 { STRANGER + n } else { ALICE };
                raw.write(slot, &[least(command::LOGIN_REQ_LOGINOUT)]);
                raw.pass(Duration::from_millis(15));
            }
            (raw.take(), raw.now() - began)
        });
        assert!(took < Duration::from_millis(940), "all in one window: {took:?}");
        let over = (command::LOGIN_REQ_LOGINOUT, RefusedCode::RefusedTooMany);
        let told: Vec<_> = seen.told.iter().map(|(slot, _)| *slot).collect();
        let refused = told.iter().flat_map(|slot| seen.refusals(*slot)).collect::<BTreeSet<_>>();
        assert_eq!(refused, BTreeSet::from_iter(vec![over; too_many]), "{count} logouts");
        let answer = command::LOGIN_RES_LOGINOUT;
        let left = seen.told.iter().filter(|(_, pdu)| pdu.command() == answer).count();
        assert_eq!(left, count as usize - too_many, "{seen:?}");
        assert!(seen.links.is_empty());
    }
}

#[test]
fn a_device_speaks_for_its_own_user_only() {
    let claims = probe::claims();
    assert!(!claims.is_empty());
    for claim in claims {
        on_seed(|| {
            let mut raw = Raw::online(&[]);
            for (user, is_own) in [(1, true), (2, false)] {
                raw.next_window();
                raw.take();
                raw.send(ALICE, &[Pdu::raw(claim.command, 1, claim.body(user))]);
                let seen = raw.take();
                let not_allowed = (claim.command, RefusedCode::RefusedNotAllowed);
                let refused = if is_own { vec![] } else { vec![not_allowed] };
                assert_eq!(seen.refusals(ALICE), refused, "{} of {user}", claim.name());
                assert_eq!(seen.refused.len(), refused.len(), "{:?}", seen.refused);
                assert_eq!((seen.by_others(), &seen.links[..]), (0, &[][..]), "{seen:?}");
            }
        });
    }
}

/// What a msg_server counts at all: PDUs that a device may send.
#[test]
fn every_command_of_a_device_is_counted() {
    let of_device = catalogue::ALL.iter().filter(|command| {
        let served = command.served(Peer::Device, Peer::Msg);
        served.is_some_and(|serve| serve != Serve::Outside)
    });
    assert_eq!(of_device.count(), commands().len() + 2);
}
