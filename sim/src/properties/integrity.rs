//! integrity: what a device receives was sent, by that sender, to that conversation, unchanged.
//!
//! Every message that a msg_server writes to a device is looked at: pushes, lists, and the
//! latest messages beside sessions and unread counts. Audio whose recording is right and whose
//! duration is another one (SYSTEM.md section 6, "Audio": history gives back 0) is a kind of its
//! own; a latest one may be shown as the constant of the original.

use super::{
    Property, Sort, Violation,
    clients::Clients,
    role_of,
    wire::{At, client_pdu, content, conversation_of, conversation_with, is_audio, text},
};
use crate::record::{Frame, Line};
use bytes::Bytes;
use std::collections::BTreeSet;
use teamtalk::{
    conversation::Conversation,
    env::ConnId,
    wire::{
        Malformed, command,
        im::{
            base_define::MsgInfo,
            buddy::ImRecentContactSessionRsp,
            message::{ImGetMsgByIdRsp, ImGetMsgListRsp, ImMsgData, ImUnreadMsgCntRsp},
        },
    },
};

/// What is shown of a latest message that is audio.
const AUDIO_AS_LATEST: &[u8] = b"QhGXlpFjvMFUNrtl1aaPzA==";

/// A message as a device is told it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    conversation: Conversation,
    from: u32,
    msg_type: i32,
    content: Bytes,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Integrity {
    clients: Clients,
    sent: BTreeSet<Told>,
}

impl Integrity {
    fn sends(&mut self, conn: ConnId, pdu: &Frame) {
        if let (Ok(data), Some(from)) =
            (pdu.view::<ImMsgData>(), self.clients.user_of_device_on(conn))
        {
            let ImMsgData { to_session_id: to, msg_type, msg_data: content, .. } = data;
            let conversation = conversation_of(from, to, msg_type);
            self.sent.insert(Told { conversation, from, msg_type, content });
        }
    }

    /// The messages that a PDU carries, and whether they are only the latest of each session.
    fn carried(&self, conn: ConnId, pdu: &Frame) -> Result<(Vec<Told>, bool), Malformed> {
        let user = self.clients.user(conn).unwrap_or(0);
        let rows = |conversation, rows: Vec<MsgInfo>| {
            let row = |row: MsgInfo| Told {
                conversation,
                from: row.from_session_id,
                msg_type: row.msg_type,
                content: row.msg_data,
            };
            rows.into_iter().map(row).collect()
        };
        Ok(match pdu.command() {
            command::MSG_DATA => {
                let m: ImMsgData = pdu.view()?;
                let conversation = conversation_of(m.from_user_id, m.to_session_id, m.msg_type);
                let (from, msg_type, content) = (m.from_user_id, m.msg_type, m.msg_data);
                (vec![Told { conversation, from, msg_type, content }], false)
            }
            command::MSG_LIST_RESPONSE => {
                let list: ImGetMsgListRsp = pdu.view()?;
                let conversation = conversation_with(user, list.session_type, list.session_id);
                (rows(conversation, list.msg_list), false)
            }
            command::MSG_GET_BY_MSG_ID_RES => {
                let list: ImGetMsgByIdRsp = pdu.view()?;
                let conversation = conversation_with(user, list.session_type, list.session_id);
                (rows(conversation, list.msg_list), false)
            }
            command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE => {
                let list: ImRecentContactSessionRsp = pdu.view()?;
                let told = list.contact_session_list.into_iter().map(|s| Told {
                    conversation: conversation_with(user, s.session_type, s.session_id),
                    from: s.latest_msg_from_user_id,
                    msg_type: s.latest_msg_type,
                    content: s.latest_msg_data,
                });
                (told.collect(), true)
            }
            command::MSG_UNREAD_CNT_RESPONSE => {
                let list: ImUnreadMsgCntRsp = pdu.view()?;
                let told = list.unreadinfo_list.into_iter().map(|u| Told {
                    conversation: conversation_with(user, u.session_type, u.session_id),
                    from: u.latest_msg_from_user_id,
                    msg_type: u.latest_msg_type,
                    content: u.latest_msg_data,
                });
                (told.collect(), true)
            }
            _ => (Vec::new(), false),
        })
    }

