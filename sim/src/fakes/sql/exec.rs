//! What statements do.

use super::{
    engine::{Engine, SessionId},
    error,
    eval::{Expr, Scope, compare},
    locks::{LockId, Mode, Request},
    parse::{Insert, Select, Statement},
    schema::{TableDef, Type},
    table::{Key, Row},
};
use std::{cell::Cell, cmp::Ordering, collections::BTreeSet, sync::Arc};
use teamtalk::store::sql::{Outcome, SqlError, Value};

/// Why a statement did not get to its end.
#[derive(Debug)]
pub(super) enum Stop {
    Error(SqlError),
    /// It is queued for a lock.
    Wait,
    /// It would have closed a cycle.
    Deadlock,
}

impl From<SqlError> for Stop {
    fn from(e: SqlError) -> Self {
        Self::Error(e)
    }
}

/// Runs a statement other than BEGIN, COMMIT and ROLLBACK. On a [`Stop`] the caller undoes what
/// was written; `drawn` keeps the AUTO_INCREMENT values for the next run.
pub(super) fn run(
    engine: &mut Engine,
    session: SessionId,
    statement: &Statement,
    params: &[Value],
    drawn: &mut Option<Vec<u64>>,
) -> Result<Outcome, Stop> {
    let last_id = engine.session(session).last_insert_id;
    let mut run = Run { engine, session, params, last_id, new_last_id: Cell::new(None) };
    let mut outcome = match statement {
        Statement::Select(select) => run.select(select)?,
        Statement::Insert(insert) => run.insert(insert, drawn)?,
        Statement::Update { table, set, filter } => run.update(table, set, filter.as_ref())?,
        Statement::Delete { table, filter } => run.delete(table, filter.as_ref())?,
        Statement::Begin | Statement::LimitIdle(_) | Statement::Commit | Statement::Rollback => {
            Outcome::default()
        }
    };
    if let Some(id) = run.new_last_id.get() {
        if !matches!(statement, Statement::Select(_)) && outcome.last_insert_id == 0 {
            outcome.last_insert_id = id;
        }
        engine.session(session).last_insert_id = id;
    }
    Ok(outcome)
}

struct Run<'a> {
    engine: &'a mut Engine,
    session: SessionId,
    params: &'a [Value],
    last_id: u64,
    /// What LAST_INSERT_ID() gives after the statement, if it changes.
    new_last_id: Cell<Option<u64>>,
}

