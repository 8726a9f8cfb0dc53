//! Catching up on what was missed.

use super::*;

#[test]
fn after_a_login_ours_pulls_the_difference_in_pages() {
    let mut rig = Rig::new(&OURS);
    let message = Message { from: PEER, content: "m1".into() };
    rig.store.hold(Conversation::single(ME, PEER), 1, message, false);
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    let out = rig.answer_all(&asked, &[251], &[]);
    assert_eq!(pulls(&out), [(251, 100)]);
    let out = rig.list(pull_seq(&out), (152..=251).rev());
    assert_eq!(pulls(&out), [(151, 100)]);
    let out = rig.list(pull_seq(&out), (52..=151).rev());
    assert_eq!(pulls(&out), [(51, 100)]);
    let out = rig.list(pull_seq(&out), (1..=51).rev());
    assert_eq!(pulls(&out), []);
    assert_eq!(rig.store.progress[&Conversation::single(ME, PEER)].contiguous, 251);
    assert_eq!(pulls(&rig.pass_alive(secs(60))), [], "it knows that it is done");
}

#[test]
fn a_push_that_skips_is_followed_by_a_pull_unless_the_gap_closes() {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 1, "1");
    assert_eq!(pulls(&rig.push(PEER, ME, 3, "3")), [], "pushes may overtake each other");
    rig.push(PEER, ME, 2, "2");
    assert_eq!(pulls(&rig.pass_alive(secs(2))), []);
    rig.push(ME, PEER, 6, "an own copy counts as well");
    let out = rig.pass_alive(secs(1));
    assert_eq!(pulls(&out), [(5, 100)]);
    // Unanswered: asked again until it is answered.
    let again = rig.pass_alive(secs(12));
    assert_eq!(pulls(&again), [(5, 100), (5, 100)]);
    assert_eq!(reason_of(&facts(&again)), []);
    let out = rig.list(pull_seq(&again), (1..=5).rev());
    assert_eq!(facts(&out).len(), 2);
    assert_eq!(pulls(&rig.pass_alive(secs(60))), []);
}

#[test]
fn a_hole_is_asked_for_again_at_the_next_login_only() {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 1, "1");
    rig.push(PEER, ME, 3, "3");
    let out = rig.pass_alive(secs(1));
    rig.list(pull_seq(&out), [1]);
    assert_eq!(pulls(&rig.pass_alive(secs(60))), []);
    rig.push(PEER, ME, 4, "4");
    assert_eq!(pulls(&rig.pass_alive(secs(60))), [], "nothing new is missing");
    rig.event(Event::Closed { reason: "eof".into() });
    rig.pass(secs(3));
    let asked = rig.log_in();
    let out = rig.answer_all(&asked, &[], &[]);
    assert_eq!(pulls(&out), [(2, 100)]);
    rig.list(pull_seq(&out), [2, 1]);
    assert!(rig.store.progress[&Conversation::single(ME, PEER)].holes.is_empty());
}

#[test]
fn a_late_ack_leads_to_a_pull_of_the_message() {
    let mut rig = Rig::without(&OURS, "idempotent-send");
    let seq = pdus(&rig.send(2))[0].header.seq_num;
    rig.pass_alive(secs(6));
    assert_eq!(facts(&rig.ack(seq, 1)), []);
    assert_eq!(pulls(&rig.pass_alive(secs(1))), [(1, 100)]);
}

#[test]
fn without_the_switch_ours_does_not_catch_up() {
    let mut rig = Rig::new(&OURS);
    rig.device.config.protocol = Protocol::teamtalk();
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    assert_eq!(pulls(&rig.answer_all(&asked, &[10], &[])), []);
    rig.push(PEER, ME, 20, "a gap");
    assert_eq!(pulls(&rig.pass_alive(secs(60))), []);
}

#[test]
fn unanswered_recent_sessions_are_asked_for_again() {
    let mut rig = Rig::new(&OURS);
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    let out = rig.pass_alive(secs(12));
    let again = sent(&out, command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST);
    assert_eq!(again, [asked[0].clone(), asked[0].clone()]);
}

#[test]
fn sessions_are_asked_for_with_the_removed_ones_if_it_catches_up() {
    for (kind, with_removed) in [(&OURS, Some(1)), (&IOS, None)] {
        let mut rig = Rig::new(kind);
        rig.command(1, Action::Login);
        let asked = rig.log_in();
        let view = asked[0].view::<ImRecentContactSessionReq>().unwrap();
        assert_eq!(view.with_removed, with_removed);
    }
}

fn hint(rig: &mut Rig, users: &[u32]) -> Vec<Pdu> {
    let hint = CatchUpHint { user_id_list: users.to_vec() };
    let out = rig.pdu(command::OTHER_CATCH_UP_HINT, 0, &hint);
    sent(&out, command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST)
}

#[test]
fn hints_lead_to_one_comparison_at_a_time_and_one_more_after_it() {
    let mut rig = Rig::online(&OURS);
    assert_eq!(hint(&mut rig, &[7, 8]).len(), 0, "for others");
    let asked = hint(&mut rig, &[]);
    assert_eq!(asked.len(), 1);
    assert_eq!(hint(&mut rig, &[ME]).len(), 0, "one is under way");
    assert_eq!(hint(&mut rig, &[7, ME]).len(), 0);
    let id = command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE;
    let out = rig.pdu(id, asked[0].header.seq_num, &sessions_answer(&[2]));
    assert_eq!(pulls(&out), [(2, 100)]);
    rig.list(pull_seq(&out), [2, 1]);
    let asked = |out: Vec<Effect>| sent(&out, command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST);
    assert_eq!(asked(rig.pass_alive(secs(5))), []);
    let again = asked(rig.pass_alive(secs(1)));
    assert_eq!(again.len(), 1, "the answer may have been made before the second hint");
    let out = rig.pdu(id, again[0].header.seq_num, &sessions_answer(&[2]));
    assert_eq!(asked(out), []);
    assert_eq!(hint(&mut rig, &[]).len(), 0, "one question within an answer timeout");
    let third = asked(rig.pass_alive(secs(6)));
    assert_eq!(third.len(), 1);
    rig.pdu(id, third[0].header.seq_num, &sessions_answer(&[2]));
    assert_eq!(asked(rig.pass_alive(secs(60))), []);
    assert_eq!(hint(&mut rig, &[]).len(), 1, "at once");
    rig.lose();
    assert_eq!(asked(rig.pass_alive(secs(2))), [], "a login compares by itself");
}

#[test]
fn others_ignore_hints_and_so_does_ours_without_the_switch() {
    for mut rig in [
        Rig::without(&OURS, "catch-up-hint"),
        Rig::without(&OURS, "catch-up-on-gap"),
        Rig::online(&ANDROID),
    ] {
        assert_eq!(hint(&mut rig, &[]).len(), 0);
    }
}

#[test]
fn a_refused_page_is_asked_for_again_as_long_as_the_device_is_online() {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 3, "3");
    let asked = sent(&rig.pass_alive(secs(1)), command::MSG_LIST_REQUEST);
    for code in [RefusedCode::RefusedUnavailable, RefusedCode::RefusedNotAllowed] {
        assert_eq!(pulls(&rig.refuse(&asked[0], code)), []);
        assert_eq!(pulls(&rig.pass_alive(secs(6))), [(2, 100)], "{code:?}");
    }
    assert_eq!(pulls(&rig.pass_alive(secs(600))).len(), 100);
}
