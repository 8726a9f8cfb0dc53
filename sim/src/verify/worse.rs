//! What is worse than under the base, and what is better: signature by signature, of the candidate alone and while hosts
//! change side.

use super::{
    ASKED, Count, LOST, Progress, ROLLING, Regression, Runs, Stage, TRIED, Verdict, Verification,
    add_lost,
    chance::even_odds,
    is_rolling,
    stage::{Paths, Ran, only},
};
use crate::plan::Side;
use std::collections::BTreeMap;

/// A signature at a stage, beside the base.
enum Beside {
    /// It is not more frequent, or by so little that it may be by chance.
    NoMore,
    /// It is, as the contract allows.
    Allowed,
    /// It is, of a property that promises nothing under the base.
    NotYet,
    /// It is, but the plans that show it do it under the base as well.
    Unclear,
    /// It is, and this shows it.
    Worse(Box<Regression>),
}

impl Runs {
    /// Whether a signature was violated under the base by the plan of this seed.
    fn is_of_base(&self, signature: &str, seed: u64) -> bool {
        let base = self.ran.get(&Stage::Base).and_then(|runs| runs.get(&seed));
        base.is_some_and(|ran| ran.violated(signature).is_some())
    }

    /// Of the seeds that ran under the candidate: in how many that violated a signature and the base did not, and in how
    /// many the other way round. What both break says nothing of either.
    fn one_sided(&self, signature: &str) -> (u64, u64) {
        let (mut candidate, mut base) = (0, 0);
        for (seed, ran) in self.ran.get(&Stage::Candidate).into_iter().flatten() {
            match (ran.violated(signature).is_some(), self.is_of_base(signature, *seed)) {
                (true, false) => candidate += 1,
                (false, true) => base += 1,
                _ => {}
            }
        }
        (candidate, base)
    }

    /// Whether the candidate breaks it in clearly more of the plans that one of both holds on than the base does: that shows
    /// where the base breaks the same in many others.
    fn is_more_by_seed(&self, signature: &str) -> bool {
        let (candidate, base) = self.one_sided(signature);
        candidate > base && even_odds(candidate, base) < LOST
    }

    /// The runs of the stages of a kind that violated a signature, first those of plans that hold under the base.
    fn failing(&self, signature: &str, is_of: impl Fn(Stage) -> bool) -> Vec<&Ran> {
        let failing = self.of(is_of).filter(|ran| ran.violated(signature).is_some());
        let is_of_base = |ran: &&Ran| self.is_of_base(signature, ran.case.seed.unwrap_or_default());
        let (of_base, own): (Vec<_>, Vec<_>) = failing.partition(is_of_base);
        own.into_iter().chain(of_base).collect()
    }
}

