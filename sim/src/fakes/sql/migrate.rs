//! Tables that come while the database is in use.

use super::{engine::Engine, table::Table};
use crate::record::Changed;
use teamtalk::store::migrations::{MIGRATIONS, Migration};

impl Engine {
    /// The version of the schema.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Runs the migrations up to a version that have not run, all at once. Returns what that committed.
    /// Transactions and statements that wait go on. (A transaction of InnoDB that has its snapshot could
    /// not read the new tables, error 1412: here it can. A process that knows of them reads them only
    /// after it has found their version.)
    pub fn migrate(&mut self, version: u32, unix_s: u32) -> Vec<Changed> {
        let fresh: Vec<_> = MIGRATIONS
            .iter()
            .filter(|m| (self.version + 1..=version).contains(&m.version))
            .collect();
        self.version = self.version.max(version);
        // What was asked of a table that was not there was refused.
        self.known.clear();
        self.commits += 1;
        let Some(at) = self.table("TTSchema") else { return Vec::new() };
        let named = |migration: &Migration| {
            let table = &mut self.tables[at];
            let row = vec![migration.version.into(), migration.name.into(), unix_s.into()];
            let key = table.def.key(0, &row);
            // In the name of no session: none has the number 0.
            table.write(key.clone(), 0, Some(row));
            let changed = table.pending(&key);
            table.commit(&key, 0, self.commits, self.commits);
            changed
        };
        fresh.into_iter().filter_map(named).collect()
    }

    /// Whether a migration has brought a table.
    pub(super) fn is_there(&self, table: &Table) -> bool {
        table.since <= self.version
    }

    /// All tables that are there.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| self.is_there(table))
    }
}
