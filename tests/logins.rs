//! Cases of which a switch, or a setting, is all that is wrong: with it put right they hold. traces/ has them smaller,
//! without what is to come out well then.

use std::path::Path;
use teamtalk_sim::{
    explore::{SeedReport, run_case},
    plan::case::Case,
    world::Outcome,
};

fn kept(name: &str) -> Case {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logins").join(name);
    Case::read(&path).unwrap_or_else(|e| panic!("{e}"))
}

fn run(case: &Case) -> Outcome {
    run_case(case).unwrap_or_else(|e| panic!("{e}"))
}

/// How many sends were acked in a case that holds.
fn acked(case: &Case) -> u64 {
    let outcome = run(case);
    assert_eq!(outcome.found(), "holds");
    SeedReport::of(0, case, &outcome).acked
}

/// The same case with a switch on again.
fn with(mut case: Case, switch: &str) -> Case {
    for side in [&mut case.protocols.base, &mut case.protocols.candidate] {
        assert_eq!(side.overrides.remove(switch), Some(false));
    }
    case
}

/// Two PCs of a user log in at the same moment on two msg_servers; and a PC moves to another one
/// while the kick of its own old login is held up (switch `ordered-logins`).
#[test]
fn with_ordered_logins_the_newest_stays() {
    for story in ["at-once", "late-kick"] {
        let case = kept(&format!("{story}.json"));
        assert_eq!(run(&case).found(), "reachable/kicked/msg", "{story}");
        let mended = with(case, "ordered-logins");
        assert_eq!(acked(&mended), 1, "{story}: the user is sent a message, and gets it");
    }
}

/// A PC logs out, and its user's phone is pushed to all the same (switch `kept-tokens`).
#[test]
fn with_kept_tokens_a_pcs_logout_leaves_the_phone_its_pushes() {
    let case = kept("kept-tokens.json");
    assert_eq!(run(&case).found(), "pushed/lost/msg");
    assert_eq!(acked(&with(case, "kept-tokens")), 1);
}

/// A Redis that runs, can be reached and refuses every write is the deployment's mistake: nothing is
/// acked, and every request is answered politely.
#[test]
fn a_redis_that_refuses_every_write_is_found() {
    let mut case = kept("refuses-writes.json");
    let outcome = run(&case);
    assert_eq!(outcome.found(), "available/never-acked/db", "and nothing else is broken");
    assert_eq!(SeedReport::of(0, &case, &outcome).acked, 0);
    case.plan.redis_refuses_writes = false;
    assert_eq!(acked(&case), 2);
}
