//! The order in which roles may be changed, from the mixes that are unsafe.

use super::mix::Cause;
use crate::plan::Role;
use std::{cmp::Reverse, collections::BTreeSet};

/// An order of the roles, and how far it may be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Each role before the next.
    pub roles: Vec<Role>,
    /// Of these all hosts change at once: no two of them are of different sides.
    pub at_once: BTreeSet<Role>,
    /// How many of the roles may be changed and still be taken back, in reverse.
    pub returns: usize,
}

/// Whether a rollout comes by a state in which a mix is unsafe: `before` are new, `changing` (if any) is
/// of both sides, all others are old.
fn is_met(cause: &Cause, before: &[Role], changing: Option<Role>) -> bool {
    let (Cause::Mix { new, old } | Cause::Change { new, old }) = cause else { return false };
    let is_new = |role: &Role| before.contains(role) || changing == Some(*role);
    let is_old = |role: &Role| !before.contains(role);
    new.iter().all(is_new) && old.iter().all(is_old)
}

/// Whether an order avoids all of the mixes.
fn avoids(roles: &[Role], at_once: &BTreeSet<Role>, causes: &[Cause]) -> bool {
    (0..=roles.len()).all(|done| {
        let changing = roles.get(done).copied().filter(|role| !at_once.contains(role));
        let states = [Some(None), changing.map(Some)].into_iter().flatten();
        states
            .into_iter()
            .all(|changing| causes.iter().all(|cause| !is_met(cause, &roles[..done], changing)))
    })
}

/// The first order that avoids all of the causes, with as few roles at once as can be; `None` if there is
/// none. The schema and servers come before clients, and what is asked before who asks, unless a cause forbids it.
pub fn infer(causes: &[Cause], units: &[Role]) -> Option<Order> {
    let is_never = |cause: &Cause| matches!(cause, Cause::Change { old, .. } if old.is_empty());
    if causes.iter().any(is_never) {
        return None;
    }
    // Devices are their users': nobody can change them all at once.
    let servers: Vec<_> = units.iter().copied().filter(|of| *of != Role::Client).collect();
    let mut choices = subsets(&servers);
    choices.sort_by_key(|at_once| at_once.len());
    let best = |at_once: BTreeSet<Role>| {
        let all = permutations(units).into_iter().filter(|roles| avoids(roles, &at_once, causes));
        // The first of those that can be taken back longest.
        let roles = all.min_by_key(|roles| Reverse(returns(roles, causes)))?;
        let returns = returns(&roles, causes);
        Some(Order { roles, at_once, returns })
    };
    choices.into_iter().find_map(best)
}

/// How many roles may be changed before one whose return is unsafe.
fn returns(roles: &[Role], causes: &[Cause]) -> usize {
    let unsafe_after = |done: &usize| {
        let changed: BTreeSet<Role> = roles[..*done].iter().copied().collect();
        causes.iter().any(|cause| match cause {
            Cause::Back(of) => of.is_subset(&changed),
            _ => false,
        })
    };
    (1..=roles.len()).find(unsafe_after).map_or(roles.len(), |first| first - 1)
}

/// All orders, in lexical order of the places.
fn permutations(of: &[Role]) -> Vec<Vec<Role>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in of.iter().enumerate() {
        let rest: Vec<_> = of[..at].iter().chain(&of[at + 1..]).copied().collect();
        all.extend(permutations(&rest).into_iter().map(|rest| [&[*first], &rest[..]].concat()));
    }
    all
}

