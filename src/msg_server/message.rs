//! The message path (SYSTEM.md section 3).

use super::{
    deliver::{self, Push},
    fan_out,
    relay::{NO_DB, Source},
    state::{State, in_flight::Asked, turn::Turn},
};
use crate::{
    catalogue::{Half, MESSAGES_OF_ORIGINAL, id as cmd},
    conversation::Conversation,
    env::ConnId,
    mutants::Mutant,
    wire::{
        Header, Malformed, Pdu,
        attach::{self, Attach},
        edit::Edit,
        fields, im,
        msg_type::{is_audio, is_single},
        tt::extension::RefusedCode,
    },
};
use bytes::Bytes;
use im::base_define::SessionType;
use im::message::{ImMsgData, ImMsgDataAck};

/// Step 1: a client's message goes to db_proxy, or is dropped without a reply.
pub(super) fn from_client(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let msg: ImMsgData = pdu.view()?;
    let protocol = state.config.protocol;
    let most =
        if protocol.edge_limits { state.config.limits.messages } else { MESSAGES_OF_ORIGINAL };
    let Some(client) = state.conns.get_mut(&conn) else { return Ok(()) };
    let refused = if msg.msg_data.is_empty() {
        Some((RefusedCode::RefusedMalformed, "an empty message".to_string()))
    } else if client.sent_in_window >= most && !protocol.mutated(Mutant::RateNotKept) {
        Some((RefusedCode::RefusedTooMany, format!("over {most} messages a second")))
    } else {
        client.sent_in_window += 1;
        // A wart: this compares the from_user_id of the client, not the user who is logged in.
        let to_self = is_single(msg.msg_type) && msg.from_user_id == msg.to_session_id;
        to_self.then(|| (RefusedCode::RefusedMalformed, "a message to oneself".to_string()))
    };
    let (user, handle) = (client.user, client.handle);
    let link = match refused {
        Some(refused) => Err(refused),
        None => state
            .db
            .pick(turn, Half::Other, user, pdu)
            .ok_or_else(|| (RefusedCode::RefusedUnavailable, NO_DB.to_string())),
    };
    match link {
        Ok(link) => {
            let (mut from, mut time) = (user, turn.unix_seconds());
            if msg.from_user_id != user && protocol.mutated(Mutant::SenderAsClaimed) {
                from = msg.from_user_id;
            }
            if msg.create_time != time && protocol.mutated(Mutant::TimeOfDevice) {
                time = msg.create_time;
            }
            let body = Edit::of(&pdu.body)
                .uint(fields::USER_ID, u64::from(from))
                .uint(fields::CREATE_TIME, u64::from(time))
                .bytes(attach::FIELD, &Attach::handle(handle).encode())
                .done();
            let missed = Some(conversation(&msg, user));
            let source = Source { missed, ..Source::client(conn, pdu) };
            state.ask(turn, link, pdu.with_body(body), source);
        }
        Err((code, reason)) => state.refuse(turn, conn, Asked::of(pdu), code, &reason),
    }
    Ok(())
}

/// The conversation of a message that `from` sends.
fn conversation(msg: &ImMsgData, from: u32) -> Conversation {
    if is_single(msg.msg_type) {
        Conversation::single(from, msg.to_session_id)
    } else {
        Conversation::Group(msg.to_session_id)
    }
}

