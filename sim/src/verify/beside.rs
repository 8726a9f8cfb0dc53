//! What a switch does while some hosts have it and others do not: what `protocol::Peers` claims, measured.

use super::{
    Pair,
    chance::Count,
    mix::{at_start, frozen},
    stage::{Paths, only},
};
use crate::{
    plan::{Role, Side, case::Case, generate::Profile, rollout::ROLES},
    pool::{Enough, Pool},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// Who is without the switch all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Without {
    /// All hosts of a role; the others have it.
    All(Role),
    /// Every other host of a role, which one first by the seed; the others have it.
    Half(Role),
    /// All hosts of other roles.
    AllBut(Role),
    /// Everybody.
    Everybody,
    /// Nobody.
    Nobody,
}

/// In how many runs each signature was violated.
pub type Violated = BTreeMap<String, Count>;

/// Runs each seed's plan with these hosts on the base and all others on the candidate, nobody changing: they go down as in
/// a rollout and come back as they were. `None` if it was asked to stop.
pub fn run(
    pair: &Pair,
    without: &BTreeSet<Without>,
    seeds: Range<u64>,
    pool: &Pool<'_>,
) -> Option<Violated> {
    let cases: Vec<Case> = seeds.map(|seed| case(pair, without, seed)).collect();
    let ran = pool.run(&cases.iter().collect::<Vec<_>>(), Enough::AllRan, &|| {});
    let ran: Vec<_> = ran.into_iter().collect::<Option<_>>()?;
    let mut violated = Violated::new();
    for signature in ran.iter().flat_map(|ran| &ran.signatures) {
        let count = violated.entry(signature.clone()).or_default();
        count.hits += 1;
        count.of = cases.len() as u64;
    }
    Some(violated)
}

fn case(pair: &Pair, without: &BTreeSet<Without>, seed: u64) -> Case {
    let (mut case, _) = pair.rolling(seed, Profile::Default, &Paths::any());
    if without.contains(&Without::Everybody) {
        return only(&case, Side::Base);
    }
    let mut seen: BTreeMap<Role, u64> = BTreeMap::new();
    let mut sides = at_start(&case.plan);
    for (host, side) in &mut sides {
        let role = host.role();
        let nth = seen.entry(role).or_default();
        *nth += 1;
        let is_without = |without: &Without| match without {
            Without::All(of) => *of == role,
            Without::Half(of) => *of == role && *nth % 2 == seed % 2,
            Without::AllBut(of) => *of != role && ROLES.contains(&role),
            Without::Everybody => true,
            Without::Nobody => false,
        };
        *side = if without.iter().any(is_without) { Side::Base } else { Side::Candidate };
    }
    // The additive tables are there from the start.
    case.plan = frozen(&case.plan, &sides, None);
    case
}
