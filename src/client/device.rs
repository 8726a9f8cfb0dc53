//! [`Device`]: its state and where its events go.

use super::{
    Config, DeviceStore,
    acks::Claims,
    catch_up::{Hints, Sweep},
    habits::Habits,
    outbox::Sending,
    requests::Request,
};
use crate::{
    catalogue::id as command,
    conversation::Chat,
    env::{ConnId, Endpoint},
    fact::Fact,
    link::Now,
    mutants::Mutant,
    wire::Pdu,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// What happens to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The program started, maybe after a crash.
    Started,
    /// The connection asked for is there.
    Connected {
        /// Its number.
        conn: ConnId,
    },
    /// The connection asked for did not come about.
    ConnectFailed {
        /// Why, in a few words.
        reason: String,
    },
    /// A PDU came on the connection.
    Pdu(Pdu),
    /// The connection is gone, and not by [`Effect::Disconnect`].
    Closed {
        /// Why, in a few words.
        reason: String,
    },
    /// The time of [`Device::due`] has come.
    Timer,
    /// A person did something.
    Command(super::Command),
}

/// What a device wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Connect; `Connected` or `ConnectFailed` answers.
    Connect {
        /// The server to dial.
        to: Endpoint,
    },
    /// Write what is queued and close, or give up connecting; no event answers.
    Disconnect,
    /// Write a PDU.
    Send(Pdu),
    /// Report what the device did.
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
pub(super) enum Phase {
    /// Offline because the person wants it so.
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

/// One device, without I/O. Everything in it is lost in a crash.
#[derive(Debug)]
pub struct Device {
    pub(super) config: Config,
    /// Index of the server whose turn it is.
    pub(super) server: usize,
    pub(super) phase: Phase,
    /// When the server was last heard.
    pub(super) heard: Duration,
    /// How often it waited to reconnect since the last successful login.
    pub(super) tries: u32,
    /// Login operations that wait for the answer.
    pub(super) logins: Vec<u32>,
    /// Messages in flight, by seq_num.
    pub(super) sends: BTreeMap<u16, Sending>,
    /// Numbers of the messages that wait for the one in flight (`Habits::one_in_flight`).
    pub(super) queue: VecDeque<u64>,
    /// When the last message was taken (`Habits::one_in_flight`).
    pub(super) last_send: Option<Duration>,
    /// Requests in flight, by seq_num.
    pub(super) requests: BTreeMap<u16, Request>,
    /// Chats that are being caught up (`catch-up-on-gap`).
    pub(super) sweeps: BTreeMap<Chat, Sweep>,
    /// What hints led to (`catch-up-hint`).
    pub(super) hints: Hints,
    /// The unread counts that are asked for are asked for once more when they come.
    pub(super) recount: bool,
    /// Up to which msg_id the last unread counts of a chat went (`catch-up-on-gap`).
    pub(super) counted: BTreeMap<Chat, u32>,
    /// The chat that is open.
    pub(super) open: Option<Chat>,
    /// The msg_ids of notices (0304) that were answered since the program's start
    /// (`OnReadNotify::ReadAckOnce`).
    pub(super) answered_reads: BTreeMap<Chat, BTreeSet<u32>>,
    /// Acks that were written on this connection (`cumulative-acks`).
    pub(super) claims: Claims,
    /// Acks that wait for their time ([`super::Acks::Late`]).
    pub(super) late_acks: VecDeque<(Duration, Pdu)>,
}

impl Device {
    /// A device that prefers `servers[start % servers.len()]`.
    pub fn new(config: Config, start: usize) -> Self {
        Self {
            server: start,
            phase: Phase::Offline,
            heard: Duration::ZERO,
            tries: 0,
            logins: Vec::new(),
            sends: BTreeMap::new(),
            queue: VecDeque::new(),
            last_send: None,
            requests: BTreeMap::new(),
            sweeps: BTreeMap::new(),
            hints: Hints::default(),
            recount: false,
            counted: BTreeMap::new(),
            open: None,
            answered_reads: BTreeMap::new(),
            claims: Claims::default(),
            late_acks: VecDeque::new(),
            config,
        }
    }

