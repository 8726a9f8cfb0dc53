//! What a line says, in a few words.

use super::decode::shortened;
use crate::record::{Applied, Changed, Kind, Line, readable};
use teamtalk::{conversation::Chat, fact::Fact};

/// What a line is for the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Something became durable.
    Commit,
    /// A role's or device's word.
    Word,
    /// The same, and it is bad news.
    Bad,
    /// What a user asked for.
    Asked,
}

/// A fact in words; `None` for those that arrows and bars show.
pub fn fact(fact: &Fact) -> Option<(Sort, String)> {
    let (sort, text) = match fact {
        Fact::LoggedIn { user, conn, .. } => {
            (Sort::Word, format!("user {user} is logged in on connection {conn}"))
        }
        Fact::SendListResent { conversation, msg_id, .. } => {
            (Sort::Word, format!("pushes #{msg_id} in {conversation} again"))
        }
        Fact::Refused { reason, .. } => (Sort::Bad, format!("refuses: {reason}")),
        Fact::Closed { conn, reason } => (Sort::Bad, format!("closes connection {conn}: {reason}")),
        Fact::MsgIdIssued { conversation, relation, msg_id } => {
            (Sort::Word, format!("draws #{msg_id} in {conversation}, relation {relation}"))
        }
        Fact::Stored { msg_id, conversation, .. } => {
            (Sort::Word, format!("has stored #{msg_id} in {conversation}"))
        }
        Fact::StoreFailed { msg_id, reason, .. } => {
            (Sort::Bad, format!("#{msg_id} is not stored: {reason}"))
        }
        Fact::NotServing { reason } => (Sort::Bad, format!("does not serve: {reason}")),
        Fact::IdFloorRaised { msg_id, .. } => (Sort::Word, format!("raises the id to #{msg_id}")),
        Fact::RepeatAnswered { msg_id, .. } => {
            (Sort::Word, format!("knows it already as #{msg_id}"))
        }
        Fact::DeviceOnline { device, .. } => (Sort::Word, format!("device {device} is online")),
        Fact::DeviceOffline { device, reason, .. } => {
            (Sort::Bad, format!("device {device} is offline: {reason}"))
        }
        Fact::Attempt { op, attempt, .. } if *attempt > 1 => {
            (Sort::Word, format!("tries op {op} again, attempt {attempt}"))
        }
        Fact::AttemptTimedOut { op, attempt } => {
            (Sort::Bad, format!("op {op}: no answer to attempt {attempt}"))
        }
        Fact::OpOk { op, msg_id: 0 } => (Sort::Word, format!("op {op} is done")),
        Fact::OpOk { op, msg_id } => (Sort::Word, format!("op {op} is done: #{msg_id}")),
        Fact::OpFailed { op, reason } => (Sort::Bad, format!("op {op} fails: {reason}")),
        Fact::Held { device, conversation, msg_id, content, via, .. } => {
            let via = serde_json::to_value(via).expect("plain data");
            let via = via.as_str().unwrap_or_default();
            let content = shortened(content);
            let text =
                format!("device {device} holds {content} #{msg_id} in {conversation} ({via})");
            (Sort::Word, text)
        }
        Fact::UnreadShown { device, chat, count } => {
            let of = match chat {
                Chat::User(user) => format!("user {user}"),
                Chat::Group(group) => format!("g{group}"),
            };
            (Sort::Word, format!("device {device} shows {count} unread of {of}"))
        }
        Fact::Attempt { .. }
        | Fact::SendListAdded { .. }
        | Fact::SendListAcked { .. }
        | Fact::SendListExpired { .. }
        | Fact::SendListDropped { .. }
        | Fact::HighWater { .. } => return None,
    };
    Some((sort, shortened(&text)))
}

/// A row that was committed, in words; `None` for lines that are no rows, and for the members of the
/// beginning.
pub fn row(line: &Line) -> Option<String> {
    Some(match &line.kind {
        Kind::Row { conversation, msg_id, content, .. } => {
            format!("row {} #{msg_id} in {conversation}", shortened(content))
        }
        Kind::SessionRow { user, peer, id, .. } => format!("session {id}: user {user} with {peer}"),
        Kind::RelationRow { conversation, id } => format!("relation {id} of {conversation}"),
        Kind::MemberRow { group, user, live } if line.sim_us > 0 => {
            format!("user {user} {} g{group}", if *live { "joins" } else { "leaves" })
        }
        _ => return None,
    })
}

/// A store's command in a few words: what it is, and the table or key.
pub fn stored(applied: &Applied) -> String {
    let what = applied.what.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    let on = match applied.changed.first() {
        Some(Changed::Row { columns, .. }) => format!(" → {}", columns.table),
        Some(Changed::Key { key, .. }) => format!(" {}", shortened(&readable(key))),
        None => String::new(),
    };
    format!("{} {what}{on}", applied.store)
}
