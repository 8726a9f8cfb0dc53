//! delivered: a message acked, or held by any device but the sender's, is shown once on every
//! device of its conversation that is online at the end.
//!
//! The ack counts when the device reads it. Groups are not judged yet.

use super::{
    Property, Sort, Violation,
    clients::Clients,
    role_of,
    wire::{At, Message, client_pdu, conversation_of, text},
};
use crate::record::{Frame, Kind, Line};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    conversation::Conversation,
    env::ConnId,
    fact::Fact,
    wire::{
        command,
        im::message::{ImMsgData, ImMsgDataAck},
    },
};

/// See the module.
#[derive(Debug, Default)]
pub struct Delivered {
    clients: Clients,
    /// What a device sent on a connection under a seq_num.
    sent: BTreeMap<(ConnId, u16), (Message, Conversation)>,
    /// The devices that wrote a message.
    origins: BTreeSet<(Message, u32)>,
    /// The messages that must arrive, in which conversation and why.
    owed: BTreeMap<Message, (Conversation, String)>,
    /// What each device shows, and under which msg_id.
    shown: BTreeMap<(u32, Message), u32>,
}

impl Delivered {
    fn pdu(&mut self, at: At, conn: ConnId, pdu: &Frame) {
        let key = (conn, pdu.header.seq_num);
        let Some(device) = self.clients.device(conn) else { return };
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_DATA) => {
                let (Ok(data), Some(user)) =
                    (pdu.view::<ImMsgData>(), self.clients.user_of_device_on(conn))
                else {
                    return;
                };
                let message = (user, text(&data.msg_data));
                let conversation = conversation_of(user, data.to_session_id, data.msg_type);
                self.origins.insert((message.clone(), device));
                self.sent.insert(key, (message, conversation));
            }
            (At::DeviceReads, command::MSG_DATA_ACK) => {
                if let Ok(ack) = pdu.view::<ImMsgDataAck>()
                    && ack.msg_id != 0
                    && let Some((message, conversation)) = self.sent.get(&key).cloned()
                {
                    let why = format!("acked to device {device} as msg_id {}", ack.msg_id);
                    self.owed.entry(message).or_insert((conversation, why));
                }
            }
            _ => {}
        }
    }

    fn held(
        &mut self,
        device: u32,
        conversation: Conversation,
        msg_id: u32,
        message: Message,
    ) -> Option<Violation> {
        if !self.origins.contains(&(message.clone(), device)) {
            let why = format!("held by device {device} as msg_id {msg_id}");
            self.owed.entry(message.clone()).or_insert((conversation, why));
        }
        let first = *self.shown.entry((device, message.clone())).or_insert(msg_id);
        (first != msg_id).then(|| Violation {
            property: "delivered",
            kind: "twice",
            role: role_of("client"),
            sentence: format!(
                "device {device} shows \"{}\" from user {} as msg_id {first} and as msg_id \
                 {msg_id} of {conversation}",
                message.1, message.0
            ),
            about: vec![message.1],
        })
    }
}

impl Property for Delivered {
    fn name(&self) -> &'static str {
        "delivered"
    }

    fn says(&self) -> &'static str {
        "a message acked or seen by anyone is shown once on every device of its conversation \
         that is online at the end"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn observe(&mut self, line: &Line) -> Option<Violation> {
        self.clients.observe(line);
        if let Kind::Fact(Fact::Held { device, conversation, msg_id, from, content, .. }) =
            &line.kind
        {
            return self.held(*device, *conversation, *msg_id, (*from, content.clone()));
        }
        if let Some((at, conn, pdu)) = client_pdu(line) {
            self.pdu(at, conn, pdu);
        }
        None
    }

    fn pending(&self) -> Option<Violation> {
        for (message, (conversation, why)) in &self.owed {
            for (device, online) in self.clients.online() {
                if conversation.peer_of(online.user).is_none()
                    || self.shown.contains_key(&(*device, message.clone()))
                {
                    continue;
                }
                let own = online.user == message.0;
                return Some(Violation {
                    property: "delivered",
                    kind: if own { "own-message-lost" } else { "lost" },
                    role: role_of("msg"),
                    sentence: format!(
                        "device {device} of user {} is online and does not have \"{}\" from user \
                         {} in {conversation}, which was {why}",
                        online.user, message.1, message.0
                    ),
                    about: vec![message.1.clone()],
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Delivered;
    use crate::properties::tape::{Tape, ack, message};

    /// Devices 1 and 3 are of user 1, device 2 is of user 2, device 4 of user 4; device 1 sends.
    fn sent() -> Tape<Delivered> {
        let mut tape = Tape::new(Delivered::default());
        tape.login(1, 10, 1).login(2, 20, 2).login(3, 30, 1).login(4, 40, 4);
        tape.asks(10, message(5, 0, 1, 2, "text"));
        tape
    }

    #[test]
    fn what_is_acked_is_owed_to_every_device_of_both_users() {
        let mut tape = sent();
        assert_eq!(tape.pending(), None, "unknown to all is owed to nobody");
        tape.tells(10, ack(5, 7, 1, 2));
        assert_eq!(tape.pending(), Some("delivered/own-message-lost/msg".into()));
        tape.holds(1, 7, (1, "text")).holds(3, 7, (1, "text"));
        assert_eq!(tape.pending(), Some("delivered/lost/msg".into()));
        tape.holds(2, 7, (1, "text"));
        assert_eq!(tape.pending(), None);
        assert!(tape.found.is_empty());
    }

    #[test]
    fn what_another_device_holds_is_owed_and_what_only_its_sender_holds_is_not() {
        let mut tape = sent();
        tape.holds(1, 7, (1, "text"));
        assert_eq!(tape.pending(), None);
        tape.holds(2, 7, (1, "text"));
        assert_eq!(tape.pending(), Some("delivered/own-message-lost/msg".into()), "device 3");
    }

    #[test]
    fn a_device_that_is_not_online_is_owed_nothing_until_it_is() {
        let mut tape = sent();
        tape.tells(10, ack(5, 7, 1, 2)).holds(1, 7, (1, "text")).holds(3, 7, (1, "text"));
        tape.hang_up(2, 20);
        assert_eq!(tape.pending(), None);
        tape.login(2, 21, 2);
        assert_eq!(tape.pending(), Some("delivered/lost/msg".into()));
        tape.line("client1", crate::record::Kind::HostDown);
        assert_eq!(tape.pending(), None);
    }

    #[test]
    fn an_ack_of_msg_id_0_acks_nothing() {
        let mut tape = sent();
        tape.tells(10, ack(5, 0, 1, 2)).tells(10, ack(6, 7, 1, 2));
        assert_eq!(tape.pending(), None);
    }

    #[test]
    fn a_message_shown_twice_is_found() {
        let mut tape = sent();
        tape.holds(2, 7, (1, "text")).holds(2, 7, (1, "text")).holds(2, 8, (1, "other"));
        assert!(tape.found.is_empty());
        tape.holds(2, 9, (1, "text"));
        assert_eq!(tape.found, ["delivered/twice/client"]);
    }
}
