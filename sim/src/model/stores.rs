//! The stores in versions, rebuilt from the trace alone: a version is a line of the trace after
//! which a store holds something else than before.

use super::number;
use crate::lookup::Lookup;
use crate::record::{Applied, Changed, Columns, Effect, Kind, Line};
use bytes::Bytes;
use std::{collections::BTreeMap, sync::Arc};
use teamtalk::store::sql::Value;

/// The database of Redis that db_proxy uses (SYSTEM.md section 6).
const REDIS_DB: u32 = 1;

/// What came to be at some lines, in their order; `None`: it is gone.
type Versions<T> = Vec<(u64, Option<T>)>;

/// SQL, Redis and the files of audio. Nothing is ever forgotten.
#[derive(Debug, Default)]
pub struct Stores {
    tables: Lookup<Arc<str>, Table>,
    keys: BTreeMap<Bytes, BTreeMap<Option<Bytes>, Versions<Bytes>>>,
    blobs: BTreeMap<String, Bytes>,
    /// The lines that changed something.
    lines: Vec<u64>,
}

#[derive(Debug)]
struct Table {
    columns: Arc<Columns>,
    rows: BTreeMap<Arc<[Value]>, Versions<Arc<[Value]>>>,
}

/// The stores as they were after a line.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    stores: &'a Stores,
    after: u64,
}

/// A row of a table.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    columns: &'a Columns,
    values: &'a [Value],
}

impl Stores {
    /// Takes the next line.
    pub fn observe(&mut self, line: &Line) {
        let changed = match &line.kind {
            Kind::Holds { changed, .. }
            | Kind::StoreLost { changed, .. }
            | Kind::Migrated { changed, .. } => changed,
            Kind::Store(Applied { store: "blob", params, effect: Effect::Text(path), .. }) => {
                if let Some(Value::Bytes(blob)) = params.first() {
                    self.blobs.insert(path.clone(), blob.clone());
                }
                return;
            }
            Kind::Store(applied) => &applied.changed,
            _ => return,
        };
        if changed.is_empty() {
            return;
        }
        self.lines.push(line.n);
        changed.iter().for_each(|changed| self.change(line.n, changed));
    }

    fn change(&mut self, n: u64, changed: &Changed) {
        match changed {
            Changed::Row { columns, key, after, .. } => {
                let fresh = || Table { columns: columns.clone(), rows: BTreeMap::new() };
                let table = self.tables.entry(columns.table.clone()).or_insert_with(fresh);
                table.rows.entry(key.clone()).or_default().push((n, after.clone()));
            }
            Changed::Key { db: REDIS_DB, key, field, after, .. } => {
                let fields = self.keys.entry(key.clone()).or_default();
                fields.entry(field.clone()).or_default().push((n, after.clone()));
            }
            Changed::Key { .. } => {}
        }
    }

    /// The stores after a line.
    pub fn after(&self, line: u64) -> View<'_> {
        View { stores: self, after: line }
    }

    /// The lines between two that changed something.
    pub fn changes_between(&self, from: u64, to: u64) -> &[u64] {
        let start = self.lines.partition_point(|&n| n <= from);
        let end = self.lines.partition_point(|&n| n < to);
        &self.lines[start..end.max(start)]
    }
}

impl<'a> View<'a> {
    /// The rows of a table, by their primary key; none if there is no such table.
    pub fn rows(self, table: &str) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let table = self.stores.tables.get(table);
        table.into_iter().flat_map(move |table| {
            table.rows.values().filter_map(move |versions| {
                let values = self.of(versions)?;
                Some(Row { columns: &table.columns, values })
            })
        })
    }

    /// The rows of a table in which these columns have these numbers.
    pub fn rows_with<const N: usize>(
        self,
        table: &str,
        of: [(&str, u32); N],
    ) -> impl Iterator<Item = Row<'a>> + use<'a, N> {
        let columns = self.stores.tables.get(table).map(|table| &*table.columns);
        let places = of.map(|(name, number)| (columns.and_then(|of| of.place(name)), number));
        self.rows(table).filter(move |row| places.iter().all(|(at, is)| row.uint_at(*at) == *is))
    }

    /// A string of Redis.
    pub fn text(self, key: &str) -> Option<&'a Bytes> {
        self.of(self.stores.keys.get(key.as_bytes())?.get(&None)?)
    }

    /// The strings of Redis whose keys begin so, by the rest of their keys.
    pub fn keys(self, prefix: &'a str) -> impl Iterator<Item = (&'a [u8], &'a Bytes)> {
        let keys = self.stores.keys.range(Bytes::from_static(b"")..);
        keys.filter_map(move |(key, fields)| {
            Some((key.strip_prefix(prefix.as_bytes())?, self.of(fields.get(&None)?)?))
        })
    }

    /// A hash of Redis, in text order of its fields.
    pub fn hash(self, key: &str) -> impl Iterator<Item = (&'a Bytes, &'a Bytes)> {
        let fields = self.stores.keys.get(key.as_bytes()).into_iter().flatten();
        fields.filter_map(move |(field, versions)| Some((field.as_ref()?, self.of(versions)?)))
    }

    /// A field of a hash.
    pub fn field(self, key: &str, field: &str) -> Option<&'a Bytes> {
        let fields = self.stores.keys.get(key.as_bytes())?;
        self.of(fields.get(&Some(Bytes::copy_from_slice(field.as_bytes())))?)
    }

    /// The counter of a group, or of what a member has read of one: 0 if there is none.
    pub fn counter(self, key: &str) -> u32 {
        self.field(key, "count").map_or(0, |count| number(count))
    }

    /// A file of audio; nothing ever changes one.
    pub fn blob(self, path: &str) -> Option<&'a Bytes> {
        self.stores.blobs.get(path)
    }

    fn of<T>(self, versions: &'a Versions<T>) -> Option<&'a T> {
        versions.iter().rev().find(|(n, _)| *n <= self.after)?.1.as_ref()
    }
}

