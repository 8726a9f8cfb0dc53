//! What the hosts of a run and its driver share: the trace, the draws, the streams.

use super::{conditions::Conditions, socket::Wire};
use crate::{
    noise::Noise,
    plan::{Host, Role},
    record::{End, Kind, Line, Trace},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
    time::Duration,
};
use teamtalk::env::ConnId;
use tokio::time::Instant;

/// One end of a stream.
#[derive(Debug, Default)]
pub struct EndState {
    /// Bytes that this end wrote.
    pub written: u64,
    /// Bytes that this end read.
    pub read: u64,
    /// It has shown up: what it reads is counted.
    pub attached: bool,
    /// It is open.
    pub open: bool,
    /// Tasks that use it: woken by a reset.
    pub wakers: Vec<Waker>,
    /// Tasks that wait until the other end has read, or until the host goes on: woken by either.
    pub blocked: Vec<Waker>,
    /// The last tick in which it read, by the driver's clock, and how many bytes.
    pub read_in_tick: (u64, usize),
}

/// The most bytes that one end may have written and the other not read: then writes wait, as
/// with the buffers of a real TCP. The room is there for the writer as soon as the reader has
/// read, without the latency of an acknowledgement.
pub const WINDOW: u64 = 64 << 10;

/// One stream of the run.
#[derive(Debug)]
pub struct StreamState {
    /// The dialler's host.
    pub from: Host,
    /// The acceptor's host.
    pub to: Host,
    /// The two addresses: the dialler's, the acceptor's.
    pub addrs: (SocketAddr, SocketAddr),
    /// The dialler's end.
    pub dialler: EndState,
    /// The acceptor's end.
    pub acceptor: EndState,
    /// Both ends answer with ConnectionReset from now on.
    pub reset: bool,
    /// A cut took data of it, or an end went without a word: it is dead in one direction at least.
    pub lost_data: bool,
}

impl StreamState {
    /// Neither end has shown up.
    fn new(from: Host, to: Host, addrs: (SocketAddr, SocketAddr)) -> Self {
        let (dialler, acceptor) = (EndState::default(), EndState::default());
        Self { from, to, addrs, dialler, acceptor, reset: false, lost_data: false }
    }

    /// An end of it.
    pub fn end(&mut self, end: End) -> &mut EndState {
        match end {
            End::Dialler => &mut self.dialler,
            End::Acceptor => &mut self.acceptor,
        }
    }

    /// The host of an end, and that of the other one.
    pub fn hosts(&self, end: End) -> (Host, Host) {
        match end {
            End::Dialler => (self.from.clone(), self.to.clone()),
            End::Acceptor => (self.to.clone(), self.from.clone()),
        }
    }

    /// The other end.
    pub fn peer(&mut self, end: End) -> &mut EndState {
        self.end(match end {
            End::Dialler => End::Acceptor,
            End::Acceptor => End::Dialler,
        })
    }

    /// How many more bytes an end may write; see [`WINDOW`]. Not bounded while the other end is
    /// unknown, or known to be gone: what is written to it then is answered with a reset.
    pub fn room(&mut self, end: End) -> u64 {
        let lost_data = self.lost_data;
        let peer = self.peer(end);
        if !peer.attached || (!peer.open && !lost_data) {
            return u64::MAX;
        }
        let read = peer.read;
        WINDOW.saturating_sub(self.end(end).written - read)
    }
}

/// All streams of a run. Their numbers are 1, 2, … in the order in which they came about, and
/// none is ever taken out: every read and write looks its stream up several times.
#[derive(Debug, Default)]
pub struct Streams(Vec<StreamState>);

impl Streams {
    /// Adds one; its number.
    pub fn add(&mut self, stream: StreamState) -> ConnId {
        self.0.push(stream);
        self.0.len() as ConnId
    }

    /// The one of this number.
    pub fn get(&self, id: &ConnId) -> Option<&StreamState> {
        self.0.get(id.checked_sub(1)? as usize)
    }

    /// The one of this number.
    pub fn get_mut(&mut self, id: &ConnId) -> Option<&mut StreamState> {
        self.0.get_mut(id.checked_sub(1)? as usize)
    }

