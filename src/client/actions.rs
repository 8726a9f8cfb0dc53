//! What a person does.

use super::{
    Action, Command, Content,
    device::{Device, Turn},
    requests::Asked,
};
use crate::wire::{
    Pdu, command as cmd,
    im::{
        buddy::{ImRemoveSessionReq, ImUsersStatReq},
        login::ImKickPcClientReq,
        message::{ImClientTimeReq, ImGetLatestMsgIdReq, ImGetMsgByIdReq},
        switch_service::Imp2pCmdMsg,
    },
};

/// How many messages are asked for by id when the person names none.
const BY_ID: usize = 10;
/// Set in the client types of phones (SYSTEM.md section 2).
const MOBILE: u32 = 0x10;

impl Device {
    pub(super) fn command(&mut self, turn: &mut Turn<'_>, command: Command) {
        let Command { op, action } = command;
        match action {
            Action::Login => self.go_online(turn, op),
            Action::Logout => self.log_out(turn, op),
            Action::Disconnect => self.drop_connection(turn, op),
            Action::Send { to, text } => self.take_message(turn, op, to, (Content::Text, text)),
            Action::SendAudio { to, audio } => {
                self.take_message(turn, op, to, (Content::Audio, audio));
            }
            Action::Resend { of } => self.resend(turn, op, of),
            _ if self.online().is_none() => turn.failed(op, "not logged in"),
            Action::KickPc if self.config.client_type & MOBILE == 0 => {
                turn.failed(op, "this is no phone");
            }
            Action::Read { chat } => self.read_chat(turn, op, chat),
            Action::Raw { command, body } => {
                let pdu = Pdu::raw(command, turn.store.next_seq(), body);
                self.request(turn, Asked::Raw { op }, pdu, 1);
            }
            Action::P2p { to, data } => {
                let message = Imp2pCmdMsg {
                    from_user_id: self.config.user,
                    to_user_id: to,
                    cmd_msg_data: data,
                };
                let pdu = Pdu::new(cmd::SWITCH_P2P_CMD, turn.store.next_seq(), &message);
                let seq_num = pdu.header.seq_num;
                turn.send(pdu);
                self.attempt(turn, op, 1, seq_num);
                turn.ok(op, 0);
            }
            question => self.question(turn, op, question),
        }
    }

    /// One request, one answer.
    fn question(&mut self, turn: &mut Turn<'_>, op: u32, action: Action) {
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
            Action::Time => {
                let asked = by(cmd::MSG_TIME_RESPONSE);
                self.ask(turn, asked, cmd::MSG_TIME_REQUEST, &ImClientTimeReq {});
            }
            Action::KickPc => {
                let asked = by(cmd::LOGIN_RES_KICKPCCLIENT);
                let request = ImKickPcClientReq { user_id };
                self.ask(turn, asked, cmd::LOGIN_REQ_KICKPCCLIENT, &request);
            }
            Action::Status { users } => {
                let request = ImUsersStatReq { user_id, user_id_list: users, attach_data: None };
                let asked = by(cmd::BUDDY_LIST_USERS_STATUS_RESPONSE);
                self.ask(turn, asked, cmd::BUDDY_LIST_USERS_STATUS_REQUEST, &request);
            }
            // The rest are no questions, `command` has taken them, or not built yet: groups, audio,
            // what is asked about users, files.
            _ => turn.failed(op, "not a question"),
        }
    }
}
