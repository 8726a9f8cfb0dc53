//! The links of turmoil's network, brought to what the running conditions ask for.

use crate::{
    plan::{Host, TICK_MS},
    world::{
        conditions::{Condition, Latency},
        shared::Inner,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use teamtalk::env::{ConnId, draw_id};
use turmoil::Sim;

/// A link between two hosts, in name order.
type Pair = (String, String);

/// How a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Link {
    /// From the first host to the second, and back.
    cut: (bool, bool),
    held: bool,
    /// In ticks; `None`: the plan's.
    latency: Option<u64>,
}

/// All links that were ever touched, as turmoil has them now.
#[derive(Debug)]
pub struct Links {
    now: BTreeMap<Pair, Link>,
    /// The plan's latency, in ticks.
    usual: u64,
    /// What each fault that jitters drew last, and at which simulated millisecond.
    drawn: BTreeMap<u32, (u64, u64)>,
}

impl Links {
    /// Links that are as the plan wants them.
    pub fn new(usual: u64) -> Self {
        Self { now: BTreeMap::new(), usual, drawn: BTreeMap::new() }
    }

    /// Makes every link as the conditions want it. What jitters is drawn once a tick.
    pub fn update(&mut self, sim: &Sim<'_>, shared: &mut Inner, now_ms: u64) {
        let mut wanted: BTreeMap<Pair, Link> =
            self.now.keys().map(|pair| (pair.clone(), Link::default())).collect();
        let Inner { conditions, noise, .. } = shared;
        for running in &conditions.0 {
            for condition in &running.conditions {
                match condition {
                    Condition::Cut { from, to } => {
                        let link = wanted.entry(pair(from, to)).or_default();
                        if from < to { link.cut.0 = true } else { link.cut.1 = true }
                    }
                    Condition::Hold { a, b } => {
                        wanted.entry(pair(a, b)).or_default().held = true;
                    }
                    Condition::Latency { a, b, latency } => {
                        let ticks = match latency {
                            Latency::Fixed(ticks) => *ticks,
                            Latency::Drawn(most) => {
                                let (at, ticks) = self.drawn.entry(running.fault).or_default();
                                if *at != now_ms || *ticks == 0 {
                                    let id =
                                        [&running.fault.to_be_bytes()[..], &now_ms.to_be_bytes()];
                                    let draw = noise.draw("jitter", draw_id(&id));
                                    (*at, *ticks) = (now_ms, 1 + draw % (*most).max(1));
                                }
                                *ticks
                            }
                        };
                        let link = wanted.entry(pair(a, b)).or_default();
                        link.latency = link.latency.max(Some(ticks));
                    }
                    _ => {}
                }
            }
        }
        for (pair, link) in wanted {
            let before = self.now.insert(pair.clone(), link).unwrap_or_default();
            self.change(sim, &pair, before, link);
        }
    }

    fn change(&self, sim: &Sim<'_>, (a, b): &Pair, before: Link, after: Link) {
        let (a, b) = (a.as_str(), b.as_str());
        if before.latency != after.latency {
            let ticks = after.latency.unwrap_or(self.usual);
            sim.set_link_latency(a, b, Duration::from_millis(ticks * TICK_MS));
        }
        if (before.cut, before.held) == (after.cut, after.held) {
            return;
        }
        // Holding, releasing and repairing are about both ways and end a cut: it is made anew.
        if after.held {
            sim.hold(a, b);
        } else if before.held {
            sim.release(a, b);
        } else {
            sim.repair(a, b);
        }
        if after.cut.0 {
            sim.partition_oneway(a, b);
        }
        if after.cut.1 {
            sim.partition_oneway(b, a);
        }
    }

    /// Everything that is in flight to or from a host is lost; its links stay as they are.
    pub fn empty(&self, sim: &Sim<'_>, host: &str, others: &[Host]) {
        for other in others.iter().filter(|other| **other != *host) {
            let link = self.now.get(&pair(host, other)).copied().unwrap_or_default();
            sim.partition(host, &**other);
            self.change(sim, &pair(host, other), Link { held: !link.held, ..link }, link);
        }
    }
}

fn pair(a: &str, b: &str) -> Pair {
    if a < b { (a.into(), b.into()) } else { (b.into(), a.into()) }
}

/// How many segments are in flight from one host to another, and the streams that they belong
/// to: dials have none yet.
pub fn in_flight(sim: &Sim<'_>, shared: &Inner, from: &str, to: &str) -> (u64, BTreeSet<ConnId>) {
    let (from, to) = (sim.lookup(from), sim.lookup(to));
    let (mut segments, mut streams) = (0, BTreeSet::new());
    sim.links(|links| {
        for link in links {
            if link.pair() != (from.min(to), from.max(to)) {
                continue;
            }
            for (src, dst) in link.map(|sent| sent.pair()) {
                if src.ip() == from && dst.ip() == to {
                    segments += 1;
                    streams.extend(shared.stream_of(src, dst));
                }
            }
        }
    });
    (segments, streams)
}
