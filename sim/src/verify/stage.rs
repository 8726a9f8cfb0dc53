//! The stages of a verification, and the case of a seed in each.
//!
//! All of them run the same plan with the same hosts going down at the same moments, so that what differs is
//! the protocol alone: under the base a host that changes side comes back as it was.

pub use crate::plan::generate::rollout::Path;
use crate::{
    plan::{
        Plan, Role, Side,
        case::{Case, FORMAT, ProtocolSpec, Protocols},
        generate::{
            Clients, Deployment, Profile, generate_in, limits,
            rollout::{Leg, Ranks, lay},
        },
        rollout,
    },
    properties::Violation,
    verify::{
        Cause,
        measure::Measure,
        sides::{Changes, Sides},
    },
    world::Outcome,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use teamtalk::store::migrations;

/// Who runs what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Stage {
    /// Everybody runs the base.
    Base,
    /// Everybody runs the candidate.
    Candidate,
    /// Hosts go from one to the other while the plan runs.
    Rolling(Leg),
}

impl Stage {
    /// As a column of the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Candidate => "candidate",
            Self::Rolling(leg) => leg.name(),
        }
    }

    /// What is run of a case here.
    pub fn run_of(self, case: &Case) -> Case {
        match self {
            Self::Base => only(case, Side::Base),
            Self::Candidate => only(case, Side::Candidate),
            Self::Rolling(_) => case.clone(),
        }
    }
}

impl From<Stage> for &'static str {
    fn from(stage: Stage) -> Self {
        stage.name()
    }
}

impl TryFrom<String> for Stage {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let all = [Self::Base, Self::Candidate].into_iter().chain(Leg::ALL.map(Self::Rolling));
        let named = all.into_iter().find(|stage| stage.name() == name);
        named.ok_or_else(|| format!("`{name}` is no stage"))
    }
}

/// The two protocols.
#[derive(Debug, Clone)]
pub struct Pair {
    /// In production.
    pub base: ProtocolSpec,
    /// To replace it.
    pub candidate: ProtocolSpec,
}

/// Which rollouts are drawn.
#[derive(Debug, Clone)]
pub struct Paths {
    /// In which order.
    pub ranks: Ranks,
    /// How far.
    pub legs: Vec<Leg>,
}

impl Paths {
    /// Any order, and every leg.
    pub fn any() -> Self {
        Self { ranks: Ranks::default(), legs: Leg::ALL.into() }
    }
}

impl Pair {
    /// The version of the schema that the base needs, if the candidate needs a later one: then the database is
    /// migrated on the way.
    pub fn older_schema(&self) -> Option<u32> {
        let needs = |spec: &ProtocolSpec| spec.resolve().map_or(0, |of| migrations::required(&of));
        let (base, candidate) = (needs(&self.base), needs(&self.candidate));
        (base < candidate).then_some(base)
    }

    /// What is unsafe whatever a plan shows: a db_proxy that needs a later schema does not serve on that of the base.
    pub(super) fn of_schema(&self) -> Option<Cause> {
        let of = |role: Role| [role].into();
        self.older_schema().map(|_| Cause::Mix { new: of(Role::Db), old: of(Role::Sql) })
    }

    /// What changes, in the order of the way of a message: the schema, if it does, and the roles.
    pub fn units(&self) -> &'static [Role] {
        match self.older_schema() {
            Some(_) => &rollout::UNITS,
            None => &rollout::ROLES,
        }
    }

    /// The plan of a seed with its rollout, under both protocols.
    pub fn rolling(
        &self,
        seed: u64,
        profile: Profile,
        deployment: &Deployment,
        paths: &Paths,
    ) -> (Case, Path) {
        let mut plan = generate_in(seed, Clients::Ours, profile, deployment);
        plan.schema = self.older_schema();
        let path = lay(&mut plan, seed, &paths.ranks, &paths.legs);
        (self.of_seed(seed, profile, deployment).case(seed, plan), path)
    }

    /// With the limits that a profile makes small, by the seed, but for those that a side says itself: the sides differ in
    /// nothing more than they do.
    pub fn of_seed(&self, seed: u64, profile: Profile, deployment: &Deployment) -> Self {
        let mut pair = self.clone();
        for (name, value) in limits(seed, profile, deployment) {
            if !self.base.limits.contains_key(&name) && !self.candidate.limits.contains_key(&name) {
                pair.base.limits.insert(name.clone(), value);
                pair.candidate.limits.insert(name, value);
            }
        }
        pair
    }

    /// A plan under both protocols.
    pub fn case(&self, seed: u64, plan: Plan) -> Case {
        let Self { base, candidate } = self.clone();
        Case {
            format: FORMAT,
            protocols: Protocols { base, candidate },
            seed: Some(seed),
            plan,
            expect: "holds".into(),
            story: None,
        }
    }
}

/// The same, with everybody on one side from beginning to end: its hosts go down as before.
pub fn only(case: &Case, side: Side) -> Case {
    let mut case = case.clone();
    let protocol = match side {
        Side::Base => case.protocols.base.clone(),
        Side::Candidate => case.protocols.candidate.clone(),
    };
    case.protocols = Protocols { base: protocol.clone(), candidate: protocol };
    // What it says of sides means nothing now, and a reader need not wonder.
    case.plan.nodes.iter_mut().for_each(|node| node.side = Side::Base);
    case.plan.devices.iter_mut().for_each(|device| device.side = Side::Base);
    case.plan.rollout.iter_mut().for_each(|step| step.to = Side::Base);
    // The base may run on the schema of either; the candidate waits for its own from the start.
    if side == Side::Candidate {
        (case.plan.schema, case.plan.migrations) = (None, Vec::new());
    }
    case
}

/// A violation of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Violated {
    /// Its signature.
    pub signature: String,
    /// What went wrong.
    pub sentence: String,
    /// The line of the trace that broke it; absent if it is of no moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Came {
    /// What was violated.
    pub violated: Vec<Violated>,
    /// How often each property judged.
    pub judged: BTreeMap<String, u64>,
    /// What its users saw.
    pub measure: Measure,
    /// What became of its hosts.
    pub changes: Changes,
}

impl Came {
    /// Of a plan and its outcome.
    pub fn of(plan: &Plan, outcome: &Outcome) -> Self {
        let told = |violation: &Violation| {
            let signature = violation.signature();
            let line = outcome.broken_by.get(&signature).copied();
            Violated { signature, sentence: violation.sentence.clone(), line }
        };
        let violated = outcome.violations.iter().map(told).collect();
        let judged = outcome.tallies.iter();
        let judged = judged.map(|(name, tally)| ((*name).into(), tally.judged)).collect();
        let (measure, changes) = (Measure::of(plan, outcome), Changes::of(&outcome.trace));
        Self { violated, judged, measure, changes }
    }
}

/// What came of one run.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Who ran what.
    pub stage: Stage,
    /// The case of which it is, with both protocols; it expects that all holds.
    pub case: Case,
    /// What it came to.
    pub came: Came,
}

impl Ran {
    /// What is known of this signature, if it was violated.
    pub fn violated(&self, signature: &str) -> Option<&Violated> {
        self.came.violated.iter().find(|of| of.signature == signature)
    }

    /// Who was on which side until that.
    pub fn sides(&self, violated: &Violated) -> Sides {
        Sides::at(&self.case.plan, &self.came.changes, violated.line)
    }

    /// Its case, which expects this signature.
    pub fn expecting(&self, signature: &str) -> Case {
        Case { expect: signature.into(), ..self.case.clone() }
    }
}
