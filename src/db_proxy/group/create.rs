//! 0405: a new group.

use crate::{
    db_proxy::{
        group::{self, change_member, in_transaction},
        plumbing::{
            context::{Context, OnFailure, StoreError, World},
            silent::Silent,
            text::raw,
        },
        table::{carried, reply},
    },
    store::{
        cache::Cache,
        sql::{SqlError, Value},
    },
    wire::{
        Pdu, command,
        im::group::{ImGroupCreateReq, ImGroupCreateRsp},
    },
};
use std::collections::BTreeSet;

/// Makes a group of the members in the request; the creator is none by himself. Result 1: no
/// name, no members, or not stored.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImGroupCreateReq = request.view()?;
    let ids: BTreeSet<u32> = asked.member_id_list.iter().copied().collect();
    let ids: Vec<u32> = ids.into_iter().collect();
    let mut group = 0;
    if !raw(&asked.group_name).is_empty() && !ids.is_empty() {
        group = if cx.protocol().members_from_store {
            let made = in_transaction::create(cx, &asked, &ids).await;
            or_zero(cx, made)?
        } else {
            create(cx, &asked, &ids).await?
        };
    }
    let made = group != 0;
    let response = ImGroupCreateRsp {
        user_id: asked.user_id,
        result_code: u32::from(!made),
        group_id: made.then_some(group),
        group_name: asked.group_name,
        user_id_list: if made { ids } else { Vec::new() },
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::GROUP_CREATE_RESPONSE, &response))
}

/// The original's way, a statement at a time: the new group's id; 0 if it was not stored.
async fn create<W: World>(
    cx: &mut Context<W>,
    asked: &ImGroupCreateReq,
    ids: &[u32],
) -> Result<u32, Silent> {
    let group = match insert(cx, asked, ids.len()).await {
        Ok(group) => group,
        Err(error @ StoreError::Sql(SqlError::Lost(_))) if cx.protocol().answered_refusals => {
            return Err(error.into());
        }
        Err(_) => 0,
    };
    if group != 0 {
        start_counter(cx, group).await;
        forget_members(cx, group).await?;
        // Counts the members a second time, so userCnt ends at twice their number.
        change_member::add(cx, group, ids).await?;
    }
    Ok(group)
}

/// A group that was made in one transaction; 0 for result 1.
fn or_zero<W: World>(cx: &Context<W>, group: Result<u32, StoreError>) -> Result<u32, Silent> {
    match group {
        Ok(group) => Ok(group),
        Err(error) if cx.protocol().answered_refusals && !error.is_about_content() => {
            Err(error.into())
        }
        Err(error) => {
            tracing::warn!(%error, "group not made");
            Ok(0)
        }
    }
}

/// Inserts the group's row: its id.
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

/// Best effort: a counter that is missing starts at 0 by itself.
pub async fn start_counter<W: World>(cx: &mut Context<W>, group: u32) {
    if let Err(error) = cx.cache().set(&group::msg_id_key(group), "0").await {
        tracing::warn!(%error, group, "counter not reset");
    }
}

/// A new group has no members: what is left of an older one of that id goes.
async fn forget_members<W: World>(cx: &mut Context<W>, group: u32) -> Result<(), Silent> {
    const TEXT: &str = "delete from IMGroupMember where groupId=?";
    cx.write(TEXT, &[group.into()]).await?;
    for old in group::members(cx, OnFailure::Empty, group).await? {
        if let Err(error) = cx.cache().hdel(&group::member_key(group), &old.to_string()).await {
            tracing::warn!(%error, group, "old member still in Redis");
        }
    }
    Ok(())
}
