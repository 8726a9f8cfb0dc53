//! Verify before deploy: may a candidate replace the base, in what order, and until when can it be taken
//! back?
//!
//! The same plans run under the base, under the candidate, and while hosts go from one to the other. What is
//! violated there and not under the base is a regression; each is led back to the smallest mix of sides that
//! does it, and from these mixes follows an order that avoids them, which is then run itself.

pub mod beside;
mod capped;
mod chance;
mod claimed;
mod contract;
mod figures;
mod held;
mod known;
mod library;
mod measure;
mod mix;
mod noises;
mod order;
mod part;
mod proof;
mod search;
mod sides;
mod small;
mod stage;
#[cfg(test)]
mod tests;
pub mod wire;
mod worse;

pub use capped::Capped;
pub use chance::{Count, bound};
pub use contract::{Contract, Terms};
pub use figures::{Differs, FEWEST, FIGURES, Figure};
pub use known::Known;
pub use library::{Verified, Verify, verify};
pub use measure::{Measure, percentile_ms};
pub use mix::{Cause, named};
pub use noises::Noises;
pub use order::Order;
pub use part::{Asked, Given, Part, PartRun};
pub use proof::{InOrder, Proven};
pub use sides::{Becomes, Change};
pub use stage::{Came, Pair, Paths, Stage, Violated};

use crate::{
    plan::{
        case::Case,
        generate::{Deployment, Profile, rollout::Leg},
    },
    pool::Pool,
    run::{Program, Runner},
};
use search::explain;
use stage::{Path, Ran};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};
use wire::{Danger, Difference};

/// Noise seeds under which a plan that went wrong is run on both sides, to tell whether the side did it.
const PAIRED: u64 = 20;
/// Of so many seeds of a signature this is tried.
const TRIED: usize = 4;
/// Seeds that are aimed at a cause, to confirm it.
const AIMED: u64 = 50;
/// A cause is confirmed if its aimed seeds would break as often by chance in less than this share.
const CONFIRMED: f64 = 0.05;
/// What the base breaks, too, is lost in an order if it would come as often by chance in less than this share: each
/// signature of the base is looked at, and most deployments of it break some dozens.
const LOST: f64 = 0.000_1;
/// At most so many runs are led back to a cause.
const MOST_CAUSES: usize = 24;
/// Runs that make cases small, all together, unless it is said otherwise.
pub const SHRINK_RUNS: u64 = 2_000;
/// So often the order is run and corrected by what it breaks.
const ROUNDS: usize = 3;
/// A base that breaks something is asked on so many seeds at least before it is said that it never breaks something else:
/// what it breaks in one plan of 100 it breaks in none of 300 by chance once in 20.
const ASKED: u64 = 300;

/// What is to be verified, and how.
pub struct Verification<'a> {
    /// Base and candidate.
    pub pair: Pair,
    /// The first seed.
    pub from: u64,
    /// How many of them.
    pub seeds: u64,
    /// What the plans are like.
    pub profile: Profile,
    /// What is fixed of them. Its limits are those of both protocols already ([`Deployment::under`]).
    pub deployment: Deployment,
    /// Whether hosts change side in some runs.
    pub rolling: bool,
    /// What must hold where.
    pub contract: Contract,
    /// Under which noise seed all stages but the base run; 0: each plan under its own, as under the base. With equal
    /// sides whatever is said to differ under another one is by chance.
    pub candidate_noise: u64,
    /// What runs them.
    pub pool: Pool<'a>,
    /// Other builds, that run what is of one side alone; then hosts don't change side.
    pub programs: Programs,
    /// Runs of the stages that were made elsewhere, or before.
    pub given: Given,
    /// At most so many runs to make cases small, all together.
    pub shrink_runs: u64,
    /// What it learns of the cases that it runs: nothing at first.
    pub known: Known,
    /// Is told how far it is.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// Another build of `sim` for each side, where it is not this one.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    /// Runs what is on the base.
    pub base: Option<Program>,
    /// Runs what is on the candidate.
    pub candidate: Option<Program>,
}

impl Programs {
    /// Whether this build runs both sides.
    pub fn is_none(&self) -> bool {
        self.base.is_none() && self.candidate.is_none()
    }
}

/// Runs that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Lost {
    /// How many.
    pub runs: u64,
    /// The seed of the first one.
    pub seed: u64,
    /// Why that did.
    pub why: String,
}

