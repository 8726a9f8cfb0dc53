//! How a case fails, as it is kept with it, and what is different when it no longer does.
//!
//! The events are kept in files, so their words stay as they are: those of a card ([`super::card`]) are for the
//! eye.

use super::printable;
use crate::{
    mechanism,
    plan::{case::Story, rollout},
    properties::{About, Violation},
    record::{Applied, Kind, Line},
    world::Outcome,
};
use std::collections::BTreeSet;

/// How many events are kept with a case, of those that touched what it is about.
const EVENTS: usize = 14;

/// The story of a violation.
pub fn story(outcome: &Outcome, violation: &Violation) -> Story {
    let broken_by = outcome.line_of(violation);
    let events = events(&outcome.trace.lines, &violation.about, broken_by);
    Story {
        mechanism: mechanism::of(outcome, violation),
        events: events.into_iter().map(|line| printable(&event(line))).collect(),
    }
}

/// The first event of a story that did not come in a run; `None` if all did.
pub fn first_missing<'a>(story: &'a Story, outcome: &Outcome) -> Option<&'a str> {
    let happened: BTreeSet<_> =
        outcome.trace.lines.iter().map(|line| printable(&event(line))).collect();
    story.events.iter().find(|event| !happened.contains(*event)).map(String::as_str)
}

/// The last lines that touch a violation, up to the one that broke the property if one did.
fn events<'a>(lines: &'a [Line], about: &About, broken_by: Option<u64>) -> Vec<&'a Line> {
    let until = lines.iter().rev().skip_while(|line| broken_by.is_some_and(|n| line.n > n));
    let is_fault =
        |line: &Line| matches!(line.kind, Kind::FaultStart { .. } | Kind::FaultEnd { .. });
    let shown = |line: &&Line| is_fault(line) || Some(line.n) == broken_by || about.touches(line);
    let mut events: Vec<_> = until.filter(shown).take(EVENTS).collect();
    events.reverse();
    events
}

fn event(line: &Line) -> String {
    let what = match &line.kind {
        Kind::PduSent(f) => format!(
            "sends {} seq {} on connection {}",
            teamtalk::catalogue::name(f.pdu.command()).unwrap_or("?"),
            f.pdu.header.seq_num,
            f.conn
        ),
        Kind::PduReceived(f) => format!(
            "receives {} seq {} on connection {}",
            teamtalk::catalogue::name(f.pdu.command()).unwrap_or("?"),
            f.pdu.header.seq_num,
            f.conn
        ),
        Kind::Fact(fact) => format!("{fact:?}"),
        Kind::Row { conversation, msg_id, from, content } => {
            format!("row: {content} from user {from} in {conversation} under msg_id {msg_id}")
        }
        Kind::Store(Applied { store, what, effect, .. }) => format!("{store}: {what}: {effect}"),
        Kind::FaultStart { fault, what } => rollout::begins(*fault, what),
        Kind::FaultEnd { fault, hit } => rollout::ends(*fault, *hit),
        Kind::OnSide { side } => format!("is on the side of {} from here on", side.name()),
        Kind::Panic { message, at } => format!("PANICS at {at}: {message}"),
        Kind::Endless { message } => format!("RUNS WITHOUT END: {message}"),
        other => format!("{other:?}"),
    };
    format!("{:>10.3} ms {:<8} {what}", line.sim_us as f64 / 1_000.0, line.host)
}

#[cfg(test)]
mod tests {
    use super::{EVENTS, events};
    use crate::{
        plan::Role,
        properties::{About, Subject},
        record::{End, Kind, Line},
    };
    use teamtalk::conversation::Conversation;

    #[test]
    fn a_story_has_what_touched_it_up_to_the_line_that_broke_it() {
        let line = |n: u64| {
            let kind = match n % 3 {
                0 => Kind::Row {
                    conversation: Conversation::single(1, 2),
                    msg_id: n as u32,
                    from: 1,
                    content: "a".into(),
                },
                _ => Kind::Disconnected { conn: n, end: End::Dialler },
            };
            Line { n, sim_us: n, host: Role::Sql.host(), incarnation: 1, kind }
        };
        let lines: Vec<_> = (0..90).map(line).collect();
        let shown = |about: About, broken_by| {
            events(&lines, &about, broken_by).iter().map(|line| line.n).collect::<Vec<_>>()
        };
        let touching: Vec<u64> = (0..90).step_by(3).collect();
        let a = || About::from([Subject::Content("a".into())]);
        assert_eq!(shown(a(), None), touching[30 - EVENTS..]);
        assert_eq!(shown(a(), Some(7)), [0, 3, 6, 7]);
        assert_eq!(shown(About::default(), Some(50)), [50]);
        assert!(shown(About::default(), None).is_empty());
    }
}
