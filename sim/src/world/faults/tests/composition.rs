//! Faults that overlap on a link add up: what is sent meanwhile fares as if each acted alone, for
//! as long as it lasts.
//!
//! Three hosts send each other a numbered datagram every tick while random faults come and go.
//! Which of them arrive, and when, is computed a second time from the plan, link by link.

use crate::{
    plan::{
        Clock, Cut, Durability, EPOCH, Fate, Fault, Node, Pace, Plan, Role, Side, TICK_MS, Trouble,
        case::ProtocolSpec,
    },
    seeded,
    world::{Deployed, Shared, Watch, faults::Faults, hosts::Hosts},
};
use proptest::{prelude::*, test_runner::Config};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use turmoil::net::UdpSocket;

const HOSTS: [&str; 3] = ["msg1", "db1", "route1"];
const PORT: u16 = 9_000;
/// Steps that are looked at, from 0; faults begin and end within them.
const STEPS: u64 = 40;
/// Steps after them, in which what was late arrives.
const AFTER: u64 = 60;
/// The latency of links without a fault, in ticks: what is sent is in flight between two steps.
const LATENCY: u64 = 3;

/// Sender, receiver, and the step in which it was sent.
type Datagram = (usize, usize, u64);
/// The step in which it arrived.
type Arrivals = BTreeMap<Datagram, u64>;

fn plan(faults: Vec<Fault>) -> Plan {
    let hosts = [Role::Msg, Role::Db, Role::Route].map(|role| role.numbered(1));
    Plan {
        pace: Pace::Brisk,
        noise: 5,
        latency_ticks: LATENCY,
        link_latency_ticks: BTreeMap::new(),
        db_workers: 1,
        redis: Durability::Always,
        redis_refuses_writes: false,
        sql_snapshot_isolation: false,
        schema: None,
        migrations: Vec::new(),
        noise_from: None,
        epoch: EPOCH,
        nodes: hosts.map(|host| Node { host, side: Side::Base, clock: Clock::default() }).into(),
        devices: Vec::new(),
        groups: Vec::new(),
        past: Default::default(),
        operations: Vec::new(),
        faults,
        rollout: Vec::new(),
        horizon_ms: STEPS * TICK_MS,
    }
}

/// What the driver and the hosts share.
#[derive(Debug, Default)]
struct Desk {
    /// The step under way.
    step: AtomicU64,
    arrivals: Mutex<Arrivals>,
}

/// Sends to the others in every step and notes what comes.
async fn host(me: usize, desk: Arc<Desk>) -> turmoil::Result {
    let socket = UdpSocket::bind(("0.0.0.0", PORT)).await?;
    let step = || desk.step.load(Relaxed);
    let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS));
    let mut buf = [0; 9];
    loop {
        tokio::select! {
            biased;
            _ = ticks.tick() => {
                for other in (0..HOSTS.len()).filter(|other| *other != me) {
                    let to = SocketAddr::new(turmoil::lookup(HOSTS[other]), PORT);
                    let sent = [&[me as u8][..], &step().to_be_bytes()].concat();
                    socket.send_to(&sent, to).await?;
                }
            }
            came = socket.recv_from(&mut buf) => {
                came?;
                let sent = u64::from_be_bytes(buf[1..].try_into().expect("8 bytes"));
                desk.arrivals.lock().expect("one thread").insert((buf[0].into(), me, sent), step());
            }
        }
    }
}

/// What arrives when under these faults.
fn arrivals(faults: &[Fault]) -> Arrivals {
    let plan = plan(faults.to_vec());
    let tick = Duration::from_millis(TICK_MS);
    let mut sim = seeded::network(1)
        .udp_capacity(1 << 10)
        .min_message_latency(tick * LATENCY as u32)
        .max_message_latency(tick * LATENCY as u32)
        .build();
    let desk = Arc::new(Desk::default());
    for (me, name) in HOSTS.into_iter().enumerate() {
        let desk = desk.clone();
        sim.host(name, move || host(me, desk.clone()));
    }
    let shared = Shared::new(plan.noise);
    let deployed = Deployed::of(&ProtocolSpec::preset("hardened")).expect("a preset");
    let hosts =
        Hosts::new(plan.clone(), deployed.clone(), deployed, shared.clone(), Watch::default());
    let mut faults = Faults::new(&plan, &shared);
    for step in 0..STEPS + AFTER {
        desk.step.store(step, Relaxed);
        faults.apply(&mut sim, &shared, &hosts, step * TICK_MS);
        sim.step().expect("no host ends");
    }
    assert!(faults.all_over(&shared));
    let mut arrivals = desk.arrivals.lock().expect("one thread");
    std::mem::take(&mut arrivals)
}

