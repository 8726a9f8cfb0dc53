//! The table of SYSTEM.md section 7, cell by cell.

use super::*;

const REAL: [&Habits; 4] = [&ANDROID, &WINDOWS, &IOS, &MAC];

/// Seconds from a message written at `at` to each further try, and to its failure.
fn tries(kind: &'static Habits, at: Duration) -> (Vec<u64>, u64) {
    let mut rig = Rig::online(kind);
    rig.pass(at);
    rig.send(2);
    let mut again = Vec::new();
    loop {
        let out = rig.pass(secs(1));
        let passed = (rig.now - at).as_secs();
        if !sent(&out, command::MSG_DATA).is_empty() {
            again.push(passed);
        }
        if reason_of(&facts(&out)) == [(2, "no answer")] {
            return (again, passed);
        }
    }
}

#[test]
fn ack_timeout_and_automatic_retry() {
    assert_eq!(tries(&WINDOWS, secs(0)), (vec![6], 12));
    assert_eq!(tries(&IOS, secs(0)), (vec![], 10));
    assert_eq!(tries(&MAC, secs(0)), (vec![], 8));
    let android = [0, 1, 2, 3, 4, 5].map(|at| tries(&ANDROID, secs(at)));
    assert_eq!(android.clone().map(|t| t.1), [10, 9, 8, 7, 6, 10]);
    assert!(android.iter().all(|t| t.0.is_empty()));
    let at = secs(4) + Duration::from_millis(1);
    assert_eq!(tries(&ANDROID, at).1, 11, "6 s were not over at the look at 10 s");
}

#[test]
fn the_ack_is_matched_by_seq_num() {
    for kind in REAL {
        let mut rig = Rig::online(kind);
        let seq = pdus(&rig.send(2))[0].header.seq_num;
        assert_eq!(facts(&rig.ack(seq + 1, 1)), [], "{kind:?}");
        assert_eq!(facts(&rig.ack(seq, 1))[0], Fact::OpOk { op: 2, msg_id: 1 });
    }
}

/// The session_id of the 0302 that answers, if one does.
fn acked_with(out: &[Effect]) -> Option<u32> {
    let acks = sent(out, command::MSG_DATA_ACK);
    acks.first().map(|ack| ack.view::<ImMsgDataAck>().unwrap().session_id)
}

#[test]
fn what_an_incoming_message_and_an_own_copy_are_acked_with() {
    for (kind, incoming, copy) in [
        (&ANDROID, Some(ME), Some(PEER)),
        (&WINDOWS, Some(PEER), Some(PEER)),
        (&IOS, Some(PEER), Some(PEER)),
        (&MAC, None, None),
        (&OURS, Some(PEER), Some(PEER)),
    ] {
        let mut rig = Rig::online(kind);
        assert_eq!(acked_with(&rig.push(PEER, ME, 1, "hi")), incoming, "{kind:?}");
        assert_eq!(acked_with(&rig.push(ME, PEER, 2, "ho")), copy, "{kind:?}");
        assert_eq!(rig.store.messages.len(), 2);
    }
}

#[test]
fn who_acks_group_messages() {
    for (kind, acks) in
        [(&ANDROID, true), (&WINDOWS, false), (&IOS, true), (&MAC, false), (&OURS, true)]
    {
        let mut rig = Rig::online(kind);
        let message = ImMsgData {
            from_user_id: PEER,
            to_session_id: 77,
            msg_id: 1,
            create_time: 7,
            msg_type: MsgType::GroupText.into(),
            msg_data: "hi".into(),
            ..Default::default()
        };
        let out = rig.pdu(command::MSG_DATA, 0, &message);
        assert_eq!(acked_with(&out), acks.then_some(77), "{kind:?}");
        for ack in sent(&out, command::MSG_DATA_ACK) {
            let ack = ack.view::<ImMsgDataAck>().unwrap();
            assert_eq!(ack.session_type, SessionType::Group as i32);
        }
        assert!(rig.store.messages.contains_key(&(Conversation::Group(77), 1)));
    }
}

#[test]
fn what_a_second_message_under_an_id_does() {
    for (kind, content) in
        [(&ANDROID, "b"), (&WINDOWS, "a"), (&IOS, "b"), (&MAC, "b"), (&OURS, "a")]
    {
        let mut rig = Rig::online(kind);
        rig.push(PEER, ME, 1, "a");
        let out = rig.push(PEER, ME, 1, "b");
        let conversation = Conversation::single(ME, PEER);
        assert_eq!(rig.store.messages[&(conversation, 1)].content, content, "{kind:?}");
        let held = facts(&out).iter().any(|f| matches!(f, Fact::Held { .. }));
        assert_eq!(held, content == "b", "{kind:?}");
    }
}

