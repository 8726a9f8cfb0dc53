//! unique-msg-id: no two messages of one conversation carry the same msg_id, in acks, pushes,
//! pulls or rows.
//!
//! Messages are told apart by sender and content: the rig gives every send a text of its own.

use super::{
    Class, Property, Seen, Sort, Subject, Tally, Violation,
    wire::{At, Message, content, conversation_of, conversation_with},
};
use crate::{
    lookup::Lookup,
    plan::Role,
    record::{Frame, Kind, Line},
};
use std::sync::Arc;
use teamtalk::{
    catalogue::id as command,
    conversation::Conversation,
    env::ConnId,
    wire::im::{
        base_define::MsgInfo,
        message::{ImGetMsgByIdRsp, ImGetMsgListRsp, ImMsgDataAck},
    },
};

/// See the module.
#[derive(Debug, Default)]
pub struct UniqueMsgId {
    met: Lookup<(Conversation, u32), Message>,
    /// What a device sent on a connection under a seq_num: the ack names no content.
    asked: Lookup<(ConnId, u16), Asked>,
    tally: Tally,
}

#[derive(Debug)]
struct Asked {
    to: u32,
    msg_type: i32,
    content: Arc<str>,
}

impl UniqueMsgId {
    fn meet(
        &mut self,
        conversation: Conversation,
        msg_id: u32,
        (from, content): (u32, &str),
        line: &Line,
        place: &'static str,
    ) -> Option<Violation> {
        if msg_id == 0 {
            return None; // "not stored", not an id
        }
        self.tally.judge();
        let before = self.met.entry((conversation, msg_id));
        let before = before.or_insert_with(|| (from, content.into()));
        if (before.0, &*before.1) == (from, content) {
            return None;
        }
        Some(Violation {
            property: "unique-msg-id",
            kind: "two-messages",
            role: Role::Db,
            sentence: format!(
                "in conversation {conversation} msg_id {msg_id} is of \"{}\" (from user {}) and, \
                 in {place} at {}, of \"{content}\" (from user {from})",
                before.1, before.0, line.host,
            ),
            about: [
                Subject::Content(before.1.clone()),
                Subject::Content(content.into()),
                Subject::Message(conversation, msg_id),
            ]
            .into(),
        })
    }

    fn pdu(&mut self, seen: &Seen<'_>, at: At, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let (line, key) = (seen.line, (conn, pdu.header.seq_num));
        if (at, pdu.command()) == (At::DeviceWrites, command::MSG_DATA) {
            let data = seen.data.as_ref()?;
            let (to, msg_type) = (data.body.to_session_id, data.body.msg_type);
            self.asked.insert(key, Asked { to, msg_type, content: data.content.clone() });
            return None;
        }
        if at != At::ServerWrites {
            return None;
        }
        let user = seen.known.clients.user(conn)?;
        let found = match pdu.command() {
            command::MSG_DATA => {
                let (body, (from, content)) = (&seen.data.as_ref()?.body, seen.message.as_ref()?);
                let conversation = conversation_of(*from, body.to_session_id, body.msg_type);
                self.meet(conversation, body.msg_id, (*from, content), line, "a push")
            }
            command::MSG_DATA_ACK => {
                let ack = pdu.view::<ImMsgDataAck>().ok()?;
                let Asked { to, msg_type, content } = self.asked.get(&key)?;
                let (conversation, content) =
                    (conversation_of(user, *to, *msg_type), content.clone());
                self.meet(conversation, ack.msg_id, (user, &content), line, "an ack")
            }
            command::MSG_LIST_RESPONSE => {
                let list = pdu.view::<ImGetMsgListRsp>().ok()?;
                let conversation = conversation_with(user, list.session_type, list.session_id);
                self.rows(conversation, &list.msg_list, line)
            }
            command::MSG_GET_BY_MSG_ID_RES => {
                let list = pdu.view::<ImGetMsgByIdRsp>().ok()?;
                let conversation = conversation_with(user, list.session_type, list.session_id);
                self.rows(conversation, &list.msg_list, line)
            }
            _ => None,
        }?;
        Some(found.and(Subject::answer(conn, pdu)))
    }

    fn rows(
        &mut self,
        conversation: Conversation,
        rows: &[MsgInfo],
        line: &Line,
    ) -> Option<Violation> {
        rows.iter().find_map(|row| {
            let content = content(row.msg_type, &row.msg_data);
            self.meet(conversation, row.msg_id, (row.from_session_id, &content), line, "a pull")
        })
    }
}

