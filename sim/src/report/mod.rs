//! What people read: the card of a failure, the summary of a campaign.

mod causality;
mod corpus;
pub(crate) mod html;
mod junit;
mod shrunk;
mod story;
pub mod verify;
mod verify_figures;
pub mod verify_json;
pub mod verify_junit;
mod verify_order;
pub mod verify_page;
pub mod verify_told;
mod violated;
mod who;

pub use crate::picture::mermaid;
pub use causality::causality;
pub(crate) use causality::{drawn_before, events_of, mended, relation_of_events, share, thousands};
pub use corpus::{Kept, corpus, with_table};
pub use junit::{Suite, junit};
pub use shrunk::shrunk;
pub use story::{first_missing, story};
pub use violated::{Made, Small, violated};

use crate::{
    causality::{Explained, SURE, Without},
    ceilings,
    chain::Chain,
    explore::SeedReport,
    floor::median_acked,
    picture::Teller,
    plan::{Durability, Pace, Plan, Role, Side, case::Case, rollout},
    properties::Violation,
    record::{Kind, Line},
    shrink::Part,
    world::{Outcome, describe},
};
use std::{collections::BTreeMap, fmt::Write};
use teamtalk::fact::Fact;

/// How many events a card shows at most, of those that led to the violation: the first ones, and the last ones.
const FIRST: usize = 8;
const LAST: usize = 12;
/// How many lines of the plan a card shows.
const PLAN_LINES: usize = 15;

/// What was violated, in a sentence, and the command that does it again.
pub fn headline(case: &Case, violation: &Violation, replay: &str) -> String {
    headline_of(case.seed, &violation.signature(), &violation.sentence, replay)
}

/// The same, where the run is over.
pub fn headline_of(seed: Option<u64>, signature: &str, sentence: &str, replay: &str) -> String {
    let seed = seed.map_or(String::new(), |s| format!(" (seed {s})"));
    let sentence = printable(sentence);
    format!("VIOLATED {signature}{seed}\n  {sentence}\nreplay:  {replay}\n")
}

/// The card of one violation.
pub fn card(case: &Case, outcome: &Outcome, violation: &Violation, replay: &str) -> String {
    full_card(case, outcome, violation, replay, None)
}

/// The card of one violation, with what is known of why the case fails, if it was explained.
pub fn full_card(
    case: &Case,
    outcome: &Outcome,
    violation: &Violation,
    replay: &str,
    explained: Option<&Explained>,
) -> String {
    let without = |part: Part| explained.map_or_else(String::new, |known| without(known, &part));
    let teller = Teller::of(&outcome.trace);
    let mut out = headline(case, violation, replay);
    let _ = writeln!(out, "trace:   {}", outcome.trace.hash());
    let _ = writeln!(out, "world:   {}", world(&case.plan));
    out += &sides(case, outcome, violation);
    out += &who::devices(&case.plan);
    if let Some(tally) = outcome.tallies.get(violation.property).filter(|of| of.forgiven() > 0) {
        let _ = writeln!(out, "excused: {} (judged {})", tally.excuses(), tally.judged);
    }
    let how_sure = explained.map_or_else(String::new, how_sure);
    let _ = writeln!(out, "plan, in time order{how_sure}:");
    let about = &violation.about;
    let told = about.operations(&case.plan.operations, &outcome.trace.lines);
    let mut lines: Vec<(u64, String, bool)> = Vec::new();
    for op in &case.plan.operations {
        let what = op.describe();
        let without = without(Part::Operation(op.id));
        lines.push((
            op.at_ms,
            format!("device {} {what}{without}", op.device),
            told.contains(&op.id),
        ));
    }
    for fault in &case.plan.faults {
        let hit = outcome.hits.get(&fault.id).map_or(String::new(), |n| format!(" [hit {n}]"));
        let without = without(Part::Fault(fault.id));
        lines.push((fault.at_ms, describe(fault) + &hit + &without, true));
    }
    for step in &case.plan.rollout {
        let without = without(Part::Step(step.id));
        lines.push((step.at_ms, step.describe() + &without, true));
    }
    for migration in &case.plan.migrations {
        let without = without(Part::Migration(migration.id));
        lines.push((migration.at_ms, migration.describe() + &without, true));
    }
    lines.sort_by_key(|l| l.0);
    let room = PLAN_LINES.saturating_sub(lines.iter().filter(|l| l.2).count());
    let mut others = 0;
    let hidden = lines.iter().filter(|l| !l.2).count().saturating_sub(room);
    for (at, what, told) in &lines {
        others += usize::from(!told);
        if *told || others <= room {
            let _ = writeln!(out, "  {at:>6} ms  {what}");
        }
    }
    if hidden > 0 {
        let _ = writeln!(out, "  … and {hidden} operations more");
    }
    if let Some(explained) = explained {
        out += &causality(explained, &outcome.trace, &teller);
    }
    out += &chain(outcome, violation, &teller);
    let _ = writeln!(
        out,
        "build:   teamtalk-sim {} under {}",
        env!("CARGO_PKG_VERSION"),
        case.protocols.base.label()
    );
    out
}

