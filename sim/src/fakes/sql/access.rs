//! Which index a statement that locks goes by, and where in it.

use super::{
    eval::{Expr, Scope},
    schema::{TableDef, Type},
    table::{Entry, Key, Table},
};
use std::{cell::Cell, cmp::Ordering};
use teamtalk::store::sql::Value;

/// The way to the rows that a filter may match.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// These values of a unique key.
    Keys(usize, Vec<Key>),
    /// The entries of an index that begin with one of these.
    Prefixes(usize, Vec<Key>),
    /// The entries of an index whose first column is less.
    Below(usize, Value),
    /// All rows.
    Scan,
}

impl Access {
    /// The number of the index.
    pub(super) fn index(&self) -> Option<usize> {
        match self {
            Self::Keys(_, keys) if keys.is_empty() => None,
            Self::Keys(index, _) | Self::Prefixes(index, _) | Self::Below(index, _) => Some(*index),
            Self::Scan => None,
        }
    }

    /// As MariaDB chooses where tables are large (tests/stores/plans.rs): a unique key that the filter pins whole, else the
    /// index of which it pins most columns from the first on (of several the one with fewest), else one whose first column
    /// it bounds.
    pub(super) fn of(def: &TableDef, filter: Option<&Expr>, params: &[Value]) -> Self {
        let Some(filter) = filter else { return Self::Scan };
        let new_last_id = Cell::new(None);
        let scope =
            &Scope { params, row: &[], inserted: &[], last_id: 0, new_last_id: &new_last_id };
        let pinned = |index: usize| -> Vec<Vec<Value>> {
            def.index(index)
                .iter()
                .map_while(|&column| demanded(def, filter, column, scope))
                .collect()
        };
        let mut best = (0, Vec::new());
        for index in 0..def.index_count() {
            let values = pinned(index);
            if index < def.uniques.len() && values.len() == def.uniques[index].len() {
                return Self::Keys(index, product(&values));
            }
            let columns = |index| std::cmp::Reverse(def.index(index).len());
            if (values.len(), columns(index)) > (best.1.len(), columns(best.0)) {
                best = (index, values);
            }
        }
        if !best.1.is_empty() {
            return Self::Prefixes(best.0, product(&best.1));
        }
        let bounded = |index: usize| {
            let bound = filter.bound(def.index(index)[0], scope)?;
            Some(Self::Below(index, bound))
        };
        (0..def.index_count()).find_map(bounded).unwrap_or(Self::Scan)
    }
}

/// The values of a column that a filter demands, as a key has them, each once and in order.
pub(super) fn demanded(
    def: &TableDef,
    filter: &Expr,
    column: usize,
    scope: &Scope<'_>,
) -> Option<Vec<Value>> {
    let is_number = matches!(def.columns[column].ty, Type::Int { .. });
    let mut values = Vec::new();
    for value in filter.demanded(column, scope)? {
        match (def.store(column, &value, 1, false), &value) {
            (Ok(stored), _) => values.push(def.key_part(column, &stored)),
            // No row has a number that the column cannot hold.
            (Err(_), Value::Int(_)) if is_number => {}
            // A text that is too long is looked for all the same.
            (Err(_), Value::Bytes(_)) if !is_number => values.push(value),
            _ => return None,
        }
    }
    values.sort_unstable();
    values.dedup();
    Some(values)
}

/// All keys of which each column has one of its values, in order.
fn product(columns: &[Vec<Value>]) -> Vec<Key> {
    let begin = vec![Vec::new()];
    let all = columns.iter().fold(begin, |keys, values| {
        let with =
            |key: &Vec<Value>, value: &Value| [&key[..], std::slice::from_ref(value)].concat();
        keys.iter().flat_map(|key| values.iter().map(move |value| with(key, value))).collect()
    });
    all.into_iter().map(Key::from).collect()
}

/// A part of an index.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Its entries with the primary keys of their rows, in order: of all versions of a row that are kept.
    pub(super) entries: Vec<(Entry, Key)>,
    /// The last one in front of it.
    pub(super) above: Option<Entry>,
    /// The first one behind it, with its row's primary key.
    pub(super) below: Option<(Entry, Key)>,
}

impl Part {
    /// Those entries for which `place` says that they are equal; it says less of those in front of them.
    pub(super) fn of(table: &Table, index: usize, place: impl Fn(&[Value]) -> Ordering) -> Self {
        let mut part = Self::default();
        table.each_entry(index, |entry, key| match place(&entry) {
            Ordering::Less => part.above = part.above.take().max(Some(entry)),
            Ordering::Equal => part.entries.push((entry, key.clone())),
            Ordering::Greater => {
                if part.below.as_ref().is_none_or(|(below, _)| entry < *below) {
                    part.below = Some((entry, key.clone()));
                }
            }
        });
        part.entries.sort_unstable();
        part.entries.dedup();
        part
    }
}
