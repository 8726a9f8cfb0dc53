//! The streams of a run, as the rig sees them from outside: how much went through each end, and
//! what became of it.

use super::{roster::HostId, sizes::Accepted};
use crate::{plan::WINDOW, record::End};
use std::{collections::BTreeMap, net::SocketAddr, task::Waker};
use teamtalk::env::ConnId;

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
    /// The most bytes that it had written, or was about to write, and the other had not read.
    pub most_unread: u64,
    /// The most bytes of a PDU that it had read and that was not whole.
    pub most_unfinished: u64,
    /// The last tick in which it read, by the driver's clock, and how many bytes.
    pub read_in_tick: (u64, usize),
}

/// One stream of the run.
#[derive(Debug)]
pub struct StreamState {
    /// The dialler's host.
    pub from: HostId,
    /// The acceptor's host.
    pub to: HostId,
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
    fn new(from: HostId, to: HostId, addrs: (SocketAddr, SocketAddr)) -> Self {
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
    pub fn hosts(&self, end: End) -> (HostId, HostId) {
        match end {
            End::Dialler => (self.from, self.to),
            End::Acceptor => (self.to, self.from),
        }
    }

    /// Whether an end of it is open, and it was not reset.
    pub fn is_open(&self) -> bool {
        (self.dialler.open || self.acceptor.open) && !self.reset
    }

    /// The other end.
    pub fn peer(&mut self, end: End) -> &mut EndState {
        self.end(match end {
            End::Dialler => End::Acceptor,
            End::Acceptor => End::Dialler,
        })
    }

    /// An end is about to write so many bytes: how many more it may; see [`WINDOW`]. Not bounded
    /// while the other end is unknown, or known to be gone: what is written to it then is answered
    /// with a reset.
    pub fn room(&mut self, end: End, bytes: usize) -> u64 {
        let lost_data = self.lost_data;
        let peer = self.peer(end);
        if !peer.attached || (!peer.open && !lost_data) {
            return u64::MAX;
        }
        let read = peer.read;
        let end = self.end(end);
        let unread = end.written - read;
        end.most_unread = end.most_unread.max(unread + bytes as u64);
        WINDOW.saturating_sub(unread)
    }
}

/// All streams of a run. Their numbers are 1, 2, … in the order in which they came about, and
/// none is ever taken out: every read and write looks its stream up several times.
#[derive(Debug, Default)]
pub struct Streams {
    all: Vec<StreamState>,
    /// Those whose other end has not shown up yet, by the dialler's and acceptor's address.
    pairing: BTreeMap<(SocketAddr, SocketAddr), ConnId>,
    accepted: Accepted,
}

impl Streams {
    /// The number of the stream between two hosts with these addresses: the same at both ends,
    /// whichever of them asks first.
    pub fn between(
        &mut self,
        (from, from_addr): (HostId, SocketAddr),
        (to, to_addr): (HostId, SocketAddr),
    ) -> ConnId {
        let addrs = (from_addr, to_addr);
        if let Some(id) = self.pairing.remove(&addrs) {
            return id;
        }
        self.all.push(StreamState::new(from, to, addrs));
        let id = self.all.len() as ConnId;
        self.pairing.insert(addrs, id);
        id
    }

    /// The one of this number.
    pub fn get(&self, id: &ConnId) -> Option<&StreamState> {
        self.all.get(id.checked_sub(1)? as usize)
    }

    /// The one of this number.
    pub fn get_mut(&mut self, id: &ConnId) -> Option<&mut StreamState> {
        self.all.get_mut(id.checked_sub(1)? as usize)
    }

    /// With their numbers, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (ConnId, &StreamState)> {
        self.all.iter().enumerate().map(|(at, stream)| (at as ConnId + 1, stream))
    }

    /// The stream that a segment between two addresses belongs to, if it is known.
    pub fn of_segment(&self, src: SocketAddr, dst: SocketAddr) -> Option<ConnId> {
        // The latest first: ports come round again.
        let of = |s: &StreamState| s.addrs == (src, dst) || s.addrs == (dst, src);
        self.iter().rev().find(|(_, s)| of(s)).map(|(id, _)| id)
    }

    /// Open streams of a host.
    pub fn open_of(&self, host: HostId) -> Vec<ConnId> {
        let of = |s: &StreamState| (s.from == host || s.to == host) && s.is_open();
        self.iter().filter(|(_, s)| of(s)).map(|(id, _)| id).collect()
    }

    /// Open streams between two hosts, either way round.
    pub fn open_between(&self, a: HostId, b: HostId) -> Vec<ConnId> {
        let between = |s: &StreamState| [(a, b), (b, a)].contains(&(s.from, s.to)) && s.is_open();
        self.iter().filter(|(_, s)| between(s)).map(|(id, _)| id).collect()
    }

    /// An end of a stream has shown up.
    pub fn attach(&mut self, id: ConnId, end: End) {
        let Some(stream) = self.get_mut(&id) else { return };
        (stream.end(end).open, stream.end(end).attached) = (true, true);
        let host = stream.to;
        if end == End::Acceptor {
            self.accepted.opened(host);
        }
    }

    /// An end of a stream is closed: what it waited for does not come any more, and the other's
    /// writes wait for it no longer.
    pub fn close(&mut self, id: ConnId, end: End) {
        let Some(stream) = self.get_mut(&id) else { return };
        let own = stream.end(end);
        own.open = false;
        own.wakers.clear();
        own.blocked.clear();
        stream.peer(end).blocked.drain(..).for_each(Waker::wake);
        let host = stream.to;
        if end == End::Acceptor {
            self.accepted.closed(host);
        }
    }

    /// An end of a stream has read so many bytes of a PDU that is not whole.
    pub fn unfinished(&mut self, id: ConnId, end: End, bytes: u64) {
        let Some(stream) = self.get_mut(&id) else { return };
        let most = &mut stream.end(end).most_unfinished;
        *most = bytes.max(*most);
    }

    /// How many connections that a host had accepted were open at once.
    pub fn most_accepted(&self) -> impl Iterator<Item = (HostId, u64)> {
        self.accepted.most()
    }

    /// Both ends of a stream fail from now on. False if they did already, or are closed.
    pub fn reset(&mut self, id: ConnId) -> bool {
        let Some(stream) = self.get_mut(&id).filter(|stream| stream.is_open()) else {
            return false;
        };
        stream.reset = true;
        for end in [&mut stream.dialler, &mut stream.acceptor] {
            end.blocked.clear();
            end.wakers.drain(..).for_each(Waker::wake);
        }
        true
    }

    /// Lets a host's streams go on after it stood still.
    pub fn unblock(&mut self, host: HostId) {
        for stream in &mut self.all {
            for (of, end) in [(stream.from, &mut stream.dialler), (stream.to, &mut stream.acceptor)]
            {
                if of == host {
                    end.blocked.drain(..).for_each(Waker::wake);
                }
            }
        }
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
