//! Traces of devices that do their part, and of others.

use super::Diligent;
use crate::{
    plan::{DROPS, Host},
    properties::tape::{G, GROUP, Tape, ack, ack_up_to, list, message, page_request, refused},
    record::{End, Kind},
};
use bytes::Bytes;
use prost::Message;
use teamtalk::{
    catalogue::id as command,
    conversation::Chat,
    fact::Fact,
    protocol::Protocol,
    timing::Timing,
    wire::{
        Pdu,
        im::{
            base_define::{GroupModifyType, UnreadInfo},
            group::ImGroupChangeMemberNotify,
            message::{ImGetMsgListReq, ImMsgDataReadAck, ImMsgDataReadNotify, ImUnreadMsgCntRsp},
        },
        tt::extension::RefusedCode,
    },
};

const SECOND: u64 = 1_000_000;

/// Device 3 of user 2, which is orderly, is online on connection 7; there are two msg_servers.
fn online() -> Tape<Diligent> {
    let mut tape = Tape::new(Diligent::default()).under(Protocol::hardened());
    tape.known.timing = Some(Timing::original());
    tape.known.orderly = [3].into();
    tape.line("msg1", Kind::HostUp).line("msg2", Kind::HostUp);
    logs_in(&mut tape, 7);
    tape
}

/// It logs in on a connection and asks what our program asks then.
fn logs_in(tape: &mut Tape<Diligent>, conn: u64) {
    tape.login(3, conn, 2);
    for command in super::AFTER_LOGIN {
        tape.asks(conn, Pdu::raw(command, 2, Bytes::new()));
    }
}

#[test]
fn it_asks_after_a_login() {
    let mut tape = online();
    tape.hang_up(3, 7).login(3, 8, 2);
    assert_eq!(by(&mut tape, 1), ["diligent/not-asked/client"]);
    let mut tape = online();
    logs_in(tape.hang_up(3, 7), 8);
    assert!(by(&mut tape, 1).is_empty());
}

fn beat() -> Pdu {
    Pdu::raw(command::OTHER_HEARTBEAT, 0, Bytes::new())
}

/// What is found by a second.
fn by(tape: &mut Tape<Diligent>, second: u64) -> Vec<String> {
    // It is about the device, so a card shows it.
    let shown =
        Fact::UnreadShown { device: 3, chat: teamtalk::conversation::Chat::User(9), count: 0 };
    tape.at(second * SECOND).fact("client1", shown).found.clone()
}

#[test]
fn a_push_is_acked() {
    let pushed = || {
        let mut tape = online();
        tape.tells(7, message(0, 5, 1, 2, "text"));
        tape
    };
    assert_eq!(by(&mut pushed(), 1), ["diligent/unacked/client"]);
    assert!(by(pushed().asks(7, ack(4, 5, 2, 1)), 1).is_empty());
    assert_eq!(by(pushed().asks(7, ack(4, 6, 2, 1)), 1).len(), 1, "another one's");
    assert!(by(pushed().hang_up(3, 7), 1).is_empty());
    let mut slow = pushed();
    slow.line("world", Kind::FaultStart { fault: 1, what: "slow link".into() });
    assert!(by(&mut slow, 1).is_empty());
}

#[test]
fn a_send_without_an_answer_is_written_again_after_a_login() {
    let attempt = |attempt, conn, seq_num| Fact::Attempt { op: 20, attempt, conn, seq_num };
    let again = || {
        let mut tape = online();
        tape.fact("client1", attempt(1, 7, 5)).asks(7, message(5, 0, 2, 1, "text"));
        logs_in(tape.hang_up(3, 7), 8);
        tape
    };
    assert_eq!(by(&mut again(), 1), ["diligent/not-sent-again/client"]);
    assert!(by(again().fact("client1", attempt(2, 8, 6)), 1).is_empty());
    let ended = Fact::OpFailed { op: 20, reason: "refused".into() };
    assert!(by(again().fact("client1", ended), 1).is_empty());
}

fn dials(tape: &mut Tape<Diligent>, peer: &str, is_made: bool) -> Vec<String> {
    let (peer, port, device) = (Host::of(peer), 8000, Some(3));
    let line = match is_made {
        true => Kind::Connected { conn: 8, end: End::Dialler, peer, port, device },
        false => Kind::ConnectFailed { peer, port, device, why: "refused" },
    };
    tape.line("client1", line).found.clone()
}

