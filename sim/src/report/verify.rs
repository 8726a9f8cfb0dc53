//! A verification in words.

use super::{
    printable,
    verify_figures::measures,
    verify_told::{Shown, Told},
};
use crate::{
    plan::{Role, case::ProtocolSpec, generate::rollout::Leg},
    run::Program,
    verify::{
        Cause, Constraint, Count, Differs, FIGURES, Lost, Measure, Pair, Programs, Proven,
        Regression, Stage, Verdict, bound, named,
        wire::{Danger, Difference},
    },
};
use serde_json::json;
use std::{collections::BTreeSet, fmt::Write};
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
        let where_to = match stage {
            Stage::Rolling(_) => "while hosts change",
            _ => "with everybody on the candidate",
        };
        let _ = writeln!(
            out,
            "worse than under the base {where_to}, as the contract allows: {signature}"
        );
    }
    for signature in &verdict.broken {
        let _ = writeln!(
            out,
            "CONTRACT broken: {signature} must hold with everybody on the candidate, and does not"
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
    if verdict.rows.is_empty() {
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

/// What is unsafe beside what, and the order that follows.
fn order(told: &Told<'_>) -> String {
    let (verdict, mut out) = (told.verdict, String::from("\n"));
    for of in &verdict.constraints {
        out += &constraint(of);
        out += &(told.shown)(&of.file_name()).text();
    }
    for Constraint { cause, signature, aimed, aimed_on_base, .. } in &verdict.unconfirmed {
        let _ = writeln!(
            out,
            "seen, and not confirmed: {cause}: {signature} (of {} seeds aimed at it {} break that, {} under the base)",
            aimed.of, aimed.hits, aimed_on_base.hits
        );
    }
    let Some(Proven { order, forward, back }) = &verdict.proven else {
        let why = match verdict.is_lost_alone() {
            true => ": with everybody on the candidate something is lost",
            false => "",
        };
        return out + &format!("ORDER none is safe{why}\n");
    };
    let names: Vec<_> = order.roles.iter().map(|role| one(*role)).collect();
    let _ = writeln!(out, "ORDER {}", names.join(", then "));
    for role in &order.at_once {
        let _ = writeln!(out, "  all {} at once", one(*role));
    }
    let way_back = match order.returns {
        0 => "no way back: from the first step on".to_string(),
        all if all == order.roles.len() => "to the end: all of it can be taken back".into(),
        some => format!("the last safe point of return is before {}", names[some]),
    };
    let _ = writeln!(out, "  {way_back}");
    let told = |what: &str, count: &Count| match (count.of, count.hits) {
        (0, _) => format!("  {what}: not run\n"),
        (of, 0) => format!(
            "  {what}: 0 of {of} runs lose what the base holds; a fault in {:.1} % of them would show with 95 %\n",
            100.0 * bound(of)
        ),
        (of, hits) => format!("  {what}: {hits} of {of} runs lose what the base holds\n"),
    };
    out + &told("that order, also stopped on the way", forward) + &told("and back", back)
}

/// What is unsafe, what to do about it, and how sure that is: three lines.
pub(super) fn constraint(of: &Constraint) -> String {
    let Constraint { cause, signature, aimed, aimed_on_base, .. } = of;
    format!(
        "UNSAFE {cause}: {signature}\n  {}\n  of {} seeds aimed at it {} break that ({} under the base)\n",
        rule(cause),
        aimed.of,
        aimed.hits,
        aimed_on_base.hits
    )
}

/// What an operator has to do about a cause.
pub(super) fn rule(cause: &Cause) -> String {
    match cause {
        Cause::Mix { new, old } if old.is_empty() => {
            format!("no {} may run it", named(new))
        }
        Cause::Mix { new, old } if new == old => {
            format!("all {} change at once", named(new))
        }
        Cause::Change { new, old } if old.is_empty() => {
            format!("{} may not change while the system runs", named(new))
        }
        Cause::Mix { new, old } | Cause::Change { new, old } => {
            let whole = |role: &Role| match role {
                Role::Sql => "the schema".to_string(),
                role => format!("all {}", one(*role)),
            };
            let first: Vec<_> = old.iter().map(whole).collect();
            let first = first.join(" or ");
            match new.len() {
                1 => format!("{first} before any of the {}", named(new)),
                _ => format!("{first} before the last of {}", named(new)),
            }
        }
        Cause::Back(roles) => format!("{} do not go back", named(roles)),
    }
}

pub(super) fn one(role: Role) -> String {
    named(&BTreeSet::from([role]))
}

/// The same for programs (docs/FORMATS.md, "Verdict").
pub fn json(pair: &Pair, verdict: &Verdict, rolling: bool) -> serde_json::Value {
    let names = |roles: &mut dyn Iterator<Item = &Role>| {
        roles.map(|role| role.name().to_string()).collect::<Vec<_>>()
    };
    let row = |(signature, row): (&String, &crate::verify::Row)| {
        let counts =
            row.counts.iter().map(|(stage, count)| (stage.name().to_string(), json!(count)));
        (signature.clone(), serde_json::Value::Object(counts.collect()))
    };
    let regression = |of: &Regression| {
        json!({"signature": of.signature, "sentence": of.sentence, "stage": of.stage.name(),
            "seed": of.seed, "on_base": of.on_base, "on_candidate": of.on_candidate,
            "as_it_was": of.as_it_was, "case": of.case})
    };
    let constraint = |of: &Constraint| {
        let (kind, new, old) = match &of.cause {
            Cause::Mix { new, old } => ("mix", new.clone(), old.clone()),
            Cause::Back(roles) => ("back", roles.clone(), BTreeSet::new()),
            Cause::Change { new, old } => ("change", new.clone(), old.clone()),
        };
        json!({"kind": kind, "new": names(&mut new.iter()), "old": names(&mut old.iter()),
            "sentence": of.cause.to_string(), "signature": of.signature, "aimed": of.aimed,
            "aimed_on_base": of.aimed_on_base, "case": of.case})
    };
    let figures = |(stage, measure): (&Stage, &Measure)| {
        let all = FIGURES.iter().map(|of| (of.key.to_string(), json!((of.of)(measure))));
        (stage.name().to_string(), serde_json::Value::Object(all.collect()))
    };
    let differs = |of: &Differs| {
        json!({"figure": of.figure.key, "stage": of.stage(), "larger": of.larger,
            "smaller": of.smaller})
    };
    let order = verdict.proven.as_ref().map(|Proven { order, forward, back }| {
        json!({"roles": names(&mut order.roles.iter()), "at_once": names(&mut order.at_once.iter()),
            "returns": order.returns, "forward": forward, "back": back})
    });
    let lost = |(stage, lost): (&Stage, &Lost)| (stage.name().to_string(), json!(lost));
    let program = |of: &Option<Program>| of.as_ref().map(Program::label);
    json!({
        "base": pair.base, "candidate": pair.candidate,
        "base_sim": program(&verdict.programs.base),
        "candidate_sim": program(&verdict.programs.candidate), "safe": verdict.is_safe(rolling),
        "came_to_nothing": verdict.came_to_nothing,
        "deployment": Some(&verdict.deployment).filter(|of| !of.is_empty()),
        "lost": verdict.lost.iter().map(lost).collect::<serde_json::Map<_, _>>(),
        "interrupted": verdict.interrupted, "large": verdict.large, "on_the_wire": verdict.on_the_wire,
        "signatures": verdict.rows.iter().map(row).collect::<serde_json::Map<_, _>>(),
        "figures": verdict.measures.iter().map(figures).collect::<serde_json::Map<_, _>>(),
        "differences": verdict.differences.iter().map(differs).collect::<Vec<_>>(),
        "regressions": verdict.regressions.iter().map(regression).collect::<Vec<_>>(),
        "mended": verdict.mended, "not_yet": verdict.not_yet, "unclear": verdict.unclear,
        "allowed": verdict.allowed.iter().map(|(signature, stage)| json!({
            "signature": signature, "stage": stage.name()})).collect::<Vec<_>>(),
        "broken": verdict.broken,
        "constraints": verdict.constraints.iter().map(constraint).collect::<Vec<_>>(),
        "unconfirmed": verdict.unconfirmed.iter().map(constraint).collect::<Vec<_>>(),
        "order": order,
    })
}

/// May it go out?
pub(super) fn conclusion(pair: &Pair, verdict: &Verdict, rolling: bool) -> String {
    if verdict.interrupted {
        return "\nINTERRUPTED: what is said above is what is known so far\n".into();
    }
    if !verdict.is_read() {
        return "\nUNSAFE on the wire: see the differences of the .proto files at the top\n".into();
    }
    if !verdict.is_safe(rolling) && !verdict.is_unsafe(rolling) {
        return "\nNO VERDICT: of what came to nothing, or was not run, nobody knows whether it loses something\n"
            .into();
    }
    let runs = verdict.runs.get(&Stage::Candidate).copied().unwrap_or_default();
    match verdict.is_safe(rolling) {
        true if pair.base == pair.candidate && verdict.programs.is_none() => {
            "\nSAFE: nothing changes\n".into()
        }
        true if rolling => format!(
            "\nSAFE in that order: nothing that the base holds is lost at any stage ({runs} seeds)\n"
        ),
        true => format!(
            "\nSAFE with everybody on the candidate: nothing that the base holds is lost ({runs} seeds). What \
             happens while hosts change: --rolling\n"
        ),
        false if !verdict.broken.is_empty() => "\nUNSAFE: the contract is broken\n".into(),
        false => "\nUNSAFE: something that the base holds is lost\n".into(),
    }
}
