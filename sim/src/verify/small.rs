//! The cases of a verdict, made small: what is left fails as they do, and holds with everybody on the base if the large
//! one did.

use super::{
    Constraint, InOrder, Pair, Progress, ROLLING, Regression, Stage, Verdict, Verification,
    stage::only,
};
use crate::{
    plan::{
        Side,
        case::{Case, Protocols},
    },
    pool::Twin,
    shrink::{self, Shrinking},
};
use std::{collections::BTreeMap, sync::Arc};

/// One case takes at most so many runs of those that there are for all.
const EACH: u64 = 500;

/// What a case fails with, where it was run, and the case.
type Of<'a> = (&'a str, Stage, &'a mut Case);

fn of_constraint(Constraint { signature, case, .. }: &mut Constraint) -> Of<'_> {
    (signature, ROLLING, case)
}

fn of_regression(Regression { signature, stage, case, .. }: &mut Regression) -> Of<'_> {
    (signature, *stage, case)
}

fn of_order(InOrder { signature, stage, case, .. }: &mut InOrder) -> Of<'_> {
    (signature, *stage, case)
}

impl Verification<'_> {
    /// Makes the case of each constraint small, that of what the order loses, and that of each regression, as far as the runs
    /// for it go: what the order follows from comes first.
    pub(super) fn make_small(&self, verdict: &mut Verdict) {
        let mut left = self.shrink_runs;
        // The plan of one run may have broken several properties; each case is made small once.
        let mut known: BTreeMap<String, Case> = BTreeMap::new();
        let Verdict { rows, constraints, unconfirmed, regressions, proven, large, .. } = verdict;
        // What a mix explains is shown by the case of that.
        let regressions = regressions.iter_mut().filter(|of| !of.is_explained);
        let in_order = proven.iter_mut().flat_map(|of| &mut of.lost).map(of_order);
        let all = constraints.iter_mut().map(of_constraint).chain(in_order);
        let all = all.chain(regressions.map(of_regression));
        for (signature, stage, case) in all.chain(unconfirmed.iter_mut().map(of_constraint)) {
            let count = rows.get(signature).and_then(|row| row.counts.get(&Stage::Candidate));
            let is_of_all = count.is_some_and(|count| count.hits > 0);
            let key = serde_json::to_string(&case).expect("plain data");
            if let Some(small) = known.get(&key) {
                *case = small.clone();
                continue;
            }
            if left == 0 || self.is_stopped() {
                *large += u64::from(self.shrink_runs > 0);
                continue;
            }
            // What nobody sees with everybody on the candidate is of the mix.
            let is_of_mix = stage != Stage::Candidate && !is_of_all;
            let Some((small, runs)) = self.small(case, stage, is_of_mix, left.min(EACH)) else {
                continue;
            };
            left = left.saturating_sub(runs);
            known.insert(key, small.clone());
            *case = small;
        }
    }

    /// A case made small, and how many runs that took; `None` if it does not fail any more.
    fn small(
        &self,
        case: &Case,
        stage: Stage,
        is_of_mix: bool,
        budget: u64,
    ) -> Option<(Case, u64)> {
        (self.progress)(Progress::Begins(format!("{} made small", case.expect), Some(budget)));
        let seed = case.seed.unwrap_or_default();
        let Pair { base, candidate } = self.pair.of_seed(seed, self.profile, &self.deployment);
        let on = |side: Side| {
            let (protocol, stage) = match side {
                Side::Base => (base.clone(), Stage::Base),
                Side::Candidate => (candidate.clone(), Stage::Candidate),
            };
            // A case of one side alone knows nothing of the other one any more.
            let both = Protocols { base: protocol.clone(), candidate: protocol };
            let of = move |case: &Case| Case { protocols: both.clone(), ..only(case, side) };
            Twin { of: Arc::new(of), runner: self.runner(stage) }
        };
        let mut twins = vec![on(Side::Base)];
        if is_of_mix {
            twins.push(on(Side::Candidate));
        }
        // What the base does now and then, too, is made small without it.
        twins.retain(|twin| twin.holds(case));
        let shrinking = Shrinking {
            runner: self.runner(stage),
            jobs: self.pool.jobs,
            budget,
            // It is shown beside the mix that it is of: small is enough.
            sure: false,
            stop: self.pool.stop,
            twins,
            progress: &|_| (self.progress)(Progress::Ran),
        };
        let shrunk = shrink::shrink(case, shrinking).ok()?;
        Some((shrunk.case, shrunk.runs))
    }
}
