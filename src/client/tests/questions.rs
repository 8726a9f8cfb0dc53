//! What the questions say, and what their answers do.

use super::*;

/// The one PDU that an action leads to.
fn asked(action: Action) -> Pdu {
    let mut rig = Rig::online(&ANDROID);
    let out = rig.command(2, action);
    assert_eq!(pdus(&out).len(), 1);
    pdus(&out)[0].clone()
}

fn view<M: crate::wire::check::Checked>(action: Action) -> M {
    asked(action).view().unwrap()
}

#[test]
fn what_groups_are_asked() {
    let action = Action::CreateGroup { name: "g".into(), members: vec![PEER, 3] };
    let create = view::<ImGroupCreateReq>(action);
    assert_eq!(create.group_type, GroupType::Tmp as i32);
    assert_eq!((create.group_name, create.member_id_list), ("g".into(), vec![PEER, 3]));
    for (add, change_type) in [(true, GroupModifyType::Add), (false, GroupModifyType::Del)] {
        let action = Action::ChangeMembers { group: GROUP, add, users: vec![PEER] };
        let change = view::<ImGroupChangeMemberReq>(action);
        assert_eq!(change.change_type, change_type as i32);
        assert_eq!((change.group_id, change.member_id_list), (GROUP, vec![PEER]));
    }
    let info = view::<ImGroupInfoListReq>(ask(
        "group_info",
        Args { group: Some(GROUP), ..Args::default() },
    ));
    assert_eq!(info.group_version_list, [GroupVersionInfo { group_id: GROUP, version: 0 }]);
    for on in [true, false] {
        let shield = view::<ImGroupShieldReq>(ask(
            "shield_group",
            Args { group: Some(GROUP), on: Some(on), ..Args::default() },
        ));
        assert_eq!((shield.group_id, shield.shield_status), (GROUP, on.into()));
    }
}

#[test]
fn what_is_asked_about_users_and_oneself() {
    let users =
        view::<ImUsersInfoReq>(ask("user_info", Args { users: vec![PEER], ..Args::default() }));
    assert_eq!(users.user_id_list, [PEER]);
    let all = view::<ImAllUserReq>(ask("all_users", Args { since: Some(5), ..Args::default() }));
    assert_eq!(all.latest_update_time, 5);
    assert_eq!(view::<ImDepartmentReq>(ask("departments", Args::default())).latest_update_time, 0);
    let sign =
        view::<ImChangeSignInfoReq>(ask("sign", Args { text: "busy".into(), ..Args::default() }));
    assert_eq!(sign.sign_info, "busy");
    for on in [true, false] {
        let shield = view::<ImPushShieldReq>(ask(
            "set_push_shield",
            Args { on: Some(on), ..Args::default() },
        ));
        assert_eq!(shield.shield_status, u32::from(on));
    }
    let token =
        view::<ImDeviceTokenReq>(ask("device_token", Args { text: "t".into(), ..Args::default() }));
    assert_eq!((token.user_id, token.device_token), (ME, "t".into()));
}

#[test]
fn what_is_asked_about_files() {
    use TransferFileType::{FileTypeOffline, FileTypeOnline};
    for (offline, mode) in [(false, FileTypeOnline), (true, FileTypeOffline)] {
        let action = ask(
            "send_file",
            Args { to: Some(PEER), text: "f".into(), offline: Some(offline), ..Args::default() },
        );
        let file = view::<ImFileReq>(action);
        assert_eq!((file.from_user_id, file.to_user_id), (ME, PEER));
        assert_eq!((file.file_name, file.trans_mode), ("f".into(), mode as i32));
    }
}

