//! The ceilings over what a campaign forgives. A property that forgave most of what it looked at, or
//! looked at nothing, says nothing; so a campaign of `hardened` under the default profile fails with it.

use crate::{explore::SeedReport, properties::Tally};
use std::{collections::BTreeMap, fmt::Write};

/// Campaigns of fewer seeds are not judged: what is rare may not be among them.
pub const FEWEST_SEEDS: usize = 200;

/// The most that a property may forgive, in percent of its judgements and excuses together.
pub const CEILING: f64 = 2.0;

/// The properties that forgive more, with their ceilings and the reason (docs/PROPERTIES.md, "What is
/// forgiven").
pub const HIGHER: &[(&str, f64, &str)] = &[
    (
        "answered",
        12.0,
        "devices log out, crash and lose their connections with questions under way",
    ),
    ("available", 14.0, "people write to groups that they are out of, and what no store takes"),
    ("delivered", 28.0, "a device that is off line at the end has the next login for it"),
    ("order", 22.0, "bursts are sent side by side on purpose"),
    (
        "pushed",
        95.0,
        "it judges only what no fault is near to, and most phones have their pushes off at night; `pushes` \
         judges the others step by step",
    ),
    ("reachable", 30.0, "devices of one class of a user kick each other, as they are to"),
    ("send-list-acked", 6.0, "one device in 23 acks nothing, by its plan"),
    ("tokens", 6.0, "few phones register, so that one fault weighs much"),
];

/// What each property judged and forgave in a campaign.
pub fn tallies(reports: &BTreeMap<u64, SeedReport>) -> BTreeMap<&'static str, Tally> {
    let mut all: BTreeMap<&str, Tally> = BTreeMap::new();
    for (name, tally) in reports.values().flat_map(|report| &report.tallies) {
        all.entry(name).or_default().add(tally);
    }
    all
}

/// The share that was forgiven, in percent.
pub fn share(tally: &Tally) -> f64 {
    let forgiven = tally.forgiven();
    100.0 * forgiven as f64 / (tally.judged + forgiven).max(1) as f64
}

/// The ceiling of a property.
pub fn of(property: &str) -> f64 {
    HIGHER.iter().find(|(name, ..)| *name == property).map_or(CEILING, |(_, ceiling, _)| *ceiling)
}

/// What is to be said of a campaign that judged too little; `None`: nothing.
pub fn over(reports: &BTreeMap<u64, SeedReport>) -> Option<String> {
    if reports.len() < FEWEST_SEEDS {
        return None;
    }
    let mut out = String::new();
    for (name, tally) in tallies(reports) {
        let (share, ceiling) = (share(&tally), of(name));
        if tally.judged == 0 {
            let _ = writeln!(out, "JUDGED NOTHING: {name}");
        } else if share > ceiling {
            let _ = writeln!(
                out,
                "FORGAVE TOO MUCH: {name} {share:.2} %, and {ceiling} % is its ceiling"
            );
        }
    }
    (!out.is_empty()).then(|| out.trim_end().to_string())
}

#[cfg(test)]
mod tests {
    use super::{FEWEST_SEEDS, HIGHER, over};
    use crate::{
        explore::SeedReport,
        properties::{Tally, all},
    };
    use std::collections::BTreeMap;
    use teamtalk::protocol::Protocol;

    fn campaign(seeds: usize, judged: u64, excused: u64) -> BTreeMap<u64, SeedReport> {
        let tally =
            |name, judged, excused| (name, Tally { judged, excused: [("why", excused)].into() });
        let report = |seed| {
            let tallies = [tally("gate", judged, excused), tally("order", 80, 20)].into();
            (seed, SeedReport { seed, tallies, ..SeedReport::default() })
        };
        (1..=seeds as u64).map(report).collect()
    }

    #[test]
    fn a_property_that_judges_nothing_or_forgives_too_much_is_found() {
        let said = |judged, excused| over(&campaign(FEWEST_SEEDS, judged, excused));
        assert_eq!(said(98, 2), None);
        let much = "FORGAVE TOO MUCH: gate 3.00 %, and 2 % is its ceiling";
        assert_eq!(said(97, 3).as_deref(), Some(much));
        assert_eq!(said(0, 0).as_deref(), Some("JUDGED NOTHING: gate"));
        assert_eq!(over(&campaign(FEWEST_SEEDS - 1, 0, 0)), None, "too few to say");
    }

    #[test]
    fn each_property_counts_and_each_higher_ceiling_is_of_one() {
        let known = crate::properties::Known::default();
        let protocol = Protocol::hardened();
        let silent: Vec<_> =
            all(&protocol).iter().filter(|p| p.tally(&known).is_none()).map(|p| p.name()).collect();
        assert!(silent.is_empty(), "{silent:?}");
        for (name, ..) in HIGHER {
            assert!(all(&protocol).iter().any(|p| p.name() == *name), "{name}");
        }
    }
}
