//! What the hosts of a run and its driver share: the trace, the draws, the streams.

use crate::{
    noise::Noise,
    record::{End, Kind, Line, Trace},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
};
use teamtalk::env::ConnId;

/// One end of a stream.
#[derive(Debug, Default)]
pub struct EndState {
    /// Bytes that this end wrote.
    pub written: u64,
    /// Bytes that this end read.
    pub read: u64,
    /// It is open.
    pub open: bool,
    /// Tasks that wait on it: woken by a reset.
    pub wakers: Vec<Waker>,
}

/// One stream of the run.
#[derive(Debug, Default)]
pub struct StreamState {
    /// The dialler's host.
    pub from: String,
    /// The acceptor's host.
    pub to: String,
    /// The dialler's end.
    pub dialler: EndState,
    /// The acceptor's end.
    pub acceptor: EndState,
    /// Both ends answer with ConnectionReset from now on.
    pub reset: bool,
    /// A cut took data of it: it is dead in one direction at least.
    pub lost_data: bool,
}

impl StreamState {
    /// An end of it.
    pub fn end(&mut self, end: End) -> &mut EndState {
        match end {
            End::Dialler => &mut self.dialler,
            End::Acceptor => &mut self.acceptor,
        }
    }

    /// Something is on its way in either direction, as far as the ends can tell.
    pub fn in_flight(&self) -> (bool, bool) {
        (self.dialler.written != self.acceptor.read, self.acceptor.written != self.dialler.read)
    }
}

/// Everything shared.
#[derive(Debug)]
pub struct Inner {
    /// What happened.
    pub trace: Trace,
    /// Keyed draws.
    pub noise: Noise,
    /// The incarnation of each host's process, from 1.
    pub incarnations: BTreeMap<String, u32>,
    /// All streams by number.
    pub streams: BTreeMap<ConnId, StreamState>,
    /// Streams whose other end has not shown up yet, by the dialler's and acceptor's address.
    pairing: BTreeMap<(SocketAddr, SocketAddr), ConnId>,
    /// Directed pairs of hosts that are cut just now.
    pub cuts: BTreeSet<(String, String)>,
    /// Connects that failed under a cut or to a host that is down, by unordered pair of hosts.
    pub refused: BTreeMap<(String, String), u64>,
    /// Streams to reset at the next tick because an end of a dead stream was closed.
    pub orphaned: BTreeSet<ConnId>,
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
            incarnations: BTreeMap::new(),
            streams: BTreeMap::new(),
            pairing: BTreeMap::new(),
            cuts: BTreeSet::new(),
            refused: BTreeMap::new(),
            orphaned: BTreeSet::new(),
            now_us: 0,
        })))
    }

    /// The contents. A role's panic must not hide what led to it, so poison is ignored.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Appends a line of a host (`world` for the driver's own).
    pub fn record(&self, host: &str, kind: Kind) {
        self.lock().record(host, kind);
    }
}

impl Inner {
    /// See [`Shared::record`].
    pub fn record(&mut self, host: &str, kind: Kind) {
        let sim_us = if turmoil::in_simulation() {
            turmoil::sim_elapsed().map_or(self.now_us, |d| d.as_micros() as u64)
        } else {
            self.now_us
        };
        let incarnation = self.incarnations.get(host).copied().unwrap_or(0);
        let n = self.trace.lines.len() as u64;
        self.trace.lines.push(Line { n, sim_us, host: host.to_string(), incarnation, kind });
    }

    /// The number of the stream between two addresses: the same at both ends, whichever of
    /// them asks first.
    pub fn stream_between(&mut self, from: SocketAddr, to: SocketAddr) -> ConnId {
        if let Some(id) = self.pairing.remove(&(from, to)) {
            return id;
        }
        let id = self.streams.len() as ConnId + 1;
        self.streams.insert(id, StreamState::default());
        self.pairing.insert((from, to), id);
        id
    }

    /// Resets a stream: both ends fail from now on.
    pub fn reset(&mut self, id: ConnId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.reset || !(stream.dialler.open || stream.acceptor.open) {
            return;
        }
        stream.reset = true;
        let wakers: Vec<_> =
            stream.dialler.wakers.drain(..).chain(stream.acceptor.wakers.drain(..)).collect();
        wakers.into_iter().for_each(Waker::wake);
        self.record("world", Kind::StreamReset { conn: id });
    }

    /// Open streams between two hosts, either way round.
    pub fn open_between(&self, a: &str, b: &str) -> Vec<ConnId> {
        let between = |s: &StreamState| (s.from == a && s.to == b) || (s.from == b && s.to == a);
        let open = |s: &StreamState| (s.dialler.open || s.acceptor.open) && !s.reset;
        self.streams.iter().filter(|(_, s)| between(s) && open(s)).map(|(id, _)| *id).collect()
    }
}
