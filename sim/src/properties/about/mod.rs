//! What a violation is about, and which lines of a trace touch that: the card shows those.
//!
//! A line touches what it names by its types: a PDU is decoded, and no text of a line is searched.
//! Answers that carry many messages (pages, sessions, counts) name none of them, nor do the notices
//! of a read ack: they go through four hops for each device, and would hide what happened to the
//! one message.

mod named;

use super::{
    answered::reply_of,
    wire::{At, client_pdu, text},
};
use crate::{
    plan::{Host, Operation, text_of},
    record::{Applied, Frame, Kind, Line, shown},
};
pub(crate) use named::Named;
use std::{collections::BTreeSet, sync::Arc};
use teamtalk::{catalogue::id as command, conversation::Conversation, env::ConnId, fact::Fact};

/// One thing that a violation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Whatever happened on a connection but for heartbeats.
    Connection(ConnId),
    /// How a connection began and ended.
    Ends(ConnId),
    /// A device's question on a connection, what is known of its attempts, and what answers it.
    Question {
        /// The connection.
        conn: ConnId,
        /// The seq_num of both.
        seq: u16,
        /// The command of the answer; a refusal answers too.
        answer: u16,
    },
    /// What a server asked another one, what answers it, and what the one who was asked lost meanwhile: connections that
    /// ended or could not be made.
    Request {
        /// Who was asked.
        host: Host,
        /// The connection of both.
        conn: ConnId,
        /// The seq_num of both.
        seq: u16,
        /// The command that asks.
        asked: u16,
        /// The command of the answer; a refusal answers too.
        answer: u16,
    },
    /// A message by its place: pushes, acks and read acks of it, its row, what roles say of it.
    Message(Conversation, u32),
    /// A message by what it says: the rig gives every send its own text.
    Content(Arc<str>),
    /// What a user's unread count of a conversation comes from: the rows, and what they read.
    Unread {
        /// Whose count.
        user: u32,
        /// Of which conversation.
        conversation: Conversation,
    },
    /// Rows, and the statements on their table that have these values.
    Rows(Rows),
    /// A user's logins, and what servers tell each other of them.
    User(u32),
    /// A device's logins, and how they ended.
    Device(u32),
    /// Whatever a host did but for heartbeats.
    Host(Host),
    /// How long one of a host's queues was.
    Queue(Host, String),
}

/// Rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Of `IMRelationShip`, of two users.
    Relation(Conversation),
    /// Of `IMRecentSession`.
    Session {
        /// The user whose list it stands in.
        user: u32,
        /// With which user or group.
        peer: u32,
    },
    /// Of `IMGroupMember`.
    Member {
        /// The group.
        group: u32,
        /// The user.
        user: u32,
    },
}

/// All that a violation is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About(Vec<Subject>);

impl<const N: usize> From<[Subject; N]> for About {
    fn from(subjects: [Subject; N]) -> Self {
        Self(subjects.into())
    }
}

impl FromIterator<Subject> for About {
    fn from_iter<T: IntoIterator<Item = Subject>>(subjects: T) -> Self {
        Self(subjects.into_iter().collect())
    }
}

impl About {
    /// Nothing: the card has no lines to choose.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The things that it is about.
    pub fn subjects(&self) -> &[Subject] {
        &self.0
    }

    /// The same, and something more.
    pub fn and(mut self, subject: Subject) -> Self {
        self.0.push(subject);
        self
    }

    /// Whether a line touches any of it.
    pub fn touches(&self, line: &Line) -> bool {
        // What a line names is read once for all subjects.
        let named = Named::by(line);
        self.0.iter().any(|subject| subject.is_touched(line, &named))
    }

    /// The operations that it is about: what they send, or an attempt of theirs.
    pub fn operations(&self, operations: &[Operation], lines: &[Line]) -> BTreeSet<u32> {
        let sent = operations.iter().filter(|op| self.is_sent_by(op)).map(|op| op.id);
        sent.chain(lines.iter().filter_map(|line| self.attempted(line))).collect()
    }

    /// Whether it is about what an operation sends.
    pub fn is_sent_by(&self, op: &Operation) -> bool {
        let sent = op.content();
        let is = |known: &str| {
            // Audio is known by what is behind its duration.
            known == text_of(op.id) || sent.as_deref().is_some_and(|sent| text(sent) == known)
        };
        self.0.iter().any(|subject| matches!(subject, Subject::Content(known) if is(known)))
    }

    /// The operation whose attempt a line is, if that is a question that this is about.
    fn attempted(&self, line: &Line) -> Option<u32> {
        let Kind::Fact(Fact::Attempt { op, conn, seq_num, .. }) = &line.kind else { return None };
        let asks = |subject: &Subject| matches!(subject, Subject::Question { conn: c, seq, .. } if (c, seq) == (conn, seq_num));
        self.0.iter().any(asks).then_some(*op)
    }
}

impl Subject {
    /// The question that a PDU's header asks on a connection.
    pub fn question(conn: ConnId, pdu: &Frame) -> Self {
        Self::asked(conn, pdu.header.seq_num, pdu.command())
    }

