//! Each rule of `available`, by hand.

use super::Available;
use crate::{
    properties::tape::{
        G, Tape, ack, data, group_ack, group_message, list, list_request, message, refused,
    },
    record::{Changed, Columns, Kind},
};
use bytes::Bytes;
use std::sync::Arc;
use teamtalk::{
    catalogue::id as cmd,
    protocol::Protocol,
    store::sql::Value,
    wire::{
        Pdu,
        im::{
            base_define::MsgType,
            message::{ImMsgData, ImMsgDataReadAck},
        },
        tt::extension::{
            Refused,
            RefusedCode::{self, *},
        },
    },
};

const UNACKED: Option<&str> = Some("available/never-acked/msg");
const REFUSED: [&str; 1] = ["available/refused/msg"];

/// Device 1 of user 1 and device 2 of user 2 are online.
fn tape() -> Tape<Available> {
    let mut tape = Tape::new(Available::default());
    tape.known.settles_within_us = 1_000_000;
    tape.login(1, 10, 1).login(2, 20, 2);
    tape
}

fn fault(tape: &mut Tape<Available>) {
    tape.line("world", Kind::FaultStart { fault: 1, what: "stall".into() });
    tape.line("world", Kind::FaultEnd { fault: 1, hit: 1 });
}

/// User 1 has read user 2 up to a msg_id.
fn marked(msg_id: i64) -> Kind {
    let names = ["userId", "peerId", "type", "msgId"].map(String::from).to_vec();
    let columns = Arc::new(Columns { table: "TTRead".into(), names });
    let row = [1, 2, 1, msg_id].map(Value::Int);
    let changed = vec![Changed::row(&columns, &[Value::Int(1)].into(), None, Some(&row))];
    Kind::Holds { store: "sql", changed }
}

fn refuses(tape: &mut Tape<Available>, seq: u16, code: RefusedCode) {
    tape.tells(10, refused(seq, 1, cmd::MSG_DATA, code));
}

#[test]
fn an_orderly_send_is_owed_its_ack() {
    let mut tape = tape();
    tape.asks(10, message(5, 0, 1, 2, "text"));
    assert_eq!(tape.pending().as_deref(), UNACKED);
    tape.tells(10, ack(6, 7, 1, 2));
    assert_eq!(tape.pending().as_deref(), UNACKED, "of another one");
    tape.asks(10, message(8, 0, 1, 2, "text"));
    assert_eq!(tape.tells(10, ack(5, 7, 1, 2)).pending(), None, "any try will do");
    assert!(tape.found.is_empty());
}

#[test]
fn who_gave_up_or_went_is_owed_nothing_and_what_is_written_again_is() {
    let mut tape = tape();
    tape.asks(10, message(5, 0, 1, 2, "text")).hang_up(1, 10);
    assert_eq!(tape.pending(), None);
    assert_eq!(tape.login(1, 11, 1).pending(), None, "its program does not try again");
    tape.asks(11, message(6, 0, 1, 2, "text"));
    assert_eq!(tape.pending().as_deref(), UNACKED);
    fault(&mut tape);
    assert_eq!(tape.pending(), None, "not written since");
    tape.asks(11, message(7, 0, 1, 2, "text"));
    assert_eq!(tape.pending().as_deref(), UNACKED);
}

#[test]
fn a_refusal_is_forgiven_near_a_fault_only() {
    for code in [RefusedNotStored, RefusedMalformed, RefusedNotAllowed] {
        let mut tape = tape();
        fault(&mut tape);
        tape.asks(10, message(5, 0, 1, 2, "text"));
        refuses(&mut tape, 5, code);
        assert!(tape.found.is_empty(), "{code:?}");
        tape.later(2).asks(10, message(6, 0, 1, 2, "text"));
        refuses(&mut tape, 6, code);
        assert_eq!(tape.found, REFUSED, "{code:?}");
    }
    let mut tape = tape();
    tape.asks(10, message(5, 0, 1, 2, "text")).tells(10, ack(5, 0, 1, 2));
    assert_eq!(tape.found, ["available/refused/db"], "msg_id 0 says that it was not stored");
}