    fn judge(&self, told: &Told, latest: bool, what: &str) -> Option<Violation> {
        if self.sent.contains(told) {
            return None;
        }
        // Which audio the constant stands for is not to be seen.
        let any = latest && is_audio(told.msg_type) && told.content == AUDIO_AS_LATEST;
        let known = content(told.msg_type, &told.content);
        let same_but_sender = |sent: &&Told| {
            (sent.conversation, sent.msg_type) == (told.conversation, told.msg_type)
                && (any || sent.content == told.content || same_audio(sent, &known))
        };
        let same: Vec<_> = self.sent.iter().filter(same_but_sender).collect();
        let by_sender = same.iter().any(|sent| sent.from == told.from);
        if any && by_sender {
            return None;
        }
        let content = text(&told.content);
        let (kind, why) = match same.first() {
            Some(_) if by_sender => ("duration", "its duration was another one".into()),
            Some(sent) if latest => ("latest-sender", format!("user {} sent it", sent.from)),
            Some(sent) => ("sender", format!("user {} sent it", sent.from)),
            None => ("altered", "nobody sent that there".into()),
        };
        Some(Violation {
            property: "integrity",
            kind,
            role: role_of("db"),
            sentence: format!(
                "{what} says \"{content}\" (type {}) of {} is from user {}; {why}",
                told.msg_type, told.conversation, told.from
            ),
            about: vec![content],
        })
    }
}

/// Whether this is audio of that recording.
fn same_audio(sent: &Told, recording: &str) -> bool {
    is_audio(sent.msg_type) && content(sent.msg_type, &sent.content) == recording
}