#[test]
fn it_is_back_soon() {
    let back = |second: u64| {
        let mut tape = online();
        tape.at(SECOND).hang_up(3, 7);
        tape.at(second * SECOND);
        tape
    };
    assert!(dials(&mut back(4), "msg1", true).is_empty());
    assert_eq!(dials(&mut back(9), "msg1", true), ["diligent/slow-return/client"]);
    let mut trouble = back(2);
    trouble.line("world", Kind::StreamReset { conn: 99 });
    assert!(dials(trouble.at(9 * SECOND), "msg1", true).is_empty());
    // Seed 9612 of `hardened`: the person drops the connection that it is just dialling.
    let dropped = |second: u64| {
        let mut tape = back(second);
        let (what, delivered) = (DROPS.to_string(), true);
        tape.line("world", Kind::Op { op: 9, device: 3, what, delivered, online: None });
        tape.at(9 * SECOND);
        tape
    };
    assert!(dials(&mut dropped(4), "msg1", true).is_empty());
    assert_eq!(dials(&mut dropped(3), "msg1", true), ["diligent/slow-return/client"], "it waits");
}

#[test]
fn it_turns_to_another_server() {
    let mut tape = online();
    tape.at(SECOND).hang_up(3, 7);
    assert!(dials(&mut tape, "msg1", false).is_empty());
    assert!(dials(&mut tape, "msg2", false).is_empty());
    assert_eq!(dials(&mut tape, "msg2", false), ["diligent/same-server/client"]);
}

/// Seed 6635 of `hardened`.
#[test]
fn a_program_that_starts_again_does_not_know_whom_it_could_not_reach() {
    let mut tape = online();
    tape.property.hosts.clear();
    assert!(dials(&mut tape, "msg1", false).is_empty());
    tape.line("client1", Kind::HostDown);
    assert!(dials(&mut tape, "msg1", false).is_empty());
    assert_eq!(dials(&mut tape, "msg1", false), ["diligent/same-server/client"]);
}

#[test]
fn it_asks_nothing_of_a_group_that_its_user_is_out_of() {
    let asks = || {
        let (session_type, session_id) = (GROUP, G);
        let list = ImGetMsgListReq {
            user_id: 2,
            session_type,
            session_id,
            msg_id_begin: 5,
            msg_cnt: 3,
            attach_data: None,
        };
        Pdu::new(command::MSG_LIST_REQUEST, 9, &list)
    };
    let told = |kind: GroupModifyType, users: &[u32]| {
        let notice = ImGroupChangeMemberNotify {
            user_id: 1,
            change_type: kind.into(),
            group_id: G,
            cur_user_id_list: vec![1],
            chg_user_id_list: users.to_vec(),
        };
        let mut tape = online();
        tape.tells(7, Pdu::new(command::GROUP_CHANGE_MEMBER_NOTIFY, 0, &notice));
        tape.at(SECOND);
        tape
    };
    let out = told(GroupModifyType::Del, &[2]).asks(7, asks()).found.clone();
    assert_eq!(out, ["diligent/asks-outside/client"]);
    assert!(told(GroupModifyType::Del, &[4]).asks(7, asks()).found.is_empty());
    assert!(told(GroupModifyType::Add, &[2]).asks(7, asks()).found.is_empty());
    let person = Fact::Attempt { op: 9, attempt: 1, conn: 7, seq_num: 9 };
    let mut asked = told(GroupModifyType::Del, &[2]);
    assert!(asked.fact("client1", person).asks(7, asks()).found.is_empty());
    assert!(asked.tells(7, beat()).found.is_empty());
    // Counts name the groups that the user is in, if they were asked for since.
    let counts = Pdu::raw(command::MSG_UNREAD_CNT_REQUEST, 5, Default::default());
    let counted = || {
        let info =
            UnreadInfo { session_id: G, session_type: GROUP, unread_cnt: 1, ..Default::default() };
        let answer =
            ImUnreadMsgCntRsp { user_id: 2, unreadinfo_list: vec![info], ..Default::default() };
        Pdu::new(command::MSG_UNREAD_CNT_RESPONSE, 5, &answer)
    };
    let mut again = told(GroupModifyType::Del, &[2]);
    assert!(again.asks(7, counts.clone()).tells(7, counted()).asks(7, asks()).found.is_empty());
    let mut before = online();
    before.asks(7, counts);
    let gone = ImGroupChangeMemberNotify {
        user_id: 1,
        change_type: GroupModifyType::Del.into(),
        group_id: G,
        cur_user_id_list: vec![1],
        chg_user_id_list: vec![2],
    };
    before.tells(7, Pdu::new(command::GROUP_CHANGE_MEMBER_NOTIFY, 0, &gone)).tells(7, counted());
    before.at(SECOND).asks(7, asks());
    assert_eq!(before.found, ["diligent/asks-outside/client"]);
}

