//! What comes from the server after a login.

use super::{
    Message,
    device::{Device, Turn},
    habits::SameId,
    requests::Asked,
};
use crate::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    fact::{Fact, Via},
    mutants::Mutant,
    wire::{
        Pdu,
        im::{
            base_define::{ContactSessionInfo, MsgInfo, MsgType},
            buddy::{ImRecentContactSessionRsp, ImRemoveSessionNotify, ImRemoveSessionRsp},
            message::{
                ImGetLatestMsgIdRsp, ImGetMsgByIdRsp, ImGetMsgListRsp, ImMsgData, ImUnreadMsgCntRsp,
            },
        },
        tt::extension::CatchUpHint,
    },
};

impl Device {
    pub(super) fn conversation(&self, chat: Chat) -> Conversation {
        chat.conversation(self.config.user)
    }

    /// A PDU after the login. A malformed one is ignored.
    pub(super) fn chat(&mut self, turn: &mut Turn<'_>, pdu: &Pdu) {
        self.raw_answered(turn, pdu);
        match pdu.command() {
            command::MSG_DATA => {
                if let Ok(message) = pdu.view() {
                    self.pushed(turn, &message);
                }
            }
            command::MSG_DATA_ACK => {
                if let Ok(ack) = pdu.view() {
                    self.acked(turn, pdu.header.seq_num, &ack);
                }
            }
            command::MSG_READ_NOTIFY => self.read_notify(turn, pdu),
            command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE => {
                if let Ok(answer) = pdu.view() {
                    self.sessions(turn, pdu, &answer);
                }
            }
            command::MSG_UNREAD_CNT_RESPONSE => {
                if let Ok(answer) = pdu.view::<ImUnreadMsgCntRsp>()
                    && self.answered(pdu).is_some()
                {
                    self.unread_counts(turn, &answer);
                }
            }
            command::MSG_LIST_RESPONSE => {
                if let Ok(answer) = pdu.view() {
                    self.message_list(turn, pdu, &answer);
                }
            }
            command::MSG_GET_BY_MSG_ID_RES => {
                if let Ok(answer) = pdu.view::<ImGetMsgByIdRsp>()
                    && self.person_answered(turn, pdu)
                {
                    let chat = Chat::of(answer.session_type, answer.session_id);
                    let news = self.hold_all(turn, chat, &answer.msg_list);
                    self.count_pulled(turn, news);
                    self.follow(turn, chat);
                }
            }
            command::MSG_GET_LATEST_MSG_ID_RSP => {
                if let Ok(answer) = pdu.view::<ImGetLatestMsgIdRsp>()
                    && self.person_answered(turn, pdu)
                {
                    let chat = Chat::of(answer.session_type, answer.session_id);
                    self.heard_of(turn, chat, answer.latest_msg_id);
                }
            }
            command::BUDDY_LIST_REMOVE_SESSION_RES => {
                // One that is too late for the person says all the same that what came is read.
                if let Ok(answer) = pdu.view::<ImRemoveSessionRsp>()
                    && (self.person_answered(turn, pdu) || self.catches_up())
                    && answer.result_code == 0
                {
                    self.removed(turn, Chat::of(answer.session_type, answer.session_id));
                    // What was pushed meanwhile came before or after it.
                    self.count_anew(turn);
                }
            }
            command::BUDDY_LIST_REMOVE_SESSION_NOTIFY => {
                if let Ok(notify) = pdu.view::<ImRemoveSessionNotify>() {
                    self.removed(turn, Chat::of(notify.session_type, notify.session_id));
                    self.count_anew(turn);
                }
            }
            command::GROUP_CHANGE_MEMBER_NOTIFY => {
                if let Ok(notice) = pdu.view() {
                    self.members_changed(turn, &notice);
                }
            }
            command::OTHER_HEARTBEAT => self.echoed(turn),
            command::OTHER_REFUSED => self.refused(turn, pdu),
            command::OTHER_CATCH_UP_HINT => {
                if let Ok(hint) = pdu.view::<CatchUpHint>() {
                    self.hinted(turn, &hint.user_id_list);
                }
            }
            // Any other answer to a request of a person.
            _ => self.concluded(turn, pdu),
        }
    }

    /// Ends the request that a PDU answers, and its operation, with success.
    fn person_answered(&mut self, turn: &mut Turn<'_>, pdu: &Pdu) -> bool {
        let request = self.answered(pdu);
        if let Some(op) = request.as_ref().and_then(|request| request.asked.op()) {
            turn.ok(op, 0);
        }
        request.is_some()
    }

    /// Whatever comes under the seq_num of a raw PDU ([`Asked::Raw`]) is its answer, unless it is a
    /// refusal.
    fn raw_answered(&mut self, turn: &mut Turn<'_>, pdu: &Pdu) {
        let request = self.requests.get(&pdu.header.seq_num);
        if request.is_some_and(|request| matches!(request.asked, Asked::Raw { .. }))
            && pdu.command() != command::OTHER_REFUSED
        {
            self.person_answered(turn, pdu);
        }
    }

