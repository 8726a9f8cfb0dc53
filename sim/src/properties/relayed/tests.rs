//! What msg_servers pass on and say, by hand.

use crate::{
    plan::Host,
    properties::{
        answers::Answers,
        tape::{Tape, refused},
    },
    record::{End, Kind},
    world::port,
};
use bytes::Bytes;
use prost::Message;
use teamtalk::{
    catalogue::id,
    protocol::Protocol,
    wire::{
        Pdu,
        attach::{Attach, kind},
        im::{
            base_define::{ClientType, IpAddr, TransferFileType},
            buddy::{ImChangeSignInfoRsp, ImRemoveSessionRsp, ImUsersStatReq},
            file::{ImFileReq, ImFileRsp},
            group::{ImGroupShieldReq, ImGroupShieldRsp},
            login::{ImDeviceTokenReq, ImKickUser, ImLogoutRsp},
            message::{ImMsgData, ImMsgDataReadAck, ImUnreadMsgCntReq},
            server::{
                ImFileServerIpRsp, ImFileTransferReq, ImFileTransferRsp, ImMsgServInfo,
                ImUserCntUpdate, ImUserStatusUpdate,
            },
        },
        tt::extension::RefusedCode,
    },
};

/// Links of msg1 to a db_proxy, a route_server, a file server and a login server.
const DB: u64 = 70;
const ROUTE: u64 = 71;
const FILES: u64 = 72;
const LOGINS: u64 = 73;

/// The connection of user 1.
const CONN: u64 = 10;

fn link(tape: &mut Tape<Answers>, conn: u64, peer: &str, port: u16) {
    let (end, peer) = (End::Dialler, Host::of(peer));
    tape.line("msg1", Kind::Connected { conn, end, peer, port, device: None });
}

/// User 1 is logged in at msg1 with a phone.
fn tape() -> Tape<Answers> {
    let mut tape = Tape::new(Answers::default()).under(Protocol::hardened());
    link(&mut tape, DB, "db1", port::DB);
    tape.connect(1, CONN).login_here(1, CONN, 1, ClientType::Ios as i32);
    // No db_proxy has said so.
    assert_eq!(std::mem::take(&mut tape.found), ["answers/login-altered/msg"]);
    tape
}

/// What is found of a PDU that msg1 writes to another server.
fn passes(tape: &mut Tape<Answers>, conn: u64, pdu: Pdu) -> Vec<String> {
    tape.frame("msg1", End::Dialler, true, conn, pdu);
    std::mem::take(&mut tape.found)
}

/// Another server writes to msg1.
fn says(tape: &mut Tape<Answers>, conn: u64, pdu: Pdu) {
    tape.frame("msg1", End::Dialler, false, conn, pdu);
    assert_eq!(tape.found, [""; 0]);
}

/// What is found of a PDU that msg1 writes to user 1.
fn tells(tape: &mut Tape<Answers>, pdu: Pdu) -> Vec<String> {
    tape.tells(CONN, pdu);
    std::mem::take(&mut tape.found)
}

fn attach() -> Option<Bytes> {
    Some(Attach::handle(3).encode())
}

/// User 1 mutes group 7, and msg1 answers by itself.
fn mutes(link_ends: bool, result_code: u32) -> Vec<String> {
    let mut tape = tape();
    if link_ends {
        tape.line("msg1", Kind::Disconnected { conn: DB, end: End::Dialler });
    }
    let (user_id, group_id, attach_data) = (1, 7, None);
    let ask = ImGroupShieldReq { user_id, group_id, shield_status: 1, attach_data: None };
    tape.asks(CONN, Pdu::new(id::GROUP_SHIELD_GROUP_REQUEST, 5, &ask));
    let answer = ImGroupShieldRsp { user_id, group_id, result_code, attach_data };
    tells(&mut tape, Pdu::new(id::GROUP_SHIELD_GROUP_RESPONSE, 5, &answer))
}

/// Seed 3928 of `hardened`.
#[test]
fn a_msg_server_without_a_db_proxy_may_say_that_a_change_failed() {
    let made_up = ["answers/answer-altered/msg"];
    assert_eq!(mutes(true, 1), [""; 0]);
    assert_eq!(mutes(true, 0), made_up, "nobody has muted it");
    assert_eq!(mutes(false, 1), made_up, "it could have asked");
}