    /// With their numbers, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (ConnId, &StreamState)> {
        self.0.iter().enumerate().map(|(at, stream)| (at as ConnId + 1, stream))
    }

    /// In the order of their numbers.
    pub fn values(&self) -> impl Iterator<Item = &StreamState> {
        self.0.iter()
    }

    /// In the order of their numbers.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut StreamState> {
        self.0.iter_mut()
    }
}

impl std::ops::Index<&ConnId> for Streams {
    type Output = StreamState;

    /// # Panics
    /// If there is no such stream.
    fn index(&self, id: &ConnId) -> &StreamState {
        self.get(id).expect("streams are never taken out")
    }
}

/// How a host is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// Its kernel closes its streams.
    Process,
    /// Nothing is closed: it is simply no longer there.
    Power,
}

/// A host by its number: who records many lines keeps it, and its name need not be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostId(usize);

/// A host's process.
#[derive(Debug)]
struct Process {
    host: Host,
    /// Which one, from 1; 0 for `world`, and before the first.
    incarnation: u32,
    /// Its own clock, and the simulation's microseconds at the same moment: the two go on side by
    /// side, and to ask turmoil for every line costs more than the rest of recording it.
    clock: Option<(Instant, u64)>,
}

/// The driver: it is there before all others.
const WORLD: HostId = HostId(0);

impl Process {
    fn new(host: Host) -> Self {
        Self { host, incarnation: 0, clock: None }
    }
}

fn micros(since: Duration) -> u64 {
    since.as_micros() as u64
}

/// Everything shared.
#[derive(Debug)]
pub struct Inner {
    /// What happened.
    pub trace: Trace,
    /// Keyed draws.
    pub noise: Noise,
    /// The hosts' processes, and `world`, which has no clock, by [`HostId`].
    processes: Vec<Process>,
    /// All streams by number.
    pub streams: Streams,
    /// The ends that are open.
    pub sockets: BTreeMap<(ConnId, End), Wire>,
    /// Streams whose other end has not shown up yet, by the dialler's and acceptor's address.
    pairing: BTreeMap<(SocketAddr, SocketAddr), ConnId>,
    /// What running faults do.
    pub conditions: Conditions,
    /// Streams of which an end was closed and the other can't know: it sees a reset once the way
    /// is clear (the closed end's kernel sends its FIN again).
    pub orphaned: BTreeSet<ConnId>,
    /// Tasks whose reads go on in the next tick.
    pub next_tick: Vec<Waker>,
    /// A host is being killed just now: its sockets close, and time is the driver's.
    pub killing: Option<Kill>,
    /// The driver's clock, for lines outside any host.
    pub now_us: u64,
}

/// A handle on it.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<Inner>>);

impl Shared {
    /// Nothing has happened yet.
    pub fn new(noise: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            trace: Trace::default(),
            noise: Noise::new(noise),
            processes: vec![Process::new(Role::World.host())],
            streams: Streams::default(),
            sockets: BTreeMap::new(),
            pairing: BTreeMap::new(),
            conditions: Conditions::default(),
            orphaned: BTreeSet::new(),
            next_tick: Vec::new(),
            killing: None,
            now_us: 0,
        })))
    }

    /// The contents. A role's panic must not hide what led to it, so poison is ignored.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Appends a line of a host.
    pub fn record(&self, host: &Host, kind: Kind) {
        self.lock().record(host, kind);
    }

    /// Appends a line of the driver's own.
    pub fn record_world(&self, kind: Kind) {
        self.lock().record_at(WORLD, kind);
    }

    /// See [`Inner::host`].
    pub fn host(&self, host: &Host) -> HostId {
        self.lock().host(host)
    }
}

impl Inner {
    /// Counts a new incarnation of a host's process, from within it.
    pub fn started(&mut self, host: &Host) {
        let HostId(at) = self.host(host);
        let process = &mut self.processes[at];
        process.incarnation += 1;
        process.clock = turmoil::sim_elapsed().map(|since| (Instant::now(), micros(since)));
    }

    /// The number of a host, whether it runs or not; a new one is added.
    pub fn host(&mut self, host: &Host) -> HostId {
        let known = self.processes.iter().position(|process| process.host == *host);
        HostId(known.unwrap_or_else(|| {
            self.processes.push(Process::new(host.clone()));
            self.processes.len() - 1
        }))
    }

