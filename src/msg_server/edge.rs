//! What a device may send, and how often (switch `edge-limits`): looked at before anything of a
//! PDU is copied, queued, hashed or forwarded. The original has no such limits: our decision.

use super::state::{
    State,
    conn::Conn,
    in_flight::Asked,
    rates::{Sent, What},
    turn::Turn,
};
use crate::{
    catalogue::{Command, limits::Limits},
    env::ConnId,
    mutants::Mutant,
    wire::{Pdu, attach, edit::Edit, fields, tt::extension::RefusedCode},
};

/// What becomes of a PDU.
enum Over {
    Refused(RefusedCode, String),
    Closed(String),
}

/// Whether a device's PDU keeps to the limits; `None`: a PDU that is not served, whatever it holds.
/// One that does not is refused here with a reason, or costs the connection.
pub(super) fn lets_through(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    entry: Option<&Command>,
    pdu: &Pdu,
) -> bool {
    let protocol = state.config.protocol;
    match check(state, conn, entry, pdu) {
        Ok(()) => return true,
        Err(Over::Refused(RefusedCode::RefusedTooMany, _))
            if protocol.mutated(Mutant::RateNotKept) =>
        {
            return true;
        }
        Err(Over::Closed(_)) if protocol.mutated(Mutant::AbuseIsServed) => return true,
        Err(Over::Refused(code, reason)) => {
            state.refuse(turn, conn, Asked::of(pdu), code, &reason);
        }
        Err(Over::Closed(reason)) => state.close_client(turn, conn, &reason),
    }
    false
}

fn check(state: &mut State, conn: ConnId, entry: Option<&Command>, pdu: &Pdu) -> Result<(), Over> {
    let limits = &state.config.limits;
    let Some(client) = state.conns.get(&conn) else { return Ok(()) };
    let served = entry.and_then(|entry| Some((entry, limits.of(entry.id)?)));
    let Some((entry, of)) = served else {
        let sent = state.rates.count(client, What::Unserved);
        return rate(limits, sent, limits.unserved, "PDUs that are not served");
    };
    // Both count, whichever is over.
    let sent = state.rates.count(client, What::Command(entry.id));
    let is_request = entry.reply.is_some();
    let requests = is_request.then(|| state.rates.count(client, What::Requests));
    rate(limits, sent, of.rate, "of these PDUs")?;
    if let Some(requests) = requests {
        rate(limits, requests, limits.requests, "requests")?;
    }
    let protocol = state.config.protocol;
    if let Err(over) = limits.check(entry.id, &pdu.body)
        && !protocol.mutated(Mutant::LimitsNotKept)
    {
        return Err(Over::Refused(RefusedCode::RefusedMalformed, over.to_string()));
    }
    token(entry, pdu)?;
    claim(entry, client, pdu).or_else(|over| match protocol.mutated(Mutant::SenderAsClaimed) {
        true => Ok(()),
        false => Err(over),
    })
}

/// A PDU without the attach data that its device gave it; `None` if there is none. Servers name
/// connections by it: a device's own would have its answer, or its refusal, go to another one.
pub(super) fn without_attach(pdu: &Pdu) -> Option<Pdu> {
    let mut has = false;
    fields::each(&pdu.body, |number, _| has |= number == attach::FIELD);
    has.then(|| pdu.with_body(Edit::of(&pdu.body).clear(attach::FIELD).done()))
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

/// The user is refused over the rate; the connection that is far beyond it is closed, and no other.
fn rate(limits: &Limits, sent: Sent, most: u32, what: &str) -> Result<(), Over> {
    let abuse = most.saturating_mul(limits.abuse);
    if sent.on_conn > abuse {
        return Err(Over::Closed(format!("over {abuse} {what} a second")));
    }
    if sent.by_user > most {
        let reason = format!("over {most} {what} a second");
        return Err(Over::Refused(RefusedCode::RefusedTooMany, reason));
    }
    Ok(())
}
