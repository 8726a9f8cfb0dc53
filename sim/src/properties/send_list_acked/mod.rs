//! send-list-acked: every send-list entry is acked in the end.
//!
//! An entry (server, connection, conversation, msg_id) is paid once a msg_server has read, on that
//! connection or another one, an ack of that device that covers the message. Expiry, a closed connection
//! or a crashed server turns the entry into a debt of the device, which waits for the next login of a
//! device that its user logged out, or that was kicked by another of the user's devices (0107). A debt
//! in a group is forgiven if its user was not surely a member when the message was pushed, or did
//! not stay one to the end, by the store: users who have left, or joined again, cannot ask for it.

mod acks;
#[cfg(test)]
mod tests;

use super::{
    Class, Known, Property, Seen, Sort, Subject, Tally, Violation, clients::Clients, wire::At,
};
use crate::{
    lookup::Lookup,
    plan::{Host, Role},
    record::Kind,
};
use acks::{Acks, Debt};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{catalogue::id as command, conversation::Conversation, env::ConnId, fact::Fact};

type Entry = (ConnId, Conversation, u32);

/// Why an entry that is not acked is no violation.
mod excuse {
    /// Its user logged the device out, or another device had it kicked.
    pub const BY_WISH: &str = "off line by its user's wish";
    /// The device is one that acks nothing, by the plan.
    pub const NEVER_ACKS: &str = "a device that never acks";
    /// The user may have been outside the group.
    pub const OUTSIDE: &str = "not surely a member since";
    /// No device dialled the connection.
    pub const NOBODY: &str = "a connection of no device";
}

/// To whom a message was pushed, and in which line.
#[derive(Debug, Clone, Copy)]
struct Pushed {
    user: u32,
    at: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct SendListAcked {
    /// The host that owns the server end of a connection.
    servers: BTreeMap<ConnId, Host>,
    /// Open entries, with to whom they were pushed.
    open: Lookup<Entry, Pushed>,
    /// Entries that ended without an ack, with how.
    debts: Lookup<Debt, (&'static str, Pushed)>,
    acks: Acks,
    /// Devices that are off line because their users want it: they logged out, wrote a 0105 or read
    /// a 0107 since they were last online. With the connection, if there was one: a device may read that it is kicked before
    /// it says that it is online on it.
    offline_by_wish: BTreeMap<u32, Option<ConnId>>,
    tally: Tally,
}

impl SendListAcked {
    fn end(&mut self, clients: &Clients, entry: Entry, how: &'static str) {
        let Some(pushed) = self.open.remove(&entry) else { return };
        let (conn, conversation, msg_id) = entry;
        let Some(device) = clients.device(conn) else {
            return self.tally.excuse(excuse::NOBODY);
        };
        let debt = (device, conversation, msg_id);
        if self.acks.covers(&debt) {
            self.tally.judge();
        } else if self.debts.insert(debt, (how, pushed)).is_some() {
            // One ack pays both.
            self.tally.judge();
        }
    }

    fn end_all(&mut self, clients: &Clients, how: &'static str, gone: impl Fn(&Entry) -> bool) {
        let open = self.open.sorted().into_iter();
        let entries: Vec<_> = open.map(|(entry, _)| *entry).filter(gone).collect();
        for entry in entries {
            self.end(clients, entry, how);
        }
    }

    /// Everything that is not acked yet, open entries too, with how it ended.
    fn owed<'a>(
        &'a self,
        clients: &'a Clients,
    ) -> impl Iterator<Item = (Debt, &'static str, Pushed)> + 'a {
        let debts = self.debts.sorted().into_iter();
        let debts = debts.map(|(debt, (how, pushed))| (*debt, *how, *pushed));
        let open = self.open.sorted().into_iter();
        let open = open.filter_map(|((conn, conversation, msg_id), pushed)| {
            let debt = (clients.device(*conn)?, *conversation, *msg_id);
            let how = "is in the send list still";
            (!self.acks.covers(&debt)).then_some((debt, how, *pushed))
        });
        debts.chain(open)
    }

    /// Why nobody owes an ack.
    fn excuse(&self, known: &Known, debt: Debt, pushed: Pushed) -> Option<&'static str> {
        let (device, conversation, _) = debt;
        if self.offline_by_wish.contains_key(&device) {
            Some(excuse::BY_WISH)
        } else if !can_be_paid(known, conversation, pushed) {
            Some(excuse::OUTSIDE)
        } else if self.acks.is_held(&debt) && known.never_ack.contains(&device) {
            Some(excuse::NEVER_ACKS)
        } else {
            None
        }
    }
}

/// Whether a device of this user can still get the message.
fn can_be_paid(known: &Known, conversation: Conversation, Pushed { user, at }: Pushed) -> bool {
    match conversation {
        Conversation::Group(group) => {
            known.membership.is_always(group, user, at, at)
                && known.membership.stays(group, user, at, known.now)
        }
        Conversation::Single { .. } => true,
    }
}

impl Property for SendListAcked {
    fn name(&self) -> &'static str {
        "send-list-acked"
    }

