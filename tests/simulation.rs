//! Fixed seeds under `hardened`: every property holds.
//!
//! `SIM_FROM` and `SIM_SEEDS` take other seeds: `SIM_FROM=1000 SIM_SEEDS=500 cargo test --test simulation`.

use std::sync::atomic::AtomicBool;
use teamtalk_sim::{
    explore::{Campaign, Long, explore},
    plan::{
        case::ProtocolSpec,
        generate::{Deployment, Profile},
    },
    report,
};

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}=`{text}`: expected a number of seeds, such as 40")),
        Err(_) => default,
    }
}

#[test]
fn hardened_holds() {
    let campaign = Campaign {
        from: number("SIM_FROM", 1),
        seeds: number("SIM_SEEDS", 40),
        jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        protocol: ProtocolSpec::preset("hardened"),
        profile: Profile::Default,
        deployment: Deployment::default(),
        keep_going: true,
        long: Long::default(),
    };
    let (mut ran, mut acked, mut cards) = (0, 0, String::new());
    explore(&campaign, &AtomicBool::new(false), |report, found| {
        ran += 1;
        acked += report.acked;
        if let Some(found) = found {
            let replay = format!("cargo sim run {}", report.seed);
            for violation in &found.outcome.violations {
                cards += &report::card(&found.case, &found.outcome, violation, &replay);
            }
        }
    })
    .expect("a preset resolves");
    assert_eq!(ran, campaign.seeds, "every seed ran");
    assert!(acked > ran * 10, "only {acked} sends were acked in {ran} seeds: the workload is idle");
    assert!(cards.is_empty(), "\n{cards}");
}
