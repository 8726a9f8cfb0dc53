//! A run that came to nothing.

use crate::{plan::Host, record::Trace, world::Panicked};
use std::{fmt, time::Duration};

/// A run that came to nothing: there is no verdict.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Why there is none.
    pub why: Why,
    /// What happened until then, as far as it is known.
    pub trace: Trace,
}

/// Why a run came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The case's protocols can't be resolved: a sentence.
    Protocol(String),
    /// The rig itself panicked, or a host of its own (a store, the servers around the cluster).
    Panicked(Box<Panicked>),
    /// Simulated time stood still for [`Runner::patience`](super::Runner::patience): a task never lets others run, in a
    /// role or in the rig. Its thread could not be ended and still runs.
    Stuck {
        /// Simulated milliseconds that were over.
        at_ms: u64,
        /// Real time that was waited.
        patience: Duration,
        /// The host of the last line of the trace, if it could be read.
        last: Option<Host>,
    },
    /// Another build that was to run it made no trace of it: a sentence.
    Elsewhere(String),
}

impl From<Panicked> for Failed {
    /// The rig's own panic, outside of a run.
    fn from(panicked: Panicked) -> Self {
        Self { why: Why::Panicked(panicked.into()), trace: Trace::default() }
    }
}

impl Failed {
    /// Whether the thread of the run still runs.
    pub fn is_stuck(&self) -> bool {
        matches!(self.why, Why::Stuck { .. })
    }

    /// The backtrace of its panic, if it is one and backtraces are kept.
    pub fn backtrace(&self) -> Option<&str> {
        match &self.why {
            Why::Panicked(panicked) => panicked.backtrace.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Protocol(sentence) => f.write_str(sentence),
            Why::Elsewhere(sentence) => write!(f, "the other build: {sentence}"),
            Why::Panicked(panicked) => write!(f, "the rig itself failed: {}", panicked.sentence()),
            Why::Stuck { at_ms, patience, last } => {
                write!(
                    f,
                    "given up: simulated time stands at {at_ms} ms for {} s of real time",
                    patience.as_secs_f64()
                )?;
                match last {
                    Some(host) => write!(f, "; the last line of the trace is of {host}"),
                    None => Ok(()),
                }
            }
        }
    }
}
