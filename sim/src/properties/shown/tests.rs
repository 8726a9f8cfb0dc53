//! Traces in which a device shows what it should, and others.

use super::Shown;
use crate::properties::tape::{G, GROUP, SINGLE, Tape, ack, message, refused};
use teamtalk::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    fact::{Fact, Via},
    protocol::Protocol,
    wire::{
        Pdu,
        im::{
            base_define::{GroupModifyType, UnreadInfo},
            buddy::ImRemoveSessionNotify,
            group::ImGroupChangeMemberNotify,
            message::{
                ImMsgDataReadAck, ImMsgDataReadNotify, ImUnreadMsgCntReq, ImUnreadMsgCntRsp,
            },
        },
        tt::extension::RefusedCode,
    },
};

const STALE: &str = "shown/stale/client";
const TOO_MANY: &str = "shown/too-many/client";
const CHAT: Chat = Chat::User(1);
/// Microseconds from one moment to the next.
const MOMENT: u64 = 10_000;

/// Device 3 of user 2 is online and was told that so many messages of a chat are unread, the last of
/// which has msg_id 9; it shows that.
fn told(chat: Chat, unread_cnt: u32) -> Tape<Shown> {
    let mut tape = Tape::new(Shown::default()).under(Protocol::hardened());
    tape.known.orderly = [3].into();
    tape.login(3, 7, 2).asks(7, Pdu::new(command::MSG_UNREAD_CNT_REQUEST, 4, &asked()));
    let (session_id, session_type) = (chat.id(), chat.session_type());
    let info =
        UnreadInfo { session_id, session_type, unread_cnt, latest_msg_id: 9, ..Default::default() };
    let answer =
        ImUnreadMsgCntRsp { user_id: 2, unreadinfo_list: vec![info], ..Default::default() };
    tape.tells(7, Pdu::new(command::MSG_UNREAD_CNT_RESPONSE, 4, &answer));
    tape.fact("client1", shows(chat, unread_cnt));
    assert!(tape.found.is_empty());
    tape
}

fn asked() -> ImUnreadMsgCntReq {
    ImUnreadMsgCntReq { user_id: 2, attach_data: None }
}

fn shows(chat: Chat, count: u32) -> Fact {
    Fact::UnreadShown { device: 3, chat, count }
}

/// What is found when the device reads on, a moment later.
fn later(tape: &mut Tape<Shown>) -> Vec<String> {
    tape.at(5 * MOMENT).tells(7, Pdu::raw(command::MSG_TIME_RESPONSE, 9, Default::default()));
    tape.found.clone()
}

#[test]
fn a_push_counts_once() {
    let push = || message(0, 10, 1, 2, "text");
    let mut tape = told(CHAT, 2);
    tape.tells(7, push()).holds(3, 10, (1, "text")).fact("client1", shows(CHAT, 3));
    assert!(tape.found.is_empty());
    tape.tells(7, push()).fact("client1", shows(CHAT, 4));
    assert_eq!(tape.found, [TOO_MANY]);
    let mut lost = told(CHAT, 2);
    lost.hang_up(3, 7).login(3, 8, 2).fact("client1", shows(CHAT, 4));
    assert!(lost.found.is_empty(), "it is known again when the server has counted");
}

#[test]
fn what_was_read_or_removed_is_not_shown_on() {
    let read = |msg_id: u32| {
        let (session_id, session_type) = (1, SINGLE);
        let read =
            ImMsgDataReadNotify { user_id: 2, session_id, msg_id, session_type, attach_data: None };
        Pdu::new(command::MSG_READ_NOTIFY, 0, &read)
    };
    let removed = ImRemoveSessionNotify { user_id: 2, session_type: SINGLE, session_id: 1 };
    let removed = Pdu::new(command::BUDDY_LIST_REMOVE_SESSION_NOTIFY, 0, &removed);
    for notice in [read(9), removed] {
        let mut stays = told(CHAT, 2);
        assert_eq!(later(stays.tells(7, notice.clone())), [STALE]);
        let mut follows = told(CHAT, 2);
        follows.tells(7, notice).fact("client1", shows(CHAT, 0));
        assert!(later(&mut follows).is_empty());
    }
    assert!(later(told(CHAT, 2).tells(7, read(7))).is_empty(), "two came after it");
}

/// Seed 257 of `hardened`: what another device of the user sent says that there are messages between what was
/// read and it, and whose these are the device does not know.
#[test]
fn what_came_before_a_message_of_another_own_device_may_be_unread() {
    let read = ImMsgDataReadNotify {
        user_id: 2,
        session_id: 1,
        msg_id: 9,
        session_type: SINGLE,
        attach_data: None,
    };
    let read = Pdu::new(command::MSG_READ_NOTIFY, 0, &read);
    let mut tape = told(CHAT, 2);
    tape.tells(7, message(0, 12, 2, 1, "own")).tells(7, read.clone());
    assert!(later(tape.fact("client1", shows(CHAT, 2))).is_empty());
    let mut tape = told(CHAT, 2);
    tape.tells(7, message(0, 10, 2, 1, "own")).tells(7, read);
    assert_eq!(later(tape.fact("client1", shows(CHAT, 2))), [STALE], "nothing is before it");
}

