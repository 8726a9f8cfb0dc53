//! From runs to the table, and from regressions of rollouts to their causes.

use super::{
    AIMED, CONFIRMED, Capped, Cause, Constraint, Count, Lost, MOST_CAUSES, Progress, ROLLING,
    Regression, Row, Runs, Stage, TRIED, Verdict, Verification, is_rolling,
    known::Broken,
    mix::{Found, Search, frozen, needs_schema, stays},
    noises::Noises,
    sides::{Sides, at_start},
    stage::{Came, Path, Paths, Ran, only},
};
use crate::{
    plan::{
        Host, Plan, Role, Side,
        case::Case,
        generate::rollout::{Leg, Ranks},
    },
    pool::{Enough, Pool},
};
use std::collections::{BTreeMap, BTreeSet};

/// A case without its cause holds under so many noise seeds. What goes wrong by its sides fails under 9 of 20 at least: where it
/// does so as often it holds under all of these in 1 of 400.
const HOLDS: u64 = 10;
/// So many of the seeds that are aimed at a cause are run to their ends, to see what else it breaks.
const ALSO: usize = 20;

impl Verification<'_> {
    /// Runs each case as a stage has it, and keeps what came of it.
    pub(super) fn all(
        &self,
        runs: &mut Runs,
        what: &str,
        cases: &[(Case, Path)],
        stage: impl Fn(&Path) -> Stage + Sync,
    ) {
        (self.progress)(Progress::Begins(what.into(), Some(cases.len() as u64)));
        let ran = self.pool.side_by_side(cases, |_, (case, path)| {
            let stage = stage(path);
            let (runner, run) = (self.runner(stage), self.run_of(stage, case));
            let given = case.seed.and_then(|seed| self.given.get(&(stage, seed)));
            let came = match given {
                Some(given) => Ok(given.clone()),
                None => runner.kept(&run).map(|outcome| Came::of(&case.plan, &outcome)),
            };
            (self.progress)(Progress::Ran);
            Some(came.map(|came| {
                let broken = came.violated.iter().map(|of| of.signature.clone()).collect();
                self.known.keep(&run, &runner, Broken::All(broken));
                Ran { stage, case: case.clone(), came }
            }))
        });
        for ((case, path), ran) in cases.iter().zip(ran) {
            let seed = case.seed.unwrap_or_default();
            match ran {
                Some(Ok(ran)) => _ = runs.ran.entry(ran.stage).or_default().insert(seed, ran),
                // One that was asked to stop is no loss.
                Some(Err(failed)) if !self.is_stopped() => {
                    let new = || Lost { runs: 0, seed, why: failed.to_string() };
                    runs.lost.entry(stage(path)).or_insert_with(new).runs += 1;
                }
                _ => {}
            }
        }
    }

    /// What is run of a case at a stage.
    pub(super) fn run_of(&self, stage: Stage, case: &Case) -> Case {
        let case = stage.run_of(case);
        match stage {
            Stage::Base => case,
            _ => case.under_noise(self.candidate_noise),
        }
    }

    /// The table, and what users saw.
    pub(super) fn fill(&self, verdict: &mut Verdict, runs: &Runs) {
        verdict.lost.clone_from(&runs.lost);
        for (stage, of) in &runs.ran {
            verdict.runs.insert(*stage, of.len() as u64);
            let measure = verdict.measures.entry(*stage).or_default();
            of.values().for_each(|ran| measure.add(&ran.came.measure));
            measure.sort();
        }
        verdict.differences = runs.differing();
        for signature in runs.signatures() {
            let count = |stage: &Stage| (*stage, runs.count(signature, |of| of == *stage));
            let counts = runs.ran.keys().map(count).collect();
            verdict.rows.insert(signature.into(), Row { counts });
        }
    }

    /// What runs cases of a stage under noise seeds.
    pub(super) fn noises(&self, stage: Stage) -> Noises<'_, Box<dyn Fn() + Sync + '_>> {
        let pool = Pool { runner: self.runner(stage), only_expected: true, ..self.pool.clone() };
        let each = Box::new(|| (self.progress)(Progress::Ran));
        Noises { pool, each, known: &self.known }
    }

    /// Leads what went wrong in rollouts back to unsafe mixes, until each is explained by one of them.
    pub(super) fn constraints(&self, verdict: &mut Verdict, runs: &Runs) {
        (self.progress)(Progress::Begins("the smallest unsafe mixes".into(), None));
        let mut tried = 0;
        for Regression { signature, stage, seed, .. } in verdict.regressions.clone() {
            if is_rolling(stage) {
                self.causes_of(verdict, runs, (&signature, seed), &mut tried);
                explain(verdict, runs);
            }
        }
    }

    /// The causes of one signature, first of the run that shows it.
    fn causes_of(
        &self,
        verdict: &mut Verdict,
        runs: &Runs,
        (signature, shown): (&str, u64),
        tried: &mut usize,
    ) {
        let (first, others): (Vec<_>, Vec<_>) =
            runs.of(is_rolling).partition(|ran| ran.case.seed == Some(shown));
        let mut unexplained = 0;
        for ran in first.into_iter().chain(others) {
            let Some(violated) = ran.violated(signature) else { continue };
            let sides = ran.sides(violated);
            if is_explained(&verdict.constraints, signature, &sides) {
                continue;
            }
            let capped = match *tried >= MOST_CAUSES {
                true => Some(Capped::Causes),
                false => (unexplained >= TRIED).then_some(Capped::Tried),
            };
            if self.is_stopped() || capped.is_some() {
                verdict.capped.extend(capped);
                return;
            }
            let case = ran.expecting(signature);
            if !self.is_by_its_sides(&case) {
                unexplained += 1;
                continue;
            }
            if let Some(known) = self.known_mix(verdict, &case, &sides) {
                verdict.constraints[known].breaks.insert(signature.into());
                continue;
            }
            let Some(found) = self.cause_of(verdict, &case, &sides) else {
                unexplained += 1;
                continue;
            };
            if let Some(same) = verdict.constraints.iter_mut().find(|of| of.cause == found.cause) {
                unexplained += usize::from(!same.breaks.insert(signature.into()));
                continue;
            }
            *tried += 1;
            let is_same =
                |of: &Constraint| (&of.cause, &*of.signature) == (&found.cause, signature);
            if verdict.unconfirmed.iter().any(is_same) {
                unexplained += 1;
                continue;
            }
            let Some(constraint) = self.aim(verdict, signature, found) else { return };
            match constraint.is_confirmed() {
                true => verdict.constraints.push(constraint),
                // The order is run: if it comes there, it is known then.
                false => {
                    unexplained += 1;
                    verdict.unconfirmed.push(constraint);
                }
            }
        }
    }

    /// Of the causes that are known and that a case came by, one without which it does not go wrong: neither with those on the
    /// candidate from the start that the cause has on the base, nor with those on the base to the end that it has on the
    /// candidate.
    fn known_mix(&self, verdict: &Verdict, case: &Case, sides: &Sides) -> Option<usize> {
        let older = self.pair.older_schema();
        let does = |of: &Constraint| {
            let (Cause::Mix { new, old } | Cause::Change { new, old }) = &of.cause else {
                return false;
            };
            let staying = |roles: &BTreeSet<Role>, side: Side| {
                roles.iter().fold(case.clone(), |case, role| stays(&case, *role, side, older))
            };
            sides.are(&of.cause)
                && self.holds(&staying(old, Side::Candidate))
                && self.holds(&staying(new, Side::Base))
        };
        verdict.constraints.iter().position(does)
    }

    /// Whether a case does not fail as it expects, under so many noise seeds that one that goes wrong by its sides does.
    fn holds(&self, case: &Case) -> bool {
        let cases: Vec<_> = (0..HOLDS).map(|n| case.under_noise(n)).collect();
        let pool = Pool { only_expected: true, ..self.pool.clone() };
        let each = || (self.progress)(Progress::Ran);
        let ran = pool.run(&cases.iter().collect::<Vec<_>>(), Enough::OneFails, &each);
        ran.iter().all(|ran| ran.as_ref().is_some_and(|ran| !ran.fails && !ran.is_lost))
    }

    /// Whether a case goes wrong more often than with everybody on the base.
    pub(super) fn is_by_its_sides(&self, case: &Case) -> bool {
        let (here, base) = (self.noises(ROLLING), self.noises(Stage::Base));
        here.worse(case, &base, &only(case, Side::Base)).is_some()
    }

    /// The cause of a case that goes wrong by its sides, and by none that is known for that; `None` if it takes nobody of
    /// the candidate, or if it was asked to stop.
    pub(super) fn cause_of(&self, verdict: &Verdict, case: &Case, sides: &Sides) -> Option<Found> {
        let each = || (self.progress)(Progress::Ran);
        let explains = |of: &&Constraint| of.breaks.contains(&case.expect);
        let known = verdict.constraints.iter().filter(explains);
        let known: Vec<_> = known.map(|of| of.cause.clone()).collect();
        let (units, older_schema) = (self.pair.units(), self.pair.older_schema());
        let pool = &Pool { only_expected: true, ..self.pool.clone() };
        let search = Search { pool, each: &each, known: &known, units, older_schema };
        let found = search.smallest(case, sides);
        // What was not run holds nothing up.
        found.filter(|_| !self.is_stopped())
    }

    /// Aims seeds at a cause; `None` if it was asked to stop.
    pub(super) fn aim(
        &self,
        verdict: &Verdict,
        signature: &str,
        found: Found,
    ) -> Option<Constraint> {
        let Found { cause, case } = found;
        let what = format!("seeds that are aimed at {cause}");
        (self.progress)(Progress::Begins(what, Some(2 * AIMED)));
        let cases: Vec<Case> =
            (0..AIMED).map(|n| self.aimed(self.from.saturating_add(n), &cause, &case)).collect();
        let expecting = |case: &Case| Case { expect: signature.into(), ..case.clone() };
        let cases: Vec<_> = cases.iter().map(expecting).collect();
        let on_base: Vec<_> = cases.iter().map(|case| only(case, Side::Base)).collect();
        // What else it breaks is asked only if it may explain something.
        let others: Vec<&str> =
            verdict.unexplained().map(|of| &*of.signature).filter(|of| *of != signature).collect();
        let (here, base) = (self.noises(ROLLING), self.noises(Stage::Base));
        let (mut breaks, aimed, aimed_on_base) = if others.is_empty() {
            let aimed = here.failing(&cases);
            let aimed_on_base = match aimed.hits {
                0 => Count::default(),
                _ => base.failing(&on_base),
            };
            (BTreeSet::new(), aimed, aimed_on_base)
        } else {
            // Some of them to their ends: what belongs to the cause comes in most.
            let to_end = ALSO.min(cases.len());
            let also = here.broken(&cases[..to_end]);
            let aimed = count(&also, signature).and(here.failing(&cases[to_end..]));
            if aimed.hits == 0 {
                (BTreeSet::new(), aimed, Count::default())
            } else {
                let on_base_also = base.broken(&on_base[..to_end]);
                let is_more =
                    |of: &&str| count(&also, of).exceeds_at(CONFIRMED, count(&on_base_also, of));
                let breaks = others.into_iter().filter(is_more).map(String::from).collect();
                let on_base = count(&on_base_also, signature).and(base.failing(&on_base[to_end..]));
                (breaks, aimed, on_base)
            }
        };
        breaks.insert(signature.into());
        let signature = signature.into();
        let constraint = Constraint { cause, signature, breaks, aimed, aimed_on_base, case };
        (!self.is_stopped()).then_some(constraint)
    }

    /// The case of a seed in which hosts are mixed from beginning to end.
    pub(super) fn mixed_case(&self, seed: u64, new: &BTreeSet<Role>, old: &BTreeSet<Role>) -> Case {
        let (mut case, _) = self.rollout(seed, &Paths::any());
        let sides = mixed(&case.plan, new, old, seed);
        case.plan = frozen(&case.plan, &sides, self.pair.older_schema());
        case
    }

    /// The case of a seed in which it is as a cause says. Who has no part in it is on the side that it is on
    /// in a case that shows the cause.
    fn aimed(&self, seed: u64, cause: &Cause, shown: &Case) -> Case {
        match cause {
            Cause::Mix { new, old } => self.mixed_case(seed, new, old),
            Cause::Back(roles) | Cause::Change { new: roles, .. } => {
                let legs = match cause {
                    Cause::Back(_) => vec![Leg::Back, Leg::Again],
                    _ => vec![Leg::Forward],
                };
                let rank = |role: Role| (role, usize::from(!roles.contains(&role)));
                let units = self.pair.units();
                let of = units.iter().copied().map(rank).collect();
                let ranks = Ranks { of, ..Ranks::default() };
                let (case, _) = self.rollout(seed, &Paths { ranks, legs });
                let others = units.iter().copied().filter(|role| !roles.contains(role));
                let older = self.pair.older_schema();
                others.fold(case, |case, role| stays(&case, role, side_of(shown, role), older))
            }
        }
    }
}

