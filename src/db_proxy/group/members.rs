//! Members of groups in SQL and Redis.

use crate::{
    db_proxy::{
        data::{keys, session_key::Key, sql_text::placeholders},
        group::groups,
        message::read_mark,
        plumbing::{
            context::{Context, World},
            silent::Silent,
        },
    },
    store::{
        cache::Cache,
        sql::{Outcome, Server, Value},
    },
    wire::im::base_define::GroupType,
};
use std::collections::BTreeSet;

/// Inserts the row of a new member.
pub const INSERT: &str = "insert into IMGroupMember\
    (`groupId`, `userId`, `status`, `created`, `updated`) values (?,?,0,?,?)";

/// Who changed, and who is in the group now.
#[derive(Debug, Default)]
pub struct Change {
    /// Who was added or taken out.
    pub changed: Vec<u32>,
    /// Who is in the group afterwards.
    pub current: Vec<u32>,
}

/// Whether a user may change members, by the group's row with `creator` and `type`: the creator
/// may, user 0 may, and everyone may add to a temporary group.
pub fn may_change(group: &Outcome, user: u32, adds: bool) -> bool {
    let temporary = group.get(0, "type").uint() == GroupType::Tmp as u32;
    user == 0 || user == group.get(0, "creator").uint() || (adds && temporary)
}

/// Adds members who are not in the group: revives or inserts each row, counts the inserted ones
/// and notes in Redis when they joined.
pub async fn add<W: World>(cx: &mut Context<W>, group: u32, ids: &[u32]) -> Result<(), Silent> {
    const COUNT: &str = "update IMGroup set userCnt=userCnt+? where id=?";
    let text = format!(
        "select userId from IMGroupMember where groupId=? and userId in ({})",
        placeholders(ids.len())
    );
    let on_failure = cx.on_failed_query();
    let found = cx.select(on_failure, Server::Replica, &text, &with_ids(group, ids)).await?;
    let known: BTreeSet<u32> =
        (0..found.rows.len()).map(|row| found.get(row, "userId").uint()).collect();
    let (former, new): (Vec<u32>, Vec<u32>) = ids.iter().partition(|id| known.contains(id));
    if !former.is_empty() {
        let text = format!(
            "update IMGroupMember set status=0, updated=? where groupId=? and userId in ({})",
            placeholders(former.len())
        );
        let mut params = with_ids(group, &former);
        params.insert(0, cx.now.into());
        cx.write(&text, &params).await?;
    }
    let mut inserted: u32 = 0;
    for id in &new {
        let params = [group, *id, cx.now, cx.now].map(Value::from);
        inserted += u32::from(cx.write(INSERT, &params).await?);
    }
    if inserted != 0 {
        cx.write(COUNT, &[inserted.into(), group.into()]).await?;
    }
    note_joined(cx, group, ids).await;
    Ok(())
}

/// Notes in Redis that they joined now, best effort.
pub async fn note_joined<W: World>(cx: &mut Context<W>, group: u32, ids: &[u32]) {
    let (key, now) = (keys::members(group), cx.now.to_string());
    for id in ids {
        if let Err(error) = cx.cache().hset(&key, &id.to_string(), &now).await {
            tracing::warn!(%error, group, id, "member not in Redis");
        }
    }
}

/// Notes in Redis that they are gone, best effort.
pub async fn note_left<W: World>(cx: &mut Context<W>, group: u32, ids: &[u32]) {
    for id in ids {
        let key = keys::members(group);
        if let Err(error) = cx.cache().hdel(&key, &id.to_string()).await {
            tracing::warn!(%error, group, id, "member still in Redis");
        }
    }
}

/// Takes all messages as read by those who were added or taken out, best effort.
pub async fn set_read<W: World>(cx: &mut Context<W>, group: u32, ids: &[u32]) {
    let from_store = cx.protocol().unread_from_store;
    for &id in ids {
        let key = Key::group(id, group);
        let set = match from_store {
            true => read_mark::raise_to_latest(cx, key).await,
            false => groups::set_read(cx, group, id).await,
        };
        if let Err(error) = set {
            tracing::warn!(%error, group, id, "read mark of a member not set");
        }
    }
}

/// A group and its members as parameters.
pub fn with_ids(group: u32, ids: &[u32]) -> Vec<Value> {
    [group].iter().chain(ids).map(|&id| Value::from(id)).collect()
}
