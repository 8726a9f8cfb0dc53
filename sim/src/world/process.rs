//! How the driver of a run stops and starts the processes of the hosts.

use std::sync::Arc;
use tokio::sync::watch;

/// What a process is told by the driver, and what it reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct State {
    /// It is meant to be down: it waits before it does anything.
    down: bool,
    /// It was told to stop (SIGTERM).
    stop: bool,
    /// Its role has returned.
    ended: bool,
    /// It ended of itself, and is to be started again.
    between: bool,
}

/// One host's process, from the outside and from the inside. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Process(Arc<watch::Sender<State>>);

impl Process {
    /// The next incarnation waits; what this one was told is forgotten.
    pub fn down(&self) {
        self.0.send_replace(State { down: true, ..State::default() });
    }

    /// It may start.
    pub fn up(&self) {
        self.0.send_replace(State::default());
    }

    /// It was told to stop (SIGTERM).
    pub fn stop(&self) {
        self.0.send_modify(|state| state.stop = true);
    }

    /// Whether it is meant to be down.
    pub fn is_down(&self) -> bool {
        self.0.borrow().down
    }

    /// Whether it ended of itself and was not started again yet: it is down already.
    pub fn is_between(&self) -> bool {
        self.0.borrow().between
    }

    /// Whether its role has returned.
    pub fn has_ended(&self) -> bool {
        self.0.borrow().ended
    }

    /// Inside: waits until it may start.
    pub async fn started(&self) {
        // The sender is `self`: it can't be gone.
        let _ = self.0.subscribe().wait_for(|state| !state.down).await;
    }

    /// Inside: waits for SIGTERM.
    pub async fn told_to_stop(self) {
        let _ = self.0.subscribe().wait_for(|state| state.stop).await;
    }

    /// Inside: it ended of itself and is to be started again, or that has been done.
    pub fn set_between(&self, between: bool) {
        self.0.send_modify(|state| state.between = between);
    }

    /// Inside: its role has returned.
    pub fn end(&self) {
        self.0.send_modify(|state| state.ended = true);
    }
}
