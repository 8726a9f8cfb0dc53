//! Traces in which something is too early, too late, or in time.

use super::Timely;
use crate::{
    plan::{EPOCH, Host},
    properties::tape::{Tape, ack},
    record::{End, Kind},
};
use bytes::Bytes;
use teamtalk::{
    catalogue::id as command,
    conversation::Conversation,
    env::ConnId,
    fact::Fact,
    protocol::Protocol,
    timing::Timing,
    wire::{Pdu, im::base_define::ClientType, im::message::ImClientTimeRsp},
};

const SECOND: u64 = 1_000_000;
const LATE: &str = "timely/closed-late/msg";
const EARLY: &str = "timely/closed-early/msg";

/// Device 1, which is orderly, connects to msg1 at the start of a run at the original's pace.
fn connected(protocol: Protocol) -> Tape<Timely> {
    let mut tape = Tape::new(Timely::default()).under(protocol);
    tape.known.timing = Some(Timing::original());
    tape.known.orderly = [1].into();
    tape.connect(1, 10);
    tape
}

fn online(protocol: Protocol) -> Tape<Timely> {
    let mut tape = connected(protocol);
    tape.login_here(1, 10, 1, ClientType::Windows as i32);
    tape
}

fn beat() -> Pdu {
    Pdu::raw(command::OTHER_HEARTBEAT, 0, Bytes::new())
}

/// A line at a time at which what is late by then must be seen. It is of the connection, whose end
/// cards show.
fn look(tape: &mut Tape<Timely>, conn: ConnId, at_us: u64) -> Vec<String> {
    let end = Kind::Disconnected { conn, end: End::Dialler };
    tape.at(at_us).line("client2", end).found.clone()
}

/// The same with a line that is not the end of the connection: who has closed it owes no heartbeat.
fn look_at_open(tape: &mut Tape<Timely>, at_us: u64) -> Vec<String> {
    let reset = Kind::Connected {
        conn: 10,
        end: End::Acceptor,
        peer: Host::of("client1"),
        port: 8000,
        device: None,
    };
    tape.at(at_us).line("msg1", reset).found.clone()
}

#[test]
fn a_device_that_is_online_sends_heartbeats() {
    const MISSING: &str = "timely/no-heartbeat/client";
    let beats = |until: u64| {
        let mut tape = online(Protocol::hardened());
        for second in (5..until).step_by(5) {
            tape.at(second * SECOND).asks(10, beat());
        }
        tape
    };
    let late = |tape: &mut Tape<Timely>| look_at_open(tape, 40 * SECOND);
    assert_eq!(late(&mut beats(30)), [MISSING]);
    assert!(late(&mut beats(40)).is_empty());
    assert!(late(beats(30).hang_up(1, 10)).is_empty(), "it is off line");
    let mut paused = beats(30);
    paused.line("world", Kind::FaultStart { fault: 1, what: "pause".into() });
    assert!(late(&mut paused).is_empty(), "a fault may be why");
}

#[test]
fn a_heartbeat_may_wait_behind_what_takes_long_to_write() {
    let found = |bytes: usize, look_ms: u64| {
        let mut tape = online(Protocol::hardened());
        let long = Pdu::raw(command::BUDDY_LIST_USERS_STATUS_REQUEST, 5, vec![0; bytes].into());
        tape.at(5 * SECOND).asks(10, long);
        look_at_open(&mut tape, 5 * SECOND + look_ms * 1_000)
    };
    assert!(found(60_000, 400).is_empty());
    assert_eq!(found(60_000, 600), ["timely/no-heartbeat/client"]);
    assert_eq!(found(10_000, 400), ["timely/no-heartbeat/client"]);
}

#[test]
fn both_ends_of_a_link_send_heartbeats() {
    let link = |end, peer: &str| Kind::Connected {
        conn: 70,
        end,
        peer: Host::of(peer),
        port: 10600,
        device: None,
    };
    let mut tape = Tape::new(Timely::default());
    tape.known.timing = Some(Timing::original());
    tape.line("msg1", link(End::Dialler, "db1")).line("db1", link(End::Acceptor, "msg1"));
    tape.at(5 * SECOND).frame("msg1", End::Dialler, true, 70, beat());
    assert!(look(&mut tape, 70, 7 * SECOND).is_empty());
    let again = link(End::Dialler, "db1");
    assert_eq!(tape.at(8 * SECOND).line("msg1", again).found, ["timely/no-heartbeat/db"]);
}