    fn says(&self) -> &'static str {
        "every send-list entry is acked in the end, on its connection or a later one of its device"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::DeviceWrites,
            Class::ServerReads,
            Class::DeviceReads,
            Class::SendList,
            Class::Shown,
            Class::Fact,
            Class::Event,
        ]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::DeviceWrites => Some(&[command::MSG_DATA_ACK, command::LOGIN_REQ_LOGINOUT]),
            Class::ServerReads => Some(&[command::MSG_DATA_ACK, command::MSG_READ_ACK]),
            Class::DeviceReads => Some(&[command::LOGIN_KICK_USER]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let (line, clients) = (seen.line, &seen.known.clients);
        if let Some((at, conn, pdu)) = seen.client {
            for debt in self.acks.observe(seen, at, conn, pdu) {
                if self.debts.remove(&debt).is_some() {
                    self.tally.judge();
                }
            }
            let leaves = matches!(
                (at, pdu.command()),
                (At::DeviceWrites, command::LOGIN_REQ_LOGINOUT)
                    | (At::DeviceReads, command::LOGIN_KICK_USER)
            );
            if leaves && let Some(device) = clients.device(conn) {
                self.offline_by_wish.insert(device, Some(conn));
            }
        }
        match &line.kind {
            // A device that is off line already is logged out: it writes no 0105.
            Kind::Op { device, delivered: true, online: Some(false), .. } => {
                self.offline_by_wish.insert(*device, None);
            }
            Kind::Fact(Fact::SendListAdded { conn, user, conversation, msg_id, .. }) => {
                self.servers.insert(*conn, line.host.clone());
                let pushed = Pushed { user: *user, at: line.n };
                self.open.insert((*conn, *conversation, *msg_id), pushed);
            }
            Kind::Fact(Fact::SendListAcked { conn, conversation, msg_id }) => {
                self.end(clients, (*conn, *conversation, *msg_id), "is said to be acked");
            }
            Kind::Fact(Fact::SendListExpired { conn, conversation, msg_id }) => {
                self.end(clients, (*conn, *conversation, *msg_id), "expired");
            }
            Kind::Fact(Fact::SendListDropped { conn, conversation, msg_id }) => {
                self.end(clients, (*conn, *conversation, *msg_id), "went with its connection");
            }
            Kind::HostDown => {
                let lost: BTreeSet<_> = self
                    .servers
                    .iter()
                    .filter(|(_, host)| **host == line.host)
                    .map(|(conn, _)| *conn)
                    .collect();
                self.end_all(clients, "went with its server", |entry| lost.contains(&entry.0));
            }
            Kind::Fact(Fact::DeviceOnline { device, conn, .. })
                if self.offline_by_wish.get(device) != Some(&Some(*conn)) =>
            {
                self.offline_by_wish.remove(device);
            }
            Kind::Fact(Fact::Held { device, conversation, msg_id, .. }) => {
                self.acks.hold((*device, *conversation, *msg_id), line.n);
            }
            _ => {}
        }
        None
    }

    fn pending(&self, known: &Known) -> Option<Violation> {
        let due = |(debt, _, pushed): &(Debt, _, _)| self.excuse(known, *debt, *pushed).is_none();
        let is_lost = |(debt, _, _): &(Debt, _, _)| !self.acks.is_held(debt);
        let owed = || self.owed(&known.clients).filter(due);
        let (debt, how, _) = owed().find(is_lost).or_else(|| owed().next())?;
        let (device, conversation, msg_id) = debt;
        let (kind, role, what) = match self.acks.is_held(&debt) {
            false => ("lost", Role::Msg, "the device never got the message"),
            true => ("never-acked", Role::Client, "no msg_server has read an ack of it"),
        };
        Some(Violation {
            property: self.name(),
            kind,
            role,
            sentence: format!(
                "the push of msg_id {msg_id} of conversation {conversation} to device {device} {how}, and {what}"
            ),
            about: [Subject::Message(conversation, msg_id), Subject::Device(device)].into(),
        })
    }

    fn tally(&self, known: &Known) -> Option<Tally> {
        let mut tally = self.tally.clone();
        for (debt, _, pushed) in self.owed(&known.clients) {
            match self.excuse(known, debt, pushed) {
                Some(name) => tally.excuse(name),
                None => tally.judge(),
            }
        }
        Some(tally)
    }
}
