//! What a person asks for: one request, one answer.

use super::{
    Action,
    actions::FILE_SIZE,
    device::{Device, Turn},
    requests::Asked,
};
use crate::wire::{
    Malformed, Pdu, command as cmd,
    im::{
        base_define::{GroupModifyType, GroupType, GroupVersionInfo, TransferFileType},
        buddy::{
            ImAllUserReq, ImChangeSignInfoReq, ImChangeSignInfoRsp, ImDepartmentReq,
            ImRemoveSessionReq, ImUsersInfoReq, ImUsersStatReq,
        },
        file::{ImFileHasOfflineReq, ImFileReq, ImFileRsp},
        group::{
            ImGroupChangeMemberNotify, ImGroupChangeMemberReq, ImGroupChangeMemberRsp,
            ImGroupCreateReq, ImGroupCreateRsp, ImGroupInfoListReq, ImGroupShieldReq,
            ImGroupShieldRsp,
        },
        login::{
            ImDeviceTokenReq, ImKickPcClientReq, ImPushShieldReq, ImPushShieldRsp,
            ImQueryPushShieldReq, ImQueryPushShieldRsp,
        },
        message::{ImClientTimeReq, ImGetLatestMsgIdReq, ImGetMsgByIdReq},
    },
};

/// No action comes here that is none: `command` and `question` sort them.
const NO_QUESTION: &str = "not a question";
/// How many messages are asked for by id when the person names none.
const BY_ID: usize = 10;

impl Device {
    pub(super) fn question(&mut self, turn: &mut Turn<'_>, op: u32, action: Action) {
        match action {
            Action::Pull { .. }
            | Action::Latest { .. }
            | Action::ById { .. }
            | Action::Sessions
            | Action::RemoveSession { .. } => self.ask_about_chats(turn, op, action),
            Action::CreateGroup { .. }
            | Action::ChangeMembers { .. }
            | Action::GroupList
            | Action::GroupInfo { .. }
            | Action::ShieldGroup { .. } => self.ask_about_groups(turn, op, action),
            Action::SendFile { .. } | Action::OfflineFiles => {
                self.ask_about_files(turn, op, action);
            }
            Action::Status { .. }
            | Action::UserInfo { .. }
            | Action::AllUsers { .. }
            | Action::Departments => self.ask_about_users(turn, op, action),
            _ => self.ask_about_oneself(turn, op, action),
        }
    }

    fn ask_about_chats(&mut self, turn: &mut Turn<'_>, op: u32, action: Action) {
        let user_id = self.config.user;
        let by = |by| Asked::Answer { op, by };
        match action {
            Action::Pull { chat, count } => {
                self.pull(turn, by(cmd::MSG_LIST_RESPONSE), chat, 0, count);
            }
            Action::Latest { chat } => {
                let request = ImGetLatestMsgIdReq {
                    user_id,
                    session_type: chat.session_type(),
                    session_id: chat.id(),
                    attach_data: None,
                };
                let asked = by(cmd::MSG_GET_LATEST_MSG_ID_RSP);
                self.ask(turn, asked, cmd::MSG_GET_LATEST_MSG_ID_REQ, &request);
            }
            Action::ById { chat, mut ids } => {
                if ids.is_empty() {
                    ids = turn.store.newest_held(self.conversation(chat), BY_ID);
                }
                let request = ImGetMsgByIdReq {
                    user_id,
                    session_type: chat.session_type(),
                    session_id: chat.id(),
                    msg_id_list: ids,
                    attach_data: None,
                };
                let asked = by(cmd::MSG_GET_BY_MSG_ID_RES);
                self.ask(turn, asked, cmd::MSG_GET_BY_MSG_ID_REQ, &request);
            }
            Action::Sessions => {
                self.ask_sessions(turn, by(cmd::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE));
            }
            Action::RemoveSession { chat } => {
                let request = ImRemoveSessionReq {
                    user_id,
                    session_type: chat.session_type(),
                    session_id: chat.id(),
                    attach_data: None,
                };
                let asked = by(cmd::BUDDY_LIST_REMOVE_SESSION_RES);
                self.ask(turn, asked, cmd::BUDDY_LIST_REMOVE_SESSION_REQ, &request);
            }
            _ => turn.failed(op, NO_QUESTION),
        }
    }

