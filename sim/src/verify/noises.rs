//! Whether a plan goes wrong because of its sides: it is run under noise seeds as it is and with everybody on the base.

use super::{Count, PAIRED};
use crate::{
    plan::case::Case,
    pool::{Enough, Pool},
};

/// What runs it.
pub struct Paired<'a, E> {
    /// Runs it as it is.
    pub here: Pool<'a>,
    /// Runs it with everybody on the base.
    pub base: Pool<'a>,
    /// Is told of each run.
    pub each: E,
}

impl<E: Fn() + Sync> Paired<'_, E> {
    /// Under how many noise seeds a case fails as it expects, and how many another one, if the first
    /// exceeds the second.
    pub fn worse(&self, case: &Case, base: &Case) -> Option<(Count, Count)> {
        let of_all = |hits: u64| Count { hits, of: PAIRED };
        let here = self.count(case, |so_far| {
            of_all(so_far.hits + PAIRED - so_far.of).exceeds(Count { hits: 0, of: PAIRED })
        })?;
        let there = self.count_by(&self.base, base, |so_far| here.exceeds(of_all(so_far.hits)))?;
        Some((here, there))
    }

    /// Under how many noise seeds a case fails as it expects; `None` once the count so far is not worth going on
    /// with, or if it was asked to stop.
    pub fn count(&self, case: &Case, is_worth_it: impl Fn(Count) -> bool) -> Option<Count> {
        self.count_by(&self.here, case, is_worth_it)
    }

    fn count_by(
        &self,
        pool: &Pool<'_>,
        case: &Case,
        is_worth_it: impl Fn(Count) -> bool,
    ) -> Option<Count> {
        let mut count = Count::default();
        while count.of < PAIRED {
            let to = PAIRED.min(count.of + pool.jobs as u64);
            let cases: Vec<_> = (count.of..to).map(|n| case.under_noise(n)).collect();
            let more = self.failing_by(pool, &cases);
            count = Count { hits: count.hits + more.hits, of: count.of + more.of };
            if count.of < to || !is_worth_it(count) {
                return None;
            }
        }
        Some(count)
    }

    /// How many of some cases fail as they expect, of those that were run.
    pub fn failing(&self, cases: &[Case]) -> Count {
        self.failing_by(&self.here, cases)
    }

    /// The same, of cases with everybody on the base.
    pub fn failing_on_base(&self, cases: &[Case]) -> Count {
        self.failing_by(&self.base, cases)
    }

    fn failing_by(&self, pool: &Pool<'_>, cases: &[Case]) -> Count {
        let all: Vec<_> = cases.iter().collect();
        let ran = pool.run(&all, Enough::AllRan, &self.each);
        let mut count = Count::default();
        ran.into_iter().flatten().for_each(|ran| count.add(ran.fails));
        count
    }
}
