//! What users had not read when `unread-from-store` was turned on: the original's counters in Redis, which stay as they
//! were then.

use crate::{
    db_proxy::{
        data::{keys, text::number},
        group::{
            groups,
            membership::{Membership, Since},
        },
        message::counts,
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
        },
    },
    mutants::Mutant,
    store::cache::Cache,
};
use std::collections::BTreeMap;

/// What a user had not read of a peer when the switch was turned on.
///
/// # Errors
/// Redis can't be read.
pub async fn of_peer<W: World>(
    cx: &mut Context<W>,
    user: u32,
    peer: u32,
) -> Result<u32, StoreError> {
    let unread = cx.cache().hget(&keys::unread(user), &peer.to_string()).await?;
    match cx.protocol().mutated(Mutant::OldCountersForgotten) {
        true => Ok(0),
        false => Ok(unread.map_or(0, |count| number(&count))),
    }
}

/// What a user had not read of peers when the switch was turned on, by peer.
///
/// # Errors
/// Redis can't be read, unless a failure is to count as nothing.
pub async fn of_peers<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<BTreeMap<u32, u32>, StoreError> {
    if cx.protocol().mutated(Mutant::OldCountersForgotten) {
        return Ok(BTreeMap::new());
    }
    let counters = counts::peer_counters(cx, on_failure, user).await?;
    Ok(counters.iter().map(|unread| (unread.peer, unread.count)).collect())
}

/// Whether a member without a row may have something unread in Redis: who joined since the switch was
/// turned on (with `members-from-store`) has nothing there.
pub fn is_old(of: &Membership) -> bool {
    matches!(of.since, Since::Second(_))
}

/// What a member without a row had not read of some groups when the switch was turned on.
///
/// # Errors
/// As [`of_peers`].
pub async fn of_groups<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
    of: &[u32],
) -> Result<BTreeMap<u32, u32>, StoreError> {
    let pairs: Vec<_> = of.iter().map(|group| (*group, user)).collect();
    let unread = of_members(cx, on_failure, &pairs).await?;
    Ok(of.iter().copied().zip(unread).collect())
}

/// What members had not read of groups when the switch was turned on: of each pair of a group and a member. In
/// one round trip.
///
/// # Errors
/// As [`of_peers`].
pub async fn of_members<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    pairs: &[(u32, u32)],
) -> Result<Vec<u32>, StoreError> {
    match cx.protocol().mutated(Mutant::OldCountersForgotten) {
        true => Ok(vec![0; pairs.len()]),
        false => groups::unread_of_all(cx, on_failure, pairs).await,
    }
}