#[test]
fn it_says_that_it_holds_what_it_holds_or_was_not_given() {
    let claims = |tape: &mut Tape<Diligent>, up_to| {
        tape.asks(7, ack_up_to(9, up_to, (2, 1), up_to)).found.clone()
    };
    let lies = ["diligent/claims-unheld/client"];
    assert!(claims(online().holds(3, 1, (1, "a")), 1).is_empty());
    assert_eq!(claims(online().holds(3, 1, (1, "a")), 2), lies);
    assert_eq!(claims(online().holds(3, 2, (1, "b")), 2), lies, "1 is missing");
    assert_eq!(claims(online().holds(5, 1, (1, "a")), 1), lies, "another device has it");
    // It was answered without 1 and 2; or by a page that is full, which says nothing below it.
    for (count, found) in [(100, 0), (1, 1)] {
        let mut tape = online();
        tape.asks(7, page_request(4, 2, Chat::User(1), (3, count)));
        tape.tells(7, list(4, 2, 1, &[(3, 1, "c")])).holds(3, 3, (1, "c"));
        assert_eq!(claims(&mut tape, 3).len(), found);
    }
}

/// User 1 has said something to the user of device 3 that is not read.
fn counted(seq: u16, unread_cnt: u32) -> Pdu {
    let info = UnreadInfo { session_id: 1, session_type: 1, unread_cnt, ..Default::default() };
    let told = ImUnreadMsgCntRsp {
        user_id: 2,
        total_cnt: unread_cnt,
        unreadinfo_list: [info].into(),
        attach_data: None,
    };
    Pdu::new(command::MSG_UNREAD_CNT_RESPONSE, seq, &told)
}

/// Device 3 says that its user has read what user 1 said up to message 4.
fn read(seq: u16) -> Pdu {
    let chat = Chat::User(1);
    let ack = ImMsgDataReadAck {
        user_id: 2,
        session_id: chat.id(),
        msg_id: 4,
        session_type: chat.session_type(),
        attach_data: None,
    };
    Pdu::new(command::MSG_READ_ACK, seq, &ack)
}

/// It crashes, comes back on connection 8, and asks for its counts under seq_num 2.
fn crashes(tape: &mut Tape<Diligent>) {
    tape.line("client1", Kind::HostDown).later(1);
    logs_in(tape, 8);
}

#[test]
fn it_writes_a_read_ack_again_that_was_not_confirmed() {
    let mut tape = online();
    tape.asks(7, read(9));
    crashes(&mut tape);
    tape.tells(8, counted(2, 1)).asks(8, read(10));
    assert!(by(&mut tape, 3).is_empty());
    let mut tape = online();
    tape.asks(7, read(9));
    crashes(&mut tape);
    tape.tells(8, counted(2, 0));
    assert!(by(&mut tape, 3).is_empty(), "it was stored");
    let mut tape = online();
    tape.asks(7, read(9));
    crashes(&mut tape);
    tape.tells(8, counted(2, 1));
    assert_eq!(by(&mut tape, 3), ["diligent/not-read-again/client"]);
}

/// Seed 400004 of `hardened`: of two read acks of one message the first was confirmed, and the second, which
/// had no answer, is tried again and goes with its connection.
#[test]
fn what_another_read_ack_confirmed_is_not_written_again() {
    let mut tape = online();
    let confirms = ImMsgDataReadNotify {
        msg_id: 4,
        session_id: 1,
        session_type: 1,
        user_id: 2,
        attach_data: None,
    };
    tape.asks(7, read(9)).asks(7, read(10));
    tape.tells(7, Pdu::new(command::MSG_READ_NOTIFY, 9, &confirms)).asks(7, read(10));
    crashes(&mut tape);
    tape.tells(8, counted(2, 1));
    assert!(by(&mut tape, 3).is_empty());
}

/// Seed 20997 of `hardened`: a probe looked like a read ack of the device.
#[test]
fn a_raw_read_ack_is_nobodys_to_write_again() {
    let own = read(9).view::<ImMsgDataReadAck>().unwrap();
    let attach_data = Some(Bytes::from_static(b"xxxx"));
    let padded = [&read(9).body[..], b"\xca\x3e\x01x"].concat();
    for body in [
        ImMsgDataReadAck { user_id: 1, ..own.clone() }.encode_to_vec(),
        ImMsgDataReadAck { attach_data, ..own }.encode_to_vec(),
        padded,
    ] {
        let mut tape = online();
        tape.asks(7, Pdu::raw(command::MSG_READ_ACK, 9, body.into()));
        crashes(&mut tape);
        tape.tells(8, counted(2, 1));
        assert!(by(&mut tape, 3).is_empty());
    }
}

