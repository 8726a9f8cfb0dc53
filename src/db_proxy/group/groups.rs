//! Groups: members, counters and messages, as handlers ask for them (SYSTEM.md section 3, step 3;
//! section 6).

use crate::{
    db_proxy::{
        data::{keys, sql_text, text::number},
        group::membership::{self, Since},
        message::messages::{self, Latest},
        plumbing::{
            context::{Context, Select, World},
            error::{OnFailure, StoreError, or_empty},
        },
    },
    store::{
        cache::Cache,
        sql::{Outcome, Value},
    },
};

/// The only field of a group's and of a member's counter.
const COUNT: &str = "count";

/// Whether a group is known: whether it has members in Redis, or (`members-from-store`) a row.
pub async fn exists<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
) -> Result<bool, StoreError> {
    if cx.protocol().members_from_store {
        return membership::exists(cx, on_failure, group).await;
    }
    let read = cx.cache().exists(&keys::members(group)).await;
    or_empty(on_failure, read.map_err(StoreError::from))
}

/// When a user joined a group, in seconds; `None` if they are not in it.
pub async fn joined<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
    user: u32,
) -> Result<Option<u32>, StoreError> {
    if cx.protocol().members_from_store {
        return membership::joined(cx, on_failure, group, user).await;
    }
    let read = cx.cache().hget(&keys::members(group), &user.to_string()).await;
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
    let read = cx.cache().hgetall(&keys::members(group)).await;
    let hash = or_empty(on_failure, read.map_err(StoreError::from))?;
    Ok(hash.keys().map(|user| number(user)).collect())
}

/// From where on a user may read a group; `None` if they are not in it.
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
    // The original asks twice (golden 19).
    Ok(Some(Since::Second(joined(cx, on_failure, group, user).await?.unwrap_or(0))))
}

/// Counts a message of a group.
pub async fn count_message<W: World>(cx: &mut Context<W>, group: u32) -> Result<(), StoreError> {
    cx.cache().hincr_by(&keys::group_counter(group), COUNT, 1).await?;
    Ok(())
}

/// Takes all messages of a group as read by a user.
pub async fn set_read<W: World>(
    cx: &mut Context<W>,
    group: u32,
    user: u32,
) -> Result<(), StoreError> {
    let counter = cx.cache().hgetall(&keys::group_counter(group)).await?;
    Ok(cx.cache().hmset(&keys::member_counter(group, user), &counter).await?)
}

/// How many messages of a group a user has not read. The counter of the user is not read if the
/// group has none.
pub async fn unread<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
    user: u32,
) -> Result<u32, StoreError> {
    let all = counter(cx, on_failure, &keys::group_counter(group)).await?;
    if all.is_empty() {
        return Ok(0);
    }
    let read = counter(cx, on_failure, &keys::member_counter(group, user)).await?;
    Ok(number(&all).saturating_sub(number(&read)))
}

/// How many messages of some groups some of their members have not read: of each pair of a group and a
/// member. In one round trip.
pub async fn unread_of_all<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    pairs: &[(u32, u32)],
) -> Result<Vec<u32>, StoreError> {
    let all = pairs.iter().map(|(group, _)| keys::group_counter(*group));
    let read = pairs.iter().map(|(group, user)| keys::member_counter(*group, *user));
    let keys: Vec<String> = all.chain(read).collect();
    let found = cx.cache().hget_each(&keys, COUNT).await.map_err(StoreError::from);
    let counts: Vec<u32> = or_empty(on_failure, found)?
        .iter()
        .map(|count| count.as_deref().map_or(0, number))
        .collect();
    let (all, read) = counts.split_at(counts.len() / 2);
    let mut unread: Vec<u32> =
        all.iter().zip(read).map(|(all, read)| all.saturating_sub(*read)).collect();
    unread.resize(pairs.len(), 0);
    Ok(unread)
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
    let (text, params) = latest_select(cx, group);
    let found = cx.select(on_failure, cx.reader(), &text, &params).await?;
    Ok(latest_from(&found))
}

/// The SELECT of the latest message of a group.
pub fn latest_select<W: World>(cx: &Context<W>, group: u32) -> Select {
    let text = format!(
        "select msgId, type,userId, content from {} where groupId = ? and status = 0 {} limit 1",
        sql_text::messages_of_group(group),
        sql_text::newest_first(cx.protocol())
    );
    (text, vec![group.into()])
}

/// What [`latest_select`] found.
pub fn latest_from(found: &Outcome) -> Option<Latest> {
    messages::latest_in(found, found.get(0, "userId").uint())
}

/// What a list asks for besides group, status and time of joining.
pub struct Among<'a> {
    /// The condition in SQL, ` and …`.
    pub text: &'a str,
    /// Its values.
    pub params: Vec<Value>,
    /// The most messages.
    pub limit: u32,
}

/// The messages of a group that a member may see, those since they joined; none for other users.
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
        sql_text::messages_of_group(group),
        among.text,
        sql_text::newest_first(cx.protocol())
    );
    let params: Vec<Value> =
        [group.into()].into_iter().chain(among.params).chain([since, among.limit.into()]).collect();
    let found = cx.select(on_failure, cx.reader(), &text, &params).await?;
    messages::infos(cx, on_failure, &found, "userId").await
}
