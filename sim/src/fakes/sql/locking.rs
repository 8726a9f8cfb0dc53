//! What statements lock: the rows that they find, the gaps beside them, the keys and entries that they write.

use super::{
    access::{Access, Part},
    engine::SessionId,
    error,
    eval::Expr,
    exec::{Run, Stop},
    gaps::Gap,
    locks::{LockId, Locks, Mode, Request},
    schema::TableDef,
    table::{Key, Row, TableId},
};
use std::{cmp::Ordering, collections::BTreeSet};
use teamtalk::store::sql::Value;

impl Run<'_> {
    pub(super) fn lock(
        &mut self,
        table: TableId,
        index: usize,
        key: Key,
        mode: Mode,
    ) -> Result<(), Stop> {
        let id = LockId { table, index, key };
        self.ask(|locks, session| locks.request(session, id.clone(), mode))?;
        // Seen on MariaDB: a lock of a row, also of one that was deleted, and not one of a secondary key.
        if index == 0
            && let Some(name) = self.engine.changed_since(self.session, table, &id.key)
        {
            return Err(Stop::RolledBack(error::changed(name)));
        }
        Ok(())
    }

    /// Asks for a lock until it is there, this session waits for it, or has to end for it.
    fn ask(&mut self, request: impl Fn(&mut Locks, SessionId) -> Request) -> Result<(), Stop> {
        loop {
            match request(&mut self.engine.locks, self.session) {
                Request::Granted => return Ok(()),
                Request::Queued => return Err(Stop::Wait),
                Request::Deadlock(cycle) => match self.engine.victim(&cycle) {
                    victim if victim == self.session => {
                        return Err(Stop::RolledBack(error::deadlock()));
                    }
                    victim => self.engine.end_for_others(victim),
                },
            }
        }
    }

    fn hold_gap(&mut self, table: TableId, index: usize, above: Option<Key>, below: Option<Key>) {
        let gap = Gap { table, index, above, below };
        self.engine.locks.hold_gap(self.session, gap);
    }

    /// The gap in which a key is, or would be.
    fn hold_gap_around(&mut self, table: TableId, index: usize, key: &Key) {
        let part = Part::of(self.table(table), index, |entry| entry.cmp(key));
        self.hold_gap(table, index, part.above, part.below.map(|(below, _)| below));
    }

    /// Waits until nobody else has the gap locked into which an entry is to go.
    fn insert_entry(&mut self, table: TableId, index: usize, entry: Key) -> Result<(), Stop> {
        let id = LockId { table, index, key: entry };
        self.ask(|locks, session| locks.request_insert(session, id.clone()))
    }

    /// Locks what the filter's index leads to, the rows that match or not and the gaps beside them, in the order of the index;
    /// returns those that match in their newest state.
    pub(super) fn lock_matching(
        &mut self,
        table: TableId,
        filter: Option<&Expr>,
        mode: Mode,
    ) -> Result<Vec<Key>, Stop> {
        let def = self.def(table);
        let mut locked = Vec::new();
        match Access::of(&def, filter, self.params) {
            Access::Keys(index, keys) => {
                for key in keys {
                    locked.extend(self.lock_key(table, index, key, mode)?);
                }
            }
            Access::Prefixes(index, prefixes) => {
                for prefix in prefixes {
                    let place = |entry: &[Value]| entry[..prefix.len()].cmp(&prefix);
                    locked.extend(self.lock_part(table, index, mode, false, place)?);
                }
            }
            Access::Below(index, bound) => {
                let place = |entry: &[Value]| match entry[0] < bound {
                    true => Ordering::Equal,
                    false => Ordering::Greater,
                };
                locked = self.lock_part(table, index, mode, true, place)?;
            }
            Access::Scan => locked = self.lock_part(table, 0, mode, false, |_| Ordering::Equal)?,
        }
        // A row with several versions may be in an index more than once.
        let (mut met, mut matching) = (BTreeSet::new(), Vec::new());
        for key in locked {
            let newest = self.table(table).newest(&key);
            if newest.map_or(Ok(false), |row| self.passes(filter, row))? && met.insert(key.clone())
            {
                matching.push(key);
            }
        }
        Ok(matching)
    }

    /// Locks the row with a value of a unique key, or the gap where it would be.
    fn lock_key(
        &mut self,
        table: TableId,
        index: usize,
        key: Key,
        mode: Mode,
    ) -> Result<Option<Key>, Stop> {
        let row = match index {
            0 => self.table(table).has(&key).then(|| key.clone()),
            _ => self.holder_of(table, index, &key),
        };
        if let Some(row) = row {
            self.lock(table, 0, row.clone(), mode)?;
            if self.table(table).newest(&row).is_some() {
                return Ok(Some(row));
            }
        }
        self.hold_gap_around(table, index, &key);
        Ok(None)
    }

    /// Locks the rows of a part of an index and the gaps before, between and behind them; with `and_next`
    /// the row behind them too.
    fn lock_part(
        &mut self,
        table: TableId,
        index: usize,
        mode: Mode,
        and_next: bool,
        place: impl Fn(&[Value]) -> Ordering,
    ) -> Result<Vec<Key>, Stop> {
        let part = Part::of(self.table(table), index, place);
        let mut above = part.above;
        let mut locked = Vec::new();
        for (entry, key) in part.entries {
            self.hold_gap(table, index, above, Some(entry.clone()));
            self.lock(table, 0, key.clone(), mode)?;
            locked.push(key);
            above = Some(entry);
        }
        self.hold_gap(table, index, above, part.below.as_ref().map(|(entry, _)| entry.clone()));
        if and_next && let Some((_, key)) = part.below {
            self.lock(table, 0, key, mode)?;
        }
        Ok(locked)
    }

    /// The primary key of the row whose newest state has this value of a unique key.
    pub(super) fn holder_of(&self, table: TableId, index: usize, key: &Key) -> Option<Key> {
        let table = self.table(table);
        if index == 0 {
            return table.newest(key).map(|_| key.clone());
        }
        let has = |k: &&Key| table.newest(k).is_some_and(|r| table.def.key(index, r) == *key);
        table.keys().find(has).cloned()
    }

    /// Locks all unique keys of a row that is to be written; returns the first that another row
    /// has, and that row's primary key. `primary` is its own; `old` is the row's former state. One that is taken, or that
    /// another session is about to give up, is asked for in the mode `wanted` until it is known to be free.
    pub(super) fn lock_new(
        &mut self,
        table: TableId,
        def: &TableDef,
        primary: &Key,
        row: &Row,
        old: Option<&Row>,
        wanted: Mode,
    ) -> Result<Option<(usize, Key)>, Stop> {
        for index in 0..def.uniques.len() {
            let key = if index == 0 { primary.clone() } else { def.key(index, row) };
            if old.is_some_and(|old| def.key(index, old) == key) {
                continue;
            }
            let id = LockId { table, index, key: key.clone() };
            if self.holder_of(table, index, &key).is_some()
                || self.engine.locks.is_anothers(self.session, &id)
            {
                self.lock(table, index, key.clone(), wanted)?;
                if let Some(existing) = self.holder_of(table, index, &key) {
                    return Ok(Some((index, existing)));
                }
            }
            // What it waited for is gone: InnoDB hands a lock on it to the gap where it was.
            if self.engine.locks.has_waited_for(self.session, &id) {
                self.hold_gap_around(table, index, &key);
            }
            self.insert_entry(table, index, key.clone())?;
            self.lock(table, index, key, Mode::Exclusive)?;
        }
        Ok(None)
    }

    /// Waits for the gaps into which a row's entries of the other indexes are to go; `old` is its former state.
    pub(super) fn insert_entries(
        &mut self,
        table: TableId,
        def: &TableDef,
        row: &Row,
        old: Option<&Row>,
    ) -> Result<(), Stop> {
        for index in def.uniques.len()..def.index_count() {
            let entry = def.entry(index, row);
            if old.is_none_or(|old| def.entry(index, old) != entry) {
                self.insert_entry(table, index, entry)?;
            }
        }
        Ok(())
    }

    /// Locks the secondary keys that a row gives up: they are free only after the commit.
    pub(super) fn lock_old(
        &mut self,
        table: TableId,
        def: &TableDef,
        old: &Row,
        new: Option<&Row>,
    ) -> Result<(), Stop> {
        for index in 1..def.uniques.len() {
            let key = def.key(index, old);
            if new.is_none_or(|new| def.key(index, new) != key) {
                self.lock(table, index, key, Mode::Exclusive)?;
            }
        }
        Ok(())
    }
}
