//! Requests and their answers, line by line.

use super::Answered;
use crate::{
    properties::tape::{
        GROUP, SINGLE, Tape, ack, group_ack, group_message, list, list_request, message,
    },
    record::{End, Kind},
};
use bytes::Bytes;
use teamtalk::{
    catalogue::id as command,
    fact::Fact,
    protocol::Protocol,
    wire::{Pdu, im::message::ImMsgDataReadAck},
};

fn tape(protocol: Protocol) -> Tape<Answered> {
    let mut tape = Tape::new(Answered::default()).under(protocol);
    tape.login(1, 10, 1);
    tape
}

const SILENCE: &str = "answered/silence/msg";

#[test]
fn an_answer_is_its_reply_or_a_refusal_under_its_seq_num() {
    let mut tape = tape(Protocol::teamtalk());
    assert_eq!(tape.pending(), None, "the login is answered");
    tape.asks(10, list_request(5, 1, 2));
    tape.tells(10, list(6, 1, 2, &[])).tells(10, ack(5, 9, 1, 2));
    assert_eq!(tape.pending().as_deref(), Some(SILENCE));
    tape.tells(10, list(5, 1, 2, &[]));
    assert_eq!(tape.pending(), None);
    tape.asks(10, message(7, 0, 1, 2, "text"));
    assert_eq!(tape.pending().as_deref(), Some(SILENCE));
    tape.tells(10, Pdu::raw(command::OTHER_REFUSED, 7, Bytes::new()));
    assert_eq!(tape.pending(), None);
}

#[test]
fn malformed_and_unknown_requests_count_and_acks_do_not() {
    for command in [command::MSG_DATA, 0x0399, command::MSG_LIST_RESPONSE] {
        let mut tape = tape(Protocol::teamtalk());
        tape.asks(10, Pdu::raw(command, 5, Bytes::from_static(b"\xff")));
        assert_eq!(tape.pending().as_deref(), Some(SILENCE), "{command:#06x}");
    }
    let mut tape = tape(Protocol::teamtalk());
    for command in [command::MSG_DATA_ACK, command::SWITCH_P2P_CMD] {
        tape.asks(10, Pdu::raw(command, 5, Bytes::new()));
    }
    assert_eq!(tape.pending(), None);
}

#[test]
fn a_read_ack_is_a_request_only_where_it_is_confirmed() {
    let read = ImMsgDataReadAck { session_type: SINGLE, ..Default::default() };
    let read = Pdu::new(command::MSG_READ_ACK, 5, &read);
    let mut old = tape(Protocol::teamtalk());
    old.asks(10, read.clone());
    assert_eq!(old.pending(), None);
    let mut new = tape(Protocol::hardened());
    new.asks(10, read);
    assert_eq!(new.pending().as_deref(), Some(SILENCE));
    new.tells(10, Pdu::raw(command::MSG_READ_NOTIFY, 0, Bytes::new()));
    assert_eq!(new.pending().as_deref(), Some(SILENCE), "a notice is no answer");
    new.tells(10, Pdu::raw(command::MSG_READ_NOTIFY, 5, Bytes::new()));
    assert_eq!(new.pending(), None);
}

#[test]
fn a_closed_connection_excuses() {
    type Close = fn(&mut Tape<Answered>);
    let closes: [Close; 3] = [
        |tape| {
            tape.hang_up(1, 10);
        },
        |tape| {
            tape.line("msg1", Kind::HostDown);
        },
        |tape| {
            tape.line("world", Kind::StreamReset { conn: 10 });
        },
    ];
    for close in closes {
        let mut tape = tape(Protocol::teamtalk());
        tape.asks(10, list_request(5, 1, 2));
        close(&mut tape);
        tape.asks(10, list_request(6, 1, 2));
        assert_eq!(tape.pending(), None);
    }
    let mut tape = tape(Protocol::teamtalk());
    tape.asks(10, list_request(5, 1, 2)).line("msg2", Kind::HostDown);
    tape.login(2, 20, 2).hang_up(2, 20);
    assert_eq!(tape.pending().as_deref(), Some(SILENCE), "others closed");
}

