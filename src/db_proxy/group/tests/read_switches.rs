//! What the switches do to reads, counts and read acks of groups, against scripted stores.

use super::{
    messages::{attach, message},
    switches::{CHANGE, ask, change, hardened, refused_as, try_ask},
};
use crate::{
    catalogue::id as command,
    db_proxy::testing::{Fake, id, lost, rows},
    protocol::Protocol,
    store::sql::{Outcome, SqlError, Value},
    wire::{
        attach::{Attach, kind},
        im::{
            base_define::{
                GroupModifyType, GroupType, GroupVersionInfo, SessionStatusType, SessionType::Group,
            },
            buddy::*,
            group::*,
            message::*,
            server::{ImGroupGetShieldReq, ImGroupGetShieldRsp},
        },
        tt::extension::RefusedCode,
    },
};
use prost::Message as _;

/// Nothing here may look at who is in a group in Redis.
fn assert_no_members_of_redis(log: &[String]) {
    let reads = ["EXISTS group_member", "HGET group_member", "HGETALL group_member"];
    assert!(!log.iter().any(|l| reads.iter().any(|read| l.starts_with(read))), "{log:#?}");
}

fn group_rows() -> Result<Outcome, SqlError> {
    let columns = ["id", "name", "avatar", "creator", "type", "version"];
    let row = |id: u32| [id.into(), "g".into(), "av".into(), 1.into(), 2.into(), 3.into()];
    rows(columns, &[row(4), row(1)])
}

#[test]
fn members_are_shown_to_members_only() {
    let ask_as = |attach_data| {
        let world = Fake::default();
        world.on("from IMGroup ", group_rows());
        world.on("where groupId=4", rows(["userId"], &[[1.into()], [9.into()]]));
        world.on("where groupId=1", rows(["userId"], &[[2.into()]]));
        world.on("groupId in (1,4)", rows(["groupId"], &[[4.into()]]));
        let known = |group_id| GroupVersionInfo { group_id, version: 0 };
        let request = ImGroupInfoListReq {
            user_id: 9,
            group_version_list: vec![known(4), known(1)],
            attach_data,
        };
        let reply: ImGroupInfoListRsp = ask(&world, command::GROUP_INFO_REQUEST, &request);
        let list = reply.group_info_list.into_iter();
        (list.map(|g| (g.group_id, g.group_member_list)).collect::<Vec<_>>(), world.log())
    };
    let (list, log) = ask_as(attach());
    assert_eq!(list, [(4, vec![1, 9])]);
    assert_eq!(
        log,
        [
            "M select groupId from IMGroupMember where userId=9 and status=0 and groupId in (1,4)",
            "M select * from IMGroup where id in (4) and status=0 order by updated desc",
            "M select userId from IMGroupMember where groupId=4 and status=0 order by userId",
            "M select userId from IMGroupMember where groupId=1 and status=0 order by userId",
        ]
    );
    // A message whose sender has left since is still to be pushed.
    let fan_out = Attach { kind: kind::GROUP, ..Attach::handle(3) };
    assert_eq!(ask_as(Some(fan_out.encode())).0, [(4, vec![1, 9]), (1, vec![2])]);
    // It is for those only who may read it.
    let message = ImMsgData { to_session_id: 4, msg_id: 7, ..message(None) };
    let pushed = Attach { pdu: Some(message.encode_to_vec().into()), ..fan_out.clone() }.encode();
    let world = Fake::default();
    world.on("from IMGroup ", group_rows());
    world.on("where groupId=4", rows(["userId"], &[[1.into()], [9.into()]]));
    world.on("from TTMember where groupId=4 and sinceId>=7", rows(["userId"], &[[9.into()]]));
    let known = GroupVersionInfo { group_id: 4, version: 0 };
    let request = ImGroupInfoListReq {
        user_id: 1,
        group_version_list: vec![known],
        attach_data: Some(pushed),
    };
    let reply: ImGroupInfoListRsp = ask(&world, command::GROUP_INFO_REQUEST, &request);
    assert_eq!(reply.group_info_list[0].group_member_list, [1], "{:#?}", world.log());
    world.on("from IMGroup ", group_rows()).on("from TTMember", lost());
    let reply: ImGroupInfoListRsp = ask(&world, command::GROUP_INFO_REQUEST, &request);
    let groups: Vec<_> = reply.group_info_list.iter().map(|g| g.group_id).collect();
    assert_eq!(groups, [1], "no telling who may read group 4");
    // Its msg_server hears at once that there is no telling whom.
    let known = GroupVersionInfo { group_id: 4, version: 0 };
    let attach_data = Some(fan_out.encode());
    let request = ImGroupInfoListReq { user_id: 9, group_version_list: vec![known], attach_data };
    for at in ["from IMGroup ", "from IMGroupMember"] {
        let world = Fake::default();
        world.on(at, lost()).on("from IMGroup ", group_rows());
        let reply: ImGroupInfoListRsp = ask(&world, command::GROUP_INFO_REQUEST, &request);
        assert!(reply.group_info_list.is_empty(), "{at}");
    }
}