#[test]
fn what_no_store_takes_is_no_orderly_send_and_a_rate_only_puts_off() {
    let mut tape = tape();
    let long = "x".repeat(4097);
    let odd = [&b""[..], &b"\xff"[..], long.as_bytes()];
    for (seq, text) in (5..).zip(odd) {
        tape.asks(10, data(seq, 0, (1, 2), MsgType::SingleText, text));
        refuses(&mut tape, seq, RefusedNotStored);
    }
    tape.asks(10, data(8, 0, (1, 2), MsgType::SingleAudio, b"\0\0\0\x01"));
    refuses(&mut tape, 8, RefusedNotStored);
    tape.asks(10, message(9, 0, 1, 1, "to oneself"));
    refuses(&mut tape, 9, RefusedNotAllowed);
    tape.asks(10, message(9, 0, 2, 1, "as 2"));
    refuses(&mut tape, 9, RefusedNotAllowed);
    assert_eq!(tape.pending(), None);
    for code in [RefusedTooMany, RefusedUnavailable] {
        tape.asks(10, message(10, 0, 1, 2, "text"));
        refuses(&mut tape, 10, code);
        assert!(tape.found.is_empty());
        assert_eq!(tape.pending().as_deref(), UNACKED);
    }
}

const UNENDED: Option<&str> = Some("available/never-ended/msg");

#[test]
fn what_no_store_takes_is_acked_or_refused_for_good() {
    let empty = |seq| data(seq, 0, (1, 2), MsgType::SingleText, b"");
    let mut tape = tape();
    tape.asks(10, empty(5));
    assert_eq!(tape.pending().as_deref(), UNENDED);
    refuses(&mut tape, 5, RefusedUnavailable);
    assert_eq!(tape.pending().as_deref(), UNENDED, "it is put off");
    tape.asks(10, empty(6));
    refuses(&mut tape, 6, RefusedNotStored);
    assert_eq!(tape.pending().as_deref(), UNENDED, "of another one that says the same");
    tape.asks(10, empty(5));
    refuses(&mut tape, 5, RefusedNotStored);
    assert_eq!(tape.pending(), None);
    tape.asks(10, empty(7)).tells(10, ack(7, 9, 1, 2));
    assert_eq!(tape.pending(), None, "an ack ends it, too");
    assert!(tape.found.is_empty(), "{:?}", tape.found);
}

#[test]
fn an_odd_send_is_one_on_every_connection_and_goes_with_its_device() {
    let empty = |seq, token: Option<&'static [u8]>| {
        let mut body =
            data(seq, 0, (1, 2), MsgType::SingleText, b"").view::<ImMsgData>().expect("0301");
        body.send_token = token.map(Bytes::from_static);
        Pdu::new(cmd::MSG_DATA, seq, &body)
    };
    let again = |token| {
        let mut tape = tape();
        tape.asks(10, empty(5, token)).hang_up(1, 10);
        assert_eq!(tape.pending(), None, "off line");
        tape.login(1, 11, 1).asks(11, empty(6, token));
        assert_eq!(tape.pending().as_deref(), UNENDED);
        tape.tells(11, refused(6, 1, cmd::MSG_DATA, RefusedNotStored));
        tape.pending()
    };
    assert_eq!([again(Some(b"one")), again(None)], [None, None]);
    let mut tape = tape();
    tape.asks(10, empty(5, None));
    fault(&mut tape);
    assert_eq!(tape.pending(), None, "not written since");
}

#[test]
fn a_group_refuses_who_is_no_member() {
    let send = |members: &[u32]| {
        let mut tape = tape();
        tape.group(members).asks(10, group_message(5, 0, 1, "text"));
        tape
    };
    let mut none = send(&[2]);
    refuses(&mut none, 5, RefusedNotAllowed);
    assert!(none.found.is_empty());
    assert_eq!(none.pending(), None);
    let mut member = send(&[1, 2]);
    assert_eq!(member.pending().as_deref(), UNACKED);
    refuses(&mut member, 5, RefusedNotAllowed);
    assert_eq!(member.found, REFUSED);
    let mut left = send(&[1, 2]);
    left.changes(9, 1, false);
    refuses(&mut left, 5, RefusedNotAllowed);
    assert!(left.found.is_empty());
    assert_eq!(send(&[1]).tells(10, group_ack(5, 7, 1)).pending(), None);
    assert_eq!(G, 7);
}

