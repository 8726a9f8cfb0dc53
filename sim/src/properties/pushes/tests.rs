//! Traces written by hand.

use super::Pushes;
use crate::{
    plan::Host,
    properties::tape::{Tape, audio, data},
    record::{Changed, Columns, End, Kind},
};
use bytes::Bytes;
use std::sync::Arc;
use teamtalk::{
    catalogue::id as cmd,
    env::ConnId,
    msg_server::{DEFAULT_TEXT_KEY, encrypt_text},
    protocol::Protocol,
    store::sql::Value,
    wire::{
        Pdu,
        attach::{Attach, kind},
        im::{
            base_define::{ClientType, GroupInfo, MsgType, ShieldStatus, UserInfo, UserTokenInfo},
            group::ImGroupInfoListRsp,
            login::{ImLoginReq, ImLoginRes},
            server::{
                ImGetDeviceTokenReq, ImGetDeviceTokenRsp, ImGroupGetShieldReq, ImGroupGetShieldRsp,
                ImPushToUserReq,
            },
        },
    },
};

const DB: ConnId = 70;
const OUTSIDE: ConnId = 40;

struct Stage(Tape<Pushes>);

/// msg1 with its links; user 1, `Ann`, is online there with a PC.
fn stage() -> Stage {
    let mut tape = Tape::new(Pushes::default()).under(Protocol::hardened());
    tape.known.answer_within_us = 1_000;
    for (conn, peer) in [(DB, "db1"), (OUTSIDE, "outside")] {
        let peer = Host::of(peer);
        let made = Kind::Connected { conn, end: End::Dialler, peer, port: 1, device: None };
        tape.line("msg1", made);
    }
    let names = ["id", "nick"].map(String::from).to_vec();
    let columns = Arc::new(Columns { table: "IMUser".into(), names });
    let row = [Value::Int(1), Value::Bytes("Ann".into())];
    let changed = vec![Changed::row(&columns, &[Value::Int(1)].into(), None, Some(&row))];
    tape.line("world", Kind::Holds { store: "sql", changed });
    tape.login(1, 10, 1);
    Stage(tape)
}

fn voice() -> Pdu {
    data(3, 5, (1, 2), MsgType::SingleAudio, &audio(3, "op-1"))
}

fn text(text: &str) -> Pdu {
    let sealed = encrypt_text(&DEFAULT_TEXT_KEY, text.as_bytes());
    data(3, 5, (1, 2), MsgType::SingleText, &sealed)
}

fn of_group() -> Pdu {
    data(3, 5, (1, 9), MsgType::GroupAudio, &audio(3, "op-1"))
}

fn token(user_id: u32) -> UserTokenInfo {
    let user_type = ClientType::Ios as i32;
    UserTokenInfo { user_id, user_type, token: "tok".into(), push_count: 3, push_type: 1 }
}

const DATA: &str = "{\n\t\"from_id\": 1,\n\t\"msg_type\": 2 \n} \n";

impl Stage {
    /// db1 writes, and msg1 reads.
    fn says(&mut self, pdu: Pdu) -> &mut Self {
        self.0.db_writes(pdu.clone()).frame("msg1", End::Dialler, false, DB, pdu);
        self
    }

    /// msg1 writes to db1 or to the push server.
    fn writes(&mut self, conn: ConnId, pdu: Pdu) -> &mut Self {
        self.0.frame("msg1", End::Dialler, true, conn, pdu);
        self
    }

    fn asks(&mut self, of: &Pdu, users: &[u32]) -> &mut Self {
        let attach_data = Some(of.body.clone());
        let req = ImGetDeviceTokenReq { user_id: users.into(), attach_data };
        self.writes(DB, Pdu::new(cmd::OTHER_GET_DEVICE_TOKEN_REQ, 0, &req))
    }

    fn tells(&mut self, of: &Pdu, users: &[u32]) -> &mut Self {
        let user_token_info = users.iter().map(|user| token(*user)).collect();
        let rsp = ImGetDeviceTokenRsp { user_token_info, attach_data: Some(of.body.clone()) };
        self.says(Pdu::new(cmd::OTHER_GET_DEVICE_TOKEN_RSP, 0, &rsp))
    }

    fn pushes(&mut self, flash: &str, data: &str, to: UserTokenInfo) -> &mut Self {
        let (flash, data) = (flash.to_string().into(), data.to_string().into());
        let push = ImPushToUserReq { flash, data, user_token_list: vec![to] };
        self.writes(OUTSIDE, Pdu::new(cmd::OTHER_PUSH_TO_USER_REQ, 0, &push))
    }

