//! Chats of groups, and who is in them.

use super::*;

const OTHER: u32 = 3;

fn push(rig: &mut Rig, from: u32, msg_id: u32) -> Vec<Effect> {
    rig.push_as(MsgType::GroupText, from, GROUP, msg_id, &format!("m{msg_id}"))
}

fn shows(count: u32) -> Fact {
    Fact::UnreadShown { device: 9, chat: IN_GROUP, count }
}

fn acks(out: &[Effect]) -> Vec<(u32, u32, i32)> {
    let view = |pdu: &Pdu| pdu.view::<ImMsgDataAck>().unwrap();
    let acks = sent(out, command::MSG_DATA_ACK);
    acks.iter().map(view).map(|a| (a.session_id, a.msg_id, a.session_type)).collect()
}

/// (session, msg_id) of each 0303.
fn reads(out: &[Effect]) -> Vec<(Chat, u32)> {
    let view = |pdu: &Pdu| pdu.view::<ImMsgDataReadAck>().unwrap();
    let acks = sent(out, command::MSG_READ_ACK);
    acks.iter().map(view).map(|a| (Chat::of(a.session_type, a.session_id), a.msg_id)).collect()
}

/// (session, begin) of each 0309.
fn group_pulls(out: &[Effect]) -> Vec<(Chat, u32)> {
    let view = |pdu: &Pdu| pdu.view::<ImGetMsgListReq>().unwrap();
    let list = sent(out, command::MSG_LIST_REQUEST);
    list.iter()
        .map(view)
        .map(|r| (Chat::of(r.session_type, r.session_id), r.msg_id_begin))
        .collect()
}

/// 040b about this device's user.
fn notice(rig: &mut Rig, change: GroupModifyType, who: u32) -> Vec<Effect> {
    let notice = ImGroupChangeMemberNotify {
        user_id: PEER,
        change_type: change.into(),
        group_id: GROUP,
        cur_user_id_list: vec![PEER],
        chg_user_id_list: vec![who],
    };
    rig.pdu(command::GROUP_CHANGE_MEMBER_NOTIFY, 0, &notice)
}

/// A hint, and the answer to the question that it leads to, a while later.
fn compare(rig: &mut Rig, latest: &[u32]) -> Vec<Effect> {
    rig.pdu(command::OTHER_CATCH_UP_HINT, 0, &CatchUpHint::default());
    rig.pass_alive(secs(6));
    rig.command(50, ask("sessions", Args::default()));
    let seq = rig.store.seq_num;
    let id = command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE;
    let out = rig.pdu(id, seq, &sessions_of(IN_GROUP, latest));
    assert!(facts(&out).contains(&Fact::OpOk { op: 50, msg_id: 0 }));
    out
}

#[test]
fn texts_and_audios_travel_as_their_kind_and_are_tried_again_alike() {
    let text = |to| Action::Send { to, text: "hi".into() };
    let audio = |to| Action::SendAudio { to, audio: Bytes::from_static(b"\0\0\0\x02\xffhi") };
    for (action, chat, msg_type, content) in [
        (text(CHAT), CHAT, MsgType::SingleText, "hi"),
        (audio(CHAT), CHAT, MsgType::SingleAudio, "\0\0\0\x02\u{fffd}hi"),
        (text(IN_GROUP), IN_GROUP, MsgType::GroupText, "hi"),
        (audio(IN_GROUP), IN_GROUP, MsgType::GroupAudio, "\0\0\0\x02\u{fffd}hi"),
    ] {
        let mut rig = Rig::online(&OURS);
        let first = sent(&rig.command(2, action.clone()), command::MSG_DATA);
        let view = first[0].view::<ImMsgData>().unwrap();
        assert_eq!((view.to_session_id, view.msg_type), (chat.id(), msg_type as i32));
        assert!(view.send_token.is_some());
        assert_eq!(sent(&rig.pass_alive(secs(6)), command::MSG_DATA), first);
        let out = rig.ack_in(chat, first[0].header.seq_num, 1);
        let held = Fact::Held {
            device: 9,
            conversation: chat.conversation(ME),
            msg_id: 1,
            from: ME,
            content: content.into(),
            via: Via::Sent,
        };
        assert_eq!(facts(&out), [Fact::OpOk { op: 2, msg_id: 1 }, held]);

        // By hand, after it failed.
        let mut rig = Rig::online(&MAC);
        rig.command(2, action);
        rig.pass(secs(8));
        let again = sent(&rig.command(3, Action::Resend { of: Some(2) }), command::MSG_DATA);
        assert_eq!(again[0].view::<ImMsgData>().unwrap().msg_type, msg_type as i32);
    }
}

