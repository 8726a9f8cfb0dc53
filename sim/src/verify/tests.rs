//! Verifications of which most runs are given, with what is planted in them: base and candidate are the same.

use super::{
    Came, Cause, Constraint, Contract, Count, Given, Known, Pair, Programs, Progress, Stage, Terms,
    Verdict, Verification, Violated, check_seeds, search::is_explained, sides::Sides,
};
use crate::{
    explore::case_of,
    plan::{
        Host, Role, Side,
        case::ProtocolSpec,
        generate::{Deployment, Profile, rollout::Leg},
    },
    pool::Pool,
    run::Runner,
};
use std::sync::atomic::{AtomicBool, Ordering};

const IT: &str = "order/gap/db";

/// A run that violates it.
fn planted() -> Came {
    let violated = Violated { signature: IT.into(), sentence: "planted".into(), line: None };
    Came { violated: vec![violated], ..Came::default() }
}

/// Two seeds of each stage and two of the order that hold, but for those of these seeds in rollouts.
fn given(broken: &[u64]) -> Given {
    let mut given = Given::new();
    for seed in 1..=4 {
        for stage in [Stage::Base, Stage::Candidate] {
            let judged = [("order".to_string(), 9)].into();
            given.insert((stage, seed), Came { judged, ..Came::default() });
        }
        for leg in Leg::ALL {
            let came = if broken.contains(&seed) { planted() } else { Came::default() };
            given.insert((Stage::Rolling(leg), seed), came);
        }
    }
    given
}

/// The verdict on `hardened` beside itself.
fn verdict(
    broken: &[u64],
    contract: Contract,
    stop: &AtomicBool,
    progress: &(dyn Fn(Progress) + Sync),
) -> Verdict {
    verdict_of(given(broken), contract, stop, progress)
}

/// The same, of these runs.
fn verdict_of(
    given: Given,
    contract: Contract,
    stop: &AtomicBool,
    progress: &(dyn Fn(Progress) + Sync),
) -> Verdict {
    let hardened = ProtocolSpec::preset("hardened");
    let verification = Verification {
        pair: Pair { base: hardened.clone(), candidate: hardened },
        from: 1,
        seeds: 2,
        profile: Profile::Calm,
        deployment: Deployment::default(),
        rolling: true,
        contract,
        candidate_noise: 0,
        pool: Pool::new(Runner::default(), 2, stop),
        programs: Programs::default(),
        given,
        shrink_runs: 0,
        known: Known::default(),
        progress,
    };
    verification.run()
}

/// Seed 3 is the order's own, forward. Under other noise nothing of it comes again.
#[test]
fn what_the_order_shows_and_the_base_never_did_is_kept() {
    let stop = AtomicBool::new(false);
    let verdict = verdict(&[3], Contract::default(), &stop, &|_| {});
    assert!(verdict.rows.is_empty() && verdict.unclear.is_empty());
    let proven = verdict.proven.as_ref().expect("an order");
    let seen: Vec<_> = proven.seen.iter().map(|of| (&*of.signature, of.seed, of.count)).collect();
    assert_eq!(seen, [(IT, 3, Count { hits: 1, of: 2 })]);
    assert_eq!((proven.unsure_forward, proven.unsure_back), (1, 0));
    assert!(proven.lost.is_empty() && verdict.is_safe(true));
}

/// Seed 1 while hosts change: with so few seeds the base has nothing of it, and it breaks something else.
#[test]
fn a_base_that_breaks_things_is_asked_on_more_seeds_before_something_is_new() {
    let stop = AtomicBool::new(false);
    let clean = verdict(&[1], Contract::default(), &stop, &|_| {});
    assert_eq!((clean.asked_of_base, &*clean.unclear), (0, &[IT.to_string()][..]));
    let mut given = given(&[1]);
    let signature = "order/missing/db".to_string();
    let other = Violated { signature, sentence: "planted".into(), line: None };
    given.entry((Stage::Base, 2)).or_default().violated.push(other);
    for seed in 3..=300 {
        let came = if seed % 50 == 0 { planted() } else { Came::default() };
        given.insert((Stage::Base, seed), came);
    }
    let asked = verdict_of(given, Contract::default(), &stop, &|_| {});
    assert_eq!(asked.asked_of_base, 298);
    assert!(asked.unclear.is_empty() && asked.regressions.is_empty(), "{:?}", asked.unclear);
}

