//! Unread counts and read acks.

use super::{
    device::{Device, Turn},
    habits::OnReadNotify,
    requests::{Asked, PAGE},
};
use crate::{
    catalogue::id as command,
    conversation::Chat,
    fact::Fact,
    mutants::Mutant,
    wire::{
        Pdu,
        im::{
            base_define::UnreadInfo,
            message::{ImMsgDataReadAck, ImMsgDataReadNotify, ImUnreadMsgCntRsp},
        },
    },
};
use std::collections::BTreeMap;

/// Read notices of one chat that a device remembers having answered; the lowest ids are forgotten
/// first (ours: that client remembers all of them).
const ANSWERED_BOUND: usize = 1_024;

impl Device {
    /// True if this device's read acks are requests, answered by a 0304 of their seq_num.
    fn confirms_reads(&self) -> bool {
        self.habits().follows_switches && self.config.protocol.confirmed_read_acks
    }

    /// Opens a chat: pulls what is unread, then acks it as read.
    pub(super) fn read_chat(&mut self, turn: &mut Turn<'_>, op: u32, chat: Chat) {
        self.open = Some(chat);
        let count = turn.store.unread.get(&chat).copied().unwrap_or(0).min(PAGE);
        if count == 0 {
            return self.ack_chat(turn, op, chat, 1);
        }
        let begin = match self.habits().opens_at_newest {
            true => 0,
            false => turn.store.progress.get(&self.conversation(chat)).map_or(0, |p| p.latest),
        };
        self.pull(turn, Asked::Read { op, chat }, chat, begin, count);
    }

    /// Acks the last message held of an opened chat as read, as an attempt of `op`.
    pub(super) fn ack_chat(&mut self, turn: &mut Turn<'_>, op: u32, chat: Chat, attempt: u32) {
        let msg_id = turn.store.last_held(self.conversation(chat));
        if msg_id == 0 {
            return turn.ok(op, 0);
        }
        let below = msg_id > 1 && self.config.protocol.mutated(Mutant::ReadAckOneBelow);
        let msg_id = msg_id - u32::from(below);
        let pdu = self.read_ack_pdu(turn, chat, msg_id);
        if self.confirms_reads() {
            if !self.config.protocol.mutated(Mutant::ReadNotPutDown) {
                turn.store.unconfirmed_reads.insert(chat, msg_id);
            }
            self.request(turn, Asked::ReadAck { op: Some(op), chat, msg_id }, pdu, attempt);
            return self.show_unread(turn, chat, 0);
        }
        let seq_num = pdu.header.seq_num;
        turn.send(pdu);
        self.attempt(turn, op, attempt, seq_num);
        self.show_unread(turn, chat, 0);
        turn.ok(op, 0);
    }

    pub(super) fn read_ack_pdu(&self, turn: &mut Turn<'_>, chat: Chat, msg_id: u32) -> Pdu {
        let ack = ImMsgDataReadAck {
            user_id: self.config.user,
            session_id: chat.id(),
            msg_id,
            session_type: chat.session_type(),
            attach_data: None,
        };
        Pdu::new(command::MSG_READ_ACK, turn.store.next_seq(), &ack)
    }

    /// A message of another user was pushed that is new here: it is unread, unless the user has read it,
    /// or is out of the group. If the server's counts go as far, they may have it or not: it counts anew.
    /// A push of a group that the user is out of may be late, or they are in it again: the counts say.
    pub(super) fn count_pushed(&mut self, turn: &mut Turn<'_>, chat: Chat, msg_id: u32) {
        if turn.store.has_read(chat, msg_id) {
            return;
        }
        if turn.store.has_left(chat) {
            if self.catches_up() {
                self.ask_unread(turn);
            }
            return;
        }
        if self.catches_up() && self.counted.get(&chat).is_some_and(|counted| *counted >= msg_id) {
            return self.ask_unread(turn);
        }
        let shown = turn.store.unread.get(&chat).copied().unwrap_or(0);
        self.show_unread(turn, chat, shown.saturating_add(1));
    }

    /// What is shown changes by what the device itself sees.
    pub(super) fn show_unread(&mut self, turn: &mut Turn<'_>, chat: Chat, count: u32) {
        self.outdate_counts();
        self.show_count(turn, chat, count);
    }

    /// Counts that are asked for just now may be from before something that the device has seen: they are
    /// asked for again when they come (ours).
    pub(super) fn outdate_counts(&mut self) {
        let asked = self.requests.values().any(|request| request.asked == Asked::Unread);
        self.recount |= asked && self.catches_up();
    }

    fn show_count(&self, turn: &mut Turn<'_>, chat: Chat, count: u32) {
        match count {
            0 => turn.store.unread.remove(&chat),
            _ => turn.store.unread.insert(chat, count),
        };
        turn.fact(Fact::UnreadShown { device: self.config.device, chat, count });
    }

