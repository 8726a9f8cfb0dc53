//! Where both sides are the same `verify` finds nothing: no regression, no difference in what users see, no unsafe mix, and
//! what it puts in an order holds. Also where the candidate's side runs under other noise than the base's.
//!
//! Some minutes with an optimised build, so that only the nightly run has it: `cargo test --release --package teamtalk-sim
//! --test equal -- --ignored`. `SIM_SEEDS` looks at other numbers of seeds.

use std::{num::NonZero, sync::atomic::AtomicBool};
use teamtalk_sim::{
    plan::{
        case::ProtocolSpec,
        generate::{Deployment, Profile},
        rollout::ROLES,
    },
    pool::Pool,
    run::Runner,
    verify::{Contract, Given, Known, Pair, Programs, Verification},
};

/// Where seeds begin.
const STARTS: [u64; 5] = [1, 1001, 2001, 3001, 4001];
/// The noise of the candidate's side: each plan's own, and others.
const NOISES: [u64; 3] = [0, 1, 77];
/// So many seeds from each start.
const SEEDS: u64 = 30;

/// All that a verification of `hardened` against a candidate says that it would not if they were the same.
#[allow(clippy::disallowed_methods, reason = "the rig's own threads")]
fn differences(candidate: &ProtocolSpec, from: u64, noise: u64, seeds: u64) -> Vec<String> {
    let jobs = std::thread::available_parallelism().map_or(1, NonZero::get);
    let stop = AtomicBool::new(false);
    let verification = Verification {
        pair: Pair { base: ProtocolSpec::preset("hardened"), candidate: candidate.clone() },
        from,
        seeds,
        profile: Profile::Default,
        deployment: Deployment::default(),
        rolling: true,
        contract: Contract::default(),
        candidate_noise: noise,
        pool: Pool::new(Runner::default(), jobs, &stop),
        programs: Programs::default(),
        given: Given::new(),
        shrink_runs: 0,
        known: Known::default(),
        progress: &|_| {},
    };
    let verdict = verification.run();
    let mut all: Vec<String> = Vec::new();
    let signatures = verdict.rows.keys().chain(&verdict.not_yet).chain(&verdict.unclear);
    all.extend(signatures.map(|of| format!("violated: {of}")));
    all.extend(verdict.regressions.iter().map(|of| format!("a regression: {}", of.signature)));
    let unsafe_mixes = verdict.constraints.iter().chain(&verdict.unconfirmed);
    all.extend(unsafe_mixes.map(|of| format!("unsafe: {}: {}", of.cause, of.signature)));
    let differ = verdict.differences.iter();
    all.extend(differ.map(|of| {
        let (name, stage) = (of.figure.name, of.stage());
        format!("{name} differs ({stage}): larger in {}, smaller in {}", of.larger, of.smaller)
    }));
    match &verdict.proven {
        Some(proven) => {
            let order = &proven.order;
            let is_any = order.at_once.is_empty() && order.returns == ROLES.len();
            let holds = proven.lost.is_empty() && proven.seen.is_empty();
            let ran = proven.forward.of > 0 && proven.back.of > 0;
            let free = proven.forward.hits + proven.back.hits == 0;
            if !(is_any && holds && ran && free) {
                all.push(format!("an order that is not free: {proven:?}"));
            }
        }
        None => all.push("no order".into()),
    }
    if !verdict.is_safe(true) {
        all.push("it is not safe".into());
    }
    all
}

fn seeds() -> u64 {
    std::env::var("SIM_SEEDS").map_or(SEEDS, |n| n.parse().expect("a number"))
}

#[test]
#[ignore = "needs some minutes: .ci/nightly runs it"]
fn equal_sides_differ_in_nothing() {
    for from in STARTS {
        for noise in NOISES {
            let found = differences(&ProtocolSpec::preset("hardened"), from, noise, seeds());
            assert!(found.is_empty(), "from {from}, noise {noise}: {}", found.join("\n"));
        }
    }
}

/// Else the test above says nothing: from each start a planted difference is found.
#[test]
#[ignore = "needs a minute: .ci/nightly runs it"]
fn a_switch_that_differs_is_found_from_each_start() {
    let candidate = ProtocolSpec::preset("hardened").with("whole-audio", false);
    for from in STARTS {
        let found = differences(&candidate, from, 0, seeds()).join("\n");
        assert!(found.contains("a regression: integrity/duration/db"), "from {from}: {found}");
    }
}
