//! What devices wait for, of servers behind their msg_server.

use super::{AT_ONCE_US, Conns, about, broken, us};
use crate::{
    lookup::LookupSet,
    plan::{Host, Role},
    properties::{Seen, Tally, Violation, answered::reply_of, hints::GIVE_UP},
    record::{Frame, fields::fields},
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::{self, id},
    env::ConnId,
    timing::Timing,
    wire::{
        attach::{Attach, kind},
        im::{base_define::ResultType, login::ImLoginRes},
        tt::extension::{Refused, RefusedCode},
    },
};

/// A request that was sent on.
#[derive(Debug)]
struct Wait {
    /// The number of its connection.
    handle: u32,
    /// Its connection.
    conn: ConnId,
    command: u16,
    seq: u16,
    since_us: u64,
    /// When its device was answered, if it was.
    told_us: Option<u64>,
}

/// A connection with a question that was not sent on yet.
#[derive(Debug)]
struct Asker {
    user: Option<u32>,
    /// How often it asked.
    times: u32,
}

/// What a msg_server has yet to write to a device: command and seq_num of the question.
#[derive(Debug)]
struct Owed {
    command: u16,
    seq: u16,
    due_us: u64,
    kind: &'static str,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Waits {
    /// The connections whose question was not sent on yet, by msg_server, command and seq_num. One that is
    /// gone since is among them: what it asked may be sent on.
    asked: BTreeMap<(Host, u16, u16), BTreeMap<ConnId, Asker>>,
    /// The numbers by which msg_servers call connections, as far as questions that one connection alone
    /// may have asked told them.
    handles: BTreeMap<(Host, u32), ConnId>,
    /// Questions of which it can't be told how many wait: connection, command and seq_num.
    unsure: LookupSet<(ConnId, u16, u16)>,
    /// By link, the oldest first.
    waits: BTreeMap<ConnId, Vec<Wait>>,
    /// Links that have ended, though their msg_server may not know.
    losing: BTreeSet<ConnId>,
    owed: BTreeMap<ConnId, Vec<Owed>>,
}

/// The field of a PDU that says who asks, or is answered.
const USER_ID: u32 = 1;

/// What a device asks a route_server, and its answer.
pub(super) const ASKED_OF_ROUTE: [u16; 2] =
    [id::BUDDY_LIST_USERS_STATUS_REQUEST, id::BUDDY_LIST_USERS_STATUS_RESPONSE];

/// What a device asked, by what a server behind is asked.
fn question(command: u16) -> u16 {
    match command {
        id::OTHER_VALIDATE_REQ => id::LOGIN_REQ_USERLOGIN,
        other => other,
    }
}

/// Whether a device is answered.
fn has_answer(seen: &Seen<'_>, command: u16) -> bool {
    match command {
        id::MSG_READ_ACK => seen.protocol().confirmed_read_acks,
        _ => catalogue::of(command).is_some() && reply_of(command).is_some(),
    }
}

impl Waits {
    /// A msg_server reads a device's question.
    pub fn device_asks(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame, conns: &Conns) {
        let command = pdu.command();
        if seen.protocol().answered_refusals && has_answer(seen, command) {
            let key = (seen.line.host.clone(), command, pdu.header.seq_num);
            let asker = Asker { user: conns.user(conn), times: 0 };
            self.asked.entry(key).or_default().entry(conn).or_insert(asker).times += 1;
        }
    }

    /// A PDU between a msg_server and a db_proxy or route_server.
    pub fn between(
        &mut self,
        seen: &Seen<'_>,
        pdu: &Frame,
        is_sent: bool,
        conns: &Conns,
        timing: &Timing,
        tally: &mut Tally,
    ) {
        if !seen.protocol().answered_refusals {
            return;
        }
        // What else goes through route is for other msg_servers, with the numbers of their connections.
        let is_route = conns.links.get(&pdu.conn).is_some_and(|link| link.peer == Role::Route);
        if is_route && !ASKED_OF_ROUTE.contains(&pdu.command()) {
            return;
        }
        let attach = pdu.attach().and_then(Attach::decode);
        let Some(attach) = attach.filter(|attach| attach.kind == kind::HANDLE) else { return };
        match is_sent {
            true => self.sent_on(seen, pdu, attach.handle, tally),
            false => {
                let gives_up_us = us(timing.request_timeout() * GIVE_UP);
                self.answered(seen, pdu, attach.handle, conns, gives_up_us, tally);
            }
        }
    }

