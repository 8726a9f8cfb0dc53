//! In what client programs differ (SYSTEM.md section 7), as a table.

use super::ClientKind;
use crate::timing::Timing;
use std::time::Duration;

/// Whose id the ack of a message between two users carries as `session_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// The user's own.
    Own,
    /// The other user's of the conversation.
    Peer,
}

/// What a client does with a message that comes under an id that it holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SameId {
    /// The first one stays.
    Ignore,
    /// It takes the first one's place.
    Replace,
}

/// What a client answers when another device of its user has read a chat (0304).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnReadNotify {
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
pub(super) struct Habits {
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
    /// It hangs up when the server is silent for `Timing::client_silence` (with
    /// `hear-silence`).
    pub hears_silence: bool,
}

static WINDOWS: Habits = Habits {
    ack_due: |timing, now| now + timing.windows_ack_timeout(),
    tries: 2,
    acks_incoming: Some(Named::Peer),
    acks_own_copy: Some(Named::Peer),
    acks_groups: false,
    same_id: SameId::Ignore,
    drops_repeats: true,
    heartbeat: Timing::client_heartbeat,
    reconnect: Timing::windows_reconnect,
    pulls_unread: true,
    opens_at_newest: false,
    on_read_notify: OnReadNotify::Nothing,
    open_chat_reads: false,
    one_in_flight: true,
    hears_silence: false,
};

static ANDROID: Habits = Habits {
    // A timer looks at all messages at a fixed interval, and gives up what is too old by then.
    ack_due: |timing, now| {
        let (late, look) = (now + timing.android_ack_timeout(), timing.android_ack_look());
        let looks = late.as_micros().div_ceil(look.as_micros().max(1));
        look * u32::try_from(looks).unwrap_or(u32::MAX)
    },
    tries: 1,
    acks_incoming: Some(Named::Own),
    acks_own_copy: Some(Named::Peer),
    acks_groups: true,
    same_id: SameId::Replace,
    drops_repeats: false,
    heartbeat: Timing::android_heartbeat,
    reconnect: Timing::android_reconnect,
    pulls_unread: false,
    opens_at_newest: false,
    on_read_notify: OnReadNotify::ReadAckIfUnread,
    open_chat_reads: true,
    one_in_flight: false,
    hears_silence: false,
};

static IOS: Habits = Habits {
    ack_due: |timing, now| now + timing.ios_ack_timeout(),
    tries: 1,
    acks_incoming: Some(Named::Peer),
    acks_own_copy: Some(Named::Peer),
    acks_groups: true,
    same_id: SameId::Replace,
    drops_repeats: false,
    heartbeat: Timing::apple_heartbeat,
    reconnect: Timing::ios_reconnect,
    pulls_unread: false,
    opens_at_newest: false,
    on_read_notify: OnReadNotify::ReadAckOnce,
    open_chat_reads: false,
    one_in_flight: false,
    hears_silence: false,
};

static MAC: Habits = Habits {
    ack_due: |timing, now| now + timing.mac_ack_timeout(),
    tries: 1,
    acks_incoming: None,
    acks_own_copy: None,
    acks_groups: false,
    same_id: SameId::Replace,
    drops_repeats: false,
    heartbeat: Timing::apple_heartbeat,
    reconnect: Timing::mac_reconnect,
    pulls_unread: false,
    opens_at_newest: false,
    on_read_notify: OnReadNotify::Nothing,
    open_chat_reads: false,
    one_in_flight: false,
    hears_silence: false,
};

/// Ours: the sound ones of the habits above. What it does beyond them depends on the switches of
/// the protocol.
static OURS: Habits = Habits {
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
    hears_silence: true,
};

impl ClientKind {
    pub(super) fn habits(self) -> &'static Habits {
        match self {
            Self::Windows => &WINDOWS,
            Self::Android => &ANDROID,
            Self::Ios => &IOS,
            Self::Mac => &MAC,
            Self::Ours => &OURS,
        }
    }

    /// How long this client waits before reconnect try `tries` (0 is the first).
    pub fn reconnect_wait(self, timing: &Timing, tries: u32) -> Duration {
        (self.habits().reconnect)(timing, tries)
    }
}
