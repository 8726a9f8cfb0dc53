//! notices: a notice reaches every connection that it is for, and only those.
//!
//! At a msg_server: what a route_server sends, what a db_proxy answers and what a device does is told to
//! the connections that docs/SYSTEM.md sections 3 and 4 name, and to the route_servers. At a route_server:
//! what a msg_server sends is relayed to the others (section 5). Whoever is owed a notice is so from the
//! line at which the server read what it follows from; what ends the connection ends the debt.

mod at_msg;
mod at_route;
mod audience;
mod due;
mod here;
#[cfg(test)]
mod tests;

use super::{About, Class, Known, Property, Seen, Sort, Subject, Tally, Violation};
use crate::{
    lookup::{Lookup, LookupSet},
    plan::{Host, Role},
    record::{End, Frame, Kind, fields::without},
};
use at_msg::Asked;
use at_route::{Presence, StatusAnswer};
use bytes::Bytes;
use due::{Due, Notice, To};
use here::{Gone, Here};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::{self, Peer, Serve, id},
    env::ConnId,
    wire::{attach, im::base_define::IpAddr, tt::extension::Refused},
};

/// The notices that nobody but the owed ones may be told.
const GUARDED: [u16; 8] = [
    id::BUDDY_LIST_STATUS_NOTIFY,
    id::BUDDY_LIST_PC_LOGIN_STATUS_NOTIFY,
    id::BUDDY_LIST_SIGN_INFO_CHANGED_NOTIFY,
    id::BUDDY_LIST_REMOVE_SESSION_NOTIFY,
    id::FILE_NOTIFY,
    id::SWITCH_P2P_CMD,
    id::GROUP_CHANGE_MEMBER_NOTIFY,
    id::MSG_READ_NOTIFY,
];

/// A connection that logged in less long ago, in simulated microseconds, may be told what its server
/// read before: a server handles what it reads one after the other.
const FRESH_US: u64 = 1_000_000;

/// A link that was made less long ago, in simulated microseconds, may be unknown to its server: the
/// trace has a connection before the server does.
const UNSETTLED_US: u64 = 20_000;

/// Who is asked for, and who had a PC on then.
type Users = (BTreeSet<u32>, BTreeSet<u32>);

/// See the module.
#[derive(Debug, Default)]
pub struct Notices {
    here: Here,
    due: Due,
    /// What may be told and is owed by nobody.
    may: Due,
    /// What route_servers wrote in this moment, a simulated microsecond, before the line that says why:
    /// the end of a link is seen after what follows from it.
    early: (u64, BTreeSet<Notice>),
    presence: Presence,
    /// Who is asked for on a connection with a seq_num and attach data, and who had a PC on then.
    asked_status: BTreeMap<(ConnId, u16, Bytes), Users>,
    /// What a route_server said that was not right when it did.
    doubtful: Vec<(Host, StatusAnswer)>,
    /// The connections whose question was not answered yet, by seq_num, command and msg_server.
    asked: Lookup<(u16, u16, Host), Vec<ConnId>>,
    /// Where each msg_server was told that clients reach the file server.
    addresses: BTreeMap<Host, Vec<IpAddr>>,
    /// What follows from a device's PDU unless it is refused.
    unless_refused: BTreeMap<(ConnId, u16, u16), Asked>,
    /// Links of which the db_proxy has closed its end; and those of them on which their msg_server has written
    /// since, which it can't: it may drop what it has not read, as TCP does.
    closing: LookupSet<ConnId>,
    unwritable: LookupSet<ConnId>,
    /// Removals of sessions of which a device was told that they are not served, or that no answer came: by
    /// connection and seq_num.
    given_up: LookupSet<(ConnId, u16)>,
    /// On which connections each message, (type, receiver, content), was sent.
    sent: Lookup<(i32, u32, Bytes), BTreeSet<ConnId>>,
    tally: Tally,
}