#[test]
fn repeats_are_neither_shown_nor_acked_by_windows() {
    for (kind, acks) in [(&ANDROID, 1), (&WINDOWS, 0), (&IOS, 1), (&MAC, 0)] {
        let mut rig = Rig::online(kind);
        rig.push(PEER, ME, 1, "hi");
        let out = rig.push(PEER, ME, 1, "hi");
        assert_eq!(facts(&out), [], "{kind:?}");
        assert_eq!(sent(&out, command::MSG_DATA_ACK).len(), acks, "{kind:?}");
    }
}

#[test]
fn heartbeats() {
    for (kind, pause) in [(&ANDROID, 240), (&WINDOWS, 5), (&IOS, 30), (&MAC, 30), (&OURS, 5)] {
        let mut rig = Rig::online(kind);
        let beats = |out: Vec<Effect>| sent(&out, command::OTHER_HEARTBEAT).len();
        assert_eq!(beats(rig.pass_alive(secs(pause - 1))), 0, "{kind:?}");
        assert_eq!(beats(rig.pass_alive(secs(1))), 1, "{kind:?}");
        assert_eq!(beats(rig.pass_alive(secs(3 * pause))), 3, "{kind:?}");
    }
}

#[test]
fn reconnect_waits() {
    for (kind, expected) in [
        (&ANDROID, [0, 6, 12, 24, 48, 96, 60, 60]),
        (&WINDOWS, [3, 4, 5, 6, 7, 8, 9, 10]),
        (&IOS, [0, 5, 10, 20, 40, 80, 160, 320]),
        (&MAC, [1; 8]),
    ] {
        let mut rig = Rig::online(kind);
        rig.lose();
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                let wait = rig.device.due().unwrap() - rig.now;
                rig.pass(wait);
                rig.event(Event::ConnectFailed { reason: "refused".into() });
                wait.as_secs()
            })
            .collect();
        assert_eq!(waits, expected, "{kind:?}");
    }
}

#[test]
fn what_is_pulled_after_a_login_and_when_a_chat_is_opened() {
    for (kind, after_login) in
        [(&ANDROID, vec![]), (&WINDOWS, vec![(200, 100)]), (&IOS, vec![]), (&MAC, vec![])]
    {
        let mut rig = Rig::new(kind);
        rig.command(1, Action::Login);
        let asked = rig.log_in();
        let ids: Vec<u16> = asked.iter().map(Pdu::command).collect();
        assert_eq!(ids, [0x0201, 0x0307, 0x0401], "{kind:?}");
        assert_eq!(pulls(&rig.answer_all(&asked, &[200], &[(150, 200)])), after_login, "{kind:?}");
        let out = rig.command(2, Action::Read { chat: CHAT });
        assert_eq!(pulls(&out), [(200, 100)], "{kind:?}");
        let out = rig.list(pull_seq(&out), [200, 199]);
        let ack = sent(&out, command::MSG_READ_ACK)[0].view::<ImMsgDataReadAck>().unwrap();
        assert_eq!((ack.session_id, ack.msg_id), (PEER, 200), "{kind:?}: the last one");
        assert_eq!(pulls(&rig.push(PEER, ME, 300, "a gap")), [], "{kind:?}");
        assert_eq!(pulls(&rig.pass(secs(60))), [], "{kind:?} checks for no gaps");
    }
}

#[test]
fn who_answers_a_read_notify() {
    for (kind, unread, read) in [
        (&ANDROID, true, false),
        (&WINDOWS, false, false),
        (&IOS, true, true),
        (&MAC, false, false),
        (&OURS, false, false),
    ] {
        let mut rig = Rig::online(kind);
        rig.push(PEER, ME, 1, "hi");
        for (answers, msg_id) in [(unread, 1), (read, 2)] {
            let acks = sent(&rig.read_notify(0, msg_id), command::MSG_READ_ACK);
            assert_eq!(acks.len(), usize::from(answers), "{kind:?}");
            for ack in acks {
                let ack = ack.view::<ImMsgDataReadAck>().unwrap();
                assert_eq!((ack.user_id, ack.session_id, ack.msg_id), (ME, PEER, msg_id));
            }
        }
    }
}

/// Each 0303 of one reaches the other as a 0304, as msg_server does it.
#[test]
fn two_iphones_of_one_user_do_not_answer_each_other_for_ever() {
    for chat in [CHAT, IN_GROUP] {
        let mut phones = [Rig::online(&IOS), Rig::online(&IOS)];
        let push = |rig: &mut Rig, msg_id| {
            rig.push_as(MsgType::GroupText, PEER, GROUP, msg_id, "hi");
            rig.push(PEER, ME, msg_id, "hi");
        };
        for msg_id in [1, 2] {
            phones.iter_mut().for_each(|rig| push(rig, msg_id));
            let out = phones[0].command(msg_id, Action::Read { chat });
            let out = phones[0].list_in(chat, pull_seq(&out), [msg_id]);
            let mut acks = sent(&out, command::MSG_READ_ACK);
            let mut written = 0;
            let mut reader = 0;
            while let Some(ack) = acks.pop() {
                written += 1;
                assert!(written < 10, "they loop");
                reader = 1 - reader;
                let ack = ack.view::<ImMsgDataReadAck>().unwrap();
                let read = Chat::of(ack.session_type, ack.session_id);
                assert_eq!(read, chat);
                let out = phones[reader].read_notify_in(read, 0, ack.msg_id);
                acks = sent(&out, command::MSG_READ_ACK);
            }
            assert_eq!(written, 3, "each answers it once");
        }
    }
}

