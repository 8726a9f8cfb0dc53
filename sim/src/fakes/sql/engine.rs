//! Sessions and transactions.

use super::{
    access::Access,
    error, exec,
    locks::Locks,
    parse::{self, Prepared, Statement},
    schema::TableDef,
    table::{Key, Row, Table, TableId},
    tables,
};
use crate::{
    plan::StoreError,
    record::{Changed, What},
};
use std::{borrow::Cow, sync::Arc, time::Duration};
use teamtalk::store::{
    migrations::LATEST,
    sql::{Outcome, SqlError, Value},
};
use tokio::sync::Notify;

/// A session's number; never used twice.
pub type SessionId = u64;

/// A statement's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What it did.
    pub result: Result<Outcome, SqlError>,
    /// Whether the session's effects are durable now.
    pub committed: bool,
    /// The session, if the statement belonged to a transaction opened by BEGIN.
    pub transaction: Option<SessionId>,
    /// The rows that it committed.
    pub changed: Vec<Changed>,
}

/// Where a statement stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It ended.
    Done(Done),
    /// It waits for a lock: [`Engine::resume`] it once [`Engine::wake`] says so, or
    /// [`Engine::time_out`] it.
    Blocked,
}

/// A transaction, or one statement of autocommit.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Opened by BEGIN.
    explicit: bool,
    /// The rows it wrote, in order; a row as often as it was written.
    undo: Vec<(TableId, Key)>,
}

/// A statement that has not ended.
#[derive(Debug)]
struct Pending<'a> {
    prepared: Arc<Prepared>,
    params: Cow<'a, [Value]>,
    /// The AUTO_INCREMENT values it drew: a statement that waits is run anew, and keeps them.
    drawn: Option<Vec<u64>>,
}

#[derive(Debug, Default)]
pub(super) struct Session {
    tx: Transaction,
    pub(super) last_insert_id: u64,
    pending: Option<Pending<'static>>,
    /// It was ended in the favour of others while it waited: whether it was in a transaction, which its
    /// statement's end still is to say.
    ended_for_others: Option<bool>,
    idle_limit: Option<Duration>,
    wake: Arc<Notify>,
}

/// A statement's text, and what became of reading it.
#[derive(Debug)]
pub(super) struct Known {
    what: Arc<What>,
    parsed: Result<Arc<Prepared>, SqlError>,
}

/// The database. It outlives its host; sessions, transactions and locks do not.
#[derive(Debug)]
pub struct Engine {
    /// In the order of their names; by [`TableId`]. Those that a migration is still to bring have their
    /// numbers already.
    pub(super) tables: Vec<Table>,
    /// The version of the schema: tables of later ones are not there.
    pub(super) version: u32,
    /// By their numbers from 1; none is ever taken out.
    sessions: Vec<Session>,
    /// Those sessions that have a snapshot, with it.
    pub(super) snapshots: Vec<(SessionId, u64)>,
    pub(super) locks: Locks,
    /// The statements so far, in the order of their lengths and texts.
    pub(super) known: Vec<Known>,
    /// The number of the last commit.
    pub(super) commits: u64,
    lock_wait: Duration,
    pub(super) snapshot_isolation: bool,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// The empty tables of SYSTEM.md section 6 and all our side tables.
    pub fn new() -> Self {
        Self::of_version(LATEST, 0)
    }

    /// The same with the side tables of the migrations up to a version only, which count as run at `unix_s`
    /// seconds since 1970.
    pub fn of_version(version: u32, unix_s: u32) -> Self {
        let mut engine = Self {
            tables: Vec::new(),
            version: 0,
            sessions: Vec::new(),
            snapshots: Vec::new(),
            locks: Locks::default(),
            known: Vec::new(),
            commits: 0,
            // innodb_lock_wait_timeout's default.
            lock_wait: Duration::from_secs(50),
            snapshot_isolation: false,
        };
        for (since, def) in tables::all() {
            let at = engine.create_table(def);
            engine.tables[at].since = since;
        }
        engine.migrate(version, unix_s);
        engine
    }

    /// Adds an empty table, or replaces one; its number. Not while transactions are open.
    pub fn create_table(&mut self, def: TableDef) -> TableId {
        self.known.clear();
        let place = self.tables.binary_search_by(|table| table.def.name.cmp(&def.name));
        match place {
            Ok(at) => self.tables[at] = Table::new(def),
            Err(at) => self.tables.insert(at, Table::new(def)),
        }
        place.unwrap_or_else(|at| at)
    }