/// Adds runs that came to nothing to others.
fn add_lost(to: &mut BTreeMap<Stage, Lost>, more: BTreeMap<Stage, Lost>) {
    for (stage, lost) in more {
        to.entry(stage).or_insert_with(|| Lost { runs: 0, ..lost.clone() }).runs += lost.runs;
    }
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Something begins that takes so many runs, if that is known.
    Begins(String, Option<u64>),
    /// One run more.
    Ran,
}

/// A signature in all stages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// In how many runs of a stage it was violated.
    pub counts: BTreeMap<Stage, Count>,
}

/// Where a signature is more frequent than under the base.
#[derive(Debug, Clone)]
pub struct Regression {
    /// The signature.
    pub signature: String,
    /// What went wrong, of the first such run.
    pub sentence: String,
    /// The first stage in which it is a regression: of the candidate alone, or else of a rollout.
    pub stage: Stage,
    /// The seed of the run that showed it.
    pub seed: u64,
    /// That plan under 20 noise seeds: everybody on the base.
    pub on_base: Count,
    /// Everybody on the candidate.
    pub on_candidate: Count,
    /// As it went wrong.
    pub as_it_was: Count,
    /// An unsafe mix that is known explains it: the case of that shows it better.
    pub is_explained: bool,
    /// A case that shows it.
    pub case: Case,
}

/// An unsafe mix, and how sure that is.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// What is unsafe.
    pub cause: Cause,
    /// What it breaks, by signature: that by which it was found.
    pub signature: String,
    /// All signatures of regressions that it is known to break, with that one: it explains no others.
    pub breaks: BTreeSet<String>,
    /// Of the seeds that were aimed at it, how many broke that.
    pub aimed: Count,
    /// The same seeds under the base.
    pub aimed_on_base: Count,
    /// A case that shows it.
    pub case: Case,
}

impl Regression {
    /// The name of a file for its case.
    pub fn file_name(&self) -> String {
        format!("{}-{}.json", slug(&self.signature), self.seed)
    }
}

/// A text as a part of a file's name.
fn slug(text: &str) -> String {
    text.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "-")
}

impl Constraint {
    /// The name of a file for its case.
    pub fn file_name(&self) -> String {
        format!("{}-{}.json", slug(&self.signature), slug(&self.cause.to_string()))
    }

    /// Whether more of the aimed seeds break it than under the base, and that would hardly (1 in 20) be so by chance.
    pub fn is_confirmed(&self) -> bool {
        self.aimed.exceeds_at(CONFIRMED, self.aimed_on_base)
    }
}

/// All that came of it.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Other builds that ran what is of one side alone.
    pub programs: Programs,
    /// What was fixed of the plans.
    pub deployment: Deployment,
    /// In what the .proto files differ, if there were two trees of them.
    pub on_the_wire: Vec<Difference>,
    /// The signatures that were violated anywhere.
    pub rows: BTreeMap<String, Row>,
    /// The runs of each stage.
    pub runs: BTreeMap<Stage, u64>,
    /// Runs that came to nothing: of them nobody knows whether they lost something.
    pub lost: BTreeMap<Stage, Lost>,
    /// How many did of those that were made to tell what went wrong from chance, and to find its cause.
    pub came_to_nothing: u64,
    /// What is worse than under the base.
    pub regressions: Vec<Regression>,
    /// Signatures of the base that are rarer under the candidate.
    pub mended: Vec<String>,
    /// Signatures of properties that nobody judges under the base, as it promises nothing of the kind, and that
    /// were violated while hosts changed: what the candidate promises does not hold before all run it.
    pub not_yet: Vec<String>,
    /// Signatures that were seen where the base has none, but the base has them too, or not clearly less,
    /// on the same plans.
    pub unclear: Vec<String>,
    /// Signatures that are worse than under the base, as the contract allows, and where.
    pub allowed: Vec<(String, Stage)>,
    /// What it was held against.
    pub contract: Contract,
    /// Signatures that the contract wants to hold at a stage, and that did not: with everybody on the candidate, or in the
    /// order.
    pub broken: Vec<(String, Stage)>,
    /// What the contract wants to hold at a stage, and of which nothing was judged there: nobody knows whether it does.
    pub unjudged: Vec<(String, Stage)>,
    /// What the contract names at a stage and no run violated: perhaps there is no such signature.
    pub unseen: Vec<(String, Stage)>,
    /// What is unsafe beside what.
    pub constraints: Vec<Constraint>,
    /// Causes of single runs that hardly come again in the seeds that were aimed at them: no order was inferred from
    /// them, but what they break is broken if the order comes by.
    pub unconfirmed: Vec<Constraint>,
    /// The order; `None` if there is none that is safe, if it was stopped before one was known, or nobody asked for one.
    pub proven: Option<Proven>,
    /// On so many seeds more the base was run, to know what it breaks itself.
    pub asked_of_base: u64,
    /// Bounds of the search that were reached.
    pub capped: BTreeSet<Capped>,
    /// What users saw under the base, under the candidate, and while hosts changed.
    pub measures: BTreeMap<Stage, Measure>,
    /// In what that differs from the base by more than chance.
    pub differences: Vec<Differs>,
    /// Cases that are as large as they were found: the runs for making them small were spent.
    pub large: u64,
    /// It was asked to stop before all was known.
    pub interrupted: bool,
}

