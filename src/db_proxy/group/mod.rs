//! Groups: keys in Redis, members, counters, messages (SYSTEM.md section 3, step 3; section 6).

pub mod change_member;
pub mod create;
pub mod in_transaction;
pub mod info;
pub mod job;
pub mod membership;
pub mod normal_list;
pub mod shield;
#[cfg(test)]
mod tests;

use crate::{
    db_proxy::{
        message::{self, Latest},
        plumbing::{
            context::{Context, OnFailure, StoreError, World, or_empty},
            text::number,
        },
    },
    store::{cache::Cache, sql::Value},
};
use membership::Since;

/// The only field of a group's and of a member's counter.
const COUNT: &str = "count";

/// The table of a group's messages.
pub fn table(group: u32) -> String {
    format!("IMGroupMessage_{}", group % 8)
}

/// The key of the counter that a group's msg_ids are drawn from.
pub fn msg_id_key(group: u32) -> String {
    format!("group_msg_id_{group}")
}

/// The key of a group's members: when each of them joined.
pub fn member_key(group: u32) -> String {
    format!("group_member_{group}")
}

/// The key of what members have set for a group.
pub fn set_key(group: u32) -> String {
    format!("group_set_{group}")
}

fn counter_key(group: u32) -> String {
    format!("{group}_im_group_msg")
}

fn user_counter_key(group: u32, user: u32) -> String {
    format!("{user}_{group}_im_user_group")
}

/// Whether a group is known: whether it has members in Redis, or (`members-from-store`) a row.
pub async fn exists<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
) -> Result<bool, StoreError> {
    if cx.protocol().members_from_store {
        return membership::exists(cx, on_failure, group).await;
    }
    let read = cx.cache().exists(&member_key(group)).await;
    or_empty(on_failure, read.map_err(StoreError::from))
}

/// When a user joined a group, in seconds; `None` if he is not in it.
pub async fn joined<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
    user: u32,
) -> Result<Option<u32>, StoreError> {
    if cx.protocol().members_from_store {
        return membership::joined(cx, on_failure, group, user).await;
    }
    let read = cx.cache().hget(&member_key(group), &user.to_string()).await;
    let time = or_empty(on_failure, read.map_err(StoreError::from))?;
    Ok(time.filter(|time| !time.is_empty()).map(|time| number(&time)))
}

/// The members of a group, in text order of their ids or (`members-from-store`) ascending.
pub async fn members<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
) -> Result<Vec<u32>, StoreError> {
    if cx.protocol().members_from_store {
        return membership::members(cx, on_failure, group).await;
    }
    let read = cx.cache().hgetall(&member_key(group)).await;
    let hash = or_empty(on_failure, read.map_err(StoreError::from))?;
    Ok(hash.keys().map(|user| number(user)).collect())
}

/// From where on a user may read a group; `None` if he is not in it.
pub async fn since<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
    user: u32,
) -> Result<Option<Since>, StoreError> {
    if cx.protocol().members_from_store {
        return membership::since(cx, on_failure, group, user).await;
    }
    if joined(cx, on_failure, group, user).await?.is_none() {
        return Ok(None);
    }
    // Asked for once more, as in golden 19.
    Ok(Some(Since::Second(joined(cx, on_failure, group, user).await?.unwrap_or(0))))
}

/// Counts a message of a group.
pub async fn count_message<W: World>(cx: &mut Context<W>, group: u32) -> Result<(), StoreError> {
    cx.cache().hincr_by(&counter_key(group), COUNT, 1).await?;
    Ok(())
}

/// Takes all messages of a group as read by a user.
pub async fn set_read<W: World>(
    cx: &mut Context<W>,
    group: u32,
    user: u32,
) -> Result<(), StoreError> {
    let counter = cx.cache().hgetall(&counter_key(group)).await?;
    Ok(cx.cache().hmset(&user_counter_key(group, user), &counter).await?)
}

/// How many messages of a group a user has not read; his own counter is not asked for if the
/// group has none.
pub async fn unread<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
    user: u32,
) -> Result<u32, StoreError> {
    let all = counter(cx, on_failure, &counter_key(group)).await?;
    if all.is_empty() {
        return Ok(0);
    }
    let read = counter(cx, on_failure, &user_counter_key(group, user)).await?;
    Ok(number(&all).saturating_sub(number(&read)))
}

async fn counter<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    key: &str,
) -> Result<Vec<u8>, StoreError> {
    let read = cx.cache().hget(key, COUNT).await;
    Ok(or_empty(on_failure, read.map_err(StoreError::from))?.unwrap_or_default())
}

/// The latest message of a group; `None` if there is none.
pub async fn latest<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
) -> Result<Option<Latest>, StoreError> {
    let text = format!(
        "select msgId, type,userId, content from {} where groupId = ? and status = 0 {} limit 1",
        table(group),
        message::order(cx.protocol())
    );
    let found = cx.select(on_failure, cx.reader(), &text, &[group.into()]).await?;
    let from = found.get(0, "userId").uint();
    Ok(message::latest_in(&found, from))
}

/// A condition of a list beside group, status and time of joining.
pub struct Among<'a> {
    /// In SQL, ` and …`.
    pub text: &'a str,
    /// Its values.
    pub params: Vec<Value>,
    /// At most how many.
    pub limit: u32,
}

/// The messages of a group that a member may see, those since he joined; none for others.
pub async fn list<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    (group, user): (u32, u32),
    among: Among<'_>,
) -> Result<Vec<crate::wire::im::base_define::MsgInfo>, StoreError> {
    let Some(since) = since(cx, on_failure, group, user).await? else { return Ok(Vec::new()) };
    let (visible, since) = since.condition();
    let text = format!(
        "select * from {} where groupId = ?{} and status = 0{visible} {} limit ?",
        table(group),
        among.text,
        message::order(cx.protocol())
    );
    let params: Vec<Value> =
        [group.into()].into_iter().chain(among.params).chain([since, among.limit.into()]).collect();
    let found = cx.select(on_failure, cx.reader(), &text, &params).await?;
    message::infos(cx, on_failure, &found, "userId").await
}
