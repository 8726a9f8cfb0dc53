//! A verification in words.

use super::{
    printable,
    verify_figures::measures,
    verify_order::order,
    verify_told::{Shown, Told},
};
use crate::{
    plan::{case::ProtocolSpec, generate::rollout::Leg},
    run::Program,
    verify::{
        Count, Lost, Pair, Programs, Regression, Stage, Verdict, bound,
        wire::{Danger, Difference},
    },
};
use std::fmt::Write;
use teamtalk::protocol::{Protocol, SWITCHES, Switch};

/// What differs between base and candidate: the first thing that is said.
pub fn changes(pair: &Pair, programs: &Programs) -> String {
    let by = |program: &Option<Program>| {
        program.as_ref().map_or(String::new(), |of| format!(", run by {}", of.label()))
    };
    let (base, candidate) = (by(&programs.base), by(&programs.candidate));
    let mut out = format!(
        "base:      {}{base}\ncandidate: {}{candidate}\n",
        pair.base.label(),
        pair.candidate.label()
    );
    for (switch, before, after) in switches(pair) {
        let _ = writeln!(out, "  {:<24} {before} -> {after}  ({})", switch.name, switch.scope);
    }
    let limits = |spec: &ProtocolSpec| spec.limits.clone();
    if limits(&pair.base) != limits(&pair.candidate) {
        let _ =
            writeln!(out, "  limits: {:?} -> {:?}", limits(&pair.base), limits(&pair.candidate));
    }
    if pair.base == pair.candidate && programs.is_none() {
        out += "  nothing: they are the same\n";
    }
    out
}

/// The switches that differ, with their values before and after; none of a protocol that does not resolve.
pub(super) fn switches(pair: &Pair) -> Vec<(&'static Switch, &'static str, &'static str)> {
    let (Ok(base), Ok(candidate)) = (pair.base.resolve(), pair.candidate.resolve()) else {
        return Vec::new();
    };
    let value =
        |protocol: &Protocol, name| if protocol.get(name) == Some(true) { "on" } else { "off" };
    let all = SWITCHES.iter();
    let both = all.map(|of| (of, value(&base, of.name), value(&candidate, of.name)));
    both.filter(|(_, before, after)| before != after).collect()
}

/// In what the .proto files differ, the dangerous first.
pub fn on_the_wire(differences: &[Difference]) -> String {
    let mut all: Vec<_> = differences.iter().collect();
    all.sort_by_key(|of| of.danger == Danger::Neither);
    let unsafe_ones = all.iter().filter(|of| of.danger != Danger::Neither).count();
    let mut out = format!("on the wire: {} differences, {unsafe_ones} of them unsafe\n", all.len());
    for difference in all {
        let mark = if difference.danger == Danger::Neither { ' ' } else { '!' };
        let _ = writeln!(out, "{mark} {difference}");
    }
    out
}

/// Cards of so many regressions are shown; there is one in a file for each.
const CARDS: usize = 3;

/// All of it.
pub fn verdict(told: &Told<'_>) -> String {
    let Told { pair, verdict, rolling, .. } = *told;
    let mut out = table(verdict);
    lost_runs(verdict).iter().for_each(|sentence| out += &format!("{sentence}\n"));
    out += &measures(verdict);
    for (of, n) in verdict.regressions.iter().zip(1..) {
        let mut shown = (told.shown)(&of.file_name());
        // Of what goes wrong while hosts change the cards are those of the unsafe mixes.
        if n > CARDS || of.is_explained {
            shown.card = None;
        }
        out += &regression(of, &shown);
    }
    if verdict.large > 0 {
        let n = verdict.large;
        let _ = writeln!(
            out,
            "{n} of the cases are as large as they were found: the runs for it are spent (--shrink-runs; `cargo sim \
             shrink CASE` makes one small)"
        );
    }
    if !verdict.mended.is_empty() {
        let _ = writeln!(out, "mended: {}", verdict.mended.join(", "));
    }
    if !verdict.not_yet.is_empty() {
        let _ = writeln!(
            out,
            "promised by the candidate alone, and not kept while hosts change: {}",
            verdict.not_yet.join(", ")
        );
    }
    for (signature, stage) in &verdict.allowed {
        let _ = writeln!(
            out,
            "worse than under the base {}, as the contract allows: {signature}",
            where_to(*stage)
        );
    }
    for (signature, stage) in &verdict.broken {
        let _ = writeln!(out, "CONTRACT broken: {}", must_hold(signature, *stage));
    }
    for (name, stage) in &verdict.unseen {
        let _ = writeln!(
            out,
            "`{name}` of the contract ({}): no run has violated it, at any stage; perhaps there is no such signature",
            where_to(*stage)
        );
    }
    if !verdict.unclear.is_empty() {
        let _ = writeln!(
            out,
            "not told from the base: {} (seen where the base has none, but on the same plans under other \
             noise the base has it too, or it hardly ever comes)",
            verdict.unclear.join(", ")
        );
    }
    if let Some(asked) = asked_of_base(verdict) {
        let _ = writeln!(out, "{asked}");
    }
    if rolling {
        out += &order(told);
    }
    out + &conclusion(pair, verdict, rolling)
}

