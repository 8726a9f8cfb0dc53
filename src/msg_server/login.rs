//! Login, kick and logout (SYSTEM.md section 4).

use super::{
    relay::Source,
    state::{LOGINS_BOUND, State, in_flight::Asked, turn::Turn},
};
use crate::{
    catalogue::{Half, id as cmd},
    env::ConnId,
    fact::Fact,
    mutants::Mutant,
    wire::{Malformed, Pdu, attach::Attach, im, tt::extension::RefusedCode},
};
use bytes::Bytes;
use im::base_define::ResultType;

/// What a refused client is told: "the server side is out of order".
const OUT_OF_ORDER: &str = "服务端异常";

/// Reasons in 0107 and 070d (enum KickReasonType).
pub(super) const KICK_DUPLICATE: u32 = 1;
pub(super) const KICK_BY_MOBILE: u32 = 2;

fn name_of(name: &impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(name.as_ref())
}

/// 0103: a login, which db_proxy validates.
pub(super) fn request(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let seq = pdu.header.seq_num;
    let Some(client) = state.conns.get_mut(&conn) else { return Ok(()) };
    if !client.login_name.is_empty() {
        let code = RefusedCode::RefusedNotAllowed;
        state.refuse(turn, conn, Asked::of(pdu), code, "a second login on this connection");
        return Ok(());
    }
    // The original looks at this before it parses the request.
    let missing = if !state.db.any_open() {
        Some((ResultType::RefuseReasonNoDbServer, "no db_proxy"))
    } else if state.logins_up.is_empty() {
        Some((ResultType::RefuseReasonNoLoginServer, "no login server"))
    } else if state.routes.is_empty() {
        Some((ResultType::RefuseReasonNoRouteServer, "no route server"))
    } else if state.logins.len() >= LOGINS_BOUND {
        Some((ResultType::RefuseReasonMsgServerFull, "too many logins in flight"))
    } else {
        None
    };
    if let Some((code, reason)) = missing {
        turn.refused(conn, pdu.command(), reason);
        refuse(state, turn, conn, seq, code, OUT_OF_ORDER.into());
        return Ok(());
    }
    let req: im::login::ImLoginReq = pdu.view()?;
    client.login_name = name_of(&req.user_name);
    client.client_type = req.client_type as u32;
    client.online_status = req.online_status;
    let (name, handle) = (client.login_name.clone(), client.handle);
    let Some(link) = state.db.pick(turn, Half::Login, 0, pdu) else { return Ok(()) };
    state.logins.insert((name, handle), conn);
    state.note_logins(turn);
    let validate = im::server::ImValidateReq {
        user_name: req.user_name,
        password: req.password,
        attach_data: Some(Attach::handle(handle).encode()),
    };
    let validate = Pdu::new(cmd::OTHER_VALIDATE_REQ, seq, &validate);
    state.ask(turn, link, validate, Source::client(conn, pdu));
    Ok(())
}

/// With `answered-refusals`: ends a login for which no 0704 will come, or none in time.
pub(super) fn unanswered(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    seq: u16,
    reason: &str,
) {
    let Some(client) = state.conns.get(&conn).filter(|client| !client.open) else { return };
    state.logins.remove(&(client.login_name.clone(), client.handle));
    turn.refused(conn, cmd::LOGIN_REQ_USERLOGIN, reason);
    refuse(state, turn, conn, seq, ResultType::RefuseReasonNoDbServer, OUT_OF_ORDER.into());
}

/// Refuses a login by 0104 and closes the connection.
fn refuse(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    seq: u16,
    code: ResultType,
    text: Bytes,
) {
    let mut body = Vec::new();
    prost::encoding::uint32::encode(1, &turn.unix_seconds(), &mut body);
    prost::encoding::int32::encode(2, &(code as i32), &mut body);
    // The text is passed on as db_proxy sent it, whatever its encoding.
    prost::encoding::bytes::encode(3, &text, &mut body);
    turn.send(conn, Pdu::raw(cmd::LOGIN_RES_USERLOGIN, seq, body.into()));
    state.close_client(turn, conn, &format!("login refused with code {}", code as i32));
}