impl Verdict {
    /// Whether each side can read what the other writes.
    pub fn is_read(&self) -> bool {
        self.on_the_wire.iter().all(|of| of.danger == Danger::Neither)
    }

    /// Whether something that the base holds is lost with everybody on the candidate: no order avoids that, and none is
    /// looked for.
    pub fn is_lost_alone(&self) -> bool {
        self.regressions.iter().any(|of| of.stage == Stage::Candidate)
    }

    /// What is worse than under the base while hosts change, and has no cause that is known: whether an order avoids it nobody
    /// knows.
    pub fn unexplained(&self) -> impl Iterator<Item = &Regression> {
        self.regressions.iter().filter(|of| is_rolling(of.stage) && !of.is_explained)
    }

    /// Whether something is lost, whatever else is not known: one side can't read what the other writes, the contract is
    /// broken, or, if an order was asked for, there is none that is safe.
    pub fn is_unsafe(&self, rolling: bool) -> bool {
        let no_order = match &self.proven {
            Some(proven) => proven.forward.hits + proven.back.hits > 0,
            None => !self.interrupted,
        };
        !self.is_read() || !self.broken.is_empty() || self.is_lost_alone() || rolling && no_order
    }

    /// Whether each side can read what the other writes, and the contract is kept (by default: nothing that the base holds
    /// is lost): with everybody on the candidate, and in the order that was inferred, if one was asked for, at each stage. It is
    /// not known to be if what is worse while hosts change has no known cause.
    pub fn is_safe(&self, rolling: bool) -> bool {
        let was_run = |stage| self.runs.get(&stage).is_some_and(|runs| *runs > 0);
        let ordered = self.proven.as_ref().is_some_and(|proven| proven.forward.of > 0);
        !self.is_unsafe(rolling)
            && !self.interrupted
            && self.lost.is_empty()
            && self.came_to_nothing == 0
            && self.unjudged.is_empty()
            && (self.unexplained().next().is_none() || !rolling)
            && was_run(Stage::Base)
            && was_run(Stage::Candidate)
            && (ordered || !rolling)
    }
}

/// The runs of a verification, by stage and seed.
#[derive(Default)]
struct Runs {
    ran: BTreeMap<Stage, BTreeMap<u64, Ran>>,
    lost: BTreeMap<Stage, Lost>,
    /// Runs under the base beyond those of the stage ([`Verification::ask_base`]).
    more_of_base: Vec<Ran>,
}

impl Runs {
    /// All signatures of some stages.
    fn signatures(&self) -> BTreeSet<&str> {
        let all = self.ran.values().flat_map(BTreeMap::values).flat_map(|ran| &ran.came.violated);
        all.map(|of| of.signature.as_str()).collect()
    }

    /// How often a signature was violated in the stages of a kind.
    fn count(&self, signature: &str, is_of: impl Fn(Stage) -> bool) -> Count {
        let mut count = Count::default();
        for ran in self.of(is_of) {
            count.add(ran.violated(signature).is_some());
        }
        count
    }

    /// How often a signature was violated in all runs under the base.
    fn of_base(&self, signature: &str) -> Count {
        let mut count = self.count(signature, |stage| stage == Stage::Base);
        for ran in &self.more_of_base {
            count.add(ran.violated(signature).is_some());
        }
        count
    }

