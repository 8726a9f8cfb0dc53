//! MySQL's errors, by number.

use crate::record::readable;
use teamtalk::store::sql::SqlError;

fn server(code: u16, message: String) -> SqlError {
    SqlError::Server { code, message }
}

pub(super) fn null(column: &str) -> SqlError {
    server(1048, format!("Column '{column}' cannot be null"))
}

/// The transaction's snapshot is older than the row that it wants to lock.
pub(super) fn changed(table: &str) -> SqlError {
    let what = format!("Record has changed since last read in table '{table}'");
    server(1020, format!("{what}; try restarting transaction"))
}

/// `clause` is `field list`, `where clause` or `order clause`.
pub(super) fn unknown_column(column: &str, clause: &str) -> SqlError {
    server(1054, format!("Unknown column '{column}' in '{clause}'"))
}

pub(super) fn duplicate(entry: &str, key: &str) -> SqlError {
    server(1062, format!("Duplicate entry '{entry}' for key '{key}'"))
}

pub(super) fn syntax(why: &str) -> SqlError {
    server(1064, format!("You have an error in your SQL syntax: {why}"))
}

pub(super) fn value_count(row: usize) -> SqlError {
    server(1136, format!("Column count doesn't match value count at row {row}"))
}

pub(super) fn unknown_table(table: &str) -> SqlError {
    server(1146, format!("Table 'teamtalk.{table}' doesn't exist"))
}

pub(super) fn lock_wait_timeout() -> SqlError {
    server(1205, "Lock wait timeout exceeded; try restarting transaction".to_string())
}

pub(super) fn param_count() -> SqlError {
    server(1210, "Incorrect arguments to EXECUTE".to_string())
}

pub(super) fn deadlock() -> SqlError {
    server(1213, "Deadlock found when trying to get lock; try restarting transaction".to_string())
}

/// A table can't grow: the disk is full.
pub(super) fn table_full() -> SqlError {
    server(1114, "The table is full".to_string())
}

pub(super) fn read_only() -> SqlError {
    let why = "The MariaDB server is running with the --read-only option so it cannot execute this statement";
    server(1290, why.to_string())
}

/// Good SQL that the fake does not know.
pub(super) fn unsupported(what: &str) -> SqlError {
    server(1235, format!("This fake doesn't yet support '{what}'"))
}

pub(super) fn out_of_range(column: &str, row: usize) -> SqlError {
    server(1264, format!("Out of range value for column '{column}' at row {row}"))
}

pub(super) fn no_default(column: &str) -> SqlError {
    server(1364, format!("Field '{column}' doesn't have a default value"))
}

/// `kind` is `integer` or `string`.
pub(super) fn incorrect(kind: &str, value: &[u8], place: &str, row: usize) -> SqlError {
    let value = if kind == "string" {
        value.iter().take(6).map(|b| format!("\\x{b:02X}")).collect()
    } else {
        readable(value).into_owned()
    };
    server(1366, format!("Incorrect {kind} value: '{value}' for column {place} at row {row}"))
}

pub(super) fn too_long(column: &str, row: usize) -> SqlError {
    server(1406, format!("Data too long for column '{column}' at row {row}"))
}

pub(super) fn arithmetic() -> SqlError {
    server(1690, "BIGINT value is out of range".to_string())
}
