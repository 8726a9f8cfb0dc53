//! The floor under a campaign: one in which almost nothing is acked says nothing, whatever its
//! properties say. A deployment that refuses politely, or a workload that is idle, breaks none.

use crate::{explore::SeedReport, plan::generate::Profile};
use std::collections::BTreeMap;

/// Campaigns of fewer seeds are not judged: their median may be that of one unlucky plan.
pub const FEWEST_SEEDS: usize = 20;

impl Profile {
    /// The median of acked sends of a campaign must not be lower, unless its user says otherwise: a
    /// bit more than half of what the presets come to (35, 37 and 35 under `hardened`).
    pub fn least_acked(self) -> u64 {
        match self {
            Self::Default
            | Self::Bounds
            | Self::Idle
            | Self::Rolling
            | Self::Stores
            | Self::Clocks => 20,
            Self::Calm => 25,
        }
    }
}

/// Of acked sends a seed, the median; 0 without a seed.
pub fn median_acked(reports: &BTreeMap<u64, SeedReport>) -> u64 {
    let mut acked: Vec<_> = reports.values().map(|report| report.acked).collect();
    acked.sort_unstable();
    acked.get(acked.len() / 2).copied().unwrap_or(0)
}

/// What is to be said of a campaign whose median is under the floor.
pub fn under(reports: &BTreeMap<u64, SeedReport>, floor: u64) -> Option<String> {
    let median = median_acked(reports);
    (reports.len() >= FEWEST_SEEDS && median < floor).then(|| {
        format!(
            "TOO FEW ACKS: the median seed has {median} acked sends, and {floor} is the floor \
             (--least-acked): what holds while nothing works says nothing"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{FEWEST_SEEDS, median_acked, under};
    use crate::explore::SeedReport;
    use std::collections::BTreeMap;

    fn campaign(acked: impl IntoIterator<Item = u64>) -> BTreeMap<u64, SeedReport> {
        let report = |(seed, acked)| (seed, SeedReport { seed, acked, ..SeedReport::default() });
        (1..).zip(acked).map(report).collect()
    }

    #[test]
    fn a_campaign_with_a_low_median_is_found() {
        let half_idle = campaign((0..FEWEST_SEEDS as u64).map(|n| 30 * (n % 2)));
        assert_eq!(median_acked(&half_idle), 30);
        assert_eq!(under(&half_idle, 30), None);
        let idle = campaign((0..FEWEST_SEEDS as u64).map(|n| 30 * u64::from(n % 3 == 0)));
        let said = under(&idle, 1).expect("the median is 0");
        assert!(said.contains("has 0 acked sends, and 1 is the floor"), "{said}");
        assert_eq!(under(&idle, 0), None, "switched off");
        assert_eq!(under(&campaign([0; FEWEST_SEEDS - 1]), 20), None, "too few to say");
        assert_eq!(median_acked(&campaign([])), 0);
    }
}
