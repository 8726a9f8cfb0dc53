//! For whom a notice is, by docs/SYSTEM.md sections 3 and 4.

use super::here::{Device, Here};
use crate::{
    plan::Host,
    properties::{Seen, wire::is_group},
    record::Frame,
};
use bytes::Bytes;
use prost::Message;
use teamtalk::{
    catalogue::id,
    env::ConnId,
    wire::{
        im::{
            base_define::UserStatType,
            buddy::{ImRemoveSessionNotify, ImpcLoginStatusNotify},
            file::ImFileNotify,
            group::ImGroupChangeMemberNotify,
            message::ImMsgDataReadNotify,
            server::ImServerPcLoginStatusNotify,
            switch_service::Imp2pCmdMsg,
        },
        tt::extension::CatchUpHint,
    },
};

/// The connections at a msg_server that are owed a notice, and the notice as it is to be written
/// there: its command and its body.
#[derive(Debug, Default)]
pub struct Audience {
    /// The connections, one as often as it is owed.
    pub conns: Vec<ConnId>,
    /// The command.
    pub command: u16,
    /// The body without its attach data.
    pub body: Bytes,
}

/// Who at a msg_server is owed what a route_server sends; `None` if nobody ever is by this command.
pub fn from_route(here: &Here, seen: &Seen<'_>, pdu: &Frame) -> Option<Audience> {
    let host = &seen.line.host;
    let of =
        |users: &[u32]| here.of_users(host, users).filter(owed).map(|(conn, _)| conn).collect();
    let all = |wanted: fn(&Device) -> bool| {
        let here = here.at(host).filter(owed);
        here.filter(|(_, device)| wanted(device)).map(|(conn, _)| conn).collect::<Vec<_>>()
    };
    let mut told = Audience { command: pdu.command(), body: pdu.bare(), conns: Vec::new() };
    told.conns = match pdu.command() {
        id::BUDDY_LIST_STATUS_NOTIFY => all(|device| !device.is_mobile),
        id::BUDDY_LIST_SIGN_INFO_CHANGED_NOTIFY => all(|_| true),
        id::MSG_READ_NOTIFY => of(&[pdu.view::<ImMsgDataReadNotify>().ok()?.user_id]),
        id::BUDDY_LIST_REMOVE_SESSION_NOTIFY => {
            of(&[pdu.view::<ImRemoveSessionNotify>().ok()?.user_id])
        }
        id::FILE_NOTIFY => of(&[pdu.view::<ImFileNotify>().ok()?.to_user_id]),
        id::SWITCH_P2P_CMD => {
            let cmd = pdu.view::<Imp2pCmdMsg>().ok()?;
            let mut conns: Vec<_> = of(&[cmd.from_user_id]);
            conns.extend::<Vec<_>>(of(&[cmd.to_user_id]));
            conns
        }
        id::GROUP_CHANGE_MEMBER_NOTIFY => {
            let notice = pdu.view::<ImGroupChangeMemberNotify>().ok()?;
            members(here, host, &notice)
        }
        id::MSG_DATA => {
            let data = &seen.data.as_ref()?.body;
            // Those of groups go to whom a db_proxy names.
            if is_group(data.msg_type) {
                return None;
            }
            of(&[data.from_user_id, data.to_session_id])
        }
        id::OTHER_LOGIN_STATUS_NOTIFY => {
            let status = pdu.view::<ImServerPcLoginStatusNotify>().ok()?;
            let login_stat = match status.login_status {
                1 => UserStatType::UserStatusOnline,
                _ => UserStatType::UserStatusOffline,
            };
            let notice =
                ImpcLoginStatusNotify { user_id: status.user_id, login_stat: login_stat as i32 };
            (told.command, told.body) =
                (id::BUDDY_LIST_PC_LOGIN_STATUS_NOTIFY, notice.encode_to_vec().into());
            let users = [status.user_id];
            let own = here.of_users(host, &users).filter(owed);
            own.filter(|(_, device)| device.is_mobile).map(|(conn, _)| conn).collect()
        }
        // One that does not know of it passes over it.
        id::OTHER_CATCH_UP_HINT if !seen.protocol().catch_up_hint => return None,
        id::OTHER_CATCH_UP_HINT => {
            let hint = pdu.view::<CatchUpHint>().ok()?;
            told.body = Bytes::new();
            match hint.user_id_list.as_slice() {
                [] => all(|_| true),
                users => of(users),
            }
        }
        _ => return None,
    };
    Some(told)
}

/// The changed users' connections, then the current members': one in both lists is told twice.
pub fn members(here: &Here, host: &Host, notice: &ImGroupChangeMemberNotify) -> Vec<ConnId> {
    let told = notice.chg_user_id_list.iter().chain(&notice.cur_user_id_list);
    let of = |&user: &u32| {
        let own = here.at(host).filter(owed).filter(move |(_, device)| device.user == user);
        own.map(|(conn, _)| conn).collect::<Vec<_>>()
    };
    told.flat_map(of).collect()
}

/// Whether a connection is owed notices.
pub fn owed((_, device): &(ConnId, &Device)) -> bool {
    !device.is_kicked
}
