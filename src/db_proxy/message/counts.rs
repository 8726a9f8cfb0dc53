//! What a user has not read, as the original counts it in Redis.

use crate::{
    db_proxy::{
        data::{keys, text::number},
        group::{groups, membership},
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError, or_empty},
        },
    },
    store::cache::Cache,
};

/// What a user has not read of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// The user who wrote the messages.
    pub peer: u32,
    /// How many messages; 0 only where a counter of Redis says so.
    pub count: u32,
    /// Their relation; 0 where it was not looked up.
    pub relation: u32,
}

/// All that a user has not read.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Of each peer.
    pub peers: Vec<Unread>,
    /// Of each group, its id first; none is 0.
    pub groups: Vec<(u32, u32)>,
}

/// The groups with something that a user has not read, by the last change of their membership.
pub async fn group_counters<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<Vec<(u32, u32)>, StoreError> {
    let mut counts = Vec::new();
    for group in membership::ids_of(cx, on_failure, user).await? {
        let count = groups::unread(cx, on_failure, group, user).await?;
        if count != 0 {
            counts.push((group, count));
        }
    }
    Ok(counts)
}

/// What a user has not read of each peer, in text order of the peers.
pub async fn peer_counters<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<Vec<Unread>, StoreError> {
    let read = cx.cache().hgetall(&keys::unread(user)).await.map_err(StoreError::from);
    let hash = or_empty(on_failure, read)?;
    let unread = |(peer, count): (&Vec<u8>, &Vec<u8>)| Unread {
        peer: number(peer),
        count: number(count),
        relation: 0,
    };
    Ok(hash.iter().map(unread).collect())
}