    /// The number of a table.
    pub(super) fn table(&self, name: &str) -> Option<TableId> {
        let found = self.tables.binary_search_by(|table| (*table.def.name).cmp(name)).ok()?;
        self.is_there(&self.tables[found]).then_some(found)
    }

    /// How long a statement waits for a lock before error 1205; 50 s at first.
    pub fn lock_wait(&self) -> Duration {
        self.lock_wait
    }

    /// Sets [`Self::lock_wait`].
    pub fn set_lock_wait(&mut self, lock_wait: Duration) {
        self.lock_wait = lock_wait;
    }

    /// Opens a session.
    pub fn open(&mut self) -> SessionId {
        self.sessions.push(Session::default());
        self.sessions.len() as SessionId
    }

    /// Ends a session: what it did not commit is undone.
    pub fn close(&mut self, session: SessionId) {
        self.rollback(session);
        *self.session(session) = Session::default();
    }

    /// Told whenever a lock that the session waits for is granted.
    pub fn wake(&self, session: SessionId) -> Arc<Notify> {
        self.of(session).wake.clone()
    }

    /// Whether the session has a transaction open by BEGIN.
    pub fn in_transaction(&self, session: SessionId) -> bool {
        self.of(session).tx.explicit
    }

    /// How long the session may wait within its transaction for the next statement; `None` for
    /// ever, or while it has none.
    pub fn idle_limit(&self, session: SessionId) -> Option<Duration> {
        let session = self.of(session);
        session.idle_limit.filter(|_| session.tx.explicit)
    }

    /// Starts a statement. A session runs one at a time: not before the last one's [`Done`].
    pub fn submit(&mut self, session: SessionId, text: &str, params: &[Value]) -> Step {
        let prepared = match &self.known(text).parsed {
            Ok(prepared) if prepared.params == params.len() => prepared.clone(),
            Ok(_) => return self.done(session, Err(error::param_count())),
            Err(e) => {
                let error = e.clone();
                return self.done(session, Err(error));
            }
        };
        self.attempt(session, Pending { prepared, params: params.into(), drawn: None })
    }

    /// Goes on with a blocked statement, if its lock was granted.
    pub fn resume(&mut self, session: SessionId) -> Step {
        if self.locks.is_waiting(session) { Step::Blocked } else { self.again(session) }
    }

    /// Ends a blocked statement with error 1205; its transaction stays open, as InnoDB's does.
    /// A statement whose lock was granted meanwhile goes on.
    pub fn time_out(&mut self, session: SessionId) -> Step {
        if !self.locks.is_waiting(session) {
            return self.again(session);
        }
        let woken = self.locks.cancel(session);
        self.notify(&woken);
        self.session(session).pending = None;
        self.fail(session, error::lock_wait_timeout())
    }

    /// The columns of the index by which a statement locks rows, with commas between them; `Some(None)`: it locks all
    /// rows, or knows without an index that none matches. `None`: it locks none.
    pub fn locks_by(&mut self, text: &str, params: &[Value]) -> Option<Option<String>> {
        let prepared = self.known(text).parsed.clone().ok()?;
        let (table, filter) = match &prepared.statement {
            Statement::Update { table, filter, .. } | Statement::Delete { table, filter } => {
                (*table, filter.as_ref())
            }
            Statement::Select(select) if select.lock.is_some() => {
                (select.table?, select.filter.as_ref())
            }
            _ => return None,
        };
        let def = self.tables[table].def.clone();
        let index = Access::of(&def, filter, params).index();
        let names = |index| {
            let name = |&column: &usize| def.columns[column].name.as_str();
            def.index(index).iter().map(name).collect::<Vec<_>>().join(",")
        };
        Some(index.map(names))
    }

    /// Whether a statement can meet an error: what locks nothing waits for nobody, and what reads is never refused.
    pub fn meets(&mut self, text: &str, error: StoreError) -> bool {
        let Ok(prepared) = &self.known(text).parsed else { return false };
        let (locks, writes, inserts) = match &prepared.statement {
            Statement::Insert(_) => (true, true, true),
            Statement::Update { .. } | Statement::Delete { .. } => (true, true, false),
            Statement::Select(select) => (select.lock.is_some(), false, false),
            _ => (false, false, false),
        };
        match error {
            StoreError::Deadlock | StoreError::LockWaitTimeout => locks,
            StoreError::SqlReadOnly => writes,
            StoreError::TableFull => inserts,
            _ => false,
        }
    }