    /// The host of a name.
    ///
    /// # Panics
    /// If it was never [added](Self::host): there are no streams to it then.
    pub fn named(&self, name: &str) -> Host {
        let known = self.processes.iter().find(|process| process.host == *name);
        known.expect("a host is added before it has streams").host.clone()
    }

    /// See [`Shared::record`].
    pub fn record(&mut self, host: &Host, kind: Kind) {
        let host = self.host(host);
        self.record_at(host, kind);
    }

    /// [`Shared::record`] of a host whose number is known.
    pub fn record_at(&mut self, HostId(host): HostId, kind: Kind) {
        // A host that is being killed is in the simulation, but its clock is not to be trusted.
        let simulated = self.killing.is_none() && turmoil::in_simulation();
        let Process { host, incarnation, clock } = &self.processes[host];
        let sim_us = match clock {
            _ if !simulated => self.now_us,
            Some((at, us)) => us + micros(at.elapsed()),
            None => turmoil::sim_elapsed().map_or(self.now_us, micros),
        };
        let n = self.trace.lines.len() as u64;
        let (host, incarnation) = (host.clone(), *incarnation);
        self.trace.lines.push(Line { n, sim_us, host, incarnation, kind });
    }

    /// The number of the stream between two hosts with these addresses: the same at both ends,
    /// whichever of them asks first.
    pub fn stream_between(
        &mut self,
        (from, from_addr): (Host, SocketAddr),
        (to, to_addr): (Host, SocketAddr),
    ) -> ConnId {
        let addrs = (from_addr, to_addr);
        if let Some(id) = self.pairing.remove(&addrs) {
            return id;
        }
        let id = self.streams.add(StreamState::new(from, to, addrs));
        self.pairing.insert(addrs, id);
        id
    }

    /// Resets a stream: both ends fail from now on.
    pub fn reset(&mut self, id: ConnId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.reset || !(stream.dialler.open || stream.acceptor.open) {
            return;
        }
        stream.reset = true;
        for end in [&mut stream.dialler, &mut stream.acceptor] {
            end.blocked.clear();
            end.wakers.drain(..).for_each(Waker::wake);
        }
        self.record_at(WORLD, Kind::StreamReset { conn: id });
    }

    /// The stream that a segment between two addresses belongs to, if it is known.
    pub fn stream_of(&self, src: SocketAddr, dst: SocketAddr) -> Option<ConnId> {
        // The latest first: ports come round again.
        let mut streams = self.streams.iter().rev();
        let of = |s: &StreamState| s.addrs == (src, dst) || s.addrs == (dst, src);
        streams.find(|(_, s)| of(s)).map(|(id, _)| id)
    }

    /// Lets a host's streams go on after it stood still.
    pub fn unblock(&mut self, host: &str) {
        for stream in self.streams.values_mut() {
            for (name, end) in
                [(&stream.from, &mut stream.dialler), (&stream.to, &mut stream.acceptor)]
            {
                if *name == *host {
                    end.blocked.drain(..).for_each(Waker::wake);
                }
            }
        }
    }

    /// The open ends at a host.
    pub fn sockets_of(&self, host: &str) -> Vec<(ConnId, End)> {
        let at = |(id, end): &&(ConnId, End)| {
            let stream = &self.streams[id];
            let at = if *end == End::Dialler { &stream.from } else { &stream.to };
            *at == *host
        };
        self.sockets.keys().filter(at).copied().collect()
    }

    /// Open streams of a host.
    pub fn open_of(&self, host: &str) -> Vec<ConnId> {
        let open = |s: &StreamState| (s.dialler.open || s.acceptor.open) && !s.reset;
        let of = |s: &StreamState| s.from == *host || s.to == *host;
        self.streams.iter().filter(|(_, s)| of(s) && open(s)).map(|(id, _)| id).collect()
    }

    /// Open streams between two hosts, either way round.
    pub fn open_between(&self, a: &str, b: &str) -> Vec<ConnId> {
        let way = |s: &StreamState, from: &str, to: &str| s.from == *from && s.to == *to;
        let between = |s: &StreamState| way(s, a, b) || way(s, b, a);
        let open = |s: &StreamState| (s.dialler.open || s.acceptor.open) && !s.reset;
        self.streams.iter().filter(|(_, s)| between(s) && open(s)).map(|(id, _)| id).collect()
    }
}
