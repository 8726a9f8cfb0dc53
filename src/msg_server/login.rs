//! Login, kick and logout (SYSTEM.md section 4).

use super::{
    relay::Source,
    state::{LOGINS_BOUND, State, conn::Conn, in_flight::Asked, turn::Turn},
};
use crate::{
    catalogue::{Half, id as cmd},
    env::ConnId,
    fact::Fact,
    mutants::Mutant,
    wire::{Malformed, Pdu, attach::Attach, im, tt::extension::RefusedCode},
};
use bytes::Bytes;
use im::{base_define::ResultType, server::ImServerKickUser};

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
    state.logins_asked += 1;
    client.asked_as = state.logins_asked;
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
    let protocol = state.config.protocol;
    let mut kick = ImServerKickUser {
        user_id: user,
        client_type: client_type as i32,
        reason: KICK_DUPLICATE,
        login_number: None,
    };
    let is_old = protocol.ordered_logins && is_overtaken(state, conn, &kick);
    if !is_old {
        if let Some(drawn) = rsp.login_number.filter(|_| protocol.ordered_logins) {
            kick.login_number = Some(overtake(state, conn, drawn, &kick));
        }
        kick_here(state, turn, &kick, Some(conn));
        if !protocol.mutated(Mutant::KickHereOnly) {
            to_route_kick(state, turn, &kick);
        }
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
    if is_old {
        put_off(state, turn, conn, KICK_DUPLICATE);
    }
    Ok(())
}

/// Whether this login was overtaken: a login of the same user and class that this msg_server was asked for
/// later has been let in already.
///
/// The numbers of logins do not say that, because a db_proxy draws one when it gets round to a login. A
/// device may lose its power, come back and log in again while its first login still waits at a slow
/// db_proxy: by its number the first one would be the newer, and would put the device off in favour of
/// a connection that nobody is behind. So a msg_server goes by the order in which it was asked. Of logins at two
/// msg_servers neither knows which was asked for first: there the numbers decide.
///
/// A login that was overtaken is answered as it would have been in the right order: it is let in, then
/// kicked for the other one. If it were refused, the program would take that for a failure of the server and
/// log in again, as the newest of all. It kicks nobody, here or elsewhere: whoever is older than it is
/// older than the login that overtook it, too, and that one's kick has gone out.
fn is_overtaken(state: &State, conn: ConnId, kick: &ImServerKickUser) -> bool {
    let Some(client) = state.conns.get(&conn) else { return false };
    let is_newer = |other: &&Conn| other.login_number > 0 && other.asked_as > client.asked_as;
    (client.overtaken || of_class(state, kick).any(|other| is_newer(&other)))
        && !state.config.protocol.mutated(Mutant::AskedBeforeKicks)
}

/// A login for which a number was drawn is let in, as the newest of its class that was asked for here:
/// what was asked for under its name before it, and is under way still, is older. What is merely asked
/// for overtakes nothing: anybody can ask under any name. Its number: the place of whom it kicks here,
/// if that one has the higher number.
fn overtake(state: &mut State, conn: ConnId, drawn: u32, kick: &ImServerKickUser) -> u32 {
    let here = of_class(state, kick).map(|other| other.login_number).max();
    let number = here.map_or(drawn, |here| here.max(drawn));
    let Some(newer) = state.conns.get_mut(&conn) else { return number };
    newer.login_number = number;
    let (name, client_type, asked_as) =
        (newer.login_name.clone(), newer.client_type, newer.asked_as);
    for (_, other) in state.logins.range((name.clone(), 0)..=(name, u32::MAX)) {
        if let Some(other) = state.conns.get_mut(other) {
            other.overtaken |= other.same_class(client_type) && other.asked_as < asked_as;
        }
    }
    number
}

/// 070d: a user has logged in elsewhere, or a phone kicks their PCs.
pub(super) fn kick(
    state: &mut State,
    turn: &mut Turn<'_>,
    _: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let mut kick: ImServerKickUser = pdu.view()?;
    kick.login_number = kick.login_number.filter(|_| state.config.protocol.ordered_logins);
    if state.users.contains_key(&kick.user_id)
        && state.config.protocol.mutated(Mutant::KickFromElsewhereOtherClass)
    {
        kick.client_type ^= 0x10;
    }
    kick_here(state, turn, &kick, None);
    // Two logins have met. The kick of the newer one may have come to the other server before the
    // older login was there.
    if let Some(newest) = newest_beyond(state, &kick)
        && !state.config.protocol.mutated(Mutant::MetLoginsNotTold)
    {
        to_route_kick(state, turn, &ImServerKickUser { login_number: Some(newest), ..kick });
    }
    Ok(())
}

