//! Where the right answer is known: what is said to decide a case is what does.

mod inevitable;
mod races;
mod search;
mod without;

use super::{Explained, Explaining, SURE, explain};
use crate::{
    explore::case_of,
    plan::{
        Action, Chat, Client, Device, Fault, Operation, Plan, Plant, Trouble,
        case::{Case, ProtocolSpec, Protocols},
        generate::Profile,
    },
    record::{Kind, Line},
    run::Runner,
    shrink::{NoFailure, Part},
    world::Outcome,
};
use std::sync::atomic::AtomicBool;

/// So near a moment is found, in simulated milliseconds.
const NEAR_MS: u64 = 20;

fn explained(case: &Case) -> Result<(Outcome, Explained), NoFailure> {
    let stop = AtomicBool::new(false);
    let explaining = Explaining { runner: Runner::default(), jobs: 2, stop: &stop, each: &|| {} };
    explain(case, &explaining).map(|(outcome, known)| (outcome, known.expect("nobody stops it")))
}

/// Two users, each with a PC, under `teamtalk`; what they do is what a test is about.
fn two_users(operations: Vec<Operation>, noise: u64) -> Case {
    let mut case = case_of(1, &ProtocolSpec::preset("teamtalk"), Profile::Calm);
    let device = |slot| Device::by_hand(slot, Client::OursPc, "msg1");
    let logins =
        [1, 2].map(|slot| Operation { id: slot, at_ms: 200, device: slot, action: Action::Login });
    case.plan = Plan {
        noise,
        devices: [1, 2].map(device).into(),
        groups: Vec::new(),
        operations: [logins.to_vec(), operations].concat(),
        horizon_ms: 3_000,
        ..case.plan
    };
    case
}

fn send(id: u32, at_ms: u64, device: u32, to: u32) -> Operation {
    Operation { id, at_ms, device, action: Action::Send { to: Chat::User(to) } }
}

/// The first noise seed from 1 on under which a case fails with a signature.
fn failing(case: impl Fn(u64) -> Case, signature: &str) -> Case {
    let fails = |case: &Case| {
        let outcome = Runner::default().run(case).expect("a verdict");
        outcome.violation(signature).is_some()
    };
    let cases = (1..40).map(|noise| Case { expect: signature.into(), ..case(noise) });
    cases.into_iter().find(fails).expect("one of the noise seeds")
}

/// When statements of SQL that name a table, and begin so, took effect, in simulated milliseconds.
fn statements(outcome: &Outcome, verb: &str, table: &str) -> Vec<u64> {
    let is_it = |kind: &Kind| matches!(kind, Kind::Store(applied) if applied.store == "sql" && applied.what.to_ascii_lowercase().starts_with(verb) && applied.what.names(table));
    let lines = outcome.trace.lines.iter().filter(|line| is_it(&line.kind));
    lines.map(|line| line.sim_us / 1_000).collect()
}

/// Both db_proxies look for the relation before either has made it: when the second one has looked and found
/// none, there will be two.
#[test]
fn two_relations_are_inevitable_once_the_second_one_has_looked() {
    let both = |noise| two_users(vec![send(3, 1_000, 1, 2), send(4, 1_000, 2, 1)], noise);
    let case = failing(both, "one-row/two-relations/db");
    let (outcome, known) = explained(&case).expect("it fails");
    let inevitable = known.inevitable.expect("it is decided before it fails");
    let made = statements(&outcome, "insert", "imrelationship");
    let looked = statements(&outcome, "select", "imrelationship");
    let before = looked.into_iter().filter(|at| *at <= made[0]).max().expect("they looked");
    assert!(
        inevitable.from_ms.abs_diff(before) <= NEAR_MS,
        "{inevitable:?}, but the last one looked at {before} ms"
    );
    assert!(inevitable.draws.contains_key("sql before"), "{inevitable:?}");
    let about: Vec<_> =
        inevitable.about.iter().map(|n| &outcome.trace.lines[*n as usize]).collect();
    // Either side of the race may be drawn last: when the second one looks, or when the first one makes it.
    let is_of_the_race = |line: &&Line| {
        let at_ms = line.sim_us / 1_000;
        let is_side = [before, made[0]].contains(&at_ms);
        is_side && matches!(&line.kind, Kind::Store(of) if of.what.names("imrelationship"))
    };
    assert!(about.iter().any(is_of_the_race), "{about:?}");
    let shares: Vec<_> = known.moments.iter().map(|of| (of.at_ms, of.failing, of.runs)).collect();
    let is_open =
        |(at_ms, failing, runs): &(u64, u64, u64)| *at_ms < inevitable.from_ms && failing < runs;
    let before_it = shares.iter().rfind(|(at_ms, ..)| *at_ms < inevitable.from_ms);
    assert!(shares.iter().any(|(_, failing, _)| *failing > 0 && *failing < 10), "{shares:?}");
    assert!(before_it.is_some_and(is_open), "{shares:?}");
    let without: Vec<_> = known.without.iter().map(|of| (&of.part, of.failing)).collect();
    let all = [1, 2, 3, 4].map(Part::Operation);
    assert_eq!(without, all.iter().map(|part| (part, 0)).collect::<Vec<_>>(), "each is needed");
    assert_eq!(known.mended.by, ["single-relation"]);
}

/// What needs no luck is inevitable from the start.
#[test]
fn a_task_that_panics_whatever_is_drawn_is_inevitable_from_the_start() {
    let mut case = two_users(vec![send(3, 1_000, 1, 2)], 1);
    let hardened = ProtocolSpec::preset("hardened");
    case.protocols = Protocols { base: hardened.clone(), candidate: hardened };
    let trouble = Trouble::Planted { host: "msg1".into(), does: Plant::Panics };
    case.plan.faults = vec![Fault { id: 1, at_ms: 2_000, for_ms: 5, trouble }];
    case.expect = "no-panic/panic/msg".into();
    let (_, known) = explained(&case).expect("it fails");
    assert_eq!(known.inevitable.map(|of| of.from_ms), Some(0));
    assert!(known.moments.iter().all(super::Moment::is_sure));
    let needed: Vec<_> =
        known.without.iter().filter(|of| of.failing == 0).map(|of| of.part.clone()).collect();
    assert_eq!(needed, [Part::Fault(1)], "nobody need do anything");
    assert_eq!(known.mended.failing, SURE);
    assert_eq!(known.mended.off, 0, "no switch is left to mend it");
}

#[test]
fn what_does_not_fail_is_not_explained() {
    let holds = two_users(Vec::new(), 1);
    assert!(matches!(explained(&holds), Err(NoFailure::Holds)));
    let other = Case { expect: "order/gap/db".into(), ..holds };
    assert!(matches!(explained(&other), Err(NoFailure::Otherwise { .. })));
}
