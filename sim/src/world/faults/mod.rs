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
mod effects;
mod processes;
#[cfg(test)]
mod tests;

pub use describe::describe;

use super::{
    hosts::Hosts,
    network::{Effect, Network, OnHost},
    plant,
    roster::{HostId, Roster},
    shared::{Inner, Kill, Shared},
};
use crate::{
    plan::{Fate, Fault, Host, Plan, Step, TICK_MS, Trouble},
    record::Kind,
};
use processes::Processes;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::env::{ConnId, draw_id};
use turmoil::Sim;

/// The faults of a run that have not begun, what became of those that have ended, and the resets
/// that they leave behind. Those under way are the network's.
#[derive(Debug)]
pub struct Faults {
    /// Later ones first; the steps of a rollout are among them, see [`Step::fault`].
    waiting: Vec<Fault>,
    /// The steps of the rollout, by the number of their fault.
    steps: BTreeMap<u32, Step>,
    /// Faults that ended, with what they hit.
    pub ended: Vec<(u32, u64)>,
    /// Streams to reset, with the simulated millisecond from which on.
    resets: Vec<(u64, ConnId)>,
    processes: Processes,
    hosts: Vec<HostId>,
    /// How long a process that was told to stop may go on, in simulated milliseconds.
    stop_grace: u64,
}

/// What faults act on, at a simulated millisecond.
struct Stage<'a, 'sim> {
    sim: &'a mut Sim<'sim>,
    shared: &'a Shared,
    hosts: &'a Hosts,
    now_ms: u64,
}

impl Stage<'_, '_> {
    /// Tells turmoil what links have become.
    fn tell(&self) {
        let mut shared = self.shared.lock();
        let Inner { network, roster, noise, .. } = &mut *shared;
        network.tell(self.sim, roster, noise, self.now_ms);
    }

    /// A host of the plan by its name.
    fn host(&self, name: &str) -> (HostId, Host) {
        let shared = self.shared.lock();
        let id = shared.roster.named(name);
        (id, shared.roster.host(id).clone())
    }

    fn add_hits(&self, fault: u32, hits: u64) {
        if let Some(running) = self.shared.lock().network.fault(fault) {
            running.hit += hits;
        }
    }

    /// A fault that ends a process hits its streams, unless it is down.
    fn hit_streams_of(&self, fault: u32, host: HostId) {
        let open = {
            let shared = self.shared.lock();
            let is_down = shared.network.is_down(host);
            if is_down { 0 } else { shared.streams.open_of(host).len() }
        };
        self.add_hits(fault, open as u64);
    }

    /// Does something to all links of a host.
    fn links_of(
        &self,
        host: HostId,
        hosts: &[HostId],
        change: fn(&Network, &Sim<'_>, &Roster, HostId, HostId),
    ) {
        let shared = self.shared.lock();
        for other in hosts.iter().filter(|other| **other != host) {
            change(&shared.network, self.sim, &shared.roster, host, *other);
        }
    }

    /// A host's process is gone because of a fault.
    fn set_down(&self, fault: u32, host: HostId) {
        self.shared.lock().network.put_up(fault, &[Effect::Host(host, OnHost::Down)]);
    }
}

impl Faults {
    /// The faults of a plan, whose hosts are known to `shared`.
    pub fn new(plan: &Plan, shared: &Shared) -> Self {
        let mut waiting: Vec<_> = plan.all_faults().collect();
        let steps = plan.rollout.iter().map(|step| (step.fault().id, step.clone())).collect();
        waiting.sort_by_key(|f| (f.at_ms, f.id));
        waiting.reverse();
        let mut shared = shared.lock();
        shared.network = Network::new(plan.latencies());
        Self {
            waiting,
            steps,
            ended: Vec::new(),
            resets: Vec::new(),
            processes: Processes::default(),
            hosts: plan.nodes.iter().map(|n| shared.roster.named(&n.host)).collect(),
            stop_grace: plan.pace.timing().stop_grace().as_millis() as u64,
        }
    }

    /// True when nothing is broken and nothing waits to break.
    pub fn all_over(&self, shared: &Shared) -> bool {
        self.waiting.is_empty() && shared.lock().network.is_calm()
    }

