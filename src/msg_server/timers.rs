//! What the tick does (SYSTEM.md sections 2 and 3).

use super::{
    config::Config,
    fan_out, hint,
    state::{State, conn::Conn, in_flight::GIVE_UP, turn::Turn},
};
use crate::{env::ConnId, fact::Fact, mutants::Mutant};

/// One `Timing::tick`: the rate window starts anew, silent clients are closed, send lists are
/// expired or written again, requests without an answer are given up.
pub(super) fn tick(state: &mut State, turn: &mut Turn<'_>) {
    let mut closing = Vec::new();
    for conn in state.conns.values_mut() {
        // The original's window is its tick; both are `Timing::rate_window` long.
        if conn.sent_in_window > 0 && !state.config.protocol.mutated(Mutant::RateWindowStays) {
            conn.sent_in_window = 0;
        }
        let reason = match overdue(conn, turn, &state.config) {
            Some(reason) => Some(reason.to_string()),
            None => send_list(conn, turn, &state.config),
        };
        closing.extend(reason.map(|reason| (conn.id, reason)));
    }
    if !state.config.protocol.mutated(Mutant::RateWindowStays) {
        state.rates.tick();
    }
    close_all(state, turn, closing);
    let (now, limit) = (turn.now.up, state.config.timing.request_timeout());
    let protocol = state.config.protocol;
    // All who miss something are told with one hint: after it there is a pause.
    fan_out::tick(state, turn);
    let lost = state.in_flight.given_up(now, limit * GIVE_UP);
    if !lost.is_empty() && !protocol.mutated(Mutant::LostRequestUntold) {
        state.unanswered(turn, lost, "no answer at all");
    }
    let late = state.in_flight.late(now, limit);
    if !late.is_empty() && !protocol.mutated(Mutant::LateRequestUntold) {
        state.unanswered(turn, late, "no answer in time");
    }
    hint::tick(state, turn);
}

fn close_all(state: &mut State, turn: &mut Turn<'_>, closing: Vec<(ConnId, String)>) {
    for (conn, reason) in closing {
        state.close_client(turn, conn, &reason);
    }
}

/// Why a client is to be closed for its silence.
fn overdue(conn: &Conn, turn: &Turn<'_>, config: &Config) -> Option<&'static str> {
    let Config { timing, protocol, .. } = config;
    let silent = turn.now.up.saturating_sub(conn.last_recv);
    let (limit, reason) = if conn.is_mobile() != protocol.mutated(Mutant::SilenceLimitsSwapped) {
        (timing.mobile_timeout(), "a silent mobile client")
    } else {
        (timing.pc_timeout(), "a silent PC client")
    };
    let age = turn.now.up.saturating_sub(conn.opened_at);
    if silent > limit && !protocol.mutated(Mutant::SilentClientStays) {
        Some(reason)
    } else if !conn.open && age > timing.login_timeout() && !protocol.mutated(Mutant::StrangerStays)
    {
        Some("no finished login in time")
    } else {
        None
    }
}

/// Expires entries of the send list or writes them again. Returns a reason if the connection is to
/// be closed.
fn send_list(conn: &mut Conn, turn: &mut Turn<'_>, config: &Config) -> Option<String> {
    let (mut now, id) = (turn.now.up, conn.id);
    if !conn.send_list.entries.is_empty() && config.protocol.mutated(Mutant::SendListExpiresAtOnce)
    {
        now += config.timing.send_list_expiry();
    }
    if !config.protocol.resend_until_acked {
        for entry in conn.send_list.expire(now, &config.timing) {
            let (conversation, msg_id) = (entry.conversation, entry.msg_id);
            turn.fact(Fact::SendListExpired { conn: id, conversation, msg_id });
        }
        return None;
    }
    let again = match conn.send_list.resend(now, &config.timing) {
        Ok(again) => again,
        Err(exhausted) => return Some(exhausted.to_string()),
    };
    for entry in again {
        let (conversation, msg_id) = (entry.conversation, entry.msg_id);
        if let Some(pdu) = entry.pdu {
            turn.send(id, pdu);
            turn.fact(Fact::SendListResent { conn: id, conversation, msg_id });
        }
    }
    None
}
