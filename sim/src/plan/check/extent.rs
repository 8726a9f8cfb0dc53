//! How much a plan is, all in all. Each of its lists may be long, but not all of them at once: a run
//! whose simulated time hardly goes on would be given up, or taken for a role that has no end.

use super::{LARGEST_ID, MOST_WORKERS, lists_of, within};
use crate::plan::{Action, Operation, Plan, Rogue, Role, TICK_MS};
use std::collections::{BTreeMap, BTreeSet};

/// Stores begin with at most so many rows: of users, of members of groups and of a past.
pub const MOST_ROWS: usize = 20_000;
/// A group begins with at most so many members: each of them is told of the others.
pub const MOST_MEMBERS: usize = 2_000;
/// At most so many operations begin within one tick; each question of a flood is one, each
/// connection of a crowd, too.
pub const MOST_AT_ONCE: usize = 2_000;
/// At most so many questions are asked in floods, and connections dialled in crowds.
pub const MOST_FLOODED: usize = 20_000;
/// At most so many users and ids are named by all operations.
pub const MOST_NAMED: usize = 400_000;

/// Checks all of it.
pub(super) fn check(plan: &Plan) -> Result<(), String> {
    let dbs = plan.hosts(Role::Db).len();
    if dbs * plan.db_workers > MOST_WORKERS {
        let most = MOST_WORKERS / dbs.max(1);
        within("plan", "db_workers", plan.db_workers, 1, most).map_err(|e| {
            format!("{e}, as there are {dbs} db_proxies: {MOST_WORKERS} workers in all")
        })?;
    }
    for group in &plan.groups {
        at_most(&format!("members of group {}", group.id), group.members.len(), MOST_MEMBERS)?;
    }
    at_most("rows in the stores at the start", rows(plan), MOST_ROWS)?;
    at_most("questions in floods", plan.operations.iter().map(flooded).sum(), MOST_FLOODED)?;
    let named = plan.operations.iter().flat_map(lists_of).map(|(_, length)| length).sum();
    at_most("users and ids named by operations", named, MOST_NAMED)?;
    let mut begin: BTreeMap<u64, usize> = BTreeMap::new();
    for op in &plan.operations {
        *begin.entry(op.at_ms / TICK_MS).or_default() += 1 + flooded(op);
    }
    for (tick, count) in begin {
        let what = format!("operations within the tick at {} ms", tick * TICK_MS);
        at_most(&what, count, MOST_AT_ONCE)?;
    }
    plan.operations.iter().try_for_each(logs_in)
}

/// How many rows the stores have at the start, at most.
fn rows(plan: &Plan) -> usize {
    let past = &plan.past;
    let users: BTreeSet<u32> = plan.users();
    let members: usize = plan.groups.iter().map(|group| 1 + group.members.len()).sum();
    users.len() + members + past.pairs.len() + past.messages().count() + past.sessions.len()
}

/// How many questions an operation asks, or connections it dials, at once.
fn flooded(op: &Operation) -> usize {
    match op.action {
        Action::Rogue { what: Rogue::Flood { count } | Rogue::Crowd { count } } => count.into(),
        _ => 0,
    }
}

/// Who logs in beside the devices has a row in IMUser.
fn logs_in(op: &Operation) -> Result<(), String> {
    match &op.action {
        Action::Rogue { what } => what.logs_in().map_or(Ok(()), |user| {
            within(&format!("operation {}", op.id), "what.of", user, 1, LARGEST_ID)
        }),
        _ => Ok(()),
    }
}

fn at_most(what: &str, count: usize, most: usize) -> Result<(), String> {
    match count <= most {
        true => Ok(()),
        false => Err(format!("plan: {count} {what}, at most {most} are allowed")),
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_AT_ONCE, MOST_MEMBERS, MOST_ROWS, check};
    use crate::plan::{
        Action, Group, GroupKind, Operation, PastPair, Plan, Rogue,
        generate::{Clients, Profile, generate},
    };

    /// Why a plan is refused after a change; empty if it is not.
    fn refused(change: impl FnOnce(&mut Plan)) -> String {
        let mut plan = generate(1, Clients::Ours, Profile::Calm);
        assert_eq!(check(&plan), Ok(()));
        change(&mut plan);
        check(&plan).err().unwrap_or_default()
    }

    fn floods(count: u16) -> impl Iterator<Item = Operation> {
        let action = Action::Rogue { what: Rogue::Flood { count } };
        (1..).map(move |id| Operation {
            id,
            at_ms: u64::from(id) * 5,
            device: 1,
            action: action.clone(),
        })
    }

    #[test]
    fn what_would_make_time_stand_still_is_refused() {
        let group = |members: u32| {
            let members = (1..=members).collect();
            Group { id: 1, kind: GroupKind::Normal, creator: 1, members }
        };
        let most = MOST_MEMBERS as u32;
        assert_eq!(refused(|plan| plan.groups = vec![group(most)]), "");
        let error = refused(|plan| plan.groups = vec![group(most + 1)]);
        assert_eq!(error, "plan: 2001 members of group 1, at most 2000 are allowed");
        let pair = |high| PastPair { users: [1, high], counter: 0, messages: Vec::new() };
        let pairs = || (2..).map(pair).take(MOST_ROWS).collect();
        assert!(refused(|plan| plan.past.pairs = pairs()).contains("rows in the stores"));
        let most = MOST_AT_ONCE as u16;
        assert_eq!(refused(|plan| plan.operations = floods(most - 1).take(10).collect()), "");
        let error = refused(|plan| plan.operations = floods(most).take(1).collect());
        assert_eq!(
            error,
            "plan: 2001 operations within the tick at 5 ms, at most 2000 are allowed"
        );
        let error = refused(|plan| plan.operations = floods(most - 1).take(11).collect());
        assert!(error.contains("questions in floods, at most 20000"), "{error}");
        let error = refused(|plan| plan.db_workers = 1_024);
        assert!(error.contains("1024 workers in all"), "{error}");
        let login = Rogue::Login { of: 0, wrong: false };
        let login =
            |op: Operation| Operation { action: Action::Rogue { what: login.clone() }, ..op };
        let error = refused(|plan| plan.operations = floods(1).take(1).map(login).collect());
        assert_eq!(error, "operation 1: field `what.of`: 0 is not within 1 to 2147483647");
    }
}