impl Property for UniqueMsgId {
    fn name(&self) -> &'static str {
        "unique-msg-id"
    }

    fn says(&self) -> &'static str {
        "no two messages of one conversation carry the same msg_id, in acks, pushes, pulls or rows"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::DeviceWrites, Class::ServerWrites, Class::Row]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::DeviceWrites => Some(&[command::MSG_DATA]),
            Class::ServerWrites => Some(&[
                command::MSG_DATA,
                command::MSG_DATA_ACK,
                command::MSG_LIST_RESPONSE,
                command::MSG_GET_BY_MSG_ID_RES,
            ]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if let Kind::Row { conversation, msg_id, from, content } = &seen.line.kind {
            return self.meet(*conversation, *msg_id, (*from, content), seen.line, "a row");
        }
        let (at, conn, pdu) = seen.client?;
        self.pdu(seen, at, conn, pdu)
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::UniqueMsgId;
    use crate::properties::tape::{
        G, Tape, ack, audio, data, group_ack, group_list, group_message, list, message, page,
    };
    use teamtalk::{conversation::Chat, wire::im::base_define::MsgType};

    /// User 1 sends "a" to user 2 under seq 5; both are logged in. It is stored as msg_id 7.
    fn stored() -> Tape<UniqueMsgId> {
        let mut tape = Tape::new(UniqueMsgId::default());
        tape.login(1, 10, 1).login(2, 20, 2).asks(10, message(5, 0, 1, 2, "a")).row(7, (1, "a"));
        tape
    }

    #[test]
    fn one_message_may_carry_its_id_everywhere() {
        let mut tape = stored();
        tape.tells(10, ack(5, 7, 1, 2)).tells(20, message(0, 7, 1, 2, "a"));
        tape.tells(20, list(6, 2, 1, &[(8, 2, "b"), (7, 1, "a")]));
        // Elsewhere it is another one; 0 is no id.
        tape.login(3, 30, 3).tells(30, message(0, 7, 1, 3, "c"));
        tape.asks(10, message(6, 0, 1, 2, "d")).tells(10, ack(6, 0, 1, 2));
        tape.asks(10, message(7, 0, 1, 2, "e")).tells(10, ack(7, 0, 1, 2));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
    }

    #[test]
    fn another_message_under_the_id_is_found_wherever_it_shows() {
        let two = ["unique-msg-id/two-messages/db"];
        assert_eq!(stored().row(7, (1, "b")).found, two);
        assert_eq!(stored().row(7, (2, "a")).found, two);
        assert_eq!(stored().tells(20, message(0, 7, 1, 2, "b")).found, two);
        assert_eq!(stored().tells(20, list(6, 2, 1, &[(7, 2, "a")])).found, two);
        let mut tape = stored();
        tape.asks(10, message(6, 0, 1, 2, "b")).tells(10, ack(6, 7, 1, 2));
        assert_eq!(tape.found, two);
    }

    #[test]
    fn groups_have_ids_of_their_own() {
        let stored = || {
            let mut tape = stored();
            tape.asks(10, group_message(8, 0, 1, "g")).group_row(7, (1, "g"));
            tape
        };
        let mut tape = stored();
        tape.tells(10, group_ack(8, 7, 1)).tells(20, group_message(0, 7, 1, "g"));
        tape.tells(20, group_list(6, 2, &[(8, 2, "h"), (7, 1, "g")]));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        let two = ["unique-msg-id/two-messages/db"];
        assert_eq!(stored().group_row(7, (2, "g")).found, two);
        assert_eq!(stored().tells(20, group_message(0, 7, 1, "a")).found, two);
        assert_eq!(stored().tells(20, group_list(6, 2, &[(7, 1, "a")])).found, two);
        let mut tape = stored();
        tape.asks(10, group_message(9, 0, 1, "h")).tells(10, group_ack(9, 7, 1));
        assert_eq!(tape.found, two);
    }

    #[test]
    fn audio_is_one_message_under_every_duration() {
        let kind = MsgType::GroupAudio;
        let pull = |bytes: &[u8]| page(6, 2, Chat::Group(G), kind, &[(7, 1, bytes)]);
        let mut tape = stored();
        tape.asks(10, data(8, 0, (1, G), kind, &audio(5, "op-3"))).group_row(7, (1, "op-3"));
        tape.tells(10, group_ack(8, 7, 1)).tells(20, data(0, 7, (1, G), kind, &audio(5, "op-3")));
        tape.tells(20, pull(&audio(0, "op-3")));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.tells(20, pull(&audio(0, "op-4")));
        assert_eq!(tape.found, ["unique-msg-id/two-messages/db"]);
    }
}
