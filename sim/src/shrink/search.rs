//! The smallest failing case so far, and the first of some candidates that fails.

use super::{Count, NOISES, Progress, Shrinking};
use crate::{
    plan::{Plan, case::Case, check},
    pool::{Enough, Pool},
    run::Until,
    world::Outcome,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering},
};
use teamtalk::env::draw_id;

/// A smaller plan that fails so much later, in simulated milliseconds, is not found: most that hold
/// would be run for long.
const LATER_MS: u64 = 2_000;

/// Why no more is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The budget is spent.
    Spent,
    /// It was asked to stop.
    Stopped,
}

/// The smallest failing case so far, and what it takes to find a smaller one.
pub struct Search<'a> {
    /// The smallest case so far.
    pub best: Case,
    /// Runs so far: those that would have been made one by one.
    pub runs: u64,
    /// Cases of other signatures, by signature.
    pub others: BTreeMap<String, Case>,
    pool: Pool<'a>,
    progress: &'a (dyn Fn(Progress) + Sync),
    budget: u64,
    /// Whether runs are made to make sure.
    is_sure: bool,
    /// When the best case fails, in simulated milliseconds; what is owed at the end fails at no time.
    fails_at_ms: Option<u64>,
    /// Signatures of the case that it began with.
    known: BTreeSet<String>,
    /// The noise seed of that case.
    noise: u64,
    /// Plans and noise seeds that are known to hold, hashed.
    holds: BTreeSet<u64>,
}

/// A candidate under a noise seed.
struct Attempt {
    candidate: usize,
    case: Case,
    hash: u64,
}

impl<'a> Search<'a> {
    /// From a case that fails, and what came of it.
    pub fn new(case: &Case, outcome: &Outcome, shrinking: Shrinking<'a>) -> Self {
        let Shrinking { runner, jobs, budget, stop, twins, progress, sure: _ } = shrinking;
        Self {
            best: Case { story: None, ..case.clone() },
            runs: 1,
            others: BTreeMap::new(),
            pool: Pool { twins, ..Pool::new(runner, jobs, stop) },
            progress,
            budget,
            is_sure: false,
            fails_at_ms: outcome.broken_at_ms(&case.expect),
            known: outcome.violations.iter().map(|v| v.signature()).collect(),
            noise: case.plan.noise,
            holds: BTreeSet::new(),
        }
    }

    /// From here on only what makes sure of the result is run: to the end, and as often as it takes. What
    /// was given up before its end is not known to hold.
    pub fn make_sure(&mut self) {
        self.budget = u64::MAX;
        self.is_sure = true;
        self.holds.clear();
    }

    /// The place of the first candidate that fails, under its noise seed or another one: it is the best
    /// one from now on.
    ///
    /// # Errors
    /// If it can't be known any more.
    pub fn first(&mut self, candidates: Vec<Plan>) -> Result<Option<usize>, Ended> {
        self.first_of(self.attempts(candidates, NOISES))
    }

    /// The same, under the noise seed of the best case only: for what is nice to have.
    ///
    /// # Errors
    /// If it can't be known any more.
    pub fn first_as_it_is(&mut self, candidates: Vec<Plan>) -> Result<Option<usize>, Ended> {
        self.first_of(self.attempts(candidates, 1))
    }

    fn first_of(&mut self, mut attempts: Vec<Attempt>) -> Result<Option<usize>, Ended> {
        let room = self.budget.saturating_sub(self.runs);
        let is_cut = attempts.len() as u64 > room;
        attempts.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        let cases: Vec<_> = attempts.iter().map(|attempt| &attempt.case).collect();
        let ran = self.on_the_pool(|pool, each| pool.run(&cases, Enough::OneFails, each));
        // Candidates behind the first that fails, which other threads ran meanwhile, do not count: one after the
        // other they would not have been run.
        let failing = ran.iter().position(|ran| ran.as_ref().is_none_or(|ran| ran.fails));
        let held = failing.unwrap_or(attempts.len());
        for (attempt, ran) in attempts.iter().zip(&ran).take(held) {
            self.holds.insert(attempt.hash);
            self.keep_others(attempt, ran.iter().flat_map(|ran| &ran.signatures));
        }
        self.runs += held as u64;
        let place = match failing {
            Some(at) if ran[at].is_none() => return Err(Ended::Stopped),
            Some(at) => {
                let attempt = attempts.swap_remove(at);
                self.runs += 1;
                self.best = attempt.case;
                self.fails_at_ms = ran[at].as_ref().and_then(|ran| ran.at_ms);
                Some(attempt.candidate)
            }
            None => None,
        };
        if place.is_none() && is_cut { Err(Ended::Spent) } else { Ok(place) }
    }

    /// Under how many of so many noise seeds the best case fails; `None` if it is asked to stop.
    pub fn failing(&mut self, seeds: u64) -> Option<u64> {
        let cases: Vec<_> = (0..seeds).map(|n| self.attempt(0, &self.best.plan, n).case).collect();
        let failing = self.on_the_pool(|pool, each| pool.failing(&cases, each));
        self.runs += seeds;
        failing
    }

    /// Has something run: until it fails, or till so late that it is of no use.
    fn on_the_pool<T>(&mut self, run: impl FnOnce(&Pool<'_>, &(dyn Fn() + Sync)) -> T) -> T {
        let over = self.fails_at_ms.filter(|_| !self.is_sure);
        self.pool.runner.wanted.until = Some(Until {
            signature: self.best.expect.clone(),
            at_ms: over.map_or(u64::MAX, |at_ms| at_ms + LATER_MS),
        });
        let (runs, left) = (AtomicU64::new(self.runs), Count::of(&self.best.plan));
        run(&self.pool, &|| {
            let runs = runs.fetch_add(1, Ordering::Relaxed) + 1;
            (self.progress)(Progress { runs, left });
        })
    }

    /// Each candidate under the noise seed of the best case, then under the others; what is no case, or
    /// is known to hold, is left out.
    fn attempts(&self, candidates: Vec<Plan>, noises: u64) -> Vec<Attempt> {
        let now = self.best.plan.noise.wrapping_sub(self.noise);
        let others = (0..NOISES).filter(|n| *n != now);
        let noises: Vec<_> = [now].into_iter().chain(others).take(noises as usize).collect();
        let mut met = BTreeSet::new();
        let mut attempts = Vec::new();
        for (at, plan) in candidates.iter().enumerate() {
            for noise in &noises {
                let attempt = self.attempt(at, plan, *noise);
                let is_new = !self.holds.contains(&attempt.hash) && met.insert(attempt.hash);
                if is_new && check::check(&attempt.case).is_ok() {
                    attempts.push(attempt);
                }
            }
        }
        attempts
    }

    fn attempt(&self, candidate: usize, plan: &Plan, noise: u64) -> Attempt {
        let mut case = Case { plan: plan.clone(), ..self.best.clone() };
        case.plan.noise = self.noise.wrapping_add(noise);
        let text = serde_json::to_vec(&case.plan).expect("plain data");
        Attempt { candidate, case, hash: draw_id(&[&text]) }
    }

    fn keep_others<'s>(&mut self, attempt: &Attempt, signatures: impl Iterator<Item = &'s String>) {
        for signature in signatures.filter(|known| !self.known.contains(*known)) {
            let case = || Case { expect: signature.clone(), ..attempt.case.clone() };
            self.others.entry(signature.clone()).or_insert_with(case);
        }
    }
}
