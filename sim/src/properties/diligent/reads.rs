//! Read acks that are not confirmed (`confirmed-read-acks`): a device tries one three times on its
//! connection, and writes it again, on whichever connection and also after a crash, as soon as a msg_server
//! counts something unread in that chat.

use crate::{properties::wire::At, record::Frame};
use prost::Message;
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::id as command,
    client::reason,
    conversation::Chat,
    env::ConnId,
    wire::im::message::{ImMsgDataReadAck, ImUnreadMsgCntRsp},
};

/// How often one is written on its connection before it is given up.
const TRIES: u32 = 3;

/// One that has no answer on its connection.
#[derive(Debug)]
struct Asked {
    device: u32,
    chat: Chat,
    msg_id: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Reads {
    /// Those that wait for their answer, by connection and seq_num.
    asked: BTreeMap<(ConnId, u16), Asked>,
    /// Up to which message a device has read a chat, as far as that is not confirmed.
    unconfirmed: BTreeMap<(u32, Chat), u32>,
    /// What a device has yet to write again, with since when and on which connection.
    pub owed: BTreeMap<(u32, Chat), (ConnId, u64)>,
    /// Of an operation: under which seq_num it was written last, and how often.
    tries: BTreeMap<u32, ((ConnId, u16), u32)>,
}

/// Whether a device wrote this read ack by itself: a person's raw PDU (a probe) names somebody else, or has more
/// in it, and is read by nobody.
fn is_own(ack: &ImMsgDataReadAck, pdu: &Frame, user: u32) -> bool {
    ack.user_id == user && ack.attach_data.is_none() && ack.encode_to_vec() == pdu.pdu.body
}

impl Reads {
    /// A device writes or reads a PDU.
    pub fn pdu(&mut self, (device, user): (u32, u32), (at, conn, pdu): (At, ConnId, &Frame)) {
        let seq = pdu.header.seq_num;
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_READ_ACK) => {
                let Ok(ack) = pdu.view::<ImMsgDataReadAck>() else { return };
                if !is_own(&ack, pdu, user) {
                    return;
                }
                let (chat, msg_id) = (Chat::of(ack.session_type, ack.session_id), ack.msg_id);
                // One that is written again may have been confirmed by another one's answer.
                if self.asked.insert((conn, seq), Asked { device, chat, msg_id }).is_none() {
                    self.unconfirmed.insert((device, chat), msg_id);
                }
                self.owed.remove(&(device, chat));
            }
            (At::DeviceReads, command::MSG_READ_NOTIFY) => {
                let Some(Asked { chat, msg_id, .. }) = self.asked.remove(&(conn, seq)) else {
                    return;
                };
                let of = (device, chat);
                if self.unconfirmed.get(&of).is_some_and(|read| *read <= msg_id) {
                    self.unconfirmed.remove(&of);
                    self.owed.remove(&of);
                }
            }
            _ => {}
        }
    }

    /// A device reads the counts that it asked for.
    pub fn counted(&mut self, device: u32, conn: ConnId, told: &ImUnreadMsgCntRsp, now_us: u64) {
        let counts = |chat: Chat| {
            let mut list = told.unreadinfo_list.iter();
            list.any(|of| Chat::of(of.session_type, of.session_id) == chat && of.unread_cnt > 0)
        };
        let waits = |chat: Chat| {
            let mut asked = self.asked.iter();
            asked.any(|((on, _), of)| *on == conn && of.device == device && of.chat == chat)
        };
        let chats = self.unconfirmed.range((device, Chat::User(0))..);
        let chats: Vec<Chat> =
            chats.map(|(key, _)| *key).take_while(|key| key.0 == device).map(|key| key.1).collect();
        for chat in chats {
            let of = (device, chat);
            if waits(chat) {
            } else if counts(chat) {
                self.owed.entry(of).or_insert((conn, now_us));
            } else {
                self.unconfirmed.remove(&of);
            }
        }
    }

    /// The user of a device is out of a group.
    pub fn left(&mut self, device: u32, group: u32) {
        let of = (device, Chat::Group(group));
        self.unconfirmed.remove(&of);
        self.owed.remove(&of);
    }

    /// A device runs another program from here on.
    pub fn forgets(&mut self, device: u32) {
        self.unconfirmed.retain(|(of, _), _| *of != device);
        self.owed.retain(|(of, _), _| *of != device);
    }

    /// A connection is no more.
    pub fn gone(&mut self, is_gone: impl Fn(ConnId) -> bool) {
        self.asked.retain(|(conn, _), _| !is_gone(*conn));
        self.owed.retain(|_, (conn, _)| !is_gone(*conn));
    }

    /// An operation is attempted under a seq_num.
    pub fn attempt(&mut self, op: u32, conn: ConnId, seq: u16) {
        let tried = self.tries.entry(op).or_insert(((conn, seq), 0));
        *tried = ((conn, seq), if tried.0 == (conn, seq) { tried.1 + 1 } else { 1 });
    }

    /// An operation ends: how often its read ack was tried, if it was given up too soon.
    pub fn ends(&mut self, op: u32, failed: Option<&str>) -> Option<(u32, u32)> {
        let (at, tries) = self.tries.remove(&op)?;
        let asked = self.asked.get(&at)?;
        (failed == Some(reason::NO_ANSWER) && tries < TRIES).then_some((asked.device, tries))
    }
}
