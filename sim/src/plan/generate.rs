//! How a seed becomes a plan. Nothing random happens after this except keyed draws.

use super::{
    Action, Client, Cut, DB_WORKERS, Device, Fate, Fault, Node, Operation, Pace, Plan, Side,
    TICK_MS, Trouble,
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// Which client software the devices of a campaign run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Windows of SYSTEM.md section 7, and ours.
    Mixed,
    /// Only ours: what `hardened` promises, it promises with our clients.
    Ours,
}

/// The horizon of generated plans, in simulated milliseconds.
const HORIZON_MS: u64 = 9_000;
/// Logins happen before this, other operations after it.
const LOGINS_END_MS: u64 = 900;

/// The plan of a seed.
pub fn generate(seed: u64, clients: Clients) -> Plan {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let tree = plan(clients).new_tree(&mut runner).expect("the strategies reject nothing");
    let mut plan = tree.current();
    plan.noise = seed;
    plan
}

#[derive(Debug, Clone)]
struct Shape {
    msg_servers: u32,
    route_servers: u32,
    users: u32,
    order: u64,
    latency_ticks: u64,
}

fn shape() -> impl Strategy<Value = Shape> {
    (2..=3_u32, prop_oneof![3 => Just(1_u32), 1 => Just(2)], 3..=4_u32, any::<u64>(), 1..=2_u64)
        .prop_map(|(msg_servers, route_servers, users, order, latency_ticks)| Shape {
            msg_servers,
            route_servers,
            users,
            order,
            latency_ticks,
        })
}

fn plan(clients: Clients) -> impl Strategy<Value = Plan> {
    shape().prop_flat_map(move |shape| {
        let devices = devices(&shape, clients);
        (Just(shape), devices).prop_flat_map(|(shape, devices)| {
            let nodes = nodes(&shape);
            let operations = operations(&devices, shape.users);
            let faults = faults(&nodes);
            (Just(shape), Just(nodes), Just(devices), operations, faults).prop_map(
                |(shape, nodes, devices, operations, faults)| Plan {
                    pace: Pace::Brisk,
                    noise: 0,
                    latency_ticks: shape.latency_ticks,
                    db_workers: DB_WORKERS,
                    nodes,
                    devices,
                    operations,
                    faults,
                    horizon_ms: HORIZON_MS,
                },
            )
        })
    })
}

/// All machines, in a registration order that the shape's `order` picks.
fn nodes(shape: &Shape) -> Vec<Node> {
    let mut hosts = vec!["redis".to_string(), "sql".into(), "outside".into()];
    hosts.extend((1..=2).map(|n| format!("db{n}")));
    hosts.extend((1..=shape.route_servers).map(|n| format!("route{n}")));
    hosts.extend((1..=shape.msg_servers).map(|n| format!("msg{n}")));
    hosts.extend((1..=2).map(|n| format!("client{n}")));
    let mut order = shape.order;
    let mut nodes = Vec::with_capacity(hosts.len());
    while !hosts.is_empty() {
        let host = hosts.remove((order % hosts.len() as u64) as usize);
        order = order.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        nodes.push(Node { host, side: Side::Base });
    }
    nodes
}

/// One PC for each user, and a phone for some.
fn devices(shape: &Shape, clients: Clients) -> impl Strategy<Value = Vec<Device>> + use<> {
    let msg_servers = shape.msg_servers;
    let one = move |user: u32| {
        let place = (1..=2_u32, 1..=msg_servers);
        (any::<bool>(), any::<bool>(), place.clone(), place).prop_map(
            move |(windows, phone, pc_at, phone_at)| {
                let device = |slot, client, (host, home): (u32, u32)| Device {
                    slot,
                    user,
                    client,
                    host: format!("client{host}"),
                    home: format!("msg{home}"),
                    side: Side::Base,
                };
                let windows = windows && clients == Clients::Mixed;
                let pc = if windows { Client::Windows } else { Client::OursPc };
                let mut devices = vec![device(user * 2 - 1, pc, pc_at)];
                if phone {
                    devices.push(device(user * 2, Client::OursPhone, phone_at));
                }
                devices
            },
        )
    };
    let users: Vec<_> = (1..=shape.users).map(one).collect();
    users.prop_map(|devices| devices.concat())
}

