//! What every property needs to know of a run, followed once for all of them, and a line with what
//! is known of it. It judges nothing.

use super::{
    clients::Clients,
    membership::Membership,
    sends::Sends,
    wire::{At, Message, client_pdu, content, db_pdu, held_content},
};
use crate::record::{Frame, Kind, Line};
use std::sync::Arc;
use teamtalk::{
    env::ConnId,
    fact::Fact,
    wire::{command, im::message::ImMsgData},
};

/// A run up to a line.
#[derive(Debug, Default)]
pub struct Known {
    /// Who is behind a connection.
    pub clients: Clients,
    /// Who is a member of a group.
    pub membership: Membership,
    /// What devices sent.
    pub sends: Sends,
    /// The number of the last line.
    pub now: u64,
    /// How long a request may wait for its answer, in simulated microseconds: until its
    /// msg_server itself says that none came (`Timing::request_timeout`).
    pub answer_within_us: u64,
}

/// What a line is, as far as properties choose what they look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A PDU between a device and a msg_server.
    ClientPdu,
    /// A PDU at a db_proxy.
    DbPdu,
    /// Another PDU.
    OtherPdu,
    /// A role's word.
    Fact,
    /// A row was committed.
    Row,
    /// A store applied a command or statement.
    Store,
    /// Connections, hosts, faults, operations and phases.
    Event,
}

/// A line that has just happened.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The line itself.
    pub line: &'a Line,
    /// What it is.
    pub class: Class,
    /// Its PDU, if that is between a device and a msg_server.
    pub client: Option<(At, ConnId, &'a Frame)>,
    /// How the connection of `client` stood before the line; `None` at the device, and if the
    /// msg_server has no such connection.
    pub stood: Option<Stood>,
    /// Its PDU, if that is at a db_proxy, and whether it was written there.
    pub db: Option<(ConnId, &'a Frame, bool)>,
    /// Its PDU, if that is a 0301 of `client` or `db`.
    pub data: Option<Data>,
    /// The message of a row, of a device's word that it holds one, and of `data`. Its sender is
    /// whom the line names; of a 0301 that a device writes it is the user of the device, of one
    /// that a msg_server reads the user whom it logged in there, and if there is none, `None`.
    pub message: Option<Message>,
    /// The run, this line included.
    pub known: &'a Known,
}

/// How a connection of a msg_server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stood {
    /// The user who is logged in.
    pub user: Option<u32>,
    /// A 0107 was written.
    pub kicked: bool,
}

/// A 0301.
#[derive(Debug)]
pub struct Data {
    /// Its body.
    pub body: ImMsgData,
    /// The content that its message is known by.
    pub content: Arc<str>,
}

impl Known {
    /// Takes the next line.
    pub fn observe<'a>(&'a mut self, line: &'a Line) -> Seen<'a> {
        let (client, db) = (client_pdu(line), db_pdu(line));
        let stood = client.and_then(|(at, conn, _)| self.stood(at, conn));
        self.now = line.n;
        self.clients.observe(line);
        self.membership.observe(line);
        let pdu = client.map(|(_, _, pdu)| pdu).or(db.map(|(_, pdu, _)| pdu));
        let data = pdu.and_then(Data::of);
        let message = match &line.kind {
            Kind::Row { from, content, .. } => Some((*from, content.as_str().into())),
            Kind::Fact(Fact::Held { from, content, .. }) => {
                Some((*from, held_content(content).into()))
            }
            _ => data
                .as_ref()
                .and_then(|data| Some((self.sender(client, data)?, data.content.clone()))),
        };
        if let Some(message) = &message {
            self.sends.observe(line, client.map(|(at, ..)| at), message);
        }
        let class = Class::of(line, client.is_some(), db.is_some());
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
    /// All of them, by their numbers.
    pub const ALL: &'static [Self] = &[
        Self::ClientPdu,
        Self::DbPdu,
        Self::OtherPdu,
        Self::Fact,
        Self::Row,
        Self::Store,
        Self::Event,
    ];

    fn of(line: &Line, client: bool, db: bool) -> Self {
        match &line.kind {
            Kind::PduSent(_) | Kind::PduReceived(_) if client => Self::ClientPdu,
            Kind::PduSent(_) | Kind::PduReceived(_) if db => Self::DbPdu,
            Kind::PduSent(_) | Kind::PduReceived(_) => Self::OtherPdu,
            Kind::Fact(_) => Self::Fact,
            Kind::Row { .. }
            | Kind::SessionRow { .. }
            | Kind::RelationRow { .. }
            | Kind::MemberRow { .. } => Self::Row,
            Kind::Store(_) => Self::Store,
            _ => Self::Event,
        }
    }
}

impl Data {
    /// A PDU's, if it is a 0301 that can be read.
    fn of(pdu: &Frame) -> Option<Self> {
        if pdu.command() != command::MSG_DATA {
            return None;
        }
        // Nobody else decodes it: see `Seen::data`.
        let body: ImMsgData = pdu.pdu.view().ok()?;
        let content = content(body.msg_type, &body.msg_data).into();
        Some(Self { body, content })
    }
}
