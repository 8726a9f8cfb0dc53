//! Which messages msg_servers have read acks of, by device.

use crate::{
    lookup::{Lookup, LookupSet},
    properties::{Seen, wire::At},
    record::Frame,
};
use std::collections::BTreeSet;
use teamtalk::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    env::ConnId,
    wire::im::message::{ImMsgDataAck, ImMsgDataReadAck},
};

/// A message, and a device that it was pushed to.
pub type Debt = (u32, Conversation, u32);

/// What acks cover. An ack covers the message that it names, and by `held_up_to` all of its conversation
/// up to that id which its device held when it wrote it.
#[derive(Debug, Default)]
pub struct Acks {
    /// What devices hold, with the line since when.
    held: Lookup<Debt, u64>,
    /// What was covered by an ack that was read.
    covered: LookupSet<Debt>,
    /// What is held and was not covered.
    uncovered: BTreeSet<Debt>,
    /// Cumulative acks that were not read yet, by connection and seq_num: the line of their writing.
    written: Lookup<(ConnId, u16), u64>,
}

impl Acks {
    /// A device holds a message.
    pub fn hold(&mut self, held: Debt, at: u64) {
        self.held.entry(held).or_insert(at);
        if !self.covered.contains(&held) {
            self.uncovered.insert(held);
        }
    }

    /// Whether a device holds a message.
    pub fn is_held(&self, message: &Debt) -> bool {
        self.held.contains_key(message)
    }

    /// Whether a msg_server has read an ack that covers a message.
    pub fn covers(&self, message: &Debt) -> bool {
        self.covered.contains(message)
    }

    /// Takes a PDU of a device; what an ack covers that was not covered before.
    pub fn observe(&mut self, seen: &Seen<'_>, at: At, conn: ConnId, pdu: &Frame) -> Vec<Debt> {
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_DATA_ACK) => {
                self.written.insert((conn, pdu.header.seq_num), seen.line.n);
                Vec::new()
            }
            (At::ServerReads, command::MSG_DATA_ACK) => {
                self.read(seen, conn, pdu).unwrap_or_default()
            }
            (At::ServerReads, command::MSG_READ_ACK) => {
                let mut read = |pdu: &Frame| {
                    let ack = pdu.view::<ImMsgDataReadAck>().ok()?;
                    let chat = Chat::of(ack.session_type, ack.session_id);
                    self.named(seen, conn, chat, ack.msg_id)
                };
                read(pdu).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn read(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Vec<Debt>> {
        let written = self.written.remove(&(conn, pdu.header.seq_num));
        let ack = pdu.view::<ImMsgDataAck>().ok()?;
        let chat = Chat::of(ack.session_type, ack.session_id);
        let mut news = self.named(seen, conn, chat, ack.msg_id)?;
        if let (Some(up_to), Some(written)) = (ack.held_up_to, written) {
            let device = seen.known.clients.device(conn)?;
            let conversation = chat.conversation(seen.known.clients.user_of_device(device)?);
            let range = (device, conversation, 0)..=(device, conversation, up_to);
            let was_held = |message: &&Debt| self.held.get(message).is_some_and(|n| *n < written);
            let more: Vec<Debt> = self.uncovered.range(range).filter(was_held).copied().collect();
            for message in more {
                self.uncovered.remove(&message);
                self.covered.insert(message);
                news.push(message);
            }
        }
        Some(news)
    }

    fn named(
        &mut self,
        seen: &Seen<'_>,
        conn: ConnId,
        chat: Chat,
        msg_id: u32,
    ) -> Option<Vec<Debt>> {
        let device = seen.known.clients.device(conn)?;
        let user = seen.known.clients.user_of_device(device)?;
        let message = (device, chat.conversation(user), msg_id);
        self.uncovered.remove(&message);
        Some(if self.covered.insert(message) { vec![message] } else { Vec::new() })
    }
}
