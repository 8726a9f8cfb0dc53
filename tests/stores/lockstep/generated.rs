//! Generated sequences: what roles have sent in simulated runs, whole transactions, with other parameters, on up to
//! three sessions at once.
//!
//! LOCKSTEP_SEQUENCES says how many (default 300).

use super::{Ask, Real, Session, Tally, run, told};
use crate::{
    database::Database,
    sent::{Sent, Unit, units},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
};
use teamtalk::store::sql::Value;

/// Rows that are there at first: users, groups and departments, which no role inserts.
const FIRST: [&str; 4] = [
    "insert into IMUser (`name`,`nick`) values('a','a'),('b','b'),('c','c')",
    "insert into IMGroup(`name`,`creator`,`type`,`userCnt`,`version`) values('g',1,1,2,1),('h',2,2,1,1)",
    "insert into IMGroupMember(`groupId`,`userId`) values(1,1),(1,2),(2,2)",
    "insert into TTRelation (`smallId`,`bigId`,`relateId`,`lastId`) values(0,1,1,3),(1,2,1,5)",
];

/// A unit on a session, with its parameters drawn anew.
#[derive(Clone)]
struct Pick {
    session: Session,
    unit: Unit,
    draw: u64,
}

impl fmt::Debug for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} statements, {}", self.session, self.unit.len(), self.draw)
    }
}

/// What is at the bounds of a column, or just past one.
fn edges() -> Vec<Value> {
    let text = |text: &str| Value::from(text);
    vec![
        Value::Int(0),
        Value::Int(-1),
        Value::Int(i64::from(i32::MAX)),
        Value::Int(i64::from(u32::MAX)),
        Value::Int(i64::from(u32::MAX) + 1),
        text(""),
        text("trailing blanks  "),
        text("😀'\\"),
        text(&"x".repeat(4096)),
        text(&"x".repeat(4097)),
    ]
}

impl Pick {
    /// Its statements: equal parameters stay equal, most are one of few so that sessions meet, and some are edges.
    fn asks(&self) -> VecDeque<Ask> {
        let mut draw = self.draw;
        let mut next = |below: u64| {
            draw = draw
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (draw >> 33) % below
        };
        let mut known: BTreeMap<Value, Value> = BTreeMap::new();
        let mut other = |value: &Value| {
            let new = match value {
                _ if next(40) == 0 => {
                    let like = |edge: &Value| {
                        std::mem::discriminant(edge) == std::mem::discriminant(value)
                    };
                    let edges: Vec<_> = edges().into_iter().filter(like).collect();
                    edges[next(edges.len() as u64) as usize].clone()
                }
                Value::Int(0) => Value::Int(0),
                Value::Int(n) if *n > 1_000_000 => Value::Int(1_000 + next(3) as i64),
                Value::Int(_) => Value::Int([1, 1, 1, 2, 2, 3][next(6) as usize]),
                Value::Bytes(_) => Value::from(["a", "b", "c"][next(3) as usize]),
                Value::Null => Value::Null,
            };
            known.entry(value.clone()).or_insert(new).clone()
        };
        let ask = |(text, params): &Sent| Ask::Say {
            session: self.session,
            text: text.clone(),
            params: params.iter().map(&mut other).collect(),
        };
        self.unit.iter().map(ask).collect()
    }
}

/// The sessions' statements, whose turn it is by `turns`, then one session after the other.
fn sequence(picks: &[Pick], turns: &[Session]) -> Vec<Ask> {
    let first = FIRST.map(|text| Ask::Say { session: 1, text: text.into(), params: Vec::new() });
    let mut queues: BTreeMap<Session, VecDeque<Ask>> = BTreeMap::new();
    for pick in picks {
        queues.entry(pick.session).or_default().extend(pick.asks());
    }
    let mut asked = first.to_vec();
    for session in turns {
        asked.extend(queues.get_mut(session).and_then(VecDeque::pop_front));
    }
    asked.extend(queues.into_values().flatten());
    asked
}

#[test]
fn generated_sequences_come_out_as_on_the_real_server() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
    let Some(database) = runtime.block_on(Database::fresh("generated", true)) else { return };
    let mut real = runtime.block_on(Real::new(&database));
    let wanted = std::env::var("LOCKSTEP_SEQUENCES").map_or(Ok(300), |n| n.parse());
    let cases = wanted.expect("LOCKSTEP_SEQUENCES is a number");
    let from = std::env::var("LOCKSTEP_FROM").map_or(Ok(0), |n| n.parse::<u8>());
    let from = from.expect("LOCKSTEP_FROM is a number below 256");
    let units = units();
    let texts: BTreeSet<_> = units.iter().flatten().map(|(text, _)| text).collect();
    println!("{} units of {} texts", units.len(), texts.len());
    let (transactions, others): (Vec<_>, Vec<_>) =
        units.into_iter().partition(|unit: &Unit| unit.len() > 1);
    let unit = prop_oneof![
        5 => prop::sample::select(transactions),
        1 => prop::sample::select(others),
    ];
    // Of few units, so that sessions do the same side by side.
    let strategy = vec(unit, 1..4).prop_flat_map(|units| {
        let pick = (1..=3usize, prop::sample::select(units), any::<u64>())
            .prop_map(|(session, unit, draw)| Pick { session, unit, draw });
        (vec(pick, 3..9), vec(1..=3usize, 10..80))
    });
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[from; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let of_all = std::cell::RefCell::new((&mut real, Tally::default()));
    let tried = runner.run(&strategy, |(picks, turns)| {
        let asked = sequence(&picks, &turns);
        let (real, tally) = &mut *of_all.borrow_mut();
        match runtime.block_on(run(real, &asked, tally)) {
            None => Ok(()),
            Some(parted) => Err(TestCaseError::fail(told(&asked, &parted))),
        }
    });
    if let Err(TestError::Fail(why, _)) = tried {
        panic!("{why}");
    }
    tried.expect("it runs");
    let (_, tally) = of_all.into_inner();
    println!("{cases} sequences: {tally:?}");
    // Sessions meet, and some die of it: else nothing was compared.
    let died = tally.failed.get(&1213).copied().unwrap_or_default();
    assert!(tally.waited > 0 && died > 0, "{tally:?}");
    // Nearly all are compared to their ends.
    let (given_up, all) = (tally.by_chance + tally.other_victim, cases as usize);
    assert!(given_up * 50 <= all, "{tally:?}");
}
