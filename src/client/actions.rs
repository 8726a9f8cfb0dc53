//! What a person does.

use super::{
    Action, Command, Content,
    device::{Device, Turn},
    requests::Asked,
};
use crate::{
    catalogue::id as cmd,
    wire::{
        Pdu,
        im::{
            base_define::GroupModifyType,
            buddy::ImChangeAvatarReq,
            file::{ImFileAddOfflineReq, ImFileDelOfflineReq},
            switch_service::Imp2pCmdMsg,
        },
    },
};
use bytes::Bytes;

/// Set in the client types of phones (SYSTEM.md section 2).
const MOBILE: u32 = 0x10;
/// The size in bytes that is given for every file; there is no file, and none is transferred
/// (ours).
pub(super) const FILE_SIZE: u32 = 1024;

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
            Action::Read { chat } => self.read_chat(turn, op, chat),
            Action::Raw { command, body } => {
                let pdu = Pdu::raw(command, turn.store.next_seq(), body);
                self.request(turn, Asked::Raw { op }, pdu, 1);
            }
            Action::P2p { to, data } => self.p2p(turn, op, to, data),
            Action::Avatar { url } => self.change_avatar(turn, op, url),
            Action::AddOfflineFile { to, name } => self.add_offline_file(turn, op, to, name),
            Action::DelOfflineFile { from, name } => self.del_offline_file(turn, op, from, name),
            Action::Pull { chat, count } => {
                let asked = Asked::Answer { op, by: cmd::MSG_LIST_RESPONSE };
                self.pull(turn, asked, chat, 0, count);
            }
            Action::CreateGroup { name, members } => self.create_group(turn, op, name, members),
            Action::ChangeMembers { group, add, users } => {
                let change = if add { GroupModifyType::Add } else { GroupModifyType::Del };
                self.change_members(turn, op, group, change, users);
            }
            Action::Ask(question) => self.question(turn, op, question),
        }
    }

    pub(super) fn is_phone(&self) -> bool {
        self.config.client_type & MOBILE != 0
    }

    fn p2p(&mut self, turn: &mut Turn<'_>, op: u32, to: u32, data: Bytes) {
        let message =
            Imp2pCmdMsg { from_user_id: self.config.user, to_user_id: to, cmd_msg_data: data };
        self.tell(turn, op, cmd::SWITCH_P2P_CMD, &message);
    }

    fn change_avatar(&mut self, turn: &mut Turn<'_>, op: u32, url: Bytes) {
        let user_id = self.config.user;
        let message = ImChangeAvatarReq { user_id, avatar_url: url, attach_data: None };
        self.tell(turn, op, cmd::BUDDY_LIST_CHANGE_AVATAR_REQUEST, &message);
    }

    fn add_offline_file(&mut self, turn: &mut Turn<'_>, op: u32, to: u32, name: Bytes) {
        let message = ImFileAddOfflineReq {
            from_user_id: self.config.user,
            to_user_id: to,
            task_id: name.clone(),
            file_name: name,
            file_size: FILE_SIZE,
        };
        self.tell(turn, op, cmd::FILE_ADD_OFFLINE_REQ, &message);
    }

    fn del_offline_file(&mut self, turn: &mut Turn<'_>, op: u32, from: u32, name: Bytes) {
        let message =
            ImFileDelOfflineReq { from_user_id: from, to_user_id: self.config.user, task_id: name };
        self.tell(turn, op, cmd::FILE_DEL_OFFLINE_REQ, &message);
    }

    /// Writes a PDU that nobody answers: its operation ends with that.
    fn tell(&mut self, turn: &mut Turn<'_>, op: u32, command: u16, message: &impl prost::Message) {
        let pdu = Pdu::new(command, turn.store.next_seq(), message);
        let seq_num = pdu.header.seq_num;
        turn.send(pdu);
        self.attempt(turn, op, 1, seq_num);
        turn.ok(op, 0);
    }
}
