//! What was pushed to a connection and is not yet acked (SYSTEM.md section 3, steps 4, 6, 7).

use crate::{conversation::Conversation, timing::Timing, wire::Pdu};
use std::{collections::VecDeque, time::Duration};

/// The most entries of one connection: with `resend-until-acked` or `edge-limits` a longer list closes the
/// connection (ours; the original's is bounded only by expiry). Where the limit `send-list` does not
/// hold.
pub const SEND_LIST_BOUND: usize = 4096;

/// With `resend-until-acked`: after so many resends without an ack the connection is closed.
pub const RESENDS: u32 = 3;

/// One push.
#[derive(Debug, Clone)]
pub struct Entry {
    pub msg_id: u32,
    pub from: u32,
    pub conversation: Conversation,
    /// When it was last written.
    pub written_at: Duration,
    pub resends: u32,
    /// The push itself, kept by `resend-until-acked` only.
    pub pdu: Option<Pdu>,
}

/// The pushes of one connection, oldest first.
#[derive(Debug, Default)]
pub struct SendList {
    pub entries: VecDeque<Entry>,
}

/// How an ack names an entry.
#[derive(Debug, Clone, Copy)]
pub enum AckKey {
    /// The original: the ack's session_id is the sender of the message.
    Sender(u32),
    /// `conversation-keyed-acks`: the ack's session_id is the peer, whoever sent it.
    Conversation(Conversation),
}

impl SendList {
    /// Removes the first entry that an ack names.
    pub fn ack(&mut self, key: AckKey, msg_id: u32) -> Option<Entry> {
        let named = |entry: &Entry| {
            entry.msg_id == msg_id
                && match key {
                    AckKey::Sender(from) => entry.from == from,
                    AckKey::Conversation(conversation) => entry.conversation == conversation,
                }
        };
        let at = self.entries.iter().position(named)?;
        self.entries.remove(at)
    }

    /// Takes out what is older than the expiry.
    pub fn expire(&mut self, now: Duration, timing: &Timing) -> Vec<Entry> {
        let limit = timing.send_list_expiry();
        let old = |entry: &Entry| now.saturating_sub(entry.written_at) > limit;
        // Entries are in the order of their writing, so the old ones are in front.
        let count = self.entries.iter().take_while(|entry| old(entry)).count();
        self.entries.drain(..count).collect()
    }

    /// The entries that are to be written again now; an error if one was written again as often as
    /// it may be.
    pub fn resend(&mut self, now: Duration, timing: &Timing) -> Result<Vec<Entry>, Exhausted> {
        let interval = timing.resend_interval();
        let due = |entry: &Entry| now.saturating_sub(entry.written_at) >= interval;
        if let Some(entry) = self.entries.iter().find(|e| due(e) && e.resends >= RESENDS) {
            return Err(Exhausted { msg_id: entry.msg_id });
        }
        let mut again = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| due(entry)) {
            entry.written_at = now;
            entry.resends += 1;
            again.push(entry.clone());
        }
        Ok(again)
    }
}

/// A device that does not ack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no ack of message {msg_id} after {RESENDS} resends")]
pub struct Exhausted {
    msg_id: u32,
}
