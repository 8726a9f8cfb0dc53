//! Each rule of a device, by hand; and a device on a little network.

use super::*;
use crate::{
    conversation::Conversation,
    env::{Env, Listener},
    fact::{Fact, Via},
    link::{Now, test_env::MemoryEnv},
    wire::{
        Pdu, command,
        frame::Codec,
        im::{base_define::*, buddy::*, login::*, message::*},
    },
};
use bytes::BytesMut;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::codec::Decoder;

const ME: u32 = 1;
const PEER: u32 = 2;
const SINGLE: i32 = SessionType::Single as i32;

struct Rig {
    device: Device,
    store: DeviceStore,
    now: Duration,
}

fn config(kind: ClientKind) -> Config {
    Config {
        device: 9,
        user_name: "alice".into(),
        password: "12345".into(),
        user: ME,
        client_type: 1,
        kind,
        servers: vec![Endpoint::new("a", 1), Endpoint::new("b", 1)],
        protocol: Protocol::hardened(),
        timing: Timing::original(),
    }
}

fn reason_of(facts: &[Fact]) -> Vec<(u32, &str)> {
    facts
        .iter()
        .filter_map(|f| match f {
            Fact::OpFailed { op, reason } => Some((*op, reason.as_str())),
            _ => None,
        })
        .collect()
}

impl Rig {
    fn new(kind: ClientKind) -> Self {
        let device = Device::new(config(kind), 0);
        Self { device, store: DeviceStore::default(), now: Duration::ZERO }
    }

    /// Logged in, with nothing unread and no sessions.
    fn online(kind: ClientKind) -> Self {
        let mut rig = Self::new(kind);
        rig.command(1, Action::Login);
        let asked = rig.log_in();
        rig.answer_all(&asked, &[], &[]);
        rig
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        let now = Now { up: self.now, unix: self.now };
        self.device.handle(now, &mut self.store, event, &mut out);
        out
    }

    fn command(&mut self, op: u32, action: Action) -> Vec<Effect> {
        self.event(Event::Command(Command { op, action }))
    }

    fn send(&mut self, op: u32) -> Vec<Effect> {
        self.command(op, Action::Send { to: PEER, text: format!("text {op}") })
    }

    fn pdu(&mut self, id: u16, seq: u16, message: &impl prost::Message) -> Vec<Effect> {
        self.event(Event::Pdu(Pdu::new(id, seq, message)))
    }

    /// Connects and logs in; what the device asks then.
    fn log_in(&mut self) -> Vec<Pdu> {
        let out = self.event(Event::Connected { conn: 5 });
        let login = &pdus(&out)[0];
        assert_eq!(login.command(), command::LOGIN_REQ_USERLOGIN);
        let out = self.pdu(command::LOGIN_RES_USERLOGIN, login.header.seq_num, &login_answer(0));
        assert!(facts(&out).contains(&Fact::DeviceOnline { device: 9, conn: 5, user: ME }));
        pdus(&out)
    }

    fn answer_all(
        &mut self,
        asked: &[Pdu],
        sessions: &[u32],
        unread: &[(u32, u32)],
    ) -> Vec<Effect> {
        let sessions = sessions_answer(sessions);
        let id = command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE;
        let mut out = self.pdu(id, asked[0].header.seq_num, &sessions);
        let unread = unread_answer(unread);
        out.extend(self.pdu(command::MSG_UNREAD_CNT_RESPONSE, asked[1].header.seq_num, &unread));
        out.extend(self.event(Event::Pdu(Pdu::raw(
            command::GROUP_NORMAL_LIST_RESPONSE,
            asked[2].header.seq_num,
            vec![8, 1].into(),
        ))));
        out
    }

    fn push(&mut self, from: u32, to: u32, msg_id: u32, text: &str) -> Vec<Effect> {
        let message = ImMsgData {
            from_user_id: from,
            to_session_id: to,
            msg_id,
            create_time: 7,
            msg_type: MsgType::SingleText.into(),
            msg_data: text.as_bytes().to_vec().into(),
            attach_data: None,
        };
        self.pdu(command::MSG_DATA, 0, &message)
    }

