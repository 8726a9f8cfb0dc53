//! What `protocol::Peers` says of each switch of `hardened` is so: its property holds once those hosts have it that must,
//! it does not while one kind of them lacks it, a mix that is said to be unsafe is, and no other one is.
//!
//! `SIM_SWITCH=name` looks at one switch, `SIM_SEEDS` at other numbers of seeds.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZero,
    path::Path,
    sync::atomic::AtomicBool,
};
use teamtalk::protocol::{Mix, Party, Protocol, SWITCHES, Switch, dependents};
use teamtalk_sim::{
    plan::{
        Role,
        case::{Case, ProtocolSpec},
        rollout::ROLES,
    },
    pool::Pool,
    properties::role,
    run::Runner,
    verify::{
        Count, Known, Noises, Pair,
        beside::{self, Seen, Violated, Without},
    },
};

/// What is said to hold is run on so many.
const SEEDS: u64 = 3;
/// What is said to break must break within so many.
const MOST: u64 = 300;
/// So many at a time, until it does.
const CHUNK: u64 = 12;
/// A mix is run on so many at a time, until it is seen to break more.
const MANY: u64 = 60;

/// Who must have a switch, and it is seen by this property only where another switch is off. Of `kept-tokens` db_proxies
/// keep tokens that are numbers apart from users; msg_servers with `edge-limits` let none of those through.
const SEEN_WITHOUT: [(&str, Role, &str, &str); 1] =
    [("kept-tokens", Role::Db, "edge-limits", "tokens")];

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

    /// Whether something breaks in some seed.
    fn breaks(&self, without: &BTreeSet<Without>) -> bool {
        let mut starts = (1..MOST).step_by(CHUNK as usize);
        starts.any(|from| !self.run(without, from..from + CHUNK).is_empty())
    }

    /// Whether a property breaks in some seed where these hosts lack it and another switch is off everywhere, and in none
    /// of the same seeds where all have it and that is off.
    fn breaks_without(&self, without: &BTreeSet<Without>, other: &str, property: &str) -> bool {
        let off = |spec: &ProtocolSpec| {
            let all = dependents(other).into_iter().chain([other]);
            all.fold(spec.clone(), |spec, name| spec.with(name, false))
        };
        let pair = Pair { base: off(&self.pair.base), candidate: off(&self.pair.candidate) };
        let broken = |without: &BTreeSet<Without>, seeds| {
            let there = beside::run(&pair, without, seeds, &self.pool).expect("nobody stops it");
            there.keys().any(|signature| of_property(signature) == property)
        };
        let mut starts = (1..MOST).step_by(CHUNK as usize).map(|from| from..from + CHUNK);
        let seen = starts.find(|seeds| broken(without, seeds.clone()));
        seen.is_some_and(|seeds| !broken(&BTreeSet::new(), 1..seeds.end))
    }

    /// What breaks more often than in another deployment, and not by chance; the first case of each is kept.
    fn lost(
        &self,
        without: &BTreeSet<Without>,
        (than_who, than): (&BTreeSet<Without>, &Violated),
    ) -> Vec<String> {
        let there = self.run(without, 1..self.seeds + 1);
        let known = Known::default();
        let noises = Noises { pool: self.pool.clone(), each: || {}, known: &known };
        let is_more = |(signature, seen): &(&String, &Seen)| match than.get(*signature) {
            Some(before) => seen.count.exceeds(before.count),
            None => {
                let expecting = |who: &BTreeSet<Without>| {
                    let expect = (*signature).clone();
                    Case { expect, ..beside::case(&self.pair, who, seen.first) }
                };
                noises.worse(&expecting(without), &noises, &expecting(than_who)).is_some()
            }
        };
        let told = |(signature, seen): (&String, &Seen)| {
            let mut case = beside::case(&self.pair, without, seen.first);
            case.expect.clone_from(signature);
            let name = format!("{}-{}.json", self.switch.name, signature.replace('/', "-"));
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            case.write(&path).expect("a case file");
            format!("{signature} {}/{} ({})", seen.count.hits, seen.count.of, path.display())
        };
        there.iter().filter(is_more).map(told).collect()
    }

    /// Claims that are not so.
    fn false_claims(&self) -> Vec<String> {
        let Switch { name, peers, .. } = self.switch;
        let mut wrong = Vec::new();
        let until: BTreeSet<Role> = peers.until.iter().copied().map(role).collect();
        let others = ROLES.into_iter().filter(|role| !until.contains(role)).map(Without::All);
        let whole = BTreeSet::new();
        let lost = self.lost(&others.collect(), (&whole, &self.run(&whole, 1..self.seeds + 1)));
        if !lost.is_empty() {
            wrong.push(format!("{name}: all that must have it have it, and {lost:?} break"));
        }
        for role in until {
            let lack = [Without::All(role)].into();
            let elsewhere = SEEN_WITHOUT.iter().find(|of| (of.0, of.1) == (*name, role));
            let breaks = match elsewhere {
                Some((.., other, property)) => self.breaks_without(&lack, other, property),
                None => self.breaks(&lack),
            };
            if !breaks {
                wrong.push(format!("{name}: all holds where no {} has it", role.name()));
            }
        }
        let everybody = [Without::Everybody].into();
        let base = self.run(&everybody, 1..self.seeds + 1);
        for role in self.scope() {
            for without in [Without::All(role), Without::Half(role), Without::AllBut(role)] {
                if peers.mixes.iter().any(|mix| is_met(mix, without)) {
                    continue;
                }
                let lost = self.lost(&[without].into(), (&everybody, &base));
                if !lost.is_empty() {
                    wrong.push(format!("{name}: {without:?} have it not, and {lost:?} break more"));
                }
            }
        }
        let unseen = peers.mixes.iter().filter(|mix| !self.is_unsafe(mix));
        wrong.extend(unseen.map(|mix| format!("{name}: \"{mix}\" is not seen")));
        wrong
    }

    /// Whether a mix breaks more than where nobody has the switch.
    fn is_unsafe(&self, mix: &Mix) -> bool {
        let is_both = |party: &&Party| mix.new.contains(party);
        let without = |party: &Party| match is_both(&party) {
            true => Without::Half(role(*party)),
            false => Without::All(role(*party)),
        };
        let mix_of: BTreeSet<Without> = mix.old.iter().map(without).collect();
        let everybody = [Without::Everybody].into();
        let (mut there, mut base) = (BTreeMap::new(), BTreeMap::new());
        (1..MOST).step_by(MANY as usize).any(|from| {
            let seeds = from..from + MANY;
            let of = seeds.end - 1;
            add(&mut there, self.run(&mix_of, seeds.clone()));
            add(&mut base, self.run(&everybody, seeds));
            let before = |signature: &String| base.get(signature).copied().unwrap_or(0);
            let is_more = |(signature, hits): (&String, &u64)| {
                let (hits, before) = (*hits, before(signature));
                of_property(signature) == mix.breaks
                    && Count { hits, of }.exceeds_at(0.05, Count { hits: before, of })
            };
            there.iter().any(is_more)
        })
    }
}

/// In how many runs more each signature was violated.
fn add(all: &mut BTreeMap<String, u64>, violated: Violated) {
    for (signature, seen) in violated {
        *all.entry(signature).or_default() += seen.count.hits;
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
    };
    let has = |party: &Party| match without {
        Without::All(of) => of != role(*party),
        Without::Half(_) => true,
        Without::AllBut(of) => of == role(*party),
        Without::Everybody => false,
    };
    mix.old.iter().all(lacks) && mix.new.iter().all(has)
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
        let pool = Pool::new(Runner::default(), jobs, &stop);
        let deployment = Deployment { switch, pair: Pair { base, candidate }, pool, seeds };
        wrong.extend(deployment.false_claims());
    }
    assert!(looked_at > 0, "no switch of hardened is called {only:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
