//! Traces written by hand: what goes to route, what is passed on, what is refused.

mod met;

use super::Links;
use crate::{
    plan::Host,
    properties::tape::{Tape, list, list_request, message, refused},
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
        attach::{self, Attach},
        edit::Edit,
        im::{
            base_define::{ClientType, ServerUserStat},
            login::{ImKickPcClientReq, ImKickPcClientRsp, ImKickUser, ImLoginReq},
            server::{ImOnlineUserInfo, ImRoleSet, ImServerKickUser},
        },
        tt::extension::RefusedCode,
    },
};

/// The links of msg1 to db1, to db2 and to route1.
const DB: ConnId = 90;
const OTHER_DB: ConnId = 91;
const ROUTE: ConnId = 92;
const PC: i32 = ClientType::Windows as i32;
const PHONE: i32 = ClientType::Ios as i32;

fn made(tape: &mut Tape<Links>, conn: ConnId, peer: &str) {
    let peer = Host::of(peer);
    tape.line("msg1", Kind::Connected { conn, end: End::Dialler, peer, port: 1, device: None });
}

fn tape() -> Tape<Links> {
    let mut tape = Tape::new(Links::default()).under(Protocol::hardened());
    tape.known.timing = Some(Timing::original());
    made(&mut tape, DB, "db1");
    made(&mut tape, OTHER_DB, "db2");
    made(&mut tape, ROUTE, "route1");
    to(&mut tape, ROUTE, Pdu::new(id::OTHER_ROLE_SET, 0, &ImRoleSet { master: 1 }));
    tape
}

fn beat(tape: &mut Tape<Links>, conn: ConnId) {
    let beat = Pdu::raw(id::OTHER_HEARTBEAT, 0, Bytes::new());
    tape.asks(conn, beat.clone()).tells(conn, beat);
}

fn to(tape: &mut Tape<Links>, link: ConnId, pdu: Pdu) {
    tape.frame("msg1", End::Dialler, true, link, pdu);
}

/// What msg1 writes to a link, or reads there, for the connection of number 7.
fn of_7(pdu: Pdu) -> Pdu {
    of(7, pdu)
}

fn of(handle: u32, pdu: Pdu) -> Pdu {
    let body = Edit::of(&pdu.body).bytes(attach::FIELD, &Attach::handle(handle).encode()).done();
    pdu.with_body(body)
}

fn kick(user_id: u32, client_type: i32, reason: u32) -> Pdu {
    let kick = ImServerKickUser { user_id, client_type, reason, login_number: None };
    Pdu::new(id::OTHER_SERVER_KICK_USER, 0, &kick)
}

/// Something that shows what was not written before.
fn later_beat(tape: &mut Tape<Links>) {
    tape.later(6);
    to(tape, ROUTE, Pdu::raw(id::OTHER_HEARTBEAT, 0, Bytes::new()));
}

#[test]
fn each_login_and_each_phone_that_puts_pcs_off_is_told() {
    let mut tape = tape();
    tape.login(1, 10, 1);
    to(&mut tape, ROUTE, kick(1, PC, 1));
    later_beat(&mut tape);
    assert_eq!(tape.found, [""; 0]);
    tape.connect(2, 11).login_here(2, 11, 1, PHONE);
    later_beat(&mut tape);
    assert_eq!(tape.found, ["links/kick-untold/msg"]);
    let asks = Pdu::new(id::LOGIN_REQ_KICKPCCLIENT, 4, &ImKickPcClientReq { user_id: 1 });
    let done = ImKickPcClientRsp { user_id: 1, result_code: 0 };
    tape.asks(11, asks.clone());
    tape.tells(11, refused(4, 1, id::LOGIN_REQ_KICKPCCLIENT, RefusedCode::RefusedTooMany));
    later_beat(&mut tape);
    assert_eq!(tape.found.len(), 1, "it was refused");
    tape.asks(11, asks).tells(11, Pdu::new(id::LOGIN_RES_KICKPCCLIENT, 4, &done));
    later_beat(&mut tape);
    assert_eq!(tape.found[1..], ["links/kick-untold/msg"]);
}