    fn sent_on(&mut self, seen: &Seen<'_>, pdu: &Frame, handle: u32, tally: &mut Tally) {
        let (command, seq) = (question(pdu.command()), pdu.header.seq_num);
        let host = &seen.line.host;
        let Some(asked) = self.asked.get(&(host.clone(), command, seq)) else { return };
        let by = fields(&pdu.pdu.body).find(|field| field.number == USER_ID);
        let is_login = command == id::LOGIN_REQ_USERLOGIN;
        let may_be = |asker: &Asker| match asker.user {
            Some(user) => !is_login && by.is_some_and(|by| by.value == u64::from(user)),
            None => is_login,
        };
        let conn = match self.handles.get(&(host.clone(), handle)) {
            Some(conn) if asked.contains_key(conn) => *conn,
            Some(_) => return,
            None => {
                let named: BTreeSet<_> = self.handles.values().collect();
                let own = asked.iter().filter(|(conn, by)| may_be(by) && !named.contains(conn));
                let own: Vec<_> = own.map(|(conn, _)| *conn).collect();
                match own[..] {
                    [] => return,
                    [conn] => conn,
                    _ => {
                        // Which of them this is can't be told.
                        tally.excuse("two connections asked the same at once");
                        for conn in own {
                            self.taken(host, command, seq, conn);
                            self.unsure.insert((conn, command, seq));
                        }
                        return;
                    }
                }
            }
        };
        self.handles.insert((host.clone(), handle), conn);
        self.taken(host, command, seq, conn);
        let since_us = seen.line.sim_us;
        let wait = Wait { handle, conn, command, seq, since_us, told_us: None };
        self.waits.entry(pdu.conn).or_default().push(wait);
    }

    /// A question is sent on or refused. True if there was one.
    fn taken(&mut self, host: &Host, command: u16, seq: u16, conn: ConnId) -> bool {
        let key = (host.clone(), command, seq);
        let Some(asked) = self.asked.get_mut(&key) else { return false };
        let Some(asker) = asked.get_mut(&conn) else { return false };
        asker.times -= 1;
        if asker.times == 0 {
            asked.remove(&conn);
        }
        if asked.is_empty() {
            self.asked.remove(&key);
        }
        true
    }

    /// A server answers: its answer is passed on at once. It is for the oldest question of its name on
    /// its link, also if that was refused as late: it stays until a msg_server gives it up silently.
    fn answered(
        &mut self,
        seen: &Seen<'_>,
        pdu: &Frame,
        handle: u32,
        conns: &Conns,
        gives_up_us: u64,
        tally: &mut Tally,
    ) {
        let command = match pdu.command() {
            id::OTHER_REFUSED => match pdu.view::<Refused>() {
                Ok(refused) => question(refused.command_id as u16),
                Err(_) => return,
            },
            id::OTHER_VALIDATE_RSP => id::LOGIN_REQ_USERLOGIN,
            id::MSG_DATA => id::MSG_DATA,
            other => match catalogue::request_of(other) {
                Some(asked) => asked.id,
                None => return,
            },
        };
        let Some(waits) = self.waits.get_mut(&pdu.conn) else { return };
        let key = (handle, command, pdu.header.seq_num);
        let is_it = |wait: &Wait| (wait.handle, wait.command, wait.seq) == key;
        let Some(at) = waits.iter().position(is_it) else { return };
        if waits[at].since_us + gives_up_us <= seen.line.sim_us {
            // Nor which one any later answer is for, while one of them may wait still.
            self.unsure.insert((waits[at].conn, command, pdu.header.seq_num));
            waits.retain(|wait| !is_it(wait));
            tally.excuse(
                "an answer when its question may be given up: which one it is for can't be told",
            );
            return;
        }
        let wait = waits.remove(at);
        self.owe(&wait, seen.line.sim_us, "kept-back", conns);
    }

    fn owe(&mut self, wait: &Wait, now_us: u64, kind: &'static str, conns: &Conns) {
        let is_sure = !self.unsure.contains(&(wait.conn, wait.command, wait.seq));
        if wait.told_us.is_some() || !is_sure || !conns.devices.contains_key(&wait.conn) {
            return;
        }
        let (command, seq, due_us) = (wait.command, wait.seq, now_us + AT_ONCE_US);
        self.owed.entry(wait.conn).or_default().push(Owed { command, seq, due_us, kind });
    }

