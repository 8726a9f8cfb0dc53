//! From which moment on it is sure, where how often it fails is made up.

use crate::causality::{Moment, moments::search};
use std::cell::Cell;

/// A hundred moments, ten milliseconds apart.
fn moments() -> Vec<u64> {
    (0..100).map(|n| n * 10).collect()
}

/// What is found if it fails so often: which of the moments of the curve are sure, and the moment.
fn found(first: usize, share: impl Fn(u64, u64) -> u64) -> (Vec<Moment>, Option<u64>) {
    let share = |at_ms, runs| Some(Moment { at_ms, runs, failing: share(at_ms, runs) });
    search(&moments(), first, 10, &share).expect("nobody stops it")
}

fn half_before(from_ms: u64) -> impl Fn(u64, u64) -> u64 {
    move |at_ms, runs| if at_ms < from_ms { runs / 2 } else { runs }
}

#[test]
fn the_jump_is_found_to_a_moment_between_two_of_the_curve() {
    let (curve, from_ms) = found(100, half_before(470));
    assert_eq!(from_ms, Some(470));
    let at: Vec<u64> = curve.iter().map(|moment| moment.at_ms).collect();
    assert_eq!(at, [0, 110, 220, 330, 440, 550, 660, 770, 880, 990], "evenly, and both ends");
    let failing: Vec<u64> = curve.iter().map(|moment| moment.failing).collect();
    assert_eq!(failing, [5, 5, 5, 5, 5, 10, 10, 10, 10, 10], "of ten each");
    assert!(curve.iter().all(|moment| moment.is_sure() == (moment.at_ms >= 470)));
    // At a moment of the curve, and behind one.
    assert_eq!(found(100, half_before(440)).1, Some(440));
    assert_eq!(found(100, half_before(450)).1, Some(450));
}

#[test]
fn what_always_fails_is_sure_from_the_start() {
    let (curve, from_ms) = found(100, half_before(0));
    assert_eq!(from_ms, Some(0));
    assert!(curve.iter().all(Moment::is_sure));
}

/// It was sure for a while, and is not later: that does not count.
#[test]
fn it_is_sure_where_it_stays_so() {
    let twice = |at_ms, runs| match at_ms {
        200..=350 => runs,
        _ => half_before(800)(at_ms, runs),
    };
    assert_eq!(found(100, twice).1, Some(800));
}

#[test]
fn it_is_nowhere_inevitable_if_the_last_moment_is_not_sure() {
    let (curve, from_ms) = found(100, |_, runs| runs - 1);
    assert_eq!((curve.len(), from_ms), (10, None));
}

/// It is looked for among the first ones, and if it is not there, among all.
#[test]
fn what_is_decided_behind_the_last_line_that_touches_it_is_found_all_the_same() {
    let last = Cell::new(0);
    let seen = |share: &dyn Fn(u64, u64) -> u64, at_ms: u64, runs| {
        last.set(last.get().max(at_ms));
        share(at_ms, runs)
    };
    let (curve, from_ms) = found(50, |at_ms, runs| seen(&half_before(300), at_ms, runs));
    assert_eq!((from_ms, last.get()), (Some(300), 490), "those behind are not looked at");
    assert_eq!(curve.last().map(|moment| moment.at_ms), Some(490));
    let (curve, from_ms) = found(50, |at_ms, runs| seen(&half_before(700), at_ms, runs));
    assert_eq!((from_ms, last.get()), (Some(700), 990));
    assert_eq!(curve.last().map(|moment| moment.at_ms), Some(990));
}

/// Ten seeds take it for sure from 300 on, and of twenty one holds up to 320.
#[test]
fn more_seeds_may_find_that_it_is_sure_later() {
    let rare = |at_ms, runs: u64| match at_ms {
        ..300 => runs / 2,
        300..=320 => runs.min(19),
        _ => runs,
    };
    // The curve has 270 and 360; a curve of every moment has 290 and 300.
    let all = |at_ms, runs| Some(Moment { at_ms, runs, failing: rare(at_ms, runs) });
    let (curve, from_ms) = search(&moments(), 100, 100, &all).expect("nobody stops it");
    assert!(curve[30].is_sure(), "of ten seeds");
    assert_eq!(from_ms, Some(330));
    // If that is so up to the end, nothing is sure.
    let never = |at_ms, runs: u64| if at_ms < 300 { runs / 2 } else { runs.min(19) };
    let all = |at_ms, runs| Some(Moment { at_ms, runs, failing: never(at_ms, runs) });
    assert_eq!(search(&moments(), 100, 100, &all).map(|found| found.1), Some(None));
}

#[test]
fn nothing_is_said_if_it_was_stopped() {
    assert_eq!(search(&moments(), 100, 10, &|_, _| None), None);
}
