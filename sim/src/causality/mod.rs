//! What decides that a case fails: from which moment on it must, and without which of its parts it
//! does not.
//!
//! A run is its plan and its keyed draws. When the draws are new from a moment on
//! ([`NoiseFrom`](crate::plan::NoiseFrom)), the share of runs that still fail says how much was decided
//! before it: where it becomes 1 the failure was inevitable.

mod mended;
mod moments;
#[cfg(test)]
mod tests;
mod without;

pub use mended::Mended;
pub use moments::{Inevitable, Moment};
pub use without::Without;

use crate::{
    plan::case::Case,
    pool::Pool,
    run::{Runner, Until, Wanted},
    shrink::NoFailure,
    world::Outcome,
};
use std::sync::atomic::AtomicBool;

/// Seeds of new draws for each moment that is looked at.
pub const SEEDS: u64 = 10;

/// Seeds of new draws for those moments that decide what is said.
pub const SURE: u64 = 20;

/// How a case is explained.
pub struct Explaining<'a> {
    /// How runs are run.
    pub runner: Runner,
    /// How many at once.
    pub jobs: usize,
    /// Set by whoever wants no more of it.
    pub stop: &'a AtomicBool,
    /// Is called after each run.
    pub each: &'a (dyn Fn() + Sync),
}

impl<'a> Explaining<'a> {
    /// Which switches mend a case, of which this came; `None`: it was asked to stop.
    pub fn mended(&self, case: &Case, outcome: &Outcome) -> Option<Mended> {
        mended::of(case, &self.pool(case, outcome), self.each)
    }

    /// What runs the variants of a case, of which this came.
    fn pool(&self, case: &Case, outcome: &Outcome) -> Pool<'a> {
        let wanted = Wanted { until: Some(until(case, outcome)), ..Wanted::default() };
        let runner = Runner { wanted, ..self.runner.clone() };
        Pool::new(runner, self.jobs, self.stop)
    }
}

/// What decides that a case fails.
#[derive(Debug, Clone)]
pub struct Explained {
    /// How often it fails when draws are new from a moment on, by moment.
    pub moments: Vec<Moment>,
    /// From when on it is inevitable.
    pub inevitable: Option<Inevitable>,
    /// What comes of it without each of its operations and faults, in the order of the plan; nothing of a case that
    /// fails too rarely to say it ([`Mended::is_too_rare`]).
    pub without: Vec<Without>,
    /// Which switches mend it.
    pub mended: Mended,
}

/// Explains a case, of which this came.
///
/// # Errors
/// If it does not fail as it expects. `None`: it was asked to stop.
pub fn explain(
    case: &Case,
    explaining: &Explaining<'_>,
) -> Result<(Outcome, Option<Explained>), NoFailure> {
    let outcome = NoFailure::refuse(case, &with_draws(&explaining.runner))?;
    let pool = explaining.pool(case, &outcome);
    let explained = || {
        let (moments, inevitable) = moments::of(case, &outcome, &pool, explaining.each)?;
        let (mended, without) = needs(case, &pool, explaining.each)?;
        Some(Explained { moments, inevitable, without, mended })
    };
    let explained = explained();
    Ok((outcome, explained))
}

/// What mends a case, and what comes of it without each of its parts, if that can be said.
fn needs(case: &Case, pool: &Pool<'_>, each: &(dyn Fn() + Sync)) -> Option<(Mended, Vec<Without>)> {
    let mended = mended::of(case, pool, each)?;
    let without = match mended.is_too_rare() {
        true => Vec::new(),
        false => without::of(case, pool, each)?,
    };
    Some((mended, without))
}

/// A run that fails so much later than the case does, in simulated milliseconds, counts as one that holds:
/// most that hold would be run for long.
const LATER_MS: u64 = 5_000;

/// A run is over as soon as it fails as it should, or should have.
fn until(case: &Case, outcome: &Outcome) -> Until {
    let at_ms = outcome.broken_at_ms(&case.expect).map_or(u64::MAX, |at_ms| at_ms + LATER_MS);
    Until { signature: case.expect.clone(), at_ms }
}

fn with_draws(runner: &Runner) -> Runner {
    Runner { wanted: Wanted { draws: true, ..Wanted::default() }, ..runner.clone() }
}
