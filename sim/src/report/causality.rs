//! What is said of why a case fails.

use crate::{
    causality::{Explained, Inevitable, Mended, Moment, SURE},
    picture::Teller,
    record::Trace,
};
use std::fmt::Write;

/// How many lines of the trace are shown of what decided it.
const LINES: usize = 4;

/// From when on it is inevitable, what happened there, and how likely it was before.
pub fn causality(explained: &Explained, trace: &Trace, teller: &Teller<'_>) -> String {
    let mut out = String::new();
    match &explained.inevitable {
        None => {
            let _ = writeln!(out, "nowhere inevitable before it fails: the last draws decide it");
        }
        Some(Inevitable { from_ms: 0, .. }) => {
            let _ = writeln!(
                out,
                "inevitable: its operations and faults are enough, whatever is drawn ({SURE} of {SURE})"
            );
        }
        Some(inevitable) => out += &decided(inevitable, trace, teller),
    }
    if let Some((from_to, columns)) = share(explained) {
        let _ = writeln!(
            out,
            "it fails so often if draws are new from a moment on, {from_to} (a full column: always):"
        );
        let _ = writeln!(out, "  {columns}");
    }
    out + &mended(&explained.mended)
}

/// How often it fails if draws are new from a moment on: which moments, and a column each; `None` if it
/// always does.
pub fn share(explained: &Explained) -> Option<(String, String)> {
    let [first, .., last] = explained.moments.as_slice() else { return None };
    if explained.moments.iter().all(Moment::is_sure) {
        return None;
    }
    let from_to = format!("{} to {} ms", thousands(first.at_ms), thousands(last.at_ms));
    Some((from_to, explained.moments.iter().map(column).collect()))
}

/// Which switches mend it, in a line.
pub fn mended(mended: &Mended) -> String {
    let Mended { failing, off, by } = mended;
    if *off == 0 {
        return "mended by: no switch of hardened is off\n".into();
    }
    let so_often = format!("as it is, under {failing}");
    if mended.is_too_rare() {
        return format!(
            "mended by, and needs: unknown, it fails too rarely ({so_often} of {SURE} noise seeds)\n"
        );
    }
    if by.is_empty() {
        return format!(
            "mended by: no switch of hardened alone ({so_often} of {SURE} noise seeds)\n"
        );
    }
    let by = by.join(", or ");
    format!(
        "mended by: {by} (fails under 0 of {SURE} noise seeds, nor a little earlier or later; {so_often})\n"
    )
}

fn decided(inevitable: &Inevitable, trace: &Trace, teller: &Teller<'_>) -> String {
    let (from, drawn) = (thousands(inevitable.from_ms), drawn_before(inevitable));
    let mut out = format!(
        "inevitable from {from} ms on, given the plan's operations and faults ({SURE} of {SURE}):\n  \
         drawn in the tick before it: {drawn}"
    );
    let relation = relation_of_events(inevitable);
    if !relation.is_empty() {
        let _ = write!(out, "; {relation}:");
    }
    out.push('\n');
    for event in events_of(inevitable, trace, teller) {
        let _ = writeln!(out, "  {event}");
    }
    out
}

/// What was drawn in the tick that decided it, in words.
pub fn drawn_before(inevitable: &Inevitable) -> String {
    let of = |(purpose, n): (&&'static str, &u64)| match n {
        1 => meaning(purpose).to_string(),
        n => format!("{} ({n} times)", meaning(purpose)),
    };
    inevitable.draws.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// What the events of [`events_of`] are to what was drawn.
pub fn relation_of_events(inevitable: &Inevitable) -> &'static str {
    let Inevitable { about, lines, .. } = inevitable;
    match (about.as_slice(), lines.as_slice()) {
        ([], []) => "",
        ([], _) => "what happened in that tick",
        ([_], _) => "it was about this",
        _ => "it was about these",
    }
}

/// The first lines of the trace that this was about or, if that is not known, that happened there, in words.
pub fn events_of(
    inevitable: &Inevitable,
    trace: &Trace,
    teller: &Teller<'_>,
) -> impl Iterator<Item = String> {
    let Inevitable { about, lines, .. } = inevitable;
    let of_trace = about.iter().chain(lines).filter_map(|n| trace.lines.get(*n as usize));
    of_trace.take(LINES).map(|line| teller.event(line))
}

/// What a draw of this purpose decides, in words.
fn meaning(purpose: &str) -> &str {
    match purpose {
        "sql before" => "when SQL applies a statement",
        "sql between" => "when SQL applies the next statement of a round trip",
        "sql after" => "when SQL answers",
        "sql arrived" => "whether what has arrived is done without its client",
        "sql alone" => "whether a statement runs on without its client",
        "redis before" => "when Redis applies a command",
        "redis after" => "when Redis answers",
        "db-link" => "which connection to a db_proxy is picked",
        "db-worker" => "which worker of a db_proxy is picked",
        "cache-connection" => "which connection to Redis is picked",
        "jitter" => "the latency of a link with jitter",
        "reset-after" => "when a stream that lost data is reset",
        other => other,
    }
}

/// A column as high as the share of runs that fail: none only if none does, and a full one only if all do.
fn column(moment: &Moment) -> char {
    const COLUMNS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Moment { runs, failing, .. } = *moment;
    let eighths = (failing * 8).checked_div(runs).unwrap_or_default();
    COLUMNS[if failing == 0 { 0 } else { eighths.clamp(1, 8) as usize }]
}

/// A number with a comma between thousands.
pub fn thousands(n: u64) -> String {
    match n / 1_000 {
        0 => n.to_string(),
        more => format!("{},{:03}", thousands(more), n % 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::{column, thousands};
    use crate::causality::Moment;

    #[test]
    fn columns_are_as_high_as_the_share() {
        let of = |failing| column(&Moment { at_ms: 0, runs: 10, failing });
        assert_eq!([0, 1, 5, 9, 10].map(of), [' ', '▁', '▄', '▇', '█']);
        let of_many = |failing| column(&Moment { at_ms: 0, runs: 1_000, failing });
        assert_eq!([1, 125, 999, 1_000].map(of_many), ['▁', '▁', '▇', '█']);
        assert_eq!([5, 1_185, 1_000_000].map(thousands), ["5", "1,185", "1,000,000"]);
    }
}
