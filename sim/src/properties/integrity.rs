//! integrity: what a device receives was sent, by that sender, to that conversation, unchanged.
//!
//! Every message that a msg_server writes to a device is looked at: pushes, lists, and the
//! latest messages beside sessions and unread counts. A voice message with the right recording and
//! another duration is a violation of a kind of its own: the original's history gives back 0
//! (SYSTEM.md section 6, "Audio"). As the latest message of a chat, a voice message may be shown as
//! the constant that the original shows.
//!
//! The headers of all PDUs are looked at, too (`headers.rs`).

use super::{
    Class, Property, Seen, Sort, Subject, Tally, Violation,
    headers::Headers,
    wire::{At, content, conversation_of, conversation_with, is_audio, text},
};
use crate::{
    lookup::LookupSet,
    plan::Role,
    record::{Frame, Kind},
};
use bytes::Bytes;
use std::borrow::Cow;
use teamtalk::{
    catalogue::{self, id as command},
    conversation::Conversation,
    wire::{
        Malformed,
        im::{
            base_define::{ContactSessionInfo, MsgInfo, MsgType, UnreadInfo},
            buddy::ImRecentContactSessionRsp,
            message::{ImGetMsgByIdRsp, ImGetMsgListRsp, ImMsgData, ImUnreadMsgCntRsp},
        },
    },
};

/// What the original shows in the place of a voice message that is the latest of its chat.
const AUDIO_AS_LATEST: &[u8] = b"QhGXlpFjvMFUNrtl1aaPzA==";

/// A message as a device is told it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Told {
    conversation: Conversation,
    from: u32,
    msg_type: i32,
    content: Bytes,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Integrity {
    sent: LookupSet<Told>,
    headers: Headers,
    tally: Tally,
}

impl Told {
    fn data(from: u32, body: &ImMsgData) -> Self {
        let conversation = conversation_of(from, body.to_session_id, body.msg_type);
        Self { conversation, from, msg_type: body.msg_type, content: body.msg_data.clone() }
    }

    /// A text from before the run.
    fn before_the_run(conversation: Conversation, from: u32, content: &str) -> Self {
        let msg_type = match conversation {
            Conversation::Single { .. } => MsgType::SingleText,
            Conversation::Group(_) => MsgType::GroupText,
        };
        let content = Bytes::copy_from_slice(content.as_bytes());
        Self { conversation, from, msg_type: msg_type as i32, content }
    }

    fn row(conversation: Conversation, row: &MsgInfo) -> Self {
        let (from, content) = (row.from_session_id, row.msg_data.clone());
        Self { conversation, from, msg_type: row.msg_type, content }
    }

    fn beside_session(user: u32, s: &ContactSessionInfo) -> Self {
        Self {
            conversation: conversation_with(user, s.session_type, s.session_id),
            from: s.latest_msg_from_user_id,
            msg_type: s.latest_msg_type,
            content: s.latest_msg_data.clone(),
        }
    }

    fn beside_count(user: u32, u: &UnreadInfo) -> Self {
        Self {
            conversation: conversation_with(user, u.session_type, u.session_id),
            from: u.latest_msg_from_user_id,
            msg_type: u.latest_msg_type,
            content: u.latest_msg_data.clone(),
        }
    }
}

