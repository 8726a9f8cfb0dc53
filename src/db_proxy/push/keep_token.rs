//! 0108: where to push to for a user; an empty token at logout.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::{keys, text::raw},
        plumbing::{
            context::{Context, World},
            reply::{carried, reply},
            silent::Silent,
        },
    },
    mutants::Mutant,
    store::cache::{Cache, CacheError},
    wire::{
        Pdu,
        im::{
            base_define::ClientType,
            login::{ImDeviceTokenReq, ImDeviceTokenRsp},
        },
    },
};

/// Keeps the token by user and the user by token, and takes the user's former token from whoever
/// has it now. Always answered, even if Redis fails.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImDeviceTokenReq = request.view()?;
    if let Err(error) = keep(cx, &asked).await {
        tracing::warn!(%error, user = asked.user_id, "device token not kept");
    }
    let response =
        ImDeviceTokenRsp { user_id: asked.user_id, attach_data: carried(asked.attach_data) };
    Ok(reply(request, command::LOGIN_RES_DEVICETOKEN, &response))
}

async fn keep<W: World>(cx: &mut Context<W>, asked: &ImDeviceTokenReq) -> Result<(), CacheError> {
    let own = keys::device_of_user(asked.user_id);
    // Read failures count as empty.
    let former = cx.cache().get(&own).await.ok().flatten().unwrap_or_default();
    if let Some(colon) = former.iter().position(|&b| b == b':') {
        let former =
            keys::user_of_device(cx.protocol(), &String::from_utf8_lossy(&former[colon + 1..]));
        let owner = cx.cache().get(&former).await.ok().flatten().unwrap_or_default();
        if !owner.is_empty() && !cx.protocol().mutated(Mutant::FormerTokenStays) {
            cx.cache().set(&former, "").await?;
        }
    }
    let token = String::from_utf8_lossy(raw(&asked.device_token)).into_owned();
    let kept = match asked.client_type.and_then(|kind| ClientType::try_from(kind).ok()) {
        Some(ClientType::Ios) => format!("ios:{token}"),
        Some(ClientType::Android) => format!("android:{token}"),
        _ => token.clone(),
    };
    if cx.protocol().mutated(Mutant::TokenOfTokenOnly) {
        let owner = keys::user_of_device(cx.protocol(), &token);
        return cx.cache().set(&owner, &asked.user_id.to_string()).await;
    }
    cx.cache().set(&own, &kept).await?;
    let owner = keys::user_of_device(cx.protocol(), &token);
    cx.cache().set(&owner, &asked.user_id.to_string()).await
}
