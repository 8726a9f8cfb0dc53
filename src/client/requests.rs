//! Requests in flight: what each is for, what answers it, and what happens when no answer comes.

use super::{
    catch_up::Hints,
    device::{Device, Turn},
    outbox::{may_pass, refusal},
    reason,
};
use crate::{
    catalogue::id as command,
    conversation::Chat,
    fact::Fact,
    mutants::Mutant,
    wire::{
        Pdu,
        im::{
            buddy::ImRecentContactSessionReq,
            group::ImNormalGroupListReq,
            message::{ImGetMsgListReq, ImUnreadMsgCntReq},
        },
        tt::extension::{Refused, RefusedCode},
    },
};
use bytes::Bytes;
use std::time::Duration;

/// The most messages that one 0309 asks for (SYSTEM.md section 7).
pub(super) const PAGE: u32 = 100;
/// How often a read ack is written on one connection (`confirmed-read-acks`).
const READ_ACK_TRIES: u32 = 3;

/// What an unanswered request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Sessions,
    Unread,
    Groups,
    /// Windows pulls each unread session after a login.
    UnreadMessages,
    CatchUp {
        chat: Chat,
    },
    /// A chat is opened: the messages, then the read ack.
    Read {
        op: u32,
        chat: Chat,
    },
    /// `confirmed-read-acks`.
    ReadAck {
        op: Option<u32>,
        chat: Chat,
        msg_id: u32,
    },
    /// A request of a person, with the command that answers it.
    Answer {
        op: u32,
        by: u16,
    },
    /// A raw PDU: anything under its seq_num is an answer.
    Raw {
        op: u32,
    },
}

impl Asked {
    /// The operation that ends with it.
    pub fn op(self) -> Option<u32> {
        match self {
            Self::Read { op, .. } | Self::Answer { op, .. } | Self::Raw { op } => Some(op),
            Self::ReadAck { op, .. } => op,
            _ => None,
        }
    }

    fn is_answered_by(self, id: u16) -> bool {
        match self {
            Self::Sessions => id == command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE,
            Self::Unread => id == command::MSG_UNREAD_CNT_RESPONSE,
            Self::Groups => id == command::GROUP_NORMAL_LIST_RESPONSE,
            Self::UnreadMessages | Self::CatchUp { .. } | Self::Read { .. } => {
                id == command::MSG_LIST_RESPONSE
            }
            Self::ReadAck { .. } => id == command::MSG_READ_NOTIFY,
            Self::Answer { by, .. } => id == by,
            Self::Raw { .. } => true,
        }
    }
}

/// An unanswered request.
#[derive(Debug)]
pub(super) struct Request {
    pub asked: Asked,
    pub pdu: Pdu,
    /// The number of the last attempt of its operation, from 1.
    pub attempt: u32,
    /// How often it was written.
    pub tries: u32,
    pub due: Duration,
}

impl Device {
    /// True if this is our client and it catches up.
    pub(super) fn catches_up(&self) -> bool {
        self.habits().follows_switches && self.config.protocol.catch_up_on_gap
    }

    /// Recent sessions, unread counts, group list (SYSTEM.md section 7).
    pub(super) fn ask_after_login(&mut self, turn: &mut Turn<'_>) {
        self.hints = Hints::default();
        if !self.config.protocol.mutated(Mutant::LoginComparesNothing) {
            self.ask_sessions(turn, Asked::Sessions);
        }
        if !self.config.protocol.mutated(Mutant::LoginCountsNothing) {
            self.ask_unread(turn);
        }
        self.ask_groups(turn, Asked::Groups);
    }

    pub(super) fn ask_groups(&mut self, turn: &mut Turn<'_>, asked: Asked) {
        let groups = ImNormalGroupListReq { user_id: self.config.user, attach_data: None };
        self.ask(turn, asked, command::GROUP_NORMAL_LIST_REQUEST, &groups);
    }

    pub(super) fn ask_sessions(&mut self, turn: &mut Turn<'_>, asked: Asked) {
        let sessions = ImRecentContactSessionReq {
            user_id: self.config.user,
            latest_update_time: 0,
            attach_data: None,
            // Removed sessions are asked for too: this device may miss messages of them.
            with_removed: self.catches_up().then_some(1),
        };
        self.ask(turn, asked, command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST, &sessions);
    }

    /// Asks for the unread counts, unless that is under way already.
    pub(super) fn ask_unread(&mut self, turn: &mut Turn<'_>) {
        if self.requests.values().any(|r| r.asked == Asked::Unread) {
            self.outdate_counts();
        } else {
            let unread = ImUnreadMsgCntReq { user_id: self.config.user, attach_data: None };
            self.ask(turn, Asked::Unread, command::MSG_UNREAD_CNT_REQUEST, &unread);
        }
    }

    /// Asks for `count` messages from `begin` down; 0 begins at the newest.
    pub(super) fn pull(
        &mut self,
        turn: &mut Turn<'_>,
        asked: Asked,
        chat: Chat,
        begin: u32,
        count: u32,
    ) {
        let request = ImGetMsgListReq {
            user_id: self.config.user,
            session_type: chat.session_type(),
            session_id: chat.id(),
            msg_id_begin: begin,
            msg_cnt: count,
            attach_data: None,
        };
        self.ask(turn, asked, command::MSG_LIST_REQUEST, &request);
    }

