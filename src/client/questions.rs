//! Requests of a person that have one answer each.

use super::{
    actions::FILE_SIZE,
    device::{Device, Turn},
    requests::Asked,
};
use crate::{
    catalogue::{self, Args, Command, id as cmd, question},
    conversation::Chat,
    wire::{
        Malformed, Pdu,
        check::{self, Field, Label},
        fields,
        im::{
            base_define::{GroupModifyType, GroupType, GroupVersionInfo, TransferFileType},
            group::{
                ImGroupChangeMemberNotify, ImGroupChangeMemberReq, ImGroupChangeMemberRsp,
                ImGroupCreateReq,
            },
        },
    },
};
use bytes::Bytes;
use prost::encoding;

/// How many messages are asked for by id when the person names none.
const BY_ID: usize = 10;

/// A plain question (`catalogue::question`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The command that asks it.
    pub command: u16,
    /// Its arguments.
    pub args: Args<Chat, u32>,
}

impl Question {
    /// The question of this name.
    ///
    /// # Errors
    /// If there is none, or these are not its arguments.
    pub fn named(name: &str, args: Args<Chat, u32>) -> Result<Self, String> {
        let (command, question) =
            question::of(name).ok_or_else(|| format!("no question is called `{name}`"))?;
        question.check(&args)?;
        Ok(Self { command: command.id, args })
    }
}

impl Device {
    /// Asks a plain question.
    pub(super) fn question(&mut self, turn: &mut Turn<'_>, op: u32, question: Question) {
        let Question { command, mut args } = question;
        let Some((command, by)) = catalogue::of(command).and_then(|c| Some((c, c.reply?))) else {
            turn.failed(op, "not a question");
            return;
        };
        if command.question.is_some_and(|asked| asked.phones_only) && !self.is_phone() {
            turn.failed(op, "this is no phone");
            return;
        }
        let by_id = command.body.field("msg_id_list").is_some();
        if let (true, Some(chat)) = (by_id && args.ids.is_empty(), args.chat) {
            args.ids = turn.store.newest_held(self.conversation(chat), BY_ID);
        }
        let body = self.body(command, &args);
        self.ask_raw(turn, Asked::Answer { op, by }, command.id, body);
    }

    /// The body of a question: each field is filled by what its name says.
    fn body(&self, command: &Command, args: &Args<Chat, u32>) -> Bytes {
        let mut body = Vec::new();
        for field in command.body.fields {
            self.fill(field, args, &mut body);
        }
        body.into()
    }

    /// Appends one field. An optional one that no argument is for is left out.
    fn fill(&self, field: &Field, args: &Args<Chat, u32>, body: &mut Vec<u8>) {
        let number = field.number;
        let mut uint = |value: u32| encoding::uint32::encode(number, &value, body);
        let mode = match args.offline {
            Some(true) => TransferFileType::FileTypeOffline,
            _ => TransferFileType::FileTypeOnline,
        };
        match field.name {
            "user_id" | "from_user_id" => uint(self.config.user),
            "to_user_id" => uint(args.to.unwrap_or_default()),
            "session_type" => uint(args.chat.map_or(0, |chat| chat.session_type() as u32)),
            "session_id" => uint(args.chat.map_or(0, Chat::id)),
            "group_id" => uint(args.group.unwrap_or_default()),
            "shield_status" => uint(args.on.unwrap_or_default().into()),
            "latest_update_time" => uint(args.since.unwrap_or_default()),
            "client_type" => uint(self.config.client_type),
            "file_size" => uint(FILE_SIZE),
            "trans_mode" => uint(mode as u32),
            "with_removed" if self.catches_up() => uint(1),
            "user_id_list" => args.users.iter().for_each(|user| uint(*user)),
            "msg_id_list" => args.ids.iter().for_each(|id| uint(*id)),
            "group_version_list" => {
                let known = args.group.map(|group_id| GroupVersionInfo { group_id, version: 0 });
                let known: Vec<_> = known.into_iter().collect();
                encoding::message::encode_repeated(number, &known, body);
            }
            "sign_info" | "device_token" | "file_name" => {
                encoding::bytes::encode(number, &args.text, body);
            }
            _ => debug_assert!(field.label != Label::Required, "{}: what is it?", field.name),
        }
    }

    /// Creates a temporary group.
    pub(super) fn create_group(
        &mut self,
        turn: &mut Turn<'_>,
        op: u32,
        name: Bytes,
        members: Vec<u32>,
    ) {
        let request = ImGroupCreateReq {
            user_id: self.config.user,
            group_type: GroupType::Tmp.into(),
            group_name: name,
            group_avatar: Default::default(),
            member_id_list: members,
            attach_data: None,
        };
        let asked = Asked::Answer { op, by: cmd::GROUP_CREATE_RESPONSE };
        self.ask(turn, asked, cmd::GROUP_CREATE_REQUEST, &request);
    }

    /// Adds users to a group, or takes them out.
    pub(super) fn change_members(
        &mut self,
        turn: &mut Turn<'_>,
        op: u32,
        group_id: u32,
        change: GroupModifyType,
        users: Vec<u32>,
    ) {
        let request = ImGroupChangeMemberReq {
            user_id: self.config.user,
            change_type: change.into(),
            group_id,
            member_id_list: users,
            attach_data: None,
        };
        let asked = Asked::Answer { op, by: cmd::GROUP_CHANGE_MEMBER_RESPONSE };
        self.ask(turn, asked, cmd::GROUP_CHANGE_MEMBER_REQUEST, &request);
    }

    /// Ends the request that a PDU answers, and its operation, as the answer says. A PDU whose
    /// result cannot be read is no answer.
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

    /// The device that asks for a change gets no notice of it, so it takes note of the answer, even
    /// one that is too late for the person.
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
    /// 0 if it was done.
    result: u32,
    /// The `msg_id` of `Fact::OpOk`.
    msg_id: u32,
}

/// An answer without a result means success, whatever its body (0109 has none, nor has 0402 without
/// a db_proxy).
fn outcome(pdu: &Pdu) -> Result<Outcome, Malformed> {
    let entry = catalogue::of(pdu.command());
    let result = entry.and_then(|entry| Some((entry.body, entry.body.field("result_code")?)));
    let Some((table, result)) = result else { return Ok(Outcome { result: 0, msg_id: 0 }) };
    let body = check::conform(table, &pdu.body)?;
    let of = |field: &Field| fields::uint(&body, field.number).unwrap_or_default();
    let is_creation = pdu.command() == cmd::GROUP_CREATE_RESPONSE;
    let group = table.field("group_id").filter(|_| is_creation);
    Ok(Outcome { result: of(result), msg_id: group.map_or(0, of) })
}
