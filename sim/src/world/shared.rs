//! What the hosts of a run and its driver share: the trace, the draws, the streams.

use super::{
    network::{Network, OnHost},
    panics::{self, Endless},
    roster::{HostId, Roster, WORLD},
    socket::Wire,
    streams::Streams,
};
use crate::{
    noise::Noise,
    plan::{Clock, EPOCH, Host, Latencies},
    record::{End, Kind, Line, Trace},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::panic_any,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    task::Waker,
    time::Duration,
};
use teamtalk::env::ConnId;

/// The most calls of the world (reads, writes, draws, facts) in one tick. Hosts make some hundreds;
/// reads of single bytes from full windows are some hundred thousand a stream.
const MOST_CALLS: u64 = 4_000_000;

/// The most lines of trace in one tick. Hosts make some dozens.
const MOST_LINES: usize = 300_000;

/// Lines of trace for which there is room from the start: few runs have more, and those that are made
/// one by one would be moved again and again.
const LINES: usize = 1 << 15;

/// How a host is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// Its kernel closes its streams.
    Process,
    /// Nothing is closed: it is simply no longer there.
    Power,
}

/// Everything shared.
#[derive(Debug)]
pub struct Inner {
    /// What happened.
    pub trace: Trace,
    /// Keyed draws.
    pub noise: Noise,
    /// The hosts.
    pub roster: Roster,
    /// All streams by number.
    pub streams: Streams,
    /// How the wall clocks of hosts go that are not right.
    pub clocks: BTreeMap<HostId, Clock>,
    /// The wall clock at the start of the run, in seconds since 1970.
    pub epoch: u64,
    /// The ends that are open.
    pub sockets: BTreeMap<(ConnId, End), Wire>,
    /// How links and hosts stand, and the faults under way.
    pub network: Network,
    /// Streams of which an end was closed and the other can't know: it sees a reset once the way
    /// is clear (the closed end's kernel sends its FIN again).
    pub orphaned: BTreeSet<ConnId>,
    /// Tasks whose reads go on in the next tick.
    pub next_tick: Vec<Waker>,
    /// A host is being killed just now: its sockets close, and time is the driver's.
    pub killing: Option<Kill>,
    /// The driver's clock, for lines outside any host.
    pub now_us: u64,
    /// How often it was locked in this tick.
    calls: u64,
    /// How many lines were recorded in this tick.
    lines: usize,
}

/// A handle on it.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<Inner>>);

impl Shared {
    /// Nothing has happened yet.
    pub fn new(noise: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            trace: Trace { lines: Vec::with_capacity(LINES) },
            noise: Noise::new(noise),
            roster: Roster::default(),
            streams: Streams::default(),
            clocks: BTreeMap::new(),
            epoch: EPOCH,
            sockets: BTreeMap::new(),
            network: Network::new(Latencies { usual: 1, own: BTreeMap::new() }),
            orphaned: BTreeSet::new(),
            next_tick: Vec::new(),
            killing: None,
            now_us: 0,
            calls: 0,
            lines: 0,
        })))
    }

    /// The contents. A role's panic must not hide what led to it, so poison is ignored.
    ///
    /// # Panics
    /// With [`Endless`], at the first call beyond [`MOST_CALLS`] of a tick.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.calls += 1;
        if inner.calls == MOST_CALLS {
            called_too_often(inner);
        }
        inner
    }

    /// The trace so far, unless it is in use.
    pub fn try_trace(&self) -> Option<Trace> {
        match self.0.try_lock() {
            Ok(inner) => Some(inner.trace.clone()),
            Err(TryLockError::Poisoned(inner)) => Some(inner.into_inner().trace.clone()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Appends a line of a host.
    pub fn record(&self, host: &Host, kind: Kind) {
        self.lock().record(host, kind);
    }

    /// Appends a line of the driver's own.
    pub fn record_world(&self, kind: Kind) {
        self.lock().record_at(WORLD, kind);
    }

    /// See [`Roster::id`].
    pub fn host(&self, host: &Host) -> HostId {
        self.lock().roster.id(host)
    }
}

/// Ends a task that calls the world without end; see [`Shared::lock`].
#[cold]
fn called_too_often(inner: MutexGuard<'_, Inner>) -> ! {
    drop(inner);
    panic_any(Endless(format!("it called the world {MOST_CALLS} times within one tick")));
}

impl Inner {
    /// A tick begins, at this simulated microsecond.
    pub fn tick(&mut self, now_us: u64) {
        (self.now_us, self.calls, self.lines) = (now_us, 0, 0);
        self.noise.at(now_us);
    }

    /// See [`Shared::record`].
    pub fn record(&mut self, host: &Host, kind: Kind) {
        let host = self.roster.id(host);
        self.record_at(host, kind);
    }

    /// [`Shared::record`] of a host whose number is known. Nothing is recorded any more once a
    /// task has panicked, until the driver says so.
    ///
    /// # Panics
    /// With [`Endless`], at the first line beyond [`MOST_LINES`] of a tick.
    pub fn record_at(&mut self, host: HostId, kind: Kind) {
        if panics::is_over() {
            return;
        }
        self.lines += 1;
        if self.lines == MOST_LINES {
            panic_any(Endless(format!("it made {MOST_LINES} lines of trace within one tick")));
        }
        // A host that is being killed is in the simulation, but its clock is not to be trusted.
        let simulated = self.killing.is_none() && turmoil::in_simulation();
        let clock = if simulated { self.roster.clock(host) } else { None };
        let sim_us = clock.unwrap_or(self.now_us);
        let (host, incarnation) = self.roster.process(host);
        let n = self.trace.lines.len() as u64;
        self.trace.lines.push(Line { n, sim_us, host: host.clone(), incarnation, kind });
    }

    /// Draws for a host; see [`Noise::draw`].
    pub fn draw(&mut self, host: HostId, purpose: &'static str, id: u64) -> u64 {
        let drawn = self.noise.draw(purpose, id);
        let (host, _) = self.roster.process(host);
        self.noise.drawn_by(host, self.trace.lines.len() as u64);
        drawn
    }

    /// What the wall clock of a host says, from within the simulation, since 1970.
    pub fn unix_time(&mut self, host: HostId) -> Duration {
        let right = turmoil::since_epoch().unwrap_or_default();
        let ahead = |what| match what {
            OnHost::ClockAhead { ms } => Some(ms),
            _ => None,
        };
        let steps = self.network.acting(host, ahead);
        let clock = self.clocks.get(&host);
        if clock.is_none() && steps.is_empty() {
            return right;
        }
        let passed = right.saturating_sub(Duration::from_secs(self.epoch));
        let stepped = steps.iter().map(|(_, ms)| ms).sum();
        steps.iter().for_each(|(fault, _)| self.network.met(*fault));
        let [right_us, sim_us] = [right, passed].map(|time| time.as_micros() as u64);
        let clock = clock.copied().unwrap_or_default();
        Duration::from_micros(clock.reading_us(right_us, sim_us, stepped))
    }

    /// Resets a stream: both ends fail from now on.
    pub fn reset(&mut self, id: ConnId) {
        if self.streams.reset(id) {
            self.record_at(WORLD, Kind::StreamReset { conn: id });
        }
    }

    /// The open ends at a host.
    pub fn sockets_of(&self, host: HostId) -> Vec<(ConnId, End)> {
        let at = |(id, end): &&(ConnId, End)| self.streams[id].hosts(*end).0 == host;
        self.sockets.keys().filter(at).copied().collect()
    }
}
