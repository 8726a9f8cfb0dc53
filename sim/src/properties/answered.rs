//! answered: every request gets an answer or an error that says why, unless its connection
//! closed.
//!
//! A request is what a device wrote and its msg_server read. One that is written again under the
//! same seq_num before it is answered is one request.
//!
//! A request has time until its msg_server would give up waiting itself (`Timing::request_timeout`).
//! One that was read later than that before the bound of the liveness phase is not judged: devices
//! ask by themselves until a run ends, and what they ask last can't be answered any more.

use super::{About, Class, Known, Property, Seen, Sort, Subject, Violation, wire::At};
use crate::{
    plan::{Host, Role},
    record::Kind,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use teamtalk::{
    catalogue::{self, id as cmd, name},
    env::ConnId,
    protocol::Protocol,
};

/// See the module.
#[derive(Debug)]
pub struct Answered {
    /// The switch `confirmed-read-acks` is on, so a 0303 is a request.
    read_acks: bool,
    /// The hosts at both ends of a connection.
    hosts: BTreeMap<ConnId, BTreeSet<Host>>,
    /// Connections of which at least one end has closed.
    closed: BTreeSet<ConnId>,
    /// Requests that are not answered yet, by (connection, seq_num, command).
    asked: BTreeMap<(ConnId, u16, u16), Asked>,
}

/// A request that is not answered yet.
#[derive(Debug)]
struct Asked {
    /// When its msg_server read it first, in simulated microseconds.
    at_us: u64,
    /// Of a send, what it says.
    content: Option<Arc<str>>,
}

/// What answers a device's request; `None` for what is no request. A command that no device may
/// send is answered by a refusal only.
pub fn reply_of(command: u16) -> Option<u16> {
    match catalogue::of(command) {
        Some(entry) if entry.is_from_device() => entry.reply,
        _ => Some(cmd::OTHER_REFUSED),
    }
}

impl Answered {
    /// For a deployment under this protocol.
    pub fn new(protocol: &Protocol) -> Self {
        Self {
            read_acks: protocol.confirmed_read_acks,
            hosts: BTreeMap::new(),
            closed: BTreeSet::new(),
            asked: BTreeMap::new(),
        }
    }

    fn close(&mut self, conn: ConnId) {
        self.closed.insert(conn);
        self.asked.retain(|asked, _| asked.0 != conn);
    }
}

impl Property for Answered {
    fn name(&self) -> &'static str {
        "answered"
    }

    fn says(&self) -> &'static str {
        "every request gets an answer or an error that says why, unless its connection closed"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::ClientPdu, Class::Event]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        match &line.kind {
            Kind::Connected { conn, .. } => {
                self.hosts.entry(*conn).or_default().insert(line.host.clone());
            }
            Kind::Disconnected { conn, .. } | Kind::StreamReset { conn } => self.close(*conn),
            Kind::HostDown => {
                let of = |(conn, hosts): (&ConnId, &BTreeSet<Host>)| {
                    hosts.contains(&line.host).then_some(*conn)
                };
                let conns: Vec<_> = self.hosts.iter().filter_map(of).collect();
                conns.into_iter().for_each(|conn| self.close(conn));
            }
            _ => {}
        }
        let (at, conn, pdu) = seen.client?;
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        match at {
            At::ServerReads if !self.closed.contains(&conn) => {
                let is_request = command != cmd::MSG_READ_ACK || self.read_acks;
                if is_request && reply_of(command).is_some() {
                    let content = seen.data.as_ref().map(|data| data.content.clone());
                    let asked = Asked { at_us: line.sim_us, content };
                    self.asked.entry((conn, seq, command)).or_insert(asked);
                }
            }
            At::ServerWrites => {
                let same_seq = self.asked.range((conn, seq, 0)..=(conn, seq, u16::MAX));
                let answers =
                    |asked| command == cmd::OTHER_REFUSED || reply_of(asked) == Some(command);
                let same_seq = same_seq.map(|(asked, _)| *asked);
                let answered: Vec<_> = same_seq.filter(|asked| answers(asked.2)).collect();
                for asked in answered {
                    self.asked.remove(&asked);
                }
            }
            _ => {}
        }
        None
    }

    fn pending(&self, _: &Known) -> Option<Violation> {
        self.asked_before(u64::MAX)
    }

    fn overdue(&self, known: &Known, now_us: u64) -> Option<Violation> {
        self.asked_before(now_us.saturating_sub(known.answer_within_us))
    }
}

