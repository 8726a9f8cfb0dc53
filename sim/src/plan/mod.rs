//! A plan: everything that a run does, as data.

pub mod case;
mod device;
pub mod generate;
mod operation;

pub use device::{Client, Device};
pub use operation::{Action, Odd, Operation, Rogue, text_of};

use serde::{Deserialize, Serialize};
use teamtalk::timing::Timing;

/// Simulated milliseconds of one turmoil tick: latencies and fault times are multiples of it.
pub const TICK_MS: u64 = 5;

/// Workers of each db_proxy, unless the plan says otherwise.
pub const DB_WORKERS: usize = 12;

/// Which protocol a node or device follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The protocol in production.
    #[default]
    Base,
    /// The one that is to replace it.
    Candidate,
}

/// Which `Timing` the run uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Everything five times faster.
    Brisk,
    /// SYSTEM.md's durations.
    Original,
}

impl Pace {
    /// The durations.
    pub fn timing(self) -> Timing {
        match self {
            Self::Brisk => Timing::brisk(),
            Self::Original => Timing::original(),
        }
    }
}

/// One simulated machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name: `msg1`, `route1`, `db1`, `redis`, `sql`, `outside`, `client1` …
    pub host: String,
    /// The protocol of its role.
    #[serde(default)]
    pub side: Side,
}

/// Which way a partition cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Both ways.
    Both,
    /// Only what `a` sends to `b`.
    AToB,
    /// Only what `b` sends to `a`.
    BToA,
}

/// What becomes of a stream that lost data in a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Both ends see a reset when the fault ends.
    Reset,
    /// Both ends see a reset up to this long after the end (a keyed draw).
    ResetWithin {
        /// Simulated milliseconds.
        ms: u64,
    },
    /// Nobody is told: the stream is dead in the direction that lost data until one end closes
    /// it, which resets the other (a middlebox that forgot the connection).
    Silent,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum Trouble {
    /// Nothing passes between two hosts; what is in flight is gone.
    Partition {
        /// One host.
        a: String,
        /// The other.
        b: String,
        /// Which way.
        cut: Cut,
        /// What becomes of streams that lost data.
        fate: Fate,
    },
    /// Nothing passes between a host and all others.
    Isolate {
        /// The host.
        host: String,
        /// What becomes of streams that lost data.
        fate: Fate,
    },
    /// What is sent between two hosts waits, and arrives when the fault ends.
    Stall {
        /// One host.
        a: String,
        /// The other.
        b: String,
    },
    /// What is in flight between two hosts is lost, the streams with it (a cut of one tick).
    Drop {
        /// One host.
        a: String,
        /// The other.
        b: String,
        /// What becomes of streams that lost data.
        fate: Fate,
    },
    /// Every stream between two hosts is reset.
    Reset {
        /// One host.
        a: String,
        /// The other.
        b: String,
    },
    /// The latency between two hosts is drawn anew each tick: connections overtake each other.
    Jitter {
        /// One host.
        a: String,
        /// The other.
        b: String,
        /// The longest latency, in ticks.
        ticks: u64,
    },
    /// The process of a host is killed and started again when the fault ends.
    Crash {
        /// The host.
        host: String,
        /// While it is down connects are refused (the machine is up); else they hang.
        refuses: bool,
    },
}

/// One timed fault: an interval, so that removing it can't leave a wound open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Stable id.
    pub id: u32,
    /// When it starts, in simulated milliseconds.
    pub at_ms: u64,
    /// How long it lasts, in simulated milliseconds.
    pub for_ms: u64,
    /// What it is.
    #[serde(flatten)]
    pub trouble: Trouble,
}

/// Everything that a run does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Which durations.
    pub pace: Pace,
    /// The seed of the keyed draws.
    pub noise: u64,
    /// One-way latency of every link, in ticks.
    pub latency_ticks: u64,
    /// Workers of each db_proxy.
    #[serde(default = "default_workers")]
    pub db_workers: usize,
    /// All machines, in the order in which turmoil registers them (which decides who comes
    /// first within a tick).
    pub nodes: Vec<Node>,
    /// All devices.
    pub devices: Vec<Device>,
    /// What users do, by time.
    pub operations: Vec<Operation>,
    /// What goes wrong, by time.
    pub faults: Vec<Fault>,
    /// When the safety phase ends, in simulated milliseconds.
    pub horizon_ms: u64,
}

fn default_workers() -> usize {
    DB_WORKERS
}

impl Plan {
    /// The hosts whose name starts with `role`, in name order.
    pub fn hosts<'a>(&'a self, role: &'a str) -> Vec<&'a str> {
        let mut hosts: Vec<_> =
            self.nodes.iter().map(|n| n.host.as_str()).filter(|h| h.starts_with(role)).collect();
        hosts.sort_unstable();
        hosts
    }

    /// The side of a host; `Base` if the plan has no such host.
    pub fn side_of(&self, host: &str) -> Side {
        self.nodes.iter().find(|n| n.host == host).map_or(Side::Base, |n| n.side)
    }
}
