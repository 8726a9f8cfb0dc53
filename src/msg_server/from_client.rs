//! From a client's command to its handler.

use super::{
    buddy,
    dispatch::Handler,
    edge, file, group, login, message, read, relay,
    state::{State, in_flight::Asked, turn::Turn},
};
use crate::{
    catalogue::{self, Peer, Serve, id as cmd},
    env::ConnId,
    mutants::Mutant,
    wire::{Malformed, Pdu, im, tt::extension::RefusedCode},
};

/// The handler of a command that the catalogue says has one here.
pub(super) fn handler(command: u16) -> Option<Handler> {
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

/// Serves one PDU of a client. Without `login-gate` connections that are not logged in, or were
/// kicked, are served too, the former as user 0 (SYSTEM.md section 4, "Not logged in").
pub(super) fn dispatch(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    // PDUs that a client sent before this server closed its connection are not served.
    let Some(client) = state.conns.get_mut(&conn) else { return Ok(()) };
    client.last_recv = turn.now.up;
    let command = pdu.command();
    let entry = catalogue::of(command);
    let gated = state.config.protocol.login_gate && !client.open;
    let gated = gated && !entry.is_some_and(|entry| entry.before_login);
    let protocol = state.config.protocol;
    let asked = !client.login_name.is_empty();
    let gated = gated && !(asked && protocol.mutated(Mutant::GateOpensAtRequest));
    let is_message = command == cmd::MSG_DATA;
    let gated = gated && (is_message || !protocol.mutated(Mutant::GateForMessagesOnly));
    let limited = protocol.edge_limits;
    if limited && !edge::lets_through(state, turn, conn, entry.filter(|_| !gated), pdu) {
        return Ok(());
    }
    if gated {
        let code = RefusedCode::RefusedNotLoggedIn;
        state.refuse(turn, conn, Asked::of(pdu), code, "not logged in");
        return Ok(());
    }
    let stripped = if limited { edge::without_attach(pdu) } else { None };
    let pdu = stripped.as_ref().unwrap_or(pdu);
    match entry.and_then(|entry| entry.served(Peer::Device, Peer::Msg)) {
        Some(Serve::Relayed) => relay::request(state, turn, conn, pdu).map(drop),
        Some(_) if let Some(handler) = handler(command) => handler(state, turn, conn, pdu),
        _ => {
            state.unknown(turn, conn, pdu);
            Ok(())
        }
    }
}

/// 0701: echoed byte for byte.
fn heartbeat(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    if !state.config.protocol.mutated(Mutant::HeartbeatUnanswered) {
        turn.send(conn, pdu.clone());
    }
    Ok(())
}

/// 0305: what time it is.
fn time(state: &mut State, turn: &mut Turn<'_>, conn: ConnId, pdu: &Pdu) -> Result<(), Malformed> {
    let _: im::message::ImClientTimeReq = pdu.view()?;
    let server_time = match state.config.protocol.mutated(Mutant::TimeSinceStart) {
        true => turn.now.up.as_secs() as u32,
        false => turn.unix_seconds(),
    };
    let rsp = im::message::ImClientTimeRsp { server_time };
    turn.send(conn, Pdu::new(cmd::MSG_TIME_RESPONSE, pdu.header.seq_num, &rsp));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::cmd;
    use crate::msg_server::tests::{ALICE, Rig};

    #[test]
    fn a_client_is_told_the_time() {
        let mut rig = Rig::teamtalk();
        rig.login(ALICE, 1, 1);
        // Field 1, 1795404613 seconds (`Rig::now`) as a varint.
        let told = rig.pdu(ALICE, cmd::MSG_TIME_REQUEST, 10, "");
        assert_eq!(told.to(ALICE), ["000000160001000000030306000a000008c5e68ed806"]);
        assert_eq!(told.sent.len(), 1, "nobody else is asked");
    }
}
