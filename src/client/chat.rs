//! What a device does online: sends, acks, unread counts, requests and their timeouts.

use super::{
    ClientKind, Message,
    device::{Asked, Device, Request, Sending, Turn},
};
use crate::{
    conversation::Conversation,
    fact::{Fact, Via},
    wire::{
        Pdu, command,
        im::{
            base_define::{MsgType, SessionType},
            buddy::{ImRecentContactSessionReq, ImRecentContactSessionRsp},
            group::ImNormalGroupListReq,
            message::{
                ImGetLatestMsgIdReq, ImGetLatestMsgIdRsp, ImGetMsgListReq, ImGetMsgListRsp,
                ImMsgData, ImMsgDataAck, ImMsgDataReadAck, ImMsgDataReadNotify, ImUnreadMsgCntReq,
                ImUnreadMsgCntRsp,
            },
        },
    },
};
use std::collections::BTreeMap;

/// The most messages that one 0309 asks for (SYSTEM.md section 7).
pub(super) const PAGE: u32 = 100;

const SINGLE: i32 = SessionType::Single as i32;

impl Device {
    pub(super) fn conversation(&self, peer: u32) -> Conversation {
        Conversation::single(self.config.user, peer)
    }

    /// Recent sessions, unread counts, group list (SYSTEM.md section 7).
    pub(super) fn ask_after_login(&mut self, turn: &mut Turn<'_>) {
        let user_id = self.config.user;
        let sessions = ImRecentContactSessionReq { user_id, ..Default::default() };
        let id = command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST;
        self.ask(turn, Asked::Sessions, id, &sessions);
        let unread = ImUnreadMsgCntReq { user_id, attach_data: None };
        self.ask(turn, Asked::Unread, command::MSG_UNREAD_CNT_REQUEST, &unread);
        let groups = ImNormalGroupListReq { user_id, attach_data: None };
        self.ask(turn, Asked::Groups, command::GROUP_NORMAL_LIST_REQUEST, &groups);
    }

    fn ask(
        &mut self,
        turn: &mut Turn<'_>,
        asked: Asked,
        command: u16,
        message: &impl prost::Message,
    ) {
        let seq_num = turn.store.next_seq();
        let pdu = Pdu::new(command, seq_num, message);
        turn.send(pdu.clone());
        if let Some(op) = asked.op() {
            self.attempt(turn, op, 1, seq_num);
        }
        let due = turn.now + self.config.timing.client_answer_timeout();
        self.requests.insert(seq_num, Request { asked, pdu, due });
    }

    /// Asks for `count` messages from `begin` down; 0 begins at the newest.
    pub(super) fn pull(
        &mut self,
        turn: &mut Turn<'_>,
        asked: Asked,
        peer: u32,
        begin: u32,
        count: u32,
    ) {
        let request = ImGetMsgListReq {
            user_id: self.config.user,
            session_type: SINGLE,
            session_id: peer,
            msg_id_begin: begin,
            msg_cnt: count,
            attach_data: None,
        };
        self.ask(turn, asked, command::MSG_LIST_REQUEST, &request);
    }

    pub(super) fn ask_latest(&mut self, turn: &mut Turn<'_>, op: u32, peer: u32) {
        let request = ImGetLatestMsgIdReq {
            user_id: self.config.user,
            session_type: SINGLE,
            session_id: peer,
            attach_data: None,
        };
        self.ask(turn, Asked::Latest { op }, command::MSG_GET_LATEST_MSG_ID_REQ, &request);
    }

    /// A person sends.
    pub(super) fn take_message(&mut self, turn: &mut Turn<'_>, op: u32, to: u32, text: String) {
        if self.config.kind == ClientKind::Ours {
            return self.send_message(turn, op, to, text);
        }
        let gap = self.config.timing.windows_send_gap();
        if self.last_send.is_some_and(|at| turn.now < at + gap) {
            return turn.failed(op, "too soon after another message");
        }
        self.last_send = Some(turn.now);
        self.queue.push_back((op, to, text));
        self.send_queued(turn);
    }

    fn send_queued(&mut self, turn: &mut Turn<'_>) {
        if self.online().is_some()
            && self.sends.is_empty()
            && let Some((op, to, text)) = self.queue.pop_front()
        {
            self.send_message(turn, op, to, text);
        }
    }

