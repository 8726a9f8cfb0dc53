//! 0705: the push tokens of some users.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::{keys, text::text},
        message::{
            counts::{self, Counts},
            read_mark,
        },
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
            reply::{carried, reply},
            silent::Silent,
        },
        push::shield_status,
    },
    mutants::Mutant,
    store::cache::Cache,
    wire::{
        Pdu,
        im::{
            base_define::{ClientType, UserTokenInfo},
            server::{ImGetDeviceTokenReq, ImGetDeviceTokenRsp},
        },
    },
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Lists the users who have a token of a phone, in text order of their keys. Always answered:
/// without a reply no push would follow, and a failed read only leaves users out.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImGetDeviceTokenReq = request.view()?;
    let users: BTreeSet<u32> = asked.user_id.into_iter().collect();
    let keys: Vec<String> = users.iter().map(|user| keys::device_of_user(*user)).collect();
    let values = cx.cache().mget(&keys).await.unwrap_or_default();
    let tokens: BTreeMap<String, (u32, Option<Vec<u8>>)> =
        keys.into_iter().zip(users.into_iter().zip(values)).collect();
    let mut user_token_info = Vec::new();
    for (user, value) in tokens.into_values() {
        let Some((kind, token)) = value.as_deref().and_then(parse) else { continue };
        if kind == ClientType::Ios
            && shielded(cx, user).await
            && !cx.protocol().mutated(Mutant::NightIsLoud)
        {
            continue;
        }
        if !user_token_info.is_empty() && cx.protocol().mutated(Mutant::TokenOfFirstOnly) {
            break;
        }
        user_token_info.push(UserTokenInfo {
            user_id: user,
            user_type: kind as i32,
            token: text(Bytes::copy_from_slice(token)),
            push_count: match cx.protocol().mutated(Mutant::PushCountsOne) {
                true => 1,
                false => unread(cx, user).await.unwrap_or(0),
            },
            push_type: 1,
        });
    }
    let response = ImGetDeviceTokenRsp { user_token_info, attach_data: carried(asked.attach_data) };
    Ok(reply(request, command::OTHER_GET_DEVICE_TOKEN_RSP, &response))
}

/// How much a user has not read, as a push shows it: counts of peers without a message are
/// included.
async fn unread<W: World>(cx: &mut Context<W>, user: u32) -> Result<u32, StoreError> {
    let on_failure = OnFailure::Empty;
    let Counts { peers, groups } = if cx.protocol().unread_from_store {
        read_mark::counts(cx, on_failure, user).await?
    } else {
        let peers = counts::peer_counters(cx, on_failure, user).await?;
        Counts { peers, groups: counts::group_counters(cx, on_failure, user).await? }
    };
    let counts = peers.iter().map(|unread| unread.count).chain(groups.iter().map(|g| g.1));
    Ok(counts.fold(0, u32::wrapping_add))
}

/// `ios:token` or `android:token`; `None` for all else.
fn parse(value: &[u8]) -> Option<(ClientType, &[u8])> {
    let colon = value.iter().position(|&b| b == b':')?;
    let kind = match &value[..colon] {
        b"ios" => ClientType::Ios,
        b"android" => ClientType::Android,
        _ => return None,
    };
    Some((kind, &value[colon + 1..]))
}

/// Whether a user wants no pushes now: from 22:00 to 07:59. Local time is UTC here: the seam
/// has no time zones.
async fn shielded<W: World>(cx: &mut Context<W>, user: u32) -> bool {
    let status = shield_status::shield_status(cx, OnFailure::Empty, user).await;
    let on = status.is_ok_and(|status| status == Some(1));
    let hour = cx.now / 3600 % 24;
    on && (!(8..22).contains(&hour) || cx.protocol().mutated(Mutant::NightLastsAllDay))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::wire::im::base_define::ClientType;

    #[test]
    fn only_tokens_of_phones_count() {
        assert_eq!(parse(b"ios:a:b"), Some((ClientType::Ios, &b"a:b"[..])));
        assert_eq!(parse(b"android:"), Some((ClientType::Android, &b""[..])));
        assert_eq!(parse(b"bare"), None);
        assert_eq!(parse(b"web:x"), None);
    }
}
