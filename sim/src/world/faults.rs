//! Faults on turmoil's network: starting, ending, and what each of them hit.

use super::shared::Shared;
use crate::{
    plan::{Cut, Fate, Fault, Plan, TICK_MS, Trouble},
    record::Kind,
};
use std::{collections::BTreeSet, time::Duration};
use teamtalk::env::{ConnId, draw_id};
use turmoil::Sim;

/// A fault that is under way.
#[derive(Debug)]
pub struct Running {
    fault: Fault,
    /// Streams that it touched.
    touched: BTreeSet<ConnId>,
    /// Refused connects before it began.
    refused_before: u64,
    hit: u64,
}

/// All faults of a run and the resets they leave behind.
#[derive(Debug)]
pub struct Faults {
    waiting: Vec<Fault>,
    running: Vec<Running>,
    resets: Vec<(u64, ConnId)>,
    /// Faults that ended, with what they hit.
    pub ended: Vec<(u32, u64)>,
    /// Hosts whose process is down until the given simulated millisecond, though turmoil runs
    /// them: their main future sleeps before it binds.
    pub asleep: std::collections::BTreeMap<String, u64>,
    hosts: Vec<String>,
    latency: Duration,
}

fn pairs(fault: &Fault, hosts: &[String]) -> Vec<(String, String)> {
    match &fault.trouble {
        Trouble::Partition { a, b, cut, .. } => match cut {
            Cut::Both => vec![(a.clone(), b.clone()), (b.clone(), a.clone())],
            Cut::AToB => vec![(a.clone(), b.clone())],
            Cut::BToA => vec![(b.clone(), a.clone())],
        },
        Trouble::Drop { a, b, .. } => vec![(a.clone(), b.clone()), (b.clone(), a.clone())],
        Trouble::Isolate { host, .. } => hosts
            .iter()
            .filter(|h| *h != host)
            .flat_map(|h| [(host.clone(), h.clone()), (h.clone(), host.clone())])
            .collect(),
        _ => Vec::new(),
    }
}

impl Faults {
    /// The faults of a plan.
    pub fn new(plan: &Plan) -> Self {
        let mut waiting = plan.faults.clone();
        waiting.sort_by_key(|f| (f.at_ms, f.id));
        waiting.reverse();
        Self {
            waiting,
            running: Vec::new(),
            resets: Vec::new(),
            ended: Vec::new(),
            asleep: std::collections::BTreeMap::new(),
            hosts: plan.nodes.iter().map(|n| n.host.clone()).collect(),
            latency: Duration::from_millis(plan.latency_ticks * TICK_MS),
        }
    }

