//! In what client programs differ (SYSTEM.md section 7), as data, and what ours does. What the
//! others do is in `emulated`.

use crate::timing::Timing;
use std::{fmt, time::Duration};

/// Whose id the ack of a message between two users carries as `session_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The user's own.
    Own,
    /// The other user's of the conversation.
    Peer,
}

/// What a client does with a message that comes under an id that it holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameId {
    /// The first one stays.
    Ignore,
    /// It takes the first one's place.
    Replace,
}

/// What a client answers when another device of its user has read a chat (0304).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReadNotify {
    /// Nothing.
    Nothing,
    /// A read ack of its own, but only one for each msg_id of a chat. By SYSTEM.md section 7 each
    /// notice is answered, so two iPhones of one user answer each other's notices for ever, as real
    /// ones do. The condition is our own decision, in every preset, and the least that ends such a
    /// loop. A notice that is no higher than what the device has acked itself is answered too,
    /// once.
    ReadAckOnce,
    /// A read ack of its own, if it shows the chat as unread.
    ReadAckIfUnread,
}

/// The habits of one client software.
pub struct Habits {
    /// The program's name.
    pub name: &'static str,
    /// It does what the switches of its `Protocol` say for clients. Only ours does.
    pub follows_switches: bool,
    /// When a message that is written now (the argument) is given up or written again if it is not
    /// acked. Both times are since the program's start.
    pub ack_due: fn(&Timing, Duration) -> Duration,
    /// How often a message is written, the first time included.
    pub tries: u32,
    /// How a pushed message of another user is acked.
    pub acks_incoming: Option<Named>,
    /// How a pushed copy of the user's own message, from another device, is acked.
    pub acks_own_copy: Option<Named>,
    /// Whether group messages are acked (with the group's id).
    pub acks_groups: bool,
    /// What becomes of a second message under the same id.
    pub same_id: SameId,
    /// A pushed (msg_id, content) that is held already is neither shown nor acked.
    pub drops_repeats: bool,
    /// How often it sends a heartbeat.
    pub heartbeat: fn(&Timing) -> Duration,
    /// How long it waits before reconnect try n (0 is the first).
    pub reconnect: fn(&Timing, u32) -> Duration,
    /// After a login it pulls what is unread; else a chat is pulled when it is opened.
    pub pulls_unread: bool,
    /// A chat that is opened is pulled from the newest message there is, not from the newest
    /// that it has heard of.
    pub opens_at_newest: bool,
    /// What it answers to a 0304.
    pub on_read_notify: OnReadNotify,
    /// While a chat is open, its messages are acked by read acks and not shown as unread.
    pub open_chat_reads: bool,
    /// One message is in flight, and a second one within `Timing::windows_send_gap` is refused.
    pub one_in_flight: bool,
}

impl Habits {
    /// Our client's: the sound ones among those of the others. What it does beyond them depends on
    /// the switches of the protocol.
    pub const OURS: Self = Self {
        name: "ours",
        follows_switches: true,
        ack_due: |timing, now| now + timing.client_answer_timeout(),
        tries: 1,
        acks_incoming: Some(Named::Peer),
        acks_own_copy: Some(Named::Peer),
        acks_groups: true,
        same_id: SameId::Ignore,
        drops_repeats: false,
        heartbeat: Timing::client_heartbeat,
        reconnect: Timing::windows_reconnect,
        pulls_unread: false,
        // The read ack that follows clears the count of all messages there are.
        opens_at_newest: true,
        on_read_notify: OnReadNotify::Nothing,
        open_chat_reads: false,
        one_in_flight: false,
    };
}

impl fmt::Debug for Habits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
