//! facts: what roles report is checked against the wire and the stores.

use super::{
    About, Class, Property, Seen, Sort, Subject, Tally, Violation,
    wire::{At, conversation_of, held_content, is_group, text},
};
use crate::{
    lookup::{Lookup, LookupSet},
    record::{Frame, Kind, Line},
};
use bytes::Bytes;
use teamtalk::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    env::ConnId,
    fact::{Fact, Via},
    wire::im::{
        base_define::MsgInfo,
        message::{ImGetMsgByIdRsp, ImGetMsgListRsp, ImMsgDataAck, ImMsgDataReadAck},
    },
};

/// See the module.
#[derive(Debug, Default)]
pub struct Facts {
    /// Send-list entries that a msg_server reported, as (connection, msg_id).
    added: LookupSet<(ConnId, u32)>,
    /// Acks and read acks that came in: the connection, the chat and the message that they name.
    acks: LookupSet<(ConnId, Chat, u32)>,
    /// Message rows that were committed.
    rows: LookupSet<(Conversation, u32)>,
    /// The connections of which a role said that a user is logged in.
    logged_in: LookupSet<(ConnId, u32)>,
    /// The contents that a device read in a push or a list: by device, msg_id and sender.
    told: Lookup<(u32, u32, u32), Vec<Bytes>>,
    /// Acks of sends that a device read.
    acked: LookupSet<(u32, u32)>,
    tally: Tally,
}

#[cold]
fn lie(
    line: &Line,
    kind: &'static str,
    sentence: String,
    about: impl Into<About>,
) -> Option<Violation> {
    Some(Violation {
        property: "facts",
        kind,
        role: line.host.role(),
        sentence: format!("{}: {sentence}", line.host),
        about: about.into(),
    })
}

impl Facts {
    fn pdu(&mut self, seen: &Seen<'_>, at: At, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let line = seen.line;
        match (at, pdu.command()) {
            (At::ServerReads, command::MSG_DATA_ACK) => {
                let ack = pdu.view::<ImMsgDataAck>().ok()?;
                let chat = Chat::of(ack.session_type, ack.session_id);
                self.acks.insert((conn, chat, ack.msg_id));
                None
            }
            (At::ServerReads, command::MSG_READ_ACK) => {
                let ack = pdu.view::<ImMsgDataReadAck>().ok()?;
                let chat = Chat::of(ack.session_type, ack.session_id);
                self.acks.insert((conn, chat, ack.msg_id));
                None
            }
            (At::ServerWrites, command::MSG_DATA) => {
                let data = &seen.data.as_ref()?.body;
                // Pushes to groups have none in the original (SYSTEM.md section 3, step 4).
                let tracks_groups = seen.protocol().conversation_keyed_acks;
                let untracked = is_group(data.msg_type) && !tracks_groups;
                if untracked || self.added.contains(&(conn, data.msg_id)) {
                    return None;
                }
                let id = data.msg_id;
                let what = format!("pushed msg_id {id} on connection {conn} without an entry");
                let about = conversation_of(data.from_user_id, data.to_session_id, data.msg_type);
                lie(line, "untracked-push", what, [Subject::Message(about, id)])
            }
            (At::ServerWrites, command::LOGIN_RES_USERLOGIN) => {
                let user = seen.known.clients.user(conn)?;
                if self.logged_in.contains(&(conn, user)) {
                    return None;
                }
                let what = format!("logged user {user} in on connection {conn} and did not say so");
                lie(line, "untold-login", what, [Subject::Connection(conn)])
            }
            (At::DeviceReads, _) => {
                self.device_reads(seen, conn, pdu);
                None
            }
            _ => None,
        }
    }

    /// Whether an ack that came in names a message. Without `conversation-keyed-acks` one between two
    /// users names the sender (SYSTEM.md section 3, step 7), with it the other user.
    fn is_acked(&self, seen: &Seen<'_>, conn: ConnId, of: Conversation, msg_id: u32) -> bool {
        let Some(user) = seen.known.clients.user(conn) else { return false };
        let keyed = seen.protocol().conversation_keyed_acks;
        let named = of.chat_of(user).into_iter();
        let named = named.chain((!keyed && of.peer_of(user).is_some()).then_some(Chat::User(user)));
        named.into_iter().any(|chat| self.acks.contains(&(conn, chat, msg_id)))
    }