    /// 0304: the answer to a read ack, or another device of the user has read a chat.
    pub(super) fn read_notify(&mut self, turn: &mut Turn<'_>, pdu: &Pdu) {
        let Ok(notify) = pdu.view::<ImMsgDataReadNotify>() else { return };
        let chat = Chat::of(notify.session_type, notify.session_id);
        if self.confirms_reads() {
            turn.store.read_up_to(chat, notify.msg_id);
        }
        if let Some(request) = self.answered(pdu) {
            if let Asked::ReadAck { op, chat, msg_id } = request.asked {
                self.outdate_counts();
                turn.store.unconfirmed_reads.retain(|&c, id| c != chat || *id > msg_id);
                // What is shown by now was counted without this ack.
                if turn.store.unread.contains_key(&chat) {
                    self.ask_unread(turn);
                }
                op.into_iter().for_each(|op| turn.ok(op, 0));
            }
            return;
        }
        let shown = turn.store.unread.contains_key(&chat);
        let ignored = self.config.protocol.mutated(Mutant::ReadElsewhereStaysUnread);
        match shown {
            _ if ignored => {}
            true => self.read_elsewhere(turn, chat, notify.msg_id),
            // Counts that are under way may still show what was read.
            false => self.outdate_counts(),
        }
        let answers = match self.habits().on_read_notify {
            OnReadNotify::Nothing => false,
            OnReadNotify::ReadAckOnce => {
                let answered = self.answered_reads.entry(chat).or_default();
                let is_new = answered.insert(notify.msg_id);
                if answered.len() > ANSWERED_BOUND {
                    answered.pop_first();
                }
                is_new
            }
            OnReadNotify::ReadAckIfUnread => shown,
        };
        if answers {
            let ack = self.read_ack_pdu(turn, chat, notify.msg_id);
            turn.send(ack);
        }
    }

    /// Another device of the user has read a chat up to a msg_id. What came after that stays unread
    /// (ours, where counts are counted from the messages); how much that is the server knows best.
    fn read_elsewhere(&mut self, turn: &mut Turn<'_>, chat: Chat, msg_id: u32) {
        let conversation = self.conversation(chat);
        let latest = turn.store.progress.get(&conversation).map_or(0, |p| p.latest);
        let after = match self.confirms_reads() {
            true => turn.store.from_others(conversation, self.config.user, msg_id, latest),
            false => 0,
        };
        let shown = turn.store.unread.get(&chat).copied().unwrap_or(0);
        self.show_unread(turn, chat, shown.min(after));
        if after > 0 {
            self.ask_unread(turn);
        }
    }

    /// 0308: what the server counts.
    pub(super) fn unread_counts(&mut self, turn: &mut Turn<'_>, answer: &ImUnreadMsgCntRsp) {
        let chat = |info: &UnreadInfo| Chat::of(info.session_type, info.session_id);
        let count = |info| (chat(info), (info.unread_cnt, info.latest_msg_id));
        let counts: BTreeMap<Chat, (u32, u32)> = answer.unreadinfo_list.iter().map(count).collect();
        let gone: Vec<Chat> =
            turn.store.unread.keys().filter(|chat| !counts.contains_key(chat)).copied().collect();
        for chat in gone {
            if self.config.protocol.mutated(Mutant::GoneCountStays) {
                break;
            }
            self.show_count(turn, chat, 0);
        }
        for (&chat, &(count, latest)) in &counts {
            if turn.store.has_left(chat) {
                // A count that was under way when the device heard that its user is out says nothing.
                // One that was asked for since says that the user is in again, which no notice told.
                if self.recount || !self.catches_up() {
                    continue;
                }
                self.belongs_to(turn, chat);
                self.heard_of(turn, chat, latest);
            }
            turn.store.heard_of(self.conversation(chat), latest);
            self.counted.insert(chat, latest);
            let count = count.min(self.may_be_unread(turn, chat, latest));
            self.show_count(turn, chat, count);
            if self.habits().pulls_unread && count > 0 {
                self.pull(turn, Asked::UnreadMessages, chat, latest, count.min(PAGE));
            }
        }
        self.settle_reads(turn, &counts);
        if std::mem::take(&mut self.recount) {
            self.ask_unread(turn);
        }
    }

    /// How many messages up to `latest` this device has not acked as read.
    fn may_be_unread(&self, turn: &Turn<'_>, chat: Chat, latest: u32) -> u32 {
        let read = turn.store.unconfirmed_reads.get(&chat);
        read.map_or(u32::MAX, |&read| {
            turn.store.from_others(self.conversation(chat), self.config.user, read, latest)
        })
    }

    /// Read acks that were given up, or lost with their connection. Where the server counts
    /// anything as unread they are written again; the others are taken as confirmed. Whether the
    /// messages counted came after the ack can't be told: this device may not hold them yet.
    fn settle_reads(&mut self, turn: &mut Turn<'_>, counts: &BTreeMap<Chat, (u32, u32)>) {
        if !self.confirms_reads() {
            return;
        }
        for (chat, msg_id) in turn.store.unconfirmed_reads.clone() {
            let under_way = |asked| matches!(asked, Asked::ReadAck { chat: c, .. } if c == chat);
            if self.requests.values().any(|request| under_way(request.asked)) {
                continue;
            }
            let (count, _) = counts.get(&chat).copied().unwrap_or_default();
            if count > 0 {
                let pdu = self.read_ack_pdu(turn, chat, msg_id);
                self.request(turn, Asked::ReadAck { op: None, chat, msg_id }, pdu, 1);
            } else {
                turn.store.unconfirmed_reads.remove(&chat);
            }
        }
    }
}