/// Whether a known cause explains what went wrong with hosts on these sides: it was met, and breaks that.
pub(super) fn is_explained(known: &[Constraint], signature: &str, sides: &Sides) -> bool {
    known.iter().any(|of| of.breaks.contains(signature) && sides.are(&of.cause))
}

/// Says of each regression of a rollout whether the run that shows it is explained by what is known in the end.
pub(super) fn explain(verdict: &mut Verdict, runs: &Runs) {
    let Verdict { regressions, constraints, .. } = verdict;
    for of in regressions.iter_mut().filter(|of| is_rolling(of.stage)) {
        let mut shown = runs.of(is_rolling).filter(|ran| ran.case.seed == Some(of.seed));
        of.is_explained = shown.any(|ran| {
            let violated = ran.violated(&of.signature);
            violated.is_some_and(|violated| {
                is_explained(constraints, &of.signature, &ran.sides(violated))
            })
        });
    }
}

/// Who is on which side where a mix is as it says: of a role that is on both sides every other host, which first by the
/// seed; who has no part in it is on the base, but for the schema that db_proxies of the candidate need.
fn mixed(
    plan: &Plan,
    new: &BTreeSet<Role>,
    old: &BTreeSet<Role>,
    seed: u64,
) -> BTreeMap<Host, Side> {
    let mut sides = at_start(plan);
    let mut seen: BTreeMap<Role, u64> = BTreeMap::new();
    for (host, side) in &mut sides {
        let role = host.role();
        if role == Role::Sql && needs_schema(new, old) {
            *side = Side::Candidate;
            continue;
        }
        let nth = seen.entry(role).or_default();
        *nth += 1;
        let is_new = new.contains(&role) && (!old.contains(&role) || *nth % 2 == seed % 2);
        *side = if is_new { Side::Candidate } else { Side::Base };
    }
    sides
}

/// In how many of some runs a signature was broken.
fn count(broken: &[Vec<String>], signature: &str) -> Count {
    let mut count = Count::default();
    broken.iter().for_each(|of| count.add(of.iter().any(|of| of == signature)));
    count
}

/// The side on which the hosts of a role are at the start of a case.
fn side_of(case: &Case, role: Role) -> Side {
    at_start(&case.plan).iter().find(|(host, _)| host.role() == role).map_or(Side::Base, |of| *of.1)
}