    fn ack(&mut self, seq: u16, msg_id: u32) -> Vec<Effect> {
        let ack = ImMsgDataAck { user_id: ME, session_id: PEER, msg_id, session_type: SINGLE };
        self.pdu(command::MSG_DATA_ACK, seq, &ack)
    }

    fn list(&mut self, seq: u16, ids: impl IntoIterator<Item = u32>) -> Vec<Effect> {
        let msg_list = ids.into_iter().map(|msg_id| MsgInfo {
            msg_id,
            from_session_id: PEER,
            create_time: 7,
            msg_type: MsgType::SingleText.into(),
            msg_data: format!("m{msg_id}").into_bytes().into(),
        });
        let answer = ImGetMsgListRsp {
            user_id: ME,
            session_type: SINGLE,
            session_id: PEER,
            msg_id_begin: 0,
            msg_list: msg_list.collect(),
            attach_data: None,
        };
        self.pdu(command::MSG_LIST_RESPONSE, seq, &answer)
    }

    /// Lets time pass; every timer on the way fires.
    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        let end = self.now + time;
        let mut out = Vec::new();
        while let Some(due) = self.device.due()
            && due <= end
        {
            self.now = self.now.max(due);
            out.extend(self.event(Event::Timer));
        }
        self.now = end;
        out
    }
}

fn login_answer(code: i32) -> ImLoginRes {
    ImLoginRes { server_time: 1, result_code: code, ..Default::default() }
}

fn sessions_answer(latest: &[u32]) -> ImRecentContactSessionRsp {
    let session = |&latest_msg_id: &u32| ContactSessionInfo {
        session_id: PEER,
        session_type: SINGLE,
        session_status: 0,
        updated_time: 1,
        latest_msg_id,
        latest_msg_data: Default::default(),
        latest_msg_type: MsgType::SingleText.into(),
        latest_msg_from_user_id: PEER,
    };
    ImRecentContactSessionRsp {
        user_id: ME,
        contact_session_list: latest.iter().map(session).collect(),
        attach_data: None,
    }
}

fn unread_answer(counts: &[(u32, u32)]) -> ImUnreadMsgCntRsp {
    let info = |&(unread_cnt, latest_msg_id): &(u32, u32)| UnreadInfo {
        session_id: PEER,
        session_type: SINGLE,
        unread_cnt,
        latest_msg_id,
        latest_msg_data: Default::default(),
        latest_msg_type: MsgType::SingleText.into(),
        latest_msg_from_user_id: PEER,
    };
    let unreadinfo_list = counts.iter().map(info).collect();
    ImUnreadMsgCntRsp { user_id: ME, total_cnt: 0, unreadinfo_list, attach_data: None }
}

fn pdus(out: &[Effect]) -> Vec<Pdu> {
    out.iter()
        .filter_map(|e| match e {
            Effect::Send(pdu) => Some(pdu.clone()),
            _ => None,
        })
        .collect()
}

/// The PDUs of one command.
fn sent(out: &[Effect], id: u16) -> Vec<Pdu> {
    pdus(out).into_iter().filter(|pdu| pdu.command() == id).collect()
}

fn facts(out: &[Effect]) -> Vec<Fact> {
    out.iter()
        .filter_map(|e| match e {
            Effect::Fact(fact) => Some(fact.clone()),
            _ => None,
        })
        .collect()
}

/// (msg_id_begin, msg_cnt) of each 0309.
fn pulls(out: &[Effect]) -> Vec<(u32, u32)> {
    let view = |pdu: &Pdu| pdu.view::<ImGetMsgListReq>().unwrap();
    let list = sent(out, command::MSG_LIST_REQUEST);
    list.iter().map(view).map(|r| (r.msg_id_begin, r.msg_cnt)).collect()
}

fn pull_seq(out: &[Effect]) -> u16 {
    sent(out, command::MSG_LIST_REQUEST)[0].header.seq_num
}

