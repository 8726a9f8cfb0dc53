//! When a user was last changed, as far as this process knows (SYSTEM.md section 6, 0208 and
//! 0213). Kept in Redis for the next process; another db_proxy beside this one is not told.

use crate::{
    db_proxy::plumbing::{
        context::{Context, World},
        text::number,
    },
    store::cache::Cache,
};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Where it is kept.
const KEY: &str = "total_user_update";

/// The time, in seconds.
#[derive(Debug)]
pub struct UserChange(AtomicU32);

impl UserChange {
    /// A change at a time.
    pub fn at(time: u32) -> Self {
        Self(AtomicU32::new(time))
    }

    /// The last change.
    pub fn last(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// Takes over what the last process kept, or notes now as the first change.
pub async fn load<W: World>(cx: &mut Context<W>) {
    let kept = cx.cache().get(KEY).await.ok().flatten();
    match kept.as_deref().map(number) {
        Some(time) if time != 0 => cx.shared.user_change.0.store(time, Relaxed),
        _ => mark(cx).await,
    }
}

/// A user is changed now.
pub async fn mark<W: World>(cx: &mut Context<W>) {
    cx.shared.user_change.0.store(cx.now, Relaxed);
    if let Err(error) = cx.cache().set(KEY, &cx.now.to_string()).await {
        tracing::warn!(%error, "time of the last change of a user not kept");
    }
}
