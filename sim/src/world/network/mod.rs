//! How the links and the hosts of a run stand just now, and the faults that make it so.
//!
//! A fault under way is held here and nowhere else, and so is the state of a link: it is the set
//! of the faults that act on it, so that one which ends takes away what it did and nothing more.
//! Faults put their effects up, sockets ask and count, turmoil is told what follows.

mod host;
mod links;

pub use host::OnHost;
pub use links::{Latency, OnLink};

use super::roster::{HostId, Roster};
use crate::{
    noise::Noise,
    plan::{Fault, Latencies},
};
use host::Machine;
use links::Links;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::env::ConnId;
use turmoil::Sim;

/// One thing that a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// To the link between two hosts.
    Link(HostId, HostId, OnLink),
    /// To a host.
    Host(HostId, OnHost),
}

/// A fault under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The fault as the plan has it.
    pub fault: Fault,
    /// How many streams, connects, segments, reads, writes, store commands or looks at a clock it touched.
    pub hit: u64,
    /// Streams that lost data by it.
    pub lost: BTreeSet<ConnId>,
    /// It is over before its time: a drop that has found something in flight.
    pub is_done: bool,
}

impl Running {
    /// Whether it ends now, at a simulated millisecond.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.is_done || now_ms >= self.fault.at_ms + self.fault.for_ms
    }
}

/// See the module.
#[derive(Debug)]
pub struct Network {
    /// In the order in which they began.
    running: Vec<Running>,
    links: Links,
    hosts: BTreeMap<HostId, Machine>,
}

impl Network {
    /// Nothing is wrong yet; links have the plan's latencies.
    pub fn new(latencies: Latencies) -> Self {
        Self { running: Vec::new(), links: Links::new(latencies), hosts: BTreeMap::new() }
    }

    /// The faults under way, in the order in which they began.
    pub fn running(&self) -> &[Running] {
        &self.running
    }

    /// A fault under way.
    pub fn fault(&mut self, id: u32) -> Option<&mut Running> {
        self.running.iter_mut().find(|running| running.fault.id == id)
    }

    /// A fault is under way; it has hit this so far, and does nothing yet.
    pub fn begin(&mut self, fault: Fault, hit: u64, lost: BTreeSet<ConnId>) {
        self.running.push(Running { fault, hit, lost, is_done: false });
    }

    /// A fault does this from now on.
    pub fn put_up(&mut self, fault: u32, effects: &[Effect]) {
        for effect in effects {
            match *effect {
                Effect::Link(a, b, what) => self.links.put_up(fault, a, b, what),
                Effect::Host(host, what) => {
                    self.hosts.entry(host).or_default().put_up(fault, what);
                }
            }
        }
    }

    /// A fault is over; what it did is done no more.
    ///
    /// # Panics
    /// If it is not under way.
    pub fn end(&mut self, id: u32) -> Running {
        self.links.take_away(id);
        self.hosts.values_mut().for_each(|host| host.take_away(id));
        let at = self.running.iter().position(|running| running.fault.id == id);
        self.running.remove(at.expect("it began and has not ended"))
    }

    /// Tells turmoil what links have become, at a simulated millisecond. What jitters is drawn
    /// once a tick.
    pub fn tell(&mut self, sim: &Sim<'_>, roster: &Roster, noise: &mut Noise, now_ms: u64) {
        self.links.tell(sim, roster, noise, now_ms);
    }

    /// Turmoil loses what is in flight between two hosts, and what is sent until the link is
    /// [restored](Self::restore).
    pub fn cut_off(&self, sim: &Sim<'_>, roster: &Roster, a: HostId, b: HostId) {
        sim.partition(&**roster.host(a), &**roster.host(b));
    }

    /// Turmoil has a link again as it was told to.
    pub fn restore(&self, sim: &Sim<'_>, roster: &Roster, a: HostId, b: HostId) {
        self.links.restore(sim, roster, a, b);
    }