    fn ask_about_users(&mut self, turn: &mut Turn<'_>, op: u32, action: Action) {
        let user_id = self.config.user;
        let by = |by| Asked::Answer { op, by };
        match action {
            Action::Status { users } => {
                let request = ImUsersStatReq { user_id, user_id_list: users, attach_data: None };
                let asked = by(cmd::BUDDY_LIST_USERS_STATUS_RESPONSE);
                self.ask(turn, asked, cmd::BUDDY_LIST_USERS_STATUS_REQUEST, &request);
            }
            Action::UserInfo { users } => {
                let request = ImUsersInfoReq { user_id, user_id_list: users, attach_data: None };
                let asked = by(cmd::BUDDY_LIST_USER_INFO_RESPONSE);
                self.ask(turn, asked, cmd::BUDDY_LIST_USER_INFO_REQUEST, &request);
            }
            Action::AllUsers { since } => {
                let request =
                    ImAllUserReq { user_id, latest_update_time: since, attach_data: None };
                let asked = by(cmd::BUDDY_LIST_ALL_USER_RESPONSE);
                self.ask(turn, asked, cmd::BUDDY_LIST_ALL_USER_REQUEST, &request);
            }
            Action::Departments => {
                let request = ImDepartmentReq { user_id, latest_update_time: 0, attach_data: None };
                let asked = by(cmd::BUDDY_LIST_DEPARTMENT_RESPONSE);
                self.ask(turn, asked, cmd::BUDDY_LIST_DEPARTMENT_REQUEST, &request);
            }
            _ => turn.failed(op, NO_QUESTION),
        }
    }

    fn ask_about_groups(&mut self, turn: &mut Turn<'_>, op: u32, action: Action) {
        let user_id = self.config.user;
        let by = |by| Asked::Answer { op, by };
        match action {
            Action::CreateGroup { name, members } => {
                let request = ImGroupCreateReq {
                    user_id,
                    group_type: GroupType::Tmp.into(),
                    group_name: name,
                    group_avatar: Default::default(),
                    member_id_list: members,
                    attach_data: None,
                };
                let asked = by(cmd::GROUP_CREATE_RESPONSE);
                self.ask(turn, asked, cmd::GROUP_CREATE_REQUEST, &request);
            }
            Action::ChangeMembers { group, add, users } => {
                let change = if add { GroupModifyType::Add } else { GroupModifyType::Del };
                let request = ImGroupChangeMemberReq {
                    user_id,
                    change_type: change.into(),
                    group_id: group,
                    member_id_list: users,
                    attach_data: None,
                };
                let asked = by(cmd::GROUP_CHANGE_MEMBER_RESPONSE);
                self.ask(turn, asked, cmd::GROUP_CHANGE_MEMBER_REQUEST, &request);
            }
            Action::GroupList => self.ask_groups(turn, by(cmd::GROUP_NORMAL_LIST_RESPONSE)),
            Action::GroupInfo { groups } => {
                let known = |group_id| GroupVersionInfo { group_id, version: 0 };
                let request = ImGroupInfoListReq {
                    user_id,
                    group_version_list: groups.into_iter().map(known).collect(),
                    attach_data: None,
                };
                let asked = by(cmd::GROUP_INFO_RESPONSE);
                self.ask(turn, asked, cmd::GROUP_INFO_REQUEST, &request);
            }
            Action::ShieldGroup { group, on } => {
                let request = ImGroupShieldReq {
                    user_id,
                    group_id: group,
                    shield_status: on.into(),
                    attach_data: None,
                };
                let asked = by(cmd::GROUP_SHIELD_GROUP_RESPONSE);
                self.ask(turn, asked, cmd::GROUP_SHIELD_GROUP_REQUEST, &request);
            }
            _ => turn.failed(op, NO_QUESTION),
        }
    }

    /// The answer to an offer (0507) carries its seq_num: msg_server, route_server and the file
    /// server keep it.
    fn ask_about_files(&mut self, turn: &mut Turn<'_>, op: u32, action: Action) {
        let user_id = self.config.user;
        let by = |by| Asked::Answer { op, by };
        match action {
            Action::SendFile { to, name, offline } => {
                let mode = match offline {
                    true => TransferFileType::FileTypeOffline,
                    false => TransferFileType::FileTypeOnline,
                };
                let request = ImFileReq {
                    from_user_id: user_id,
                    to_user_id: to,
                    file_name: name,
                    file_size: FILE_SIZE,
                    trans_mode: mode.into(),
                };
                self.ask(turn, by(cmd::FILE_RESPONSE), cmd::FILE_REQUEST, &request);
            }
            Action::OfflineFiles => {
                let request = ImFileHasOfflineReq { user_id, attach_data: None };
                let asked = by(cmd::FILE_HAS_OFFLINE_RES);
                self.ask(turn, asked, cmd::FILE_HAS_OFFLINE_REQ, &request);
            }
            _ => turn.failed(op, NO_QUESTION),
        }
    }

