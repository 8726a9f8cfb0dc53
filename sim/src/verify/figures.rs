//! What is told of users and of the costs, and which of it differs by more than chance.
//!
//! The same plan under other draws acks a little sooner or later, and repeats a PDU more or less. A figure differs
//! if in clearly more seeds it is larger than under the base than it is smaller: the sign test, which asks nothing
//! of how a figure is spread.

use super::{Measure, Ran, Runs, Stage, chance::even_odds, is_rolling, percentile_ms};

/// By chance a figure differs in less than this share of verifications of equal sides: each has some twenty of them.
const BY_CHANCE: f64 = 0.000_1;

/// With fewer seeds no figure can differ by more than chance.
pub const FEWEST: u64 = 15;

/// A figure of a measure.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// What it is, with its unit.
    pub name: &'static str,
    /// Its name in JSON.
    pub key: &'static str,
    /// Its value; `None` if there is nothing of which it could be.
    pub of: fn(&Measure) -> Option<f64>,
}

/// All of them.
pub const FIGURES: [Figure; 10] = [
    Figure { name: "acked, % of sends", key: "acked_percent", of: |m| percent(m.acked, m) },
    Figure { name: "refused, % of sends", key: "refused_percent", of: |m| percent(m.refused, m) },
    Figure { name: "unknown, % of sends", key: "unknown_percent", of: |m| percent(m.unknown, m) },
    Figure { name: "held twice, messages", key: "held_twice", of: |m| Some(m.twice as f64) },
    Figure {
        name: "send to ack, ms, median",
        key: "to_ack_ms_50",
        of: |m| percentile(&m.to_ack_us, 50),
    },
    Figure {
        name: "send to ack, ms, 99 of 100",
        key: "to_ack_ms_99",
        of: |m| percentile(&m.to_ack_us, 99),
    },
    Figure {
        name: "send to shown, ms, median",
        key: "to_shown_ms_50",
        of: |m| percentile(&m.to_shown_us, 50),
    },
    Figure {
        name: "send to shown, ms, 99 of 100",
        key: "to_shown_ms_99",
        of: |m| percentile(&m.to_shown_us, 99),
    },
    Figure { name: "PDUs an acked send", key: "pdus_each", of: |m| each(m.pdus, m) },
    Figure { name: "store commands an acked send", key: "store_each", of: |m| each(m.store, m) },
];

fn percent(part: u64, of: &Measure) -> Option<f64> {
    (of.sends > 0).then(|| 100.0 * part as f64 / of.sends as f64)
}

fn each(part: u64, of: &Measure) -> Option<f64> {
    (of.acked > 0).then(|| part as f64 / of.acked as f64)
}

fn percentile(sorted_us: &[u64], hundredths: usize) -> Option<f64> {
    (!sorted_us.is_empty()).then(|| percentile_ms(sorted_us, hundredths))
}

/// A figure that is not as under the base.
#[derive(Debug, Clone, Copy)]
pub struct Differs {
    /// Which figure it is.
    pub figure: Figure,
    /// Whether while hosts change; else with everybody on the candidate.
    pub rolling: bool,
    /// In so many seeds it is larger than under the base.
    pub larger: u64,
    /// In so many it is smaller; in all others the same.
    pub smaller: u64,
}

impl Differs {
    /// Where, as a column of the table calls it.
    pub fn stage(&self) -> &'static str {
        if self.rolling { "rolling" } else { "candidate" }
    }
}

impl Runs {
    /// What differs from the base by more than chance, with everybody on the candidate and while hosts change.
    pub(super) fn differing(&self) -> Vec<Differs> {
        let both = |figure: Figure| [false, true].map(|rolling| self.compared(figure, rolling));
        let all = FIGURES.into_iter().flat_map(both);
        all.filter(|of| even_odds(of.larger, of.smaller) < BY_CHANCE).collect()
    }

    /// In how many seeds a figure is larger or smaller than under the base.
    fn compared(&self, figure: Figure, rolling: bool) -> Differs {
        let (mut larger, mut smaller) = (0, 0);
        let is_of = |stage| if rolling { is_rolling(stage) } else { stage == Stage::Candidate };
        for ran in self.of(is_of) {
            let value = |ran: &Ran| (figure.of)(&ran.came.measure);
            let base = self.on_base(ran).and_then(value);
            let (Some(here), Some(base)) = (value(ran), base) else { continue };
            larger += u64::from(here > base);
            smaller += u64::from(here < base);
        }
        Differs { figure, rolling, larger, smaller }
    }

    /// The run of the same seed under the base.
    fn on_base(&self, ran: &Ran) -> Option<&Ran> {
        self.ran.get(&Stage::Base)?.get(&ran.case.seed?)
    }
}

#[cfg(test)]
mod tests {
    use super::{BY_CHANCE, FEWEST, even_odds};

    #[test]
    fn fewer_seeds_than_the_fewest_tell_nothing() {
        assert!(even_odds(FEWEST, 0) < BY_CHANCE && even_odds(FEWEST - 1, 0) >= BY_CHANCE);
    }
}
