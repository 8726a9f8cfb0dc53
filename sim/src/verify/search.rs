//! From runs to regressions, from these to causes, and from causes to an order that is run itself.

use super::{
    AIMED, Cause, Constraint, Count, LOST, Lost, MOST_CAUSES, Progress, Proven, ROLLING, ROUNDS,
    Regression, Row, Runs, Stage, TRIED, Verdict, Verification, add_lost, is_rolling,
    known::Broken,
    mix::{Found, Search, frozen, stays},
    noises::Noises,
    order,
    sides::{Sides, at_start},
    stage::{Came, Path, Paths, Ran, Violated, only},
};
use crate::{
    plan::{
        Role, Side,
        case::Case,
        generate::rollout::{Leg, Ranks},
    },
    pool::Pool,
};
use std::collections::{BTreeMap, BTreeSet};

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
        for at in 0..verdict.regressions.len() {
            let Regression { signature, stage, .. } = verdict.regressions[at].clone();
            if !is_rolling(stage) {
                continue;
            }
            let mut unexplained = 0;
            for ran in runs.of(is_rolling) {
                if self.is_stopped() || tried >= MOST_CAUSES || unexplained >= TRIED {
                    break;
                }
                let Some(violated) = ran.violated(&signature) else { continue };
                let sides = ran.sides(violated);
                if is_explained(verdict, &sides) {
                    continue;
                }
                let case = ran.expecting(&signature);
                let found =
                    self.is_by_its_sides(&case).then(|| self.cause_of(verdict, &case, &sides));
                let Some(found) = found.flatten() else {
                    unexplained += 1;
                    continue;
                };
                tried += 1;
                let is_same =
                    |of: &Constraint| (&of.cause, &of.signature) == (&found.cause, &signature);
                if verdict.unconfirmed.iter().any(is_same) {
                    unexplained += 1;
                    continue;
                }
                let constraint = self.aim(&signature, found);
                match constraint.is_confirmed() {
                    true => verdict.constraints.push(constraint),
                    // The order is run: if it comes there, it is known then.
                    false => {
                        unexplained += 1;
                        verdict.unconfirmed.push(constraint);
                    }
                }
            }
            let explains = |ran: &Ran| {
                let violated = ran.violated(&signature);
                violated.is_some_and(|violated| is_explained(verdict, &ran.sides(violated)))
            };
            let of_it = verdict.regressions[at].seed;
            let mut shown = runs.of(is_rolling).filter(|ran| ran.case.seed == Some(of_it));
            verdict.regressions[at].is_explained = shown.any(explains);
        }
    }

    /// Whether a case goes wrong more often than with everybody on the base.
    fn is_by_its_sides(&self, case: &Case) -> bool {
        let (here, base) = (self.noises(ROLLING), self.noises(Stage::Base));
        here.worse(case, &base, &only(case, Side::Base)).is_some()
    }

    /// The cause of a case that goes wrong by its sides, and by none that is known; `None` if it takes nobody of
    /// the candidate.
    fn cause_of(&self, verdict: &Verdict, case: &Case, sides: &Sides) -> Option<Found> {
        let each = || (self.progress)(Progress::Ran);
        let known: Vec<_> = verdict.constraints.iter().map(|of| of.cause.clone()).collect();
        let (units, older_schema) = (self.pair.units(), self.pair.older_schema());
        let pool = &Pool { only_expected: true, ..self.pool.clone() };
        let search = Search { pool, each: &each, known: &known, units, older_schema };
        search.smallest(case, sides)
    }

    /// Aims seeds at a cause.
    fn aim(&self, signature: &str, found: Found) -> Constraint {
        let Found { cause, case } = found;
        let what = format!("seeds that are aimed at {cause}");
        (self.progress)(Progress::Begins(what, Some(2 * AIMED)));
        let cases: Vec<Case> =
            (0..AIMED).map(|n| self.aimed(self.from.saturating_add(n), &cause, &case)).collect();
        let expecting = |case: &Case| Case { expect: signature.into(), ..case.clone() };
        let cases: Vec<_> = cases.iter().map(expecting).collect();
        let on_base: Vec<_> = cases.iter().map(|case| only(case, Side::Base)).collect();
        let aimed = self.noises(ROLLING).failing(&cases);
        let aimed_on_base = match aimed.hits {
            0 => Count::default(),
            _ => self.noises(Stage::Base).failing(&on_base),
        };
        Constraint { cause, signature: signature.into(), aimed, aimed_on_base, case }
    }

    /// The case of a seed in which it is as a cause says. Who has no part in it is on the side that it is on
    /// in a case that shows the cause.
    fn aimed(&self, seed: u64, cause: &Cause, shown: &Case) -> Case {
        match cause {
            Cause::Mix { new, old } => {
                let (mut case, _) = self.rollout(seed, &Paths::any());
                let mut sides = at_start(&case.plan);
                let mut seen: BTreeMap<Role, u64> = BTreeMap::new();
                for (host, side) in &mut sides {
                    let role = host.role();
                    let nth = seen.entry(role).or_default();
                    *nth += 1;
                    // Of a role that is on both sides every other host.
                    let is_new =
                        new.contains(&role) && (!old.contains(&role) || *nth % 2 == seed % 2);
                    *side = if is_new { Side::Candidate } else { Side::Base };
                }
                case.plan = frozen(&case.plan, &sides, self.pair.older_schema());
                case
            }
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

    /// Infers the order, runs it, and corrects it by what that breaks.
    pub(super) fn prove(&self, verdict: &mut Verdict) {
        for round in 0..ROUNDS {
            let causes: Vec<_> = verdict.constraints.iter().map(|of| of.cause.clone()).collect();
            let Some(order) = order::infer(&causes, self.pair.units()) else {
                verdict.proven = None;
                return;
            };
            let (proven, failing, lost) = self.prove_once(verdict, order);
            add_lost(&mut verdict.lost, lost);
            let is_last = round + 1 == ROUNDS || failing.is_empty() || self.is_stopped();
            verdict.proven = Some(proven);
            if is_last {
                return;
            }
            let known = verdict.constraints.len();
            for (case, sides) in failing.into_iter().take(TRIED) {
                if is_explained(verdict, &sides) {
                    continue;
                }
                if let Some(found) = self.cause_of(verdict, &case, &sides) {
                    let constraint = self.aim(&case.expect, found);
                    verdict.unconfirmed.retain(|of| of.cause != constraint.cause);
                    verdict.constraints.push(constraint);
                }
            }
            if verdict.constraints.len() == known {
                return;
            }
        }
    }

    /// Runs an order, there and back; with the cases that broke what the base does not, and who was on which side.
    fn prove_once(
        &self,
        verdict: &Verdict,
        order: super::Order,
    ) -> (Proven, Vec<(Case, Sides)>, BTreeMap<Stage, Lost>) {
        let ranks = Ranks { at_once: order.at_once.clone(), ..Ranks::of(&order.roles) };
        // Other seeds than those that it was inferred from.
        let from = self.from.saturating_add(self.seeds);
        let half = self.seeds.div_ceil(2);
        let (mut failing, mut all_lost) = (Vec::new(), BTreeMap::new());
        let mut part = |what: &str, from: u64, legs: Vec<Leg>| {
            let paths = Paths { ranks: ranks.clone(), legs };
            let cases = self.cases(from..from.saturating_add(half), &paths);
            let cases: Vec<_> = cases.into_iter().filter(|(_, path)| may(path, &order)).collect();
            let mut runs = Runs::default();
            let stage = |path: &Path| Stage::Rolling(path.leg);
            self.all(&mut runs, what, &cases, stage);
            all_lost.append(&mut runs.lost);
            let mut count = Count::default();
            for ran in runs.of(is_rolling) {
                let is_lost = |of: &&Violated| self.is_lost(verdict, &runs, ran, &of.signature);
                let lost = ran.came.violated.iter().find(is_lost);
                count.add(lost.is_some());
                failing.extend(lost.map(|of| (ran.expecting(&of.signature), ran.sides(of))));
            }
            count
        };
        let forward = part("in that order", from, vec![Leg::Forward, Leg::Stopped]);
        let back =
            part("in that order, and back", from.saturating_add(half), vec![Leg::Back, Leg::Again]);
        (Proven { order, forward, back }, failing, all_lost)
    }

    /// Whether a violation is one that the base does not have: where the base has none of its signature, on the same
    /// plan; else by how often it comes in these runs.
    fn is_lost(&self, verdict: &Verdict, runs: &Runs, ran: &Ran, signature: &str) -> bool {
        if self.contract.must_hold(ran.stage, signature) {
            return true;
        }
        let is_not_yet = verdict.not_yet.iter().any(|of| of == signature);
        if is_not_yet || self.contract.may_lose(ran.stage, signature) {
            return false;
        }
        let of_base = verdict.rows.get(signature).and_then(|row| row.counts.get(&Stage::Base));
        let of_base = of_base.copied().unwrap_or_default();
        let here = runs.count(signature, is_rolling);
        let is_new = of_base.hits == 0;
        let is_more = here.exceeds_at(LOST, of_base);
        // What is new in many runs needs no pairs: each plan may do it rarely.
        is_new && is_more || (is_new || is_more) && self.is_by_its_sides(&ran.expecting(signature))
    }
}

/// Whether a known cause explains what went wrong with hosts on these sides.
fn is_explained(verdict: &Verdict, sides: &Sides) -> bool {
    verdict.constraints.iter().any(|known| sides.are(&known.cause))
}

/// The side on which the hosts of a role are at the start of a case.
fn side_of(case: &Case, role: Role) -> Side {
    at_start(&case.plan).iter().find(|(host, _)| host.role() == role).map_or(Side::Base, |of| *of.1)
}

/// Whether a path is one of an order: nobody goes back from further than may be.
fn may(path: &Path, order: &super::Order) -> bool {
    let reached: BTreeSet<Role> = path.order[..path.far].iter().map(|host| host.role()).collect();
    let may_return: BTreeSet<Role> = order.roles[..order.returns].iter().copied().collect();
    let is_back = matches!(path.leg, Leg::Back | Leg::Again);
    !is_back || reached.is_subset(&may_return)
}