#[test]
fn what_goes_on_is_what_was_asked_but_for_what_msg_server_sets() {
    let altered = ["answers/question-altered/msg"];
    let mut tape = tape();
    let message = |from, time, text: &'static str| {
        let msg_data = Bytes::from_static(text.as_bytes());
        let (from_user_id, create_time, attach_data) = (from, time, attach());
        let of = ImMsgData { to_session_id: 2, msg_id: 0, msg_type: 1, ..Default::default() };
        let of = ImMsgData { from_user_id, create_time, msg_data, attach_data, ..of };
        Pdu::new(id::MSG_DATA, 5, &of)
    };
    tape.asks(CONN, message(9, 9, "text"));
    assert_eq!(passes(&mut tape, DB, message(1, 4, "text")), [""; 0]);
    assert_eq!(passes(&mut tape, DB, message(2, 4, "text")), altered, "in another's name");
    assert_eq!(passes(&mut tape, DB, message(1, 4, "test")), altered);
    let ack = |session_id| {
        let of = ImMsgDataReadAck { user_id: 1, session_id, msg_id: 3, ..Default::default() };
        Pdu::new(id::MSG_READ_ACK, 6, &ImMsgDataReadAck { session_type: 1, ..of })
    };
    tape.asks(CONN, ack(2));
    assert_eq!(passes(&mut tape, DB, ack(2)), [""; 0]);
    assert_eq!(passes(&mut tape, DB, ack(3)), altered);
    let token = |kind: Option<ClientType>| {
        let client_type = kind.map(|kind| kind as i32);
        let device_token = Bytes::from_static(b"token");
        let of = ImDeviceTokenReq { user_id: 1, device_token, client_type, attach_data: None };
        Pdu::new(id::LOGIN_REQ_DEVICETOKEN, 7, &of)
    };
    tape.asks(CONN, token(None));
    assert_eq!(passes(&mut tape, DB, token(Some(ClientType::Ios))), [""; 0]);
    assert_eq!(passes(&mut tape, DB, token(Some(ClientType::Android))), altered);
    let status = |kind, users: &[u32]| {
        let attach = Attach { kind, handle: 3, service_type: 0, pdu: Some(Bytes::new()) };
        let (user_id_list, attach_data) = (users.to_vec(), Some(attach.encode()));
        let of = ImUsersStatReq { user_id: 1, user_id_list, attach_data };
        Pdu::new(id::BUDDY_LIST_USERS_STATUS_REQUEST, 8, &of)
    };
    link(&mut tape, ROUTE, "route1", port::ROUTE);
    passes(&mut tape, ROUTE, Pdu::raw(id::OTHER_ONLINE_USER_INFO, 0, Bytes::new()));
    tape.asks(CONN, status(kind::HANDLE, &[2, 3]));
    assert_eq!(passes(&mut tape, ROUTE, status(kind::HANDLE, &[2, 3])), [""; 0]);
    assert_eq!(passes(&mut tape, ROUTE, status(kind::HANDLE, &[2])), altered);
    assert_eq!(passes(&mut tape, ROUTE, status(kind::PUSH, &[2])), [""; 0], "its own question");
}

/// User 1 offers user 2 a file, and a file server grants it.
#[test]
fn an_offer_is_passed_on_and_answered_as_the_file_server_says() {
    use TransferFileType::{FileTypeOffline, FileTypeOnline};
    let mut tape = tape();
    link(&mut tape, FILES, "outside", port::FILE);
    passes(&mut tape, FILES, Pdu::raw(id::OTHER_FILE_SERVER_IP_REQ, 0, Bytes::new()));
    let address = |port| vec![IpAddr { ip: "files".into(), port }];
    let at = ImFileServerIpRsp { ip_addr_list: address(1) };
    says(&mut tape, FILES, Pdu::new(id::OTHER_FILE_SERVER_IP_RSP, 0, &at));
    let offer = ImFileReq {
        from_user_id: 1,
        to_user_id: 2,
        file_name: "file".into(),
        file_size: 9,
        trans_mode: FileTypeOffline as i32,
    };
    tape.asks(CONN, Pdu::new(id::FILE_REQUEST, 5, &offer));
    let transfer = |file_size, mode: TransferFileType| {
        let asks = ImFileTransferReq {
            from_user_id: 1,
            to_user_id: 2,
            file_name: "file".into(),
            file_size,
            trans_mode: mode as i32,
            attach_data: attach(),
        };
        Pdu::new(id::OTHER_FILE_TRANSFER_REQ, 5, &asks)
    };
    let altered = ["answers/question-altered/msg"];
    assert_eq!(passes(&mut tape, FILES, transfer(9, FileTypeOffline)), [""; 0]);
    assert_eq!(passes(&mut tape, FILES, transfer(8, FileTypeOffline)), altered);
    assert_eq!(passes(&mut tape, FILES, transfer(9, FileTypeOnline)), altered, "nobody said so");
    let granted = ImFileTransferRsp {
        result_code: 0,
        from_user_id: 1,
        to_user_id: 2,
        file_name: Some("file".into()),
        task_id: Some("task".into()),
        trans_mode: Some(FileTypeOffline as i32),
        ..Default::default()
    };
    says(&mut tape, FILES, Pdu::new(id::OTHER_FILE_TRANSFER_RSP, 5, &granted));
    let answer = |task: &'static str, port| {
        let answer = ImFileRsp {
            result_code: 0,
            from_user_id: 1,
            to_user_id: 2,
            file_name: "file".into(),
            task_id: task.into(),
            ip_addr_list: address(port),
            trans_mode: FileTypeOffline as i32,
        };
        Pdu::new(id::FILE_RESPONSE, 5, &answer)
    };
    let altered = ["answers/answer-altered/msg"];
    assert_eq!(tells(&mut tape, answer("task", 1)), [""; 0]);
    assert_eq!(tells(&mut tape, answer("other", 1)), altered);
    assert_eq!(tells(&mut tape, answer("task", 2)), altered, "another address");
}

