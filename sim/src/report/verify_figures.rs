//! What users saw and what it cost, in words.

use crate::verify::{Differs, FEWEST, FIGURES, Figure, Measure, Stage, Verdict};
use std::fmt::Write;

/// What users saw while hosts changed, of all such runs together; nothing if there were none.
pub(super) fn while_changing(verdict: &Verdict) -> Measure {
    let mut rolling = Measure::default();
    for (stage, measure) in &verdict.measures {
        if matches!(stage, Stage::Rolling(_)) {
            rolling.add(measure);
        }
    }
    rolling.sort();
    rolling
}

/// What users see, and what it costs, where that is not as under the base.
pub(super) fn measures(verdict: &Verdict) -> String {
    let (Some(base), Some(candidate)) =
        (verdict.measures.get(&Stage::Base), verdict.measures.get(&Stage::Candidate))
    else {
        return String::new();
    };
    let rolling = while_changing(verdict);
    let mut columns = vec![("base", base), ("candidate", candidate)];
    if rolling.sends > 0 {
        columns.push(("rolling", &rolling));
    }
    let seeds = verdict.runs.get(&Stage::Base).copied().unwrap_or_default();
    if seeds < FEWEST {
        return format!(
            "\nwhat users see: {seeds} seeds are too few to tell a difference from chance\n"
        );
    }
    let differs = |figure: &&Figure| differences_of(verdict, figure).next().is_some();
    let told: Vec<_> = FIGURES.iter().filter(differs).collect();
    if told.is_empty() {
        return format!(
            "\nwhat users see: none of {} figures differs by more than chance\n",
            FIGURES.len()
        );
    }
    let mut out = format!("\n{:<40}", "what users see differently");
    columns.iter().for_each(|(name, _)| _ = write!(out, " {name:>10}"));
    out.push('\n');
    for figure in &told {
        let _ = write!(out, "  {:<38}", figure.name);
        columns.iter().for_each(|(_, of)| _ = write!(out, " {:>10}", value(figure, of)));
        let all: Vec<_> = differences_of(verdict, figure).map(how_often).collect();
        let _ = writeln!(out, "  {}", all.join("; "));
    }
    match FIGURES.len() - told.len() {
        0 => out,
        1 => out + "  one other figure differs by no more than chance\n",
        others => out + &format!("  {others} other figures differ by no more than chance\n"),
    }
}

/// Its value as a table has it; `-` if there is none.
pub(super) fn value(figure: &Figure, of: &Measure) -> String {
    (figure.of)(of).map_or_else(|| "-".into(), |value| format!("{value:.1}"))
}

/// In what stages a figure differs from the base.
pub(super) fn differences_of<'a>(
    verdict: &'a Verdict,
    figure: &'a Figure,
) -> impl Iterator<Item = &'a Differs> {
    verdict.differences.iter().filter(|of| of.figure.key == figure.key)
}

/// In how many seeds it is so.
pub(super) fn how_often(of: &Differs) -> String {
    let Differs { larger, smaller, .. } = of;
    let stage = of.stage();
    format!("{stage}: larger in {larger} seeds, smaller in {smaller}")
}
