//! What a person asks for, and its end.

use super::*;

/// Every action that is one request, the command it is written as and the one that answers.
fn questions() -> Vec<(Action, u16, u16)> {
    vec![
        (Action::Pull { chat: CHAT, count: 3 }, 0x0309, 0x030a),
        (ask("latest", Args { chat: Some(CHAT), ..Args::default() }), 0x030b, 0x030c),
        (ask("by_id", Args { chat: Some(CHAT), ids: vec![1], ..Args::default() }), 0x030d, 0x030e),
        (ask("sessions", Args::default()), 0x0201, 0x0202),
        (ask("remove_session", Args { chat: Some(CHAT), ..Args::default() }), 0x0206, 0x0207),
        (ask("time", Args::default()), 0x0305, 0x0306),
        (ask("kick_pc", Args::default()), 0x010a, 0x010b),
        (ask("status", Args { users: vec![PEER], ..Args::default() }), 0x020a, 0x020b),
        (Action::CreateGroup { name: "g".into(), members: vec![PEER] }, 0x0405, 0x0406),
        (Action::ChangeMembers { group: GROUP, add: true, users: vec![PEER] }, 0x0407, 0x0408),
        (ask("group_list", Args::default()), 0x0401, 0x0402),
        (ask("group_info", Args { group: Some(GROUP), ..Args::default() }), 0x0403, 0x0404),
        (
            ask("shield_group", Args { group: Some(GROUP), on: Some(true), ..Args::default() }),
            0x0409,
            0x040a,
        ),
        (ask("user_info", Args { users: vec![PEER], ..Args::default() }), 0x0204, 0x0205),
        (ask("all_users", Args { since: Some(0), ..Args::default() }), 0x0208, 0x0209),
        (ask("departments", Args::default()), 0x0210, 0x0211),
        (ask("sign", Args { text: "busy".into(), ..Args::default() }), 0x0213, 0x0214),
        (ask("set_push_shield", Args { on: Some(true), ..Args::default() }), 0x010c, 0x010d),
        (ask("ask_push_shield", Args::default()), 0x010e, 0x010f),
        (ask("device_token", Args { text: "t".into(), ..Args::default() }), 0x0108, 0x0109),
        (
            ask(
                "send_file",
                Args { to: Some(PEER), text: "f".into(), offline: Some(false), ..Args::default() },
            ),
            0x0506,
            0x0507,
        ),
        (ask("offline_files", Args::default()), 0x0509, 0x050a),
    ]
}

fn answer(id: u16) -> Bytes {
    use prost::Message;
    match id {
        0x030a => ImGetMsgListRsp { session_type: SINGLE, ..Default::default() }.encode_to_vec(),
        0x030c => {
            ImGetLatestMsgIdRsp { session_type: SINGLE, ..Default::default() }.encode_to_vec()
        }
        0x030e => ImGetMsgByIdRsp { session_type: SINGLE, ..Default::default() }.encode_to_vec(),
        0x0202 => sessions_answer(&[]).encode_to_vec(),
        0x0207 => ImRemoveSessionRsp { session_type: SINGLE, ..Default::default() }.encode_to_vec(),
        0x0306 => ImClientTimeRsp::default().encode_to_vec(),
        0x010b => ImKickPcClientRsp::default().encode_to_vec(),
        0x0406 => ImGroupCreateRsp::default().encode_to_vec(),
        0x0408 => ImGroupChangeMemberRsp { change_type: 1, ..Default::default() }.encode_to_vec(),
        0x040a => ImGroupShieldRsp::default().encode_to_vec(),
        0x0214 => ImChangeSignInfoRsp::default().encode_to_vec(),
        0x010d => ImPushShieldRsp::default().encode_to_vec(),
        0x010f => ImQueryPushShieldRsp::default().encode_to_vec(),
        0x0507 => ImFileRsp { trans_mode: 1, ..Default::default() }.encode_to_vec(),
        0x020b => ImUsersStatRsp::default().encode_to_vec(),
        // Of the others nothing is read: msg_server's 0109 has no body.
        _ => Vec::new(),
    }
    .into()
}

fn phone() -> Rig {
    let mut rig = Rig::new(&OURS);
    rig.device.config.client_type = 0x12;
    rig.logged_in()
}