fn since(sinces: &[u32]) -> Result<Outcome, SqlError> {
    let rows_of: Vec<[Value; 1]> = sinces.iter().map(|&id| [id.into()]).collect();
    rows(["sinceId"], &rows_of)
}

fn pull(user_id: u32) -> ImGetMsgListReq {
    ImGetMsgListReq {
        user_id,
        session_type: Group as i32,
        session_id: 1,
        msg_id_begin: 0,
        msg_cnt: 10,
        attach_data: attach(),
    }
}

#[test]
fn a_list_begins_after_what_was_there_when_one_joined() {
    for (sinces, visible) in [(&[7][..], "msgId>7"), (&[], "created>=500")] {
        let world = Fake::default();
        world.on("select updated", rows(["updated"], &[[500.into()]]));
        world.on("from TTMember", since(sinces));
        let _: ImGetMsgListRsp = ask(&world, command::MSG_LIST_REQUEST, &pull(2));
        let list = format!(
            "M select * from IMGroupMessage_1 where groupId = 1 and status = 0 and {visible} order by msgId desc, id desc limit 10"
        );
        assert_eq!(
            world.log(),
            [
                "M select updated from IMGroupMember where groupId=1 and userId=2 and status=0",
                "M select sinceId from TTMember where userId=2 and groupId=1",
                &list,
            ]
        );
    }
    let world = Fake::default();
    world.hash("group_member_1", "9", "500");
    let reply: ImGetMsgListRsp = ask(&world, command::MSG_LIST_REQUEST, &pull(9));
    assert!(reply.msg_list.is_empty());
    assert_eq!(world.log().len(), 1);
    world.on("from IMGroupMember", lost());
    let code = refused_as(&world, command::MSG_LIST_REQUEST, &pull(9));
    assert_eq!(code, RefusedCode::RefusedUnavailable);
}

fn latest(msg_id: u32) -> Result<Outcome, SqlError> {
    let row = [msg_id.into(), 17.into(), 3.into(), "text".into()];
    rows(["msgId", "type", "userId", "content"], &[row])
}

#[test]
fn the_latest_id_is_for_members_only() {
    let request = ImGetLatestMsgIdReq {
        user_id: 2,
        session_type: Group as i32,
        session_id: 1,
        attach_data: attach(),
    };
    for (member, sinces, told) in
        [(true, &[5][..], 6), (true, &[6], 0), (true, &[], 6), (false, &[], 0)]
    {
        let world = Fake::default();
        if member {
            world.on("select updated", rows(["updated"], &[[500.into()]]));
        }
        world.on("from TTMember", since(sinces)).on("from IMGroupMessage_1", latest(6));
        let command = command::MSG_GET_LATEST_MSG_ID_REQ;
        let reply: ImGetLatestMsgIdRsp = ask(&world, command, &request);
        assert_eq!(reply.latest_msg_id, told, "{member} {sinces:?}");
    }
}

#[test]
fn mutes_are_looked_up_without_asking_for_members() {
    let world = Fake::default();
    let query = ImGroupGetShieldReq { group_id: 1, user_id: vec![3, 2], attach_data: None };
    let reply: ImGroupGetShieldRsp = ask(&world, command::OTHER_GET_SHIELD_REQ, &query);
    assert_eq!(reply.shield_status_list.len(), 2);
    assert_eq!(world.log(), ["HGETALL group_set_1"]);
}

