//! Traces written by hand: what is owed, what is paid, what nobody owes.

use super::Notices;
use crate::{
    plan::Host,
    properties::tape::{Tape, message},
    record::{End, Kind},
};
use teamtalk::{
    catalogue::id,
    wire::{
        Pdu,
        im::{
            base_define::{ClientType, SessionType, UserStat},
            buddy::ImUserStatNotify,
            message::ImMsgDataReadNotify,
            server::{ImServerPcLoginStatusNotify, ImUserStatusUpdate},
        },
    },
};

/// The link of msg1 to route1, and that of msg2.
const LINKS: [u64; 2] = [90, 91];

fn tape() -> Tape<Notices> {
    let protocol = teamtalk::protocol::Protocol::hardened();
    let mut tape = Tape::new(Notices::default()).under(protocol);
    for (n, conn) in (1..).zip(LINKS) {
        let made = |end, peer: &str| Kind::Connected {
            conn,
            end,
            peer: Host::of(peer),
            port: 8200,
            device: None,
        };
        tape.line(&format!("msg{n}"), made(End::Dialler, "route1"));
        tape.line("route1", made(End::Acceptor, &format!("msg{n}")));
    }
    tape.later(1);
    tape
}

fn read_notice(user_id: u32) -> Pdu {
    let notice = ImMsgDataReadNotify {
        user_id,
        session_id: 2,
        msg_id: 5,
        session_type: SessionType::Single as i32,
        attach_data: None,
    };
    Pdu::new(id::MSG_READ_NOTIFY, 0, &notice)
}

#[test]
fn a_notice_goes_to_each_connection_of_the_user() {
    let mut tape = tape();
    tape.login(1, 10, 1).login(2, 11, 1).login(3, 12, 2).later(2);
    tape.frame("msg1", End::Dialler, false, LINKS[0], read_notice(1));
    tape.tells(10, read_notice(1));
    assert_eq!(tape.pending().as_deref(), Some("notices/missing/msg"));
    tape.tells(11, read_notice(1));
    assert_eq!((tape.pending(), tape.found.len()), (None, 0));
    tape.tells(12, read_notice(1));
    assert_eq!(tape.found, ["notices/unasked/msg"]);
}

#[test]
fn who_hangs_up_is_owed_nothing_and_who_has_just_come_may_be_told() {
    let mut tape = tape();
    tape.login(1, 10, 1);
    tape.frame("msg1", End::Dialler, false, LINKS[0], read_notice(1));
    tape.hang_up(1, 10);
    assert_eq!(tape.pending(), None);
    tape.login(1, 11, 1).tells(11, read_notice(1));
    assert_eq!(tape.found, [""; 0]);
}

#[test]
fn a_route_server_passes_on_to_the_others_and_says_who_came() {
    let mut tape = tape();
    let update =
        ImUserStatusUpdate { user_status: 1, user_id: 1, client_type: ClientType::Windows as i32 };
    let came = Pdu::new(id::OTHER_USER_STATUS_UPDATE, 0, &update);
    tape.frame("route1", End::Acceptor, false, LINKS[0], came);
    let user_stat = UserStat { user_id: 1, status: 1 };
    let status = Pdu::new(id::BUDDY_LIST_STATUS_NOTIFY, 0, &ImUserStatNotify { user_stat });
    let pc_on = Pdu::new(
        id::OTHER_LOGIN_STATUS_NOTIFY,
        0,
        &ImServerPcLoginStatusNotify { user_id: 1, login_status: 1 },
    );
    for link in LINKS {
        assert_eq!(tape.pending().as_deref(), Some("notices/missing/route"));
        tape.frame("route1", End::Acceptor, true, link, pc_on.clone());
        tape.frame("route1", End::Acceptor, true, link, status.clone());
    }
    assert_eq!(tape.pending(), None);
    tape.frame("route1", End::Acceptor, false, LINKS[0], message(0, 5, 1, 2, "a"));
    assert_eq!(tape.pending().as_deref(), Some("notices/missing/route"));
    tape.frame("route1", End::Acceptor, true, LINKS[1], message(0, 5, 1, 2, "a"));
    assert_eq!(tape.pending(), None);
}

#[test]
fn a_message_that_is_stored_goes_to_both_users_and_to_the_other_servers() {
    const DB: u64 = 80;
    let mut tape = tape();
    let db = Kind::Connected {
        conn: DB,
        end: End::Dialler,
        peer: Host::of("db1"),
        port: 10600,
        device: None,
    };
    tape.line("msg1", db).login(1, 10, 1).login(2, 11, 1).login(3, 12, 2).later(2);
    let stored = || message(0, 5, 1, 2, "a");
    tape.asks(10, message(3, 0, 1, 2, "a"));
    tape.frame("msg1", End::Dialler, false, DB, stored());
    for conn in [11, 12] {
        assert_eq!(tape.pending().as_deref(), Some("notices/missing/msg"));
        tape.tells(conn, stored());
    }
    assert_eq!(tape.pending().as_deref(), Some("notices/missing/msg"));
    tape.frame("msg1", End::Dialler, true, LINKS[0], stored());
    assert_eq!((tape.pending(), tape.found.len()), (None, 0));
}

#[test]
fn a_message_does_not_go_back_to_the_connection_that_sent_it() {
    let mut tape = tape();
    tape.login(1, 10, 1).asks(10, message(3, 0, 1, 2, "a")).tells(10, message(0, 5, 1, 2, "a"));
    assert_eq!(tape.found, ["notices/echo/msg"]);
}
