//! What a store held before a command and after it: the committed rows and keys of the trace. From
//! these alone a reader can rebuild each version of a store ([`crate::model`]).

use super::{kept, kept_value, values};
use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;
use teamtalk::store::sql::Value;

/// The name of a table and of its columns, shared by all lines that have rows of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Columns {
    /// The table.
    pub table: Arc<str>,
    /// Its columns, in the order of a row's values.
    pub names: Vec<String>,
}

/// A row of SQL or a value of Redis that is another one now. `None` is one that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// A row was committed.
    Row {
        /// Its table.
        columns: Arc<Columns>,
        /// The values of its primary key.
        key: Arc<[Value]>,
        /// The row as it was committed last.
        before: Option<Arc<[Value]>>,
        /// The row as it is.
        after: Option<Arc<[Value]>>,
    },
    /// A string, or a field of a hash.
    Key {
        /// Its database of Redis.
        db: u32,
        /// The key.
        key: Bytes,
        /// The field of a hash; `None` for a string.
        field: Option<Bytes>,
        /// The value that was there.
        before: Option<Bytes>,
        /// The value that is there.
        after: Option<Bytes>,
    },
}

impl Changed {
    /// A row that is committed now; the trace keeps copies (see [`kept`]).
    pub fn row(
        columns: &Arc<Columns>,
        key: &Arc<[Value]>,
        before: Option<&[Value]>,
        after: Option<&[Value]>,
    ) -> Self {
        let copy = |row: &[Value]| row.iter().map(kept_value).collect();
        let key = key.iter().map(kept_value).collect();
        let (before, after) = (before.map(copy), after.map(copy));
        Self::Row { columns: columns.clone(), key, before, after }
    }

    /// A value of Redis that is there now; the trace keeps copies.
    pub fn key(
        db: u32,
        key: &Bytes,
        field: Option<&Bytes>,
        before: Option<&Bytes>,
        after: Option<&Bytes>,
    ) -> Self {
        let (key, field) = (kept(key), field.map(kept));
        Self::Key { db, key, field, before: before.map(kept), after: after.map(kept) }
    }

    /// As the trace shows it.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Row { columns, before, after, .. } => {
                let row = |row: &Option<Arc<[Value]>>| row.as_ref().map(|row| columns.shown(row));
                json!({"table": &*columns.table, "before": row(before), "after": row(after)})
            }
            Self::Key { db, key, field, before, after } => {
                let text = |bytes: &Option<Bytes>| bytes.as_ref().map(|b| values::bytes(b));
                json!({"db": db, "key": values::bytes(key), "field": text(field),
                    "before": text(before), "after": text(after)})
            }
        }
    }
}

impl Columns {
    /// Where a row has a column; `None` if there is none of this name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|of| of == name)
    }

    fn shown(&self, row: &[Value]) -> Json {
        let names = self.names.iter().cloned();
        Json::Object(names.zip(row.iter().map(values::value)).collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::{Changed, Columns};
    use bytes::Bytes;
    use serde_json::json;
    use std::sync::Arc;
    use teamtalk::store::sql::Value;

    #[test]
    fn rows_are_shown_by_their_columns_and_keys_by_their_fields() {
        let names = ["id", "name"].map(String::from).to_vec();
        let columns = Arc::new(Columns { table: "IMUser".into(), names });
        let row = vec![Value::Int(7), "bob".into()];
        let changed = Changed::row(&columns, &[Value::Int(7)].into(), None, Some(&row));
        let shown = json!({"table": "IMUser", "before": null, "after": {"id": 7, "name": "bob"}});
        assert_eq!(changed.to_json(), shown);
        let text = |text: &'static str| Bytes::from_static(text.as_bytes());
        let (field, before) = (text("2"), text("1"));
        let changed = Changed::key(1, &text("unread_1"), Some(&field), Some(&before), None);
        let shown = json!({"db": 1, "key": "unread_1", "field": "2", "before": "1", "after": null});
        assert_eq!(changed.to_json(), shown);
    }
}