/// The events of the chain, up to the line that broke the property if one did, and how many are not shown.
fn chain(outcome: &Outcome, violation: &Violation, teller: &Teller<'_>) -> String {
    let chain = Chain::of(outcome, violation);
    let broken_by = outcome.line_of(violation);
    let mut events = teller.events(&chain, broken_by);
    let all = events.len();
    if all > FIRST + LAST {
        events.retain(|line| Some(line.n) == broken_by || !says_no_more(line));
    }
    let first = if events.len() > FIRST + LAST { FIRST } else { events.len() };
    let last = if events.len() > FIRST + LAST { events.len() - LAST } else { events.len() };
    let end = if broken_by.is_some() { ", up to the one that broke it" } else { "" };
    let mut out = format!(
        "the events that led to it{end} (#1: msg_id 1; 1-2: the chat of users 1 and 2; g1: of group 1):\n"
    );
    let told = |line: &&Line| {
        let mark = if Some(line.n) == broken_by { '>' } else { ' ' };
        let again = match chain.repeated(line) {
            0 => String::new(),
            1 => " (once more later)".into(),
            n => format!(" ({n} times more later)"),
        };
        format!("{mark} {}{again}\n", teller.event(line))
    };
    out.extend(events[..first].iter().map(told));
    if first < last {
        let _ = writeln!(out, "  … {} events between are not shown …", last - first);
    }
    out.extend(events[last..].iter().map(told));
    if events.len() < all {
        let n = all - events.len();
        let _ = writeln!(out, "  (nor {n} facts that the PDUs and rows beside them show as well)");
    }
    let shown: Vec<&Line> = events[..first].iter().chain(&events[last..]).copied().collect();
    out + &teller.connections(&shown)
}

/// Whether a line says no more than PDUs and rows beside it: a long card does without.
fn says_no_more(line: &Line) -> bool {
    matches!(
        line.kind,
        Kind::Fact(
            Fact::Attempt { attempt: ..=1, .. }
                | Fact::MsgIdIssued { .. }
                | Fact::Stored { .. }
                | Fact::SendListAdded { .. }
                | Fact::SendListAcked { .. }
        )
    )
}

/// Where it happened: the machines, and what else is not as by default.
fn world(plan: &Plan) -> String {
    let roles = [Role::Msg, Role::Route, Role::Db, Role::Client];
    let hosts = roles.map(|role| match plan.hosts(role).len() {
        1 => format!("1 {role} host"),
        n => format!("{n} {role} hosts"),
    });
    let latency = plan.latencies();
    let flushes = match plan.redis {
        Durability::Always => "each write",
        Durability::EverySecond => "every second",
        Durability::Never => "when it sees fit",
    };
    let pace = match plan.pace {
        Pace::Brisk => "five times as fast as real ones",
        Pace::Original => "as real ones",
    };
    let past = if plan.past.is_empty() { "" } else { "; the stores have a past" };
    let isolation = if plan.sql_snapshot_isolation { "; SQL isolates snapshots" } else { "" };
    let schema = plan.schema.map_or(String::new(), |of| format!("; the schema has version {of}"));
    let clocks = clocks(plan);
    format!(
        "{}; {latency} one way; Redis flushes {flushes}; timers {pace}; the plan ends at {} ms{past}{isolation}{schema}{clocks}",
        hosts.join(", "),
        plan.horizon_ms
    )
}