    fn send_message(&mut self, turn: &mut Turn<'_>, op: u32, to: u32, text: String) {
        let seq_num = turn.store.next_seq();
        let message = ImMsgData {
            from_user_id: self.config.user,
            to_session_id: to,
            msg_id: 0,
            create_time: 0,
            msg_type: MsgType::SingleText.into(),
            msg_data: text.clone().into(),
            attach_data: None,
            send_token: None,
        };
        let pdu = Pdu::new(command::MSG_DATA, seq_num, &message);
        let due = turn.now + self.ack_timeout();
        turn.send(pdu.clone());
        self.attempt(turn, op, 1, seq_num);
        self.sends.insert(seq_num, Sending { op, to, text, pdu, attempt: 1, due });
    }

    fn ack_timeout(&self) -> std::time::Duration {
        match self.config.kind {
            ClientKind::Windows => self.config.timing.windows_ack_timeout(),
            ClientKind::Ours => self.config.timing.client_answer_timeout(),
        }
    }

    /// Opens a chat: pulls what is unread, then acks it as read.
    pub(super) fn read_chat(&mut self, turn: &mut Turn<'_>, op: u32, peer: u32) {
        let count = turn.store.unread.get(&peer).copied().unwrap_or(0).min(PAGE);
        if count > 0 {
            // Ours asks for what is newest now: the read ack will clear the count of all of it.
            let begin = match self.config.kind {
                ClientKind::Ours => 0,
                ClientKind::Windows => {
                    turn.store.progress.get(&self.conversation(peer)).map_or(0, |p| p.latest)
                }
            };
            return self.pull(turn, Asked::Read { op, peer }, peer, begin, count);
        }
        if let Some(seq_num) = self.read_ack(turn, peer) {
            self.attempt(turn, op, 1, seq_num);
        }
        turn.ok(op, 0);
    }

    /// Acks the last message held as read; nothing to ack: `None`.
    fn read_ack(&mut self, turn: &mut Turn<'_>, peer: u32) -> Option<u16> {
        let msg_id = turn.store.last_held(self.conversation(peer));
        if msg_id == 0 {
            return None;
        }
        let ack = ImMsgDataReadAck {
            user_id: self.config.user,
            session_id: peer,
            msg_id,
            session_type: SINGLE,
            attach_data: None,
        };
        let seq_num = turn.store.next_seq();
        turn.send(Pdu::new(command::MSG_READ_ACK, seq_num, &ack));
        self.show_unread(turn, peer, 0);
        Some(seq_num)
    }

    fn show_unread(&self, turn: &mut Turn<'_>, peer: u32, count: u32) {
        match count {
            0 => turn.store.unread.remove(&peer),
            _ => turn.store.unread.insert(peer, count),
        };
        turn.fact(Fact::UnreadShown { device: self.config.device, peer, count });
    }

    /// A PDU after the login. A malformed one is ignored.
    pub(super) fn chat(&mut self, turn: &mut Turn<'_>, pdu: &Pdu) {
        let seq_num = pdu.header.seq_num;
        match pdu.command() {
            command::MSG_DATA => {
                if let Ok(message) = pdu.view() {
                    self.pushed(turn, &message);
                }
            }
            command::MSG_DATA_ACK => {
                if let Ok(ack) = pdu.view() {
                    self.acked(turn, seq_num, &ack);
                }
            }
            command::MSG_READ_NOTIFY => {
                if let Ok(notify) = pdu.view::<ImMsgDataReadNotify>()
                    && notify.session_type == SINGLE
                    && turn.store.unread.contains_key(&notify.session_id)
                {
                    self.show_unread(turn, notify.session_id, 0);
                }
            }
            command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE => {
                if let Ok(answer) = pdu.view::<ImRecentContactSessionRsp>()
                    && self.answered(seq_num, |asked| asked == Asked::Sessions).is_some()
                    && self.catches_up()
                {
                    let sessions = answer.contact_session_list.iter();
                    let single = sessions.filter(|s| s.session_type == SINGLE);
                    self.compare_sessions(turn, single.map(|s| (s.session_id, s.latest_msg_id)));
                }
            }
            command::MSG_UNREAD_CNT_RESPONSE => {
                if let Ok(answer) = pdu.view()
                    && self.answered(seq_num, |asked| asked == Asked::Unread).is_some()
                {
                    self.unread_counts(turn, &answer);
                }
            }
            command::GROUP_NORMAL_LIST_RESPONSE => {
                self.answered(seq_num, |asked| asked == Asked::Groups);
            }
            command::MSG_LIST_RESPONSE => {
                if let Ok(answer) = pdu.view() {
                    self.message_list(turn, seq_num, &answer);
                }
            }
            command::MSG_GET_LATEST_MSG_ID_RSP => {
                if let Ok(answer) = pdu.view::<ImGetLatestMsgIdRsp>()
                    && let Some(Asked::Latest { op }) =
                        self.answered(seq_num, |asked| matches!(asked, Asked::Latest { .. }))
                {
                    turn.ok(op, 0);
                    self.heard_of(turn, answer.session_id, answer.latest_msg_id);
                }
            }
            _ => {}
        }
    }

