//! By which mechanism a run came to a violation: seeds with the same signature may have different
//! causes.
//!
//! It is read off the run as it was: the lines that touch what the violation is about, up to the one that
//! broke it. What is usual there (a message is sent, stored, pushed, acked) says nothing. What is not is
//! named: something was sent again, a push was dropped, a store failed, a connection that carried some of it
//! ended, a host where it came by was down. Faults are not: most of those that a run has at the same time had
//! no part in it, and those that had show by what they did.

mod plain;

pub use plain::plainest;

use crate::{
    plan::{Host, Role},
    properties::Violation,
    record::{Kind, Line},
    world::Outcome,
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{env::ConnId, fact::Fact};

/// What a mechanism without anything unusual is called: it takes nothing but a race.
pub const RACE: &str = "race";

/// What follows the ends of a connection that ended.
const LOST: &str = " connection lost";
/// What follows the role of a host that was down.
const DOWN: &str = " down";

/// The lines that led to a violation, as far as a mechanism is concerned.
#[derive(Default)]
struct Slice<'a> {
    /// Lines that touch it, in order.
    touching: Vec<&'a Line>,
    /// The connections that carried some of it.
    conns: BTreeSet<ConnId>,
    /// Where it came by.
    hosts: BTreeSet<&'a Host>,
}

/// The mechanism of a violation in a run: words, with `+` between them.
pub fn of(outcome: &Outcome, violation: &Violation) -> String {
    let slice = Slice::of(outcome, violation);
    let (Some(first), Some(last)) = (slice.touching.first(), slice.touching.last()) else {
        return RACE.into();
    };
    let mut words: BTreeSet<String> =
        slice.touching.iter().filter_map(|line| unusual(line)).map(str::to_string).collect();
    let mut ends: BTreeMap<ConnId, [Role; 2]> = BTreeMap::new();
    for line in outcome.trace.lines.iter().take_while(|line| line.n <= last.n) {
        if let Kind::Connected { conn, peer, .. } = &line.kind {
            ends.insert(*conn, [line.host.role(), peer.role()]);
        }
        if line.n >= first.n {
            words.extend(slice.broken_off(line, &ends));
        }
    }
    let causes: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !follows(word, &words)).collect();
    if causes.is_empty() { RACE.into() } else { causes.join(" + ") }
}

/// Whether a word only says what another one implies: the connections of a host that was down were lost,
/// and so was the one with which a push was dropped.
fn follows(word: &str, words: &BTreeSet<String>) -> bool {
    let Some(ends) = word.strip_suffix(LOST) else { return false };
    let is_down = |role: &str| words.contains(&format!("{role}{DOWN}"));
    ends.split('-').any(is_down) || (ends == "msg-client" && words.contains("push dropped"))
}

impl<'a> Slice<'a> {
    fn of(outcome: &'a Outcome, violation: &Violation) -> Self {
        let broken_by = outcome.line_of(violation);
        let lines = outcome.trace.lines.iter();
        let until = lines.take_while(|line| broken_by.is_none_or(|n| line.n <= n));
        let mut slice = Self::default();
        for line in until {
            if Some(line.n) == broken_by || violation.about.touches(line) {
                slice.touching.push(line);
                slice.hosts.insert(&line.host);
                if let Kind::PduSent(frame) | Kind::PduReceived(frame) = &line.kind {
                    slice.conns.insert(frame.conn);
                }
            }
        }
        slice
    }

    /// What a line took away of where it came by.
    fn broken_off(&self, line: &Line, ends: &BTreeMap<ConnId, [Role; 2]>) -> Option<String> {
        match &line.kind {
            Kind::Disconnected { conn, .. } | Kind::StreamReset { conn }
                if self.conns.contains(conn) =>
            {
                let mut roles = *ends.get(conn)?;
                roles.sort_unstable();
                Some(format!("{}-{}{LOST}", roles[0], roles[1]))
            }
            Kind::HostDown if self.hosts.contains(&line.host) => {
                Some(format!("{}{DOWN}", line.host.role()))
            }
            _ => None,
        }
    }
}

/// What a line says that does not come with every message.
fn unusual(line: &Line) -> Option<&'static str> {
    Some(match &line.kind {
        Kind::Fact(fact) => match fact {
            Fact::Attempt { attempt: 2.., .. } => "asked again",
            Fact::SendListResent { .. } => "pushed again",
            Fact::SendListExpired { .. } => "push expired",
            Fact::SendListDropped { .. } => "push dropped",
            Fact::Refused { .. } => "refused",
            Fact::StoreFailed { .. } => "store failed",
            Fact::NotServing { .. } => "not serving",
            Fact::IdFloorRaised { .. } => "floor raised",
            Fact::RepeatAnswered { .. } => "repeat answered",
            Fact::OpFailed { .. } => "given up",
            _ => return None,
        },
        Kind::StoreLost { .. } => "writes lost",
        Kind::Panic { .. } => "panic",
        Kind::Endless { .. } => "endless",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{RACE, of};
    use crate::{corpus, plan::case::Case, run::run_case};
    use std::{collections::BTreeSet, path::Path};

    /// The mechanisms of the kept cases whose names begin so.
    fn mechanisms(start: &str) -> BTreeSet<String> {
        let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(corpus::FOLDER);
        let files = corpus::files(&traces).into_iter();
        let named = files.filter(|path| {
            path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(start))
        });
        named
            .map(|path| {
                let case = Case::read(&path).expect("a kept case");
                let outcome = run_case(&case).expect("a verdict");
                let mechanism = of(&outcome, outcome.violation(&case.expect).expect("as expected"));
                assert_eq!(
                    case.story.expect("it has one").mechanism,
                    mechanism,
                    "{}",
                    path.display()
                );
                mechanism
            })
            .collect()
    }

    #[test]
    fn a_race_is_told_from_what_failed() {
        assert_eq!(mechanisms("teamtalk-unique-msg-id-"), [RACE.to_string()].into());
        assert_eq!(
            mechanisms("teamtalk-acked-is-stored-not-stored-"),
            ["store failed".into()].into()
        );
    }
}
