//! Locks on the values of unique keys, queues, first come first served; who waits for a gap; and cycles.

use super::{
    engine::SessionId,
    gaps::{Gap, Gaps},
    table::{Key, Table, TableId},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_map::Entry};

/// How a key is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Several may hold it, none of the others may write.
    Shared,
    /// One session's alone.
    Exclusive,
}

/// A place in one of a table's indexes: a value of a unique key, whether a row has it or not, or an entry of
/// another index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LockId {
    pub(super) table: TableId,
    pub(super) index: usize,
    pub(super) key: Key,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Granted,
    /// It waits in the queue.
    Queued,
    /// Waiting would close a cycle of these, the one who asks first; it is not in the queue.
    Deadlock(Vec<SessionId>),
}

/// What a session waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wait {
    Key(LockId, Mode),
    /// To insert there: until nobody else has that gap locked.
    Insert(LockId),
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
    /// What each session got after a wait.
    waited: BTreeMap<SessionId, Vec<LockId>>,
    gaps: Gaps,
    waiting: BTreeMap<SessionId, Wait>,
    /// Those who wait to insert, in the order in which they came.
    inserting: Vec<SessionId>,
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
        self.wait(session, Wait::Key(id, mode))
    }

    /// Whether a session has the key after a wait.
    pub(super) fn has_waited_for(&self, session: SessionId, id: &LockId) -> bool {
        self.waited.get(&session).is_some_and(|ids| ids.contains(id))
    }

    /// Whether another session holds the key for itself alone.
    pub(super) fn is_anothers(&self, session: SessionId, id: &LockId) -> bool {
        let of = |lock: &Lock| {
            lock.holders.iter().any(|(s, mode)| *s != session && *mode == Mode::Exclusive)
        };
        self.locks.get(id).is_some_and(of)
    }

    /// Locks a gap, which is never refused: nobody else inserts there until the transaction's end.
    pub(super) fn hold_gap(&mut self, session: SessionId, gap: Gap) {
        self.gaps.hold(session, gap);
    }

    /// Whether anybody holds a gap of one of a table's indexes.
    pub(super) fn has_gaps(&self, table: TableId) -> bool {
        self.gaps.has(table)
    }

    /// Moves the bounds of a table's gaps that are no entries any more.
    pub(super) fn widen_gaps(&mut self, table: &Table, id: TableId) {
        self.gaps.widen(table, id);
    }

    /// Asks to insert at a place.
    pub(super) fn request_insert(&mut self, session: SessionId, id: LockId) -> Request {
        if self.gaps.others(session, &id).next().is_none() {
            return Request::Granted;
        }
        self.inserting.push(session);
        self.wait(session, Wait::Insert(id))
    }

    fn wait(&mut self, session: SessionId, wait: Wait) -> Request {
        self.waiting.insert(session, wait);
        match self.cycle(session) {
            None => Request::Queued,
            Some(cycle) => {
                self.cancel(session);
                Request::Deadlock(cycle)
            }
        }
    }

    /// Whom a waiting session waits for.
    fn blockers(&self, session: SessionId) -> Vec<SessionId> {
        match self.waiting.get(&session) {
            None => Vec::new(),
            Some(Wait::Key(id, mode)) => self.locks[id].blockers(session, *mode).collect(),
            Some(Wait::Insert(id)) => self.gaps.others(session, id).collect(),
        }
    }

    /// Sessions of which each waits for the next one, from `start` and back to it.
    fn cycle(&self, start: SessionId) -> Option<Vec<SessionId>> {
        let mut seen = BTreeSet::new();
        let mut path = vec![(start, self.blockers(start))];
        while let Some((_, open)) = path.last_mut() {
            match open.pop() {
                None => drop(path.pop()),
                Some(blocker) if blocker == start => {
                    return Some(path.into_iter().map(|(session, _)| session).collect());
                }
                Some(blocker) if seen.insert(blocker) => {
                    path.push((blocker, self.blockers(blocker)));
                }
                Some(_) => {}
            }
        }
        None
    }

    /// How many locks a session holds, as InnoDB counts them: one for all of a kind in an index.
    pub(super) fn weight(&self, session: SessionId) -> usize {
        let keys = self.held.get(&session).into_iter().flatten().map(|id| (id.table, id.index));
        let kinds: BTreeSet<_> = keys.collect();
        kinds.len() + self.gaps.weight(session)
    }

    /// Ends a session's wait; returns who may go on.
    pub(super) fn cancel(&mut self, session: SessionId) -> Vec<SessionId> {
        self.inserting.retain(|s| *s != session);
        let Some(Wait::Key(id, _)) = self.waiting.remove(&session) else { return Vec::new() };
        if let Some(lock) = self.locks.get_mut(&id) {
            lock.queue.retain(|(s, _)| *s != session);
        }
        self.admit(&id)
    }

    /// Ends a session's wait and frees all it holds; returns who may go on.
    pub(super) fn release(&mut self, session: SessionId) -> Vec<SessionId> {
        let mut woken = self.cancel(session);
        self.waited.remove(&session);
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
        if self.gaps.release(session) {
            woken.extend(self.let_insert());
        }
        woken
    }

    /// Lets those insert whose place nobody else has locked any more.
    fn let_insert(&mut self) -> Vec<SessionId> {
        let inserting = std::mem::take(&mut self.inserting);
        let (still, free): (Vec<_>, Vec<_>) =
            inserting.into_iter().partition(|session| !self.blockers(*session).is_empty());
        for session in &free {
            self.waiting.remove(session);
        }
        self.inserting = still;
        free
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
            self.waited.entry(*session).or_default().push(id.clone());
        }
        admitted
    }
}