    /// Ends, starts and continues faults at a simulated millisecond.
    pub fn apply(&mut self, sim: &mut Sim<'_>, shared: &Shared, hosts: &Hosts, now_ms: u64) {
        let mut stage = Stage { sim, shared, hosts, now_ms };
        let over: Vec<_> = {
            let shared = shared.lock();
            let over = shared.network.running().iter().filter(|running| running.is_over(now_ms));
            over.map(|running| running.fault.clone()).collect()
        };
        for fault in over {
            self.end(&mut stage, &fault);
        }
        while self.waiting.last().is_some_and(|f| f.at_ms <= now_ms) {
            let fault = self.waiting.pop().expect("just seen");
            self.start(&mut stage, fault);
        }
        self.drop_what_is_in_flight(&stage);
        for host in self.processes.stopped(hosts, now_ms) {
            self.end_stopped(&mut stage, &host);
        }
        stage.tell();
        self.reset_due(shared, now_ms);
        let goes_on = std::mem::take(&mut shared.lock().next_tick);
        goes_on.into_iter().for_each(std::task::Waker::wake);
    }

    fn start(&mut self, stage: &mut Stage<'_, '_>, fault: Fault) {
        let (id, trouble) = (fault.id, fault.trouble.clone());
        let what = match self.steps.get(&id) {
            Some(step) => {
                stage.hosts.install(&stage.host(&step.host).1, step.to);
                step.describe()
            }
            None => describe(&fault),
        };
        stage.shared.record_world(Kind::FaultStart { fault: id, what });
        {
            let mut shared = stage.shared.lock();
            let effects = effects::of(&trouble, &shared.roster, &self.hosts);
            let (hit, lost) = effects::hit(stage.sim, &mut shared, &effects);
            shared.network.begin(fault, hit, lost);
            shared.network.put_up(id, &effects);
        }
        stage.tell();
        match &trouble {
            Trouble::Reset { a, b } => {
                let mut shared = stage.shared.lock();
                let (a, b) = (shared.roster.named(a), shared.roster.named(b));
                let open = shared.streams.open_between(a, b);
                open.iter().for_each(|id| shared.reset(*id));
                drop(shared);
                stage.add_hits(id, open.len() as u64);
            }
            Trouble::Crash { host, refuses } => {
                let (number, host) = stage.host(host);
                stage.hit_streams_of(id, number);
                self.processes.kill(stage, &host, Kill::Process, *refuses);
                stage.set_down(id, number);
            }
            Trouble::Stop { host } => {
                let (number, host) = stage.host(host);
                let deadline = stage.now_ms + self.stop_grace;
                if self.processes.stop(stage.hosts, &host, deadline) {
                    stage.hit_streams_of(id, number);
                }
            }
            Trouble::Planted { host, does } => {
                let runtime = stage.hosts.watch.runtime(host);
                let started = runtime.is_some_and(|at| plant::start(*does, &at, stage.shared));
                stage.add_hits(id, started.into());
            }
            Trouble::PowerCut { host } => {
                let (number, host) = stage.host(host);
                self.cut_power(stage, id, number, &host);
            }
            _ => {}
        }
    }

    /// A drop that finds something in flight cuts the link for this tick.
    fn drop_what_is_in_flight(&self, stage: &Stage<'_, '_>) {
        let waiting: Vec<_> = {
            let shared = stage.shared.lock();
            let link = |fault: &Fault| match &fault.trouble {
                Trouble::Drop { a, b, .. } => {
                    Some((fault.id, shared.roster.named(a), shared.roster.named(b)))
                }
                _ => None,
            };
            let running = shared.network.running().iter().filter(|running| !running.is_done);
            running.filter_map(|running| link(&running.fault)).collect()
        };
        for (id, a, b) in waiting {
            let effects = effects::both_ways(a, b);
            let mut shared = stage.shared.lock();
            let (hit, lost) = effects::hit(stage.sim, &mut shared, &effects);
            if hit == 0 {
                continue;
            }
            if let Some(running) = shared.network.fault(id) {
                (running.hit, running.lost, running.is_done) = (hit, lost, true);
            }
            shared.network.put_up(id, &effects);
            drop(shared);
            stage.tell();
        }
    }