    /// What is written to a device.
    pub fn device_is_told(
        &mut self,
        seen: &Seen<'_>,
        conn: ConnId,
        pdu: &Frame,
        timing: &Timing,
        conns: &Conns,
        tally: &mut Tally,
    ) -> Option<Violation> {
        if !seen.protocol().answered_refusals {
            return None;
        }
        let (seq, told) = (pdu.header.seq_num, pdu.command());
        let refused = match told {
            id::OTHER_REFUSED => Some(pdu.view::<Refused>().ok()?),
            _ => None,
        };
        let asked = match &refused {
            Some(refused) => refused.command_id as u16,
            None => catalogue::request_of(told)?.id,
        };
        if let Some(owed) = self.owed.get_mut(&conn) {
            // The oldest of those that were asked under one seq_num.
            if let Some(at) = owed.iter().position(|of| (of.command, of.seq) == (asked, seq)) {
                owed.remove(at);
                tally.judge();
                return None;
            }
        }
        let is_given_up = match &refused {
            Some(refused) => refused.code == RefusedCode::RefusedUnavailable as i32,
            None if told == id::LOGIN_RES_USERLOGIN => {
                let answer = pdu.view::<ImLoginRes>().ok()?;
                answer.result_code == ResultType::RefuseReasonNoDbServer as i32
            }
            None => false,
        };
        let key = (conn, asked, seq);
        if self.unsure.contains(&key) {
            return None;
        }
        let mut waits = self.waits.values().flatten();
        let waits_too = waits.any(|w| (w.conn, w.command, w.seq) == key && w.told_us.is_none());
        // What is refused for another reason waits for nobody.
        let is_own = refused.is_some() && !is_given_up;
        if self.taken(&seen.line.host, asked, seq, conn) && waits_too && !is_own {
            tally.excuse("one question was sent on and one was not, and either is answered");
            self.unsure.insert(key);
        }
        if is_own || !waits_too || self.unsure.contains(&key) {
            return None;
        }
        if !conns.devices.contains_key(&conn) {
            // What its msg_server reads for it is not remembered either: it may know, or not yet.
            tally.excuse("an answer to a device that is gone");
            return None;
        }
        let losing = &self.losing;
        let patience_us = us(timing.request_timeout());
        let mut own: Vec<_> = self
            .waits
            .iter_mut()
            .flat_map(|(link, waits)| waits.iter_mut().map(move |wait| (*link, wait)))
            .filter(|(_, wait)| {
                (wait.conn, wait.command, wait.seq) == key && wait.told_us.is_none()
            })
            .collect();
        own.sort_by_key(|(_, wait)| wait.since_us);
        let now_us = seen.line.sim_us;
        let may_be = |(link, wait): &(ConnId, &mut Wait)| {
            losing.contains(link) || wait.since_us + patience_us <= now_us
        };
        let at = own.iter().position(may_be);
        // It stays: its answer may still come, and is no other question's.
        let (link, wait) = own.swap_remove(at.unwrap_or(0));
        wait.told_us = Some(now_us);
        let since_us = wait.since_us;
        tally.judge();
        if at.is_some() || !is_given_up {
            return None;
        }
        let what = format!(
            "{} refuses {asked:#06x} with seq_num {seq} on connection {conn}, which waits on link {link} \
             since {} ms",
            seen.line.host,
            since_us / 1_000
        );
        Some(broken("given-up", what, about(conn, &seen.line.host)))
    }

    /// A connection of a device is gone.
    pub fn device_gone(&mut self, conn: ConnId) {
        self.owed.remove(&conn);
    }

    /// A connection has ended, perhaps a link, and perhaps its msg_server knows.
    pub fn may_be_lost(&mut self, link: ConnId) {
        self.losing.insert(link);
    }

    /// A msg_server has given a link up: what waits on it is refused at once. It may have been refused just
    /// before, and a refusal does not say on which of two links its question waits.
    pub fn link_lost(&mut self, link: ConnId, now_us: u64, conns: &Conns) {
        for wait in self.waits.remove(&link).unwrap_or_default() {
            let is_it = |other: &&mut Wait| {
                (other.conn, other.command, other.seq) == (wait.conn, wait.command, wait.seq)
                    && other.told_us == Some(now_us)
            };
            let other = self.waits.values_mut().flatten().find(is_it);
            match other.filter(|_| wait.told_us.is_none()) {
                Some(other) => other.told_us = None,
                None => self.owe(&wait, now_us, "kept-waiting", conns),
            }
        }
    }

    /// A msg_server is no more.
    pub fn host_down(&mut self, host: &Host) {
        self.asked.retain(|(of, ..), _| of != host);
        self.handles.retain(|(of, _), _| of != host);
    }

    /// Something that was owed when a heartbeat was read on a connection, which is echoed now. Before a
    /// login there are none: those of others of the same msg_server show that it goes on.
    pub fn late(&mut self, conn: ConnId, read_us: u64, conns: &Conns) -> Option<Violation> {
        let host = &conns.devices.get(&conn)?.host;
        let late = |(of, owed): (&ConnId, &mut Vec<Owed>)| {
            let device = conns.devices.get(of)?;
            let is_here = *of == conn || device.host == *host && device.login.is_none();
            let at = owed.iter().position(|owed| is_here && owed.due_us < read_us)?;
            Some((*of, owed.remove(at)))
        };
        let (of, Owed { command, seq, kind, .. }) = self.owed.iter_mut().find_map(late)?;
        let why = match kind {
            "kept-back" => "is answered, and its device is not told",
            _ => "waits on a link that is gone, and its device is not told",
        };
        let what = format!("{command:#06x} with seq_num {seq} on connection {of} of {host} {why}");
        Some(broken(kind, what, about(of, host)))
    }
}