    /// Whether the property of a signature judged anything under the base: else that promises nothing of it.
    fn base_promises(&self, signature: &str) -> bool {
        let property = signature.split('/').next().unwrap_or_default();
        let mut base = self.of(|stage| stage == Stage::Base);
        base.any(|ran| ran.came.judged.get(property).is_some_and(|judged| *judged > 0))
    }

    /// The runs of the stages of a kind.
    fn of(&self, is_of: impl Fn(Stage) -> bool) -> impl Iterator<Item = &Ran> {
        let stages = self.ran.iter().filter(move |(stage, _)| is_of(**stage));
        stages.flat_map(|(_, runs)| runs.values())
    }
}

/// Hosts change side, by whatever leg.
pub const ROLLING: Stage = Stage::Rolling(Leg::Forward);

fn is_rolling(stage: Stage) -> bool {
    matches!(stage, Stage::Rolling(_))
}

/// Whether there are so many seeds: those of the stages, as many again for the order, and those that are aimed at causes.
///
/// # Errors
/// A sentence if the last one of them is beyond the largest seed.
pub fn check_seeds(from: u64, seeds: u64) -> Result<(), String> {
    let needed = seeds.saturating_mul(2).saturating_add(AIMED).saturating_add(1);
    match from.checked_add(needed) {
        Some(_) => Ok(()),
        None => Err(format!(
            "there are no {seeds} seeds from {from} on, and as many again for an order: the largest seed is {}",
            u64::MAX
        )),
    }
}

impl Verification<'_> {
    /// Runs all of it.
    pub fn run(&self) -> Verdict {
        let (programs, deployment) = (self.programs.clone(), self.deployment.clone());
        let contract = self.contract.clone();
        let mut verdict = Verdict { programs, deployment, contract, ..Verdict::default() };
        let mut runs = Runs::default();
        let cases = self.cases(self.seeds(), &Paths::any());
        self.stages(&mut runs, &cases);
        self.fill(&mut verdict, &runs);
        self.regressions(&mut verdict, &mut runs);
        let mut in_order = None;
        if self.rolling && !verdict.is_lost_alone() {
            self.claimed(&mut verdict, &runs);
            explain(&mut verdict, &runs);
            self.constraints(&mut verdict, &runs);
            in_order = self.prove(&mut verdict, &mut runs);
            explain(&mut verdict, &runs);
        }
        self.held_to(&mut verdict, &runs, in_order.as_ref());
        let came_to_nothing = &self.pool.came_to_nothing;
        verdict.came_to_nothing = came_to_nothing.load(std::sync::atomic::Ordering::Relaxed);
        self.make_small(&mut verdict);
        verdict.interrupted = self.is_stopped();
        verdict
    }

    /// Runs the cases in all stages.
    fn stages(&self, runs: &mut Runs, cases: &[(Case, Path)]) {
        self.all(runs, "everybody on the base", cases, |_| Stage::Base);
        self.all(runs, "everybody on the candidate", cases, |_| Stage::Candidate);
        if self.rolling {
            let stage = |path: &Path| Stage::Rolling(path.leg);
            self.all(runs, "from the base to the candidate", cases, stage);
        }
    }

    /// What runs a case of a stage.
    pub fn runner(&self, stage: Stage) -> Runner {
        let Programs { base, candidate } = &self.programs;
        let program = match stage {
            Stage::Base => base,
            Stage::Candidate => candidate,
            Stage::Rolling(_) => &None,
        };
        let mut runner = Runner { program: program.clone(), ..self.pool.runner.clone() };
        // What another build ran is judged by its trace: so is what it is compared with.
        runner.wanted.by_its_trace = !self.programs.is_none();
        runner
    }

    fn is_stopped(&self) -> bool {
        self.pool.stop.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The case of a seed, with its path.
    fn rollout(&self, seed: u64, paths: &Paths) -> (Case, Path) {
        self.pair.rolling(seed, self.profile, &self.deployment, paths)
    }

    /// The seeds of the stages.
    fn seeds(&self) -> Range<u64> {
        self.from..self.from.saturating_add(self.seeds)
    }

    /// The cases of some seeds, with their paths.
    fn cases(&self, seeds: Range<u64>, paths: &Paths) -> Vec<(Case, Path)> {
        seeds.map(|seed| self.rollout(seed, paths)).collect()
    }
}
