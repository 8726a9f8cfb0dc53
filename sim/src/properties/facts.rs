//! facts: a role's word is checked against the wire and the stores.

use super::{Property, Sort, Violation, role_of};
use crate::record::{End, Frame, Kind, Line};
use std::collections::BTreeSet;
use teamtalk::{
    conversation::Conversation,
    env::ConnId,
    fact::Fact,
    wire::{command, im},
};

/// See the module.
#[derive(Debug, Default)]
pub struct Facts {
    /// Entries that a role said it made.
    added: BTreeSet<(ConnId, u32)>,
    /// Acks and read acks that came in, by connection.
    acks: BTreeSet<(ConnId, u32)>,
    /// Message rows that were inserted.
    rows: BTreeSet<(Conversation, u32)>,
}

impl Facts {
    fn lie(&self, line: &Line, kind: &'static str, sentence: String) -> Option<Violation> {
        Some(Violation {
            property: "facts",
            kind,
            role: role_of(&line.host),
            sentence: format!("{}: {sentence}", line.host),
            about: Vec::new(),
        })
    }

    fn frame(&mut self, frame: &Frame, line: &Line, sent: bool) -> Option<Violation> {
        match (frame.pdu.command(), frame.end, sent) {
            (command::MSG_DATA_ACK, End::Acceptor, false) => {
                let ack: im::message::ImMsgDataAck = frame.pdu.view().ok()?;
                self.acks.insert((frame.conn, ack.msg_id));
                None
            }
            (command::MSG_READ_ACK, End::Acceptor, false) => {
                let ack: im::message::ImMsgDataReadAck = frame.pdu.view().ok()?;
                self.acks.insert((frame.conn, ack.msg_id));
                None
            }
            (command::MSG_DATA, End::Acceptor, true) if line.host.starts_with("msg") => {
                let data: im::message::ImMsgData = frame.pdu.view().ok()?;
                if self.added.contains(&(frame.conn, data.msg_id)) {
                    return None;
                }
                let what = format!(
                    "pushed msg_id {} on connection {} without an entry",
                    data.msg_id, frame.conn
                );
                self.lie(line, "untracked-push", what)
            }
            _ => None,
        }
    }
}

impl Property for Facts {
    fn name(&self) -> &'static str {
        "facts"
    }

    fn says(&self) -> &'static str {
        "what roles report matches the wire and the stores"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn observe(&mut self, line: &Line) -> Option<Violation> {
        match &line.kind {
            Kind::PduSent(frame) => self.frame(frame, line, true),
            Kind::PduReceived(frame) => self.frame(frame, line, false),
            Kind::Fact(Fact::SendListAdded { conn, msg_id, .. }) => {
                self.added.insert((*conn, *msg_id));
                None
            }
            Kind::Fact(Fact::SendListAcked { conn, msg_id, .. }) => {
                if self.acks.contains(&(*conn, *msg_id)) {
                    return None;
                }
                let what =
                    format!("says msg_id {msg_id} was acked on connection {conn}; no ack came");
                self.lie(line, "unfounded-ack", what)
            }
            Kind::Row { conversation, msg_id, .. } => {
                self.rows.insert((*conversation, *msg_id));
                None
            }
            Kind::Fact(Fact::Stored { conversation, msg_id, .. }) => {
                if self.rows.contains(&(*conversation, *msg_id)) {
                    return None;
                }
                let what = format!("says msg_id {msg_id} of {conversation} is stored; no such row");
                self.lie(line, "unfounded-stored", what)
            }
            _ => None,
        }
    }
}
