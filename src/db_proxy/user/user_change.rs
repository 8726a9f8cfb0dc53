//! The time of the last change of a user (SYSTEM.md section 6, 0208 and 0213). It is kept in Redis
//! for the next process; another db_proxy that runs beside this one is not told.

use crate::{
    db_proxy::{
        data::{keys, text::number},
        plumbing::context::{Context, World},
    },
    store::cache::Cache,
};

/// Takes over what the last process kept, or notes now as the first change.
pub async fn load<W: World>(cx: &mut Context<W>) {
    let kept = cx.cache().get(keys::USER_CHANGE).await.ok().flatten();
    match kept.as_deref().map(number) {
        Some(time) if time != 0 => cx.shared.caches.user_change.set(time),
        _ => mark(cx).await,
    }
}

/// Notes that a user is changed now.
pub async fn mark<W: World>(cx: &mut Context<W>) {
    cx.shared.caches.user_change.set(cx.now);
    if let Err(error) = cx.cache().set(keys::USER_CHANGE, &cx.now.to_string()).await {
        tracing::warn!(%error, "time of the last change of a user not kept");
    }
}
