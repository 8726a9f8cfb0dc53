//! Each kind of fault has the effect that its name says, seen in the trace of a hand-made plan.

mod back_pressure;
mod clocks;
mod composition;
mod network;
mod process;
mod sockets;
mod stores;

use crate::{
    explore::run_case,
    plan::{
        Action, Chat, Client, Clock, Device, Durability, EPOCH, Fault, Host, Node, Operation, Pace,
        Plan, Side, Trouble,
        case::{Case, FORMAT, ProtocolSpec, Protocols},
    },
    record::{Kind, Line},
    world::Outcome,
};
use std::collections::BTreeMap;
use teamtalk::client::Conduct;

/// Two users with a PC each on a host of their own, one server of each role. User 1 sends to
/// user 2 every 200 ms from 1 s on; the horizon is 5 s.
fn plan(faults: &[(u64, u64, Trouble)]) -> Plan {
    let hosts = ["redis", "sql", "outside", "db1", "route1", "msg1", "client1", "client2"];
    let device = |user: u32| Device {
        slot: user,
        user,
        client: Client::OursPc,
        host: format!("client{user}"),
        home: "msg1".into(),
        side: Side::Base,
        conduct: Conduct::default(),
        token: None,
    };
    let logins = [(200, 1, Action::Login), (300, 2, Action::Login)];
    let sends = (5..23).map(|n| (n * 200, 1, Action::Send { to: Chat::User(2) }));
    let operation =
        |(i, (at_ms, device, action))| Operation { id: i as u32 + 1, at_ms, device, action };
    let fault = |(i, (at_ms, for_ms, trouble)): (usize, &(u64, u64, Trouble))| Fault {
        id: i as u32 + 1,
        at_ms: *at_ms,
        for_ms: *for_ms,
        trouble: trouble.clone(),
    };
    Plan {
        groups: Vec::new(),
        past: Default::default(),
        pace: Pace::Brisk,
        noise: 5,
        latency_ticks: 1,
        link_latency_ticks: BTreeMap::new(),
        db_workers: 4,
        redis: Durability::Always,
        redis_refuses_writes: false,
        sql_snapshot_isolation: false,
        schema: None,
        migrations: Vec::new(),
        noise_from: None,
        epoch: EPOCH,
        nodes: hosts
            .map(|h| Node { host: Host::of(h), side: Side::Base, clock: Clock::default() })
            .into(),
        devices: vec![device(1), device(2)],
        operations: logins.into_iter().chain(sends).enumerate().map(operation).collect(),
        faults: faults.iter().enumerate().map(fault).collect(),
        rollout: Vec::new(),
        horizon_ms: 5_000,
    }
}

fn run(plan: Plan) -> Outcome {
    let protocol = ProtocolSpec::preset("hardened");
    let protocols = Protocols { base: protocol.clone(), candidate: protocol };
    let case =
        Case { format: FORMAT, protocols, seed: None, plan, expect: "holds".into(), story: None };
    run_case(&case).expect("a preset resolves")
}

/// The outcome of one fault, and what it hit; it is checked that the trace is the same again.
fn with(at_ms: u64, for_ms: u64, trouble: Trouble) -> (Outcome, u64) {
    let faults = [(at_ms, for_ms, trouble)];
    let outcome = run(plan(&faults));
    let again = run(plan(&faults));
    let mut pairs = outcome.trace.lines.iter().zip(&again.trace.lines);
    let other = pairs.find(|(one, other)| one != other);
    assert!(other.is_none(), "the same plan, another trace: {other:?}");
    assert_eq!(outcome.trace.lines.len(), again.trace.lines.len());
    let hit = outcome.hits[&1];
    (outcome, hit)
}

/// Lines in a span of simulated milliseconds that satisfy a condition.
fn lines<'a>(
    outcome: &'a Outcome,
    from_ms: u64,
    to_ms: u64,
    wanted: impl Fn(&Line) -> bool + 'a,
) -> Vec<&'a Line> {
    let within = move |l: &&Line| (from_ms * 1_000..to_ms * 1_000).contains(&l.sim_us);
    outcome.trace.lines.iter().filter(within).filter(move |l| wanted(l)).collect()
}

fn count(outcome: &Outcome, from_ms: u64, to_ms: u64, wanted: impl Fn(&Line) -> bool) -> usize {
    lines(outcome, from_ms, to_ms, wanted).len()
}

/// A PDU that a host received.
fn received(host: &'static str) -> impl Fn(&Line) -> bool {
    move |line| &*line.host == host && matches!(line.kind, Kind::PduReceived(_))
}

/// A PDU that a host sent.
fn sent(host: &'static str) -> impl Fn(&Line) -> bool {
    move |line| &*line.host == host && matches!(line.kind, Kind::PduSent(_))
}

/// A dial that failed for this reason, on any host.
fn failed_dial(reason: &'static str) -> impl Fn(&Line) -> bool {
    move |line| matches!(line.kind, Kind::ConnectFailed { why, .. } if why == reason)
}

fn is_reset(line: &Line) -> bool {
    matches!(line.kind, Kind::StreamReset { .. })
}

/// The longest time from a PDU's sending to its receipt by a host, in simulated milliseconds.
fn slowest(outcome: &Outcome, host: &str, from_ms: u64, to_ms: u64) -> u64 {
    let mut slowest = 0;
    for line in lines(outcome, from_ms, to_ms, |l| &*l.host == host) {
        let Kind::PduReceived(frame) = &line.kind else { continue };
        let sending = outcome.trace.lines.iter().find(|l| {
            matches!(&l.kind, Kind::PduSent(f)
                if (f.conn, f.k) == (frame.conn, frame.k) && f.end != frame.end)
        });
        let took = line.sim_us - sending.expect("what is received was sent").sim_us;
        slowest = slowest.max(took / 1_000);
    }
    slowest
}

#[test]
fn a_calm_plan_is_calm() {
    let outcome = run(plan(&[]));
    assert_eq!(outcome.found(), "holds");
    assert!(slowest(&outcome, "client2", 1_000, 4_000) <= 10);
    assert_eq!(count(&outcome, 0, 5_000, failed_dial("given up")), 0);
    assert_eq!(count(&outcome, 0, 5_000, is_reset), 0);
}
