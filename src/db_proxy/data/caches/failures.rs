//! Failed logins by name: more than 10 within 30 minutes lock the name (SYSTEM.md section 6,
//! 0703). Kept per process and never shared. Counted by a clock that nobody sets (ours): one that is set ahead would let
//! in at once who guesses a password, and one that is set back would keep a name out for as long.

use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

/// More failures than this within the window lock a name.
pub const ALLOWED: usize = 10;

/// The most names that are remembered; past it those without a recent failure go, then the one
/// whose last failure is oldest (ours: the original keeps all).
pub const NAMES_BOUND: usize = 16_384;

/// The failures of all names.
#[derive(Debug)]
pub struct Failures {
    window: Duration,
    /// Each name's failures, oldest first, by the time for which the process was up; at most `ALLOWED + 1`.
    names: Mutex<BTreeMap<Bytes, VecDeque<Duration>>>,
}

impl Failures {
    /// Counts over `window` (`Timing::login_failure_window`).
    pub fn new(window: Duration) -> Self {
        Self { window, names: Mutex::default() }
    }

    /// Whether a name has failed too often of late. `now`: for how long the process is up.
    pub fn locked(&self, name: &[u8], now: Duration) -> bool {
        let mut names = self.lock();
        let Some(times) = names.get_mut(name) else { return false };
        while times.front().is_some_and(|&t| now.saturating_sub(t) > self.window) {
            times.pop_front();
        }
        if times.is_empty() {
            names.remove(name);
            return false;
        }
        times.len() > ALLOWED
    }

    /// Counts a failure.
    pub fn failed(&self, name: &[u8], now: Duration) {
        let mut names = self.lock();
        if !names.contains_key(name) && names.len() >= NAMES_BOUND {
            names.retain(|_, times| {
                times.back().is_some_and(|&t| now.saturating_sub(t) <= self.window)
            });
            while names.len() >= NAMES_BOUND {
                let oldest = names.iter().min_by_key(|(_, times)| times.back().copied());
                let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
                names.remove(&oldest);
            }
        }
        let times = names.entry(Bytes::copy_from_slice(name)).or_default();
        times.push_back(now);
        if times.len() > ALLOWED + 1 {
            times.pop_front();
        }
    }

    /// A success clears the name.
    pub fn succeeded(&self, name: &[u8]) {
        self.lock().remove(name);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Bytes, VecDeque<Duration>>> {
        // No code panics while it holds the lock; if one did, the counts would still be good.
        self.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Failures, NAMES_BOUND};
    use std::time::Duration;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_eleventh_failure_locks_until_the_window_has_passed() {
        let failures = Failures::new(at(1800));
        for n in 0..10 {
            failures.failed(b"bob", at(n));
        }
        assert!(!failures.locked(b"bob", at(10)));
        failures.failed(b"bob", at(10));
        assert!(failures.locked(b"bob", at(1800)));
        assert!(!failures.locked(b"alice", at(1800)));
        assert!(!failures.locked(b"bob", at(1801)), "the first one has left the window");
    }

    #[test]
    fn a_success_clears_the_name() {
        let failures = Failures::new(at(1800));
        (0..11).for_each(|n| failures.failed(b"bob", at(n)));
        failures.succeeded(b"bob");
        assert!(!failures.locked(b"bob", at(11)));
    }

    #[test]
    fn names_are_bounded() {
        let failures = Failures::new(at(1800));
        for n in 0..NAMES_BOUND as u32 + 5 {
            failures.failed(&n.to_be_bytes(), at(u64::from(n)));
        }
        assert!(failures.lock().len() <= NAMES_BOUND);
    }
}
