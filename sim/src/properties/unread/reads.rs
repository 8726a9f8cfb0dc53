//! What users have read, surely or maybe, by their read acks and by sessions that they removed.

use crate::{
    plan::Role,
    properties::{Known, Seen, wire::At},
    record::Frame,
};
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::{id as command, limits::Limits},
    conversation::Chat,
    env::ConnId,
    protocol::Protocol,
    wire::im::{
        buddy::{ImRemoveSessionReq, ImRemoveSessionRsp},
        message::{ImMsgDataReadAck, ImMsgDataReadNotify},
    },
};

/// A user, and the chat in which they read.
pub type Reader = (u32, Chat);

/// A session being removed.
#[derive(Debug)]
struct Removal {
    /// The line at which a db_proxy received it.
    from: u64,
    /// The line at which it said that it is done.
    done: Option<u64>,
    /// It said that it succeeded.
    sure: bool,
}

/// A read ack that a device wrote.
#[derive(Debug, Clone, Copy)]
struct Written {
    msg_id: u32,
    /// The line.
    n: u64,
}

/// A read ack at a db_proxy.
#[derive(Debug, Clone, Copy)]
struct AtDb {
    msg_id: u32,
    /// The line at which it was received.
    from: u64,
    /// The line at which it was confirmed.
    done: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Reads {
    confirmed_read_acks: bool,
    /// The read acks that each device wrote.
    written: BTreeMap<(Reader, u32), Vec<Written>>,
    /// Those that a db_proxy received.
    at_db: BTreeMap<Reader, Vec<AtDb>>,
    /// The same of those over a limit, where some msg_servers refuse that and others do not.
    maybe_refused: BTreeMap<Reader, u32>,
    /// The highest msg_id of the read acks that a db_proxy is known to have.
    arrived: BTreeMap<Reader, u32>,
    removals: BTreeMap<Reader, Vec<Removal>>,
}

impl Reads {
    /// For a deployment under this protocol.
    pub fn new(protocol: &Protocol) -> Self {
        Self {
            confirmed_read_acks: protocol.confirmed_read_acks,
            written: BTreeMap::new(),
            at_db: BTreeMap::new(),
            maybe_refused: BTreeMap::new(),
            arrived: BTreeMap::new(),
            removals: BTreeMap::new(),
        }
    }

