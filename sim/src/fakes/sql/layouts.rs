//! How the rows of all tables look, for whoever reads a trace.

use super::{table::Table, tables};
use crate::record::Columns;
use std::{collections::BTreeMap, sync::Arc};
use teamtalk::store::sql::Value;

/// The tables of an engine of the latest version, by their names.
#[derive(Debug)]
pub struct Layouts(BTreeMap<Arc<str>, Table>);

impl Default for Layouts {
    fn default() -> Self {
        let table = |(_, def): (u32, super::TableDef)| (def.name.clone(), Table::new(def));
        Self(tables::all().into_iter().map(table).collect())
    }
}

impl Layouts {
    /// The columns of a table; `None` if there is none of this name.
    pub fn columns(&self, table: &str) -> Option<&Arc<Columns>> {
        Some(self.0.get(table)?.names())
    }

    /// The primary key of a row that has a value for each column of the table.
    pub fn key(&self, table: &str, row: &[Value]) -> Option<Arc<[Value]>> {
        let def = &self.0.get(table)?.def;
        (row.len() == def.columns.len()).then(|| def.key(0, row))
    }
}
