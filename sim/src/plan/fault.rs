//! What goes wrong, as data. What each trouble does to the world is in `world::faults`.

use super::{
    Role, StoreError,
    clock::{MOST_AHEAD_MS, is_within},
};
use serde::{Deserialize, Serialize};

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

/// How a planted task misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plant {
    /// It panics.
    Panics,
    /// It is ready again and again, and lets others run in between.
    Yields,
    /// The same, and it calls the world each time.
    Calls,
    /// It never lets anybody else run.
    Hangs,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum Trouble {
    /// Nothing passes between two hosts; what is in flight is gone.
    Partition {
        /// One host.
        a: String,
        /// The host at the other end.
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
        /// The host at the other end.
        b: String,
    },
    /// What is in flight between two hosts is lost, the streams with it: a cut of one tick, the
    /// first one of the fault's time in which something is in flight. Then the fault is over.
    Drop {
        /// One host.
        a: String,
        /// The host at the other end.
        b: String,
        /// What becomes of streams that lost data.
        fate: Fate,
    },
    /// Every stream between two hosts is reset.
    Reset {
        /// One host.
        a: String,
        /// The host at the other end.
        b: String,
    },
    /// The latency between two hosts is drawn anew each tick: connections overtake each other.
    Jitter {
        /// One host.
        a: String,
        /// The host at the other end.
        b: String,
        /// The longest latency, in ticks.
        ticks: u64,
    },
    /// The latency between two hosts is higher than the plan's.
    SlowLink {
        /// One host.
        a: String,
        /// The host at the other end.
        b: String,
        /// The latency one way, in ticks.
        ticks: u64,
    },
    /// Each read and each write of a host's sockets passes only a few bytes: PDUs arrive and
    /// leave in pieces.
    TinyIo {
        /// The host.
        host: String,
        /// At most so many bytes a call, at least 1.
        bytes: usize,
    },
    /// A host reads slowly: what is sent to it piles up, at last at the sender.
    SlowReader {
        /// The host.
        host: String,
        /// Only its streams from or to this host; all if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<String>,
        /// At most so many bytes a tick and stream; 0: it reads nothing at all.
        bytes: usize,
    },
    /// The process of a host is killed and started again when the fault ends.
    Crash {
        /// The host.
        host: String,
        /// While it is down connects are refused (the machine is up); else they hang.
        refuses: bool,
    },
    /// The process of a host is told to stop (SIGTERM). It ends by its own rule; what has none
    /// goes on for `Timing::stop_grace`. It is started again when the fault ends, and killed
    /// before that if it still runs. Connects are refused while it is down.
    Stop {
        /// The host.
        host: String,
    },
    /// A machine loses its power, and has it back when the fault ends. Nobody is told: its peers
    /// see silence until the machine, up again, answers what they send with a reset; connects
    /// hang. What Redis had not on its disk is lost; what SQL committed stays.
    PowerCut {
        /// The host.
        host: String,
    },
    /// A task of a host's process misbehaves. No generator draws it: it is there to test what the
    /// rig makes of a role that does.
    Planted {
        /// The host.
        host: String,
        /// How the task misbehaves.
        does: Plant,
    },
    /// A machine stands still while time goes on (a virtual machine that is moved). Nothing comes
    /// in or goes out, nothing is lost; see `world::faults` for what goes on inside.
    Pause {
        /// The host.
        host: String,
    },
    /// A store answers some of its commands or statements with an error, and does not do them.
    /// BEGIN, COMMIT and ROLLBACK are none of them.
    StoreFails {
        /// The store: `redis` or `sql`.
        host: String,
        /// What it says: an error of that store.
        error: StoreError,
        /// One in so many of those that the error can meet, each by a draw of its own; 1: all.
        one_in: u32,
    },
    /// A store does what it is told, and the connection breaks before it says so: of COMMIT, too.
    ReplyLost {
        /// The store: `redis` or `sql`.
        host: String,
        /// One in so many commands or statements, each by a draw of its own; 1: all.
        one_in: u32,
    },
    /// A host's wall clock is set ahead or back, and right again when the fault ends. Timers go on as before.
    ClockStep {
        /// The host.
        host: String,
        /// By so many milliseconds ahead; back if under 0.
        ahead_ms: i64,
    },
    /// A store takes its time over each command or request.
    SlowStore {
        /// The store: `redis` or `sql`.
        host: String,
        /// So much longer than otherwise, in ticks.
        ticks: u64,
    },
}

impl Trouble {
    /// The host that is told to stop, by the words in which a trace says what a fault does.
    pub fn told_to_stop(words: &str) -> Option<&str> {
        words.strip_prefix("tell ")?.split_once(" to stop").map(|(host, _)| host)
    }

    /// The hosts that it names.
    pub fn hosts(&self) -> Vec<&str> {
        match self {
            Self::Partition { a, b, .. }
            | Self::Stall { a, b }
            | Self::Drop { a, b, .. }
            | Self::Reset { a, b }
            | Self::Jitter { a, b, .. }
            | Self::SlowLink { a, b, .. } => vec![a, b],
            Self::Isolate { host, .. }
            | Self::TinyIo { host, .. }
            | Self::Crash { host, .. }
            | Self::Stop { host }
            | Self::PowerCut { host }
            | Self::Planted { host, .. }
            | Self::Pause { host }
            | Self::StoreFails { host, .. }
            | Self::ReplyLost { host, .. }
            | Self::SlowStore { host, .. }
            | Self::ClockStep { host, .. } => vec![host],
            Self::SlowReader { host, peer, .. } => {
                [Some(host), peer.as_ref()].into_iter().flatten().map(String::as_str).collect()
            }
        }
    }