    /// Takes the next line.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        if let Some((At::DeviceWrites, conn, pdu)) = seen.client {
            self.at_device(seen.known, seen.line.n, conn, pdu);
        }
        if let Some((_, pdu, sent)) = seen.db {
            self.at_db(seen.line.n, pdu, sent);
        }
    }

    fn at_device(&mut self, known: &Known, n: u64, conn: ConnId, pdu: &Frame) -> Option<()> {
        if pdu.command() != command::MSG_READ_ACK {
            return None;
        }
        let read = pdu.view::<ImMsgDataReadAck>().ok()?;
        let device = known.clients.device(conn)?;
        // A read ack of a device that is not logged in reads nothing.
        let user = known.clients.online().get(&device)?.user;
        let reader = (user, Chat::of(read.session_type, read.session_id));
        let refuses = |protocol: &Protocol, limits: &Limits| {
            protocol.edge_limits && limits.check(pdu.command(), &pdu.body).is_err()
        };
        let all = |refuse: bool| {
            known
                .protocols
                .all_under(Role::Msg, |protocol, limits| refuses(protocol, limits) == refuse)
        };
        if all(true) {
            return None;
        }
        if !all(false) {
            let maybe = self.maybe_refused.entry(reader).or_default();
            *maybe = read.msg_id.max(*maybe);
            return None;
        }
        let written = self.written.entry((reader, device)).or_default();
        written.push(Written { msg_id: read.msg_id, n });
        Some(())
    }

    fn at_db(&mut self, n: u64, pdu: &Frame, sent: bool) {
        match (pdu.command(), sent) {
            (command::MSG_READ_ACK, false) => {
                if let Ok(read) = pdu.view::<ImMsgDataReadAck>() {
                    let reader = (read.user_id, Chat::of(read.session_type, read.session_id));
                    let came = AtDb { msg_id: read.msg_id, from: n, done: None };
                    self.at_db.entry(reader).or_default().push(came);
                    if !self.confirmed_read_acks {
                        self.arrive(reader, read.msg_id);
                    }
                }
            }
            (command::MSG_READ_NOTIFY, true) => {
                if let Ok(read) = pdu.view::<ImMsgDataReadNotify>() {
                    let reader = (read.user_id, Chat::of(read.session_type, read.session_id));
                    let came = self.at_db.entry(reader).or_default();
                    // The answer names no more than the ack did.
                    let waits = |ack: &AtDb| ack.done.is_none() && ack.msg_id >= read.msg_id;
                    let same = came.iter().position(|ack| waits(ack) && ack.msg_id == read.msg_id);
                    if let Some(at) = same.or_else(|| came.iter().position(waits)) {
                        came[at].done = Some(n);
                    }
                    self.arrive(reader, read.msg_id);
                }
            }
            (command::BUDDY_LIST_REMOVE_SESSION_REQ, false) => {
                if let Ok(asked) = pdu.view::<ImRemoveSessionReq>() {
                    let chat = Chat::of(asked.session_type, asked.session_id);
                    let removals = self.removals.entry((asked.user_id, chat)).or_default();
                    removals.push(Removal { from: n, done: None, sure: false });
                }
            }
            (command::BUDDY_LIST_REMOVE_SESSION_RES, true) => {
                if let Ok(answer) = pdu.view::<ImRemoveSessionRsp>()
                    && let chat = Chat::of(answer.session_type, answer.session_id)
                    && let Some(removals) = self.removals.get_mut(&(answer.user_id, chat))
                    && let Some(removal) = removals.iter_mut().find(|r| r.done.is_none())
                {
                    (removal.done, removal.sure) = (Some(n), answer.result_code == 0);
                }
            }
            _ => {}
        }
    }

    fn arrive(&mut self, reader: Reader, msg_id: u32) {
        let arrived = self.arrived.entry(reader).or_default();
        *arrived = msg_id.max(*arrived);
    }

    /// The read acks of a user, each with whether its device makes sure that it arrives: it is online, and repeats what
    /// is not confirmed.
    fn written<'a>(
        &'a self,
        known: &'a Known,
        reader: Reader,
    ) -> impl Iterator<Item = (bool, Written)> + 'a {
        let of = self.written.range((reader, 0)..=(reader, u32::MAX));
        of.flat_map(move |(&(_, device), acks)| {
            let is_sure = known.clients.online().contains_key(&device)
                && !known.acks_by_hand.contains(&device);
            acks.iter().map(move |ack| (is_sure, *ack))
        })
    }

    /// The msg_ids up to which a user has surely read, and up to which maybe.
    pub fn up_to(&self, known: &Known, reader: Reader) -> (u32, u32) {
        let of = |map: &BTreeMap<Reader, u32>| map.get(&reader).copied().unwrap_or(0);
        let (mut sure, mut maybe) = (of(&self.arrived), of(&self.maybe_refused));
        for (is_sure, ack) in self.written(known, reader) {
            maybe = ack.msg_id.max(maybe);
            if is_sure {
                sure = ack.msg_id.max(sure);
            }
        }
        (sure, sure.max(maybe))
    }

    /// Whether a message that a read ack names, or a later one, was there when the ack was kept: surely, and maybe.
    /// Where db_proxies keep an ack as far as there are messages, one that comes later is not read by it.
    pub fn was_there(
        &self,
        known: &Known,
        reader: Reader,
        (msg_id, committed): (u32, u64),
    ) -> (bool, bool) {
        let at_db =
            || self.at_db.get(&reader).into_iter().flatten().filter(|ack| ack.msg_id >= msg_id);
        let written = || self.written(known, reader).filter(|(_, ack)| ack.msg_id >= msg_id);
        let sure = at_db().any(|ack| ack.done.is_some() && committed < ack.from)
            || written().any(|(is_sure, ack)| is_sure && committed < ack.n);
        // One that is on its way, or being served, may find it.
        let late = at_db().any(|ack| ack.done.is_none_or(|done| committed < done));
        let maybe = late || at_db().count() < written().count();
        let refused = self.maybe_refused.get(&reader).is_some_and(|of| *of >= msg_id);
        (sure, sure || maybe || refused)
    }

    /// Whether a message that was committed in a line is surely read, and whether it is maybe read,
    /// because its session was removed.
    pub fn removed(&self, reader: Reader, committed: u64) -> (bool, bool) {
        let removals = || self.removals.get(&reader).into_iter().flatten();
        let sure = removals().any(|r| r.sure && committed < r.from);
        (sure, removals().any(|r| r.done.is_none_or(|done| committed < done)))
    }
}