#[test]
fn a_group_and_a_user_of_one_number_are_two_chats() {
    let mut rig = Rig::online(&OURS);
    rig.push_as(MsgType::GroupAudio, PEER, PEER, 1, "in the group");
    rig.push(PEER, ME, 1, "to me");
    let (group, single) = (Conversation::Group(PEER), Conversation::single(ME, PEER));
    assert_eq!(rig.store.messages[&(group, 1)].content, "in the group");
    assert_eq!(rig.store.messages[&(single, 1)].content, "to me");
    assert_eq!(rig.store.unread, [(CHAT, 1), (Chat::Group(PEER), 1)].into());
}

#[test]
fn pushes_of_others_are_counted_and_all_are_acked_by_whom_acks_groups() {
    for (kind, acked) in
        [(&ANDROID, true), (&WINDOWS, false), (&IOS, true), (&MAC, false), (&OURS, true)]
    {
        let mut rig = Rig::online(kind);
        let expected = |id| if acked { vec![(GROUP, id, 2)] } else { vec![] };
        for (from, id, count) in [(PEER, 1, 1), (ME, 2, 1), (OTHER, 3, 2)] {
            let out = push(&mut rig, from, id);
            assert_eq!(acks(&out), expected(id), "{kind:?}");
            let seen = facts(&out);
            assert!(matches!(&seen[0], Fact::Held { via: Via::Push, .. }));
            assert_eq!(seen.contains(&shows(count)), from != ME, "{kind:?}");
            assert_eq!(rig.store.unread[&IN_GROUP], count);
        }
        assert_eq!(facts(&push(&mut rig, PEER, 1)), [], "a repeat");
    }
    let mut rig = Rig::online(&OURS);
    rig.device.config.conduct.acks = Acks::Never;
    assert_eq!(acks(&push(&mut rig, PEER, 1)), []);
    rig.device.config.conduct.acks = Acks::Late { ms: 2_000 };
    assert_eq!(acks(&push(&mut rig, PEER, 2)), []);
    assert_eq!(acks(&rig.pass_alive(secs(2))), [(GROUP, 2, 2)]);
}

#[test]
fn a_group_is_read_like_a_chat_of_two() {
    let mut rig = Rig::online(&OURS);
    push(&mut rig, PEER, 1);
    push(&mut rig, OTHER, 2);
    let out = rig.command(2, Action::Read { chat: IN_GROUP });
    assert_eq!(group_pulls(&out), [(IN_GROUP, 0)]);
    let out = rig.list_in(IN_GROUP, pull_seq(&out), [2, 1]);
    assert_eq!(reads(&out), [(IN_GROUP, 2)]);
    assert_eq!(facts(&out).last(), Some(&shows(0)));
    let seq = sent(&out, command::MSG_READ_ACK)[0].header.seq_num;
    assert_eq!(reads(&rig.pass_alive(secs(6))), [(IN_GROUP, 2)], "unanswered");
    let out = rig.read_notify_in(IN_GROUP, seq, 2);
    assert_eq!(facts(&out), [Fact::OpOk { op: 2, msg_id: 0 }]);
    assert!(rig.store.unconfirmed_reads.is_empty());

    // One that was lost with its connection.
    push(&mut rig, PEER, 3);
    let out = rig.command(3, Action::Read { chat: IN_GROUP });
    rig.list_in(IN_GROUP, pull_seq(&out), [3]);
    rig.lose();
    rig.pass(secs(3));
    let asked = rig.log_in();
    let counts = unread_of(IN_GROUP, &[(2, 4)]);
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, asked[1].header.seq_num, &counts);
    assert_eq!(reads(&out), [(IN_GROUP, 3)]);
    assert!(facts(&out).contains(&shows(1)), "4; 3 was read");
}

#[test]
fn counts_of_groups_are_shown_and_pulled_by_windows() {
    for (kind, pulled) in [(&WINDOWS, vec![(IN_GROUP, 9)]), (&MAC, vec![])] {
        let mut rig = Rig::new(kind);
        rig.command(1, Action::Login);
        let asked = rig.log_in();
        let counts = unread_of(IN_GROUP, &[(3, 9)]);
        let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, asked[1].header.seq_num, &counts);
        assert_eq!(facts(&out), [shows(3)]);
        assert_eq!(group_pulls(&out), pulled, "{kind:?}");
    }
}