impl Answered {
    /// A request that was read up to a simulated microsecond and is not answered.
    fn asked_before(&self, until_us: u64) -> Option<Violation> {
        let mut asked = self.asked.iter();
        let ((conn, seq, command), Asked { content, .. }) =
            asked.find(|(_, asked)| asked.at_us <= until_us)?;
        let question = Subject::asked(*conn, *seq, *command);
        let content = content.iter().cloned().map(Subject::Content);
        let name = name(*command).unwrap_or("a command that does not exist");
        Some(Violation {
            property: self.name(),
            kind: "silence",
            role: Role::Msg,
            sentence: format!(
                "{command:#06x} ({name}) with seq_num {seq} on connection {conn} got no answer"
            ),
            about: content.chain([question]).collect::<About>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Answered;
    use crate::{
        properties::tape::{
            GROUP, SINGLE, Tape, ack, group_ack, group_message, list, list_request, message,
        },
        record::Kind,
    };
    use bytes::Bytes;
    use teamtalk::{
        catalogue::id as command,
        protocol::Protocol,
        wire::{Pdu, im::message::ImMsgDataReadAck},
    };

    fn tape(protocol: Protocol) -> Tape<Answered> {
        let mut tape = Tape::new(Answered::new(&protocol));
        tape.login(1, 10, 1);
        tape
    }

    const SILENCE: &str = "answered/silence/msg";

    #[test]
    fn an_answer_is_its_reply_or_a_refusal_under_its_seq_num() {
        let mut tape = tape(Protocol::teamtalk());
        assert_eq!(tape.pending(), None, "the login is answered");
        tape.asks(10, list_request(5, 1, 2));
        tape.tells(10, list(6, 1, 2, &[])).tells(10, ack(5, 9, 1, 2));
        assert_eq!(tape.pending().as_deref(), Some(SILENCE));
        tape.tells(10, list(5, 1, 2, &[]));
        assert_eq!(tape.pending(), None);
        tape.asks(10, message(7, 0, 1, 2, "text"));
        assert_eq!(tape.pending().as_deref(), Some(SILENCE));
        tape.tells(10, Pdu::raw(command::OTHER_REFUSED, 7, Bytes::new()));
        assert_eq!(tape.pending(), None);
    }

    #[test]
    fn malformed_and_unknown_requests_count_and_acks_do_not() {
        for command in [command::MSG_DATA, 0x0399, command::MSG_LIST_RESPONSE] {
            let mut tape = tape(Protocol::teamtalk());
            tape.asks(10, Pdu::raw(command, 5, Bytes::from_static(b"\xff")));
            assert_eq!(tape.pending().as_deref(), Some(SILENCE), "{command:#06x}");
        }
        let mut tape = tape(Protocol::teamtalk());
        for command in [command::MSG_DATA_ACK, command::OTHER_HEARTBEAT, command::SWITCH_P2P_CMD] {
            tape.asks(10, Pdu::raw(command, 5, Bytes::new()));
        }
        assert_eq!(tape.pending(), None);
    }

    #[test]
    fn a_read_ack_is_a_request_only_where_it_is_confirmed() {
        let read = ImMsgDataReadAck { session_type: SINGLE, ..Default::default() };
        let read = Pdu::new(command::MSG_READ_ACK, 5, &read);
        let mut old = tape(Protocol::teamtalk());
        old.asks(10, read.clone());
        assert_eq!(old.pending(), None);
        let mut new = tape(Protocol::hardened());
        new.asks(10, read);
        assert_eq!(new.pending().as_deref(), Some(SILENCE));
        new.tells(10, Pdu::raw(command::MSG_READ_NOTIFY, 0, Bytes::new()));
        assert_eq!(new.pending().as_deref(), Some(SILENCE), "a notice is no answer");
        new.tells(10, Pdu::raw(command::MSG_READ_NOTIFY, 5, Bytes::new()));
        assert_eq!(new.pending(), None);
    }

    #[test]
    fn a_closed_connection_excuses() {
        type Close = fn(&mut Tape<Answered>);
        let closes: [Close; 3] = [
            |tape| {
                tape.hang_up(1, 10);
            },
            |tape| {
                tape.line("msg1", Kind::HostDown);
            },
            |tape| {
                tape.line("world", Kind::StreamReset { conn: 10 });
            },
        ];
        for close in closes {
            let mut tape = tape(Protocol::teamtalk());
            tape.asks(10, list_request(5, 1, 2));
            close(&mut tape);
            tape.asks(10, list_request(6, 1, 2));
            assert_eq!(tape.pending(), None);
        }
        let mut tape = tape(Protocol::teamtalk());
        tape.asks(10, list_request(5, 1, 2)).line("msg2", Kind::HostDown);
        tape.login(2, 20, 2).hang_up(2, 20);
        assert_eq!(tape.pending().as_deref(), Some(SILENCE), "others closed");
    }

    #[test]
    fn what_is_asked_just_before_the_bound_had_no_time() {
        const BOUND_US: u64 = 50_000_000;
        // Two requests of seq_num 5 and 6, so many microseconds before the bound.
        let asked = |five: u64, six: u64| {
            let mut tape = tape(Protocol::hardened());
            tape.known.answer_within_us = 2_400_000;
            tape.at(BOUND_US - five).asks(10, list_request(5, 1, 2));
            tape.at(BOUND_US - six).asks(10, list_request(6, 1, 2));
            tape
        };
        let late = |tape: &Tape<Answered>| tape.overdue(BOUND_US).map(|found| found.sentence);
        let young = asked(2_300_000, 10_000);
        assert_eq!(young.pending().as_deref(), Some(SILENCE), "a run does not rest yet");
        assert_eq!(late(&young), None, "the end of a run is no silence");
        let mut old = asked(2_500_000, 10_000);
        assert!(late(&old).is_some_and(|sentence| sentence.contains("seq_num 5 ")));
        old.asks(10, list_request(5, 1, 2));
        assert!(late(&old).is_some(), "asked again it is the same request");
        old.tells(10, list(5, 1, 2, &[]));
        assert_eq!(late(&old), None);
    }

    #[test]
    fn every_question_has_its_answer_and_no_other() {
        use command::*;
        let questions = [
            (GROUP_NORMAL_LIST_REQUEST, GROUP_NORMAL_LIST_RESPONSE),
            (GROUP_INFO_REQUEST, GROUP_INFO_RESPONSE),
            (GROUP_CREATE_REQUEST, GROUP_CREATE_RESPONSE),
            (GROUP_CHANGE_MEMBER_REQUEST, GROUP_CHANGE_MEMBER_RESPONSE),
            (GROUP_SHIELD_GROUP_REQUEST, GROUP_SHIELD_GROUP_RESPONSE),
            (BUDDY_LIST_USER_INFO_REQUEST, BUDDY_LIST_USER_INFO_RESPONSE),
            (BUDDY_LIST_ALL_USER_REQUEST, BUDDY_LIST_ALL_USER_RESPONSE),
            (BUDDY_LIST_DEPARTMENT_REQUEST, BUDDY_LIST_DEPARTMENT_RESPONSE),
            (BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST, BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE),
            (LOGIN_REQ_PUSH_SHIELD, LOGIN_RES_PUSH_SHIELD),
            (LOGIN_REQ_QUERY_PUSH_SHIELD, LOGIN_RES_QUERY_PUSH_SHIELD),
            (LOGIN_REQ_DEVICETOKEN, LOGIN_RES_DEVICETOKEN),
            (FILE_REQUEST, FILE_RESPONSE),
            (FILE_HAS_OFFLINE_REQ, FILE_HAS_OFFLINE_RES),
        ];
        for (n, (question, answer)) in questions.into_iter().enumerate() {
            let pdu = |command| Pdu::raw(command, 5, Bytes::new());
            let mut tape = tape(Protocol::teamtalk());
            tape.asks(10, pdu(question)).tells(10, pdu(questions[(n + 1) % questions.len()].1));
            assert_eq!(tape.pending().as_deref(), Some(SILENCE), "{question:#06x}");
            tape.tells(10, pdu(answer));
            assert_eq!(tape.pending(), None, "{question:#06x}");
        }
        let mut tape = tape(Protocol::hardened());
        for order in [BUDDY_LIST_CHANGE_AVATAR_REQUEST, FILE_ADD_OFFLINE_REQ, FILE_DEL_OFFLINE_REQ]
        {
            tape.asks(10, Pdu::raw(order, 5, Bytes::new()));
        }
        assert_eq!(tape.pending(), None);
    }

    #[test]
    fn a_send_and_a_read_ack_of_a_group_are_requests() {
        let mut tape = tape(Protocol::hardened());
        tape.asks(10, group_message(5, 0, 1, "text"));
        assert_eq!(tape.pending().as_deref(), Some(SILENCE));
        tape.tells(10, group_ack(5, 7, 1));
        assert_eq!(tape.pending(), None);
        let read = ImMsgDataReadAck { session_type: GROUP, ..Default::default() };
        tape.asks(10, Pdu::new(command::MSG_READ_ACK, 6, &read));
        assert_eq!(tape.pending().as_deref(), Some(SILENCE));
    }
}
