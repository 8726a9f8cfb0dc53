//! Sends that are written again until they are answered, and resends by hand.

use super::*;

/// (seq_num, send_token) of each 0301.
fn sends(out: &[Effect]) -> Vec<(u16, Option<Bytes>)> {
    let view = |pdu: &Pdu| (pdu.header.seq_num, pdu.view::<ImMsgData>().unwrap().send_token);
    sent(out, command::MSG_DATA).iter().map(view).collect()
}

fn token(number: u8) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, number]))
}

fn reconnect(rig: &mut Rig) -> Vec<Effect> {
    rig.pass(secs(15));
    let login = pdus(&rig.event(Event::Connected { conn: 6 }))[0].clone();
    rig.pdu(command::LOGIN_RES_USERLOGIN, login.header.seq_num, &login_answer(0))
}

#[test]
fn a_send_is_written_again_until_its_ack() {
    let mut rig = Rig::online(&OURS);
    let first = sends(&rig.send(2));
    assert_eq!(first[0].1, token(1));
    let tries: Vec<Effect> = [6, 12, 24, 24, 24]
        .into_iter()
        .flat_map(|wait| {
            assert_eq!(sends(&rig.pass_alive(secs(wait - 1))), []);
            rig.pass_alive(secs(1))
        })
        .collect();
    assert_eq!(sends(&tries), vec![first[0].clone(); 5], "the same request");
    let out = tries;
    assert_eq!(reason_of(&facts(&out)), []);
    let seq_num = first[0].0;
    assert_eq!(facts(&out)[0], Fact::AttemptTimedOut { op: 2, attempt: 1 });
    assert_eq!(facts(&out)[1], Fact::Attempt { op: 2, attempt: 2, conn: 5, seq_num });
    let out = rig.ack(seq_num, 4);
    assert_eq!(facts(&out)[0], Fact::OpOk { op: 2, msg_id: 4 });
    assert!(matches!(&facts(&out)[1], Fact::Held { msg_id: 4, via: Via::Sent, .. }));
    assert_eq!(sends(&rig.pass_alive(secs(60))), []);
    assert_eq!(sends(&rig.send(3))[0].1, token(2));
}

#[test]
fn a_send_survives_its_connection_and_a_crash() {
    let mut rig = Rig::online(&OURS);
    let first = sends(&rig.send(2));
    let out = rig.lose();
    assert!(facts(&out).contains(&Fact::AttemptTimedOut { op: 2, attempt: 1 }));
    assert_eq!(reason_of(&facts(&out)), []);
    assert_eq!(rig.send(3), [], "it waits for the connection");
    let out = reconnect(&mut rig);
    let again = sends(&out);
    assert_eq!(again.iter().map(|s| s.1.clone()).collect::<Vec<_>>(), [token(1), token(2)]);
    assert!(again.iter().all(|s| s.0 != first[0].0), "under new seq_nums");
    let attempt = Fact::Attempt { op: 2, attempt: 2, conn: 6, seq_num: again[0].0 };
    assert!(facts(&out).contains(&attempt));
    rig.ack(again[1].0, 1);
    rig.crash();
    let out = reconnect(&mut rig);
    assert_eq!(sends(&out).iter().map(|s| s.1.clone()).collect::<Vec<_>>(), [token(1)]);
    assert_eq!(facts(&rig.ack(sends(&out)[0].0, 2))[0], Fact::OpOk { op: 2, msg_id: 2 });
}

/// The program is updated while a send has no answer: its first try had no token, so a second one would be
/// another message to every db_proxy.
#[test]
fn what_an_older_program_sent_without_a_token_is_not_sent_again_by_itself() {
    let mut rig = Rig::without(&OURS, "idempotent-send");
    assert_eq!(sends(&rig.send(2))[0].1, None);
    assert!(rig.device.config.protocol.set("idempotent-send", true));
    rig.crash();
    assert_eq!(sends(&reconnect(&mut rig)), []);
    assert_eq!(sends(&rig.pass_alive(secs(60))), []);
    let out = rig.command(3, Action::Resend { of: Some(2) });
    assert_eq!(sends(&out)[0].1, token(1), "by hand it is");
}

#[test]
fn a_device_that_is_offline_by_wish_takes_no_messages() {
    let mut rig = Rig::online(&OURS);
    rig.command(2, Action::Logout);
    rig.lose();
    assert_eq!(reason_of(&facts(&rig.send(3))), [(3, "not logged in")]);
    for kind in [&WINDOWS, &IOS] {
        let mut rig = Rig::online(kind);
        rig.lose();
        assert_eq!(reason_of(&facts(&rig.send(3))), [(3, "not logged in")]);
    }
}