/// The wall clocks that are not right, but for the faults that set them.
fn clocks(plan: &Plan) -> String {
    let wrong = plan.nodes.iter().filter_map(|node| {
        node.clock.words().map(|words| format!("; the clock of {} {words}", node.host))
    });
    wrong.collect()
}

/// Who is on which side when it is violated, if there are two.
fn sides(case: &Case, outcome: &Outcome, violation: &Violation) -> String {
    let mut sides = rollout::at_start(&case.plan);
    let broken_by = outcome.line_of(violation).unwrap_or(u64::MAX);
    for line in outcome.trace.lines.iter().take_while(|line| line.n <= broken_by) {
        if let Kind::OnSide { side } = line.kind {
            sides.insert(line.host.clone(), side);
        }
    }
    if case.plan.rollout.is_empty() && sides.values().all(|side| *side == Side::Base) {
        return String::new();
    }
    let on = |side: Side| {
        let hosts = sides.iter().filter(|(_, on)| **on == side).map(|(host, _)| host.to_string());
        let hosts: Vec<_> = hosts.collect();
        if hosts.is_empty() { "nobody".into() } else { hosts.join(", ") }
    };
    let (base, candidate) = (case.protocols.base.label(), case.protocols.candidate.label());
    format!(
        "sides:   base ({base}): {}\n         candidate ({candidate}): {}\n",
        on(Side::Base),
        on(Side::Candidate)
    )
}

/// A case in a file that a person reads: its card, what shrinking it made sure of, and a diagram of what led
/// to the violation.
pub fn page_of(case: &Case, outcome: &Outcome, violation: &Violation, card: &str) -> String {
    let signature = violation.signature();
    let diagram = mermaid(case, outcome, violation);
    format!("# {signature}\n\n```text\n{card}```\n\n```mermaid\n{diagram}```\n")
}

/// What comes of the case without a part.
pub(crate) fn without(explained: &Explained, part: &Part) -> String {
    let known = explained.without.iter().find(|known| known.part == *part);
    known.map_or_else(String::new, |Without { runs, failing, .. }| match *failing {
        0 => "  [without it: holds]".into(),
        n if n == *runs => "  [without it: fails]".into(),
        n => format!("  [without it: fails under {n} of {runs} noise seeds]"),
    })
}

/// What it means that a case holds without a part.
fn how_sure(explained: &Explained) -> String {
    if explained.without.is_empty() {
        return String::new();
    }
    format!(
        " (it fails under {} of {SURE} noise seeds; what holds without a part, under none of {SURE})",
        explained.mended.failing
    )
}

/// A longer run of one character is shown as its length.
const LONGEST_RUN: usize = 24;

/// A text as a terminal can show it: control characters (the duration in front of a voice message
/// has some) are escaped, and long runs of one character are shortened.
pub(crate) fn printable(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    for run in chars.chunk_by(|a, b| a == b) {
        let shown = if run.len() > LONGEST_RUN { 3 } else { run.len() };
        for c in &run[..shown] {
            match c.is_control() {
                true => out.extend(c.escape_default()),
                false => out.push(*c),
            }
        }
        if shown < run.len() {
            let _ = write!(out, "[{} in all]", run.len());
        }
    }
    out
}

/// How often each property judged, and what it forgave, a line each.
fn excuses(reports: &BTreeMap<u64, SeedReport>) -> String {
    let mut out = String::new();
    for (name, tally) in ceilings::tallies(reports) {
        let (judged, forgiven, share) = (tally.judged, tally.forgiven(), ceilings::share(&tally));
        let name = format!("{name}: judged, excused");
        let _ = write!(out, "{name:<38} {judged}, {forgiven} ({share:.2} %)");
        let each = tally.excuses();
        let _ = writeln!(out, "{}{each}", if each.is_empty() { "" } else { ": " });
    }
    out
}

/// So many seeds, in words.
pub fn seeds(count: u64) -> String {
    let noun = if count == 1 { "seed" } else { "seeds" };
    format!("{count} {noun}")
}

