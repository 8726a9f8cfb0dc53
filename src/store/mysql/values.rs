//! What a server sends as the roles see it.

use crate::store::sql::Value;
use bytes::Bytes;
use mysql_async::{Column, Row, consts::ColumnType};

/// The values of a row. In the text protocol every value is a text: which are numbers say the columns.
pub fn row(row: Row) -> Vec<Value> {
    let columns = row.columns();
    let values = row.unwrap_raw().into_iter().zip(columns.iter());
    values.map(|(value, column)| one(value.unwrap_or(mysql_async::Value::NULL), column)).collect()
}

fn one(value: mysql_async::Value, column: &Column) -> Value {
    match value {
        mysql_async::Value::NULL => Value::Null,
        mysql_async::Value::Bytes(bytes) if is_number(column.column_type()) => {
            let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
            number.map_or_else(|| Value::Bytes(bytes.into()), Value::Int)
        }
        mysql_async::Value::Bytes(bytes) => Value::Bytes(bytes.into()),
        // The text protocol has no others.
        other => Value::Bytes(Bytes::from(other.as_sql(true))),
    }
}

/// DECIMAL is what `sum` of integers has. One that does not fit an `i64`, or has a fraction, stays a text.
fn is_number(of: ColumnType) -> bool {
    matches!(
        of,
        ColumnType::MYSQL_TYPE_TINY
            | ColumnType::MYSQL_TYPE_SHORT
            | ColumnType::MYSQL_TYPE_INT24
            | ColumnType::MYSQL_TYPE_LONG
            | ColumnType::MYSQL_TYPE_LONGLONG
            | ColumnType::MYSQL_TYPE_YEAR
            | ColumnType::MYSQL_TYPE_DECIMAL
            | ColumnType::MYSQL_TYPE_NEWDECIMAL
    )
}
