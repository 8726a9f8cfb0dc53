//! The headline: may it go out, why, and what changes.

use super::{Told, section, text};
use crate::{
    plan::case::ProtocolSpec,
    report::{
        verify::{conclusion, lost_runs, must_hold, switches, unknown, weakness},
        verify_order::{lose, one},
    },
    run::Program,
    verify::{Programs, Stage, wire::Danger},
};
use std::{collections::BTreeSet, fmt::Write};

/// `SAFE in that order`, `UNSAFE`, `INTERRUPTED` …: as the verdict in words ends.
pub fn word(told: &Told<'_>) -> String {
    let said = conclusion(told.pair, told.verdict, told.rolling);
    said.trim().split([':', '(']).next().unwrap_or_default().trim().to_string()
}

pub fn head(told: &Told<'_>) -> String {
    let (pair, verdict) = (told.pair, told.verdict);
    let class = match (verdict.interrupted, verdict.is_safe(told.rolling)) {
        (true, _) => " unknown",
        (_, true) => " holds",
        (_, false) => "",
    };
    let (base, candidate) = (text(&pair.base.label()), text(&pair.candidate.label()));
    let mut out = format!(
        "<header>\n<p class=\"verdict\"><span class=\"badge{class}\">{}</span></p>\n",
        text(&word(told))
    );
    for why in why(told) {
        let _ = writeln!(out, "<p class=\"sentence\">{}</p>", text(&why));
    }
    let deployment = match verdict.deployment.is_empty() {
        true => String::new(),
        false => format!("<span>deployment <b>{}</b></span>", text(&verdict.deployment.label())),
    };
    let _ = writeln!(
        out,
        "<p class=\"facts\"><span>base <b>{base}</b></span><span>candidate <b>{candidate}</b></span>\
         <span>profile <b>{}</b></span><span><b>{}</b> seeds a stage, from <b>{}</b> on</span>{deployment}</p>",
        text(told.profile.name()),
        told.seeds,
        told.from
    );
    out + "</header>\n"
}

/// Why it is so, a sentence each.
fn why(told: &Told<'_>) -> Vec<String> {
    let verdict = told.verdict;
    let mut why = Vec::new();
    if verdict.interrupted {
        why.push("It was stopped before all was known: this is what is known so far.".into());
    }
    why.extend(lost_runs(verdict));
    if verdict.is_safe(told.rolling) {
        why.push(safe(told));
        return why;
    }
    if !verdict.is_read() {
        why.push("One side can't read what the other writes: see “On the wire”.".into());
    }
    let alone = verdict.regressions.iter().filter(|of| of.stage == Stage::Candidate).count();
    if alone > 0 {
        why.push(format!(
            "With everybody on the candidate something that the base holds is lost ({}): no order helps.",
            signatures(alone)
        ));
    }
    if !verdict.broken.is_empty() {
        let broken: Vec<_> =
            verdict.broken.iter().map(|(of, stage)| must_hold(of, *stage)).collect();
        why.push(format!("The contract is broken: {}.", broken.join("; ")));
    }
    if !verdict.is_unsafe(told.rolling) {
        let unknown = unknown(verdict, told.rolling);
        why.extend(unknown.iter().map(|of| format!("Not known: {of}.")));
    }
    match &verdict.proven {
        None if told.rolling && !verdict.interrupted => {
            why.push("No order of the hosts avoids all that is unsafe on the way.".into());
        }
        Some(proven) if proven.forward.hits + proven.back.hits > 0 => {
            let signatures: Vec<_> = proven.lost.iter().map(|of| of.signature.as_str()).collect();
            let which = match signatures.as_slice() {
                [] => String::new(),
                some => format!(": {}", some.join(", ")),
            };
            why.push(format!(
                "Of the {} runs in the order that was inferred {} {}{which}.",
                proven.forward.of + proven.back.of,
                proven.forward.hits + proven.back.hits,
                lose(proven)
            ));
        }
        _ => {}
    }
    why
}

