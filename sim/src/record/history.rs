//! Operations as their users saw them: ok, failed or unknown.

use super::{Kind, Trace};
use serde::Serialize;
use std::collections::BTreeMap;
use teamtalk::{client::reason, fact::Fact};

/// Why an operation failed that, once it was attempted, may have had its effect all the same.
const UNKNOWN: [&str; 3] = [reason::NO_ANSWER, reason::CONNECTION_LOST, reason::UNAVAILABLE];

/// What a user knows of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Never attempted: its device was down or not logged in.
    NotDone(String),
    /// Attempted and not answered: it may have happened.
    Unknown,
    /// Answered; the msg_id of an acked send, else 0.
    Ok(u32),
    /// Answered with a refusal.
    Failed(String),
}

/// One operation's fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The device.
    pub device: u32,
    /// When it was handed to its device, in simulated microseconds.
    pub invoked_us: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// How often its PDU was written.
    pub attempts: u32,
    /// The first attempt was not answered in time, or never.
    pub first_unanswered: bool,
    /// When the outcome was known.
    pub done_us: Option<u64>,
}

/// All operations of a run, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct History {
    /// By operation id.
    pub entries: BTreeMap<u32, Entry>,
}

impl History {
    /// Reads the history out of a trace.
    pub fn of(trace: &Trace) -> Self {
        let mut entries: BTreeMap<u32, Entry> = BTreeMap::new();
        for line in &trace.lines {
            match &line.kind {
                Kind::Op { op, device, delivered, .. } => {
                    let why = if *delivered { "never attempted" } else { "its device was down" };
                    let entry = Entry {
                        device: *device,
                        invoked_us: line.sim_us,
                        outcome: Outcome::NotDone(why.into()),
                        attempts: 0,
                        first_unanswered: false,
                        done_us: None,
                    };
                    entries.insert(*op, entry);
                }
                Kind::Fact(fact) => note(&mut entries, fact, line.sim_us),
                _ => {}
            }
        }
        for entry in entries.values_mut() {
            entry.first_unanswered |= entry.outcome == Outcome::Unknown;
        }
        Self { entries }
    }
}

fn note(entries: &mut BTreeMap<u32, Entry>, fact: &Fact, at: u64) {
    let (op, outcome) = match fact {
        Fact::Attempt { op, attempt, .. } => {
            if let Some(entry) = entries.get_mut(op) {
                entry.attempts = entry.attempts.max(*attempt);
                if matches!(entry.outcome, Outcome::NotDone(_)) {
                    entry.outcome = Outcome::Unknown;
                }
            }
            return;
        }
        Fact::AttemptTimedOut { op, attempt } => {
            if let Some(entry) = entries.get_mut(op) {
                entry.first_unanswered |= *attempt == 1;
            }
            return;
        }
        Fact::OpOk { op, msg_id } => (op, Outcome::Ok(*msg_id)),
        Fact::OpFailed { op, reason } => (op, Outcome::Failed(reason.clone())),
        _ => return,
    };
    let Some(entry) = entries.get_mut(op) else { return };
    entry.done_us = Some(at);
    // A failure that is only silence leaves an attempted operation unknown.
    entry.outcome = match outcome {
        Outcome::Failed(reason) if entry.attempts == 0 => Outcome::NotDone(reason),
        Outcome::Failed(reason) if UNKNOWN.contains(&&*reason) => {
            entry.first_unanswered = true;
            Outcome::Unknown
        }
        other => other,
    };
}