    fn device_reads(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<()> {
        let device = seen.known.clients.device(conn)?;
        match pdu.command() {
            command::MSG_DATA => {
                let m = &seen.data.as_ref()?.body;
                self.tell((device, m.msg_id, m.from_user_id), &m.msg_data);
            }
            command::MSG_DATA_ACK => {
                self.acked.insert((device, pdu.view::<ImMsgDataAck>().ok()?.msg_id));
            }
            command::MSG_LIST_RESPONSE => {
                self.list(device, &pdu.view::<ImGetMsgListRsp>().ok()?.msg_list);
            }
            command::MSG_GET_BY_MSG_ID_RES => {
                self.list(device, &pdu.view::<ImGetMsgByIdRsp>().ok()?.msg_list);
            }
            _ => {}
        }
        Some(())
    }

    fn list(&mut self, device: u32, rows: &[MsgInfo]) {
        for row in rows {
            self.tell((device, row.msg_id, row.from_session_id), &row.msg_data);
        }
    }

    fn tell(&mut self, message: (u32, u32, u32), content: &Bytes) {
        let told = self.told.entry(message).or_default();
        if !told.contains(content) {
            told.push(content.clone());
        }
    }

    fn fact(&mut self, seen: &Seen<'_>, fact: &Fact) -> Option<Violation> {
        let line = seen.line;
        self.tally.judge();
        match fact {
            Fact::SendListAdded { conn, msg_id, .. } => {
                self.added.insert((*conn, *msg_id));
                None
            }
            Fact::LoggedIn { conn, user, .. } => {
                self.logged_in.insert((*conn, *user));
                None
            }
            Fact::SendListAcked { conn, conversation, msg_id }
                if !self.is_acked(seen, *conn, *conversation, *msg_id) =>
            {
                let what =
                    format!("says msg_id {msg_id} was acked on connection {conn}; no ack came");
                let about = [Subject::Message(*conversation, *msg_id), Subject::Ends(*conn)];
                lie(line, "unfounded-ack", what, about)
            }
            Fact::Stored { conversation, msg_id, .. }
                if !self.rows.contains(&(*conversation, *msg_id)) =>
            {
                let what = format!("says msg_id {msg_id} of {conversation} is stored; no such row");
                let about = [Subject::Message(*conversation, *msg_id)];
                lie(line, "unfounded-stored", what, about)
            }
            Fact::DeviceOnline { device, conn, user }
                if seen.known.clients.user(*conn) != Some(*user) =>
            {
                let what = format!(
                    "says device {device} is online as user {user} on connection {conn}; no 0104 \
                     says so"
                );
                let about = [Subject::Device(*device), Subject::Connection(*conn)];
                lie(line, "unfounded-online", what, about)
            }
            Fact::Held { device, conversation, msg_id, from, content, via } => {
                let founded = match via {
                    Via::Sent => self.acked.contains(&(*device, *msg_id)),
                    Via::Push | Via::Pull => {
                        let told = self.told.get(&(*device, *msg_id, *from));
                        told.is_some_and(|told| told.iter().any(|bytes| text(bytes) == *content))
                    }
                };
                if founded {
                    return None;
                }
                let what = format!(
                    "says device {device} holds \"{content}\" from user {from} as msg_id \
                     {msg_id}; nothing told it so"
                );
                let content = Subject::Content(held_content(content).into());
                let about = [content, Subject::Message(*conversation, *msg_id)];
                lie(line, "unfounded-held", what, about)
            }
            _ => None,
        }
    }
}

impl Property for Facts {
    fn name(&self) -> &'static str {
        "facts"
    }

