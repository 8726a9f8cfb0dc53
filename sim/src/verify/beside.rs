//! What a switch does while some hosts have it and others do not: what `protocol::Peers` claims, measured.

use super::{Pair, chance::Count, mix::frozen, sides::at_start, stage::only};
use crate::{
    plan::{
        Role, Side,
        case::Case,
        generate::{Clients, Profile, generate},
        rollout::ROLES,
    },
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
}

/// In which runs a signature was violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// In how many.
    pub count: Count,
    /// The first seed.
    pub first: u64,
}

/// In which runs each signature was violated.
pub type Violated = BTreeMap<String, Seen>;

/// Runs each seed's plan with these hosts on the base and all others on the candidate, and nobody changes.
/// `None` if it was asked to stop.
pub fn run(
    pair: &Pair,
    without: &BTreeSet<Without>,
    seeds: Range<u64>,
    pool: &Pool<'_>,
) -> Option<Violated> {
    let of = seeds.end - seeds.start;
    let cases: Vec<Case> = seeds.clone().map(|seed| case(pair, without, seed)).collect();
    let ran = pool.run(&cases.iter().collect::<Vec<_>>(), Enough::AllRan, &|| {});
    let mut violated = Violated::new();
    for (seed, ran) in seeds.zip(ran) {
        for signature in ran?.signatures {
            let new = Seen { count: Count { hits: 0, of }, first: seed };
            violated.entry(signature).or_insert(new).count.hits += 1;
        }
    }
    Some(violated)
}

/// The case of a seed.
pub fn case(pair: &Pair, without: &BTreeSet<Without>, seed: u64) -> Case {
    // In some of them processes end and come back, in some limits are tried.
    let profile = match seed % 3 {
        0 => Profile::Bounds,
        1 => Profile::Default,
        _ => Profile::Rolling,
    };
    let mut case = pair.case(seed, generate(seed, Clients::Ours, profile));
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
        };
        *side = if without.iter().any(is_without) { Side::Base } else { Side::Candidate };
    }
    // The additive tables are there from the start.
    case.plan = frozen(&case.plan, &sides, None);
    case
}
