//! What a line of a trace names: the message of a PDU, the device of a role's word.

use crate::{
    properties::wire::{content, conversation_of, held_content},
    record::{Frame, Kind, Line},
};
use std::borrow::Cow;
use teamtalk::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    env::ConnId,
    fact::Fact,
    wire::im::{
        buddy::ImRemoveSessionReq,
        login::ImKickUser,
        message::{ImMsgData, ImMsgDataAck, ImMsgDataReadAck},
        server::{ImOnlineUserInfo, ImServerKickUser, ImUserStatusUpdate},
    },
};

/// What a line names, as far as subjects ask.
#[derive(Debug, Default)]
pub struct Named<'a> {
    /// The connection.
    pub conn: Option<ConnId>,
    /// The conversation.
    pub conversation: Option<Conversation>,
    /// The message's id there.
    pub msg_id: Option<u32>,
    /// What the message says.
    pub content: Option<Cow<'a, str>>,
    /// The device that connects, logs in or is gone.
    pub device: Option<u32>,
    /// Who has read something, or has a session.
    pub reader: Option<u32>,
    /// Those whose presence it tells, or who are kicked.
    pub users: Vec<u32>,
}

impl<'a> Named<'a> {
    /// Reads a line.
    pub fn by(line: &'a Line) -> Self {
        match &line.kind {
            Kind::PduSent(frame) | Kind::PduReceived(frame) => {
                Self { conn: Some(frame.conn), ..Self::in_pdu(frame).unwrap_or_default() }
            }
            Kind::Connected { conn, device, .. } => {
                Self { conn: Some(*conn), device: *device, ..Self::default() }
            }
            Kind::Disconnected { conn, .. } | Kind::StreamReset { conn } => {
                Self { conn: Some(*conn), ..Self::default() }
            }
            Kind::ConnectFailed { device, .. } => Self { device: *device, ..Self::default() },
            Kind::Fact(fact) => Self::in_fact(fact),
            Kind::Row { conversation, msg_id, content, .. } => {
                let content = Some(content.as_str().into());
                Self { content, ..Self::message(*conversation, *msg_id) }
            }
            Kind::SessionRow { user, peer, session_type, .. } => {
                let chat = Chat::of(*session_type as i32, *peer);
                Self { reader: Some(*user), ..Self::of(chat.conversation(*user)) }
            }
            _ => Self::default(),
        }
    }

    fn of(conversation: Conversation) -> Self {
        Self { conversation: Some(conversation), ..Self::default() }
    }

    fn message(conversation: Conversation, msg_id: u32) -> Self {
        Self { msg_id: Some(msg_id), ..Self::of(conversation) }
    }

    /// What a PDU names; nothing if it is malformed.
    fn in_pdu(pdu: &Frame) -> Option<Self> {
        let of = |user, session_type, session_id, msg_id| {
            Self::message(Chat::of(session_type, session_id).conversation(user), msg_id)
        };
        Some(match pdu.command() {
            command::MSG_DATA => {
                let m = pdu.view::<ImMsgData>().ok()?;
                let conversation = conversation_of(m.from_user_id, m.to_session_id, m.msg_type);
                let content = content(m.msg_type, &m.msg_data).into_owned();
                Self { content: Some(content.into()), ..Self::message(conversation, m.msg_id) }
            }
            command::MSG_DATA_ACK => {
                let ack = pdu.view::<ImMsgDataAck>().ok()?;
                of(ack.user_id, ack.session_type, ack.session_id, ack.msg_id)
            }
            command::MSG_READ_ACK => {
                let ack = pdu.view::<ImMsgDataReadAck>().ok()?;
                let message = of(ack.user_id, ack.session_type, ack.session_id, ack.msg_id);
                Self { reader: Some(ack.user_id), ..message }
            }
            command::BUDDY_LIST_REMOVE_SESSION_REQ => {
                let asked = pdu.view::<ImRemoveSessionReq>().ok()?;
                let chat = Chat::of(asked.session_type, asked.session_id);
                let reader = Some(asked.user_id);
                Self { reader, ..Self::of(chat.conversation(asked.user_id)) }
            }
            command::OTHER_USER_STATUS_UPDATE => {
                let users = vec![pdu.view::<ImUserStatusUpdate>().ok()?.user_id];
                Self { users, ..Self::default() }
            }
            command::LOGIN_KICK_USER => {
                let users = vec![pdu.view::<ImKickUser>().ok()?.user_id];
                Self { users, ..Self::default() }
            }
            command::OTHER_SERVER_KICK_USER => {
                let users = vec![pdu.view::<ImServerKickUser>().ok()?.user_id];
                Self { users, ..Self::default() }
            }
            command::OTHER_ONLINE_USER_INFO => {
                let told = pdu.view::<ImOnlineUserInfo>().ok()?;
                let users = told.user_stat_list.iter().map(|stat| stat.user_id).collect();
                Self { users, ..Self::default() }
            }
            _ => return None,
        })
    }

    fn in_fact(fact: &'a Fact) -> Self {
        let on = |conn: &ConnId| Self { conn: Some(*conn), ..Self::default() };
        match fact {
            Fact::LoggedIn { conn, user, .. } => Self { users: vec![*user], ..on(conn) },
            Fact::SendListAdded { conn, conversation, msg_id, .. }
            | Fact::SendListResent { conn, conversation, msg_id }
            | Fact::SendListAcked { conn, conversation, msg_id }
            | Fact::SendListExpired { conn, conversation, msg_id }
            | Fact::SendListDropped { conn, conversation, msg_id } => {
                Self { conn: Some(*conn), ..Self::message(*conversation, *msg_id) }
            }
            Fact::Refused { conn, .. } | Fact::Closed { conn, .. } | Fact::Attempt { conn, .. } => {
                on(conn)
            }
            Fact::MsgIdIssued { conversation, msg_id, .. }
            | Fact::Stored { conversation, msg_id, .. }
            | Fact::StoreFailed { conversation, msg_id, .. }
            | Fact::IdFloorRaised { conversation, msg_id, .. }
            | Fact::RepeatAnswered { conversation, msg_id, .. } => {
                Self::message(*conversation, *msg_id)
            }
            Fact::DeviceOnline { device, conn, user } => {
                Self { device: Some(*device), users: vec![*user], ..on(conn) }
            }
            Fact::DeviceOffline { device, conn, .. } => Self { device: Some(*device), ..on(conn) },
            Fact::Held { conversation, msg_id, content, .. } => {
                let content = Some(held_content(content));
                Self { content, ..Self::message(*conversation, *msg_id) }
            }
            Fact::HighWater { .. }
            | Fact::NotServing { .. }
            | Fact::AttemptTimedOut { .. }
            | Fact::OpOk { .. }
            | Fact::OpFailed { .. } => Self::default(),
            Fact::UnreadShown { device, .. } => Self { device: Some(*device), ..Self::default() },
        }
    }
}