/// Seed 7227 of `hardened`: of two logins that one device asked for a msg_server let in the later one first.
/// The other one is put off in the turn that lets it in, and kicks nobody.
#[test]
fn who_is_put_off_in_the_moment_of_its_login_kicks_nobody() {
    let put_off = |tape: &mut Tape<Links>, at_us, conn, kick_reason| {
        let notice = ImKickUser { user_id: 1, kick_reason };
        let notice = Pdu::new(id::LOGIN_KICK_USER, 0, &notice);
        tape.at(at_us).frame("msg1", End::Acceptor, true, conn, notice);
    };
    let let_in = |tape: &mut Tape<Links>, at_us, conn| {
        tape.at(at_us).fact("msg1", Fact::LoggedIn { conn, user: 1, client_type: PC as u32 });
    };
    for (after_us, reason, protocol, found) in [
        (0, 1, Protocol::hardened(), vec![]),
        (1, 1, Protocol::hardened(), vec!["links/kick-untold/msg"]),
        (0, 2, Protocol::hardened(), vec!["links/kick-untold/msg"]),
        (0, 1, Protocol::teamtalk(), vec!["links/kick-untold/msg"]),
    ] {
        let mut tape = tape().under(protocol);
        tape.connect(1, 10).connect(2, 11);
        let_in(&mut tape, 2_000, 10);
        to(&mut tape, ROUTE, kick(1, PC, 1));
        let_in(&mut tape, 3_000, 11);
        put_off(&mut tape, 3_000 + after_us, 11, reason);
        later_beat(&mut tape);
        assert_eq!(tape.found, found, "{after_us} us later, for the reason {reason}");
    }
    let mut tape = tape();
    tape.connect(1, 10).connect(2, 11);
    let_in(&mut tape, 2_000, 10);
    let_in(&mut tape, 2_000, 11);
    put_off(&mut tape, 2_000, 11, 1);
    later_beat(&mut tape);
    assert_eq!(tape.found, ["links/kick-untold/msg"], "the other one kicks");
    let mut tape = self::tape();
    tape.connect(1, 10);
    let_in(&mut tape, 2_000, 10);
    to(&mut tape, ROUTE, kick(1, PC, 1));
    let_in(&mut tape, 2_000, 11);
    put_off(&mut tape, 2_000, 10, 1);
    later_beat(&mut tape);
    assert_eq!(tape.found, ["links/kick-untold/msg"], "that of 11 is owed still");
}

#[test]
fn what_is_for_the_master_goes_to_a_link_that_was_announced() {
    let mut tape = tape();
    made(&mut tape, 93, "route2");
    to(&mut tape, ROUTE, message(0, 5, 1, 2, "a"));
    to(&mut tape, 93, Pdu::raw(id::OTHER_HEARTBEAT, 0, Bytes::new()));
    assert_eq!(tape.found, [""; 0]);
    to(&mut tape, 93, message(0, 6, 1, 2, "b"));
    assert_eq!(tape.found, ["links/not-master/msg"]);
}

#[test]
fn a_new_link_is_told_of_everyone() {
    let mut tape = tape();
    tape.login(1, 10, 1);
    to(&mut tape, ROUTE, kick(1, PC, 1));
    tape.connect(2, 11).login_here(2, 11, 2, PHONE);
    to(&mut tape, ROUTE, kick(2, PHONE, 1));
    tape.later(1);
    made(&mut tape, 93, "route2");
    let stat = |user_id, client_type| ServerUserStat { user_id, status: 1, client_type };
    let mut report = ImOnlineUserInfo { user_stat_list: vec![stat(1, PC), stat(2, PHONE)] };
    to(&mut tape, 93, Pdu::new(id::OTHER_ONLINE_USER_INFO, 0, &report));
    assert_eq!(tape.found, [""; 0]);
    report.user_stat_list.pop();
    to(&mut tape, 93, Pdu::new(id::OTHER_ONLINE_USER_INFO, 0, &report));
    assert_eq!(tape.found, ["links/left-out/msg"]);
}

#[test]
fn an_answer_is_passed_on_at_once() {
    let mut tape = tape();
    tape.login(1, 10, 1).asks(10, list_request(5, 1, 2));
    to(&mut tape, DB, of_7(list_request(5, 1, 2)));
    tape.frame("msg1", End::Dialler, false, DB, of_7(list(5, 1, 2, &[])));
    tape.later(1);
    beat(&mut tape, 10);
    assert_eq!(tape.found, ["links/kept-back/msg"]);
    tape.asks(10, list_request(6, 1, 2));
    to(&mut tape, DB, of_7(list_request(6, 1, 2)));
    tape.frame("msg1", End::Dialler, false, DB, of_7(list(6, 1, 2, &[])));
    tape.tells(10, list(6, 1, 2, &[])).later(1);
    beat(&mut tape, 10);
    assert_eq!(tape.found.len(), 1);
}

