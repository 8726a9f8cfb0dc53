//! The client programs of SYSTEM.md section 7, for the rig and for tests: no deployment runs them.

use super::habits::{Habits, Named, OnReadNotify, SameId};
use crate::timing::Timing;

/// The Windows client.
pub static WINDOWS: Habits = Habits {
    name: "windows",
    follows_switches: false,
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
};

/// The Android client.
pub static ANDROID: Habits = Habits {
    name: "android",
    follows_switches: false,
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
};

/// The iOS client.
pub static IOS: Habits = Habits {
    name: "ios",
    follows_switches: false,
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
};

/// The Mac client.
pub static MAC: Habits = Habits {
    name: "mac",
    follows_switches: false,
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
};