    fn cut_power(&mut self, stage: &mut Stage<'_, '_>, fault: u32, number: HostId, host: &Host) {
        stage.hit_streams_of(fault, number);
        for other in self.hosts.iter().filter(|other| **other != number) {
            let segments = {
                let shared = stage.shared.lock();
                let from = effects::in_flight(stage.sim, &shared, number, *other).0;
                from + effects::in_flight(stage.sim, &shared, *other, number).0
            };
            stage.add_hits(fault, segments);
        }
        // What is in flight is lost, and what its sockets say as they go.
        stage.links_of(number, &self.hosts, Network::cut_off);
        self.processes.kill(stage, host, Kill::Power, false);
        stage.links_of(number, &self.hosts, Network::restore);
        if let Some(lost @ Kind::StoreLost { commands, .. }) = stage.hosts.stores.power_cut(host) {
            stage.shared.record(host, lost);
            stage.add_hits(fault, commands);
        }
        stage.set_down(fault, number);
    }

    /// A process that was told to stop is gone: for every fault that wanted it and goes on.
    fn end_stopped(&mut self, stage: &mut Stage<'_, '_>, host: &Host) {
        self.processes.kill(stage, host, Kill::Process, true);
        let (wanted, number): (Vec<_>, _) = {
            let shared = stage.shared.lock();
            let wants =
                |fault: &Fault| matches!(&fault.trouble, Trouble::Stop { host: h } if *host == **h);
            let running = shared.network.running().iter();
            let running = running.filter(|r| !r.is_over(stage.now_ms) && wants(&r.fault));
            (running.map(|r| r.fault.id).collect(), shared.roster.named(host))
        };
        wanted.into_iter().for_each(|fault| stage.set_down(fault, number));
    }

    fn end(&mut self, stage: &mut Stage<'_, '_>, fault: &Fault) {
        if let Trouble::Stop { host } = &fault.trouble {
            let (_, host) = stage.host(host);
            if self.processes.is_stopping(&host) {
                self.end_stopped(stage, &host);
            }
        }
        let ended = stage.shared.lock().network.end(fault.id);
        stage.tell();
        match &fault.trouble {
            Trouble::Crash { host, .. } | Trouble::Stop { host } | Trouble::PowerCut { host } => {
                let (number, host) = stage.host(host);
                if !stage.shared.lock().network.is_down(number) {
                    self.processes.revive(stage.sim, stage.hosts, &host);
                }
            }
            Trouble::Pause { host } => {
                let mut shared = stage.shared.lock();
                let host = shared.roster.named(host);
                if !shared.network.is_paused(host) {
                    shared.streams.unblock(host);
                }
            }
            _ => {}
        }
        if let Some(fate) = fault.trouble.fate() {
            self.settle(stage, &ended.lost, fate, fault.id);
        }
        stage.shared.record_world(Kind::FaultEnd { fault: fault.id, hit: ended.hit });
        if !self.steps.contains_key(&fault.id) {
            self.ended.push((fault.id, ended.hit));
        }
    }

    /// Decides what becomes of the streams that lost data.
    fn settle(&mut self, stage: &Stage<'_, '_>, lost: &BTreeSet<ConnId>, fate: Fate, fault: u32) {
        let mut shared = stage.shared.lock();
        let Inner { streams, roster, noise, .. } = &mut *shared;
        for id in lost {
            let Some(stream) = streams.get(id) else { continue };
            let (from, to) = (roster.host(stream.from), roster.host(stream.to));
            let about = draw_id(&[from.as_bytes(), to.as_bytes(), &fault.to_be_bytes()]);
            match fate {
                Fate::Reset => self.resets.push((stage.now_ms, *id)),
                Fate::ResetWithin { ms } => {
                    let after = noise.draw("reset-after", about) % ms.max(1);
                    self.resets.push((stage.now_ms + after, *id));
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
            *at <= now_ms && shared.network.is_clear(stream.from, stream.to)
        });
        self.resets = later;
        for (_, id) in Vec::from_iter::<Vec<_>>(due) {
            shared.reset(id);
        }
    }
}