    pub(super) fn ask(
        &mut self,
        turn: &mut Turn<'_>,
        asked: Asked,
        command: u16,
        message: &impl prost::Message,
    ) {
        self.ask_raw(turn, asked, command, message.encode_to_vec().into());
    }

    /// [`Self::ask`] with a body that is encoded already.
    pub(super) fn ask_raw(&mut self, turn: &mut Turn<'_>, asked: Asked, command: u16, body: Bytes) {
        let pdu = Pdu::raw(command, turn.store.next_seq(), body);
        self.request(turn, asked, pdu, 1);
    }

    /// Writes a request that is attempt number `attempt` of its operation.
    pub(super) fn request(&mut self, turn: &mut Turn<'_>, asked: Asked, pdu: Pdu, attempt: u32) {
        let seq_num = pdu.header.seq_num;
        turn.send(pdu.clone());
        if let Some(op) = asked.op() {
            self.attempt(turn, op, attempt, seq_num);
        }
        let due = turn.now + self.config.timing.client_answer_timeout();
        self.requests.insert(seq_num, Request { asked, pdu, attempt, tries: 1, due });
    }

    /// Ends the request that a PDU answers.
    pub(super) fn answered(&mut self, pdu: &Pdu) -> Option<Request> {
        let seq_num = pdu.header.seq_num;
        let fits = self.requests.get(&seq_num)?.asked.is_answered_by(pdu.command());
        if fits { self.requests.remove(&seq_num) } else { None }
    }

    /// 07e1: something was not served.
    pub(super) fn refused(&mut self, turn: &mut Turn<'_>, pdu: &Pdu) {
        let Ok(refused) = pdu.view::<Refused>() else { return };
        let Ok(code) = RefusedCode::try_from(refused.code) else { return };
        let seq_num = pdu.header.seq_num;
        if refused.command_id == u32::from(command::MSG_DATA) && self.sends.contains_key(&seq_num) {
            return self.send_refused(turn, seq_num, code);
        }
        let Some(request) = self.requests.get(&seq_num) else { return };
        if refused.command_id == u32::from(request.pdu.command()) && !self.repeats(request, code) {
            let asked = request.asked;
            if let Asked::CatchUp { chat } = asked {
                self.sweeps.remove(&chat);
            }
            self.requests.remove(&seq_num);
            self.unserved(turn, asked, refusal(code));
        }
    }

    /// Whether a refused request is written again, at its timeout.
    fn repeats(&self, request: &Request, code: RefusedCode) -> bool {
        match request.asked {
            // The user is not in that group any more, or never was.
            Asked::CatchUp { chat: Chat::Group(_) } if code == RefusedCode::RefusedNotAllowed => {
                false
            }
            Asked::Sessions | Asked::Unread | Asked::Groups | Asked::CatchUp { .. } => {
                self.catches_up()
            }
            Asked::ReadAck { .. } => may_pass(code),
            _ => false,
        }
    }

    /// Writes requests again, or gives them up, whose time for an answer is over.
    pub(super) fn requests_due(&mut self, turn: &mut Turn<'_>) {
        let late = self.requests.iter().filter(|(_, r)| r.due <= turn.now);
        for seq_num in late.map(|(&seq, _)| seq).collect::<Vec<_>>() {
            self.request_timed_out(turn, seq_num);
        }
    }

    fn request_timed_out(&mut self, turn: &mut Turn<'_>, seq_num: u16) {
        let due = turn.now + self.config.timing.client_answer_timeout();
        let catches_up = self.catches_up();
        let Some(request) = self.requests.get_mut(&seq_num) else { return };
        let (asked, attempt) = (request.asked, request.attempt);
        if let Some(op) = asked.op() {
            turn.fact(Fact::AttemptTimedOut { op, attempt });
        }
        let again = match asked {
            Asked::CatchUp { .. } if self.config.protocol.mutated(Mutant::SweepGivenUp) => false,
            Asked::ReadAck { .. } if self.config.protocol.mutated(Mutant::ReadAckOnce) => false,
            Asked::Sessions | Asked::Unread | Asked::Groups | Asked::CatchUp { .. } => catches_up,
            Asked::ReadAck { .. } => request.tries < READ_ACK_TRIES,
            _ => false,
        };
        if !again {
            self.requests.remove(&seq_num);
            return self.unserved(turn, asked, reason::NO_ANSWER);
        }
        request.due = due;
        request.tries += 1;
        request.attempt += 1;
        turn.send(request.pdu.clone());
        if let Some(op) = asked.op() {
            self.attempt(turn, op, attempt + 1, seq_num);
        }
    }

    /// Ends a request that had no answer and is not written again.
    fn unserved(&mut self, turn: &mut Turn<'_>, asked: Asked, reason: &str) {
        if let Some(op) = asked.op() {
            turn.failed(op, reason);
        }
        match asked {
            // The unread counts of the server will say whether the ack has to be written again,
            Asked::ReadAck { .. } => self.ask_unread(turn),
            // and whether the session was removed all the same: what was read with it.
            Asked::Answer { by: command::BUDDY_LIST_REMOVE_SESSION_RES, .. } => {
                self.count_anew(turn);
            }
            _ => {}
        }
    }

    /// The connection is lost, and with it the answers to all requests.
    pub(super) fn forget_requests(&mut self, turn: &mut Turn<'_>) {
        self.hints = Hints::default();
        self.recount = false;
        for request in std::mem::take(&mut self.requests).into_values() {
            if let Some(op) = request.asked.op() {
                turn.failed(op, reason::CONNECTION_LOST);
            }
        }
    }
}