#[test]
fn a_request_is_answered_as_often_as_it_was_read() {
    const TWICE: &str = "answered/twice/msg";
    let refusal = || Pdu::raw(command::OTHER_REFUSED, 5, Bytes::new());
    let sent = |times: usize| {
        let mut tape = tape(Protocol::hardened());
        for _ in 0..times {
            tape.asks(10, message(5, 0, 1, 2, "text"));
        }
        tape
    };
    let mut tape = sent(1);
    tape.tells(10, ack(5, 9, 1, 2)).tells(10, list(5, 1, 2, &[]));
    assert!(tape.found.is_empty(), "that answers nothing");
    assert_eq!(tape.tells(10, refusal()).found, [TWICE]);
    assert_eq!(sent(1).tells(10, refusal()).tells(10, ack(5, 9, 1, 2)).found, [TWICE]);
    let mut twice = sent(2);
    assert!(twice.tells(10, refusal()).tells(10, ack(5, 9, 1, 2)).found.is_empty());
    assert_eq!(twice.tells(10, ack(5, 9, 1, 2)).found, [TWICE]);
    twice.found.clear();
    twice.asks(10, message(5, 0, 1, 2, "text")).tells(10, ack(5, 9, 1, 2));
    assert!(twice.found.is_empty());
}

#[test]
fn a_heartbeat_is_echoed() {
    let beat = || Pdu::raw(command::OTHER_HEARTBEAT, 0, Bytes::new());
    let mut tape = tape(Protocol::teamtalk());
    assert_eq!(tape.asks(10, beat()).pending().as_deref(), Some(SILENCE));
    assert_eq!(tape.tells(10, beat()).pending(), None);
}

#[test]
fn a_logout_is_answered_before_its_connection_is_closed() {
    let closes = |tape: &mut Tape<Answered>, says: bool| {
        if says {
            tape.fact("msg1", Fact::Closed { conn: 10, reason: "logout".into() });
        }
        // The device may be the first to see it through.
        tape.line("client1", Kind::Disconnected { conn: 10, end: End::Dialler });
        tape.line("msg1", Kind::Disconnected { conn: 10, end: End::Acceptor }).found.clone()
    };
    let leave = || Pdu::raw(command::LOGIN_REQ_LOGINOUT, 6, Bytes::new());
    let left = || Pdu::raw(command::LOGIN_RES_LOGINOUT, 6, Bytes::new());
    let asked = || {
        let mut tape = tape(Protocol::hardened());
        tape.asks(10, list_request(5, 1, 2));
        tape
    };
    assert!(closes(&mut asked(), true).is_empty(), "who leaves waits for nothing else");
    assert_eq!(closes(asked().asks(10, leave()), true), [SILENCE]);
    assert!(closes(asked().asks(10, leave()).tells(10, left()), true).is_empty());
    assert!(closes(asked().asks(10, leave()), false).is_empty(), "the device was first");
    let fault = Kind::FaultStart { fault: 1, what: "slow reader".into() };
    assert!(closes(asked().asks(10, leave()).line("world", fault), true).is_empty());
}

/// Seed 21000 of `hardened`.
#[test]
fn a_logout_that_is_read_in_the_moment_of_a_kick_may_be_too_late() {
    const NOW_US: u64 = 5_000_000;
    let found = |kicked: bool, closed_us: u64| {
        let mut tape = tape(Protocol::hardened());
        let leave = Pdu::raw(command::LOGIN_REQ_LOGINOUT, 6, Bytes::new());
        tape.at(NOW_US).frame("msg1", End::Acceptor, false, 10, leave);
        tape.at(closed_us).fact("msg1", Fact::Closed { conn: 10, reason: "kicked".into() });
        if kicked {
            tape.kick(10);
        }
        tape.line("msg1", Kind::Disconnected { conn: 10, end: End::Acceptor }).found.clone()
    };
    assert!(found(true, NOW_US).is_empty());
    assert_eq!(found(true, NOW_US + 5_000), [SILENCE], "it was read before");
    assert_eq!(found(false, NOW_US), [SILENCE]);
}

