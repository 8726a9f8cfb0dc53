//! From db_proxy's command to its handler.

use super::{
    buddy,
    dispatch::{self, Handler},
    fan_out, file, group, login, message, push, read, refusal, relay,
    state::{State, turn::Turn},
};
use crate::{
    catalogue::{self, Peer, Serve, id as cmd},
    env::ConnId,
    mutants::Mutant,
    wire::{Malformed, Pdu},
};

/// The handler of a command that the catalogue says has one here.
pub(super) fn handler(command: u16) -> Option<Handler> {
    Some(match command {
        cmd::OTHER_VALIDATE_RSP => login::validated,
        cmd::MSG_DATA => message::from_db,
        cmd::MSG_READ_NOTIFY => read::confirmed,
        cmd::OTHER_REFUSED => refusal::from_db,
        cmd::BUDDY_LIST_REMOVE_SESSION_RES => buddy::removal_stored,
        cmd::BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE => buddy::sign_info_stored,
        cmd::OTHER_STOP_RECV_PACKET => stopped,
        cmd::GROUP_INFO_RESPONSE => fan_out::members,
        cmd::GROUP_CHANGE_MEMBER_RESPONSE => group::changed,
        cmd::OTHER_GET_SHIELD_RSP => fan_out::shields,
        cmd::OTHER_GET_DEVICE_TOKEN_RSP => push::tokens,
        cmd::FILE_HAS_OFFLINE_RES => file::offline_list,
        _ => return None,
    })
}

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
    match catalogue::served(pdu.command(), Peer::Db, Peer::Msg) {
        Some(Serve::PassedOn) => relay::reply(state, turn, link, pdu).map(drop),
        Some(Serve::Ignored) => Ok(()),
        _ => dispatch::of_link(handler(pdu.command()), state, turn, link, pdu),
    }
}

/// 0702: this db_proxy stops, and is asked for nothing more.
fn stopped(state: &mut State, _: &mut Turn<'_>, link: ConnId, _: &Pdu) -> Result<(), Malformed> {
    if !state.config.protocol.mutated(Mutant::StopIgnored) {
        state.db.stopped(link);
    }
    Ok(())
}
