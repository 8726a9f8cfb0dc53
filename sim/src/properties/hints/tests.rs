//! Traces written by hand: who is owed a hint, when it is late, and who has to ask.

use super::Hints;
use crate::{
    plan::Host,
    properties::tape::{G, Tape, data, group_message, message, refused},
    record::{End, Kind},
};
use bytes::Bytes;
use teamtalk::{
    catalogue::id,
    env::ConnId,
    fact::Fact,
    protocol::Protocol,
    timing::Timing,
    wire::{
        Pdu,
        attach::{self, Attach, kind},
        edit::Edit,
        im::{
            base_define::{GroupInfo, MsgType},
            buddy::ImRecentContactSessionReq,
            group::{ImGroupInfoListReq, ImGroupInfoListRsp},
            server::{ImOnlineUserInfo, ImRoleSet},
        },
        tt::extension::{CatchUpHint, RefusedCode},
    },
};

/// The links of msg1 to db1 and to route1.
const DB: ConnId = 90;
const ROUTE: ConnId = 91;

fn made(tape: &mut Tape<Hints>, conn: ConnId, peer: &str) {
    let peer = Host::of(peer);
    tape.line("msg1", Kind::Connected { conn, end: End::Dialler, peer, port: 1, device: None });
}

/// Users 1, 2 and 3 are online at msg1.
fn tape() -> Tape<Hints> {
    let mut tape = Tape::new(Hints::default()).under(Protocol::hardened());
    tape.known.timing = Some(Timing::original());
    tape.known.orderly.extend(1..4);
    made(&mut tape, DB, "db1");
    made(&mut tape, ROUTE, "route1");
    for user in 1..4 {
        tape.login(user, u64::from(user) + 10, user);
    }
    tape.later(1);
    tape
}

fn beat(tape: &mut Tape<Hints>, conn: ConnId) {
    let beat = Pdu::raw(id::OTHER_HEARTBEAT, 0, Bytes::new());
    tape.asks(conn, beat.clone()).tells(conn, beat);
}

fn hint(users: &[u32]) -> Pdu {
    let hint = CatchUpHint { user_id_list: users.to_vec() };
    Pdu::new(id::OTHER_CATCH_UP_HINT, 0, &hint)
}

fn with_attach(pdu: Pdu, attach: &Attach) -> Pdu {
    let body = Edit::of(&pdu.body).bytes(attach::FIELD, &attach.encode()).done();
    pdu.with_body(body)
}

fn to(tape: &mut Tape<Hints>, link: ConnId, pdu: Pdu) {
    tape.frame("msg1", End::Dialler, true, link, pdu);
}

fn from(tape: &mut Tape<Hints>, link: ConnId, pdu: Pdu) {
    tape.frame("msg1", End::Dialler, false, link, pdu);
}

/// User 1 sends to user 2 through msg1.
fn send(tape: &mut Tape<Hints>) {
    to(tape, DB, with_attach(message(5, 0, 1, 2, "a"), &Attach::handle(7)));
}

#[test]
fn the_two_users_of_a_send_whose_link_is_gone_are_told_here_and_elsewhere() {
    let mut tape = tape();
    send(&mut tape);
    tape.line("msg1", Kind::Disconnected { conn: DB, end: End::Dialler });
    beat(&mut tape, 12);
    tape.later(20);
    tape.tells(11, hint(&[]));
    beat(&mut tape, 11);
    beat(&mut tape, 13);
    assert_eq!(tape.found, [""; 0], "the third has nothing to do with it");
    beat(&mut tape, 12);
    assert_eq!(tape.found, ["hints/untold/msg"]);
    to(&mut tape, ROUTE, hint(&[1]));
    to(&mut tape, ROUTE, Pdu::raw(id::OTHER_HEARTBEAT, 0, Bytes::new()));
    assert_eq!(tape.found[1..], ["hints/unrelayed/msg"]);
}

/// Seed 7568 of `hardened`: a partition; the db_proxy gave up a link and its msg_server did not know yet.
#[test]
fn a_link_is_lost_when_its_msg_server_knows() {
    let mut tape = tape();
    send(&mut tape);
    tape.fact("db1", Fact::Closed { conn: DB, reason: "silent for too long".into() });
    tape.later(20);
    beat(&mut tape, 12);
    assert_eq!(tape.found, [""; 0], "the answer may come still");
    tape.fact("msg1", Fact::Closed { conn: DB, reason: "silent for too long".into() });
    tape.later(1);
    beat(&mut tape, 12);
    assert_eq!(tape.found, ["hints/untold/msg"]);
}

#[test]
fn a_heartbeat_that_was_read_in_time_says_nothing() {
    let mut tape = tape();
    send(&mut tape);
    let beat = Pdu::raw(id::OTHER_HEARTBEAT, 0, Bytes::new());
    tape.line("msg1", Kind::Disconnected { conn: DB, end: End::Dialler });
    tape.asks(12, beat.clone()).later(20);
    tape.tells(12, beat).tells(12, hint(&[]));
    assert_eq!(tape.found, [""; 0]);
}

#[test]
fn what_is_answered_is_lost_to_nobody() {
    for (code, found) in [
        (None, vec![]),
        (Some(RefusedCode::RefusedNotStored), vec![]),
        (Some(RefusedCode::RefusedUnavailable), vec!["hints/untold/msg"]),
    ] {
        let mut tape = tape();
        send(&mut tape);
        let answer = match code {
            None => message(5, 9, 1, 2, "a"),
            Some(code) => refused(5, 1, id::MSG_DATA, code),
        };
        from(&mut tape, DB, with_attach(answer, &Attach::handle(7)));
        tape.later(20);
        beat(&mut tape, 12);
        assert_eq!(tape.found, found, "{code:?}");
    }
}

