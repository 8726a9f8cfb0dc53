//! send-list-acked: every send-list entry is paid in the end.
//!
//! An entry (server, connection, conversation, msg_id) is paid when it is acked, or when the
//! device behind the connection holds the message, by whichever push or pull. Expiry or a
//! closed connection turns it into a debt of the device.

use super::{Property, Sort, Violation};
use crate::record::{End, Kind, Line};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{conversation::Conversation, env::ConnId, fact::Fact};

type Entry = (ConnId, Conversation, u32);

/// See the module.
#[derive(Debug, Default)]
pub struct SendListAcked {
    devices: BTreeMap<ConnId, u32>,
    /// The host that owns the server end of a connection.
    servers: BTreeMap<ConnId, String>,
    open: BTreeSet<Entry>,
    /// Debts, with how the entry ended.
    debts: BTreeMap<(u32, Conversation, u32), &'static str>,
    held: BTreeSet<(u32, Conversation, u32)>,
    unacked_though_held: u64,
}

impl SendListAcked {
    fn owe(&mut self, entry: Entry, how: &'static str) {
        if !self.open.remove(&entry) {
            return;
        }
        let (conn, conversation, msg_id) = entry;
        let Some(&device) = self.devices.get(&conn) else { return };
        if self.held.contains(&(device, conversation, msg_id)) {
            self.unacked_though_held += 1;
        } else {
            self.debts.entry((device, conversation, msg_id)).or_insert(how);
        }
    }

    fn owe_all(&mut self, how: &'static str, gone: impl Fn(&Entry) -> bool) {
        let entries: Vec<_> = self.open.iter().copied().filter(gone).collect();
        for entry in entries {
            self.owe(entry, how);
        }
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

    fn observe(&mut self, line: &Line) -> Option<Violation> {
        match &line.kind {
            Kind::Connected { conn, end: End::Dialler, device: Some(device), .. } => {
                self.devices.insert(*conn, *device);
            }
            Kind::Fact(Fact::SendListAdded { conn, conversation, msg_id, .. }) => {
                self.servers.insert(*conn, line.host.clone());
                self.open.insert((*conn, *conversation, *msg_id));
            }
            Kind::Fact(Fact::SendListAcked { conn, conversation, msg_id }) => {
                self.open.remove(&(*conn, *conversation, *msg_id));
            }
            Kind::Fact(Fact::SendListExpired { conn, conversation, msg_id }) => {
                self.owe((*conn, *conversation, *msg_id), "expired");
            }
            Kind::Fact(Fact::SendListDropped { conn, conversation, msg_id }) => {
                self.owe((*conn, *conversation, *msg_id), "went with its connection");
            }
            Kind::HostDown => {
                let lost: BTreeSet<_> = self
                    .servers
                    .iter()
                    .filter(|(_, host)| **host == line.host)
                    .map(|(conn, _)| *conn)
                    .collect();
                self.owe_all("went with its server", |entry| lost.contains(&entry.0));
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

    fn pending(&self) -> Option<Violation> {
        let violation =
            |kind, (device, conversation, msg_id): (u32, Conversation, u32), how| Violation {
                property: "send-list-acked",
                kind,
                role: "msg".into(),
                sentence: format!(
                    "the push of msg_id {msg_id} of conversation {conversation} to device \
                     {device} {how}"
                ),
                about: vec![format!("\"msg_id\":{msg_id},"), format!("\"{conversation}\"")],
            };
        if let Some((debt, how)) = self.debts.first_key_value() {
            let how = format!("{how}, and the device never got the message");
            return Some(violation("lost", *debt, how));
        }
        self.open.first().map(|(conn, conversation, msg_id)| {
            let device = self.devices.get(conn).copied().unwrap_or_default();
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
        properties::Property,
        record::{End, Kind, Line},
    };
    use teamtalk::{
        conversation::Conversation,
        fact::{Fact, Via},
    };

    fn after(kinds: Vec<Kind>) -> Option<String> {
        let mut property = SendListAcked::default();
        let conversation = Conversation::single(1, 2);
        let first = vec![
            Kind::Connected {
                conn: 7,
                end: End::Dialler,
                peer: "msg1".into(),
                port: 1,
                device: Some(3),
            },
            Kind::Fact(Fact::SendListAdded { conn: 7, user: 2, conversation, msg_id: 5, from: 1 }),
        ];
        for (n, kind) in first.into_iter().chain(kinds).enumerate() {
            let host = "msg1".into();
            let line = Line { n: n as u64, sim_us: 0, host, incarnation: 1, kind };
            assert_eq!(property.observe(&line), None);
        }
        property.pending().map(|v| v.signature())
    }

    fn held() -> Kind {
        Kind::Fact(Fact::Held {
            device: 3,
            conversation: Conversation::single(1, 2),
            msg_id: 5,
            from: 1,
            content: String::new(),
            via: Via::Pull,
        })
    }

    #[test]
    fn an_ack_or_a_held_message_pays_and_nothing_else_does() {
        let conversation = Conversation::single(1, 2);
        let acked = Kind::Fact(Fact::SendListAcked { conn: 7, conversation, msg_id: 5 });
        let expired = Kind::Fact(Fact::SendListExpired { conn: 7, conversation, msg_id: 5 });
        let lost = Some("send-list-acked/lost/msg".to_string());
        assert_eq!(after(vec![]), Some("send-list-acked/stuck/msg".into()));
        assert_eq!(after(vec![acked]), None);
        assert_eq!(after(vec![expired.clone()]), lost);
        assert_eq!(after(vec![Kind::HostDown]), lost);
        assert_eq!(after(vec![expired.clone(), held()]), None);
        assert_eq!(after(vec![held(), expired]), None);
    }
}