#[test]
fn a_question_that_is_refused_again_and_again_is_found() {
    let refusal = || refused(5, 1, cmd::MSG_LIST_REQUEST, RefusedUnavailable);
    let mut tape = tape();
    fault(&mut tape);
    tape.asks(10, list_request(5, 1, 2)).tells(10, refusal());
    assert_eq!(tape.pending(), None, "asked once: its person knows");
    tape.asks(10, list_request(5, 1, 2)).db_writes(refusal()).tells(10, refusal());
    let ever = Some("available/refused-for-ever/db");
    assert_eq!(tape.pending().as_deref(), ever);
    assert!(tape.found.is_empty(), "the fault was near");
    assert!(tape.overdue(900_000).is_none() && tape.overdue(1_100_000).is_some());
    tape.asks(10, list_request(5, 1, 2)).tells(10, list(5, 1, 2, &[]));
    assert_eq!(tape.pending(), None);
    tape.later(2).asks(10, list_request(5, 1, 2)).tells(10, refusal());
    assert_eq!(tape.pending().as_deref(), Some("available/refused/db"), "no fault is near");
    assert!(tape.found.is_empty(), "it may ask again");
    assert_eq!(tape.asks(10, list_request(5, 1, 2)).pending(), None);
}

#[test]
fn a_server_that_was_full_may_refuse_what_is_not_asked_again() {
    for (reason, owed) in
        [("worker queue full", None), ("no such table", Some("available/refused/msg"))]
    {
        let said = Refused {
            user_id: 1,
            command_id: cmd::MSG_LIST_REQUEST.into(),
            code: RefusedUnavailable.into(),
            reason: Some(reason.into()),
            attach_data: None,
        };
        let refusal = || Pdu::new(cmd::OTHER_REFUSED, 5, &said);
        let mut tape = tape();
        fault(&mut tape);
        tape.later(2).asks(10, list_request(5, 1, 2)).tells(10, refusal());
        assert_eq!(tape.pending().as_deref(), owed, "{reason}");
        tape.asks(10, list_request(5, 1, 2)).tells(10, refusal());
        let ever = owed.or(Some("available/refused-for-ever/msg"));
        assert_eq!(tape.pending().as_deref(), ever, "{reason}");
    }
}

/// Seeds 456 and 756 of `hardened`.
#[test]
fn a_question_that_is_asked_anew_and_answered_is_not_refused_for_ever() {
    let refusal = || refused(5, 1, cmd::MSG_LIST_REQUEST, RefusedUnavailable);
    let refused_twice = || {
        let mut tape = tape();
        fault(&mut tape);
        for _ in 0..2 {
            tape.asks(10, list_request(5, 1, 2)).tells(10, refusal());
        }
        tape
    };
    let ever = Some("available/refused-for-ever/msg");
    let mut tape = refused_twice();
    tape.asks(10, list_request(6, 1, 3)).tells(10, list(6, 1, 3, &[]));
    assert_eq!(tape.pending().as_deref(), ever, "another question");
    tape.asks(10, list_request(7, 1, 2));
    assert_eq!(tape.pending().as_deref(), ever, "not answered yet");
    assert_eq!(tape.tells(10, list(7, 1, 2, &[])).pending(), None);
    let mut beside = refused_twice();
    beside.asks(10, list_request(6, 1, 2)).asks(10, list_request(5, 1, 2));
    beside.tells(10, list(6, 1, 2, &[]));
    assert_eq!(beside.pending().as_deref(), ever, "asked again since: its own answer counts");
    let mut lone = refused_twice();
    lone.asks(10, list_request(5, 1, 2)).asks(10, list_request(6, 1, 2));
    lone.tells(10, list(6, 1, 2, &[]));
    assert_eq!(lone.pending(), None, "what came of the first one's last try is open");
    lone.later(2).tells(10, refusal());
    assert_eq!(lone.pending().as_deref(), Some("available/refused/msg"));
}

#[test]
fn a_read_ack_that_is_refused_is_not_owed_once_the_user_has_read_so_far() {
    let read = |seq, msg_id| {
        let (user_id, session_id, session_type) = (1, 2, 1);
        let attach_data = None;
        let ack = ImMsgDataReadAck { user_id, session_id, msg_id, session_type, attach_data };
        Pdu::new(cmd::MSG_READ_ACK, seq, &ack)
    };
    let mut tape = tape().under(Protocol::hardened());
    fault(&mut tape);
    for _ in 0..2 {
        let refusal = refused(5, 1, cmd::MSG_READ_ACK, RefusedUnavailable);
        tape.asks(10, read(5, 7)).tells(10, refusal);
    }
    let ever = Some("available/refused-for-ever/msg");
    assert_eq!(tape.pending().as_deref(), ever);
    tape.line("sql", marked(6));
    assert_eq!(tape.pending().as_deref(), ever);
    tape.line("sql", marked(7));
    assert_eq!(tape.pending(), None, "on another device");
}
