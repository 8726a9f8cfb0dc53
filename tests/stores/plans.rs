//! By which index a statement locks: the fake goes by the one that a real server takes where tables are large.

use crate::{database::Database, sent::units};
use mysql_async::{Row, prelude::Queryable as _};
use std::collections::BTreeMap;
use teamtalk::store::{
    mysql,
    sql::{Connection as _, Connector as _, Server, Value},
};
use teamtalk_sim::fakes::sql::Engine;

/// In each table.
const ROWS: u32 = 20_000;

/// A statement's parameters: few rows of those that are there have them.
fn param(value: &Value) -> Value {
    match value {
        // A time: next to the oldest rows.
        Value::Int(n) if *n > 1_000_000 => Value::Int(1_010),
        Value::Int(0) => Value::Int(0),
        Value::Int(_) => Value::Int(7),
        other => other.clone(),
    }
}

/// Fills a table: keys have each value a hundred times, and times go up.
async fn fill(connection: &mut mysql::Connection, table: &str) {
    let columns = "select column_name as name, column_key as k, extra, data_type as ty from information_schema.columns \
        where table_schema=database() and table_name=? order by ordinal_position";
    let columns = connection.execute(columns, &[table.into()]).await.expect("its columns").rows;
    let text = |value: &Value| match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?} is no text"),
    };
    let (mut names, mut values, mut keys) = (Vec::new(), Vec::new(), 0);
    for column in &columns {
        let [name, key, extra, ty] = [0, 1, 2, 3].map(|at| text(&column[at]));
        if extra == "auto_increment" {
            continue;
        }
        let is_key = key == "PRI";
        values.push(match (is_key, keys, &*name, &*ty) {
            (true, _, _, "varbinary") => "concat('t', seq)",
            (true, 0, _, _) => "seq div 200",
            (true, 1, _, _) => "1 + seq mod 200",
            (_, _, "status", _) | (true, ..) => "0",
            (_, _, "created" | "updated", _) => "1000 + seq",
            (_, _, _, "varchar" | "varbinary") => "lpad(conv(seq, 10, 36), 4, '0')",
            (_, _, _, "tinyint") => "seq mod 3",
            (_, _, "peerId" | "userId" | "bigId" | "toId", _) => "1 + seq mod 211",
            _ => "1 + seq div 100",
        });
        keys += usize::from(is_key);
        names.push(format!("`{name}`"));
    }
    let (names, values) = (names.join(","), values.join(","));
    let filled = format!("insert into {table} ({names}) select {values} from seq_1_to_{ROWS}");
    connection.execute(&filled, &[]).await.expect("rows");
    connection.execute(&format!("analyze table {table}"), &[]).await.expect("known");
}

#[tokio::test]
async fn the_fake_locks_by_the_index_that_a_real_server_takes() {
    let Some(database) = Database::fresh("plans", true).await else { return };
    let mut asked: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (text, params) in units().into_iter().flatten() {
        if ["update ", "delete "].iter().any(|verb| text.starts_with(verb))
            || text.ends_with("for update")
        {
            asked.entry(text).or_insert_with(|| params.iter().map(param).collect());
        }
    }
    let mut connection = database.connector().connect(Server::Primary).await.expect("a session");
    for table in [
        "IMGroupMember",
        "IMRecentSession",
        "IMRelationShip",
        "IMGroup",
        "IMUser",
        "IMTransmitFile",
        "TTRelation",
        "TTSend",
        "TTSession",
    ] {
        fill(&mut connection, table).await;
    }
    let mut conn = database.conn().await;
    let mut engine = Engine::new();
    let mut wrong = Vec::new();
    for (text, params) in &asked {
        let explained = connection.execute(&format!("explain {text}"), params).await.expect(text);
        let key = explained.get(0, "key");
        let table: Value = explained.get(0, "table");
        let (table, key) = match (&table, &key) {
            (Value::Bytes(table), Value::Bytes(key)) => (
                String::from_utf8_lossy(table).into_owned(),
                String::from_utf8_lossy(key).into_owned(),
            ),
            (Value::Bytes(table), _) => {
                (String::from_utf8_lossy(table).into_owned(), String::new())
            }
            _ => panic!("{text}: {:?}", explained.rows),
        };
        let of = "select group_concat(column_name order by seq_in_index) from information_schema.statistics \
            where table_schema=database() and table_name=? and index_name=?";
        let row: Option<Row> = conn.exec_first(of, (&table, &key)).await.expect("its columns");
        let real = row.and_then(|mut row| row.take::<Option<String>, _>(0)).flatten();
        let fake = engine.locks_by(text, params).expect("it locks");
        if fake != real {
            wrong.push(format!("{text}: by {fake:?}, not by {real:?}"));
        }
    }
    assert!(wrong.is_empty(), "of {}:\n{}", asked.len(), wrong.join("\n"));
    assert!(asked.len() > 20, "{} statements", asked.len());
}