fn connects(out: &[Effect]) -> Vec<&str> {
    out.iter()
        .filter_map(|e| match e {
            Effect::Connect { to } => Some(to.host.as_str()),
            _ => None,
        })
        .collect()
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[test]
fn login_sends_the_md5_and_then_asks_what_real_clients_ask() {
    let mut rig = Rig::new(ClientKind::Windows);
    assert_eq!(connects(&rig.event(Event::Started)), [""; 0]);
    assert_eq!(connects(&rig.command(1, Action::Login)), ["a"]);
    let out = rig.event(Event::Connected { conn: 5 });
    let login = pdus(&out)[0].clone();
    let view = login.view::<ImLoginReq>().unwrap();
    assert_eq!(view.password, "827ccb0eea8a706c4c34a16891f84e7b");
    let seq_num = login.header.seq_num;
    assert!(facts(&out).contains(&Fact::Attempt { op: 1, attempt: 1, conn: 5, seq_num }));
    let out = rig.pdu(command::LOGIN_RES_USERLOGIN, seq_num, &login_answer(0));
    assert!(facts(&out).contains(&Fact::OpOk { op: 1, msg_id: 0 }));
    let asked: Vec<u16> = pdus(&out).iter().map(Pdu::command).collect();
    assert_eq!(asked, [0x0201, 0x0307, 0x0401]);
    assert!(rig.store.logged_in);
}

#[test]
fn a_device_that_was_online_goes_online_after_a_crash() {
    let mut rig = Rig::new(ClientKind::Ours);
    rig.store.logged_in = true;
    assert_eq!(connects(&rig.event(Event::Started)), ["a"]);
}

#[test]
fn reconnects_wait_3_s_and_one_more_each_up_to_15_and_the_next_server_is_tried() {
    let mut rig = Rig::online(ClientKind::Windows);
    let out = rig.event(Event::Closed { reason: "eof".into() });
    let offline = Fact::DeviceOffline { device: 9, conn: 5, reason: "eof".into() };
    assert_eq!(facts(&out), [offline]);
    let mut waits = Vec::new();
    let mut hosts = Vec::new();
    for _ in 0..15 {
        waits.push((rig.device.due().unwrap() - rig.now).as_secs());
        hosts.push(connects(&rig.pass(secs(15)))[0].to_string());
        let out = rig.event(Event::ConnectFailed { reason: "refused".into() });
        assert_eq!(facts(&out), []);
    }
    assert_eq!(waits, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15]);
    assert_eq!(hosts[..3], ["a", "b", "a"], "its own first, then the next after a failure");
    rig.pass(secs(15));
    rig.log_in();
    rig.event(Event::Closed { reason: "eof".into() });
    assert_eq!(rig.device.due().unwrap() - rig.now, secs(3), "a good login resets the wait");
}

#[test]
fn a_refused_or_unanswered_login_fails_and_is_tried_again() {
    let mut rig = Rig::new(ClientKind::Ours);
    rig.command(1, Action::Login);
    rig.event(Event::Connected { conn: 5 });
    let out = rig.pdu(command::LOGIN_RES_USERLOGIN, 1, &login_answer(6));
    assert!(out.contains(&Effect::Disconnect));
    assert_eq!(reason_of(&facts(&out)), [(1, "login refused: code 6")]);
    assert_eq!(connects(&rig.pass(secs(3))), ["b"]);
    rig.event(Event::Connected { conn: 6 });
    assert!(rig.pass(secs(6)).contains(&Effect::Disconnect));
    assert_eq!(connects(&rig.pass(secs(4))), ["a"]);
}

#[test]
fn a_kick_and_a_logout_end_the_wish_to_be_online() {
    let mut rig = Rig::online(ClientKind::Ours);
    let kick = ImKickUser { user_id: ME, kick_reason: 1 };
    let out = rig.pdu(command::LOGIN_KICK_USER, 0, &kick);
    assert!(out.contains(&Effect::Disconnect));
    assert_eq!(rig.pass(secs(100)), []);
    assert_eq!(connects(&rig.command(2, Action::Login)), ["a"]);
    rig.log_in();
    let out = rig.command(3, Action::Logout);
    assert_eq!(pdus(&out)[0].command(), command::LOGIN_REQ_LOGINOUT);
    let seq = pdus(&out)[0].header.seq_num;
    let out = rig.pdu(command::LOGIN_RES_LOGINOUT, seq, &ImLogoutRsp { result_code: 0 });
    assert!(facts(&out).contains(&Fact::OpOk { op: 3, msg_id: 0 }));
    assert_eq!(rig.pass(secs(100)), []);
}

