//! Read acks that are confirmed (`confirmed-read-acks`).

use super::*;

fn reads(out: &[Effect]) -> Vec<Pdu> {
    sent(out, command::MSG_READ_ACK)
}

/// A device that holds message 1 of the peer, and has just acked it as read for operation 2.
fn reading() -> (Rig, Pdu) {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 1, "hi");
    let out = rig.command(2, Action::Read { chat: CHAT });
    let out = rig.list(pull_seq(&out), [1]);
    assert!(!facts(&out).iter().any(|f| matches!(f, Fact::OpOk { .. })), "not confirmed yet");
    (rig, reads(&out)[0].clone())
}

fn unread_asked(out: &[Effect]) -> Vec<Pdu> {
    sent(out, command::MSG_UNREAD_CNT_REQUEST)
}

#[test]
fn a_read_ack_is_written_again_until_it_is_confirmed() {
    let (mut rig, ack) = reading();
    let seq_num = ack.header.seq_num;
    let out = rig.pass_alive(secs(6));
    assert_eq!(reads(&out), [ack]);
    let seen = facts(&out);
    assert!(seen.contains(&Fact::AttemptTimedOut { op: 2, attempt: 2 }));
    assert!(seen.contains(&Fact::Attempt { op: 2, attempt: 3, conn: 5, seq_num }));
    assert_eq!(facts(&rig.read_notify(seq_num + 1, 1)), [], "another seq_num");
    assert_eq!(facts(&rig.read_notify(seq_num, 1)), [Fact::OpOk { op: 2, msg_id: 0 }]);
    assert!(rig.store.unconfirmed_reads.is_empty());
    assert_eq!(reads(&rig.pass_alive(secs(60))), []);
}

#[test]
fn after_three_tries_the_count_decides() {
    let (mut rig, ack) = reading();
    let out = rig.pass_alive(secs(17));
    assert_eq!(reads(&out), [ack.clone(), ack.clone()]);
    let out = rig.pass_alive(secs(1));
    assert_eq!(reads(&out), []);
    assert_eq!(reason_of(&facts(&out)), [(2, "no answer")]);
    let asked = unread_asked(&out);
    // Message 1 is counted still; message 2 came meanwhile.
    let seq = asked[0].header.seq_num;
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &unread_answer(&[(2, 2)]));
    assert!(facts(&out).contains(&Fact::UnreadShown { device: 9, chat: CHAT, count: 1 }));
    let again = reads(&out);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].view::<ImMsgDataReadAck>().unwrap().msg_id, 1);
    assert_eq!(again[0].header.seq_num, rig.store.seq_num);
    let out = rig.pass_alive(secs(18));
    assert_eq!(reads(&out).len(), 2);
    // One is counted: whether it is message 1 or 2 can't be told, so the ack is written again.
    let seq = unread_asked(&out)[0].header.seq_num;
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &unread_answer(&[(1, 2)]));
    assert_eq!(reads(&out).len(), 1);
    let out = rig.pass_alive(secs(18));
    assert_eq!(reads(&out).len(), 2);
    // Nothing is counted: it arrived.
    let seq = unread_asked(&out)[0].header.seq_num;
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &unread_answer(&[]));
    assert_eq!(reads(&out), []);
    assert!(rig.store.unconfirmed_reads.is_empty());
}

#[test]
fn a_read_ack_that_was_lost_with_its_connection_is_written_after_the_login() {
    for counts in [vec![(1, 1)], vec![]] {
        let (mut rig, ack) = reading();
        let lost = rig.lose();
        assert_eq!(reason_of(&facts(&lost)), [(2, "connection lost")]);
        rig.crash();
        let asked = rig.log_in();
        let out = rig.answer_all(&asked, &[1], &counts);
        let again: Vec<Bytes> = reads(&out).into_iter().map(|pdu| pdu.body).collect();
        assert_eq!(again, vec![ack.body.clone(); counts.len()]);
        assert_eq!(rig.store.unread.get(&CHAT), None, "it was read here");
    }
}

#[test]
fn a_refused_read_ack_is_repeated_or_left_to_the_count() {
    let (mut rig, ack) = reading();
    assert_eq!(rig.refuse(&ack, RefusedCode::RefusedUnavailable), []);
    assert_eq!(reads(&rig.pass_alive(secs(6))), std::slice::from_ref(&ack));
    let out = rig.refuse(&ack, RefusedCode::RefusedMalformed);
    assert_eq!(reason_of(&facts(&out)), [(2, "refused: malformed")]);
    assert_eq!(unread_asked(&out).len(), 1);
}

/// Seed 542 of `hardened`: what came while a read ack was under way was counted with messages that were
/// read, and stayed so.
#[test]
fn what_was_counted_while_a_read_ack_was_under_way_is_counted_anew_once_it_is_confirmed() {
    let (mut rig, ack) = reading();
    let seq_num = ack.header.seq_num;
    rig.push(PEER, ME, 4, "a gap");
    let pull = rig.pass_alive(secs(1));
    // Of 3 the device can't tell whose it is, and asks.
    let out = rig.list(pull_seq(&pull), [4, 2]);
    let seq = unread_asked(&out)[0].header.seq_num;
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &unread_answer(&[(2, 4)]));
    assert!(facts(&out).contains(&Fact::UnreadShown { device: 9, chat: CHAT, count: 2 }));
    let out = rig.read_notify(seq_num, 1);
    assert_eq!(unread_asked(&out).len(), 1, "one of the two may be message 1");
    let (mut rig, ack) = reading();
    let out = rig.read_notify(ack.header.seq_num, 1);
    assert_eq!(unread_asked(&out), [], "nothing is shown");
}

