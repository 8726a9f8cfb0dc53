//! What is worse than under the base, and what is of no matter.

use super::{Shown, Told, again, bar, section, text};
use crate::{
    report::{
        printable,
        verify::{asked_of_base, when, where_to},
        verify_order::headline,
    },
    verify::{Count, InOrder, Regression, Stage},
};
use std::fmt::Write;

pub fn losses(told: &Told<'_>) -> String {
    let all = told.verdict.regressions.iter();
    let inner: String = all.map(|of| one(of, &(told.shown)(&of.file_name()))).collect();
    let is_avoided = told.rolling && told.verdict.is_safe(true) && !inner.is_empty();
    let avoided = match is_avoided {
        true => {
            "<p class=\"note\">Hosts changed in any order there. In the runs of the order above nothing was lost.</p>\n"
        }
        false => "",
    };
    let lost = told.verdict.proven.iter().flat_map(|of| &of.lost);
    let lost: String = lost.map(|of| in_order(of, true, &(told.shown)(&of.file_name()))).collect();
    section("losses", "Lost in the order", &lost)
        + &section("losses", "Regressions", &(avoided.to_string() + &inner))
}

/// What the runs of the order violated.
fn in_order(of: &InOrder, is_lost: bool, shown: &Shown) -> String {
    format!(
        "<article>\n<h3><code>{}</code></h3>\n<p class=\"when\">{}; {}, seed {} first</p>\n<p>{}</p>\n{}</article>\n",
        text(&of.signature),
        text(&headline(of, is_lost)),
        when(of.stage),
        of.seed,
        text(&printable(&of.sentence)),
        again(shown)
    )
}

fn one(of: &Regression, shown: &Shown) -> String {
    let Regression { signature, sentence, stage, seed, .. } = of;
    let when = when(*stage);
    let mut out = format!(
        "<article>\n<h3><code>{}</code></h3>\n<p class=\"when\">{when}, seed {seed}</p>\n<p>{}</p>\n",
        text(signature),
        text(&printable(sentence))
    );
    out += "<table class=\"noise\">\n";
    let mut row = |what: &str, count: Count| {
        let told = if count.hits == 0 { "fail: it holds" } else { "fail" };
        let _ = writeln!(out, "<tr><td>{what}</td><td>{}</td></tr>", bar(count, told));
    };
    row("all on the base", of.on_base);
    row("all on the candidate", of.on_candidate);
    if matches!(stage, Stage::Rolling(_)) {
        row("as it was", of.as_it_was);
    }
    let _ = writeln!(
        out,
        "</table>\n<p class=\"note\">That plan under {} noise seeds.</p>\n{}</article>",
        of.on_base.of,
        again(shown)
    );
    out
}

/// What the contract allows, what is mended, what is the candidate's own promise, and what is not told from the base.
pub fn others(told: &Told<'_>) -> String {
    let verdict = told.verdict;
    let allowed: Vec<String> =
        verdict.allowed.iter().map(|(signature, _)| signature.clone()).collect();
    let lists = [
        ("Allowed", "worse than under the base, as the contract allows", &allowed),
        ("Mended", "rarer with everybody on the candidate than under the base", &verdict.mended),
        (
            "Promised by the candidate alone",
            "and not kept while hosts change: no loss, for the base promises nothing of it",
            &verdict.not_yet,
        ),
        (
            "Not told from the base",
            "seen where the base has none, but on the same plans under other noise the base has it too, or it \
             hardly ever comes",
            &verdict.unclear,
        ),
    ];
    let mut inner = String::new();
    for (name, what, signatures) in lists {
        if signatures.is_empty() {
            continue;
        }
        let _ =
            writeln!(inner, "<h3>{name}: {}</h3>\n<p class=\"note\">{what}</p>", signatures.len());
        inner += "<ul class=\"signatures\">\n";
        for signature in signatures {
            let _ = writeln!(inner, "<li><code>{}</code></li>", text(signature));
        }
        inner += "</ul>\n";
    }
    if let Some(asked) = asked_of_base(verdict) {
        let _ = writeln!(inner, "<p class=\"note\">{}.</p>", text(&asked));
    }
    let seen: Vec<_> = verdict.proven.iter().flat_map(|of| &of.seen).collect();
    if !seen.is_empty() {
        let _ = writeln!(
            inner,
            "<h3>Seen in the order, not told from chance: {}</h3>\n<p class=\"note\">under other noise the same plans do \
             not do it more often than with everybody on the base</p>",
            seen.len()
        );
        // Its card would be that of a loss.
        let again =
            |of: &InOrder| Shown { replay: (told.shown)(&of.file_name()).replay, card: None };
        inner.extend(seen.iter().map(|of| in_order(of, false, &again(of))));
    }
    for (name, stage) in &verdict.unseen {
        let _ = writeln!(
            inner,
            "<p class=\"note\">The contract names <code>{}</code> ({}), which no run has violated, at any stage.</p>",
            text(name),
            text(where_to(*stage))
        );
    }
    for of in &verdict.capped {
        let _ = writeln!(
            inner,
            "<p class=\"note\">Not all was looked at: {}.</p>",
            text(&of.to_string())
        );
    }
    section("others", "What is no loss", &inner)
}
