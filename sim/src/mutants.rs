//! Mutants: for each planted bug of the roles, the first seed in which a property sees it
//! (docs/MUTANTS.md).

use crate::{
    explore::{Campaign, Event, Long, SeedReport, explore_with},
    plan::{
        case::ProtocolSpec,
        generate::{Deployment, Profile},
    },
    run::Runner,
};
use serde::Serialize;
use std::{
    fmt::Write,
    sync::atomic::{AtomicBool, Ordering},
};
use teamtalk::mutants::Entry;

/// Mutants that may survive, each by its name with the reason.
pub const MAY_SURVIVE: &[(&str, &str)] = &[
    (
        "known-sessions-stay",
        "no session is ever deleted, so what is remembered of one stays true but in a store that was \
         restored from a copy",
    ),
    (
        "asked-before-kicks",
        "a device must come back while its old login waits for a slow db_proxy, on the same msg_server, and \
         no login after that kick may put it right: seed 7227 of `hardened` does, and traces/mutants/ has it",
    ),
    (
        "late-is-served",
        "a crowd of sends must meet a db_proxy that is behind, and be written so often that it never catches up: seeds 1997, \
         3717, 4726 and 4938 of `hardened` do, and a test of src/db_proxy/line.rs",
    ),
    (
        "answers-past-room",
        "no plan has an answer of 16 MiB, or a server that leaves as much unread: tests/limits/answers.rs has one",
    ),
    (
        "tokens-kept-for-ever",
        "no plan has a token that is 30 days old, or lasts until the job comes: tests/kept.rs does",
    ),
    ("tokens-reversed", ALONE),
    ("counters-of-their-own", ALONE),
    ("db-wants-mark", ALONE),
    ("msg-wants-mark", ALONE),
    ("sends-want-mark", ALONE),
    ("mark-for-nothing", "it is harmless: `verify` must say so"),
];

/// Why a mutant of the room `rollout` survives where everybody has it.
const ALONE: &str =
    "where everybody has it nothing is wrong: it is for `verify`, where some have it";

/// What became of one mutant. Seeds after the one that saw it do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hunted {
    /// Its name.
    pub mutant: String,
    /// What it belongs to.
    pub room: &'static str,
    /// What is broken.
    pub broken: &'static str,
    /// How many seeds were run, from 1 on.
    pub seeds: u64,
    /// In how many of them its place was reached.
    pub reached: u64,
    /// The first seed in which a property was violated in a run that reached it.
    pub first: Option<u64>,
    /// What was violated there.
    pub signatures: Vec<String>,
    /// Seeds that came to nothing.
    pub lost: Vec<u64>,
    /// What the plans were like.
    pub profile: &'static str,
    /// Why it may survive.
    pub may_survive: Option<&'static str>,
}

/// How mutants are hunted for.
#[derive(Debug, Clone)]
pub struct Hunt<'a> {
    /// How many seeds, at most.
    pub seeds: u64,
    /// How many at once.
    pub jobs: usize,
    /// What the plans are like.
    pub profile: Profile,
    /// Only what these properties see counts; all, if there are none.
    pub by: &'a [String],
}

