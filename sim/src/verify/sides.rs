//! Which host was on which side, up to a moment of a run.

use super::Cause;
use crate::{
    plan::{Host, Plan, Role, Side, rollout},
    record::{Kind, Line, Trace},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::store::migrations::LATEST;

/// What becomes of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Becomes {
    /// It is on a side from then on.
    On(Side),
    /// Its process ends.
    Down,
    /// A process of it begins.
    Up,
}

/// A line of a trace that says what becomes of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The number of the line.
    pub n: u64,
    /// The host; that of SQL stands for the schema.
    pub host: Host,
    /// What becomes of it.
    pub becomes: Becomes,
}

/// All changes of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes(Vec<Change>);

impl Changes {
    /// Those of a trace.
    pub fn of(trace: &Trace) -> Self {
        let change = |line: &Line| {
            let becomes = match line.kind {
                Kind::OnSide { side } => Becomes::On(side),
                // One that was interrupted leaves it as old as the base needs it.
                Kind::Migrated { version, .. } if version == LATEST => Becomes::On(Side::Candidate),
                Kind::HostDown => Becomes::Down,
                Kind::HostUp => Becomes::Up,
                _ => return None,
            };
            Some(Change { n: line.n, host: line.host.clone(), becomes })
        };
        Self(trace.lines.iter().filter_map(change).collect())
    }
}

/// Where each host with a side was up to the moment when a signature was violated, and who has been back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// The sides at the start, and after each change.
    pub states: Vec<BTreeMap<Host, Side>>,
    /// The same of those that are up: hosts of which one comes up only when the other one is down never meet.
    pub met: Vec<BTreeMap<Host, Side>>,
    /// The hosts that have gone from the candidate to the base.
    pub returned: BTreeSet<Host>,
}

impl Sides {
    /// In a run of a plan, up to a line of its trace; up to its end if there is none.
    pub fn at(plan: &Plan, changes: &Changes, line: Option<u64>) -> Self {
        let mut now = at_start(plan);
        let mut up = now.clone();
        let (mut states, mut met) = (vec![now.clone()], vec![now.clone()]);
        let mut returned = BTreeSet::new();
        let is_until = |change: &&Change| line.is_none_or(|line| change.n <= line);
        for Change { host, becomes, .. } in changes.0.iter().take_while(is_until) {
            let to = match becomes {
                Becomes::On(side) => *side,
                Becomes::Down => {
                    up.remove(host);
                    continue;
                }
                Becomes::Up => {
                    // It has said on which side it is.
                    up.extend(now.get(host).map(|side| (host.clone(), *side)));
                    met.push(up.clone());
                    continue;
                }
            };
            let from = now.insert(host.clone(), to);
            if (from, to) == (Some(Side::Candidate), Side::Base) {
                returned.insert(host.clone());
            }
            states.push(now.clone());
            if host.role() == Role::Sql {
                up.insert(host.clone(), to);
                met.push(up.clone());
            }
        }
        Self { states, met, returned }
    }

    /// Whether it was so as a cause says, then or before: what a mix did may show later.
    pub fn are(&self, cause: &Cause) -> bool {
        let some = |state: &BTreeMap<Host, Side>, role: &Role, side: Side| {
            state.iter().any(|(host, on)| host.role() == *role && *on == side)
        };
        let mixed = |state: &BTreeMap<_, _>, new: &BTreeSet<Role>, old: &BTreeSet<Role>| {
            new.iter().all(|role| some(state, role, Side::Candidate))
                && old.iter().all(|role| some(state, role, Side::Base))
        };
        match cause {
            Cause::Mix { new, old } => self.met.iter().any(|state| mixed(state, new, old)),
            Cause::Back(roles) => {
                roles.iter().all(|role| self.returned.iter().any(|host| host.role() == *role))
            }
            Cause::Change { new, old } if old.is_empty() => {
                self.met.last().is_some_and(|now| mixed(now, new, old))
            }
            Cause::Change { new, old } => self.met.iter().any(|state| mixed(state, new, old)),
        }
    }
}

/// The sides at the start of a plan. The host of SQL stands for the schema: it is of the base until it has the
/// latest version.
pub fn at_start(plan: &Plan) -> BTreeMap<Host, Side> {
    let side = if plan.schema.is_some() { Side::Base } else { Side::Candidate };
    let mut sides = rollout::at_start(plan);
    sides.insert(Role::Sql.host(), side);
    sides
}
