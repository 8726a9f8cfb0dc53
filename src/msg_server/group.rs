//! Making groups and changing their members (SYSTEM.md section 4). Their messages: `fan_out`.

use super::{
    relay,
    state::{State, in_flight::Asked, turn::Turn},
};
use crate::{
    catalogue::id as cmd,
    env::ConnId,
    mutants::Mutant,
    wire::{
        Malformed, Pdu,
        attach::Attach,
        im::{
            base_define::GroupType,
            group::{ImGroupChangeMemberNotify, ImGroupChangeMemberRsp, ImGroupCreateReq},
        },
        tt::extension::RefusedCode,
    },
};

/// 0405: relayed; clients make no groups of type NORMAL.
pub(super) fn create(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let req: ImGroupCreateReq = pdu.view()?;
    if req.group_type == GroupType::Normal as i32 {
        let code = RefusedCode::RefusedNotAllowed;
        state.refuse(turn, conn, Asked::of(pdu), code, "a group of type NORMAL");
        return Ok(());
    }
    relay::request(state, turn, conn, pdu).map(drop)
}

/// 0408: passed on. After a success all members and all who were taken out are told, but not the
/// requester.
pub(super) fn changed(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let rsp: ImGroupChangeMemberRsp = pdu.view()?;
    let handle = Attach::decode(rsp.attach_data.as_deref().unwrap_or_default()).map(|a| a.handle);
    if relay::reply(state, turn, link, pdu)?.is_none() || rsp.result_code != 0 {
        return Ok(());
    }
    let requester = handle.and_then(|handle| state.find(rsp.user_id, handle));
    let notice = ImGroupChangeMemberNotify {
        user_id: rsp.user_id,
        change_type: rsp.change_type,
        group_id: rsp.group_id,
        cur_user_id_list: rsp.cur_user_id_list,
        chg_user_id_list: rsp.chg_user_id_list,
    };
    let pdu = Pdu::new(cmd::GROUP_CHANGE_MEMBER_NOTIFY, 0, &notice);
    if !state.config.protocol.mutated(Mutant::ChangeToldHereOnly) {
        state.to_route(turn, pdu.clone());
    }
    to_members(state, turn, &notice, &pdu, requester);
    Ok(())
}

/// 040b of another msg_server.
pub(super) fn change_notice(
    state: &mut State,
    turn: &mut Turn<'_>,
    _: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let notice: ImGroupChangeMemberNotify = pdu.view()?;
    to_members(state, turn, &notice, pdu, None);
    Ok(())
}

/// To the changed users, then to the current members: a user in both lists gets it twice.
fn to_members(
    state: &State,
    turn: &mut Turn<'_>,
    notice: &ImGroupChangeMemberNotify,
    pdu: &Pdu,
    except: Option<ConnId>,
) {
    for &user in notice.chg_user_id_list.iter().chain(&notice.cur_user_id_list) {
        let is_out = !notice.cur_user_id_list.contains(&user);
        if is_out && state.config.protocol.mutated(Mutant::TakenOutUntold) {
            continue;
        }
        turn.send_all(&state.conns_of(user, except), pdu);
    }
}
