//! What several properties need to know of a run, followed once for all of them, and each line with
//! what it means. It judges nothing.

use super::{
    clients::Clients,
    clocks::Clocks,
    kept::Kept,
    membership::Membership,
    protocols::Protocols,
    sends::Sends,
    server_links::Links,
    trouble::Trouble,
    wire::{At, Message, client_pdu, content, db_pdu, held_content},
};
use crate::{
    lookup::Lookup,
    model::Stores,
    plan::Role,
    record::{End, Frame, Kind, Line},
};
use bytes::Bytes;
use std::{collections::BTreeSet, sync::Arc};
use teamtalk::{
    catalogue::{id as command, limits::Limits},
    env::ConnId,
    fact::Fact,
    protocol::Protocol,
    timing::Timing,
    wire::im::message::ImMsgData,
};

/// What is known of a run, up to some line.
#[derive(Debug, Default)]
pub struct Known {
    /// Who is behind a connection.
    pub clients: Clients,
    /// The connections between servers.
    pub links: Links,
    /// Who is a member of a group.
    pub membership: Membership,
    /// When devices sent what.
    pub sends: Sends,
    /// What the stores hold and held.
    pub stores: Stores,
    /// Which host runs which protocol.
    pub protocols: Protocols,
    /// How long a db_proxy waits for Redis, in simulated microseconds: the shorter of its two
    /// patiences (`Timing::cache_timeout`).
    pub store_timeout_us: u64,
    /// What the wall clocks of the hosts say.
    pub clocks: Clocks,
    /// The number of the last line.
    pub now: u64,
    /// For how long a failed login counts, in simulated microseconds (`Timing::login_failure_window`).
    pub lockout_us: u64,
    /// How long a window of the rates is, in simulated microseconds (`Timing::rate_window`).
    pub rate_window_us: u64,
    /// How long a request may wait for its answer, in simulated microseconds: until its
    /// msg_server itself says that none came (`Timing::request_timeout`).
    pub answer_within_us: u64,
    /// How long a device may take to be online again, in simulated microseconds.
    pub back_within_us: u64,
    /// How long after a fault everything owed is paid, in simulated microseconds.
    pub settles_within_us: u64,
    /// The durations of every role; `None` where nobody has said them.
    pub timing: Option<Timing>,
    /// The slots of the devices that run our program and nothing else: what such a device owes is
    /// known.
    pub orderly: BTreeSet<u32>,
    /// The slots of the devices that ack nothing of what is pushed to them.
    pub never_ack: BTreeSet<u32>,
    /// The slots of the devices that write a read ack beside what their program keeps: nobody repeats it.
    pub acks_by_hand: BTreeSet<u32>,
    /// How many workers each db_proxy has; 0 where nobody has said it.
    pub db_workers: usize,
    /// How much the stores may keep; `None` where nobody has said what is done.
    pub kept: Option<Kept>,
    /// The faults of the run.
    pub trouble: Trouble,
    /// The 0301s that are on their way.
    pub under_way: UnderWay,
}

/// The classes of lines among which properties choose what they look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A device wrote a PDU.
    DeviceWrites,
    /// A msg_server read a PDU of a device.
    ServerReads,
    /// A msg_server wrote a PDU to a device.
    ServerWrites,
    /// A device read a PDU.
    DeviceReads,
    /// A PDU at a db_proxy.
    DbPdu,
    /// A PDU at a msg_server, on a link to another server.
    LinkPdu,
    /// A PDU at a route_server.
    RoutePdu,
    /// Another PDU.
    OtherPdu,
    /// A msg_server reported what becomes of an entry of a send list.
    SendList,
    /// A role or a device reported how far a send is.
    Sending,
    /// A device reported what it holds, or shows as unread.
    Shown,
    /// A role or a device reported something else.
    Fact,
    /// A row was committed.
    Row,
    /// A store applied a command or statement.
    Store,
    /// Connections, hosts, faults, operations and phases.
    Event,
}