fn share(count: Option<&Count>) -> String {
    match count {
        None => "-".into(),
        Some(Count { hits: 0, .. }) => ".".into(),
        Some(Count { hits, of }) => format!("{hits}/{of}"),
    }
}

/// The stages that were run.
pub(super) fn columns(verdict: &Verdict) -> Vec<Stage> {
    let all = [Stage::Base, Stage::Candidate].into_iter().chain(Leg::ALL.map(Stage::Rolling));
    all.filter(|stage| verdict.runs.contains_key(stage)).collect()
}

/// Each signature in each stage.
fn table(verdict: &Verdict) -> String {
    let mut out = String::new();
    let columns = columns(verdict);
    let _ = write!(out, "\n{:<40}", "runs in which it was violated");
    for stage in &columns {
        let _ = write!(out, " {:>10}", stage.name());
    }
    let _ = write!(out, "\n{:<40}", "runs");
    for stage in &columns {
        let _ = write!(out, " {:>10}", verdict.runs[stage]);
    }
    out.push('\n');
    let is_regression =
        |signature: &str| verdict.regressions.iter().any(|of| of.signature == signature);
    let mut rows: Vec<_> = verdict.rows.iter().collect();
    rows.sort_by_key(|(signature, _)| (!is_regression(signature), *signature));
    for (signature, row) in rows {
        let mark = if is_regression(signature) { '!' } else { ' ' };
        let _ = write!(out, "{mark} {signature:<38}");
        for stage in &columns {
            let _ = write!(out, " {:>10}", share(row.counts.get(stage)));
        }
        out.push('\n');
    }
    if verdict.rows.is_empty() && verdict.runs.values().any(|runs| *runs > 0) {
        out += "  all properties held in every run\n";
    }
    out
}

/// What came to nothing, a sentence each.
pub(super) fn lost_runs(verdict: &Verdict) -> Vec<String> {
    let told = |(stage, Lost { runs, seed, why }): (&Stage, &Lost)| {
        let (stage, why) = (stage.name(), printable(why));
        format!("{stage}: {runs} runs came to nothing; the first one, of seed {seed}: {why}")
    };
    let mut all: Vec<String> = verdict.lost.iter().map(told).collect();
    if verdict.came_to_nothing > 0 {
        let n = verdict.came_to_nothing;
        all.push(format!("{n} of the runs that look for causes came to nothing"));
    }
    all
}

/// That the base was run on more seeds than those of the stages, if it was.
pub(super) fn asked_of_base(verdict: &Verdict) -> Option<String> {
    let more = verdict.asked_of_base;
    let told = || {
        format!(
            "the base was run on {more} seeds more, to know what it breaks itself: that is not new"
        )
    };
    (more > 0).then(told)
}

/// A stage of a contract.
pub(super) fn where_to(stage: Stage) -> &'static str {
    match stage {
        Stage::Rolling(_) => "while hosts change",
        _ => "with everybody on the candidate",
    }
}

/// What a contract wants and does not get.
pub(super) fn must_hold(signature: &str, stage: Stage) -> String {
    format!("{signature} must hold {}, and does not", where_to(stage))
}

/// Why nobody knows whether it is safe, but for what came to nothing or was not run: a sentence each.
pub(super) fn unknown(verdict: &Verdict, rolling: bool) -> Vec<String> {
    let unexplained: Vec<_> = verdict.unexplained().map(|of| of.signature.as_str()).collect();
    let mut all = Vec::new();
    if rolling && !unexplained.is_empty() {
        all.push(format!(
            "{} is worse than under the base while hosts change, and no cause of that is sure: so nobody knows \
             whether the order avoids it",
            unexplained.join(", ")
        ));
    }
    for (name, stage) in &verdict.unjudged {
        let at = where_to(*stage);
        all.push(format!(
            "the contract wants `{name}` to hold {at}, and nothing was judged of it there"
        ));
    }
    all
}

