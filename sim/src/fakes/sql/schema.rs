//! Columns, types, keys, and what a column makes of a value.

use super::{error, table::Key};
use bytes::Bytes;
use std::sync::Arc;
use teamtalk::store::sql::{SqlError, Value};

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// An integer from `min` to `max`.
    Int {
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// `varchar(chars)`, utf8mb4_bin.
    Text {
        /// The bound, in characters.
        chars: usize,
    },
    /// `varbinary(bytes)`: any bytes, all of which count in a key.
    Binary {
        /// The bound, in bytes.
        bytes: usize,
    },
}

impl Type {
    /// `int(11)`.
    pub const INT: Self = Self::Int { min: i32::MIN as i64, max: i32::MAX as i64 };
    /// `int(11) unsigned`.
    pub const UNSIGNED: Self = Self::Int { min: 0, max: u32::MAX as i64 };
    /// `tinyint unsigned`.
    pub const TINY: Self = Self::Int { min: 0, max: u8::MAX as i64 };
    /// `bigint unsigned`, as far as [`Value::Int`] reaches.
    pub const BIG: Self = Self::Int { min: 0, max: i64::MAX };
}

/// A column; all are NOT NULL, as those of the original that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name; compared without case.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// What an INSERT without it stores; `None`: error 1364.
    pub default: Option<Value>,
}

/// A table as created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDef {
    /// Its name; compared with case.
    pub name: Arc<str>,
    /// Its columns, in the order of `select *`.
    pub columns: Vec<Column>,
    /// The AUTO_INCREMENT column, if any.
    pub auto: Option<usize>,
    /// Its unique keys as columns; the first is the primary key.
    pub uniques: Vec<Vec<usize>>,
    /// Its other indexes as columns.
    pub indexes: Vec<Vec<usize>>,
}

impl TableDef {
    /// The place of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name))
    }

    /// How many indexes it has: the unique keys first.
    pub(super) fn index_count(&self) -> usize {
        self.uniques.len() + self.indexes.len()
    }

    /// The columns of an index by its number.
    pub(super) fn index(&self, index: usize) -> &[usize] {
        self.uniques.get(index).unwrap_or_else(|| &self.indexes[index - self.uniques.len()])
    }

    /// A row's entry in an index: in one that is not unique its primary key follows.
    pub(super) fn entry(&self, index: usize, row: &[Value]) -> Key {
        let behind = if index < self.uniques.len() { &[][..] } else { &self.uniques[0] };
        let columns = self.index(index).iter().chain(behind);
        columns.map(|&column| self.key_part(column, &row[column])).collect()
    }

    /// A row's value of unique key number `index`.
    pub(super) fn key(&self, index: usize, row: &[Value]) -> Key {
        self.uniques[index].iter().map(|&column| self.key_part(column, &row[column])).collect()
    }

    /// A column's value within a key. Trailing blanks do not count (PAD SPACE).
    pub(super) fn key_part(&self, column: usize, value: &Value) -> Value {
        match self.columns[column].ty {
            Type::Binary { .. } => value.clone(),
            _ => trimmed(value),
        }
    }

    /// The AUTO_INCREMENT value within a primary key; 0 without one.
    pub(super) fn auto_of(&self, primary: &[Value]) -> u64 {
        let at = self.uniques[0].iter().position(|column| Some(*column) == self.auto);
        at.map_or(0, |at| u64::from(primary[at].uint()))
    }

    /// The name of a unique key as error 1062 gives it.
    pub(super) fn key_name(&self, index: usize) -> String {
        match index {
            0 => "PRIMARY".to_string(),
            _ => {
                let names: Vec<_> =
                    self.uniques[index].iter().map(|&c| self.columns[c].name.as_str()).collect();
                format!("uk_{}", names.join("_"))
            }
        }
    }

    /// The value that a column stores for `value` (strict mode); `row` is its number in the
    /// statement. With `ignore` (INSERT IGNORE) it is clipped instead of refused.
    pub(super) fn store(
        &self,
        column: usize,
        value: &Value,
        row: usize,
        ignore: bool,
    ) -> Result<Value, SqlError> {
        let column = &self.columns[column];
        match (column.ty, value) {
            (ty, Value::Null) if ignore => Ok(zero(ty)),
            (_, Value::Null) => Err(error::null(&column.name)),
            (Type::Int { min, max }, value) => {
                let n = match value {
                    Value::Int(n) => *n,
                    Value::Bytes(b) => match std::str::from_utf8(b).map(|t| t.trim().parse()) {
                        Ok(Ok(n)) => n,
                        _ if ignore => 0,
                        _ => return Err(error::incorrect("integer", b, &self.place(column), row)),
                    },
                    Value::Null => 0,
                };
                if (min..=max).contains(&n) || ignore {
                    Ok(Value::Int(n.clamp(min, max)))
                } else {
                    Err(error::out_of_range(&column.name, row))
                }
            }
            (Type::Binary { .. }, Value::Int(n)) => Ok(Value::Bytes(n.to_string().into())),
            (Type::Binary { bytes: most }, Value::Bytes(b)) if b.len() <= most => {
                Ok(Value::Bytes(b.clone()))
            }
            (Type::Binary { bytes: most }, Value::Bytes(b)) if ignore => {
                Ok(Value::Bytes(b.slice(..most)))
            }
            (Type::Binary { .. }, Value::Bytes(_)) => Err(error::too_long(&column.name, row)),
            (Type::Text { .. }, Value::Int(n)) => {
                self.store_text(column, n.to_string().into(), row, ignore)
            }
            (Type::Text { .. }, Value::Bytes(b)) => self.store_text(column, b.clone(), row, ignore),
        }
    }

    fn store_text(
        &self,
        column: &Column,
        bytes: Bytes,
        row: usize,
        ignore: bool,
    ) -> Result<Value, SqlError> {
        let Type::Text { chars } = column.ty else { return Ok(Value::Bytes(bytes)) };
        let (text, bytes) = match std::str::from_utf8(&bytes) {
            Ok(text) => (text, bytes.clone()),
            Err(e) if !ignore => {
                let bad = &bytes[e.valid_up_to()..];
                return Err(error::incorrect("string", bad, &self.place(column), row));
            }
            Err(e) => {
                let good = bytes.slice(..e.valid_up_to());
                (std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default(), good)
            }
        };
        let Some((end, _)) = text.char_indices().nth(chars) else {
            return Ok(Value::Bytes(bytes));
        };
        // Blanks past the end are cut without an error.
        if ignore || text[end..].bytes().all(|b| b == b' ') {
            Ok(Value::Bytes(bytes.slice(..end)))
        } else {
            Err(error::too_long(&column.name, row))
        }
    }

    fn place(&self, column: &Column) -> String {
        format!("`teamtalk`.`{}`.`{}`", self.name, column.name)
    }
}

fn zero(ty: Type) -> Value {
    match ty {
        Type::Int { .. } => Value::Int(0),
        Type::Text { .. } | Type::Binary { .. } => Value::Bytes(Bytes::new()),
    }
}

/// A value without trailing blanks, as a key compares it.
pub(super) fn trimmed(value: &Value) -> Value {
    match value {
        Value::Bytes(b) => {
            let end = b.iter().rposition(|&c| c != b' ').map_or(0, |at| at + 1);
            Value::Bytes(b.slice(..end))
        }
        other => other.clone(),
    }
}