    /// A question by its header.
    pub fn asked(conn: ConnId, seq: u16, command: u16) -> Self {
        Self::Question { conn, seq, answer: reply_of(command).unwrap_or(command::OTHER_REFUSED) }
    }

    /// The question that a PDU answers on a connection.
    pub fn answer(conn: ConnId, pdu: &Frame) -> Self {
        Self::Question { conn, seq: pdu.header.seq_num, answer: pdu.command() }
    }

    fn is_touched(&self, line: &Line, named: &Named<'_>) -> bool {
        match self {
            Self::Connection(conn) => named.conn == Some(*conn) && !is_heartbeat(line),
            Self::Ends(conn) => named.conn == Some(*conn) && is_end(line),
            Self::Question { conn, seq, answer } => is_of_question(line, *conn, *seq, *answer),
            Self::Request { host, conn, seq, asked, answer } => match &line.kind {
                Kind::PduSent(pdu) | Kind::PduReceived(pdu) => {
                    let commands = [*asked, *answer, command::OTHER_REFUSED];
                    (pdu.conn, pdu.header.seq_num) == (*conn, *seq)
                        && commands.contains(&pdu.command())
                }
                Kind::Disconnected { .. } | Kind::ConnectFailed { .. } => line.host == *host,
                _ => false,
            },
            Self::Message(conversation, msg_id) => {
                (named.conversation, named.msg_id) == (Some(*conversation), Some(*msg_id))
            }
            Self::Content(content) => named.content.as_deref() == Some(&**content),
            Self::Unread { user, conversation } => {
                let by_them = named.reader.is_none_or(|reader| reader == *user);
                named.conversation == Some(*conversation) && by_them && is_count(line)
            }
            Self::Rows(rows) => rows.are_touched(line),
            Self::User(user) => named.users.contains(user),
            Self::Device(device) => named.device == Some(*device),
            Self::Host(host) => line.host == *host && !is_heartbeat(line),
            Self::Queue(host, of) => {
                let is = |kind: &Kind| matches!(kind, Kind::Fact(Fact::HighWater { queue, .. }) if queue == of);
                line.host == *host && is(&line.kind)
            }
        }
    }
}

impl Rows {
    /// The table in lower case, and the values that a statement on these rows has.
    fn place(self) -> (&'static str, [u32; 2]) {
        match self {
            Self::Relation(Conversation::Single { low, high }) => ("imrelationship", [low, high]),
            // Groups have none.
            Self::Relation(Conversation::Group(id)) => ("imrelationship", [id; 2]),
            Self::Session { user, peer } => ("imrecentsession", [user, peer]),
            Self::Member { group, user } => ("imgroupmember", [group, user]),
        }
    }

    fn are_touched(self, line: &Line) -> bool {
        match &line.kind {
            Kind::RelationRow { conversation, .. } => self == Self::Relation(*conversation),
            Kind::SessionRow { user, peer, .. } => {
                self == Self::Session { user: *user, peer: *peer }
            }
            Kind::MemberRow { group, user, .. } => {
                self == Self::Member { group: *group, user: *user }
            }
            Kind::Store(Applied { store: "sql", what, params, .. }) => {
                let (table, values) = self.place();
                let has = |value: &u32| params.iter().any(|p| *shown(p) == *value.to_string());
                what.names(table) && values.iter().all(has)
            }
            _ => false,
        }
    }
}

fn is_heartbeat(line: &Line) -> bool {
    match &line.kind {
        Kind::PduSent(frame) | Kind::PduReceived(frame) => {
            frame.command() == command::OTHER_HEARTBEAT
        }
        _ => false,
    }
}

fn is_end(line: &Line) -> bool {
    matches!(
        line.kind,
        Kind::Connected { .. }
            | Kind::Disconnected { .. }
            | Kind::StreamReset { .. }
            | Kind::Fact(Fact::LoggedIn { .. } | Fact::Closed { .. } | Fact::DeviceOffline { .. })
    )
}

/// Whether a line changes unread counts.
fn is_count(line: &Line) -> bool {
    match &line.kind {
        Kind::Row { .. } | Kind::SessionRow { .. } => true,
        Kind::PduSent(frame) | Kind::PduReceived(frame) => {
            [command::MSG_READ_ACK, command::BUDDY_LIST_REMOVE_SESSION_REQ]
                .contains(&frame.command())
        }
        _ => false,
    }
}

fn is_of_question(line: &Line, conn: ConnId, seq: u16, answer: u16) -> bool {
    if let Kind::Fact(Fact::Attempt { conn: on, seq_num, .. }) = &line.kind {
        return (*on, *seq_num) == (conn, seq);
    }
    let Some((at, on, pdu)) = client_pdu(line) else { return false };
    if (on, pdu.header.seq_num) != (conn, seq) {
        return false;
    }
    let command = pdu.command();
    match at {
        At::DeviceWrites | At::ServerReads => reply_of(command) == Some(answer),
        At::ServerWrites | At::DeviceReads => {
            command == answer || command == command::OTHER_REFUSED
        }
    }
}

#[cfg(test)]
mod tests;