impl Verification<'_> {
    /// Runs the base on more seeds than those of the stages, if these are few: what it has not broken in them it may break in
    /// others. Once, and only if it breaks anything at all: where it never did, what is new is new.
    pub(super) fn ask_base(&self, verdict: &mut Verdict, runs: &mut Runs) {
        let breaks = runs.of(|of| of == Stage::Base).any(|ran| !ran.came.violated.is_empty());
        let is_known = !runs.more_of_base.is_empty() || self.seeds >= ASKED;
        if !breaks || is_known || self.is_stopped() {
            return;
        }
        let first = self.from.saturating_add(self.seeds);
        let cases = self.cases(first..self.from.saturating_add(ASKED), &Paths::any());
        let mut more = Runs::default();
        self.all(&mut more, "everybody on the base, on more seeds", &cases, |_| Stage::Base);
        let ran = more.ran.into_values().flat_map(BTreeMap::into_values);
        runs.more_of_base = ran.collect();
        verdict.asked_of_base = runs.more_of_base.len() as u64;
        add_lost(&mut verdict.lost, more.lost);
    }

    /// What is worse than under the base, and what is better.
    pub(super) fn regressions(&self, verdict: &mut Verdict, runs: &mut Runs) {
        let is_new = |signature: &&str| runs.of_base(signature).hits == 0;
        if runs.signatures().iter().any(is_new) {
            self.ask_base(verdict, runs);
        }
        (self.progress)(Progress::Begins("what is worse, beside the base".into(), None));
        for signature in runs.signatures() {
            let base = runs.count(signature, |stage| stage == Stage::Base);
            let candidate = runs.count(signature, |stage| stage == Stage::Candidate);
            if base.exceeds(candidate) {
                verdict.mended.push(signature.into());
            }
            let is_broken =
                candidate.hits > 0 && self.contract.must_hold(Stage::Candidate, signature);
            if is_broken {
                verdict.broken.push((signature.into(), Stage::Candidate));
            }
            let mut is_unclear = false;
            for stage in [Stage::Candidate, ROLLING] {
                match self.beside_base(runs, signature, stage) {
                    Beside::NoMore => {}
                    Beside::Allowed => verdict.allowed.push((signature.into(), stage)),
                    Beside::NotYet => verdict.not_yet.push(signature.into()),
                    Beside::Unclear => is_unclear = true,
                    Beside::Worse(regression) => {
                        verdict.regressions.push(*regression);
                        is_unclear = false;
                        // One that the candidate has alone is no matter of the order.
                        break;
                    }
                }
            }
            if is_unclear {
                verdict.unclear.push(signature.into());
            }
        }
    }

    /// A signature with everybody on the candidate, or in all rollouts.
    fn beside_base(&self, runs: &Runs, signature: &str, stage: Stage) -> Beside {
        let is_of = |of: Stage| of == stage || is_rolling(of) && is_rolling(stage);
        let base = runs.of_base(signature);
        let here = runs.count(signature, is_of);
        // With hosts that change side a plan goes other ways than under the base, so that each breaks what the other does
        // not: of these runs the counts alone are compared.
        let is_more_by_seed = stage == Stage::Candidate && runs.is_more_by_seed(signature);
        let is_more = base.hits == 0 || here.exceeds(base) || is_more_by_seed;
        if here.hits == 0 || !is_more {
            return Beside::NoMore;
        }
        if self.contract.may_lose(stage, signature) {
            return Beside::Allowed;
        }
        if is_rolling(stage) && !runs.base_promises(signature) {
            return Beside::NotYet;
        }
        let failing = runs.failing(signature, is_of);
        let paired = failing.iter().take(TRIED).find_map(|ran| self.paired(ran, signature));
        // Each plan may do it too rarely to show in pairs: many do.
        let is_sure = here.exceeds_at(LOST, base) || is_more_by_seed;
        let counted = || failing.iter().find_map(|ran| self.counted(ran, signature));
        let worse = paired.or_else(|| is_sure.then(counted).flatten());
        match worse {
            Some(regression) => Beside::Worse(regression.into()),
            // What was stopped was not compared.
            None if self.is_stopped() => Beside::NoMore,
            None => Beside::Unclear,
        }
    }

    /// Whether a run went wrong because of its sides: its plan is run under noise seeds as it was, with
    /// everybody on the base, and with everybody on the candidate.
    fn paired(&self, ran: &Ran, signature: &str) -> Option<Regression> {
        let case = ran.expecting(signature);
        let as_it_was = self.run_of(ran.stage, &case);
        let (here, base) = (self.noises(ran.stage), self.noises(Stage::Base));
        let counts = here.worse(&as_it_was, &base, &only(&case, Side::Base))?;
        self.regression(ran, signature, counts)
    }

    /// The same of a run of many that went wrong, more than under the base.
    fn counted(&self, ran: &Ran, signature: &str) -> Option<Regression> {
        ran.violated(signature)?;
        let case = ran.expecting(signature);
        let here = self.noises(ran.stage).count(&self.run_of(ran.stage, &case), |_| true)?;
        let on_base = self.noises(Stage::Base).count(&only(&case, Side::Base), |_| true)?;
        self.regression(ran, signature, (here, on_base))
    }

    fn regression(
        &self,
        ran: &Ran,
        signature: &str,
        (here, on_base): (Count, Count),
    ) -> Option<Regression> {
        let (case, violated) = (ran.expecting(signature), ran.violated(signature)?);
        let on_candidate = self.noises(Stage::Candidate);
        let on_candidate = on_candidate.count(&only(&case, Side::Candidate), |_| true)?;
        let as_it_was = self.run_of(ran.stage, &case);
        Some(Regression {
            signature: signature.into(),
            sentence: violated.sentence.clone(),
            stage: ran.stage,
            seed: ran.case.seed.unwrap_or_default(),
            on_base,
            on_candidate,
            as_it_was: here,
            is_explained: false,
            case: as_it_was,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Runs, Stage};
    use crate::{
        explore::case_of,
        plan::{case::ProtocolSpec, generate::Profile},
        verify::{Came, Count, Violated, stage::Ran},
    };

    const IT: &str = "answers/password/db";

    /// 100 seeds, some of which violate it under the base, and some under the candidate.
    fn runs(base: impl Fn(u64) -> bool, candidate: impl Fn(u64) -> bool) -> Runs {
        let mut runs = Runs::default();
        let calm = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
        for seed in 0..100 {
            for (stage, is_violated) in
                [(Stage::Base, base(seed)), (Stage::Candidate, candidate(seed))]
            {
                let mut case = calm.clone();
                case.seed = Some(seed);
                let it = Violated { signature: IT.into(), sentence: String::new(), line: None };
                let violated = if is_violated { vec![it] } else { Vec::new() };
                let came = Came { violated, ..Came::default() };
                runs.ran.entry(stage).or_default().insert(seed, Ran { stage, case, came });
            }
        }
        runs
    }

    fn counts(runs: &Runs) -> [Count; 2] {
        [Stage::Base, Stage::Candidate].map(|stage| runs.count(IT, |of| of == stage))
    }

    /// `any-password` beside `teamtalk`: it breaks what the base breaks on the same plans, and some more.
    #[test]
    fn what_comes_on_top_of_what_the_base_breaks_is_seen_seed_by_seed() {
        let runs = runs(|seed| seed < 40, |seed| seed < 55);
        let [base, candidate] = counts(&runs);
        assert_eq!((base.hits, candidate.hits), (40, 55));
        assert!(!candidate.exceeds(base), "by its frequency alone that may be chance");
        assert_eq!(runs.one_sided(IT), (15, 0));
        assert!(runs.is_more_by_seed(IT));
        // The plans that hold under the base come first.
        let seeds: Vec<_> = runs.failing(IT, |of| of == Stage::Candidate);
        let seeds: Vec<_> = seeds.iter().filter_map(|ran| ran.case.seed).collect();
        assert_eq!((seeds[..15].to_vec(), seeds.len()), ((40..55).collect(), 55));
    }

    /// As where both sides go other ways: each breaks plans that the other one holds on.
    #[test]
    fn what_goes_both_ways_is_no_more() {
        let runs = runs(|seed| seed < 40, |seed| (25..70).contains(&seed));
        assert_eq!(runs.one_sided(IT), (30, 25));
        assert!(!runs.is_more_by_seed(IT));
        assert!(!self::runs(|_| false, |seed| seed < 3).is_more_by_seed(IT), "too few");
    }
}
