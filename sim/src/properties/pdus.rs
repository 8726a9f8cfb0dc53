//! PDUs for traces written by hand.

use bytes::Bytes;
use teamtalk::{
    catalogue::id as command,
    conversation::Chat,
    wire::{
        Pdu,
        im::{
            base_define::{GroupModifyType, GroupType, MsgInfo, MsgType, SessionType},
            group::{
                ImGroupChangeMemberReq, ImGroupChangeMemberRsp, ImGroupCreateReq, ImGroupCreateRsp,
            },
            message::{ImGetMsgListReq, ImGetMsgListRsp, ImMsgData, ImMsgDataAck},
        },
        tt::extension::{Refused, RefusedCode},
    },
};

/// The single session type.
pub const SINGLE: i32 = SessionType::Single as i32;
/// The group session type.
pub const GROUP: i32 = SessionType::Group as i32;
/// The group that is meant by everything with `group` in its name.
pub const G: u32 = 7;

/// 0301 of any type and bytes.
pub fn data(seq: u16, msg_id: u32, (from, to): (u32, u32), kind: MsgType, bytes: &[u8]) -> Pdu {
    let data = ImMsgData {
        from_user_id: from,
        to_session_id: to,
        msg_id,
        create_time: 0,
        msg_type: kind as i32,
        msg_data: Bytes::copy_from_slice(bytes),
        attach_data: None,
        send_token: None,
    };
    Pdu::new(command::MSG_DATA, seq, &data)
}

/// 0301 of a text to group [`G`].
pub fn group_message(seq: u16, msg_id: u32, from: u32, content: &str) -> Pdu {
    data(seq, msg_id, (from, G), MsgType::GroupText, content.as_bytes())
}

/// Audio as it travels: a duration and a recording.
pub fn audio(duration: u32, recording: &str) -> Vec<u8> {
    [&duration.to_be_bytes()[..], recording.as_bytes()].concat()
}

/// 0302 of a message to group [`G`].
pub fn group_ack(seq: u16, msg_id: u32, user_id: u32) -> Pdu {
    let ack =
        ImMsgDataAck { user_id, session_id: G, msg_id, session_type: GROUP, held_up_to: None };
    Pdu::new(command::MSG_DATA_ACK, seq, &ack)
}

/// 0301 of a single text.
pub fn message(seq: u16, msg_id: u32, from: u32, to: u32, content: &str) -> Pdu {
    data(seq, msg_id, (from, to), MsgType::SingleText, content.as_bytes())
}

/// 0302 of a single text.
pub fn ack(seq: u16, msg_id: u32, user_id: u32, session_id: u32) -> Pdu {
    let ack = ImMsgDataAck { user_id, session_id, msg_id, session_type: SINGLE, held_up_to: None };
    Pdu::new(command::MSG_DATA_ACK, seq, &ack)
}

/// 0302 of a single text by a device that holds all up to a msg_id (`cumulative-acks`).
pub fn ack_up_to(seq: u16, msg_id: u32, (user_id, session_id): (u32, u32), up_to: u32) -> Pdu {
    let held_up_to = Some(up_to);
    let ack = ImMsgDataAck { user_id, session_id, msg_id, session_type: SINGLE, held_up_to };
    Pdu::new(command::MSG_DATA_ACK, seq, &ack)
}

/// 0309 of a single chat, from the newest down.
pub fn list_request(seq: u16, user_id: u32, session_id: u32) -> Pdu {
    page_request(seq, user_id, Chat::User(session_id), (0, 100))
}

/// 0309 from an id down (0: from the newest), at most so many.
pub fn page_request(seq: u16, user_id: u32, chat: Chat, (begin, count): (u32, u32)) -> Pdu {
    let request = ImGetMsgListReq {
        user_id,
        session_type: chat.session_type(),
        session_id: chat.id(),
        msg_id_begin: begin,
        msg_cnt: count,
        attach_data: None,
    };
    Pdu::new(command::MSG_LIST_REQUEST, seq, &request)
}

