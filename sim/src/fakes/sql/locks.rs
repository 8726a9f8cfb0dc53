//! Locks on the values of unique keys: queues, first come first served, and cycles.

use super::{engine::SessionId, table::Key};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// How a key is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// As InnoDB's lock on a gap: several may hold it, none of the others may insert.
    Shared,
    /// One session's alone.
    Exclusive,
}

/// What is locked: a value of a table's unique key, whether a row has it or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LockId {
    pub(super) table: Arc<str>,
    pub(super) index: usize,
    pub(super) key: Key,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Granted,
    /// It waits in the queue.
    Queued,
    /// Waiting would close a cycle; it is not in the queue.
    Deadlock,
}

#[derive(Debug, Clone, Default)]
struct Lock {
    holders: BTreeMap<SessionId, Mode>,
    queue: VecDeque<(SessionId, Mode)>,
}

impl Lock {
    /// Whom a request must wait for: other holders and earlier requests that it conflicts with.
    fn blockers(&self, session: SessionId, mode: Mode) -> Vec<SessionId> {
        let ahead = self.queue.iter().take_while(|(s, _)| *s != session).map(|(s, m)| (s, m));
        self.holders
            .iter()
            .chain(ahead)
            .filter(|(s, m)| **s != session && (**m == Mode::Exclusive || mode == Mode::Exclusive))
            .map(|(s, _)| *s)
            .collect()
    }

    /// Lets in all from the queue that may; returns them in order.
    fn admit(&mut self) -> Vec<SessionId> {
        let mut admitted = Vec::new();
        let mut at = 0;
        while let Some(&(session, mode)) = self.queue.get(at) {
            if self.blockers(session, mode).is_empty() {
                self.queue.remove(at);
                self.holders.insert(session, mode);
                admitted.push(session);
            } else {
                at += 1;
            }
        }
        admitted
    }
}

/// All locks.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks {
    locks: BTreeMap<LockId, Lock>,
    held: BTreeMap<SessionId, BTreeSet<LockId>>,
    waiting: BTreeMap<SessionId, (LockId, Mode)>,
}

impl Locks {
    pub(super) fn is_waiting(&self, session: SessionId) -> bool {
        self.waiting.contains_key(&session)
    }

    /// Asks for a lock; a session waits for one at most.
    pub(super) fn request(&mut self, session: SessionId, id: LockId, mode: Mode) -> Request {
        let lock = self.locks.entry(id.clone()).or_default();
        if lock.holders.get(&session).is_some_and(|held| *held >= mode) {
            return Request::Granted;
        }
        if lock.blockers(session, mode).is_empty() {
            lock.holders.insert(session, mode);
            self.held.entry(session).or_default().insert(id);
            return Request::Granted;
        }
        lock.queue.push_back((session, mode));
        self.waiting.insert(session, (id, mode));
        if self.in_cycle(session) {
            self.cancel(session);
            return Request::Deadlock;
        }
        Request::Queued
    }

    fn in_cycle(&self, start: SessionId) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![start];
        while let Some(session) = open.pop() {
            let Some((id, mode)) = self.waiting.get(&session) else { continue };
            for blocker in self.locks[id].blockers(session, *mode) {
                if blocker == start {
                    return true;
                }
                if seen.insert(blocker) {
                    open.push(blocker);
                }
            }
        }
        false
    }

    /// Ends a session's wait; returns who may go on.
    pub(super) fn cancel(&mut self, session: SessionId) -> Vec<SessionId> {
        let Some((id, _)) = self.waiting.remove(&session) else { return Vec::new() };
        if let Some(lock) = self.locks.get_mut(&id) {
            lock.queue.retain(|(s, _)| *s != session);
        }
        self.admit(&id)
    }

    /// Ends a session's wait and frees all it holds; returns who may go on.
    pub(super) fn release(&mut self, session: SessionId) -> Vec<SessionId> {
        let mut woken = self.cancel(session);
        for id in self.held.remove(&session).unwrap_or_default() {
            if let Some(lock) = self.locks.get_mut(&id) {
                lock.holders.remove(&session);
            }
            woken.extend(self.admit(&id));
        }
        woken
    }

    fn admit(&mut self, id: &LockId) -> Vec<SessionId> {
        let Some(lock) = self.locks.get_mut(id) else { return Vec::new() };
        let admitted = lock.admit();
        if lock.holders.is_empty() && lock.queue.is_empty() {
            self.locks.remove(id);
        }
        for session in &admitted {
            self.waiting.remove(session);
            self.held.entry(*session).or_default().insert(id.clone());
        }
        admitted
    }
}
