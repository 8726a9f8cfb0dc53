//! Sends: from when the person presses "send" until the ack.
//!
//! A message is in the store's outbox until it is acked. With `idempotent-send` our client writes
//! it again, with the same token, after each answer timeout, reconnect or crash until it is acked
//! or refused for good. Else the person is told that it failed, and may press "resend".

use super::{
    Content, Outgoing,
    device::{Device, Turn},
    reason,
};
use crate::{
    catalogue::id as command,
    conversation::Chat,
    fact::{Fact, Via},
    mutants::Mutant,
    wire::{
        Pdu,
        im::{
            base_define::MsgType,
            message::{ImMsgData, ImMsgDataAck},
        },
        tt::extension::RefusedCode,
    },
};
use bytes::{BufMut, Bytes, BytesMut};
use std::time::Duration;

/// The wait for the answer doubles with each try on a connection, but at most so often (ours).
const LONGEST_WAIT: u32 = 2;

/// A message in flight on this connection.
#[derive(Debug)]
pub(super) struct Sending {
    /// Its number in the outbox.
    pub number: u64,
    pub pdu: Pdu,
    /// How often it was written.
    pub tries: u32,
    /// The server refused the last try for now (07e1): it is written again.
    pub put_off: bool,
    pub due: Duration,
}

impl Device {
    /// True if this device writes a send again until it is answered.
    fn is_persistent(&self) -> bool {
        self.habits().follows_switches && self.config.protocol.idempotent_send
    }

    /// Whether a message may be taken now: written, or kept until the device is online again.
    fn takes_messages(&self, turn: &Turn<'_>) -> bool {
        self.online().is_some() || (self.is_persistent() && turn.store.logged_in)
    }

    /// A person sends.
    pub(super) fn take_message(
        &mut self,
        turn: &mut Turn<'_>,
        op: u32,
        to: Chat,
        (kind, data): (Content, Bytes),
    ) {
        if !self.takes_messages(turn) {
            return turn.failed(op, "not logged in");
        }
        if self.habits().one_in_flight {
            let gap = self.config.timing.windows_send_gap();
            if self.last_send.is_some_and(|at| turn.now < at + gap) {
                return turn.failed(op, "too soon after another message");
            }
            self.last_send = Some(turn.now);
        }
        if self.open.is_some_and(|chat| chat != to) {
            self.open = None;
        }
        turn.store.sends += 1;
        let number = turn.store.sends;
        let waiting = [(op, 0)].into();
        turn.store.outbox.insert(number, Outgoing { op, to, kind, data, waiting, bare: false });
        self.dispatch(turn, number);
    }

    /// A person presses "resend".
    pub(super) fn resend(&mut self, turn: &mut Turn<'_>, op: u32, of: Option<u32>) {
        if !self.takes_messages(turn) {
            return turn.failed(op, "not logged in");
        }
        let outbox = &turn.store.outbox;
        let mut candidates = outbox.iter();
        let found = match of {
            Some(of) => candidates.find(|(_, m)| m.op == of),
            None => candidates.find(|(_, m)| m.waiting.is_empty()).or(outbox.first_key_value()),
        };
        let Some(number) = found.map(|(number, _)| *number) else {
            return turn.failed(op, "nothing to send again");
        };
        let on_its_way =
            self.queue.contains(&number) || self.sends.values().any(|s| s.number == number);
        if on_its_way && !self.is_persistent() {
            return turn.failed(op, "still on its way");
        }
        if let Some(message) = turn.store.outbox.get_mut(&number) {
            message.waiting.insert(op, 0);
        }
        self.sends.retain(|_, s| s.number != number);
        self.dispatch(turn, number);
    }

    fn dispatch(&mut self, turn: &mut Turn<'_>, number: u64) {
        if self.habits().one_in_flight {
            self.queue.push_back(number);
            self.send_queued(turn);
        } else {
            self.send(turn, number);
        }
    }

    fn send_queued(&mut self, turn: &mut Turn<'_>) {
        if self.online().is_some()
            && self.sends.is_empty()
            && let Some(number) = self.queue.pop_front()
        {
            self.send(turn, number);
        }
    }