/// The line that has just happened, and what it means.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The line itself.
    pub line: &'a Line,
    /// Its class.
    pub class: Class,
    /// Its PDU, if that is between a device and a msg_server.
    pub client: Option<(At, ConnId, &'a Frame)>,
    /// How the connection of `client` stood before the line; `None` at the device, and if the
    /// msg_server has no such connection.
    pub stood: Option<Stood>,
    /// Its PDU, if that is at a db_proxy, and whether it was written there.
    pub db: Option<(ConnId, &'a Frame, bool)>,
    /// Its PDU, if that is a 0301, and not one that a msg_server writes to a route_server.
    pub data: Option<Arc<Data>>,
    /// The message that the line is about: of a row, of `Fact::Held`, and of `data` at a device, its
    /// msg_server and a db_proxy. Its sender is the one that the line names. A 0301 that a device
    /// writes is from the user of that device, one that a msg_server reads is from the user whom it has logged in on that connection;
    /// `None` if there is no such user.
    pub message: Option<Message>,
    /// The run, this line included.
    pub known: &'a Known,
}

impl Seen<'_> {
    /// The command of the line, if it is a PDU.
    pub fn command(&self) -> Option<u16> {
        match &self.line.kind {
            Kind::PduSent(pdu) | Kind::PduReceived(pdu) => Some(pdu.command()),
            _ => None,
        }
    }

    /// The protocol of the line's host.
    pub fn protocol(&self) -> &Protocol {
        self.known.protocols.of(&self.line.host)
    }

    /// The limits of the line's host.
    pub fn limits(&self) -> &Limits {
        self.known.protocols.limits_of(&self.line.host)
    }
}

/// The state of a device's connection at its msg_server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stood {
    /// The user who is logged in.
    pub user: Option<u32>,
    /// A 0107 (kick) was written on it.
    pub kicked: bool,
}

/// A 0301, decoded.
#[derive(Debug)]
pub struct Data {
    /// Its body.
    pub body: ImMsgData,
    /// The content that its message is known by.
    pub content: Arc<str>,
    raw: Bytes,
}

/// 0301s that one end of a connection has written and the other has not read, by that end and their number
/// in its direction: most are read as they were written, and are not decoded again.
#[derive(Debug, Default)]
pub struct UnderWay(Lookup<(ConnId, End, u64), Arc<Data>>);

impl UnderWay {
    /// The 0301 that one end writes or reads.
    fn data(&mut self, line: &Line) -> Option<Arc<Data>> {
        let (pdu, is_written) = match &line.kind {
            Kind::PduSent(pdu) => (pdu, true),
            Kind::PduReceived(pdu) => (pdu, false),
            _ => return None,
        };
        if pdu.command() != command::MSG_DATA {
            return None;
        }
        if is_written {
            let data = Data::of(pdu)?;
            self.0.insert((pdu.conn, pdu.end, pdu.k), data.clone());
            return Some(data);
        }
        let written = self.0.remove(&(pdu.conn, pdu.end.other(), pdu.k));
        written.filter(|data| data.raw == pdu.pdu.body).or_else(|| Data::of(pdu))
    }
}

impl Known {
    /// Takes the next line.
    pub fn observe<'a>(&'a mut self, line: &'a Line) -> Seen<'a> {
        let (client, db) = (client_pdu(line), db_pdu(line));
        let stood = client.and_then(|(at, conn, _)| self.stood(at, conn));
        let class = Class::of(line, client.map(|(at, ..)| at));
        self.now = line.n;
        self.membership.passes(line);
        match class {
            Class::Store => self.stores.observe(line),
            Class::Row => self.membership.observe(line),
            Class::Event => {
                if let Kind::OnSide { side } = line.kind {
                    self.protocols.goes_to(&line.host, side);
                }
                self.membership.observe(line);
                self.clients.observe(line);
                self.links.observe(line);
                self.stores.observe(line);
                self.clocks.observe(line);
                if !self.clocks.is_a_step(line) {
                    self.trouble.observe(line);
                }
            }
            Class::Fact => {
                self.clients.observe(line);
                self.trouble.observe(line);
            }
            Class::DbPdu => {
                self.membership.observe(line);
                self.links.observe(line);
            }
            Class::LinkPdu | Class::RoutePdu => self.links.observe(line),
            _ if client.is_some() => self.clients.observe(line),
            _ => {}
        }
        let data = match class {
            // A route_server passes on what it reads, unparsed: what it writes is the same.
            Class::RoutePdu if matches!(line.kind, Kind::PduReceived(_)) => None,
            Class::LinkPdu if self.links.is_to_route(line) => None,
            _ => self.under_way.data(line),
        };
        let message = match &line.kind {
            Kind::Row { from, content, .. } => Some((*from, content.as_str().into())),
            Kind::Fact(Fact::Held { from, content, .. }) => {
                Some((*from, held_content(content).into()))
            }
            _ if client.is_none() && db.is_none() => None,
            _ => data
                .as_ref()
                .and_then(|data| Some((self.sender(client, data)?, data.content.clone()))),
        };
        if let Some(message) = &message {
            self.sends.observe(line, client.map(|(at, ..)| at), message);
        }
        Seen { line, class, client, stood, db, data, message, known: self }
    }

