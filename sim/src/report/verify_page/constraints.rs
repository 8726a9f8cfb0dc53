//! What is unsafe: drawn as a graph, and each in a sentence.

use super::{Told, again, bar, graph, section, text};
use crate::{
    report::verify_order::rule,
    verify::{Constraint, Proven},
};
use std::fmt::Write;

pub fn constraints(told: &Told<'_>) -> String {
    if !told.rolling {
        return String::new();
    }
    let verdict = told.verdict;
    let units = told.pair.units();
    let order = match &verdict.proven {
        Some(Proven { order, .. }) => &order.roles,
        None => units,
    };
    let causes: Vec<_> = verdict.constraints.iter().map(|of| &of.cause).collect();
    let mut inner = String::new();
    if !causes.is_empty() {
        inner += &graph::graph(&graph::Graph::of(&causes, order));
        inner += "<p class=\"note\">An arrow: all of this kind of host change before any of that one, so that \
                  they never meet. Broken: one of several ways to avoid it. Numbers are those below.</p>\n";
    }
    inner += "<ol class=\"constraints\">\n";
    for (at, of) in verdict.constraints.iter().enumerate() {
        inner += &one(of, told, "UNSAFE", &format!("<span class=\"n\">{}</span>", at + 1));
    }
    for of in &verdict.unconfirmed {
        inner += &one(of, told, "Seen, and not confirmed", "");
    }
    inner += "</ol>\n";
    if verdict.constraints.is_empty() && verdict.unconfirmed.is_empty() {
        let so_far = if verdict.interrupted { " so far" } else { "" };
        inner = format!("<p>Nothing was found{so_far} to be unsafe beside anything else.</p>\n");
    }
    section("unsafe", "What is unsafe on the way", &inner)
}

fn one(of: &Constraint, told: &Told<'_>, word: &str, number: &str) -> String {
    let Constraint { cause, signature, aimed, aimed_on_base, .. } = of;
    let is_ruled = !number.is_empty();
    let class = if is_ruled { "" } else { " class=\"unconfirmed\"" };
    let mut out = format!(
        "<li{class}>{number}<div><p class=\"cause\"><em>{word}</em> {}</p>\n",
        text(&cause.to_string())
    );
    if is_ruled {
        let _ = writeln!(out, "<p class=\"rule\">So: {}.</p>", text(&rule(cause)));
    }
    let why = match is_ruled && !of.is_confirmed() {
        true => " (by chance as well: it was seen when an order was run)",
        false => "",
    };
    let _ = writeln!(
        out,
        "<p>It breaks <code>{}</code></p>\n<p class=\"aimed\">{}, <b>{}</b> under the base{why}</p>\n{}</div></li>",
        text(signature),
        bar(*aimed, "seeds aimed at it break that"),
        aimed_on_base.hits,
        again(&(told.shown)(&of.file_name()))
    );
    out
}