/// Hunts for a mutant under `hardened`, from seed 1 on. `each` is called after every seed; the hunt
/// ends early when it returns false.
///
/// # Errors
/// If this build does not have the mutant.
pub fn hunt(
    runner: &Runner,
    entry: &Entry,
    hunt: &Hunt<'_>,
    mut each: impl FnMut() -> bool,
) -> Result<Hunted, String> {
    let campaign = Campaign {
        from: 1,
        seeds: hunt.seeds,
        jobs: hunt.jobs,
        protocol: ProtocolSpec::with_mutant(&entry.name()),
        profile: hunt.profile,
        deployment: Deployment::default(),
        // It ends with the first seed that counts.
        keep_going: true,
        long: Long::default(),
    };
    let sees = |report: &SeedReport| {
        let counts = |signature: &String| {
            let property = signature.split('/').next().unwrap_or_default();
            hunt.by.is_empty() || hunt.by.iter().any(|by| by == property)
        };
        report.mutants_reached > 0 && report.signatures.iter().any(counts)
    };
    let stop = AtomicBool::new(false);
    let (mut reports, mut lost) = (Vec::new(), Vec::new());
    explore_with(runner, &campaign, &stop, |event| {
        match event {
            Event::Ran(report, _) => {
                if sees(&report) {
                    stop.store(true, Ordering::Relaxed);
                }
                reports.push(report);
            }
            Event::Lost { seed, .. } => lost.push(seed),
        }
        if !each() {
            stop.store(true, Ordering::Relaxed);
        }
    })?;
    // Every seed below one that was run was run, too.
    reports.sort_by_key(|report| report.seed);
    lost.sort_unstable();
    let found = reports.iter().position(sees);
    if let Some(found) = found {
        reports.truncate(found + 1);
        lost.retain(|&seed| seed < reports[found].seed);
    }
    let by_name = MAY_SURVIVE.iter().find(|(name, _)| *name == entry.name());
    let first = found.and_then(|found| reports.get(found));
    Ok(Hunted {
        mutant: entry.name(),
        room: entry.room,
        broken: entry.broken,
        seeds: (reports.len() + lost.len()) as u64,
        reached: reports.iter().filter(|report| report.mutants_reached > 0).count() as u64,
        first: first.map(|report| report.seed),
        signatures: first.map_or(Vec::new(), |report| report.signatures.clone()),
        lost,
        profile: hunt.profile.name(),
        may_survive: by_name.map(|(_, why)| *why),
    })
}

impl Hunted {
    /// Whether it survives, and nobody has said why it may.
    pub fn is_missed(&self) -> bool {
        self.first.is_none() && self.may_survive.is_none()
    }

    /// `12: unread/lost/msg`, or how it survived.
    fn fate(&self) -> String {
        let of = match self.profile {
            "default" => String::new(),
            other => format!(" of profile `{other}`"),
        };
        let mut fate = match self.first {
            Some(seed) => format!("{seed}{of}: {}", self.signatures.join(", ")),
            None => format!("survives {} seeds{of}", self.seeds),
        };
        if !self.lost.is_empty() {
            let _ = write!(fate, " ({} seeds without a verdict)", self.lost.len());
        }
        if let (None, Some(why)) = (self.first, self.may_survive) {
            let _ = write!(fate, ", as may be: {why}");
        }
        fate
    }
}

/// A line for each mutant, and what it comes to.
pub fn table(hunted: &[Hunted]) -> String {
    let width = hunted.iter().map(|h| h.mutant.len()).max().unwrap_or(0);
    let mut out = String::new();
    for h in hunted {
        let Hunted { mutant, room, reached, seeds, .. } = h;
        let place = format!("{reached}/{seeds}");
        let _ = writeln!(out, "{room:<13} {mutant:<width$} {place:>8}  {}", h.fate());
    }
    let caught = hunted.iter().filter(|h| h.first.is_some()).count();
    let unreached = hunted.iter().filter(|h| h.first.is_none() && h.reached == 0).count();
    let mut seeds: Vec<u64> = hunted.iter().filter_map(|h| h.first).collect();
    seeds.sort_unstable();
    let median = seeds.get(seeds.len() / 2).map_or("none".into(), u64::to_string);
    let _ = writeln!(
        out,
        "{caught} of {} are seen (median: seed {median}), {} survive, {unreached} of these \
         unreached",
        hunted.len(),
        hunted.len() - caught,
    );
    out
}

/// The room of mutants that are wrong only where some hosts have them.
const ROLLOUT: &str = "rollout";

/// The head of the table in docs/MUTANTS.md.
const HEAD: &str = "| room | mutant | what is broken | reached | first seed: what it violates |\n\
    |---|---|---|---|---|\n";

