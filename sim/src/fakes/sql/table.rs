//! Rows in versions.

use super::{
    engine::SessionId,
    schema::{TableDef, Type},
};
use crate::record::{Changed, Columns};
use std::{collections::BTreeMap, sync::Arc};
use teamtalk::store::sql::Value;

/// A table's number: their order is that of their names.
pub(super) type TableId = usize;
/// The values of a unique key. Shared: the row, its index, its lock and the transaction have it.
pub(super) type Key = Arc<[Value]>;
/// A row's values in an index: in one that is not unique its primary key follows.
pub(super) type Entry = Key;
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
    pub(super) def: Arc<TableDef>,
    /// The version of the schema that brings it; 0: it is always there.
    pub(super) since: u32,
    names: Arc<Columns>,
    pub(super) next_auto: u64,
    rows: BTreeMap<Key, Vec<Version>>,
    index: Index,
}

/// Which rows have, in any of their versions, a value in one column: the first behind the
/// primary key, which is what db_proxy's reads ask for. It saves time and changes no result.
#[derive(Debug, Clone)]
struct Index {
    column: Option<usize>,
    /// How many versions of a row have the value.
    keys: BTreeMap<Value, BTreeMap<Key, usize>>,
}

impl Index {
    fn of(def: &TableDef) -> Self {
        let behind = def.uniques[0].iter().max().map_or(0, |last| last + 1);
        // Texts compare with blanks at the end, which an index would not find.
        let number = |column: &usize| matches!(def.columns[*column].ty, Type::Int { .. });
        let column = Some(behind).filter(|c| *c < def.columns.len()).filter(number);
        Self { column, keys: BTreeMap::new() }
    }

    fn add(&mut self, key: &Key, row: Option<&Row>) {
        if let Some((column, row)) = self.column.zip(row) {
            let keys = self.keys.entry(row[column].clone()).or_default();
            *keys.entry(key.clone()).or_default() += 1;
        }
    }

    fn remove(&mut self, key: &Key, row: Option<&Row>) {
        let Some((column, row)) = self.column.zip(row) else { return };
        let Some(keys) = self.keys.get_mut(&row[column]) else { return };
        if let Some(count) = keys.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                keys.remove(key);
            }
        }
        if keys.is_empty() {
            self.keys.remove(&row[column]);
        }
    }
}

impl Table {
    pub(super) fn new(def: TableDef) -> Self {
        let names = def.columns.iter().map(|column| column.name.clone()).collect();
        let names = Arc::new(Columns { table: def.name.clone(), names });
        let (index, def) = (Index::of(&def), Arc::new(def));
        Self { index, def, since: 0, names, next_auto: 1, rows: BTreeMap::new() }
    }

    /// Its name and those of its columns, for a trace.
    pub(super) fn names(&self) -> &Arc<Columns> {
        &self.names
    }

    /// What the commit of a row's newest version changes; `None` if it is as it was.
    pub(super) fn pending(&self, key: &Key) -> Option<Changed> {
        let versions = self.rows.get(key)?;
        let committed = |v: &&Version| matches!(v.stamp, Stamp::Committed(_));
        let before = versions.iter().rev().find(committed).and_then(|v| v.row.as_ref());
        let after = versions.last().and_then(|v| v.row.as_ref());
        (before != after).then(|| {
            Changed::row(&self.names, key, before.map(|row| &row[..]), after.map(|row| &row[..]))
        })
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.rows.keys()
    }

    /// The column by which rows are found fast, if there is one.
    pub(super) fn indexed(&self) -> Option<usize> {
        self.index.column
    }

    /// The rows that have, or had in a version that is kept, this value in the indexed column.
    pub(super) fn with(&self, value: &Value) -> impl Iterator<Item = &Key> {
        self.index.keys.get(value).into_iter().flat_map(BTreeMap::keys)
    }

    /// Whether a row with this primary key is there in any version.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.rows.contains_key(key)
    }

    /// The entries of an index, of all versions that are kept, in any order and some twice.
    pub(super) fn each_entry(&self, index: usize, mut sees: impl FnMut(Entry, &Key)) {
        for (key, versions) in &self.rows {
            if index == 0 {
                sees(key.clone(), key);
                continue;
            }
            for row in versions.iter().filter_map(|version| version.row.as_ref()) {
                sees(self.def.entry(index, row), key);
            }
        }
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

    /// Whether a commit behind this one has written the row, or deleted it.
    pub(super) fn has_changed_since(&self, key: &Key, snapshot: u64) -> bool {
        let committed = |v: &Version| match v.stamp {
            Stamp::Committed(commit) => Some(commit),
            Stamp::Pending(_) => None,
        };
        let newest = self.rows.get(key).and_then(|all| all.iter().rev().find_map(committed));
        newest.is_some_and(|commit| commit > snapshot)
    }

    /// The newest committed version.
    pub(super) fn committed(&self, key: &Key) -> Option<&Row> {
        self.find(key, |stamp| matches!(stamp, Stamp::Committed(_)))
    }

    /// How many rows there are for who begins to read now: those whose newest committed version is no deletion.
    pub(super) fn committed_rows(&self) -> usize {
        let committed = |v: &&Version| matches!(v.stamp, Stamp::Committed(_));
        let newest = |v: &Vec<Version>| v.iter().rev().find(committed)?.row.as_ref().map(drop);
        self.rows.values().filter(|versions| newest(versions).is_some()).count()
    }

    fn find(&self, key: &Key, sees: impl Fn(Stamp) -> bool) -> Option<&Row> {
        self.rows.get(key)?.iter().rev().find(|v| sees(v.stamp))?.row.as_ref()
    }

    /// Adds a version; `None` deletes.
    pub(super) fn write(&mut self, key: Key, session: SessionId, row: Option<Row>) {
        self.index.add(&key, row.as_ref());
        let version = Version { stamp: Stamp::Pending(session), row };
        self.rows.entry(key).or_default().push(version);
    }

    /// Takes back the last version of a row.
    pub(super) fn undo(&mut self, key: &Key) {
        if let Some(versions) = self.rows.get_mut(key) {
            if let Some(Version { row, .. }) = versions.pop() {
                self.index.remove(key, row.as_ref());
            }
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
        for version in versions.drain(..floor) {
            self.index.remove(key, version.row.as_ref());
        }
        if versions.iter().all(|v| v.row.is_none() && old(v)) {
            self.rows.remove(key);
        }
    }
}
