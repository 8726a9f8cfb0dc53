//! What a process remembers between requests. All workers share it; another db_proxy does not.

mod failures;
mod known;
mod user_change;

use crate::db_proxy::data::{pair::Pair, session_key::Key};
use failures::Failures;
use known::Known;
use std::time::Duration;
use tokio::time::Instant;
use user_change::UserChange;

/// All of it.
#[derive(Debug)]
pub struct Caches {
    /// The relations of pairs as this process found them committed in `TTRelation`, where none
    /// ever changes (`single-relation` with `id-floor-from-store`).
    pub relations: Known<Pair>,
    /// The rows of sessions as this process found them committed: none goes, or gets another id
    /// (`single-session`).
    pub sessions: Known<Key>,
    /// The pairs and groups ([`Pair::of_group`]) of which this process found the first marks committed in
    /// `TTRead`, where none goes (`unread-from-store`).
    pub marked: Known<Pair>,
    /// Failed logins by name.
    pub failures: Failures,
    started: Instant,
    /// When a user was last changed through this process.
    pub user_change: UserChange,
}

impl Caches {
    /// Empty ones. Failed logins are counted over `failure_window`
    /// (`Timing::login_failure_window`); the last change of a user is `now`, in seconds.
    pub fn new(failure_window: Duration, now: u32) -> Self {
        Self {
            relations: Known::default(),
            sessions: Known::default(),
            marked: Known::default(),
            failures: Failures::new(failure_window),
            started: Instant::now(),
            user_change: UserChange::at(now),
        }
    }

    /// How long this process has been up: a clock that nobody sets, for what lasts so and so long.
    pub fn up(&self) -> Duration {
        self.started.elapsed()
    }
}
