//! Making groups, their members and who has muted them, against scripted stores: golden 17 and 19.

use super::messages::{ask, attach, silent, with_group};
use crate::{
    catalogue::id as command,
    db_proxy::testing::{Fake, answer, id, refused, rows},
    protocol::Protocol,
    store::sql::Value,
    wire::{
        Pdu,
        im::{
            base_define::{GroupModifyType, GroupType, GroupVersionInfo},
            group::*,
            server::{ImGroupGetShieldReq, ImGroupGetShieldRsp},
        },
    },
};
use bytes::Bytes;

#[test]
fn a_group_is_made_as_in_golden_17() {
    let world = Fake::default();
    world.hash("group_member_1", "9", "4");
    let mut request = ImGroupCreateReq {
        user_id: 1,
        group_type: GroupType::Tmp as i32,
        group_name: "g1".into(),
        group_avatar: "av".into(),
        member_id_list: vec![3, 1, 2, 1],
        attach_data: attach(),
    };
    let reply: ImGroupCreateRsp = ask(&world, command::GROUP_CREATE_REQUEST, &request);
    assert_eq!((reply.result_code, reply.group_id), (0, Some(1)));
    assert_eq!((&reply.group_name[..], reply.user_id_list), (&b"g1"[..], vec![1, 2, 3]));
    let row = |user: u32| {
        format!(
            "M insert into IMGroupMember(`groupId`, `userId`, `status`, `created`, `updated`) values (1,{user},0,1000,1000)"
        )
    };
    assert_eq!(
        world.log(),
        [
            "M insert into IMGroup(`name`, `avatar`, `creator`, `type`,`userCnt`, `status`, `version`, `lastChated`, `updated`, `created`) values('g1', 'av', 1, 2, 3, 0, 1, 0, 1000, 1000)",
            "SET group_msg_id_1 0",
            "M delete from IMGroupMember where groupId=1",
            "HGETALL group_member_1",
            "HDEL group_member_1 9",
            "S select userId from IMGroupMember where groupId=1 and userId in (1,2,3)",
            &row(1),
            &row(2),
            &row(3),
            "M update IMGroup set userCnt=userCnt+3 where id=1",
            "HSET group_member_1 1 1000",
            "HSET group_member_1 2 1000",
            "HSET group_member_1 3 1000",
        ]
    );
    world.on("insert into IMGroup", refused(1406));
    let reply: ImGroupCreateRsp = ask(&world, command::GROUP_CREATE_REQUEST, &request);
    assert_eq!((reply.result_code, reply.group_id), (1, None));
    assert_eq!(world.log().len(), 1);
    request.member_id_list.clear();
    let reply: ImGroupCreateRsp = ask(&world, command::GROUP_CREATE_REQUEST, &request);
    assert_eq!(reply.result_code, 1);
    request.member_id_list.push(1);
    request.group_name = Bytes::new();
    let reply: ImGroupCreateRsp = ask(&world, command::GROUP_CREATE_REQUEST, &request);
    assert_eq!(reply.result_code, 1);
    assert!(world.log().is_empty());
}

#[test]
fn newer_groups_are_shown_with_their_members() {
    let world = with_group();
    world.hash("group_member_4", "1", "5");
    let columns = ["id", "name", "avatar", "creator", "type", "version"];
    let row = |id: u32, version: u32| {
        [id.into(), "g".into(), "av".into(), 1.into(), 2.into(), version.into()]
    };
    world.on("from IMGroup ", rows(columns, &[row(4, 3), row(1, 3)]));
    let known = |group_id, version| GroupVersionInfo { group_id, version };
    let request = ImGroupInfoListReq {
        user_id: 99,
        group_version_list: vec![known(4, 3), known(9, 0), known(1, 2)],
        attach_data: None,
    };
    let reply: ImGroupInfoListRsp = ask(&world, command::GROUP_INFO_REQUEST, &request);
    assert_eq!(reply.group_info_list.len(), 1);
    let info = &reply.group_info_list[0];
    assert_eq!((info.group_id, info.version, &info.group_member_list[..]), (1, 3, &[1, 2, 3][..]));
    assert_eq!(
        world.log(),
        [
            "EXISTS group_member_1",
            "EXISTS group_member_4",
            "EXISTS group_member_9",
            "S select * from IMGroup where id in (1,4) order by updated desc",
            "HGETALL group_member_1",
        ]
    );
}

fn change(user_id: u32, kind: GroupModifyType, ids: &[u32]) -> ImGroupChangeMemberReq {
    ImGroupChangeMemberReq {
        user_id,
        change_type: kind as i32,
        group_id: 1,
        member_id_list: ids.to_vec(),
        attach_data: attach(),
    }
}

const CHANGE: u16 = command::GROUP_CHANGE_MEMBER_REQUEST;

/// Group 1 as it is in SQL.
fn of_creator_1(world: &Fake, kind: GroupType) {
    let row: [Value; 2] = [1.into(), (kind as u32).into()];
    world.on("select creator, type", rows(["creator", "type"], &[row]));
}