/// User 2 is in group 4 since message 5, in group 1 since second 500 and in group 7 since 3.
fn with_groups() -> Fake {
    let world = Fake::default();
    let group = |id: u32, updated: u32| [id.into(), updated.into()];
    let groups = [group(7, 800), group(4, 700), group(1, 500)];
    world.on("select groupId,updated", rows(["groupId", "updated"], &groups));
    let since = [[4.into(), 5.into()], [7.into(), 3.into()]];
    world.on("select groupId,sinceId", rows(["groupId", "sinceId"], &since));
    world
}

#[test]
fn what_is_unread_of_a_group_is_what_others_wrote_since_one_joined_or_read() {
    let world = with_groups();
    let mark = [1.into(), 2.into(), 9.into()];
    world.on("from TTRead", rows(["peerId", "type", "msgId"], &[mark]));
    // All of group 7 is older than the membership.
    let known = |group: u32, last: u32| [0, group, group, last].map(Value::from);
    world.on(
        "from TTRelation",
        rows(["smallId", "bigId", "relateId", "lastId"], &[known(7, 3), known(4, 6), known(1, 11)]),
    );
    let unread = |n: u32| rows(["unread"], &[[n.into()]]);
    world.on("count(*)", unread(0)).on("count(*)", unread(2));
    world.on("select msgId, type", latest(11));
    let request = ImUnreadMsgCntReq { user_id: 2, attach_data: attach() };
    let reply: ImUnreadMsgCntRsp = ask(&world, command::MSG_UNREAD_CNT_REQUEST, &request);
    assert_eq!((reply.total_cnt, reply.unreadinfo_list.len()), (2, 1));
    let info = &reply.unreadinfo_list[0];
    assert_eq!((info.session_id, info.session_type(), info.unread_cnt), (1, Group, 2));
    assert_eq!((info.latest_msg_id, info.latest_msg_from_user_id), (11, 3));
    assert_eq!(
        world.log(),
        [
            "M select peerId from IMRecentSession where userId=2 and type=1",
            "M select groupId,updated from IMGroupMember where userId=2 and status = 0 order by updated desc, id desc",
            "M select groupId,sinceId from TTMember where userId=2",
            "M select peerId,type,msgId from TTRead where userId=2",
            "M select smallId,bigId,relateId,lastId from TTRelation where smallId=2 or bigId=2 or smallId=0 and bigId in (7,4,1)",
            "M select count(*) as unread from IMGroupMessage_4 where groupId=4 and userId<>2 and status=0 and msgId>0 and msgId>5",
            "M select count(*) as unread from IMGroupMessage_1 where groupId=1 and userId<>2 and status=0 and msgId>9 and created>=500",
            "M select msgId, type,userId, content from IMGroupMessage_1 where groupId = 1 and status = 0 order by msgId desc, id desc limit 1",
        ]
    );
}

#[test]
fn unread_from_store_alone_counts_groups_too_and_a_join_sets_the_mark() {
    let only = Protocol { unread_from_store: true, ..Protocol::teamtalk() };
    let world = with_groups();
    let marks = [7, 4, 1].map(|group| [group, 2, 0].map(Value::from));
    world.on("from TTRead", rows(["peerId", "type", "msgId"], &marks));
    world.on("count(*)", rows(["unread"], &[[2.into()]])).on("select msgId, type", latest(11));
    let request = ImUnreadMsgCntReq { user_id: 2, attach_data: attach() };
    let reply = try_ask(&world, only, command::MSG_UNREAD_CNT_REQUEST, &request);
    assert_eq!(reply.view::<ImUnreadMsgCntRsp>().unwrap().total_cnt, 2);
    let log = world.log();
    assert!(log[3].ends_with("msgId>0 and created>=800"), "{log:#?}");
    let world = Fake::default();
    world.hash("group_member_1", "2", "500");
    let row: [Value; 2] = [1.into(), (GroupType::Tmp as u32).into()];
    world.on("select creator, type", rows(["creator", "type"], &[row]));
    world.on("select msgId, type", latest(11));
    try_ask(&world, only, CHANGE, &change(2, GroupModifyType::Add, &[6]));
    let mark = "M insert into TTRead (`userId`,`peerId`,`type`,`msgId`) values(6,1,2,11) on duplicate key update msgId=greatest(msgId, values(msgId))";
    assert_eq!(world.log().last().unwrap(), mark);
}

