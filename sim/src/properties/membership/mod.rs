//! Who is a member of a group at which lines of the trace: surely, maybe or not. It follows the run
//! for the properties and judges nothing itself.
//!
//! What is committed to `IMGroupMember` is the truth. While a change that names a user is under
//! way, that user may be a member or not. A change is under way from the line at which a db_proxy
//! received the 0405 or 0407 to the line at which it wrote the answer; without an answer, until
//! nothing can come of it any more, which is some time after the faults are over. An answer that
//! says who came or went excuses nobody else, and one that says that nothing was changed excuses
//! only users whose rows have changed since the request. Before anything is known of a group nobody
//! is a member.

mod change;
#[cfg(test)]
mod tests;

use super::wire::db_pdu;
use crate::{
    plan::Role,
    record::{Frame, Kind, Line},
};
use change::{Change, Said};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{env::ConnId, wire::Malformed};

/// Simulated microseconds in a second, the unit of `created` and of the time of joining.
pub const GRAIN_US: u64 = 1_000_000;

/// Simulated microseconds after which a request that was not answered has no effect any more: its
/// db_proxy waits for one statement at most (`Timing::sql_timeout`), and SQL ends a transaction
/// without a client after as long. That is 5 s each at the original's pace, and less at the brisk
/// one: this is enough for both.
pub const SETTLED_US: u64 = 10_000_000;

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The number of its line.
    pub n: u64,
    /// In simulated microseconds.
    pub us: u64,
}

impl Moment {
    /// Of a line.
    pub fn of(line: &Line) -> Self {
        Self { n: line.n, us: line.sim_us }
    }
}

/// How a user who is a member now became one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join {
    /// The earliest moment at which it may have happened.
    from: Moment,
    /// The moment by which it surely had happened.
    until: Moment,
    /// The user was a member when the run started.
    from_start: bool,
}

impl Join {
    /// Whether the join was surely over at that moment, by any clock that counts seconds.
    pub fn is_before(&self, at: Moment) -> bool {
        let after = |until: Moment| until.n < at.n && until.us + GRAIN_US <= at.us;
        self.from_start || after(self.until)
    }

    /// Whether that moment surely came before the join, by at least this many microseconds.
    pub fn is_after(&self, at: Moment, grain_us: u64) -> bool {
        at.n < self.from.n && at.us + grain_us <= self.from.us
    }
}

/// A change of a row's status in `IMGroupMember`.
#[derive(Debug, Clone, Copy)]
struct Row {
    at: Moment,
    live: bool,
    /// It is there from the start.
    from_start: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Membership {
    rows: BTreeMap<(u32, u32), Vec<Row>>,
    /// The line at which a group was first heard of.
    known: BTreeMap<u32, u64>,
    /// The first members of each group: those of whom rows were committed before the answer that
    /// said that the group was made.
    founders: BTreeMap<u32, BTreeSet<u32>>,
    /// The groups of which an answer or a request shows that they are made.
    founded: BTreeSet<u32>,
    changes: Vec<Change>,
    /// When the faults were over, in simulated microseconds.
    healed_us: Option<u64>,
}

impl Membership {
    /// Takes the moment of the next line.
    #[inline]
    pub fn passes(&mut self, line: &Line) {
        if let Some(healed) = self.healed_us {
            let at = Moment::of(line);
            let open = self.changes.iter_mut().filter(|change| change.done.is_none());
            let settled = open.filter(|change| change.from.us.max(healed) + SETTLED_US <= at.us);
            settled.for_each(|change| change.done = Some(at));
        }
    }

    /// Takes the next line, whose moment was taken: a row, a PDU at a db_proxy, or one of phases.
    pub fn observe(&mut self, line: &Line) {
        let at = Moment::of(line);
        if let Kind::MemberRow { group, user, live } = line.kind {
            let row = Row { at, live, from_start: line.host.role() == Role::World };
            self.rows.entry((group, user)).or_default().push(row);
            self.known.entry(group).or_insert(line.n);
            if live && !self.founded.contains(&group) {
                self.founders.entry(group).or_default().insert(user);
            }
        } else if let Kind::Phase { phase: "liveness" } = line.kind {
            self.healed_us = Some(line.sim_us);
        } else if let Some((conn, pdu, sent)) = db_pdu(line) {
            // A malformed one changes nothing.
            if sent {
                let _ = self.answer(at, conn, pdu);
            } else if let Ok(Some(change)) = Change::asked(at, conn, pdu) {
                // Only of one that is there the members can change.
                self.founded.extend(change.group.filter(|group| self.known.contains_key(group)));
                self.changes.push(change);
            }
        }
    }