/// A Markdown text with the rows of its table of mutants up to date: those of the mutants that were
/// hunted are new, those of others stay, and those of mutants that are no more go.
///
/// # Errors
/// If there is no table.
pub fn updated(text: &str, all: &[Entry], hunted: &[Hunted]) -> Result<String, String> {
    let (before, rest) = text.split_once(HEAD).ok_or("has no table of mutants")?;
    let length: usize =
        rest.split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum();
    let (rows, after) = rest.split_at(length);
    let mut out = format!("{before}{HEAD}");
    for entry in all {
        let name = format!("`{}`", entry.name());
        let old = rows.lines().find(|row| row.split('|').nth(2).map(str::trim) == Some(&name));
        let cells = match (hunted.iter().find(|h| h.mutant == entry.name()), old) {
            (Some(h), _) => format!("{} of {} | {}", h.reached, h.seeds, h.fate()),
            (None, Some(old)) => {
                let last: Vec<_> = old.split('|').skip(4).take(2).map(str::trim).collect();
                last.join(" | ")
            }
            // Those are for `verify`.
            (None, None) if entry.room == ROLLOUT => continue,
            (None, None) => "– | not hunted yet".into(),
        };
        let _ = writeln!(out, "| {} | {name} | {} | {cells} |", entry.room, entry.broken);
    }
    Ok(out + after)
}

#[cfg(test)]
mod tests {
    use super::{HEAD, Hunted, ROLLOUT, table, updated};
    use teamtalk::mutants::{Entry, Mutant};

    const ENTRIES: [Entry; 2] = [
        Entry {
            mutant: Mutant::AnyPassword,
            variant: "AnyPassword",
            room: "login",
            broken: "any password is right",
        },
        Entry {
            mutant: Mutant::HeartbeatUnanswered,
            variant: "HeartbeatUnanswered",
            room: "timers",
            broken: "no heartbeat is echoed",
        },
    ];

    fn hunted(entry: &Entry, first: Option<u64>) -> Hunted {
        let signatures = first.map(|_| "a/b/c".to_string()).into_iter().collect();
        let (seeds, reached, lost) = (first.unwrap_or(500), 3, Vec::new());
        let (mutant, room, broken) = (entry.name(), entry.room, entry.broken);
        let (profile, may_survive) = ("default", None);
        Hunted {
            mutant,
            room,
            broken,
            seeds,
            reached,
            first,
            signatures,
            lost,
            profile,
            may_survive,
        }
    }

    #[test]
    fn rows_of_mutants_that_were_not_hunted_stay() {
        let text = format!("# Head\n\n{HEAD}| x | `gone` | y | 1 of 1 | 1: z |\n\nTail\n");
        let [first, second] = &ENTRIES;
        let once = updated(&text, &ENTRIES, &[hunted(first, Some(7))]).expect("a table");
        let row = "| login | `any-password` | any password is right | 3 of 7 | 7: a/b/c |\n";
        let other = "| timers | `heartbeat-unanswered` | no heartbeat is echoed |";
        let unknown = format!("{other} – | not hunted yet |\n");
        assert_eq!(once, format!("# Head\n\n{HEAD}{row}{unknown}\nTail\n"));
        let twice = updated(&once, &ENTRIES, &[hunted(second, None)]).expect("a table");
        let known = format!("{other} 3 of 500 | survives 500 seeds |\n");
        assert_eq!(twice, format!("# Head\n\n{HEAD}{row}{known}\nTail\n"));
        assert!(updated("no table", &ENTRIES, &[]).is_err());
        let rollout = [Entry { room: ROLLOUT, ..*first }];
        let none = updated(&text, &rollout, &[]).expect("a table");
        assert_eq!(none, format!("# Head\n\n{HEAD}\nTail\n"), "that is not hunted");
    }

    #[test]
    fn a_survivor_without_a_reason_is_missed() {
        let [first, second] = &ENTRIES;
        let (seen, missed) = (hunted(first, Some(7)), hunted(second, None));
        let excused = Hunted { may_survive: Some("nothing waits"), ..missed.clone() };
        assert_eq!([&seen, &missed, &excused].map(Hunted::is_missed), [false, true, false]);
        let text = table(&[seen, missed, excused]);
        assert!(text.contains("7: a/b/c\n"), "{text}");
        assert!(text.contains("survives 500 seeds, as may be: nothing waits\n"), "{text}");
        assert!(
            text.ends_with("1 of 3 are seen (median: seed 7), 2 survive, 0 of these unreached\n")
        );
    }
}
