//! Each signature in each stage.

use super::{head::signatures, hundredths, section, text};
use crate::{
    report::verify::columns,
    verify::{Count, Row, Stage, Verdict},
};
use std::fmt::Write;

/// One signature with its counts.
type Of<'a> = (&'a String, &'a Row);

pub fn table(verdict: &Verdict) -> String {
    if verdict.runs.is_empty() {
        return String::new();
    }
    if verdict.rows.is_empty() {
        let held = "<p>All properties held in every run.</p>\n";
        return section("", "Runs in which it was violated", held);
    }
    let is_regression = |of: &Of<'_>| verdict.regressions.iter().any(|r| r.signature == *of.0);
    let of_base = |row: &Row| row.counts.get(&Stage::Base).is_some_and(|count| count.hits > 0);
    let is_open = |of: &Of<'_>| {
        !of_base(of.1) || verdict.not_yet.contains(of.0) || verdict.unclear.contains(of.0)
    };
    let (worse, others): (Vec<_>, Vec<_>) = verdict.rows.iter().partition(is_regression);
    let (open, folded): (Vec<_>, Vec<_>) = others.into_iter().partition(is_open);
    let columns = columns(verdict);
    let mut rows: String = worse.iter().map(|of| row(*of, &columns, "bad", "regression")).collect();
    rows += &open.iter().map(|of| row(*of, &columns, "", why(verdict, of.0))).collect::<String>();
    let mut inner = match rows.as_str() {
        "" => "<p>Nothing but what the base violates, too, and no less.</p>\n".into(),
        rows => with_head(verdict, &columns, rows),
    };
    if !folded.is_empty() {
        let rows = folded.iter().map(|of| row(*of, &columns, "", why(verdict, of.0)));
        let _ = writeln!(
            inner,
            "<details>\n<summary>{} of the base that {} no regression</summary>\n{}</details>",
            signatures(folded.len()),
            if folded.len() == 1 { "is" } else { "are" },
            with_head(verdict, &columns, &rows.collect::<String>())
        );
    }
    section("", "Runs in which it was violated", &inner)
}

/// What is known of one that is no regression.
fn why(verdict: &Verdict, signature: &String) -> &'static str {
    let lists = [
        (&verdict.not_yet, "promised by the candidate alone"),
        (&verdict.unclear, "not told from the base"),
        (&verdict.mended, "mended"),
    ];
    lists.iter().find(|(list, _)| list.contains(signature)).map_or("", |(_, why)| why)
}

fn with_head(verdict: &Verdict, columns: &[Stage], rows: &str) -> String {
    let mut out =
        String::from("<div class=\"wide\"><table class=\"heat\">\n<tr><th>signature</th>");
    for stage in columns {
        let runs = verdict.runs.get(stage).copied().unwrap_or_default();
        let _ = write!(out, "<th class=\"number\">{}<small>{runs} runs</small></th>", stage.name());
    }
    format!("{out}</tr>\n{rows}</table></div>\n")
}

fn row((signature, row): Of<'_>, columns: &[Stage], class: &str, why: &str) -> String {
    let why = if why.is_empty() { String::new() } else { format!(" <small>{why}</small>") };
    let mut out = format!("<tr class=\"{class}\"><td><code>{}</code>{why}</td>", text(signature));
    for stage in columns {
        out += &match row.counts.get(stage) {
            None => "<td class=\"number none\">–</td>".to_string(),
            Some(Count { hits: 0, .. }) => "<td class=\"number none\">·</td>".into(),
            Some(count) => {
                let share = hundredths(*count);
                format!(
                    "<td class=\"number\" style=\"--share:{share}%\">{share} %<small>{}/{}</small></td>",
                    count.hits, count.of
                )
            }
        };
    }
    out + "</tr>\n"
}