    fn ask_about_oneself(&mut self, turn: &mut Turn<'_>, op: u32, action: Action) {
        let user_id = self.config.user;
        let by = |by| Asked::Answer { op, by };
        match action {
            Action::Time => {
                let asked = by(cmd::MSG_TIME_RESPONSE);
                self.ask(turn, asked, cmd::MSG_TIME_REQUEST, &ImClientTimeReq {});
            }
            Action::KickPc => {
                let asked = by(cmd::LOGIN_RES_KICKPCCLIENT);
                let request = ImKickPcClientReq { user_id };
                self.ask(turn, asked, cmd::LOGIN_REQ_KICKPCCLIENT, &request);
            }
            Action::Sign { text } => {
                let request = ImChangeSignInfoReq { user_id, sign_info: text, attach_data: None };
                let asked = by(cmd::BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE);
                self.ask(turn, asked, cmd::BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST, &request);
            }
            Action::SetPushShield { on } => {
                let request =
                    ImPushShieldReq { user_id, shield_status: on.into(), attach_data: None };
                let asked = by(cmd::LOGIN_RES_PUSH_SHIELD);
                self.ask(turn, asked, cmd::LOGIN_REQ_PUSH_SHIELD, &request);
            }
            Action::AskPushShield => {
                let request = ImQueryPushShieldReq { user_id, attach_data: None };
                let asked = by(cmd::LOGIN_RES_QUERY_PUSH_SHIELD);
                self.ask(turn, asked, cmd::LOGIN_REQ_QUERY_PUSH_SHIELD, &request);
            }
            Action::DeviceToken { token } => {
                let request = ImDeviceTokenReq {
                    user_id,
                    device_token: token,
                    client_type: Some(self.config.client_type as i32),
                    attach_data: None,
                };
                let asked = by(cmd::LOGIN_RES_DEVICETOKEN);
                self.ask(turn, asked, cmd::LOGIN_REQ_DEVICETOKEN, &request);
            }
            _ => turn.failed(op, NO_QUESTION),
        }
    }

    /// Ends the request that a PDU answers, and the operation that it is of, as the answer says.
    /// One whose result cannot be read is no answer.
    pub(super) fn concluded(&mut self, turn: &mut Turn<'_>, pdu: &Pdu) {
        let Ok(Outcome { result, msg_id }) = outcome(pdu) else { return };
        if pdu.command() == cmd::GROUP_CHANGE_MEMBER_RESPONSE && result == 0 {
            self.changed_members(turn, pdu);
        }
        let asked = self.answered(pdu).map(|request| request.asked);
        match asked.and_then(Asked::op) {
            Some(op) if result == 0 => turn.ok(op, msg_id),
            Some(op) => turn.failed(op, &format!("result {result}")),
            None => {}
        }
    }

    /// Who asked for a change gets no notice of it, and the answer may be too late for the
    /// person.
    fn changed_members(&mut self, turn: &mut Turn<'_>, pdu: &Pdu) {
        let Ok(answer) = pdu.view::<ImGroupChangeMemberRsp>() else { return };
        let notice = ImGroupChangeMemberNotify {
            user_id: answer.user_id,
            change_type: answer.change_type,
            group_id: answer.group_id,
            cur_user_id_list: answer.cur_user_id_list,
            chg_user_id_list: answer.chg_user_id_list,
        };
        self.members_changed(turn, &notice);
    }
}

/// What an answer says about its request.
struct Outcome {
    /// 0: done.
    result: u32,
    /// Of `Fact::OpOk`.
    msg_id: u32,
}

/// Answers without a result, and of any body (0109 has none, nor has 0402 without a db_proxy),
/// are good ones.
fn outcome(pdu: &Pdu) -> Result<Outcome, Malformed> {
    let mut msg_id = 0;
    let result = match pdu.command() {
        cmd::GROUP_CREATE_RESPONSE => {
            let answer = pdu.view::<ImGroupCreateRsp>()?;
            msg_id = answer.group_id.unwrap_or_default();
            answer.result_code
        }
        cmd::GROUP_CHANGE_MEMBER_RESPONSE => pdu.view::<ImGroupChangeMemberRsp>()?.result_code,
        cmd::GROUP_SHIELD_GROUP_RESPONSE => pdu.view::<ImGroupShieldRsp>()?.result_code,
        cmd::FILE_RESPONSE => pdu.view::<ImFileRsp>()?.result_code,
        cmd::BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE => pdu.view::<ImChangeSignInfoRsp>()?.result_code,
        cmd::LOGIN_RES_PUSH_SHIELD => pdu.view::<ImPushShieldRsp>()?.result_code,
        cmd::LOGIN_RES_QUERY_PUSH_SHIELD => pdu.view::<ImQueryPushShieldRsp>()?.result_code,
        _ => 0,
    };
    Ok(Outcome { result, msg_id })
}
