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