    fn found(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0.found)
    }
}

#[test]
fn a_message_is_asked_for_and_pushed_once() {
    let mut stage = stage();
    stage.says(voice());
    assert_eq!(stage.0.pending().as_deref(), Some("pushes/not-asked-for/msg"));
    stage.asks(&voice(), &[2]);
    assert_eq!(stage.0.pending(), None);
    stage.tells(&voice(), &[1, 2]);
    assert_eq!(stage.0.pending().as_deref(), Some("pushes/lost/msg"));
    stage.pushes("Ann给您发送了一条语音消息", DATA, token(2));
    assert_eq!((stage.0.pending(), stage.found()), (None, Vec::new()), "not to the sender");
    stage.asks(&voice(), &[2]);
    assert_eq!(stage.found(), ["pushes/twice/msg"]);
    stage.says(voice()).asks(&voice(), &[2]);
    stage.says(voice()).asks(&voice(), &[2]);
    assert_eq!(stage.found(), ["pushes/twice/msg"; 2], "that one is never made good");
}

#[test]
fn a_push_is_to_whom_a_db_proxy_named_with_what_it_said() {
    let pushed = |to: UserTokenInfo| {
        let mut stage = stage();
        stage.says(voice()).asks(&voice(), &[2]).tells(&voice(), &[1, 2]);
        stage.pushes("Ann给您发送了一条语音消息", DATA, to).found()
    };
    const UNFOUNDED: [&str; 1] = ["pushes/unfounded/msg"];
    assert_eq!(pushed(token(2)), [""; 0]);
    assert_eq!(pushed(token(3)), UNFOUNDED);
    assert_eq!(pushed(token(1)), UNFOUNDED, "the sender");
    assert_eq!(pushed(UserTokenInfo { push_count: 4, ..token(2) }), UNFOUNDED);
    assert_eq!(pushed(UserTokenInfo { token: "other".into(), ..token(2) }), UNFOUNDED);
}

#[test]
fn a_push_shows_sender_and_text_as_far_as_they_may_be_known() {
    let data = "{\n\t\"from_id\": 1,\n\t\"msg_type\": 1 \n} \n";
    let shows = |said: &str, flash: &str, is_here: bool| {
        let mut stage = stage();
        if !is_here {
            stage.0.hang_up(1, 10);
        }
        let said = text(said);
        stage.says(said.clone()).asks(&said, &[2]).tells(&said, &[2]);
        stage.pushes(flash, data, token(2)).found()
    };
    const TEXT: [&str; 1] = ["pushes/text/msg"];
    let long = "1234567890123456789012345678901234567890";
    assert_eq!(shows("hello", "Ann:hello", true), [""; 0]);
    assert_eq!(shows("hello", "Ann:hallo", true), TEXT);
    assert_eq!(shows(long, "Ann:123456789012345678901234567890123...", true), [""; 0]);
    assert_eq!(shows(long, &format!("Ann:{long}"), true), TEXT);
    assert_eq!(shows("hello", "您收到了一条消息", true), TEXT);
    assert_eq!(shows("hello", "您收到了一条消息", false), [""; 0]);
    assert_eq!(shows("hello", "Ann:hello", false), TEXT, "nobody there knows who");
    assert_eq!(shows("&$#@~^@[{:x:}]&$~@#@", "您收到了一条消息", true), [""; 0]);
}

#[test]
fn a_push_is_silent_while_a_pc_is_online() {
    let pushed = |push_type, pc: bool, later| {
        let mut stage = stage();
        if pc {
            stage.0.login(2, 20, 2);
        }
        stage.says(voice()).asks(&voice(), &[2]).tells(&voice(), &[2]);
        stage.0.later(later);
        let to = UserTokenInfo { push_type, ..token(2) };
        stage.pushes("Ann给您发送了一条语音消息", DATA, to).found()
    };
    const TYPE: [&str; 1] = ["pushes/type/msg"];
    assert_eq!(pushed(2, true, 2), [""; 0]);
    assert_eq!(pushed(1, true, 2), TYPE);
    assert_eq!(pushed(1, true, 0), [""; 0], "it has just come");
    assert_eq!(pushed(1, false, 2), [""; 0]);
    assert_eq!(pushed(2, false, 2), TYPE);
}

