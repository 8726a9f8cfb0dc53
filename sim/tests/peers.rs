//! What `protocol::Peers` says of each switch of `hardened` is so: its property holds once those hosts have it that must,
//! it does not while one kind of them lacks it, a mix that is said to be unsafe is, and no other one is.
//!
//! `SIM_SWITCH=name` looks at one switch, `SIM_SEEDS` at other numbers of seeds.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZero,
    sync::atomic::AtomicBool,
};
use teamtalk::protocol::{Mix, Party, Protocol, SWITCHES, Switch, dependents};
use teamtalk_sim::{
    plan::{Role, case::ProtocolSpec, rollout::ROLES},
    pool::Pool,
    properties::role,
    run::Runner,
    verify::{
        Count, Pair,
        beside::{self, Violated, Without},
    },
};

/// What is said to hold is run on so many.
const SEEDS: u64 = 6;
/// What is said to break must break within so many.
const MOST: u64 = 300;
/// So many at a time, until it does.
const CHUNK: u64 = 12;

/// A deployment that lacks a switch and is to get it.
struct Deployment<'a> {
    switch: &'static Switch,
    pair: Pair,
    pool: Pool<'a>,
    seeds: u64,
}

impl Deployment<'_> {
    fn run(&self, without: &BTreeSet<Without>, seeds: std::ops::Range<u64>) -> Violated {
        beside::run(&self.pair, without, seeds, &self.pool).expect("nobody stops it")
    }

    /// The hosts that the switch changes, by role.
    fn scope(&self) -> Vec<Role> {
        let parties = [Party::Client, Party::Msg, Party::Route, Party::Db].map(role);
        let is_in = |role: &Role| self.switch.scope.split(", ").any(|part| part == role.name());
        parties.into_iter().filter(is_in).collect()
    }

    /// Whether the property of the switch, or another one, breaks in some seed.
    fn breaks(&self, property: &str, without: &BTreeSet<Without>) -> bool {
        let starts: Vec<u64> = (1..MOST).step_by(CHUNK as usize).collect();
        starts.into_iter().any(|from| {
            let violated = self.run(without, from..from + CHUNK);
            violated.keys().any(|signature| of_property(signature) == property)
        })
    }

    /// Claims that are not so.
    fn false_claims(&self) -> Vec<String> {
        let Switch { name, property, peers, .. } = self.switch;
        let until: BTreeSet<Role> = peers.until.iter().copied().map(role).collect();
        let others = ROLES.into_iter().filter(|role| !until.contains(role)).map(Without::All);
        let violated = self.run(&others.collect(), 1..self.seeds + 1);
        let mut wrong = Vec::new();
        if !violated.is_empty() {
            wrong.push(format!("{name}: all that must have it have it, and {violated:?} break"));
        }
        for role in until {
            if !self.breaks(property, &[Without::All(role)].into()) {
                wrong.push(format!("{name}: {property} holds though no {} has it", role.name()));
            }
        }
        let base = self.run(&[Without::Everybody].into(), 1..self.seeds + 1);
        for role in self.scope() {
            for without in [Without::All(role), Without::Half(role), Without::AllBut(role)] {
                if peers.mixes.iter().any(|mix| is_met(mix, without)) {
                    continue;
                }
                let there = self.run(&[without].into(), 1..self.seeds + 1);
                let lost = lost(&base, &there, self.seeds);
                if !lost.is_empty() {
                    wrong.push(format!("{name}: {without:?} have it not, and {lost:?} break more"));
                }
            }
        }
        for mix in peers.mixes {
            if !self.is_unsafe(mix) {
                wrong.push(format!("{name}: \"{mix}\" is not seen"));
            }
        }
        wrong
    }

    /// Whether a mix breaks more than its base, in which nobody has the switch.
    fn is_unsafe(&self, mix: &Mix) -> bool {
        let both = mix.old.iter().filter(|party| mix.new.contains(party));
        let half: BTreeSet<Without> = both.copied().map(role).map(Without::Half).collect();
        let all = mix.old.iter().filter(|party| !mix.new.contains(party));
        let without = all.copied().map(role).map(Without::All).chain(half).collect();
        let [there, base] =
            [without, [Without::Everybody].into()].map(|who| self.run(&who, 1..MOST / 5 + 1));
        let of = MOST / 5;
        let count = |violated: &Violated| {
            let of_mix = violated.iter().filter(|(of, _)| of_property(of) == mix.breaks);
            Count { hits: of_mix.map(|(_, count)| count.hits).max().unwrap_or(0), of }
        };
        count(&there).exceeds(count(&base))
    }
}

fn of_property(signature: &str) -> &str {
    signature.split('/').next().unwrap_or_default()
}

/// Whether hosts are in a mix where some have a switch and these have it not.
fn is_met(mix: &Mix, without: Without) -> bool {
    let lacks = |party: &Party| match without {
        Without::All(of) | Without::Half(of) => of == role(*party),
        Without::AllBut(of) => of != role(*party),
        Without::Everybody => true,
        Without::Nobody => false,
    };
    let has = |party: &Party| match without {
        Without::All(of) => of != role(*party),
        Without::Half(_) | Without::Nobody => true,
        Without::AllBut(of) => of == role(*party),
        Without::Everybody => false,
    };
    mix.old.iter().all(lacks) && mix.new.iter().all(has)
}

/// What breaks more often than where nobody has the switch, and not by chance.
fn lost(base: &Violated, there: &Violated, seeds: u64) -> BTreeMap<String, [u64; 2]> {
    let mut lost = BTreeMap::new();
    for (signature, count) in there {
        let before = base.get(signature).copied().unwrap_or(Count { hits: 0, of: seeds });
        if before.hits == 0 || count.exceeds(before) {
            lost.insert(signature.clone(), [before.hits, count.hits]);
        }
    }
    lost
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the rig's own threads")]
fn what_is_said_of_peers_is_so() {
    let only = std::env::var("SIM_SWITCH").ok();
    let seeds = std::env::var("SIM_SEEDS").map_or(SEEDS, |n| n.parse().expect("a number"));
    let jobs = std::thread::available_parallelism().map_or(1, NonZero::get);
    let hardened = Protocol::hardened();
    let on = SWITCHES.iter().filter(|switch| hardened.get(switch.name) == Some(true));
    let asked = on.filter(|switch| only.as_ref().is_none_or(|name| name == switch.name));
    let (mut wrong, mut looked_at) = (Vec::new(), 0);
    for switch in asked {
        looked_at += 1;
        // What is nothing without it is off on both sides.
        let base = ProtocolSpec::preset("hardened").with(switch.name, false);
        let mut candidate = base.clone();
        candidate.overrides.remove(switch.name);
        assert_eq!(candidate.overrides.len(), dependents(switch.name).len());
        let stop = AtomicBool::new(false);
        let pool = Pool { runner: Runner::default(), jobs, stop: &stop };
        let deployment = Deployment { switch, pair: Pair { base, candidate }, pool, seeds };
        wrong.extend(deployment.false_claims());
    }
    assert!(looked_at > 0, "no switch of hardened is called {only:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
