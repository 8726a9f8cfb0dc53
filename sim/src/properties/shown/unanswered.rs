//! Reads that nobody was told of: the db_proxy was gone before it answered, and the device that read had left before it could
//! say so again.

use crate::{
    properties::{Known, Seen, wire::At},
    record::Frame,
};
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::id as command,
    conversation::Chat,
    wire::im::message::{ImMsgDataReadAck, ImMsgDataReadNotify},
};

/// The last read ack of each device in each chat that no device of its user has read an answer of.
#[derive(Debug, Default)]
pub struct Unanswered(BTreeMap<(u32, Chat), u32>);

impl Unanswered {
    /// What a device writes or reads.
    pub fn pdu(&mut self, seen: &Seen<'_>, at: At, device: u32, pdu: &Frame) -> Option<()> {
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_READ_ACK) => {
                let ack = pdu.view::<ImMsgDataReadAck>().ok()?;
                let chat = Chat::of(ack.session_type, ack.session_id);
                self.0.insert((device, chat), ack.msg_id);
            }
            (At::DeviceReads, command::MSG_READ_NOTIFY) => {
                let read = pdu.view::<ImMsgDataReadNotify>().ok()?;
                let chat = Chat::of(read.session_type, read.session_id);
                let clients = &seen.known.clients;
                let user = clients.user_of_device(device)?;
                self.0.retain(|(of, about), msg_id| {
                    *about != chat
                        || *msg_id > read.msg_id
                        || clients.user_of_device(*of) != Some(user)
                });
            }
            _ => {}
        }
        Some(())
    }

    /// Whether a device of a user that is off line now has read a chat, and nobody knows of it.
    pub fn is_of(&self, known: &Known, user: u32, chat: Chat) -> bool {
        self.0.keys().any(|(device, about)| {
            *about == chat
                && known.clients.user_of_device(*device) == Some(user)
                && !known.clients.online().contains_key(device)
        })
    }
}