/// How a link is in a step, for what goes from one host to another.
#[derive(Debug, Default)]
struct Way {
    cut: bool,
    held: bool,
    latency: u64,
}

fn way(faults: &[Fault], step: u64, from: usize, to: usize) -> Way {
    let now = step * TICK_MS;
    let mut way = Way { latency: 0, ..Way::default() };
    for fault in faults.iter().filter(|f| (f.at_ms..f.at_ms + f.for_ms).contains(&now)) {
        let goes = |a: &str, b: &str| (HOSTS[from], HOSTS[to]) == (a, b);
        let touches = |host: &str| HOSTS[from] == host || HOSTS[to] == host;
        match &fault.trouble {
            Trouble::Partition { a, b, cut, .. } => {
                way.cut |= *cut != Cut::BToA && goes(a, b) || *cut != Cut::AToB && goes(b, a);
            }
            Trouble::Isolate { host, .. } => way.cut |= touches(host),
            Trouble::Stall { a, b } => way.held |= goes(a, b) || goes(b, a),
            Trouble::Pause { host } => way.held |= touches(host),
            Trouble::SlowLink { a, b, ticks } if goes(a, b) || goes(b, a) => {
                way.latency = way.latency.max(*ticks);
            }
            _ => {}
        }
    }
    if way.latency == 0 {
        way.latency = LATENCY;
    }
    way
}

/// The step in which a datagram arrives; `None`: it is lost.
fn expected(faults: &[Fault], (from, to, sent): Datagram) -> Option<u64> {
    let at = |step| way(faults, step, from, to);
    let first = at(sent);
    if first.cut {
        return None;
    }
    // From here on it is in flight when faults begin and end, which is before anything arrives.
    let (mut held, mut due) = (first.held, sent + first.latency);
    for step in sent + 1.. {
        let Way { cut, held: holds, .. } = at(step);
        if cut {
            return None;
        }
        if held && !holds {
            due = step;
        }
        held = holds;
        if !held && step >= due {
            return Some(step);
        }
    }
    unreachable!("faults end")
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let host = || prop::sample::select(HOSTS.to_vec()).prop_map(String::from);
    let link = || {
        let pairs = [(0, 1), (1, 0), (1, 2), (2, 0)];
        let names = |(a, b): (usize, usize)| (HOSTS[a].to_string(), HOSTS[b].to_string());
        prop::sample::select(pairs.to_vec()).prop_map(names)
    };
    let cut = prop::sample::select(vec![Cut::Both, Cut::AToB, Cut::BToA]);
    let fate = Fate::Silent;
    prop_oneof![
        4 => (link(), cut).prop_map(move |((a, b), cut)| Trouble::Partition { a, b, cut, fate }),
        1 => host().prop_map(move |host| Trouble::Isolate { host, fate }),
        3 => link().prop_map(|(a, b)| Trouble::Stall { a, b }),
        1 => host().prop_map(|host| Trouble::Pause { host }),
        2 => (link(), 1..12_u64).prop_map(|((a, b), ticks)| Trouble::SlowLink { a, b, ticks }),
    ]
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let one = (1..STEPS - 1, 1..STEPS, trouble());
    prop::collection::vec(one, 1..7).prop_map(|faults| {
        let number = |(id, (at, lasts, trouble)): (u32, (u64, u64, Trouble))| Fault {
            id,
            at_ms: at * TICK_MS,
            for_ms: lasts.min(STEPS - at) * TICK_MS,
            trouble,
        };
        (1..).zip(faults).map(number).collect()
    })
}

fn check(faults: &[Fault]) -> Result<(), TestCaseError> {
    let came = arrivals(faults);
    for sent in 1..STEPS {
        for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
            let (datagram, way) = ((from, to, sent), format!("{} to {}", HOSTS[from], HOSTS[to]));
            let expected = expected(faults, datagram);
            prop_assert_eq!(came.get(&datagram).copied(), expected, "step {} {}", sent, way);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn faults_that_overlap_on_a_link_add_up(faults in faults()) {
        check(&faults)?;
    }
}
