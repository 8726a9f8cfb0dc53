//! 0405: a new group.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::{keys, text::raw},
        group::{groups, in_transaction, members, row},
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
            reply::{carried, reply},
            silent::Silent,
        },
    },
    store::cache::Cache,
    wire::{
        Pdu,
        im::group::{ImGroupCreateReq, ImGroupCreateRsp},
    },
};
use std::collections::BTreeSet;

/// Makes a group of the members in the request; the creator is a member only if named there. Result
/// 1: no name, no members, or not stored.
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
    let group = match row::insert(cx, asked, ids.len()).await {
        Ok(group) => group,
        Err(error) if cx.protocol().answered_refusals && !error.is_about_values() => {
            return Err(error.into());
        }
        Err(_) => 0,
    };
    if group != 0 {
        row::start_counter(cx, group).await;
        forget_members(cx, group).await?;
        // Counts the members a second time, so userCnt ends at twice their number.
        members::add(cx, group, ids).await?;
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

/// A new group has no members yet: those left of an older group of that id are deleted.
async fn forget_members<W: World>(cx: &mut Context<W>, group: u32) -> Result<(), Silent> {
    const TEXT: &str = "delete from IMGroupMember where groupId=?";
    cx.write(TEXT, &[group.into()]).await?;
    for old in groups::members(cx, OnFailure::Empty, group).await? {
        if let Err(error) = cx.cache().hdel(&keys::members(group), &old.to_string()).await {
            tracing::warn!(%error, group, "old member still in Redis");
        }
    }
    Ok(())
}