#[test]
fn what_is_asked_just_before_the_bound_had_no_time() {
    const BOUND_US: u64 = 50_000_000;
    // Two requests of seq_num 5 and 6, so many microseconds before the bound.
    let asked = |five: u64, six: u64| {
        let mut tape = tape(Protocol::hardened());
        tape.known.answer_within_us = 2_400_000;
        tape.at(BOUND_US - five).asks(10, list_request(5, 1, 2));
        tape.at(BOUND_US - six).asks(10, list_request(6, 1, 2));
        tape
    };
    let late = |tape: &Tape<Answered>| tape.overdue(BOUND_US).map(|found| found.sentence);
    let young = asked(2_300_000, 10_000);
    assert_eq!(young.pending().as_deref(), Some(SILENCE), "a run does not rest yet");
    assert_eq!(late(&young), None, "the end of a run is no silence");
    let mut old = asked(2_500_000, 10_000);
    assert!(late(&old).is_some_and(|sentence| sentence.contains("seq_num 5 ")));
    old.asks(10, list_request(5, 1, 2));
    assert!(late(&old).is_some(), "asked again it is the same request");
    old.tells(10, list(5, 1, 2, &[]));
    assert_eq!(late(&old), None);
}

#[test]
fn every_question_has_its_answer_and_no_other() {
    use command::*;
    let questions = [
        (GROUP_NORMAL_LIST_REQUEST, GROUP_NORMAL_LIST_RESPONSE),
        (GROUP_INFO_REQUEST, GROUP_INFO_RESPONSE),
        (GROUP_CREATE_REQUEST, GROUP_CREATE_RESPONSE),
        (GROUP_CHANGE_MEMBER_REQUEST, GROUP_CHANGE_MEMBER_RESPONSE),
        (GROUP_SHIELD_GROUP_REQUEST, GROUP_SHIELD_GROUP_RESPONSE),
        (BUDDY_LIST_USER_INFO_REQUEST, BUDDY_LIST_USER_INFO_RESPONSE),
        (BUDDY_LIST_ALL_USER_REQUEST, BUDDY_LIST_ALL_USER_RESPONSE),
        (BUDDY_LIST_DEPARTMENT_REQUEST, BUDDY_LIST_DEPARTMENT_RESPONSE),
        (BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST, BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE),
        (LOGIN_REQ_PUSH_SHIELD, LOGIN_RES_PUSH_SHIELD),
        (LOGIN_REQ_QUERY_PUSH_SHIELD, LOGIN_RES_QUERY_PUSH_SHIELD),
        (LOGIN_REQ_DEVICETOKEN, LOGIN_RES_DEVICETOKEN),
        (FILE_REQUEST, FILE_RESPONSE),
        (FILE_HAS_OFFLINE_REQ, FILE_HAS_OFFLINE_RES),
    ];
    for (n, (question, answer)) in questions.into_iter().enumerate() {
        let pdu = |command| Pdu::raw(command, 5, Bytes::new());
        let mut tape = tape(Protocol::teamtalk());
        tape.asks(10, pdu(question)).tells(10, pdu(questions[(n + 1) % questions.len()].1));
        assert_eq!(tape.pending().as_deref(), Some(SILENCE), "{question:#06x}");
        tape.tells(10, pdu(answer));
        assert_eq!(tape.pending(), None, "{question:#06x}");
    }
    let mut tape = tape(Protocol::hardened());
    for order in [BUDDY_LIST_CHANGE_AVATAR_REQUEST, FILE_ADD_OFFLINE_REQ, FILE_DEL_OFFLINE_REQ] {
        tape.asks(10, Pdu::raw(order, 5, Bytes::new()));
    }
    assert_eq!(tape.pending(), None);
}

#[test]
fn a_send_and_a_read_ack_of_a_group_are_requests() {
    let mut tape = tape(Protocol::hardened());
    tape.asks(10, group_message(5, 0, 1, "text"));
    assert_eq!(tape.pending().as_deref(), Some(SILENCE));
    tape.tells(10, group_ack(5, 7, 1));
    assert_eq!(tape.pending(), None);
    let read = ImMsgDataReadAck { session_type: GROUP, ..Default::default() };
    tape.asks(10, Pdu::new(command::MSG_READ_ACK, 6, &read));
    assert_eq!(tape.pending().as_deref(), Some(SILENCE));
}
