//! answered: every request gets one answer or an error that says why, unless its connection
//! closed.
//!
//! A request is what a device wrote and its msg_server read, a heartbeat too: its answer is its echo.
//! One that is written again under the same seq_num before it is answered is one request, which may be
//! answered as often as it was read. A second answer beyond that contradicts the first one, or says
//! nothing (kind `twice`): who was told that no answer came is told nothing else later.
//!
//! A logout (0105) is answered before its msg_server closes the connection.
//!
//! A request has time until its msg_server would give up waiting itself (`Timing::request_timeout`).
//! One that was read later than that before the bound of the liveness phase is not judged: devices
//! ask by themselves until a run ends, and what they ask last can't be answered any more.

use super::{About, Class, Known, Property, Seen, Sort, Subject, Tally, Violation, wire::At};
use crate::{
    lookup::{Lookup, LookupSet},
    plan::{Host, Role},
    record::{End, Frame, Kind},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use teamtalk::{
    catalogue::{self, id as cmd, name},
    env::ConnId,
    fact::Fact,
    wire::tt::extension::Refused,
};

/// See the module.
#[derive(Debug, Default)]
pub struct Answered {
    /// The hosts at both ends of a connection.
    hosts: BTreeMap<ConnId, BTreeSet<Host>>,
    /// Connections of which at least one end has closed.
    closed: LookupSet<ConnId>,
    /// Requests that are not answered yet.
    asked: BTreeMap<Request, Asked>,
    /// How many answers each request of an open connection may still get: by command, ascending.
    left: Lookup<(ConnId, u16), Vec<(u16, u32)>>,
    /// Logouts whose connection its msg_server said that it closes, and that are not answered.
    leaving: Lookup<ConnId, Leaving>,
    tally: Tally,
}

/// (connection, seq_num, command)
type Request = (ConnId, u16, u16);

/// A request that is not answered yet.
#[derive(Debug)]
struct Asked {
    /// When its msg_server read it first, in simulated microseconds.
    at_us: u64,
    /// Of a send, what it says.
    content: Option<Arc<str>>,
}

/// A logout that is not answered, on a connection that is being closed.
#[derive(Debug)]
struct Leaving {
    request: Request,
    asked: Asked,
    /// It was read in the moment of the close: before it, or too late.
    at_once: bool,
}

/// What answers a device's request; `None` for what is no request. A command that no device may
/// send is answered by a refusal only.
pub fn reply_of(command: u16) -> Option<u16> {
    match catalogue::of(command) {
        Some(entry) if entry.is_from_device() => entry.reply,
        _ => Some(cmd::OTHER_REFUSED),
    }
}

/// Simulated microseconds for which a server tries to write what is queued before it closes.
const LINGER_US: u64 = 2_000_000;

/// The answer that a request waits for, if it waits for one.
fn answer_to(command: u16, seen: &Seen<'_>) -> Option<u16> {
    match command {
        cmd::OTHER_HEARTBEAT => Some(cmd::OTHER_HEARTBEAT),
        cmd::MSG_READ_ACK if !seen.protocol().confirmed_read_acks => None,
        _ => reply_of(command),
    }
}

impl Answered {
    fn close(&mut self, conn: ConnId) {
        self.closed.insert(conn);
        let Self { left, asked, tally, .. } = self;
        left.retain(|(of, seq), all| {
            let gone = all.iter().filter(|_| *of == conn);
            for (command, _) in gone {
                if asked.remove(&(conn, *seq, *command)).is_some() {
                    tally.excuse("its connection closed");
                }
            }
            *of != conn
        });
    }

    /// A msg_server says that it closes a connection: what it has to say is still written.
    fn leaves(&mut self, conn: ConnId, now_us: u64) {
        let mut of_conn = self.asked.range((conn, 0, 0)..=(conn, u16::MAX, u16::MAX));
        let logout = of_conn.find(|((.., command), _)| *command == cmd::LOGIN_REQ_LOGINOUT);
        if let Some(request) = logout.map(|(asked, _)| *asked)
            && let Some(asked) = self.asked.remove(&request)
        {
            let at_once = asked.at_us == now_us;
            self.leaving.insert(conn, Leaving { request, asked, at_once });
        }
    }

    /// A msg_server says that a connection is kicked, and so why it is closed. A logout that was read in that
    /// moment came too late.
    fn kicked(&mut self, conn: ConnId) {
        if self.leaving.get(&conn).is_some_and(|leaving| leaving.at_once) {
            self.leaving.remove(&conn);
            self.tally.excuse("a logout in the moment of a kick");
        }
    }

    /// A msg_server has closed a connection: a logout that was not answered.
    fn left_behind(&mut self, seen: &Seen<'_>, conn: ConnId) -> Option<Violation> {
        let Leaving { request, asked, .. } = self.leaving.remove(&conn)?;
        let calm = seen.known.trouble.is_quiet(seen.line.sim_us, LINGER_US);
        let violation = calm.then(|| self.silence(request, &asked))?;
        // The card shows the line that broke it.
        Some(violation.and(Subject::Connection(conn)))
    }

    /// A msg_server writes what may be an answer.
    fn answer(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        if command == cmd::LOGIN_RES_LOGINOUT {
            self.leaving.remove(&conn);
        }
        let is_refusal = command == cmd::OTHER_REFUSED;
        let same_seq = self.left.get_mut(&(conn, seq))?.iter_mut();
        let answers = |asked: u16| is_refusal || answer_to(asked, seen) == Some(command);
        let mut all: Vec<_> = same_seq.filter(|(asked, _)| answers(*asked)).collect();
        if is_refusal && all.len() > 1 {
            let named = pdu.view::<Refused>().map(|refused| refused.command_id).unwrap_or(0);
            all.retain(|(asked, _)| u32::from(*asked) == named);
        }
        for (asked, _) in &all {
            if self.asked.remove(&(conn, seq, *asked)).is_some() {
                self.tally.judge();
            }
        }
        let (asked, left) = all.into_iter().max_by_key(|(_, left)| *left)?;
        if let Some(less) = left.checked_sub(1) {
            *left = less;
            return None;
        }
        let asked = *asked;
        let name = name(asked).unwrap_or("a command that does not exist");
        Some(Violation {
            property: self.name(),
            kind: "twice",
            role: Role::Msg,
            sentence: format!(
                "{:#06x} ({name}) with seq_num {seq} on connection {conn} has its answer and got \
                 {command:#06x} as well",
                asked
            ),
            about: [Subject::Connection(conn), Subject::asked(conn, seq, asked)].into(),
        })
    }
}

impl Property for Answered {
    fn name(&self) -> &'static str {
        "answered"
    }

    fn says(&self) -> &'static str {
        "every request gets one answer or an error that says why, unless its connection closed"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::ServerReads, Class::ServerWrites, Class::Event, Class::Fact]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        match &line.kind {
            Kind::Connected { conn, .. } => {
                self.hosts.entry(*conn).or_default().insert(line.host.clone());
            }
            Kind::Fact(Fact::Closed { conn, .. }) => self.leaves(*conn, line.sim_us),
            Kind::Disconnected { conn, end } => {
                let by_server = *end == End::Acceptor && line.host.role() == Role::Msg;
                let left = by_server.then(|| self.left_behind(seen, *conn)).flatten();
                self.close(*conn);
                return left;
            }
            Kind::StreamReset { conn } => {
                self.leaving.remove(conn);
                self.close(*conn);
            }
            Kind::HostDown => {
                let of = |(conn, hosts): (&ConnId, &BTreeSet<Host>)| {
                    hosts.contains(&line.host).then_some(*conn)
                };
                let conns: Vec<_> = self.hosts.iter().filter_map(of).collect();
                for conn in conns {
                    self.leaving.remove(&conn);
                    self.close(conn);
                }
            }
            _ => {}
        }
        let (at, conn, pdu) = seen.client?;
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        match at {
            At::ServerReads if !self.closed.contains(&conn) => {
                if answer_to(command, seen).is_some() {
                    let content = seen.data.as_ref().map(|data| data.content.clone());
                    let asked = Asked { at_us: line.sim_us, content };
                    self.asked.entry((conn, seq, command)).or_insert(asked);
                    let left = self.left.entry((conn, seq)).or_default();
                    match left.binary_search_by_key(&command, |(command, _)| *command) {
                        Ok(at) => left[at].1 += 1,
                        Err(at) => left.insert(at, (command, 1)),
                    }
                }
                None
            }
            At::ServerWrites => {
                if command == cmd::LOGIN_KICK_USER {
                    self.kicked(conn);
                }
                self.answer(seen, conn, pdu)
            }
            _ => None,
        }
    }

    fn pending(&self, _: &Known) -> Option<Violation> {
        self.asked_before(u64::MAX)
    }

    fn overdue(&self, known: &Known, now_us: u64) -> Option<Violation> {
        self.asked_before(now_us.saturating_sub(known.answer_within_us))
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

impl Answered {
    /// A request that was read up to a simulated microsecond and is not answered.
    fn asked_before(&self, until_us: u64) -> Option<Violation> {
        let mut asked = self.asked.iter();
        let (asked, about) = asked.find(|(_, asked)| asked.at_us <= until_us)?;
        Some(self.silence(*asked, about))
    }

    #[cold]
    fn silence(&self, (conn, seq, command): Request, Asked { content, .. }: &Asked) -> Violation {
        let question = Subject::asked(conn, seq, command);
        let content = content.iter().cloned().map(Subject::Content);
        let name = name(command).unwrap_or("a command that does not exist");
        Violation {
            property: self.name(),
            kind: "silence",
            role: Role::Msg,
            sentence: format!(
                "{command:#06x} ({name}) with seq_num {seq} on connection {conn} got no answer"
            ),
            about: content.chain([question]).collect::<About>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Answered;
    use crate::{
        properties::tape::{
            GROUP, SINGLE, Tape, ack, group_ack, group_message, list, list_request, message,
        },
        record::{End, Kind},
    };
    use bytes::Bytes;
    use teamtalk::{
        catalogue::id as command,
        fact::Fact,
        protocol::Protocol,
        wire::{Pdu, im::message::ImMsgDataReadAck},
    };

    fn tape(protocol: Protocol) -> Tape<Answered> {
        let mut tape = Tape::new(Answered::default()).under(protocol);
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
        for command in [command::MSG_DATA_ACK, command::SWITCH_P2P_CMD] {
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
    fn a_request_is_answered_as_often_as_it_was_read() {
        const TWICE: &str = "answered/twice/msg";
        let refusal = || Pdu::raw(command::OTHER_REFUSED, 5, Bytes::new());
        let sent = |times: usize| {
            let mut tape = tape(Protocol::hardened());
            for _ in 0..times {
                tape.asks(10, message(5, 0, 1, 2, "text"));
            }
            tape
        };
        let mut tape = sent(1);
        tape.tells(10, ack(5, 9, 1, 2)).tells(10, list(5, 1, 2, &[]));
        assert!(tape.found.is_empty(), "that answers nothing");
        assert_eq!(tape.tells(10, refusal()).found, [TWICE]);
        assert_eq!(sent(1).tells(10, refusal()).tells(10, ack(5, 9, 1, 2)).found, [TWICE]);
        let mut twice = sent(2);
        assert!(twice.tells(10, refusal()).tells(10, ack(5, 9, 1, 2)).found.is_empty());
        assert_eq!(twice.tells(10, ack(5, 9, 1, 2)).found, [TWICE]);
        twice.found.clear();
        twice.asks(10, message(5, 0, 1, 2, "text")).tells(10, ack(5, 9, 1, 2));
        assert!(twice.found.is_empty());
    }

    #[test]
    fn a_heartbeat_is_echoed() {
        let beat = || Pdu::raw(command::OTHER_HEARTBEAT, 0, Bytes::new());
        let mut tape = tape(Protocol::teamtalk());
        assert_eq!(tape.asks(10, beat()).pending().as_deref(), Some(SILENCE));
        assert_eq!(tape.tells(10, beat()).pending(), None);
    }

    #[test]
    fn a_logout_is_answered_before_its_connection_is_closed() {
        let closes = |tape: &mut Tape<Answered>, says: bool| {
            if says {
                tape.fact("msg1", Fact::Closed { conn: 10, reason: "logout".into() });
            }
            // The device may be the first to see it through.
            tape.line("client1", Kind::Disconnected { conn: 10, end: End::Dialler });
            tape.line("msg1", Kind::Disconnected { conn: 10, end: End::Acceptor }).found.clone()
        };
        let leave = || Pdu::raw(command::LOGIN_REQ_LOGINOUT, 6, Bytes::new());
        let left = || Pdu::raw(command::LOGIN_RES_LOGINOUT, 6, Bytes::new());
        let asked = || {
            let mut tape = tape(Protocol::hardened());
            tape.asks(10, list_request(5, 1, 2));
            tape
        };
        assert!(closes(&mut asked(), true).is_empty(), "who leaves waits for nothing else");
        assert_eq!(closes(asked().asks(10, leave()), true), [SILENCE]);
        assert!(closes(asked().asks(10, leave()).tells(10, left()), true).is_empty());
        assert!(closes(asked().asks(10, leave()), false).is_empty(), "the device was first");
        let fault = Kind::FaultStart { fault: 1, what: "slow reader".into() };
        assert!(closes(asked().asks(10, leave()).line("world", fault), true).is_empty());
    }

    /// Seed 21000 of `hardened`.
    #[test]
    fn a_logout_that_is_read_in_the_moment_of_a_kick_may_be_too_late() {
        const NOW_US: u64 = 5_000_000;
        let found = |kicked: bool, closed_us: u64| {
            let mut tape = tape(Protocol::hardened());
            let leave = Pdu::raw(command::LOGIN_REQ_LOGINOUT, 6, Bytes::new());
            tape.at(NOW_US).frame("msg1", End::Acceptor, false, 10, leave);
            tape.at(closed_us).fact("msg1", Fact::Closed { conn: 10, reason: "kicked".into() });
            if kicked {
                tape.kick(10);
            }
            tape.line("msg1", Kind::Disconnected { conn: 10, end: End::Acceptor }).found.clone()
        };
        assert!(found(true, NOW_US).is_empty());
        assert_eq!(found(true, NOW_US + 5_000), [SILENCE], "it was read before");
        assert_eq!(found(false, NOW_US), [SILENCE]);
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
