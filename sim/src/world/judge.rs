//! What judges the runs of a case, and the judgement of one that is over.

use super::{Deployed, LONGEST_RUN_MS, Outcome, Panicked, Watch, driver::note, panics};
use crate::{
    plan::{Plan, case::Case, rollout::FAULTS_FROM},
    properties::{Properties, Protocols, Tally, Violation},
    record::{Header, Kind, Line, Trace, history::History, sizes::Sizes},
};
use std::collections::BTreeMap;

/// The properties, at the start of a run of a plan.
pub(super) fn properties_of(plan: &Plan, base: &Deployed, candidate: &Deployed) -> Properties {
    let protocols = Protocols::of_plan(plan, base.protocol, candidate.protocol);
    let protocols = protocols.limited(base.limits.clone(), candidate.limits.clone());
    let properties = Properties::new(protocols.promised());
    let properties = properties.mixed(protocols).at_pace(&plan.pace.timing());
    properties.of_plan(plan)
}

/// What came of judging lines.
struct Verdict {
    violations: Vec<Violation>,
    broken_by: BTreeMap<String, u64>,
    tallies: BTreeMap<&'static str, Tally>,
}

/// Judges lines; `ended`: what is owed at the last one has had its time.
fn verdict<'a>(
    case: &Case,
    lines: impl IntoIterator<Item = &'a Line>,
    ended: bool,
) -> Result<Verdict, String> {
    let base = Deployed::of(&case.protocols.base)?;
    let candidate = Deployed::of(&case.protocols.candidate)?;
    let mut properties = properties_of(&case.plan, &base, &candidate);
    let (mut found, mut broken_by, mut now_us) = (Vec::new(), BTreeMap::new(), 0);
    for line in lines {
        properties.observe(line, |violation| {
            let signature = violation.signature();
            if note(&mut found, violation) {
                broken_by.insert(signature, line.n);
            }
        });
        now_us = line.sim_us;
    }
    if ended {
        let at_last = now_us + LONGEST_RUN_MS * 1_000;
        for owed in [properties.owed(false), properties.owed(true), properties.overdue(at_last)] {
            owed.into_iter().for_each(|violation| _ = note(&mut found, violation));
        }
    }
    Ok(Verdict { violations: found, broken_by, tallies: properties.tallies().collect() })
}

/// What the lines of a run of a case break, one violation for each signature: as the run itself was
/// judged, but that at the last line everything that is owed has had its time.
///
/// # Errors
/// If the case's protocols can't be resolved.
pub fn judge<'a>(
    case: &Case,
    lines: impl IntoIterator<Item = &'a Line>,
) -> Result<Vec<Violation>, String> {
    verdict(case, lines, true).map(|verdict| verdict.violations)
}

/// A stored trace, judged as [`judge`] does, with what its card needs. What a run measures beside its
/// lines (draws, sizes, how often mutants were reached) is not there.
///
/// # Errors
/// If the case's protocols can't be resolved, or the lines are of no run: properties rely on what
/// the rig does in every run, so lines that somebody made up may be more than they can take.
pub fn judged(header: &Header, mut trace: Trace) -> Result<Outcome, String> {
    let Header { case, ended, .. } = header;
    let verdict = panics::kept(&Watch::default(), || verdict(case, &trace.lines, *ended));
    let verdict = verdict.map_err(|panicked| {
        let Panicked { at, message, .. } = panicked;
        format!("no run has such lines: a property gave up at {at}: {message}")
    })?;
    let Verdict { violations, broken_by, tallies } = verdict?;
    for line in &mut trace.lines {
        if let Kind::PduSent(frame) | Kind::PduReceived(frame) = &mut line.kind {
            frame.forget();
        }
    }
    let hit = |line: &Line| match line.kind {
        Kind::FaultEnd { fault, hit } if fault < FAULTS_FROM => Some((fault, hit)),
        _ => None,
    };
    Ok(Outcome {
        history: History::of(&trace),
        hits: trace.lines.iter().filter_map(hit).collect(),
        trace,
        violations,
        broken_by,
        tallies,
        draws: Vec::new(),
        sizes: Sizes::default(),
        panicked: None,
        mutants_reached: 0,
    })
}
