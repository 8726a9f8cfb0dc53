//! Group messages at each msg_server (SYSTEM.md section 4, "Group fan-out"): 0403 and 0404 for
//! the members, the pushes, then 0711 and 0712 for who has muted the group, then 0705.

use super::{
    deliver::{self, Push},
    hint, relay,
    state::{State, fan_outs::FanOut, in_flight::GIVE_UP, turn::Turn},
};
use crate::{
    catalogue::{Half, id as cmd},
    conversation::Conversation,
    env::ConnId,
    mutants::Mutant,
    wire::{
        Malformed, Pdu,
        attach::{Attach, kind},
        check,
        im::{
            base_define::GroupVersionInfo,
            group::{ImGroupInfoListReq, ImGroupInfoListRsp},
            message::ImMsgData,
            server::{ImGetDeviceTokenReq, ImGroupGetShieldReq, ImGroupGetShieldRsp},
        },
    },
};
use bytes::Bytes;

/// Asks for the members of a message's group, the message attached. `handle` names the origin
/// connection, 0 on other servers.
pub(super) fn start(
    state: &mut State,
    turn: &mut Turn<'_>,
    handle: u32,
    msg: &ImMsgData,
    body: &Bytes,
) {
    let attach = Attach { kind: kind::GROUP, handle, service_type: 0, pdu: Some(body.clone()) };
    let req = ImGroupInfoListReq {
        user_id: msg.from_user_id,
        group_version_list: vec![GroupVersionInfo { group_id: msg.to_session_id, version: 0 }],
        attach_data: Some(attach.encode()),
    };
    let link = ask_about(state, turn, body, Pdu::new(cmd::GROUP_INFO_REQUEST, 0, &req));
    if !state.config.protocol.catch_up_hint {
        return;
    }
    let Some(link) = link else {
        // This message is pushed to nobody here.
        hint::missed_here(state, turn);
        return;
    };
    if state.config.protocol.mutated(Mutant::FanOutForgotten) {
        return;
    }
    let (group, msg_id, since) = (msg.to_session_id, msg.msg_id, turn.now.up);
    if state.fan_outs.add(FanOut { link, group, msg_id, since }) {
        hint::missed_here(state, turn);
    }
    state.fan_outs.note(turn);
}

/// Asks on a link of the other half; the draw of the link is keyed by the message alone.
fn ask_about(state: &State, turn: &mut Turn<'_>, message: &Bytes, pdu: Pdu) -> Option<ConnId> {
    let link = state.db.pick_about(turn, Half::Other, pdu.command(), message)?;
    turn.send(link, pdu);
    Some(link)
}

/// 0404: carries a message, or is the answer to a client's 0403.
pub(super) fn members(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let rsp: ImGroupInfoListRsp = pdu.view()?;
    match Attach::decode(rsp.attach_data.as_deref().unwrap_or_default()) {
        Some(Attach { kind: kind::GROUP, handle, pdu: Some(body), .. }) => {
            push(state, turn, link, &rsp, handle, body)
        }
        _ => relay::reply(state, turn, link, pdu).map(drop),
    }
}

/// Pushes to the members here but the origin connection, then asks who has muted the group.
fn push(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    rsp: &ImGroupInfoListRsp,
    handle: u32,
    body: Bytes,
) -> Result<(), Malformed> {
    let msg: ImMsgData = check::decode(&body)?;
    let group_id = msg.to_session_id;
    state.fan_outs.answered(link, group_id, msg.msg_id);
    let from_store = state.config.protocol.members_from_store;
    let Some(group) = rsp.group_info_list.iter().find(|group| group.group_id == group_id) else {
        turn.refused(link, cmd::GROUP_INFO_RESPONSE, "no such group");
        if from_store {
            // The group was there when the message was stored.
            hint::missed_here(state, turn);
        }
        return Ok(());
    };
    let members = &group.group_member_list;
    // With members-from-store the sender was a member when the message was stored, and only that
    // counts.
    if !from_store && !members.contains(&msg.from_user_id) {
        turn.refused(link, cmd::GROUP_INFO_RESPONSE, "the sender is no member");
        return Ok(());
    }
    let protocol = state.config.protocol;
    let origin = state.find(msg.from_user_id, handle);
    let origin = origin.filter(|_| !protocol.mutated(Mutant::GroupPushedToOrigin));
    let targets = members.iter().flat_map(|&member| state.conns_of(member, origin)).collect();
    deliver::push(
        state,
        turn,
        Push {
            msg: &msg,
            pdu: &Pdu::raw(cmd::MSG_DATA, 0, body.clone()),
            conversation: Conversation::Group(group_id),
            targets,
            // The original keeps no send list for groups: its acks name a sender. With
            // conversation-keyed-acks a group is a conversation like any other; the entries of
            // clients that ack no group message (Windows, Mac) expire.
            tracked: protocol.conversation_keyed_acks
                && !protocol.mutated(Mutant::GroupPushUntracked),
        },
    );
    // In the original each msg_server has the phones of all members pushed to, whoever is where.
    if handle == 0 && protocol.one_push {
        return Ok(());
    }
    let req =
        ImGroupGetShieldReq { group_id, user_id: members.clone(), attach_data: Some(body.clone()) };
    ask_about(state, turn, &body, Pdu::new(cmd::OTHER_GET_SHIELD_REQ, 0, &req));
    Ok(())
}

/// 0712: asks for the device tokens of the members who have not muted the group, even if that is
/// nobody.
pub(super) fn shields(
    state: &mut State,
    turn: &mut Turn<'_>,
    _: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let rsp: ImGroupGetShieldRsp = pdu.view()?;
    let message = rsp.attach_data.unwrap_or_default();
    let protocol = state.config.protocol;
    let open = rsp
        .shield_status_list
        .iter()
        .filter(|member| member.shield_status == 0 || protocol.mutated(Mutant::MutedArePushed));
    let req = ImGetDeviceTokenReq {
        user_id: open.map(|member| member.user_id).collect(),
        attach_data: Some(message.clone()),
    };
    let req = Pdu::new(cmd::OTHER_GET_DEVICE_TOKEN_REQ, 0, &req);
    ask_about(state, turn, &message, req);
    Ok(())
}

/// A db_proxy link is gone: members here miss the messages whose members it was asked for. They are told with
/// the next hint.
pub(super) fn link_closed(state: &mut State, link: ConnId) {
    state.hints.everyone_here |= state.fan_outs.give_up(|waiting| waiting.link == link);
}

/// Gives up what has waited too long, as with requests of clients. Who misses it is told with the next hint.
pub(super) fn tick(state: &mut State, turn: &Turn<'_>) {
    let (now, limit) = (turn.now.up, state.config.timing.request_timeout() * GIVE_UP);
    let is_late = |waiting: &FanOut| now.saturating_sub(waiting.since) > limit;
    state.hints.everyone_here |= state.fan_outs.give_up(is_late);
}
