//! 0403: groups that are newer than the versions that a client or msg_server has.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::{sql_text::placeholders, text::text},
        group::{groups, membership},
        plumbing::{
            context::{Context, World},
            error::StoreError,
            reply::{carried, reply},
            silent::Silent,
        },
    },
    mutants::Mutant,
    store::sql::{Server, Value},
    wire::{
        Pdu,
        attach::{Attach, kind},
        check,
        im::{
            base_define::{GroupInfo, GroupType},
            group::{ImGroupInfoListReq, ImGroupInfoListRsp},
            message::ImMsgData,
        },
    },
};
use std::collections::BTreeMap;

/// Lists them with their members by their last change, newest first; groups that are not known are
/// left out. Only `members-from-store` asks whether the user is in them, and not when a message of
/// the user is to be pushed: they may have left since. Such a message goes to the members who may
/// read it, not to those who joined after it was stored.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImGroupInfoListReq = request.view()?;
    let from_store = cx.protocol().members_from_store;
    let fan_out = asked.attach_data.as_deref().and_then(Attach::decode);
    let fan_out = fan_out.filter(|attach| from_store && attach.kind == kind::GROUP);
    let only_own = from_store && fan_out.is_none();
    let only_own = only_own && !cx.protocol().mutated(Mutant::GroupInfoForStrangers);
    let group_info_list = match list(cx, &asked, only_own).await {
        // Nobody waits for a refusal here. But msg_server tells its clients that they may have
        // missed a message when the answer has no group.
        Err(error) if fan_out.is_some() => {
            tracing::warn!(%error, "members not read");
            Vec::new()
        }
        read => read?,
    };
    let all_told = cx.protocol().mutated(Mutant::LateMemberIsPushed);
    let group_info_list = match fan_out.and_then(pushed).filter(|_| !all_told) {
        Some(msg_id) => who_may_read(cx, group_info_list, msg_id).await,
        None => group_info_list,
    };
    let response = ImGroupInfoListRsp {
        user_id: asked.user_id,
        group_info_list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::GROUP_INFO_RESPONSE, &response))
}

async fn list<W: World>(
    cx: &mut Context<W>,
    asked: &ImGroupInfoListReq,
    only_own: bool,
) -> Result<Vec<GroupInfo>, StoreError> {
    let on_failure = cx.on_failed_query();
    let mut versions = BTreeMap::new();
    for known in &asked.group_version_list {
        versions.insert(known.group_id, known.version);
    }
    let from_store = cx.protocol().members_from_store;
    let mut groups = Vec::new();
    for &group in versions.keys() {
        // The rows that are read below show it just as well.
        if from_store || groups::exists(cx, on_failure, group).await? {
            groups.push(Value::from(group));
        }
    }
    // A list may name a hundred groups of others: none of them costs a statement of its own.
    if only_own && groups.len() > 1 {
        groups = membership::own(cx, on_failure, asked.user_id, &groups).await?;
    }
    let mut group_info_list = Vec::new();
    if !groups.is_empty() {
        let text = format!(
            "select * from IMGroup where id in ({}){} order by updated desc",
            placeholders(groups.len()),
            if from_store { " and status=0" } else { "" }
        );
        let server = if from_store { Server::Primary } else { Server::Replica };
        let found = cx.select(on_failure, server, &text, &groups).await?;
        for row in 0..found.rows.len() {
            let number = |name| found.get(row, name).uint();
            let (group_id, version) = (number("id"), number("version"));
            let group_type = number("type") as i32;
            // A value outside the enum would make the whole reply malformed.
            let known = versions.get(&group_id).copied().unwrap_or(0);
            if version <= known || GroupType::try_from(group_type).is_err() {
                continue;
            }
            let mut group_member_list = groups::members(cx, on_failure, group_id).await?;
            if only_own && cx.protocol().mutated(Mutant::GroupInfoLacksMember) {
                group_member_list.pop();
            }
            if only_own && !group_member_list.contains(&asked.user_id) {
                continue;
            }
            group_info_list.push(GroupInfo {
                group_id,
                version,
                group_name: text_of(found.get(row, "name")),
                group_avatar: text_of(found.get(row, "avatar")),
                group_creator_id: number("creator"),
                group_type,
                shield_status: 0,
                group_member_list,
            });
        }
    }
    Ok(group_info_list)
}

/// Keeps only the members who may read a message. A group of which that cannot be read is left out,
/// as if there were no such group.
async fn who_may_read<W: World>(
    cx: &mut Context<W>,
    groups: Vec<GroupInfo>,
    msg_id: u32,
) -> Vec<GroupInfo> {
    let mut told = Vec::with_capacity(groups.len());
    for mut group in groups {
        match membership::joined_after(cx, group.group_id, msg_id).await {
            Ok(late) => {
                group.group_member_list.retain(|member| !late.contains(member));
                told.push(group);
            }
            Err(error) => tracing::warn!(%error, group.group_id, "late members not read"),
        }
    }
    told
}

/// The msg_id of the message that a msg_server asks for.
fn pushed(fan_out: Attach) -> Option<u32> {
    Some(check::decode::<ImMsgData>(&fan_out.pdu?).ok()?.msg_id)
}

fn text_of(value: Value) -> bytes::Bytes {
    text(value.bytes())
}
