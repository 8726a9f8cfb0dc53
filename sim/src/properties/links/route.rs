//! What a msg_server tells route_servers.

use super::{AT_ONCE_US, Conns, Link, about, broken, us};
use crate::{
    plan::Host,
    properties::{Seen, Subject, Tally, Violation, wire::is_phone},
    record::Frame,
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id,
    env::ConnId,
    timing::Timing,
    wire::im::{
        login::ImKickUser,
        server::{ImOnlineUserInfo, ImServerKickUser},
    },
};

/// A kick that goes to the other msg_servers: the user, whether of phones, and the reason.
type Kick = (u32, bool, u32);

/// A kick for a login of this number.
type Numbered = (Kick, u32);

/// The reasons of kicks.
const BY_LOGIN: u32 = 1;
const BY_PHONE: u32 = 2;

/// What goes to every route_server; all else goes through the master.
const TO_ALL: [u16; 5] = [
    id::OTHER_HEARTBEAT,
    id::OTHER_STOP_RECV_PACKET,
    id::OTHER_ROLE_SET,
    id::OTHER_ONLINE_USER_INFO,
    id::OTHER_USER_STATUS_UPDATE,
];

/// See the module.
#[derive(Debug, Default)]
pub struct Route {
    /// Links that were announced as the master's.
    masters: BTreeSet<ConnId>,
    /// Kicks that a msg_server owes: by when, and for which connection.
    owed: BTreeMap<(Host, Kick), Vec<(u64, ConnId)>>,
    /// Kicks that a msg_server owes because it heard of an older login: by when, and on which link.
    met: BTreeMap<(Host, Numbered), (u64, ConnId)>,
    /// What phones asked for that is not answered yet, by connection and seq_num.
    asked: BTreeMap<(ConnId, u16), (Host, Kick)>,
}

impl Route {
    /// A login kicks older ones of its class, wherever they are.
    pub fn logged_in(
        &mut self,
        seen: &Seen<'_>,
        conn: ConnId,
        (user, client_type): (u32, u32),
        has_route: bool,
        tally: &mut Tally,
    ) {
        match has_route {
            true => self.owe(seen, conn, (user, is_phone(client_type), BY_LOGIN)),
            false => tally.excuse("a login without a link to a route_server"),
        }
    }

    /// A phone puts the PCs of its user off line.
    pub fn puts_pcs_off(&mut self, seen: &Seen<'_>, user: u32, conn: ConnId, seq: u16) {
        let kick = (user, false, BY_PHONE);
        self.asked.insert((conn, seq), (seen.line.host.clone(), kick));
        self.owe(seen, conn, kick);
    }

    fn owe(&mut self, seen: &Seen<'_>, conn: ConnId, kick: Kick) {
        let due = self.owed.entry((seen.line.host.clone(), kick)).or_default();
        due.push((seen.line.sim_us + AT_ONCE_US, conn));
    }

    /// A login that is put off in the moment in which it is let in was overtaken by a newer one (switch
    /// `ordered-logins`). It kicks nobody: whoever is older than it is older than the other one, which is
    /// owed itself; a kick of its own could only hit who is newer. Whether another one is why is
    /// `reachable`'s to say.
    pub fn put_off(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) {
        let is_now =
            |&(due_us, of): &(u64, ConnId)| of == conn && due_us == seen.line.sim_us + AT_ONCE_US;
        let Ok(notice) = pdu.view::<ImKickUser>() else { return };
        if notice.kick_reason as u32 == BY_LOGIN
            && seen.known.protocols.of(&seen.line.host).ordered_logins
        {
            for is_phone in [false, true] {
                self.pays((&seen.line.host, (notice.user_id, is_phone, BY_LOGIN)), is_now);
            }
        }
    }

    /// The first kick of its sort that is owed so is owed no more.
    fn pays(&mut self, (host, kick): (&Host, Kick), is_it: impl Fn(&(u64, ConnId)) -> bool) {
        let key = (host.clone(), kick);
        let Some(due) = self.owed.get_mut(&key) else { return };
        if let Some(place) = due.iter().position(is_it) {
            due.remove(place);
        }
        if due.is_empty() {
            self.owed.remove(&key);
        }
    }

    /// A msg_server hears that another one let a login in, and has a newer one of that user and class (switch
    /// `ordered-logins`): it says so, since the kick of its own may have come before the older one was there.
    pub fn hears(&mut self, seen: &Seen<'_>, link: &Link, pdu: &Frame, conns: &Conns) {
        let Ok(kick) = pdu.view::<ImServerKickUser>() else { return };
        let protocol = seen.protocol();
        // Without the gate a connection that was kicked stays, and counts.
        if !protocol.ordered_logins || !protocol.login_gate {
            return;
        }
        let (Some(number), phones) = (kick.login_number, is_phone(kick.client_type)) else {
            return;
        };
        let is_master =
            |(conn, of): (&ConnId, &Link)| of.host == link.host && self.masters.contains(conn);
        let newest = conns.newest(&link.host, (kick.user_id, phones));
        if let Some(newest) = newest.filter(|newest| *newest > number)
            && conns.links.iter().any(is_master)
        {
            let numbered = ((kick.user_id, phones, kick.reason), newest);
            let due = (seen.line.sim_us + AT_ONCE_US, pdu.conn);
            self.met.entry((link.host.clone(), numbered)).or_insert(due);
        }
    }