    /// Nothing is wrong at all: what most calls find.
    pub fn is_calm(&self) -> bool {
        self.running.is_empty()
    }

    /// Notes a segment that goes from one host to another: data or FIN of a stream, or the SYN
    /// of a dial. True if it is lost.
    pub fn sent(&mut self, from: HostId, to: HostId, stream: Option<ConnId>) -> bool {
        let Self { running, links, hosts } = self;
        if running.is_empty() {
            return false;
        }
        let mut is_lost = false;
        for (fault, cuts) in links.touching(from, to) {
            let Some(running) = find(running, fault) else { continue };
            running.hit += 1;
            if cuts {
                running.lost.extend(stream);
                is_lost = true;
            }
        }
        let receiver = hosts.get(&to);
        for fault in receiver.into_iter().flat_map(|host| host.faults(OnHost::Down)) {
            find(running, fault).into_iter().for_each(|running| running.hit += 1);
        }
        is_lost
    }

    /// Whether segments from one host to another are lost just now.
    pub fn cuts(&self, from: HostId, to: HostId) -> bool {
        self.links.touching(from, to).any(|(_, cuts)| cuts)
    }

    /// Whether segments pass between two hosts, both ways, to a process that is there.
    pub fn is_clear(&self, a: HostId, b: HostId) -> bool {
        self.links.is_clear(a, b) && !self.is_down(a) && !self.is_down(b)
    }

    /// Whether a host's process is not there.
    pub fn is_down(&self, host: HostId) -> bool {
        self.has(host, OnHost::Down)
    }

    /// Whether a host stands still.
    pub fn is_paused(&self, host: HostId) -> bool {
        self.has(host, OnHost::Paused)
    }

    fn has(&self, host: HostId, what: OnHost) -> bool {
        self.hosts.get(&host).is_some_and(|host| host.faults(what).next().is_some())
    }

    /// How many bytes a read or write of a host passes at most.
    pub fn io_limit(&self, host: HostId) -> Option<usize> {
        self.hosts.get(&host)?.io_limit()
    }

    /// How many bytes a stream of a host with another reads a tick at most.
    pub fn read_limit(&self, host: HostId, peer: HostId) -> Option<usize> {
        self.hosts.get(&host)?.read_limit(peer)
    }

    /// Notes that a host's write waits because it stands still.
    pub fn paused(&mut self, host: HostId) {
        self.count(host, |what| what == OnHost::Paused);
    }

    /// Notes a read or write of a host that was made smaller.
    pub fn made_smaller(&mut self, host: HostId) {
        self.count(host, |what| matches!(what, OnHost::TinyIo(_)));
    }

    /// Notes a read that waits for the next tick though there is something to read.
    pub fn read_late(&mut self, host: HostId, peer: HostId) {
        self.count(host, |what| what.slows(peer).is_some());
    }

    /// What is wanted of what acts on a host, with the faults, in the order in which they began.
    pub fn acting<T>(&self, host: HostId, wanted: impl Fn(OnHost) -> Option<T>) -> Vec<(u32, T)> {
        if self.is_calm() {
            return Vec::new();
        }
        let all = self.hosts.get(&host).into_iter().flat_map(|host| host.all(|_| true));
        all.filter_map(|(fault, what)| Some((fault, wanted(what)?))).collect()
    }

    /// Notes a command or statement that a fault met.
    pub fn met(&mut self, fault: u32) {
        if let Some(running) = self.fault(fault) {
            running.hit += 1;
        }
    }

    fn count(&mut self, host: HostId, touches: impl Fn(OnHost) -> bool) {
        let Self { running, hosts, .. } = self;
        for (fault, _) in hosts.get(&host).into_iter().flat_map(|h| h.all(&touches)) {
            find(running, fault).into_iter().for_each(|running| running.hit += 1);
        }
    }
}

fn find(running: &mut [Running], id: u32) -> Option<&mut Running> {
    running.iter_mut().find(|running| running.fault.id == id)
}
