//! Databases that lack tables which the switches of a db_proxy need, for a while or not.

use crate::{
    explore::run_case,
    plan::{
        Fault, Migration, Plan, Role, Trouble,
        case::{Case, FORMAT, ProtocolSpec, Protocols},
        generate::{Clients, Profile, generate},
    },
    record::{Applied, Did, Effect, Kind, Line, Trace},
    world::Outcome,
};
use teamtalk::{
    catalogue::id as command,
    fact::Fact,
    store::migrations::{ASK, LATEST},
};

/// Users do nothing before.
const FIRST_MS: u64 = 2_000;
/// When the database has everything.
const MIGRATED_MS: u64 = 1_300;

/// A plan without faults in which something was said before the run, in chats and in groups; its database
/// is one of the original.
fn plan() -> Plan {
    let plans = (1..).map(|seed| generate(seed, Clients::Ours, Profile::Default));
    let mut plan = plans
        .take(1_000)
        .find(|plan| plan.past.pairs.len() > 1 && !plan.past.groups.is_empty())
        .expect("a share of the plans has a past");
    plan.faults.clear();
    plan.operations.iter_mut().for_each(|op| op.at_ms += FIRST_MS);
    plan.horizon_ms += FIRST_MS;
    plan.schema = Some(0);
    plan
}

fn run(preset: &str, plan: Plan) -> Outcome {
    let protocol = ProtocolSpec::preset(preset);
    let protocols = Protocols { base: protocol.clone(), candidate: protocol };
    let (format, expect) = (FORMAT, "holds".into());
    let case = Case { format, protocols, seed: None, plan, expect, story: None };
    assert_eq!(
        Case::of(serde_json::to_value(&case).expect("plain data")).expect("it can be run"),
        case
    );
    run_case(&case).expect("a preset resolves")
}

fn migrations(steps: &[(u64, u32)]) -> Vec<Migration> {
    let one = |(id, &(at_ms, to))| Migration { id, at_ms, to };
    (1..).zip(steps).map(one).collect()
}

/// Why a db_proxy did not serve, and when.
fn refusals(trace: &Trace) -> Vec<(u64, &str)> {
    trace.lines.iter().filter_map(said).collect()
}

fn said(line: &Line) -> Option<(u64, &str)> {
    match &line.kind {
        Kind::Fact(Fact::NotServing { reason }) => Some((line.sim_us / 1_000, &**reason)),
        _ => None,
    }
}

/// A past of the original is adopted by the side tables that come in the middle of the run, and nothing is
/// served before they are there.
#[test]
fn a_db_proxy_serves_once_the_database_has_what_it_needs() {
    let mut plan = plan();
    plan.migrations = migrations(&[(700, 3), (MIGRATED_MS, LATEST)]);
    let outcome = run("hardened", plan);
    assert_eq!(outcome.found(), "holds");
    let refusals = refusals(&outcome.trace);
    for (of, found) in [(0..700, 0), (700..MIGRATED_MS, 3)] {
        let then = refusals.iter().filter(|(at_ms, _)| of.contains(at_ms));
        let sentence =
            format!("the database has version {found} of the schema and version 6 is needed");
        let reasons: Vec<_> = then.map(|(_, reason)| reason).collect();
        assert!(!reasons.is_empty() && reasons.iter().all(|of| of.starts_with(&sentence)));
    }
    assert!(refusals.iter().all(|(at_ms, _)| *at_ms < MIGRATED_MS + 50));
    let is_of_db = |line: &Line| line.host.role() == Role::Db;
    let serves = |line: &&Line| match &line.kind {
        Kind::PduSent(frame) => is_of_db(line) && frame.command() != command::OTHER_HEARTBEAT,
        Kind::Store(Applied { store: "sql", what, .. }) => &***what != ASK,
        _ => false,
    };
    let first = outcome.trace.lines.iter().find(serves).expect("it serves");
    assert!(first.sim_us > MIGRATED_MS * 1_000, "{}", first.to_json());
    let migrated = |line: &&Line| matches!(line.kind, Kind::Migrated { .. });
    let migrated: Vec<_> = outcome.trace.lines.iter().filter(migrated).collect();
    assert_eq!(migrated.len(), 2);
    assert!(migrated[1].to_json().contains(r#""kind":"migrated""#));
    // Sends of the past's users are stored under its relations.
    let sends = outcome.trace.lines.iter().filter(|line| {
        matches!(&line.kind, Kind::Store(Applied { what, effect: Effect::Sql { did: Did::Changed { .. }, .. }, .. })
            if what.starts_with("insert into TTRelation"))
    });
    assert!(sends.count() > 0);
}

/// Whoever needs no table asks for none: but for what the stores hold at the start, a run is the same.
#[test]
fn the_original_runs_as_ever_on_a_database_without_side_tables() {
    let (without, mut with) = (plan(), plan());
    with.schema = None;
    let lines = |plan: Plan| {
        let lines = run("teamtalk", plan).trace.lines;
        let lines = lines.iter().filter(|line| !matches!(line.kind, Kind::Holds { .. }));
        lines.map(Line::to_json).collect::<Vec<_>>()
    };
    let (without, with) = (lines(without), lines(with));
    assert!(without.len() > 1_000);
    assert_eq!(without, with);
    assert!(!without.iter().any(|line| line.contains("TTSchema")));
}

/// Who watches over a process and who kills it do not get into each other's way: a process that is gone
/// is not gone once more.
#[test]
fn a_process_that_does_not_serve_can_be_killed_and_stopped() {
    let mut plan = plan();
    plan.migrations = migrations(&[(MIGRATED_MS, LATEST)]);
    let db = Role::Db.numbered(1);
    let name = || db.to_string();
    let crash = |host| Trouble::Crash { host, refuses: true };
    let stop = |host| Trouble::Stop { host };
    let power = |host| Trouble::PowerCut { host };
    for (n, trouble) in [crash(name()), stop(name()), power(name())].into_iter().enumerate() {
        for at_ms in [150, 300] {
            let mut plan = plan.clone();
            plan.noise += n as u64;
            plan.faults = vec![Fault { id: 1, at_ms, for_ms: 600, trouble: trouble.clone() }];
            let outcome = run("hardened", plan);
            assert_eq!(outcome.found(), "holds");
            let (mut is_up, mut downs) = (false, 0);
            for line in outcome.trace.lines.iter().filter(|line| line.host == db) {
                match line.kind {
                    Kind::HostUp => assert!(!std::mem::replace(&mut is_up, true)),
                    Kind::HostDown => {
                        assert!(std::mem::replace(&mut is_up, false));
                        downs += 1;
                    }
                    _ => {}
                }
            }
            assert!(is_up && downs > 1);
        }
    }
}