impl Notices {
    fn pdu(&mut self, seen: &Seen<'_>, pdu: &Frame, is_sent: bool) -> Option<Violation> {
        let host = &seen.line.host;
        match (host.role(), pdu.end, is_sent) {
            (Role::Msg, End::Acceptor, false) => self.device_says(seen, pdu),
            (Role::Msg, End::Acceptor, true) => return self.device_is_told(seen, pdu),
            (Role::Msg, End::Dialler, false) => match peer(seen, pdu) {
                Some(Role::Route) => self.route_says(seen, pdu),
                _ => self.server_says(seen, pdu),
            },
            (Role::Msg, End::Dialler, true) => self.server_is_told(seen, pdu),
            (Role::Route, End::Acceptor, false) => {
                self.relays(seen, pdu);
                self.presence_says(seen, pdu);
            }
            (Role::Route, End::Acceptor, true) => {
                let to = To::Conn(pdu.conn);
                if !self.pays(&to, pdu) {
                    self.is_early((to, pdu.command(), pdu.bare()), seen.line.sim_us);
                }
                if pdu.command() == id::BUDDY_LIST_USERS_STATUS_RESPONSE {
                    self.status_is_told(seen, pdu);
                }
            }
            _ => {}
        }
        None
    }

    fn add(&mut self, notice: Notice, sim_us: u64) {
        let (early_us, early) = &mut self.early;
        if *early_us != sim_us || !early.remove(&notice) {
            self.due.add(notice, sim_us);
        }
    }

    fn is_early(&mut self, notice: Notice, sim_us: u64) {
        let (early_us, early) = &mut self.early;
        if *early_us != sim_us {
            early.clear();
            *early_us = sim_us;
        }
        early.insert(notice);
    }

    fn pays(&mut self, to: &To, pdu: &Frame) -> bool {
        let is_paid = self.due.paid(to, pdu);
        if is_paid {
            self.tally.judge();
        }
        is_paid
    }

    /// A route_server passes on what a msg_server sends, unparsed.
    fn relays(&mut self, seen: &Seen<'_>, pdu: &Frame) {
        if peer(seen, pdu) != Some(Role::Msg) {
            return;
        }
        let to_source = match catalogue::served(pdu.command(), Peer::Msg, Peer::Route) {
            Some(Serve::ToOtherLinks) => false,
            Some(Serve::ToAllLinks) => true,
            _ => return,
        };
        let (links, body) = (settled_links(seen), pdu.bare());
        for conn in links.into_iter().filter(|conn| to_source || *conn != pdu.conn) {
            self.add((To::Conn(conn), pdu.command(), body.clone()), seen.line.sim_us);
        }
    }

    fn route_says(&mut self, seen: &Seen<'_>, pdu: &Frame) {
        let told = audience::from_route(&self.here, seen, pdu);
        let Some(told) = told else { return };
        for conn in told.conns {
            self.add((To::Conn(conn), told.command, told.body.clone()), seen.line.sim_us);
        }
    }

    /// What a msg_server writes to another server: it pays what it owes the route_servers.
    fn server_is_told(&mut self, seen: &Seen<'_>, pdu: &Frame) {
        if peer(seen, pdu) == Some(Role::Route) {
            self.pays(&To::Route(seen.line.host.clone()), pdu);
        }
    }

