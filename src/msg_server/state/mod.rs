//! Everything that a msg_server knows: connections, users, links, what waits for whom.
//!
//! Nothing here serves a command; handlers do.

pub(super) mod conn;
pub(super) mod db_links;
pub(super) mod fan_outs;
pub(super) mod hints;
pub(super) mod in_flight;
pub(super) mod rates;
pub(super) mod send_list;
pub(super) mod turn;

use super::config::Config;
use crate::{
    catalogue::id as cmd,
    env::ConnId,
    fact::Fact,
    mutants::Mutant,
    wire::{Pdu, im},
};
use bytes::Bytes;
use conn::{Conn, User};
use db_links::DbLinks;
use fan_outs::FanOuts;
use hints::Hints;
use in_flight::InFlight;
use rates::Rates;
use send_list::{Entry, SendList};
use std::collections::BTreeMap;
use turn::Turn;

/// The most logins that may wait for db_proxy at once (ours).
pub(super) const LOGINS_BOUND: usize = 100_000;

/// An open link to a file server.
#[derive(Debug)]
pub(super) struct FileServer {
    pub(super) conn: ConnId,
    /// Where clients reach it (0734).
    pub(super) addresses: Vec<im::base_define::IpAddr>,
}

/// Everything that a msg_server knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) config: Config,
    pub(super) conns: BTreeMap<ConnId, Conn>,
    pub(super) users: BTreeMap<u32, User>,
    /// Logins that wait for 0704, by user name and handle.
    pub(super) logins: BTreeMap<(Bytes, u32), ConnId>,
    /// How many logins were asked for here.
    pub(super) logins_asked: u64,
    /// Requests that wait for another server; [`State::ask`] says which are recorded.
    pub(super) in_flight: InFlight,
    pub(super) db: DbLinks,
    /// Open route links, oldest first: the first is the master.
    pub(super) routes: Vec<ConnId>,
    /// Open login links.
    pub(super) logins_up: Vec<ConnId>,
    /// Open links to push servers and file servers, oldest first: the first is used.
    pub(super) push_servers: Vec<ConnId>,
    pub(super) file_servers: Vec<FileServer>,
    pub(super) fan_outs: FanOuts,
    pub(super) hints: Hints,
    pub(super) rates: Rates,
    last_handle: u32,
    send_list_high: usize,
    logins_high: usize,
    in_flight_high: usize,
}

impl State {
    pub(super) fn new(config: Config) -> Self {
        Self {
            db: DbLinks::new(config.db_entries, config.conns_per_entry),
            config,
            conns: BTreeMap::new(),
            users: BTreeMap::new(),
            logins: BTreeMap::new(),
            logins_asked: 0,
            routes: Vec::new(),
            logins_up: Vec::new(),
            push_servers: Vec::new(),
            file_servers: Vec::new(),
            fan_outs: FanOuts::default(),
            hints: Hints::default(),
            rates: Rates::default(),
            last_handle: 0,
            send_list_high: 0,
            logins_high: 0,
            in_flight: InFlight::default(),
            in_flight_high: 0,
        }
    }

    /// Every connection of the process takes a number, also links and listening sockets (golden 01:
    /// the first client after four links and two listening sockets is 7).
    pub(super) fn next_handle(&mut self) -> u32 {
        self.last_handle = self.last_handle.wrapping_add(1);
        self.last_handle
    }

    pub(super) fn client_opened(&mut self, turn: &mut Turn<'_>, id: ConnId, handle: u32) {
        let conn = Conn {
            id,
            handle,
            opened_at: turn.now.up,
            last_recv: turn.now.up,
            login_name: Bytes::new(),
            client_type: 0,
            online_status: 0,
            asked_as: 0,
            overtaken: false,
            user: 0,
            open: false,
            login_number: 0,
            sent_in_window: 0,
            send_list: SendList::default(),
        };
        self.conns.insert(id, conn);
    }

    /// The connection of a reply: by user, then by handle; connections that are not logged in
    /// are never found.
    pub(super) fn find(&self, user: u32, handle: u32) -> Option<ConnId> {
        let conns = &self.users.get(&user)?.conns;
        let conn = *conns.get(&handle)?;
        match conns.first_key_value() {
            Some((_, &first))
                if first != conn && self.config.protocol.mutated(Mutant::AnswerToFirstDevice) =>
            {
                Some(first)
            }
            _ => Some(conn),
        }
    }

