//! Each switch of `hardened` earns its place: with only that one off, and what is nothing without
//! it, a campaign breaks the property that the switch documents.
//!
//! `SIM_SWITCH=name` looks at one switch, `SIM_SEEDS` at other numbers of seeds.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};
use teamtalk::protocol::{Protocol, SWITCHES};
use teamtalk_sim::{
    explore::{Campaign, Found, Long, explore},
    plan::{
        case::ProtocolSpec,
        generate::{Deployment, Profile},
    },
};

/// A violation must come within this many seeds (our decision): what takes more is missed too
/// rarely to be worth a switch.
const SEEDS: u64 = 500;

/// What a hunt with one switch off came to.
struct Hunt {
    /// The first seed whose run broke the documented property.
    found: Option<u64>,
    /// Everything that was broken until then, with how often.
    broken: BTreeMap<String, u64>,
}

fn hunt(switch: &str, property: &str, seeds: u64) -> Hunt {
    let protocol = ProtocolSpec::preset("hardened").with(switch, false);
    let campaign = Campaign {
        from: 1,
        seeds,
        jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        protocol,
        profile: Profile::Default,
        deployment: Deployment::default(),
        keep_going: true,
        long: Long::default(),
    };
    let mut hunt = Hunt { found: None, broken: BTreeMap::new() };
    let stop = AtomicBool::new(false);
    explore(&campaign, &stop, |report, found| {
        let Some(Found { outcome, .. }) = found else { return };
        for violation in &outcome.violations {
            *hunt.broken.entry(violation.signature()).or_default() += 1;
            if violation.property == property {
                hunt.found = Some(hunt.found.map_or(report.seed, |seed| seed.min(report.seed)));
                stop.store(true, Ordering::Relaxed);
            }
        }
    })
    .expect("every switch has a name");
    hunt
}

#[test]
fn each_switch_is_missed_by_the_property_that_it_documents() {
    let only = std::env::var("SIM_SWITCH").ok();
    let seeds = std::env::var("SIM_SEEDS").map_or(SEEDS, |n| n.parse().expect("a number"));
    let mut survivors = Vec::new();
    let mut looked_at = 0;
    let hardened = Protocol::hardened();
    let on = SWITCHES.iter().filter(|s| hardened.get(s.name) == Some(true));
    for switch in on.filter(|s| only.as_ref().is_none_or(|name| name == s.name)) {
        looked_at += 1;
        let Hunt { found, broken } = hunt(switch.name, switch.property, seeds);
        match found {
            Some(seed) => println!("{:<24} {:<18} seed {seed}", switch.name, switch.property),
            None => survivors.push(format!(
                "without {} nothing broke {} in {seeds} seeds; broken: {broken:?}",
                switch.name, switch.property
            )),
        }
    }
    assert!(looked_at > 0, "no switch of hardened is called {only:?}");
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}
