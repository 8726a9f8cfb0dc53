//! What a run shows to whoever waits for it on another thread, and the way to its hosts from
//! there.

use super::{panics::Endless, shared::Shared};
use crate::{plan::Host, record::Trace};
use std::{
    collections::BTreeMap,
    panic::panic_any,
    sync::{
        Arc, Mutex, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::runtime::Handle;

/// One run, from the outside and from the inside. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    /// Capture the backtrace of a panic.
    backtraces: bool,
    /// Simulated milliseconds that are over.
    now_ms: AtomicU64,
    /// The runtimes of the hosts' processes.
    hosts: Mutex<BTreeMap<Host, Handle>>,
    /// What has happened.
    shared: Mutex<Option<Shared>>,
}

impl Watch {
    /// Of a run that has not begun.
    pub fn new(backtraces: bool) -> Self {
        Self(Arc::new(Watched { backtraces, ..Watched::default() }))
    }

    /// Simulated milliseconds that are over: while a run goes on they do.
    pub fn now_ms(&self) -> u64 {
        self.0.now_ms.load(Ordering::Relaxed)
    }

    /// Ends a run in which a task is ready again and again within one tick: that task's host
    /// panics with [`Endless`] before its next turn. Nothing happens while a task does not yield.
    pub fn end_endless(&self) {
        // The lock is let go of before anybody is told: who panics asks for it to say who it is,
        // see [`Self::host_here`].
        let hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for runtime in hosts.into_values() {
            // Only one of them runs at the moment, and none after it has panicked.
            runtime.spawn(async {
                panic_any(Endless("its tasks are ready again and again within one tick".into()));
            });
        }
    }

    /// What has happened so far; empty while the run does not let go of it.
    pub fn trace(&self) -> Trace {
        let shared = self.0.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.as_ref().and_then(Shared::try_trace).unwrap_or_default()
    }

    pub(super) fn wants_backtraces(&self) -> bool {
        self.0.backtraces
    }

    pub(super) fn begins(&self, shared: &Shared) {
        let shared = Some(shared.clone());
        *self.0.shared.lock().unwrap_or_else(PoisonError::into_inner) = shared;
    }

    pub(super) fn at(&self, now_ms: u64) {
        self.0.now_ms.store(now_ms, Ordering::Relaxed);
    }

    /// From within a host's process: it has started.
    pub(super) fn started(&self, host: &Host) {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(host.clone(), Handle::current());
    }

    /// The runtime of a host's process.
    pub(super) fn runtime(&self, host: &str) -> Option<Handle> {
        self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    /// The host whose process is running on this thread. Never waits: it is asked in a panic.
    pub(super) fn host_here(&self) -> Option<Host> {
        let here = Handle::try_current().ok()?.id();
        let hosts = match self.0.hosts.try_lock() {
            Ok(hosts) => hosts,
            Err(TryLockError::Poisoned(hosts)) => hosts.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        hosts.iter().find(|(_, runtime)| runtime.id() == here).map(|(host, _)| host.clone())
    }
}