/// Kicks connections of a class. With the number of a login (switch `ordered-logins`) all that are
/// older, and never a newer one: all others, if that login is let in here. Without it the connection
/// with the lowest handle, even if it was kicked before (a wart: a second kick hits the same one again).
fn kick_here(
    state: &mut State,
    turn: &mut Turn<'_>,
    kick: &ImServerKickUser,
    except: Option<ConnId>,
) {
    let others = of_class(state, kick).filter(|other| Some(other.id) != except);
    let conns: Vec<_> = match kick.login_number {
        Some(number) => others
            .filter(|other| other.login_number < number || except.is_some())
            .map(|other| other.id)
            .collect(),
        None => others.map(|other| other.id).take(1).collect(),
    };
    for old in conns {
        let newer = except.filter(|_| state.config.protocol.mutated(Mutant::KickNewer));
        put_off(state, turn, newer.unwrap_or(old), kick.reason);
    }
}

/// The connections of the user and class of a kick, in the order of their handles.
fn of_class<'a>(state: &'a State, kick: &ImServerKickUser) -> impl Iterator<Item = &'a Conn> {
    let (other, class) = (state.config.protocol.mutated(Mutant::KickOtherClass), kick.client_type);
    let conns =
        state.conns_of(kick.user_id, None).into_iter().filter_map(|id| state.conns.get(&id));
    conns.filter(move |conn| conn.same_class(class as u32) != other)
}

/// The newest login here of those that are newer than the one that kicks.
fn newest_beyond(state: &State, kick: &ImServerKickUser) -> Option<u32> {
    let number = kick.login_number?;
    of_class(state, kick).map(|conn| conn.login_number).filter(|&of| of > number).max()
}

/// 0107. The socket stays open and is served; with `login-gate` it is closed.
fn put_off(state: &mut State, turn: &mut Turn<'_>, conn: ConnId, reason: u32) {
    let protocol = state.config.protocol;
    let Some(user_id) = state.conns.get(&conn).map(|client| client.user) else { return };
    let notice = im::login::ImKickUser { user_id, kick_reason: reason as i32 };
    turn.send(conn, Pdu::new(cmd::LOGIN_KICK_USER, 0, &notice));
    if protocol.login_gate && !protocol.mutated(Mutant::KickedStaysServed) {
        state.close_client(turn, conn, "kicked");
    }
}

/// 070d to the route master.
fn to_route_kick(state: &State, turn: &mut Turn<'_>, kick: &ImServerKickUser) {
    state.to_route(turn, Pdu::new(cmd::OTHER_SERVER_KICK_USER, 0, kick));
}

/// 0105: the user's device token is emptied (with `kept-tokens` by a phone only), the client is answered
/// and its connection closed.
pub(super) fn logout(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let Some(client) = state.conns.get(&conn) else { return Ok(()) };
    let (user, seq, protocol) = (client.user, pdu.header.seq_num, state.config.protocol);
    // A PC has no token: what it would empty is the phone's.
    let has_token = client.is_mobile() || !protocol.kept_tokens;
    let link = state.db.pick(turn, Half::Other, user, pdu).filter(|_| has_token);
    if let Some(link) = link
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
    let kick = ImServerKickUser {
        user_id: user,
        client_type: im::base_define::ClientType::Mac as i32,
        reason: KICK_BY_MOBILE,
        login_number: None,
    };
    kick_here(state, turn, &kick, Some(conn));
    if !state.config.protocol.mutated(Mutant::KickPcHereOnly) {
        to_route_kick(state, turn, &kick);
    }
    let rsp = im::login::ImKickPcClientRsp { user_id: user, result_code: 0 };
    turn.send(conn, Pdu::new(cmd::LOGIN_RES_KICKPCCLIENT, pdu.header.seq_num, &rsp));
    Ok(())
}