    fn answer(&mut self, at: Moment, conn: ConnId, pdu: &Frame) -> Result<(), Malformed> {
        let Some((request, said)) = change::answered(conn, pdu)? else { return Ok(()) };
        let mut open = self.changes.iter_mut().filter(|change| change.done.is_none());
        let Some(change) = open.find(|change| change.request == request) else { return Ok(()) };
        (change.done, change.is_answered) = (Some(at), true);
        match said {
            Said::Made { group } => {
                change.group = group;
                self.founded.extend(group);
            }
            Said::Changed { users } => change.users.retain(|user| users.contains(user)),
            // Unless the store says otherwise.
            Said::Nothing => {
                let (from, group, rows) = (change.from.n, change.group, &self.rows);
                change.users.retain(|user| {
                    let of = |(of, who): &(u32, u32)| who == user && group.is_none_or(|g| g == *of);
                    let mut rows =
                        rows.iter().filter(|(key, _)| of(key)).flat_map(|(_, rows)| rows);
                    rows.any(|row| row.at.n > from)
                });
            }
        }
        Ok(())
    }

    /// The changes that name a user and may be of this group.
    fn changes(&self, group: u32, user: u32) -> impl Iterator<Item = &Change> {
        let known = self.known.get(&group).copied();
        self.changes.iter().filter(move |change| {
            let of_group = match change.group {
                Some(of) => of == group,
                // A group that is made is heard of while it is made, and by its members.
                None => {
                    let during = known.is_some_and(|n| {
                        change.from.n < n && change.done.is_none_or(|done| n < done.n)
                    });
                    let founders = self.founders.get(&group);
                    during && founders.is_some_and(|users| users.is_subset(&change.users))
                }
            };
            of_group && change.users.contains(&user)
        })
    }

    fn rows(&self, group: u32, user: u32) -> &[Row] {
        self.rows.get(&(group, user)).map_or(&[], Vec::as_slice)
    }

    /// Whether a user is a member by the store at a line.
    pub fn stored(&self, group: u32, user: u32, n: u64) -> bool {
        self.rows(group, user).iter().rev().find(|row| row.at.n <= n).is_some_and(|row| row.live)
    }

    /// Whether a change that names a user is under way at any line from `from` to `to`.
    pub fn is_changing(&self, group: u32, user: u32, from: u64, to: u64) -> bool {
        self.changes(group, user).any(|change| change.overlaps(from, to))
    }

    /// Whether a user may be a member at any line from `from` to `to`.
    pub fn is_ever(&self, group: u32, user: u32, from: u64, to: u64) -> bool {
        let joins = |row: &Row| row.live && (from..=to).contains(&row.at.n);
        self.stored(group, user, from)
            || self.rows(group, user).iter().any(joins)
            || self.is_changing(group, user, from, to)
    }

    /// Whether a user is a member by the store at all lines from `from` to `to`.
    pub fn stays(&self, group: u32, user: u32, from: u64, to: u64) -> bool {
        let leaves = |row: &Row| !row.live && (from..=to).contains(&row.at.n);
        self.stored(group, user, from) && !self.rows(group, user).iter().any(leaves)
    }

    /// Whether a user is surely a member at all lines from `from` to `to`.
    pub fn is_always(&self, group: u32, user: u32, from: u64, to: u64) -> bool {
        self.stays(group, user, from, to) && !self.is_changing(group, user, from, to)
    }

    /// How a user who is a member by the store became one, the last time.
    pub fn join(&self, group: u32, user: u32) -> Option<Join> {
        let last = self.rows(group, user).len().checked_sub(1)?;
        self.join_of(group, user, last)
    }

    /// The join by which a user was a member at a line or, if they were none, their next one after
    /// it. If a change was under way at the line, what was true before that change counts.
    pub fn join_at(&self, group: u32, user: u32, n: u64) -> Option<Join> {
        let under_way = self.changes(group, user).filter(|change| change.overlaps(n, n));
        let n = under_way.map(|change| change.from.n).min().unwrap_or(n);
        let rows = self.rows(group, user);
        let next = rows.partition_point(|row| row.at.n <= n);
        let then = next.checked_sub(1).filter(|&then| rows[then].live);
        let after = || rows[next..].iter().position(|row| row.live).map(|at| next + at);
        self.join_of(group, user, then.or_else(after)?)
    }

    /// The join that led to one of a user's rows.
    fn join_of(&self, group: u32, user: u32, row: usize) -> Option<Join> {
        let rows = &self.rows(group, user)[..=row];
        let out = rows.iter().rposition(|row| !row.live).map_or(0, |at| at + 1);
        let Row { at, from_start, .. } = *rows.get(out)?;
        let (mut from, mut until) = (at, at);
        for change in self.changes(group, user).filter(|change| change.overlaps(at.n, at.n)) {
            from = from.min(change.from);
            // What is still to be done for a join that is committed waits for no fault to be over.
            until = until.max(match change.done {
                Some(done) if change.is_answered => done,
                _ => Moment { n: at.n, us: at.us + SETTLED_US },
            });
        }
        Some(Join { from, until, from_start })
    }

    /// Whether a user surely sees a message in the history: they surely joined before it was sent
    /// (at `sent`), and were surely a member from then on until they looked (in line `to`).
    pub fn sees(&self, group: u32, user: u32, sent: Moment, to: u64) -> bool {
        self.join(group, user).is_some_and(|join| join.is_before(sent))
            && self.is_always(group, user, sent.n, to)
    }
}
