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
///
/// Another token of the user may be served at the same moment. The former one's key goes before the user's own key
/// names another, so that a db_proxy that ends in between leaves nothing; whose own key is written over by the other
/// is told by `GETSET` and taken away too; and if the other was faster, the key written here is taken back.
async fn keep_one<W: World>(
    cx: &mut Context<W>,
    asked: &ImDeviceTokenReq,
) -> Result<(), CacheError> {
    let (user, own) = (asked.user_id.to_string(), keys::device_of_user(asked.user_id));
    let token = String::from_utf8_lossy(raw(&asked.device_token)).into_owned();
    let former = token_of(cx.cache().get(&own).await?);
    if former != token {
        release(cx, &user, &former).await?;
    }
    if token.is_empty() {
        let other = token_of(cx.cache().take(&own).await?);
        return release(cx, &user, &other).await;
    }
    let key = keys::user_of_device(cx.protocol(), &token);
    let owner = text(cx.cache().get(&key).await?);
    if owner != user
        && let Ok(owner) = owner.parse()
    {
        cx.cache().del(&keys::device_of_user(owner)).await?;
    }
    if cx.protocol().mutated(Mutant::TokenOfTokenOnly) {
        return cx.cache().set(&key, &user).await;
    }
    let value = value(asked, &token);
    let other = token_of(cx.cache().swap(&own, &value).await?);
    if other != token {
        release(cx, &user, &other).await?;
    }
    cx.cache().set(&key, &user).await?;
    if text(cx.cache().get(&own).await?) != value {
        release(cx, &user, &token).await?;
    }
    Ok(())
}

/// Takes the key of a token away that is no longer this user's, unless it is another's by now. No key for no token.
async fn release<W: World>(cx: &mut Context<W>, user: &str, token: &str) -> Result<(), CacheError> {
    if token.is_empty() || cx.protocol().mutated(Mutant::FormerTokenStays) {
        return Ok(());
    }
    let key = keys::user_of_device(cx.protocol(), token);
    if text(cx.cache().get(&key).await?) == user {
        cx.cache().del(&key).await?;
    }
    Ok(())
}

/// The token in a user's own key: what follows the vendor.
fn token_of(value: Option<Vec<u8>>) -> String {
    let value = text(value);
    let vendors = ["ios:", "android:"];
    vendors.iter().find_map(|vendor| value.strip_prefix(vendor)).unwrap_or(&value).to_string()
}

fn text(value: Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()
}

/// What is kept of a token: which vendor it is of, and the token.
fn value(asked: &ImDeviceTokenReq, token: &str) -> String {
    match asked.client_type.and_then(|kind| ClientType::try_from(kind).ok()) {
        Some(ClientType::Ios) => format!("ios:{token}"),
        Some(ClientType::Android) => format!("android:{token}"),
        _ => token.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{handle, text};
    use crate::{
        catalogue::id as command,
        db_proxy::testing::Fake,
        protocol::Protocol,
        wire::{
            Pdu,
            im::{base_define::ClientType, login::ImDeviceTokenReq},
        },
    };
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    fn says(token: &'static str) -> Pdu {
        let asked = ImDeviceTokenReq {
            user_id: 7,
            device_token: token.into(),
            client_type: Some(ClientType::Ios as i32),
            attach_data: None,
        };
        Pdu::new(command::LOGIN_REQ_DEVICETOKEN, 9, &asked)
    }

    /// Both are served side by side. The bits of `order` say whose command comes next, and the first bits `begun` of it count:
    /// then one after the other. Whether both still had something to do until then.
    fn side_by_side(world: &Fake, [one, other]: [&Pdu; 2], (begun, order): (u32, u32)) -> bool {
        let protocol = Protocol::hardened();
        let mut contexts = [world.context(protocol), world.context(protocol)];
        let [first, second] = &mut contexts;
        let (mut first, mut second) = (pin!(handle(first, one)), pin!(handle(second, other)));
        let (mut ended, mut both) = ([false; 2], true);
        let mut cx = Context::from_waker(Waker::noop());
        for turn in 0.. {
            let wanted =
                if turn < begun { (order >> turn & 1) as usize } else { usize::from(ended[0]) };
            both &= turn >= begun || !ended[wanted];
            let next = if ended[wanted] { 1 - wanted } else { wanted };
            ended[next] = match next {
                0 => first.as_mut().poll(&mut cx).map(drop) != Poll::Pending,
                _ => second.as_mut().poll(&mut cx).map(drop) != Poll::Pending,
            };
            if ended == [true; 2] {
                break;
            }
        }
        both
    }

    /// Switch `edge-limits`. In whatever order the commands of two come to Redis, no key of a token is left but that of
    /// the user's own.
    #[test]
    fn two_of_a_user_side_by_side_leave_no_key_behind() {
        const COMMANDS: u32 = 12;
        let mut tried = 0;
        for said in [["new", "newer"], ["new", ""], ["old", "new"], ["old", ""]] {
            for order in 0..1 << COMMANDS {
                let world = Fake::default();
                world.value("device_7", "ios:old");
                world.value("token_old", "7");
                world.pause();
                let both =
                    side_by_side(&world, [&says(said[0]), &says(said[1])], (COMMANDS, order));
                tried += u32::from(both);
                let values = world.values();
                let own = text(values.get("device_7").cloned());
                let own = own.strip_prefix("ios:");
                let tokens: Vec<_> =
                    values.keys().filter_map(|key| key.strip_prefix("token_")).collect();
                // The key of one that is said again may be taken for the former one's.
                let right: Vec<_> =
                    own.filter(|own| *own != "old" || !tokens.is_empty()).into_iter().collect();
                let log = world.log();
                assert_eq!(tokens, right, "{said:?} in the order {order:b}: {log:?}");
            }
        }
        assert!(tried > 100, "{tried}");
    }
}
