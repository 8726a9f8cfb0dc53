//! Members of groups in SQL and Redis, and 0407: members come or go.

use crate::{
    db_proxy::{
        group::{self, in_transaction},
        message::{by_id::placeholders, read_mark},
        plumbing::{
            context::{Context, OnFailure, StoreError, World},
            silent::Silent,
        },
        session::{self, Key},
        table::{carried, reply},
    },
    store::{
        cache::Cache,
        sql::{Outcome, Server, Value},
    },
    wire::{
        Pdu, command,
        im::{
            base_define::{GroupModifyType, GroupType},
            group::{ImGroupChangeMemberReq, ImGroupChangeMemberRsp},
        },
    },
};
use std::collections::BTreeSet;

/// The row of a new member.
pub const INSERT: &str = "insert into IMGroupMember\
    (`groupId`, `userId`, `status`, `created`, `updated`) values (?,?,0,?,?)";

/// Who changed, and who is in the group now.
#[derive(Debug, Default)]
pub struct Change {
    /// Who came or went.
    pub changed: Vec<u32>,
    /// Who is in the group afterwards.
    pub current: Vec<u32>,
}

/// Result 1: the user may not do it, or nobody would change; with `members-from-store` only if he
/// may not, or named nobody.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImGroupChangeMemberReq = request.view()?;
    let adds = asked.change_type == GroupModifyType::Add as i32;
    let change = if cx.protocol().members_from_store {
        let changed = in_transaction::change(cx, &asked, adds).await;
        or_none(cx, changed)?
    } else {
        change(cx, &asked, adds).await?
    };
    let result_code = u32::from(change.is_none());
    let Change { changed, current } = change.unwrap_or_default();
    let response = ImGroupChangeMemberRsp {
        user_id: asked.user_id,
        change_type: asked.change_type,
        result_code,
        group_id: asked.group_id,
        cur_user_id_list: current,
        chg_user_id_list: changed,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::GROUP_CHANGE_MEMBER_RESPONSE, &response))
}

/// The original's way, a statement at a time.
async fn change<W: World>(
    cx: &mut Context<W>,
    asked: &ImGroupChangeMemberReq,
    adds: bool,
) -> Result<Option<Change>, Silent> {
    let (group, on_failure) = (asked.group_id, cx.on_failed_query());
    if !group::exists(cx, on_failure, group).await? {
        return Err(Silent::NotAllowed("no such group"));
    }
    let ids: BTreeSet<u32> = asked.member_id_list.iter().copied().collect();
    if !allowed(cx, on_failure, asked, adds).await? {
        tracing::debug!(group, user = asked.user_id, "may not change members");
        Ok(None)
    } else if adds {
        add_new(cx, on_failure, group, ids).await
    } else {
        remove(cx, on_failure, group, ids).await
    }
}

/// A change that was made in one transaction; `None` for result 1.
fn or_none<W: World>(
    cx: &Context<W>,
    change: Result<Option<Change>, StoreError>,
) -> Result<Option<Change>, Silent> {
    match change {
        Ok(change) => Ok(change),
        // No such group: silence in the original too.
        Err(error @ StoreError::NotAllowed(_)) => Err(error.into()),
        Err(error) if cx.protocol().answered_refusals => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "members not changed");
            Ok(None)
        }
    }
}

/// The creator may, user 0 may, and everyone may add to a temporary group.
async fn allowed<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    asked: &ImGroupChangeMemberReq,
    adds: bool,
) -> Result<bool, Silent> {
    const TEXT: &str = "select creator, type from IMGroup where id=?";
    let params = [asked.group_id.into()];
    let found = cx.select(on_failure, Server::Replica, TEXT, &params).await?;
    Ok(!found.rows.is_empty() && may_change(&found, asked.user_id, adds))
}

/// The same, of a group's row with `creator` and `type`.
pub fn may_change(group: &Outcome, user: u32, adds: bool) -> bool {
    let temporary = group.get(0, "type").uint() == GroupType::Tmp as u32;
    user == 0 || user == group.get(0, "creator").uint() || (adds && temporary)
}

async fn add_new<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
    ids: BTreeSet<u32>,
) -> Result<Option<Change>, Silent> {
    let mut new = Vec::new();
    for id in ids {
        if group::joined(cx, on_failure, group, id).await?.is_none() {
            new.push(id);
        }
    }
    if new.is_empty() {
        return Ok(None);
    }
    add(cx, group, &new).await?;
    let current = group::members(cx, on_failure, group).await?;
    raise_version(cx, group).await?;
    set_read(cx, group, &new).await;
    Ok(Some(Change { changed: new, current }))
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
    for &id in ids {
        note_joined_at(cx, group, id, cx.now).await;
    }
}

/// Notes in Redis that a user joined at a time, in seconds, best effort.
pub async fn note_joined_at<W: World>(cx: &mut Context<W>, group: u32, id: u32, time: u32) {
    let key = group::member_key(group);
    if let Err(error) = cx.cache().hset(&key, &id.to_string(), &time.to_string()).await {
        tracing::warn!(%error, group, id, "member not in Redis");
    }
}

/// Notes in Redis that they are gone, best effort.
pub async fn note_left<W: World>(cx: &mut Context<W>, group: u32, ids: &[u32]) {
    for id in ids {
        let key = group::member_key(group);
        if let Err(error) = cx.cache().hdel(&key, &id.to_string()).await {
            tracing::warn!(%error, group, id, "member still in Redis");
        }
    }
}

async fn remove<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
    ids: BTreeSet<u32>,
) -> Result<Option<Change>, Silent> {
    if ids.is_empty() {
        return Ok(None);
    }
    let ids: Vec<u32> = ids.into_iter().collect();
    let text = format!(
        "update IMGroupMember set status=1 where groupId=? and userId in ({})",
        placeholders(ids.len())
    );
    cx.write(&text, &with_ids(group, &ids)).await?;
    note_left(cx, group, &ids).await;
    let current = group::members(cx, on_failure, group).await?;
    for &user in &ids {
        let key = Key { user, peer: group, kind: session::GROUP };
        let id = session::find_live(cx, on_failure, Server::Replica, key).await?;
        if id != 0 {
            let _ = session::remove(cx, id).await;
        }
    }
    raise_version(cx, group).await?;
    set_read(cx, group, &ids).await;
    Ok(Some(Change { changed: ids, current }))
}

async fn raise_version<W: World>(cx: &mut Context<W>, group: u32) -> Result<(), Silent> {
    const TEXT: &str = "update IMGroup set version=version+1 where id=?";
    cx.write(TEXT, &[group.into()]).await?;
    Ok(())
}

/// Those who changed have read what there is, best effort.
pub async fn set_read<W: World>(cx: &mut Context<W>, group: u32, ids: &[u32]) {
    let from_store = cx.protocol().unread_from_store;
    for &id in ids {
        let key = Key { user: id, peer: group, kind: session::GROUP };
        let set = match from_store {
            true => read_mark::raise_to_latest(cx, key).await,
            false => group::set_read(cx, group, id).await,
        };
        if let Err(error) = set {
            tracing::warn!(%error, group, id, "read mark of a member not set");
        }
    }
}

fn with_ids(group: u32, ids: &[u32]) -> Vec<Value> {
    [group].iter().chain(ids).map(|&id| Value::from(id)).collect()
}