    /// Answers the next statement of a session with an error, in the place of doing it.
    pub fn refuse(&mut self, id: SessionId, error: StoreError) -> Done {
        let step = match error {
            StoreError::Deadlock => self.rolled_back(id, error::deadlock()),
            StoreError::LockWaitTimeout => self.fail(id, error::lock_wait_timeout()),
            StoreError::SqlReadOnly => self.fail(id, error::read_only()),
            _ => self.fail(id, error::table_full()),
        };
        match step {
            Step::Done(done) => done,
            Step::Blocked => unreachable!("an error waits for nothing"),
        }
    }

    /// A statement's text as the lines of a trace share it.
    pub fn what(&mut self, text: &str) -> Arc<What> {
        self.known(text).what.clone()
    }

    fn known(&mut self, text: &str) -> &Known {
        let order = |known: &Known| (known.what.len(), &**known.what).cmp(&(text.len(), text));
        let at = self.known.binary_search_by(order).unwrap_or_else(|at| {
            let find = |name: &str| self.table(name).map(|id| (id, &*self.tables[id].def));
            let parsed = parse::parse(text, find).map(Arc::new);
            self.known.insert(at, Known { what: What::new(text), parsed });
            at
        });
        &self.known[at]
    }

    /// Who of a cycle has to end, as InnoDB chooses: the one who has changed and locked least; of equal ones the one
    /// who has asked last.
    pub(super) fn victim(&self, cycle: &[SessionId]) -> SessionId {
        let weight = |id: &&SessionId| self.of(**id).tx.undo.len() + self.locks.weight(**id);
        *cycle.iter().min_by_key(weight).expect("a cycle")
    }

    /// Ends the transaction of a session that waits: its statement ends with error 1213.
    pub(super) fn end_for_others(&mut self, id: SessionId) {
        let explicit = self.in_transaction(id);
        self.rollback(id);
        self.session(id).ended_for_others = Some(explicit);
        self.notify(&[id]);
    }

    /// Runs the session's blocked statement anew.
    fn again(&mut self, id: SessionId) -> Step {
        if let Some(explicit) = self.session(id).ended_for_others.take() {
            let (result, transaction) = (Err(error::deadlock()), explicit.then_some(id));
            return Step::Done(Done { result, committed: false, transaction, changed: Vec::new() });
        }
        match self.session(id).pending.take() {
            Some(pending) => self.attempt(id, pending),
            None => self.done(id, Ok(Outcome::default())),
        }
    }

    /// Runs a statement from its beginning. One that meets a lock of another session leaves
    /// nothing behind but the locks it got, and runs anew when it has that lock too.
    fn attempt(&mut self, id: SessionId, mut pending: Pending<'_>) -> Step {
        let mark = self.session(id).tx.undo.len();
        let prepared = pending.prepared.clone();
        match &prepared.statement {
            Statement::Begin => {
                let (committed, changed) = self.commit(id);
                self.session(id).tx.explicit = true;
                let transaction = Some(id);
                return Step::Done(Done {
                    result: Ok(Outcome::default()),
                    committed,
                    transaction,
                    changed,
                });
            }
            Statement::LimitIdle(seconds) => {
                let limit = Some(Duration::from_secs(*seconds)).filter(|limit| !limit.is_zero());
                self.session(id).idle_limit = limit;
                return self.done(id, Ok(Outcome::default()));
            }
            Statement::Commit | Statement::Rollback => {
                let transaction = self.in_transaction(id).then_some(id);
                let committed = matches!(prepared.statement, Statement::Commit);
                let mut changed = Vec::new();
                if committed {
                    changed = self.commit(id).1;
                } else {
                    self.rollback(id);
                }
                let result = Ok(Outcome::default());
                return Step::Done(Done { result, committed, transaction, changed });
            }
            _ => {}
        }
        match exec::run(self, id, &prepared.statement, &pending.params, &mut pending.drawn) {
            Ok(outcome) => {
                let explicit = self.in_transaction(id);
                let mut changed = Vec::new();
                if !explicit {
                    changed = self.commit(id).1;
                }
                Step::Done(Done {
                    result: Ok(outcome),
                    committed: !explicit,
                    transaction: explicit.then_some(id),
                    changed,
                })
            }
            Err(exec::Stop::Wait) => {
                self.undo_to(id, mark);
                let params = pending.params.into_owned().into();
                self.session(id).pending = Some(Pending { params, ..pending });
                Step::Blocked
            }
            Err(exec::Stop::Error(e)) => {
                self.undo_to(id, mark);
                self.fail(id, e)
            }
            Err(exec::Stop::RolledBack(error)) => self.rolled_back(id, error),
        }
    }