    /// A phone that is refused has put nobody off line.
    pub fn device_is_told(&mut self, conn: ConnId, pdu: &Frame) {
        match pdu.command() {
            id::LOGIN_RES_KICKPCCLIENT => drop(self.asked.remove(&(conn, pdu.header.seq_num))),
            id::OTHER_REFUSED => {
                if let Some((host, kick)) = self.asked.remove(&(conn, pdu.header.seq_num)) {
                    self.pays((&host, kick), |_| true);
                }
            }
            _ => {}
        }
    }

    /// A msg_server lost a link to a route_server: what it was to bring may be lost with it.
    pub fn link_lost(&mut self, host: &Host, tally: &mut Tally) {
        let many = |of: &Self| of.owed.len() + of.met.len();
        let before = many(self);
        self.host_down(host);
        for _ in many(self)..before {
            tally.excuse("a kick that went with its link");
        }
    }

    /// A msg_server is no more.
    pub fn host_down(&mut self, host: &Host) {
        self.owed.retain(|(of, _), _| of != host);
        self.met.retain(|(of, _), _| of != host);
    }

    /// A msg_server writes to a route_server.
    pub fn is_told(
        &mut self,
        seen: &Seen<'_>,
        link: &Link,
        pdu: &Frame,
        conns: &Conns,
        timing: &Timing,
    ) -> Option<Violation> {
        let (host, command) = (&link.host, pdu.command());
        match command {
            id::OTHER_ROLE_SET => drop(self.masters.insert(pdu.conn)),
            id::OTHER_ONLINE_USER_INFO => return self.report(link, pdu, conns),
            id::OTHER_SERVER_KICK_USER => {
                if let Ok(kick) = pdu.view::<ImServerKickUser>() {
                    let number = kick.login_number;
                    let kick = (kick.user_id, is_phone(kick.client_type), kick.reason);
                    self.pays((host, kick), |_| true);
                    let paid = number.map(|number| (host.clone(), (kick, number)));
                    paid.map(|paid| self.met.remove(&paid));
                }
            }
            _ => {}
        }
        if !TO_ALL.contains(&command) && !self.masters.contains(&pdu.conn) {
            let what = format!(
                "{host} writes {command:#06x} on link {}, and never said that its master is there",
                pdu.conn
            );
            return Some(broken("not-master", what, about(pdu.conn, host)));
        }
        self.late(seen, host, pdu.conn, timing)
    }

    /// What was to be written before this PDU and was not.
    fn late(
        &mut self,
        seen: &Seen<'_>,
        host: &Host,
        conn: ConnId,
        timing: &Timing,
    ) -> Option<Violation> {
        let by_us = seen.line.sim_us.checked_sub(us(timing.server_heartbeat()))?;
        let mut met = self.met.iter().filter(|((of, _), _)| of == host);
        if let Some((key, (_, link))) = met.find(|(_, (due_us, _))| *due_us < by_us) {
            let ((user, phones, _), number) = key.1;
            let class = if phones { "phones" } else { "PCs" };
            let what = format!(
                "{host} hears of an older login of the {class} of user {user} and does not say that it \
                 has the one of number {number}"
            );
            let (key, link) = (key.clone(), *link);
            self.met.remove(&key);
            return Some(broken(
                "kick-unanswered",
                what,
                about(link, host).and(Subject::User(user)),
            ));
        }
        let mut owed = self.owed.iter();
        let (key, _) = owed
            .find(|((of, _), due)| of == host && due.first().is_some_and(|(us, _)| *us < by_us))?;
        let key = key.clone();
        self.owed.remove(&key);
        let (user, phones, reason) = key.1;
        let class = if phones { "phones" } else { "PCs" };
        let why = if reason == BY_LOGIN { "a login" } else { "a phone" };
        let what =
            format!("{host} tells nobody that {why} puts other {class} of user {user} off line");
        Some(broken("kick-untold", what, about(conn, host)))
    }

    /// 0708: everyone who was there when the link was made, and is.
    fn report(&self, link: &Link, pdu: &Frame, conns: &Conns) -> Option<Violation> {
        let report = pdu.view::<ImOnlineUserInfo>().ok()?;
        let mut here = conns.devices.iter().filter(|(_, device)| device.host == link.host);
        let (conn, user) = here.find_map(|(conn, device)| {
            let (user, client_type, since_us) = device.login?;
            let is_told = report
                .user_stat_list
                .iter()
                .any(|told| told.user_id == user && told.client_type as u32 == client_type);
            (since_us < link.since_us && !is_told).then_some((*conn, user))
        })?;
        let what = format!(
            "{} tells the route_server on link {} of everyone but user {user} on connection {conn}",
            link.host, pdu.conn
        );
        Some(broken("left-out", what, about(pdu.conn, &link.host)))
    }
}