    /// After a login: writes what has no answer yet.
    pub(super) fn send_unsent(&mut self, turn: &mut Turn<'_>) {
        if self.is_persistent() {
            let waits = |m: &Outgoing| !m.waiting.is_empty();
            let outbox = turn.store.outbox.iter();
            let mut numbers: Vec<u64> = outbox.filter(|(_, m)| waits(m)).map(|(n, _)| *n).collect();
            if numbers.len() > 1 && self.config.protocol.mutated(Mutant::UnsentInReverse) {
                numbers.reverse();
            }
            for number in numbers {
                self.send(turn, number);
            }
        }
    }

    fn send(&mut self, turn: &mut Turn<'_>, number: u64) {
        if self.online().is_none() {
            return;
        }
        let Some(outgoing) = turn.store.outbox.get(&number) else { return };
        let mut install = self.config.install;
        if self.config.protocol.mutated(Mutant::TokenWithoutInstall) {
            install = 0;
        }
        if self.config.protocol.mutated(Mutant::TokenOfTry) {
            install += u64::from(turn.store.seq_num) << 32;
        }
        let message = ImMsgData {
            from_user_id: self.config.user,
            to_session_id: outgoing.to.id(),
            msg_id: 0,
            create_time: 0,
            msg_type: msg_type(outgoing.to, outgoing.kind).into(),
            msg_data: outgoing.data.clone(),
            attach_data: None,
            send_token: self.is_persistent().then(|| token(install, number)),
        };
        let seq_num = turn.store.next_seq();
        let pdu = Pdu::new(command::MSG_DATA, seq_num, &message);
        let sending = Sending { number, pdu, tries: 0, put_off: false, due: turn.now };
        self.sends.insert(seq_num, sending);
        self.write(turn, seq_num);
    }

    fn write(&mut self, turn: &mut Turn<'_>, seq_num: u16) {
        let due = (self.habits().ack_due)(&self.config.timing, turn.now);
        let persistent = self.is_persistent();
        let Some(sending) = self.sends.get_mut(&seq_num) else { return };
        // A server that is slow because of its load is not given more load.
        let eager = persistent
            && sending.tries > 0
            && self.config.protocol.mutated(Mutant::SendsNeverBackOff);
        let longer = if persistent && !eager { 1 << sending.tries.min(LONGEST_WAIT) } else { 1 };
        (sending.due, sending.put_off) = (turn.now + (due - turn.now) * longer, false);
        sending.tries += 1;
        let number = sending.number;
        turn.send(sending.pdu.clone());
        let Some(message) = turn.store.outbox.get_mut(&number) else { return };
        message.bare |= !persistent;
        for attempts in message.waiting.values_mut() {
            *attempts += 1;
        }
        for (op, attempt) in message.waiting.clone() {
            self.attempt(turn, op, attempt, seq_num);
        }
    }

    pub(super) fn acked(&mut self, turn: &mut Turn<'_>, seq_num: u16, ack: &ImMsgDataAck) {
        let oldest = self.sends.keys().next().copied().filter(|&oldest| oldest != seq_num);
        let other = oldest.filter(|_| self.config.protocol.mutated(Mutant::AckIsOfOldest));
        let Some(Sending { number, .. }) = self.sends.remove(&other.unwrap_or(seq_num)) else {
            // The ack is too late for the person, but it says that the message can be pulled.
            self.heard_of(turn, Chat::of(ack.session_type, ack.session_id), ack.msg_id);
            return;
        };
        if ack.msg_id == 0 {
            self.give_up(turn, number, "not stored");
        } else if let Some(message) = turn.store.outbox.remove(&number) {
            for op in message.waiting.into_keys() {
                turn.ok(op, ack.msg_id);
            }
            let (from, conversation) = (self.config.user, self.conversation(message.to));
            let content = String::from_utf8_lossy(&message.data).into_owned();
            if !self.config.protocol.mutated(Mutant::SentNotHeld) {
                self.hold(turn, conversation, ack.msg_id, from, content, Via::Sent);
            }
            self.heard_of(turn, message.to, ack.msg_id);
        }
        self.send_queued(turn);
    }

    /// A 07e1 for a message in flight.
    pub(super) fn send_refused(&mut self, turn: &mut Turn<'_>, seq_num: u16, code: RefusedCode) {
        let due = turn.now + self.config.timing.client_answer_timeout();
        let persistent = self.is_persistent();
        let Some(sending) = self.sends.get_mut(&seq_num) else { return };
        if persistent && may_pass(code) {
            (sending.due, sending.put_off) = (due, true);
            return;
        }
        let number = sending.number;
        self.sends.remove(&seq_num);
        self.give_up(turn, number, refusal(code));
        self.send_queued(turn);
    }

