//! How often a case fails under noise seeds, and whether it does more often than another one: whether a plan goes wrong
//! because of its sides.

use super::{
    Count, PAIRED,
    known::{Broken, Known},
};
use crate::{
    plan::case::Case,
    pool::{Enough, Pool, Ran},
};

/// What runs the cases.
pub struct Noises<'a, E> {
    /// Its pool.
    pub pool: Pool<'a>,
    /// Is told of each run.
    pub each: E,
    /// What is known already.
    pub known: &'a Known,
}

impl<E: Fn() + Sync> Noises<'_, E> {
    /// Under how many noise seeds a case fails as it expects, and how many another one, which something else may run,
    /// if the first exceeds the second.
    pub fn worse(&self, case: &Case, elsewhere: &Self, other: &Case) -> Option<(Count, Count)> {
        let of_all = |hits: u64| Count { hits, of: PAIRED };
        let here = self.count(case, |so_far| {
            of_all(so_far.hits + PAIRED - so_far.of).exceeds(Count { hits: 0, of: PAIRED })
        })?;
        let there = elsewhere.count(other, |so_far| here.exceeds(of_all(so_far.hits)))?;
        Some((here, there))
    }

    /// Under how many noise seeds a case fails as it expects; `None` once the count so far is not worth going on
    /// with, if it was asked to stop, or if a run comes to nothing.
    pub fn count(&self, case: &Case, is_worth_it: impl Fn(Count) -> bool) -> Option<Count> {
        let mut count = Count::default();
        while count.of < PAIRED {
            let to = PAIRED.min(count.of + self.pool.jobs as u64);
            let cases: Vec<_> = (count.of..to).map(|n| case.under_noise(n)).collect();
            let more = self.failing(&cases);
            count = Count { hits: count.hits + more.hits, of: count.of + more.of };
            if count.of < to || !is_worth_it(count) {
                return None;
            }
        }
        Some(count)
    }

    /// How many of some cases fail as they expect, of those that were run.
    pub fn failing(&self, cases: &[Case]) -> Count {
        let known = |case: &Case| self.known.fails(case, &self.pool.runner);
        let told = |case: &Case, ran: Ran| {
            let broken = match ran.signatures.contains(&case.expect) {
                true => Broken::AtLeast(case.expect.clone()),
                false => Broken::All(ran.signatures),
            };
            (ran.fails, broken)
        };
        let mut count = Count::default();
        for fails in self.told(&self.pool, cases, known, told) {
            count.add(fails);
        }
        count
    }

    /// All that each of some cases breaks, of those that were run: to their ends.
    pub fn broken(&self, cases: &[Case]) -> Vec<Vec<String>> {
        let pool = Pool { only_expected: false, ..self.pool.clone() };
        let known = |case: &Case| self.known.all(case, &self.pool.runner);
        let told = |_: &Case, ran: Ran| (ran.signatures.clone(), Broken::All(ran.signatures));
        self.told(&pool, cases, known, told)
    }

    /// What is known of each of some cases, or what its run says, which is kept. Of one that came to nothing nobody knows: the
    /// pool counts it.
    fn told<T>(
        &self,
        pool: &Pool<'_>,
        cases: &[Case],
        known: impl Fn(&Case) -> Option<T>,
        of_run: impl Fn(&Case, Ran) -> (T, Broken),
    ) -> Vec<T> {
        let (mut told, mut new) = (Vec::new(), Vec::new());
        for case in cases {
            match known(case) {
                Some(it) => {
                    told.push(it);
                    (self.each)();
                }
                None => new.push(case),
            }
        }
        let ran = pool.run(&new, Enough::AllRan, &self.each);
        for (case, ran) in new.iter().zip(ran) {
            let Some(ran) = ran.filter(|ran| !ran.is_lost) else { continue };
            let (it, broken) = of_run(case, ran);
            self.known.keep(case, &self.pool.runner, broken);
            told.push(it);
        }
        told
    }
}
