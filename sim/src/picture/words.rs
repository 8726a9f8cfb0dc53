//! What a line says, in a few words.

use super::decode::shortened;
use crate::record::{Applied, Changed, Did, Effect, Kind, Line, readable, shown};
use crate::report::printable;
use std::borrow::Cow;
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
pub fn fact(of: &Fact) -> Option<(Sort, String)> {
    let is_drawn = match of {
        Fact::Attempt { attempt, .. } => *attempt <= 1,
        Fact::SendListAdded { .. }
        | Fact::SendListAcked { .. }
        | Fact::SendListExpired { .. }
        | Fact::SendListDropped { .. }
        | Fact::HighWater { .. } => true,
        _ => false,
    };
    (!is_drawn).then(|| said(of))
}

/// Any fact in words.
pub fn said(fact: &Fact) -> (Sort, String) {
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
        Fact::Attempt { op, attempt: ..=1, .. } => (Sort::Word, format!("tries op {op}")),
        Fact::Attempt { op, attempt, .. } => {
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
        Fact::SendListAdded { conn, user, conversation, msg_id, .. } => (
            Sort::Word,
            format!(
                "waits for the ack of #{msg_id} in {conversation} by user {user} on connection {conn}"
            ),
        ),
        Fact::SendListAcked { conn, conversation, msg_id } => (
            Sort::Word,
            format!("has the ack of #{msg_id} in {conversation} from connection {conn}"),
        ),
        Fact::SendListExpired { conn, conversation, msg_id } => (
            Sort::Bad,
            format!(
                "waits no longer for the ack of #{msg_id} in {conversation} on connection {conn}"
            ),
        ),
        Fact::SendListDropped { conn, conversation, msg_id } => (
            Sort::Bad,
            format!("drops #{msg_id} in {conversation}, unacked, with connection {conn}"),
        ),
        Fact::HighWater { queue, length, bound } => {
            (Sort::Bad, format!("{queue} has a length of {length}, its bound is {bound}"))
        }
    };
    (sort, shortened(&text))
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

/// A value within a command is shown up to here, in characters, and the command up to there.
const LONGEST_VALUE: usize = 24;
const LONGEST_COMMAND: usize = 112;

/// A store's command with its parameters, and its effect.
pub fn command(applied: &Applied) -> String {
    let Applied { store, what, params, effect, replica, .. } = applied;
    let text = match *store {
        "sql" => with_params(what, applied),
        _ => {
            let words = params.iter().map(|param| value(&shown(param)).into_owned());
            [what.to_string()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
        }
    };
    let replica = if *replica { " (replica)" } else { "" };
    format!("{}{replica} → {}", cut(&printable(&text), LONGEST_COMMAND), shortened(&done(effect)))
}

/// A statement with its parameters in their places.
fn with_params(what: &str, applied: &Applied) -> String {
    let plain = what.replace('`', "");
    let mut parts = plain.split('?');
    let mut text = parts.next().unwrap_or_default().to_string();
    let mut params = applied.params.iter();
    for part in parts {
        text += &params.next().map_or("?".into(), |param| value(&shown(param)).into_owned());
        text += part;
    }
    text
}

fn value(text: &str) -> Cow<'_, str> {
    cut(text, LONGEST_VALUE)
}

fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        Some((at, _)) => format!("{}…", &text[..at]).into(),
        None => text.into(),
    }
}

/// What a command did, in words.
fn done(effect: &Effect) -> String {
    let Effect::Sql { transaction, did } = effect else { return effect.to_string() };
    let rows = |n: u64| if n == 1 { "1 row".to_string() } else { format!("{n} rows") };
    let did = match did {
        Did::Rows(0) => "no row".into(),
        Did::Rows(n) => rows(*n as u64),
        Did::Changed { rows: n, id: 0 } => format!("{} changed", rows(*n)),
        Did::Changed { rows: n, id } => format!("{} changed, id {id}", rows(*n)),
        failed => failed.to_string(),
    };
    match transaction {
        Some(session) => format!("{did}, in transaction {session}"),
        None => did,
    }
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
