//! What users see, and what it costs.

use super::{section, text};
use crate::{
    report::verify_figures::{differences_of, how_often, value, while_changing},
    verify::{FIGURES, Stage, Verdict},
};
use std::fmt::Write;

pub fn users(verdict: &Verdict) -> String {
    let of = |stage| verdict.measures.get(&stage);
    let (Some(base), Some(candidate)) = (of(Stage::Base), of(Stage::Candidate)) else {
        return String::new();
    };
    let rolling = while_changing(verdict);
    let mut columns = vec![("base", base), ("candidate", candidate)];
    if rolling.sends > 0 {
        columns.push(("while hosts change", &rolling));
    }
    let mut out = String::from("<div class=\"wide\"><table class=\"users\">\n<tr><th></th>");
    for (name, _) in &columns {
        let _ = write!(out, "<th class=\"number\">{name}</th>");
    }
    out += "<th>by more than chance</th></tr>\n";
    for figure in &FIGURES {
        let _ = write!(out, "<tr><td>{}</td>", text(figure.name));
        for (_, measure) in &columns {
            let _ = write!(out, "<td class=\"number\">{}</td>", value(figure, measure));
        }
        let differs: Vec<_> = differences_of(verdict, figure).map(how_often).collect();
        let _ = writeln!(out, "<td>{}</td></tr>", text(&differs.join("; ")));
    }
    section("", "What users see", &(out + "</table></div>\n"))
}
