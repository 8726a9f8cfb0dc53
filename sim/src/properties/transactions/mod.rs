//! transactions: what a db_proxy decides by in a transaction is held until that ends, is committed, and
//! comes from the primary; and a transaction leaves the sessions that it is about as they are to be, and
//! no others (`removed.rs`).
//!
//! Read off the statements that SQL applied and the rows that were committed. Statements do not say which
//! db_proxy sent them, so each rule is judged where all of them have its switch.

mod removed;
#[cfg(test)]
mod tests;

use super::{Class, Property, Rows, Seen, Sort, Subject, Tally, Violation};
use crate::{
    lookup::Lookup,
    model::stores::Row,
    plan::Role,
    record::{Applied, Changed, Did, Effect, Kind, Verb},
};
use removed::Removed;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id as command, conversation::Conversation, protocol::Protocol,
    wire::im::base_define::SessionType,
};

/// See the module.
#[derive(Debug, Default)]
pub struct Transactions {
    open: Lookup<u64, Open>,
    /// The committed rows of the session of (user, peer, type), with their status: a past may have left several.
    sessions: Lookup<(u32, u32, u32), BTreeMap<u32, u32>>,
    /// The ids of all of them, with the line that committed them.
    ids: Lookup<u32, u64>,
    /// The committed relations of (lower, higher user), with the line that committed them.
    relations: Lookup<(u32, u32, u32), u64>,
    limits: Limits,
    removed: Removed,
    tally: Tally,
}

/// How often a session of SQL was told how long a transaction may wait for its next statement, and which
/// sessions have begun one, each by the incarnation of SQL and its number.
#[derive(Debug, Default)]
struct Limits {
    set: usize,
    begun: BTreeSet<(u32, u64)>,
}

/// What an open transaction of a session of SQL has done.
#[derive(Debug, Default)]
struct Open {
    /// The line at which it began.
    since: u64,
    /// It has locked a group, or made one.
    holds_group: bool,
    /// The sessions that it has made.
    made: BTreeSet<u32>,
    /// It has read something without a lock, and so sees the store as it was then.
    has_read: bool,
}

/// How db_proxies have SQL end a transaction whose next statement does not come.
const LIMIT_IDLE: &str = "set session idle_transaction_timeout";

const SINGLE: u32 = SessionType::Single as u32;
const GROUP: u32 = SessionType::Group as u32;

fn broken<const N: usize>(
    kind: &'static str,
    sentence: String,
    about: [Subject; N],
) -> Option<Violation> {
    let about = about.into();
    Some(Violation { property: "transactions", kind, role: Role::Db, sentence, about })
}

/// What a violation is about that concerns no rows of its own.
fn sql() -> [Subject; 1] {
    [Subject::Host(Role::Sql.host())]
}

impl Transactions {
    fn committed(&mut self, n: u64, changed: &[Changed]) {
        for changed in changed {
            let Changed::Row { columns, after: Some(after), .. } = changed else { continue };
            let row = Row::of(columns, after);
            match &*columns.table {
                "IMRecentSession" => {
                    let [user, peer, kind] =
                        ["userId", "peerId", "type"].map(|column| row.uint(column));
                    let (id, status) = (row.uint("id"), row.uint("status"));
                    self.ids.entry(id).or_insert(n);
                    self.sessions.entry((user, peer, kind)).or_default().insert(id, status);
                }
                "TTRelation" => {
                    let [low, high, id] =
                        ["smallId", "bigId", "relateId"].map(|column| row.uint(column));
                    self.relations.entry((low, high, id)).or_insert(n);
                }
                _ => {}
            }
        }
    }

    fn applied(&mut self, seen: &Seen<'_>, applied: &Applied) -> Option<Violation> {
        let (what, words) = (&applied.what, applied.what.words);
        let Effect::Sql { transaction, did } = &applied.effect else { return None };
        let every = |has: fn(&Protocol) -> bool| seen.known.protocols.all_of(Role::Db, has);
        if applied.replica {
            let is_new = words.members && every(|of| of.members_from_store)
                || words.lists_sessions && every(|of| of.catch_up_on_gap);
            return match (did, is_new) {
                (Did::Rows(_), true) => {
                    broken("from-replica", format!("a replica was asked: {what}"), sql())
                }
                _ => None,
            };
        }
        self.limits.set +=
            usize::from(what.starts_with(LIMIT_IDLE) && matches!(did, Did::Changed { .. }));
        let session = (*transaction)?;
        if what.verb != Verb::Other || matches!(did, Did::ConnectionLost) {
            self.open.remove(&session);
            if what.verb == Verb::Begin {
                let begun = Open { since: seen.line.n, ..Open::default() };
                self.open.insert(session, begun);
                return self.begins((seen.line.incarnation, session));
            }
            return None;
        }
        self.tally.judge();
        let open = self.open.entry(session).or_default();
        if words.relations && words.holds && open.has_read && every(|of| of.members_from_store) {
            let sentence = format!("a transaction read before it locked what others write: {what}");
            return broken("plain-read-first", sentence, sql());
        }
        match did {
            Did::Rows(_) => {
                open.holds_group |= words.groups && words.holds;
                open.has_read |= !words.holds;
                let is_held = words.holds || words.members && open.holds_group;
                if !is_held && (words.groups || words.members || words.relations) {
                    let sentence = format!("a transaction read and did not hold: {what}");
                    return broken("not-held", sentence, sql());
                }
            }
            Did::Changed { rows, id } => {
                if words.inserts && words.groups {
                    open.holds_group = true;
                } else if words.inserts && words.sessions {
                    open.made.insert(*id as u32);
                } else if words.draws_id {
                    let [_, low, high, id] = applied.params.get(..4)? else { return None };
                    let key = (low.uint(), high.uint(), id.uint());
                    // What is committed later a db_proxy can't know when it begins.
                    let is_known = self.relations.get(&key).is_some_and(|n| *n < open.since);
                    if low.uint() != 0 && (*rows == 0 || !is_known) {
                        let pair = Conversation::single(low.uint(), high.uint());
                        let sentence = format!(
                            "a send of {pair} used relation {}, which it has not got",
                            id.uint()
                        );
                        return broken(
                            "unknown-row",
                            sentence,
                            [Subject::Rows(Rows::Relation(pair))],
                        );
                    }
                } else if words.touches_sessions {
                    let ids = applied.params.iter().skip(1).map(|id| id.uint());
                    let is_there = |id: &u32| {
                        let since = self.ids.get(id);
                        since.is_some_and(|n| *n < open.since) || open.made.contains(id)
                    };
                    let mut unknown = ids.filter(|id| !is_there(id));
                    if let Some(id) = unknown.next() {
                        let sentence = format!("a send used session {id}, which is not there");
                        return broken("unknown-row", sentence, sql());
                    }
                }
            }
            _ => {}
        }
        None
    }

