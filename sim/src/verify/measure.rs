//! What users of a run see of it, and what it costs: to compare two protocols on the same plans.

use crate::{
    plan::{Plan, text_of},
    properties::held_content,
    record::{Kind, Line, history::Outcome as OpOutcome},
    world::Outcome,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::fact::Fact;

/// Of one run, or of many together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Sends that were attempted.
    pub sends: u64,
    /// Of these, those that were acked.
    pub acked: u64,
    /// Of these, those that were refused.
    pub refused: u64,
    /// Of these, those of which nobody knows.
    pub unknown: u64,
    /// Acked sends that no other device ever held.
    pub not_shown: u64,
    /// Messages that a device held under two msg_ids.
    pub twice: u64,
    /// From the operation to its ack, in simulated microseconds; sorted, of many by [`Measure::sort`].
    pub to_ack_us: Vec<u64>,
    /// From the operation to the first other device that held it, in simulated microseconds; sorted too.
    pub to_shown_us: Vec<u64>,
    /// PDUs that were written.
    pub pdus: u64,
    /// Commands and statements that the stores applied.
    pub store: u64,
}

impl Measure {
    /// What is measured of a run.
    pub fn of(plan: &Plan, outcome: &Outcome) -> Self {
        let (entries, lines) = (&outcome.history.entries, &outcome.trace.lines);
        let mut measure = Self::default();
        let held = Held::of(lines);
        measure.twice = held.twice;
        for op in plan.operations.iter().filter(|op| op.action.is_send()) {
            let Some(entry) = entries.get(&op.id).filter(|entry| entry.attempts > 0) else {
                continue;
            };
            measure.sends += 1;
            match entry.outcome {
                OpOutcome::Ok(_) => measure.acked += 1,
                OpOutcome::Failed(_) => measure.refused += 1,
                OpOutcome::Unknown | OpOutcome::NotDone(_) => measure.unknown += 1,
            }
            if !matches!(entry.outcome, OpOutcome::Ok(_)) {
                continue;
            }
            let since = |us: u64| us.saturating_sub(entry.invoked_us);
            measure.to_ack_us.extend(entry.done_us.map(since));
            let by = held.first.get(&*text_of(op.id));
            let elsewhere = by.and_then(|by| by.iter().find(|(slot, _)| *slot != op.device));
            match elsewhere {
                Some((_, us)) => measure.to_shown_us.push(since(*us)),
                None => measure.not_shown += 1,
            }
        }
        let count = |is: fn(&Kind) -> bool| lines.iter().filter(|line| is(&line.kind)).count();
        measure.pdus = count(|kind| matches!(kind, Kind::PduSent(_))) as u64;
        measure.store = count(|kind| matches!(kind, Kind::Store(_))) as u64;
        measure.sort();
        measure
    }

    /// Adds that of another run.
    pub fn add(&mut self, other: &Self) {
        self.sends += other.sends;
        self.acked += other.acked;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.not_shown += other.not_shown;
        self.twice += other.twice;
        self.to_ack_us.extend(&other.to_ack_us);
        self.to_shown_us.extend(&other.to_shown_us);
        self.pdus += other.pdus;
        self.store += other.store;
    }

    /// After the last one was added.
    pub fn sort(&mut self) {
        self.to_ack_us.sort_unstable();
        self.to_shown_us.sort_unstable();
    }
}

/// The least value of a sorted list that so many hundredths of it (0 to 100) do not exceed, in milliseconds (the nearest rank);
/// 0 of nothing.
pub fn percentile_ms(sorted_us: &[u64], hundredths: usize) -> f64 {
    let rank = (sorted_us.len() * hundredths).div_ceil(100).clamp(1, sorted_us.len().max(1));
    sorted_us.get(rank - 1).map_or(0.0, |us| *us as f64 / 1_000.0)
}

/// Which device held which message, and when.
#[derive(Default)]
struct Held {
    /// By content: the devices in the order in which they came to hold it, and when.
    first: BTreeMap<String, Vec<(u32, u64)>>,
    /// Messages that a device held under two msg_ids.
    twice: u64,
}

impl Held {
    fn of(lines: &[Line]) -> Self {
        let mut held = Self::default();
        let mut ids: BTreeMap<(u32, String), BTreeSet<u32>> = BTreeMap::new();
        for line in lines {
            let Kind::Fact(Fact::Held { device, content, msg_id, .. }) = &line.kind else {
                continue;
            };
            let content = held_content(content).to_string();
            held.first.entry(content.clone()).or_default().push((*device, line.sim_us));
            if content.starts_with("op-") {
                ids.entry((*device, content)).or_default().insert(*msg_id);
            }
        }
        held.twice = ids.values().filter(|ids| ids.len() > 1).count() as u64;
        held
    }
}

#[cfg(test)]
mod tests {
    use super::{Measure, percentile_ms};
    use crate::{
        explore::case_of,
        plan::{case::ProtocolSpec, generate::Profile},
        run::run_case,
    };

    #[test]
    fn a_calm_run_acks_and_shows_what_is_sent_once() {
        let case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
        let outcome = run_case(&case).expect("a verdict");
        let mut measure = Measure::of(&case.plan, &outcome);
        assert!(measure.sends > 20, "{measure:?}");
        assert_eq!(measure.acked + measure.refused + measure.unknown, measure.sends);
        // Some go where their user may not write.
        assert_eq!((measure.unknown, measure.twice), (0, 0), "{measure:?}");
        assert!(measure.acked * 3 > measure.sends * 2, "{measure:?}");
        assert_eq!(measure.to_ack_us.len() as u64, measure.acked);
        assert!(measure.to_shown_us.len() as u64 + measure.not_shown == measure.acked);
        assert!(measure.pdus > measure.sends && measure.store > measure.sends);
        measure.add(&measure.clone());
        measure.sort();
        let (median, most) =
            (percentile_ms(&measure.to_ack_us, 50), percentile_ms(&measure.to_ack_us, 100));
        // There and back, to a db_proxy and to its stores: some ticks.
        assert!(median >= 20.0 && median <= most, "{median} {most}");
    }

    #[test]
    fn percentiles_are_of_the_values_themselves() {
        let hundred: Vec<u64> = (1..=100).map(|n| n * 1_000).collect();
        assert_eq!(percentile_ms(&hundred, 50), 50.0);
        assert_eq!(percentile_ms(&hundred, 99), 99.0);
        assert_eq!(percentile_ms(&hundred, 100), 100.0);
        assert_eq!(percentile_ms(&hundred, 0), 1.0);
        assert_eq!(percentile_ms(&[1_000, 2_000, 3_000], 50), 2.0);
        assert_eq!(percentile_ms(&[1_000, 2_000, 3_000], 34), 2.0);
        assert_eq!(percentile_ms(&[1_000, 2_000, 3_000], 33), 1.0);
        assert_eq!(percentile_ms(&[], 50), 0.0);
    }
}