#[test]
fn a_silent_connection_is_closed_in_its_time() {
    let silent = |client_type: ClientType, at_us: u64| {
        let mut tape = connected(Protocol::hardened());
        tape.known.orderly.clear();
        tape.login_here(1, 10, 1, client_type as i32);
        let reason = "a silent client".into();
        tape.at(at_us).fact("msg1", Fact::Closed { conn: 10, reason }).found.clone()
    };
    assert_eq!(silent(ClientType::Windows, 110 * SECOND), [EARLY]);
    assert!(silent(ClientType::Windows, 121 * SECOND).is_empty());
    assert_eq!(silent(ClientType::Android, 121 * SECOND), [EARLY, LATE][..1]);
    let stays = |client_type: ClientType, at_us: u64| {
        let mut tape = connected(Protocol::hardened());
        tape.known.orderly.clear();
        tape.login_here(1, 10, 1, client_type as i32);
        look(&mut tape, 10, at_us)
    };
    assert!(stays(ClientType::Windows, 121 * SECOND).is_empty());
    assert_eq!(stays(ClientType::Windows, 130 * SECOND), [LATE]);
    assert!(stays(ClientType::Android, 130 * SECOND).is_empty());
    assert_eq!(stays(ClientType::Android, 310 * SECOND), [LATE]);
}

#[test]
fn who_does_not_log_in_is_closed_in_time() {
    assert!(look(&mut connected(Protocol::hardened()), 10, 16 * SECOND).is_empty());
    assert_eq!(look(&mut connected(Protocol::hardened()), 10, 20 * SECOND), [LATE]);
    let reason = || "no finished login in time".to_string();
    let mut tape = connected(Protocol::hardened());
    tape.at(9 * SECOND).fact("msg1", Fact::Closed { conn: 10, reason: reason() });
    assert_eq!(tape.found, [EARLY]);
    let mut tape = online(Protocol::hardened());
    tape.known.orderly.clear();
    tape.at(16 * SECOND).fact("msg1", Fact::Closed { conn: 10, reason: reason() });
    assert_eq!(tape.found, [EARLY], "somebody has logged in");
}

#[test]
fn an_entry_lives_as_long_as_it_should() {
    let conversation = Conversation::single(1, 2);
    let resends = || Protocol { resend_until_acked: true, ..Protocol::hardened() };
    let added = || Fact::SendListAdded { conn: 10, user: 1, conversation, msg_id: 5, from: 2 };
    let pushed = |protocol: Protocol| {
        let mut tape = connected(protocol);
        tape.known.orderly.clear();
        tape.login_here(1, 10, 1, ClientType::Windows as i32);
        tape.at(SECOND).fact("msg1", added());
        tape
    };
    let expired = |at_us: u64| {
        let fact = Fact::SendListExpired { conn: 10, conversation, msg_id: 5 };
        pushed(Protocol::teamtalk()).at(at_us).fact("msg1", fact).found.clone()
    };
    assert_eq!(expired(3 * SECOND), ["timely/entry-early/msg"]);
    assert!(expired(17 * SECOND).is_empty());
    let resent = |at_us: u64| {
        let fact = Fact::SendListResent { conn: 10, conversation, msg_id: 5 };
        pushed(resends()).at(at_us).fact("msg1", fact).found.clone()
    };
    assert_eq!(resent(2 * SECOND), ["timely/entry-early/msg"]);
    assert!(resent(4 * SECOND).is_empty());
    let late = |protocol: Protocol, at_us: u64| {
        let other = Fact::StoreFailed { conversation, msg_id: 5, reason: "full".into() };
        pushed(protocol).at(at_us).fact("msg1", other).found.clone()
    };
    assert_eq!(late(resends(), 8 * SECOND), ["timely/entry-late/msg"]);
    assert!(late(Protocol::teamtalk(), 8 * SECOND).is_empty());
    assert_eq!(late(Protocol::teamtalk(), 20 * SECOND), ["timely/entry-late/msg"]);
    let mut several = pushed(Protocol::teamtalk());
    several.at(3 * SECOND).fact("msg1", added());
    several.fact("msg1", Fact::SendListAcked { conn: 10, conversation, msg_id: 5 });
    several.at(17 * SECOND);
    several.fact("msg1", Fact::SendListExpired { conn: 10, conversation, msg_id: 5 });
    assert!(several.found.is_empty(), "it may be the first one or the second");
    let mut acked = pushed(resends());
    acked.fact("msg1", Fact::SendListAcked { conn: 10, conversation, msg_id: 5 });
    assert!(acked.at(8 * SECOND).asks(10, ack(0, 5, 1, 2)).found.is_empty());
}

#[test]
fn the_time_is_that_of_the_clock() {
    let told = |server_time: u64| {
        let rsp = ImClientTimeRsp { server_time: server_time as u32 };
        let mut tape = online(Protocol::teamtalk());
        tape.at(4 * SECOND).tells(10, Pdu::new(command::MSG_TIME_RESPONSE, 7, &rsp)).found.clone()
    };
    assert!(told(EPOCH + 4).is_empty());
    assert_eq!(told(4), ["timely/wrong-time/msg"]);
}