    /// Ends the request of this seq_num, if it is one of those that the answer can be for.
    fn answered(&mut self, seq_num: u16, fits: impl Fn(Asked) -> bool) -> Option<Asked> {
        let asked = self.requests.get(&seq_num)?.asked;
        if fits(asked) {
            self.requests.remove(&seq_num);
        }
        fits(asked).then_some(asked)
    }

    fn pushed(&mut self, turn: &mut Turn<'_>, message: &ImMsgData) {
        let user = self.config.user;
        let (from, to, msg_id) = (message.from_user_id, message.to_session_id, message.msg_id);
        let content = String::from_utf8_lossy(&message.msg_data).into_owned();
        let single = matches!(
            MsgType::try_from(message.msg_type),
            Ok(MsgType::SingleText | MsgType::SingleAudio)
        );
        let windows = self.config.kind == ClientKind::Windows;
        if windows && turn.store.is_repeat(msg_id, &content) {
            return;
        }
        if !single {
            // Neither kind acks group messages.
            self.hold(turn, Conversation::Group(to), msg_id, from, content, Via::Push);
            return;
        }
        let peer = match () {
            () if to == user => from,
            () if from == user => to,
            () => return,
        };
        let conversation = self.conversation(peer);
        let first = self.hold(turn, conversation, msg_id, from, content, Via::Push);
        if first && from != user {
            let shown = turn.store.unread.get(&peer).copied().unwrap_or(0);
            self.show_unread(turn, peer, shown.saturating_add(1));
        }
        // Stored first: an ack says that the server may forget.
        let ack = ImMsgDataAck { user_id: user, session_id: peer, msg_id, session_type: SINGLE };
        let seq_num = turn.store.next_seq();
        turn.send(Pdu::new(command::MSG_DATA_ACK, seq_num, &ack));
        self.heard_of(turn, peer, msg_id);
    }

    pub(super) fn hold(
        &self,
        turn: &mut Turn<'_>,
        conversation: Conversation,
        msg_id: u32,
        from: u32,
        content: String,
        via: Via,
    ) -> bool {
        let message = Message { from, content: content.clone() };
        let first = msg_id != 0 && turn.store.hold(conversation, msg_id, message);
        if first {
            let device = self.config.device;
            turn.fact(Fact::Held { device, conversation, msg_id, from, content, via });
        }
        first
    }

    fn acked(&mut self, turn: &mut Turn<'_>, seq_num: u16, ack: &ImMsgDataAck) {
        let Some(send) = self.sends.remove(&seq_num) else {
            // Too late for the person, but it says that the message is there to be pulled.
            if ack.session_type == SINGLE {
                self.heard_of(turn, ack.session_id, ack.msg_id);
            }
            return;
        };
        if ack.msg_id == 0 {
            turn.failed(send.op, "not stored");
        } else {
            turn.ok(send.op, ack.msg_id);
            let (from, conversation) = (self.config.user, self.conversation(send.to));
            self.hold(turn, conversation, ack.msg_id, from, send.text, Via::Sent);
            self.heard_of(turn, send.to, ack.msg_id);
        }
        self.send_queued(turn);
    }