    /// When [`Event::Timer`] is due, since the program's start.
    pub fn due(&self) -> Option<Duration> {
        let phase = match self.phase {
            Phase::Offline | Phase::Dialling => None,
            Phase::Waiting { until } => Some(until),
            Phase::LoggingIn { due, .. } | Phase::LoggingOut { due, .. } => Some(due),
            Phase::Online { heartbeat, .. } => {
                Some(self.silence().map_or(heartbeat, |end| heartbeat.min(end)))
            }
        };
        let sends = self.sends.values().map(|s| s.due);
        let requests = self.requests.values().map(|r| r.due);
        let sweeps = self.sweeps.values().filter_map(|s| s.due);
        let acks = self.late_acks.iter().map(|(due, _)| *due);
        let known = phase.into_iter().chain(self.hints.due);
        known.chain(sends).chain(requests).chain(sweeps).chain(acks).min()
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
            Event::Started => self.started(turn),
            Event::Connected { conn } if matches!(self.phase, Phase::Dialling) => {
                self.log_in(turn, conn);
            }
            Event::Connected { .. } => {}
            // The report was under way when the device hung up by itself.
            Event::ConnectFailed { .. } | Event::Closed { .. }
                if matches!(self.phase, Phase::Offline | Phase::Waiting { .. }) => {}
            Event::ConnectFailed { reason } | Event::Closed { reason } => self.lose(turn, &reason),
            Event::Pdu(pdu) => self.pdu(turn, &pdu),
            Event::Timer => self.timer(turn),
            Event::Command(command) => self.command(turn, command),
        }
        if self.online().is_some() {
            self.ack_pulled(turn);
        }
    }

    /// The connection, if its login is done.
    pub(super) fn online(&self) -> Option<ConnId> {
        match self.phase {
            Phase::Online { conn, .. } => Some(conn),
            _ => None,
        }
    }

    pub(super) fn habits(&self) -> &'static Habits {
        self.config.habits
    }

    /// When the connection counts as dead, unless the server is heard before.
    fn silence(&self) -> Option<Duration> {
        // A connection that dies silently loses pushes like any other.
        let hears = self.habits().follows_switches && self.config.protocol.hear_silence;
        hears.then(|| self.heard + self.config.timing.client_silence())
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

    fn pdu(&mut self, turn: &mut Turn<'_>, pdu: &Pdu) {
        self.heard = turn.now;
        match (&self.phase, pdu.command()) {
            (Phase::LoggingIn { conn, .. }, command::LOGIN_RES_USERLOGIN) => {
                let conn = *conn;
                self.login_answer(turn, conn, pdu);
            }
            (Phase::LoggingIn { .. }, command::OTHER_REFUSED) => {
                self.hang_up(turn, "login refused");
            }
            (Phase::LoggingOut { .. }, command::LOGIN_RES_LOGINOUT) => {
                self.hang_up(turn, "logged out");
            }
            (Phase::Online { .. } | Phase::LoggingOut { .. }, command::LOGIN_KICK_USER)
                if !self.config.conduct.ignores_kick =>
            {
                turn.store.logged_in = self.config.protocol.mutated(Mutant::KickedComesBack);
                self.hang_up(turn, "kicked");
            }
            (Phase::Online { .. } | Phase::LoggingOut { .. }, _) => self.chat(turn, pdu),
            _ => {}
        }
    }

    fn timer(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let silent = self.silence().is_some_and(|end| end <= now);
        let pause = (self.habits().heartbeat)(&self.config.timing);
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now => return self.connect(turn),
            Phase::LoggingIn { due, .. } if *due <= now => {
                return self.hang_up(turn, "no login answer");
            }
            Phase::LoggingOut { due, .. } if *due <= now => {
                return self.hang_up(turn, "no logout answer");
            }
            Phase::Online { .. } if silent => return self.hang_up(turn, "the server is silent"),
            Phase::Online { heartbeat, .. } if *heartbeat <= now => {
                *heartbeat = now + pause;
                if !self.config.protocol.mutated(Mutant::NoHeartbeats) {
                    self.claims.beaten();
                    turn.send(Pdu::raw(command::OTHER_HEARTBEAT, 0, Bytes::new()));
                }
            }
            _ => {}
        }
        self.late_acks_due(turn);
        self.sends_due(turn);
        self.requests_due(turn);
        self.hints_due(turn);
        self.sweep_due(turn);
    }
}
