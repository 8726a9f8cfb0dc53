//! diligent: a device that is in order does its part.
//!
//! Judged are devices that run our program and do nothing else. Such a device acks what is pushed to it,
//! asks after each login for its sessions and unread counts and writes again what has no answer yet
//! (`catch-up-on-gap`, `idempotent-send`), is back soon after it lost a
//! connection on which it was logged in, turns to another msg_server when one can't be reached, and asks
//! for no messages of a group that its user was taken out of. It says that it holds what it holds. It
//! writes what it sends in the order in which its person did, and no try before its time (`tries.rs`).

mod claims;
mod reads;
#[cfg(test)]
mod tests;
mod tries;

use super::{
    Class, Known, Property, Seen, Sort, Subject, Tally, Violation, us,
    wire::{At, conversation_of},
};
use crate::{
    lookup::Lookup,
    plan::{DROPS, Host, Role},
    record::{End, Frame, Kind},
};
use claims::Claims;
use reads::Reads;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    env::ConnId,
    fact::Fact,
    wire::im::{
        base_define::GroupModifyType,
        buddy::ImRecentContactSessionRsp,
        group::{ImGroupChangeMemberNotify, ImGroupChangeMemberRsp},
        message::{ImGetMsgListReq, ImMsgDataAck, ImMsgDataReadAck, ImUnreadMsgCntRsp},
    },
};
use tries::Tries;

/// Simulated microseconds in which a device does what it does at once.
const AT_ONCE_US: u64 = 100_000;

/// What a device asks for after each login.
const AFTER_LOGIN: [u16; 2] =
    [command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST, command::MSG_UNREAD_CNT_REQUEST];

/// A push that is not acked: connection, conversation, msg_id.
type Push = (ConnId, Conversation, u32);

/// See the module.
#[derive(Debug, Default)]
pub struct Diligent {
    /// The hosts of devices.
    hosts: BTreeMap<u32, Host>,
    /// Pushes that were read and not acked, with since when.
    pushes: Lookup<Push, u64>,
    /// Which operation a device attempted under a seq_num.
    attempts: Lookup<(ConnId, u16), u32>,
    /// Sends that were written and have not ended, by device and operation.
    unfinished: BTreeSet<(u32, u32)>,
    /// Those that a device that is online has yet to write again, with since when.
    again: BTreeMap<(u32, u32), (ConnId, u64)>,
    /// What a device that is online has yet to ask for, with since when.
    asks: BTreeMap<(ConnId, u16), u64>,
    /// Devices that lost a connection on which they were logged in, with when, until they dial.
    away: BTreeMap<u32, u64>,
    /// The msg_server that a device could not reach when it last dialled.
    failed: BTreeMap<u32, Host>,
    msg_servers: BTreeSet<Host>,
    /// Groups that a device was told its user is out of, with when.
    left: Lookup<(u32, u32), u64>,
    /// When a device first asked for its counts under a seq_num.
    counts: Lookup<(ConnId, u16), u64>,
    claims: Claims,
    reads: Reads,
    tries: Tries,
    tally: Tally,
    next_look_us: u64,
}

#[cold]
fn lazy(kind: &'static str, sentence: String, device: u32, and: Subject) -> Violation {
    let about = [Subject::Device(device), and].into();
    Violation { property: "diligent", kind, role: Role::Client, sentence, about }
}

impl Diligent {
    /// A device has no connection any more.
    fn offline(&mut self, device: u32, conn: Option<ConnId>, now_us: u64) {
        self.pushes.retain(|push, _| Some(push.0) != conn);
        self.asks.retain(|ask, _| Some(ask.0) != conn);
        self.again.retain(|(of, _), _| *of != device);
        self.reads.gone(|of| Some(of) == conn);
        // What it read last it may not have heard.
        self.left.retain(|(of, _), since_us| *of != device || *since_us + AT_ONCE_US < now_us);
    }

