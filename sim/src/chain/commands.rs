//! Whether a store read or wrote what is kept in a place.

use super::places::{Kept, Place};
use crate::record::{Applied, Changed, Kind, Line, shown};
use std::collections::BTreeMap;
use teamtalk::{conversation::Conversation, fact::Fact, store::sql::Value};

/// The conversations of a run by the ids of their relations.
#[derive(Debug, Default)]
pub struct Relations(BTreeMap<u32, Conversation>);

impl Relations {
    /// Reads a trace.
    pub fn read(lines: &[Line]) -> Self {
        let mut known = Self::default();
        for line in lines {
            match &line.kind {
                Kind::Holds { changed, .. } => known.changed(changed),
                Kind::Store(applied) => known.changed(&applied.changed),
                Kind::RelationRow { conversation, id } => {
                    known.0.extend(u32::try_from(*id).ok().map(|id| (id, *conversation)));
                }
                Kind::Fact(Fact::MsgIdIssued { conversation, relation, .. })
                    if matches!(conversation, Conversation::Single { .. }) =>
                {
                    known.0.insert(*relation, *conversation);
                }
                _ => {}
            }
        }
        known
    }

    fn changed(&mut self, changed: &[Changed]) {
        for row in changed {
            let id = match table(row) {
                Some("IMRelationShip") => "id",
                Some("TTRelation") => "relateId",
                _ => continue,
            };
            let column = |name| columns(row, name).next();
            if let (Some(id), Some(low), Some(high)) =
                (column(id), column("smallId"), column("bigId"))
            {
                self.0.insert(id, Conversation::single(low, high));
            }
        }
    }
}

/// Whether a line is a store's that read or wrote what is in a place, while that counts.
pub fn is_of(place: &Place, line: &Line, relations: &Relations) -> bool {
    place.during.contains(&line.n)
        && match &line.kind {
            Kind::Store(_) if place.of == Kept::Anything => true,
            Kind::RelationRow { conversation, .. } => {
                matches!(place.of, Kept::Ids(of) | Kept::Messages(of) if of == *conversation)
            }
            Kind::Store(applied) if applied.store == "redis" => {
                let mut keys = keys(&place.of, relations);
                keys.any(|(key, field)| names_key(applied, &key, field))
            }
            Kind::Store(applied) if applied.store == "sql" => {
                is_of_rows(&place.of, applied, relations)
            }
            _ => false,
        }
}

/// The keys of Redis that are of a place, and the field if one of them counts (SYSTEM.md section 6).
fn keys<'a>(
    of: &Kept,
    relations: &'a Relations,
) -> Box<dyn Iterator<Item = (String, Option<u32>)> + 'a> {
    let some = |keys: Vec<(String, Option<u32>)>| Box::new(keys.into_iter());
    match *of {
        Kept::Ids(Conversation::Group(id)) => some(vec![(format!("group_msg_id_{id}"), None)]),
        Kept::Ids(of) => {
            let of_it = relations.0.iter().filter(move |(_, known)| **known == of);
            Box::new(of_it.map(|(id, _)| (format!("msg_id_{id}"), None)))
        }
        Kept::Unread(user, Conversation::Group(group)) => some(vec![
            (format!("{group}_im_group_msg"), None),
            (format!("{user}_{group}_im_user_group"), None),
        ]),
        Kept::Unread(user, of) => some(vec![(format!("unread_{user}"), of.peer_of(user))]),
        Kept::Lists(user) => some(vec![(format!("unread_{user}"), None)]),
        Kept::Member(group, user) => some(vec![(format!("group_member_{group}"), Some(user))]),
        Kept::Token(user) => some(vec![(format!("device_{user}"), None)]),
        Kept::Message(..) | Kept::Messages(_) | Kept::Session(..) | Kept::Anything => {
            some(Vec::new())
        }
    }
}

/// Whether a command names a key, and if a field counts: whether it changed that one or, if it changed none, names
/// it or takes all of them.
fn names_key(applied: &Applied, key: &str, field: Option<u32>) -> bool {
    let mut params = applied.params.iter().map(shown).skip_while(|param| *param != key);
    if params.next().is_none() {
        return false;
    }
    let Some(field) = field.map(|field| field.to_string()) else { return true };
    let is_it = |of: &Changed| matches!(of, Changed::Key { field: Some(changed), .. } if **changed == *field.as_bytes());
    if !applied.changed.is_empty() {
        return applied.changed.iter().any(is_it);
    }
    let mut named = params.peekable();
    named.peek().is_none() || named.any(|of| *of == *field)
}

