//! Why a case fails.

use super::{
    Explain, Failure, INTERRUPTED, VIOLATED, interrupt, jobs_or_cores,
    output::{Output, quoted_path},
    shrink::refused,
};
use indicatif::{ProgressBar, ProgressStyle};
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
    let style = "{spinner} why it fails: {pos} runs, {elapsed}";
    let style = ProgressStyle::with_template(style).expect("a fixed template");
    let bar = ProgressBar::new_spinner().with_style(style);
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
    let replay = format!("cargo sim replay {}", quoted_path(path));
    let violation = outcome.violation(&case.expect)?;
    Some((violation, report::full_card(case, outcome, violation, &replay, explained)))
}
