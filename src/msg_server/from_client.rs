//! From a client's command to its handler.

use super::{
    buddy, file, group, login, message, read, relay,
    state::{State, in_flight::Asked, turn::Turn},
};
use crate::{
    env::ConnId,
    wire::{Malformed, Pdu, command as cmd, im, tt::extension::RefusedCode},
};

/// Serves one PDU of one connection.
type Handler = fn(&mut State, &mut Turn<'_>, ConnId, &Pdu) -> Result<(), Malformed>;

/// The handler of a command; `None` if it is relayed as [`relay`] says, or unknown.
fn handler(command: u16) -> Option<Handler> {
    Some(match command {
        cmd::OTHER_HEARTBEAT => heartbeat,
        cmd::LOGIN_REQ_USERLOGIN => login::request,
        cmd::LOGIN_REQ_LOGINOUT => login::logout,
        cmd::LOGIN_REQ_KICKPCCLIENT => login::kick_pc,
        cmd::LOGIN_REQ_DEVICETOKEN => buddy::device_token,
        cmd::BUDDY_LIST_USERS_STATUS_REQUEST => buddy::users_status,
        cmd::BUDDY_LIST_REMOVE_SESSION_REQ => buddy::remove_session,
        cmd::BUDDY_LIST_CHANGE_AVATAR_REQUEST => buddy::change_avatar,
        cmd::GROUP_CREATE_REQUEST => group::create,
        cmd::FILE_REQUEST => file::offer,
        cmd::FILE_ADD_OFFLINE_REQ => file::uploaded,
        cmd::FILE_DEL_OFFLINE_REQ => file::fetched,
        cmd::SWITCH_P2P_CMD => buddy::p2p,
        cmd::MSG_DATA => message::from_client,
        cmd::MSG_DATA_ACK => message::data_ack,
        cmd::MSG_READ_ACK => read::ack,
        cmd::MSG_TIME_REQUEST => time,
        _ => return None,
    })
}

/// Whether a command of a client is served.
pub(super) fn serves(command: u16) -> bool {
    handler(command).is_some() || relay::takes(command)
}

/// With `login-gate`: what a connection that is not logged in may ask for.
const BEFORE_LOGIN: [u16; 2] = [cmd::OTHER_HEARTBEAT, cmd::LOGIN_REQ_USERLOGIN];

/// Serves one PDU of a client. Connections that are not logged in, or were kicked, are served
/// too, the first as user 0 (SYSTEM.md section 4, "Not logged in"), but for `login-gate`.
pub(super) fn dispatch(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    // What a connection sent before it was closed here is not served any more.
    let Some(client) = state.conns.get_mut(&conn) else { return Ok(()) };
    client.last_recv = turn.now.up;
    let command = pdu.command();
    if state.config.protocol.login_gate && !client.open && !BEFORE_LOGIN.contains(&command) {
        let code = RefusedCode::RefusedNotLoggedIn;
        state.refuse(turn, conn, Asked::of(pdu), code, "not logged in");
        return Ok(());
    }
    match handler(command) {
        Some(handler) => handler(state, turn, conn, pdu),
        None => relay::request(state, turn, conn, pdu).map(drop),
    }
}

/// 0701: echoed byte for byte.
fn heartbeat(_: &mut State, turn: &mut Turn<'_>, conn: ConnId, pdu: &Pdu) -> Result<(), Malformed> {
    turn.send(conn, pdu.clone());
    Ok(())
}

/// 0305.
fn time(_: &mut State, turn: &mut Turn<'_>, conn: ConnId, pdu: &Pdu) -> Result<(), Malformed> {
    let _: im::message::ImClientTimeReq = pdu.view()?;
    let rsp = im::message::ImClientTimeRsp { server_time: turn.unix_seconds() };
    turn.send(conn, Pdu::new(cmd::MSG_TIME_RESPONSE, pdu.header.seq_num, &rsp));
    Ok(())
}