#[test]
fn members_are_added() {
    let world = with_group();
    world.hash("1_im_group_msg", "count", "5");
    of_creator_1(&world, GroupType::Tmp);
    world.on("select userId from IMGroupMember", rows(["userId"], &[[5.into()]]));
    let request = change(2, GroupModifyType::Add, &[6, 5, 2]);
    let reply: ImGroupChangeMemberRsp = ask(&world, CHANGE, &request);
    assert_eq!(reply.result_code, 0);
    assert_eq!(reply.chg_user_id_list, [5, 6]);
    assert_eq!(reply.cur_user_id_list, [1, 2, 3, 5, 6]);
    assert_eq!(
        world.log(),
        [
            "EXISTS group_member_1",
            "S select creator, type from IMGroup where id=1",
            "HGET group_member_1 2",
            "HGET group_member_1 5",
            "HGET group_member_1 6",
            "S select userId from IMGroupMember where groupId=1 and userId in (5,6)",
            "M update IMGroupMember set status=0, updated=1000 where groupId=1 and userId in (5)",
            "M insert into IMGroupMember(`groupId`, `userId`, `status`, `created`, `updated`) values (1,6,0,1000,1000)",
            "M update IMGroup set userCnt=userCnt+1 where id=1",
            "HSET group_member_1 5 1000",
            "HSET group_member_1 6 1000",
            "HGETALL group_member_1",
            "M update IMGroup set version=version+1 where id=1",
            "HGETALL 1_im_group_msg",
            "HMSET 5_1_im_user_group count 5",
            "HGETALL 1_im_group_msg",
            "HMSET 6_1_im_user_group count 5",
        ]
    );
    of_creator_1(&world, GroupType::Tmp);
    let reply: ImGroupChangeMemberRsp = ask(&world, CHANGE, &change(2, GroupModifyType::Add, &[3]));
    assert_eq!((reply.result_code, reply.cur_user_id_list.len()), (1, 0), "nobody is new");
}

#[test]
fn members_are_removed_with_their_sessions() {
    let world = with_group();
    of_creator_1(&world, GroupType::Tmp);
    world.on("select id from IMRecentSession where userId=2", id(22));
    let request = change(1, GroupModifyType::Del, &[3, 2]);
    let reply: ImGroupChangeMemberRsp = ask(&world, CHANGE, &request);
    assert_eq!(reply.result_code, 0);
    assert_eq!(reply.chg_user_id_list, [2, 3]);
    assert_eq!(reply.cur_user_id_list, [1]);
    assert_eq!(
        world.log()[2..11],
        [
            "M update IMGroupMember set status=1 where groupId=1 and userId in (2,3)",
            "HDEL group_member_1 2",
            "HDEL group_member_1 3",
            "HGETALL group_member_1",
            "S select id from IMRecentSession where userId=2 and peerId=1 and type=2 and status=0",
            "M update IMRecentSession set status = 1, updated=1000 where id=22",
            "S select id from IMRecentSession where userId=3 and peerId=1 and type=2 and status=0",
            "M update IMRecentSession set status = 1, updated=1000 where id=0",
            "M update IMGroup set version=version+1 where id=1",
        ]
    );
}

#[test]
fn who_may_change_members() {
    use GroupModifyType::{Add, Del};
    for (user, kind, group, allowed) in [
        (1, Add, GroupType::Normal, true),
        (2, Add, GroupType::Normal, false),
        (2, Add, GroupType::Tmp, true),
        (2, Del, GroupType::Tmp, false),
        (0, Del, GroupType::Normal, true),
    ] {
        let world = with_group();
        of_creator_1(&world, group);
        let ids = if kind == Add { [9] } else { [3] };
        let reply: ImGroupChangeMemberRsp = ask(&world, CHANGE, &change(user, kind, &ids));
        assert_eq!(reply.result_code, u32::from(!allowed), "{user} {kind:?} {group:?}");
        assert_eq!(reply.chg_user_id_list.is_empty(), !allowed);
    }
    silent(&Fake::default(), CHANGE, &change(1, Add, &[9]));
}

#[test]
fn a_group_is_muted_by_a_member() {
    let shield = |user_id| ImGroupShieldReq {
        user_id,
        group_id: 1,
        shield_status: 1,
        attach_data: attach(),
    };
    let command = command::GROUP_SHIELD_GROUP_REQUEST;
    let world = with_group();
    let reply: ImGroupShieldRsp = ask(&world, command, &shield(2));
    assert_eq!(reply.result_code, 0);
    assert_eq!(world.log()[2], "HSET group_set_1 2_1 1");
    let reply: ImGroupShieldRsp = ask(&world, command, &shield(9));
    assert_eq!(reply.result_code, 1);
    silent(&Fake::default(), command, &shield(2));
    world.log();
    let query = ImGroupGetShieldReq { group_id: 1, user_id: vec![3, 2], attach_data: None };
    let reply: ImGroupGetShieldRsp = ask(&world, command::OTHER_GET_SHIELD_REQ, &query);
    let list: Vec<_> =
        reply.shield_status_list.iter().map(|s| (s.user_id, s.group_id, s.shield_status)).collect();
    assert_eq!(list, [(2, 1, 1), (3, 1, 0)]);
    assert_eq!(world.log(), ["EXISTS group_member_1", "HGETALL group_set_1"]);
    // Not refused: no client waits for it.
    let request = Pdu::new(command::OTHER_GET_SHIELD_REQ, 9, &query);
    let protocol = Protocol { members_from_store: false, ..Protocol::hardened() };
    assert_eq!(answer(&mut Fake::default().context(protocol), &request), None);
}
