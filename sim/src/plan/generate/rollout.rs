//! How a seed becomes a rollout: which hosts change side, in which order, how far, and when.

use super::{HORIZON_MS, extras::Draws};
use crate::plan::{
    Action, Ends, GroupRef, Host, Migration, Operation, Plan, Role, Side, Step, TICK_MS,
    rollout::UNITS,
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::store::migrations::LATEST;

/// The base runs alone for so long, in simulated milliseconds: it leaves its own data behind.
const BEGINS_MS: u64 = 2_500;
/// No step begins later than this, in simulated milliseconds, if there are few enough of them.
const ENDS_MS: u64 = HORIZON_MS - 500;
/// From one step to the next there is at least so long, in simulated milliseconds: a host is up again before the
/// next one goes. So rollouts of many hosts take longer.
const EVERY_MS: u64 = 200;
/// A plan goes on for so long behind the last step, in simulated milliseconds.
const AFTER_MS: u64 = HORIZON_MS - ENDS_MS;
/// A host is down for at least and at most so long, in simulated milliseconds.
const DOWN_MS: (u64, u64) = (50, 600);
/// So many operations are moved to each step, and at most so far from it, in simulated milliseconds.
const MOVED: (u64, u64) = (3, 200);
/// Operations before this stay, in simulated milliseconds: logins and what makes groups.
const STAY_MS: u64 = 1_500;

/// A migration that is interrupted goes on within this, in simulated milliseconds, if nothing comes after it.
const MIGRATES_MS: u64 = 600;

/// The stream of its draws ([`Draws::of`]).
const STREAM: u8 = 40;

/// Where a rollout goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leg {
    /// Every host to the candidate.
    Forward,
    /// Some hosts to the candidate, and no further.
    Stopped,
    /// Some hosts to the candidate, and these back to the base.
    Back,
    /// Some hosts to the candidate, these back to the base, and then every host to the candidate.
    Again,
}

impl Leg {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Forward, Self::Stopped, Self::Back, Self::Again];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Stopped => "stopped",
            Self::Back => "back",
            Self::Again => "again",
        }
    }
}

/// Which orders a rollout may take: roles of a lower rank are changed before those of a higher one. Hosts
/// of one rank come in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranks {
    /// The rank of a role; 0 of one that is not named.
    pub of: BTreeMap<Role, usize>,
    /// The roles all of whose hosts are down together: no two of them are of different sides.
    pub at_once: BTreeSet<Role>,
}

impl Ranks {
    /// Each role before the next.
    pub fn of(order: &[Role]) -> Self {
        Self { of: order.iter().copied().zip(0..).collect(), at_once: BTreeSet::new() }
    }

    fn rank(&self, host: &Host) -> usize {
        self.of.get(&host.role()).copied().unwrap_or_default()
    }
}

/// What was drawn for a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Where it goes.
    pub leg: Leg,
    /// The hosts in the order in which they go to the candidate.
    pub order: Vec<Host>,
    /// How many of them do, before the way back or the end.
    pub far: usize,
}

/// Lays a rollout over a plan; with the legs that may be drawn. A plan that begins with an older schema gets the
/// latest on the way, in its place among the hosts; there is no way back from that.
pub fn lay(plan: &mut Plan, seed: u64, ranks: &Ranks, legs: &[Leg]) -> Path {
    let mut draws = Draws::of(seed, STREAM);
    let order = order(plan, ranks, &mut draws);
    let leg = draws.pick(legs);
    let all = order.len() as u64;
    let mut far = match leg {
        Leg::Forward => all,
        Leg::Stopped => 1 + draws.below(all - 1),
        Leg::Back | Leg::Again => 1 + draws.below(all),
    } as usize;
    // Who changes at once with the last one changes, too.
    while far < order.len()
        && ranks.at_once.contains(&order[far].role())
        && order[far].role() == order[far - 1].role()
    {
        far += 1;
    }
    let there = |hosts: &[Host]| hosts.iter().map(|h| (h.clone(), Side::Candidate)).collect();
    let mut changes: Vec<(Host, Side)> = there(&order[..far]);
    if matches!(leg, Leg::Back | Leg::Again) {
        changes.extend(order[..far].iter().rev().map(|host| (host.clone(), Side::Base)));
    }
    if leg == Leg::Again {
        changes.extend(there(&order));
    }
    let times = plan.pace.times();
    let every = ((ENDS_MS - BEGINS_MS) / changes.len().max(1) as u64).max(EVERY_MS);
    let over = BEGINS_MS + every * changes.len() as u64 + AFTER_MS;
    plan.horizon_ms = plan.horizon_ms.max(over * times);
    let steps = steps(changes, every, times, &ranks.at_once, &mut draws);
    let is_of_schema = |step: &Step| step.host == Role::Sql.name();
    let migrates = |step: &Step| is_of_schema(step) && step.to == Side::Candidate;
    let migrates = steps.iter().position(migrates);
    let (begins, next) = match migrates {
        Some(at) => (Some(steps[at].at_ms), steps.get(at + 1).map(|step| step.at_ms)),
        None => (None, None),
    };
    plan.rollout = steps.into_iter().filter(|step| !is_of_schema(step)).collect();
    // In half of the runs nothing else goes wrong: what breaks then is of the mix alone.
    if draws.once_in(2) {
        plan.faults.clear();
    }
    gather(plan, &mut draws);
    let has = plan.schema.unwrap_or_default();
    let migrated = |at_ms| migrations(has, at_ms, next.unwrap_or(at_ms + MIGRATES_MS), &mut draws);
    plan.migrations = begins.map_or_else(Vec::new, migrated);
    Path { leg, order, far }
}