#[test]
fn a_dropped_connection_comes_back_by_itself() {
    let mut rig = Rig::online(ClientKind::Windows);
    let out = rig.command(2, Action::Disconnect);
    assert_eq!(out[0], Effect::Disconnect);
    assert!(facts(&out).contains(&Fact::OpOk { op: 2, msg_id: 0 }));
    assert_eq!(connects(&rig.pass(secs(3))), ["a"]);
}

#[test]
fn heartbeats_every_five_seconds() {
    for kind in [ClientKind::Windows, ClientKind::Ours] {
        let out = Rig::online(kind).pass(secs(21));
        assert_eq!(sent(&out, command::OTHER_HEARTBEAT).len(), 4);
    }
}

#[test]
fn a_send_is_acked_by_seq_num_and_stored() {
    for kind in [ClientKind::Windows, ClientKind::Ours] {
        let mut rig = Rig::online(kind);
        let out = rig.send(2);
        let pdu = &pdus(&out)[0];
        let view = pdu.view::<ImMsgData>().unwrap();
        assert_eq!((view.from_user_id, view.to_session_id, view.msg_id), (ME, PEER, 0));
        assert_eq!(view.msg_data, "text 2");
        assert_eq!(facts(&rig.ack(pdu.header.seq_num + 1, 1)), [], "another seq_num");
        let facts = facts(&rig.ack(pdu.header.seq_num, 1));
        let held = Fact::Held {
            device: 9,
            conversation: Conversation::single(ME, PEER),
            msg_id: 1,
            from: ME,
            content: "text 2".into(),
            via: Via::Sent,
        };
        assert_eq!(facts, [Fact::OpOk { op: 2, msg_id: 1 }, held]);
    }
}

#[test]
fn an_ack_with_msg_id_0_is_a_failure() {
    let mut rig = Rig::online(ClientKind::Ours);
    let seq = pdus(&rig.send(2))[0].header.seq_num;
    assert_eq!(reason_of(&facts(&rig.ack(seq, 0))), [(2, "not stored")]);
    assert!(rig.store.messages.is_empty());
}

#[test]
fn windows_repeats_a_send_once_with_the_same_seq_num() {
    let mut rig = Rig::online(ClientKind::Windows);
    let first = pdus(&rig.send(2))[0].clone();
    let out = rig.pass(secs(6));
    assert_eq!(sent(&out, command::MSG_DATA), std::slice::from_ref(&first));
    let seq_num = first.header.seq_num;
    let seen = facts(&out);
    assert_eq!(seen[0], Fact::AttemptTimedOut { op: 2, attempt: 1 });
    assert_eq!(seen[1], Fact::Attempt { op: 2, attempt: 2, conn: 5, seq_num });
    let out = rig.pass(secs(6));
    assert_eq!(sent(&out, command::MSG_DATA), []);
    assert!(facts(&out).contains(&Fact::AttemptTimedOut { op: 2, attempt: 2 }));
    assert_eq!(reason_of(&facts(&out)), [(2, "no answer")]);
}

#[test]
fn ours_does_not_repeat_a_send() {
    let mut rig = Rig::online(ClientKind::Ours);
    rig.send(2);
    let out = rig.pass(secs(6));
    assert_eq!(sent(&out, command::MSG_DATA), []);
    let seen = facts(&out);
    assert_eq!(seen[0], Fact::AttemptTimedOut { op: 2, attempt: 1 });
    assert_eq!(reason_of(&seen), [(2, "no answer")]);
}

#[test]
fn windows_has_one_message_in_flight_and_refuses_a_hasty_second() {
    let mut rig = Rig::online(ClientKind::Windows);
    let seq = pdus(&rig.send(2))[0].header.seq_num;
    rig.now += Duration::from_millis(99);
    assert_eq!(reason_of(&facts(&rig.send(3))), [(3, "too soon after another message")]);
    rig.now += Duration::from_millis(1);
    assert_eq!(rig.send(4), [], "queued");
    assert_eq!(sent(&rig.ack(seq, 1), command::MSG_DATA).len(), 1);
    rig.now += secs(1);
    rig.send(5);
    let lost = rig.event(Event::Closed { reason: "eof".into() });
    assert_eq!(reason_of(&facts(&lost)), [(4, "connection lost"), (5, "connection lost")]);
}

