//! The way from the base to the candidate, as a strip, and what was run of it.

use super::{Told, head::signatures, section, text};
use crate::{
    plan::Role,
    report::verify_order::{lose, one},
    verify::{Count, Proven, Stage, Verdict, bound},
};
use std::fmt::Write;

pub fn stages(told: &Told<'_>) -> String {
    let strip = strip(told);
    section("stages", "The way", &(strip + &proof(told)))
}

/// How one comes from a stop to the next.
fn arrow(can_return: bool) -> &'static str {
    match can_return {
        true => "<li class=\"arrow\" title=\"and back\">⇄</li>\n",
        false => "<li class=\"arrow one-way\" title=\"no way back\">→</li>\n",
    }
}

/// The base, each role in its order, and the candidate.
fn strip(told: &Told<'_>) -> String {
    let end = |class: &str, name: &str, label: String| {
        format!("<li class=\"stop {class}\"><b>{name}</b><span>{}</span></li>\n", text(&label))
    };
    let mut out = String::from("<ol class=\"strip\">\n");
    out += &end("end", "base", told.pair.base.label());
    let mut said = String::new();
    match &told.verdict.proven {
        Some(proven) => {
            let Proven { order, forward, .. } = proven;
            for (at, role) in order.roles.iter().enumerate() {
                if at == order.returns {
                    out += "<li class=\"return\"><span>last safe point of return</span></li>\n";
                }
                out += match role {
                    Role::Sql => "<li class=\"arrow done\" title=\"it stays\">→</li>\n",
                    _ => arrow(at < order.returns),
                };
                let how = match order.at_once.contains(role) {
                    true => "all at once",
                    false if *role == Role::Sql => "is migrated",
                    false => "one after the other",
                };
                let class = if order.at_once.contains(role) { "once" } else { "" };
                out += &end(class, &text(&one(*role)), how.into());
            }
            out += "<li class=\"arrow done\">=</li>\n";
            let how = match order.returns == order.roles.len() {
                _ if proven.is_back_not_run() => {
                    "The way back was not run: the arrows are as it was inferred."
                }
                true => "All of it can be taken back, from the end too (⇄).",
                false => {
                    "Up to the mark all can be taken back, in reverse (⇄); beyond it there is no way back (→)."
                }
            };
            let schema = match order.roles.contains(&Role::Sql) {
                true => " The schema stays as it is then: the base runs on it, too.",
                false => "",
            };
            let inferred = match forward.of {
                0 => "So it was inferred; it has not been run. ",
                _ => "",
            };
            said = format!("<p class=\"note\">{inferred}{how}{schema}</p>\n");
        }
        None => {
            let why = match (told.rolling, told.verdict.interrupted) {
                (false, _) => "not asked for (--rolling)",
                (true, true) => "not known yet",
                (true, false) => "no order is safe",
            };
            let class = if told.rolling && !told.verdict.interrupted { "none" } else { "unknown" };
            out += "<li class=\"arrow one-way\">→</li>\n";
            out += &format!("<li class=\"stop {class}\"><b>the order</b><span>{why}</span></li>\n");
            out += "<li class=\"arrow one-way\">→</li>\n";
        }
    }
    out += &end("end", "candidate", told.pair.candidate.label());
    out + "</ol>\n" + &said
}

/// What was run, what was lost in it, and what that says.
fn proof(told: &Told<'_>) -> String {
    let verdict = told.verdict;
    let mut out = String::from(
        "<div class=\"wide\"><table class=\"proof\">\n<tr><th>what was run</th><th class=\"number\">runs</th>\
         <th class=\"number\">lost</th><th>what that says</th></tr>\n",
    );
    let mut row = |what: &str, runs: u64, lost: Option<u64>, says: &str| {
        let class = if lost.unwrap_or(0) > 0 { " class=\"bad\"" } else { "" };
        let lost = lost.map_or_else(String::new, |lost| lost.to_string());
        let (what, says) = (text(what), text(says));
        let _ = writeln!(
            out,
            "<tr><td>{what}</td><td class=\"number\">{runs}</td><td class=\"number\"><b{class}>{lost}</b></td>\
             <td>{says}</td></tr>"
        );
    };
    let runs = |is_of: fn(Stage) -> bool| {
        verdict.runs.iter().filter(|(stage, _)| is_of(**stage)).map(|(_, runs)| runs).sum::<u64>()
    };
    row(
        "everybody on the base",
        runs(|of| of == Stage::Base),
        None,
        "what all else is held against",
    );
    let says = worse(verdict, |of| of == Stage::Candidate);
    row("everybody on the candidate", runs(|of| of == Stage::Candidate), None, &says);
    if told.rolling {
        let is_rolling = |of: Stage| matches!(of, Stage::Rolling(_));
        let says = worse(verdict, is_rolling) + "; from these the order is inferred";
        row("hosts change in any order, also back", runs(is_rolling), None, &says);
    }
    if let Some(proven) = &verdict.proven {
        let Proven { forward, back, unsure_forward, unsure_back, .. } = proven;
        let mut part = |what: &str, Count { hits, of }: Count, unsure: u64| {
            let says = match (of, hits, unsure) {
                (0, ..) => "not run".to_string(),
                (of, 0, 0) => format!(
                    "a fault in {:.1} % of such runs would have shown with 95 %",
                    100.0 * bound(of)
                ),
                (_, 0, unsure) => {
                    format!("in {unsure} it is not told from chance: no bound follows")
                }
                _ => format!("so many {}", lose(proven)),
            };
            row(what, of, (of > 0).then_some(hits), &says);
        };
        part("in the order above, also stopped on the way", *forward, *unsure_forward);
        part("in the order above, and back from as far as may be", *back, *unsure_back);
    }
    out + "</table></div>\n"
}

/// In how many signatures some stages are worse than the base.
fn worse(verdict: &Verdict, is_of: fn(Stage) -> bool) -> String {
    match verdict.regressions.iter().filter(|of| is_of(of.stage)).count() {
        0 => "no signature is worse than under the base".into(),
        1 => "1 signature is worse than under the base".into(),
        some => format!("{} are worse than under the base", signatures(some)),
    }
}