    /// True when nothing is broken and nothing waits to break.
    pub fn all_over(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Ends, starts and continues faults at a simulated millisecond.
    pub fn apply(&mut self, sim: &mut Sim<'_>, shared: &Shared, now_ms: u64) {
        let orphaned = std::mem::take(&mut shared.lock().orphaned);
        self.resets.extend(orphaned.into_iter().map(|id| (now_ms + TICK_MS, id)));
        let mut over = Vec::new();
        self.running.retain_mut(|running| {
            let ends = now_ms >= running.fault.at_ms + running.fault.for_ms;
            if ends {
                over.push(std::mem::replace(
                    running,
                    Running {
                        fault: running.fault.clone(),
                        touched: BTreeSet::new(),
                        refused_before: 0,
                        hit: 0,
                    },
                ));
            }
            !ends
        });
        for running in over {
            self.end(sim, shared, running, now_ms);
        }
        while self.waiting.last().is_some_and(|f| f.at_ms <= now_ms) {
            let fault = self.waiting.pop().expect("just seen");
            self.start(sim, shared, fault);
        }
        self.jitter(sim, shared, now_ms);
        let (due, later) = self.resets.drain(..).partition(|(at, _)| *at <= now_ms);
        self.resets = later;
        let due: Vec<(u64, ConnId)> = due;
        for (_, id) in due {
            shared.lock().reset(id);
        }
    }

    fn start(&mut self, sim: &mut Sim<'_>, shared: &Shared, fault: Fault) {
        let what = describe(&fault);
        shared.record("world", Kind::FaultStart { fault: fault.id, what });
        let mut running =
            Running { touched: BTreeSet::new(), refused_before: 0, hit: 0, fault: fault.clone() };
        running.refused_before = self.refused(shared, &fault);
        match &fault.trouble {
            Trouble::Partition { .. } | Trouble::Isolate { .. } | Trouble::Drop { .. } => {
                for (from, to) in pairs(&fault, &self.hosts) {
                    self.cut(sim, shared, &mut running, &from, &to);
                }
            }
            Trouble::Stall { a, b } => {
                sim.hold(a.as_str(), b.as_str());
                let shared = shared.lock();
                running.touched.extend(shared.open_between(a, b));
                running.hit = total_written(&shared, a, b);
            }
            Trouble::Jitter { a, b, .. } => {
                running.hit = total_written(&shared.lock(), a, b);
            }
            Trouble::Reset { a, b } => {
                let mut shared = shared.lock();
                for id in shared.open_between(a, b) {
                    shared.reset(id);
                    running.hit += 1;
                }
            }
            Trouble::Crash { host, refuses } => {
                let open: Vec<_> = {
                    let shared = shared.lock();
                    self.hosts.iter().flat_map(|h| shared.open_between(host, h)).collect()
                };
                running.hit = open.len() as u64;
                shared.record(host, Kind::HostDown);
                if *refuses {
                    self.asleep.insert(host.clone(), fault.at_ms + fault.for_ms);
                }
                sim.crash(host.as_str());
                if *refuses {
                    sim.bounce(host.as_str());
                }
            }
        }
        self.running.push(running);
    }

    fn cut(&self, sim: &Sim<'_>, shared: &Shared, running: &mut Running, from: &str, to: &str) {
        sim.partition_oneway(from, to);
        let mut shared = shared.lock();
        shared.cuts.insert((from.into(), to.into()));
        for id in shared.open_between(from, to) {
            let stream = shared.streams.get_mut(&id).expect("listed");
            let (forth, back) = stream.in_flight();
            let loses = if stream.from == from { forth } else { back };
            stream.lost_data |= loses;
            running.touched.insert(id);
        }
    }

    fn end(&mut self, sim: &mut Sim<'_>, shared: &Shared, mut running: Running, now_ms: u64) {
        let fault = running.fault.clone();
        match &fault.trouble {
            Trouble::Partition { fate, .. }
            | Trouble::Isolate { fate, .. }
            | Trouble::Drop { fate, .. } => {
                let cut = pairs(&fault, &self.hosts);
                self.repair(sim, shared, &cut);
                running.hit = self.settle(shared, &cut, *fate, &fault, now_ms);
                running.hit += self.refused(shared, &fault) - running.refused_before;
            }
            Trouble::Stall { a, b } => {
                let still_held = self.running.iter().any(|r| {
                    matches!(&r.fault.trouble, Trouble::Stall { a: c, b: d } if c == a && d == b)
                });
                if !still_held {
                    sim.release(a.as_str(), b.as_str());
                    // `release` clears a partition of the same link as well.
                    self.cut_again(sim, shared, a, b);
                }
                running.hit = total_written(&shared.lock(), a, b) - running.hit;
            }
            Trouble::Jitter { a, b, .. } => {
                sim.set_link_latency(a.as_str(), b.as_str(), self.latency);
                running.hit = total_written(&shared.lock(), a, b) - running.hit;
            }
            Trouble::Reset { .. } => {}
            Trouble::Crash { host, refuses } => {
                let still_down = self.running.iter().any(
                    |r| matches!(&r.fault.trouble, Trouble::Crash { host: h, .. } if h == host),
                );
                if !*refuses && !still_down && !sim.is_host_running(host.as_str()) {
                    sim.bounce(host.as_str());
                }
            }
        }
        shared.record("world", Kind::FaultEnd { fault: fault.id, hit: running.hit });
        self.ended.push((fault.id, running.hit));
    }

    /// Repairs what no other running fault still cuts.
    fn repair(&self, sim: &Sim<'_>, shared: &Shared, cut: &[(String, String)]) {
        let kept: BTreeSet<_> =
            self.running.iter().flat_map(|r| pairs(&r.fault, &self.hosts)).collect();
        for (from, to) in cut {
            if !kept.contains(&(from.clone(), to.clone())) {
                sim.repair_oneway(from.as_str(), to.as_str());
                shared.lock().cuts.remove(&(from.clone(), to.clone()));
            }
        }
    }

    fn cut_again(&self, sim: &Sim<'_>, shared: &Shared, a: &str, b: &str) {
        for (from, to) in [(a, b), (b, a)] {
            if shared.lock().cuts.contains(&(from.to_string(), to.to_string())) {
                sim.partition_oneway(from, to);
            }
        }
    }

    /// Decides what becomes of the streams that lost data; how many did.
    fn settle(
        &mut self,
        shared: &Shared,
        cut: &[(String, String)],
        fate: Fate,
        fault: &Fault,
        now_ms: u64,
    ) -> u64 {
        let mut shared = shared.lock();
        let mut lost = BTreeSet::new();
        for (from, to) in cut {
            let open = shared.open_between(from, to);
            lost.extend(open.into_iter().filter(|id| shared.streams[id].lost_data));
        }
        for id in &lost {
            let stream = &shared.streams[id];
            let about =
                draw_id(&[stream.from.as_bytes(), stream.to.as_bytes(), &fault.id.to_be_bytes()]);
            match fate {
                Fate::Reset => self.resets.push((now_ms, *id)),
                Fate::ResetWithin { ms } => {
                    let after = shared.noise.draw("reset-after", about) % ms.max(1);
                    self.resets.push((now_ms + after, *id));
                }
                Fate::Silent => {}
            }
        }
        lost.len() as u64
    }

    fn jitter(&self, sim: &Sim<'_>, shared: &Shared, now_ms: u64) {
        for running in &self.running {
            if let Trouble::Jitter { a, b, ticks } = &running.fault.trouble {
                let id = draw_id(&[&running.fault.id.to_be_bytes(), &now_ms.to_be_bytes()]);
                let latency = 1 + shared.lock().noise.draw("jitter", id) % ticks.max(&1);
                let latency = Duration::from_millis(latency * TICK_MS);
                sim.set_link_latency(a.as_str(), b.as_str(), latency);
            }
        }
    }

    fn refused(&self, shared: &Shared, fault: &Fault) -> u64 {
        let mut unordered = BTreeSet::new();
        for (a, b) in pairs(fault, &self.hosts) {
            unordered.insert(if a < b { (a, b) } else { (b, a) });
        }
        let shared = shared.lock();
        unordered.iter().filter_map(|pair| shared.refused.get(pair)).sum()
    }
}

fn total_written(shared: &super::shared::Inner, a: &str, b: &str) -> u64 {
    let between =
        |s: &&super::shared::StreamState| (s.from == a && s.to == b) || (s.from == b && s.to == a);
    shared.streams.values().filter(between).map(|s| s.dialler.written + s.acceptor.written).sum()
}

/// A fault in a few words.
pub fn describe(fault: &Fault) -> String {
    let ms = fault.for_ms;
    let fated = |fate: &Fate| match fate {
        Fate::Reset => "streams that lost data are reset after it".to_string(),
        Fate::ResetWithin { ms } => format!("streams that lost data are reset within {ms} ms"),
        Fate::Silent => "streams that lost data stay dead in silence".into(),
    };
    match &fault.trouble {
        Trouble::Partition { a, b, cut, fate } => {
            let arrow = match cut {
                Cut::Both => "<->",
                Cut::AToB => "-->",
                Cut::BToA => "<--",
            };
            format!("partition {a} {arrow} {b} for {ms} ms; {}", fated(fate))
        }
        Trouble::Isolate { host, fate } => format!("isolate {host} for {ms} ms; {}", fated(fate)),
        Trouble::Stall { a, b } => format!("stall {a} <-> {b} for {ms} ms"),
        Trouble::Drop { a, b, fate } => {
            format!("drop what is in flight {a} <-> {b}; {}", fated(fate))
        }
        Trouble::Reset { a, b } => format!("reset all streams {a} <-> {b}"),
        Trouble::Jitter { a, b, ticks } => {
            format!("jitter {a} <-> {b} for {ms} ms, 1 to {ticks} ticks")
        }
        Trouble::Crash { host, refuses } => {
            let how = if *refuses { "refused" } else { "unanswered" };
            format!("crash {host}, back after {ms} ms; connects are {how} meanwhile")
        }
    }
}
