//! acked-is-stored: an acked message is in SQL, once, with that msg_id and content, and stays.
//!
//! Of audio the recording is compared: what the blob store was given under the path in the row of
//! IMAudio that the message's row names (`record::inserts`).

use super::{
    About, Class, Property, Seen, Sort, Subject, Tally, Violation,
    wire::{At, Message, conversation_of},
};
use crate::{
    lookup::{Lookup, LookupSet},
    plan::Role,
    record::{Frame, Kind, Line, What, commits::Commits},
};
use std::sync::Arc;
use teamtalk::{
    catalogue::id as command, conversation::Conversation, env::ConnId,
    wire::im::message::ImMsgDataAck,
};

/// See the module.
#[derive(Debug)]
pub struct AckedIsStored {
    /// What a device asked to send on a connection under a seq_num.
    asked: Lookup<(ConnId, u16), Asked>,
    rows: Lookup<(Conversation, u32), Vec<Message>>,
    acked: LookupSet<(Conversation, u32)>,
    commits: Commits,
    tally: Tally,
}

#[derive(Debug)]
struct Asked {
    to: u32,
    msg_type: i32,
    content: Arc<str>,
}

impl Default for AckedIsStored {
    fn default() -> Self {
        Self {
            asked: Lookup::default(),
            rows: Lookup::default(),
            acked: LookupSet::default(),
            commits: Commits::of(|what| what.changes_messages.is_some()),
            tally: Tally::default(),
        }
    }
}

impl AckedIsStored {
    #[cold]
    fn violation(
        &self,
        kind: &'static str,
        line: &Line,
        (conversation, msg_id): (Conversation, u32),
        why: &str,
        contents: &[&Arc<str>],
    ) -> Option<Violation> {
        let at = &line.host;
        let contents = contents.iter().map(|content| Subject::Content(Arc::clone(content)));
        let about = contents.collect::<About>().and(Subject::Message(conversation, msg_id));
        Some(Violation {
            property: "acked-is-stored",
            kind,
            role: Role::Db,
            sentence: format!("msg_id {msg_id} of {conversation} was acked, but {why} (at {at})"),
            about,
        })
    }

    fn pdu(&mut self, seen: &Seen<'_>, at: At, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let key = (conn, pdu.header.seq_num);
        match (at, pdu.command()) {
            (At::ServerReads, command::MSG_DATA) => {
                let data = seen.data.as_ref()?;
                let (to, msg_type) = (data.body.to_session_id, data.body.msg_type);
                self.asked.insert(key, Asked { to, msg_type, content: data.content.clone() });
                None
            }
            (At::ServerWrites, command::MSG_DATA_ACK) => {
                let ack = pdu.view::<ImMsgDataAck>().ok()?;
                if ack.msg_id == 0 {
                    return None; // it says that nothing was stored
                }
                let (Some(asked), Some(user)) =
                    (self.asked.get(&key), seen.known.clients.user(conn))
                else {
                    self.tally.excuse("an ack of what was not read there");
                    return None;
                };
                let conversation = conversation_of(user, asked.to, asked.msg_type);
                let message = (user, asked.content.clone());
                let found = self.acked_as(seen.line, (conversation, ack.msg_id), message)?;
                Some(found.and(Subject::answer(conn, pdu)))
            }
            _ => None,
        }
    }

    fn acked_as(
        &mut self,
        line: &Line,
        id: (Conversation, u32),
        message: Message,
    ) -> Option<Violation> {
        self.tally.judge();
        self.acked.insert(id);
        let what = || format!("\"{}\" from user {}", message.1, message.0);
        match self.rows.get(&id).map(Vec::as_slice) {
            Some([row]) if *row == message => None,
            None => {
                let why = format!("no such row is committed: {} is not stored", what());
                self.violation("not-stored", line, id, &why, &[&message.1])
            }
            Some(rows) if !rows.contains(&message) => {
                let why = format!("its row is \"{}\", not {}", rows[0].1, what());
                self.violation("another-stored", line, id, &why, &[&message.1, &rows[0].1])
            }
            Some(rows) => {
                let why = format!("{} rows have this id, {} among them", rows.len(), what());
                let contents: Vec<_> = rows.iter().map(|row| &row.1).collect();
                self.violation("stored-twice", line, id, &why, &contents)
            }
        }
    }

    /// Judges a statement that changed rows of messages, if any of their sort was acked before.
    fn changes(&self, line: &Line, statement: &What) -> Option<Violation> {
        let group = statement.changes_messages?;
        let could_hit = |(c, _): &(Conversation, u32)| matches!(c, Conversation::Group(_)) == group;
        let id = *self.acked.least(could_hit)?;
        self.violation("changed", line, id, &format!("`{statement}` may hit it"), &[])
    }
}

