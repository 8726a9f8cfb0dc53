//! Faults of the stores themselves.

use super::{lines, plan, run, with};
use crate::{
    plan::{StoreError, Trouble},
    record::{Did, Effect, Kind, Line},
    world::Outcome,
};

fn fails(error: StoreError, one_in: u32) -> Trouble {
    Trouble::StoreFails { host: error.store().host().to_string(), error, one_in }
}

/// Statements or commands in the fault's time that a condition is true of.
fn applied(outcome: &Outcome, wanted: impl Fn(&str, &Effect) -> bool) -> usize {
    let is_it = |line: &Line| match &line.kind {
        Kind::Store(applied) => wanted(&applied.what, &applied.effect),
        _ => false,
    };
    lines(outcome, 2_000, 3_005, is_it).len()
}

fn failed_with(code: u16) -> impl Fn(&str, &Effect) -> bool {
    move |_, effect| matches!(effect, Effect::Sql { did: Did::Failed { code: of, .. }, .. } if *of == code)
}

#[test]
fn each_error_of_sql_is_said_in_the_place_of_the_effect() {
    let codes = [
        (StoreError::Deadlock, 1213),
        (StoreError::LockWaitTimeout, 1205),
        (StoreError::SqlReadOnly, 1290),
        (StoreError::TableFull, 1114),
    ];
    for (error, code) in codes {
        let (outcome, hit) = with(2_000, 1_000, fails(error, 1));
        let failed = applied(&outcome, failed_with(code));
        assert!(failed > 0, "{error:?} meets nothing");
        assert_eq!(hit as usize, failed, "{error:?}: what it hit is what failed");
        let inserted = |what: &str, effect: &Effect| {
            let is_done = matches!(effect, Effect::Sql { did: Did::Changed { .. }, .. });
            what.starts_with("insert into IMMessage_") && is_done
        };
        assert_eq!(applied(&outcome, inserted), 0, "{error:?} lets nothing in");
    }
}

#[test]
fn each_error_of_redis_is_said_in_the_place_of_the_effect() {
    let words = [
        (StoreError::OutOfMemory, "OOM"),
        (StoreError::RedisReadOnly, "READONLY"),
        (StoreError::Loading, "LOADING"),
    ];
    for (error, word) in words {
        let (outcome, hit) = with(2_000, 1_000, fails(error, 1));
        let says =
            |_: &str, effect: &Effect| effect.to_string().starts_with(&format!("error {word}"));
        let failed = applied(&outcome, says);
        assert!(failed > 0, "{error:?} meets nothing");
        assert_eq!(hit as usize, failed, "{error:?}: what it hit is what failed");
    }
}

#[test]
fn one_in_some_is_some() {
    let (outcome, hit) = with(2_000, 1_000, fails(StoreError::SqlReadOnly, 3));
    let written = |_: &str, effect: &Effect| {
        matches!(effect, Effect::Sql { did: Did::Changed { rows: 1.., .. }, .. })
    };
    assert!(hit > 0 && applied(&outcome, written) > 0);
}

/// What is done is done: the client does not hear of it, and the session has ended.
#[test]
fn a_reply_is_lost_after_the_effect() {
    for host in ["sql", "redis"] {
        let lost = Trouble::ReplyLost { host: host.into(), one_in: 1 };
        let (outcome, hit) = with(2_000, 1_000, lost);
        assert!(hit > 0, "{host} loses no reply");
        let done = applied(&outcome, |_, _| true);
        assert!(done >= hit as usize, "{host}: {hit} replies of {done} effects");
        let closed =
            |line: &Line| &*line.host == host && matches!(line.kind, Kind::Disconnected { .. });
        assert!(!lines(&outcome, 2_000, 3_005, closed).is_empty(), "{host} breaks no connection");
    }
}

#[test]
fn a_slow_store_is_slow_and_loses_nothing() {
    let messages = |outcome: &Outcome| {
        let stored = |line: &Line| matches!(line.kind, Kind::Row { .. });
        lines(outcome, 0, 60_000, stored).iter().map(|line| line.sim_us).collect::<Vec<_>>()
    };
    let calm = messages(&run(plan(&[])));
    let (outcome, hit) = with(2_000, 1_000, Trouble::SlowStore { host: "sql".into(), ticks: 20 });
    let slow = messages(&outcome);
    assert!(hit > 0);
    assert_eq!(slow.len(), calm.len());
    let later = slow.iter().zip(&calm).filter(|(slow, calm)| **slow >= **calm + 100_000).count();
    assert!(later >= 3, "{later} messages are stored 20 ticks later or more");
}
