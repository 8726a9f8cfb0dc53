//! What goes wrong in a generated plan.

use super::HORIZON_MS;
use crate::plan::{Cut, Device, Durability, Fate, Fault, Host, Node, Role, TICK_MS, Trouble};
use proptest::{prelude::*, strategy::Union};
use std::collections::BTreeSet;

/// Faults start between these, in simulated milliseconds: when logins are over, and early enough
/// that operations still come.
const STARTS: std::ops::Range<u64> = 1_000..HORIZON_MS - 1_500;
/// How long a fault lasts, in simulated milliseconds.
const LASTS: std::ops::Range<u64> = 100..2_500;

/// Kinds of trouble that a seed has or has not.
const FAMILIES: u32 = 4;

/// When Redis flushes. A model that loses nothing makes its power cuts tame.
pub fn durability() -> impl Strategy<Value = Durability> {
    prop_oneof![
        1 => Just(Durability::Always),
        2 => Just(Durability::EverySecond),
        1 => Just(Durability::Never),
    ]
}

/// None to four faults, mostly one or two. Each seed leaves some families out and weighs the
/// others anew: what is rare among all faults comes in crowds in some seeds.
pub fn faults(nodes: &[Node], devices: &[Device]) -> impl Strategy<Value = Vec<Fault>> + use<> {
    let places = Places::new(nodes, devices);
    let many =
        prop_oneof![1 => Just(0_usize), 6 => Just(1), 6 => Just(2), 5 => Just(3), 3 => Just(4)];
    let weights = prop::collection::vec(1..4_u32, FAMILIES as usize);
    (many, 1..1_u32 << FAMILIES, weights).prop_flat_map(move |(many, subset, weights)| {
        let families = [cuts(&places), delays(&places), reads(&places), processes(&places)];
        let on = |(n, family)| (subset >> n & 1 == 1).then(|| (weights[n], family));
        let trouble =
            Union::new_weighted(families.into_iter().enumerate().filter_map(on).collect());
        prop::collection::vec((STARTS, LASTS, trouble), many).prop_map(numbered)
    })
}

fn numbered(mut faults: Vec<(u64, u64, Trouble)>) -> Vec<Fault> {
    faults.sort_by_key(|f| f.0);
    let number = |(i, (at, lasts, trouble)): (usize, (u64, u64, Trouble))| {
        let for_ms = match trouble {
            Trouble::Reset { .. } => TICK_MS,
            _ => lasts / TICK_MS * TICK_MS,
        };
        Fault { id: i as u32 + 1, at_ms: at / TICK_MS * TICK_MS, for_ms, trouble }
    };
    faults.into_iter().enumerate().map(number).collect()
}

/// Where trouble can be that something notices.
#[derive(Debug, Clone)]
struct Places {
    hosts: Vec<String>,
    /// Pairs of hosts with streams between them, by who they are.
    links: Vec<(u32, Vec<(String, String)>)>,
}

impl Places {
    fn new(nodes: &[Node], devices: &[Device]) -> Self {
        let used: BTreeSet<_> = devices.iter().map(|d| d.host.as_str()).collect();
        let in_use = |host: &&Host| match host.role() {
            Role::Outside => false,
            Role::Client => used.contains(&***host),
            _ => true,
        };
        let hosts: Vec<_> = nodes.iter().map(|n| &n.host).filter(in_use).collect();
        let of = |role: Role| {
            let hosts = hosts.iter().filter(|h| h.role() == role);
            hosts.map(|h| h.to_string()).collect::<Vec<_>>()
        };
        let pairs = |a: Role, b: Role| -> Vec<(String, String)> {
            let (a, b) = (of(a), of(b));
            a.iter().flat_map(|a| b.iter().map(|b| (a.clone(), b.clone()))).collect()
        };
        let homes: BTreeSet<_> = devices.iter().map(|d| (d.host.clone(), d.home.clone())).collect();
        // Weighted towards the links on which messages travel.
        let links = vec![
            (6, homes.into_iter().collect()),
            (4, pairs(Role::Msg, Role::Db)),
            (3, pairs(Role::Msg, Role::Route)),
            (2, pairs(Role::Db, Role::Redis)),
            (2, pairs(Role::Db, Role::Sql)),
        ];
        Self { hosts: hosts.iter().map(|h| h.to_string()).collect(), links }
    }

    fn host(&self) -> impl Strategy<Value = String> + use<> {
        prop::sample::select(self.hosts.clone())
    }

