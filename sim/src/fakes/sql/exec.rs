//! What statements do.

use super::{
    access::demanded,
    engine::{Engine, SessionId},
    error,
    eval::{Expr, Scope, compare},
    locks::Mode,
    parse::{Insert, Select, Statement},
    schema::{TableDef, Type},
    table::{Key, Row, Table, TableId},
};
use std::{borrow::Cow, cell::Cell, cmp::Ordering, sync::Arc};
use teamtalk::store::sql::{Outcome, SqlError, Value};

/// Why a statement did not get to its end.
#[derive(Debug)]
pub(super) enum Stop {
    Error(SqlError),
    /// It is queued for a lock.
    Wait,
    /// Its whole transaction ends by this error: it would have closed a cycle, or has read what is old.
    RolledBack(SqlError),
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
        Statement::Select(select) => run.select(select),
        Statement::Insert(insert) => run.insert(insert, drawn),
        Statement::Update { table, set, filter } => run.update(*table, set, filter.as_ref()),
        Statement::Delete { table, filter } => run.delete(*table, filter.as_ref()),
        Statement::Begin | Statement::LimitIdle(_) | Statement::Commit | Statement::Rollback => {
            Ok(Outcome::default())
        }
    };
    // Also of a statement that failed.
    if let Some(id) = run.new_last_id.get()
        && !matches!(outcome, Err(Stop::Wait))
    {
        if let Ok(outcome) = &mut outcome
            && !matches!(statement, Statement::Select(_))
            && outcome.last_insert_id == 0
        {
            outcome.last_insert_id = id;
        }
        engine.session(session).last_insert_id = id;
    }
    outcome
}

