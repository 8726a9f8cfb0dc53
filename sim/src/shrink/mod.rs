//! Makes a failing case small: less and less of its plan is run, as long as the same signature
//! comes out.
//!
//! A smaller plan counts only with the same signature. One that holds is run again under other noise
//! seeds before it is given up, and one that fails is kept with the noise seed under which it did. Which
//! candidate is taken does not depend on how many run at once, nor on how fast: they count in the order
//! in which they are made, and so do the runs of the budget.

mod parts;
mod passes;
mod search;
mod simpler;
mod subsets;
#[cfg(test)]
mod tests;

pub use parts::{Count, OfPast, Part, single_parts, without};
pub use subsets::Subsets;

use crate::{
    plan::case::Case,
    pool::Twin,
    run::{Failed, Runner},
    world::Outcome,
};
use search::{Ended, Search};
use std::{collections::BTreeMap, sync::atomic::AtomicBool};

pub use crate::pool::NOISES;

/// Noise seeds under which the result is run, to say how often it fails.
pub const CHECKED: u64 = 20;

/// [`Shrinking::budget`], unless it is set.
pub const BUDGET: u64 = 2_000;

/// How a case is made small.
pub struct Shrinking<'a> {
    /// How runs are run.
    pub runner: Runner,
    /// How many at once.
    pub jobs: usize,
    /// At most so many runs are made to find smaller plans; what makes sure of the result is beyond it.
    pub budget: u64,
    /// Whether the result is made sure of: all subsets of what is left are run, and the result under [`CHECKED`] noise
    /// seeds.
    pub sure: bool,
    /// Set by whoever wants no more of it: the best so far is the result.
    pub stop: &'a AtomicBool,
    /// What has to hold where it fails ([`Pool::twins`](crate::pool::Pool::twins)).
    pub twins: Vec<Twin>,
    /// Is told how far it is.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Runs so far.
    pub runs: u64,
    /// What is left of the plan.
    pub left: Count,
}

/// Why it came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing can be left out any more.
    Smallest,
    /// The budget is spent.
    Spent,
    /// It was asked to stop.
    Stopped,
}

/// A case that was made small.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The case: it fails as the one that it was made of.
    pub case: Case,
    /// What there was.
    pub from: Count,
    /// What is left.
    pub to: Count,
    /// Why it came to an end.
    pub end: End,
    /// What is known of all that could be left out of it together; `None` if nobody made sure of it.
    pub subsets: Option<Subsets>,
    /// Of [`CHECKED`] noise seeds under which it was run, how many failed with the same signature; `None`
    /// if nobody made sure of it.
    pub failing: Option<u64>,
    /// Runs that it took.
    pub runs: u64,
    /// Cases of other signatures that were met, by signature.
    pub others: BTreeMap<String, Case>,
}

/// Why a case is neither made small nor explained.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoFailure {
    /// It expects `holds`.
    #[error("the case expects that all holds: there is no failure to keep")]
    Holds,
    /// It does not fail as it expects.
    #[error("the case expects {expect}, but {found}: there is no failure to keep")]
    Otherwise {
        /// What it expects.
        expect: String,
        /// What came out.
        found: String,
    },
    /// Its run comes to nothing.
    #[error("{0}")]
    Failed(Box<Failed>),
}

impl NoFailure {
    /// What comes of a case that fails as it expects.
    ///
    /// # Errors
    /// If it does not.
    pub fn refuse(case: &Case, runner: &Runner) -> Result<Outcome, Self> {
        if case.expect == "holds" {
            return Err(Self::Holds);
        }
        let outcome = runner.run(case).map_err(|failed| Self::Failed(failed.into()))?;
        if outcome.violation(&case.expect).is_some() {
            return Ok(outcome);
        }
        Err(Self::Otherwise { expect: case.expect.clone(), found: outcome.found() })
    }
}

/// Makes a case small that expects a signature.
///
/// # Errors
/// If it does not fail so.
pub fn shrink(case: &Case, shrinking: Shrinking<'_>) -> Result<Shrunk, NoFailure> {
    let first = NoFailure::refuse(case, &shrinking.runner)?;
    let is_sure = shrinking.sure;
    let mut search = Search::new(case, &first, shrinking);
    let about = passes::About::of(case, &first);
    let ended = passes::all(&mut search, &about);
    let mut end = match ended {
        Ok(()) => End::Smallest,
        Err(Ended::Spent) => End::Spent,
        Err(Ended::Stopped) => End::Stopped,
    };
    let mut subsets = None;
    if is_sure && end != End::Stopped {
        match subsets::rule_out(&mut search) {
            Ok(known) => subsets = Some(known),
            Err(_) => end = End::Stopped,
        }
    }
    let failing = if is_sure { search.failing(CHECKED) } else { None };
    let to = Count::of(&search.best.plan);
    let Search { best, runs, others, .. } = search;
    Ok(Shrunk { case: best, from: Count::of(&case.plan), to, end, subsets, failing, runs, others })
}
