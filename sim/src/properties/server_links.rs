//! Connections between servers: what is at their ends, and when an end last wrote. It follows the run
//! for the properties and judges nothing itself.

use crate::{
    lookup::Lookup,
    plan::{Host, Role},
    record::{End, Kind, Line},
};
use std::collections::{BTreeMap, BTreeSet};
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
    open: Lookup<At, Link>,
    /// The open ends at a host of connections to servers of a role.
    ends: BTreeMap<(Host, Role), BTreeSet<At>>,
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
                    let at = (*conn, *end);
                    self.ends.entry((host.clone(), peer)).or_default().insert(at);
                    self.open.insert(at, Link { host, peer, since_us: us, wrote_us: us });
                }
            }
            Kind::PduSent(pdu) if serves => {
                if let Some(link) = self.open.get_mut(&(pdu.conn, pdu.end)) {
                    link.wrote_us = line.sim_us;
                }
            }
            Kind::Disconnected { conn, end } => {
                self.closed = (line.n, self.close((*conn, *end)).into_iter().collect());
            }
            Kind::HostDown => {
                let here = self.ends.iter().filter(|((host, _), _)| *host == line.host);
                let here: BTreeSet<At> = here.flat_map(|(_, ends)| ends).copied().collect();
                let closed = here.into_iter().filter_map(|at| self.close(at)).collect();
                self.closed = (line.n, closed);
            }
            _ => {}
        }
    }

    fn close(&mut self, at: At) -> Option<(At, Link)> {
        let link = self.open.remove(&at)?;
        if let Some(ends) = self.ends.get_mut(&(link.host.clone(), link.peer)) {
            ends.remove(&at);
        }
        Some((at, link))
    }

    /// An end that is open; `None` if it is of no such connection.
    pub fn get(&self, conn: ConnId, end: End) -> Option<&Link> {
        self.open.get(&(conn, end))
    }

    /// Whether a PDU is written to a route_server.
    pub fn is_to_route(&self, line: &Line) -> bool {
        let Kind::PduSent(pdu) = &line.kind else { return false };
        self.get(pdu.conn, pdu.end).is_some_and(|link| link.peer == Role::Route)
    }

    /// Of the ends that are open and fit, the first.
    pub fn first(&self, fits: impl Fn(&At, &Link) -> bool) -> Option<(&At, &Link)> {
        self.open.least(fits)
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
        let ends = self.ends.get(&(host.clone(), peer)).into_iter().flatten();
        ends.filter_map(|at| Some((at.0, self.open.get(at)?)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        plan::{Host, Role},
        properties::{no_panic::NoPanic, tape::Tape},
        record::{End, Kind},
    };
    use bytes::Bytes;
    use teamtalk::{catalogue::id, wire::Pdu};

    #[test]
    fn links_are_known_from_their_beginning_to_their_end() {
        let mut tape = Tape::new(NoPanic::default());
        let made = |conn, end, peer: &str| Kind::Connected {
            conn,
            end,
            peer: Host::of(peer),
            port: 1,
            device: None,
        };
        tape.line("msg1", made(70, End::Dialler, "route1"))
            .line("route1", made(70, End::Acceptor, "msg1"));
        tape.line("db1", made(71, End::Dialler, "sql")).connect(1, 10);
        let peers = |tape: &Tape<NoPanic>| {
            let links =
                [(70, End::Dialler), (70, End::Acceptor), (71, End::Dialler), (10, End::Acceptor)];
            links.map(|(conn, end)| tape.known.links.get(conn, end).map(|link| link.peer))
        };
        assert_eq!(peers(&tape), [Some(Role::Route), Some(Role::Msg), None, None]);
        let (host, beat) = (Host::of("msg1"), Pdu::raw(id::OTHER_HEARTBEAT, 0, Bytes::new()));
        tape.later(1).frame("msg1", End::Dialler, true, 70, beat);
        let links = &tape.known.links;
        let (conn, link) = links.of(&host, Role::Route).next().expect("a link to route");
        assert_eq!((conn, links.of(&host, Role::Db).count()), (70, 0));
        assert!(link.wrote_us > link.since_us + 1_000_000);
        tape.line("msg1", Kind::Disconnected { conn: 70, end: End::Dialler });
        assert_eq!(
            peers(&tape),
            [None, Some(Role::Msg), None, None],
            "the other end is still open"
        );
        tape.line("route1", Kind::HostDown);
        assert_eq!(peers(&tape), [None; 4]);
    }
}