fn subsets(of: &[Role]) -> Vec<BTreeSet<Role>> {
    let chosen = |bits: usize| {
        let is_in = |(at, _): &(usize, &Role)| bits >> at & 1 == 1;
        of.iter().enumerate().filter(is_in).map(|(_, role)| *role).collect()
    };
    (0..1 << of.len()).map(chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::Order;
    use crate::{
        plan::{
            Role,
            case::ProtocolSpec,
            rollout::{ROLES, UNITS},
        },
        verify::{Pair, mix::Cause},
    };
    use Role::{Client, Db, Msg, Route};

    fn infer(causes: &[Cause]) -> Option<Order> {
        super::infer(causes, &ROLES)
    }

    fn mix(new: &[Role], old: &[Role]) -> Cause {
        Cause::Mix { new: new.iter().copied().collect(), old: old.iter().copied().collect() }
    }

    #[test]
    fn without_a_cause_servers_come_before_clients_and_all_can_be_taken_back() {
        let order = infer(&[]).expect("an order");
        assert_eq!(order.roles, [Db, Route, Msg, Client]);
        assert!(order.at_once.is_empty());
        assert_eq!(order.returns, 4);
    }

    #[test]
    fn who_is_needed_comes_first() {
        let order = infer(&[mix(&[Db], &[Msg]), mix(&[Msg], &[Client])]).expect("an order");
        let place = |role| order.roles.iter().position(|of| *of == role);
        assert!(place(Client) < place(Msg) && place(Msg) < place(Db), "{:?}", order.roles);
        assert!(order.at_once.is_empty());
    }

    #[test]
    fn the_schema_is_first_and_not_taken_back() {
        let causes = [mix(&[Db], &[Role::Sql])];
        let order = super::infer(&causes, &UNITS).expect("an order");
        assert_eq!(order.roles, UNITS);
    }

    /// As few seeds of `teamtalk` against `hardened` found it: without the schema's own rule db_proxies came before it.
    #[test]
    fn what_needs_the_schema_comes_after_it_whatever_else_is_known() {
        let spec = |name: &str| ProtocolSpec::preset(name);
        let pair = Pair { base: spec("teamtalk"), candidate: spec("hardened") };
        let of_schema = pair.of_schema().expect("hardened needs a later one");
        let order = super::infer(&[mix(&[Db], &[Db]), of_schema], pair.units()).expect("an order");
        assert_eq!((order.roles, order.at_once), (UNITS.to_vec(), [Db].into()));
        let same = Pair { base: spec("hardened"), candidate: spec("hardened") };
        assert_eq!(same.of_schema(), None);
    }

    #[test]
    fn what_bears_no_mix_changes_at_once_and_what_bears_none_of_two_ways_has_no_order() {
        let order = infer(&[mix(&[Db], &[Db])]).expect("an order");
        assert_eq!(order.at_once, [Db].into());
        assert_eq!(infer(&[mix(&[Client], &[Client])]), None, "devices can't");
        let either = [mix(&[Client, Db], &[Client, Db])];
        assert_eq!(infer(&either).expect("an order").at_once, [].into(), "one before the other");
        let both = [mix(&[Db], &[Msg]), mix(&[Msg], &[Db])];
        assert_eq!(infer(&both), None);
        assert_eq!(infer(&[mix(&[Db], &[])]), None, "the candidate itself");
        let change =
            |old: &[Role]| Cause::Change { new: [Db].into(), old: old.iter().copied().collect() };
        assert_eq!(infer(&[change(&[])]), None);
        let order = infer(&[change(&[Client])]).expect("an order");
        let place = |role| order.roles.iter().position(|of| *of == role);
        assert!(place(Client) < place(Db), "who would mend it goes first");
    }

    #[test]
    fn the_way_back_is_open_until_a_role_that_can_not_go_back() {
        let order = infer(&[Cause::Back([Route].into())]).expect("an order");
        assert_eq!((order.roles, order.returns), (vec![Db, Msg, Client, Route], 3), "it goes last");
        let order = infer(&[Cause::Back([Db, Msg].into())]).expect("an order");
        assert_eq!(order.returns, 3, "until both of them have gone");
        let each = [Db, Route, Msg, Client].map(|role| Cause::Back([role].into()));
        assert_eq!(infer(&each).expect("an order").returns, 0);
    }
}
