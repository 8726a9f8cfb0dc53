//! Two logins that meet: what a msg_server says that hears of the older one.

use super::{DB, PC, PHONE, ROUTE, later_beat, made, tape, to};
use crate::{
    properties::{links::Links, tape::Tape},
    record::{End, Kind},
};
use bytes::Bytes;
use teamtalk::{
    catalogue::id,
    env::ConnId,
    protocol::Protocol,
    wire::{
        Pdu,
        im::{
            base_define::UserInfo,
            server::{ImServerKickUser, ImValidateRsp},
        },
    },
};

/// db1 says that a login of user 1 is good, as the one of a number, and msg1 lets it in on a connection.
fn lets_in(tape: &mut Tape<Links>, conn: ConnId, number: u32, client_type: i32) {
    let info = UserInfo { user_id: 1, ..Default::default() };
    let good = ImValidateRsp {
        user_name: "user1".into(),
        result_code: 0,
        user_info: Some(info),
        login_number: Some(number),
        ..Default::default()
    };
    tape.connect(conn as u32, conn);
    tape.frame("msg1", End::Dialler, false, DB, Pdu::new(id::OTHER_VALIDATE_RSP, 1, &good));
    tape.login_here(conn as u32, conn, 1, client_type);
    to(tape, ROUTE, numbered(client_type, number));
}

fn numbered(client_type: i32, number: u32) -> Pdu {
    let login_number = Some(number);
    let kick = ImServerKickUser { user_id: 1, client_type, reason: 1, login_number };
    Pdu::new(id::OTHER_SERVER_KICK_USER, 0, &kick)
}

/// msg1 hears of a login elsewhere, and then its next heartbeat to route is due.
fn hears(tape: &mut Tape<Links>, client_type: i32, number: u32, says: Option<u32>) -> Vec<String> {
    tape.frame("msg1", End::Dialler, false, ROUTE, numbered(client_type, number));
    if let Some(says) = says {
        to(tape, ROUTE, numbered(client_type, says));
    }
    later_beat(tape);
    tape.found.clone()
}

#[test]
fn who_hears_of_an_older_login_says_that_it_has_a_newer_one() {
    const FOUND: [&str; 1] = ["links/kick-unanswered/msg"];
    let with = |number| {
        let mut tape = tape();
        lets_in(&mut tape, 10, number, PC);
        tape
    };
    assert_eq!(hears(&mut with(8), PC, 5, None), FOUND);
    assert_eq!(hears(&mut with(8), PC, 5, Some(8)), [""; 0]);
    assert_eq!(hears(&mut with(8), PC, 5, Some(5)), FOUND, "of another number");
    assert_eq!(hears(&mut with(8), PC, 9, None), [""; 0], "the other one is newer");
    assert_eq!(hears(&mut with(8), PHONE, 5, None), [""; 0], "of another class");
    assert_eq!(hears(with(8).hang_up(10, 10), PC, 5, None), [""; 0]);
    assert_eq!(hears(with(8).kick(10), PC, 5, None), [""; 0]);
    let mut takes_a_place = with(8);
    lets_in(&mut takes_a_place, 11, 6, PC);
    takes_a_place.kick(10);
    assert_eq!(hears(&mut takes_a_place, PC, 7, Some(8)), [""; 0]);
    assert_eq!(hears(&mut takes_a_place, PC, 7, None), FOUND);
}

#[test]
fn who_has_no_master_or_no_order_of_logins_says_nothing() {
    let mut gone = tape();
    lets_in(&mut gone, 10, 8, PC);
    gone.line("msg1", Kind::Disconnected { conn: ROUTE, end: End::Dialler });
    made(&mut gone, 93, "route2");
    gone.frame("msg1", End::Dialler, false, 93, numbered(PC, 5)).later(6);
    to(&mut gone, 93, Pdu::raw(id::OTHER_HEARTBEAT, 0, Bytes::new()));
    assert_eq!(gone.found, [""; 0]);
    let mut protocol = Protocol::hardened();
    protocol.ordered_logins = false;
    let mut old = tape().under(protocol);
    lets_in(&mut old, 10, 8, PC);
    assert_eq!(hears(&mut old, PC, 5, None), [""; 0]);
}
