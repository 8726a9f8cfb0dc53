//! unique-msg-id: no two messages of one conversation carry the same msg_id, in acks, pushes,
//! pulls or rows.
//!
//! A message is told by its sender and content: the rig gives every send its own text.

use super::{Property, Sort, Violation, role_of};
use crate::record::{End, Frame, Kind, Line};
use bytes::Bytes;
use std::collections::BTreeMap;
use teamtalk::{
    conversation::Conversation,
    env::ConnId,
    fact::Fact,
    wire::{command, im},
};

type Message = (u32, Bytes);

/// See the module.
#[derive(Debug, Default)]
pub struct UniqueMsgId {
    seen: BTreeMap<(Conversation, u32), Message>,
    /// The user of each client connection.
    users: BTreeMap<ConnId, u32>,
    /// What a client sent on a connection under a seq_num: the ack names no content.
    asked: BTreeMap<(ConnId, u16), (u32, Bytes)>,
}

impl UniqueMsgId {
    fn meet(
        &mut self,
        conversation: Conversation,
        msg_id: u32,
        message: Message,
        line: &Line,
        place: &'static str,
    ) -> Option<Violation> {
        if msg_id == 0 {
            return None; // "not stored", not an id
        }
        let before = self.seen.entry((conversation, msg_id)).or_insert_with(|| message.clone());
        if *before == message {
            return None;
        }
        let text = |m: &Message| String::from_utf8_lossy(&m.1).into_owned();
        Some(Violation {
            property: "unique-msg-id",
            kind: "two-messages",
            role: role_of("db"),
            sentence: format!(
                "in conversation {conversation} msg_id {msg_id} is of \"{}\" (from user {}) and, \
                 in {place} at {}, of \"{}\" (from user {})",
                text(before),
                before.0,
                line.host,
                text(&message),
                message.0,
            ),
            about: vec![text(before), text(&message)],
        })
    }

    fn frame(&mut self, line: &Line, frame: &Frame, sent: bool) -> Option<Violation> {
        let user = self.users.get(&frame.conn).copied();
        let pdu = &frame.pdu;
        match (pdu.command(), frame.end, sent) {
            (command::MSG_DATA, End::Dialler, true) => {
                let data: im::message::ImMsgData = pdu.view().ok()?;
                let asked = (data.to_session_id, data.msg_data);
                self.asked.insert((frame.conn, pdu.header.seq_num), asked);
                None
            }
            (command::MSG_DATA, End::Acceptor, true) => {
                user?;
                let data: im::message::ImMsgData = pdu.view().ok()?;
                let conversation = Conversation::single(data.from_user_id, data.to_session_id);
                let message = (data.from_user_id, data.msg_data);
                self.meet(conversation, data.msg_id, message, line, "a push")
            }
            (command::MSG_DATA_ACK, End::Acceptor, true) => {
                let ack: im::message::ImMsgDataAck = pdu.view().ok()?;
                let (to, text) = self.asked.get(&(frame.conn, pdu.header.seq_num))?.clone();
                let conversation = Conversation::single(user?, to);
                self.meet(conversation, ack.msg_id, (user?, text), line, "an ack")
            }
            (command::MSG_LIST_RESPONSE, End::Acceptor, true) => {
                let list: im::message::ImGetMsgListRsp = pdu.view().ok()?;
                let conversation = Conversation::single(user?, list.session_id);
                list.msg_list.into_iter().find_map(|m| {
                    let message = (m.from_session_id, m.msg_data);
                    self.meet(conversation, m.msg_id, message, line, "a pull")
                })
            }
            _ => None,
        }
    }
}

impl Property for UniqueMsgId {
    fn name(&self) -> &'static str {
        "unique-msg-id"
    }

    fn says(&self) -> &'static str {
        "no two messages of one conversation carry the same msg_id, in acks, pushes, pulls or rows"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn observe(&mut self, line: &Line) -> Option<Violation> {
        match &line.kind {
            Kind::Fact(Fact::LoggedIn { conn, user, .. }) => {
                self.users.insert(*conn, *user);
                None
            }
            Kind::PduSent(frame) => self.frame(line, frame, true),
            Kind::Row { conversation, msg_id, from, content } => {
                let message = (*from, Bytes::copy_from_slice(content.as_bytes()));
                self.meet(*conversation, *msg_id, message, line, "a row")
            }
            _ => None,
        }
    }
}
