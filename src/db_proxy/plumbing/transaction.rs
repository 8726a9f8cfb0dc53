//! Transactions on a worker's connection to the primary.

use crate::db_proxy::plumbing::{
    context::{Context, World},
    error::{NotCommitted, StoreError},
};
use std::future::Future;

/// The statements between BEGIN and COMMIT. They may run twice. BEGIN goes with the first of them,
/// and those that are deferred ([`Context::defer`]) with the one after them or with COMMIT.
pub trait Transaction<W: World>: Sync {
    /// What it finds out.
    type Done: Send + Sync;
    /// Runs the statements; an error rolls back.
    fn run(
        &self,
        cx: &mut Context<W>,
    ) -> impl Future<Output = Result<Self::Done, StoreError>> + Send;

    /// Whether the store is as the statements were to leave it, asked after their COMMIT had no
    /// answer, when the transaction's connection is gone or rolled back. False if that can't be
    /// told.
    fn took_effect(
        &self,
        _: &mut Context<W>,
        _: &Self::Done,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        std::future::ready(Ok(false))
    }
}

/// Runs a transaction. One that met a deadlock or waited too long for a lock is rolled back and
/// run once more (ours); any other error rolls back and is returned.
///
/// # Errors
/// [`StoreError::Unknown`] when COMMIT itself failed and [`Transaction::took_effect`] does not see
/// an effect. There may be one yet: a COMMIT may be on its way to the server still.
pub async fn transact<W: World, T: Transaction<W>>(
    cx: &mut Context<W>,
    transaction: &T,
) -> Result<T::Done, StoreError> {
    let mut again = true;
    loop {
        let (done, error) = match attempt(cx, transaction).await {
            Ok(done) => match cx.commit().await {
                Ok(()) => return Ok(done),
                Err(NotCommitted::Failed(error)) => (None, error.into()),
                Err(NotCommitted::Unknown(error)) => (Some(done), StoreError::Unknown(error)),
            },
            Err(error) => (None, error),
        };
        cx.roll_back().await;
        if let Some(done) = done {
            return match transaction.took_effect(cx, &done).await {
                Ok(true) => Ok(done),
                Ok(false) | Err(_) => Err(error),
            };
        }
        if !(again && error.lost_a_lock()) {
            return Err(error);
        }
        again = false;
    }
}

async fn attempt<W: World, T: Transaction<W>>(
    cx: &mut Context<W>,
    transaction: &T,
) -> Result<T::Done, StoreError> {
    cx.limit_idle_transactions().await?;
    cx.begin();
    transaction.run(cx).await
}
