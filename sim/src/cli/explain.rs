//! Why a case fails.

use super::{
    Explain, Failure, INTERRUPTED, VIOLATED, interrupt, jobs_or_cores,
    output::{OutFile, Output, bar, replay_of},
    places::Places,
    run::{came_to_nothing, write_to},
    shrink::refused,
};
use teamtalk_sim::{
    causality::{self, Explained, Explaining},
    picture,
    plan::case::Case,
    properties::Violation,
    report,
    run::Runner,
    shrink::NoFailure,
    world::Outcome,
};

pub fn explain(args: &Explain, out: &mut Output) -> Result<u8, Failure> {
    interrupt::listen();
    Places::default().reads("CASE", [&args.case]).writes("--html", &args.html).differ()?;
    let case = Case::read(&args.case)?;
    let (runner, name) = (args.patience.runner(), args.case.display());
    let mut html = args.html.as_deref().map(OutFile::tried).transpose()?;
    if html.is_some() {
        // Not after the minutes that it may take to explain it.
        let outcome = runner.run(&case).map_err(|why| came_to_nothing(&name.to_string(), &why))?;
        picture::fits(&outcome).map_err(|why| format!("{name}: {why}"))?;
    }
    let known = explained(&case, &runner, jobs_or_cores(args.jobs));
    let (outcome, explained) = known.map_err(|why| refused(&args.case, why))?;
    let replay = replay_of(&args.case);
    if let Some((violation, card)) = card(&case, &replay, &outcome, explained.as_ref()) {
        out.print(card);
        if explained.is_some() {
            let explained = explained.as_ref();
            let page = picture::page(&case, &outcome, Some(violation), explained, &replay);
            let page = page.map_err(|why| format!("{name}: {why}"))?;
            write_to(&mut html, || page);
        }
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

/// The card of a case that a command replays, with the violation that it expects.
pub fn card<'a>(
    case: &Case,
    replay: &str,
    outcome: &'a Outcome,
    explained: Option<&Explained>,
) -> Option<(&'a Violation, String)> {
    let violation = outcome.violation(&case.expect)?;
    let card = report::full_card(case, outcome, violation, replay, explained);
    Some((violation, card))
}
