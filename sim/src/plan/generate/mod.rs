//! How a seed becomes a plan. Nothing random happens after this except keyed draws.

mod amid;
mod at_faults;
mod bounds;
mod clocks;
mod deployed;
pub mod deployment;
mod devices;
mod extras;
mod families;
mod faults;
mod full;
mod groups;
mod idle;
mod operations;
mod past;
pub mod rollout;
mod stores;
mod tokens;

pub use deployment::Deployment;
pub use full::limits;

use super::{
    Between, Clock, DB_WORKERS, EPOCH, Host, Node, Pace, Past, Plan, Role, Side, TICK_MS, Trouble,
};
use deployed::Mix;
use devices::devices;
use faults::{durability, faults};
use groups::groups;
use operations::operations;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde::{Deserialize, Serialize};

/// What the plans of a campaign are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Everything: faults, bad clients, second devices.
    #[default]
    Default,
    /// No faults, and clients that are in order; second devices all the same.
    Calm,
    /// Limits tried from below, at them and over them; one that is small, and fills up; a group of
    /// hundreds; no faults.
    Bounds,
    /// More than a minute in which nobody does anything, and connections that say nothing in it; no
    /// faults.
    Idle,
    /// As the default one, and each host goes down and comes back once or more, in an order of each seed's own: an
    /// upgrade in which nothing changes.
    Rolling,
    /// As the default one, and Redis and SQL answer with errors, break connections before they reply, and are slow;
    /// most plans have few other faults.
    Stores,
    /// As the default one, and the wall clocks of msg_servers and db_proxies are wrong, and are set; most plans have no
    /// other faults.
    Clocks,
}

/// All profiles, with their names and what they are for.
pub const PROFILES: [(Profile, &str, &str); 7] = [
    (Profile::Default, "default", "faults, bad clients, second devices: 2 to 3 servers"),
    (Profile::Calm, "calm", "no faults, and clients that are in order; second devices"),
    (
        Profile::Bounds,
        "bounds",
        "limits tried at, under and over, or small and full; a group of hundreds; no faults",
    ),
    (Profile::Idle, "idle", "a minute in which nobody does anything; no faults"),
    (Profile::Rolling, "rolling", "as default, and hosts are restarted one after the other"),
    (Profile::Stores, "stores", "Redis and SQL fail, lose replies and are slow; few other faults"),
    (Profile::Clocks, "clocks", "wall clocks are wrong and are set; few other faults"),
];

impl Profile {
    /// Its name.
    pub fn name(self) -> &'static str {
        PROFILES.iter().find(|(profile, ..)| *profile == self).map_or("?", |(_, name, _)| name)
    }

    /// Whether clients are in order.
    fn is_orderly(self) -> bool {
        matches!(self, Self::Calm | Self::Idle)
    }

    /// The profile of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        PROFILES.iter().find(|(_, known, _)| *known == name).map(|(profile, ..)| *profile)
    }
}

/// Which client software the devices of a campaign run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// All of SYSTEM.md section 7, and ours.
    Mixed,
    /// Only ours: what `hardened` promises, it promises with our clients.
    Ours,
}

/// The horizon of generated plans, in simulated milliseconds.
const HORIZON_MS: u64 = 9_000;
/// Logins happen before this, other operations after it.
const LOGINS_END_MS: u64 = 900;

/// The stream of draws that decides which MariaDB a plan has: one from 11.6.2 on once in four times.
const ISOLATION: u8 = 20;

/// The plan of a seed.
pub fn generate(seed: u64, clients: Clients, profile: Profile) -> Plan {
    generate_in(seed, clients, profile, &Deployment::default())
}

