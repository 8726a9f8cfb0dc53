//! In which order a plan gets smaller.

use super::{
    parts::{self, Part, logins, without},
    search::{Ended, Search},
    simpler,
};
use crate::{
    plan::{Action, Operation, Plan, TICK_MS, case::Case},
    world::Outcome,
};
use std::collections::BTreeSet;

/// What is known of a failure from its run: where to look first.
pub struct About {
    /// When it was broken, in simulated milliseconds; what is owed at the end is broken at no time.
    at_ms: Option<u64>,
    /// The operations that it is about.
    operations: BTreeSet<u32>,
}

impl About {
    /// Of a case, and what came of it.
    pub fn of(case: &Case, outcome: &Outcome) -> Self {
        let (all, lines) = (&case.plan.operations, &outcome.trace.lines);
        let violation = outcome.violation(&case.expect);
        let operations = violation.map(|of| of.about.operations(all, lines)).unwrap_or_default();
        Self { at_ms: outcome.broken_at_ms(&case.expect), operations }
    }
}

/// Leaves out as much as can be, then makes simpler what is left, until neither changes anything.
///
/// # Errors
/// If it ends before.
pub fn all(search: &mut Search<'_>, about: &About) -> Result<(), Ended> {
    cut_the_tail(search, about)?;
    look_there_first(search, about)?;
    loop {
        let before = search.best.plan.clone();
        leave_out(search, parts::faults)?;
        leave_out(search, parts::steps)?;
        leave_out(search, parts::migrations)?;
        leave_out(search, parts::users)?;
        leave_out(search, parts::devices)?;
        leave_out(search, parts::operations)?;
        leave_out(search, parts::past)?;
        leave_out(search, parts::groups)?;
        leave_out(search, parts::nodes)?;
        simpler::all(search)?;
        if search.best.plan == before {
            return Ok(());
        }
    }
}

/// Nothing that comes after it has broken it.
fn cut_the_tail(search: &mut Search<'_>, about: &About) -> Result<(), Ended> {
    let Some(at_ms) = about.at_ms else { return Ok(()) };
    let mut plan = search.best.plan.clone();
    plan.operations.retain(|op| op.at_ms <= at_ms);
    plan.faults.retain(|fault| fault.at_ms <= at_ms);
    plan.rollout.retain(|step| step.at_ms <= at_ms);
    plan.migrations.retain(|migration| migration.at_ms <= at_ms);
    let end = (at_ms / TICK_MS + 1) * TICK_MS;
    plan.horizon_ms = plan.horizon_ms.min(end);
    search.first(vec![plan]).map(|_| ())
}

/// Most failures are of few operations, and which ones is often known.
fn look_there_first(search: &mut Search<'_>, about: &About) -> Result<(), Ended> {
    let plan = &search.best.plan;
    let logins = logins(plan);
    let theirs: BTreeSet<u32> = {
        let of = plan.operations.iter().filter(|op| about.operations.contains(&op.id));
        of.map(|op| op.device).collect()
    };
    if theirs.is_empty() {
        return Ok(());
    }
    let comes_online = |op: &Operation| op.action == Action::Login || op.action == Action::Logout;
    let only = |stays: &dyn Fn(&Operation) -> bool, with_faults: bool| {
        let mut plan = plan.clone();
        plan.operations.retain(|op| logins.contains(&op.id) || stays(op));
        if !with_faults {
            plan.faults.clear();
        }
        plan
    };
    let told = |op: &Operation| about.operations.contains(&op.id);
    let came_and_told = |op: &Operation| told(op) || comes_online(op);
    let of_theirs = |op: &Operation| theirs.contains(&op.device) || comes_online(op);
    let narrow: [&dyn Fn(&Operation) -> bool; 3] = [&told, &came_and_told, &of_theirs];
    let candidates = narrow.into_iter().flat_map(|stays| [only(stays, false), only(stays, true)]);
    let candidates = candidates.collect();
    search.first(candidates).map(|_| ())
}

/// Leaves parts out: all, then in halves, at last one by one.
fn leave_out(search: &mut Search<'_>, parts: fn(&Plan) -> Vec<Part>) -> Result<(), Ended> {
    let mut size = parts(&search.best.plan).len();
    while size > 0 {
        let mut at = 0;
        loop {
            let all = parts(&search.best.plan);
            let chunks: Vec<_> = (at..all.len()).step_by(size).collect();
            let candidate = |from: &usize| {
                let to = (from + size).min(all.len());
                without(&search.best.plan, &all[*from..to])
            };
            let candidates: Vec<_> = chunks.iter().map(candidate).collect();
            match search.first(candidates)? {
                // What was behind it has moved there.
                Some(place) => at = chunks[place],
                None => break,
            }
        }
        size /= 2;
    }
    Ok(())
}