/// The schema becomes the latest; in some runs that is interrupted after some versions, if it lacks several, and goes on
/// before the next host changes.
fn migrations(has: u32, at_ms: u64, next_ms: u64, draws: &mut Draws) -> Vec<Migration> {
    let to = |id: u32, at_ms: u64, to: u32| Migration { id, at_ms: at_ms / TICK_MS * TICK_MS, to };
    let lacks = LATEST.saturating_sub(has);
    if lacks < 2 || !draws.once_in(3) {
        return vec![to(1, at_ms, LATEST)];
    }
    let versions = has + 1 + draws.below(u64::from(lacks) - 1) as u32;
    vec![to(1, at_ms, versions), to(2, at_ms.midpoint(next_ms), LATEST)]
}

/// All hosts that have a side: by their ranks; and half of the time role by role within a rank.
fn order(plan: &Plan, ranks: &Ranks, draws: &mut Draws) -> Vec<Host> {
    let by_role = draws.once_in(2);
    let place: BTreeMap<Role, u64> =
        UNITS.into_iter().map(|role| (role, draws.below(1_000))).collect();
    let of_role = |role: &Role| plan.hosts(*role).into_iter().cloned().collect::<Vec<_>>();
    let has_part = |role: &&Role| **role != Role::Sql || plan.schema.is_some();
    let hosts = UNITS.iter().filter(has_part).flat_map(of_role);
    let mut keyed: Vec<_> = hosts
        .map(|host| {
            let role = if by_role { place[&host.role()] } else { 0 };
            ((ranks.rank(&host), role, draws.below(1_000_000)), host)
        })
        .collect();
    keyed.sort();
    keyed.into_iter().map(|(_, host)| host).collect()
}

/// One every so many simulated milliseconds of a brisk pace, each host up again before the next goes; but for those that change at once.
fn steps(
    changes: Vec<(Host, Side)>,
    every: u64,
    times: u64,
    at_once: &BTreeSet<Role>,
    draws: &mut Draws,
) -> Vec<Step> {
    let longest = DOWN_MS.1.min(every * 3 / 4);
    let step = |(n, (host, to)): (u64, (Host, Side))| {
        let by = match draws.below(10) {
            _ if host.role() == Role::Client => Ends::Kill,
            0..6 => Ends::Stop,
            6..9 => Ends::Kill,
            _ => Ends::PowerCut,
        };
        let at = BEGINS_MS + n * every + draws.below(every / 5 + 1);
        let down = DOWN_MS.0 + draws.below(longest.saturating_sub(DOWN_MS.0) + 1);
        let on_tick = |ms: u64| ms / TICK_MS * TICK_MS * times;
        Step {
            id: n as u32 + 1,
            at_ms: on_tick(at),
            for_ms: on_tick(down),
            host: host.to_string(),
            to,
            by,
        }
    };
    let mut steps: Vec<Step> = (0..).zip(changes.iter().cloned()).map(step).collect();
    for at in 1..steps.len() {
        let (role, before) = (changes[at].0.role(), changes[at - 1].0.role());
        if role == before && at_once.contains(&role) && steps[at].to == steps[at - 1].to {
            let Step { at_ms, for_ms, by, .. } = steps[at - 1].clone();
            steps[at] = Step { at_ms, for_ms, by, ..steps[at].clone() };
        }
    }
    steps
}

/// Moves operations to where a host changes: what is under way then is what a change may break.
fn gather(plan: &mut Plan, draws: &mut Draws) {
    let (stay, near) = (STAY_MS * plan.pace.times(), MOVED.1 * plan.pace.times());
    let is_free = |op: &Operation| {
        let group = op.action.clone().group_mut().copied();
        let waits = matches!(group, Some(GroupRef::Created { .. }));
        op.at_ms >= stay && !waits && !matches!(op.action, Action::CreateGroup { .. })
    };
    let all = 0..plan.operations.len();
    let free: Vec<usize> = all.filter(|at| is_free(&plan.operations[*at])).collect();
    if free.is_empty() {
        return;
    }
    for step in plan.rollout.clone() {
        for _ in 0..MOVED.0 {
            let at = draws.pick(&free);
            let from = step.at_ms - near;
            let room = step.for_ms + 2 * near;
            plan.operations[at].at_ms = (from + draws.below(room)) / TICK_MS * TICK_MS;
        }
    }
    plan.operations.sort_by_key(|op| (op.at_ms, op.id));
}

