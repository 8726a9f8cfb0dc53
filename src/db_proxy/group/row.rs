//! The row of a new group, and its counter.

use crate::{
    db_proxy::{
        data::{keys, text::raw},
        plumbing::{
            context::{Context, World},
            error::StoreError,
        },
    },
    store::{cache::Cache, sql::Value},
    wire::im::group::ImGroupCreateReq,
};

/// Inserts the row of a new group. Returns its id; 0 if there is none.
pub async fn insert<W: World>(
    cx: &mut Context<W>,
    asked: &ImGroupCreateReq,
    members: usize,
) -> Result<u32, StoreError> {
    const TEXT: &str = "insert into IMGroup(`name`, `avatar`, `creator`, `type`,`userCnt`, \
        `status`, `version`, `lastChated`, `updated`, `created`) \
        values(?, ?, ?, ?, ?, 0, 1, 0, ?, ?)";
    let params = [
        Value::from(raw(&asked.group_name)),
        Value::from(raw(&asked.group_avatar)),
        asked.user_id.into(),
        Value::Int(asked.group_type.into()),
        Value::Int(members as i64),
        cx.now.into(),
        cx.now.into(),
    ];
    Ok(cx.primary(TEXT, &params).await?.last_insert_id as u32)
}

/// Sets the counter of msg_ids to 0, best effort: one that is missing starts at 0 by itself.
pub async fn start_counter<W: World>(cx: &mut Context<W>, group: u32) {
    if let Err(error) = cx.cache().set(&keys::msg_id_of_group(group), "0").await {
        tracing::warn!(%error, group, "counter not reset");
    }
}
