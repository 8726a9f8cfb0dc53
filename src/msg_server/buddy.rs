//! Presence queries, hidden sessions, sign info, avatars, peer-to-peer commands and device
//! tokens (SYSTEM.md section 4).

use super::{
    file, push,
    relay::{self, NO_DB, Source},
    state::{State, in_flight::Asked, turn::Turn},
};
use crate::{
    catalogue::{Half, id as cmd},
    env::ConnId,
    mutants::Mutant,
    wire::{
        Malformed, Pdu,
        attach::{self, Attach, kind},
        edit::Edit,
        fields,
        im::{self, base_define::SessionType},
        tt::extension::RefusedCode,
    },
};
use bytes::Bytes;

/// 020a: to the route master, its attach data with an empty PDU (golden 20).
pub(super) fn users_status(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let _: im::buddy::ImUsersStatReq = pdu.view()?;
    let Some(client) = state.conns.get(&conn) else { return Ok(()) };
    let Some(&master) = state.routes.first() else {
        let code = RefusedCode::RefusedUnavailable;
        state.refuse(turn, conn, Asked::of(pdu), code, "no route server");
        return Ok(());
    };
    let attach = Attach { pdu: Some(Bytes::new()), ..Attach::handle(client.handle) };
    let body = Edit::of(&pdu.body)
        .uint(fields::USER_ID, u64::from(client.user))
        .bytes(attach::FIELD, &attach.encode())
        .done();
    state.ask(turn, master, pdu.with_body(body), Source::client(conn, pdu));
    Ok(())
}

/// 020b: its attach data says what it is for.
pub(super) fn users_status_rsp(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let rsp: im::buddy::ImUsersStatRsp = pdu.view()?;
    let Some(attach) = Attach::decode(rsp.attach_data.as_deref().unwrap_or_default()) else {
        turn.close(link, "a reply whose attach data is too short");
        return Ok(());
    };
    let seq = pdu.header.seq_num;
    match attach.kind {
        kind::HANDLE => {}
        kind::PUSH => return push::status(state, turn, &rsp, &attach),
        kind::FILE => return file::status(state, turn, link, seq, &rsp, &attach),
        _ => {
            turn.refused(link, pdu.command(), "attach data of an unknown type");
            return Ok(());
        }
    }
    let asked = Asked { command: cmd::BUDDY_LIST_USERS_STATUS_REQUEST, seq };
    let (_, is_owed) = state.settled(link, attach.handle, asked);
    if let Some(conn) = state.find(rsp.user_id, attach.handle).filter(|_| is_owed) {
        let body = Edit::of(&pdu.body).clear(attach::FIELD).done();
        turn.send(conn, pdu.with_body(body));
    }
    Ok(())
}

/// 0601: passed on unchanged to the sender's other connections, to the target's, and to route.
pub(super) fn p2p(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let msg: im::switch_service::Imp2pCmdMsg = pdu.view()?;
    let Some(client) = state.conns.get(&conn) else { return Ok(()) };
    turn.send_all(&state.conns_of(client.user, Some(conn)), pdu);
    turn.send_all(&state.conns_of(msg.to_user_id, Some(conn)), pdu);
    if !state.config.protocol.mutated(Mutant::P2pHereOnly) {
        state.to_route(turn, pdu.clone());
    }
    Ok(())
}

/// 0601 of another msg_server: to both users' connections.
pub(super) fn p2p_from_route(
    state: &mut State,
    turn: &mut Turn<'_>,
    _: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let msg: im::switch_service::Imp2pCmdMsg = pdu.view()?;
    turn.send_all(&state.conns_of(msg.from_user_id, None), pdu);
    turn.send_all(&state.conns_of(msg.to_user_id, None), pdu);
    Ok(())
}

/// 0206: relayed. If the session is with a user, the other connections of the requester and route
/// are told at once, whatever db_proxy will answer (golden 48). With `confirmed-read-acks` they are
/// told when it is done.
pub(super) fn remove_session(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let req: im::buddy::ImRemoveSessionReq = pdu.view()?;
    let sent = relay::request(state, turn, conn, pdu)?;
    // A request that was refused has no effect to tell others about.
    let refused = !sent && state.config.protocol.answered_refusals;
    let Some(client) = state.conns.get(&conn) else { return Ok(()) };
    let waits = state.config.protocol.confirmed_read_acks;
    if refused || waits || req.session_type != SessionType::Single as i32 {
        return Ok(());
    }
    let notice = im::buddy::ImRemoveSessionNotify {
        user_id: client.user,
        session_type: req.session_type,
        session_id: req.session_id,
    };
    tell_of_removal(state, turn, Some(conn), &notice);
    Ok(())
}