impl Property for Integrity {
    fn name(&self) -> &'static str {
        "integrity"
    }

    fn says(&self) -> &'static str {
        "what a device receives was sent, by that sender, to that conversation, unchanged"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn observe(&mut self, line: &Line) -> Option<Violation> {
        self.clients.observe(line);
        let (at, conn, pdu) = client_pdu(line)?;
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_DATA) => {
                self.sends(conn, pdu);
                None
            }
            (At::ServerWrites, _) => {
                let name = command::name(pdu.command()).unwrap_or("a PDU");
                let what = format!("{name} on connection {conn}");
                match self.carried(conn, pdu) {
                    Ok((told, latest)) => told.iter().find_map(|t| self.judge(t, latest, &what)),
                    Err(malformed) => Some(Violation {
                        property: "integrity",
                        kind: "malformed",
                        role: role_of(&line.host),
                        sentence: format!("{what}: {malformed}"),
                        about: Vec::new(),
                    }),
                }
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Integrity;
    use crate::properties::tape::{
        G, Tape, audio, data, group_list, group_message, list, message, page,
    };
    use bytes::Bytes;
    use teamtalk::{
        conversation::Chat,
        wire::{
            Pdu, command,
            im::{
                base_define::{ContactSessionInfo, MsgType, UnreadInfo},
                buddy::ImRecentContactSessionRsp,
                message::ImUnreadMsgCntRsp,
            },
        },
    };

    /// User 1 sends "text" to user 2; both are logged in.
    fn sent() -> Tape<Integrity> {
        let mut tape = Tape::new(Integrity::default());
        tape.login(1, 10, 1).login(2, 20, 2).asks(10, message(5, 0, 1, 2, "text"));
        tape
    }

    fn latest(from: u32, content: &'static str) -> [Pdu; 2] {
        latest_of(Chat::User(1), MsgType::SingleText, from, content)
    }

    fn latest_of(chat: Chat, kind: MsgType, from: u32, content: &'static str) -> [Pdu; 2] {
        let data = Bytes::from_static(content.as_bytes());
        let session = ContactSessionInfo {
            session_id: chat.id(),
            session_type: chat.session_type(),
            latest_msg_data: data.clone(),
            latest_msg_type: kind as i32,
            latest_msg_from_user_id: from,
            ..Default::default()
        };
        let sessions =
            ImRecentContactSessionRsp { contact_session_list: vec![session], ..Default::default() };
        let unread = UnreadInfo {
            session_id: chat.id(),
            session_type: chat.session_type(),
            latest_msg_data: data,
            latest_msg_type: kind as i32,
            latest_msg_from_user_id: from,
            ..Default::default()
        };
        let unread = ImUnreadMsgCntRsp { unreadinfo_list: vec![unread], ..Default::default() };
        [
            Pdu::new(command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE, 6, &sessions),
            Pdu::new(command::MSG_UNREAD_CNT_RESPONSE, 7, &unread),
        ]
    }

    #[test]
    fn what_was_sent_may_be_told_in_every_way() {
        let mut tape = sent();
        tape.tells(20, message(0, 9, 1, 2, "text")).tells(10, message(0, 9, 1, 2, "text"));
        tape.tells(20, list(6, 2, 1, &[(9, 1, "text")]));
        for pdu in latest(1, "text") {
            tape.tells(20, pdu);
        }
        assert!(tape.found.is_empty(), "{:?}", tape.found);
    }

    #[test]
    fn another_sender_content_or_conversation_is_found() {
        for (pdu, kind) in [
            (message(0, 9, 1, 2, "texT"), "altered"),
            (message(0, 9, 2, 1, "text"), "sender"),
            (message(0, 9, 1, 3, "text"), "altered"),
            (list(6, 2, 1, &[(9, 1, "text"), (8, 1, "other")]), "altered"),
            (list(6, 2, 3, &[(9, 1, "text")]), "altered"),
            (list(6, 2, 1, &[(9, 2, "text")]), "sender"),
        ] {
            let mut tape = sent();
            tape.tells(20, pdu);
            assert_eq!(tape.found, [format!("integrity/{kind}/db")]);
        }
        for pdu in latest(2, "text") {
            let mut tape = sent();
            tape.tells(20, pdu);
            assert_eq!(tape.found, ["integrity/latest-sender/db"]);
        }
        for pdu in latest(1, "other") {
            let mut tape = sent();
            tape.tells(20, pdu);
            assert_eq!(tape.found, ["integrity/altered/db"]);
        }
    }

    #[test]
    fn a_malformed_answer_is_found() {
        let mut tape = sent();
        tape.tells(20, Pdu::raw(command::MSG_LIST_RESPONSE, 6, Bytes::from_static(b"\x08")));
        assert_eq!(tape.found, ["integrity/malformed/msg"]);
    }

    /// User 1 sends to the group too: a text, and audio of 5 seconds.
    fn sent_to_group() -> Tape<Integrity> {
        let mut tape = sent();
        tape.asks(10, group_message(6, 0, 1, "text"));
        tape.asks(10, data(7, 0, (1, G), MsgType::GroupAudio, &audio(5, "op-3")));
        tape
    }

    #[test]
    fn a_message_to_a_group_is_told_as_it_was_sent() {
        let mut tape = sent_to_group();
        tape.tells(20, group_message(0, 9, 1, "text"))
            .tells(20, group_list(6, 2, &[(9, 1, "text")]));
        for pdu in latest_of(Chat::Group(G), MsgType::GroupText, 1, "text") {
            tape.tells(20, pdu);
        }
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        for (pdu, kind) in [
            (group_message(0, 9, 1, "texT"), "altered"),
            (group_message(0, 9, 2, "text"), "sender"),
            (message(0, 9, 1, G, "text"), "altered"),
            (group_list(6, 2, &[(9, 1, "other")]), "altered"),
            (group_list(6, 2, &[(9, 2, "text")]), "sender"),
            (list(6, 2, G, &[(9, 1, "text")]), "altered"),
        ] {
            let mut tape = sent_to_group();
            tape.tells(20, pdu);
            assert_eq!(tape.found, [format!("integrity/{kind}/db")]);
        }
    }

    #[test]
    fn audio_is_told_as_it_was_sent_and_another_duration_is_a_kind_of_its_own() {
        let kind = MsgType::GroupAudio;
        let pull = |from, bytes: &[u8]| page(6, 2, Chat::Group(G), kind, &[(9, from, bytes)]);
        let constant = "QhGXlpFjvMFUNrtl1aaPzA==";
        let mut tape = sent_to_group();
        tape.tells(20, data(0, 9, (1, G), kind, &audio(5, "op-3")))
            .tells(20, pull(1, &audio(5, "op-3")));
        for pdu in latest_of(Chat::Group(G), kind, 1, constant) {
            tape.tells(20, pdu);
        }
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        for (pdu, kind) in [
            (data(0, 9, (1, G), kind, &audio(5, "op-4")), "altered"),
            (pull(1, &audio(0, "op-3")), "duration"),
            (data(0, 9, (1, G), kind, &audio(6, "op-3")), "duration"),
            (pull(1, &audio(0, "op-4")), "altered"),
            (pull(1, b"12345"), "altered"),
            (pull(2, &audio(0, "op-3")), "sender"),
            (pull(1, constant.as_bytes()), "altered"),
            (latest_of(Chat::Group(G), kind, 2, constant)[0].clone(), "latest-sender"),
            (latest_of(Chat::Group(G), MsgType::GroupText, 1, constant)[1].clone(), "altered"),
            (latest_of(Chat::User(1), MsgType::SingleAudio, 1, constant)[0].clone(), "altered"),
        ] {
            let mut tape = sent_to_group();
            tape.tells(20, pdu);
            assert_eq!(tape.found, [format!("integrity/{kind}/db")]);
        }
    }
}
