//! A verification as one page for a browser (docs/DEPLOY.md): for who would rather look than read.
//!
//! It needs no script: all of it is laid out here, is the same bytes for the same verdict, and prints.

mod constraints;
mod graph;
mod head;
mod losses;
mod stages;
mod table;
#[cfg(test)]
pub(super) mod tests;
#[cfg(test)]
mod tests_order;
mod users;

use super::{
    html::{document, text},
    verify_told::{Shown, Told},
};
use crate::verify::Count;

/// The text of the page.
pub fn page(told: &Told<'_>) -> String {
    let (base, candidate) = (told.pair.base.label(), told.pair.candidate.label());
    let title = format!("{}: {base} to {candidate}", head::word(told));
    let body = [
        head::head(told),
        "<main>\n".into(),
        head::on_the_wire(told),
        head::changes(told),
        stages::stages(told),
        constraints::constraints(told),
        losses::losses(told),
        table::table(told.verdict),
        users::users(told.verdict),
        losses::others(told),
        "</main>".into(),
    ];
    document(&title, include_str!("style.css"), &body.concat())
}

/// How to see a case again, and its card.
fn again(shown: &Shown) -> String {
    let card = shown.card.as_ref().map(|card| {
        format!("<details><summary>Card</summary>\n<pre>{}</pre></details>\n", text(card))
    });
    let replay = text(&shown.replay);
    format!("<p class=\"replay\">Again: <code>{replay}</code></p>\n{}", card.unwrap_or_default())
}

/// A part of the page under a heading; nothing if nothing is in it.
fn section(class: &str, heading: &str, inner: &str) -> String {
    match inner {
        "" => String::new(),
        inner => {
            format!(
                "<section class=\"card {class}\">\n<h2>{}</h2>\n{inner}</section>\n",
                text(heading)
            )
        }
    }
}

/// A share in hundredths: `13`, `2.5`, `0`.
fn hundredths(count: Count) -> String {
    let share = 100.0 * count.hits as f64 / count.of.max(1) as f64;
    match share {
        0.0 => "0".into(),
        few if few < 9.95 => format!("{few:.1}"),
        many => format!("{many:.0}"),
    }
}

/// How many of how many, as a bar and in numbers.
fn bar(count: Count, what: &str) -> String {
    format!(
        "<span class=\"bar\" style=\"--share:{}%\"></span> <b>{}</b> of {} {}",
        hundredths(count),
        count.hits,
        count.of,
        text(what)
    )
}
