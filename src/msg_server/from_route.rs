//! From route_server's command to its handler (SYSTEM.md section 4, "From route").

use super::{
    buddy,
    dispatch::{self, Handler},
    file, group, hint, login, message, read,
    state::{State, turn::Turn},
};
use crate::{
    catalogue::id as cmd,
    env::ConnId,
    mutants::Mutant,
    wire::{Malformed, Pdu, im},
};
use im::base_define::UserStatType;

/// The handler of a command that the catalogue says has one here.
pub(super) fn handler(command: u16) -> Option<Handler> {
    Some(match command {
        cmd::MSG_DATA => message::from_route,
        cmd::MSG_READ_NOTIFY => read::from_route,
        cmd::OTHER_SERVER_KICK_USER => login::kick,
        cmd::BUDDY_LIST_STATUS_NOTIFY => status_notify,
        cmd::OTHER_LOGIN_STATUS_NOTIFY => pc_login_status,
        cmd::BUDDY_LIST_USERS_STATUS_RESPONSE => buddy::users_status_rsp,
        cmd::BUDDY_LIST_REMOVE_SESSION_NOTIFY => buddy::session_removed,
        cmd::BUDDY_LIST_SIGN_INFO_CHANGED_NOTIFY => buddy::sign_info_changed,
        cmd::GROUP_CHANGE_MEMBER_NOTIFY => group::change_notice,
        cmd::FILE_NOTIFY => file::notice,
        cmd::SWITCH_P2P_CMD => buddy::p2p_from_route,
        cmd::OTHER_CATCH_UP_HINT => hint::from_route,
        _ => return None,
    })
}

/// Serves one PDU of a route_server.
pub(super) fn dispatch(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    dispatch::of_link(handler(pdu.command()), state, turn, link, pdu)
}

/// 0203: passed on to all PC clients here, those of the user included.
fn status_notify(
    state: &mut State,
    turn: &mut Turn<'_>,
    _: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let _: im::buddy::ImUserStatNotify = pdu.view()?;
    let mut pcs: Vec<_> = state.open_conns().filter(|c| !c.is_mobile()).map(|c| c.id).collect();
    if !pcs.is_empty() && state.config.protocol.mutated(Mutant::StatusUntoldToLast) {
        pcs.pop();
    }
    turn.send_all(&pcs, pdu);
    Ok(())
}

/// 070e: remembered, and told to the user's mobile connections (020e).
fn pc_login_status(
    state: &mut State,
    turn: &mut Turn<'_>,
    _: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let msg: im::server::ImServerPcLoginStatusNotify = pdu.view()?;
    let Some(user) = state.users.get_mut(&msg.user_id) else { return Ok(()) };
    user.pc_on = msg.login_status == 1;
    let status =
        if user.pc_on { UserStatType::UserStatusOnline } else { UserStatType::UserStatusOffline };
    let notice =
        im::buddy::ImpcLoginStatusNotify { user_id: msg.user_id, login_stat: status as i32 };
    let notice = Pdu::new(cmd::BUDDY_LIST_PC_LOGIN_STATUS_NOTIFY, 0, &notice);
    let protocol = state.config.protocol;
    let is_mobile = |conn: &ConnId| {
        let client = state.conns.get(conn);
        client.is_some_and(|c| c.is_mobile() != protocol.mutated(Mutant::PcStatusToPcs))
    };
    let phones: Vec<_> = state.conns_of(msg.user_id, None).into_iter().filter(is_mobile).collect();
    turn.send_all(&phones, &notice);
    Ok(())
}