#[test]
fn another_device_that_reads_a_group_clears_its_count() {
    for (kind, answered) in
        [(&WINDOWS, false), (&MAC, false), (&OURS, false), (&ANDROID, true), (&IOS, true)]
    {
        let mut rig = Rig::online(kind);
        push(&mut rig, PEER, 1);
        rig.push(PEER, ME, 1, "another chat");
        let out = rig.read_notify_in(IN_GROUP, 0, 1);
        assert_eq!(facts(&out), [shows(0)]);
        let expected = if answered { vec![(IN_GROUP, 1)] } else { vec![] };
        assert_eq!(reads(&out), expected, "{kind:?}");
        assert_eq!(rig.store.unread, [(CHAT, 1)].into());
    }
}

#[test]
fn the_open_group_of_android_acks_as_read() {
    let mut rig = Rig::online(&ANDROID);
    rig.command(2, Action::Read { chat: IN_GROUP });
    let out = push(&mut rig, PEER, 1);
    assert_eq!((reads(&out), acks(&out)), (vec![(IN_GROUP, 1)], vec![]));
    assert_eq!(acks(&rig.push(PEER, ME, 1, "another chat")).len(), 1);
    rig.command(3, Action::Send { to: CHAT, text: "that closes it".into() });
    assert_eq!(acks(&push(&mut rig, PEER, 2)), [(GROUP, 2, 2)]);
}

#[test]
fn gaps_in_a_group_are_seen_by_pushes_own_sends_and_sessions() {
    let mut rig = Rig::online(&OURS);
    push(&mut rig, PEER, 2);
    let out = rig.pass_alive(secs(1));
    assert_eq!(group_pulls(&out), [(IN_GROUP, 1)]);
    let out = rig.list_in(IN_GROUP, pull_seq(&out), [1]);
    assert!(matches!(facts(&out)[..], [Fact::Held { msg_id: 1, via: Via::Pull, .. }]));

    let seq =
        pdus(&rig.command(2, Action::Send { to: IN_GROUP, text: "t".into() }))[0].header.seq_num;
    rig.ack_in(IN_GROUP, seq, 4);
    let out = rig.pass_alive(secs(1));
    assert_eq!(group_pulls(&out), [(IN_GROUP, 3)]);
    rig.list_in(IN_GROUP, pull_seq(&out), [3, 2, 1]);

    let out = compare(&mut rig, &[6]);
    assert_eq!(group_pulls(&out), [(IN_GROUP, 6)]);
    rig.list_in(IN_GROUP, pull_seq(&out), (1..=6).rev());
    assert_eq!(rig.store.progress[&Conversation::Group(GROUP)].contiguous, 6);
    assert_eq!(group_pulls(&rig.pass_alive(secs(60))), []);
}

#[test]
fn what_a_person_asks_about_a_chat_names_its_kind() {
    let named = |action: Action| {
        let mut rig = Rig::online(&OURS);
        let pdu = pdus(&rig.command(2, action))[0].clone();
        let (session_type, session_id) = match pdu.command() {
            0x0309 => pdu.view::<ImGetMsgListReq>().map(|r| (r.session_type, r.session_id)),
            0x030b => pdu.view::<ImGetLatestMsgIdReq>().map(|r| (r.session_type, r.session_id)),
            0x030d => pdu.view::<ImGetMsgByIdReq>().map(|r| (r.session_type, r.session_id)),
            _ => pdu.view::<ImRemoveSessionReq>().map(|r| (r.session_type, r.session_id)),
        }
        .unwrap();
        Chat::of(session_type, session_id)
    };
    for chat in [CHAT, IN_GROUP] {
        assert_eq!(named(Action::Pull { chat, count: 3 }), chat);
        assert_eq!(named(ask("latest", Args { chat: Some(chat), ..Args::default() })), chat);
        assert_eq!(
            named(ask("by_id", Args { chat: Some(chat), ids: vec![1], ..Args::default() })),
            chat
        );
        assert_eq!(
            named(ask("remove_session", Args { chat: Some(chat), ..Args::default() })),
            chat
        );
    }
}