    /// A user's connections here in handle order, kicked ones too, but not `except`.
    pub(super) fn conns_of(&self, user: u32, except: Option<ConnId>) -> Vec<ConnId> {
        let conns = self.users.get(&user).into_iter().flat_map(|user| user.conns.values().copied());
        conns.filter(|&conn| Some(conn) != except).collect()
    }

    /// The open connections of every user, by user and handle.
    pub(super) fn open_conns(&self) -> impl Iterator<Item = &Conn> {
        let ids = self.users.values().flat_map(|user| user.conns.values());
        ids.filter_map(|id| self.conns.get(id))
    }

    /// Closes a client on purpose. Others are told at once that it is gone, as the original does;
    /// the `Closed` event that follows finds nothing left to do.
    pub(super) fn close_client(&mut self, turn: &mut Turn<'_>, id: ConnId, reason: &str) {
        if self.conns.contains_key(&id) {
            turn.close(id, reason);
            self.forget_client(turn, id);
        }
    }

    /// A client is gone: its send list is dropped; if it was open, login and route servers are
    /// told (070b then 070a).
    pub(super) fn forget_client(&mut self, turn: &mut Turn<'_>, id: ConnId) {
        let Some(conn) = self.conns.remove(&id) else { return };
        for Entry { conversation, msg_id, .. } in conn.send_list.entries {
            turn.fact(Fact::SendListDropped { conn: id, conversation, msg_id });
        }
        self.in_flight.forget(conn.handle);
        let protocol = self.config.protocol;
        if !conn.open {
            if !protocol.mutated(Mutant::LoginOutlivesConnection) {
                self.logins.remove(&(conn.login_name, conn.handle));
            }
            if !self.logins.is_empty() && protocol.mutated(Mutant::ClosedLoginForgetsOthers) {
                self.logins.clear();
            }
            return;
        }
        if let Some(user) = self.users.get_mut(&conn.user) {
            user.conns.remove(&conn.handle);
            if user.conns.is_empty() || protocol.mutated(Mutant::UserGoesWithOneDevice) {
                self.users.remove(&conn.user);
                // A wart: other logins under this name that are under way are forgotten with it.
                if !self.config.protocol.ordered_logins {
                    self.logins.retain(|(name, _), _| *name != conn.login_name);
                }
            }
        }
        let is_last = !self.users.contains_key(&conn.user);
        if is_last || !protocol.mutated(Mutant::GoneUnannounced) {
            self.announce(turn, conn.user, conn.client_type, 2);
        }
    }

    /// 070b to all login servers, 070a to all route servers; 1 came, 2 went.
    pub(super) fn announce(&self, turn: &mut Turn<'_>, user: u32, client_type: u32, status: u32) {
        let count = im::server::ImUserCntUpdate { user_action: status, user_id: user };
        turn.send_all(&self.logins_up, &Pdu::new(cmd::OTHER_USER_CNT_UPDATE, 0, &count));
        let update = im::server::ImUserStatusUpdate {
            user_status: status,
            user_id: user,
            client_type: client_type as i32,
        };
        let mut routes = &self.routes[..];
        if routes.len() > 1 && self.config.protocol.mutated(Mutant::AnnouncedToMasterOnly) {
            routes = &routes[..1];
        }
        turn.send_all(routes, &Pdu::new(cmd::OTHER_USER_STATUS_UPDATE, 0, &update));
    }

    /// To the master of the route servers, if any is open.
    pub(super) fn to_route(&self, turn: &mut Turn<'_>, pdu: Pdu) {
        if let Some(&(mut master)) = self.routes.first() {
            if let Some(&newest) = self.routes.last()
                && newest != master
                && self.config.protocol.mutated(Mutant::NewestRouteIsMaster)
            {
                master = newest;
            }
            turn.send(master, pdu);
        }
    }

    pub(super) fn note_send_list(&mut self, turn: &mut Turn<'_>, length: usize) {
        let bound = self.config.send_list_bound();
        turn.high_water("send_list", &mut self.send_list_high, length, bound);
    }

    pub(super) fn note_in_flight(&mut self, turn: &mut Turn<'_>, length: usize) {
        let bound = self.config.in_flight_bound();
        turn.high_water("in_flight", &mut self.in_flight_high, length, bound);
    }

    pub(super) fn note_logins(&mut self, turn: &mut Turn<'_>) {
        let length = self.logins.len();
        turn.high_water("logins_in_flight", &mut self.logins_high, length, LOGINS_BOUND);
    }
}