fn safe(told: &Told<'_>) -> String {
    if told.pair.base == told.pair.candidate && told.verdict.programs.is_none() {
        return "Nothing changes: base and candidate are the same.".into();
    }
    match &told.verdict.proven {
        Some(proven) if told.rolling => {
            let names: Vec<_> = proven.order.roles.iter().map(|role| one(*role)).collect();
            let kept = match proven.seen.is_empty() {
                true => "nothing that the base holds is lost at any stage of it",
                false => {
                    "nothing that the base holds is known to be lost at any stage of it, but see “What is no loss”"
                }
            };
            let weak = weakness(told.verdict, true);
            format!("First {}: {kept}{}{weak}.", names.join(", then "), comma(&weak))
        }
        _ => {
            let weak = weakness(told.verdict, false);
            format!(
                "Nothing that the base holds is lost{}{weak}. What happens while hosts change was not asked (--rolling).",
                comma(&weak)
            )
        }
    }
}

/// Before what is added to a sentence.
fn comma(more: &str) -> &'static str {
    if more.is_empty() { "" } else { "," }
}

/// `1 signature`, `3 signatures`.
pub fn signatures(count: usize) -> String {
    format!("{count} signature{}", if count == 1 { "" } else { "s" })
}

/// The switches that differ, with whom they change, the limits, and the planted mutant.
pub fn changes(told: &Told<'_>) -> String {
    let (base, candidate) = (&told.pair.base, &told.pair.candidate);
    let Programs { base: of_base, candidate: of_candidate } = &told.verdict.programs;
    if base == candidate && told.verdict.programs.is_none() {
        return section("", "What changes", "<p>Nothing: they are the same.</p>\n");
    }
    let mut inner = String::from("<ul class=\"changes\">\n");
    let mut change = |what: &str, before: &str, after: &str, of: &str| {
        let (what, before, after, of) = (text(what), text(before), text(after), text(of));
        let of = if of.is_empty() { of } else { format!(" <small>{of}</small>") };
        let _ = writeln!(
            inner,
            "<li><code>{what}</code> <span>{before} → <b>{after}</b></span>{of}</li>"
        );
    };
    let build =
        |of: &Option<Program>| of.as_ref().map_or_else(|| "this one".into(), Program::label);
    if !told.verdict.programs.is_none() {
        change("build", &build(of_base), &build(of_candidate), "");
    }
    for (switch, before, after) in switches(told.pair) {
        change(switch.name, before, after, switch.scope);
    }
    let limit = |spec: &ProtocolSpec, name: &String| {
        spec.limits.get(name).map_or_else(|| "as it is".to_string(), ToString::to_string)
    };
    let names: BTreeSet<_> = base.limits.keys().chain(candidate.limits.keys()).collect();
    for name in names {
        let (before, after) = (limit(base, name), limit(candidate, name));
        if before != after {
            change(name, &before, &after, "a limit");
        }
    }
    if base.mutant != candidate.mutant {
        let name = |spec: &ProtocolSpec| spec.mutant.clone().unwrap_or_else(|| "none".into());
        change("planted mutant", &name(base), &name(candidate), "");
    }
    section("", "What changes", &(inner + "</ul>\n"))
}

/// In what the .proto files differ, the dangerous first.
pub fn on_the_wire(told: &Told<'_>) -> String {
    let mut all: Vec<_> = told.verdict.on_the_wire.iter().collect();
    all.sort_by_key(|of| of.danger == Danger::Neither);
    let mut inner = String::new();
    for difference in all {
        let class = if difference.danger == Danger::Neither { "" } else { " class=\"bad\"" };
        let _ = writeln!(inner, "<li{class}>{}</li>", text(&difference.to_string()));
    }
    if !inner.is_empty() {
        inner = format!("<ul>\n{inner}</ul>\n");
    }
    section("", "On the wire", &inner)
}