    fn device_is_told(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        let (conn, command) = (pdu.conn, pdu.command());
        if command == id::OTHER_REFUSED {
            let refused = pdu.view::<Refused>().ok()?.command_id as u16;
            if refused == id::BUDDY_LIST_REMOVE_SESSION_REQ {
                self.given_up.insert((conn, pdu.header.seq_num));
            }
            let key = (conn, refused, pdu.header.seq_num);
            let refused = self.unless_refused.remove(&key);
            for (to, command, body) in refused.into_iter().flat_map(|of| of.notices) {
                self.due.take((to, command), || body);
            }
            return None;
        }
        if let Some(asked) = catalogue::request_of(command) {
            self.is_answered(&seen.line.host, asked.id, pdu);
        }
        // An answer has the seq_num of its question, and is no notice.
        if command == id::MSG_READ_NOTIFY && pdu.header.seq_num != 0 {
            return None;
        }
        let to = To::Conn(conn);
        let is_paid = self.pays(&to, pdu) || self.may.paid(&to, pdu);
        if command == id::MSG_DATA {
            return self.own_message(seen, pdu);
        }
        if is_paid || !GUARDED.contains(&command) {
            return None;
        }
        let device = self.here.devices.get(&conn)?;
        if device.is_kicked {
            self.tally.excuse("a kicked connection is told");
            return None;
        }
        if device.since_us + FRESH_US > seen.line.sim_us {
            self.tally.excuse("a login beside a notice");
            return None;
        }
        let name = catalogue::name(command).unwrap_or("a notice");
        let sentence = format!(
            "{} told user {} on connection {conn} a {name} that was not for them",
            seen.line.host, device.user
        );
        broken("unasked", seen.line.host.role(), sentence, conn)
    }

    fn is_answered(&mut self, host: &Host, command: u16, pdu: &Frame) {
        let key = (pdu.header.seq_num, command, host.clone());
        let Some(conns) = self.asked.get_mut(&key) else { return };
        // One that is written again may be answered again.
        if let Some(at) = conns.iter().position(|asked| *asked == pdu.conn) {
            conns.remove(at);
        }
        if conns.is_empty() {
            self.asked.remove(&key);
        }
    }

    /// A message is never pushed to the connection that sent it.
    fn own_message(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        let data = &seen.data.as_ref()?.body;
        let message = (data.msg_type, data.to_session_id, data.msg_data.clone());
        // One that is sent again on another connection goes to that one when the first try is stored.
        let conns = self.sent.get(&message)?;
        if conns.len() > 1 || !conns.contains(&pdu.conn) {
            return None;
        }
        let sentence = format!(
            "{} pushed msg_id {} on connection {}, which sent it",
            seen.line.host, data.msg_id, pdu.conn
        );
        broken("echo", seen.line.host.role(), sentence, pdu.conn)
    }

    fn forget(&mut self, gone: &Gone, down: Option<&Host>) {
        if let Some(down) = down {
            self.asked.retain(|(.., host), _| host != down);
        }
        self.due.forget(|to| match to {
            To::Conn(conn) => gone.conns.contains(conn),
            To::Route(host) => gone.without_route.contains(host) || down == Some(host),
        });
    }

    #[cold]
    fn missing(&self, (to, command): &(To, u16)) -> Violation {
        let name = catalogue::name(*command).unwrap_or("a notice");
        let (whom, about, role) = match to {
            To::Conn(conn) => {
                let role = match self.here.devices.contains_key(conn) {
                    true => Role::Msg,
                    false => Role::Route,
                };
                (format!("on connection {conn}"), About::from([Subject::Connection(*conn)]), role)
            }
            To::Route(host) => {
                let about = About::from([Subject::Host(host.clone())]);
                (format!("by {host} to the route_servers"), about, Role::Msg)
            }
        };
        let sentence = format!("a {name} was never written {whom}");
        Violation { property: "notices", kind: "missing", role, sentence, about }
    }
}

#[cold]
fn broken(kind: &'static str, role: Role, sentence: String, conn: ConnId) -> Option<Violation> {
    let about = [Subject::Connection(conn)].into();
    Some(Violation { property: "notices", kind, role, sentence, about })
}