fn is_of_rows(of: &Kept, applied: &Applied, relations: &Relations) -> bool {
    let pair = |[low, high]: [u32; 2]| [("smallId", low), ("bigId", high)];
    let has = |tables: &[&str], values: &[(&str, u32)]| has(applied, tables, values);
    let related = |conversation| {
        let is_of_it = |id: u32| relations.0.get(&id) == Some(&conversation);
        any(applied, &["IMMessage_"], "relateId", &is_of_it)
    };
    // An update by its id that changes nothing names neither user.
    let relation = |conversation| {
        let is_of_it = |id: u32| relations.0.get(&id) == Some(&conversation);
        any(applied, &["IMRelationShip"], "id", &is_of_it)
    };
    match *of {
        Kept::Ids(Conversation::Single { low, high }) => {
            let of = Conversation::Single { low, high };
            has(&["IMRelationShip", "TTRelation"], &pair([low, high])) || relation(of)
        }
        Kept::Ids(Conversation::Group(_)) => false,
        Kept::Message(Conversation::Group(group), msg_id) => {
            has(&["IMGroupMessage_"], &[("groupId", group), ("msgId", msg_id)]) && writes(applied)
        }
        Kept::Message(of, msg_id) => {
            writes(applied) && related(of) && has(&["IMMessage_"], &[("msgId", msg_id)])
        }
        Kept::Messages(Conversation::Group(group)) => {
            has(&["IMGroupMessage_"], &[("groupId", group)])
        }
        Kept::Messages(of @ Conversation::Single { low, high }) => {
            related(of)
                || relation(of)
                || has(&["IMRelationShip", "TTRelation"], &pair([low, high]))
        }
        Kept::Unread(user, Conversation::Group(group)) => {
            has(&["TTRead"], &[("userId", user), ("peerId", group)])
        }
        Kept::Unread(user, of) => of
            .peer_of(user)
            .is_some_and(|peer| has(&["TTRead"], &[("userId", user), ("peerId", peer)])),
        Kept::Lists(user) => has(&["IMRecentSession", "TTRead"], &[("userId", user)]),
        Kept::Session(user, peer) => {
            has(&["IMRecentSession"], &[("userId", user), ("peerId", peer)])
        }
        Kept::Member(group, user) => {
            has(&["IMGroupMember", "TTMember"], &[("groupId", group), ("userId", user)])
        }
        Kept::Token(_) | Kept::Anything => false,
    }
}

/// Whether a statement is more than a read.
fn writes(applied: &Applied) -> bool {
    applied.what.insert.is_some() || !applied.changed.is_empty()
}

/// Whether a statement names these values of columns of one of these tables, or changed a row that has them.
fn has(applied: &Applied, tables: &[&str], values: &[(&str, u32)]) -> bool {
    let changed = applied.changed.iter().filter(|row| is_of_table(row, tables));
    let is_changed = |row: &Changed| {
        values.iter().all(|(column, value)| columns(row, column).any(|is| is == *value))
    };
    let says = |(column, value): &(&str, u32)| bound(applied, column).contains(value);
    changed.into_iter().any(is_changed) || (names(applied, tables) && values.iter().all(says))
}

/// The same, of one column with any of some values.
fn any(applied: &Applied, tables: &[&str], column: &str, is: &dyn Fn(u32) -> bool) -> bool {
    let mut changed = applied.changed.iter().filter(|row| is_of_table(row, tables));
    changed.any(|row| columns(row, column).any(is))
        || (names(applied, tables) && bound(applied, column).into_iter().any(is))
}

/// Whether a statement names one of these tables, or one that begins like this and ends in a number.
fn names(applied: &Applied, tables: &[&str]) -> bool {
    let words = applied.what.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.into_iter().any(|word| tables.iter().any(|table| is_table(word, table)))
}

fn is_of_table(row: &Changed, tables: &[&str]) -> bool {
    table(row).is_some_and(|name| tables.iter().any(|table| is_table(name, table)))
}

fn is_table(name: &str, table: &str) -> bool {
    let Some((start, rest)) = name.split_at_checked(table.len()) else { return false };
    let is_numbered = table.ends_with('_') && rest.bytes().all(|b| b.is_ascii_digit());
    start.eq_ignore_ascii_case(table) && (rest.is_empty() || is_numbered)
}

fn table(row: &Changed) -> Option<&str> {
    match row {
        Changed::Row { columns, .. } => Some(&columns.table),
        Changed::Key { .. } => None,
    }
}

/// The numbers that a column of a row had and has.
fn columns(row: &Changed, name: &str) -> impl Iterator<Item = u32> {
    let known = match row {
        Changed::Row { columns, before, after, .. } => {
            let at = columns.place(name);
            let of = |row: &Option<std::sync::Arc<[Value]>>| number(row.as_ref()?.get(at?)?);
            [of(before), of(after)]
        }
        Changed::Key { .. } => [None; 2],
    };
    known.into_iter().flatten()
}

/// The numbers to which a statement sets or compares a column: its parameters behind `column=?`, those of
/// `column in (?,?)`, or those that it inserts.
fn bound(applied: &Applied, column: &str) -> Vec<u32> {
    let column = column.to_ascii_lowercase();
    if let Some(insert) = &applied.what.insert {
        return insert.rows(&applied.params).filter_map(|row| row.number(&column)).collect();
    }
    let text = applied.what.to_ascii_lowercase();
    let mut found = Vec::new();
    for (at, _) in text.match_indices(&column) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let behind = text[at + column.len()..].trim_start_matches('`').trim_start();
        let params = applied.params.iter().skip(text[..at].matches('?').count());
        let n = match behind.strip_prefix('=') {
            Some(value) => usize::from(value.trim_start().starts_with('?')),
            None => behind.strip_prefix("in").map_or(0, listed),
        };
        found.extend(params.take(n).filter_map(number));
    }
    found
}

/// How many parameters a list in brackets has.
fn listed(text: &str) -> usize {
    let list = text.trim_start().strip_prefix('(').and_then(|rest| rest.split_once(')'));
    list.map_or(0, |(items, _)| items.matches('?').count())
}

fn number(value: &Value) -> Option<u32> {
    match value {
        Value::Int(n) => u32::try_from(*n).ok(),
        text => shown(text).parse().ok(),
    }
}
