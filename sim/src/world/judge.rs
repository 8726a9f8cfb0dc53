//! What judges the runs of a case, and the judgement of one that is over.

use super::{Deployed, LONGEST_RUN_MS, driver::note};
use crate::{
    plan::{Plan, Side, case::Case},
    properties::{Properties, Protocols, Violation},
    record::Line,
};

/// The properties, at the start of a run of a plan.
pub(super) fn properties_of(plan: &Plan, base: &Deployed, candidate: &Deployed) -> Properties {
    let mut protocols = Protocols::all(base.protocol);
    for node in plan.nodes.iter().filter(|node| node.side == Side::Candidate) {
        protocols = protocols.with(node.host.clone(), candidate.protocol);
    }
    let properties = Properties::new(&base.protocol, &base.limits);
    let properties = properties.mixed(protocols).at_pace(&plan.pace.timing());
    properties.of_plan(plan).begun_at(plan.epoch)
}

/// What the lines of a run of a case break, one violation for each property: as the run itself was
/// judged, but that at the last line everything that is owed has had its time.
///
/// # Errors
/// If the case's protocols can't be resolved.
pub fn judge<'a>(
    case: &Case,
    lines: impl IntoIterator<Item = &'a Line>,
) -> Result<Vec<Violation>, String> {
    let base = Deployed::of(&case.protocols.base)?;
    let candidate = Deployed::of(&case.protocols.candidate)?;
    let mut properties = properties_of(&case.plan, &base, &candidate);
    let (mut found, mut now_us) = (Vec::new(), 0);
    for line in lines {
        properties.observe(line, |violation| _ = note(&mut found, violation));
        now_us = line.sim_us;
    }
    let at_last = now_us + LONGEST_RUN_MS * 1_000;
    for owed in [properties.owed(false), properties.owed(true), properties.overdue(at_last)] {
        owed.into_iter().for_each(|violation| _ = note(&mut found, violation));
    }
    Ok(found)
}