#[cfg(test)]
mod tests {
    use super::{LATEST, Leg, Ranks, lay};
    use crate::explore::case_of;
    use crate::plan::{
        Role, Side, Step,
        case::ProtocolSpec,
        check,
        generate::{Clients, Profile, generate},
        rollout,
    };
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_leg_ends_where_it_should_and_is_a_plan_that_can_be_run() {
        let mut legs: BTreeMap<Leg, u32> = BTreeMap::new();
        for seed in 0..200 {
            let mut case = case_of(seed, &ProtocolSpec::preset("hardened"), Profile::Default);
            let path = lay(&mut case.plan, seed, &Ranks::default(), &Leg::ALL);
            *legs.entry(path.leg).or_default() += 1;
            assert_eq!(check::check(&case), Ok(()), "seed {seed}");
            let mut sides = rollout::at_start(&case.plan);
            assert_eq!(sides.len(), path.order.len());
            for step in &case.plan.rollout {
                *sides.get_mut(step.host.as_str()).expect("a host with a side") = step.to;
            }
            let new = sides.values().filter(|side| **side == Side::Candidate).count();
            let wanted = match path.leg {
                Leg::Forward | Leg::Again => path.order.len(),
                Leg::Stopped => path.far,
                Leg::Back => 0,
            };
            assert_eq!(new, wanted, "seed {seed}: {path:?}");
        }
        assert!(legs.len() == 4 && legs.values().all(|n| *n > 25), "{legs:?}");
    }

    #[test]
    fn a_migration_comes_before_the_next_host_and_is_interrupted_in_some_runs() {
        let (mut whole, mut parted) = (0, BTreeSet::new());
        for seed in 0..100 {
            let mut plan = generate(seed, Clients::Ours, Profile::Default);
            plan.schema = Some(0);
            let path = lay(&mut plan, seed, &Ranks::of(&rollout::UNITS), &[Leg::Forward]);
            assert_eq!(path.order[0].role(), Role::Sql);
            let all: Vec<_> = plan.migrations.iter().map(|of| (of.at_ms, of.to)).collect();
            let (at_ms, to) = *all.last().expect("there is one");
            assert!(to == LATEST && at_ms < plan.rollout[0].at_ms, "seed {seed}: {all:?}");
            match all[..] {
                [_] => whole += 1,
                [first, _] => {
                    assert!(
                        first.0 < at_ms && (1..LATEST).contains(&first.1),
                        "seed {seed}: {all:?}"
                    );
                    parted.insert(first.1);
                }
                _ => panic!("seed {seed}: {all:?}"),
            }
        }
        assert!(whole > 40 && parted.len() as u32 == LATEST - 1, "{whole} {parted:?}");
    }

    #[test]
    fn who_changes_at_once_is_down_together() {
        let ranks = Ranks { at_once: [Role::Msg].into(), ..Ranks::of(&rollout::ROLES) };
        for seed in 0..50 {
            let mut plan = generate(seed, Clients::Ours, Profile::Default);
            lay(&mut plan, seed, &ranks, &Leg::ALL);
            for to in [Side::Candidate, Side::Base] {
                let is_msg = |step: &&Step| step.host.starts_with("msg") && step.to == to;
                let when: Vec<_> =
                    plan.rollout.iter().filter(is_msg).map(|s| (s.at_ms, s.for_ms)).collect();
                let msgs = plan.hosts(Role::Msg).len();
                assert_eq!(when.len() % msgs, 0, "seed {seed}: all or none");
                assert!(
                    when.chunks(msgs).all(|of| of.iter().all(|at| *at == of[0])),
                    "seed {seed}"
                );
            }
        }
    }

    #[test]
    fn ranks_are_kept_and_without_them_every_pair_of_roles_comes_both_ways() {
        let order = [Role::Client, Role::Msg, Role::Db, Role::Route];
        let mut pairs: BTreeSet<(Role, Role)> = BTreeSet::new();
        for seed in 0..100 {
            let mut plan = generate(seed, Clients::Ours, Profile::Default);
            let path = lay(&mut plan, seed, &Ranks::of(&order), &[Leg::Forward]);
            let roles: Vec<_> = path.order.iter().map(|host| host.role()).collect();
            assert!(roles.is_sorted_by_key(|role| order.iter().position(|of| of == role)));
            let path = lay(&mut plan, seed, &Ranks::default(), &[Leg::Forward]);
            let roles: Vec<_> = path.order.iter().map(|host| host.role()).collect();
            pairs.extend(roles.iter().map(|role| (roles[0], *role)));
        }
        assert_eq!(pairs.len(), 16, "{pairs:?}");
    }
}