/// Step 4: db_proxy's reply is acked, relayed and pushed.
pub(super) fn from_db(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let msg: ImMsgData = pdu.view()?;
    let protocol = state.config.protocol;
    let not_stored = msg.msg_id == 0;
    if not_stored && !protocol.ack_after_store && !protocol.answered_refusals {
        return Ok(());
    }
    let Some(attach) = state.db.attach_of(turn, link, msg.attach_data.as_deref()) else {
        return Ok(());
    };
    let asked = Asked::of(pdu);
    let waits_on = protocol.mutated(Mutant::AckedSendWaits);
    let is_owed = waits_on
        || match not_stored {
            true => state.settled(link, attach.handle, asked).1,
            false => state.settled_by(link, attach.handle, asked),
        };
    let origin = state.find(msg.from_user_id, attach.handle);
    let unacked = is_audio(msg.msg_type) && protocol.mutated(Mutant::VoiceUnacked);
    if let Some(origin) = origin.filter(|_| is_owed && !unacked) {
        // ack-after-store: a 0302 with msg_id 0 says that nothing was stored.
        if not_stored && !protocol.ack_after_store {
            state.refuse(turn, origin, asked, RefusedCode::RefusedUnavailable, "not stored");
        } else {
            let unnamed = protocol.mutated(Mutant::AckHeaderWithoutService);
            ack(turn, origin, pdu.header.seq_num, &msg, unnamed);
            if protocol.mutated(Mutant::AckedThenRefused) {
                state.refuse(turn, origin, asked, RefusedCode::RefusedUnavailable, "not stored");
            }
        }
    }
    if not_stored {
        return Ok(());
    }
    if is_single(msg.msg_type) || !protocol.mutated(Mutant::GroupMessageHereOnly) {
        state.to_route(turn, pdu.clone());
    }
    if !is_single(msg.msg_type) {
        fan_out::start(state, turn, attach.handle, &msg, &pdu.body);
        return Ok(());
    }
    let body = Edit::of(&pdu.body).clear(attach::FIELD).done();
    let header = Header { seq_num: 0, ..pdu.header };
    push_single(state, turn, &msg, &Pdu { header, body: body.clone() }, origin);
    if !protocol.mutated(Mutant::NoPhonePushes) {
        device_token_request(turn, link, msg.to_session_id, body);
    }
    Ok(())
}

fn ack(turn: &mut Turn<'_>, conn: ConnId, seq: u16, msg: &ImMsgData, unnamed: bool) {
    let session_type =
        if is_single(msg.msg_type) { SessionType::Single } else { SessionType::Group };
    let ack = ImMsgDataAck {
        user_id: msg.from_user_id,
        session_id: msg.to_session_id,
        msg_id: msg.msg_id,
        session_type: session_type as i32,
        held_up_to: None,
    };
    let mut pdu = Pdu::new(cmd::MSG_DATA_ACK, seq, &ack);
    if unnamed {
        (pdu.header.version, pdu.header.service_id) = (0, 0);
    }
    turn.send(conn, pdu);
}

/// 0705 with the bare message as attach data, on the link that the reply came on.
fn device_token_request(turn: &mut Turn<'_>, link: ConnId, user: u32, message: Bytes) {
    let req = im::server::ImGetDeviceTokenReq { user_id: vec![user], attach_data: Some(message) };
    turn.send(link, Pdu::new(cmd::OTHER_GET_DEVICE_TOKEN_REQ, 0, &req));
}

/// Step 6: a message of another msg_server. One between two users is pushed as it came.
pub(super) fn from_route(
    state: &mut State,
    turn: &mut Turn<'_>,
    _link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let msg: ImMsgData = pdu.view()?;
    if is_single(msg.msg_type) {
        push_single(state, turn, &msg, pdu, None);
    } else {
        fan_out::start(state, turn, 0, &msg, &pdu.body);
    }
    Ok(())
}

/// To the sender's connections but `origin`, then to the receiver's.
fn push_single(
    state: &mut State,
    turn: &mut Turn<'_>,
    msg: &ImMsgData,
    pdu: &Pdu,
    origin: Option<ConnId>,
) {
    let (from, to) = (msg.from_user_id, msg.to_session_id);
    let protocol = state.config.protocol;
    let mut targets = state.conns_of(from, origin);
    if !targets.is_empty() && protocol.mutated(Mutant::NoOwnCopies) {
        targets.clear();
    }
    if let Some(origin) = origin
        && protocol.mutated(Mutant::PushedToOrigin)
    {
        targets.push(origin);
    }
    let mut of_receiver = state.conns_of(to, None);
    if of_receiver.len() > 1 && protocol.mutated(Mutant::PushedToOneDevice) {
        of_receiver.truncate(1);
    }
    targets.extend(of_receiver);
    let conversation = Conversation::single(from, to);
    deliver::push(state, turn, Push { msg, pdu, conversation, targets, tracked: true });
}

/// Step 7: 0302 of a client.
pub(super) fn data_ack(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let ack: ImMsgDataAck = pdu.view()?;
    deliver::settle(state, turn, conn, ack.session_type, ack.session_id, ack.msg_id);
    Ok(())
}
