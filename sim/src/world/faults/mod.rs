//! Faults on turmoil's network: starting, ending, and what each of them hit.
//!
//! What is modelled where it is not what the name says:
//! - *Connects* are refused at once in a cut, hang in a stall and in a pause, and are refused or
//!   hang while a process is down, as the fault says; they hang after a power cut.
//! - *A cut* loses what is in flight and what is sent; a stream that lost data stays silent, until
//!   its fate, or until one end closes it: then the other sees a reset as soon as the way between
//!   them is clear.
//! - *Pause*: all links of the host are held, and its sockets neither read nor write, so that
//!   peers see their windows fill. Its timers go on in time, where a real one's would all be late
//!   at its end; what they want to send waits, and what they decide (a peer silent for too long)
//!   they decide without what has come meanwhile, as late timers would.
//! - *Stop*: see [`Trouble::Stop`]; only roles with a stop flow do anything else but run on.
//! - *Power cut*: what is in flight from and to the host is lost, nobody is told. What peers send
//!   meanwhile meets the machine when it is up again: its kernel knows no such stream, and resets.

mod describe;
mod links;
mod processes;
#[cfg(test)]
mod tests;

pub use describe::describe;

use super::{
    conditions::{Condition, Latency, Running},
    hosts::Hosts,
    shared::{Inner, Kill, Shared},
};
use crate::{
    plan::{Cut, Fate, Fault, Host, Plan, TICK_MS, Trouble},
    record::Kind,
};
use links::{Links, in_flight};
use processes::Processes;
use std::collections::BTreeSet;
use teamtalk::env::{ConnId, draw_id};
use turmoil::Sim;

