//! Who is behind a connection, by what was written on it. It follows the run for the properties and
//! judges nothing itself.

use super::wire::{At, client_pdu};
use crate::{
    lookup::Lookup,
    plan::{Host, Role},
    record::{End, Kind, Line},
};
use std::collections::BTreeMap;
use teamtalk::{catalogue::id as command, env::ConnId, fact::Fact, wire::im};

/// A msg_server's end of a device's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The msg_server.
    pub host: Host,
    /// The user whom a 0104 told that the login succeeded.
    pub user: Option<u32>,
    /// The client type that the last 0103 before the login named.
    pub client_type: i32,
    /// A 0107 (kick) was written on it.
    pub kicked: bool,
    /// A 0105 (logout) was read on it.
    pub leaves: bool,
    /// The msg_server's end is open.
    pub open: bool,
}

/// A device that was told that it is logged in, and has not lost its connection since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Online {
    /// The user who is logged in on it.
    pub user: u32,
    host: Host,
    conn: ConnId,
}

impl Online {
    /// The machine of the device.
    pub fn host(&self) -> &Host {
        &self.host
    }
}

/// The commands that tell who is behind a connection.
const ABOUT_LOGINS: [u16; 4] = [
    command::LOGIN_REQ_USERLOGIN,
    command::LOGIN_RES_USERLOGIN,
    command::LOGIN_REQ_LOGINOUT,
    command::LOGIN_KICK_USER,
];

/// See the module.
#[derive(Debug, Default)]
pub struct Clients {
    devices: Lookup<ConnId, u32>,
    users: BTreeMap<u32, u32>,
    served: BTreeMap<ConnId, Served>,
    online: BTreeMap<u32, Online>,
}

impl Clients {
    /// Takes the next line: one of connections and hosts, a fact about a device, or a PDU of one.
    pub fn observe(&mut self, line: &Line) {
        match &line.kind {
            Kind::Connected { conn, end: End::Dialler, device: Some(device), .. } => {
                self.devices.insert(*conn, *device);
            }
            Kind::Connected { conn, end: End::Acceptor, .. } if line.host.role() == Role::Msg => {
                let host = line.host.clone();
                let served = Served {
                    host,
                    user: None,
                    client_type: 0,
                    kicked: false,
                    leaves: false,
                    open: true,
                };
                self.served.insert(*conn, served);
            }
            Kind::Disconnected { conn, end: End::Acceptor } => {
                if let Some(served) = self.served.get_mut(conn) {
                    served.open = false;
                }
            }
            Kind::HostDown => {
                let here = self.served.values_mut().filter(|s| s.host == line.host);
                here.for_each(|served| served.open = false);
                self.online.retain(|_, online| online.host != line.host);
            }
            Kind::Fact(Fact::DeviceOnline { device, conn, user }) => {
                self.users.insert(*device, *user);
                self.online
                    .insert(*device, Online { user: *user, host: line.host.clone(), conn: *conn });
            }
            Kind::Fact(Fact::DeviceOffline { device, .. }) => {
                self.online.remove(device);
            }
            _ => self.pdu(line),
        }
    }

    fn pdu(&mut self, line: &Line) {
        let (Kind::PduSent(frame) | Kind::PduReceived(frame)) = &line.kind else { return };
        // Most PDUs say nothing about who is behind a connection.
        if !ABOUT_LOGINS.contains(&frame.command()) {
            return;
        }
        let Some((at, conn, pdu)) = client_pdu(line) else { return };
        let Some(served) = self.served.get_mut(&conn) else { return };
        match (at, pdu.command()) {
            (At::ServerReads, command::LOGIN_REQ_USERLOGIN) if served.user.is_none() => {
                if let Ok(login) = pdu.view::<im::login::ImLoginReq>() {
                    served.client_type = login.client_type;
                }
            }
            (At::ServerWrites, command::LOGIN_RES_USERLOGIN) => {
                if let Ok(answer) = pdu.view::<im::login::ImLoginRes>()
                    && answer.result_code == 0
                {
                    served.user = answer.user_info.as_ref().map(|info| info.user_id);
                }
            }
            (At::ServerReads, command::LOGIN_REQ_LOGINOUT) => served.leaves = true,
            (At::ServerWrites, command::LOGIN_KICK_USER) => served.kicked = true,
            _ => {}
        }
    }

    /// The device that dialled a connection.
    pub fn device(&self, conn: ConnId) -> Option<u32> {
        self.devices.get(&conn).copied()
    }

    /// The user of the device that dialled a connection, if it was ever online.
    pub fn user_of_device_on(&self, conn: ConnId) -> Option<u32> {
        self.user_of_device(self.device(conn)?)
    }

    /// The device that is logged in on a connection and listens to it. What its host reads on a
    /// connection that the device has left, the device does not see.
    pub fn listens(&self, conn: ConnId) -> Option<u32> {
        let device = self.device(conn)?;
        (self.online.get(&device)?.conn == conn).then_some(device)
    }

    /// A device's user, if it was ever online.
    pub fn user_of_device(&self, device: u32) -> Option<u32> {
        self.users.get(&device).copied()
    }

    /// The devices that were ever online, with their users.
    pub fn users(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.users.iter().map(|(device, user)| (*device, *user))
    }

    /// A msg_server's end of a connection.
    pub fn served(&self, conn: ConnId) -> Option<&Served> {
        self.served.get(&conn)
    }

    /// The user that a msg_server has logged in on a connection.
    pub fn user(&self, conn: ConnId) -> Option<u32> {
        self.served.get(&conn)?.user
    }

    /// The msg_servers' ends of all connections so far, closed ones too.
    pub fn all_served(&self) -> impl Iterator<Item = &Served> {
        self.served.values()
    }

    /// The connections that msg_servers have accepted so far, closed ones too.
    pub fn conns(&self) -> impl Iterator<Item = ConnId> {
        self.served.keys().copied()
    }

    /// The devices that are online, by slot.
    pub fn online(&self) -> &BTreeMap<u32, Online> {
        &self.online
    }
}
