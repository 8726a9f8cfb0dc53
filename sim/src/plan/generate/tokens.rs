//! Phones whose token for pushes is a number. In the original whose a token is is kept under a key of Redis that may be
//! a user's, if the token is that user's id (SYSTEM.md section 6). Drawn from numbers of their own: no other part of a
//! plan moves with it.

use super::extras::Draws;
use crate::plan::Plan;
use std::collections::BTreeMap;

/// The number of these draws.
const STREAM: u8 = 8;
/// In one plan of so many.
const ONCE_IN: u64 = 6;

/// Gives each user's first phone the id of the next user with a phone as its token.
pub(super) fn add(plan: &mut Plan, seed: u64) {
    if !Draws::of(seed, STREAM).once_in(ONCE_IN) {
        return;
    }
    let mut first: BTreeMap<u32, u32> = BTreeMap::new();
    for device in plan.devices.iter().filter(|device| device.client.is_phone()) {
        first.entry(device.user).or_insert(device.slot);
    }
    let users: Vec<u32> = first.keys().copied().collect();
    // A token that is its own user's id would be a stranger thing still.
    if users.len() < 2 {
        return;
    }
    let next = users.iter().zip(users.iter().cycle().skip(1));
    let next: BTreeMap<u32, u32> = next.map(|(user, next)| (first[user], *next)).collect();
    for device in &mut plan.devices {
        device.token = next.get(&device.slot).copied();
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::generate::{Clients, Profile, generate};
    use std::collections::BTreeSet;

    #[test]
    fn in_some_plans_tokens_are_ids_of_other_users() {
        let mut with = 0;
        for seed in 0..300 {
            let plan = generate(seed, Clients::Mixed, Profile::Default);
            let users = plan.users();
            let numbers = plan.devices.iter().filter(|device| device.token.is_some());
            let mut tokens = BTreeSet::new();
            for device in numbers {
                let token = device.token.expect("a number");
                assert!(device.client.is_phone() && token != device.user, "{device:?}");
                assert!(users.contains(&token) && tokens.insert(token), "{device:?}");
                assert_eq!(device.push_token(), token.to_string());
            }
            with += u32::from(!tokens.is_empty());
        }
        assert!((20..60).contains(&with), "{with}");
        let calm = generate(1, Clients::Ours, Profile::Calm);
        assert!(calm.devices.iter().all(|device| device.token.is_none()));
    }
}
