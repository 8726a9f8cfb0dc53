//! [`Device`]: its connection, its login, its timers. What it does online is in `chat`.

use super::{Action, ClientKind, Command, Config, DeviceStore, catch_up::Sweep};
use crate::{
    env::{ConnId, Endpoint},
    fact::Fact,
    link::Now,
    wire::{
        Pdu, command,
        im::{
            base_define::UserStatType,
            login::{ImLoginReq, ImLoginRes, ImLogoutReq},
        },
    },
};
use bytes::Bytes;
use md5::{Digest, Md5};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// What happens to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The program started, maybe after a crash.
    Started,
    /// The connection asked for is there.
    Connected {
        /// It.
        conn: ConnId,
    },
    /// The connection asked for did not come about.
    ConnectFailed {
        /// Why.
        reason: String,
    },
    /// A PDU came on the connection.
    Pdu(Pdu),
    /// The connection is gone, and not by [`Effect::Disconnect`].
    Closed {
        /// Why.
        reason: String,
    },
    /// The time of [`Device::due`] has come.
    Timer,
    /// A person did something.
    Command(Command),
}

/// What a device wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Connect; `Connected` or `ConnectFailed` answers.
    Connect {
        /// Where to.
        to: Endpoint,
    },
    /// Write what is queued and close, or give up connecting; no event answers.
    Disconnect,
    /// Write a PDU.
    Send(Pdu),
    /// Report.
    Fact(Fact),
}

/// One event's surroundings.
pub(super) struct Turn<'a> {
    pub now: Duration,
    pub store: &'a mut DeviceStore,
    pub out: &'a mut Vec<Effect>,
}

impl Turn<'_> {
    pub fn fact(&mut self, fact: Fact) {
        self.out.push(Effect::Fact(fact));
    }

    pub fn send(&mut self, pdu: Pdu) {
        self.out.push(Effect::Send(pdu));
    }

    pub fn ok(&mut self, op: u32, msg_id: u32) {
        self.fact(Fact::OpOk { op, msg_id });
    }

    pub fn failed(&mut self, op: u32, reason: &str) {
        self.fact(Fact::OpFailed { op, reason: reason.into() });
    }
}

/// Times are since the program's start.
#[derive(Debug)]
enum Phase {
    /// Offline by wish.
    Offline,
    /// Offline until the next try.
    Waiting { until: Duration },
    /// A connect is under way.
    Dialling,
    /// 0103 is sent.
    LoggingIn { conn: ConnId, due: Duration },
    /// Logged in.
    Online { conn: ConnId, heartbeat: Duration },
    /// 0105 is sent.
    LoggingOut { conn: ConnId, due: Duration, ops: Vec<u32> },
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Sending {
    pub op: u32,
    pub to: u32,
    pub text: String,
    pub pdu: Pdu,
    pub attempt: u32,
    pub due: Duration,
}

/// What an unanswered request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Sessions,
    Unread,
    Groups,
    /// Windows pulls each unread session after a login.
    UnreadMessages,
    CatchUp {
        peer: u32,
    },
    Read {
        op: u32,
        peer: u32,
    },
    Pull {
        op: u32,
    },
    Latest {
        op: u32,
    },
}

impl Asked {
    pub fn op(self) -> Option<u32> {
        match self {
            Self::Read { op, .. } | Self::Pull { op } | Self::Latest { op } => Some(op),
            _ => None,
        }
    }
}

/// An unanswered request.
#[derive(Debug)]
pub(super) struct Request {
    pub asked: Asked,
    pub pdu: Pdu,
    pub due: Duration,
}

/// One device, without I/O. Everything in it is lost in a crash.
#[derive(Debug)]
pub struct Device {
    pub(super) config: Config,
    /// Index of the server whose turn it is.
    server: usize,
    phase: Phase,
    /// Waits since the last good login.
    tries: u32,
    logins: Vec<u32>,
    /// Messages in flight, by seq_num.
    pub(super) sends: BTreeMap<u16, Sending>,
    /// Windows: messages that wait for the one in flight (operation, receiver, text).
    pub(super) queue: VecDeque<(u32, u32, String)>,
    /// Windows: when the last message was taken.
    pub(super) last_send: Option<Duration>,
    /// Requests in flight, by seq_num.
    pub(super) requests: BTreeMap<u16, Request>,
    /// Ours: conversations that are being caught up, by peer.
    pub(super) sweeps: BTreeMap<u32, Sweep>,
}

impl Device {
    /// A device that prefers `servers[start % servers.len()]`.
    pub fn new(config: Config, start: usize) -> Self {
        Self {
            server: start,
            phase: Phase::Offline,
            tries: 0,
            logins: Vec::new(),
            sends: BTreeMap::new(),
            queue: VecDeque::new(),
            last_send: None,
            requests: BTreeMap::new(),
            sweeps: BTreeMap::new(),
            config,
        }
    }