/// 0704: what db_proxy says of a login.
pub(super) fn validated(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let rsp: im::server::ImValidateRsp = pdu.view()?;
    let Some(attach) = state.db.attach_of(turn, link, rsp.attach_data.as_deref()) else {
        return Ok(());
    };
    let seq = pdu.header.seq_num;
    let asked = Asked { command: cmd::LOGIN_REQ_USERLOGIN, seq };
    state.in_flight.answered(link, attach.handle, asked);
    let key = (name_of(&rsp.user_name), attach.handle);
    let Some(conn) = state.logins.remove(&key) else {
        turn.refused(link, pdu.command(), "no such login in flight");
        return Ok(());
    };
    let text = rsp.result_string.clone().unwrap_or_default();
    let info = rsp.user_info.filter(|_| rsp.result_code == 0);
    let Some(mut info) = info else {
        let text = name_of(&text);
        turn.refused(conn, cmd::LOGIN_REQ_USERLOGIN, "validation failed");
        refuse(state, turn, conn, seq, ResultType::RefuseReasonDbValidateFailed, text);
        return Ok(());
    };
    let user = info.user_id;
    let Some(client) = state.conns.get_mut(&conn) else { return Ok(()) };
    client.user = user;
    client.open = true;
    let (client_type, online_status) = (client.client_type, client.online_status);
    if state.config.protocol.edge_limits {
        turn.admit(conn, state.config.limits.device_pdu);
    }
    let entry = state.users.entry(user).or_default();
    entry.conns.insert(attach.handle, conn);
    entry.nick = name_of(&info.user_nick_name);
    turn.fact(Fact::LoggedIn { conn, user, client_type });
    let is_first = entry.conns.len() == 1;
    kick(state, turn, user, client_type, KICK_DUPLICATE, Some(conn));
    let protocol = state.config.protocol;
    if !protocol.mutated(Mutant::KickHereOnly) {
        to_route_kick(state, turn, user, client_type, KICK_DUPLICATE);
    }
    if is_first || !protocol.mutated(Mutant::SecondDeviceUnannounced) {
        state.announce(turn, user, client_type, 1);
    }
    info.sign_info.get_or_insert_default();
    if protocol.mutated(Mutant::LoginLosesNick) {
        info.user_nick_name = Bytes::new();
    }
    let res = im::login::ImLoginRes {
        server_time: turn.unix_seconds(),
        result_code: 0,
        result_string: Some(text),
        online_status: Some(online_status),
        user_info: Some(info),
    };
    turn.send(conn, Pdu::new(cmd::LOGIN_RES_USERLOGIN, seq, &res));
    Ok(())
}

/// Kicks the connection of the same class with the lowest handle, even if it was kicked before (a
/// wart: a second kick hits the same one again). The socket stays open and is served; with
/// `login-gate` it is closed.
pub(super) fn kick(
    state: &mut State,
    turn: &mut Turn<'_>,
    user: u32,
    client_type: u32,
    reason: u32,
    except: Option<ConnId>,
) {
    let protocol = state.config.protocol;
    let of_class = |conn: &ConnId| {
        let client = state.conns.get(conn);
        client
            .is_some_and(|c| c.same_class(client_type) != protocol.mutated(Mutant::KickOtherClass))
    };
    let Some(old) = state.conns_of(user, except).into_iter().find(of_class) else { return };
    let conn = except.filter(|_| protocol.mutated(Mutant::KickNewer)).unwrap_or(old);
    let notice = im::login::ImKickUser { user_id: user, kick_reason: reason as i32 };
    turn.send(conn, Pdu::new(cmd::LOGIN_KICK_USER, 0, &notice));
    if protocol.login_gate && !protocol.mutated(Mutant::KickedStaysServed) {
        state.close_client(turn, conn, "kicked");
    }
}

/// 070d to the route master.
fn to_route_kick(state: &State, turn: &mut Turn<'_>, user: u32, client_type: u32, reason: u32) {
    let client_type = client_type as i32;
    let msg = im::server::ImServerKickUser { user_id: user, client_type, reason };
    state.to_route(turn, Pdu::new(cmd::OTHER_SERVER_KICK_USER, 0, &msg));
}

/// 0105: the user's device token is emptied, the client is answered and its connection closed.
pub(super) fn logout(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let Some(user) = state.conns.get(&conn).map(|client| client.user) else { return Ok(()) };
    let (seq, protocol) = (pdu.header.seq_num, state.config.protocol);
    if let Some(link) = state.db.pick(turn, Half::Other, user, pdu)
        && !protocol.mutated(Mutant::LogoutKeepsToken)
    {
        let msg = im::login::ImDeviceTokenReq { user_id: user, ..Default::default() };
        turn.send(link, Pdu::new(cmd::LOGIN_REQ_DEVICETOKEN, seq, &msg));
    }
    let rsp = im::login::ImLogoutRsp { result_code: 0 };
    if !protocol.mutated(Mutant::LogoutUnanswered) {
        turn.send(conn, Pdu::new(cmd::LOGIN_RES_LOGINOUT, seq, &rsp));
    }
    state.close_client(turn, conn, "logout");
    Ok(())
}

/// 010a: a phone puts the user's PCs off line, here and elsewhere (golden 45).
pub(super) fn kick_pc(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let Some(client) = state.conns.get(&conn) else { return Ok(()) };
    if !client.is_mobile() {
        let code = RefusedCode::RefusedNotAllowed;
        state.refuse(turn, conn, Asked::of(pdu), code, "not a phone");
        return Ok(());
    }
    let user = client.user;
    let _: im::login::ImKickPcClientReq = pdu.view()?;
    let mac = im::base_define::ClientType::Mac as u32;
    kick(state, turn, user, mac, KICK_BY_MOBILE, Some(conn));
    if !state.config.protocol.mutated(Mutant::KickPcHereOnly) {
        to_route_kick(state, turn, user, mac, KICK_BY_MOBILE);
    }
    let rsp = im::login::ImKickPcClientRsp { user_id: user, result_code: 0 };
    turn.send(conn, Pdu::new(cmd::LOGIN_RES_KICKPCCLIENT, pdu.header.seq_num, &rsp));
    Ok(())
}
