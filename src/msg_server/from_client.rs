//! From a client's command to its handler.

use super::{
    login, message, relay,
    state::{State, Turn},
};
use crate::{
    env::ConnId,
    wire::{Malformed, Pdu, command as cmd, im},
};

/// Serves one PDU of a client. Connections that are not logged in, or were kicked, are served
/// too, the first as user 0 (SYSTEM.md section 4, "Not logged in").
pub(super) fn dispatch(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    // What a connection sent before it was closed here is not served any more.
    let Some(client) = state.conns.get_mut(&conn) else { return Ok(()) };
    client.last_recv = turn.now.up;
    match pdu.command() {
        cmd::OTHER_HEARTBEAT => {
            turn.send(conn, pdu.clone());
            Ok(())
        }
        cmd::LOGIN_REQ_USERLOGIN => login::request(state, turn, conn, pdu),
        cmd::LOGIN_REQ_LOGINOUT => login::logout(state, turn, conn, pdu),
        cmd::LOGIN_REQ_KICKPCCLIENT => login::kick_pc(state, turn, conn, pdu),
        cmd::MSG_DATA => message::from_client(state, turn, conn, pdu),
        cmd::MSG_DATA_ACK => message::data_ack(state, turn, conn, pdu),
        cmd::MSG_READ_ACK => message::read_ack(state, turn, conn, pdu),
        cmd::MSG_TIME_REQUEST => time(turn, conn, pdu),
        command => match relay::of_request(command) {
            Some(entry) => relay::request(state, turn, conn, pdu, entry),
            None => {
                turn.refused(conn, command, "unknown command");
                Ok(())
            }
        },
    }
}

/// 0305.
fn time(turn: &mut Turn<'_>, conn: ConnId, pdu: &Pdu) -> Result<(), Malformed> {
    let _: im::message::ImClientTimeReq = pdu.view()?;
    let rsp = im::message::ImClientTimeRsp { server_time: turn.unix_seconds() };
    turn.send(conn, Pdu::new(cmd::MSG_TIME_RESPONSE, pdu.header.seq_num, &rsp));
    Ok(())
}
