//! The order that follows from the causes: it is inferred, run on seeds of its own, and corrected by what that breaks.

use super::{
    Capped, Count, LOST, Lost, Order, Paths, ROLLING, ROUNDS, Runs, Stage, TRIED, Verdict,
    Verification, add_lost,
    held::Looked,
    is_rolling, order,
    search::is_explained,
    sides::Sides,
    slug,
    stage::{Path, Ran},
};
use crate::plan::{
    Role,
    case::Case,
    generate::rollout::{Leg, Ranks},
};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the order.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The order.
    pub order: Order,
    /// Runs of it, forward or stopped on the way: how many broke what the base does not.
    pub forward: Count,
    /// Runs that were taken back from as far as it may be.
    pub back: Count,
    /// Of the runs forward: in so many more something was seen that is not told from chance.
    pub unsure_forward: u64,
    /// The same of those that were taken back.
    pub unsure_back: u64,
    /// What these runs lose, by signature.
    pub lost: Vec<InOrder>,
    /// What they violate and the base does not, or less often, and what is not told from chance: under other noise the same
    /// plans don't do it more often than with everybody on the base.
    pub seen: Vec<InOrder>,
}

impl Proven {
    /// Whether some roles may be taken back by what is known, and no run was.
    pub fn is_back_not_run(&self) -> bool {
        self.order.returns > 0 && self.back.of == 0
    }
}

/// A signature that was violated in the order.
#[derive(Debug, Clone)]
pub struct InOrder {
    /// The signature.
    pub signature: String,
    /// What went wrong, of the first such run.
    pub sentence: String,
    /// The stage of that run.
    pub stage: Stage,
    /// Its seed.
    pub seed: u64,
    /// In how many of the runs of the order it was violated.
    pub count: Count,
    /// Whether the contract wants it to hold there, whatever the base does.
    pub must_hold: bool,
    /// A case that shows it.
    pub case: Case,
}

impl InOrder {
    /// The name of a file for its case.
    pub fn file_name(&self) -> String {
        format!("{}-in-order-{}.json", slug(&self.signature), self.seed)
    }
}

/// An order that was run.
struct Tried {
    proven: Proven,
    /// The cases that broke what the base does not, and who was on which side.
    failing: Vec<(Case, Sides)>,
    /// Runs that came to nothing.
    lost: BTreeMap<Stage, Lost>,
    /// What its runs have looked at.
    looked: Looked,
}

/// Signatures that stand out in the runs of an order.
#[derive(Default)]
struct StandOut(BTreeMap<String, (bool, InOrder)>);

impl StandOut {
    /// One more run that violated one; `new` makes what is known of it by this run.
    fn add(&mut self, signature: &str, is_lost: bool, new: impl FnOnce() -> InOrder) {
        let known = self.0.remove(signature);
        let hits = known.as_ref().map_or(0, |(_, of)| of.count.hits);
        // What shows that it is lost shows it better.
        let (was_lost, mut of) = match known {
            Some((was_lost, of)) if was_lost || !is_lost => (was_lost, of),
            _ => (is_lost, new()),
        };
        of.count.hits = hits + 1;
        self.0.insert(signature.into(), (was_lost, of));
    }

    /// What is lost, and what is not told from chance, of so many runs.
    fn split(self, runs: u64) -> (Vec<InOrder>, Vec<InOrder>) {
        let (mut lost, mut seen) = (Vec::new(), Vec::new());
        for (is_lost, mut of) in self.0.into_values() {
            of.count.of = runs;
            if is_lost { &mut lost } else { &mut seen }.push(of);
        }
        (lost, seen)
    }
}