/// The plan of a seed in a deployment: what that fixes is so, and the seed draws the rest.
pub fn generate_in(seed: u64, clients: Clients, profile: Profile, deployment: &Deployment) -> Plan {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let tree = plan(clients, profile, deployment)
        .new_tree(&mut runner)
        .expect("the strategies reject nothing");
    let mut plan = tree.current();
    plan.noise = seed;
    match profile {
        Profile::Default | Profile::Rolling | Profile::Stores | Profile::Clocks => {
            if profile == Profile::Stores {
                stores::lay(&mut plan, seed);
            }
            extras::add(&mut plan, seed, clients, deployment);
            past::add(&mut plan, seed);
            plan.sql_snapshot_isolation = extras::Draws::of(seed, ISOLATION).once_in(4);
            tokens::add(&mut plan, seed);
            if profile == Profile::Clocks {
                clocks::lay(&mut plan, seed);
            }
        }
        Profile::Idle => idle::stretch(&mut plan),
        Profile::Bounds => full::lay(&mut plan, seed, deployment),
        Profile::Calm => {}
    }
    slow_links(&mut plan);
    plan.db_workers = deployment.db_workers.unwrap_or(plan.db_workers);
    at_the_pace(&mut plan);
    if profile == Profile::Rolling {
        rollout::lay(&mut plan, seed, &rollout::Ranks::default(), &rollout::Leg::ALL);
    }
    plan
}

/// What is drawn of a slow link comes on top of a latency of its own: a link is never faster by that fault.
fn slow_links(plan: &mut Plan) {
    let role = |name: &str| Host::parse(name).map(|host| host.role());
    for fault in &mut plan.faults {
        let Trouble::SlowLink { a, b, ticks } = &mut fault.trouble else { continue };
        let (Ok(a), Ok(b)) = (role(a), role(b)) else { continue };
        let own = Between::of(a, b).and_then(|link| plan.link_latency_ticks.get(&link));
        *ticks += own.copied().unwrap_or_default();
    }
}

/// All that is drawn is of a brisk pace: at another one each time is as much longer as timers are.
fn at_the_pace(plan: &mut Plan) {
    let times = plan.pace.times();
    for op in &mut plan.operations {
        op.at_ms *= times;
    }
    for fault in &mut plan.faults {
        fault.at_ms *= times;
        fault.for_ms *= times;
    }
    plan.horizon_ms *= times;
}

#[derive(Debug, Clone)]
struct Shape {
    msg_servers: u32,
    route_servers: u32,
    db_proxies: u32,
    client_hosts: u32,
    users: u32,
    /// How many devices, if that is fixed.
    devices: Option<u32>,
    order: u64,
    latency_ticks: u64,
}

