//! Redis and SQL as hosts on the simulated network.
//!
//! An engine is plain data in memory, without I/O or time; a `host` serves it on a listener. An
//! engine outlives its host, connections and transactions do not (DESIGN.md, "Stores").

use crate::{noise::Drawn, plan::StoreError, record::Applied};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub mod redis;
pub mod sql;

/// The grain of all delays of the stores; a world's tick should be the same.
pub const TICK: Duration = Duration::from_millis(5);

/// What the rig wants to decide and to know about the stores.
pub trait Hooks: Send + Sync + 'static {
    /// How many [`TICK`]s to wait (normally 0–4; more while a store is slow). `purpose` is one of
    /// `redis before`, `redis after`, `sql before`, `sql between` (the statements of a batch follow
    /// one another at once, but that others may come between), `sql alone` (even: a batch whose client
    /// is gone runs on), `sql after`; `id` hashes the command or statement with its parameters, never
    /// the connection.
    fn delay(&self, purpose: &'static str, id: u64) -> u32;

    /// A command or statement applies now. `store` is `redis` or `sql`; the effect is its reply in
    /// a few words; `committed` says whether it is durable at once: false inside a transaction,
    /// for a rollback and for an error. The number of its line in the trace, if there is a trace.
    fn applied(&self, applied: Applied) -> u64;

    /// The error with which a fault has a command or statement answered in the place of its effect. `id` is as
    /// for [`Hooks::delay`]; `meets` says which errors it can meet.
    fn fails(
        &self,
        _id: &dyn Fn() -> u64,
        _meets: &dyn Fn(StoreError) -> bool,
    ) -> Option<StoreError> {
        None
    }

    /// Whether a fault breaks the connection after the effect of a command or statement, before its reply.
    fn loses_reply(&self, _id: &dyn Fn() -> u64) -> bool {
        false
    }

    /// Where the draw of the last delay is kept, if draws are.
    fn drawn(&self) -> Drawn {
        Drawn::default()
    }

    /// What a draw delayed, or whether its answer was, has this line in the trace.
    fn led_to(&self, _: Drawn, _: u64) {}
}

/// Waits for a drawn delay of an answer to what has this line.
async fn pause(hooks: &Arc<dyn Hooks>, purpose: &'static str, id: u64, line: u64) {
    let ticks = hooks.delay(purpose, id);
    hooks.led_to(hooks.drawn(), line);
    if ticks > 0 {
        tokio::time::sleep(TICK * ticks).await;
    }
}

/// Locks an engine. A panic elsewhere has been reported as such; the data is still whole.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
