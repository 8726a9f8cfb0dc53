//! Transactions on a worker's connection to the primary.

use crate::db_proxy::plumbing::{
    context::{Context, World},
    error::{NotCommitted, StoreError},
    tries::Tries,
};
use crate::mutants::Mutant;
use std::future::Future;

/// The statements between BEGIN and COMMIT. They may run several times. BEGIN is sent with the first of
/// them, and a deferred one ([`Context::defer`]) with the one after it or with COMMIT.
pub trait Transaction<W: World>: Sync {
    /// What the statements find out.
    type Done: Send + Sync;
    /// Runs the statements; an error rolls back.
    fn run(
        &self,
        cx: &mut Context<W>,
    ) -> impl Future<Output = Result<Self::Done, StoreError>> + Send;

    /// Asked when COMMIT had no answer and the transaction has ended: whether the store is as the
    /// statements were to leave it. False if that can't be told.
    fn took_effect(
        &self,
        _: &mut Context<W>,
        _: &Self::Done,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        std::future::ready(Ok(false))
    }
}

/// Runs a transaction. One that lost a lock ([`StoreError::lost_a_lock`]) is rolled back and run again (ours), as often
/// as [`Tries`] says; any other error rolls back and is returned.
///
/// # Errors
/// [`StoreError::Unknown`] when COMMIT itself failed and [`Transaction::took_effect`] sees no
/// effect. There may be one later: the COMMIT may still be on its way to the server.
pub async fn transact<W: World, T: Transaction<W>>(
    cx: &mut Context<W>,
    transaction: &T,
) -> Result<T::Done, StoreError> {
    let mut tries = Tries::new(&cx.shared.timing);
    loop {
        let (done, error) = match attempt(cx, transaction).await {
            Ok(done) => match cx.commit().await {
                Ok(()) => return Ok(done),
                Err(NotCommitted::Failed(error)) => (None, error.into()),
                Err(NotCommitted::Unknown(error)) => (Some(done), StoreError::Unknown(error)),
            },
            Err(error) => (None, error),
        };
        if !cx.protocol().mutated(Mutant::RollBackForgotten) {
            cx.roll_back().await;
        }
        if let Some(done) = done {
            return match transaction.took_effect(cx, &done).await {
                Ok(true) => Ok(done),
                Ok(false) if cx.protocol().mutated(Mutant::UnknownCommitCounts) => Ok(done),
                Ok(false) | Err(_) => Err(error),
            };
        }
        if !error.lost_a_lock() || !tries.again().await {
            return Err(error);
        }
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