pub(super) struct Run<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) session: SessionId,
    pub(super) params: &'a [Value],
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

    pub(super) fn table(&self, table: TableId) -> &Table {
        &self.engine.tables[table]
    }

    pub(super) fn def(&self, table: TableId) -> Arc<TableDef> {
        self.table(table).def.clone()
    }

    pub(super) fn passes(&self, filter: Option<&Expr>, row: &[Value]) -> Result<bool, Stop> {
        Ok(Expr::passes(filter, &self.scope(row, &[]))?)
    }

    fn select(&mut self, select: &Select) -> Result<Outcome, Stop> {
        let (filter, none) = (select.filter.as_ref(), Row::new());
        let mut rows: Vec<&Row> = match (select.table, select.lock) {
            (None, _) => vec![&none],
            (Some(table), Some(mode)) => {
                let keys = self.lock_matching(table, filter, mode)?;
                let table = self.table(table);
                keys.iter().filter_map(|key| table.newest(key)).collect()
            }
            (Some(table), None) => {
                let snapshot = self.engine.snapshot(self.session);
                let table = self.table(table);
                let mut rows = Vec::new();
                for key in self.candidates(table, filter) {
                    if let Some(row) = table.visible(&key, self.session, snapshot)
                        && self.passes(filter, row)?
                    {
                        rows.push(row);
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
        let rows = rows.iter().skip(offset).take(limit);
        outcome.rows.reserve_exact(rows.len());
        for row in rows {
            let scope = self.scope(row, &[]);
            let mut shown = Row::with_capacity(select.items.len());
            for (_, item) in &select.items {
                shown.push(item.eval(&scope)?);
            }
            outcome.rows.push(shown);
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

    /// The primary key that a filter demands, if it demands all its columns.
    fn primary(&self, def: &TableDef, filter: Option<&Expr>) -> Option<Key> {
        let scope = self.scope(&[], &[]);
        let part = |&column: &usize| {
            let value = filter?.pinned(column, &scope)?;
            let stored = def.store(column, &value, 1, false).ok()?;
            Some(def.key_part(column, &stored))
        };
        def.uniques[0].iter().map(part).collect()
    }

    /// The rows to look at: that of the primary key that the filter pins, those whose primary
    /// key or indexed column may have a value that it demands, else all; in the order of the
    /// primary key.
    fn candidates<'t>(&self, table: &'t Table, filter: Option<&Expr>) -> Vec<Cow<'t, Key>> {
        if let Some(key) = self.primary(&table.def, filter) {
            return vec![Cow::Owned(key)];
        }
        let demanded = |column: usize| demanded(&table.def, filter?, column, &self.scope(&[], &[]));
        if let [column] = table.def.uniques[0][..]
            && matches!(table.def.columns[column].ty, Type::Int { .. })
            && let Some(values) = demanded(column)
        {
            return values.into_iter().map(|value| Cow::Owned([value].into())).collect();
        }
        let Some(values) = table.indexed().and_then(demanded) else {
            return table.keys().map(Cow::Borrowed).collect();
        };
        let mut keys: Vec<_> = values.iter().flat_map(|value| table.with(value)).collect();
        if values.len() > 1 {
            keys.sort_unstable();
            keys.dedup();
        }
        keys.into_iter().map(Cow::Borrowed).collect()
    }

    fn insert(&mut self, insert: &Insert, drawn: &mut Option<Vec<u64>>) -> Result<Outcome, Stop> {
        let table = insert.table;
        let def = self.def(table);
        let mut rows = Vec::with_capacity(insert.rows.len());
        // A row that cannot be is one only when those before it are in.
        let mut refused = None;
        for (n, values) in insert.rows.iter().enumerate() {
            match self.new_row(&def, insert, values, n + 1) {
                Ok(row) => rows.push(row),
                Err(why) => {
                    refused = Some(why);
                    break;
                }
            }
        }
        let generated = self.draw_ids(table, &mut rows, drawn);
        let (mut outcome, mut first_generated) = (Outcome::default(), None);
        for (n, row) in rows.into_iter().enumerate() {
            let id = def.auto.map_or(0, |at| u64::from(row[at].uint()));
            let primary = def.key(0, &row);
            let wanted = match insert.on_duplicate {
                Some(_) => Mode::Exclusive,
                None => Mode::Shared,
            };
            let taken = self.lock_new(table, &def, &primary, &row, None, wanted)?;
            let Some((index, existing)) = taken else {
                if self.engine.locks.has_gaps(table) {
                    self.insert_entries(table, &def, &row, None)?;
                }
                self.engine.write(self.session, table, primary, Some(row));
                outcome.affected += 1;
                outcome.last_insert_id = id;
                if generated.get(n) == Some(&true) && first_generated.is_none() {
                    first_generated = Some(id);
                }
                continue;
            };
            if let Some(set) = &insert.on_duplicate {
                self.lock(table, 0, existing.clone(), Mode::Exclusive)?;
                if self.assign(table, &existing, set, &row, n + 1)? {
                    outcome.affected += 2;
                }
                outcome.last_insert_id = def.auto_of(&existing);
            } else if !insert.ignore {
                return Err(duplicate(&def, index, &row));
            }
        }
        if let Some(why) = refused {
            return Err(why);
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
        let mut row = Row::with_capacity(def.columns.len());
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
        table: TableId,
        rows: &mut [Row],
        drawn: &mut Option<Vec<u64>>,
    ) -> Vec<bool> {
        let table = &mut self.engine.tables[table];
        let Some(at) = table.def.auto else { return Vec::new() };
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

    /// Changes a locked row; true if anything changed. Assignments see those before them.
    fn assign(
        &mut self,
        table: TableId,
        key: &Key,
        set: &[(usize, Expr)],
        inserted: &[Value],
        n: usize,
    ) -> Result<bool, Stop> {
        let def = &self.table(table).def;
        let Some(old) = self.table(table).newest(key) else { return Ok(false) };
        let mut row = old.clone();
        for (column, expr) in set {
            let value = expr.eval(&self.scope(&row, inserted))?;
            row[*column] = def.store(*column, &value, n, false)?;
        }
        if row == *old {
            return Ok(false);
        }
        if def.uniques[0].iter().any(|&c| def.key_part(c, &row[c]) != def.key_part(c, &old[c])) {
            return Err(error::unsupported("UPDATE of a primary key").into());
        }
        if def.uniques.len() > 1 {
            let (def, old) = (def.clone(), old.clone());
            let taken = self.lock_new(table, &def, key, &row, Some(&old), Mode::Shared)?;
            if let Some((index, _)) = taken {
                return Err(duplicate(&def, index, &row));
            }
            self.lock_old(table, &def, &old, Some(&row))?;
        }
        if self.engine.locks.has_gaps(table) {
            let (def, old) = (self.def(table), self.table(table).newest(key).cloned());
            self.insert_entries(table, &def, &row, old.as_ref())?;
        }
        self.engine.write(self.session, table, key.clone(), Some(row));
        Ok(true)
    }

    fn update(
        &mut self,
        table: TableId,
        set: &[(usize, Expr)],
        filter: Option<&Expr>,
    ) -> Result<Outcome, Stop> {
        let mut outcome = Outcome::default();
        let keys = self.lock_matching(table, filter, Mode::Exclusive)?;
        for (n, key) in keys.iter().enumerate() {
            outcome.affected += u64::from(self.assign(table, key, set, &[], n + 1)?);
        }
        Ok(outcome)
    }

    fn delete(&mut self, table: TableId, filter: Option<&Expr>) -> Result<Outcome, Stop> {
        let def = self.def(table);
        let mut outcome = Outcome::default();
        for key in self.lock_matching(table, filter, Mode::Exclusive)? {
            let Some(old) = self.table(table).newest(&key).cloned() else { continue };
            self.lock_old(table, &def, &old, None)?;
            self.engine.write(self.session, table, key, None);
            outcome.affected += 1;
        }
        Ok(outcome)
    }
}

fn duplicate(def: &TableDef, index: usize, row: &Row) -> Stop {
    let entry: Vec<_> = def.uniques[index]
        .iter()
        .map(|&c| match &row[c] {
            Value::Bytes(b) => crate::record::readable(b).into_owned(),
            Value::Int(n) => n.to_string(),
            Value::Null => "NULL".to_string(),
        })
        .collect();
    error::duplicate(&entry.join("-"), &def.key_name(index)).into()
}