#[test]
fn ours_has_several_messages_in_flight() {
    let mut rig = Rig::online(ClientKind::Ours);
    let (a, b) = (rig.send(2), rig.send(3));
    assert_eq!((pdus(&a).len(), pdus(&b).len()), (1, 1));
    let lost = rig.event(Event::Closed { reason: "eof".into() });
    assert_eq!(reason_of(&facts(&lost)), [(2, "connection lost"), (3, "connection lost")]);
    assert_eq!(reason_of(&facts(&rig.send(4))), [(4, "not logged in")]);
}

#[test]
fn pushes_are_stored_counted_and_acked_with_the_peers_id() {
    for kind in [ClientKind::Windows, ClientKind::Ours] {
        let mut rig = Rig::online(kind);
        let out = rig.push(PEER, ME, 1, "hi");
        let ack = sent(&out, command::MSG_DATA_ACK)[0].view::<ImMsgDataAck>().unwrap();
        assert_eq!((ack.user_id, ack.session_id, ack.msg_id), (ME, PEER, 1));
        let seen = facts(&out);
        assert!(matches!(&seen[0], Fact::Held { msg_id: 1, from: PEER, via: Via::Push, .. }));
        assert_eq!(seen[1], Fact::UnreadShown { device: 9, peer: PEER, count: 1 });
        let out = rig.push(ME, PEER, 2, "own, from my phone");
        let ack = sent(&out, command::MSG_DATA_ACK)[0].view::<ImMsgDataAck>().unwrap();
        assert_eq!((ack.session_id, ack.msg_id), (PEER, 2));
        assert_eq!(rig.store.unread[&PEER], 1, "own messages are not unread");
        assert!(rig.push(7, 8, 3, "of others").is_empty());
    }
}

#[test]
fn a_repeat_is_acked_by_ours_and_ignored_by_windows() {
    for (kind, acks) in [(ClientKind::Windows, 0), (ClientKind::Ours, 1)] {
        let mut rig = Rig::online(kind);
        rig.push(PEER, ME, 1, "hi");
        let out = rig.push(PEER, ME, 1, "hi");
        assert_eq!(sent(&out, command::MSG_DATA_ACK).len(), acks);
        assert_eq!(facts(&out), []);
        let out = rig.push(PEER, ME, 1, "same id, other content");
        assert_eq!(sent(&out, command::MSG_DATA_ACK).len(), 1, "{kind:?}");
        assert_eq!(facts(&out), [], "the first one stays");
    }
}

#[test]
fn reading_pulls_what_is_unread_then_acks_the_last_message() {
    let mut rig = Rig::new(ClientKind::Ours);
    rig.device.config.protocol = Protocol::teamtalk();
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    let out = rig.answer_all(&asked, &[4], &[(150, 4)]);
    assert!(facts(&out).contains(&Fact::UnreadShown { device: 9, peer: PEER, count: 150 }));
    assert_eq!(pulls(&out), []);
    let out = rig.command(2, Action::Read { peer: PEER });
    assert_eq!(pulls(&out), [(0, 100)]);
    let out = rig.list(pull_seq(&out), [4, 3]);
    let ack = sent(&out, command::MSG_READ_ACK)[0].view::<ImMsgDataReadAck>().unwrap();
    assert_eq!((ack.session_id, ack.msg_id), (PEER, 4));
    let seen = facts(&out);
    assert!(matches!(&seen[0], Fact::Held { msg_id: 4, via: Via::Pull, .. }));
    assert!(seen.contains(&Fact::UnreadShown { device: 9, peer: PEER, count: 0 }));
    assert!(seen.contains(&Fact::OpOk { op: 2, msg_id: 0 }));
    // Nothing unread: only the ack.
    let out = rig.command(3, Action::Read { peer: PEER });
    assert_eq!(pdus(&out).len(), 1);
    assert!(facts(&out).contains(&Fact::OpOk { op: 3, msg_id: 0 }));
}