    fn fact(&mut self, seen: &Seen<'_>, fact: &Fact) -> Option<Violation> {
        let (clients, now_us) = (&seen.known.clients, seen.line.sim_us);
        match *fact {
            Fact::Attempt { op, conn, seq_num, .. } => {
                self.attempts.insert((conn, seq_num), op);
                self.reads.attempt(op, conn, seq_num);
                let device = clients.device(conn)?;
                self.again.remove(&(device, op));
                let timing = seen.known.timing.as_ref()?;
                let early_us = self.tries.attempt(op, (conn, seq_num), now_us, timing)?;
                if seen.known.orderly.contains(&device) {
                    let what = format!(
                        "device {device} writes op-{op} again {} ms before it has waited for its answer",
                        early_us.div_ceil(1_000)
                    );
                    let about = Subject::asked(conn, seq_num, command::MSG_DATA);
                    return Some(lazy("hasty", what, device, about));
                }
            }
            Fact::OpOk { op, .. } | Fact::OpFailed { op, .. } => {
                self.unfinished.retain(|(_, of)| *of != op);
                self.again.retain(|(_, of), _| *of != op);
                let failed = match fact {
                    Fact::OpFailed { reason, .. } => Some(&**reason),
                    _ => None,
                };
                let (device, tries) = self.reads.ends(op, failed)?;
                let what =
                    format!("device {device} gives the read ack of op-{op} up after {tries} tries");
                return Some(lazy(
                    "read-given-up",
                    what,
                    device,
                    Subject::Host(seen.line.host.clone()),
                ));
            }
            Fact::Held { device, conversation, msg_id, .. } => {
                self.claims.hold(device, conversation, msg_id);
            }
            Fact::DeviceOnline { device, conn, .. } if seen.known.orderly.contains(&device) => {
                self.hosts.insert(device, seen.line.host.clone());
                self.away.remove(&device);
                if seen.protocol().catch_up_on_gap {
                    self.asks.extend(AFTER_LOGIN.map(|command| ((conn, command), now_us)));
                }
                if seen.protocol().idempotent_send {
                    let own = self.unfinished.iter().filter(|(of, _)| *of == device);
                    self.again.extend(own.map(|send| (*send, (conn, now_us))));
                }
            }
            Fact::DeviceOffline { device, conn, .. } => {
                self.offline(device, Some(conn), now_us);
                if seen.known.orderly.contains(&device) {
                    self.away.insert(device, now_us);
                }
            }
            _ => {}
        }
        None
    }

    /// A device has dialled a msg_server, and has its connection or not.
    fn dialled(
        &mut self,
        seen: &Seen<'_>,
        device: u32,
        peer: &Host,
        is_made: bool,
    ) -> Option<Violation> {
        if !seen.known.orderly.contains(&device) {
            return None;
        }
        let (timing, now_us) = (seen.known.timing.as_ref()?, seen.line.sim_us);
        // One that was never online forgets with its host, too.
        self.hosts.insert(device, seen.line.host.clone());
        let before = match is_made {
            true => self.failed.remove(&device),
            false => self.failed.insert(device, peer.clone()),
        };
        if before.as_ref() == Some(peer) && self.msg_servers.len() > 1 {
            let what = format!("device {device} could not reach {peer}, and dials it again");
            return Some(lazy("same-server", what, device, Subject::Device(device)));
        }
        let since_us = self.away.remove(&device)?;
        let waits = us(timing.windows_reconnect(0)) + AT_ONCE_US;
        let gone = now_us - since_us;
        let is_late = gone > waits && seen.known.trouble.is_quiet(now_us, gone + AT_ONCE_US);
        is_late.then(|| {
            let what = format!(
                "device {device} was online until {} ms and took {} ms to dial again",
                since_us / 1_000,
                gone / 1_000
            );
            lazy("slow-return", what, device, Subject::Device(device))
        })
    }

