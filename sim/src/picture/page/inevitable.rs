//! From which moment on what was violated was inevitable: a line across the lanes, in the words of the card.

use crate::{
    causality::{Explained, Inevitable, SURE},
    picture::Teller,
    record::Trace,
    report::{drawn_before, events_of, relation_of_events, share, thousands},
};
use serde_json::{Value, json};

/// The mark, as data: where the line is (`us`, in simulated microseconds; null if nothing was decided before
/// it failed), what is written on it, and what hovering shows.
pub fn of(explained: &Explained, trace: &Trace) -> Value {
    let sure = format!("{SURE} of {SURE} runs whose draws are new from there on fail");
    let mut says: Vec<(String, String)> = Vec::new();
    let (us, title, words) = match &explained.inevitable {
        None => (
            None,
            "nowhere inevitable before it fails".to_string(),
            "the last draws decide it".to_string(),
        ),
        Some(Inevitable { from_ms: 0, .. }) => {
            says.push(("how sure".into(), sure));
            let words = "its operations and faults are enough, whatever is drawn".to_string();
            (Some(0), "inevitable from the start".to_string(), words)
        }
        Some(inevitable) => {
            let drawn = drawn_before(inevitable);
            says.push(("how sure".into(), format!("{sure}, given the operations and faults")));
            says.push(("drawn in the tick before it".into(), drawn.clone()));
            let teller = Teller::of(trace);
            let events = events_of(inevitable, trace, &teller);
            let relation = relation_of_events(inevitable);
            let events = events.map(|event| (relation.to_string(), event));
            says.extend(events);
            let title = format!("inevitable from {} ms on", thousands(inevitable.from_ms));
            (
                Some(inevitable.from_ms * 1_000),
                title,
                format!("decided in the tick before: {drawn}"),
            )
        }
    };
    if let Some((from_to, columns)) = share(explained) {
        says.push((format!("fails, draws being new from {from_to} on"), columns));
    }
    json!({"us": us, "title": title, "words": words, "says": says})
}
