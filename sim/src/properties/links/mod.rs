//! links: what a msg_server makes of its links to other servers.
//!
//! To route it speaks through its master, and tells it of each login and of each phone that puts the PCs
//! of its user off line, and of the newer login that it has when it hears of an older one; a route_server whose link is new is told of everyone who is online (`route.rs`).
//! What it asked a db_proxy or route_server for a device is passed on as soon as it is answered, and
//! refused as soon as that link is gone, and not before (`waits.rs`, with `answered-refusals`). A db_proxy
//! that stops says so, goes on for a while and is asked for nothing more (`stops.rs`).
//!
//! That something is late is judged by what the same msg_server wrote on the same connection after it was
//! due: the echo of a heartbeat that it read then.

mod route;
mod stops;
#[cfg(test)]
mod tests;
mod waits;

use super::{
    About, Class, Property, Seen, Sort, Subject, Tally, Violation, us,
    wire::{At, is_phone},
};
use crate::{
    plan::{Host, Role},
    record::{End, Frame, Kind},
};
use route::Route;
use std::collections::{BTreeMap, VecDeque};
use stops::Stops;
use teamtalk::{
    catalogue::id, env::ConnId, fact::Fact, timing::Timing, wire::im::server::ImValidateRsp,
};
use waits::Waits;

/// What is done at once may take so many simulated microseconds.
const AT_ONCE_US: u64 = 50_000;

/// A device's connection at its msg_server.
#[derive(Debug)]
struct Device {
    host: Host,
    /// Who is logged in, with the client type and since when.
    login: Option<(u32, u32, u64)>,
    /// The number of its login, while it counts among those of its user and class (switch `ordered-logins`).
    number: Option<u32>,
    /// When each heartbeat was read that is not echoed yet.
    beats: VecDeque<u64>,
}

/// A link that a msg_server has dialled.
#[derive(Debug, Clone)]
struct Link {
    host: Host,
    peer: Role,
    since_us: u64,
}

/// The connections of msg_servers.
#[derive(Debug, Default)]
struct Conns {
    devices: BTreeMap<ConnId, Device>,
    links: BTreeMap<ConnId, Link>,
    /// The connections that asked for a login and have no answer, as far as their msg_server may know.
    logins: BTreeMap<ConnId, Host>,
    /// Whose login a msg_server was told last to be good, and its number.
    drawn: BTreeMap<Host, (u32, u32)>,
}

impl Conns {
    /// A db_proxy says of a login that it is good.
    fn validated(&mut self, host: &Host, pdu: &Frame) {
        let drawn = pdu.view::<ImValidateRsp>().ok().and_then(|answer| {
            let info = answer.user_info.as_ref()?;
            Some((info.user_id, answer.login_number?))
        });
        match drawn {
            Some(drawn) => drop(self.drawn.insert(host.clone(), drawn)),
            None => drop(self.drawn.remove(host)),
        }
    }

    /// The highest number of a login of a user and class on a host.
    fn newest(&self, host: &Host, (user, phones): (u32, bool)) -> Option<u32> {
        let here = self.devices.values().filter(|device| {
            let is_one = |(of, client_type, _)| of == user && is_phone(client_type) == phones;
            device.host == *host && device.login.is_some_and(is_one)
        });
        here.filter_map(|device| device.number).max()
    }

    /// A connection is logged in, in the turn in which its msg_server was told that the login is good. It takes the place
    /// of whom it puts off line here, if that one has the higher number.
    fn logged_in(&mut self, host: &Host, conn: ConnId, login: (u32, u32, u64)) {
        let (user, client_type, _) = login;
        let drawn = self.drawn.remove(host).filter(|(of, _)| *of == user);
        let newest = self.newest(host, (user, is_phone(client_type)));
        if let Some(device) = self.devices.get_mut(&conn) {
            device.login = Some(login);
            device.number =
                drawn.map(|(_, drawn)| newest.map_or(drawn, |newest| newest.max(drawn)));
        }
    }

