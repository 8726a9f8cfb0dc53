//! 0703: is this the user's password?

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::text::{raw, text},
        plumbing::{
            context::{Context, Host, World},
            error::StoreError,
            refusal::UNAVAILABLE,
            reply::{carried, reply},
            silent::Silent,
        },
        user::row,
    },
    mutants::Mutant,
    protocol::Protocol,
    store::sql::{Outcome, Server, Value},
    wire::{
        Pdu,
        im::{
            base_define::UserInfo,
            server::{ImValidateReq, ImValidateRsp},
        },
    },
};
use md5::{Digest, Md5};
use std::fmt::Write;

const OK: &str = "成功";
const WRONG: &str = "用户名/密码错误";
const LOCKED: &str = "用户名/密码错误次数太多";

/// Checks the password and counts failures by name. Always answered.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let login: ImValidateReq = request.view()?;
    let shared = cx.shared.clone();
    let name = raw(&login.user_name);
    let (protocol, mut login_number) = (*cx.protocol(), None);
    let now = match protocol.mutated(Mutant::FailuresByWallClock) {
        true => Host::unix_time(&shared.host),
        false => shared.caches.up(),
    };
    let (result_code, words, user_info) =
        if shared.caches.failures.locked(name, now) && !protocol.mutated(Mutant::NeverLockedOut) {
            (6, LOCKED, None)
        } else {
            const TEXT: &str = "select * from IMUser where name=? and status=0";
            let on_failure = cx.on_failed_query();
            match cx.select(on_failure, Server::Replica, TEXT, &[Value::from(name)]).await {
                Err(_) => (1, UNAVAILABLE, None),
                Ok(found) => match matching_user(&protocol, &found, raw(&login.password)) {
                    Some(user) => {
                        if !protocol.mutated(Mutant::FailuresOutliveSuccess) {
                            shared.caches.failures.succeeded(name);
                        }
                        match number(cx, user.user_id).await {
                            Ok(number) => {
                                login_number = number;
                                (0, OK, Some(user))
                            }
                            Err(_) => (1, UNAVAILABLE, None),
                        }
                    }
                    None => {
                        let at_once = protocol.mutated(Mutant::LockedOutAtOnce);
                        for _ in 0..if at_once { 11 } else { 1 } {
                            shared.caches.failures.failed(name, now);
                        }
                        (1, WRONG, None)
                    }
                },
            }
        };
    let response = ImValidateRsp {
        user_name: login.user_name,
        result_code,
        result_string: Some(text(words)),
        user_info,
        attach_data: carried(login.attach_data),
        login_number,
    };
    Ok(reply(request, command::OTHER_VALIDATE_RSP, &response))
}

/// Switch `ordered-logins`: which one of the user's logins this is. Redis could lose it, and the
/// clocks of two hosts differ.
async fn number<W: World>(cx: &mut Context<W>, user: u32) -> Result<Option<u32>, StoreError> {
    const TEXT: &str = "insert into TTLogin (`userId`,`lastLogin`) values(?,LAST_INSERT_ID(1)) \
        on duplicate key update lastLogin=LAST_INSERT_ID(lastLogin+1)";
    if !cx.protocol().ordered_logins {
        return Ok(None);
    }
    let drawn = cx.primary(TEXT, &[user.into()]).await?.last_insert_id;
    match u32::try_from(drawn) {
        Ok(number) if number != 0 => Ok(Some(number)),
        _ => Err(StoreError::NoEffect("no number for a login")),
    }
}

/// The user, if the password is right. Of several rows the last one counts.
fn matching_user(protocol: &Protocol, found: &Outcome, password: &[u8]) -> Option<UserInfo> {
    let row = found.rows.len().checked_sub(1)?;
    let column = |name| found.get(row, name);
    let expected = column("password").bytes();
    if expected != md5_hex(&[password, &column("salt").bytes()])
        && !protocol.mutated(Mutant::AnyPassword)
    {
        return None;
    }
    // The status is sent as 0.
    Some(row::info(found, row, 0))
}

/// MD5 of the parts in a row, in lower-case hex.
fn md5_hex(parts: &[&[u8]]) -> String {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    let mut hex = String::with_capacity(32);
    for byte in hash.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
