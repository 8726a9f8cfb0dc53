//! Locks on the values of unique keys: queues, first come first served, and cycles.

use super::{
    engine::SessionId,
    table::{Key, TableId},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_map::Entry};

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
    pub(super) table: TableId,
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
    /// Each session once, in the order in which they came.
    holders: Vec<(SessionId, Mode)>,
    queue: VecDeque<(SessionId, Mode)>,
}

impl Lock {
    /// Whom a request must wait for: other holders and earlier requests that it conflicts with.
    fn blockers(&self, session: SessionId, mode: Mode) -> impl Iterator<Item = SessionId> {
        let ahead = self.queue.iter().take_while(move |(s, _)| *s != session);
        self.holders
            .iter()
            .chain(ahead)
            .filter(move |(s, m)| {
                *s != session && (*m == Mode::Exclusive || mode == Mode::Exclusive)
            })
            .map(|(s, _)| *s)
    }

    fn is_blocked(&self, session: SessionId, mode: Mode) -> bool {
        self.blockers(session, mode).next().is_some()
    }

    fn hold(&mut self, session: SessionId, mode: Mode) {
        match self.holders.iter_mut().find(|(holder, _)| *holder == session) {
            Some((_, held)) => *held = mode,
            None => self.holders.push((session, mode)),
        }
    }

    /// Lets in all from the queue that may; returns them in order.
    fn admit(&mut self) -> Vec<SessionId> {
        let mut admitted = Vec::new();
        let mut at = 0;
        while let Some(&(session, mode)) = self.queue.get(at) {
            if !self.is_blocked(session, mode) {
                self.queue.remove(at);
                self.hold(session, mode);
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
    /// What each session holds, in any order, and what it took twice twice.
    held: BTreeMap<SessionId, Vec<LockId>>,
    waiting: BTreeMap<SessionId, (LockId, Mode)>,
}

impl Locks {
    pub(super) fn is_waiting(&self, session: SessionId) -> bool {
        self.waiting.contains_key(&session)
    }

    /// Asks for a lock; a session waits for one at most.
    pub(super) fn request(&mut self, session: SessionId, id: LockId, mode: Mode) -> Request {
        let lock = self.locks.entry(id.clone()).or_default();
        if lock.holders.iter().any(|(holder, held)| *holder == session && *held >= mode) {
            return Request::Granted;
        }
        if !lock.is_blocked(session, mode) {
            lock.hold(session, mode);
            self.held.entry(session).or_default().push(id);
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
        let mut held = self.held.remove(&session).unwrap_or_default();
        held.sort_unstable();
        for id in held {
            let Entry::Occupied(mut lock) = self.locks.entry(id) else { continue };
            lock.get_mut().holders.retain(|(holder, _)| *holder != session);
            if lock.get().queue.is_empty() {
                if lock.get().holders.is_empty() {
                    lock.remove();
                }
                continue;
            }
            let id = lock.key().clone();
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
            self.held.entry(*session).or_default().push(id.clone());
        }
        admitted
    }
}
