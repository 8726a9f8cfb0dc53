//! What running faults do to links and sockets, and what they touched: the faults put conditions
//! up, the sockets look at them and count.

use std::collections::BTreeSet;
use teamtalk::env::ConnId;

/// The latency of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// So many ticks.
    Fixed(u64),
    /// Drawn anew each tick: 1 to so many ticks.
    Drawn(u64),
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// What goes this way is lost.
    Cut {
        /// Sender.
        from: String,
        /// Receiver.
        to: String,
    },
    /// What goes between two hosts waits.
    Hold {
        /// One host.
        a: String,
        /// The other.
        b: String,
    },
    /// What goes between two hosts takes another time than the plan says.
    Latency {
        /// One host.
        a: String,
        /// The other.
        b: String,
        /// How long.
        latency: Latency,
    },
    /// A host's process is not there.
    Down(String),
    /// A host's streams neither read nor write. (Its links are held beside this.)
    Paused(String),
    /// Each read and write of a host passes at most so many bytes.
    TinyIo {
        /// The host.
        host: String,
        /// The bytes.
        bytes: usize,
    },
    /// A host's streams read at most so many bytes a tick each.
    SlowReader {
        /// The host.
        host: String,
        /// Only streams with this host at the other end.
        peer: Option<String>,
        /// The bytes.
        bytes: usize,
    },
}

impl Condition {
    /// Whether it touches a segment from one host to another.
    fn touches(&self, sender: &str, receiver: &str) -> bool {
        match self {
            Self::Cut { from, to } => from == sender && to == receiver,
            Self::Hold { a, b } | Self::Latency { a, b, .. } => {
                (a == sender && b == receiver) || (a == receiver && b == sender)
            }
            Self::Down(host) => host == receiver,
            Self::Paused(_) | Self::TinyIo { .. } | Self::SlowReader { .. } => false,
        }
    }

    /// Whether it slows the reads of `reader`'s streams with `peer`.
    fn slows(&self, reader: &str, with: &str) -> Option<usize> {
        match self {
            Self::SlowReader { host, peer, bytes }
                if host == reader && peer.as_deref().is_none_or(|p| p == with) =>
            {
                Some(*bytes)
            }
            _ => None,
        }
    }
}

/// A fault under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its id.
    pub fault: u32,
    /// What it does.
    pub conditions: Vec<Condition>,
    /// How many streams, connects, segments, reads, writes or store commands it touched.
    pub hit: u64,
    /// Streams that lost data by it.
    pub lost: BTreeSet<ConnId>,
}

/// All faults under way, in the order in which they began.
#[derive(Debug, Default)]
pub struct Conditions(pub Vec<Running>);

impl Conditions {
    /// The fault of this id, if it is under way.
    pub fn fault(&mut self, id: u32) -> Option<&mut Running> {
        self.0.iter_mut().find(|r| r.fault == id)
    }

    fn all(&self) -> impl Iterator<Item = &Condition> {
        self.0.iter().flat_map(|r| &r.conditions)
    }

    /// Nothing is wrong at all: what most calls find.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a segment that goes from one host to another: data or FIN of a stream, or the SYN
    /// of a dial. True if it is lost.
    pub fn sent(&mut self, from: &str, to: &str, stream: Option<ConnId>) -> bool {
        let mut is_lost = false;
        for running in &mut self.0 {
            let mut touching = running.conditions.iter().filter(|c| c.touches(from, to)).peekable();
            if touching.peek().is_none() {
                continue;
            }
            running.hit += 1;
            if touching.any(|c| matches!(c, Condition::Cut { .. })) {
                running.lost.extend(stream);
                is_lost = true;
            }
        }
        is_lost
    }

    /// Whether segments from one host to another are lost just now.
    pub fn cuts(&self, sender: &str, receiver: &str) -> bool {
        self.all()
            .any(|c| matches!(c, Condition::Cut { from, to } if from == sender && to == receiver))
    }

    /// Whether segments pass between two hosts, both ways, to a process that is there.
    pub fn clear(&self, a: &str, b: &str) -> bool {
        !self.all().any(|c| match c {
            Condition::Latency { .. } => false,
            c => c.touches(a, b) || c.touches(b, a),
        })
    }

    /// Whether a host's process is not there.
    pub fn is_down(&self, host: &str) -> bool {
        self.all().any(|c| matches!(c, Condition::Down(h) if h == host))
    }

    /// Whether a host stands still.
    pub fn is_paused(&self, host: &str) -> bool {
        self.all().any(|c| matches!(c, Condition::Paused(h) if h == host))
    }

    /// How many bytes a read or write of a host passes at most.
    pub fn io_limit(&self, host: &str) -> Option<usize> {
        let limit = |c: &Condition| match c {
            Condition::TinyIo { host: h, bytes } if h == host => Some(*bytes),
            _ => None,
        };
        self.all().filter_map(limit).min()
    }

    /// How many bytes a stream of `host` with `peer` reads a tick at most.
    pub fn read_limit(&self, host: &str, peer: &str) -> Option<usize> {
        self.all().filter_map(|c| c.slows(host, peer)).min()
    }

    /// Notes that a host's write waits because it stands still.
    pub fn paused(&mut self, host: &str) {
        self.count(|c| matches!(c, Condition::Paused(h) if h == host));
    }

    /// Notes a read or write of a host that was made smaller.
    pub fn made_smaller(&mut self, host: &str) {
        self.count(|c| matches!(c, Condition::TinyIo { host: h, .. } if h == host));
    }

    /// Notes a read that waits for the next tick though there is something to read.
    pub fn read_late(&mut self, host: &str, peer: &str) {
        self.count(|c| c.slows(host, peer).is_some());
    }

    fn count(&mut self, touches: impl Fn(&Condition) -> bool) {
        for running in &mut self.0 {
            running.hit += u64::from(running.conditions.iter().any(&touches));
        }
    }
}
