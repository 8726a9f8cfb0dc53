//! What switches say of themselves: each mix that one of them calls unsafe (`teamtalk::protocol::Peers::mixes`) is aimed at
//! before anything else, so that no order depends on whether the plan of a seed came by it.

use super::{
    AIMED, CONFIRMED, Cause, Constraint, Count, Pair, Progress, ROLLING, Runs, Stage, Verdict,
    Verification, stage::only,
};
use crate::{
    plan::{Role, Side, case::Case},
    properties::role,
};
use std::collections::BTreeSet;
use teamtalk::protocol::{Party, SWITCHES};

/// At most so many seeds are aimed at each.
const MOST: u64 = 3 * AIMED;

/// A mix that is said to be unsafe, and the property that it is said to break.
type Claim = (Cause, &'static str);

impl Pair {
    /// What the switches that differ say, each mix and property once.
    pub(super) fn claims(&self) -> BTreeSet<Claim> {
        let mut claims = BTreeSet::new();
        let (Ok(base), Ok(candidate)) = (self.base.resolve(), self.candidate.resolve()) else {
            return claims;
        };
        let roles =
            |parties: &[Party]| parties.iter().copied().map(role).collect::<BTreeSet<Role>>();
        for switch in SWITCHES {
            let has = [&base, &candidate].map(|of| of.get(switch.name) == Some(true));
            for mix in switch.peers.mixes {
                let (with, without) = (roles(mix.new), roles(mix.old));
                let cause = match has {
                    [false, true] => Cause::Mix { new: with, old: without },
                    // It is turned off: who has it is on the base.
                    [true, false] => Cause::Mix { new: without, old: with },
                    _ => continue,
                };
                claims.insert((cause, mix.breaks));
            }
        }
        claims
    }
}

/// What came of the seeds that were aimed at a mix, and of the same plans under the base: all that each run broke.
#[derive(Default)]
struct Aimed {
    here: Vec<Vec<String>>,
    base: Vec<Vec<String>>,
    cases: Vec<Case>,
}

impl Aimed {
    /// In how many runs a signature was broken: here, and under the base.
    fn counts(&self, signature: &str) -> [Count; 2] {
        [&self.here, &self.base].map(|runs| {
            let mut count = Count::default();
            runs.iter().for_each(|broken| count.add(broken.iter().any(|of| of == signature)));
            count
        })
    }

    /// The signatures that are more frequent here than under the base, by chance in less than this share.
    fn more_at(&self, chance: f64) -> BTreeSet<String> {
        let all: BTreeSet<&String> = self.here.iter().flatten().collect();
        let is_more = |signature: &&String| {
            let [here, base] = self.counts(signature);
            here.exceeds_at(chance, base)
        };
        all.into_iter().filter(is_more).cloned().collect()
    }
}

impl Verification<'_> {
    /// Aims seeds at what the switches say of themselves, and keeps each mix that is seen to be as it is said. What the
    /// base promises nothing of is no loss.
    pub(super) fn claimed(&self, verdict: &mut Verdict, runs: &Runs) {
        for claim in self.pair.claims() {
            if self.is_stopped() {
                return;
            }
            if !runs.base_promises(claim.1) {
                continue;
            }
            let Some(constraint) = self.seen(&claim) else { continue };
            match verdict.constraints.iter_mut().find(|of| of.cause == constraint.cause) {
                Some(same) => same.breaks.extend(constraint.breaks),
                None => verdict.constraints.push(constraint),
            }
        }
    }

    /// The mix of a claim, if its property breaks in more of the seeds that are aimed at it than under the base, and the
    /// contract does not allow that; `None`, too, if it was asked to stop.
    fn seen(&self, (cause, property): &Claim) -> Option<Constraint> {
        let Cause::Mix { new, old } = cause else { return None };
        let what = format!("seeds that are aimed at {cause}, as a switch says");
        (self.progress)(Progress::Begins(what, Some(2 * AIMED)));
        let (here, base) = (self.noises(ROLLING), self.noises(Stage::Base));
        let may_lose = |of: &String| self.contract.may_lose(ROLLING, of);
        let is_of = |of: &&String| of.split('/').next() == Some(property) && !may_lose(of);
        let mut aimed = Aimed::default();
        for from in (0..MOST).step_by(AIMED as usize) {
            let seeds = (from..from + AIMED).map(|n| self.from.saturating_add(n));
            let cases: Vec<_> = seeds.map(|seed| self.mixed_case(seed, new, old)).collect();
            let on_base: Vec<_> = cases.iter().map(|case| only(case, Side::Base)).collect();
            aimed.here.extend(here.broken(&cases));
            aimed.base.extend(base.broken(&on_base));
            aimed.cases.extend(cases);
            // What came to nothing can't be put beside its case any more; it is counted, and there is no verdict then.
            if self.is_stopped() || aimed.here.len() < aimed.cases.len() {
                return None;
            }
            let more = aimed.more_at(CONFIRMED);
            let hits = |of: &&String| aimed.counts(of)[0].hits;
            let Some(signature) = more.iter().filter(is_of).max_by_key(hits).cloned() else {
                continue;
            };
            let first = aimed.here.iter().position(|broken| broken.contains(&signature))?;
            let case = Case { expect: signature.clone(), ..aimed.cases[first].clone() };
            let [count, on_base] = aimed.counts(&signature);
            let breaks = more.into_iter().filter(|of| !may_lose(of)).collect();
            let cause = cause.clone();
            return Some(Constraint {
                cause,
                signature,
                breaks,
                aimed: count,
                aimed_on_base: on_base,
                case,
            });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, Pair};
    use crate::plan::{Role, case::ProtocolSpec};

    fn mix(new: &[Role], old: &[Role]) -> Cause {
        Cause::Mix { new: new.iter().copied().collect(), old: old.iter().copied().collect() }
    }

    /// Whatever side has the switch.
    #[test]
    fn what_a_switch_says_is_of_the_sides_that_differ_in_it() {
        let with = ProtocolSpec::preset("hardened");
        let without = with.clone().with("idempotent-send", false);
        let claims = |base: &ProtocolSpec, candidate: &ProtocolSpec| {
            Pair { base: base.clone(), candidate: candidate.clone() }.claims()
        };
        let on = (mix(&[Role::Client], &[Role::Db]), "no-duplicate");
        let off = (mix(&[Role::Db], &[Role::Client]), "no-duplicate");
        assert_eq!(claims(&without, &with), [on].into());
        assert_eq!(claims(&with, &without), [off].into());
        assert_eq!(claims(&with, &with), [].into());
        // Two switches say the same of db_proxies of both sides.
        let all = claims(&ProtocolSpec::preset("teamtalk"), &with);
        let of_db = all.iter().filter(|(cause, _)| *cause == mix(&[Role::Db], &[Role::Db]));
        assert_eq!((all.len(), of_db.count()), (3, 1), "{all:?}");
    }
}
