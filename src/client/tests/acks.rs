//! What is acked, and when it is acked again (`cumulative-acks`).

use super::*;

/// The acks among what a device does: msg_id and `held_up_to`.
fn acks(out: &[Effect]) -> Vec<(u32, Option<u32>)> {
    let acks = sent(out, command::MSG_DATA_ACK);
    let acks = acks.iter().map(|pdu| pdu.view::<ImMsgDataAck>().unwrap());
    acks.map(|ack| (ack.msg_id, ack.held_up_to)).collect()
}

/// The connection is lost and comes back.
fn back(rig: &mut Rig) -> Vec<Effect> {
    rig.lose();
    rig.pass(secs(3));
    let login = sent(&rig.event(Event::Connected { conn: 6 }), command::LOGIN_REQ_USERLOGIN);
    rig.pdu(command::LOGIN_RES_USERLOGIN, login[0].header.seq_num, &login_answer(0))
}

/// The device writes its next heartbeat.
fn beat(rig: &mut Rig) {
    assert_eq!(sent(&rig.pass(secs(5)), command::OTHER_HEARTBEAT).len(), 1);
}

fn echo(rig: &mut Rig) {
    rig.event(Event::Pdu(Pdu::raw(command::OTHER_HEARTBEAT, 0, Bytes::new())));
}

#[test]
fn a_push_is_acked_with_what_is_held_below_it() {
    let mut rig = Rig::online(&OURS);
    assert_eq!(acks(&rig.push(PEER, ME, 1, "1")), [(1, Some(1))]);
    assert_eq!(acks(&rig.push(PEER, ME, 3, "3")), [(3, Some(1))], "2 is missing");
    assert_eq!(acks(&rig.push(PEER, ME, 2, "2")), [(2, Some(3))]);
    let mut old = Rig::without(&OURS, "cumulative-acks");
    assert_eq!(acks(&old.push(PEER, ME, 1, "1")), [(1, None)]);
}

#[test]
fn what_a_pull_brought_is_acked_once_at_its_end() {
    let mut rig = Rig::new(&OURS);
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    let out = rig.answer_all(&asked, &[120], &[]);
    let out = rig.list(pull_seq(&out), (21..=120).rev());
    assert_eq!(acks(&out), []);
    let out = rig.list(pull_seq(&out), (1..=20).rev());
    assert_eq!(acks(&out), [(120, Some(120))]);
    let mut old = Rig::without(&OURS, "cumulative-acks");
    old.push(PEER, ME, 2, "2");
    let out = old.pass_alive(secs(1));
    assert_eq!(acks(&old.list(pull_seq(&out), [1])), []);
}

#[test]
fn an_ack_whose_connection_died_is_written_again_and_one_that_was_read_is_not() {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 1, "1");
    assert_eq!(acks(&back(&mut rig)), [(1, Some(1))]);
    echo(&mut rig);
    assert_eq!(acks(&back(&mut rig)), [(1, Some(1))], "no heartbeat was written after it");
    beat(&mut rig);
    assert_eq!(acks(&back(&mut rig)), [(1, Some(1))], "the heartbeat did not come back");
    beat(&mut rig);
    rig.push(PEER, ME, 2, "2");
    echo(&mut rig);
    assert_eq!(acks(&back(&mut rig)), [(2, Some(2))], "the heartbeat was written before the ack");
    beat(&mut rig);
    echo(&mut rig);
    assert_eq!(acks(&back(&mut rig)), []);
}

#[test]
fn what_fills_a_hole_below_is_acked_anew() {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 3, "3");
    let out = rig.pass_alive(secs(1));
    assert_eq!(acks(&rig.list(pull_seq(&out), [1])), [(3, Some(3))], "2 was answered as missing");
    beat(&mut rig);
    echo(&mut rig);
    assert_eq!(acks(&rig.push(PEER, ME, 2, "2")), [(2, Some(3))]);
    assert_eq!(acks(&back(&mut rig)), [(3, Some(3))]);
}

#[test]
fn a_crash_forgets_what_was_written_and_not_what_was_read() {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 1, "1");
    beat(&mut rig);
    echo(&mut rig);
    rig.push(PEER, ME, 2, "2");
    rig.crash();
    let login = sent(&rig.event(Event::Connected { conn: 6 }), command::LOGIN_REQ_USERLOGIN);
    let seq = login[0].header.seq_num;
    let out = rig.pdu(command::LOGIN_RES_USERLOGIN, seq, &login_answer(0));
    assert_eq!(acks(&out), [(2, Some(2))]);
    beat(&mut rig);
    echo(&mut rig);
    rig.crash();
    let login = sent(&rig.event(Event::Connected { conn: 7 }), command::LOGIN_REQ_USERLOGIN);
    let seq = login[0].header.seq_num;
    assert_eq!(acks(&rig.pdu(command::LOGIN_RES_USERLOGIN, seq, &login_answer(0))), []);
}

#[test]
fn what_a_person_pulled_is_acked_also_if_it_closes_a_gap_that_was_to_be_swept() {
    let mut rig = Rig::online(&OURS);
    let out = rig.command(2, Action::Pull { chat: CHAT, count: 10 });
    let sent = pdus(&rig.send(3))[0].header.seq_num;
    rig.ack(sent, 2);
    let out = rig.list(pull_seq(&out), [1]);
    assert_eq!(acks(&out), [], "the gap below 2 is looked at in a tick");
    assert_eq!(acks(&rig.pass_alive(secs(1))), [(2, Some(2))]);
    assert_eq!(acks(&rig.pass_alive(secs(60))), []);
}

#[test]
fn what_is_held_above_a_hole_is_acked_again_once_the_hole_was_answered() {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 1, "1");
    beat(&mut rig);
    echo(&mut rig);
    rig.push(PEER, ME, 3, "3");
    let asked = pdus(&back(&mut rig));
    let out = rig.answer_all(&asked, &[3], &[]);
    assert_eq!(acks(&rig.list(pull_seq(&out), [1])), [(3, Some(3))]);
}

/// Seed 5074 of `hardened`: sessions are compared in the tick between.
#[test]
fn what_a_person_pulled_is_acked_also_if_sessions_are_compared_before_the_sweep() {
    let mut rig = Rig::online(&OURS);
    let out = rig.command(2, Action::Pull { chat: CHAT, count: 10 });
    let own = pdus(&rig.send(3))[0].header.seq_num;
    rig.ack(own, 2);
    let pulled = rig.list(pull_seq(&out), [1]);
    assert_eq!(acks(&pulled), [], "the gap below 2 is looked at in a tick");
    let hinted = rig.pdu(command::OTHER_CATCH_UP_HINT, 0, &CatchUpHint::default());
    let asked = sent(&hinted, command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST);
    let id = command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE;
    let out = rig.pdu(id, asked[0].header.seq_num, &sessions_of(CHAT, &[2]));
    assert_eq!(acks(&out), [(2, Some(2))], "nothing is missing");
    assert_eq!(acks(&rig.pass_alive(secs(60))), []);
}
