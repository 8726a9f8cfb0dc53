//! Rows in versions.

use super::{engine::SessionId, schema::TableDef};
use std::collections::BTreeMap;
use teamtalk::store::sql::Value;

/// The values of a unique key.
pub(super) type Key = Vec<Value>;
/// The values of a row, in the order of the columns.
pub(super) type Row = Vec<Value>;

/// Who wrote a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamp {
    /// A session that has not committed.
    Pending(SessionId),
    /// The commit of this number.
    Committed(u64),
}

#[derive(Debug, Clone)]
struct Version {
    stamp: Stamp,
    /// `None`: deleted.
    row: Option<Row>,
}

/// A table: its definition, and each row's versions from old to new by primary key. The lock
/// on a row admits one writer, so pending versions are of one session and at the end.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) def: TableDef,
    pub(super) next_auto: u64,
    rows: BTreeMap<Key, Vec<Version>>,
}

impl Table {
    pub(super) fn new(def: TableDef) -> Self {
        Self { def, next_auto: 1, rows: BTreeMap::new() }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.rows.keys()
    }

    /// The newest version, committed or not.
    pub(super) fn newest(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)?.last()?.row.as_ref()
    }

    /// What a session sees of a row in the state after commit `snapshot`, its own writes on top.
    pub(super) fn visible(&self, key: &Key, session: SessionId, snapshot: u64) -> Option<&Row> {
        self.find(key, |stamp| match stamp {
            Stamp::Pending(writer) => writer == session,
            Stamp::Committed(commit) => commit <= snapshot,
        })
    }

    /// The newest committed version.
    pub(super) fn committed(&self, key: &Key) -> Option<&Row> {
        self.find(key, |stamp| matches!(stamp, Stamp::Committed(_)))
    }

    fn find(&self, key: &Key, sees: impl Fn(Stamp) -> bool) -> Option<&Row> {
        self.rows.get(key)?.iter().rev().find(|v| sees(v.stamp))?.row.as_ref()
    }

    /// Adds a version; `None` deletes.
    pub(super) fn write(&mut self, key: Key, session: SessionId, row: Option<Row>) {
        let version = Version { stamp: Stamp::Pending(session), row };
        self.rows.entry(key).or_default().push(version);
    }

    /// Takes back the last version of a row.
    pub(super) fn undo(&mut self, key: &Key) {
        if let Some(versions) = self.rows.get_mut(key) {
            versions.pop();
            if versions.is_empty() {
                self.rows.remove(key);
            }
        }
    }

    /// Commits a session's versions of a row and forgets those that no snapshot from `oldest`
    /// on can see.
    pub(super) fn commit(&mut self, key: &Key, session: SessionId, commit: u64, oldest: u64) {
        let Some(versions) = self.rows.get_mut(key) else { return };
        for version in versions.iter_mut() {
            if version.stamp == Stamp::Pending(session) {
                version.stamp = Stamp::Committed(commit);
            }
        }
        let old = |v: &Version| matches!(v.stamp, Stamp::Committed(c) if c <= oldest);
        let floor = versions.iter().rposition(old).unwrap_or(0);
        versions.drain(..floor);
        if versions.iter().all(|v| v.row.is_none() && old(v)) {
            self.rows.remove(key);
        }
    }
}
