//! What is said of pushes to phones: where to, and when not.

use super::{
    Exchange, Judged, Reads, Says,
    conversations::{GROUP, SINGLE, memberships},
    right,
    stores::View,
    unread::{Of, across, count, marks, peers},
};
use bytes::Bytes;
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::id::{LOGIN_REQ_QUERY_PUSH_SHIELD, OTHER_GET_DEVICE_TOKEN_REQ},
    protocol::Protocol,
    wire::im::{
        base_define::ClientType,
        login::{ImQueryPushShieldReq, ImQueryPushShieldRsp},
        server::{ImGetDeviceTokenReq, ImGetDeviceTokenRsp},
    },
};

pub(super) const ANSWERS: &[(u16, &str, Says)] = &[
    (LOGIN_REQ_QUERY_PUSH_SHIELD, "push-shield", push_shield),
    (OTHER_GET_DEVICE_TOKEN_REQ, "tokens", tokens),
];

/// 010f: whether a user wants no pushes at night; result 1 if there is no such user.
fn push_shield(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImQueryPushShieldReq, ImQueryPushShieldRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    let said = (answer.result_code, answer.shield_status);
    reads.equals("(result, status)", &said, |view| {
        let status = shield(view, asked.user_id);
        (u32::from(status.is_none()), status)
    })
}

/// 0706: the tokens of those of these users who have a phone, in text order of their keys, each with
/// all that they have not read. An iPhone's user who wants none at night is left out then. A read that
/// fails leaves users out, or counts nothing: one push too few is better than none to anybody, so
/// what is left out, or counted as 0, is judged only if every store answered.
fn tokens(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImGetDeviceTokenReq, ImGetDeviceTokenRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    let by_key: BTreeMap<String, u32> =
        asked.user_id.iter().map(|&user| (format!("device_{user}"), user)).collect();
    let phones = |view: View<'_>| -> Vec<(u32, ClientType, Bytes)> {
        let phone = |(key, &user): (&String, &u32)| {
            let (kind, token) = phone(view.text(key)?)?;
            Some((user, kind, token))
        };
        by_key.iter().filter_map(phone).collect()
    };
    let said = &answer.user_token_info;
    reads.choose(phones, |phones, rest| {
        let mut said = said.iter().peekable();
        for (user, kind, token) in phones {
            let next = said.next_if(|info| info.user_id == *user);
            if *kind == ClientType::Ios {
                let (shielded, night) =
                    (rest.range(|view| shield(view, *user).unwrap_or(0)), night(&exchange.clock));
                let (surely, never) = (shielded.0 == 1 && night.0, shielded.1 != 1 || !night.1);
                // What they wish cannot be read, so they are not left out.
                right(!(surely && next.is_some()) || exchange.may_lack_a_store(), || {
                    format!("the token of user {user}, at night")
                })?;
                if next.is_none() && !never {
                    continue;
                }
            }
            let Some(info) = next else {
                right(exchange.may_lack_a_store(), || {
                    format!("no token of user {user}, who has one")
                })?;
                continue;
            };
            right((info.user_type, &info.token) == (*kind as i32, token), || {
                format!("of user {user} token {:?}, where the stores have {token:?}", info.token)
            })?;
            right(info.push_type == 1, || format!("push type {}", info.push_type))?;
            let (least, most) = unread(exchange.protocol, *user, rest);
            let is_right = (least..=most).contains(&info.push_count) || exchange.may_lack_a_store();
            right(is_right, || {
                format!(
                    "of user {user} {} unread, where there were {least} to {most}",
                    info.push_count
                )
            })?;
        }
        right(said.next().is_none(), || "a token of somebody who has none".to_string())
    })
}

/// All that a user has not read, at least and at most. How far they have read is looked up first, then
/// each conversation is counted: at most what is there at last beyond an old mark.
fn unread(protocol: &Protocol, user: u32, rest: &Reads<'_>) -> (u32, u32) {
    let mut bounds: BTreeMap<(u32, u32), (u32, u32)> = BTreeMap::new();
    let views = rest.views();
    let last = *views.last().expect("the version that was asked for");
    let read: Vec<_> = views
        .into_iter()
        .map(|view| {
            let of = Of {
                peers: peers(view, protocol, user),
                groups: memberships(view, protocol, user),
            };
            (view, of, marks(view, protocol, user))
        })
        .collect();
    for (_, of, _) in &read {
        let peers = of.peers.iter().map(|&peer| (SINGLE, peer));
        let groups = of.groups.iter().map(|member| (GROUP, member.group));
        bounds.extend(peers.chain(groups).map(|key| (key, (u32::MAX, 0))));
    }
    for (key, (least, most)) in &mut bounds {
        for (view, of, marks) in &read {
            let is_asked = match key.0 {
                SINGLE => of.peers.contains(&key.1),
                _ => of.groups.iter().any(|member| member.group == key.1),
            };
            let counted = |view| {
                let count = count(view, protocol, user, *key, of, marks);
                count.filter(|_| is_asked).unwrap_or(0)
            };
            let (at_first, at_last) = (counted(*view), counted(last));
            (*least, *most) = ((*least).min(at_first), (*most).max(at_first).max(at_last));
            if key.0 == GROUP && !protocol.unread_from_store {
                *least = (*least).min(across(*view, last, user, key.1));
            }
        }
    }
    bounds.values().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1))
}

/// `ios:token` or `android:token`; any other value is no phone's.
fn phone(value: &Bytes) -> Option<(ClientType, Bytes)> {
    let kinds = [(&b"ios:"[..], ClientType::Ios), (b"android:", ClientType::Android)];
    let (kind, client) = kinds.into_iter().find(|(kind, _)| value.starts_with(kind))?;
    Some((client, value.slice(kind.len()..)))
}

fn shield(view: View<'_>, user: u32) -> Option<u32> {
    let mut row = view.rows_with("IMUser", [("id", user)]);
    row.next().map(|row| row.uint("push_shield_status"))
}

/// Whether it was night (22:00 to 07:59) all the time, and whether at any time.
fn night(clock: &[(u32, u32)]) -> (bool, bool) {
    let is_night = |time: u32| !(8..22).contains(&(time / 3600 % 24));
    let mut said = clock.iter().flat_map(|(from, to)| [is_night(*from), is_night(*to)]);
    (said.clone().all(|night| night), said.any(|night| night))
}
