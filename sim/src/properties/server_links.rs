//! Connections between servers: what is at their ends, and when an end last wrote. It follows the run
//! for the properties and judges nothing itself.

use crate::{
    plan::{Host, Role},
    record::{End, Kind, Line},
};
use std::collections::BTreeMap;
use teamtalk::env::ConnId;

/// An open end of a connection between servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The server at this end: no store, and none around the cluster.
    pub host: Host,
    /// What the other end is: such a server, or one around the cluster.
    pub peer: Role,
    /// Since when it is open, in simulated microseconds.
    pub since_us: u64,
    /// When something was last written at this end, or else it was opened, in simulated microseconds.
    pub wrote_us: u64,
}

/// An end of a connection.
type At = (ConnId, End);

/// See the module.
#[derive(Debug, Default)]
pub struct Links {
    open: BTreeMap<At, Link>,
    /// What was closed last, and by which line.
    closed: (u64, Vec<(At, Link)>),
}

impl Links {
    /// Takes the next line: one of connections and hosts, or a PDU at a server that is no device's.
    pub fn observe(&mut self, line: &Line) {
        let serves = matches!(line.host.role(), Role::Msg | Role::Route | Role::Db);
        match &line.kind {
            Kind::Connected { conn, end, peer, .. } if serves => {
                let (host, peer, us) = (line.host.clone(), peer.role(), line.sim_us);
                if matches!(peer, Role::Msg | Role::Route | Role::Db | Role::Outside) {
                    let link = Link { host, peer, since_us: us, wrote_us: us };
                    self.open.insert((*conn, *end), link);
                }
            }
            Kind::PduSent(pdu) if serves => {
                if let Some(link) = self.open.get_mut(&(pdu.conn, pdu.end)) {
                    link.wrote_us = line.sim_us;
                }
            }
            Kind::Disconnected { conn, end } => {
                let at = (*conn, *end);
                let link = self.open.remove(&at).map(|link| (at, link));
                self.closed = (line.n, link.into_iter().collect());
            }
            Kind::HostDown => {
                let here = |_: &At, link: &mut Link| link.host == line.host;
                self.closed = (line.n, self.open.extract_if(.., here).collect());
            }
            _ => {}
        }
    }

    /// An end that is open; `None` if it is of no such connection.
    pub fn get(&self, conn: ConnId, end: End) -> Option<&Link> {
        self.open.get(&(conn, end))
    }

    /// The ends that are open.
    pub fn open(&self) -> impl Iterator<Item = (&At, &Link)> {
        self.open.iter()
    }

    /// The ends that a line closed, which is the last one.
    pub fn closed_by(&self, line: &Line) -> &[(At, Link)] {
        let (n, closed) = &self.closed;
        if *n == line.n { closed } else { &[] }
    }

    /// The open ends at a host of connections to servers of a role.
    pub fn of<'a>(
        &'a self,
        host: &'a Host,
        peer: Role,
    ) -> impl Iterator<Item = (ConnId, &'a Link)> {
        let own = self.open.iter().filter(move |(_, link)| link.peer == peer && link.host == *host);
        own.map(|((conn, _), link)| (*conn, link))
    }
}
