//! A fault of one's own: a link that flaps, built from the faults that there are.
//!
//!     cargo run --example own_fault
//!
//! Faults are data in a plan, intervals that may overlap: a new pattern of trouble is a function that
//! makes a list of them. This one cuts the link between a msg_server and route_server many times for
//! a moment, and nobody is told that data was lost. Under `teamtalk` a message goes missing by it;
//! under `hardened` every property holds. The case is written to target/sim/, to be replayed or kept.
//!
//! (A trouble that no list of others makes is a variant of `plan::Trouble` and four places in the
//! rig: its condition or its start and end in sim/src/world/faults/, its words in describe.rs
//! there, and a strategy in sim/src/plan/generate/faults.rs.)

use std::path::Path;
use teamtalk::client::Conduct;
use teamtalk_sim::{
    explore::run_case,
    plan::{
        Action, Chat, Client, Clock, Cut, Device, Durability, EPOCH, Fate, Fault, Host, Node,
        Operation, Pace, Plan, Side, Trouble,
        case::{Case, FORMAT, ProtocolSpec, Protocols},
    },
    report,
    world::Outcome,
};

/// Cuts a link each `every_ms` for `down_ms`, so many times, from `at_ms` on. Times are simulated
/// milliseconds, multiples of the tick (5 ms).
fn flapping(a: &str, b: &str, at_ms: u64, times: u32, every_ms: u64, down_ms: u64) -> Vec<Fault> {
    let one = |n: u32| Fault {
        id: n + 1,
        at_ms: at_ms + u64::from(n) * every_ms,
        for_ms: down_ms,
        trouble: Trouble::Partition {
            a: a.into(),
            b: b.into(),
            cut: Cut::Both,
            fate: Fate::Silent,
        },
    };
    (0..times).map(one).collect()
}

/// User 1 on msg1 and user 2 on msg2, each with a PC.
fn devices() -> Vec<Device> {
    let device = |user: u32| Device {
        slot: user,
        user,
        client: Client::OursPc,
        host: "client1".into(),
        home: format!("msg{user}"),
        side: Side::Base,
        conduct: Conduct::default(),
        token: None,
    };
    [1, 2].map(device).into()
}

/// Both log in, then user 1 sends ten messages to user 2.
fn operations() -> Vec<Operation> {
    let login = |n: u32| (u64::from(n) * 100, n, Action::Login);
    let send = |n: u64| (1_500 + n * 400, 1, Action::Send { to: Chat::User(2) });
    let all = [1, 2].map(login).into_iter().chain((0..10).map(send));
    let numbered = all.zip(1..);
    numbered.map(|((at_ms, device, action), id)| Operation { id, at_ms, device, action }).collect()
}

/// A plan by hand: what it leaves out of a generated one is left out of the card, too.
fn plan() -> Plan {
    let hosts = ["redis", "sql", "outside", "db1", "db2", "route1", "msg1", "msg2", "client1"];
    let host = |name| Host::parse(name).expect("a name says what a host runs");
    Plan {
        noise_from: None,
        epoch: EPOCH,
        pace: Pace::Brisk,
        noise: 1,
        latency_ticks: 1,
        link_latency_ticks: Default::default(),
        db_workers: 4,
        redis: Durability::Always,
        redis_refuses_writes: false,
        sql_snapshot_isolation: false,
        schema: None,
        migrations: Vec::new(),
        nodes: hosts
            .map(|name| Node { host: host(name), side: Side::Base, clock: Clock::default() })
            .into(),
        devices: devices(),
        groups: Vec::new(),
        past: Default::default(),
        operations: operations(),
        rollout: Vec::new(),
        faults: flapping("msg1", "route1", 1_800, 6, 500, 200),
        horizon_ms: 6_000,
    }
}

fn case(preset: &str) -> Case {
    let protocol = ProtocolSpec::preset(preset);
    let protocols = Protocols { base: protocol.clone(), candidate: protocol };
    Case {
        format: FORMAT,
        protocols,
        seed: None,
        plan: plan(),
        expect: "holds".into(),
        story: None,
    }
}

fn run(case: &Case) -> Outcome {
    run_case(case).expect("the preset is built in")
}

fn main() -> Result<(), String> {
    for preset in ["hardened", "teamtalk"] {
        let mut case = case(preset);
        let outcome = run(&case);
        let hit = outcome.hits.values().filter(|hit| **hit > 0).count();
        println!(
            "{preset}: {hit} of {} cuts hit something: {}",
            outcome.hits.len(),
            outcome.found()
        );
        if let Some(violation) = outcome.violations.first() {
            case.expect = violation.signature();
            let path = Path::new("target/sim/own-fault.json");
            case.write(path)?;
            let replay = format!("cargo sim replay {}", path.display());
            println!("\n{}", report::card(&case, &outcome, violation, &replay));
        }
    }
    Ok(())
}

#[test]
fn the_original_breaks_on_a_flapping_link_and_hardened_holds() {
    let hardened = run(&case("hardened"));
    assert_eq!(hardened.found(), "holds");
    assert!(hardened.hits.values().any(|hit| *hit > 0), "no cut hit anything");
    let teamtalk = run(&case("teamtalk"));
    assert!(teamtalk.violation("delivered/lost/msg").is_some(), "{}", teamtalk.found());
}
