//! From db_proxy's command to its handler.

use super::{
    buddy, fan_out, file, group, login, message, push, read, refusal, relay,
    state::{State, turn::Turn},
};
use crate::{
    env::ConnId,
    wire::{Malformed, Pdu, command as cmd},
};

/// Serves one PDU of one link.
type Handler = fn(&mut State, &mut Turn<'_>, ConnId, &Pdu) -> Result<(), Malformed>;

/// The handler of a command; `None` if it is passed on as [`relay`] says, or unknown.
fn handler(command: u16) -> Option<Handler> {
    Some(match command {
        cmd::OTHER_VALIDATE_RSP => login::validated,
        cmd::MSG_DATA => message::from_db,
        cmd::MSG_READ_NOTIFY => read::confirmed,
        cmd::OTHER_REFUSED => refusal::from_db,
        cmd::BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE => buddy::sign_info_stored,
        cmd::OTHER_STOP_RECV_PACKET => stopped,
        cmd::GROUP_INFO_RESPONSE => fan_out::members,
        cmd::GROUP_CHANGE_MEMBER_RESPONSE => group::changed,
        cmd::OTHER_GET_SHIELD_RSP => fan_out::shields,
        cmd::OTHER_GET_DEVICE_TOKEN_RSP => push::tokens,
        cmd::FILE_HAS_OFFLINE_RES => file::offline_list,
        // The phone had its 0109 when it asked.
        cmd::LOGIN_RES_DEVICETOKEN => ignored,
        _ => return None,
    })
}

/// Whether a command of a db_proxy is served.
pub(super) fn serves(command: u16) -> bool {
    handler(command).is_some() || relay::passes_on(command)
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
    match handler(pdu.command()) {
        Some(handler) => handler(state, turn, link, pdu),
        None => relay::reply(state, turn, link, pdu).map(drop),
    }
}

/// 0702.
fn stopped(state: &mut State, _: &mut Turn<'_>, link: ConnId, _: &Pdu) -> Result<(), Malformed> {
    state.db.stopped(link);
    Ok(())
}

fn ignored(_: &mut State, _: &mut Turn<'_>, _: ConnId, _: &Pdu) -> Result<(), Malformed> {
    Ok(())
}
