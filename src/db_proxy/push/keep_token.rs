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
    if cx.protocol().edge_limits {
        return keep_one(cx, asked).await;
    }
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
    cx.cache().set(&own, &value(asked, &token)).await?;
    cx.cache().set(&keys::user_of_device(cx.protocol(), &token), &asked.user_id.to_string()).await
}

/// Switch `edge-limits`: a user has one token and a token one user, so there are at most two keys
/// for each user who has a phone. The key of the former token goes, unless it is another user's by
/// now; so does that of the user who had the new one before, whose pushes would go to this phone; an
/// empty token leaves none. In the original the keys of former tokens stay for ever.
async fn keep_one<W: World>(
    cx: &mut Context<W>,
    asked: &ImDeviceTokenReq,
) -> Result<(), CacheError> {
    let (user, own) = (asked.user_id.to_string(), keys::device_of_user(asked.user_id));
    let token = String::from_utf8_lossy(raw(&asked.device_token)).into_owned();
    let former = text_of(cx, &own).await?;
    let former = former.split_once(':').map_or(&*former, |(_, token)| token);
    if !former.is_empty() && former != token {
        let key = keys::user_of_device(cx.protocol(), former);
        let is_own = text_of(cx, &key).await? == user;
        if is_own && !cx.protocol().mutated(Mutant::FormerTokenStays) {
            cx.cache().del(&key).await?;
        }
    }
    if token.is_empty() {
        return cx.cache().del(&own).await;
    }
    let key = keys::user_of_device(cx.protocol(), &token);
    let owner = text_of(cx, &key).await?;
    if owner != user
        && let Ok(owner) = owner.parse()
    {
        cx.cache().del(&keys::device_of_user(owner)).await?;
    }
    if cx.protocol().mutated(Mutant::TokenOfTokenOnly) {
        return cx.cache().set(&key, &user).await;
    }
    cx.cache().set(&own, &value(asked, &token)).await?;
    cx.cache().set(&key, &user).await
}

async fn text_of<W: World>(cx: &mut Context<W>, key: &str) -> Result<String, CacheError> {
    let value = cx.cache().get(key).await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&value).into_owned())
}

/// What is kept of a token: which vendor it is of, and the token.
fn value(asked: &ImDeviceTokenReq, token: &str) -> String {
    match asked.client_type.and_then(|kind| ClientType::try_from(kind).ok()) {
        Some(ClientType::Ios) => format!("ios:{token}"),
        Some(ClientType::Android) => format!("android:{token}"),
        _ => token.to_string(),
    }
}