    /// A session of SQL begins a transaction: as many have been told how long one may wait as have begun one, or
    /// this one has not. A line does not say which session was told.
    fn begins(&mut self, session: (u32, u64)) -> Option<Violation> {
        let is_first = self.limits.begun.insert(session);
        if !is_first || self.limits.begun.len() <= self.limits.set {
            return None;
        }
        // It is found once.
        self.limits.set += 1;
        let sentence = "a transaction begins on a connection that was never told for how long it may wait: \
                        its locks may stay when its db_proxy is gone";
        broken("unlimited", sentence.into(), sql())
    }

    /// Whether a row of a session is live.
    fn is_live(&self, session: (u32, u32, u32)) -> bool {
        self.sessions.get(&session).is_some_and(|rows| rows.values().any(|status| *status == 0))
    }

    /// A message between two users is committed, and with it their sessions are live.
    fn stored(&self, seen: &Seen<'_>, low: u32, high: u32, msg_id: u32) -> Option<Violation> {
        // What was said before the run no switch looked after.
        let is_past = seen.line.host.role() == Role::World;
        if is_past || !seen.known.protocols.all_of(Role::Db, |of| of.single_session) {
            return None;
        }
        for (user, peer) in [(low, high), (high, low)] {
            if !self.is_live((user, peer, SINGLE)) {
                let sentence = format!(
                    "msg_id {msg_id} is stored, and user {user} has no live session with {peer}"
                );
                let session = Subject::Rows(Rows::Session { user, peer });
                let message = Subject::Message(Conversation::single(low, high), msg_id);
                return broken("no-session", sentence, [session, message]);
            }
        }
        None
    }
}

impl Property for Transactions {
    fn name(&self) -> &'static str {
        "transactions"
    }

    fn says(&self) -> &'static str {
        "what a transaction decides by is held, committed and no replica's, and it leaves its sessions \
         as they are to be, and those of others"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::DbPdu, Class::Store, Class::Row, Class::Event]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::DbPdu => Some(&[
                command::BUDDY_LIST_REMOVE_SESSION_REQ,
                command::BUDDY_LIST_REMOVE_SESSION_RES,
                command::OTHER_REFUSED,
            ]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        match &seen.line.kind {
            Kind::Holds { changed, .. } => {
                self.committed(seen.line.n, changed);
                None
            }
            Kind::Store(applied) if applied.store == "sql" => {
                self.committed(seen.line.n, &applied.changed);
                let taken = self.removed.taken(seen, &applied.changed);
                if let Some((user, peer, kind)) = taken {
                    let sentence = format!(
                        "the session of user {user} with {peer} (type {kind}) was removed, and nobody asked for \
                         that"
                    );
                    let session = Subject::Rows(Rows::Session { user, peer });
                    return broken("session-taken", sentence, [session, sql()[0].clone()]);
                }
                self.applied(seen, applied)
            }
            Kind::Row { conversation: Conversation::Single { low, high }, msg_id, .. } => {
                self.stored(seen, *low, *high, *msg_id)
            }
            Kind::MemberRow { group, user, live: false }
                if seen.known.protocols.all_of(Role::Db, |of| of.members_from_store) =>
            {
                if !self.is_live((*user, *group, GROUP)) {
                    return None;
                }
                let sentence =
                    format!("user {user} is out of group {group}, and keeps the session with it");
                let session = Rows::Session { user: *user, peer: *group };
                let member = Rows::Member { group: *group, user: *user };
                broken("session-kept", sentence, [session, member].map(Subject::Rows))
            }
            _ => {
                let (conn, pdu, is_written) = seen.db?;
                self.removed.pdu(conn, pdu, is_written);
                None
            }
        }
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}