    /// When [`Event::Timer`] is due, since the program's start.
    pub fn due(&self) -> Option<Duration> {
        let phase = match self.phase {
            Phase::Offline | Phase::Dialling => None,
            Phase::Waiting { until } => Some(until),
            Phase::LoggingIn { due, .. } | Phase::LoggingOut { due, .. } => Some(due),
            Phase::Online { heartbeat, .. } => Some(heartbeat),
        };
        let sends = self.sends.values().map(|s| s.due);
        let requests = self.requests.values().map(|r| r.due);
        let sweeps = self.sweeps.values().filter_map(|s| s.due);
        phase.into_iter().chain(sends).chain(requests).chain(sweeps).min()
    }

    /// Takes one event and appends what is to be done, in order.
    pub fn handle(
        &mut self,
        now: Now,
        store: &mut DeviceStore,
        event: Event,
        out: &mut Vec<Effect>,
    ) {
        let turn = &mut Turn { now: now.up, store, out };
        match event {
            Event::Started if turn.store.logged_in => self.connect(turn),
            Event::Started => {}
            Event::Connected { conn } if matches!(self.phase, Phase::Dialling) => {
                self.log_in(turn, conn);
            }
            Event::Connected { .. } => {}
            // Sent on its way before the device hung up by itself.
            Event::ConnectFailed { .. } | Event::Closed { .. }
                if matches!(self.phase, Phase::Offline | Phase::Waiting { .. }) => {}
            Event::ConnectFailed { reason } | Event::Closed { reason } => self.lose(turn, &reason),
            Event::Pdu(pdu) => self.pdu(turn, &pdu),
            Event::Timer => self.timer(turn),
            Event::Command(command) => self.command(turn, command),
        }
    }

    /// The connection, if its login is done.
    pub(super) fn online(&self) -> Option<ConnId> {
        match self.phase {
            Phase::Online { conn, .. } => Some(conn),
            _ => None,
        }
    }

    /// True if this is our client and it catches up.
    pub(super) fn catches_up(&self) -> bool {
        self.config.kind == ClientKind::Ours && self.config.protocol.catch_up_on_gap
    }

    pub(super) fn attempt(&self, turn: &mut Turn<'_>, op: u32, attempt: u32, seq_num: u16) {
        let conn = match self.phase {
            Phase::LoggingIn { conn, .. }
            | Phase::Online { conn, .. }
            | Phase::LoggingOut { conn, .. } => conn,
            _ => return,
        };
        turn.fact(Fact::Attempt { op, attempt, conn, seq_num });
    }

    fn connect(&mut self, turn: &mut Turn<'_>) {
        let servers = &self.config.servers;
        let Some(to) = servers.get(self.server % servers.len().max(1)) else {
            return self.lose(turn, "no servers");
        };
        turn.out.push(Effect::Connect { to: to.clone() });
        self.phase = Phase::Dialling;
    }

    // The views' strings may be String or Bytes.
    #[allow(clippy::useless_conversion)]
    fn log_in(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        let request = ImLoginReq {
            user_name: self.config.user_name.clone().into(),
            password: md5_hex(&self.config.password).into(),
            online_status: UserStatType::UserStatusOnline.into(),
            client_type: self.config.client_type as i32,
            client_version: Some(
                concat!("teamtalk/", env!("CARGO_PKG_VERSION")).to_string().into(),
            ),
        };
        let seq_num = turn.store.next_seq();
        turn.send(Pdu::new(command::LOGIN_REQ_USERLOGIN, seq_num, &request));
        let due = turn.now + self.config.timing.client_answer_timeout();
        self.phase = Phase::LoggingIn { conn, due };
        for op in self.logins.clone() {
            self.attempt(turn, op, 1, seq_num);
        }
    }

    fn pdu(&mut self, turn: &mut Turn<'_>, pdu: &Pdu) {
        match (&self.phase, pdu.command()) {
            (Phase::LoggingIn { conn, .. }, command::LOGIN_RES_USERLOGIN) => {
                let conn = *conn;
                self.login_answer(turn, conn, pdu);
            }
            (Phase::LoggingOut { .. }, command::LOGIN_RES_LOGINOUT) => {
                self.hang_up(turn, "logged out");
            }
            (Phase::Online { .. } | Phase::LoggingOut { .. }, command::LOGIN_KICK_USER) => {
                turn.store.logged_in = false;
                self.hang_up(turn, "kicked");
            }
            (Phase::Online { .. } | Phase::LoggingOut { .. }, _) => self.chat(turn, pdu),
            _ => {}
        }
    }