    fn says(&self) -> &'static str {
        "what roles report matches the wire and the stores"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::ServerReads,
            Class::ServerWrites,
            Class::DeviceReads,
            Class::SendList,
            Class::Sending,
            Class::Shown,
            Class::Fact,
            Class::Row,
        ]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::ServerReads => Some(&[command::MSG_DATA_ACK, command::MSG_READ_ACK]),
            Class::ServerWrites => Some(&[command::MSG_DATA, command::LOGIN_RES_USERLOGIN]),
            Class::DeviceReads => Some(&[
                command::MSG_DATA,
                command::MSG_DATA_ACK,
                command::MSG_LIST_RESPONSE,
                command::MSG_GET_BY_MSG_ID_RES,
            ]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        match &seen.line.kind {
            Kind::Fact(fact) => self.fact(seen, fact),
            Kind::Row { conversation, msg_id, .. } => {
                self.rows.insert((*conversation, *msg_id));
                None
            }
            _ => {
                let (at, conn, pdu) = seen.client?;
                self.pdu(seen, at, conn, pdu)
            }
        }
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Facts;
    use crate::properties::tape::{
        G, Tape, ack, group_ack, group_list, group_message, list, message,
    };
    use teamtalk::{conversation::Conversation, fact::Fact, protocol::Protocol};

    fn tape() -> Tape<Facts> {
        let mut tape = Tape::new(Facts::default());
        tape.login(1, 10, 1);
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape
    }

    fn added(msg_id: u32) -> Fact {
        let conversation = Conversation::single(1, 2);
        Fact::SendListAdded { conn: 10, user: 1, conversation, msg_id, from: 2 }
    }

    #[test]
    fn a_push_needs_an_entry_and_an_ack_of_one_needs_a_pdu() {
        let mut tape = tape();
        let conversation = Conversation::single(1, 2);
        let acked = || Fact::SendListAcked { conn: 10, conversation, msg_id: 4 };
        tape.fact("msg1", added(4)).tells(10, message(0, 4, 2, 1, "a"));
        tape.asks(10, ack(3, 4, 1, 2)).fact("msg1", acked());
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        for other in [ack(3, 5, 1, 2), ack(3, 4, 1, 3)] {
            let mut tape = Tape::new(Facts::default());
            tape.login(1, 10, 1).asks(10, other).fact("msg1", acked());
            assert_eq!(tape.found, ["facts/unfounded-ack/msg"]);
        }
        // Its sender is who was pushed the copy: only an old msg_server takes the user's own id.
        for (protocol, found) in [(Protocol::teamtalk(), 0), (Protocol::hardened(), 1)] {
            let mut tape = Tape::new(Facts::default()).under(protocol);
            tape.login(1, 10, 1).asks(10, ack(3, 4, 1, 1)).fact("msg1", acked());
            assert_eq!(tape.found.len(), found);
        }
        tape.tells(10, message(0, 5, 2, 1, "b"));
        assert_eq!(tape.found, ["facts/untracked-push/msg"]);
        let mut tape = Tape::new(Facts::default());
        tape.login(1, 10, 1).fact("msg1", acked());
        assert_eq!(tape.found, ["facts/unfounded-ack/msg"]);
    }

    #[test]
    fn stored_needs_a_committed_row() {
        let mut tape = tape();
        let conversation = Conversation::single(1, 2);
        let stored = |msg_id| Fact::Stored { conversation, relation: 1, msg_id, from: 1 };
        tape.row(4, (1, "a")).fact("db1", stored(4));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.fact("db1", stored(5)).row(5, (1, "b"));
        assert_eq!(tape.found, ["facts/unfounded-stored/db"]);
    }

    #[test]
    fn online_needs_a_login_answer() {
        let mut tape = tape();
        tape.connect(2, 20).fact("client1", Fact::DeviceOnline { device: 2, conn: 20, user: 2 });
        tape.fact("client1", Fact::DeviceOnline { device: 1, conn: 10, user: 3 });
        assert_eq!(tape.found, ["facts/unfounded-online/client"; 2]);
    }

    #[test]
    fn held_needs_a_push_a_list_or_an_ack() {
        let mut tape = tape();
        tape.fact("msg1", added(4)).tells(10, message(0, 4, 2, 1, "a")).holds(1, 4, (2, "a"));
        tape.tells(10, list(7, 1, 2, &[(5, 2, "b")])).holds(1, 5, (2, "b"));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.holds(1, 5, (1, "b")).holds(1, 6, (2, "b")).holds(1, 5, (2, "c"));
        assert_eq!(tape.found, ["facts/unfounded-held/client"; 3]);
    }

    #[test]
    fn a_push_to_a_group_needs_an_entry_where_acks_are_keyed_by_conversation() {
        let conversation = Conversation::Group(G);
        let added = Fact::SendListAdded { conn: 10, user: 1, conversation, msg_id: 4, from: 2 };
        let acked = Fact::SendListAcked { conn: 10, conversation, msg_id: 4 };
        let mut new = Tape::new(Facts::default()).under(Protocol::hardened());
        new.login(1, 10, 1).fact("msg1", added).tells(10, group_message(0, 4, 2, "a"));
        new.asks(10, group_ack(3, 4, 1)).fact("msg1", acked).holds_of_group(1, 4, (2, "a"));
        new.tells(10, group_list(7, 1, &[(5, 2, "b")])).holds_of_group(1, 5, (2, "b"));
        assert!(new.found.is_empty(), "{:?}", new.found);
        new.tells(10, group_message(0, 6, 2, "c")).holds_of_group(1, 7, (2, "c"));
        assert_eq!(new.found, ["facts/untracked-push/msg", "facts/unfounded-held/client"]);
        let mut old = Tape::new(Facts::default()).under(Protocol::teamtalk());
        old.login(1, 10, 1).tells(10, group_message(0, 6, 2, "c"));
        assert!(old.found.is_empty(), "{:?}", old.found);
    }
}
