//! A verification as JUnit XML: what a CI system shows of it.
//!
//! Some test case fails if and only if the verdict is not that it is safe. So what goes wrong while hosts change in
//! any order is a failure only as long as no order is known that avoids it: the test case of the order says whether
//! there is one.

use super::{
    headline_of,
    junit::{Failures, written},
    printable,
    verify::{columns, conclusion, lost_runs, must_hold, unknown},
    verify_order::{constraint, headline, lose},
    verify_told::Told,
};
use crate::verify::{InOrder, Proven, Stage, Verdict, wire::Danger};

/// A test case for each stage: nothing is lost there. With these, as far as they were asked for, one for the
/// difference of the .proto files (if there is any), one for what the contract wants and does not get, and one for
/// the order; and one for that it is whole.
pub fn junit(told: &Told<'_>) -> String {
    let verdict = told.verdict;
    let mut cases: Vec<(String, Failures)> = Vec::new();
    if !verdict.on_the_wire.is_empty() {
        cases.push(("each side reads what the other writes".into(), on_the_wire(verdict)));
    }
    for stage in columns(verdict) {
        cases.push((format!("nothing lost: {}", stage.name()), lost(told, stage)));
    }
    if !verdict.broken.is_empty() {
        cases.push(("the contract".into(), broken(verdict)));
    }
    if told.rolling {
        cases.push(("order".into(), order(told)));
    }
    let why = "it was stopped before all was known".to_string();
    let stopped = verdict.interrupted.then(|| ("interrupted".into(), why.clone(), why));
    let is_known = verdict.is_safe(told.rolling) || verdict.is_unsafe(told.rolling);
    let unknown = (!is_known && !verdict.interrupted).then(|| {
        let says = conclusion(told.pair, verdict, told.rolling);
        let says = says.trim().trim_start_matches("NO VERDICT: ").to_string();
        let text = [lost_runs(verdict), unknown(verdict, told.rolling)].concat().join("\n");
        ("no-verdict".into(), printable(&says), text)
    });
    cases.push(("all was run".into(), stopped.into_iter().chain(unknown).collect()));
    let (base, candidate) = (&told.pair.base, &told.pair.candidate);
    let name = format!(
        "{} to {}, {}: {} seeds from {} on",
        base.label(),
        candidate.label(),
        told.profile.name(),
        told.seeds,
        told.from
    );
    let class = format!(
        "sim.verify.{}-to-{}.{}",
        base.file_name(),
        candidate.file_name(),
        told.profile.name()
    );
    let cases: Vec<_> = cases.iter().map(|(name, of)| (name.as_str(), of.clone())).collect();
    // How long it took would make two files of one verdict differ.
    written("sim verify", &name, &class, 0.0, &cases, &seen(told))
}

fn on_the_wire(verdict: &Verdict) -> Failures {
    let all = verdict.on_the_wire.iter().filter(|of| of.danger != Danger::Neither);
    let told = all.map(|of| ("on-the-wire".to_string(), of.to_string(), of.to_string()));
    told.collect()
}

fn broken(verdict: &Verdict) -> Failures {
    let told = |(of, stage): &(String, Stage)| {
        let says = must_hold(of, *stage);
        (of.clone(), says.clone(), says)
    };
    verdict.broken.iter().map(told).collect()
}

/// What was seen in the order and is not told from chance fails nothing: it is said beside the test cases.
fn seen(told: &Told<'_>) -> String {
    let seen = told.verdict.proven.iter().flat_map(|of| &of.seen);
    seen.map(|of| in_order(told, of, false)).collect()
}

/// A signature that runs of the order violated, with the command that replays the first one.
fn in_order(told: &Told<'_>, of: &InOrder, is_lost: bool) -> String {
    let replay = (told.shown)(&of.file_name()).replay;
    let first = headline_of(Some(of.seed), &of.signature, &of.sentence, &replay);
    format!("{}\n{first}", headline(of, is_lost))
}

/// Whether it was stopped before its order was run.
fn is_not_run(verdict: &Verdict) -> bool {
    verdict.interrupted && verdict.proven.as_ref().is_some_and(|of| of.forward.of == 0)
}

/// Whether an order is known in which nothing is lost.
fn is_avoided(verdict: &Verdict) -> bool {
    let proven = verdict.proven.as_ref();
    !is_not_run(verdict) && proven.is_some_and(|of| of.forward.hits == 0 && of.back.hits == 0)
}

/// The regressions of a stage; of one in which hosts change those that no order is known to avoid.
fn lost(told: &Told<'_>, stage: Stage) -> Failures {
    let is_avoided = matches!(stage, Stage::Rolling(_)) && is_avoided(told.verdict);
    let all = told.verdict.regressions.iter().filter(|of| of.stage == stage);
    let all = all.filter(|of| !(is_avoided && of.is_explained));
    let failure = |of: &crate::verify::Regression| {
        let shown = (told.shown)(&of.file_name());
        let text = headline_of(Some(of.seed), &of.signature, &of.sentence, &shown.replay);
        (of.signature.clone(), printable(&of.sentence), text)
    };
    all.map(failure).collect()
}

/// Why there is none, or what it loses.
fn order(told: &Told<'_>) -> Failures {
    let verdict = told.verdict;
    let all = verdict.constraints.iter().chain(&verdict.unconfirmed);
    let text: String = all.map(constraint).collect();
    match &verdict.proven {
        None if verdict.interrupted => Failures::new(),
        None => vec![("no-order".into(), "no order is safe".into(), text)],
        Some(_) if is_not_run(verdict) => {
            vec![("not-run".into(), "the order that was inferred was not run".into(), text)]
        }
        Some(proven) => {
            let Proven { forward, back, lost, .. } = proven;
            let shown: String = lost.iter().map(|of| in_order(told, of, true)).collect();
            let parts = [("that order, also stopped on the way", forward), ("and back", back)];
            let parts = parts.into_iter().filter(|(_, count)| count.hits > 0);
            let told = parts.map(|(what, count)| {
                let says = format!("{what}: {} of {} runs {}", count.hits, count.of, lose(proven));
                ("order-loses".to_string(), says, shown.clone() + &text)
            });
            told.collect()
        }
    }
}