/// When something is worse than under the base.
pub(super) fn when(stage: Stage) -> String {
    match stage {
        Stage::Candidate | Stage::Base => "with everybody on the candidate".to_string(),
        Stage::Rolling(leg) => format!("while hosts change side ({})", leg.name()),
    }
}

fn regression(of: &Regression, shown: &Shown) -> String {
    let Regression { signature, sentence, stage, seed, on_base, on_candidate, as_it_was, .. } = of;
    let when = when(*stage);
    let mut out =
        format!("\nREGRESSION {signature} {when}, seed {seed}\n  {}\n", printable(sentence));
    let told = |count: &Count| match count.hits {
        0 => "holds".to_string(),
        hits => format!("fails {hits}/{}", count.of),
    };
    let _ = write!(out, "  under {} noise seeds: all-base {}", on_base.of, told(on_base));
    let _ = write!(out, ", all-candidate {}", told(on_candidate));
    if matches!(stage, Stage::Rolling(_)) {
        let _ = write!(out, ", as it was {}", told(as_it_was));
    }
    out + "\n" + &shown.text()
}

/// Where a fault in more than this share of runs may have been missed, SAFE is said with that bound.
const WEAK: f64 = 0.1;

/// How many runs say that it is safe: the fewest of those forward and those back, in the order that was asked for.
fn runs_behind(verdict: &Verdict, rolling: bool) -> u64 {
    let alone = verdict.runs.get(&Stage::Candidate).copied().unwrap_or_default();
    match verdict.proven.as_ref().filter(|_| rolling) {
        Some(proven) if proven.order.returns > 0 && proven.back.of > 0 => {
            proven.forward.of.min(proven.back.of)
        }
        Some(proven) => proven.forward.of,
        None => alone,
    }
}

/// How weak a verdict is that so few runs are behind; nothing if they are enough.
pub(super) fn weakness(verdict: &Verdict, rolling: bool) -> String {
    let runs = runs_behind(verdict, rolling);
    match bound(runs) {
        weak if weak > WEAK => format!(
            " as far as {runs} run{} can tell (a fault in {:.1} % of them may be missed)",
            if runs == 1 { "" } else { "s" },
            100.0 * weak
        ),
        _ => String::new(),
    }
}

/// May it go out?
pub(super) fn conclusion(pair: &Pair, verdict: &Verdict, rolling: bool) -> String {
    if verdict.interrupted {
        return "\nINTERRUPTED: what is said above is what is known so far\n".into();
    }
    if !verdict.is_read() {
        return "\nUNSAFE on the wire: see the differences of the .proto files at the top\n".into();
    }
    let (is_safe, is_unsafe) = (verdict.is_safe(rolling), verdict.is_unsafe(rolling));
    if !is_safe && !is_unsafe {
        let mut why = unknown(verdict, rolling);
        if why.is_empty() || !verdict.lost.is_empty() || verdict.came_to_nothing > 0 {
            let lost =
                "of what came to nothing, or was not run, nobody knows whether it loses something";
            why.push(lost.into());
        }
        return format!("\nNO VERDICT: {}\n", why.join("; "));
    }
    let runs = verdict.runs.get(&Stage::Candidate).copied().unwrap_or_default();
    let weak = weakness(verdict, rolling);
    let has_seen = verdict.proven.as_ref().is_some_and(|of| !of.seen.is_empty());
    match is_safe {
        true if pair.base == pair.candidate && verdict.programs.is_none() => {
            "\nSAFE: nothing changes\n".into()
        }
        true if rolling && has_seen => format!(
            "\nSAFE in that order{weak}: nothing that the base holds is known to be lost at any stage ({runs} seeds); \
             what was seen in the order and is not told from chance is above\n"
        ),
        true if rolling => format!(
            "\nSAFE in that order{weak}: nothing that the base holds is lost at any stage ({runs} seeds)\n"
        ),
        true => format!(
            "\nSAFE with everybody on the candidate{weak}: nothing that the base holds is lost ({runs} seeds). What \
             happens while hosts change: --rolling\n"
        ),
        false if !verdict.broken.is_empty() => "\nUNSAFE: the contract is broken\n".into(),
        false => "\nUNSAFE: something that the base holds is lost\n".into(),
    }
}