#[test]
fn answers_about_a_group_are_stored_under_it() {
    let mut rig = Rig::online(&OURS);
    let seq =
        pdus(&rig.command(
            2,
            ask("by_id", Args { chat: Some(IN_GROUP), ids: vec![1], ..Args::default() }),
        ))[0]
            .header
            .seq_num;
    let row = MsgInfo {
        msg_id: 1,
        from_session_id: PEER,
        create_time: 7,
        msg_type: MsgType::GroupText.into(),
        msg_data: "one".into(),
    };
    let answer = ImGetMsgByIdRsp {
        user_id: ME,
        session_type: 2,
        session_id: GROUP,
        msg_list: vec![row],
        attach_data: None,
    };
    rig.pdu(command::MSG_GET_BY_MSG_ID_RES, seq, &answer);
    assert!(rig.store.messages.contains_key(&(Conversation::Group(GROUP), 1)));
    let seq =
        pdus(&rig.command(3, ask("latest", Args { chat: Some(IN_GROUP), ..Args::default() })))[0]
            .header
            .seq_num;
    let answer = ImGetLatestMsgIdRsp {
        user_id: ME,
        session_type: 2,
        session_id: GROUP,
        latest_msg_id: 2,
        attach_data: None,
    };
    rig.pdu(command::MSG_GET_LATEST_MSG_ID_RSP, seq, &answer);
    assert_eq!(group_pulls(&rig.pass_alive(secs(1))), [(IN_GROUP, 2)]);
    push(&mut rig, PEER, 3);
    let seq = pdus(
        &rig.command(4, ask("remove_session", Args { chat: Some(IN_GROUP), ..Args::default() })),
    )[0]
    .header
    .seq_num;
    let answer = ImRemoveSessionRsp {
        user_id: ME,
        result_code: 0,
        session_type: 2,
        session_id: GROUP,
        attach_data: None,
    };
    let out = rig.pdu(command::BUDDY_LIST_REMOVE_SESSION_RES, seq, &answer);
    assert!(facts(&out).contains(&shows(0)));
}

#[test]
fn who_is_taken_out_of_a_group_forgets_what_is_unread_and_missing() {
    let mut rig = Rig::online(&OURS);
    push(&mut rig, PEER, 1);
    push(&mut rig, PEER, 5);
    assert_eq!(group_pulls(&rig.pass_alive(secs(1))), [(IN_GROUP, 4)]);
    assert_eq!(facts(&notice(&mut rig, GroupModifyType::Del, PEER)), [], "somebody else");
    assert_eq!(rig.store.unread[&IN_GROUP], 2);
    assert_eq!(facts(&notice(&mut rig, GroupModifyType::Del, ME)), [shows(0)]);
    assert_eq!(facts(&notice(&mut rig, GroupModifyType::Del, ME)), [], "it may come twice");
    assert_eq!(group_pulls(&rig.pass_alive(secs(60))), [], "the page is not asked for again");
    // A push that was under way.
    let out = push(&mut rig, PEER, 6);
    assert_eq!(acks(&out), [(GROUP, 6, 2)]);
    assert!(matches!(facts(&out)[..], [Fact::Held { msg_id: 6, .. }]), "not counted");
    let mut out = rig.pass_alive(secs(60));
    out.extend(compare(&mut rig, &[]));
    out.extend(rig.pass_alive(secs(60)));
    assert_eq!(group_pulls(&out), []);
    // Sessions know better: the notice of a new join may have been lost.
    let out = compare(&mut rig, &[7]);
    assert_eq!(group_pulls(&out), [(IN_GROUP, 7)]);
    assert!(facts(&push(&mut rig, PEER, 8)).contains(&shows(1)));
}

#[test]
fn who_joins_a_group_again_is_counted_and_caught_up_again() {
    let mut rig = Rig::online(&OURS);
    notice(&mut rig, GroupModifyType::Del, ME);
    push(&mut rig, PEER, 3);
    assert_eq!(facts(&notice(&mut rig, GroupModifyType::Add, ME)), []);
    assert!(facts(&push(&mut rig, PEER, 5)).contains(&shows(1)));
    assert_eq!(group_pulls(&rig.pass_alive(secs(1))), [(IN_GROUP, 4)]);
}