    fn pdu(&mut self, seen: &Seen<'_>, at: At, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let (known, now_us) = (seen.known, seen.line.sim_us);
        let device = known.clients.listens(conn)?;
        if !known.orderly.contains(&device) {
            return None;
        }
        let user = known.clients.user_of_device(device)?;
        if let Some(lie) = self.claims.observe(seen, (at, conn, pdu), (device, user)) {
            let what = format!(
                "device {device} says that it holds all of {} up to msg_id {}, and knows of what is up to {}",
                lie.conversation, lie.held_up_to, lie.known_up_to
            );
            let about = Subject::Message(lie.conversation, lie.msg_id);
            return Some(lazy("claims-unheld", what, device, about));
        }
        if seen.protocol().confirmed_read_acks {
            self.reads.pdu((device, user), (at, conn, pdu));
        }
        let of = |kind, id, msg_id| (conn, Chat::of(kind, id).conversation(user), msg_id);
        match (at, pdu.command()) {
            (At::DeviceReads, command::MSG_DATA) => {
                let data = &seen.data.as_ref()?.body;
                let conversation =
                    conversation_of(data.from_user_id, data.to_session_id, data.msg_type);
                self.pushes.entry((conn, conversation, data.msg_id)).or_insert(now_us);
            }
            (At::DeviceReads, command::OTHER_REFUSED) => {
                let timing = known.timing.as_ref()?;
                self.tries.refused((conn, pdu.header.seq_num), now_us, timing);
            }
            (At::DeviceReads, _) => self.told(device, user, pdu, now_us),
            (At::DeviceWrites, asked) if AFTER_LOGIN.contains(&asked) => {
                let was_owed = self.asks.remove(&(conn, asked)).is_some();
                self.tally.judged += u64::from(was_owed);
                if asked == command::MSG_UNREAD_CNT_REQUEST {
                    self.counts.entry((conn, pdu.header.seq_num)).or_insert(now_us);
                }
            }
            (At::DeviceWrites, command::MSG_DATA_ACK) => {
                let ack = pdu.view::<ImMsgDataAck>().ok()?;
                self.tally.judge();
                self.pushes.remove(&of(ack.session_type, ack.session_id, ack.msg_id));
            }
            (At::DeviceWrites, command::MSG_READ_ACK) => {
                let ack = pdu.view::<ImMsgDataReadAck>().ok()?;
                self.pushes.remove(&of(ack.session_type, ack.session_id, ack.msg_id));
            }
            (At::DeviceWrites, command::MSG_DATA) => {
                // A body that breaks off is no message (seed 400052 of `hardened`).
                seen.data.as_ref()?;
                let op = self.attempts.get(&(conn, pdu.header.seq_num))?;
                self.unfinished.insert((device, *op));
                let (earlier, later) =
                    self.tries.written(seen, device, (conn, pdu.header.seq_num))?;
                let what = format!(
                    "device {device} writes op-{later} before op-{earlier}, which its person sent to \
                     that chat earlier"
                );
                return Some(lazy("out-of-turn", what, device, Subject::question(conn, pdu)));
            }
            (At::DeviceWrites, command::MSG_LIST_REQUEST) => {
                // What a person asks for is their own affair.
                if self.attempts.contains_key(&(conn, pdu.header.seq_num)) {
                    return None;
                }
                let asked = pdu.view::<ImGetMsgListReq>().ok()?;
                let Chat::Group(group) = Chat::of(asked.session_type, asked.session_id) else {
                    return None;
                };
                let since_us = self.left.get(&(device, group))?;
                if since_us + AT_ONCE_US < now_us {
                    let what = format!(
                        "device {device} asks for messages of group {group}, which its user is out \
                         of since {} ms",
                        since_us / 1_000
                    );
                    return Some(lazy("asks-outside", what, device, Subject::question(conn, pdu)));
                }
            }
            _ => {}
        }
        None
    }

