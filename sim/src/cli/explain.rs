//! Why a case fails.

use super::{
    Explain, Failure, INTERRUPTED, VIOLATED, interrupt, jobs_or_cores,
    output::{Output, bar, replay_of},
    shrink::refused,
};
use std::path::Path;
use teamtalk_sim::{
    causality::{self, Explained, Explaining},
    plan::case::Case,
    properties::Violation,
    report,
    run::Runner,
    shrink::NoFailure,
    world::Outcome,
};

pub fn explain(args: &Explain, out: &mut Output) -> Result<u8, Failure> {
    interrupt::listen();
    let case = Case::read(&args.case)?;
    let known = explained(&case, &args.patience.runner(), jobs_or_cores(args.jobs));
    let (outcome, explained) = known.map_err(|why| refused(&args.case, why))?;
    if let Some((_, card)) = card(&case, &args.case, &outcome, explained.as_ref()) {
        out.print(card);
    }
    Ok(if explained.is_some() { VIOLATED } else { INTERRUPTED })
}

/// What comes of a case, and why, while it is shown how many runs it takes.
pub fn explained(
    case: &Case,
    runner: &Runner,
    jobs: usize,
) -> Result<(Outcome, Option<Explained>), NoFailure> {
    let bar = bar("{spinner} why it fails: {pos} runs, {elapsed}", None);
    let each = || bar.inc(1);
    let runner = runner.clone();
    let explaining = Explaining { runner, jobs, stop: &interrupt::STOP, each: &each };
    let known = causality::explain(case, &explaining);
    bar.finish_and_clear();
    known
}

/// The card of a case that is written at a path, with the violation that it expects.
pub fn card<'a>(
    case: &Case,
    path: &Path,
    outcome: &'a Outcome,
    explained: Option<&Explained>,
) -> Option<(&'a Violation, String)> {
    let violation = outcome.violation(&case.expect)?;
    let card = report::full_card(case, outcome, violation, &replay_of(path), explained);
    Some((violation, card))
}
