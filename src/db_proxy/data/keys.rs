//! The keys of Redis (SYSTEM.md section 6).

use crate::protocol::Protocol;

/// The counter that a relation's msg_ids are drawn from.
pub fn msg_id_of_relation(relation: u32) -> String {
    format!("msg_id_{relation}")
}

/// The counter that a group's msg_ids are drawn from.
pub fn msg_id_of_group(group: u32) -> String {
    format!("group_msg_id_{group}")
}

/// A user's unread counters, a field for each peer.
pub fn unread(user: u32) -> String {
    format!("unread_{user}")
}

/// A group's members: when each of them joined.
pub fn members(group: u32) -> String {
    format!("group_member_{group}")
}

/// What members have set for a group.
pub fn group_settings(group: u32) -> String {
    format!("group_set_{group}")
}

/// The counter of a group's messages.
pub fn group_counter(group: u32) -> String {
    format!("{group}_im_group_msg")
}

/// The counter of what a member has read of a group.
pub fn member_counter(group: u32, user: u32) -> String {
    format!("{user}_{group}_im_user_group")
}

/// A user's push token.
pub fn device_of_user(user: u32) -> String {
    format!("device_{user}")
}

/// Whose a push token is. A token that is a number has the key of a user in the original; with
/// `kept-tokens` no key of a user begins as it does.
pub fn user_of_device(protocol: &Protocol, token: &str) -> String {
    if protocol.kept_tokens { format!("token_{token}") } else { format!("device_{token}") }
}

/// The time of the last change of a user, in seconds.
pub const USER_CHANGE: &str = "total_user_update";

/// The time of the group job's last run, in seconds.
pub const GROUP_JOB: &str = "last_update_group";