/// Seed 1018 of `hardened`: the user was taken into a group again while this device was off line, and a
/// group without a message yet is in no list that a login asks for.
#[test]
fn who_is_in_a_group_again_without_a_notice_is_told_by_the_counts() {
    let answer = |count, latest| unread_of(IN_GROUP, &[(count, latest)]);
    let mut rig = Rig::online(&OURS);
    notice(&mut rig, GroupModifyType::Del, ME);
    let out = push(&mut rig, PEER, 2);
    let asked = sent(&out, command::MSG_UNREAD_CNT_REQUEST);
    assert_eq!(asked.len(), 1, "a late push, or the user is in again");
    let seq = asked[0].header.seq_num;
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &answer(2, 2));
    assert!(facts(&out).contains(&shows(2)));
    assert_eq!(group_pulls(&rig.pass_alive(secs(1))), [(IN_GROUP, 1)], "what came before it");
    assert!(facts(&push(&mut rig, PEER, 3)).contains(&shows(3)));
    // Counts that were asked for before the user went out do not say that they are in.
    let out = rig.read_notify_in(IN_GROUP, 0, 1);
    let seq = sent(&out, command::MSG_UNREAD_CNT_REQUEST)[0].header.seq_num;
    notice(&mut rig, GroupModifyType::Del, ME);
    let out = rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &answer(2, 3));
    assert!(rig.store.has_left(IN_GROUP) && !rig.store.unread.contains_key(&IN_GROUP));
    let seq = sent(&out, command::MSG_UNREAD_CNT_REQUEST)[0].header.seq_num;
    rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &unread_answer(&[]));
    assert!(rig.store.has_left(IN_GROUP), "nothing is counted: the push was late");
    // Seed 8700: the same where nothing was shown yet.
    let mut rig = Rig::new(&OURS);
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    notice(&mut rig, GroupModifyType::Del, ME);
    let counts = asked.iter().find(|pdu| pdu.command() == command::MSG_UNREAD_CNT_REQUEST);
    let seq = counts.expect("they are asked for after a login").header.seq_num;
    rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &answer(2, 3));
    assert!(rig.store.has_left(IN_GROUP) && !rig.store.unread.contains_key(&IN_GROUP));
}

#[test]
fn an_own_change_is_known_by_its_answer() {
    let mut rig = Rig::online(&OURS);
    push(&mut rig, PEER, 1);
    let leave = Action::ChangeMembers { group: GROUP, add: false, users: vec![ME] };
    let seq = pdus(&rig.command(2, leave))[0].header.seq_num;
    let answer = ImGroupChangeMemberRsp {
        user_id: ME,
        change_type: GroupModifyType::Del.into(),
        result_code: 0,
        group_id: GROUP,
        cur_user_id_list: vec![PEER],
        chg_user_id_list: vec![ME],
        attach_data: None,
    };
    let out = rig.pdu(command::GROUP_CHANGE_MEMBER_RESPONSE, seq, &answer);
    assert_eq!(facts(&out), [shows(0), Fact::OpOk { op: 2, msg_id: 0 }]);
    assert!(rig.store.has_left(IN_GROUP));
}

#[test]
fn what_was_written_before_the_join_is_asked_for_twice_and_never_again() {
    let mut rig = Rig::online(&OURS);
    notice(&mut rig, GroupModifyType::Add, ME);
    let mut out = compare(&mut rig, &[50]);
    assert_eq!(group_pulls(&out), [(IN_GROUP, 50)]);
    rig.list_in(IN_GROUP, pull_seq(&out), []);
    assert_eq!(group_pulls(&rig.pass_alive(secs(60))), []);
    out = compare(&mut rig, &[51]);
    assert_eq!(group_pulls(&out), [(IN_GROUP, 51)]);
    rig.list_in(IN_GROUP, pull_seq(&out), [51]);
    for _ in 0..3 {
        assert_eq!(group_pulls(&compare(&mut rig, &[51])), []);
    }
    // What comes later is asked for as ever.
    assert_eq!(group_pulls(&compare(&mut rig, &[53])), [(IN_GROUP, 53)]);
}

#[test]
fn a_group_that_refuses_its_pages_is_not_asked_again() {
    let mut rig = Rig::online(&OURS);
    push(&mut rig, PEER, 3);
    let asked = sent(&rig.pass_alive(secs(1)), command::MSG_LIST_REQUEST);
    rig.refuse(&asked[0], RefusedCode::RefusedUnavailable);
    assert_eq!(group_pulls(&rig.pass_alive(secs(6))), [(IN_GROUP, 2)]);
    rig.refuse(&asked[0], RefusedCode::RefusedNotAllowed);
    assert_eq!(group_pulls(&rig.pass_alive(secs(600))), []);
    push(&mut rig, PEER, 5);
    assert_eq!(group_pulls(&rig.pass_alive(secs(1))), [(IN_GROUP, 4)], "a push is a new reason");
}
