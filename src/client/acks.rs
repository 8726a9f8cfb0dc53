//! Acks of what came: of each push at once, and with `cumulative-acks` (ours) of all that is held.
//!
//! An ack is not answered, so a device knows that one was read only by what the server answers later
//! on the same connection: the echo of a heartbeat that was written after it. Until then the chat is
//! not settled, and is acked again after the next login. What came by a pull is acked when the pull
//! is over.

use super::{
    Acks,
    device::{Device, Turn},
    habits::Named,
};
use crate::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    mutants::Mutant,
    wire::{Pdu, im::message::ImMsgDataAck},
};
use std::collections::{BTreeMap, BTreeSet};

/// The acks on this connection that the server may not have read yet.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// How many heartbeats were written.
    beats: u64,
    /// How many of them were echoed.
    echoes: u64,
    /// Up to which msg_id each conversation was acked, and how many heartbeats had been written before.
    by_conversation: BTreeMap<Conversation, (u32, u64)>,
    /// Chats of which a pull brought something, until it is over and acked.
    pulled: BTreeSet<Chat>,
}

impl Claims {
    /// A heartbeat was written.
    pub fn beaten(&mut self) {
        self.beats += 1;
    }

    /// A pull brought something.
    pub fn pulled(&mut self, chat: Chat) {
        self.pulled.insert(chat);
    }
}

impl Device {
    /// Whether an ack says up to which msg_id everything is held.
    fn acks_cumulatively(&self) -> bool {
        self.habits().follows_switches && self.config.protocol.cumulative_acks
    }

    /// Acks a push.
    pub(super) fn ack(&mut self, turn: &mut Turn<'_>, chat: Chat, from: u32, msg_id: u32) {
        if let Some(session_id) = self.acked_with(chat, from) {
            self.ack_as(turn, chat, session_id, msg_id);
        }
    }

    /// The session_id that a push is acked with; `None` if it is not acked.
    fn acked_with(&self, chat: Chat, from: u32) -> Option<u32> {
        let (habits, user) = (self.habits(), self.config.user);
        match chat {
            Chat::Group(group) => {
                let acks = habits.acks_groups;
                (acks && !self.config.protocol.mutated(Mutant::GroupsUnacked)).then_some(group)
            }
            Chat::User(peer) => {
                let named = if from == user { habits.acks_own_copy } else { habits.acks_incoming };
                if from == user && self.config.protocol.mutated(Mutant::OwnCopiesUnacked) {
                    return None;
                }
                named.map(|named| if named == Named::Own { user } else { peer })
            }
        }
    }

    fn ack_as(&mut self, turn: &mut Turn<'_>, chat: Chat, session_id: u32, msg_id: u32) {
        let held_up_to = self.acks_cumulatively().then(|| {
            let conversation = self.conversation(chat);
            let known = turn.store.progress.get(&conversation);
            let (mut up_to, newest) =
                known.map_or((0, 0), |known| (known.contiguous, known.latest));
            if newest != up_to && self.config.protocol.mutated(Mutant::ClaimsNewest) {
                up_to = newest;
            }
            if self.config.protocol.mutated(Mutant::WrittenCountsAsRead) {
                turn.store.settle(conversation, up_to);
            }
            if self.config.conduct.acks == Acks::Prompt {
                self.claims.by_conversation.insert(conversation, (up_to, self.claims.beats));
            }
            up_to
        });
        let (user_id, session_type) = (self.config.user, chat.session_type());
        let ack = ImMsgDataAck { user_id, session_id, msg_id, session_type, held_up_to };
        let pdu = Pdu::new(command::MSG_DATA_ACK, turn.store.next_seq(), &ack);
        self.write_ack(turn, pdu);
    }

    /// A login is done: what is held and was not surely acked is acked, once a chat.
    pub(super) fn ack_what_is_held(&mut self, turn: &mut Turn<'_>) {
        self.claims = Claims::default();
        if self.config.protocol.mutated(Mutant::LostAckForgotten) {
            return;
        }
        let user = self.config.user;
        let chats: Vec<Chat> =
            turn.store.progress.keys().filter_map(|held| held.chat_of(user)).collect();
        for chat in chats {
            self.ack_news(turn, chat);
        }
    }

    /// Acks what pulls brought, where no more of it is awaited.
    pub(super) fn ack_pulled(&mut self, turn: &mut Turn<'_>) {
        let waits = |chat: &Chat| self.sweeps.contains_key(chat);
        let (wait, over): (BTreeSet<_>, _) =
            std::mem::take(&mut self.claims.pulled).into_iter().partition(waits);
        self.claims.pulled = wait;
        for chat in over {
            if !self.config.protocol.mutated(Mutant::PulledUnacked) {
                self.ack_news(turn, chat);
            }
        }
    }

    /// Acks what is held of a chat, unless a server knows it.
    fn ack_news(&mut self, turn: &mut Turn<'_>, chat: Chat) {
        let conversation = self.conversation(chat);
        let Some(progress) = turn.store.progress.get(&conversation) else { return };
        let (up_to, settled) = (progress.contiguous, progress.settled);
        let claimed = self.claims.by_conversation.get(&conversation).map_or(0, |claim| claim.0);
        if self.acks_cumulatively() && up_to > claimed.max(settled) {
            self.ack_as(turn, chat, chat.id(), up_to);
        }
    }

    /// A message is new on this device: an ack that covered its id did not cover it.
    pub(super) fn unclaim(&mut self, conversation: Conversation, msg_id: u32) {
        if let Some((up_to, _)) = self.claims.by_conversation.get_mut(&conversation) {
            *up_to = (*up_to).min(msg_id.saturating_sub(1));
        }
    }

    /// A heartbeat came back: what was written before it has been read.
    pub(super) fn echoed(&mut self, turn: &mut Turn<'_>) {
        self.claims.echoes = self.claims.beats.min(self.claims.echoes + 1);
        let echoes = self.claims.echoes;
        self.claims.by_conversation.retain(|conversation, (up_to, beats)| {
            let is_read = *beats < echoes;
            if is_read {
                turn.store.settle(*conversation, *up_to);
            }
            !is_read
        });
    }

    pub(super) fn write_ack(&mut self, turn: &mut Turn<'_>, ack: Pdu) {
        match self.config.conduct.acks {
            Acks::Prompt => turn.send(ack),
            Acks::Late { ms } => {
                let due = turn.now + std::time::Duration::from_millis(ms);
                self.late_acks.push_back((due, ack));
            }
            Acks::Never => {}
        }
    }

    pub(super) fn late_acks_due(&mut self, turn: &mut Turn<'_>) {
        while self.late_acks.front().is_some_and(|(due, _)| *due <= turn.now) {
            let ack = self.late_acks.pop_front().map(|(_, ack)| ack);
            ack.into_iter().for_each(|ack| turn.send(ack));
        }
    }
}
