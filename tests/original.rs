//! The original is caught, and for the right reason: without faults and without operations that
//! overlap the same plans hold.

use std::{collections::BTreeMap, sync::atomic::AtomicBool};
use teamtalk_sim::{
    explore::{Campaign, Found, Long, explore, run_case},
    plan::{
        case::{Case, ProtocolSpec},
        generate::{Deployment, Profile},
    },
};

/// Each must be broken under this seed.
const SEEDS: u64 = 100;

/// Long enough for an operation to be over before the next one begins, expiries included.
const APART_MS: u64 = 1_500;

/// The first case with each signature.
fn first_cases() -> BTreeMap<String, Case> {
    let campaign = Campaign {
        from: 1,
        seeds: SEEDS,
        jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        protocol: ProtocolSpec::preset("teamtalk"),
        profile: Profile::Default,
        deployment: Deployment::default(),
        keep_going: true,
        long: Long::default(),
    };
    let mut first: BTreeMap<String, (u64, Case)> = BTreeMap::new();
    explore(&campaign, &AtomicBool::new(false), |report, found| {
        let Some(Found { case, outcome }) = found else { return };
        for violation in &outcome.violations {
            let signature = violation.signature();
            let known = first.get(&signature);
            if known.is_none_or(|(seed, _)| report.seed < *seed) {
                let case = Case { expect: signature.clone(), ..case.clone() };
                first.insert(signature, (report.seed, case));
            }
        }
    })
    .expect("a preset resolves");
    first.into_iter().map(|(signature, (_, case))| (signature, case)).collect()
}

/// The same plan without faults, one operation after the other.
fn tamed(case: &Case) -> Case {
    let mut case = case.clone();
    case.plan.faults.clear();
    for (n, op) in (1..).zip(&mut case.plan.operations) {
        op.at_ms = n * APART_MS;
    }
    case.plan.horizon_ms = (case.plan.operations.len() as u64 + 1) * APART_MS;
    case
}

#[test]
fn ids_and_acks_break_under_faults_and_overlaps_only() {
    let first = first_cases();
    for signature in ["unique-msg-id/two-messages/db", "send-list-acked/lost/msg"] {
        let case = first.get(signature).unwrap_or_else(|| {
            panic!("teamtalk was never seen to be {signature} in {SEEDS} seeds")
        });
        let again = run_case(case).expect("it ran before");
        assert!(again.is_expected(&case.expect), "{signature}: {}", again.found());
        let calm = run_case(&tamed(case)).expect("it ran before");
        let still = calm.violations.iter().find(|v| v.signature() == signature);
        let sentence = still.map(|v| &v.sentence);
        assert!(still.is_none(), "{signature} without a fault or an overlap: {sentence:?}");
    }
}
