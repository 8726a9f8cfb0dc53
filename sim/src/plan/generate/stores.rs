//! What goes wrong in the stores of a plan of the profile `stores`: they answer with errors, break connections
//! before they reply, are slow.

use super::{HORIZON_MS, extras::Draws};
use crate::plan::{Fault, Plan, Role, StoreError, TICK_MS, Trouble};

/// The stream of its draws ([`Draws::of`]).
const STREAM: u8 = 41;
/// How many faults of stores a plan has, at most.
const MOST: u64 = 3;
/// Faults start between these, in simulated milliseconds.
const STARTS: std::ops::Range<u64> = 300..HORIZON_MS - 1_500;
/// How long a fault lasts, in simulated milliseconds: at least, and less than so much more.
const LASTS: (u64, u64) = (100, 2_400);
/// How often errors and lost replies come: one in so many.
const SHARES: [u32; 5] = [1, 2, 3, 6, 12];
/// How much longer a slow store takes, in ticks: at least, and less than so much more. The longest is over what a
/// role waits for SQL or Redis at a brisk pace.
const SLOWER: (u64, u64) = (2, 130);

/// Lays them over a plan, of which two in three lose the faults that they have: what is found is the stores' alone.
pub(super) fn lay(plan: &mut Plan, seed: u64) {
    let mut draws = Draws::of(seed, STREAM);
    if !draws.once_in(3) {
        plan.faults.clear();
    }
    let first = plan.faults.iter().map(|fault| fault.id).max().unwrap_or_default() + 1;
    let count = 1 + draws.below(MOST) as u32;
    plan.faults.extend((first..first + count).map(|id| fault(id, &mut draws)));
    plan.faults.sort_by_key(|fault| (fault.at_ms, fault.id));
}

fn fault(id: u32, draws: &mut Draws) -> Fault {
    let in_ticks = |ms: u64| ms / TICK_MS * TICK_MS;
    let at_ms = in_ticks(STARTS.start + draws.below(STARTS.end - STARTS.start));
    let for_ms = in_ticks(LASTS.0 + draws.below(LASTS.1));
    Fault { id, at_ms, for_ms, trouble: trouble(draws) }
}

fn trouble(draws: &mut Draws) -> Trouble {
    let one_in = draws.pick(&SHARES);
    let host = |role: Role| role.host().to_string();
    let store = host(draws.pick(&[Role::Redis, Role::Sql]));
    match draws.below(6) {
        0..3 => {
            let error = draws.pick(&StoreError::ALL);
            Trouble::StoreFails { host: host(error.store()), error, one_in }
        }
        3..5 => Trouble::ReplyLost { host: store, one_in },
        _ => Trouble::SlowStore { host: store, ticks: SLOWER.0 + draws.below(SLOWER.1) },
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::{
        StoreError, Trouble,
        generate::{Clients, Profile, generate},
    };
    use std::collections::BTreeSet;

    #[test]
    fn every_error_of_each_store_and_each_other_trouble_appears() {
        let (mut errors, mut lost, mut slow, mut alone) = (BTreeSet::new(), 0, 0, 0);
        for seed in 0..300 {
            let plan = generate(seed, Clients::Ours, Profile::Stores);
            let of_stores = plan.faults.iter().filter(|fault| fault.trouble.store().is_some());
            assert!((1..=3).contains(&of_stores.clone().count()), "seed {seed}");
            alone += u32::from(of_stores.count() == plan.faults.len());
            for fault in &plan.faults {
                assert_eq!(fault.check(), Ok(()));
                match &fault.trouble {
                    Trouble::StoreFails { error, .. } => drop(errors.insert(*error)),
                    Trouble::ReplyLost { .. } => lost += 1,
                    Trouble::SlowStore { .. } => slow += 1,
                    _ => {}
                }
            }
        }
        assert_eq!(errors, StoreError::ALL.into());
        assert!(lost > 100 && slow > 50, "{lost} lose replies, {slow} are slow");
        assert!((60..200).contains(&alone), "{alone} have nothing else");
    }
}
