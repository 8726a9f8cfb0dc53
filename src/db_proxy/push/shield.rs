//! 010c and 010e: whether a user wants no pushes at night.

use crate::{
    catalogue::id as command,
    db_proxy::{
        plumbing::{
            context::{Context, World},
            reply::{carried, reply},
            silent::Silent,
        },
        push::shield_status,
    },
    mutants::Mutant,
    wire::{
        Pdu,
        im::login::{ImPushShieldReq, ImPushShieldRsp, ImQueryPushShieldReq, ImQueryPushShieldRsp},
    },
};

/// 010c. Result 1: no such user.
pub async fn set<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    const TEXT: &str = "update IMUser set `push_shield_status`=?, `updated`=? where id=?";
    let asked: ImPushShieldReq = request.view()?;
    let params = [asked.shield_status, cx.now, asked.user_id].map(Into::into);
    let done = cx.protocol().mutated(Mutant::NightNotStored) || cx.write(TEXT, &params).await?;
    let response = ImPushShieldRsp {
        user_id: asked.user_id,
        result_code: u32::from(!done),
        shield_status: done.then_some(asked.shield_status),
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::LOGIN_RES_PUSH_SHIELD, &response))
}

/// 010e. Result 1: no such user.
pub async fn query<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImQueryPushShieldReq = request.view()?;
    let on_failure = cx.on_failed_query();
    let status = shield_status::shield_status(cx, on_failure, asked.user_id).await?;
    let response = ImQueryPushShieldRsp {
        user_id: asked.user_id,
        result_code: u32::from(status.is_none()),
        shield_status: status,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::LOGIN_RES_QUERY_PUSH_SHIELD, &response))
}
