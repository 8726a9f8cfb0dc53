//! The hosts of a run by number, and what time it is on each.

use crate::plan::{Host, Role, Side};
use std::time::Duration;
use tokio::time::Instant;

/// A host by its number: who needs it often keeps it, and its name need not be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(usize);

/// A host's process.
#[derive(Debug)]
struct Process {
    host: Host,
    /// Which one, from 1; 0 for `world`, and before the first.
    incarnation: u32,
    /// The side that it is on.
    side: Side,
    /// Its own clock, and the simulation's microseconds at the same moment: the two go on side by
    /// side, and to ask turmoil for every line costs more than the rest of recording it.
    clock: Option<(Instant, u64)>,
}

/// All hosts that were ever named, `world` first.
#[derive(Debug)]
pub struct Roster(Vec<Process>);

/// The driver: it is there before all others, and has no clock.
pub const WORLD: HostId = HostId(0);

fn micros(since: Duration) -> u64 {
    since.as_micros() as u64
}

impl Process {
    fn new(host: Host) -> Self {
        Self { host, incarnation: 0, side: Side::Base, clock: None }
    }
}

impl Default for Roster {
    fn default() -> Self {
        Self(vec![Process::new(Role::World.host())])
    }
}

impl Roster {
    /// The number of a host, whether it runs or not; a new one is added.
    pub fn id(&mut self, host: &Host) -> HostId {
        self.position(host).unwrap_or_else(|| {
            self.0.push(Process::new(host.clone()));
            HostId(self.0.len() - 1)
        })
    }

    /// The number of the host of this name.
    ///
    /// # Panics
    /// If it was never [added](Self::id). All hosts of a plan are before the first step, those of
    /// a script before they have streams.
    pub fn named(&self, name: &str) -> HostId {
        self.position(name).expect("a host is added before anything happens to it")
    }

    fn position(&self, name: &str) -> Option<HostId> {
        self.0.iter().position(|process| process.host == *name).map(HostId)
    }

    /// The host of a number.
    pub fn host(&self, HostId(id): HostId) -> &Host {
        &self.0[id].host
    }

    /// Counts a new incarnation of a host's process, from within it.
    pub fn started(&mut self, HostId(id): HostId) {
        let process = &mut self.0[id];
        process.incarnation += 1;
        process.clock = turmoil::sim_elapsed().map(|since| (Instant::now(), micros(since)));
    }

    /// A host's process is on a side; whether its last one was on another.
    pub fn goes_to(&mut self, HostId(id): HostId, side: Side) -> bool {
        std::mem::replace(&mut self.0[id].side, side) != side
    }

    /// A host, and which incarnation of its process this is.
    pub fn process(&self, HostId(id): HostId) -> (&Host, u32) {
        (&self.0[id].host, self.0[id].incarnation)
    }

    /// Within the simulation, the simulated microseconds on a host's own clock.
    pub fn clock(&self, HostId(id): HostId) -> Option<u64> {
        match &self.0[id].clock {
            Some((at, us)) => Some(us + micros(at.elapsed())),
            None => turmoil::sim_elapsed().map(micros),
        }
    }
}