#[test]
fn what_nobody_answers_ends_when_it_is_written() {
    for (action, id) in [
        (Action::Avatar { url: "u".into() }, 0x020c),
        (Action::AddOfflineFile { to: PEER, name: "f".into() }, 0x050b),
        (Action::DelOfflineFile { from: PEER, name: "f".into() }, 0x050c),
    ] {
        let mut rig = Rig::online(&OURS);
        let out = rig.command(2, action.clone());
        let pdu = pdus(&out)[0].clone();
        assert_eq!(pdu.command(), id);
        let seq_num = pdu.header.seq_num;
        let attempt = Fact::Attempt { op: 2, attempt: 1, conn: 5, seq_num };
        assert_eq!(facts(&out), [attempt, Fact::OpOk { op: 2, msg_id: 0 }]);
        assert_eq!(facts(&rig.refuse(&pdu, RefusedCode::RefusedUnavailable)), []);
        rig.lose();
        assert_eq!(reason_of(&facts(&rig.command(3, action))), [(3, "not logged in")]);
    }
    let url = view::<ImChangeAvatarReq>(Action::Avatar { url: "u".into() }).avatar_url;
    assert_eq!(url, "u");
    let action = Action::AddOfflineFile { to: PEER, name: "f".into() };
    let add = view::<ImFileAddOfflineReq>(action);
    assert_eq!((add.from_user_id, add.to_user_id), (ME, PEER));
    assert_eq!((add.task_id, add.file_name), ("f".into(), "f".into()));
    let action = Action::DelOfflineFile { from: PEER, name: "f".into() };
    let del = view::<ImFileDelOfflineReq>(action);
    assert_eq!((del.from_user_id, del.to_user_id, del.task_id), (PEER, ME, "f".into()));
}

#[test]
fn a_new_group_is_told_by_its_id() {
    let mut rig = Rig::online(&OURS);
    let ask = Action::CreateGroup { name: "g".into(), members: vec![ME] };
    let seq = pdus(&rig.command(2, ask))[0].header.seq_num;
    let answer = ImGroupCreateRsp { group_id: Some(GROUP), ..Default::default() };
    let out = rig.pdu(command::GROUP_CREATE_RESPONSE, seq, &answer);
    assert_eq!(facts(&out), [Fact::OpOk { op: 2, msg_id: GROUP }]);
}

#[test]
fn a_result_that_is_not_0_is_a_failure_and_one_that_cannot_be_read_no_answer() {
    use prost::Message;
    let failures: Vec<(Action, u16, Vec<u8>)> = vec![
        (
            Action::CreateGroup { name: "g".into(), members: vec![] },
            0x0406,
            ImGroupCreateRsp { result_code: 1, ..Default::default() }.encode_to_vec(),
        ),
        (
            Action::ChangeMembers { group: GROUP, add: false, users: vec![ME] },
            0x0408,
            ImGroupChangeMemberRsp {
                result_code: 1,
                change_type: GroupModifyType::Del.into(),
                group_id: GROUP,
                chg_user_id_list: vec![ME],
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        (
            ask("shield_group", Args { group: Some(GROUP), on: Some(true), ..Args::default() }),
            0x040a,
            ImGroupShieldRsp { result_code: 1, ..Default::default() }.encode_to_vec(),
        ),
        (
            ask("sign", Args { text: "x".into(), ..Args::default() }),
            0x0214,
            ImChangeSignInfoRsp { result_code: 1, ..Default::default() }.encode_to_vec(),
        ),
        (
            ask("set_push_shield", Args { on: Some(true), ..Args::default() }),
            0x010d,
            ImPushShieldRsp { result_code: 1, ..Default::default() }.encode_to_vec(),
        ),
        (
            ask("ask_push_shield", Args::default()),
            0x010f,
            ImQueryPushShieldRsp { result_code: 1, ..Default::default() }.encode_to_vec(),
        ),
        (
            ask(
                "send_file",
                Args { to: Some(PEER), text: "f".into(), offline: Some(true), ..Args::default() },
            ),
            0x0507,
            ImFileRsp { result_code: 1, trans_mode: 2, ..Default::default() }.encode_to_vec(),
        ),
    ];
    for (action, id, answer) in failures {
        let mut rig = Rig::online(&OURS);
        let seq = pdus(&rig.command(2, action.clone()))[0].header.seq_num;
        let broken = rig.event(Event::Pdu(Pdu::raw(id, seq, Bytes::from_static(b"\xff"))));
        assert_eq!(facts(&broken), [], "{action:?}");
        let out = rig.event(Event::Pdu(Pdu::raw(id, seq, answer.into())));
        assert_eq!(reason_of(&facts(&out)), [(2, "result 1")], "{action:?}");
        assert!(rig.store.left.is_empty(), "nobody left");
        assert_eq!(facts(&rig.pass_alive(secs(60))), []);
    }
}

#[test]
fn a_file_that_is_offered_needs_no_reaction() {
    let mut rig = Rig::online(&OURS);
    let offer = ImFileNotify { trans_mode: 1, ..Default::default() };
    assert_eq!(rig.pdu(command::FILE_NOTIFY, 0, &offer), []);
}