/// All faults of a run and the resets they leave behind.
#[derive(Debug)]
pub struct Faults {
    /// Later ones first.
    waiting: Vec<Fault>,
    running: Vec<Fault>,
    /// Streams to reset, with the simulated millisecond from which on.
    resets: Vec<(u64, ConnId)>,
    /// Faults that ended, with what they hit.
    pub ended: Vec<(u32, u64)>,
    links: Links,
    processes: Processes,
    hosts: Vec<Host>,
    /// Drops that have found something in flight: they end in the next tick.
    dropped: BTreeSet<u32>,
    /// How long a process that was told to stop may go on, in simulated milliseconds.
    stop_grace: u64,
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
            links: Links::new(plan.latency_ticks),
            processes: Processes::default(),
            hosts: plan.nodes.iter().map(|n| n.host.clone()).collect(),
            dropped: BTreeSet::new(),
            stop_grace: plan.pace.timing().stop_grace().as_millis() as u64,
        }
    }

    /// True when nothing is broken and nothing waits to break.
    pub fn all_over(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Ends, starts and continues faults at a simulated millisecond.
    pub fn apply(&mut self, sim: &mut Sim<'_>, shared: &Shared, hosts: &Hosts, now_ms: u64) {
        let over = |f: &Fault| now_ms >= f.at_ms + f.for_ms || self.dropped.contains(&f.id);
        let (over, running) = self.running.drain(..).partition(over);
        self.running = running;
        for fault in Vec::from_iter::<Vec<_>>(over) {
            self.end(sim, shared, hosts, &fault, now_ms);
        }
        while self.waiting.last().is_some_and(|f| f.at_ms <= now_ms) {
            let fault = self.waiting.pop().expect("just seen");
            self.start(sim, shared, hosts, &fault, now_ms);
            self.running.push(fault);
        }
        self.drop_what_is_in_flight(sim, shared, now_ms);
        for host in self.processes.stopped(hosts, now_ms) {
            self.end_stopped(sim, shared, hosts, &host);
        }
        self.links.update(sim, &mut shared.lock(), now_ms);
        self.reset_due(shared, now_ms);
        let goes_on = std::mem::take(&mut shared.lock().next_tick);
        goes_on.into_iter().for_each(std::task::Waker::wake);
    }

    fn start(
        &mut self,
        sim: &mut Sim<'_>,
        shared: &Shared,
        hosts: &Hosts,
        fault: &Fault,
        now_ms: u64,
    ) {
        shared.record_world(Kind::FaultStart { fault: fault.id, what: describe(fault) });
        let conditions = self.conditions(&fault.trouble);
        let (hit, lost) = touched_at_start(sim, &mut shared.lock(), &conditions);
        let running = Running { fault: fault.id, conditions, hit, lost };
        shared.lock().conditions.0.push(running);
        self.links.update(sim, &mut shared.lock(), now_ms);
        match &fault.trouble {
            Trouble::Reset { a, b } => {
                let mut shared = shared.lock();
                let open = shared.open_between(a, b);
                open.iter().for_each(|id| shared.reset(*id));
                add_hits(&mut shared, fault, open.len() as u64);
            }
            Trouble::Crash { host, refuses } => {
                self.hit_streams_of(shared, fault, host);
                self.processes.kill(sim, shared, hosts, host, Kill::Process, *refuses);
                set_down(shared, fault, host);
            }
            Trouble::Stop { host } => {
                let deadline = now_ms + self.stop_grace;
                if self.processes.stop(hosts, host, deadline) {
                    self.hit_streams_of(shared, fault, host);
                }
            }
            Trouble::PowerCut { host } => self.cut_power(sim, shared, hosts, fault, host),
            _ => {}
        }
    }

    /// What a fault does to links and sockets from its start on.
    fn conditions(&self, trouble: &Trouble) -> Vec<Condition> {
        let cut = |from: &str, to: &str| Condition::Cut { from: from.into(), to: to.into() };
        let others = |host: &str| {
            let host = host.to_string();
            self.hosts.iter().filter(move |other| **other != *host)
        };
        match trouble {
            Trouble::Partition { a, b, cut: Cut::AToB, .. } => vec![cut(a, b)],
            Trouble::Partition { a, b, cut: Cut::BToA, .. } => vec![cut(b, a)],
            Trouble::Partition { a, b, cut: Cut::Both, .. } => vec![cut(a, b), cut(b, a)],
            Trouble::Isolate { host, .. } => {
                others(host).flat_map(|other| [cut(host, other), cut(other, host)]).collect()
            }
            Trouble::Stall { a, b } => vec![Condition::Hold { a: a.clone(), b: b.clone() }],
            Trouble::Jitter { a, b, ticks } => {
                let latency = Latency::Drawn(*ticks);
                vec![Condition::Latency { a: a.clone(), b: b.clone(), latency }]
            }
            Trouble::SlowLink { a, b, ticks } => {
                let latency = Latency::Fixed(*ticks);
                vec![Condition::Latency { a: a.clone(), b: b.clone(), latency }]
            }
            Trouble::TinyIo { host, bytes } => {
                vec![Condition::TinyIo { host: host.clone(), bytes: *bytes }]
            }
            Trouble::SlowReader { host, peer, bytes } => {
                let (host, peer, bytes) = (host.clone(), peer.clone(), *bytes);
                vec![Condition::SlowReader { host, peer, bytes }]
            }
            Trouble::Pause { host } => {
                let hold = |other: &Host| Condition::Hold { a: host.clone(), b: other.to_string() };
                let paused = Condition::Paused(host.clone());
                others(host).map(hold).chain([paused]).collect()
            }
            Trouble::Drop { .. }
            | Trouble::Reset { .. }
            | Trouble::Crash { .. }
            | Trouble::Stop { .. }
            | Trouble::PowerCut { .. } => Vec::new(),
        }
    }

    fn drop_what_is_in_flight(&mut self, sim: &Sim<'_>, shared: &Shared, now_ms: u64) {
        for fault in &self.running {
            let Trouble::Drop { a, b, .. } = &fault.trouble else { continue };
            let mut shared = shared.lock();
            let cut = |from: &str, to: &str| Condition::Cut { from: from.into(), to: to.into() };
            let conditions = vec![cut(a, b), cut(b, a)];
            let (hit, lost) = touched_at_start(sim, &mut shared, &conditions);
            if hit > 0
                && self.dropped.insert(fault.id)
                && let Some(running) = shared.conditions.fault(fault.id)
            {
                (running.hit, running.lost, running.conditions) = (hit, lost, conditions);
                self.links.update(sim, &mut shared, now_ms);
            }
        }
    }

    fn hit_streams_of(&self, shared: &Shared, fault: &Fault, host: &str) {
        let mut shared = shared.lock();
        if !shared.conditions.is_down(host) {
            let open = shared.open_of(host).len() as u64;
            add_hits(&mut shared, fault, open);
        }
    }

    fn cut_power(
        &mut self,
        sim: &mut Sim<'_>,
        shared: &Shared,
        hosts: &Hosts,
        fault: &Fault,
        host: &str,
    ) {
        self.hit_streams_of(shared, fault, host);
        for other in self.hosts.iter().filter(|other| **other != *host) {
            let mut shared = shared.lock();
            for (from, to) in [(host, &**other), (&**other, host)] {
                let (segments, _) = in_flight(sim, &shared, from, to);
                add_hits(&mut shared, fault, segments);
            }
            sim.partition(host, &**other);
        }
        self.processes.kill(sim, shared, hosts, host, Kill::Power, false);
        self.links.empty(sim, host, &self.hosts);
        if let Some(commands) = hosts.power_cut(host) {
            let mut shared = shared.lock();
            let host = shared.named(host);
            shared.record(&host, Kind::StoreLost { store: "redis", commands });
            add_hits(&mut shared, fault, commands);
        }
        set_down(shared, fault, host);
    }

    /// A process that was told to stop is gone: for every fault that wanted it.
    fn end_stopped(&mut self, sim: &mut Sim<'_>, shared: &Shared, hosts: &Hosts, host: &str) {
        self.processes.kill(sim, shared, hosts, host, Kill::Process, true);
        for fault in &self.running {
            if matches!(&fault.trouble, Trouble::Stop { host: h } if h == host) {
                set_down(shared, fault, host);
            }
        }
    }

    fn end(
        &mut self,
        sim: &mut Sim<'_>,
        shared: &Shared,
        hosts: &Hosts,
        fault: &Fault,
        now_ms: u64,
    ) {
        if let Trouble::Stop { host } = &fault.trouble
            && self.processes.is_stopping(host)
        {
            self.end_stopped(sim, shared, hosts, host);
        }
        let running = {
            let mut shared = shared.lock();
            let at = shared.conditions.0.iter().position(|r| r.fault == fault.id);
            shared.conditions.0.remove(at.expect("it runs"))
        };
        self.links.update(sim, &mut shared.lock(), now_ms);
        match &fault.trouble {
            Trouble::Crash { host, .. } | Trouble::Stop { host } | Trouble::PowerCut { host }
                if !shared.lock().conditions.is_down(host) =>
            {
                self.processes.revive(sim, hosts, host);
            }
            Trouble::Pause { host } => {
                let mut shared = shared.lock();
                if !shared.conditions.is_paused(host) {
                    shared.unblock(host);
                }
            }
            _ => {}
        }
        if let Some(fate) = fault.trouble.fate() {
            self.settle(shared, &running.lost, fate, fault.id, now_ms);
        }
        shared.record_world(Kind::FaultEnd { fault: fault.id, hit: running.hit });
        self.ended.push((fault.id, running.hit));
    }

    /// Decides what becomes of the streams that lost data.
    fn settle(
        &mut self,
        shared: &Shared,
        lost: &BTreeSet<ConnId>,
        fate: Fate,
        fault: u32,
        now_ms: u64,
    ) {
        let mut shared = shared.lock();
        for id in lost {
            let Some(stream) = shared.streams.get(id) else { continue };
            let about =
                draw_id(&[stream.from.as_bytes(), stream.to.as_bytes(), &fault.to_be_bytes()]);
            match fate {
                Fate::Reset => self.resets.push((now_ms, *id)),
                Fate::ResetWithin { ms } => {
                    let after = shared.noise.draw("reset-after", about) % ms.max(1);
                    self.resets.push((now_ms + after, *id));
                }
                Fate::Silent => {}
            }
        }
    }

    /// Resets the streams whose time has come and whose ends can hear of it.
    fn reset_due(&mut self, shared: &Shared, now_ms: u64) {
        let mut shared = shared.lock();
        let orphaned = std::mem::take(&mut shared.orphaned);
        self.resets.extend(orphaned.into_iter().map(|id| (now_ms + TICK_MS, id)));
        let (due, later) = self.resets.drain(..).partition(|(at, id)| {
            let stream = &shared.streams[id];
            *at <= now_ms && shared.conditions.clear(&stream.from, &stream.to)
        });
        self.resets = later;
        for (_, id) in Vec::from_iter::<Vec<_>>(due) {
            shared.reset(id);
        }
    }
}

/// What is in flight when links go bad.
fn touched_at_start(
    sim: &Sim<'_>,
    shared: &mut Inner,
    conditions: &[Condition],
) -> (u64, BTreeSet<ConnId>) {
    let (mut hit, mut lost) = (0, BTreeSet::new());
    for condition in conditions {
        match condition {
            Condition::Cut { from, to } => {
                let (segments, streams) = in_flight(sim, shared, from, to);
                hit += segments;
                lost.extend(streams);
            }
            Condition::Hold { a, b } => {
                hit += in_flight(sim, shared, a, b).0 + in_flight(sim, shared, b, a).0;
            }
            _ => {}
        }
    }
    for id in &lost {
        if let Some(stream) = shared.streams.get_mut(id) {
            stream.lost_data = true;
        }
    }
    (hit, lost)
}

fn add_hits(shared: &mut Inner, fault: &Fault, hits: u64) {
    if let Some(running) = shared.conditions.fault(fault.id) {
        running.hit += hits;
    }
}

/// A host's process is gone because of a fault.
fn set_down(shared: &Shared, fault: &Fault, host: &str) {
    if let Some(running) = shared.lock().conditions.fault(fault.id) {
        running.conditions.push(Condition::Down(host.into()));
    }
}