    /// What a device is told of groups.
    fn told(&mut self, device: u32, user: u32, pdu: &Frame, now_us: u64) {
        let mut change = |kind: i32, group: u32, users: &[u32]| {
            if !users.contains(&user) {
            } else if kind == GroupModifyType::Del as i32 {
                self.left.entry((device, group)).or_insert(now_us);
                self.reads.left(device, group);
            } else {
                self.left.remove(&(device, group));
            }
        };
        match pdu.command() {
            command::GROUP_CHANGE_MEMBER_NOTIFY => {
                if let Ok(told) = pdu.view::<ImGroupChangeMemberNotify>() {
                    change(told.change_type, told.group_id, &told.chg_user_id_list);
                }
            }
            command::GROUP_CHANGE_MEMBER_RESPONSE => {
                if let Ok(told) = pdu.view::<ImGroupChangeMemberRsp>()
                    && told.result_code == 0
                {
                    change(told.change_type, told.group_id, &told.chg_user_id_list);
                }
            }
            // Counts that were asked for since name groups that the user is in.
            command::MSG_UNREAD_CNT_RESPONSE => {
                let asked_us = self.counts.remove(&(pdu.conn, pdu.header.seq_num));
                if let (Some(asked_us), Ok(told)) = (asked_us, pdu.view::<ImUnreadMsgCntRsp>()) {
                    self.reads.counted(device, pdu.conn, &told, now_us);
                    let listed = told.unreadinfo_list.iter();
                    let listed = listed.map(|of| Chat::of(of.session_type, of.session_id));
                    let listed: BTreeSet<Chat> = listed.collect();
                    self.left.retain(|(of, group), left_us| {
                        *of != device
                            || *left_us >= asked_us
                            || !listed.contains(&Chat::Group(*group))
                    });
                }
            }
            command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE => {
                if let Ok(told) = pdu.view::<ImRecentContactSessionRsp>() {
                    for session in &told.contact_session_list {
                        if let Chat::Group(group) =
                            Chat::of(session.session_type, session.session_id)
                        {
                            self.left.remove(&(device, group));
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// What a device should have done by now.
    fn late(&mut self, known: &Known, now_us: u64) -> Option<Violation> {
        let is_late = |since_us: u64| since_us + AT_ONCE_US < now_us;
        let mut again = self.again.iter();
        if let Some(((device, op), (conn, _))) = again.find(|(_, (_, since))| is_late(*since)) {
            let what = format!(
                "device {device} is online again on connection {conn} and does not write op-{op}, \
                 which has no answer"
            );
            return Some(lazy("not-sent-again", what, *device, Subject::Ends(*conn)));
        }
        let quiet = |since: u64| known.trouble.is_quiet(now_us, now_us - since + AT_ONCE_US);
        let mut reads = self.reads.owed.iter();
        if let Some(((device, chat), (conn, since))) = reads.find(|(_, of)| is_late(of.1))
            && quiet(*since)
        {
            let ms = since / 1_000;
            let what = format!(
                "device {device} is told at {ms} ms that {chat:?} has something unread, which it has read, \
                 and does not write the ack again"
            );
            return Some(lazy("not-read-again", what, *device, Subject::Ends(*conn)));
        }
        let mut asks = self.asks.iter();
        if let Some(((conn, asked), since)) = asks.find(|(_, since)| is_late(**since))
            && quiet(*since)
        {
            let device = known.clients.device(*conn)?;
            let what = format!(
                "device {device} is logged in on connection {conn} and does not ask {asked:#06x}"
            );
            return Some(lazy("not-asked", what, device, Subject::Ends(*conn)));
        }
        let ((conn, conversation, msg_id), since) =
            self.pushes.least(|_, since| is_late(*since))?;
        // A write may wait as long as a fault keeps it from being read.
        if !quiet(*since) {
            return None;
        }
        let device = known.clients.device(*conn)?;
        let what = format!(
            "device {device} read the push of msg_id {msg_id} of {conversation} on connection \
             {conn} and does not ack it"
        );
        Some(lazy("unacked", what, device, Subject::Message(*conversation, *msg_id)))
    }
}

impl Property for Diligent {
    fn name(&self) -> &'static str {
        "diligent"
    }

    fn says(&self) -> &'static str {
        "a device acks what is pushed to it, asks after a login and writes again what has no answer, \
         comes back soon and elsewhere, and asks nothing of groups that its user is out of"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::DeviceWrites,
            Class::ServerReads,
            Class::ServerWrites,
            Class::DeviceReads,
            Class::SendList,
            Class::Sending,
            Class::Shown,
            Class::Fact,
            Class::Event,
        ]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let (line, now_us) = (seen.line, seen.line.sim_us);
        let found = match &line.kind {
            Kind::Fact(fact) => self.fact(seen, fact),
            Kind::Connected { end: End::Dialler, peer, device: Some(device), .. } => {
                self.dialled(seen, *device, peer, true)
            }
            Kind::ConnectFailed { peer, device: Some(device), .. } => {
                self.dialled(seen, *device, peer, false)
            }
            Kind::HostUp if line.host.role() == Role::Msg => {
                self.msg_servers.insert(line.host.clone());
                None
            }
            Kind::OnSide { .. } => {
                // Another program owes nothing that this one left undone.
                let here = self.hosts.iter().filter(|(_, host)| **host == line.host);
                for device in here.map(|(device, _)| *device).collect::<Vec<_>>() {
                    self.unfinished.retain(|(of, _)| *of != device);
                    self.reads.forgets(device);
                    self.tries.forgets(device);
                }
                None
            }
            Kind::HostDown => {
                let here = self.hosts.iter().filter(|(_, host)| **host == line.host);
                for device in here.map(|(device, _)| *device).collect::<Vec<_>>() {
                    self.offline(device, None, now_us);
                    self.away.remove(&device);
                    self.failed.remove(&device);
                }
                let clients = &seen.known.clients;
                let gone = |conn: ConnId| {
                    clients.device(conn).and_then(|device| self.hosts.get(&device))
                        == Some(&line.host)
                };
                self.pushes.retain(|push, _| !gone(push.0));
                self.asks.retain(|ask, _| !gone(ask.0));
                self.reads.gone(gone);
                None
            }
            Kind::Disconnected { conn, end: End::Dialler } => {
                self.pushes.retain(|push, _| push.0 != *conn);
                self.asks.retain(|ask, _| ask.0 != *conn);
                self.reads.gone(|of| of == *conn);
                None
            }
            Kind::Op { op, device, online: None, what, .. } if what != DROPS => {
                self.tries.issued(*op, *device, line.n);
                None
            }
            // From its first dial on, dropping the connection is to give that dial up.
            Kind::Op { device, what, .. } if what == DROPS => {
                let wait = seen.known.timing.map(|timing| timing.windows_reconnect(0));
                let wait_us = wait.map_or(0, us);
                if self.away.get(device).is_some_and(|since_us| since_us + wait_us <= now_us) {
                    self.away.remove(device);
                }
                None
            }
            // Its user decides when it goes online.
            Kind::Op { device, online: Some(_), .. } => {
                self.away.remove(device);
                None
            }
            _ => match seen.client {
                Some((at, conn, pdu)) if at.is_at_device() => self.pdu(seen, at, conn, pdu),
                _ => None,
            },
        };
        if found.is_some() || now_us < self.next_look_us {
            return found;
        }
        self.next_look_us = now_us + AT_ONCE_US;
        self.late(seen.known, now_us)
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}
