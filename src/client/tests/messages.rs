//! Sends, pushes, acks, unread counts, pulls.

use super::*;

#[test]
fn a_send_is_acked_by_seq_num_and_stored() {
    for kind in [&WINDOWS, &OURS] {
        let mut rig = Rig::online(kind);
        let out = rig.send(2);
        let pdu = &pdus(&out)[0];
        let view = pdu.view::<ImMsgData>().unwrap();
        assert_eq!((view.from_user_id, view.to_session_id, view.msg_id), (ME, PEER, 0));
        assert_eq!(view.msg_data, "text 2");
        assert_eq!(facts(&rig.ack(pdu.header.seq_num + 1, 1)), [], "another seq_num");
        let facts = facts(&rig.ack(pdu.header.seq_num, 1));
        let held = Fact::Held {
            device: 9,
            conversation: Conversation::single(ME, PEER),
            msg_id: 1,
            from: ME,
            content: "text 2".into(),
            via: Via::Sent,
        };
        assert_eq!(facts, [Fact::OpOk { op: 2, msg_id: 1 }, held]);
    }
}

#[test]
fn an_ack_with_msg_id_0_is_a_failure() {
    let mut rig = Rig::online(&OURS);
    let seq = pdus(&rig.send(2))[0].header.seq_num;
    assert_eq!(reason_of(&facts(&rig.ack(seq, 0))), [(2, "not stored")]);
    assert!(rig.store.messages.is_empty());
}

#[test]
fn windows_repeats_a_send_once_with_the_same_seq_num() {
    let mut rig = Rig::online(&WINDOWS);
    let first = pdus(&rig.send(2))[0].clone();
    let out = rig.pass(secs(6));
    assert_eq!(sent(&out, command::MSG_DATA), std::slice::from_ref(&first));
    let seq_num = first.header.seq_num;
    let seen = facts(&out);
    assert_eq!(seen[0], Fact::AttemptTimedOut { op: 2, attempt: 1 });
    assert_eq!(seen[1], Fact::Attempt { op: 2, attempt: 2, conn: 5, seq_num });
    let out = rig.pass(secs(6));
    assert_eq!(sent(&out, command::MSG_DATA), []);
    assert!(facts(&out).contains(&Fact::AttemptTimedOut { op: 2, attempt: 2 }));
    assert_eq!(reason_of(&facts(&out)), [(2, "no answer")]);
}

#[test]
fn ours_does_not_repeat_a_send_without_its_switch() {
    let mut rig = Rig::without(&OURS, "idempotent-send");
    let first = pdus(&rig.send(2))[0].clone();
    assert_eq!(first.view::<ImMsgData>().unwrap().send_token, None);
    let out = rig.pass(secs(6));
    assert_eq!(sent(&out, command::MSG_DATA), []);
    let seen = facts(&out);
    assert_eq!(seen[0], Fact::AttemptTimedOut { op: 2, attempt: 1 });
    assert_eq!(reason_of(&seen), [(2, "no answer")]);
}

#[test]
fn windows_has_one_message_in_flight_and_refuses_a_hasty_second() {
    let mut rig = Rig::online(&WINDOWS);
    let seq = pdus(&rig.send(2))[0].header.seq_num;
    rig.now += Duration::from_millis(99);
    assert_eq!(reason_of(&facts(&rig.send(3))), [(3, "too soon after another message")]);
    rig.now += Duration::from_millis(1);
    assert_eq!(rig.send(4), [], "queued");
    assert_eq!(sent(&rig.ack(seq, 1), command::MSG_DATA).len(), 1);
    rig.now += secs(1);
    rig.send(5);
    let lost = rig.event(Event::Closed { reason: "eof".into() });
    assert_eq!(reason_of(&facts(&lost)), [(4, "connection lost"), (5, "connection lost")]);
}

#[test]
fn ours_has_several_messages_in_flight() {
    let mut rig = Rig::without(&OURS, "idempotent-send");
    let (a, b) = (rig.send(2), rig.send(3));
    assert_eq!((pdus(&a).len(), pdus(&b).len()), (1, 1));
    let lost = rig.event(Event::Closed { reason: "eof".into() });
    assert_eq!(reason_of(&facts(&lost)), [(2, "connection lost"), (3, "connection lost")]);
    assert_eq!(reason_of(&facts(&rig.send(4))), [(4, "not logged in")]);
}

#[test]
fn pushes_are_stored_counted_and_acked_with_the_peers_id() {
    for kind in [&WINDOWS, &OURS] {
        let mut rig = Rig::online(kind);
        let out = rig.push(PEER, ME, 1, "hi");
        let ack = sent(&out, command::MSG_DATA_ACK)[0].view::<ImMsgDataAck>().unwrap();
        assert_eq!((ack.user_id, ack.session_id, ack.msg_id), (ME, PEER, 1));
        let seen = facts(&out);
        assert!(matches!(&seen[0], Fact::Held { msg_id: 1, from: PEER, via: Via::Push, .. }));
        assert_eq!(seen[1], Fact::UnreadShown { device: 9, chat: CHAT, count: 1 });
        let out = rig.push(ME, PEER, 2, "own, from my phone");
        let ack = sent(&out, command::MSG_DATA_ACK)[0].view::<ImMsgDataAck>().unwrap();
        assert_eq!((ack.session_id, ack.msg_id), (PEER, 2));
        assert_eq!(rig.store.unread[&CHAT], 1, "own messages are not unread");
        assert!(rig.push(7, 8, 3, "of others").is_empty());
    }
}

