//! One host: the faults that act on it, not on one of its links.

use crate::{plan::StoreError, world::roster::HostId};

/// What a fault does to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnHost {
    /// Its process is not there.
    Down,
    /// Its streams neither read nor write. (Its links are held beside this.)
    Paused,
    /// Each read and write passes at most so many bytes.
    TinyIo(usize),
    /// Its streams read at most so many bytes a tick each.
    SlowReader {
        /// Only streams with this host at the other end.
        peer: Option<HostId>,
        /// The bytes.
        bytes: usize,
    },
    /// Of a store: it answers one in so many commands or statements with an error.
    Fails {
        /// The error.
        error: StoreError,
        /// One in so many.
        one_in: u32,
    },
    /// Of a store: one in so many commands or statements have their effect and no reply.
    LosesReplies {
        /// One in so many.
        one_in: u32,
    },
    /// Its wall clock is ahead.
    ClockAhead {
        /// By so many milliseconds; behind if under 0.
        ms: i64,
    },
    /// Of a store: it takes longer.
    TakesLonger {
        /// By so many ticks.
        ticks: u64,
    },
}

impl OnHost {
    /// How many bytes a stream with `other` reads a tick, if this slows it.
    pub fn slows(self, other: HostId) -> Option<usize> {
        match self {
            Self::SlowReader { peer, bytes } if peer.is_none_or(|peer| peer == other) => {
                Some(bytes)
            }
            _ => None,
        }
    }
}

/// A host.
#[derive(Debug, Default)]
pub struct Machine {
    /// By the faults that do it.
    acting: Vec<(u32, OnHost)>,
}

impl Machine {
    /// A fault does this to it.
    pub fn put_up(&mut self, fault: u32, what: OnHost) {
        self.acting.push((fault, what));
    }

    /// A fault does nothing to it any more.
    pub fn take_away(&mut self, fault: u32) {
        self.acting.retain(|(of, _)| *of != fault);
    }

    /// What acts on it of a kind, with the faults.
    pub fn all(&self, wanted: impl Fn(OnHost) -> bool) -> impl Iterator<Item = (u32, OnHost)> {
        self.acting.iter().copied().filter(move |(_, what)| wanted(*what))
    }

    /// The faults that do exactly this to it.
    pub fn faults(&self, what: OnHost) -> impl Iterator<Item = u32> {
        self.all(move |acting| acting == what).map(|(fault, _)| fault)
    }

    /// How many bytes a read or write passes at most.
    pub fn io_limit(&self) -> Option<usize> {
        let limit = |(_, what): &(u32, OnHost)| match what {
            OnHost::TinyIo(bytes) => Some(*bytes),
            _ => None,
        };
        self.acting.iter().filter_map(limit).min()
    }

    /// How many bytes a stream with another host reads a tick at most.
    pub fn read_limit(&self, peer: HostId) -> Option<usize> {
        self.acting.iter().filter_map(|(_, what)| what.slows(peer)).min()
    }
}
