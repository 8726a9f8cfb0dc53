//! Runs cases side by side.

use crate::{
    plan::case::Case,
    run::{Runner, Until},
};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

/// What runs them.
#[derive(Clone)]
pub struct Pool<'a> {
    /// How each is run.
    pub runner: Runner,
    /// How many at once, at least 1.
    pub jobs: usize,
    /// Set by whoever wants no more of it.
    pub stop: &'a AtomicBool,
    /// A case fails as it should only if none of these fails so: it has to be the case's own.
    pub twins: Vec<Twin>,
    /// Whether a run may be over as soon as it fails as its case expects: what else it would have broken is not known
    /// then.
    pub only_expected: bool,
    /// How many of its runs came to nothing.
    pub came_to_nothing: Arc<AtomicU64>,
}

/// A case in another world.
#[derive(Clone)]
pub struct Twin {
    /// What it makes of a case.
    pub of: Arc<dyn Fn(&Case) -> Case + Send + Sync>,
    /// What runs that.
    pub runner: Runner,
}

/// Noise seeds under which a case is run before it counts as one that holds.
pub const NOISES: u64 = 4;

/// When enough was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enough {
    /// Those behind one that fails are of no use.
    OneFails,
    /// Each counts.
    AllRan,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Ran {
    /// Whether it came to nothing: then nothing is known of it.
    pub is_lost: bool,
    /// Whether it failed as it should.
    pub fails: bool,
    /// When it did, in simulated milliseconds.
    pub at_ms: Option<u64>,
    /// All that was broken.
    pub signatures: Vec<String>,
}

impl Twin {
    /// Whether it does not fail as the case does, under any of some noise seeds.
    pub fn holds(&self, case: &Case) -> bool {
        let twin = (self.of)(case);
        let runner = self.runner.until_it_fails(&twin);
        let holds = |n| {
            let outcome = runner.kept(&twin.under_noise(n));
            // What comes to nothing does not hold either.
            outcome.is_ok_and(|outcome| outcome.violation(&case.expect).is_none())
        };
        (0..NOISES).all(holds)
    }
}

impl Runner {
    /// The same, but a run is over once it fails as this case expects. What is judged by its trace, or run by another
    /// build, is run to its end: what is owed is known only there.
    pub fn until_it_fails(&self, case: &Case) -> Self {
        let mut runner = self.clone();
        if runner.program.is_none() && !runner.wanted.by_its_trace {
            let signature = case.expect.clone();
            runner.wanted.until = Some(Until { signature, at_ms: u64::MAX });
        }
        runner
    }
}

impl<'a> Pool<'a> {
    /// One that looks at no twins; so many at once, at least 1.
    pub fn new(runner: Runner, jobs: usize, stop: &'a AtomicBool) -> Self {
        let came_to_nothing = Arc::default();
        let (twins, only_expected) = (Vec::new(), false);
        Self { runner, jobs: jobs.max(1), stop, twins, only_expected, came_to_nothing }
    }
}

impl Pool<'_> {
    /// What came of each case; `None` for those that were not run. Some behind the first one that fails may
    /// have been run, too. `each` is called after each run.
    pub fn run(
        &self,
        cases: &[&Case],
        enough: Enough,
        each: &(dyn Fn() + Sync),
    ) -> Vec<Option<Ran>> {
        let first_failing = AtomicUsize::new(usize::MAX);
        self.side_by_side(cases, |at, case| {
            let is_needed = enough == Enough::AllRan || at < first_failing.load(Ordering::Relaxed);
            let ran = is_needed.then(|| self.one(case))?;
            if ran.fails {
                first_failing.fetch_min(at, Ordering::Relaxed);
            }
            each();
            Some(ran)
        })
    }

    /// What work makes of each of some things, so many at once; `None` for those that were not worked on
    /// because it was asked to stop.
    #[allow(clippy::disallowed_methods, reason = "the rig's own threads")]
    pub fn side_by_side<T: Sync, R: Send>(
        &self,
        all: &[T],
        work: impl Fn(usize, &T) -> Option<R> + Sync,
    ) -> Vec<Option<R>> {
        let results: Vec<Mutex<Option<R>>> = all.iter().map(|_| Mutex::default()).collect();
        let next = AtomicUsize::new(0);
        let on_each = || {
            while !self.stop.load(Ordering::Relaxed) {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(one) = all.get(at) else { return };
                *results[at].lock().unwrap_or_else(PoisonError::into_inner) = work(at, one);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.min(all.len()) {
                scope.spawn(on_each);
            }
        });
        let inner = |result: Mutex<_>| result.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.into_iter().map(inner).collect()
    }

    /// How many cases fail as they should; `None` if not all were run.
    pub fn failing(&self, cases: &[Case], each: &(dyn Fn() + Sync)) -> Option<u64> {
        let ran = self.run(&cases.iter().collect::<Vec<_>>(), Enough::AllRan, each);
        ran.into_iter().map(|ran| ran.map(|ran| u64::from(ran.fails))).sum()
    }

    /// Runs a case. One whose run comes to nothing does not fail as it should.
    fn one(&self, case: &Case) -> Ran {
        let runner = match self.only_expected {
            true => self.runner.until_it_fails(case),
            false => self.runner.clone(),
        };
        let Ok(outcome) = runner.kept(case) else {
            // What was asked to stop may be for that.
            let is_stopped = self.stop.load(Ordering::Relaxed);
            self.came_to_nothing.fetch_add(u64::from(!is_stopped), Ordering::Relaxed);
            return Ran { is_lost: true, ..Ran::default() };
        };
        let signatures: Vec<_> = outcome.violations.iter().map(|v| v.signature()).collect();
        let at_ms = outcome.broken_at_ms(&case.expect);
        let fails = signatures.contains(&case.expect);
        let fails = fails && self.twins.iter().all(|twin| twin.holds(case));
        Ran { is_lost: false, fails, at_ms, signatures }
    }
}