    /// A deadlock, or a snapshot that is too old, undoes the session's transaction, whole.
    fn rolled_back(&mut self, id: SessionId, error: SqlError) -> Step {
        let transaction = self.in_transaction(id).then_some(id);
        self.rollback(id);
        let result = Err(error);
        Step::Done(Done { result, committed: false, transaction, changed: Vec::new() })
    }

    /// A statement that was undone: in autocommit its locks go too.
    fn fail(&mut self, id: SessionId, error: SqlError) -> Step {
        if !self.in_transaction(id) {
            self.rollback(id);
        }
        self.done(id, Err(error))
    }

    fn done(&self, id: SessionId, result: Result<Outcome, SqlError>) -> Step {
        let transaction = self.in_transaction(id).then_some(id);
        Step::Done(Done { result, committed: false, transaction, changed: Vec::new() })
    }

    pub(super) fn session(&mut self, id: SessionId) -> &mut Session {
        &mut self.sessions[id as usize - 1]
    }

    fn of(&self, id: SessionId) -> &Session {
        &self.sessions[id as usize - 1]
    }

    /// The commit whose state a plain read of the session sees: in a transaction that of its
    /// first read.
    pub(super) fn snapshot(&mut self, id: SessionId) -> u64 {
        if !self.in_transaction(id) {
            return self.commits;
        }
        if let Some((_, snapshot)) = self.snapshots.iter().find(|(session, _)| *session == id) {
            return *snapshot;
        }
        self.snapshots.push((id, self.commits));
        self.commits
    }

    /// Writes a version of a row (`None` deletes) under the session's transaction.
    pub(super) fn write(&mut self, id: SessionId, table: TableId, key: Key, row: Option<Row>) {
        self.tables[table].write(key.clone(), id, row);
        self.session(id).tx.undo.push((table, key));
    }

    fn end(&mut self, id: SessionId) -> Transaction {
        self.snapshots.retain(|(session, _)| *session != id);
        std::mem::take(&mut self.session(id).tx)
    }

    /// Every committed row, as one that was not there before.
    pub fn held(&self) -> Vec<Changed> {
        let rows = |table: &Table| {
            let row = |key| {
                let row = table.committed(key)?;
                Some(Changed::row(table.names(), key, None, Some(row)))
            };
            table.keys().filter_map(row).collect::<Vec<_>>()
        };
        self.tables().flat_map(rows).collect()
    }

    /// Ends the transaction for good: whether one was open, and the rows that are others now.
    fn commit(&mut self, id: SessionId) -> (bool, Vec<Changed>) {
        let tx = self.end(id);
        let mut changed = Vec::new();
        if !tx.undo.is_empty() {
            for (n, (table, key)) in tx.undo.iter().enumerate() {
                if !tx.undo[..n].contains(&(*table, key.clone())) {
                    changed.extend(self.tables[*table].pending(key));
                }
            }
            self.commits += 1;
            let snapshots = self.snapshots.iter().map(|(_, snapshot)| *snapshot);
            let oldest = snapshots.min().unwrap_or(self.commits);
            for (table, key) in &tx.undo {
                self.tables[*table].commit(key, id, self.commits, oldest);
            }
            self.widen_gaps(&tx.undo);
        }
        let woken = self.locks.release(id);
        self.notify(&woken);
        (tx.explicit, changed)
    }

    fn rollback(&mut self, id: SessionId) {
        self.undo_to(id, 0);
        self.end(id);
        self.session(id).pending = None;
        let woken = self.locks.release(id);
        self.notify(&woken);
    }

    fn undo_to(&mut self, id: SessionId, mark: usize) {
        let undone = self.session(id).tx.undo.split_off(mark);
        for (table, key) in undone.iter().rev() {
            self.tables[*table].undo(key);
        }
        self.widen_gaps(&undone);
    }

    fn notify(&self, woken: &[SessionId]) {
        for id in woken {
            self.of(*id).wake.notify_one();
        }
    }
}
