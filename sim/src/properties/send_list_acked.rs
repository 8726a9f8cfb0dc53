//! send-list-acked: every send-list entry is paid in the end.
//!
//! An entry (server, connection, conversation, msg_id) is paid when it is acked, or when the
//! device behind the connection holds the message, by whichever push or pull. Expiry or a
//! closed connection turns it into a debt of the device. The debts of a device that its user logged
//! out, or that was kicked by another of the user's devices (0107), wait for its next login. A debt
//! in a group is forgiven if its user was not surely a member when the message was pushed, or did
//! not stay one to the end, by the store: users who have left, or joined again, cannot ask for it.

use super::{Class, Known, Property, Seen, Sort, Subject, Violation, clients::Clients, wire::At};
use crate::{
    plan::{Host, Role},
    record::Kind,
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{catalogue::id as command, conversation::Conversation, env::ConnId, fact::Fact};

type Entry = (ConnId, Conversation, u32);

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
    open: BTreeMap<Entry, Pushed>,
    /// Debts, with how the entry ended.
    debts: BTreeMap<(u32, Conversation, u32), (&'static str, Pushed)>,
    held: BTreeSet<(u32, Conversation, u32)>,
    /// Devices that are off line because their users want it: they logged out, wrote a 0105 or read
    /// a 0107 since they were last online.
    offline_by_wish: BTreeSet<u32>,
    unacked_though_held: u64,
}

impl SendListAcked {
    fn owe(&mut self, clients: &Clients, entry: Entry, how: &'static str) {
        let Some(pushed) = self.open.remove(&entry) else { return };
        let (conn, conversation, msg_id) = entry;
        let Some(device) = clients.device(conn) else { return };
        if self.held.contains(&(device, conversation, msg_id)) {
            self.unacked_though_held += 1;
        } else {
            self.debts.entry((device, conversation, msg_id)).or_insert((how, pushed));
        }
    }

    fn owe_all(&mut self, clients: &Clients, how: &'static str, gone: impl Fn(&Entry) -> bool) {
        let entries: Vec<_> = self.open.keys().copied().filter(gone).collect();
        for entry in entries {
            self.owe(clients, entry, how);
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
        "every send-list entry is acked, or its device holds the message in the end"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::DeviceWrites,
            Class::DeviceReads,
            Class::SendList,
            Class::Shown,
            Class::Fact,
            Class::Event,
        ]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let (line, clients) = (seen.line, &seen.known.clients);
        if let Some((at, conn, pdu)) = seen.client {
            let leaves = matches!(
                (at, pdu.command()),
                (At::DeviceWrites, command::LOGIN_REQ_LOGINOUT)
                    | (At::DeviceReads, command::LOGIN_KICK_USER)
            );
            if leaves && let Some(device) = clients.device(conn) {
                self.offline_by_wish.insert(device);
            }
        }
        match &line.kind {
            // A device that is off line already is logged out: it writes no 0105.
            Kind::Op { device, delivered: true, online: Some(false), .. } => {
                self.offline_by_wish.insert(*device);
            }
            Kind::Fact(Fact::SendListAdded { conn, user, conversation, msg_id, .. }) => {
                self.servers.insert(*conn, line.host.clone());
                let pushed = Pushed { user: *user, at: line.n };
                self.open.insert((*conn, *conversation, *msg_id), pushed);
            }
            Kind::Fact(Fact::SendListAcked { conn, conversation, msg_id }) => {
                self.open.remove(&(*conn, *conversation, *msg_id));
            }
            Kind::Fact(Fact::SendListExpired { conn, conversation, msg_id }) => {
                self.owe(clients, (*conn, *conversation, *msg_id), "expired");
            }
            Kind::Fact(Fact::SendListDropped { conn, conversation, msg_id }) => {
                self.owe(clients, (*conn, *conversation, *msg_id), "went with its connection");
            }
            Kind::HostDown => {
                let lost: BTreeSet<_> = self
                    .servers
                    .iter()
                    .filter(|(_, host)| **host == line.host)
                    .map(|(conn, _)| *conn)
                    .collect();
                self.owe_all(clients, "went with its server", |entry| lost.contains(&entry.0));
            }
            Kind::Fact(Fact::DeviceOnline { device, .. }) => {
                self.offline_by_wish.remove(device);
            }
            Kind::Fact(Fact::Held { device, conversation, msg_id, .. }) => {
                let held = (*device, *conversation, *msg_id);
                self.debts.remove(&held);
                self.held.insert(held);
            }
            _ => {}
        }
        None
    }

    fn pending(&self, known: &Known) -> Option<Violation> {
        let violation =
            |kind, (device, conversation, msg_id): (u32, Conversation, u32), how| Violation {
                property: "send-list-acked",
                kind,
                role: Role::Msg,
                sentence: format!(
                    "the push of msg_id {msg_id} of conversation {conversation} to device \
                     {device} {how}"
                ),
                about: [Subject::Message(conversation, msg_id), Subject::Device(device)].into(),
            };
        let waits = |device| self.offline_by_wish.contains(device);
        let mut debts = self.debts.iter();
        let due = debts.find(|((device, conversation, _), (_, pushed))| {
            !waits(device) && can_be_paid(known, *conversation, *pushed)
        });
        if let Some((debt, (how, _))) = due {
            let how = format!("{how}, and the device never got the message");
            return Some(violation("lost", *debt, how));
        }
        self.open.keys().next().map(|(conn, conversation, msg_id)| {
            let device = known.clients.device(*conn).unwrap_or_default();
            let how = format!("is still in the send list of connection {conn}, not acked");
            violation("stuck", (device, *conversation, *msg_id), how)
        })
    }

    fn notes(&self) -> Vec<(&'static str, u64)> {
        vec![("unacked though held", self.unacked_though_held)]
    }
}

#[cfg(test)]
mod tests {
    use super::SendListAcked;
    use crate::{
        plan::{Action, Operation},
        properties::tape::{G, Tape},
        record::Kind,
    };
    use bytes::Bytes;
    use teamtalk::{catalogue::id as command, conversation::Conversation, fact::Fact, wire::Pdu};

    const LOST: Option<&str> = Some("send-list-acked/lost/msg");

    /// msg_id 5 of user 1 was pushed to device 3 of user 2, on connection 7.
    fn pushed() -> Tape<SendListAcked> {
        let mut tape = Tape::new(SendListAcked::default());
        let conversation = Conversation::single(1, 2);
        let added = Fact::SendListAdded { conn: 7, user: 2, conversation, msg_id: 5, from: 1 };
        tape.login(3, 7, 2).fact("msg1", added);
        tape
    }

    fn expired() -> Fact {
        Fact::SendListExpired { conn: 7, conversation: Conversation::single(1, 2), msg_id: 5 }
    }

    #[test]
    fn an_ack_or_a_held_message_pays_and_nothing_else_does() {
        let conversation = Conversation::single(1, 2);
        let acked = Fact::SendListAcked { conn: 7, conversation, msg_id: 5 };
        assert_eq!(pushed().pending().as_deref(), Some("send-list-acked/stuck/msg"));
        assert_eq!(pushed().fact("msg1", acked).pending(), None);
        assert_eq!(pushed().fact("msg1", expired()).pending().as_deref(), LOST);
        assert_eq!(pushed().line("msg1", Kind::HostDown).pending().as_deref(), LOST);
        let expired_then_held = pushed().fact("msg1", expired()).holds(3, 5, (1, "a")).pending();
        assert_eq!(expired_then_held, None);
        let held_then_expired = pushed().holds(3, 5, (1, "a")).fact("msg1", expired()).pending();
        assert_eq!(held_then_expired, None);
    }

    #[test]
    fn debts_wait_for_the_login_of_a_device_that_is_offline_by_wish() {
        let mut tape = pushed();
        tape.asks(7, Pdu::raw(command::LOGIN_REQ_LOGINOUT, 9, Bytes::new())).hang_up(3, 7);
        assert_eq!(tape.fact("msg1", expired()).pending(), None);
        assert_eq!(tape.login(3, 8, 2).pending().as_deref(), LOST);
        assert_eq!(pushed().kick(7).hang_up(3, 7).fact("msg1", expired()).pending(), None);
        assert_eq!(pushed().hang_up(3, 7).fact("msg1", expired()).pending().as_deref(), LOST);
        // It had lost its connection when its person logged out.
        let operation = Operation { id: 1, at_ms: 0, device: 3, action: Action::Logout };
        let (what, online) = (operation.describe(), operation.action.wants_online());
        let op = Kind::Op { op: 1, device: 3, what, delivered: true, online };
        let lost = |tape: &mut Tape<SendListAcked>| tape.fact("msg1", expired()).pending();
        assert_eq!(lost(pushed().hang_up(3, 7).line("world", op)), None);
    }

    /// msg_id 5 of group G was pushed to device 3 of user 2, its member, on connection 7.
    fn pushed_to_group() -> Tape<SendListAcked> {
        let mut tape = Tape::new(SendListAcked::default());
        let conversation = Conversation::Group(G);
        let added = Fact::SendListAdded { conn: 7, user: 2, conversation, msg_id: 5, from: 1 };
        tape.group(&[1, 2]).login(3, 7, 2).fact("msg1", added);
        tape
    }

    #[test]
    fn a_push_to_a_group_is_paid_as_others_are() {
        let conversation = Conversation::Group(G);
        let acked = Fact::SendListAcked { conn: 7, conversation, msg_id: 5 };
        let expired = || Fact::SendListExpired { conn: 7, conversation, msg_id: 5 };
        assert_eq!(pushed_to_group().pending().as_deref(), Some("send-list-acked/stuck/msg"));
        assert_eq!(pushed_to_group().fact("msg1", acked).pending(), None);
        let mut tape = pushed_to_group();
        assert_eq!(tape.fact("msg1", expired()).pending().as_deref(), LOST);
        assert_eq!(tape.holds(3, 5, (1, "a")).pending().as_deref(), LOST, "a single message");
        assert_eq!(tape.holds_of_group(3, 5, (1, "a")).pending(), None);
    }

    #[test]
    fn a_debt_of_who_left_the_group_is_forgiven_and_of_who_stayed_is_not() {
        let expired =
            || Fact::SendListExpired { conn: 7, conversation: Conversation::Group(G), msg_id: 5 };
        let mut tape = pushed_to_group();
        assert_eq!(tape.fact("msg1", expired()).changes(9, 1, false).pending().as_deref(), LOST);
        assert_eq!(tape.changes(10, 2, false).pending(), None);
        assert_eq!(tape.changes(11, 2, true).pending(), None, "joined again");
        let mut tape = pushed_to_group();
        assert_eq!(tape.denied(9, &[2]).fact("msg1", expired()).pending().as_deref(), LOST);
        let mut tape = pushed_to_group();
        tape.db_reads(crate::properties::tape::change_members(9, 1, G, false, &[2]));
        assert_eq!(
            tape.fact("msg1", expired()).pending().as_deref(),
            LOST,
            "the store has the user"
        );
        assert_eq!(tape.member(2, false).pending(), None);
    }
}
