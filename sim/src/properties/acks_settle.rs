//! acks-settle: an ack that a msg_server read ends the send-list entry that it names.
//!
//! Ours, beside DESIGN.md's table: `send-list-acked` asks whether the device got the message, and
//! a server that ignores acks passes it, at the price of resends and lost connections.

use super::{
    Property, Sort, Violation,
    clients::Clients,
    role_of,
    wire::{At, client_pdu},
};
use crate::record::{Kind, Line};
use std::collections::BTreeMap;
use teamtalk::{
    conversation::Conversation,
    env::ConnId,
    fact::Fact,
    wire::{command, im},
};

/// Simulated microseconds that a role may take from reading an ack to acting on it.
const GRACE_US: u64 = 100_000;

type Entry = (ConnId, Conversation, u32);

/// See the module.
#[derive(Debug, Default)]
pub struct AcksSettle {
    clients: Clients,
    /// Open entries, with when an ack of them was read.
    open: BTreeMap<Entry, Option<u64>>,
}

impl AcksSettle {
    fn ack(&mut self, line: &Line, conn: ConnId, ack: &im::message::ImMsgDataAck) -> Option<()> {
        if ack.session_type != im::base_define::SessionType::Single as i32 {
            return None;
        }
        let conversation = Conversation::single(self.clients.user(conn)?, ack.session_id);
        let read = self.open.get_mut(&(conn, conversation, ack.msg_id))?;
        read.get_or_insert(line.sim_us);
        Some(())
    }

    fn goes_on(&self, line: &Line, entry: Entry, how: &str) -> Option<Violation> {
        let read = (*self.open.get(&entry)?)?;
        let (conn, conversation, msg_id) = entry;
        (line.sim_us > read + GRACE_US).then(|| Violation {
            property: self.name(),
            kind: "ignored",
            role: role_of(&line.host),
            sentence: format!(
                "{} read an ack of msg_id {msg_id} of {conversation} on connection {conn} at {} \
                 ms, and the entry {how}",
                line.host,
                read / 1_000
            ),
            about: vec![format!("\"msg_id\":{msg_id},"), format!("\"{conversation}\"")],
        })
    }
}

impl Property for AcksSettle {
    fn name(&self) -> &'static str {
        "acks-settle"
    }

    fn says(&self) -> &'static str {
        "an ack that a msg_server read ends the send-list entry that it names"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn observe(&mut self, line: &Line) -> Option<Violation> {
        self.clients.observe(line);
        if let Some((At::ServerReads, conn, pdu)) = client_pdu(line)
            && pdu.command() == command::MSG_DATA_ACK
        {
            let ack = pdu.view().ok()?;
            self.ack(line, conn, &ack);
            return None;
        }
        let Kind::Fact(fact) = &line.kind else { return None };
        match fact {
            Fact::SendListAdded { conn, conversation, msg_id, .. } => {
                self.open.insert((*conn, *conversation, *msg_id), None);
                None
            }
            Fact::SendListAcked { conn, conversation, msg_id } => {
                self.open.remove(&(*conn, *conversation, *msg_id));
                None
            }
            Fact::SendListResent { conn, conversation, msg_id } => {
                self.goes_on(line, (*conn, *conversation, *msg_id), "is written again")
            }
            Fact::SendListExpired { conn, conversation, msg_id } => {
                let entry = (*conn, *conversation, *msg_id);
                let found = self.goes_on(line, entry, "expires");
                self.open.remove(&entry);
                found
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AcksSettle;
    use crate::{
        properties::tape::{SINGLE, Tape},
        record::{End, Kind, Line},
    };
    use teamtalk::{
        conversation::Conversation,
        fact::Fact,
        wire::{Pdu, command, im::message::ImMsgDataAck},
    };

    /// What is found if the entry ends in this fact, a second after device 3 of user 2 acked.
    fn after(session_id: u32, end: impl Fn(u64, Conversation) -> Fact) -> Vec<String> {
        let conversation = Conversation::single(1, 2);
        let mut tape = Tape::new(AcksSettle::default());
        tape.login(3, 7, 2);
        let added = Fact::SendListAdded { conn: 7, user: 2, conversation, msg_id: 5, from: 1 };
        tape.fact("msg1", added);
        let ack = ImMsgDataAck { user_id: 2, session_id, msg_id: 5, session_type: SINGLE };
        tape.frame("msg1", End::Acceptor, false, 7, Pdu::new(command::MSG_DATA_ACK, 1, &ack));
        let kind = Kind::Fact(end(7, conversation));
        let line = Line { n: 99, sim_us: 1_000_000, host: "msg1".into(), incarnation: 1, kind };
        let found = crate::properties::Property::observe(&mut tape.property, &line);
        found.into_iter().map(|v| v.signature()).collect()
    }

    #[test]
    fn an_entry_must_not_go_on_after_its_ack() {
        let ignored = ["acks-settle/ignored/msg".to_string()];
        let resent = |conn, conversation| Fact::SendListResent { conn, conversation, msg_id: 5 };
        let expired = |conn, conversation| Fact::SendListExpired { conn, conversation, msg_id: 5 };
        let acked = |conn, conversation| Fact::SendListAcked { conn, conversation, msg_id: 5 };
        assert_eq!(after(1, resent), ignored);
        assert_eq!(after(1, expired), ignored);
        assert!(after(1, acked).is_empty());
        assert!(after(3, expired).is_empty(), "an ack of another conversation");
    }
}
