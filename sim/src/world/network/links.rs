//! The links between hosts: which faults act on each, and what turmoil was told of it.

use crate::{
    noise::Noise,
    plan::{Latencies, TICK_MS},
    world::roster::{HostId, Roster},
};
use std::{collections::BTreeMap, time::Duration};
use teamtalk::env::draw_id;
use turmoil::Sim;

/// What a fault does to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLink {
    /// What one of its ends sends is lost.
    Cut {
        /// That end.
        from: HostId,
    },
    /// What its ends send waits.
    Hold,
    /// What its ends send takes another time than the plan says.
    Latency(Latency),
}

/// A latency, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// This one.
    Fixed(u64),
    /// Drawn anew each tick: from 1 to this one.
    Drawn(u64),
}

/// A fault at work on a link.
#[derive(Debug)]
struct Acting {
    fault: u32,
    what: OnLink,
    /// What a latency that is drawn is, and since which simulated millisecond.
    drawn: Option<(u64, u64)>,
}

/// How turmoil has a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct State {
    /// What the first of its ends sends is lost, and what the second does.
    cut: (bool, bool),
    held: bool,
    /// In ticks; `None`: the plan's.
    latency: Option<u64>,
}

/// The link between two hosts, in the order of their numbers.
#[derive(Debug, Default)]
struct Link {
    acting: Vec<Acting>,
    told: State,
}

/// All links that a fault ever acted on; the others are as the plan has them.
#[derive(Debug)]
pub struct Links {
    links: BTreeMap<(HostId, HostId), Link>,
    /// The plan's latencies.
    latencies: Latencies,
}

impl Acting {
    /// What it makes of a link.
    fn on(&mut self, (a, _): (HostId, HostId), noise: &mut Noise, now_ms: u64) -> State {
        let ticks = |ticks| State { latency: Some(ticks), ..State::default() };
        match self.what {
            OnLink::Cut { from } => State { cut: (from == a, from != a), ..State::default() },
            OnLink::Hold => State { held: true, ..State::default() },
            OnLink::Latency(Latency::Fixed(fixed)) => ticks(fixed),
            OnLink::Latency(Latency::Drawn(most)) => match self.drawn {
                Some((drawn, at)) if at == now_ms => ticks(drawn),
                _ => {
                    let id = [&self.fault.to_be_bytes()[..], &now_ms.to_be_bytes()];
                    let drawn = 1 + noise.draw("jitter", draw_id(&id)) % most.max(1);
                    self.drawn = Some((drawn, now_ms));
                    ticks(drawn)
                }
            },
        }
    }
}

impl State {
    /// Both at once: a cut or a hold stays while anyone wants it, and the slower latency counts.
    fn and(self, other: Self) -> Self {
        Self {
            cut: (self.cut.0 || other.cut.0, self.cut.1 || other.cut.1),
            held: self.held || other.held,
            latency: self.latency.max(other.latency),
        }
    }
}

impl Links {
    /// Links that are as the plan wants them.
    pub fn new(latencies: Latencies) -> Self {
        Self { links: BTreeMap::new(), latencies }
    }

    /// A fault does this to the link between two hosts.
    pub fn put_up(&mut self, fault: u32, a: HostId, b: HostId, what: OnLink) {
        let link = self.links.entry(pair(a, b)).or_default();
        link.acting.push(Acting { fault, what, drawn: None });
    }

    /// A fault does nothing to any link any more.
    pub fn take_away(&mut self, fault: u32) {
        for link in self.links.values_mut() {
            link.acting.retain(|acting| acting.fault != fault);
        }
    }

    /// The faults that act on what goes from one host to another, and whether each loses it.
    pub fn touching(&self, from: HostId, to: HostId) -> impl Iterator<Item = (u32, bool)> {
        let link = self.links.get(&pair(from, to));
        let touches = move |acting: &Acting| match acting.what {
            OnLink::Cut { from: end } => (end == from).then_some((acting.fault, true)),
            OnLink::Hold | OnLink::Latency(_) => Some((acting.fault, false)),
        };
        link.into_iter().flat_map(|link| &link.acting).filter_map(touches)
    }

    /// Whether what two hosts send each other is neither lost nor waits.
    pub fn is_clear(&self, a: HostId, b: HostId) -> bool {
        let slows = |acting: &Acting| matches!(acting.what, OnLink::Latency(_));
        self.links.get(&pair(a, b)).is_none_or(|link| link.acting.iter().all(slows))
    }

    /// Makes turmoil's links what the faults on each add up to.
    pub fn tell(&mut self, sim: &Sim<'_>, roster: &Roster, noise: &mut Noise, now_ms: u64) {
        for (ends, link) in &mut self.links {
            let each = link.acting.iter_mut().map(|acting| acting.on(*ends, noise, now_ms));
            let wanted = each.fold(State::default(), State::and);
            let before = std::mem::replace(&mut link.told, wanted);
            if before.latency != wanted.latency {
                let [a, b] = [ends.0, ends.1].map(|end| roster.host(end).role());
                let ticks = wanted.latency.unwrap_or_else(|| self.latencies.between(a, b));
                let (a, b) = names(roster, *ends);
                sim.set_link_latency(a, b, Duration::from_millis(ticks * TICK_MS));
            }
            if (before.cut, before.held) != (wanted.cut, wanted.held) {
                set(sim, names(roster, *ends), before.held, wanted);
            }
        }
    }

    /// Tells turmoil once more what a link is, but for its latency.
    pub fn restore(&self, sim: &Sim<'_>, roster: &Roster, a: HostId, b: HostId) {
        let ends = pair(a, b);
        let told = self.links.get(&ends).map(|link| link.told).unwrap_or_default();
        set(sim, names(roster, ends), true, told);
    }
}

/// Holding, releasing and repairing are about both ways and end a cut: it is made anew.
fn set(sim: &Sim<'_>, (a, b): (&str, &str), was_held: bool, to: State) {
    if to.held {
        sim.hold(a, b);
    } else if was_held {
        sim.release(a, b);
    } else {
        sim.repair(a, b);
    }
    if to.cut.0 {
        sim.partition_oneway(a, b);
    }
    if to.cut.1 {
        sim.partition_oneway(b, a);
    }
}

fn names(roster: &Roster, (a, b): (HostId, HostId)) -> (&str, &str) {
    (roster.host(a), roster.host(b))
}

fn pair(a: HostId, b: HostId) -> (HostId, HostId) {
    if a < b { (a, b) } else { (b, a) }
}