/// The messages that a PDU to a user carries, and whether they are shown as the latest ones of
/// their chats.
fn carried(seen: &Seen<'_>, user: u32, pdu: &Frame) -> Result<(Vec<Told>, bool), Malformed> {
    let rows = |session_type, session_id, rows: &[MsgInfo]| {
        let conversation = conversation_with(user, session_type, session_id);
        rows.iter().map(|row| Told::row(conversation, row)).collect()
    };
    Ok(match pdu.command() {
        command::MSG_DATA => {
            let data = seen.data.as_ref().map(|data| Ok(Cow::Borrowed(&data.body)));
            let body = data.unwrap_or_else(|| pdu.view::<ImMsgData>())?;
            (vec![Told::data(body.from_user_id, &body)], false)
        }
        command::MSG_LIST_RESPONSE => {
            let list = pdu.view::<ImGetMsgListRsp>()?;
            (rows(list.session_type, list.session_id, &list.msg_list), false)
        }
        command::MSG_GET_BY_MSG_ID_RES => {
            let list = pdu.view::<ImGetMsgByIdRsp>()?;
            (rows(list.session_type, list.session_id, &list.msg_list), false)
        }
        command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE => {
            let list = pdu.view::<ImRecentContactSessionRsp>()?;
            let sessions = list.contact_session_list.iter();
            (sessions.map(|session| Told::beside_session(user, session)).collect(), true)
        }
        command::MSG_UNREAD_CNT_RESPONSE => {
            let list = pdu.view::<ImUnreadMsgCntRsp>()?;
            let infos = list.unreadinfo_list.iter();
            (infos.map(|info| Told::beside_count(user, info)).collect(), true)
        }
        _ => (Vec::new(), false),
    })
}

impl Integrity {
    fn sends(&mut self, seen: &Seen<'_>) {
        if let (Some(data), Some((from, _))) = (&seen.data, &seen.message) {
            self.sent.insert(Told::data(*from, &data.body));
        }
    }

    fn judge(
        &self,
        told: &Told,
        latest: bool,
        answer: impl FnOnce() -> Subject,
        what: impl Fn() -> String,
    ) -> Option<Violation> {
        if self.sent.contains(told) {
            return None;
        }
        // Which audio the constant stands for is not to be seen.
        let any = latest && is_audio(told.msg_type) && told.content == AUDIO_AS_LATEST;
        let known = content(told.msg_type, &told.content);
        let same_but_sender = |sent: &&&Told| {
            (sent.conversation, sent.msg_type) == (told.conversation, told.msg_type)
                && (any || sent.content == told.content || same_audio(sent, &known))
        };
        let same: Vec<_> = self.sent.sorted().iter().filter(same_but_sender).copied().collect();
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
            role: Role::Db,
            sentence: format!(
                "{} says \"{content}\" (type {}) of {} is from user {}; {why}",
                what(),
                told.msg_type,
                told.conversation,
                told.from
            ),
            about: [Subject::Content(known.into()), answer()].into(),
        })
    }
}

/// Whether a message that was sent is audio with this recording.
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

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::DeviceWrites,
            Class::ServerReads,
            Class::ServerWrites,
            Class::DbPdu,
            Class::LinkPdu,
            Class::RoutePdu,
            Class::Row,
        ]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if let Kind::Row { conversation, from, content, .. } = &seen.line.kind {
            if seen.line.host.role() == Role::World {
                self.sent.insert(Told::before_the_run(*conversation, *from, content));
            }
            return None;
        }
        if let Some(found) = self.headers.observe(seen) {
            return Some(found);
        }
        let (at, conn, pdu) = seen.client?;
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_DATA) => {
                self.sends(seen);
                None
            }
            (At::ServerWrites, _) => {
                let name = || catalogue::name(pdu.command()).unwrap_or("a PDU");
                let what = || format!("{} on connection {conn}", name());
                let user = seen.known.clients.user(conn).unwrap_or(0);
                match carried(seen, user, pdu) {
                    Ok((told, latest)) => {
                        self.tally.judged += told.len() as u64;
                        let answer = || Subject::answer(conn, pdu);
                        told.iter().find_map(|t| self.judge(t, latest, answer, what))
                    }
                    Err(malformed) => Some(Violation {
                        property: "integrity",
                        kind: "malformed",
                        role: seen.line.host.role(),
                        sentence: format!("{}: {malformed}", what()),
                        about: [Subject::answer(conn, pdu)].into(),
                    }),
                }
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
    use super::Integrity;
    use crate::properties::tape::{
        G, Tape, audio, data, group_list, group_message, list, message, page,
    };
    use bytes::Bytes;
    use teamtalk::{
        catalogue::id as command,
        conversation::Chat,
        wire::{
            Pdu,
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