#[test]
fn everyone_here_is_told_when_the_members_of_a_group_are_not_answered() {
    let group = data(0, 9, (1, 7), MsgType::GroupText, b"a");
    let attach =
        Attach { kind: kind::GROUP, handle: 0, service_type: 0, pdu: Some(group.body.clone()) };
    let asked = ImGroupInfoListReq { attach_data: Some(attach.encode()), ..Default::default() };
    for is_asked in [true, false] {
        let mut tape = tape();
        from(&mut tape, ROUTE, group_message(0, 9, 1, "a"));
        if is_asked {
            to(&mut tape, DB, Pdu::new(id::GROUP_INFO_REQUEST, 0, &asked));
            tape.later(1);
            beat(&mut tape, 13);
            tape.line("msg1", Kind::Disconnected { conn: DB, end: End::Dialler });
        }
        tape.later(1);
        beat(&mut tape, 13);
        tape.later(20);
        beat(&mut tape, 13);
        assert_eq!(tape.found, ["hints/untold/msg"], "{is_asked}");
    }
}

/// Seed 129 of the profile `bounds`: 66 KB went before the question, on the same link.
#[test]
fn members_who_are_asked_for_some_ticks_later_were_asked_for_at_once() {
    let group = group_message(0, 9, 1, "a");
    let attach =
        Attach { kind: kind::GROUP, handle: 0, service_type: 0, pdu: Some(group.body.clone()) };
    let asked = ImGroupInfoListReq { attach_data: Some(attach.encode()), ..Default::default() };
    let members = GroupInfo { group_id: G, ..Default::default() };
    let answer = ImGroupInfoListRsp {
        group_info_list: vec![members],
        attach_data: Some(attach.encode()),
        ..Default::default()
    };
    for (later_us, found) in [(10_000, [].as_slice()), (60_000, &["hints/untold/msg"])] {
        let mut tape = tape();
        // Looks are 50 ms apart.
        tape.at(4_960_000);
        beat(&mut tape, 13);
        tape.at(5_000_000);
        from(&mut tape, ROUTE, group_message(0, 9, 1, "a"));
        tape.at(5_010_000);
        beat(&mut tape, 12);
        tape.at(5_000_000 + later_us);
        beat(&mut tape, 13);
        to(&mut tape, DB, Pdu::new(id::GROUP_INFO_REQUEST, 0, &asked));
        from(&mut tape, DB, Pdu::new(id::GROUP_INFO_RESPONSE, 0, &answer));
        tape.later(20);
        beat(&mut tape, 13);
        assert_eq!(tape.found, found, "{later_us}");
    }
}

/// Seed 1779 of `hardened`: the users of a send were told at once, and everyone else, for a message of a group that
/// was lost with the same link, after the pause.
#[test]
fn all_who_miss_something_by_the_loss_of_a_link_are_told_at_once() {
    let group = data(0, 9, (1, 7), MsgType::GroupText, b"a");
    let attach = Attach { kind: kind::GROUP, handle: 0, service_type: 0, pdu: Some(group.body) };
    let asked = ImGroupInfoListReq { attach_data: Some(attach.encode()), ..Default::default() };
    let mut tape = tape();
    send(&mut tape);
    from(&mut tape, ROUTE, group_message(0, 9, 1, "a"));
    to(&mut tape, DB, Pdu::new(id::GROUP_INFO_REQUEST, 0, &asked));
    tape.line("msg1", Kind::Disconnected { conn: DB, end: End::Dialler });
    tape.tells(11, hint(&[])).tells(12, hint(&[])).later(1);
    beat(&mut tape, 11);
    beat(&mut tape, 12);
    assert_eq!(tape.found, [""; 0]);
    beat(&mut tape, 13);
    assert_eq!(tape.found, ["hints/untold/msg"]);
}

#[test]
fn a_new_link_and_a_new_master() {
    let mut tape = tape();
    to(&mut tape, ROUTE, Pdu::new(id::OTHER_ROLE_SET, 0, &ImRoleSet { master: 1 }));
    to(&mut tape, ROUTE, Pdu::new(id::OTHER_ONLINE_USER_INFO, 0, &ImOnlineUserInfo::default()));
    tape.later(1);
    tape.tells(11, hint(&[]));
    beat(&mut tape, 11);
    assert_eq!(tape.found, [""; 0]);
    beat(&mut tape, 12);
    tape.later(9);
    to(&mut tape, ROUTE, Pdu::raw(id::OTHER_HEARTBEAT, 0, Bytes::new()));
    assert_eq!(tape.found, ["hints/untold/msg", "hints/unrelayed/msg"]);
}

#[test]
fn a_device_that_was_told_asks_for_its_sessions_after_it() {
    let sessions = ImRecentContactSessionReq { user_id: 1, ..Default::default() };
    let sessions = Pdu::new(id::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST, 3, &sessions);
    for (asks, found) in [(true, vec![]), (false, vec!["hints/not-asked/client"])] {
        let mut tape = tape();
        tape.asks(11, sessions.clone()).tells(11, hint(&[]));
        if asks {
            tape.asks(11, sessions.clone());
        }
        for _ in 0..3 {
            tape.later(5);
            beat(&mut tape, 11);
        }
        assert_eq!(tape.found, found);
    }
}
