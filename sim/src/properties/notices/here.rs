//! Which devices are logged in at a msg_server, as the server itself reports it.

use crate::{
    plan::{Host, Role},
    properties::{Seen, wire::is_phone},
    record::Kind,
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

/// See the module.
#[derive(Debug, Default)]
pub struct Here {
    /// The devices that are logged in.
    pub devices: BTreeMap<ConnId, Device>,
    /// Those of which the connection is gone, and their msg_server has not noticed: what came of them it may
    /// still serve.
    pub ghosts: BTreeMap<ConnId, Device>,
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
    /// Takes the next line: what it took away, if it may have taken anything.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Option<Gone> {
        let (line, mut gone) = (seen.line, Gone::default());
        match &line.kind {
            Kind::Disconnected { conn, .. } => self.ended(*conn, &line.host, &mut gone),
            Kind::StreamReset { conn } => {
                self.ghosts.extend(self.devices.remove_entry(conn));
                gone.conns.push(*conn);
            }
            Kind::HostDown => {
                self.ghosts.retain(|_, device| device.host != line.host);
                let devices = self.devices.iter().filter(|(_, device)| device.host == line.host);
                let ended: Vec<_> = devices.map(|(conn, _)| *conn).collect();
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
                return None;
            }
            Kind::PduSent(pdu) if pdu.command() == id::LOGIN_KICK_USER => {
                if let Some(device) = self.devices.get_mut(&pdu.conn) {
                    device.is_kicked = true;
                }
                return None;
            }
            // A logout ends the login, and the connection soon after.
            Kind::PduSent(pdu) if pdu.command() == id::LOGIN_RES_LOGINOUT => {
                self.devices.remove(&pdu.conn);
                gone.conns.push(pdu.conn);
            }
            _ => return None,
        }
        for ((conn, _), link) in seen.known.links.closed_by(line) {
            gone.conns.push(*conn);
            gone.without_route.extend((link.peer == Role::Route).then(|| link.host.clone()));
        }
        Some(gone)
    }

    /// An end of a connection closed. The server at the other end goes on with it until it notices.
    fn ended(&mut self, conn: ConnId, host: &Host, gone: &mut Gone) {
        let device = self.devices.remove(&conn);
        match device.filter(|device| device.host != *host) {
            Some(device) => drop(self.ghosts.insert(conn, device)),
            None => drop(self.ghosts.remove(&conn)),
        }
        gone.conns.push(conn);
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
}
