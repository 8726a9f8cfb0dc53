//! 0409: a member mutes a group; 0711: who has.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::{keys, text::number},
        group::groups,
        plumbing::{
            context::{Context, World},
            error::OnFailure,
            reply::{carried, reply},
            silent::Silent,
        },
    },
    mutants::Mutant,
    store::cache::Cache,
    wire::{
        Pdu,
        im::{
            base_define::ShieldStatus,
            group::{ImGroupShieldReq, ImGroupShieldRsp},
            server::{ImGroupGetShieldReq, ImGroupGetShieldRsp},
        },
    },
};
use std::collections::BTreeSet;

/// The field of a member's setting for a group; the only setting is number 1.
fn field(user: u32) -> String {
    format!("{user}_1")
}

/// 0409. Result 1: not in the group, or not stored.
pub async fn set<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImGroupShieldReq = request.view()?;
    let (group, user, on_failure) = (asked.group_id, asked.user_id, cx.on_failed_query());
    if !groups::exists(cx, on_failure, group).await? {
        return Err(Silent::NotAllowed("no such group"));
    }
    let mut stored = false;
    if groups::joined(cx, on_failure, group, user).await?.is_some() {
        let mut status = asked.shield_status.to_string();
        if cx.protocol().mutated(Mutant::MuteNotStored) {
            status = "0".into();
        }
        stored = match cx.cache().hset(&keys::group_settings(group), &field(user), &status).await {
            Ok(()) => true,
            Err(error) if cx.protocol().answered_refusals => {
                return Err(Silent::Store(error.into()));
            }
            Err(_) => false,
        };
    }
    let response = ImGroupShieldRsp {
        user_id: user,
        group_id: group,
        result_code: u32::from(!stored),
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::GROUP_SHIELD_GROUP_RESPONSE, &response))
}

/// 0711. Lists all users that were asked for, ascending; those who have set nothing have status 0.
pub async fn query<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImGroupGetShieldReq = request.view()?;
    // One push too many is better than a push too few.
    let on_failure = OnFailure::Empty;
    let group_id = asked.group_id;
    // With members-from-store the members in the request were read from the store a moment ago.
    if !cx.protocol().members_from_store && !groups::exists(cx, on_failure, group_id).await? {
        return Err(Silent::NotAllowed("no such group"));
    }
    let set = cx.cache().hgetall(&keys::group_settings(group_id)).await.unwrap_or_default();
    let users: BTreeSet<u32> = asked.user_id.into_iter().collect();
    let status = |user_id: u32| ShieldStatus {
        user_id,
        group_id,
        shield_status: set.get(field(user_id).as_bytes()).map_or(0, |status| number(status)),
    };
    let response = ImGroupGetShieldRsp {
        group_id,
        shield_status_list: users.into_iter().map(status).collect(),
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::OTHER_GET_SHIELD_RSP, &response))
}