fn operations(devices: &[Device], users: u32) -> impl Strategy<Value = Vec<Operation>> + use<> {
    let slots: Vec<_> = devices.iter().map(|d| (d.slot, d.user)).collect();
    let logins: Vec<_> = slots.iter().map(|_| 200..LOGINS_END_MS).collect();
    let action = (0..slots.len(), 1..users, 0..100_u32, 1..20_u32);
    let rest = prop::collection::vec((LOGINS_END_MS..HORIZON_MS - 500, action), 45..90);
    (logins, rest).prop_map(move |(logins, rest)| {
        let logins = slots.iter().zip(logins).map(|(d, at)| (at, d.0, Action::Login));
        let rest = rest.iter().map(|&(at, (who, step, kind, count))| {
            let (slot, user) = slots[who];
            let peer = (user - 1 + step) % users + 1;
            let action = match kind {
                0..82 => Action::Send { to: peer },
                82..90 => Action::Read { peer },
                90..95 => Action::Pull { peer, count },
                _ => Action::Reconnect,
            };
            (at, slot, action)
        });
        let mut all: Vec<_> = logins.chain(rest).collect();
        all.sort_by_key(|(at, slot, _)| (*at, *slot));
        let number = |(i, (at, device, action)): (usize, (u64, u32, Action))| Operation {
            id: i as u32 + 1,
            at_ms: at / TICK_MS * TICK_MS,
            device,
            action,
        };
        all.into_iter().enumerate().map(number).collect()
    })
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Reset),
        2 => (50..2_000_u64).prop_map(|ms| Fate::ResetWithin { ms }),
        3 => Just(Fate::Silent),
    ]
}

/// A link that carries traffic, weighted towards the ones where messages travel.
fn link(nodes: &[Node]) -> impl Strategy<Value = (String, String)> + use<> {
    let of = |role: &str| -> Vec<String> {
        nodes.iter().map(|n| n.host.clone()).filter(|h| h.starts_with(role)).collect()
    };
    let pair = |a: Vec<String>, b: Vec<String>| (prop::sample::select(a), prop::sample::select(b));
    prop_oneof![
        6 => pair(of("client"), of("msg")),
        4 => pair(of("msg"), of("db")),
        3 => pair(of("msg"), of("route")),
        2 => pair(of("db"), of("redis")),
        2 => pair(of("db"), of("sql")),
    ]
}

fn faults(nodes: &[Node]) -> impl Strategy<Value = Vec<Fault>> + use<> {
    let hosts: Vec<_> = nodes.iter().map(|n| n.host.clone()).filter(|h| h != "outside").collect();
    let cut = prop_oneof![Just(Cut::Both), Just(Cut::AToB), Just(Cut::BToA)];
    let trouble = prop_oneof![
        5 => (link(nodes), cut, fate())
            .prop_map(|((a, b), cut, fate)| Trouble::Partition { a, b, cut, fate }),
        1 => (prop::sample::select(hosts.clone()), fate())
            .prop_map(|(host, fate)| Trouble::Isolate { host, fate }),
        2 => link(nodes).prop_map(|(a, b)| Trouble::Stall { a, b }),
        2 => (link(nodes), fate()).prop_map(|((a, b), fate)| Trouble::Drop { a, b, fate }),
        2 => link(nodes).prop_map(|(a, b)| Trouble::Reset { a, b }),
        2 => (link(nodes), 2..12_u64).prop_map(|((a, b), ticks)| Trouble::Jitter { a, b, ticks }),
        3 => (prop::sample::select(hosts), any::<bool>())
            .prop_map(|(host, refuses)| Trouble::Crash { host, refuses }),
    ];
    let fault = (1_000..HORIZON_MS - 1_500, 100..2_500_u64, trouble);
    let many =
        prop_oneof![1 => Just(0_usize), 6 => Just(1), 6 => Just(2), 5 => Just(3), 3 => Just(4)];
    many.prop_flat_map(move |n| prop::collection::vec(fault.clone(), n)).prop_map(|faults| {
        let mut faults = faults;
        faults.sort_by_key(|f| f.0);
        let number = |(i, (at, lasts, trouble)): (usize, (u64, u64, Trouble))| {
            let lasts = match trouble {
                Trouble::Drop { .. } | Trouble::Reset { .. } => TICK_MS,
                _ => lasts / TICK_MS * TICK_MS,
            };
            Fault { id: i as u32 + 1, at_ms: at / TICK_MS * TICK_MS, for_ms: lasts, trouble }
        };
        faults.into_iter().enumerate().map(number).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::{Clients, generate};

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(generate(3, Clients::Mixed), generate(3, Clients::Mixed));
        assert_ne!(generate(3, Clients::Mixed), generate(4, Clients::Mixed));
    }

    #[test]
    fn plans_are_sound() {
        for seed in 0..50 {
            let plan = generate(seed, Clients::Mixed);
            assert!(
                plan.operations.windows(2).all(|w| w[0].id < w[1].id && w[0].at_ms <= w[1].at_ms)
            );
            assert!(plan.devices.len() >= 3 && plan.devices.len() <= 8);
            for fault in &plan.faults {
                assert!(fault.at_ms + fault.for_ms < plan.horizon_ms + 2_500);
            }
            for op in &plan.operations {
                assert!(plan.devices.iter().any(|d| d.slot == op.device));
            }
        }
    }
}
