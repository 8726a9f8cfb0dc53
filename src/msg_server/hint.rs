//! 07e2: "ask for what is new" (switch `catch-up-hint`). A push that is lost with a link is lost
//! for good in the original.

use super::state::{State, hints::Hints, turn::Turn};
use crate::{
    catalogue::id as cmd,
    conversation::Conversation,
    env::ConnId,
    mutants::Mutant,
    wire::{Malformed, Pdu, tt::extension::CatchUpHint},
};
use std::collections::BTreeSet;

fn pdu(users: impl IntoIterator<Item = u32>) -> Pdu {
    let hint = CatchUpHint { user_id_list: users.into_iter().collect() };
    Pdu::new(cmd::OTHER_CATCH_UP_HINT, 0, &hint)
}

/// To every client that is logged in here.
pub(super) fn everyone_here(state: &State, turn: &mut Turn<'_>) {
    if state.config.protocol.catch_up_hint {
        let all: Vec<_> = state.open_conns().map(|client| client.id).collect();
        turn.send_all(&all, &pdu([]));
    }
}

/// To a new route master: while this server had no master, its messages reached no other server.
pub(super) fn through_route(state: &State, turn: &mut Turn<'_>) {
    if state.config.protocol.catch_up_hint {
        state.to_route(turn, pdu([]));
    }
}

/// Messages of these conversations may be stored without having been pushed. Their users are told,
/// here and elsewhere. Who is in a group is not known here, so for a group everyone is told.
pub(super) fn missed(
    state: &mut State,
    turn: &mut Turn<'_>,
    conversations: impl Iterator<Item = Conversation>,
) {
    for conversation in conversations {
        match conversation {
            Conversation::Single { low, high } => {
                state.hints.users.insert(low);
                if !state.config.protocol.mutated(Mutant::HintToOneOfTwo) {
                    state.hints.users.insert(high);
                }
            }
            Conversation::Group(_) => state.hints.everyone = true,
        }
    }
    tick(state, turn);
}

/// Everyone here may have missed a message. Other servers push it themselves.
pub(super) fn missed_here(state: &mut State, turn: &mut Turn<'_>) {
    state.hints.everyone_here = true;
    tick(state, turn);
}

/// Tells those who are to be told, but not again within `Timing::request_timeout`: what loses one
/// message loses many, and one hint makes a client ask for all of them.
pub(super) fn tick(state: &mut State, turn: &mut Turn<'_>) {
    let protocol = state.config.protocol;
    if turn.now.up < state.hints.not_before {
        if !state.hints.is_empty() && protocol.mutated(Mutant::HintInPauseForgotten) {
            let not_before = state.hints.not_before;
            state.hints = Hints { not_before, ..Hints::default() };
        }
        return;
    }
    let due = std::mem::take(&mut state.hints);
    if due.is_empty() || !state.config.protocol.catch_up_hint {
        return;
    }
    state.hints.not_before = turn.now.up + state.config.timing.request_timeout();
    if due.everyone || due.everyone_here {
        everyone_here(state, turn);
    } else {
        users_here(state, turn, &due.users);
    }
    if protocol.mutated(Mutant::HintHereOnly) {
        return;
    }
    if due.everyone {
        through_route(state, turn);
    } else if !due.users.is_empty() {
        state.to_route(turn, pdu(due.users));
    }
}

/// 07e2 from another msg_server.
pub(super) fn from_route(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    if !state.config.protocol.catch_up_hint {
        turn.refused(link, pdu.command(), "unknown command");
        return Ok(());
    }
    let hint: CatchUpHint = pdu.view()?;
    if hint.user_id_list.is_empty() {
        everyone_here(state, turn);
    } else {
        users_here(state, turn, &hint.user_id_list.into_iter().collect());
    }
    Ok(())
}

/// Clients are not told who else gets the hint.
fn users_here(state: &State, turn: &mut Turn<'_>, users: &BTreeSet<u32>) {
    for &user in users {
        turn.send_all(&state.conns_of(user, None), &pdu([]));
    }
}