#[test]
fn what_waits_on_a_link_that_is_gone_is_refused_and_nothing_else() {
    let refusal = |seq| refused(seq, 1, id::MSG_LIST_REQUEST, RefusedCode::RefusedUnavailable);
    for (link, tells, found) in [
        (DB, true, vec![]),
        (DB, false, vec!["links/kept-waiting/msg"]),
        (OTHER_DB, true, vec!["links/given-up/msg"]),
        (OTHER_DB, false, vec![]),
    ] {
        let mut tape = tape();
        tape.login(1, 10, 1).asks(10, list_request(5, 1, 2));
        to(&mut tape, DB, of_7(list_request(5, 1, 2)));
        tape.line("msg1", Kind::Disconnected { conn: link, end: End::Dialler });
        if tells {
            tape.tells(10, refusal(5));
        }
        tape.later(1);
        beat(&mut tape, 10);
        assert_eq!(tape.found, found, "{link} {tells}");
    }
    let mut tape = tape();
    tape.login(1, 10, 1).asks(10, list_request(5, 1, 2));
    to(&mut tape, DB, of_7(list_request(5, 1, 2)));
    tape.later(13).tells(10, refusal(5));
    assert_eq!(tape.found, [""; 0], "its patience is over");
}

/// Seed 8593 of `hardened`: one question waits on two links whose other ends are gone, and the younger is
/// given up first.
#[test]
fn a_refusal_just_before_a_link_is_given_up_is_of_what_waits_on_it() {
    let refusal = refused(5, 1, id::MSG_LIST_REQUEST, RefusedCode::RefusedUnavailable);
    for (times, found) in [(1, vec!["links/kept-waiting/msg"]), (2, vec![])] {
        let mut tape = tape();
        tape.login(1, 10, 1);
        for (link, db) in [(DB, "db1"), (OTHER_DB, "db2")] {
            tape.asks(10, list_request(5, 1, 2));
            to(&mut tape, link, of_7(list_request(5, 1, 2)));
            tape.line(db, Kind::Disconnected { conn: link, end: End::Acceptor });
        }
        for (n, link) in [OTHER_DB, DB].into_iter().enumerate() {
            let moment_us = 1_000_000 * (n as u64 + 1);
            if n < times {
                tape.at(moment_us).frame("msg1", End::Acceptor, true, 10, refusal.clone());
            }
            tape.at(moment_us).line("msg1", Kind::Disconnected { conn: link, end: End::Dialler });
            tape.at(moment_us + 500_000);
            beat(&mut tape, 10);
        }
        assert_eq!(tape.found, found, "{times}");
    }
}

#[test]
fn a_login_is_waited_for_as_long_as_its_connection_is_there() {
    let mut tape = tape();
    let logins = |length| Fact::HighWater { queue: "logins_in_flight".into(), length, bound: 9 };
    let asks = || Pdu::new(id::LOGIN_REQ_USERLOGIN, 1, &ImLoginReq::default());
    tape.connect(1, 10).connect(2, 11).asks(10, asks()).fact("msg1", logins(1));
    tape.hang_up(1, 10).asks(11, asks());
    assert_eq!(tape.found, [""; 0]);
    tape.fact("msg1", logins(2));
    assert_eq!(tape.found, ["links/login-kept/msg"]);
}

#[test]
fn of_a_question_that_is_asked_again_the_second_has_its_own_answer_when_the_first_was_given_up() {
    let refusal = || refused(5, 1, id::MSG_LIST_REQUEST, RefusedCode::RefusedUnavailable);
    let mut tape = tape();
    tape.login(1, 10, 1);
    for _ in 0..2 {
        tape.asks(10, list_request(5, 1, 2));
        to(&mut tape, DB, of_7(list_request(5, 1, 2)));
        tape.later(7);
    }
    tape.tells(10, refusal());
    for _ in 0..2 {
        tape.frame("msg1", End::Dialler, false, DB, of_7(refusal()));
    }
    tape.tells(10, refusal());
    assert_eq!(tape.found, [""; 0]);
    tape.asks(10, list_request(5, 1, 2));
    to(&mut tape, DB, of_7(list_request(5, 1, 2)));
    tape.tells(10, refusal());
    assert_eq!(tape.found, ["links/given-up/msg"], "the third has none");
}