/// 0207: passed on. With `confirmed-read-acks` a success is told to the user's other connections and to
/// route only now, also for a session with a group: what they count as unread has changed in the store.
/// So is the requester, if it was told that no answer came in time.
pub(super) fn removal_stored(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let rsp: im::buddy::ImRemoveSessionRsp = pdu.view()?;
    let Some(replied) = relay::reply(state, turn, link, pdu)? else { return Ok(()) };
    if state.config.protocol.confirmed_read_acks && rsp.result_code == 0 {
        let notice = im::buddy::ImRemoveSessionNotify {
            user_id: rsp.user_id,
            session_type: rsp.session_type,
            session_id: rsp.session_id,
        };
        tell_of_removal(state, turn, replied.to, &notice);
    }
    Ok(())
}

/// 020f to the user's connections but one, and to route.
fn tell_of_removal(
    state: &mut State,
    turn: &mut Turn<'_>,
    except: Option<ConnId>,
    notice: &im::buddy::ImRemoveSessionNotify,
) {
    if state.config.protocol.mutated(Mutant::RemovalUntold) {
        return;
    }
    let pdu = Pdu::new(cmd::BUDDY_LIST_REMOVE_SESSION_NOTIFY, 0, notice);
    turn.send_all(&state.conns_of(notice.user_id, except), &pdu);
    state.to_route(turn, pdu);
}

/// 020f of another msg_server: to the user's connections.
pub(super) fn session_removed(
    state: &mut State,
    turn: &mut Turn<'_>,
    _: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let notice: im::buddy::ImRemoveSessionNotify = pdu.view()?;
    turn.send_all(&state.conns_of(notice.user_id, None), pdu);
    Ok(())
}

/// 0214: passed on. After a success everyone is told, through route.
pub(super) fn sign_info_stored(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let rsp: im::buddy::ImChangeSignInfoRsp = pdu.view()?;
    if relay::reply(state, turn, link, pdu)?.is_some()
        && rsp.result_code == 0
        && !state.config.protocol.mutated(Mutant::SignatureUntold)
    {
        let notice = im::buddy::ImSignInfoChangedNotify {
            changed_user_id: rsp.user_id,
            sign_info: rsp.sign_info.unwrap_or_default(),
        };
        state.to_route(turn, Pdu::new(cmd::BUDDY_LIST_SIGN_INFO_CHANGED_NOTIFY, 0, &notice));
    }
    Ok(())
}

/// 0215, which route also sends to the server that reported the change: passed on to all clients.
pub(super) fn sign_info_changed(
    state: &mut State,
    turn: &mut Turn<'_>,
    _: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let _: im::buddy::ImSignInfoChangedNotify = pdu.view()?;
    let all: Vec<_> = state.open_conns().map(|client| client.id).collect();
    turn.send_all(&all, pdu);
    Ok(())
}

/// 020c: relayed without attach data, so no answer can find its way back. With `answered-refusals`
/// it has attach data, and db_proxy refuses it.
pub(super) fn change_avatar(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let _: im::buddy::ImChangeAvatarReq = pdu.view()?;
    let Some(client) = state.conns.get(&conn) else { return Ok(()) };
    let handle = client.handle;
    let body = Edit::of(&pdu.body).uint(fields::USER_ID, u64::from(client.user));
    let Some(link) = state.db.pick(turn, Half::Other, client.user, pdu) else {
        state.refuse(turn, conn, Asked::of(pdu), RefusedCode::RefusedUnavailable, NO_DB);
        return Ok(());
    };
    if state.config.protocol.answered_refusals {
        let body = body.bytes(attach::FIELD, &Attach::handle(handle).encode()).done();
        state.ask(turn, link, pdu.with_body(body), Source::client(conn, pdu));
    } else {
        turn.send(link, pdu.with_body(body.done()));
    }
    Ok(())
}

/// 0108: a phone's push token. Answered at once and without a body, then relayed (golden 43).
pub(super) fn device_token(
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
    let _: im::login::ImDeviceTokenReq = pdu.view()?;
    let body = Edit::of(&pdu.body)
        .uint(fields::USER_ID, u64::from(client.user))
        .uint(fields::CLIENT_TYPE, u64::from(client.client_type))
        .done();
    let link = state.db.pick(turn, Half::Other, client.user, pdu);
    if link.is_none() && state.config.protocol.answered_refusals {
        state.refuse(turn, conn, Asked::of(pdu), RefusedCode::RefusedUnavailable, NO_DB);
        return Ok(());
    }
    turn.send(conn, Pdu::raw(cmd::LOGIN_RES_DEVICETOKEN, pdu.header.seq_num, Bytes::new()));
    if let Some(link) = link
        && !state.config.protocol.mutated(Mutant::TokenDropped)
    {
        turn.send(link, pdu.with_body(body));
    }
    Ok(())
}
