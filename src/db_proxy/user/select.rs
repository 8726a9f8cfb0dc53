//! Rows that are found by their ids.

use crate::{
    db_proxy::{
        data::sql_text::placeholders,
        plumbing::{
            context::{Context, World},
            error::StoreError,
        },
    },
    store::sql::{Outcome, Server, Value},
};

/// The rows of a table with these ids; no ids: no SQL.
pub async fn by_id<W: World>(
    cx: &mut Context<W>,
    table: &str,
    ids: impl ExactSizeIterator<Item = u32>,
) -> Result<Outcome, StoreError> {
    if ids.len() == 0 {
        return Ok(Outcome::default());
    }
    let text = format!("select * from {table} where id in ({})", placeholders(ids.len()));
    let params: Vec<Value> = ids.map(Value::from).collect();
    cx.select(cx.on_failed_query(), Server::Replica, &text, &params).await
}

/// The original's way (SYSTEM.md section 6, 0208 and 0210): the ids that a statement finds, then their
/// rows, by another one.
pub async fn changed<W: World>(
    cx: &mut Context<W>,
    table: &str,
    ids: &str,
    params: &[Value],
) -> Result<Outcome, StoreError> {
    let found = cx.select(cx.on_failed_query(), Server::Replica, ids, params).await?;
    by_id(cx, table, (0..found.rows.len()).map(|row| found.get(row, "id").uint())).await
}
