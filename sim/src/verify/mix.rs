//! The smallest mix of sides that is unsafe, from a run that went wrong.

use super::sides::{Changes, Sides, at_start};
use crate::{
    plan::{Host, Plan, Role, Side, case::Case, rollout},
    pool::{Enough, NOISES, Pool},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Why a rollout went wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Hosts of these roles run the candidate while hosts of those run the base. With nobody among the
    /// old ones the candidate itself does it, in a world that is not all new.
    Mix {
        /// The roles that run the candidate.
        new: BTreeSet<Role>,
        /// The roles that run the base.
        old: BTreeSet<Role>,
    },
    /// Hosts of these roles went to the candidate and back to the base.
    Back(BTreeSet<Role>),
    /// Hosts went to the candidate, and what they met there did it: no mix that stays as it is does.
    Change {
        /// The roles that run the candidate then.
        new: BTreeSet<Role>,
        /// The roles that still run the base; with none of them it is never safe.
        old: BTreeSet<Role>,
    },
}

/// Roles as a sentence names them: `db_proxies`, `msg_servers and clients`.
pub fn named(roles: &BTreeSet<Role>) -> String {
    let name = |role: &Role| match role {
        Role::Db => "db_proxies",
        Role::Msg => "msg_servers",
        Role::Route => "route_servers",
        Role::Client => "clients",
        Role::Sql => "the schema",
        other => other.name(),
    };
    let names: Vec<_> = roles.iter().map(name).collect();
    match names.as_slice() {
        [] => "nobody".into(),
        [one] => (*one).into(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mix { new, old } if new == old => {
                write!(f, "{} of both sides at a time", named(new))
            }
            Self::Mix { new, old } if old.is_empty() => {
                write!(f, "{} of the candidate", named(new))
            }
            Self::Mix { new, old } => {
                write!(f, "{} of the candidate beside {} of the base", named(new), named(old))
            }
            Self::Back(roles) => write!(f, "{} that go back to the base", named(roles)),
            Self::Change { new, old } => {
                write!(f, "{} that go to the candidate", named(new))?;
                match old.is_empty() {
                    true => Ok(()),
                    false => write!(f, " beside {} of the base", named(old)),
                }
            }
        }
    }
}

/// Puts hosts on a side from beginning to end, all for which one is named: their steps are restarts. The schema is
/// what it is then; `older`: the version that the base runs on, if there are two.
fn put(plan: &mut Plan, side: impl Fn(&str) -> Option<Side>, older: Option<u32>) {
    if let Some(of_schema) = side(Role::Sql.name()) {
        plan.migrations.clear();
        plan.schema = older.filter(|_| of_schema == Side::Base);
    }
    let set = |host: &str, to: &mut Side| *to = side(host).unwrap_or(*to);
    plan.nodes.iter_mut().for_each(|node| set(&node.host, &mut node.side));
    plan.devices.iter_mut().for_each(|device| set(&device.host, &mut device.side));
    plan.rollout.iter_mut().for_each(|step| set(&step.host, &mut step.to));
}

/// A plan in which every host is on one side from beginning to end.
pub fn frozen(plan: &Plan, sides: &BTreeMap<Host, Side>, older: Option<u32>) -> Plan {
    let mut plan = plan.clone();
    put(&mut plan, |host| Some(sides.get(host).copied().unwrap_or_default()), older);
    plan
}

/// Whether a mix of these roles is none without the schema of the candidate: db_proxies that need it don't serve before.
pub fn needs_schema(new: &BTreeSet<Role>, old: &BTreeSet<Role>) -> bool {
    new.contains(&Role::Db) && !old.contains(&Role::Sql)
}

/// Looks for the smallest mix, run by run.
pub struct Search<'a, 'p> {
    /// What runs them.
    pub pool: &'a Pool<'p>,
    /// Is told of each run.
    pub each: &'a (dyn Fn() + Sync),
    /// What is known already: what fails by that is not what is looked for.
    pub known: &'a [Cause],
    /// What may change: the schema, if it does, and the roles.
    pub units: &'static [Role],
    /// The version of the schema that the base runs on, if the candidate needs a later one.
    pub older_schema: Option<u32>,
}

/// The cause of a failure, and a case that shows it.
pub struct Found {
    /// The cause.
    pub cause: Cause,
    /// It fails with the signature that it expects.
    pub case: Case,
}

impl Search<'_, '_> {
    /// The case, under a noise seed under which it fails as it expects; `None` if it does not, or nobody
    /// wants to know any more.
    fn failing(&self, case: &Case) -> Option<Case> {
        let cases: Vec<_> = (0..NOISES).map(|n| case.under_noise(n)).collect();
        let ran = self.pool.run(&cases.iter().collect::<Vec<_>>(), Enough::OneFails, self.each);
        let fails = ran.into_iter().position(|ran| ran.is_some_and(|ran| ran.fails))?;
        let case = cases.into_iter().nth(fails)?;
        let outcome = self.pool.runner.until_it_fails(&case).run(&case).ok()?;
        let by = outcome.broken_by.get(&case.expect).copied();
        let sides = Sides::at(&case.plan, &Changes::of(&outcome.trace), by);
        let is_known = self.known.iter().any(|cause| sides.are(cause));
        (!is_known).then_some(case)
    }

