//! What is said of why a case fails.

use super::{event, printable};
use crate::{
    causality::{Explained, Inevitable, Mended, Moment, SURE},
    record::Trace,
};
use std::fmt::Write;

/// How many lines of the trace are shown of the tick that decided it.
const LINES: usize = 3;

/// From when on it is inevitable, what happened there, and how likely it was before.
pub fn causality(explained: &Explained, trace: &Trace) -> String {
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
        Some(inevitable) => out += &decided(inevitable, trace),
    }
    let is_decided = explained.moments.iter().all(Moment::is_sure);
    if let [first, .., last] = explained.moments.as_slice()
        && !is_decided
    {
        let curve: String = explained.moments.iter().map(column).collect();
        let (from, to) = (thousands(first.at_ms), thousands(last.at_ms));
        let _ = writeln!(
            out,
            "it fails so often if draws are new from a moment on, {from} to {to} ms (a full column: always):"
        );
        let _ = writeln!(out, "  {curve}");
    }
    out + &mended(&explained.mended)
}

fn mended(mended: &Mended) -> String {
    let Mended { failing, off, by } = mended;
    if *off == 0 {
        return "mended by: no switch of hardened is off\n".into();
    }
    let so_often = format!("as it is, under {failing}");
    if mended.is_too_rare() {
        return format!(
            "mended by: unknown, it fails too rarely ({so_often} of {SURE} noise seeds)\n"
        );
    }
    if by.is_empty() {
        return format!(
            "mended by: no switch of hardened alone ({so_often} of {SURE} noise seeds)\n"
        );
    }
    let by = by.join(", or ");
    format!("mended by: {by} (fails under 0 of {SURE} noise seeds; {so_often})\n")
}

fn decided(inevitable: &Inevitable, trace: &Trace) -> String {
    let Inevitable { from_ms, draws, lines } = inevitable;
    let drawn: Vec<_> = draws
        .iter()
        .map(|(purpose, n)| {
            let what = meaning(purpose);
            if *n == 1 { what.to_string() } else { format!("{what} ({n} times)") }
        })
        .collect();
    let from = thousands(*from_ms);
    let mut out = format!(
        "inevitable from {from} ms on, given the plan's operations and faults ({SURE} of {SURE}):\n  \
         drawn in the tick before it: {}\n",
        drawn.join(", ")
    );
    let of_trace = lines.iter().filter_map(|n| trace.lines.get(*n as usize));
    for line in of_trace.take(LINES) {
        let _ = writeln!(out, "  {}", printable(&event(line)));
    }
    out
}

/// What a draw of this purpose decides, in words.
fn meaning(purpose: &str) -> &str {
    match purpose {
        "sql before" => "when SQL applies a statement",
        "sql between" => "when SQL applies the next statement of a round trip",
        "sql after" => "when SQL answers",
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

/// A column as high as the share of runs that fail.
fn column(moment: &Moment) -> char {
    const COLUMNS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Moment { runs, failing, .. } = moment;
    COLUMNS[((failing * 8).div_ceil((*runs).max(1))).min(8) as usize]
}

/// A number with a comma between thousands.
fn thousands(n: u64) -> String {
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
        assert_eq!([0, 1, 5, 9, 10].map(of), [' ', '▁', '▄', '█', '█']);
        assert_eq!([5, 1_185, 1_000_000].map(thousands), ["5", "1,185", "1,000,000"]);
    }
}