    /// Who is logged in on a connection.
    fn user(&self, conn: ConnId) -> Option<u32> {
        self.devices.get(&conn)?.login.map(|(user, ..)| user)
    }

    /// Whether a host has a link to a route_server.
    fn has_route(&self, host: &Host) -> bool {
        self.links.values().any(|link| link.host == *host && link.peer == Role::Route)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Links {
    conns: Conns,
    route: Route,
    waits: Waits,
    stops: Stops,
    tally: Tally,
}

fn broken(kind: &'static str, sentence: String, about: About) -> Violation {
    Violation { property: "links", kind, role: Role::Msg, sentence, about }
}

impl Links {
    fn event(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        let is_msg = line.host.role() == Role::Msg;
        match &line.kind {
            Kind::Connected { conn, end: End::Dialler, peer, .. } if is_msg => {
                let (host, peer, since_us) = (line.host.clone(), peer.role(), line.sim_us);
                self.conns.links.insert(*conn, Link { host, peer, since_us });
            }
            Kind::Connected { conn, end: End::Acceptor, .. } if is_msg => {
                let host = line.host.clone();
                let device = Device { host, login: None, number: None, beats: VecDeque::new() };
                self.conns.devices.insert(*conn, device);
            }
            Kind::Fact(Fact::LoggedIn { conn, user, client_type }) => {
                self.conns.logged_in(&line.host, *conn, (*user, *client_type, line.sim_us));
                let has_route = self.conns.has_route(&line.host);
                let who = (*user, *client_type);
                self.route.logged_in(seen, *conn, who, has_route, &mut self.tally);
            }
            Kind::Fact(Fact::Closed { conn, .. }) => {
                if is_msg {
                    self.conns.logins.remove(conn);
                }
                self.ends(seen, *conn, is_msg);
            }
            Kind::Fact(Fact::HighWater { queue, length, .. })
                if is_msg && queue == "logins_in_flight" =>
            {
                return self.logins_in_flight(&line.host, *length);
            }
            Kind::Disconnected { conn, end } => {
                if is_msg {
                    self.conns.logins.remove(conn);
                }
                self.ends(seen, *conn, is_msg && *end == End::Dialler);
            }
            Kind::StreamReset { conn } => self.ends(seen, *conn, false),
            Kind::HostDown => {
                let down = |host: &Host| *host == line.host;
                self.conns.devices.retain(|_, device| !down(&device.host));
                self.conns.links.retain(|_, link| !down(&link.host));
                self.conns.logins.retain(|_, host| !down(host));
                self.conns.drawn.remove(&line.host);
                self.route.host_down(&line.host);
                self.waits.host_down(&line.host);
            }
            _ => {}
        }
        None
    }

    /// A msg_server says how many logins it waits for.
    fn logins_in_flight(&self, host: &Host, length: u64) -> Option<Violation> {
        let asked = self.conns.logins.values().filter(|of| *of == host).count() as u64;
        (length > asked).then(|| {
            let what =
                format!("{host} waits for {length} logins, and {asked} connections want one");
            broken("login-kept", what, [Subject::Host(host.clone())].into())
        })
    }

    /// A connection ends, or may: `is_known` if it is a link that its msg_server has given up.
    fn ends(&mut self, seen: &Seen<'_>, conn: ConnId, is_known: bool) {
        self.conns.devices.remove(&conn);
        self.waits.device_gone(conn);
        self.waits.may_be_lost(conn);
        if !is_known {
            return;
        }
        if let Some(link) = self.conns.links.remove(&conn) {
            self.waits.link_lost(conn, seen.line.sim_us, &self.conns);
            if link.peer == Role::Route {
                self.route.link_lost(&link.host, &mut self.tally);
            }
        }
    }

    fn device_says(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) {
        let now_us = seen.line.sim_us;
        if pdu.command() == id::OTHER_HEARTBEAT {
            if let Some(device) = self.conns.devices.get_mut(&conn) {
                device.beats.push_back(now_us);
            }
            return;
        }
        if pdu.command() == id::LOGIN_REQ_USERLOGIN {
            self.conns.logins.insert(conn, seen.line.host.clone());
        }
        self.waits.device_asks(seen, conn, pdu, &self.conns);
        if pdu.command() == id::LOGIN_REQ_KICKPCCLIENT
            && let Some((user, client_type, _)) =
                self.conns.devices.get(&conn).and_then(|device| device.login)
            && is_phone(client_type)
            && self.conns.has_route(&seen.line.host)
        {
            self.route.puts_pcs_off(seen, user, conn, pdu.header.seq_num);
        }
    }

    fn device_is_told(
        &mut self,
        seen: &Seen<'_>,
        conn: ConnId,
        pdu: &Frame,
        timing: &Timing,
    ) -> Option<Violation> {
        if pdu.command() == id::LOGIN_RES_USERLOGIN {
            self.conns.logins.remove(&conn);
        }
        if pdu.command() == id::LOGIN_KICK_USER {
            self.route.put_off(seen, conn, pdu);
            if let Some(device) = self.conns.devices.get_mut(&conn) {
                device.number = None;
            }
        }
        if pdu.command() != id::OTHER_HEARTBEAT {
            self.route.device_is_told(conn, pdu);
            return self.waits.device_is_told(
                seen,
                conn,
                pdu,
                timing,
                &self.conns,
                &mut self.tally,
            );
        }
        let read_us = self.conns.devices.get_mut(&conn)?.beats.pop_front()?;
        self.waits.late(conn, read_us, &self.conns)
    }
}

impl Property for Links {
    fn name(&self) -> &'static str {
        "links"
    }

    fn says(&self) -> &'static str {
        "a msg_server speaks to route through its master and tells it of every login, and passes answers on; \
         when a link goes down, exactly the requests pending on it are refused, immediately; a db_proxy that \
         stops says so, and is asked no more"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::ServerReads,
            Class::ServerWrites,
            Class::LinkPdu,
            Class::DbPdu,
            Class::Fact,
            Class::Event,
        ]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let timing = seen.known.timing.as_ref()?;
        let (pdu, is_sent) = match &seen.line.kind {
            Kind::PduSent(frame) => (frame, true),
            Kind::PduReceived(frame) => (frame, false),
            _ => {
                let too_soon = self.stops.gone_too_soon(seen);
                let found = self.event(seen);
                return too_soon.or(found).or(self.stops.event(seen, timing, &mut self.tally));
            }
        };
        if seen.client.is_none()
            && let Some(found) = self.stops.pdu(seen, pdu, is_sent)
        {
            return Some(found);
        }
        if seen.line.host.role() != Role::Msg {
            return None;
        }
        match seen.client {
            Some((At::ServerReads, conn, _)) => {
                self.device_says(seen, conn, pdu);
                None
            }
            Some((At::ServerWrites, conn, _)) => self.device_is_told(seen, conn, pdu, timing),
            _ => {
                let link = self.conns.links.get(&pdu.conn)?.clone();
                if is_sent && link.peer == Role::Route {
                    let found = self.route.is_told(seen, &link, pdu, &self.conns, timing);
                    self.tally.judge();
                    if found.is_some() {
                        return found;
                    }
                }
                match pdu.command() {
                    id::OTHER_VALIDATE_RSP if !is_sent => self.conns.validated(&link.host, pdu),
                    id::OTHER_SERVER_KICK_USER if !is_sent => {
                        self.route.hears(seen, &link, pdu, &self.conns);
                    }
                    _ => {}
                }
                if matches!(link.peer, Role::Db | Role::Route) {
                    self.waits.between(seen, pdu, is_sent, &self.conns, timing, &mut self.tally);
                }
                None
            }
        }
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

/// A connection and a link: what a violation is about.
fn about(conn: ConnId, host: &Host) -> About {
    [Subject::Connection(conn), Subject::Host(host.clone())].into()
}