#[test]
fn what_goes_through_route_is_no_question() {
    let mut tape = tape();
    tape.login(1, 10, 1).asks(10, message(5, 0, 1, 2, "a"));
    to(&mut tape, ROUTE, of_7(message(5, 9, 1, 2, "b")));
    tape.frame("msg1", End::Dialler, false, ROUTE, of_7(message(5, 8, 1, 2, "c")));
    tape.later(1);
    beat(&mut tape, 10);
    assert_eq!(tape.found, [""; 0]);
}

#[test]
fn what_is_written_to_a_connection_whose_other_end_is_gone_is_not_judged() {
    let refusal = || refused(5, 1, id::MSG_LIST_REQUEST, RefusedCode::RefusedUnavailable);
    for gone in [true, false] {
        let mut tape = tape();
        tape.login(1, 10, 1);
        for _ in 0..2 {
            tape.asks(10, list_request(5, 1, 2));
            to(&mut tape, DB, of_7(list_request(5, 1, 2)));
        }
        if gone {
            tape.line("client1", Kind::Disconnected { conn: 10, end: End::Dialler });
        }
        tape.frame("msg1", End::Dialler, false, DB, of_7(refusal())).tells(10, refusal());
        if !gone {
            assert_eq!(tape.found, [""; 0], "the first is answered");
            tape.tells(10, refusal());
            assert_eq!(tape.found, ["links/given-up/msg"], "and the second was not yet");
        }
        assert_eq!(tape.found.len(), usize::from(!gone));
    }
}

#[test]
fn a_late_answer_is_for_the_question_that_was_given_up() {
    let refusal = || refused(5, 1, id::MSG_LIST_REQUEST, RefusedCode::RefusedUnavailable);
    let answer = || list(5, 1, 2, &[]);
    let gives_up_the_first_of_two = || {
        let mut tape = tape();
        tape.login(1, 10, 1);
        for _ in 0..2 {
            tape.asks(10, list_request(5, 1, 2));
            to(&mut tape, DB, of_7(list_request(5, 1, 2)));
            tape.later(7);
        }
        tape.tells(10, refusal());
        tape
    };
    let reads = |tape: &mut Tape<Links>, pdu: Pdu| {
        tape.frame("msg1", End::Dialler, false, DB, of_7(pdu));
    };

    let mut tape = gives_up_the_first_of_two();
    reads(&mut tape, refusal());
    tape.later(1);
    beat(&mut tape, 10);
    assert_eq!(tape.found, [""; 0], "the first was refused already");
    reads(&mut tape, refusal());
    tape.later(1);
    beat(&mut tape, 10);
    assert_eq!(tape.found, ["links/kept-back/msg"], "the second was not");

    let mut tape = gives_up_the_first_of_two();
    reads(&mut tape, answer());
    tape.tells(10, answer());
    reads(&mut tape, answer());
    tape.later(1);
    beat(&mut tape, 10);
    assert_eq!(tape.found, [""; 0], "the late answer was told to who asked again");
}

#[test]
fn who_answers_so_late_that_nobody_waits_any_more_answers_nobody() {
    let mut tape = tape();
    tape.login(1, 10, 1);
    for _ in 0..2 {
        tape.asks(10, list_request(5, 1, 2));
        to(&mut tape, DB, of_7(list_request(5, 1, 2)));
        tape.later(13);
        tape.tells(10, refused(5, 1, id::MSG_LIST_REQUEST, RefusedCode::RefusedUnavailable));
    }
    tape.later(11).asks(10, list_request(5, 1, 2));
    to(&mut tape, DB, of_7(list_request(5, 1, 2)));
    // The first was dropped after 36 s: this may count for the second or the third.
    for _ in 0..2 {
        tape.frame("msg1", End::Dialler, false, DB, of_7(list(5, 1, 2, &[])));
    }
    tape.later(1);
    beat(&mut tape, 10);
    assert_eq!(tape.found, [""; 0]);
}

/// Seeds 1927 and 4304 of `hardened`.
#[test]
fn who_asks_is_told_by_its_number_where_two_ask_the_same() {
    let refusal = || refused(5, 1, id::MSG_LIST_REQUEST, RefusedCode::RefusedUnavailable);
    for is_known in [false, true] {
        let mut tape = tape();
        tape.login(1, 10, 1).connect(2, 11).login_here(2, 11, 1, PHONE);
        if is_known {
            tape.asks(10, list_request(4, 1, 2));
            to(&mut tape, DB, of_7(list_request(4, 1, 2)));
        }
        tape.asks(10, list_request(5, 1, 2)).asks(11, list_request(5, 1, 2));
        to(&mut tape, DB, of(7, list_request(5, 1, 2)));
        to(&mut tape, DB, of(8, list_request(5, 1, 2)));
        tape.later(1).asks(10, list_request(5, 1, 2));
        to(&mut tape, OTHER_DB, of_7(list_request(5, 1, 2)));
        tape.frame("msg1", End::Dialler, false, DB, of_7(refusal())).tells(10, refusal());
        assert_eq!(tape.found, [""; 0], "{is_known}: the first is answered");
        tape.tells(10, refusal());
        let found = if is_known { vec!["links/given-up/msg"] } else { vec![] };
        assert_eq!(tape.found, found, "the second was not yet");
    }
}