    /// The store that does something wrong itself, by the name of its host.
    pub fn store(&self) -> Option<&str> {
        match self {
            Self::StoreFails { host, .. }
            | Self::ReplyLost { host, .. }
            | Self::SlowStore { host, .. } => Some(host),
            _ => None,
        }
    }

    /// What becomes of streams that lost data in it.
    pub fn fate(&self) -> Option<Fate> {
        match self {
            Self::Partition { fate, .. } | Self::Isolate { fate, .. } | Self::Drop { fate, .. } => {
                Some(*fate)
            }
            _ => None,
        }
    }
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

/// No plan's horizon is later, and no fault starts later or lasts longer than this, in simulated
/// milliseconds.
pub const LONGEST_MS: u64 = 1_000_000;
/// No latency of a fault is longer than this, in ticks.
pub const SLOWEST_TICKS: u64 = 10_000;

impl Fault {
    /// Whether it can be applied to a world at all.
    ///
    /// # Errors
    /// A sentence that names the fault.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |what: String| Err(format!("fault {}: {what}", self.id));
        let within = |field: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            wrong(format!("field `{field}`: {value} is not within {least} to {most}"))
        };
        within("at_ms", self.at_ms, 0, LONGEST_MS)?;
        within("for_ms", self.for_ms, 1, LONGEST_MS)?;
        if let Some(Fate::ResetWithin { ms }) = self.trouble.fate() {
            within("fate.reset_within.ms", ms, 0, LONGEST_MS)?;
        }
        if let [a, b] = self.trouble.hosts()[..]
            && a == b
        {
            return wrong(format!("`{a}` has no link to itself"));
        }
        if let Some(store) = self.trouble.store() {
            let known = |role: Role| role.host() == *store;
            if ![Role::Redis, Role::Sql].into_iter().any(known) {
                return wrong(format!(
                    "field `host`: `{store}` is no store: `redis` or `sql` was expected"
                ));
            }
            if let Trouble::StoreFails { error, .. } = &self.trouble
                && !known(error.store())
            {
                let name = serde_json::to_string(error).unwrap_or_default();
                return wrong(format!("field `error`: {name} is no error of `{store}`"));
            }
        }
        match self.trouble {
            Trouble::Jitter { ticks, .. }
            | Trouble::SlowLink { ticks, .. }
            | Trouble::SlowStore { ticks, .. } => within("ticks", ticks, 1, SLOWEST_TICKS),
            Trouble::StoreFails { one_in, .. } | Trouble::ReplyLost { one_in, .. } => {
                within("one_in", one_in.into(), 1, u32::MAX.into())
            }
            Trouble::TinyIo { bytes, .. } => within("bytes", bytes as u64, 1, u64::MAX),
            Trouble::ClockStep { ahead_ms: 0, .. } => wrong(
                "field `ahead_ms`: 0 sets no clock: a number over or under 0 was expected".into(),
            ),
            Trouble::ClockStep { ahead_ms, .. } => {
                is_within("ahead_ms", ahead_ms, MOST_AHEAD_MS).or_else(wrong)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, LONGEST_MS, Trouble};

    fn check(trouble: Trouble) -> Result<(), String> {
        Fault { id: 7, at_ms: 0, for_ms: 5, trouble }.check()
    }

    #[test]
    fn what_no_world_can_do_is_refused_with_the_faults_id() {
        let (a, b) = (|| "msg1".to_string(), || "db1".to_string());
        assert_eq!(check(Trouble::Stall { a: a(), b: b() }), Ok(()));
        let itself = check(Trouble::Stall { a: a(), b: a() });
        assert_eq!(itself, Err("fault 7: `msg1` has no link to itself".into()));
        assert!(check(Trouble::SlowLink { a: a(), b: b(), ticks: 0 }).is_err());
        assert!(check(Trouble::Jitter { a: a(), b: b(), ticks: u64::MAX }).is_err());
        assert!(check(Trouble::TinyIo { host: a(), bytes: 0 }).is_err());
        let step = |ahead_ms| check(Trouble::ClockStep { host: a(), ahead_ms });
        assert_eq!(step(-86_400_000), Ok(()));
        let nothing =
            "fault 7: field `ahead_ms`: 0 sets no clock: a number over or under 0 was expected";
        assert_eq!(step(0), Err(nothing.into()));
        let far = "fault 7: field `ahead_ms`: 86400001 is not within -86400000 to 86400000";
        assert_eq!(step(86_400_001), Err(far.into()));
        assert!(check(Trouble::SlowReader { host: a(), peer: None, bytes: 0 }).is_ok());
        assert!(check(Trouble::SlowReader { host: a(), peer: Some(a()), bytes: 0 }).is_err());
        let endless = Fault {
            id: 7,
            at_ms: 0,
            for_ms: LONGEST_MS + 1,
            trouble: Trouble::Pause { host: a() },
        };
        assert!(endless.check().is_err());
    }

    #[test]
    fn a_fault_reads_as_it_was_written() {
        let text =
            r#"{"id":1,"at_ms":5,"for_ms":10,"fault":"slow_reader","host":"msg1","bytes":3}"#;
        let fault: Fault = serde_json::from_str(text).expect("a fault");
        assert_eq!(serde_json::to_string(&fault).expect("plain data"), text);
    }
}
