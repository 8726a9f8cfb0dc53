//! Each rule of a device, by hand; and a device on a little network.

mod acks;
mod actions;
mod catch_up;
mod connection;
mod groups;
mod habits;
mod messages;
mod outbox;
mod questions;
mod reads;

use super::{
    emulated::{ANDROID, IOS, MAC, WINDOWS},
    *,
};
use crate::{
    catalogue::{Args, id as command},
    conversation::Conversation,
    env::{Env, Listener},
    fact::{Fact, Via},
    link::{Now, test_env::MemoryEnv},
    wire::{
        Pdu,
        frame::Codec,
        im::{base_define::*, buddy::*, file::*, group::*, login::*, message::*},
        tt::extension::{CatchUpHint, Refused, RefusedCode},
    },
};
use bytes::{Bytes, BytesMut};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::codec::Decoder;

const OURS: Habits = Habits::OURS;
const ME: u32 = 1;
const PEER: u32 = 2;
const CHAT: Chat = Chat::User(PEER);
const SINGLE: i32 = SessionType::Single as i32;
const GROUP: u32 = 77;
const IN_GROUP: Chat = Chat::Group(GROUP);

/// A plain question.
fn ask(name: &str, args: Args<Chat, u32>) -> Action {
    Action::Ask(Question::named(name, args).expect("a question with its arguments"))
}

struct Rig {
    device: Device,
    store: DeviceStore,
    now: Duration,
}

fn config(habits: &'static Habits) -> Config {
    Config {
        device: 9,
        install: 0x0102_0304_0506_0708,
        user_name: "alice".into(),
        password: "12345".into(),
        user: ME,
        client_type: match habits.name {
            "mac" => 0x02,
            "ios" => 0x11,
            "android" => 0x12,
            _ => 0x01,
        },
        habits,
        conduct: Conduct::default(),
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
    fn new(habits: &'static Habits) -> Self {
        let device = Device::new(config(habits), 0);
        Self { device, store: DeviceStore::default(), now: Duration::ZERO }
    }

    /// Logged in, with nothing unread and no sessions.
    fn online(habits: &'static Habits) -> Self {
        Self::new(habits).logged_in()
    }

    /// The same with one switch of `hardened` off.
    fn without(habits: &'static Habits, switch: &str) -> Self {
        let mut rig = Self::new(habits);
        assert!(rig.device.config.protocol.set(switch, false));
        rig.logged_in()
    }

    fn logged_in(mut self) -> Self {
        self.command(1, Action::Login);
        let asked = self.log_in();
        self.answer_all(&asked, &[], &[]);
        self
    }

    /// The program crashes and starts again; it connects.
    fn crash(&mut self) -> Vec<Effect> {
        self.device = Device::new(self.device.config.clone(), 0);
        self.event(Event::Started)
    }

    fn lose(&mut self) -> Vec<Effect> {
        self.event(Event::Closed { reason: "eof".into() })
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
        self.command(op, Action::Send { to: CHAT, text: format!("text {op}").into() })
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
        self.push_as(MsgType::SingleText, from, to, msg_id, text)
    }

    fn push_as(
        &mut self,
        msg_type: MsgType,
        from: u32,
        to: u32,
        msg_id: u32,
        text: &str,
    ) -> Vec<Effect> {
        let message = ImMsgData {
            from_user_id: from,
            to_session_id: to,
            msg_id,
            create_time: 7,
            msg_type: msg_type.into(),
            msg_data: text.as_bytes().to_vec().into(),
            attach_data: None,
            send_token: None,
        };
        self.pdu(command::MSG_DATA, 0, &message)
    }

    fn ack(&mut self, seq: u16, msg_id: u32) -> Vec<Effect> {
        self.ack_in(CHAT, seq, msg_id)
    }

    fn ack_in(&mut self, chat: Chat, seq: u16, msg_id: u32) -> Vec<Effect> {
        let (session_id, session_type) = (chat.id(), chat.session_type());
        let ack = ImMsgDataAck { user_id: ME, session_id, msg_id, session_type, held_up_to: None };
        self.pdu(command::MSG_DATA_ACK, seq, &ack)
    }

    fn refuse(&mut self, pdu: &Pdu, code: RefusedCode) -> Vec<Effect> {
        let refused = Refused {
            user_id: ME,
            command_id: pdu.command().into(),
            code: code.into(),
            ..Default::default()
        };
        self.pdu(command::OTHER_REFUSED, pdu.header.seq_num, &refused)
    }

    fn read_notify(&mut self, seq: u16, msg_id: u32) -> Vec<Effect> {
        self.read_notify_in(CHAT, seq, msg_id)
    }

    fn read_notify_in(&mut self, chat: Chat, seq: u16, msg_id: u32) -> Vec<Effect> {
        let notify = ImMsgDataReadNotify {
            user_id: ME,
            session_id: chat.id(),
            msg_id,
            session_type: chat.session_type(),
            attach_data: None,
        };
        self.pdu(command::MSG_READ_NOTIFY, seq, &notify)
    }

    /// A server that lives: time passes, and each heartbeat is echoed.
    fn pass_alive(&mut self, time: Duration) -> Vec<Effect> {
        let end = self.now + time;
        let mut out = Vec::new();
        while let Some(due) = self.device.due()
            && due <= end
        {
            self.now = self.now.max(due);
            let effects = self.event(Event::Timer);
            for heartbeat in sent(&effects, command::OTHER_HEARTBEAT) {
                out.extend(self.event(Event::Pdu(heartbeat)));
            }
            out.extend(effects);
        }
        self.now = end;
        out
    }

    fn list(&mut self, seq: u16, ids: impl IntoIterator<Item = u32>) -> Vec<Effect> {
        self.list_in(CHAT, seq, ids)
    }

    fn list_in(&mut self, chat: Chat, seq: u16, ids: impl IntoIterator<Item = u32>) -> Vec<Effect> {
        let msg_list = ids.into_iter().map(|msg_id| MsgInfo {
            msg_id,
            from_session_id: PEER,
            create_time: 7,
            msg_type: MsgType::SingleText.into(),
            msg_data: format!("m{msg_id}").into_bytes().into(),
        });
        let answer = ImGetMsgListRsp {
            user_id: ME,
            session_type: chat.session_type(),
            session_id: chat.id(),
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
    sessions_of(CHAT, latest)
}

fn sessions_of(chat: Chat, latest: &[u32]) -> ImRecentContactSessionRsp {
    let session = |&latest_msg_id: &u32| ContactSessionInfo {
        session_id: chat.id(),
        session_type: chat.session_type(),
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
    unread_of(CHAT, counts)
}

fn unread_of(chat: Chat, counts: &[(u32, u32)]) -> ImUnreadMsgCntRsp {
    let info = |&(unread_cnt, latest_msg_id): &(u32, u32)| UnreadInfo {
        session_id: chat.id(),
        session_type: chat.session_type(),
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
