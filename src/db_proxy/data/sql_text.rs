//! Pieces of SQL text that several statements share.

use crate::protocol::Protocol;

/// The table of a relation's messages, one of 8 (SYSTEM.md section 6).
pub fn messages_of_relation(relation: u32) -> String {
    format!("IMMessage_{}", relation % 8)
}

/// The table of a group's messages, one of 8 (SYSTEM.md section 6).
pub fn messages_of_group(group: u32) -> String {
    format!("IMGroupMessage_{}", group % 8)
}

/// The order in which messages are listed, newest first: by the clock of the msg_server that
/// took them (SYSTEM.md section 6), or by msg_id (`history-by-msg-id`).
pub fn newest_first(protocol: &Protocol) -> &'static str {
    if protocol.history_by_msg_id {
        "order by msgId desc, id desc"
    } else {
        "order by created desc, id desc"
    }
}

/// `?,?,?` for an `in (…)` of `n` values.
pub fn placeholders(n: usize) -> String {
    vec!["?"; n].join(",")
}
