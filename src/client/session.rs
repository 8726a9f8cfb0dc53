//! A device's connection: connect, login, logout, and the way back.

use super::device::{Device, Effect, Phase, Turn};
use crate::{
    catalogue::id as command,
    env::ConnId,
    fact::Fact,
    mutants::Mutant,
    wire::{
        Pdu,
        im::{
            base_define::UserStatType,
            login::{ImLoginReq, ImLoginRes, ImLogoutReq},
        },
    },
};
use md5::{Digest, Md5};
use std::time::Duration;

impl Device {
    /// The program starts: a device that was online goes online.
    pub(super) fn started(&mut self, turn: &mut Turn<'_>) {
        self.forget_unsent(turn);
        if !turn.store.outbox.is_empty() && self.config.protocol.mutated(Mutant::CrashForgetsOutbox)
        {
            turn.store.outbox.clear();
        }
        if !turn.store.unconfirmed_reads.is_empty()
            && self.config.protocol.mutated(Mutant::CrashForgetsReads)
        {
            turn.store.unconfirmed_reads.clear();
        }
        if turn.store.logged_in {
            self.connect(turn);
        }
    }

    pub(super) fn connect(&mut self, turn: &mut Turn<'_>) {
        let servers = &self.config.servers;
        let Some(to) = servers.get(self.server % servers.len().max(1)) else {
            return self.lose(turn, "no servers");
        };
        turn.out.push(Effect::Connect { to: to.clone() });
        self.phase = Phase::Dialling;
    }

    pub(super) fn log_in(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
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

    pub(super) fn login_answer(&mut self, turn: &mut Turn<'_>, conn: ConnId, pdu: &Pdu) {
        let Ok(answer) = pdu.view::<ImLoginRes>() else { return };
        if answer.result_code != 0 {
            return self.hang_up(turn, &format!("login refused: code {}", answer.result_code));
        }
        let heartbeat = turn.now + (self.habits().heartbeat)(&self.config.timing);
        self.phase = Phase::Online { conn, heartbeat };
        if self.tries > 0 && !self.config.protocol.mutated(Mutant::WaitsNeverShrink) {
            self.tries = 0;
        }
        let (device, user) = (self.config.device, self.config.user);
        turn.fact(Fact::DeviceOnline { device, conn, user });
        for op in std::mem::take(&mut self.logins) {
            turn.ok(op, 0);
        }
        self.ask_after_login(turn);
        self.ack_what_is_held(turn);
        if !self.config.protocol.mutated(Mutant::UnsentStaysUnsent) {
            self.send_unsent(turn);
        }
    }

    pub(super) fn go_online(&mut self, turn: &mut Turn<'_>, op: u32) {
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

    pub(super) fn drop_connection(&mut self, turn: &mut Turn<'_>, op: u32) {
        if !matches!(self.phase, Phase::Offline | Phase::Waiting { .. }) {
            self.hang_up(turn, "disconnected by hand");
        }
        turn.ok(op, 0);
    }

    pub(super) fn log_out(&mut self, turn: &mut Turn<'_>, op: u32) {
        turn.store.logged_in = false;
        self.open = None;
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

    pub(super) fn hang_up(&mut self, turn: &mut Turn<'_>, reason: &str) {
        turn.out.push(Effect::Disconnect);
        self.lose(turn, reason);
    }

    /// The connection, or the try at one, is over.
    pub(super) fn lose(&mut self, turn: &mut Turn<'_>, reason: &str) {
        let mut wait = (self.habits().reconnect)(&self.config.timing, self.tries);
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
                if !self.config.protocol.mutated(Mutant::StaysAtDeadServer) {
                    self.server = self.server.wrapping_add(1);
                }
                for op in std::mem::take(&mut self.logins) {
                    turn.failed(op, reason);
                }
            }
        }
        self.late_acks.clear();
        self.forget_sends(turn);
        self.forget_requests(turn);
        self.sweeps.clear();
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