/// The base does not judge `pushed`: it promises nothing of it.
#[test]
fn what_the_base_promises_nothing_of_is_not_lost_in_the_order() {
    let stop = AtomicBool::new(false);
    let mut given = given(&[3]);
    for came in given.values_mut() {
        came.violated.iter_mut().for_each(|of| of.signature = "pushed/never/db".into());
    }
    let verdict = verdict_of(given, Contract::default(), &stop, &|_| {});
    assert_eq!(verdict.not_yet, ["pushed/never/db"]);
    let proven = verdict.proven.as_ref().expect("an order");
    assert!(proven.seen.is_empty() && proven.lost.is_empty() && proven.unsure_forward == 0);
}

#[test]
fn what_the_contract_wants_in_the_order_is_broken_there() {
    let must_hold = vec!["order".to_string()];
    let contract =
        Contract { mixed: Terms { must_hold, ..Terms::default() }, ..Contract::default() };
    let stop = AtomicBool::new(false);
    let verdict = verdict(&[3], contract, &stop, &|_| {});
    let proven = verdict.proven.as_ref().expect("an order");
    let [lost] = &proven.lost[..] else { panic!("{:?}", proven.lost) };
    assert!(lost.must_hold && lost.seed == 3 && lost.case.expect == IT, "{lost:?}");
    assert_eq!(verdict.broken, [(IT.to_string(), lost.stage)]);
    assert!(verdict.constraints.is_empty() && verdict.is_unsafe(true));
}

/// No run of the order judged the property: it is not known to hold.
#[test]
fn what_must_hold_and_was_not_judged_leaves_no_verdict() {
    let must_hold = vec!["order".to_string()];
    let contract =
        Contract { mixed: Terms { must_hold, ..Terms::default() }, ..Contract::default() };
    let stop = AtomicBool::new(false);
    let verdict = verdict(&[], contract, &stop, &|_| {});
    assert_eq!(verdict.unjudged, [("order".to_string(), super::ROLLING)]);
    assert!(!verdict.is_safe(true) && !verdict.is_unsafe(true));
}

#[test]
fn what_was_stopped_before_it_was_compared_is_not_said_to_be_unclear() {
    let stop = AtomicBool::new(false);
    let stops = |progress: Progress| {
        if matches!(progress, Progress::Begins(what, _) if what.starts_with("what is worse")) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let verdict = verdict(&[1, 2], Contract::default(), &stop, &stops);
    assert_eq!(verdict.rows.keys().collect::<Vec<_>>(), [IT], "the runs were there");
    assert!(verdict.unclear.is_empty() && verdict.regressions.is_empty());
    assert!(verdict.interrupted && verdict.proven.is_none() && verdict.constraints.is_empty());
    assert!(!verdict.is_unsafe(true));
}

/// A mix that was met explains what it is known to break, and nothing else.
#[test]
fn a_cause_explains_what_it_breaks_alone() {
    let case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
    let on = |name: &str, side: Side| (Host::parse(name).expect("a host"), side);
    let met: std::collections::BTreeMap<_, _> =
        [on("db1", Side::Candidate), on("client1", Side::Base)].into();
    let sides = Sides { states: vec![met.clone()], met: vec![met], returned: Default::default() };
    let known = |new: Role| Constraint {
        cause: Cause::Mix { new: [new].into(), old: [Role::Client].into() },
        signature: IT.into(),
        breaks: [IT.to_string(), "pushed/never/db".to_string()].into(),
        aimed: Count { hits: 9, of: 50 },
        aimed_on_base: Count { hits: 0, of: 50 },
        case: case.clone(),
    };
    assert!(is_explained(&[known(Role::Db)], IT, &sides));
    assert!(is_explained(&[known(Role::Db)], "pushed/never/db", &sides));
    assert!(
        !is_explained(&[known(Role::Db)], "order/missing/db", &sides),
        "it breaks no such thing"
    );
    assert!(!is_explained(&[known(Role::Msg)], IT, &sides), "it was not met");
}

#[test]
fn seeds_end_with_the_largest() {
    assert_eq!(check_seeds(1, 300), Ok(()));
    for (from, seeds) in [(u64::MAX, 2), (u64::MAX - 100, 300), (1, u64::MAX)] {
        let error = check_seeds(from, seeds).expect_err("too many");
        assert!(error.contains("the largest seed is 18446744073709551615"), "{error}");
    }
}