    fn link(&self) -> impl Strategy<Value = (String, String)> + Clone + use<> {
        let weighed =
            |(weight, pairs): &(u32, Vec<_>)| (*weight, prop::sample::select(pairs.clone()));
        Union::new_weighted(self.links.iter().map(weighed).collect())
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Reset),
        2 => (50..2_000_u64).prop_map(|ms| Fate::ResetWithin { ms }),
        3 => Just(Fate::Silent),
    ]
}

/// Links that lose something.
fn cuts(places: &Places) -> BoxedStrategy<Trouble> {
    let cut = prop_oneof![Just(Cut::Both), Just(Cut::AToB), Just(Cut::BToA)];
    prop_oneof![
        5 => (places.link(), cut, fate())
            .prop_map(|((a, b), cut, fate)| Trouble::Partition { a, b, cut, fate }),
        2 => (places.host(), fate()).prop_map(|(host, fate)| Trouble::Isolate { host, fate }),
        3 => (places.link(), fate()).prop_map(|((a, b), fate)| Trouble::Drop { a, b, fate }),
        3 => places.link().prop_map(|(a, b)| Trouble::Reset { a, b }),
    ]
    .boxed()
}

/// Links that lose nothing.
fn delays(places: &Places) -> BoxedStrategy<Trouble> {
    prop_oneof![
        3 => places.link().prop_map(|(a, b)| Trouble::Stall { a, b }),
        3 => (places.link(), 2..12_u64)
            .prop_map(|((a, b), ticks)| Trouble::Jitter { a, b, ticks }),
        3 => (places.link(), 5..60_u64)
            .prop_map(|((a, b), ticks)| Trouble::SlowLink { a, b, ticks }),
    ]
    .boxed()
}

/// Sockets that pass little.
fn reads(places: &Places) -> BoxedStrategy<Trouble> {
    let slow = prop_oneof![1 => Just(0_usize), 4 => 1..40_usize];
    let of_host = (places.host(), slow.clone()).prop_map(|(host, bytes)| {
        let peer = None;
        Trouble::SlowReader { host, peer, bytes }
    });
    let of_link = (places.link(), any::<bool>(), slow).prop_map(|((a, b), back, bytes)| {
        let (host, peer) = if back { (b, a) } else { (a, b) };
        Trouble::SlowReader { host, peer: Some(peer), bytes }
    });
    prop_oneof![
        2 => (places.host(), 1..32_usize)
            .prop_map(|(host, bytes)| Trouble::TinyIo { host, bytes }),
        1 => of_host,
        2 => of_link,
    ]
    .boxed()
}

/// Processes and machines.
fn processes(places: &Places) -> BoxedStrategy<Trouble> {
    // What a power cut of Redis loses is what most of the roles' care is about.
    let off = prop_oneof![2 => places.host(), 1 => Just("redis".to_string())];
    prop_oneof![
        3 => (places.host(), any::<bool>())
            .prop_map(|(host, refuses)| Trouble::Crash { host, refuses }),
        2 => places.host().prop_map(|host| Trouble::Stop { host }),
        3 => off.prop_map(|host| Trouble::PowerCut { host }),
        2 => places.host().prop_map(|host| Trouble::Pause { host }),
    ]
    .boxed()
}

#[cfg(test)]
mod tests {
    use crate::plan::{
        Durability,
        generate::{Clients, Profile, generate},
    };
    use std::collections::BTreeMap;

    #[test]
    fn every_fault_appears_and_small_plans_dominate() {
        let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
        let (mut counts, mut lossy) = ([0; 14], 0);
        for seed in 0..300 {
            let plan = generate(seed, Clients::Mixed, Profile::Default);
            counts[plan.faults.len()] += 1;
            lossy += u32::from(plan.redis != Durability::Always);
            for fault in &plan.faults {
                assert_eq!(fault.check(), Ok(()));
                let name = format!("{:?}", fault.trouble);
                let kind = name.split(' ').next().expect("a name");
                *kinds.entry(kind.to_string()).or_default() += 1;
            }
        }
        assert_eq!(kinds.len(), 13, "{kinds:?}");
        assert!(kinds.values().all(|n| *n >= 10), "{kinds:?}");
        assert!(counts[1] + counts[2] > 120 && counts[0] < 40 && counts[13] == 0, "{counts:?}");
        assert!((150..280).contains(&lossy), "{lossy}");
    }
}