#[test]
fn what_the_server_counts_no_more_is_not_shown_on() {
    let count = || {
        let mut tape = told(CHAT, 2);
        tape.asks(7, Pdu::new(command::MSG_UNREAD_CNT_REQUEST, 5, &asked()));
        let none = ImUnreadMsgCntRsp { user_id: 2, ..Default::default() };
        tape.tells(7, Pdu::new(command::MSG_UNREAD_CNT_RESPONSE, 5, &none));
        tape
    };
    assert_eq!(later(&mut count()), [STALE]);
    assert!(later(count().fact("client1", shows(CHAT, 0))).is_empty());
    assert!(later(count().hang_up(3, 7)).is_empty(), "it may not have heard");
}

#[test]
fn a_group_that_the_user_is_out_of_shows_nothing() {
    let out = |users: &[u32]| {
        let out = ImGroupChangeMemberNotify {
            user_id: 1,
            change_type: GroupModifyType::Del.into(),
            group_id: G,
            cur_user_id_list: vec![1],
            chg_user_id_list: users.to_vec(),
        };
        Pdu::new(command::GROUP_CHANGE_MEMBER_NOTIFY, 0, &out)
    };
    let chat = Chat::of(GROUP, G);
    assert_eq!(later(told(chat, 2).tells(7, out(&[2]))), [STALE]);
    assert!(later(told(chat, 2).tells(7, out(&[4]))).is_empty());
}

#[test]
fn what_was_sent_and_acked_is_held() {
    let conversation = Conversation::single(1, 2);
    let acked = |seq: u16| {
        let mut tape = told(CHAT, 0);
        tape.asks(7, message(5, 0, 2, 1, "mine")).asks(7, message(6, 0, 2, 1, "mine"));
        tape.tells(7, ack(seq, 11, 2, 1));
        tape
    };
    assert_eq!(later(&mut acked(6)), ["shown/sent-not-held/client"]);
    assert!(later(&mut acked(5)).is_empty(), "it waits for the answer to the second try");
    let (device, msg_id, from, content, via) = (3, 11, 2, "mine".into(), Via::Sent);
    let held = Fact::Held { device, conversation, msg_id, from, content, via };
    assert!(later(acked(6).fact("client1", held)).is_empty());
    // Seed 1640 of `hardened`: the second try is refused for good, then the first one is acked.
    let refused_first = |code| {
        let mut tape = told(CHAT, 0);
        tape.asks(7, message(5, 0, 2, 1, "mine")).asks(7, message(5, 0, 2, 1, "mine"));
        tape.tells(7, refused(5, 2, command::MSG_DATA, code)).tells(7, ack(5, 11, 2, 1));
        later(&mut tape)
    };
    assert!(refused_first(RefusedCode::RefusedNotAllowed).is_empty());
    assert_eq!(refused_first(RefusedCode::RefusedUnavailable), ["shown/sent-not-held/client"]);
}

#[test]
fn at_rest_a_device_shows_what_the_stores_have() {
    // There is no row, so nothing is unread.
    assert_eq!(told(CHAT, 2).pending().as_deref(), Some(TOO_MANY));
    assert_eq!(told(CHAT, 2).fact("client1", shows(CHAT, 0)).pending(), None);
    assert_eq!(told(CHAT, 2).hang_up(3, 7).pending(), None, "it is off line");
    let mut other = told(CHAT, 2);
    other.known.orderly.clear();
    assert_eq!(other.pending(), None);
}

/// Device 4 of the same user reads the chat, is not answered, and leaves: nobody can tell device 3.
#[test]
fn a_read_that_nobody_could_tell_of_is_forgiven() {
    let read = || ImMsgDataReadAck {
        user_id: 2,
        session_id: CHAT.id(),
        msg_id: 9,
        session_type: CHAT.session_type(),
        attach_data: None,
    };
    let mut tape = told(CHAT, 2);
    tape.login(4, 8, 2).asks(8, Pdu::new(command::MSG_READ_ACK, 5, &read()));
    assert_eq!(tape.pending().as_deref(), Some(TOO_MANY), "it is there to say it again");
    tape.hang_up(4, 8);
    assert_eq!(tape.pending(), None);
    let answered = || ImMsgDataReadNotify {
        user_id: 2,
        session_id: CHAT.id(),
        msg_id: 9,
        session_type: CHAT.session_type(),
        ..Default::default()
    };
    let mut tape = told(CHAT, 2);
    tape.login(4, 8, 2).asks(8, Pdu::new(command::MSG_READ_ACK, 5, &read()));
    tape.tells(8, Pdu::new(command::MSG_READ_NOTIFY, 5, &answered())).hang_up(4, 8);
    assert_eq!(tape.pending().as_deref(), Some(TOO_MANY), "it was answered, so all could be told");
}