    fn stood(&self, at: At, conn: ConnId) -> Option<Stood> {
        if !matches!(at, At::ServerReads | At::ServerWrites) {
            return None;
        }
        let served = self.clients.served(conn)?;
        Some(Stood { user: served.user, kicked: served.kicked })
    }

    /// The sender of a 0301; see [`Seen::message`].
    fn sender(&self, client: Option<(At, ConnId, &Frame)>, data: &Data) -> Option<u32> {
        match client {
            Some((At::DeviceWrites, conn, _)) => self.clients.user_of_device_on(conn),
            Some((At::ServerReads, conn, _)) => self.clients.user(conn),
            _ => Some(data.body.from_user_id),
        }
    }
}

impl Class {
    /// All classes, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::DeviceWrites,
        Self::ServerReads,
        Self::ServerWrites,
        Self::DeviceReads,
        Self::DbPdu,
        Self::LinkPdu,
        Self::RoutePdu,
        Self::OtherPdu,
        Self::SendList,
        Self::Sending,
        Self::Shown,
        Self::Fact,
        Self::Row,
        Self::Store,
        Self::Event,
    ];

    /// Whether lines of it are PDUs.
    pub fn is_of_pdus(self) -> bool {
        self as u8 <= Self::OtherPdu as u8
    }

    fn of(line: &Line, client: Option<At>) -> Self {
        match &line.kind {
            Kind::PduSent(pdu) | Kind::PduReceived(pdu) => match client {
                Some(At::DeviceWrites) => Self::DeviceWrites,
                Some(At::ServerReads) => Self::ServerReads,
                Some(At::ServerWrites) => Self::ServerWrites,
                Some(At::DeviceReads) => Self::DeviceReads,
                None => Self::of_link(line.host.role(), pdu.end),
            },
            Kind::Fact(fact) => Self::of_fact(fact),
            Kind::Row { .. }
            | Kind::SessionRow { .. }
            | Kind::RelationRow { .. }
            | Kind::MemberRow { .. } => Self::Row,
            Kind::Store(_) => Self::Store,
            _ => Self::Event,
        }
    }

    fn of_link(role: Role, end: End) -> Self {
        match (role, end) {
            (Role::Db, End::Acceptor) => Self::DbPdu,
            (Role::Msg, End::Dialler) => Self::LinkPdu,
            (Role::Route, _) => Self::RoutePdu,
            _ => Self::OtherPdu,
        }
    }

    fn of_fact(fact: &Fact) -> Self {
        match fact {
            Fact::SendListAdded { .. }
            | Fact::SendListResent { .. }
            | Fact::SendListAcked { .. }
            | Fact::SendListExpired { .. }
            | Fact::SendListDropped { .. } => Self::SendList,
            Fact::MsgIdIssued { .. }
            | Fact::Stored { .. }
            | Fact::StoreFailed { .. }
            | Fact::RepeatAnswered { .. }
            | Fact::Attempt { .. }
            | Fact::AttemptTimedOut { .. }
            | Fact::OpOk { .. }
            | Fact::OpFailed { .. } => Self::Sending,
            Fact::Held { .. } | Fact::UnreadShown { .. } => Self::Shown,
            _ => Self::Fact,
        }
    }
}

impl Data {
    /// That of a PDU, if it can be read.
    fn of(pdu: &Frame) -> Option<Arc<Self>> {
        // Nobody else decodes it: see `Seen::data`.
        let body: ImMsgData = pdu.pdu.view().ok()?;
        let content = content(body.msg_type, &body.msg_data).into();
        Some(Arc::new(Self { body, content, raw: pdu.pdu.body.clone() }))
    }
}