impl<'a> Row<'a> {
    /// A row that a line of the trace shows.
    pub fn of(columns: &'a Columns, values: &'a [Value]) -> Self {
        Self { columns, values }
    }

    /// A column; `NULL` if there is none of this name.
    fn get(self, column: &str) -> &'a Value {
        self.columns.place(column).map_or(&Value::Null, |at| &self.values[at])
    }

    /// Where it has a column; `None` if there is none of this name.
    pub fn place(self, column: &str) -> Option<usize> {
        self.columns.place(column)
    }

    /// The number in a place; 0 if there is none.
    pub fn uint_at(self, place: Option<usize>) -> u32 {
        place.map_or(0, |at| self.values[at].uint())
    }

    /// A number; 0 if it is none.
    pub fn uint(self, column: &str) -> u32 {
        self.get(column).uint()
    }

    /// A text; empty if it is none.
    pub fn bytes(self, column: &str) -> Bytes {
        self.get(column).bytes()
    }

    /// Whether these columns have these numbers.
    pub fn has<const N: usize>(self, columns: [(&str, u32); N]) -> bool {
        columns.iter().all(|(name, number)| self.uint(name) == *number)
    }
}

#[cfg(test)]
mod tests {
    use super::Stores;
    use crate::{
        plan::Host,
        record::{Changed, Columns, Kind, Line},
    };
    use bytes::Bytes;
    use std::sync::Arc;
    use teamtalk::store::sql::Value;

    fn lost(n: u64, changed: Vec<Changed>) -> Line {
        let kind = Kind::StoreLost { store: "redis", commands: 1, changed };
        Line { n, sim_us: n, host: Host::of("redis"), incarnation: 1, kind }
    }

    #[test]
    fn each_version_is_what_was_there_after_its_line() {
        let columns =
            Arc::new(Columns { table: "T".into(), names: ["id", "n"].map(String::from).to_vec() });
        let row = |n: i64| Some(vec![Value::Int(7), Value::Int(n)]);
        let change = |before: Option<Vec<Value>>, after: Option<Vec<Value>>| {
            Changed::row(&columns, &[Value::Int(7)].into(), before.as_deref(), after.as_deref())
        };
        let text = |text: &'static str| Bytes::from_static(text.as_bytes());
        let key = |after: Option<&'static str>| {
            Changed::key(1, &text("h"), Some(&text("f")), None, after.map(text).as_ref())
        };
        let mut stores = Stores::default();
        stores.observe(&lost(3, vec![change(None, row(1)), key(Some("a"))]));
        stores.observe(&lost(5, vec![change(row(1), row(2))]));
        stores.observe(&lost(9, vec![change(row(2), None), key(None)]));
        let n = |line| stores.after(line).rows("T").next().map(|row| row.uint("n"));
        assert_eq!([2, 3, 4, 5, 8, 9].map(n), [None, Some(1), Some(1), Some(2), Some(2), None]);
        let with =
            |line, n| stores.after(line).rows_with("T", [("id", 7), ("n", n), ("none", 0)]).count();
        assert_eq!([with(3, 1), with(3, 2), with(5, 2), with(9, 2)], [1, 0, 1, 0]);
        assert_eq!(stores.after(8).field("h", "f"), Some(&text("a")));
        assert_eq!(stores.after(9).hash("h").count(), 0);
        assert_eq!(stores.changes_between(3, 9), [5]);
        assert_eq!(stores.changes_between(2, 10), [3, 5, 9]);
    }
}
