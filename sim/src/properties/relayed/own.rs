//! What a msg_server says itself, as far as it is known: whom it says it to, that it did what it answers,
//! what it says first on a new link, and what login servers are told of it.

use super::{broken, on};
use crate::{
    plan::{Host, Role},
    properties::{Seen, Violation},
    record::{End, Frame, Kind},
    world::port,
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::{self, id},
    env::ConnId,
    wire::{
        im::{
            login::{ImKickPcClientRsp, ImKickUser, ImLogoutRsp},
            message::ImMsgDataAck,
            server::{ImMsgServInfo, ImRoleSet, ImUserCntUpdate, ImUserStatusUpdate},
        },
        tt::extension::Refused,
    },
};

/// Who came or went, as one PDU says: the action and the user.
type Moves = BTreeSet<(u32, u32)>;

/// What login and route servers are told in one moment.
#[derive(Debug)]
struct Moment {
    sim_us: u64,
    login: Moves,
    route: Moves,
    conn: ConnId,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Own {
    /// New links on which nothing was said yet, and with what that begins.
    new: BTreeMap<ConnId, (Host, u16)>,
    /// At which port devices reach a msg_server, as it told login servers.
    ports: BTreeMap<Host, (u32, ConnId)>,
    moments: BTreeMap<Host, Moment>,
}

impl Own {
    /// Takes a line that is no PDU.
    pub fn event(&mut self, seen: &Seen<'_>, event: &Kind) -> Option<Violation> {
        let host = &seen.line.host;
        match event {
            Kind::Connected { conn, end: End::Dialler, port, .. } => {
                let first = match *port {
                    port::ROUTE => id::OTHER_ONLINE_USER_INFO,
                    port::LOGIN => id::OTHER_MSG_SERV_INFO,
                    port::FILE => id::OTHER_FILE_SERVER_IP_REQ,
                    _ => return None,
                };
                self.new.insert(*conn, (host.clone(), first));
            }
            Kind::Connected { end: End::Acceptor, peer, port, .. }
                if peer.role() == Role::Client =>
            {
                let (said, link) = self.ports.get(host)?;
                if *said == u32::from(*port) {
                    return None;
                }
                let sentence =
                    format!("{host} told login servers of port {said}, and devices come to {port}");
                return broken(seen, "own-words", sentence, on(*link));
            }
            Kind::Disconnected { conn, end: End::Dialler } => drop(self.new.remove(conn)),
            Kind::HostDown => self.new.retain(|_, (of, _)| of != host),
            _ => {}
        }
        None
    }

    /// A msg_server writes to a device.
    pub fn device_is_told(&self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        // Who is not logged in is user 0.
        let user = seen.stood?.user.unwrap_or(0);
        let (of, is_done) = match pdu.command() {
            id::LOGIN_RES_LOGINOUT => (user, pdu.view::<ImLogoutRsp>().ok()?.result_code == 0),
            id::LOGIN_RES_KICKPCCLIENT => {
                let said = pdu.view::<ImKickPcClientRsp>().ok()?;
                (said.user_id, said.result_code == 0)
            }
            id::LOGIN_KICK_USER => (pdu.view::<ImKickUser>().ok()?.user_id, true),
            id::MSG_DATA_ACK => (pdu.view::<ImMsgDataAck>().ok()?.user_id, true),
            id::OTHER_REFUSED => (pdu.view::<Refused>().ok()?.user_id, true),
            _ => return None,
        };
        if (of, is_done) == (user, true) {
            return None;
        }
        let name = catalogue::name(pdu.command()).unwrap_or("something");
        let done = if is_done { "" } else { " that says that it failed" };
        let sentence = format!(
            "{} wrote a {name} of user {of}{done} on connection {conn}, which is of user {user}",
            seen.line.host
        );
        broken(seen, "own-words", sentence, on(conn))
    }

    /// A msg_server writes to another server.
    pub fn server_is_told(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        let command = pdu.command();
        let silent = self.begins(seen, pdu.conn, command);
        let wrong = match command {
            id::OTHER_MSG_SERV_INFO => self.introduces(seen, pdu),
            id::OTHER_ROLE_SET if pdu.view::<ImRoleSet>().ok()?.master != 1 => {
                let sentence =
                    format!("{} told a route_server that it is no master", seen.line.host);
                broken(seen, "own-words", sentence, on(pdu.conn))
            }
            id::OTHER_USER_CNT_UPDATE => {
                let said = pdu.view::<ImUserCntUpdate>().ok()?;
                let (before, now) = self.moment(seen, pdu.conn);
                now.login.insert((said.user_action, said.user_id));
                before
            }
            id::OTHER_USER_STATUS_UPDATE => {
                let said = pdu.view::<ImUserStatusUpdate>().ok()?;
                let (before, now) = self.moment(seen, pdu.conn);
                now.route.insert((said.user_status, said.user_id));
                before
            }
            _ => None,
        };
        silent.or(wrong)
    }

    /// On a new link a login server is told of it, a file server asked for its addresses, and a
    /// route_server told who is here, before it but that it is the master.
    fn begins(&mut self, seen: &Seen<'_>, conn: ConnId, command: u16) -> Option<Violation> {
        if [id::OTHER_ROLE_SET, id::OTHER_CATCH_UP_HINT].contains(&command) {
            return None;
        }
        let (_, first) = self.new.remove(&conn)?;
        if command == first {
            return None;
        }
        let [said, first] = [command, first].map(|of| catalogue::name(of).unwrap_or("something"));
        let sentence = format!("{} began link {conn} with {said}, not {first}", seen.line.host);
        broken(seen, "own-words", sentence, on(conn))
    }

    /// 0709: who it is, where devices reach it, and how many are there.
    fn introduces(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        let (host, known) = (&seen.line.host, seen.known);
        let said = pdu.view::<ImMsgServInfo>().ok()?;
        self.ports.insert(host.clone(), (said.port, pdu.conn));
        // In the rig a host's name is its address.
        let names = [&said.ip1, &said.ip2, &said.host_name];
        let is_named = names.into_iter().all(|name| *name == host.as_bytes());
        let here = known
            .clients
            .all_served()
            .filter(|of| of.open && of.host == *host && of.user.is_some());
        let is_counted = !known.trouble.is_quiet(seen.line.sim_us, known.settles_within_us)
            || here.count() == said.cur_conn_cnt as usize;
        if is_named && is_counted {
            return None;
        }
        let sentence = format!("{host} told a login server of itself {:?}", *said);
        broken(seen, "own-words", sentence, on(pdu.conn))
    }

    /// What is told in this moment, and whether it differed in the one before: login servers are told of
    /// the same users as route_servers, where it has links to both.
    fn moment(&mut self, seen: &Seen<'_>, conn: ConnId) -> (Option<Violation>, &mut Moment) {
        let (host, sim_us) = (&seen.line.host, seen.line.sim_us);
        let new = || Moment { sim_us, login: Moves::new(), route: Moves::new(), conn };
        let now = self.moments.entry(host.clone()).or_insert_with(new);
        if now.sim_us == sim_us {
            return (None, now);
        }
        let moment = std::mem::replace(now, new());
        let both = !moment.login.is_empty() && !moment.route.is_empty();
        let is_quiet = seen.known.trouble.is_quiet(sim_us, seen.known.settles_within_us);
        if !both || moment.login == moment.route || !is_quiet {
            return (None, now);
        }
        let sentence = format!(
            "{host} told login servers of (action, user) {:?} and route_servers of {:?}",
            moment.login, moment.route
        );
        (broken(seen, "own-words", sentence, on(moment.conn)), now)
    }
}
