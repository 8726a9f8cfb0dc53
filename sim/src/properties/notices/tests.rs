//! Traces written by hand: what is owed, what is paid, what nobody owes.

use super::Notices;
use crate::{
    plan::Host,
    properties::tape::{Tape, message, refused as refused_by},
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
            base_define::{ClientType, SessionType, UserStat},
            buddy::{ImUserStatNotify, ImUsersStatReq, ImUsersStatRsp},
            message::ImMsgDataReadNotify,
            server::{ImServerPcLoginStatusNotify, ImUserStatusUpdate},
        },
        tt::extension::RefusedCode,
    },
};

/// The link of msg1 to db1.
const DB: ConnId = 80;
/// The link of msg1 to route1, and that of msg2.
const LINKS: [u64; 2] = [90, 91];

fn tape() -> Tape<Notices> {
    let protocol = Protocol::hardened();
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

/// 070a: a connection of user 1 came.
fn came(client_type: ClientType) -> Pdu {
    let update = ImUserStatusUpdate { user_status: 1, user_id: 1, client_type: client_type as i32 };
    Pdu::new(id::OTHER_USER_STATUS_UPDATE, 0, &update)
}

/// 070e: whether user 1 has a PC on.
fn pc(login_status: u32) -> Pdu {
    let notice = ImServerPcLoginStatusNotify { user_id: 1, login_status };
    Pdu::new(id::OTHER_LOGIN_STATUS_NOTIFY, 0, &notice)
}

/// 0203 about user 1.
fn status(status: i32) -> Pdu {
    let user_stat = UserStat { user_id: 1, status };
    Pdu::new(id::BUDDY_LIST_STATUS_NOTIFY, 0, &ImUserStatNotify { user_stat })
}

#[test]
fn a_route_server_passes_on_to_the_others_and_says_who_came() {
    let mut tape = tape();
    tape.frame("route1", End::Acceptor, false, LINKS[0], came(ClientType::Windows));
    for link in LINKS {
        assert_eq!(tape.pending().as_deref(), Some("notices/missing/route"));
        tape.frame("route1", End::Acceptor, true, link, pc(1));
        tape.frame("route1", End::Acceptor, true, link, status(1));
    }
    assert_eq!(tape.pending(), None);
    tape.frame("route1", End::Acceptor, false, LINKS[0], message(0, 5, 1, 2, "a"));
    assert_eq!(tape.pending().as_deref(), Some("notices/missing/route"));
    tape.frame("route1", End::Acceptor, true, LINKS[1], message(0, 5, 1, 2, "a"));
    assert_eq!(tape.pending(), None);
}

#[test]
fn a_message_that_is_stored_goes_to_both_users_and_to_the_other_servers() {
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

/// Seed 893 of `hardened`: a phone comes in the moment in which the link ends that its user's PC is behind.
#[test]
fn of_what_comes_in_one_moment_the_end_of_a_link_may_be_first() {
    const NOW_US: u64 = 5_000_000;
    let writes = |notices: &[Pdu]| {
        let mut tape = tape();
        tape.frame("route1", End::Acceptor, false, LINKS[0], came(ClientType::Windows));
        for link in LINKS {
            tape.frame("route1", End::Acceptor, true, link, pc(1));
            tape.frame("route1", End::Acceptor, true, link, status(1));
        }
        assert_eq!(tape.pending(), None);
        tape.at(NOW_US).frame("route1", End::Acceptor, false, LINKS[1], came(ClientType::Android));
        for notice in notices {
            tape.at(NOW_US).frame("route1", End::Acceptor, true, LINKS[1], notice.clone());
        }
        let closed = Kind::Disconnected { conn: LINKS[0], end: End::Acceptor };
        tape.at(NOW_US).line("route1", closed);
        tape.pending()
    };
    assert_eq!(writes(&[status(2)]), None, "the PC went, then the phone came");
    assert_eq!(writes(&[pc(1), status(2), pc(0)]), None, "the phone came, then the PC went");
    let missing = Some("notices/missing/route".to_string());
    assert_eq!(writes(&[pc(1), status(2)]), missing, "the phone is not told");
    assert_eq!(writes(&[]), missing, "nor is anybody that the PC went");
}

/// Seed 4073 of `hardened`: a question is read in the moment in which the link ends that a PC is behind.
#[test]
fn who_is_online_may_be_said_as_it_is_once_a_link_ends_in_that_moment() {
    const NOW_US: u64 = 5_000_000;
    let says = |status: i32, link: u64, ends_us: u64| {
        let mut tape = tape();
        tape.frame("route1", End::Acceptor, false, LINKS[0], came(ClientType::Windows));
        let ask = ImUsersStatReq { user_id: 0, user_id_list: vec![1], attach_data: None };
        let ask = Pdu::new(id::BUDDY_LIST_USERS_STATUS_REQUEST, 0, &ask);
        let user_stat_list = vec![UserStat { user_id: 1, status }];
        let answer = ImUsersStatRsp { user_id: 0, user_stat_list, attach_data: None };
        let answer = Pdu::new(id::BUDDY_LIST_USERS_STATUS_RESPONSE, 0, &answer);
        tape.at(NOW_US).frame("route1", End::Acceptor, false, LINKS[1], ask);
        tape.at(NOW_US).frame("route1", End::Acceptor, true, LINKS[1], answer);
        let closed = Kind::Disconnected { conn: link, end: End::Acceptor };
        tape.at(ends_us).line("route1", closed);
        tape.later(1).frame("route1", End::Acceptor, false, LINKS[1], read_notice(1));
        tape.found
    };
    let wrong = ["notices/status/route"];
    assert_eq!(says(1, LINKS[0], NOW_US), [""; 0], "as it was");
    assert_eq!(says(2, LINKS[0], NOW_US), [""; 0], "as it is by then");
    assert_eq!(says(2, LINKS[1], NOW_US), wrong, "another link ends, and they stay");
}

/// Seed 1657 of `hardened`: two devices of a user asked under one seq_num, and one of them hung up.
#[test]
fn who_asked_the_same_as_one_who_is_gone_may_be_told_of_that_ones() {
    let told = |first_asks: bool| {
        let mut tape = tape();
        let (end, peer) = (End::Dialler, Host::of("db1"));
        tape.line("msg1", Kind::Connected { conn: DB, end, peer, port: 10600, device: None });
        tape.login(1, 10, 1).login(2, 11, 1).later(2);
        let ack = Pdu::raw(id::MSG_READ_ACK, 5, read_notice(1).body);
        if first_asks {
            tape.asks(10, ack.clone()).hang_up(1, 10);
        }
        tape.asks(11, ack);
        tape.frame(
            "msg1",
            End::Dialler,
            false,
            DB,
            Pdu::raw(id::MSG_READ_NOTIFY, 5, read_notice(1).body),
        );
        tape.tells(11, read_notice(1));
        tape.found
    };
    assert_eq!(told(true), [""; 0]);
    assert_eq!(told(false), ["notices/unasked/msg"]);
}

/// Seed 20936 of `hardened`: a slow reader wrote on a link of which the other end was closed, and dropped it,
/// while answers waited to be read on it.
#[test]
fn what_comes_on_a_link_that_cannot_be_written_on_may_be_dropped() {
    let owed = |closes: bool, writes: bool| {
        let mut tape = tape();
        let (end, peer) = (End::Dialler, Host::of("db1"));
        tape.line("msg1", Kind::Connected { conn: DB, end, peer, port: 10600, device: None });
        tape.login(1, 10, 1).login(2, 11, 2).later(2);
        tape.asks(10, message(7, 0, 1, 2, "a"));
        if closes {
            tape.line("db1", Kind::Disconnected { conn: DB, end: End::Acceptor });
        }
        if writes {
            tape.frame(
                "msg1",
                End::Dialler,
                true,
                DB,
                Pdu::raw(id::OTHER_HEARTBEAT, 0, Bytes::new()),
            );
        }
        tape.frame("msg1", End::Dialler, false, DB, message(7, 5, 1, 2, "a"));
        tape.pending()
    };
    let missing = Some("notices/missing/msg".to_string());
    assert_eq!(owed(true, true), None);
    assert_eq!(owed(true, false), missing, "it may be read to its end");
    assert_eq!(owed(false, true), missing);
}

/// User 1 has devices on connections 10 and 11, and a session with user 2, which the first one removes.
mod removal {
    use super::*;
    use teamtalk::wire::im::{
        buddy::{ImRemoveSessionNotify, ImRemoveSessionReq, ImRemoveSessionRsp},
        login::ImKickUser,
    };

    const SINGLE: i32 = SessionType::Single as i32;

    fn asked() -> Pdu {
        let (user_id, session_type, session_id) = (1, SINGLE, 2);
        let asked = ImRemoveSessionReq { user_id, session_type, session_id, attach_data: None };
        Pdu::new(id::BUDDY_LIST_REMOVE_SESSION_REQ, 5, &asked)
    }

    fn told() -> Pdu {
        let notice = ImRemoveSessionNotify { user_id: 1, session_type: SINGLE, session_id: 2 };
        Pdu::new(id::BUDDY_LIST_REMOVE_SESSION_NOTIFY, 0, &notice)
    }

    /// Under a protocol where what is asked is told at once.
    fn two() -> Tape<Notices> {
        let protocol = Protocol { confirmed_read_acks: false, ..Protocol::hardened() };
        let mut tape = tape().under(protocol);
        tape.login(1, 10, 1).login(2, 11, 1).later(2);
        tape
    }

    const NOW_US: u64 = 5_000_000;

    /// What is owed and found when a db_proxy says that it is done (`confirmed-read-acks`); a refusal may
    /// have come before.
    fn done(result_code: u32, refused: bool, tells: &[ConnId]) -> (Option<String>, Vec<String>) {
        let mut tape = two().under(Protocol::hardened());
        let (end, peer) = (End::Dialler, Host::of("db1"));
        tape.line("msg1", Kind::Connected { conn: DB, end, peer, port: 10600, device: None });
        server_reads(&mut tape);
        assert_eq!(tape.pending(), None, "nothing yet");
        if refused {
            let (asked, code) =
                (id::BUDDY_LIST_REMOVE_SESSION_REQ, RefusedCode::RefusedUnavailable);
            tape.frame("msg1", End::Acceptor, true, 10, refused_by(5, 1, asked, code));
        }
        let (user_id, session_type, session_id) = (1, SINGLE, 2);
        let done = ImRemoveSessionRsp {
            user_id,
            session_type,
            session_id,
            result_code,
            attach_data: None,
        };
        let done = Pdu::new(id::BUDDY_LIST_REMOVE_SESSION_RES, 5, &done);
        tape.frame("msg1", End::Dialler, false, DB, done);
        for conn in tells {
            tape.frame("msg1", End::Acceptor, true, *conn, told());
        }
        if result_code == 0 {
            tape.frame("msg1", End::Dialler, true, LINKS[0], told());
        }
        (tape.pending(), tape.found.clone())
    }

    #[test]
    fn a_stored_removal_is_told_when_it_is_stored() {
        let (missing, unasked) = (Some("notices/missing/msg".to_string()), "notices/unasked/msg");
        assert_eq!(done(0, false, &[11]), (None, vec![]));
        assert_eq!(done(0, false, &[]), (missing.clone(), vec![]));
        assert_eq!(done(1, false, &[11]), (None, vec![unasked.to_string()]), "there was none");
        assert_eq!(done(0, true, &[10, 11]), (None, vec![]));
        assert_eq!(done(0, true, &[11]), (missing, vec![]), "who was told that no answer came");
    }

    fn server_reads(tape: &mut Tape<Notices>) -> &mut Tape<Notices> {
        tape.at(NOW_US).frame("msg1", End::Acceptor, false, 10, asked())
    }

    /// Seed 6468 of `hardened`.
    #[test]
    fn a_server_may_serve_who_is_gone_until_it_notices() {
        let mut tape = two();
        tape.line("client1", Kind::Disconnected { conn: 10, end: End::Dialler });
        assert_eq!(server_reads(&mut tape).pending(), None);
        assert_eq!(tape.tells(11, told()).found, [""; 0]);
        assert_eq!(tape.tells(11, told()).found, ["notices/unasked/msg"], "once");
    }

    /// Seed 3646 of `hardened`: what was read in the moment of a kick may have been too late.
    #[test]
    fn who_is_kicked_in_that_moment_may_not_be_served() {
        let kick = Pdu::new(id::LOGIN_KICK_USER, 0, &ImKickUser { user_id: 1, kick_reason: 1 });
        let missing = Some("notices/missing/msg");
        let mut later = two();
        assert_eq!(server_reads(&mut later).pending().as_deref(), missing);
        later.at(NOW_US + 10_000).frame("msg1", End::Acceptor, true, 10, kick.clone());
        assert_eq!(later.pending().as_deref(), missing);
        let mut now = two();
        server_reads(&mut now).at(NOW_US).frame("msg1", End::Acceptor, true, 10, kick);
        // The route_server is told as little.
        assert_eq!(now.pending(), None);
        assert_eq!(now.tells(11, told()).found, [""; 0], "or may be");
    }
}