    fn login_answer(&mut self, turn: &mut Turn<'_>, conn: ConnId, pdu: &Pdu) {
        let Ok(answer) = pdu.view::<ImLoginRes>() else { return };
        if answer.result_code != 0 {
            return self.hang_up(turn, &format!("login refused: code {}", answer.result_code));
        }
        let heartbeat = turn.now + self.config.timing.client_heartbeat();
        self.phase = Phase::Online { conn, heartbeat };
        self.tries = 0;
        let (device, user) = (self.config.device, self.config.user);
        turn.fact(Fact::DeviceOnline { device, conn, user });
        for op in std::mem::take(&mut self.logins) {
            turn.ok(op, 0);
        }
        self.ask_after_login(turn);
    }

    fn command(&mut self, turn: &mut Turn<'_>, command: Command) {
        let op = command.op;
        match command.action {
            Action::Login => {
                turn.store.logged_in = true;
                match self.phase {
                    Phase::Online { .. } => turn.ok(op, 0),
                    Phase::Offline | Phase::Waiting { .. } => {
                        self.logins.push(op);
                        self.connect(turn);
                    }
                    Phase::Dialling | Phase::LoggingIn { .. } | Phase::LoggingOut { .. } => {
                        self.logins.push(op);
                    }
                }
            }
            Action::Logout => self.log_out(turn, op),
            Action::Disconnect => {
                if !matches!(self.phase, Phase::Offline | Phase::Waiting { .. }) {
                    self.hang_up(turn, "disconnected by hand");
                }
                turn.ok(op, 0);
            }
            _ if self.online().is_none() => turn.failed(op, "not logged in"),
            Action::Send { to, text } => self.take_message(turn, op, to, text),
            Action::Read { peer } => self.read_chat(turn, op, peer),
            Action::Pull { peer, count } => self.pull(turn, Asked::Pull { op }, peer, 0, count),
            Action::Latest { peer } => self.ask_latest(turn, op, peer),
        }
    }

    fn log_out(&mut self, turn: &mut Turn<'_>, op: u32) {
        turn.store.logged_in = false;
        match &mut self.phase {
            Phase::Online { conn, .. } => {
                let due = turn.now + self.config.timing.client_answer_timeout();
                self.phase = Phase::LoggingOut { conn: *conn, due, ops: vec![op] };
                let seq_num = turn.store.next_seq();
                turn.send(Pdu::new(command::LOGIN_REQ_LOGINOUT, seq_num, &ImLogoutReq {}));
                self.attempt(turn, op, 1, seq_num);
            }
            Phase::LoggingOut { ops, .. } => {
                ops.push(op);
                for login in std::mem::take(&mut self.logins) {
                    turn.failed(login, "logged out");
                }
            }
            Phase::Dialling | Phase::LoggingIn { .. } => {
                self.hang_up(turn, "logged out");
                turn.ok(op, 0);
            }
            Phase::Offline | Phase::Waiting { .. } => {
                self.phase = Phase::Offline;
                turn.ok(op, 0);
            }
        }
    }

    fn timer(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now => return self.connect(turn),
            Phase::LoggingIn { due, .. } if *due <= now => {
                return self.hang_up(turn, "no login answer");
            }
            Phase::LoggingOut { due, .. } if *due <= now => {
                return self.hang_up(turn, "no logout answer");
            }
            Phase::Online { heartbeat, .. } if *heartbeat <= now => {
                *heartbeat = now + self.config.timing.client_heartbeat();
                turn.send(Pdu::raw(command::OTHER_HEARTBEAT, 0, Bytes::new()));
            }
            _ => {}
        }
        self.chat_timer(turn);
    }

    fn hang_up(&mut self, turn: &mut Turn<'_>, reason: &str) {
        turn.out.push(Effect::Disconnect);
        self.lose(turn, reason);
    }

    /// The connection, or the try at one, is over.
    fn lose(&mut self, turn: &mut Turn<'_>, reason: &str) {
        let mut wait = self.config.timing.windows_reconnect(self.tries);
        let device = self.config.device;
        let offline = |conn| Fact::DeviceOffline { device, conn, reason: reason.into() };
        match std::mem::replace(&mut self.phase, Phase::Offline) {
            Phase::Online { conn, .. } => turn.fact(offline(conn)),
            Phase::LoggingOut { conn, ops, .. } => {
                turn.fact(offline(conn));
                for op in ops {
                    turn.ok(op, 0);
                }
                // A login that came while the logout was under way.
                wait = Duration::ZERO;
            }
            Phase::Offline | Phase::Waiting { .. } | Phase::Dialling | Phase::LoggingIn { .. } => {
                self.server = self.server.wrapping_add(1);
                for op in std::mem::take(&mut self.logins) {
                    turn.failed(op, reason);
                }
            }
        }
        self.forget_chat(turn);
        if turn.store.logged_in {
            self.phase = Phase::Waiting { until: turn.now + wait };
            self.tries = self.tries.saturating_add(1);
        } else {
            for op in std::mem::take(&mut self.logins) {
                turn.failed(op, reason);
            }
        }
    }
}

/// How a password travels.
fn md5_hex(clear: &str) -> String {
    Md5::digest(clear).iter().map(|byte| format!("{byte:02x}")).collect()
}