impl Verification<'_> {
    /// Infers the order, runs it, and corrects it by what that breaks. What the order's own runs have
    /// looked at; `None` if none is known.
    pub(super) fn prove(&self, verdict: &mut Verdict, of_stages: &mut Runs) -> Option<Looked> {
        for round in 1..=ROUNDS {
            verdict.proven = None;
            // What is not known of the causes can't be known of the order.
            if self.is_stopped() {
                return None;
            }
            let found = verdict.constraints.iter().map(|of| of.cause.clone());
            let causes: Vec<_> = found.chain(self.pair.of_schema()).collect();
            let order = order::infer(&causes, self.pair.units())?;
            let Tried { proven, failing, lost, looked } = self.run_order(verdict, of_stages, order);
            let not_yet = looked.violated.iter().filter(|of| !of_stages.base_promises(of));
            let new = not_yet.filter(|of| !verdict.not_yet.contains(of)).cloned();
            verdict.not_yet.extend(new.collect::<Vec<_>>());
            add_lost(&mut verdict.lost, lost);
            verdict.proven = Some(proven);
            if failing.is_empty() {
                return Some(looked);
            }
            if round == ROUNDS {
                verdict.capped.insert(Capped::Rounds);
                return Some(looked);
            }
            if !self.learns(verdict, failing) && !self.is_stopped() {
                return Some(looked);
            }
        }
        None
    }

    /// Looks for the causes of what went wrong in an order; whether there are new ones.
    fn learns(&self, verdict: &mut Verdict, failing: Vec<(Case, Sides)>) -> bool {
        let known = verdict.constraints.len();
        for (case, sides) in failing.into_iter().take(TRIED) {
            if is_explained(&verdict.constraints, &case.expect, &sides) {
                continue;
            }
            // What breaks the contract and the base breaks, too, has no cause in the order.
            let must_hold = self.contract.must_hold(ROLLING, &case.expect);
            if must_hold && !self.is_by_its_sides(&case) {
                continue;
            }
            let Some(found) = self.cause_of(verdict, &case, &sides) else { continue };
            if let Some(same) = verdict.constraints.iter_mut().find(|of| of.cause == found.cause) {
                same.breaks.insert(case.expect);
                continue;
            }
            let Some(constraint) = self.aim(verdict, &case.expect, found) else { break };
            verdict.unconfirmed.retain(|of| of.cause != constraint.cause);
            verdict.constraints.push(constraint);
        }
        verdict.constraints.len() > known
    }

    /// Runs an order, there and back.
    fn run_order(&self, verdict: &mut Verdict, of_stages: &mut Runs, order: Order) -> Tried {
        let ranks = Ranks { at_once: order.at_once.clone(), ..Ranks::of(&order.roles) };
        // Other seeds than those that it was inferred from.
        let from = self.from.saturating_add(self.seeds);
        let half = self.seeds.div_ceil(2);
        let (mut failing, mut all_lost) = (Vec::new(), BTreeMap::new());
        let (mut stand_out, mut looked) = (StandOut::default(), Looked::default());
        let mut part = |what: &str, from: u64, legs: Vec<Leg>| {
            let paths = Paths { ranks: ranks.clone(), legs };
            let cases = self.cases(from..from.saturating_add(half), &paths);
            let cases: Vec<_> = cases.into_iter().filter(|(_, path)| may(path, &order)).collect();
            let mut runs = Runs::default();
            let stage = |path: &Path| Stage::Rolling(path.leg);
            self.all(&mut runs, what, &cases, stage);
            all_lost.append(&mut runs.lost);
            if runs.signatures().iter().any(|of| of_stages.of_base(of).hits == 0) {
                self.ask_base(verdict, of_stages);
            }
            let (of_stages, verdict) = (&*of_stages, &*verdict);
            let (mut count, mut unsure) = (Count::default(), 0);
            for ran in runs.of(is_rolling) {
                looked.add(ran);
                let mut lost = None;
                // What the base promises nothing of can't be lost.
                let is_open = |signature: &str| {
                    self.contract.must_hold(ran.stage, signature)
                        || of_stages.base_promises(signature)
                            && self.stands_out(verdict, [of_stages, &runs], ran.stage, signature)
                };
                let open = ran.came.violated.iter().filter(|of| is_open(&of.signature));
                let mut stands_out = false;
                for of in open {
                    stands_out = true;
                    let must_hold = self.contract.must_hold(ran.stage, &of.signature);
                    // One that is lost is enough for a run: to tell the others from chance as well takes time.
                    let is_lost = must_hold
                        || lost.is_none() && self.is_lost([of_stages, &runs], ran, &of.signature);
                    if is_lost && lost.is_none() {
                        lost = Some(of);
                    }
                    let new = || InOrder {
                        signature: of.signature.clone(),
                        sentence: of.sentence.clone(),
                        stage: ran.stage,
                        seed: ran.case.seed.unwrap_or_default(),
                        count: Count::default(),
                        must_hold,
                        case: self.run_of(ran.stage, &ran.expecting(&of.signature)),
                    };
                    stand_out.add(&of.signature, is_lost, new);
                }
                count.add(lost.is_some());
                unsure += u64::from(stands_out && lost.is_none());
                failing.extend(lost.map(|of| (ran.expecting(&of.signature), ran.sides(of))));
            }
            (count, unsure)
        };
        let (forward, unsure_forward) =
            part("in that order", from, vec![Leg::Forward, Leg::Stopped]);
        let (back, unsure_back) =
            part("in that order, and back", from.saturating_add(half), vec![Leg::Back, Leg::Again]);
        let (lost, seen) = stand_out.split(forward.of + back.of);
        let proven = Proven { order, forward, back, unsure_forward, unsure_back, lost, seen };
        Tried { proven, failing, lost: all_lost, looked }
    }

    /// Whether a signature is one to be looked at in the runs of an order, which are beside those of the stages: the base has
    /// none of it or clearly fewer.
    fn stands_out(
        &self,
        verdict: &Verdict,
        runs: [&Runs; 2],
        stage: Stage,
        signature: &str,
    ) -> bool {
        let is_not_yet = verdict.not_yet.iter().any(|of| of == signature);
        let [is_new, is_more] = beside(runs, signature);
        !is_not_yet && !self.contract.may_lose(stage, signature) && (is_new || is_more)
    }

    /// Whether a violation that stands out is one that the base does not have: on the same plan, or by how often it comes in
    /// these runs.
    fn is_lost(&self, runs: [&Runs; 2], ran: &Ran, signature: &str) -> bool {
        // What is new in many runs needs no pairs: each plan may do it rarely.
        beside(runs, signature) == [true, true] || self.is_by_its_sides(&ran.expecting(signature))
    }
}

/// Whether the base has none of a signature, and whether in the runs of an order there is more of it than under the base.
fn beside([of_stages, runs]: [&Runs; 2], signature: &str) -> [bool; 2] {
    let of_base = of_stages.of_base(signature);
    [of_base.hits == 0, runs.count(signature, is_rolling).exceeds_at(LOST, of_base)]
}

/// Whether a path is one of an order: nobody goes back from further than may be.
fn may(path: &Path, order: &Order) -> bool {
    let reached: BTreeSet<Role> = path.order[..path.far].iter().map(|host| host.role()).collect();
    let may_return: BTreeSet<Role> = order.roles[..order.returns].iter().copied().collect();
    let is_back = matches!(path.leg, Leg::Back | Leg::Again);
    !is_back || reached.is_subset(&may_return)
}