    fn sessions(&mut self, turn: &mut Turn<'_>, pdu: &Pdu, answer: &ImRecentContactSessionRsp) {
        let Some(request) = self.answered(pdu) else { return };
        request.asked.op().into_iter().for_each(|op| turn.ok(op, 0));
        if !self.catches_up() {
            return;
        }
        let latest =
            |s: &ContactSessionInfo| (Chat::of(s.session_type, s.session_id), s.latest_msg_id);
        self.compare_sessions(turn, answer.contact_session_list.iter().map(latest));
        if request.asked == Asked::Sessions {
            self.compared(turn);
        }
    }

    fn pushed(&mut self, turn: &mut Turn<'_>, message: &ImMsgData) {
        let user = self.config.user;
        let (from, to, msg_id) = (message.from_user_id, message.to_session_id, message.msg_id);
        let content = String::from_utf8_lossy(&message.msg_data).into_owned();
        if self.habits().drops_repeats && turn.store.is_repeat(msg_id, &content) {
            return;
        }
        let group = matches!(
            MsgType::try_from(message.msg_type),
            Ok(MsgType::GroupText | MsgType::GroupAudio)
        );
        let chat = match () {
            () if group => Chat::Group(to),
            () if to == user => Chat::User(from),
            () if from == user => Chat::User(to),
            () => return,
        };
        let first = self.hold(turn, self.conversation(chat), msg_id, from, content, Via::Push);
        // The message is stored before it is acked: after an ack the server may forget it.
        if from != user && self.habits().open_chat_reads && self.open == Some(chat) {
            let ack = self.read_ack_pdu(turn, chat, msg_id);
            self.write_ack(turn, ack);
        } else {
            let counts = first || self.config.protocol.mutated(Mutant::RepeatsAreUnread);
            if counts && from != user {
                self.count_pushed(turn, chat, msg_id);
            }
            self.ack(turn, chat, from, msg_id);
        }
        self.heard_of(turn, chat, msg_id);
    }

    /// Stores a message; true if it is new or took the place of another one.
    pub(super) fn hold(
        &mut self,
        turn: &mut Turn<'_>,
        conversation: Conversation,
        msg_id: u32,
        from: u32,
        content: String,
        via: Via,
    ) -> bool {
        let message = Message { from, content: content.clone() };
        let replace = self.habits().same_id == SameId::Replace;
        let new = msg_id != 0 && turn.store.hold(conversation, msg_id, message, replace);
        if new {
            self.unclaim(conversation, msg_id);
            let device = self.config.device;
            turn.fact(Fact::Held { device, conversation, msg_id, from, content, via });
        }
        new
    }

    /// Stores messages that were pulled; true if one of another user is new.
    fn hold_all(&mut self, turn: &mut Turn<'_>, chat: Chat, rows: &[MsgInfo]) -> bool {
        let mut news = false;
        for row in rows {
            let content = String::from_utf8_lossy(&row.msg_data).into_owned();
            let (conversation, from) = (self.conversation(chat), row.from_session_id);
            let is_new = self.hold(turn, conversation, row.msg_id, from, content, Via::Pull);
            if is_new {
                self.claims.pulled(chat);
            }
            news |= is_new && from != self.config.user;
        }
        news
    }

    fn message_list(&mut self, turn: &mut Turn<'_>, pdu: &Pdu, answer: &ImGetMsgListRsp) {
        let Some(request) = self.answered(pdu) else { return };
        let chat = Chat::of(answer.session_type, answer.session_id);
        let news = self.hold_all(turn, chat, &answer.msg_list);
        match request.asked {
            Asked::CatchUp { chat } => {
                self.count_pulled(turn, news);
                self.swept_page(turn, chat, answer.msg_list.iter().map(|row| row.msg_id));
            }
            Asked::Read { op, chat } => {
                self.follow(turn, chat);
                self.ack_chat(turn, op, chat, request.attempt + 1);
            }
            asked => {
                self.count_pulled(turn, news);
                self.follow(turn, chat);
                asked.op().into_iter().for_each(|op| turn.ok(op, 0));
            }
        }
    }

    /// What was pushed is counted then; of what was missed the server knows what is unread.
    fn count_pulled(&mut self, turn: &mut Turn<'_>, news: bool) {
        if news {
            self.count_anew(turn);
        }
    }

    /// The server knows what is unread.
    pub(super) fn count_anew(&mut self, turn: &mut Turn<'_>) {
        if self.catches_up() {
            self.ask_unread(turn);
        }
    }

    /// A session was removed, here or on another device: its count is cleared with it (SYSTEM.md
    /// section 6, 0206).
    pub(super) fn removed(&mut self, turn: &mut Turn<'_>, chat: Chat) {
        if turn.store.unread.contains_key(&chat)
            && !self.config.protocol.mutated(Mutant::RemovedStaysUnread)
        {
            self.show_unread(turn, chat, 0);
        }
    }
}