    fn unread_counts(&mut self, turn: &mut Turn<'_>, answer: &ImUnreadMsgCntRsp) {
        let single = answer.unreadinfo_list.iter().filter(|info| info.session_type == SINGLE);
        let counts: BTreeMap<u32, (u32, u32)> =
            single.map(|info| (info.session_id, (info.unread_cnt, info.latest_msg_id))).collect();
        let gone: Vec<u32> =
            turn.store.unread.keys().filter(|peer| !counts.contains_key(peer)).copied().collect();
        for peer in gone {
            self.show_unread(turn, peer, 0);
        }
        for (peer, (count, latest)) in counts {
            self.show_unread(turn, peer, count);
            turn.store.heard_of(self.conversation(peer), latest);
            if self.config.kind == ClientKind::Windows && count > 0 {
                self.pull(turn, Asked::UnreadMessages, peer, latest, count.min(PAGE));
            }
        }
    }

    fn message_list(&mut self, turn: &mut Turn<'_>, seq_num: u16, answer: &ImGetMsgListRsp) {
        let fits = |asked| {
            matches!(
                asked,
                Asked::UnreadMessages
                    | Asked::CatchUp { .. }
                    | Asked::Read { .. }
                    | Asked::Pull { .. }
            )
        };
        let Some(asked) = self.answered(seq_num, fits) else { return };
        let conversation = self.conversation(answer.session_id);
        for row in &answer.msg_list {
            let content = String::from_utf8_lossy(&row.msg_data).into_owned();
            let from = row.from_session_id;
            self.hold(turn, conversation, row.msg_id, from, content, Via::Pull);
        }
        match asked {
            Asked::CatchUp { peer } => {
                self.swept_page(turn, peer, answer.msg_list.iter().map(|row| row.msg_id));
            }
            Asked::Read { op, peer } => {
                self.read_ack(turn, peer);
                turn.ok(op, 0);
            }
            Asked::Pull { op } => turn.ok(op, 0),
            _ => {}
        }
    }

    /// Acks, answers and sweeps that are due.
    pub(super) fn chat_timer(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let late: Vec<u16> =
            self.sends.iter().filter(|(_, s)| s.due <= now).map(|(&seq, _)| seq).collect();
        for seq_num in late {
            self.send_timed_out(turn, seq_num);
        }
        let late: Vec<u16> =
            self.requests.iter().filter(|(_, r)| r.due <= now).map(|(&seq, _)| seq).collect();
        for seq_num in late {
            self.request_timed_out(turn, seq_num);
        }
        self.sweep_due(turn);
    }

    fn send_timed_out(&mut self, turn: &mut Turn<'_>, seq_num: u16) {
        let due = turn.now + self.ack_timeout();
        let again = self.config.kind == ClientKind::Windows;
        let Some(send) = self.sends.get_mut(&seq_num) else { return };
        let (op, attempt) = (send.op, send.attempt);
        turn.fact(Fact::AttemptTimedOut { op, attempt });
        if again && attempt == 1 {
            (send.attempt, send.due) = (2, due);
            turn.send(send.pdu.clone());
            return self.attempt(turn, op, 2, seq_num);
        }
        self.sends.remove(&seq_num);
        turn.failed(op, "no answer");
        self.send_queued(turn);
    }

    fn request_timed_out(&mut self, turn: &mut Turn<'_>, seq_num: u16) {
        let due = turn.now + self.config.timing.client_answer_timeout();
        let catches_up = self.catches_up();
        let Some(request) = self.requests.get_mut(&seq_num) else { return };
        match request.asked {
            Asked::Sessions | Asked::Unread | Asked::CatchUp { .. } if catches_up => {
                request.due = due;
                turn.send(request.pdu.clone());
            }
            asked => {
                self.requests.remove(&seq_num);
                if let Some(op) = asked.op() {
                    turn.fact(Fact::AttemptTimedOut { op, attempt: 1 });
                    turn.failed(op, "no answer");
                }
            }
        }
    }

    /// Everything in flight ends with its connection.
    pub(super) fn forget_chat(&mut self, turn: &mut Turn<'_>) {
        let sends = std::mem::take(&mut self.sends).into_values().map(|send| send.op);
        let queued = std::mem::take(&mut self.queue).into_iter().map(|(op, ..)| op);
        let asked = std::mem::take(&mut self.requests).into_values().filter_map(|r| r.asked.op());
        for op in sends.chain(queued).chain(asked) {
            turn.failed(op, "connection lost");
        }
        self.sweeps.clear();
    }
}