#[test]
fn windows_pulls_each_unread_session_after_a_login() {
    let mut rig = Rig::new(ClientKind::Windows);
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    let out = rig.answer_all(&asked, &[200], &[(3, 200)]);
    assert_eq!(pulls(&out), [(200, 3)]);
    let out = rig.list(pull_seq(&out), [200, 199, 198]);
    assert_eq!(facts(&out).len(), 3);
    assert_eq!(rig.store.unread[&PEER], 3, "pulling is not reading");
    assert_eq!(pulls(&rig.push(PEER, ME, 300, "a gap")), []);
    assert_eq!(pulls(&rig.pass(secs(20))), [], "Windows never catches up");
}

#[test]
fn another_device_that_reads_clears_the_count() {
    let mut rig = Rig::online(ClientKind::Windows);
    rig.push(PEER, ME, 1, "hi");
    let notify =
        ImMsgDataReadNotify { user_id: ME, session_id: PEER, msg_id: 1, session_type: SINGLE };
    let out = rig.pdu(command::MSG_READ_NOTIFY, 0, &notify);
    assert_eq!(facts(&out), [Fact::UnreadShown { device: 9, peer: PEER, count: 0 }]);
}

#[test]
fn an_unread_answer_replaces_what_is_shown() {
    let mut rig = Rig::online(ClientKind::Ours);
    rig.push(PEER, ME, 1, "hi");
    rig.event(Event::Closed { reason: "eof".into() });
    rig.pass(secs(3));
    let asked = rig.log_in();
    let out = rig.answer_all(&asked, &[1], &[]);
    assert!(facts(&out).contains(&Fact::UnreadShown { device: 9, peer: PEER, count: 0 }));
}

#[test]
fn pull_and_latest_end_with_their_answer_or_a_timeout() {
    let mut rig = Rig::online(ClientKind::Ours);
    let out = rig.command(2, Action::Pull { peer: PEER, count: 10 });
    assert_eq!(pulls(&out), [(0, 10)]);
    assert!(facts(&rig.list(pull_seq(&out), [])).contains(&Fact::OpOk { op: 2, msg_id: 0 }));
    let out = rig.command(3, Action::Latest { peer: PEER });
    let answer = ImGetLatestMsgIdRsp {
        user_id: ME,
        session_type: SINGLE,
        session_id: PEER,
        latest_msg_id: 0,
        attach_data: None,
    };
    let seq = pdus(&out)[0].header.seq_num;
    let out = rig.pdu(command::MSG_GET_LATEST_MSG_ID_RSP, seq, &answer);
    assert_eq!(facts(&out), [Fact::OpOk { op: 3, msg_id: 0 }]);
    rig.command(4, Action::Latest { peer: PEER });
    assert_eq!(reason_of(&facts(&rig.pass(secs(6)))), [(4, "no answer")]);
}

#[test]
fn after_a_login_ours_pulls_the_difference_in_pages() {
    let mut rig = Rig::new(ClientKind::Ours);
    rig.store.hold(Conversation::single(ME, PEER), 1, Message { from: PEER, content: "m1".into() });
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    let out = rig.answer_all(&asked, &[251], &[]);
    assert_eq!(pulls(&out), [(251, 100)]);
    let out = rig.list(pull_seq(&out), (152..=251).rev());
    assert_eq!(pulls(&out), [(151, 100)]);
    let out = rig.list(pull_seq(&out), (52..=151).rev());
    assert_eq!(pulls(&out), [(51, 100)]);
    let out = rig.list(pull_seq(&out), (1..=51).rev());
    assert_eq!(pulls(&out), []);
    assert_eq!(rig.store.progress[&Conversation::single(ME, PEER)].contiguous, 251);
    assert_eq!(pulls(&rig.pass(secs(60))), [], "it knows that it is done");
}

#[test]
fn a_push_that_skips_is_followed_by_a_pull_unless_the_gap_closes() {
    let mut rig = Rig::online(ClientKind::Ours);
    rig.push(PEER, ME, 1, "1");
    assert_eq!(pulls(&rig.push(PEER, ME, 3, "3")), [], "pushes may overtake each other");
    rig.push(PEER, ME, 2, "2");
    assert_eq!(pulls(&rig.pass(secs(2))), []);
    rig.push(ME, PEER, 6, "an own copy counts as well");
    let out = rig.pass(secs(1));
    assert_eq!(pulls(&out), [(5, 100)]);
    // Unanswered: asked again until it is answered.
    let again = rig.pass(secs(12));
    assert_eq!(pulls(&again), [(5, 100), (5, 100)]);
    assert_eq!(reason_of(&facts(&again)), []);
    let out = rig.list(pull_seq(&again), (1..=5).rev());
    assert_eq!(facts(&out).len(), 2);
    assert_eq!(pulls(&rig.pass(secs(60))), []);
}

