//! What a device may send, and how often (switch `edge-limits`): looked at before anything of a
//! PDU is copied, queued, hashed or forwarded. The original has no such limits: our decision.

use super::state::{State, conn::Conn, in_flight::Asked, turn::Turn};
use crate::{
    catalogue::{Command, limits::OfCommand},
    env::ConnId,
    wire::{Pdu, command as cmd, fields, tt::extension::RefusedCode},
};

/// PDUs over the rate are refused. Over so many times the rate in one second they are abuse, and
/// cost the connection.
const ABUSE: u32 = 10;

/// What becomes of a PDU.
enum Over {
    Refused(RefusedCode, String),
    Closed(String),
}

/// Whether a device's PDU keeps to the limits. One that does not is refused here with a reason, or
/// costs the connection.
pub(super) fn lets_through(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    entry: &Command,
    pdu: &Pdu,
) -> bool {
    match check(state, conn, entry, pdu) {
        Ok(()) => return true,
        Err(Over::Refused(code, reason)) => {
            state.refuse(turn, conn, Asked::of(pdu), code, &reason);
        }
        Err(Over::Closed(reason)) => state.close_client(turn, conn, &reason),
    }
    false
}

fn check(state: &mut State, conn: ConnId, entry: &Command, pdu: &Pdu) -> Result<(), Over> {
    let limits = &state.config.limits;
    let (Some(of), Some(client)) = (limits.of(entry.id), state.conns.get(&conn)) else {
        return Ok(());
    };
    rate(state.rates.sent(client, entry.id), most_of(entry, of, client), "of these PDUs")?;
    if entry.reply.is_some() {
        rate(state.rates.requests(client), limits.requests, "requests")?;
    }
    limits
        .check(entry.id, &pdu.body)
        .map_err(|over| Over::Refused(RefusedCode::RefusedMalformed, over.to_string()))?;
    token(entry, pdu)?;
    claim(entry, client, pdu)
}

/// A token that is a number: db_proxy would keep it under the key of the user of that number
/// (SYSTEM.md section 6, 0108). No vendor has such tokens.
fn token(entry: &Command, pdu: &Pdu) -> Result<(), Over> {
    let token =
        entry.body.field("device_token").map(|field| fields::bytes(&pdu.body, field.number));
    match token.flatten() {
        Some(token) if !token.is_empty() && token.iter().all(u8::is_ascii_digit) => {
            let reason = "a device token that is a number".to_string();
            Err(Over::Refused(RefusedCode::RefusedNotAllowed, reason))
        }
        _ => Ok(()),
    }
}

/// Whether a device says who it is; what claims nothing is malformed, whoever serves it finds out.
fn claim(entry: &Command, client: &Conn, pdu: &Pdu) -> Result<(), Over> {
    let Some(field) = entry.claim.and_then(|name| entry.body.field(name)) else { return Ok(()) };
    match fields::uint(&pdu.body, field.number) {
        Some(claimed) if claimed != client.user => {
            let reason = format!("{} of {claimed}: it is of user {}", field.name, client.user);
            Err(Over::Refused(RefusedCode::RefusedNotAllowed, reason))
        }
        _ => Ok(()),
    }
}

/// How many of a command a payer may send a second. A message counts for each device as in the
/// original, and that refuses by itself; the user may send as many from every device that they can
/// have.
fn most_of(entry: &Command, of: &OfCommand, client: &Conn) -> u32 {
    const DEVICES: u32 = 4;
    if entry.id == cmd::MSG_DATA && client.open { of.rate * DEVICES } else { of.rate }
}

fn rate(sent: u32, most: u32, what: &str) -> Result<(), Over> {
    if sent > most.saturating_mul(ABUSE) {
        return Err(Over::Closed(format!(
            "over {} {what} a second",
            u64::from(most) * u64::from(ABUSE)
        )));
    }
    if sent > most {
        return Err(Over::Refused(
            RefusedCode::RefusedTooMany,
            format!("over {most} {what} a second"),
        ));
    }
    Ok(())
}
