//! What a case needs, and of which nobody can say it.

use super::{failing, send, two_users};
use crate::{
    causality::{Explaining, Mended, SURE, Without, mended, needs},
    plan::case::Case,
    run::Runner,
    shrink::{NOISES, Part, without},
};
use std::{path::Path, sync::atomic::AtomicBool};

/// What mends a case, and what it needs.
fn known(case: &Case) -> (Mended, Vec<Without>) {
    let stop = AtomicBool::new(false);
    let explaining = Explaining { runner: Runner::default(), jobs: 2, stop: &stop, each: &|| {} };
    let outcome = explaining.runner.run(case).expect("a verdict");
    needs(case, &explaining.pool(case, &outcome), &|| {}).expect("nobody stops it")
}

/// A case with its signature fails under so many of the first noise seeds.
fn fails(case: &Case, seeds: u64) -> u64 {
    let fails = |n: &u64| {
        let outcome = Runner::default().run(&case.under_noise(*n)).expect("a verdict");
        outcome.violation(&case.expect).is_some()
    };
    (0..seeds).filter(fails).count() as u64
}

/// At its own times `unread-from-store` mends it, too: it moves what is on the way out of the way of the fault.
#[test]
fn a_switch_that_only_moves_statements_out_of_the_way_of_a_fault_mends_nothing() {
    let name = "teamtalk-send-list-acked-lost-msg-push-dropped-591e4594.json";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces").join(name);
    let case = Case::read(&path).expect("a kept case");
    let moved = mended::with(&case, "unread-from-store");
    assert_eq!(fails(&moved, SURE), 0, "as it stands it holds with it");
    let stop = AtomicBool::new(false);
    let explaining = Explaining { runner: Runner::default(), jobs: 2, stop: &stop, each: &|| {} };
    let outcome = explaining.runner.run(&case).expect("a verdict");
    assert_eq!(
        explaining.mended(&case, &outcome).expect("nobody stops it").by,
        ["catch-up-on-gap"]
    );
}

/// The two relations need both sends, and no third one: without it they come about as often as the race is lost.
#[test]
fn without_what_is_not_needed_it_fails_as_often_as_it_does_there() {
    let sends = |noise| {
        two_users(vec![send(3, 1_000, 1, 2), send(4, 1_000, 2, 1), send(5, 2_000, 1, 2)], noise)
    };
    let case = failing(sends, "one-row/two-relations/db");
    let (mended, all) = known(&case);
    let third = Part::Operation(5);
    let plan = without(&case.plan, std::slice::from_ref(&third));
    let expected = fails(&Case { plan, ..case.clone() }, NOISES);
    assert!((1..NOISES).contains(&expected), "{expected}: no race, choose others");
    let of = |part| all.iter().find(|of| of.part == part).expect("each is left out");
    assert_eq!((of(third.clone()).failing, of(third).runs), (expected, NOISES));
    for needed in [3, 4].map(Part::Operation) {
        let of = of(needed);
        assert_eq!((of.failing, of.runs), (0, SURE), "that it holds is said of many");
    }
    assert_eq!(mended.failing, fails(&case, SURE));
}

/// The second send is so late that it looks for the relation before the first one has made it only if that one is
/// slow and it is quick. It holds by chance as well as without a part.
#[test]
fn of_what_fails_rarely_it_is_not_said_what_it_needs() {
    let sends = |noise| two_users(vec![send(3, 1_000, 1, 2), send(4, LATE_MS, 2, 1)], noise);
    let case = failing(sends, "one-row/two-relations/db");
    let so_often = fails(&case, SURE);
    assert!((1..4).contains(&so_often), "{so_often}: not rare, choose another moment");
    let (mended, all) = known(&case);
    assert_eq!(mended.failing, so_often);
    assert!(mended.is_too_rare() && all.is_empty());
    assert!(mended.by.is_empty(), "no switch was tried");
}

/// When the second send begins, in simulated milliseconds.
const LATE_MS: u64 = 1_185;

#[test]
fn rare_is_what_fails_under_fewer_than_four() {
    let mended = |failing| Mended { failing, off: 1, by: Vec::new() };
    assert!(mended(3).is_too_rare() && !mended(4).is_too_rare());
}
