//! Who is connected to a server, as the server itself reports it.

use crate::{
    plan::{Host, Role},
    properties::wire::is_phone,
    record::{End, Kind, Line},
};
use std::collections::BTreeMap;
use teamtalk::{catalogue::id, env::ConnId, fact::Fact};

/// A device's connection at its msg_server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The msg_server.
    pub host: Host,
    /// Who is logged in on it.
    pub user: u32,
    /// It is a phone's.
    pub is_mobile: bool,
    /// Since when, in simulated microseconds.
    pub since_us: u64,
    /// It was kicked: it may still be told things, and is owed nothing.
    pub is_kicked: bool,
}

/// A connection between servers, at one of its ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The server at this end.
    pub host: Host,
    /// What the other end is.
    pub peer: Role,
    /// Since when, in simulated microseconds.
    pub since_us: u64,
}

/// A link that was made less long ago, in simulated microseconds, may be unknown to its server: the
/// trace has a connection before the server does.
const UNSETTLED_US: u64 = 20_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Here {
    /// The devices that are logged in.
    pub devices: BTreeMap<ConnId, Device>,
    /// Those of which the connection is gone, and their msg_server has not noticed: what came of them it may
    /// still serve.
    pub ghosts: BTreeMap<ConnId, Device>,
    /// The links of msg_servers that they dialled, and those that route_servers accepted.
    pub links: BTreeMap<(ConnId, Host), Link>,
}

/// What a line took away: the connections that ended at a host.
#[derive(Debug, Default)]
pub struct Gone {
    /// Connections of which an end closed.
    pub conns: Vec<ConnId>,
    /// Msg_servers that lost a link to a route_server.
    pub without_route: Vec<Host>,
}

impl Here {
    /// Takes the next line.
    pub fn observe(&mut self, line: &Line) -> Gone {
        let mut gone = Gone::default();
        match &line.kind {
            Kind::Connected { conn, end, peer, .. } => self.connected(line, *conn, *end, peer),
            Kind::Disconnected { conn, .. } => self.ended(*conn, &line.host, &mut gone),
            Kind::StreamReset { conn } => {
                self.ghosts.extend(self.devices.remove_entry(conn));
                gone.conns.push(*conn);
            }
            Kind::HostDown => {
                self.ghosts.retain(|_, device| device.host != line.host);
                let devices = self.devices.iter().filter(|(_, device)| device.host == line.host);
                let mut ended: Vec<_> = devices.map(|(conn, _)| *conn).collect();
                let links = self.links.iter().filter(|(_, link)| link.host == line.host);
                ended.extend(links.map(|((conn, _), _)| *conn));
                ended.into_iter().for_each(|conn| self.ended(conn, &line.host, &mut gone));
            }
            Kind::Fact(Fact::LoggedIn { conn, user, client_type }) => {
                let device = Device {
                    host: line.host.clone(),
                    user: *user,
                    is_mobile: is_phone(*client_type),
                    since_us: line.sim_us,
                    is_kicked: false,
                };
                self.devices.insert(*conn, device);
            }
            Kind::PduSent(pdu) if pdu.command() == id::LOGIN_KICK_USER => {
                if let Some(device) = self.devices.get_mut(&pdu.conn) {
                    device.is_kicked = true;
                }
            }
            // A logout ends the login, and the connection soon after.
            Kind::PduSent(pdu) if pdu.command() == id::LOGIN_RES_LOGINOUT => {
                self.devices.remove(&pdu.conn);
                gone.conns.push(pdu.conn);
            }
            _ => {}
        }
        gone
    }

    fn connected(&mut self, line: &Line, conn: ConnId, end: End, peer: &Host) {
        let role = line.host.role();
        let is_link = match end {
            End::Dialler => role == Role::Msg,
            End::Acceptor => role == Role::Route,
        };
        if is_link {
            let (host, peer, since_us) = (line.host.clone(), peer.role(), line.sim_us);
            let link = Link { host, peer, since_us };
            self.links.insert((conn, line.host.clone()), link);
        }
    }

    /// An end of a connection closed. The server at the other end goes on with it until it notices.
    fn ended(&mut self, conn: ConnId, host: &Host, gone: &mut Gone) {
        let device = self.devices.remove(&conn);
        match device.filter(|device| device.host != *host) {
            Some(device) => drop(self.ghosts.insert(conn, device)),
            None => drop(self.ghosts.remove(&conn)),
        }
        gone.conns.push(conn);
        if let Some(Link { host, peer: Role::Route, .. }) = self.links.remove(&(conn, host.clone()))
        {
            gone.without_route.push(host);
        }
    }

    /// The connections at a msg_server of those users.
    pub fn of_users<'a>(
        &'a self,
        host: &'a Host,
        users: &'a [u32],
    ) -> impl Iterator<Item = (ConnId, &'a Device)> {
        self.at(host).filter(|(_, device)| users.contains(&device.user))
    }

    /// All devices at a msg_server.
    pub fn at<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = (ConnId, &'a Device)> {
        let here = self.devices.iter().filter(move |(_, device)| device.host == *host);
        here.map(|(conn, device)| (*conn, device))
    }

    /// What the other end of a link of a host is; `None` if it is no link.
    pub fn peer(&self, conn: ConnId, host: &Host) -> Option<Role> {
        Some(self.links.get(&(conn, host.clone()))?.peer)
    }

    /// The links of msg_servers that the host of a line has surely taken note of.
    pub fn settled_links(&self, line: &Line) -> Vec<ConnId> {
        let own = self.links.iter().filter(|(_, link)| {
            let is_settled = link.since_us + UNSETTLED_US <= line.sim_us;
            link.host == line.host && link.peer == Role::Msg && is_settled
        });
        own.map(|((conn, _), _)| *conn).collect()
    }

    /// The links of a host to servers of a role.
    pub fn links<'a>(&'a self, host: &'a Host, peer: Role) -> impl Iterator<Item = ConnId> + 'a {
        let own =
            self.links.iter().filter(move |(_, link)| link.host == *host && link.peer == peer);
        own.map(|((conn, _), _)| *conn)
    }
}