#[test]
fn what_a_handler_passes_on_is_what_db_proxy_said() {
    let mut tape = tape();
    let signs = |sign: &'static str, attach_data| {
        let sign_info = Some(Bytes::from_static(sign.as_bytes()));
        let answer = ImChangeSignInfoRsp { user_id: 1, result_code: 0, sign_info, attach_data };
        Pdu::new(id::BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE, 5, &answer)
    };
    tape.asks(CONN, Pdu::raw(id::BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST, 5, Bytes::new()));
    says(&mut tape, DB, signs("sign", attach()));
    assert_eq!(tells(&mut tape, signs("sign", None)), [""; 0]);
    assert_eq!(tells(&mut tape, signs("sing", None)), ["answers/answer-altered/msg"]);
    let other = Pdu::raw(id::BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE, 6, Bytes::new());
    assert_eq!(tells(&mut tape, other), ["answers/unasked/msg"]);
}

#[test]
fn that_a_session_is_removed_is_what_db_proxy_said() {
    let mut tape = tape();
    let removed = |result_code, attach_data| {
        let (user_id, session_type, session_id) = (1, 1, 2);
        let answer =
            ImRemoveSessionRsp { user_id, result_code, session_type, session_id, attach_data };
        Pdu::new(id::BUDDY_LIST_REMOVE_SESSION_RES, 5, &answer)
    };
    tape.asks(CONN, Pdu::raw(id::BUDDY_LIST_REMOVE_SESSION_REQ, 5, Bytes::new()));
    says(&mut tape, DB, removed(1, attach()));
    assert_eq!(tells(&mut tape, removed(0, None)), ["answers/answer-altered/msg"]);
}

#[test]
fn of_what_it_has_passed_on_msg_server_says_no_other_refusal_than_db_proxy() {
    let mut tape = tape();
    let list = Pdu::raw(id::MSG_LIST_REQUEST, 5, Bytes::new());
    let refuses = |code| refused(5, 1, id::MSG_LIST_REQUEST, code);
    tape.asks(CONN, list.clone());
    let (not_allowed, unavailable) =
        (refuses(RefusedCode::RefusedNotAllowed), refuses(RefusedCode::RefusedUnavailable));
    assert_eq!(tells(&mut tape, not_allowed.clone()), [""; 0], "it has not asked");
    let (user_id, attach_data) = (1, attach());
    let passed = ImUsersStatReq { user_id, attach_data, ..Default::default() };
    let passed = Pdu::raw(id::MSG_LIST_REQUEST, 5, passed.encode_to_vec().into());
    assert_eq!(passes(&mut tape, DB, passed), [""; 0]);
    assert_eq!(tells(&mut tape, not_allowed.clone()), ["answers/answer-altered/msg"]);
    assert_eq!(tells(&mut tape, unavailable), [""; 0], "no answer came");
    let mut body = not_allowed.body.to_vec();
    prost::encoding::bytes::encode(20, &attach().expect("a handle"), &mut body);
    says(&mut tape, DB, Pdu::raw(id::OTHER_REFUSED, 5, body.into()));
    assert_eq!(tells(&mut tape, not_allowed), [""; 0]);
    let of_another = refused(5, 2, id::MSG_LIST_REQUEST, RefusedCode::RefusedUnavailable);
    assert_eq!(tells(&mut tape, of_another), ["answers/own-words/msg"]);
}

