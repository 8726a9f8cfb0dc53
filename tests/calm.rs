//! Calm plans, no faults: what `hardened` costs beside `teamtalk`, and what the original breaks
//! all by itself (docs/BASELINE.md).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicBool,
};
use teamtalk_sim::{
    explore::{Campaign, Found, Long, SeedReport, explore, run_case},
    plan::{
        case::{Case, FORMAT, ProtocolSpec, Protocols},
        generate::{Clients, Deployment, Profile, generate},
    },
    record::{Kind, Line},
};

/// PDUs and store commands of `hardened`, at most so many times those of `teamtalk`: polling
/// everything is no protocol (our decision).
const COST: f64 = 1.5;

fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What a campaign over calm plans found, by signature, with how many seeds showed it.
fn broken(preset: &str, seeds: u64) -> BTreeMap<String, u64> {
    let campaign = Campaign {
        from: 1,
        seeds,
        jobs: jobs(),
        protocol: ProtocolSpec::preset(preset),
        profile: Profile::Calm,
        deployment: Deployment::default(),
        keep_going: true,
        long: Long::default(),
    };
    let mut broken = BTreeMap::new();
    explore(&campaign, &AtomicBool::new(false), |_, found| {
        let Some(Found { outcome, .. }) = found else { return };
        for violation in &outcome.violations {
            *broken.entry(violation.signature()).or_default() += 1;
        }
    })
    .expect("a preset resolves");
    broken
}

/// What a run did until the liveness phase: that one goes on as long as something is owed, which
/// differs between the presets.
#[derive(Debug, Default)]
struct Cost {
    acked: u64,
    pdus: u64,
    store: u64,
}

/// The same calm plan, with the same clients' software, under a preset.
fn cost(seed: u64, preset: &str, sum: &mut Cost) {
    let protocol = ProtocolSpec::preset(preset);
    let case = Case {
        format: FORMAT,
        protocols: Protocols { base: protocol.clone(), candidate: protocol },
        seed: Some(seed),
        plan: generate(seed, Clients::Ours, Profile::Calm),
        expect: "holds".into(),
        story: None,
    };
    let outcome = run_case(&case).expect("a preset resolves");
    sum.acked += SeedReport::of(seed, &case, &outcome).acked;
    let over = |line: &&Line| line.kind != Kind::Phase { phase: "liveness" };
    for line in outcome.trace.lines.iter().take_while(over) {
        sum.pdus += u64::from(matches!(line.kind, Kind::PduSent(_)));
        sum.store += u64::from(matches!(line.kind, Kind::Store { .. }));
    }
}

#[test]
fn hardened_costs_at_most_half_as_much_again() {
    let mut sums = BTreeMap::new();
    for preset in ["teamtalk", "hardened"] {
        let mut sum = Cost::default();
        (1..=20).for_each(|seed| cost(seed, preset, &mut sum));
        sums.insert(preset, sum);
    }
    let (original, ours) = (&sums["teamtalk"], &sums["hardened"]);
    let per = |count: u64, sum: &Cost| count as f64 / sum.acked as f64;
    let pdus = per(ours.pdus, ours) / per(original.pdus, original);
    let store = per(ours.store, ours) / per(original.store, original);
    println!("an acked send costs {pdus:.2} times the PDUs, {store:.2} times the store commands");
    assert!(original.acked > 500 && ours.acked > 500, "{} {}", original.acked, ours.acked);
    assert!(pdus <= COST, "{pdus:.2} times the PDUs");
    assert!(store <= COST, "{store:.2} times the store commands");
}

#[test]
fn hardened_holds_on_calm_plans() {
    assert_eq!(broken("hardened", 40), BTreeMap::new());
}

/// The signatures in the first column of the table in docs/BASELINE.md.
fn baseline() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/BASELINE.md");
    let text = std::fs::read_to_string(path).expect("docs/BASELINE.md");
    let cell = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_string());
    text.lines().filter_map(cell).collect()
}

#[test]
fn the_original_breaks_on_calm_plans_what_the_baseline_lists_and_nothing_else() {
    let listed = baseline();
    let broken = broken("teamtalk", 200);
    let new: Vec<_> = broken.iter().filter(|(signature, _)| !listed.contains(*signature)).collect();
    assert!(new.is_empty(), "not listed in docs/BASELINE.md: {new:#?}");
    let stale: Vec<_> = listed.iter().filter(|s| !broken.contains_key(*s)).collect();
    assert!(stale.is_empty(), "listed in docs/BASELINE.md, and not seen in 200 seeds: {stale:#?}");
}