#[test]
fn without_the_switch_and_elsewhere_a_read_ack_is_not_answered() {
    for mut rig in [Rig::without(&OURS, "confirmed-read-acks"), Rig::online(&MAC)] {
        rig.push(PEER, ME, 1, "hi");
        rig.store.unread.clear();
        let out = rig.command(2, Action::Read { chat: CHAT });
        assert_eq!(reads(&out).len(), 1);
        assert!(facts(&out).contains(&Fact::OpOk { op: 2, msg_id: 0 }));
        assert_eq!(reads(&rig.pass_alive(secs(60))), []);
        assert!(rig.store.unconfirmed_reads.is_empty());
    }
}

#[test]
fn what_came_after_a_message_that_was_read_elsewhere_stays_unread() {
    let mut rig = Rig::online(&OURS);
    for msg_id in 1..=3 {
        rig.push(PEER, ME, msg_id, "hi");
    }
    let shown = |count| Fact::UnreadShown { device: 9, chat: CHAT, count };
    let out = rig.read_notify(0, 2);
    assert_eq!(facts(&out), [shown(1)]);
    assert_eq!(unread_asked(&out).len(), 1, "the server knows how much that is");
    let out = rig.read_notify(0, 3);
    assert_eq!((facts(&out), unread_asked(&out).len()), (vec![shown(0)], 0));
    let mut old = Rig::without(&OURS, "confirmed-read-acks");
    (1..=3).for_each(|msg_id| drop(old.push(PEER, ME, msg_id, "hi")));
    assert_eq!(facts(&old.read_notify(0, 2)), [shown(0)]);
}

#[test]
fn what_was_caught_up_with_is_counted_by_the_server() {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 1, "hi");
    rig.push(PEER, ME, 3, "a gap");
    let pull = rig.pass_alive(secs(1));
    assert_eq!(pulls(&pull).len(), 1);
    let out = rig.list(pull_seq(&pull), [3, 2, 1]);
    let seq = unread_asked(&out)[0].header.seq_num;
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &unread_answer(&[(3, 3)]));
    assert!(facts(&out).contains(&Fact::UnreadShown { device: 9, chat: CHAT, count: 3 }));
}

/// Seed 5090 of `hardened`: pushes were lost, and a person's pull brought what they had.
#[test]
fn what_a_person_pulled_that_is_new_is_counted_by_the_server() {
    let mut rig = Rig::online(&OURS);
    let out = rig.command(2, Action::Pull { chat: CHAT, count: 10 });
    let out = rig.list(pull_seq(&out), [2, 1]);
    let seq = unread_asked(&out)[0].header.seq_num;
    rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &unread_answer(&[(2, 2)]));
    assert_eq!(rig.store.unread[&CHAT], 2);
    let out = rig.command(3, Action::Pull { chat: CHAT, count: 10 });
    assert_eq!(unread_asked(&rig.list(pull_seq(&out), [2, 1])), [], "nothing is new");
}

#[test]
fn counts_that_were_asked_for_before_a_push_are_asked_for_again() {
    let mut rig = Rig::new(&OURS);
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    rig.push(PEER, ME, 1, "hi");
    let seq = |asked: &[Pdu]| {
        let mut unread = asked.iter().filter(|p| p.command() == command::MSG_UNREAD_CNT_REQUEST);
        unread.next().map(|pdu| pdu.header.seq_num)
    };
    let first = seq(&asked).expect("counts are asked for after a login");
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, first, &unread_answer(&[]));
    let again = seq(&unread_asked(&out)).expect("they may be older than the push");
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, again, &unread_answer(&[(1, 1)]));
    assert!(unread_asked(&out).is_empty());
    assert_eq!(rig.store.unread[&CHAT], 1);
}

/// Seed 8973 of `hardened`: what was asked about a message that another device read meanwhile was counted
/// before that, and nothing was shown when the notice came.
#[test]
fn counts_that_were_asked_for_before_a_read_elsewhere_are_asked_for_again() {
    let mut rig = Rig::new(&OURS);
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    rig.read_notify(0, 1);
    let mut unread = asked.iter().filter(|p| p.command() == command::MSG_UNREAD_CNT_REQUEST);
    let first = unread.next().expect("counts are asked for after a login").header.seq_num;
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, first, &unread_answer(&[(1, 1)]));
    let again = unread_asked(&out);
    assert_eq!(again.len(), 1, "they may be older than the notice");
    let again = again[0].header.seq_num;
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, again, &unread_answer(&[]));
    assert!(unread_asked(&out).is_empty() && !rig.store.unread.contains_key(&CHAT));
}

#[test]
fn a_message_that_comes_after_the_notice_that_it_was_read_is_not_unread() {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 1, "hi");
    rig.read_notify(0, 2);
    assert!(!rig.store.unread.contains_key(&CHAT));
    let out = rig.push(PEER, ME, 2, "late");
    assert!(matches!(facts(&out)[..], [Fact::Held { msg_id: 2, .. }]), "it is read");
    let out = rig.push(PEER, ME, 3, "new");
    assert!(facts(&out).contains(&Fact::UnreadShown { device: 9, chat: CHAT, count: 1 }));
}

#[test]
fn a_message_that_the_server_has_counted_is_not_counted_again() {
    let mut rig = Rig::new(&OURS);
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    rig.answer_all(&asked, &[2], &[(2, 2)]);
    let out = rig.push(PEER, ME, 2, "counted");
    assert!(!facts(&out).iter().any(|fact| matches!(fact, Fact::UnreadShown { .. })));
    assert_eq!(unread_asked(&out).len(), 1, "or the count is older than the id that came with it");
    assert_eq!(rig.store.unread[&CHAT], 2);
    rig.push(PEER, ME, 3, "new");
    assert_eq!(rig.store.unread[&CHAT], 3);
}