/// The summary of a campaign.
pub fn summary(reports: &BTreeMap<u64, SeedReport>, seconds: f64) -> String {
    let n = reports.len().max(1) as f64;
    let total = |f: fn(&SeedReport) -> u64| reports.values().map(f).sum::<u64>();
    let median = median_acked(reports);
    let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    let hit = reports.values().filter(|r| r.faults > r.idle_faults).count() as u64;
    let (sends, faults) = (total(|r| r.sends), total(|r| r.faults));
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} in {seconds:.1} s ({:.1} a second), {:.0} simulated seconds each",
        seeds(reports.len() as u64),
        n / seconds.max(0.001),
        total(|r| r.sim_ms) as f64 / n / 1_000.0
    );
    let _ = writeln!(out, "acked sends a seed (median)            {median}");
    let _ = writeln!(
        out,
        "seeds in which a fault hit something   {:.1} %",
        percent(hit, reports.len() as u64)
    );
    let _ = writeln!(
        out,
        "sends not answered in time at first    {:.1} %",
        percent(total(|r| r.unanswered), sends)
    );
    let _ = writeln!(out, "operations unknown at the end          {}", total(|r| r.unknown));
    let _ = writeln!(
        out,
        "idle faults                            {:.1} %",
        percent(total(|r| r.idle_faults), faults)
    );
    let per = |x: u64| x as f64 / total(|r| r.acked).max(1) as f64;
    let _ = writeln!(
        out,
        "PDUs, store commands an acked send     {:.1}, {:.1}",
        per(total(|r| r.pdus)),
        per(total(|r| r.store))
    );
    out += &excuses(reports);
    out
}

#[cfg(test)]
mod tests {
    use super::{FIRST, LAST, card, printable};
    use crate::{corpus, plan::case::Case, run::run_case};
    use std::path::Path;

    /// The lines of the card of a kept case behind the heading of its events.
    fn events(name: &str) -> Vec<String> {
        let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(corpus::FOLDER);
        let case = Case::read(&traces.join(name)).expect("a kept case");
        let outcome = run_case(&case).expect("a verdict");
        let card = card(&case, &outcome, outcome.violation(&case.expect).expect("it fails"), "");
        let (_, events) = card.split_once("the events that led to it").expect("a heading");
        events.lines().skip(1).map(str::to_string).collect()
    }

    /// Two looks of each before either has made the relation, two relations, and a draw from each one's counter.
    #[test]
    fn a_card_shows_what_the_stores_did_with_what_it_is_about() {
        let events = events("teamtalk-unique-msg-id-two-messages-db-race-fcea2aca.json");
        let of = |what: &str| events.iter().filter(|line| line.contains(what)).count();
        assert_eq!(
            of("select id from IMRelationShip where smallId=1 and bigId=4"),
            4,
            "{events:#?}"
        );
        assert_eq!(of("commits relation"), 2, "{events:#?}");
        assert_eq!((of("INCRBY msg_id_1 1 → 1"), of("INCRBY msg_id_2 1 → 1")), (1, 1));
        assert_eq!(of("IMRecentSession") + of("not shown"), 0, "{events:#?}");
        assert_eq!(events.iter().filter(|line| line.starts_with('>')).count(), 1);
    }

    #[test]
    fn a_long_card_has_the_first_events_and_the_last_ones_and_counts_the_others() {
        let events = events("hardened-available-never-acked-db-asked-again-12e1c716.json");
        let is_event = |line: &&String| line.contains(" ms ") && line.starts_with("  ");
        assert_eq!(events.iter().filter(is_event).count(), FIRST + LAST, "{events:#?}");
        let cut = &events[FIRST];
        assert!(cut.starts_with("  … ") && cut.ends_with(" events between are not shown …"));
    }

    #[test]
    fn what_a_terminal_cannot_show_is_escaped_and_long_runs_are_counted() {
        assert_eq!(printable("\0\u{5}op-1 \"x\""), "\\u{0}\\u{5}op-1 \"x\"");
        assert_eq!(printable(&format!("a{}b", ".".repeat(30))), "a...[30 in all]b");
        assert_eq!(printable(&".".repeat(24)), ".".repeat(24));
    }
}