#[test]
fn it_tries_a_read_ack_three_times() {
    for (tries, found) in [(2, 1), (3, 0)] {
        let mut tape = online();
        for attempt in 1..=tries {
            tape.fact("client1", Fact::Attempt { op: 5, attempt, conn: 7, seq_num: 9 });
            tape.asks(7, read(9));
        }
        let reason = teamtalk::client::reason::NO_ANSWER.into();
        tape.fact("client1", Fact::OpFailed { op: 5, reason });
        assert_eq!(tape.found, ["diligent/read-given-up/client"][..found]);
    }
}

/// A person sends something: an operation that its device takes.
fn says(tape: &mut Tape<Diligent>, op: u32) {
    let (device, what) = (3, format!("sends op-{op} to user 1"));
    tape.line("world", Kind::Op { op, device, what, delivered: true, online: None });
}

/// Device 3 tries an operation's send under a seq_num of connection 7.
fn tries(tape: &mut Tape<Diligent>, op: u32, attempt: u32, seq_num: u16) {
    tape.fact("client1", Fact::Attempt { op, attempt, conn: 7, seq_num });
    tape.asks(7, message(seq_num, 0, 2, 1, &format!("op-{op}")));
}

#[test]
fn what_was_sent_earlier_is_written_earlier() {
    let both = |first: u32, second: u32| {
        let mut tape = online();
        says(&mut tape, 20);
        says(&mut tape, 21);
        tries(&mut tape, first, 1, 5);
        tries(&mut tape, second, 1, 6);
        tape
    };
    assert_eq!(both(20, 21).found, [""; 0]);
    assert_eq!(both(21, 20).found, ["diligent/out-of-turn/client"]);
    let mut again = both(20, 21);
    tries(again.later(7), 20, 2, 5);
    assert_eq!(again.found, [""; 0], "only the first try has its turn");
    let mut other = online();
    says(&mut other, 20);
    says(&mut other, 21);
    tries(&mut other, 21, 1, 5);
    other.fact("client1", Fact::Attempt { op: 20, attempt: 1, conn: 7, seq_num: 6 });
    other.asks(7, message(6, 0, 2, 9, "op-20"));
    assert_eq!(other.found, [""; 0], "another chat");
}

/// A person who sends something again asks for it later than for what they sent meanwhile.
#[test]
fn what_is_sent_again_has_the_turn_of_what_was_sent() {
    let mut tape = online();
    says(&mut tape, 20);
    says(&mut tape, 21);
    says(&mut tape, 22);
    for op in [20, 22] {
        tape.fact("client1", Fact::Attempt { op, attempt: 1, conn: 7, seq_num: 5 });
    }
    tape.asks(7, message(5, 0, 2, 1, "op-20"));
    tries(&mut tape, 21, 1, 6);
    assert_eq!(tape.found, [""; 0]);
}

#[test]
fn each_try_has_its_time() {
    let tried = |times_ms: &[u64]| {
        let mut tape = online();
        for (n, ms) in (1..).zip(times_ms) {
            tries(tape.at(SECOND + ms * 1_000), 20, n, 5);
        }
        tape.found
    };
    assert_eq!(tried(&[0, 6_000, 18_000, 42_000, 66_000]), [""; 0]);
    for hasty in [&[0, 5_999][..], &[0, 6_000, 17_999], &[0, 6_000, 18_000, 41_999]] {
        assert_eq!(tried(hasty), ["diligent/hasty/client"], "{hasty:?}");
    }
    let refused_at_ms = |ms: u64, again_ms: u64| {
        let mut tape = online();
        tries(tape.at(SECOND), 20, 1, 5);
        tries(tape.at(7 * SECOND), 20, 2, 5);
        let refusal = refused(5, 2, command::MSG_DATA, RefusedCode::RefusedTooMany);
        tape.at(7 * SECOND + ms * 1_000).tells(7, refusal);
        tries(tape.at(7 * SECOND + again_ms * 1_000), 20, 3, 5);
        tape.found
    };
    assert_eq!(refused_at_ms(1_000, 7_001), [""; 0], "a refusal puts it off for one answer");
    assert_eq!(refused_at_ms(1_000, 6_999), ["diligent/hasty/client"]);
    assert_eq!(refused_at_ms(11_000, 17_001), [""; 0]);
    assert_eq!(refused_at_ms(11_000, 12_001), ["diligent/hasty/client"], "also one that is longer");
}