#[test]
fn a_read_ack_of_a_group_is_stored_and_confirmed() {
    let session_type = Group as i32;
    let ack = ImMsgDataReadAck {
        user_id: 2,
        session_id: 1,
        msg_id: 4,
        session_type,
        attach_data: attach(),
    };
    let world = Fake::default();
    let member = || rows(["updated"], &[[500.into()]]);
    let newest = |id: u32| rows(["lastId"], &[[id.into()]]);
    world.on("from IMGroupMember", member()).on("from TTRelation", newest(9));
    let reply = try_ask(&world, hardened(), command::MSG_READ_ACK, &ack);
    assert_eq!(reply.command(), command::MSG_READ_NOTIFY);
    let notify: ImMsgDataReadNotify = reply.view().unwrap();
    assert_eq!((notify.session_id, notify.session_type(), notify.msg_id), (1, Group, 4));
    assert_eq!(
        world.log(),
        [
            "M select updated from IMGroupMember where groupId=1 and userId=2 and status=0",
            "M select lastId from TTRelation where smallId=0 and bigId=1",
            "M insert into TTRead (`userId`,`peerId`,`type`,`msgId`) values(2,1,2,4) on duplicate key update msgId=greatest(msgId, values(msgId))"
        ]
    );
    world.on("from IMGroupMember", member()).on("from TTRelation", newest(9));
    world.on("into TTRead", lost());
    let code = refused_as(&world, command::MSG_READ_ACK, &ack);
    assert_eq!(code, RefusedCode::RefusedUnavailable);
    world.log();
    // No further than the newest message, and of a group that the user is not in nothing is kept.
    world.on("from IMGroupMember", member()).on("from TTRelation", newest(3));
    world.on("from IMGroupMessage_1", latest(3));
    try_ask(&world, hardened(), command::MSG_READ_ACK, &ack);
    assert!(world.log()[3].contains("values(2,1,2,3)"));
    world.on("from TTRelation", newest(9));
    try_ask(&world, hardened(), command::MSG_READ_ACK, &ack);
    assert!(!world.log().iter().any(|line| line.contains("TTRead")));
}

#[test]
fn a_removed_session_with_a_group_is_read() {
    let session_type = Group as i32;
    let request =
        ImRemoveSessionReq { user_id: 2, session_type, session_id: 1, attach_data: attach() };
    let world = Fake::default();
    world.on("from IMRecentSession", id(8)).on("select msgId, type", latest(11));
    let command = command::BUDDY_LIST_REMOVE_SESSION_REQ;
    let reply: ImRemoveSessionRsp = ask(&world, command, &request);
    assert_eq!(reply.result_code, 0);
    let log = world.log();
    assert!(
        log[2].starts_with(
            "M insert into TTRead (`userId`,`peerId`,`type`,`msgId`) values(2,1,2,11)"
        )
    );
    assert!(log[3].starts_with("M update IMRecentSession set status = 1"), "{log:#?}");
}

#[test]
fn who_catches_up_is_told_of_every_group() {
    let world = with_groups();
    let columns = ["peerId", "type", "updated", "status"];
    // A session with a group that the user is in, and with one that they have left.
    let row = |peer: u32| [peer.into(), 2.into(), 88.into(), 0.into()];
    world.on("select * from IMRecentSession", rows(columns, &[row(1), row(6)]));
    // Removed, and not changed since.
    let old = [4.into(), 1.into(), 50.into()];
    world.on("select peerId,status,updated", rows(["peerId", "status", "updated"], &[old]));
    world.on("from IMGroupMessage_1", latest(11));
    world.on("from IMGroupMessage_4", latest(6));
    world.on("from IMGroupMessage_7", latest(3));
    let request = ImRecentContactSessionReq {
        user_id: 2,
        latest_update_time: 60,
        with_removed: Some(1),
        attach_data: attach(),
    };
    let command = command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST;
    let reply: ImRecentContactSessionRsp = ask(&world, command, &request);
    let list: Vec<_> = reply
        .contact_session_list
        .iter()
        .map(|s| (s.session_id, s.latest_msg_id, s.updated_time, s.session_status()))
        .collect();
    let (ok, deleted) =
        (SessionStatusType::SessionStatusOk, SessionStatusType::SessionStatusDelete);
    // Nothing of group 7 is for this user.
    assert_eq!(list, [(1, 11, 88, ok), (4, 6, 50, deleted)]);
    assert_no_members_of_redis(&world.log());
}
