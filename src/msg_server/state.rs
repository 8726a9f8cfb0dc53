//! Connections, users and links, and what every handler needs to act.

use super::{
    Config,
    edge::Rates,
    fan_out::FanOuts,
    hint::Hints,
    in_flight::{IN_FLIGHT_BOUND, InFlight},
    links::DbLinks,
    send_list::{Entry, SendList},
};
use crate::{
    env::{ConnId, Draw},
    fact::Fact,
    link::{Action, Now},
    wire::{Pdu, command as cmd, im},
};
use bytes::Bytes;
use std::{collections::BTreeMap, time::Duration};

/// Client types of the mobile class have this bit set (SYSTEM.md section 2).
const MOBILE: u32 = 0x10;

/// The most logins that may wait for db_proxy at once (ours).
pub(super) const LOGINS_BOUND: usize = 100_000;

/// One event being handled: when, with which draws, and what is to be done.
pub(super) struct Turn<'a> {
    pub(super) now: Now,
    pub(super) draw: &'a dyn Draw,
    pub(super) out: &'a mut Vec<Action>,
}

impl Turn<'_> {
    pub(super) fn send(&mut self, conn: ConnId, pdu: Pdu) {
        self.out.push(Action::Send { conn, pdu });
    }

    pub(super) fn send_all(&mut self, conns: &[ConnId], pdu: &Pdu) {
        for &conn in conns {
            self.send(conn, pdu.clone());
        }
    }

    pub(super) fn fact(&mut self, fact: Fact) {
        self.out.push(Action::Fact(fact));
    }

    pub(super) fn refused(&mut self, conn: ConnId, command: u16, reason: impl Into<String>) {
        self.fact(Fact::Refused { conn, command, reason: reason.into() });
    }

    /// Closes a connection on purpose, and says so.
    pub(super) fn close(&mut self, conn: ConnId, reason: impl Into<String>) {
        let reason = reason.into();
        self.fact(Fact::Closed { conn, reason: reason.clone() });
        self.out.push(Action::Close { conn, reason });
    }

    /// A connection may write longer PDUs from now on.
    pub(super) fn admit(&mut self, conn: ConnId, pdu: u32) {
        self.out.push(Action::Admit { conn, pdu });
    }

    /// The wall clock in seconds, as PDUs carry it.
    pub(super) fn unix_seconds(&self) -> u32 {
        self.now.unix.as_secs() as u32
    }
}

/// One device's connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) id: ConnId,
    /// Its number in this msg_server, as attach data carries it.
    pub(super) handle: u32,
    pub(super) opened_at: Duration,
    pub(super) last_recv: Duration,
    /// Empty until a login was asked for.
    pub(super) login_name: Bytes,
    /// 0 until a login was asked for.
    pub(super) client_type: u32,
    /// As the device asked for.
    pub(super) online_status: i32,
    /// 0 until the login succeeded: the original serves such connections as user 0.
    pub(super) user: u32,
    /// The login succeeded. A kicked connection stays open.
    pub(super) open: bool,
    /// Counted since the last tick.
    pub(super) sent_in_window: u32,
    pub(super) send_list: SendList,
}

impl Conn {
    pub(super) fn is_mobile(&self) -> bool {
        self.client_type & MOBILE != 0
    }

    /// Whether a login of `client_type` displaces this connection.
    pub(super) fn same_class(&self, client_type: u32) -> bool {
        (self.client_type ^ client_type) >> 4 == 0
    }
}

/// A user with open connections here.
#[derive(Debug, Default)]
pub(super) struct User {
    /// Handle to connection: broadcasts go in handle order.
    pub(super) conns: BTreeMap<u32, ConnId>,
    /// The last 070e said that a PC is on.
    pub(super) pc_on: bool,
    /// As the last login had it.
    pub(super) nick: Bytes,
}

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
    /// Requests that wait for another server; see there which are recorded.
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

    /// Every connection of the process takes a number, links too (golden 01: the first client
    /// after four links and two listening sockets is 7).
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
            user: 0,
            open: false,
            sent_in_window: 0,
            send_list: SendList::default(),
        };
        self.conns.insert(id, conn);
    }

    /// The connection of a reply: by user, then by handle; connections that are not logged in
    /// are never found.
    pub(super) fn find(&self, user: u32, handle: u32) -> Option<ConnId> {
        self.users.get(&user)?.conns.get(&handle).copied()
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

    /// Closes a client on purpose. What its end means to others is said at once, as the original
    /// does; the `Closed` event that follows finds nothing left.
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
        if !conn.open {
            self.logins.remove(&(conn.login_name, conn.handle));
            return;
        }
        if let Some(user) = self.users.get_mut(&conn.user) {
            user.conns.remove(&conn.handle);
            if user.conns.is_empty() {
                self.users.remove(&conn.user);
                // A wart: others who are logging in under this name are forgotten with it.
                self.logins.retain(|(name, _), _| *name != conn.login_name);
            }
        }
        self.announce(turn, conn.user, conn.client_type, 2);
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
        turn.send_all(&self.routes, &Pdu::new(cmd::OTHER_USER_STATUS_UPDATE, 0, &update));
    }

    /// To the master of the route servers, if any is open.
    pub(super) fn to_route(&self, turn: &mut Turn<'_>, pdu: Pdu) {
        if let Some(&master) = self.routes.first() {
            turn.send(master, pdu);
        }
    }

    pub(super) fn note_send_list(&mut self, turn: &mut Turn<'_>, length: usize) {
        let bound = super::SEND_LIST_BOUND;
        high_water(turn, "send_list", &mut self.send_list_high, length, bound);
    }

    pub(super) fn note_in_flight(&mut self, turn: &mut Turn<'_>, length: usize) {
        high_water(turn, "in_flight", &mut self.in_flight_high, length, IN_FLIGHT_BOUND);
    }

    pub(super) fn note_logins(&mut self, turn: &mut Turn<'_>) {
        let length = self.logins.len();
        high_water(turn, "logins_in_flight", &mut self.logins_high, length, LOGINS_BOUND);
    }
}

/// Reports how long a queue is when it reaches a new maximum.
pub(super) fn high_water(
    turn: &mut Turn<'_>,
    queue: &str,
    high: &mut usize,
    length: usize,
    bound: usize,
) {
    if length > *high {
        *high = length;
        let (length, bound) = (length as u64, bound as u64);
        turn.fact(Fact::HighWater { queue: queue.to_string(), length, bound });
    }
}
