//! From db_proxy's command to its handler.

use super::{
    login, message, relay,
    state::{State, Turn},
};
use crate::{
    env::ConnId,
    wire::{Malformed, Pdu, attach::Attach, command as cmd},
};

/// Serves one PDU of a db_proxy.
pub(super) fn dispatch(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    if !state.db.is_up(link) {
        return Ok(());
    }
    match pdu.command() {
        cmd::OTHER_VALIDATE_RSP => login::validated(state, turn, link, pdu),
        cmd::MSG_DATA => message::from_db(state, turn, link, pdu),
        cmd::OTHER_STOP_RECV_PACKET => {
            state.db.stopped(link);
            Ok(())
        }
        // No push server is linked, so tokens are of no use; nobody waits for a 0109.
        cmd::OTHER_GET_DEVICE_TOKEN_RSP | cmd::LOGIN_RES_DEVICETOKEN => Ok(()),
        command => match relay::of_reply(command) {
            Some(entry) => relay::reply(state, turn, link, pdu, entry),
            None => {
                turn.refused(link, command, "unknown command");
                Ok(())
            }
        },
    }
}

/// The handle of a reply; a reply whose attach is too short closes the link (SYSTEM.md
/// section 1).
pub(super) fn attach_of(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    attach: Option<&[u8]>,
) -> Option<Attach> {
    let attach = Attach::decode(attach.unwrap_or_default());
    if attach.is_none() {
        turn.close(link, "a reply whose attach data is too short");
        state.db.closed(link);
    }
    attach
}