/// Seed 2520 of `hardened`: route tells a msg_server of a PC elsewhere once the user has come to it.
#[test]
fn a_msg_server_learns_of_a_pc_elsewhere_when_the_user_comes() {
    let pushed = |later| {
        let mut stage = stage();
        let tape = &mut stage.0;
        let made = |end, peer: &str, device| {
            let peer = Host::of(peer);
            Kind::Connected { conn: 20, end, peer, port: 8000, device }
        };
        tape.line("client1", made(End::Dialler, "msg2", Some(2)));
        tape.line("msg2", made(End::Acceptor, "client1", None));
        let windows = ClientType::Windows as i32;
        let request = ImLoginReq { client_type: windows, ..Default::default() };
        let request = Pdu::new(cmd::LOGIN_REQ_USERLOGIN, 1, &request);
        tape.frame("msg2", End::Acceptor, false, 20, request);
        let user_info = Some(UserInfo { user_id: 2, ..Default::default() });
        let answer = ImLoginRes { user_info, ..Default::default() };
        let answer = Pdu::new(cmd::LOGIN_RES_USERLOGIN, 1, &answer);
        tape.frame("msg2", End::Acceptor, true, 20, answer);
        tape.later(60).connect(3, 21).login_here(3, 21, 2, ClientType::Android as i32);
        stage.says(voice()).asks(&voice(), &[2]).tells(&voice(), &[2]);
        stage.0.later(later);
        stage.pushes("Ann给您发送了一条语音消息", DATA, token(2)).found()
    };
    assert_eq!(pushed(0), [""; 0]);
    assert_eq!(pushed(2), ["pushes/type/msg"]);
}

#[test]
fn of_a_group_those_who_have_not_muted_it_are_asked_for_by_the_senders_server() {
    let members = |stage: &mut Stage, handle| {
        let pdu = Some(of_group().body);
        let attach = Attach { kind: kind::GROUP, handle, service_type: 0, pdu };
        let group =
            GroupInfo { group_id: 9, group_member_list: vec![1, 2, 3], ..Default::default() };
        let rsp = ImGroupInfoListRsp {
            user_id: 1,
            group_info_list: vec![group],
            attach_data: Some(attach.encode()),
        };
        stage.says(Pdu::new(cmd::GROUP_INFO_RESPONSE, 0, &rsp));
    };
    let muted = || {
        let shield = |user_id, shield_status| ShieldStatus { user_id, group_id: 9, shield_status };
        let shield_status_list = vec![shield(1, 0), shield(2, 1), shield(3, 0)];
        let attach_data = Some(of_group().body);
        let rsp = ImGroupGetShieldRsp { shield_status_list, attach_data, ..Default::default() };
        Pdu::new(cmd::OTHER_GET_SHIELD_RSP, 0, &rsp)
    };
    let mut elsewhere = stage();
    members(&mut elsewhere, 0);
    assert_eq!(elsewhere.0.pending(), None, "another server's");
    let mut stage = stage();
    stage.says(of_group());
    members(&mut stage, 4);
    assert_eq!(stage.0.pending().as_deref(), Some("pushes/not-asked-for/msg"));
    let attach_data = Some(of_group().body);
    let req = ImGroupGetShieldReq { group_id: 9, user_id: vec![1, 2, 3], attach_data };
    stage.writes(DB, Pdu::new(cmd::OTHER_GET_SHIELD_REQ, 0, &req));
    assert_eq!((stage.0.pending(), stage.found()), (None, Vec::new()));
    stage.says(muted()).asks(&of_group(), &[1, 2, 3]);
    assert_eq!(stage.found(), ["pushes/asked-for/msg"], "user 2 has muted it");
}

/// Seed 300077 of `hardened`: who logs out is there no more, though the connection is open yet.
#[test]
fn one_push_is_for_all_who_are_there_and_do_not_leave() {
    let pushed = |leaves: bool| {
        let mut stage = stage();
        for (device, conn, user) in [(2, 20, 2), (3, 30, 3)] {
            let phone = ClientType::Ios as i32;
            stage.0.connect(device, conn).login_here(device, conn, user, phone);
        }
        if leaves {
            stage.0.asks(30, Pdu::raw(cmd::LOGIN_REQ_LOGINOUT, 9, Bytes::new()));
        }
        stage.says(voice()).asks(&voice(), &[2]).tells(&voice(), &[2, 3]);
        stage.pushes("Ann给您发送了一条语音消息", DATA, token(2));
        let beat = Pdu::raw(cmd::OTHER_HEARTBEAT, 0, Bytes::new());
        stage.0.later(1).asks(10, beat);
        stage.found()
    };
    assert_eq!(pushed(true), [""; 0]);
    assert_eq!(pushed(false), ["pushes/lost/msg"]);
}