#[test]
fn a_hole_is_asked_for_again_at_the_next_login_only() {
    let mut rig = Rig::online(ClientKind::Ours);
    rig.push(PEER, ME, 1, "1");
    rig.push(PEER, ME, 3, "3");
    let out = rig.pass(secs(1));
    rig.list(pull_seq(&out), [1]);
    assert_eq!(pulls(&rig.pass(secs(60))), []);
    rig.push(PEER, ME, 4, "4");
    assert_eq!(pulls(&rig.pass(secs(60))), [], "nothing new is missing");
    rig.event(Event::Closed { reason: "eof".into() });
    rig.pass(secs(3));
    let asked = rig.log_in();
    let out = rig.answer_all(&asked, &[], &[]);
    assert_eq!(pulls(&out), [(2, 100)]);
    rig.list(pull_seq(&out), [2, 1]);
    assert!(rig.store.progress[&Conversation::single(ME, PEER)].holes.is_empty());
}

#[test]
fn a_late_ack_leads_to_a_pull_of_the_message() {
    let mut rig = Rig::online(ClientKind::Ours);
    let seq = pdus(&rig.send(2))[0].header.seq_num;
    rig.pass(secs(6));
    assert_eq!(facts(&rig.ack(seq, 1)), []);
    assert_eq!(pulls(&rig.pass(secs(1))), [(1, 100)]);
}

#[test]
fn without_the_switch_ours_does_not_catch_up() {
    let mut rig = Rig::new(ClientKind::Ours);
    rig.device.config.protocol = Protocol::teamtalk();
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    assert_eq!(pulls(&rig.answer_all(&asked, &[10], &[])), []);
    rig.push(PEER, ME, 20, "a gap");
    assert_eq!(pulls(&rig.pass(secs(60))), []);
}

#[test]
fn unanswered_recent_sessions_are_asked_for_again() {
    let mut rig = Rig::new(ClientKind::Ours);
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    let out = rig.pass(secs(12));
    let again = sent(&out, command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST);
    assert_eq!(again, [asked[0].clone(), asked[0].clone()]);
}

#[tokio::test(start_paused = true)]
async fn on_a_network_a_device_logs_in_reconnects_and_stops_dialling_after_a_logout() {
    let env = MemoryEnv::new("a");
    let mut listener = env.bind(1).await.unwrap();
    let (commands, received) = mpsc::unbounded_channel();
    let store = Arc::new(Mutex::new(DeviceStore::default()));
    let config = Config { servers: vec![Endpoint::new("a", 1)], ..config(ClientKind::Ours) };
    tokio::spawn(run(env.host("c"), config, received, store.clone()));
    commands.send(Command { op: 1, action: Action::Login }).unwrap();
    for _ in 0..2 {
        let mut stream = listener.accept().await.unwrap();
        let mut buf = BytesMut::new();
        let login = loop {
            if let Some(pdu) = Codec.decode(&mut buf).unwrap() {
                break pdu;
            }
            stream.read_buf(&mut buf).await.unwrap();
        };
        let answer = Pdu::new(command::LOGIN_RES_USERLOGIN, login.header.seq_num, &login_answer(0));
        stream.write_all(&answer.encode()).await.unwrap();
        // Recent sessions, unread counts, group list.
        stream.read_exact(&mut [0; 16 + 4 + 16 + 2 + 16 + 2]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    commands.send(Command { op: 2, action: Action::Logout }).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let tried: Vec<u64> = env.tried(&Endpoint::new("a", 1)).iter().map(Duration::as_secs).collect();
    assert_eq!(tried, [0, 3], "the logout came while it waited for the try at 6 s");
    let online = env.facts().iter().filter(|f| matches!(f, Fact::DeviceOnline { .. })).count();
    assert_eq!(online, 2);
    assert!(env.facts().contains(&Fact::OpOk { op: 2, msg_id: 0 }));
    assert!(!store.lock().unwrap().logged_in);
}
