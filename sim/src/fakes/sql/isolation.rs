//! What a session's writes and commits are to others: `innodb_snapshot_isolation` of MariaDB (docs/FAKES.md, "Error
//! 1020"), and the gaps that they lock.

use super::{
    engine::{Engine, SessionId},
    table::{Key, TableId},
};
use std::collections::BTreeSet;

impl Engine {
    /// From now on a transaction that has read from its snapshot may lock no row that has changed since: error
    /// 1020 rolls it back, as with `innodb_snapshot_isolation`, which MariaDB has on from 11.6.2 on.
    pub fn isolate_snapshots(&mut self) {
        self.snapshot_isolation = true;
    }

    /// After rows of these were written back, or for good: gaps whose bounds are no rows any more reach on.
    pub(super) fn widen_gaps(&mut self, written: &[(TableId, Key)]) {
        let tables: BTreeSet<TableId> = written.iter().map(|(table, _)| *table).collect();
        for table in tables {
            if self.locks.has_gaps(table) {
                self.locks.widen_gaps(&self.tables[table], table);
            }
        }
    }

    /// The table's name, if a session may not lock this row because of [`Self::isolate_snapshots`].
    pub(super) fn changed_since(&self, id: SessionId, table: TableId, key: &Key) -> Option<&str> {
        if !self.snapshot_isolation {
            return None;
        }
        let (_, snapshot) = self.snapshots.iter().find(|(session, _)| *session == id)?;
        let table = &self.tables[table];
        table.has_changed_since(key, *snapshot).then_some(&*table.def.name)
    }
}