#[test]
fn a_question_ends_with_its_answer_a_timeout_a_refusal_or_its_connection() {
    for (action, asked, answered) in questions() {
        let mut rig = phone();
        let out = rig.command(2, action.clone());
        assert_eq!(pdus(&out).len(), 1, "{action:?}");
        let pdu = pdus(&out)[0].clone();
        let seq_num = pdu.header.seq_num;
        assert_eq!(pdu.command(), asked);
        assert_eq!(facts(&out), [Fact::Attempt { op: 2, attempt: 1, conn: 5, seq_num }]);
        let wrong = rig.event(Event::Pdu(Pdu::raw(answered, seq_num + 1, answer(answered))));
        assert_eq!(facts(&wrong), [], "{action:?}: another seq_num");
        let out = rig.event(Event::Pdu(Pdu::raw(answered, seq_num, answer(answered))));
        assert_eq!(facts(&out), [Fact::OpOk { op: 2, msg_id: 0 }], "{action:?}");

        rig.command(3, action.clone());
        assert_eq!(reason_of(&facts(&rig.pass_alive(secs(6)))), [(3, "no answer")]);
        let pdu = pdus(&rig.command(4, action.clone()))[0].clone();
        let out = rig.refuse(&pdu, RefusedCode::RefusedUnavailable);
        assert_eq!(reason_of(&facts(&out)), [(4, "refused: unavailable")], "{action:?}");
        rig.command(5, action.clone());
        assert_eq!(reason_of(&facts(&rig.lose())), [(5, "connection lost")]);
        let out = rig.command(6, action);
        assert_eq!(reason_of(&facts(&out)), [(6, "not logged in")]);
    }
}

#[test]
fn only_a_phone_kicks_the_pc_or_has_a_token() {
    for action in [
        ask("kick_pc", Args::default()),
        ask("device_token", Args { text: "t".into(), ..Args::default() }),
    ] {
        let mut rig = Rig::online(&WINDOWS);
        let out = rig.command(2, action);
        assert_eq!(reason_of(&facts(&out)), [(2, "this is no phone")]);
        assert_eq!(pdus(&out), []);
    }
}

#[test]
fn messages_by_id_are_stored_and_the_ids_held_are_asked_for_if_none_is_named() {
    let mut rig = Rig::online(&IOS);
    for id in 1..=12 {
        rig.push(PEER, ME, id, "hi");
    }
    let out =
        rig.command(2, ask("by_id", Args { chat: Some(CHAT), ids: vec![], ..Args::default() }));
    let asked = pdus(&out)[0].clone();
    let ids = asked.view::<ImGetMsgByIdReq>().unwrap().msg_id_list;
    assert_eq!(ids, (3..=12).rev().collect::<Vec<_>>());
    let row = MsgInfo {
        msg_id: 20,
        from_session_id: PEER,
        create_time: 7,
        msg_type: MsgType::SingleText.into(),
        msg_data: "new".into(),
    };
    let answer = ImGetMsgByIdRsp {
        user_id: ME,
        session_type: SINGLE,
        session_id: PEER,
        msg_list: vec![row],
        attach_data: None,
    };
    let out = rig.pdu(command::MSG_GET_BY_MSG_ID_RES, asked.header.seq_num, &answer);
    let held = |f: &Fact| matches!(f, Fact::Held { msg_id: 20, via: Via::Pull, .. });
    assert!(facts(&out).iter().any(held));
}

#[test]
fn a_removed_session_shows_nothing_unread() {
    let mut rig = Rig::online(&OURS);
    rig.push(PEER, ME, 1, "hi");
    let asked =
        pdus(&rig.command(2, ask("remove_session", Args { chat: Some(CHAT), ..Args::default() })))
            [0]
        .clone();
    let mut answer = ImRemoveSessionRsp {
        user_id: ME,
        result_code: 1,
        session_type: SINGLE,
        session_id: PEER,
        attach_data: None,
    };
    let id = command::BUDDY_LIST_REMOVE_SESSION_RES;
    rig.pdu(id, asked.header.seq_num, &answer);
    assert_eq!(rig.store.unread[&CHAT], 1, "there was no such session");
    let asked =
        pdus(&rig.command(3, ask("remove_session", Args { chat: Some(CHAT), ..Args::default() })))
            [0]
        .clone();
    answer.result_code = 0;
    // Seed 6937 of `hardened`: what was pushed meanwhile may have come after the removal.
    rig.push(PEER, ME, 2, "hi");
    let out = rig.pdu(id, asked.header.seq_num, &answer);
    assert!(rig.store.unread.is_empty());
    let seq = sent(&out, command::MSG_UNREAD_CNT_REQUEST)[0].header.seq_num;
    rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &unread_answer(&[(1, 2)]));
    assert_eq!(rig.store.unread[&CHAT], 1, "the server knows");
    rig.push(PEER, ME, 3, "hi");
    let notify = ImRemoveSessionNotify { user_id: ME, session_type: SINGLE, session_id: PEER };
    let out = rig.pdu(command::BUDDY_LIST_REMOVE_SESSION_NOTIFY, 0, &notify);
    assert!(rig.store.unread.is_empty(), "on the other device as well");
    assert_eq!(sent(&out, command::MSG_UNREAD_CNT_REQUEST).len(), 1, "what came after it counts");
}