impl Property for AckedIsStored {
    fn name(&self) -> &'static str {
        "acked-is-stored"
    }

    fn says(&self) -> &'static str {
        "an acked message is in SQL, once, with that msg_id and content, and stays"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::ServerReads, Class::ServerWrites, Class::Row, Class::Store]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::ServerReads => Some(&[command::MSG_DATA]),
            Class::ServerWrites => Some(&[command::MSG_DATA_ACK]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        if let Some((at, conn, pdu)) = seen.client {
            return self.pdu(seen, at, conn, pdu);
        }
        match &line.kind {
            Kind::Row { conversation, msg_id, from, content } => {
                let id = (*conversation, *msg_id);
                let rows = self.rows.entry(id).or_default();
                rows.extend(seen.message.clone());
                if rows.len() == 1 || !self.acked.contains(&id) {
                    return None;
                }
                let rows = self.rows.get(&id)?;
                let contents: Vec<_> = rows.iter().map(|row| &row.1).collect();
                let why = format!("a second row has this id: \"{content}\" from user {from}");
                self.violation("stored-twice", line, id, &why, &contents)
            }
            Kind::Store(applied) if applied.store == "sql" => {
                let durable = self.commits.observe(applied);
                durable.iter().find_map(|statement| self.changes(line, &statement.what))
            }
            _ => None,
        }
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::AckedIsStored;
    use crate::{
        properties::tape::{G, Tape, ack, audio, data, group_ack, group_message, message},
        record::{Kind, sql_applied},
    };
    use teamtalk::wire::im::base_define::MsgType;

    fn sent() -> Tape<AckedIsStored> {
        let mut tape = Tape::new(AckedIsStored::default());
        tape.login(1, 10, 1).asks(10, message(5, 0, 1, 2, "text"));
        tape
    }

    fn store(what: &str, effect: &str, committed: bool) -> Kind {
        Kind::Store(sql_applied(what, &[], effect, committed))
    }

    #[test]
    fn an_ack_of_a_row_holds() {
        let mut tape = sent();
        tape.row(7, (1, "text")).tells(10, ack(5, 7, 1, 2));
        tape.asks(10, message(6, 0, 1, 2, "more")).tells(10, ack(6, 0, 1, 2));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
    }

    #[test]
    fn an_ack_without_its_row_is_found() {
        let mut tape = sent();
        tape.tells(10, ack(5, 7, 1, 2)).row(7, (1, "text"));
        assert_eq!(tape.found, ["acked-is-stored/not-stored/db"]);
        for row in [(2, "text"), (1, "other")] {
            let mut tape = sent();
            tape.row(7, row).tells(10, ack(5, 7, 1, 2));
            assert_eq!(tape.found, ["acked-is-stored/another-stored/db"]);
        }
        let mut tape = sent();
        tape.row(8, (1, "text")).tells(10, ack(5, 7, 1, 2));
        assert_eq!(tape.found, ["acked-is-stored/not-stored/db"], "another id");
    }

    #[test]
    fn a_second_row_is_found_before_and_after_the_ack() {
        let mut tape = sent();
        tape.row(7, (1, "text")).row(7, (2, "other")).tells(10, ack(5, 7, 1, 2));
        assert_eq!(tape.found, ["acked-is-stored/stored-twice/db"]);
        let mut tape = sent();
        tape.row(7, (1, "text")).tells(10, ack(5, 7, 1, 2)).row(7, (1, "text"));
        assert_eq!(tape.found, ["acked-is-stored/stored-twice/db"]);
    }

    #[test]
    fn a_change_of_messages_is_found_once_it_is_durable() {
        let mut tape = sent();
        tape.row(7, (1, "text")).tells(10, ack(5, 7, 1, 2));
        tape.line("sql", store("delete from IMMessage_1 where id=?", "affected 0", true));
        tape.line("sql", store("update IMRecentSession set status=1", "affected 1", true));
        tape.line("sql", store("delete from `IMGroupMessage_1`", "affected 1", true));
        tape.line("sql", store("update IMMessage_1 set status=1", "tx 3: affected 1", false));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.line("sql", store("COMMIT", "tx 3: affected 0", true));
        assert_eq!(tape.found, ["acked-is-stored/changed/db"]);
    }

    #[test]
    fn a_message_to_a_group_is_stored_in_its_group() {
        let sent = || {
            let mut tape = sent();
            tape.asks(10, group_message(6, 0, 1, "text"));
            tape
        };
        let mut tape = sent();
        tape.group_row(7, (1, "text")).tells(10, group_ack(6, 7, 1));
        tape.line("sql", store("delete from IMMessage_1", "affected 1", true));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.line("sql", store("delete from IMGroupMessage_7", "affected 1", true));
        assert_eq!(tape.found, ["acked-is-stored/changed/db"]);
        let found =
            |tape: &mut Tape<AckedIsStored>| tape.tells(10, group_ack(6, 7, 1)).found.clone();
        assert_eq!(found(sent().row(7, (1, "text"))), ["acked-is-stored/not-stored/db"]);
        let another = ["acked-is-stored/another-stored/db"];
        assert_eq!(found(sent().group_row(7, (2, "text"))), another);
        let twice = ["acked-is-stored/stored-twice/db"];
        assert_eq!(found(sent().group_row(7, (1, "text")).group_row(7, (1, "text"))), twice);
    }

    #[test]
    fn audio_is_stored_as_its_recording() {
        for (kind, to) in [(MsgType::SingleAudio, 2), (MsgType::GroupAudio, G)] {
            let found = |stored: &str| {
                let mut tape = sent();
                tape.asks(10, data(6, 0, (1, to), kind, &audio(5, "op-3")));
                match kind {
                    MsgType::SingleAudio => tape.row(7, (1, stored)),
                    _ => tape.group_row(7, (1, stored)),
                };
                tape.tells(10, ack(6, 7, 1, to)).found.clone()
            };
            assert!(found("op-3").is_empty());
            // The id of a row that names no recording, and another recording.
            for stored in ["12", "op-4"] {
                assert_eq!(found(stored), ["acked-is-stored/another-stored/db"]);
            }
        }
    }
}