/// Their read acks cross, or one reads an older message: only a second notice of the same id is
/// not answered.
#[test]
fn an_iphone_answers_each_read_notice_once() {
    let mut rig = Rig::online(&IOS);
    rig.push(PEER, ME, 5, "hi");
    let out = rig.command(2, Action::Read { chat: CHAT });
    let out = rig.list(pull_seq(&out), [5]);
    assert_eq!(sent(&out, command::MSG_READ_ACK).len(), 1);
    for (msg_id, answers) in [(5, 1), (4, 1), (4, 0), (5, 0), (6, 1), (4, 0)] {
        let acks = sent(&rig.read_notify(0, msg_id), command::MSG_READ_ACK);
        assert_eq!(acks.len(), answers, "{msg_id}");
        for ack in acks {
            assert_eq!(ack.view::<ImMsgDataReadAck>().unwrap().msg_id, msg_id);
        }
    }
    let acks = sent(&rig.read_notify_in(IN_GROUP, 0, 5), command::MSG_READ_ACK);
    assert_eq!(acks.len(), 1, "another chat");
}

#[test]
fn the_open_chat_of_android_acks_as_read() {
    for kind in [&WINDOWS, &ANDROID, &IOS, &MAC, &OURS] {
        let mut rig = Rig::online(kind);
        rig.push(PEER, ME, 1, "hi");
        let out = rig.command(2, Action::Read { chat: CHAT });
        if kind.name == "ours" || !sent(&out, command::MSG_LIST_REQUEST).is_empty() {
            rig.list(pull_seq(&out), [1]);
        }
        let android = kind.name == "android";
        let out = rig.push(PEER, ME, 2, "you see me");
        assert_eq!(sent(&out, command::MSG_READ_ACK).len(), usize::from(android), "{kind:?}");
        assert_eq!(acked_with(&out).is_some(), !android && kind.name != "mac", "{kind:?}");
        assert_eq!(rig.store.unread.contains_key(&CHAT), !android, "{kind:?}");
    }
    let mut rig = Rig::online(&ANDROID);
    rig.command(2, Action::Read { chat: CHAT });
    assert_eq!(acked_with(&rig.push(ME, PEER, 1, "own copy")), Some(PEER));
    assert_eq!(acked_with(&rig.push(7, ME, 1, "another chat")), Some(ME));
    rig.command(3, Action::Send { to: Chat::User(7), text: "that closes it".into() });
    assert_eq!(acked_with(&rig.push(PEER, ME, 2, "hi")), Some(ME));
    rig.command(4, Action::Read { chat: CHAT });
    rig.command(5, Action::Logout);
    rig.event(Event::Closed { reason: "eof".into() });
    rig.command(6, Action::Login);
    rig.log_in();
    assert_eq!(acked_with(&rig.push(PEER, ME, 3, "hi")), Some(ME), "so does a logout");
}

#[test]
fn one_message_in_flight_is_windows_only() {
    for (kind, both) in [(&ANDROID, 2), (&WINDOWS, 1), (&IOS, 2), (&MAC, 2)] {
        let mut rig = Rig::online(kind);
        let mut out = rig.send(2);
        rig.now += Duration::from_millis(100);
        out.extend(rig.send(3));
        assert_eq!(sent(&out, command::MSG_DATA).len(), both, "{kind:?}");
    }
}

#[test]
fn acks_may_be_late_or_never_come() {
    let mut rig = Rig::online(&OURS);
    rig.device.config.conduct.acks = Acks::Late { ms: 2_000 };
    assert_eq!(acked_with(&rig.push(PEER, ME, 1, "hi")), None);
    assert_eq!(acked_with(&rig.pass_alive(Duration::from_millis(1_999))), None);
    assert_eq!(acked_with(&rig.pass_alive(Duration::from_millis(1))), Some(PEER));
    rig.push(PEER, ME, 2, "hi");
    rig.lose();
    assert_eq!(acked_with(&rig.pass(secs(10))), None, "it went with the connection");
    let mut rig = Rig::online(&OURS);
    rig.device.config.conduct.acks = Acks::Never;
    let mut out = rig.push(PEER, ME, 1, "hi");
    out.extend(rig.pass_alive(secs(60)));
    assert_eq!(acked_with(&out), None);
}