impl Run<'_> {
    fn scope<'s>(&'s self, row: &'s [Value], inserted: &'s [Value]) -> Scope<'s> {
        Scope {
            params: self.params,
            row,
            inserted,
            last_id: self.last_id,
            new_last_id: &self.new_last_id,
        }
    }

    fn table(&self, name: &str) -> Result<&super::table::Table, Stop> {
        self.engine.tables.get(name).ok_or_else(|| error::unknown_table(name).into())
    }

    fn def(&self, name: &str) -> Result<Arc<TableDef>, Stop> {
        Ok(self.table(name)?.def.clone())
    }

    fn lock(&mut self, table: &Arc<str>, index: usize, key: Key, mode: Mode) -> Result<(), Stop> {
        let id = LockId { table: table.clone(), index, key };
        match self.engine.locks.request(self.session, id, mode) {
            Request::Granted => Ok(()),
            Request::Queued => Err(Stop::Wait),
            Request::Deadlock => Err(Stop::Deadlock),
        }
    }

    fn passes(&self, filter: Option<&Expr>, row: &[Value]) -> Result<bool, Stop> {
        Ok(Expr::passes(filter, &self.scope(row, &[]))?)
    }

    fn select(&mut self, select: &Select) -> Result<Outcome, Stop> {
        let mut rows = match (&select.table, select.lock) {
            (None, _) => vec![Row::new()],
            (Some(table), Some(mode)) => {
                let keys = self.lock_matching(table, select.filter.as_ref(), mode)?;
                let table = self.table(table)?;
                keys.iter().filter_map(|key| table.newest(key).cloned()).collect()
            }
            (Some(table), None) => {
                let snapshot = self.engine.snapshot(self.session);
                let table = self.table(table)?;
                let mut rows = Vec::new();
                for key in self.candidates(table, select.filter.as_ref()) {
                    if let Some(row) = table.visible(&key, self.session, snapshot)
                        && self.passes(select.filter.as_ref(), row)?
                    {
                        rows.push(row.clone());
                    }
                }
                rows
            }
        };
        if select.count {
            let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
            let columns = select.items.iter().map(|(name, _)| name.clone()).collect();
            return Ok(Outcome {
                columns,
                rows: vec![vec![Value::Int(count)]],
                ..Outcome::default()
            });
        }
        rows.sort_by(|a, b| {
            let by = |&(at, descending): &(usize, bool)| {
                let order = compare(&a[at], &b[at]).unwrap_or(Ordering::Equal);
                if descending { order.reverse() } else { order }
            };
            select.order.iter().map(by).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        });
        let offset = self.count(select.offset.as_ref())?.unwrap_or(0);
        let limit = self.count(select.limit.as_ref())?.unwrap_or(usize::MAX);
        let mut outcome = Outcome {
            columns: select.items.iter().map(|(name, _)| name.clone()).collect(),
            ..Outcome::default()
        };
        for row in rows.iter().skip(offset).take(limit) {
            let scope = self.scope(row, &[]);
            let shown: Result<Row, _> = select.items.iter().map(|(_, e)| e.eval(&scope)).collect();
            outcome.rows.push(shown?);
        }
        Ok(outcome)
    }

    /// The number of a LIMIT or OFFSET.
    fn count(&self, expr: Option<&Expr>) -> Result<Option<usize>, Stop> {
        let Some(expr) = expr else { return Ok(None) };
        match expr.eval(&self.scope(&[], &[]))? {
            Value::Int(n) if n >= 0 => Ok(Some(usize::try_from(n).unwrap_or(usize::MAX))),
            _ => Err(error::syntax("LIMIT takes a number").into()),
        }
    }

    /// The value of unique key `index` that a filter demands, if it demands all its columns.
    fn pinned(&self, def: &TableDef, index: usize, filter: Option<&Expr>) -> Option<Key> {
        let scope = self.scope(&[], &[]);
        let mut row = vec![Value::Null; def.columns.len()];
        for &column in &def.uniques[index] {
            let value = filter?.pinned(column, &scope)?;
            row[column] = def.store(column, &value, 1, false).ok()?;
        }
        Some(def.key(index, &row))
    }

    /// The rows to look at: those whose primary key or indexed column may have a value that the
    /// filter demands, else all; in the order of the primary key.
    fn candidates(&self, table: &super::table::Table, filter: Option<&Expr>) -> Vec<Key> {
        if let Some(key) = self.pinned(&table.def, 0, filter) {
            return vec![key];
        }
        let demanded = |column: usize| -> Option<BTreeSet<Value>> {
            let values = filter?.demanded(column, &self.scope(&[], &[]))?;
            values.iter().map(|value| table.def.store(column, value, 1, false).ok()).collect()
        };
        if let [column] = table.def.uniques[0][..]
            && matches!(table.def.columns[column].ty, Type::Int { .. })
            && let Some(values) = demanded(column)
        {
            return values.into_iter().map(|value| vec![value]).collect();
        }
        match table.indexed().and_then(demanded) {
            Some(values) => {
                let keys: BTreeSet<_> = values.iter().flat_map(|value| table.with(value)).collect();
                keys.into_iter().cloned().collect()
            }
            None => table.keys().cloned().collect(),
        }
    }

    /// Locks the rows that match in their newest state, in the order of the primary key, and
    /// the key that a filter pins though no row has it.
    fn lock_matching(
        &mut self,
        name: &str,
        filter: Option<&Expr>,
        mode: Mode,
    ) -> Result<Vec<Key>, Stop> {
        let def = self.def(name)?;
        for index in 0..def.uniques.len() {
            if let Some(key) = self.pinned(&def, index, filter)
                && self.holder_of(name, index, &key)?.is_none()
            {
                self.lock(&def.name, index, key, Mode::Shared)?;
            }
        }
        let table = self.table(name)?;
        let mut keys = Vec::new();
        for key in self.candidates(table, filter) {
            // Another session's uncommitted change may yet stay or go: both states count.
            for row in [table.newest(&key), table.committed(&key)].into_iter().flatten() {
                if self.passes(filter, row)? {
                    keys.push(key);
                    break;
                }
            }
        }
        let mut locked = Vec::new();
        for key in keys {
            self.lock(&def.name, 0, key.clone(), mode)?;
            let newest = self.table(name)?.newest(&key);
            if newest.map_or(Ok(false), |row| self.passes(filter, row))? {
                locked.push(key);
            }
        }
        Ok(locked)
    }

    /// The primary key of the row whose newest state has this value of a unique key.
    fn holder_of(&self, name: &str, index: usize, key: &Key) -> Result<Option<Key>, Stop> {
        let table = self.table(name)?;
        if index == 0 {
            return Ok(table.newest(key).map(|_| key.clone()));
        }
        let has = |k: &&Key| table.newest(k).is_some_and(|r| table.def.key(index, r) == *key);
        Ok(table.keys().find(has).cloned())
    }

    fn insert(&mut self, insert: &Insert, drawn: &mut Option<Vec<u64>>) -> Result<Outcome, Stop> {
        let def = self.def(&insert.table)?;
        let mut rows = Vec::new();
        for (n, values) in insert.rows.iter().enumerate() {
            rows.push(self.new_row(&def, insert, values, n + 1)?);
        }
        let generated = self.draw_ids(&def, &mut rows, drawn);
        let (mut outcome, mut first_generated) = (Outcome::default(), None);
        for (n, row) in rows.into_iter().enumerate() {
            let id = def.auto.map_or(0, |at| u64::from(row[at].uint()));
            let Some((index, existing)) = self.lock_new(&def, &row, None)? else {
                self.engine.write(self.session, &def.name, def.key(0, &row), Some(row));
                outcome.affected += 1;
                outcome.last_insert_id = id;
                if generated.get(n) == Some(&true) && first_generated.is_none() {
                    first_generated = Some(id);
                }
                continue;
            };
            if let Some(set) = &insert.on_duplicate {
                self.lock(&def.name, 0, existing.clone(), Mode::Exclusive)?;
                if self.assign(&def, &existing, set, &row, n + 1)? {
                    outcome.affected += 2;
                }
                outcome.last_insert_id = def.auto_of(&existing);
            } else if !insert.ignore {
                return Err(duplicate(&def, index, &row));
            }
        }
        // The first generated id of a row that got in, else the argument of LAST_INSERT_ID(),
        // else the id of the last row.
        if let Some(id) = first_generated {
            outcome.last_insert_id = id;
            self.new_last_id.set(Some(id));
        } else if let Some(id) = self.new_last_id.get() {
            outcome.last_insert_id = id;
        }
        Ok(outcome)
    }

    /// A row from its values and the defaults; a generated id is still 0.
    fn new_row(
        &self,
        def: &TableDef,
        insert: &Insert,
        values: &[Expr],
        n: usize,
    ) -> Result<Row, Stop> {
        let mut given: Vec<Option<Value>> = vec![None; def.columns.len()];
        for (&column, value) in insert.columns.iter().zip(values) {
            given[column] = Some(value.eval(&self.scope(&[], &[]))?);
        }
        let mut row = Row::new();
        for (at, (given, column)) in given.into_iter().zip(&def.columns).enumerate() {
            row.push(match given {
                None | Some(Value::Null) if def.auto == Some(at) => Value::Int(0),
                Some(value) => def.store(at, &value, n, insert.ignore)?,
                None => match &column.default {
                    Some(default) => default.clone(),
                    None if insert.ignore => def.store(at, &Value::Null, n, true)?,
                    None => return Err(error::no_default(&column.name).into()),
                },
            });
        }
        Ok(row)
    }

    /// Gives generated ids to the rows without one; returns which they were. Ids are drawn once
    /// a statement, and a rollback does not give them back.
    fn draw_ids(
        &mut self,
        def: &TableDef,
        rows: &mut [Row],
        drawn: &mut Option<Vec<u64>>,
    ) -> Vec<bool> {
        let Some((at, table)) = def.auto.zip(self.engine.tables.get_mut(&def.name)) else {
            return Vec::new();
        };
        let mut known = drawn.take().unwrap_or_default().into_iter();
        let (mut ids, mut generated) = (Vec::new(), Vec::new());
        for row in rows.iter_mut() {
            let missing = row[at] == Value::Int(0);
            if missing {
                let id = known.next().unwrap_or(table.next_auto);
                ids.push(id);
                row[at] = Value::Int(i64::try_from(id).unwrap_or(i64::MAX));
            }
            generated.push(missing);
            table.next_auto = table.next_auto.max(u64::from(row[at].uint()) + 1);
        }
        *drawn = Some(ids);
        generated
    }

    /// Locks all unique keys of a row that is to be written; returns the first that another row
    /// has, and that row's primary key. `old` is the row's former state.
    fn lock_new(
        &mut self,
        def: &TableDef,
        row: &Row,
        old: Option<&Row>,
    ) -> Result<Option<(usize, Key)>, Stop> {
        for index in 0..def.uniques.len() {
            let key = def.key(index, row);
            if old.is_some_and(|old| def.key(index, old) == key) {
                continue;
            }
            self.lock(&def.name, index, key.clone(), Mode::Exclusive)?;
            if let Some(existing) = self.holder_of(&def.name, index, &key)? {
                return Ok(Some((index, existing)));
            }
        }
        Ok(None)
    }

    /// Changes a locked row; true if anything changed. Assignments see those before them.
    fn assign(
        &mut self,
        def: &TableDef,
        key: &Key,
        set: &[(usize, Expr)],
        inserted: &[Value],
        n: usize,
    ) -> Result<bool, Stop> {
        let Some(old) = self.table(&def.name)?.newest(key).cloned() else { return Ok(false) };
        let mut row = old.clone();
        for (column, expr) in set {
            let value = expr.eval(&self.scope(&row, inserted))?;
            row[*column] = def.store(*column, &value, n, false)?;
        }
        if row == old {
            return Ok(false);
        }
        if def.key(0, &row) != *key {
            return Err(error::unsupported("UPDATE of a primary key").into());
        }
        if let Some((index, _)) = self.lock_new(def, &row, Some(&old))? {
            return Err(duplicate(def, index, &row));
        }
        self.lock_old(def, &old, Some(&row))?;
        self.engine.write(self.session, &def.name, key.clone(), Some(row));
        Ok(true)
    }

    /// Locks the secondary keys that a row gives up: they are free only after the commit.
    fn lock_old(&mut self, def: &TableDef, old: &Row, new: Option<&Row>) -> Result<(), Stop> {
        for index in 1..def.uniques.len() {
            let key = def.key(index, old);
            if new.is_none_or(|new| def.key(index, new) != key) {
                self.lock(&def.name, index, key, Mode::Exclusive)?;
            }
        }
        Ok(())
    }

    fn update(
        &mut self,
        table: &str,
        set: &[(usize, Expr)],
        filter: Option<&Expr>,
    ) -> Result<Outcome, Stop> {
        let def = self.def(table)?;
        let mut outcome = Outcome::default();
        let keys = self.lock_matching(table, filter, Mode::Exclusive)?;
        for (n, key) in keys.iter().enumerate() {
            outcome.affected += u64::from(self.assign(&def, key, set, &[], n + 1)?);
        }
        Ok(outcome)
    }

    fn delete(&mut self, table: &str, filter: Option<&Expr>) -> Result<Outcome, Stop> {
        let def = self.def(table)?;
        let mut outcome = Outcome::default();
        for key in self.lock_matching(table, filter, Mode::Exclusive)? {
            let Some(old) = self.table(table)?.newest(&key).cloned() else { continue };
            self.lock_old(&def, &old, None)?;
            self.engine.write(self.session, &def.name, key, None);
            outcome.affected += 1;
        }
        Ok(outcome)
    }
}

fn duplicate(def: &TableDef, index: usize, row: &Row) -> Stop {
    let entry: Vec<_> = def.uniques[index]
        .iter()
        .map(|&c| match &row[c] {
            Value::Bytes(b) => crate::fakes::readable(b),
            Value::Int(n) => n.to_string(),
            Value::Null => "NULL".to_string(),
        })
        .collect();
    error::duplicate(&entry.join("-"), &def.key_name(index)).into()
}