/// Seed 1041 of `hardened`: another device of the user has asked under that seq_num what could be read.
#[test]
fn a_msg_server_refuses_by_itself_what_is_malformed() {
    let malformed = refused(5, 1, id::MSG_UNREAD_CNT_REQUEST, RefusedCode::RefusedMalformed);
    let asked =
        |body: &'static [u8]| Pdu::raw(id::MSG_UNREAD_CNT_REQUEST, 5, Bytes::from_static(body));
    // Attach data of its own, over its limit, is not seen in what is left of it (seed 50 of `bounds`).
    let own_attach = &[8, 1, 0xa2, 1, 1, 7][..];
    for (body, found) in [(&[8][..], 0), (own_attach, 0), (&[8, 1][..], 1)] {
        let mut tape = tape();
        // Which no db_proxy has found right: that is seen, and another matter.
        tape.login(9, CONN + 1, 1).asks(CONN + 1, asked(&[8, 1])).found.clear();
        let (user_id, attach_data) = (1, attach());
        let on = ImUnreadMsgCntReq { user_id, attach_data };
        assert_eq!(passes(&mut tape, DB, Pdu::new(id::MSG_UNREAD_CNT_REQUEST, 5, &on)), [""; 0]);
        tape.asks(CONN, asked(body));
        assert_eq!(tells(&mut tape, malformed.clone()).len(), found, "{body:?}");
    }
}

#[test]
fn what_msg_server_says_itself_is_to_whom_it_says_it() {
    let own = ["answers/own-words/msg"];
    let mut tape = tape();
    tape.asks(CONN, Pdu::raw(id::LOGIN_REQ_LOGINOUT, 5, Bytes::new()));
    let out = |result_code| Pdu::new(id::LOGIN_RES_LOGINOUT, 5, &ImLogoutRsp { result_code });
    assert_eq!(tells(&mut tape, out(1)), own);
    assert_eq!(tells(&mut tape, out(0)), [""; 0]);
    let kick = |user_id| ImKickUser { user_id, kick_reason: 1 };
    assert_eq!(tells(&mut tape, Pdu::new(id::LOGIN_KICK_USER, 0, &kick(2))), own);
    assert_eq!(tells(&mut tape, Pdu::new(id::LOGIN_KICK_USER, 0, &kick(1))), [""; 0]);
}

#[test]
fn login_servers_are_told_who_is_there() {
    let own = ["answers/own-words/msg"];
    let mut tape = tape();
    let info = |cur_conn_cnt| {
        let [ip1, ip2, host_name] = ["msg1"; 3].map(|name| Bytes::from_static(name.as_bytes()));
        let (port, max_conn_cnt) = (u32::from(port::MSG), 9);
        let info = ImMsgServInfo { ip1, ip2, port, max_conn_cnt, cur_conn_cnt, host_name };
        Pdu::new(id::OTHER_MSG_SERV_INFO, 0, &info)
    };
    for (first, found) in [(info(1), &[][..]), (info(2), &own), (came(1), &own)] {
        link(&mut tape, LOGINS, "outside", port::LOGIN);
        assert_eq!(passes(&mut tape, LOGINS, first), found);
    }
    for (to_route, found) in [(1, &[][..]), (2, &own)] {
        link(&mut tape, LOGINS, "outside", port::LOGIN);
        passes(&mut tape, LOGINS, info(1));
        tape.at(to_route * 1_000_000);
        assert_eq!(passes(&mut tape, LOGINS, came(1)), [""; 0]);
        let update =
            ImUserStatusUpdate { user_status: 1, user_id: to_route as u32, client_type: 1 };
        tape.at(to_route * 1_000_000);
        passes(&mut tape, ROUTE, Pdu::new(id::OTHER_USER_STATUS_UPDATE, 0, &update));
        assert_eq!(passes(tape.later(1), LOGINS, came(2)), found);
    }
}

fn came(user_id: u32) -> Pdu {
    Pdu::new(id::OTHER_USER_CNT_UPDATE, 0, &ImUserCntUpdate { user_action: 1, user_id })
}

#[test]
fn a_db_proxy_answers_what_it_is_asked() {
    let mut tape = tape();
    let (conn, end, peer) = (DB, End::Acceptor, Host::of("msg1"));
    tape.line("db1", Kind::Connected { conn, end, peer, port: port::DB, device: None });
    let asks = ImDeviceTokenReq { user_id: 1, ..Default::default() };
    tape.db_reads(Pdu::new(id::LOGIN_REQ_DEVICETOKEN, 5, &asks));
    assert_eq!(tape.pending().as_deref(), Some("answers/kept/db"));
    let answer = |seq| Pdu::new(id::LOGIN_RES_DEVICETOKEN, seq, &asks);
    tape.db_writes(answer(5));
    assert_eq!(tape.pending(), None);
    tape.db_writes(refused(5, 1, id::LOGIN_REQ_DEVICETOKEN, RefusedCode::RefusedUnavailable));
    tape.db_reads(Pdu::new(id::LOGIN_REQ_DEVICETOKEN, 6, &asks));
    tape.db_writes(refused(6, 2, id::LOGIN_REQ_DEVICETOKEN, RefusedCode::RefusedUnavailable));
    assert_eq!(tape.found, ["answers/unasked/db"; 2], "answered already, and of another");
}