    /// The smallest mix that does what a case does, of which it is known how its sides were; `None` if it takes
    /// nobody of the candidate.
    pub fn smallest(&self, case: &Case, sides: &Sides) -> Option<Found> {
        let with = |plan: Plan| Case { plan, ..case.clone() };
        // What shows later was done by a mix that is no more.
        for state in sides.states.iter().rev() {
            let frozen = frozen(&case.plan, state, self.older_schema);
            if let Some(found) = self.failing(&with(frozen)) {
                let found = self.of_mix(found, state.clone());
                let is_of_base = matches!(&found.cause, Cause::Mix { new, .. } if new.is_empty());
                return (!is_of_base).then_some(found);
            }
        }
        Some(self.of_steps(case.clone()))
    }

    /// The least of both sides that still does it, role by role.
    fn of_mix(&self, mut case: Case, mut sides: BTreeMap<Host, Side>) -> Found {
        let (mut new, mut old) = (BTreeSet::new(), BTreeSet::new());
        // First less of the candidate: what is left is what an upgrade needs to have done.
        for (side, kept) in [(Side::Candidate, &mut new), (Side::Base, &mut old)] {
            for &role in self.units {
                let mut fewer = sides.clone();
                let of_role = fewer.iter_mut().filter(|(host, _)| host.role() == role);
                let mut changed = false;
                of_role.for_each(|(_, on)| changed |= std::mem::replace(on, side.other()) == side);
                if !changed {
                    continue;
                }
                let plan = frozen(&case.plan, &fewer, self.older_schema);
                match self.failing(&Case { plan, ..case.clone() }) {
                    Some(found) => (case, sides) = (found, fewer),
                    None => _ = kept.insert(role),
                }
            }
        }
        let restarts =
            Case { plan: Plan { rollout: Vec::new(), ..case.plan.clone() }, ..case.clone() };
        let case = self.failing(&restarts).unwrap_or(case);
        // It goes without saying.
        if needs_schema(&new, &old) {
            new.remove(&Role::Sql);
        }
        Found { cause: Cause::Mix { new, old }, case }
    }

    /// The least of the steps that still do it: a host of which one is left out stays where it is.
    fn of_steps(&self, mut case: Case) -> Found {
        let stays = |case: &Case, role, side| stays(case, role, side, self.older_schema);
        for &role in self.units {
            // Those that need not change stay on one side.
            let on_either = [Side::Base, Side::Candidate].map(|side| stays(&case, role, side));
            let changed = on_either.iter().filter(|stays| stays.plan != case.plan);
            if let Some(found) = changed.into_iter().find_map(|stays| self.failing(stays)) {
                case = found;
            }
        }
        let steps = Roles::of(&case.plan, self.units);
        let one_way = match steps.back.is_empty() {
            true => Some(case.clone()),
            false => self.failing(&without_return(&case)),
        };
        let Some(case) = one_way else { return Found { cause: Cause::Back(steps.back), case } };
        // Who is on the base to the end, and would mend it on the candidate, has to go first; the first
        // such role on the way of a message.
        let mends = |role: &Role| {
            steps.old.contains(role)
                && self.failing(&stays(&case, *role, Side::Candidate)).is_none()
        };
        let old = self.units.iter().copied().find(mends).into_iter().collect();
        Found { cause: Cause::Change { new: steps.new, old }, case }
    }
}

/// What the roles do in a plan.
#[derive(Debug, Default)]
struct Roles {
    /// Some of their hosts run the candidate at some time.
    new: BTreeSet<Role>,
    /// Some of their hosts go from the candidate to the base.
    back: BTreeSet<Role>,
    /// All of their hosts run the base from beginning to end.
    old: BTreeSet<Role>,
}

impl Roles {
    /// Of those that may change.
    fn of(plan: &Plan, units: &[Role]) -> Self {
        let mut sides = at_start(plan);
        sides.retain(|host, _| units.contains(&host.role()));
        let on = |side: Side| move |(host, on): (&Host, &Side)| (*on == side).then(|| host.role());
        let mut roles = Self::default();
        let all: BTreeSet<Role> = sides.keys().map(Host::role).collect();
        roles.new = sides.iter().filter_map(on(Side::Candidate)).collect();
        for step in &plan.rollout {
            let (Ok(host), Some(on)) = (Host::parse(&step.host), sides.get_mut(step.host.as_str()))
            else {
                continue;
            };
            match (std::mem::replace(on, step.to), step.to) {
                (Side::Candidate, Side::Base) => _ = roles.back.insert(host.role()),
                (_, Side::Candidate) => _ = roles.new.insert(host.role()),
                _ => {}
            }
        }
        if !plan.migrations.is_empty() {
            roles.new.insert(Role::Sql);
        }
        roles.old = all.difference(&roles.new).copied().collect();
        roles
    }
}

/// The case in which the hosts of a role stay on a side, or the schema does.
pub fn stays(case: &Case, role: Role, side: Side, older: Option<u32>) -> Case {
    let is_of = |host: &str| Host::parse(host).is_ok_and(|host| host.role() == role);
    let mut case = case.clone();
    put(&mut case.plan, |host| is_of(host).then_some(side), older);
    case
}

/// The case without the steps that lead back to the base.
fn without_return(case: &Case) -> Case {
    let mut case = case.clone();
    let mut sides = rollout::at_start(&case.plan);
    case.plan.rollout.retain(|step| {
        let is_back =
            step.to == Side::Base && sides.get(step.host.as_str()) == Some(&Side::Candidate);
        if let Some(on) = sides.get_mut(step.host.as_str()).filter(|_| !is_back) {
            *on = step.to;
        }
        !is_back
    });
    case
}
