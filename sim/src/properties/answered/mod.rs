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
mod tests;