/// Seeds 5479 and 8382 of `hardened`: a msg_server reads the same question twice in one moment.
#[test]
fn of_questions_that_come_twice_at_once_each_counts() {
    let refusal = |code| refused(5, 1, id::MSG_LIST_REQUEST, code);
    let unavailable = || refusal(RefusedCode::RefusedUnavailable);
    let twice = || {
        let mut tape = tape();
        tape.login(1, 10, 1);
        tape.asks(10, list_request(5, 1, 2)).asks(10, list_request(5, 1, 2));
        tape
    };
    let mut tape = twice();
    to(&mut tape, DB, of_7(list_request(5, 1, 2)));
    to(&mut tape, OTHER_DB, of_7(list_request(5, 1, 2)));
    tape.frame("msg1", End::Dialler, false, OTHER_DB, of_7(unavailable())).tells(10, unavailable());
    assert_eq!(tape.found, [""; 0]);
    tape.tells(10, unavailable());
    assert_eq!(tape.found, ["links/given-up/msg"]);

    let mut tape = twice();
    tape.tells(10, refusal(RefusedCode::RefusedTooMany));
    to(&mut tape, DB, of_7(list_request(5, 1, 2)));
    tape.later(7).asks(10, list_request(5, 1, 2));
    to(&mut tape, DB, of_7(list_request(5, 1, 2)));
    tape.later(6).tells(10, unavailable());
    assert_eq!(tape.found, [""; 0], "the first has waited long enough");
    tape.tells(10, unavailable());
    assert_eq!(tape.found, ["links/given-up/msg"], "the second has not");
}

/// Two questions of which one is sent on: which of them is refused can't be told.
#[test]
fn a_refusal_at_once_and_one_of_what_waits_look_alike() {
    let refusal = || refused(5, 1, id::MSG_LIST_REQUEST, RefusedCode::RefusedUnavailable);
    let mut tape = tape();
    tape.login(1, 10, 1);
    for _ in 0..2 {
        tape.asks(10, list_request(5, 1, 2));
        to(&mut tape, DB, of_7(list_request(5, 1, 2)));
    }
    tape.asks(10, list_request(5, 1, 2)).tells(10, refusal()).tells(10, refusal());
    assert_eq!(tape.found, [""; 0]);
}

/// Seed 230 of `hardened`: answers to questions that were given up in silence came late, each was taken for
/// that of the next one, and none of those that followed can be told.
#[test]
fn after_an_answer_of_what_may_be_given_up_which_question_is_answered_can_not_be_told() {
    let answer = || list(5, 1, 2, &[]);
    let mut tape = tape();
    tape.login(1, 10, 1);
    for wait in [37, 1] {
        tape.asks(10, list_request(5, 1, 2));
        to(&mut tape, DB, of_7(list_request(5, 1, 2)));
        tape.later(wait);
    }
    for _ in 0..2 {
        tape.frame("msg1", End::Dialler, false, DB, of_7(answer()));
        tape.asks(10, list_request(5, 1, 2));
        to(&mut tape, DB, of_7(list_request(5, 1, 2)));
        tape.later(1);
        beat(&mut tape, 10);
    }
    assert_eq!(tape.found, [""; 0]);
}

#[test]
fn what_devices_ask_of_a_route_server_follows_from_the_catalogue() {
    use teamtalk::catalogue::{self, Peer, Serve};
    let asked = catalogue::ALL.iter().filter(|command| {
        let by_device = command.served(Peer::Device, Peer::Msg).is_some();
        by_device
            && command.reply.is_some()
            && command.served(Peer::Msg, Peer::Route) == Some(Serve::Handler)
    });
    let asked: Vec<_> = asked.flat_map(|of| [Some(of.id), of.reply]).flatten().collect();
    assert_eq!(asked, super::waits::ASKED_OF_ROUTE);
}