#[test]
fn a_repeat_is_acked_by_ours_and_ignored_by_windows() {
    for (kind, acks) in [(&WINDOWS, 0), (&OURS, 1)] {
        let mut rig = Rig::online(kind);
        rig.push(PEER, ME, 1, "hi");
        let out = rig.push(PEER, ME, 1, "hi");
        assert_eq!(sent(&out, command::MSG_DATA_ACK).len(), acks);
        assert_eq!(facts(&out), []);
        let out = rig.push(PEER, ME, 1, "same id, other content");
        assert_eq!(sent(&out, command::MSG_DATA_ACK).len(), 1, "{kind:?}");
        assert_eq!(facts(&out), [], "the first one stays");
    }
}

#[test]
fn reading_pulls_what_is_unread_then_acks_the_last_message() {
    let mut rig = Rig::new(&OURS);
    rig.device.config.protocol = Protocol::teamtalk();
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    let out = rig.answer_all(&asked, &[4], &[(150, 4)]);
    assert!(facts(&out).contains(&Fact::UnreadShown { device: 9, chat: CHAT, count: 150 }));
    assert_eq!(pulls(&out), []);
    let out = rig.command(2, Action::Read { chat: CHAT });
    assert_eq!(pulls(&out), [(0, 100)]);
    let out = rig.list(pull_seq(&out), [4, 3]);
    let ack = sent(&out, command::MSG_READ_ACK)[0].view::<ImMsgDataReadAck>().unwrap();
    assert_eq!((ack.session_id, ack.msg_id), (PEER, 4));
    let seen = facts(&out);
    assert!(matches!(&seen[0], Fact::Held { msg_id: 4, via: Via::Pull, .. }));
    assert!(seen.contains(&Fact::UnreadShown { device: 9, chat: CHAT, count: 0 }));
    assert!(seen.contains(&Fact::OpOk { op: 2, msg_id: 0 }));
    // Nothing unread: only the ack.
    let out = rig.command(3, Action::Read { chat: CHAT });
    assert_eq!(pdus(&out).len(), 1);
    assert!(facts(&out).contains(&Fact::OpOk { op: 3, msg_id: 0 }));
}

#[test]
fn windows_pulls_each_unread_session_after_a_login() {
    let mut rig = Rig::new(&WINDOWS);
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    let out = rig.answer_all(&asked, &[200], &[(3, 200)]);
    assert_eq!(pulls(&out), [(200, 3)]);
    let out = rig.list(pull_seq(&out), [200, 199, 198]);
    assert_eq!(facts(&out).len(), 3);
    assert_eq!(rig.store.unread[&CHAT], 3, "pulling is not reading");
    assert_eq!(pulls(&rig.push(PEER, ME, 300, "a gap")), []);
    assert_eq!(pulls(&rig.pass(secs(20))), [], "Windows never catches up");
}

#[test]
fn another_device_that_reads_clears_the_count() {
    let mut rig = Rig::online(&WINDOWS);
    rig.push(PEER, ME, 1, "hi");
    let out = rig.read_notify(0, 1);
    assert_eq!(facts(&out), [Fact::UnreadShown { device: 9, chat: CHAT, count: 0 }]);
}

#[test]
fn an_unread_answer_replaces_what_is_shown() {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 1, "hi");
    rig.event(Event::Closed { reason: "eof".into() });
    rig.pass(secs(3));
    let asked = rig.log_in();
    let out = rig.answer_all(&asked, &[1], &[]);
    assert!(facts(&out).contains(&Fact::UnreadShown { device: 9, chat: CHAT, count: 0 }));
}

#[test]
fn pull_and_latest_end_with_their_answer_or_a_timeout() {
    let mut rig = Rig::online(&OURS);
    let out = rig.command(2, Action::Pull { chat: CHAT, count: 10 });
    assert_eq!(pulls(&out), [(0, 10)]);
    assert!(facts(&rig.list(pull_seq(&out), [])).contains(&Fact::OpOk { op: 2, msg_id: 0 }));
    let out = rig.command(3, ask("latest", Args { chat: Some(CHAT), ..Args::default() }));
    let answer = ImGetLatestMsgIdRsp {
        user_id: ME,
        session_type: SINGLE,
        session_id: PEER,
        latest_msg_id: 0,
        attach_data: None,
    };
    let seq = pdus(&out)[0].header.seq_num;
    let out = rig.pdu(command::MSG_GET_LATEST_MSG_ID_RSP, seq, &answer);
    assert_eq!(facts(&out), [Fact::OpOk { op: 3, msg_id: 0 }]);
    rig.command(4, ask("latest", Args { chat: Some(CHAT), ..Args::default() }));
    assert_eq!(reason_of(&facts(&rig.pass(secs(6)))), [(4, "no answer")]);
}