impl Shape {
    /// With what a deployment fixes.
    fn of(self, deployment: &Deployment) -> Self {
        let (hosts, users) = (&deployment.hosts, &deployment.users);
        // At most two a user may be all that there are: half as many users always fit.
        let of_devices = users.devices.map(|devices| devices.div_ceil(2).max(2));
        let count = users.count.or(of_devices).unwrap_or(self.users);
        let is_fixed = users.count.is_some() || !deployment.clients.is_empty();
        let drawn = || count + (self.order % u64::from(count + 1)) as u32;
        Self {
            msg_servers: hosts.msg.unwrap_or(self.msg_servers),
            route_servers: hosts.route.unwrap_or(self.route_servers),
            db_proxies: hosts.db.unwrap_or(self.db_proxies),
            client_hosts: hosts.client.unwrap_or(self.client_hosts),
            users: count,
            devices: users.devices.or_else(|| is_fixed.then(drawn)),
            latency_ticks: deployment.latency_ms.map_or(self.latency_ticks, |ms| ms / TICK_MS),
            ..self
        }
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    (2..=3_u32, prop_oneof![3 => Just(1_u32), 1 => Just(2)], 3..=4_u32, any::<u64>(), 1..=2_u64)
        .prop_map(|(msg_servers, route_servers, users, order, latency_ticks)| Shape {
            msg_servers,
            route_servers,
            db_proxies: 2,
            client_hosts: 2,
            users,
            devices: None,
            order,
            latency_ticks,
        })
}

fn plan(
    clients: Clients,
    profile: Profile,
    deployment: &Deployment,
) -> impl Strategy<Value = Plan> + use<> {
    let fixed = deployment.clone();
    shape().prop_flat_map(move |shape| {
        let (shape, fixed) = (shape.of(&fixed), fixed.clone());
        let devices = match shape.devices {
            Some(count) => {
                let mix = Mix::new(&fixed.clients, clients);
                deployed::devices(&shape, count, mix, profile).boxed()
            }
            None => devices(&shape, clients, profile).boxed(),
        };
        let times = groups::more(shape.users, fixed.users.operations);
        let groups = groups(shape.users, times);
        let groups = match profile {
            Profile::Bounds => {
                let crowd = bounds::crowd(shape.users);
                (groups, crowd)
                    .prop_map(|(mut groups, crowd)| {
                        groups.known.push(crowd);
                        groups
                    })
                    .boxed()
            }
            Profile::Default
            | Profile::Calm
            | Profile::Idle
            | Profile::Rolling
            | Profile::Stores
            | Profile::Clocks => groups.boxed(),
        };
        (Just(shape), devices, groups).prop_flat_map(move |(shape, devices, groups)| {
            let nodes = nodes(&shape);
            let operations = operations(&devices, shape.users, &groups, profile, &fixed);
            let faults = match profile {
                Profile::Default | Profile::Rolling | Profile::Stores | Profile::Clocks => {
                    faults(&nodes, &devices).boxed()
                }
                Profile::Calm | Profile::Bounds | Profile::Idle => Just(Vec::new()).boxed(),
            };
            let before = (Just(shape), Just(nodes), Just(devices), Just(groups.known));
            let fixed = fixed.clone();
            (before, operations, faults, durability()).prop_map(
                move |((shape, nodes, devices, groups), operations, faults, redis)| Plan {
                    pace: fixed.pace.unwrap_or(Pace::Brisk),
                    noise: 0,
                    noise_from: None,
                    epoch: EPOCH,
                    latency_ticks: shape.latency_ticks,
                    link_latency_ticks: fixed.link_latency_ticks(),
                    db_workers: DB_WORKERS,
                    redis: fixed.redis.unwrap_or(redis),
                    redis_refuses_writes: false,
                    sql_snapshot_isolation: false,
                    schema: None,
                    migrations: Vec::new(),
                    nodes,
                    devices,
                    groups,
                    past: Past::default(),
                    operations,
                    faults,
                    rollout: Vec::new(),
                    horizon_ms: HORIZON_MS,
                },
            )
        })
    })
}

/// All machines, in a registration order that the shape's `order` picks.
fn nodes(shape: &Shape) -> Vec<Node> {
    let mut hosts = vec![Role::Redis.host(), Role::Sql.host(), Role::Outside.host()];
    let numbered = [
        (Role::Db, shape.db_proxies),
        (Role::Route, shape.route_servers),
        (Role::Msg, shape.msg_servers),
        (Role::Client, shape.client_hosts),
    ];
    for (role, count) in numbered {
        hosts.extend((1..=count).map(|n| role.numbered(n)));
    }
    let mut order = shape.order;
    let mut nodes = Vec::with_capacity(hosts.len());
    while !hosts.is_empty() {
        let host = hosts.remove((order % hosts.len() as u64) as usize);
        order = order.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        nodes.push(Node { host, side: Side::Base, clock: Clock::default() });
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::{Clients, Profile, generate};
    use crate::plan::{Action, Client, GroupRef, Operation, Plan};
    use std::collections::{BTreeMap, BTreeSet};
    use teamtalk::client::{Acks, Conduct};

    fn plans(clients: Clients, profile: Profile) -> impl Iterator<Item = Plan> {
        (0..300).map(move |seed| generate(seed, clients, profile))
    }

    #[test]
    fn a_seed_is_a_plan() {
        let plan = |seed| generate(seed, Clients::Mixed, Profile::Default);
        assert_eq!(plan(3), plan(3));
        assert_ne!(plan(3), plan(4));
    }

    #[test]
    fn plans_are_sound() {
        for plan in plans(Clients::Mixed, Profile::Default) {
            let when = |op: &Operation| (op.at_ms, op.id);
            assert!(plan.operations.is_sorted_by_key(when));
            let ids: BTreeSet<_> = plan.operations.iter().map(|op| op.id).collect();
            assert_eq!(ids.len(), plan.operations.len());
            assert!(plan.devices.len() >= 3 && plan.devices.len() <= 8);
            let slots: BTreeSet<_> = plan.devices.iter().map(|d| d.slot).collect();
            assert_eq!(slots.len(), plan.devices.len());
            for fault in &plan.faults {
                assert!(fault.at_ms + fault.for_ms < plan.horizon_ms + 2_500);
            }
            for op in &plan.operations {
                assert!(slots.contains(&op.device));
                assert!(op.at_ms < plan.horizon_ms, "the liveness phase is for reading only");
            }
            let users = plan.devices.iter().map(|d| d.user).max().unwrap_or_default();
            for group in &plan.groups {
                assert!(group.members.len() >= 2 && group.members.iter().all(|m| *m <= users));
            }
            for op in &plan.operations {
                if let Some(&mut GroupRef::Created { created_by }) = op.action.clone().group_mut() {
                    let creates = |of: &&Operation| of.id == created_by && of.at_ms < op.at_ms;
                    let by = plan.operations.iter().find(creates).map(|of| &of.action);
                    assert!(matches!(by, Some(Action::CreateGroup { .. })), "{op:?}");
                }
            }
            for slot in &slots {
                let logs_in = |op: &Operation| op.device == *slot && op.action == Action::Login;
                assert!(plan.operations.iter().any(logs_in));
            }
        }
    }

    #[test]
    fn most_plans_have_a_group_and_many_messages_go_to_one() {
        let (mut with, mut to_users, mut to_groups) = (0, 0, 0);
        for plan in plans(Clients::Ours, Profile::Calm) {
            with += u32::from(!plan.groups.is_empty());
            for op in plan.operations.iter().filter(|op| op.action.is_send()) {
                match op.action.clone().group_mut() {
                    Some(_) => to_groups += 1,
                    None => to_users += 1,
                }
            }
        }
        assert!(with > 150 && to_groups * 5 > to_users, "{with} {to_groups} {to_users}");
    }

    #[test]
    fn every_action_client_and_conduct_appears_and_sends_dominate() {
        let mut actions: BTreeMap<String, u32> = BTreeMap::new();
        let (mut clients, mut conducts) = (BTreeSet::new(), BTreeSet::new());
        let (mut siblings, mut bursts) = (0, 0);
        for plan in plans(Clients::Mixed, Profile::Default) {
            for op in &plan.operations {
                *actions.entry(op.action.name()).or_default() += 1;
            }
            for device in &plan.devices {
                clients.insert(device.client);
                let Conduct { acks, ignores_kick } = device.conduct;
                let late = matches!(acks, Acks::Late { .. });
                conducts.insert((late, acks == Acks::Never, ignores_kick));
                let same = |d: &&crate::plan::Device| {
                    (d.user, d.client.is_phone()) == (device.user, device.client.is_phone())
                };
                siblings += u32::from(plan.devices.iter().filter(same).count() == 2);
            }
            let of = |slot| {
                let sends =
                    |op: &&Operation| op.device == slot && matches!(op.action, Action::Send { .. });
                plan.operations.iter().filter(sends).map(|op| op.at_ms).collect::<Vec<_>>()
            };
            let burst = |slot| of(slot).windows(21).any(|at| at[20] - at[0] < 1_000);
            bursts += u32::from(plan.devices.iter().any(|device| burst(device.slot)));
        }
        assert_eq!(actions.len(), 41, "{actions:?}");
        assert!(actions.values().all(|n| *n >= 20), "{actions:?}");
        let all = actions.values().sum::<u32>() - actions["login"];
        let sends = ["send", "send_cipher", "send_payload", "send_audio"].map(|name| actions[name]);
        let sends: u32 = sends.iter().sum();
        assert!(sends * 5 > all * 3, "{actions:?}");
        assert_eq!(clients.len(), 6);
        assert_eq!(conducts.len(), 6, "{conducts:?}");
        assert!(siblings > 60 && bursts > 10, "{siblings} siblings, {bursts} bursts");
    }

    #[test]
    fn calm_plans_have_no_faults_and_no_bad_clients() {
        let mut second = 0;
        for plan in plans(Clients::Ours, Profile::Calm) {
            assert_eq!(plan.faults, []);
            for device in &plan.devices {
                let normal = Conduct { acks: Acks::Prompt, ignores_kick: false };
                assert_eq!(device.conduct, normal);
                assert!(matches!(device.client, Client::OursPc | Client::OursPhone));
                second += u32::from(super::devices::is_second(device.slot));
            }
            assert!(plan.operations.iter().all(|op| op.action.is_proper()));
        }
        assert!(second > 50);
    }
}
