//! The chain of events that led to a violation: what a card, a diagram and a page show of a run.
//!
//! It has the lines that touch what the violation is about ([`About`](crate::properties::About)), and what the
//! stores did meanwhile with the rows and keys that this stands on: a message's relation and the counter of its
//! msg_ids, a user's unread counters, what a question reads. What stands elsewhere does not belong to it, however
//! near in time.

mod commands;
mod places;
#[cfg(test)]
mod tests;

use crate::{
    properties::Violation,
    record::{Applied, Kind, Line},
    world::Outcome,
};
use commands::{Relations, is_of};
use places::{Place, places};
use std::collections::{BTreeMap, BTreeSet};

/// The same read with the same answer is shown so often between two writes: two who found the same are a race,
/// and from the third one on it is somebody who asks again and again.
const SAME_READS: usize = 2;

/// The lines that led to a violation, and those after it that touch the same.
#[derive(Debug, Default)]
pub struct Chain {
    /// Those that are shown.
    lines: BTreeSet<u64>,
    /// Those in whose place another one is.
    told: BTreeSet<u64>,
    /// How often a read was repeated that is not shown again, by the last one that is.
    repeated: BTreeMap<u64, u64>,
}

impl Chain {
    /// The chain of a violation in a run.
    pub fn of(outcome: &Outcome, violation: &Violation) -> Self {
        let broken_by = outcome.line_of(violation);
        let is_touched = |line: &&Line| Some(line.n) == broken_by || violation.about.touches(line);
        let touched: Vec<&Line> = outcome.trace.lines.iter().filter(is_touched).collect();
        let places = places(&violation.about, &touched, &outcome.trace.lines);
        let touched: BTreeSet<u64> = touched.iter().map(|line| line.n).collect();
        Self::from(&outcome.trace.lines, &touched, &places, broken_by)
    }

    fn from(
        lines: &[Line],
        touched: &BTreeSet<u64>,
        places: &[Place],
        broken_by: Option<u64>,
    ) -> Self {
        let relations = Relations::read(lines);
        let is_of_a_place = |line: &Line| places.iter().any(|place| is_of(place, line, &relations));
        let mut chain = Self::default();
        let mut reads = Reads::default();
        for (at, line) in lines.iter().enumerate() {
            if !touched.contains(&line.n) && !is_of_a_place(line) {
                continue;
            }
            // A row has a line of its own after the statement that committed it.
            let is_told_next = is_store(line) && lines.get(at + 1).is_some_and(is_row);
            if Some(line.n) != broken_by {
                if is_told_next {
                    chain.told.insert(line.n);
                    continue;
                }
                if let Some(of) = reads.has_been_shown(line) {
                    chain.told.insert(line.n);
                    *chain.repeated.entry(of).or_default() += 1;
                    continue;
                }
            }
            chain.lines.insert(line.n);
        }
        chain
    }

    /// The one with these lines.
    #[cfg(test)]
    pub fn with(lines: &[u64]) -> Self {
        Self { lines: lines.iter().copied().collect(), ..Self::default() }
    }

    /// Whether a line belongs to it, though it may not be shown: the statement that committed a row that has a line of
    /// its own, and a read like one that is shown.
    pub fn knows(&self, line: &Line) -> bool {
        self.has(line) || self.told.contains(&line.n)
    }

    /// Whether a line is one that is shown of it.
    pub fn has(&self, line: &Line) -> bool {
        self.lines.contains(&line.n)
    }

    /// How often the read of this line came again with the same answer, where only this one belongs to it.
    pub fn repeated(&self, line: &Line) -> u64 {
        self.repeated.get(&line.n).copied().unwrap_or_default()
    }
}

/// What was read since the last write, and where.
#[derive(Default)]
struct Reads<'a>(Vec<(&'a Applied, Vec<u64>)>);

impl<'a> Reads<'a> {
    /// The line that shows a read in the place of this one.
    fn has_been_shown(&mut self, line: &'a Line) -> Option<u64> {
        let Kind::Store(applied) = &line.kind else { return None };
        if !applied.changed.is_empty() {
            self.0.clear();
            return None;
        }
        let Some((_, shown)) = self.0.iter_mut().find(|(known, _)| *known == applied) else {
            self.0.push((applied, vec![line.n]));
            return None;
        };
        if shown.len() < SAME_READS {
            shown.push(line.n);
            return None;
        }
        shown.last().copied()
    }
}

fn is_store(line: &Line) -> bool {
    matches!(line.kind, Kind::Store(_))
}

/// Whether a line is of a row that was inserted.
pub fn is_row(line: &Line) -> bool {
    matches!(line.kind, Kind::Row { .. } | Kind::SessionRow { .. } | Kind::RelationRow { .. })
}
