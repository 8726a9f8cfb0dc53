//! Makes sure that no part of what is left is enough: all subsets are run.

use super::{
    NOISES,
    parts::{Part, faults, logins, operations, without},
    search::{Ended, Search},
};
use crate::plan::Plan;

/// Of so many parts all subsets are run.
const MOST_PARTS: usize = 9;

/// What was made sure of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsets {
    /// None of the proper subsets of so many operations (logins, too) and faults fails under any of
    /// [`NOISES`] noise seeds.
    NoneFails {
        /// How many parts.
        parts: usize,
        /// Whether first logins are among them.
        with_logins: bool,
    },
    /// There are too many to run them all.
    TooMany {
        /// How many parts.
        parts: usize,
    },
}

/// Runs all proper subsets of what is left, the smallest first, and goes on from one that fails.
///
/// # Errors
/// If it is asked to stop.
pub fn rule_out(search: &mut Search<'_>) -> Result<Subsets, Ended> {
    search.make_sure();
    loop {
        let plan = &search.best.plan;
        let Some((parts, with_logins)) = parts_of(plan) else {
            return Ok(Subsets::TooMany { parts: counted(plan).len() });
        };
        let candidates = proper_subsets(parts.len()).map(|left_out| {
            let gone = parts.iter().enumerate().filter(|(at, _)| left_out >> at & 1 == 1);
            without(plan, &gone.map(|(_, part)| part.clone()).collect::<Vec<_>>())
        });
        let candidates = candidates.collect();
        let parts = parts.len();
        if search.first(candidates)?.is_none() {
            return Ok(Subsets::NoneFails { parts, with_logins });
        }
    }
}

/// Operations and faults but for first logins.
fn counted(plan: &Plan) -> Vec<Part> {
    [operations(plan), faults(plan)].concat()
}

/// The parts of which all subsets can be run, and whether first logins are among them; `None` if there
/// are too many.
fn parts_of(plan: &Plan) -> Option<(Vec<Part>, bool)> {
    let counted = counted(plan);
    let logins: Vec<_> = logins(plan).into_iter().map(Part::Operation).collect();
    let all = [counted.clone(), logins].concat();
    match () {
        () if all.len() <= MOST_PARTS => Some((all, true)),
        () if counted.len() <= MOST_PARTS => Some((counted, false)),
        () => None,
    }
}

/// What is left out, a bit for each part: most first.
fn proper_subsets(parts: usize) -> impl Iterator<Item = u32> {
    let mut all: Vec<u32> = (1..1 << parts).collect();
    all.sort_by_key(|left_out| (parts as u32 - left_out.count_ones(), *left_out));
    all.into_iter()
}

const _: () = assert!(MOST_PARTS < 16 && NOISES > 0);
