//! A plan: everything that a run does, as data.

mod ask;
pub mod case;
pub mod check;
mod clock;
mod device;
mod fault;
pub mod generate;
mod group;
mod host;
pub(crate) mod json;
mod latency;
mod migration;
mod operation;
mod past;
mod payload;
mod rogue;
pub mod rollout;
mod store_error;
mod strict;
pub(crate) mod words;

pub use ask::Ask;
pub use clock::{Clock, MOST_AHEAD_MS, MOST_DRIFT_PPM, ahead};
pub use device::{Client, Device};
pub use fault::{Cut, Fate, Fault, LONGEST_MS, Plant, Trouble};
pub use group::{Chat, Group, GroupKind, GroupRef};
pub use host::{Host, NoHost, Role};
pub use latency::{Between, Latencies};
pub use migration::Migration;
pub use operation::{Action, DROPS, Odd, Operation, Size, text_of};
pub use past::{Past, PastGroup, PastMessage, PastPair, PastSession};
pub use payload::Payload;
pub use rogue::Rogue;
pub use rollout::{Ends, Step};
pub use store_error::StoreError;

use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use teamtalk::timing::Timing;

/// Simulated milliseconds of one turmoil tick: latencies and fault times are multiples of it.
pub const TICK_MS: u64 = 5;

/// The most bytes that one end of a stream may have written and the other not read: then writes
/// wait, as with the buffers of a real TCP. The room is there for the writer as soon as the reader
/// has read, without the latency of an acknowledgement.
pub const WINDOW: u64 = 64 << 10;

/// The wall clock at the start of a run, in seconds since 1970, unless the plan says otherwise: 22:13.
pub const EPOCH: u64 = 1_700_000_000;

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

    /// How many times as long as at a brisk pace durations are.
    pub fn times(self) -> u64 {
        match self {
            Self::Brisk => 1,
            Self::Original => 5,
        }
    }

    /// So many of SYSTEM.md's seconds at this pace: for durations that are no role's timers, such
    /// as the time between a store's flushes.
    pub fn seconds(self, seconds: u32) -> Duration {
        self.timing().tick() * seconds
    }
}

/// When Redis writes what it has to its disk, after the values of its `appendfsync`. A killed
/// process loses nothing under any of them (the kernel has it), a power cut loses what is not on
/// the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Before a command is answered.
    #[default]
    Always,
    /// Each second of [`Pace::seconds`].
    EverySecond,
    /// When the kernel sees fit: each 30 seconds of [`Pace::seconds`].
    Never,
}

/// A moment from which on draws are of another seed. What was drawn before it is as without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseFrom {
    /// When, in simulated milliseconds.
    pub at_ms: u64,
    /// The seed.
    pub seed: u64,
}

/// One simulated machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name, which says what it runs.
    pub host: Host,
    /// The protocol of its role.
    #[serde(default)]
    pub side: Side,
    /// How its wall clock goes.
    #[serde(default, skip_serializing_if = "Clock::is_right")]
    pub clock: Clock,
}

/// Everything that a run does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Which durations.
    pub pace: Pace,
    /// The seed of the keyed draws, of turmoil and of the run's `getrandom`.
    pub noise: u64,
    /// From a moment on the keyed draws are of another seed: how much does what comes then decide?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_from: Option<NoiseFrom>,
    /// The wall clock at the start of the run, in seconds since 1970: there are hours at which a phone
    /// may want no pushes.
    #[serde(default = "default_epoch", skip_serializing_if = "is_default_epoch")]
    pub epoch: u64,
    /// One-way latency of every link that has none of its own, in ticks.
    pub latency_ticks: u64,
    /// One-way latency of the links between two roles, in ticks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub link_latency_ticks: BTreeMap<Between, u64>,
    /// Workers of each db_proxy.
    #[serde(default = "default_workers")]
    pub db_workers: usize,
    /// When Redis writes to its disk.
    #[serde(default)]
    pub redis: Durability,
    /// Redis is up and refuses every write, as one does that cannot save its snapshots (`MISCONF`):
    /// a mistake of the deployment, and no fault. No generator draws it: it is there to test what
    /// the properties make of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redis_refuses_writes: bool,
    /// SQL has `innodb_snapshot_isolation` on, as MariaDB from 11.6.2 on: a transaction that locks a row that has changed since
    /// its first read ends with error 1020.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sql_snapshot_isolation: bool,
    /// The version of the schema that the database has at the start (`teamtalk::store::migrations`);
    /// absent: the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<u32>,
    /// When it gets later versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub migrations: Vec<Migration>,
    /// All machines, in the order in which turmoil registers them (which decides who comes
    /// first within a tick).
    pub nodes: Vec<Node>,
    /// All devices.
    pub devices: Vec<Device>,
    /// The groups that are there from the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// What the stores hold of a time before the run.
    #[serde(default, skip_serializing_if = "Past::is_empty")]
    pub past: Past,
    /// What users do, by time.
    pub operations: Vec<Operation>,
    /// What goes wrong, by time.
    pub faults: Vec<Fault>,
    /// Which hosts change side, by time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollout: Vec<Step>,
    /// When the safety phase ends, in simulated milliseconds.
    pub horizon_ms: u64,
}

fn default_epoch() -> u64 {
    EPOCH
}

fn is_default_epoch(epoch: &u64) -> bool {
    *epoch == EPOCH
}

fn default_workers() -> usize {
    DB_WORKERS
}

impl Plan {
    /// The hosts of a role, in name order.
    pub fn hosts(&self, role: Role) -> Vec<&Host> {
        let hosts = self.nodes.iter().map(|n| &n.host);
        let mut hosts: Vec<_> = hosts.filter(|h| h.role() == role).collect();
        hosts.sort_unstable();
        hosts
    }

    /// The latencies of all links.
    pub fn latencies(&self) -> Latencies {
        Latencies { usual: self.latency_ticks, own: self.link_latency_ticks.clone() }
    }

    /// The users who log in: of devices, and beside them.
    pub fn users(&self) -> BTreeSet<u32> {
        let beside = self.operations.iter().filter_map(|op| match &op.action {
            Action::Rogue { what } => what.logs_in(),
            _ => None,
        });
        self.devices.iter().map(|device| device.user).chain(beside).collect()
    }

    /// All that goes wrong in a run: the faults, and the steps of the rollout as such.
    pub fn all_faults(&self) -> impl Iterator<Item = Fault> {
        self.faults.iter().cloned().chain(self.rollout.iter().map(Step::fault))
    }

    /// The fault of this number in a trace, or the step as one.
    pub fn fault(&self, id: u32) -> Option<Fault> {
        self.all_faults().find(|fault| fault.id == id)
    }

    /// The side of a host; `Base` if the plan has no such host.
    pub fn side_of(&self, host: &str) -> Side {
        self.node(host).map_or(Side::Base, |n| n.side)
    }

    /// How the clock of a host goes; right if the plan has no such host.
    pub fn clock_of(&self, host: &str) -> Clock {
        self.node(host).map_or_else(Clock::default, |node| node.clock)
    }

    /// The node of this name.
    pub fn node(&self, host: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.host == *host)
    }
}