    /// Writes messages again, or gives them up, whose time for an ack is over.
    pub(super) fn sends_due(&mut self, turn: &mut Turn<'_>) {
        let late = self.sends.iter().filter(|(_, s)| s.due <= turn.now);
        for seq_num in late.map(|(&seq, _)| seq).collect::<Vec<_>>() {
            let again = self.is_persistent() || self.sends[&seq_num].tries < self.habits().tries;
            self.unanswered(turn, seq_num);
            if again {
                self.write(turn, seq_num);
            } else if let Some(sending) = self.sends.remove(&seq_num) {
                self.give_up(turn, sending.number, reason::NO_ANSWER);
                self.send_queued(turn);
            }
        }
    }

    fn unanswered(&self, turn: &mut Turn<'_>, seq_num: u16) {
        let Some(sending) = self.sends.get(&seq_num).filter(|s| !s.put_off) else { return };
        let Some(message) = turn.store.outbox.get(&sending.number) else { return };
        for (op, attempt) in message.waiting.clone() {
            turn.fact(Fact::AttemptTimedOut { op, attempt });
        }
    }

    /// The person is told that it failed; it can be sent again by hand.
    fn give_up(&mut self, turn: &mut Turn<'_>, number: u64, reason: &str) {
        let Some(message) = turn.store.outbox.get_mut(&number) else { return };
        for op in std::mem::take(&mut message.waiting).into_keys() {
            turn.failed(op, reason);
        }
    }

    /// The connection is lost.
    pub(super) fn forget_sends(&mut self, turn: &mut Turn<'_>) {
        if self.is_persistent() {
            for seq_num in self.sends.keys().copied().collect::<Vec<_>>() {
                self.unanswered(turn, seq_num);
            }
            self.sends.clear();
            return;
        }
        let sends = std::mem::take(&mut self.sends).into_values().map(|send| send.number);
        let queued = std::mem::take(&mut self.queue);
        for number in sends.chain(queued).collect::<Vec<_>>() {
            self.give_up(turn, number, reason::CONNECTION_LOST);
        }
    }

    /// After a crash no operation waits for the messages that were in flight, unless they are
    /// written again. One that the program before this one wrote without a token is not: it may be stored,
    /// and would be stored twice.
    pub(super) fn forget_unsent(&self, turn: &mut Turn<'_>) {
        let persistent = self.is_persistent();
        let outbox = turn.store.outbox.values_mut();
        outbox.filter(|message| !persistent || message.bare).for_each(|m| m.waiting.clear());
    }
}

fn msg_type(to: Chat, kind: Content) -> MsgType {
    match (to, kind) {
        (Chat::User(_), Content::Text) => MsgType::SingleText,
        (Chat::User(_), Content::Audio) => MsgType::SingleAudio,
        (Chat::Group(_), Content::Text) => MsgType::GroupText,
        (Chat::Group(_), Content::Audio) => MsgType::GroupAudio,
    }
}

/// The send_token: the same for every try of one send (16 bytes: installation and number, each
/// big-endian).
fn token(install: u64, number: u64) -> Bytes {
    let mut token = BytesMut::with_capacity(16);
    token.put_u64(install);
    token.put_u64(number);
    token.freeze()
}

/// Whether the same request may be served later.
pub(super) fn may_pass(code: RefusedCode) -> bool {
    use RefusedCode::{RefusedNotLoggedIn, RefusedTooMany, RefusedUnavailable};
    matches!(code, RefusedNotLoggedIn | RefusedTooMany | RefusedUnavailable)
}

/// A refusal as the reason of a failure.
pub(super) fn refusal(code: RefusedCode) -> &'static str {
    match code {
        RefusedCode::RefusedNotLoggedIn => "refused: not logged in",
        RefusedCode::RefusedTooMany => "refused: too many messages",
        RefusedCode::RefusedMalformed => "refused: malformed",
        RefusedCode::RefusedUnknownCommand => "refused: unknown command",
        RefusedCode::RefusedUnavailable => reason::UNAVAILABLE,
        RefusedCode::RefusedNotStored => "refused: not stored",
        RefusedCode::RefusedNotAllowed => "refused: not allowed",
    }
}