/// Seed 36 of `hardened` in a deployment of 40 devices: of who was not there when the tokens were told a route_server
/// is asked.
#[test]
fn one_push_is_not_for_who_came_after_it_was_told_of() {
    let mut stage = stage();
    let phone = ClientType::Ios as i32;
    stage.0.connect(2, 20).login_here(2, 20, 2, phone).connect(3, 30);
    stage.says(voice()).asks(&voice(), &[2]).tells(&voice(), &[2, 3]);
    stage.0.later(1).login_here(3, 30, 3, phone);
    stage.pushes("Ann给您发送了一条语音消息", DATA, token(2));
    stage.0.later(1).asks(10, Pdu::raw(cmd::OTHER_HEARTBEAT, 0, Bytes::new()));
    assert_eq!(stage.found(), [""; 0]);
}

#[test]
fn a_fault_takes_along_what_had_no_time() {
    let fault = || Kind::FaultStart { fault: 1, what: "stall".into() };
    let mut early = stage();
    early.says(voice()).0.line("world", fault());
    assert_eq!(early.0.pending(), None);
    let mut late = stage();
    late.says(voice()).0.later(1).line("world", fault());
    assert_eq!(late.0.pending().as_deref(), Some("pushes/not-asked-for/msg"));
}

/// Seed 5634 of `hardened`: the sender's connection ends in the moment in which the token is told, and that
/// end is seen after the push.
#[test]
fn a_sender_who_goes_in_that_moment_may_be_known_or_not() {
    const NOW_US: u64 = 5_000_000;
    let shows = |flash: &str, goes: ConnId| {
        let mut stage = stage();
        stage.0.login(3, 30, 3);
        stage.says(voice()).asks(&voice(), &[2]);
        stage.0.at(NOW_US - 1);
        let attach_data = Some(voice().body);
        let rsp = ImGetDeviceTokenRsp { user_token_info: vec![token(2)], attach_data };
        let rsp = Pdu::new(cmd::OTHER_GET_DEVICE_TOKEN_RSP, 0, &rsp);
        stage.0.db_writes(rsp.clone()).at(NOW_US).frame("msg1", End::Dialler, false, DB, rsp);
        stage.0.at(NOW_US);
        stage.pushes(flash, DATA, token(2));
        let gone = Kind::Disconnected { conn: goes, end: End::Acceptor };
        stage.0.at(NOW_US).line("msg1", gone);
        stage.0.later(1);
        stage.says(voice()).found()
    };
    assert_eq!(shows("Ann给您发送了一条语音消息", 10), [""; 0]);
    assert_eq!(shows("您收到了一条消息", 10), [""; 0]);
    assert_eq!(shows("您收到了一条消息", 30), ["pushes/text/msg"], "somebody else goes");
    assert_eq!(shows("Bob给您发送了一条语音消息", 10), ["pushes/text/msg"]);
}

/// Seed 9758 of `hardened`: the sender's login is done in the moment in which the token is told, and its answer is
/// seen after that.
#[test]
fn a_sender_who_comes_in_that_moment_may_be_known_or_not() {
    const NOW_US: u64 = 5_000_000;
    let shows = |flash: &str, login_us: u64| {
        let mut stage = stage();
        stage.0.hang_up(1, 10).connect(1, 11);
        stage.says(voice()).asks(&voice(), &[2]);
        stage.0.at(NOW_US - 2);
        stage.tells(&voice(), &[2]);
        let login = ImLoginRes {
            user_info: Some(UserInfo { user_id: 1, ..Default::default() }),
            ..Default::default()
        };
        let login = Pdu::new(cmd::LOGIN_RES_USERLOGIN, 1, &login);
        stage.0.at(login_us).frame("msg1", End::Acceptor, true, 11, login);
        stage.pushes(flash, DATA, token(2)).found()
    };
    let told_us = NOW_US - 1;
    assert_eq!(shows("Ann给您发送了一条语音消息", told_us), [""; 0]);
    assert_eq!(shows("您收到了一条消息", told_us), [""; 0]);
    assert_eq!(shows("Ann给您发送了一条语音消息", told_us + 10), ["pushes/text/msg"], "too late");
    assert_eq!(shows("您收到了一条消息", told_us + 10), [""; 0]);
}