/// 030a of (msg_id, from, content) of a single chat.
pub fn list(seq: u16, user_id: u32, session_id: u32, rows: &[(u32, u32, &str)]) -> Pdu {
    let texts: Vec<_> = rows.iter().map(|(id, from, text)| (*id, *from, text.as_bytes())).collect();
    page(seq, user_id, Chat::User(session_id), MsgType::SingleText, &texts)
}

/// 030a of (msg_id, from, content) of group [`G`].
pub fn group_list(seq: u16, user_id: u32, rows: &[(u32, u32, &str)]) -> Pdu {
    let texts: Vec<_> = rows.iter().map(|(id, from, text)| (*id, *from, text.as_bytes())).collect();
    page(seq, user_id, Chat::Group(G), MsgType::GroupText, &texts)
}

/// 030a of (msg_id, from, bytes), all of one type.
pub fn page(seq: u16, user_id: u32, chat: Chat, kind: MsgType, rows: &[(u32, u32, &[u8])]) -> Pdu {
    let row = |&(msg_id, from, content): &(u32, u32, &[u8])| MsgInfo {
        msg_id,
        from_session_id: from,
        create_time: 0,
        msg_type: kind as i32,
        msg_data: Bytes::copy_from_slice(content),
    };
    let answer = ImGetMsgListRsp {
        user_id,
        session_type: chat.session_type(),
        session_id: chat.id(),
        msg_id_begin: 0,
        msg_list: rows.iter().map(row).collect(),
        attach_data: None,
    };
    Pdu::new(command::MSG_LIST_RESPONSE, seq, &answer)
}

/// 0405.
pub fn create_group(seq: u16, user_id: u32, users: &[u32]) -> Pdu {
    let request = ImGroupCreateReq {
        user_id,
        group_type: GroupType::Tmp as i32,
        group_name: Default::default(),
        group_avatar: Default::default(),
        member_id_list: users.to_vec(),
        attach_data: None,
    };
    Pdu::new(command::GROUP_CREATE_REQUEST, seq, &request)
}

/// 0406.
pub fn group_created(seq: u16, user_id: u32, group: u32, users: &[u32]) -> Pdu {
    let answer = ImGroupCreateRsp {
        user_id,
        result_code: 0,
        group_id: Some(group),
        group_name: Default::default(),
        user_id_list: users.to_vec(),
        attach_data: Some(Bytes::new()),
    };
    Pdu::new(command::GROUP_CREATE_RESPONSE, seq, &answer)
}

/// 0407.
pub fn change_members(seq: u16, user_id: u32, group_id: u32, adds: bool, users: &[u32]) -> Pdu {
    let change = if adds { GroupModifyType::Add } else { GroupModifyType::Del };
    let request = ImGroupChangeMemberReq {
        user_id,
        change_type: change as i32,
        group_id,
        member_id_list: users.to_vec(),
        attach_data: None,
    };
    Pdu::new(command::GROUP_CHANGE_MEMBER_REQUEST, seq, &request)
}

/// 0408: these came or went; if nobody, with result 1.
pub fn group_changed(seq: u16, user_id: u32, group_id: u32, users: &[u32]) -> Pdu {
    let answer = ImGroupChangeMemberRsp {
        user_id,
        change_type: GroupModifyType::Add as i32,
        result_code: users.is_empty().into(),
        group_id,
        chg_user_id_list: users.to_vec(),
        attach_data: Some(Bytes::new()),
        ..Default::default()
    };
    Pdu::new(command::GROUP_CHANGE_MEMBER_RESPONSE, seq, &answer)
}

/// 07e1.
pub fn refused(seq: u16, user_id: u32, command: u16, code: RefusedCode) -> Pdu {
    let refused = Refused {
        user_id,
        command_id: command.into(),
        code: code as i32,
        reason: None,
        attach_data: Some(Bytes::new()),
    };
    Pdu::new(command::OTHER_REFUSED, seq, &refused)
}