impl Property for Notices {
    fn name(&self) -> &'static str {
        "notices"
    }

    fn says(&self) -> &'static str {
        "a notice reaches every connection that it is for, and only those"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::ServerReads,
            Class::ServerWrites,
            Class::LinkPdu,
            Class::RoutePdu,
            Class::Fact,
            Class::Event,
        ]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let doubt = self.doubts(seen);
        self.link_ends(seen);
        if let Some(gone) = self.here.observe(seen) {
            let down = matches!(seen.line.kind, Kind::HostDown).then_some(&seen.line.host);
            self.forget(&gone, down);
        }
        match &seen.line.kind {
            Kind::PduSent(pdu) if pdu.command() == id::LOGIN_KICK_USER => {
                self.forgive_last_words(pdu.conn, seen.line.sim_us);
            }
            Kind::Disconnected { conn, end: End::Acceptor } => {
                self.forgive_last_words(*conn, seen.line.sim_us);
            }
            _ => {}
        }
        if seen.line.host.role() == Role::Route {
            match &seen.line.kind {
                Kind::Disconnected { conn, end: End::Acceptor } => self.link_closed(seen, *conn),
                Kind::HostDown => self.route_down(&seen.line.host),
                _ => {}
            }
        }
        let broken = match &seen.line.kind {
            Kind::PduSent(pdu) => self.pdu(seen, pdu, true),
            Kind::PduReceived(pdu) => self.pdu(seen, pdu, false),
            _ => None,
        };
        doubt.or(broken)
    }

    fn pending(&self, _: &Known) -> Option<Violation> {
        self.due.any().map(|owed| self.missing(owed))
    }

    fn overdue(&self, known: &Known, now_us: u64) -> Option<Violation> {
        let late = self.due.overdue(now_us, known.answer_within_us);
        late.map(|owed| self.missing(owed))
    }

    fn tally(&self, _: &Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

/// A notice of a msg_server's own, as it writes it: command and body.
fn own(command: u16, message: &impl prost::Message) -> (u16, Bytes) {
    (command, without(&message.encode_to_vec().into(), &[attach::FIELD]))
}

/// What the other end of a PDU's link is; `None` if that is no link.
fn peer(seen: &Seen<'_>, pdu: &Frame) -> Option<Role> {
    Some(seen.known.links.get(pdu.conn, pdu.end)?.peer)
}

/// The links of msg_servers that the host of a line has surely taken note of.
fn settled_links(seen: &Seen<'_>) -> Vec<ConnId> {
    let links = seen.known.links.of(&seen.line.host, Role::Msg);
    let settled = links.filter(|(_, link)| link.since_us + UNSETTLED_US <= seen.line.sim_us);
    settled.map(|(conn, _)| conn).collect()
}

/// Whether a msg_server has a link to a route_server.
fn has_route(seen: &Seen<'_>) -> bool {
    seen.known.links.of(&seen.line.host, Role::Route).next().is_some()
}

#[cfg(test)]
mod listed {
    use super::GUARDED;
    use crate::properties::listed::assert_all;
    use teamtalk::catalogue::{Command, Peer, Serve, id};

    /// What else a route_server passes on, and who judges whether it is told to nobody else.
    const ELSEWHERE: [(u16, &str); 5] = [
        (id::BUDDY_LIST_USERS_STATUS_RESPONSE, "an answer: `answers`"),
        (id::MSG_DATA, "`isolation` and `delivered`"),
        (id::OTHER_SERVER_KICK_USER, "0107 of it is `reachable`'s"),
        (id::OTHER_LOGIN_STATUS_NOTIFY, "020e of it is guarded"),
        (id::OTHER_CATCH_UP_HINT, "`hints`"),
    ];

    #[test]
    fn each_notice_that_goes_through_route_is_guarded_or_judged_elsewhere() {
        // Only devices read it: msg_server makes it of 070e.
        let guarded = GUARDED.into_iter().filter(|of| *of != id::BUDDY_LIST_PC_LOGIN_STATUS_NOTIFY);
        let is_of_route = |of: &Command| of.served(Peer::Route, Peer::Msg) == Some(Serve::Handler);
        assert_all(is_of_route, guarded, &ELSEWHERE);
    }
}
