//! What users see, and what it costs.

use super::{section, text};
use crate::{
    report::verify::{FIGURES, while_changing},
    verify::{Stage, Verdict},
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
    out += "</tr>\n";
    for (name, figure) in FIGURES {
        let _ = write!(out, "<tr><td>{}</td>", text(name));
        for (_, measure) in &columns {
            let _ = write!(out, "<td class=\"number\">{:.1}</td>", figure(measure));
        }
        out += "</tr>\n";
    }
    section("", "What users see", &(out + "</table></div>\n"))
}
