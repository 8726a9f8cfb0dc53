//! acks-settle: an ack that a msg_server read ends the send-list entry that it names.
//!
//! `send-list-acked` asks whether an ack was read; a server that ignores acks passes it, at the price of
//! resends and lost connections. So this one asks what became of the entries.

use super::{Class, Property, Seen, Sort, Subject, Tally, Violation, wire::At};
use crate::{
    lookup::Lookup,
    record::{Kind, Line},
};
use teamtalk::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    env::ConnId,
    fact::Fact,
    wire::im::message::{ImMsgDataAck, ImMsgDataReadAck},
};

/// Simulated microseconds that a role may take from reading an ack to acting on it.
const GRACE_US: u64 = 100_000;

type Entry = (ConnId, Conversation, u32);

/// See the module.
#[derive(Debug, Default)]
pub struct AcksSettle {
    /// Open entries, with when an ack of them was read.
    open: Lookup<Entry, Option<u64>>,
    tally: Tally,
}

impl AcksSettle {
    fn ack(&mut self, seen: &Seen<'_>, conn: ConnId, chat: Chat, msg_id: u32) {
        let Some(user) = seen.known.clients.user(conn) else { return };
        if let Some(read) = self.open.get_mut(&(conn, chat.conversation(user), msg_id)) {
            read.get_or_insert(seen.line.sim_us);
        }
    }

    fn goes_on(&self, line: &Line, entry: Entry, how: &str) -> Option<Violation> {
        let read = (*self.open.get(&entry)?)?;
        let (conn, conversation, msg_id) = entry;
        (line.sim_us > read + GRACE_US).then(|| Violation {
            property: self.name(),
            kind: "ignored",
            role: line.host.role(),
            sentence: format!(
                "{} read an ack of msg_id {msg_id} of {conversation} on connection {conn} at {} \
                 ms, and the entry {how}",
                line.host,
                read / 1_000
            ),
            about: [Subject::Message(conversation, msg_id), Subject::Ends(conn)].into(),
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

    fn looks_at(&self) -> &'static [Class] {
        &[Class::ServerReads, Class::SendList]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::ServerReads => Some(&[command::MSG_DATA_ACK, command::MSG_READ_ACK]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        if let Some((At::ServerReads, conn, pdu)) = seen.client {
            match pdu.command() {
                command::MSG_DATA_ACK => {
                    let ack = pdu.view::<ImMsgDataAck>().ok()?;
                    self.ack(seen, conn, Chat::of(ack.session_type, ack.session_id), ack.msg_id);
                }
                command::MSG_READ_ACK => {
                    let ack = pdu.view::<ImMsgDataReadAck>().ok()?;
                    self.ack(seen, conn, Chat::of(ack.session_type, ack.session_id), ack.msg_id);
                }
                _ => {}
            }
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
                self.tally.judge();
                None
            }
            Fact::SendListResent { conn, conversation, msg_id } => {
                self.goes_on(line, (*conn, *conversation, *msg_id), "is written again")
            }
            Fact::SendListExpired { conn, conversation, msg_id } => {
                let entry = (*conn, *conversation, *msg_id);
                let found = self.goes_on(line, entry, "expires");
                self.tally.judge();
                self.open.remove(&entry);
                found
            }
            _ => None,
        }
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::AcksSettle;
    use crate::properties::tape::{G, Tape};
    use teamtalk::{
        catalogue::id as command,
        conversation::{Chat, Conversation},
        fact::Fact,
        wire::{
            Pdu,
            im::message::{ImMsgDataAck, ImMsgDataReadAck},
        },
    };

    /// What is found if the entry ends in this fact, a second after device 3 of user 2 acked.
    fn after(pushed: Conversation, acked: Chat, end: impl Fn(Conversation) -> Fact) -> Vec<String> {
        let [acks, reads] = [false, true].map(|reads| after_one(pushed, acked, reads, &end));
        assert_eq!(acks, reads, "a read ack is one, too");
        acks
    }

    fn after_one(
        pushed: Conversation,
        acked: Chat,
        reads: bool,
        end: &impl Fn(Conversation) -> Fact,
    ) -> Vec<String> {
        let (user, msg_id) = (2, 5);
        let mut tape = Tape::new(AcksSettle::default());
        let added = Fact::SendListAdded { conn: 7, user, conversation: pushed, msg_id, from: 1 };
        tape.login(3, 7, user).fact("msg1", added);
        let (session_id, session_type) = (acked.id(), acked.session_type());
        let user_id = user;
        let ack = ImMsgDataAck { user_id, session_id, msg_id, session_type, held_up_to: None };
        let read =
            ImMsgDataReadAck { user_id, session_id, msg_id, session_type, attach_data: None };
        tape.asks(
            7,
            match reads {
                false => Pdu::new(command::MSG_DATA_ACK, 1, &ack),
                true => Pdu::new(command::MSG_READ_ACK, 1, &read),
            },
        );
        tape.later(1).fact("msg1", end(pushed)).found.clone()
    }

    #[test]
    fn an_entry_must_not_go_on_after_its_ack() {
        let ignored = ["acks-settle/ignored/msg".to_string()];
        let resent = |conversation| Fact::SendListResent { conn: 7, conversation, msg_id: 5 };
        let expired = |conversation| Fact::SendListExpired { conn: 7, conversation, msg_id: 5 };
        let acked = |conversation| Fact::SendListAcked { conn: 7, conversation, msg_id: 5 };
        for (pushed, own, other) in [
            (Conversation::single(1, 2), Chat::User(1), Chat::User(3)),
            (Conversation::Group(G), Chat::Group(G), Chat::User(G)),
        ] {
            assert_eq!(after(pushed, own, resent), ignored);
            assert_eq!(after(pushed, own, expired), ignored);
            assert!(after(pushed, own, acked).is_empty());
            assert!(after(pushed, other, expired).is_empty(), "an ack of another conversation");
        }
    }
}
