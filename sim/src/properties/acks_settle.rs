//! acks-settle: an ack that a msg_server read ends the send-list entry that it names.
//!
//! `send-list-acked` asks whether an ack was read; a server that ignores acks passes it, at the price of
//! resends and lost connections. So this one asks what became of the entries.
//!
//! An ack that is not served, because it is over a limit or says that it is of another user, need end
//! nothing: its refusal takes it back. Whether it had to be refused is for `bounded` and `rates` to say.

use super::{Class, Property, Seen, Sort, Subject, Tally, Violation, wire::At};
use crate::{
    lookup::Lookup,
    record::{Frame, Kind, Line},
};
use teamtalk::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    env::ConnId,
    fact::Fact,
    wire::{
        im::message::{ImMsgDataAck, ImMsgDataReadAck},
        tt::extension::{Refused, RefusedCode},
    },
};

/// Simulated microseconds that a role may take from reading an ack to acting on it.
const GRACE_US: u64 = 100_000;

type Entry = (ConnId, Conversation, u32);

/// The connection, command and seq_num of an ack.
type Name = (ConnId, u16, u16);

/// An ack that was read.
#[derive(Debug)]
struct Ack {
    command: u16,
    seq: u16,
    at_us: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct AcksSettle {
    /// Open entries, with the acks of them that were read.
    open: Lookup<Entry, Vec<Ack>>,
    /// Which open entry an ack named.
    named: Lookup<Name, Entry>,
    tally: Tally,
}

impl AcksSettle {
    fn ack(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame, (chat, msg_id): (Chat, u32)) {
        let Some(user) = seen.known.clients.user(conn) else { return };
        let entry = (conn, chat.conversation(user), msg_id);
        if let Some(acks) = self.open.get_mut(&entry) {
            let (command, seq) = (pdu.command(), pdu.header.seq_num);
            acks.push(Ack { command, seq, at_us: seen.line.sim_us });
            self.named.insert((conn, command, seq), entry);
        }
    }

    /// An ack is not served. Where it only had no answer it was one nevertheless.
    fn refused(&mut self, conn: ConnId, pdu: &Frame) -> Option<()> {
        let refused = pdu.view::<Refused>().ok()?;
        let served = [RefusedCode::RefusedUnavailable, RefusedCode::RefusedNotStored];
        if served.contains(&refused.code()) {
            return None;
        }
        let (command, seq) = (refused.command_id as u16, pdu.header.seq_num);
        let entry = self.named.remove(&(conn, command, seq))?;
        let acks = self.open.get_mut(&entry)?;
        let at = acks.iter().position(|ack| (ack.command, ack.seq) == (command, seq))?;
        acks.remove(at);
        Some(())
    }

    fn goes_on(&self, line: &Line, entry: Entry, how: &str) -> Option<Violation> {
        let read = self.open.get(&entry)?.first()?.at_us;
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
        &[Class::ServerReads, Class::ServerWrites, Class::SendList]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::ServerReads => Some(&[command::MSG_DATA_ACK, command::MSG_READ_ACK]),
            Class::ServerWrites => Some(&[command::OTHER_REFUSED]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        if let Some((at, conn, pdu)) = seen.client {
            match (at, pdu.command()) {
                (At::ServerReads, command::MSG_DATA_ACK) => {
                    let ack = pdu.view::<ImMsgDataAck>().ok()?;
                    let of = (Chat::of(ack.session_type, ack.session_id), ack.msg_id);
                    self.ack(seen, conn, pdu, of);
                }
                (At::ServerReads, command::MSG_READ_ACK) => {
                    let ack = pdu.view::<ImMsgDataReadAck>().ok()?;
                    let of = (Chat::of(ack.session_type, ack.session_id), ack.msg_id);
                    self.ack(seen, conn, pdu, of);
                }
                (At::ServerWrites, command::OTHER_REFUSED) => {
                    self.refused(conn, pdu);
                }
                _ => {}
            }
            return None;
        }
        let Kind::Fact(fact) = &line.kind else { return None };
        match fact {
            Fact::SendListAdded { conn, conversation, msg_id, .. } => {
                self.open.insert((*conn, *conversation, *msg_id), Vec::new());
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
    use crate::properties::tape::{G, Tape, refused};
    use teamtalk::{
        catalogue::id as command,
        conversation::{Chat, Conversation},
        fact::Fact,
        wire::{
            Pdu,
            im::message::{ImMsgDataAck, ImMsgDataReadAck},
            tt::extension::RefusedCode,
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

    /// What is found if an entry expires after its ack was refused, and another ack, of another seq_num,
    /// was not.
    fn after_refusal(code: RefusedCode, again: bool) -> Vec<String> {
        let (user_id, msg_id, conversation) = (2, 5, Conversation::single(1, 2));
        let ack = ImMsgDataAck { user_id, session_id: 1, msg_id, ..Default::default() };
        let ack = ImMsgDataAck { session_type: Chat::User(1).session_type(), ..ack };
        let mut tape = Tape::new(AcksSettle::default());
        let added = Fact::SendListAdded { conn: 7, user: user_id, conversation, msg_id, from: 1 };
        tape.login(3, 7, user_id).fact("msg1", added);
        tape.asks(7, Pdu::new(command::MSG_DATA_ACK, 4, &ack));
        if again {
            tape.asks(7, Pdu::new(command::MSG_DATA_ACK, 5, &ack));
        }
        tape.tells(7, refused(4, user_id, command::MSG_DATA_ACK, code));
        tape.later(1).fact("msg1", Fact::SendListExpired { conn: 7, conversation, msg_id });
        tape.found.clone()
    }

    #[test]
    fn an_ack_that_is_not_served_ends_nothing() {
        let ignored = ["acks-settle/ignored/msg".to_string()];
        for code in [RefusedCode::RefusedMalformed, RefusedCode::RefusedTooMany] {
            assert!(after_refusal(code, false).is_empty());
            assert_eq!(after_refusal(code, true), ignored, "the other ack was served");
        }
        assert_eq!(after_refusal(RefusedCode::RefusedUnavailable, false), ignored);
    }
}
