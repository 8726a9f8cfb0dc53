//! How a case fails, as it is kept with it, and what is different when it no longer does.

use super::{event, events, printable};
use crate::{mechanism, plan::case::Story, properties::Violation, world::Outcome};
use std::collections::BTreeSet;

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