/// A removal that nobody answered may be stored all the same.
#[test]
fn a_removal_without_an_answer_counts_anew() {
    for refuses in [true, false] {
        let mut rig = Rig::online(&OURS);
        let remove = ask("remove_session", Args { chat: Some(CHAT), ..Args::default() });
        let asked = pdus(&rig.command(2, remove))[0].clone();
        let out = match refuses {
            true => rig.refuse(&asked, RefusedCode::RefusedUnavailable),
            false => rig.pass(secs(6)),
        };
        assert_eq!(sent(&out, command::MSG_UNREAD_CNT_REQUEST).len(), 1);
    }
}

/// Seed 31109 of `hardened`: the removal was stored after its device had given it up and counted anew.
#[test]
fn a_removal_that_is_answered_late_has_read_what_came() {
    let mut rig = Rig::online(&OURS);
    let remove = ask("remove_session", Args { chat: Some(CHAT), ..Args::default() });
    let asked = pdus(&rig.command(2, remove))[0].clone();
    rig.push(PEER, ME, 1, "hi");
    let out = rig.pass(secs(6));
    let seq = sent(&out, command::MSG_UNREAD_CNT_REQUEST)[0].header.seq_num;
    rig.pdu(command::MSG_UNREAD_CNT_RESPONSE, seq, &unread_answer(&[(1, 1)]));
    assert_eq!(rig.store.unread[&CHAT], 1);
    let answer = ImRemoveSessionRsp {
        user_id: ME,
        session_type: SINGLE,
        session_id: PEER,
        ..Default::default()
    };
    let id = command::BUDDY_LIST_REMOVE_SESSION_RES;
    let out = rig.pdu(id, asked.header.seq_num, &answer);
    assert!(rig.store.unread.is_empty());
    assert_eq!(sent(&out, command::MSG_UNREAD_CNT_REQUEST).len(), 1, "what came after it counts");
}

#[test]
fn a_p2p_command_ends_when_it_is_written() {
    let mut rig = Rig::online(&MAC);
    let out = rig.command(2, Action::P2p { to: PEER, data: "x".into() });
    assert_eq!(pdus(&out)[0].command(), command::SWITCH_P2P_CMD);
    assert!(facts(&out).contains(&Fact::OpOk { op: 2, msg_id: 0 }));
}

#[test]
fn a_raw_pdu_ends_with_whatever_comes_back() {
    let mut rig = Rig::online(&WINDOWS);
    let raw = |op| (op, Action::Raw { command: 0x0309, body: Bytes::from_static(b"\xff") });
    let (op, action) = raw(2);
    let out = rig.command(op, action);
    let pdu = pdus(&out)[0].clone();
    assert_eq!((pdu.command(), &pdu.body[..]), (0x0309, &b"\xff"[..]));
    let (op, action) = raw(3);
    let other = pdus(&rig.command(op, action))[0].clone();
    let out = rig.refuse(&pdu, RefusedCode::RefusedMalformed);
    assert_eq!(reason_of(&facts(&out)), [(2, "refused: malformed")]);
    let out = rig.list(other.header.seq_num, [1]);
    assert_eq!(facts(&out), [Fact::OpOk { op: 3, msg_id: 0 }]);
    let (op, action) = raw(4);
    rig.command(op, action);
    assert_eq!(reason_of(&facts(&rig.pass(secs(6)))), [(4, "no answer")]);
}
