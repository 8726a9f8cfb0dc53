//! Read acks and their notices (SYSTEM.md section 4, "Notices").

use super::{
    deliver,
    relay::Source,
    state::{State, in_flight::Asked, turn::Turn},
};
use crate::{
    catalogue::{Half, id as cmd},
    env::ConnId,
    mutants::Mutant,
    wire::{
        Malformed, Pdu,
        attach::{self, Attach},
        edit::Edit,
        fields,
        im::message::{ImMsgDataReadAck, ImMsgDataReadNotify},
        tt::extension::RefusedCode,
    },
};

/// 0303: relayed, while the user's other connections and route get the notice (0304) at once. With
/// `confirmed-read-acks` the notice waits until db_proxy says that the read ack is stored.
pub(super) fn ack(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let ack: ImMsgDataReadAck = pdu.view()?;
    let Some(client) = state.conns.get(&conn) else { return Ok(()) };
    let (user, handle) = (client.user, client.handle);
    if !state.config.protocol.mutated(Mutant::ReadAckSettlesNothing) {
        deliver::settle(state, turn, conn, ack.session_type, ack.session_id, ack.msg_id);
    }
    let confirmed = state.config.protocol.confirmed_read_acks;
    match state.db.pick(turn, Half::Other, user, pdu) {
        Some(link) => {
            let body = Edit::of(&pdu.body).uint(fields::USER_ID, u64::from(user));
            if confirmed {
                let body = body.bytes(attach::FIELD, &Attach::handle(handle).encode()).done();
                state.ask(turn, link, pdu.with_body(body), Source::client(conn, pdu));
            } else {
                turn.send(link, pdu.with_body(body.done()));
            }
        }
        None => {
            let (asked, code) = (Asked::of(pdu), RefusedCode::RefusedUnavailable);
            state.refuse(turn, conn, asked, code, "no db_proxy");
        }
    }
    if !confirmed {
        let notice = ImMsgDataReadNotify {
            user_id: user,
            session_id: ack.session_id,
            msg_id: ack.msg_id,
            session_type: ack.session_type,
            attach_data: None,
        };
        let notice = Pdu::new(cmd::MSG_READ_NOTIFY, 0, &notice);
        turn.send_all(&state.conns_of(user, Some(conn)), &notice);
        state.to_route(turn, notice);
    }
    Ok(())
}

/// 0304 of a db_proxy (`confirmed-read-acks`): the read ack is stored.
pub(super) fn confirmed(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    if !state.config.protocol.confirmed_read_acks {
        turn.refused(link, pdu.command(), "unknown command");
        return Ok(());
    }
    let stored: ImMsgDataReadNotify = pdu.view()?;
    let Some(attach) = state.db.attach_of(turn, link, stored.attach_data.as_deref()) else {
        return Ok(());
    };
    let asked = Asked { command: cmd::MSG_READ_ACK, seq: pdu.header.seq_num };
    let is_owed = state.settled_by(link, attach.handle, asked);
    let requester = state.find(stored.user_id, attach.handle);
    let body = Edit::of(&pdu.body).clear(attach::FIELD).done();
    if let Some(conn) = requester.filter(|_| is_owed) {
        turn.send(conn, pdu.with_body(body.clone()));
    }
    let notice = Pdu::raw(cmd::MSG_READ_NOTIFY, 0, body);
    let protocol = state.config.protocol;
    let others = state.conns_of(stored.user_id, requester);
    if !others.is_empty() && !protocol.mutated(Mutant::ReadNoticeElsewhereOnly) {
        turn.send_all(&others, &notice);
    }
    if !protocol.mutated(Mutant::ReadNoticeHereOnly) {
        state.to_route(turn, notice);
    }
    Ok(())
}

/// 0304 of another msg_server: to the user's connections here.
pub(super) fn from_route(
    state: &mut State,
    turn: &mut Turn<'_>,
    _link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let notice: ImMsgDataReadNotify = pdu.view()?;
    turn.send_all(&state.conns_of(notice.user_id, None), pdu);
    Ok(())
}