#[test]
fn refusals_that_may_pass_put_a_send_off_and_others_end_it() {
    use RefusedCode::*;
    for code in [RefusedUnavailable, RefusedTooMany, RefusedNotLoggedIn] {
        let mut rig = Rig::online(&OURS);
        let pdu = pdus(&rig.send(2))[0].clone();
        rig.pass_alive(secs(3));
        assert_eq!(rig.refuse(&pdu, code), [], "{code:?}");
        assert_eq!(sends(&rig.pass_alive(secs(5))), []);
        let out = rig.pass_alive(secs(1));
        assert_eq!(sends(&out).len(), 1, "{code:?}: after an answer timeout");
        let timed_out = |f: &Fact| matches!(f, Fact::AttemptTimedOut { .. });
        assert!(!facts(&out).iter().any(timed_out), "it was answered");
    }
    for (code, reason) in [
        (RefusedMalformed, "refused: malformed"),
        (RefusedNotStored, "refused: not stored"),
        (RefusedNotAllowed, "refused: not allowed"),
        (RefusedUnknownCommand, "refused: unknown command"),
    ] {
        let mut rig = Rig::online(&OURS);
        let pdu = pdus(&rig.send(2))[0].clone();
        assert_eq!(reason_of(&facts(&rig.refuse(&pdu, code))), [(2, reason)]);
        rig.lose();
        assert_eq!(sends(&reconnect(&mut rig)), [], "it is not written again");
        assert_eq!(sends(&rig.pass_alive(secs(60))), []);
    }
    let mut rig = Rig::without(&OURS, "idempotent-send");
    let pdu = pdus(&rig.send(2))[0].clone();
    let out = rig.refuse(&pdu, RefusedUnavailable);
    assert_eq!(reason_of(&facts(&out)), [(2, reason::UNAVAILABLE)]);
}

#[test]
fn a_resend_by_hand_is_a_new_request() {
    for kind in [&WINDOWS, &ANDROID, &IOS, &MAC] {
        let mut rig = Rig::online(kind);
        let nothing = rig.command(2, Action::Resend { of: None });
        assert_eq!(reason_of(&facts(&nothing)), [(2, "nothing to send again")]);
        let first = sent(&rig.send(3), command::MSG_DATA)[0].clone();
        let early = rig.command(4, Action::Resend { of: Some(3) });
        assert_eq!(reason_of(&facts(&early)), [(4, "still on its way")]);
        rig.pass(secs(20));
        let out = rig.command(5, Action::Resend { of: Some(3) });
        let again = sent(&out, command::MSG_DATA)[0].clone();
        assert_eq!(again.body, first.body, "{kind:?}: the same text to the same user");
        let seq_num = again.header.seq_num;
        assert_ne!(seq_num, first.header.seq_num, "{kind:?}");
        assert!(facts(&out).contains(&Fact::Attempt { op: 5, attempt: 1, conn: 5, seq_num }));
        assert_eq!(facts(&rig.ack(seq_num, 1))[0], Fact::OpOk { op: 5, msg_id: 1 });
        let over = rig.command(6, Action::Resend { of: Some(3) });
        assert_eq!(reason_of(&facts(&over)), [(6, "nothing to send again")]);
    }
}

#[test]
fn after_a_crash_a_message_can_be_sent_again_by_hand() {
    let mut rig = Rig::online(&ANDROID);
    rig.send(3);
    rig.crash();
    assert_eq!(sends(&reconnect(&mut rig)), [], "not by itself");
    let out = rig.command(4, Action::Resend { of: None });
    assert_eq!(sends(&out).len(), 1);
    assert_eq!(facts(&rig.ack(sends(&out)[0].0, 1))[0], Fact::OpOk { op: 4, msg_id: 1 });
}

#[test]
fn ours_resends_with_the_same_token_and_both_operations_end() {
    let mut rig = Rig::online(&OURS);
    let first = sends(&rig.send(2));
    let out = rig.command(3, Action::Resend { of: None });
    let again = sends(&out);
    assert_eq!(again[0].1, first[0].1);
    assert_ne!(again[0].0, first[0].0);
    let seq_num = again[0].0;
    assert!(facts(&out).contains(&Fact::Attempt { op: 2, attempt: 2, conn: 5, seq_num }));
    assert!(facts(&out).contains(&Fact::Attempt { op: 3, attempt: 1, conn: 5, seq_num }));
    assert_eq!(sends(&rig.pass_alive(secs(6))), again, "only the new one is repeated");
    let ended = facts(&rig.ack(seq_num, 1));
    assert_eq!(ended[..2], [Fact::OpOk { op: 2, msg_id: 1 }, Fact::OpOk { op: 3, msg_id: 1 }]);
}

#[test]
fn a_refused_message_can_be_sent_again_by_hand() {
    let mut rig = Rig::online(&OURS);
    let pdu = pdus(&rig.send(2))[0].clone();
    rig.refuse(&pdu, RefusedCode::RefusedNotStored);
    let out = rig.command(3, Action::Resend { of: None });
    assert_eq!(sends(&out)[0].1, token(1));
}

#[test]
fn bytes_travel_as_they_are() {
    let mut rig = Rig::online(&MAC);
    let text = Bytes::from_static(b"op-2\xff\xfe");
    let out = rig.command(2, Action::Send { to: CHAT, text: text.clone() });
    assert_eq!(pdus(&out)[0].view::<ImMsgData>().unwrap().msg_data, text);
}
