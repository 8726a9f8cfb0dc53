//! 0407: users are added to a group or taken out.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::{session_key::Key, sql_text::placeholders},
        group::{
            groups, in_transaction,
            members::{self, Change},
        },
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
            reply::{carried, reply},
            silent::Silent,
        },
        session::sessions,
    },
    store::sql::Server,
    wire::{
        Pdu,
        im::{
            base_define::GroupModifyType,
            group::{ImGroupChangeMemberReq, ImGroupChangeMemberRsp},
        },
    },
};
use std::collections::BTreeSet;

/// Result 1: the user may not do it, or nobody would be added or taken out. With
/// `members-from-store` it is result 1 only if the user may not do it, or named nobody.
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
    if !groups::exists(cx, on_failure, group).await? {
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

async fn allowed<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    asked: &ImGroupChangeMemberReq,
    adds: bool,
) -> Result<bool, Silent> {
    const TEXT: &str = "select creator, type from IMGroup where id=?";
    let params = [asked.group_id.into()];
    let found = cx.select(on_failure, Server::Replica, TEXT, &params).await?;
    Ok(!found.rows.is_empty() && members::may_change(&found, asked.user_id, adds))
}

async fn add_new<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
    ids: BTreeSet<u32>,
) -> Result<Option<Change>, Silent> {
    let mut new = Vec::new();
    for id in ids {
        if groups::joined(cx, on_failure, group, id).await?.is_none() {
            new.push(id);
        }
    }
    if new.is_empty() {
        return Ok(None);
    }
    members::add(cx, group, &new).await?;
    let current = groups::members(cx, on_failure, group).await?;
    raise_version(cx, group).await?;
    members::set_read(cx, group, &new).await;
    Ok(Some(Change { changed: new, current }))
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
    cx.write(&text, &members::with_ids(group, &ids)).await?;
    members::note_left(cx, group, &ids).await;
    let current = groups::members(cx, on_failure, group).await?;
    for &user in &ids {
        let key = Key::group(user, group);
        let id = sessions::find_live(cx, on_failure, Server::Replica, key).await?;
        // Also where there is none, and its id is 0 (SYSTEM.md section 6, 0407).
        let _ = sessions::remove(cx, &[id]).await;
    }
    raise_version(cx, group).await?;
    members::set_read(cx, group, &ids).await;
    Ok(Some(Change { changed: ids, current }))
}

async fn raise_version<W: World>(cx: &mut Context<W>, group: u32) -> Result<(), Silent> {
    const TEXT: &str = "update IMGroup set version=version+1 where id=?";
    cx.write(TEXT, &[group.into()]).await?;
    Ok(())
}
