//! Messages of groups against scripted stores: golden 18 and 19, and the switches.

use crate::{
    catalogue::id as command,
    db_proxy::testing::{Fake, answer, id, lost, raised_to, refused, rows, serve, text},
    fact::Fact,
    protocol::Protocol,
    store::cache::CacheError,
    wire::{
        Pdu,
        attach::Attach,
        check::Checked,
        im::{
            base_define::{MsgType, SessionType::Group},
            buddy::{ImRecentContactSessionReq, ImRecentContactSessionRsp},
            message::*,
        },
        tt::extension::{Refused, RefusedCode},
    },
};
use bytes::Bytes;

pub(super) fn attach() -> Option<Bytes> {
    Some(Attach::handle(3).encode())
}

pub(super) fn ask<R: Checked>(world: &Fake, command: u16, body: &impl prost::Message) -> R {
    let request = Pdu::new(command, 9, body);
    let reply = serve(&mut world.context(Protocol::teamtalk()), &request).unwrap();
    assert_eq!((reply.command(), reply.header.seq_num), (command + 1, 9));
    reply.view().unwrap()
}

pub(super) fn silent(world: &Fake, command: u16, body: &impl prost::Message) {
    let request = Pdu::new(command, 9, body);
    assert_eq!(answer(&mut world.context(Protocol::teamtalk()), &request), None);
    let refused = answer(&mut world.context(Protocol::hardened()), &request).unwrap();
    assert_eq!(refused.view::<Refused>().unwrap().code(), RefusedCode::RefusedNotAllowed);
}

/// Group 1 with the members 1, 2 and 3 in Redis.
pub(super) fn with_group() -> Fake {
    let world = Fake::default();
    for user in ["1", "2", "3"] {
        world.hash("group_member_1", user, "500");
    }
    world
}

/// Group 1 with its member 1 and that user's session 5 in SQL.
fn stored_group() -> Fake {
    let world = Fake::default();
    for _ in ["before the draw", "in the transaction"] {
        world.on("from IMGroupMember", id(4));
    }
    world.on("from IMRecentSession", id(5));
    world.on("from TTRead where userId=0", rows(["msgId"], &[[0.into()]]));
    world
}

/// A text of user 1 to group 1.
pub(super) fn message(token: Option<&'static [u8]>) -> ImMsgData {
    let msg_type = MsgType::GroupText as i32;
    ImMsgData { to_session_id: 1, msg_type, send_token: token.map(Bytes::from_static), ..text() }
}

fn sent(world: &Fake, protocol: Protocol) -> u32 {
    let request = Pdu::new(command::MSG_DATA, 7, &message(Some(b"installationcntr")));
    let reply = answer(&mut world.context(protocol), &request).unwrap();
    assert_eq!(reply.command(), command::MSG_DATA);
    reply.view::<ImMsgData>().unwrap().msg_id
}

#[test]
fn a_group_message_runs_golden_18() {
    let world = with_group();
    assert_eq!(sent(&world, Protocol::teamtalk()), 1);
    assert_eq!(
        world.log(),
        [
            "EXISTS group_member_1",
            "HGET group_member_1 1",
            "S select id from IMRecentSession where userId=1 and peerId=1 and type=2 and status=0",
            "S select id from IMRecentSession where userId=1 and peerId=1 and type=2",
            "M insert into IMRecentSession (`userId`,`peerId`,`type`,`status`,`created`,`updated`) values(1,1,2,0,1000,1000)",
            "INCRBY group_msg_id_1 1",
            "HGET group_member_1 1",
            "M insert into IMGroupMessage_1 (`groupId`, `userId`, `msgId`, `content`, `type`, `status`, `updated`, `created`) values(1, 1, 1, 'text', 17, 0, 990, 990)",
            "M update IMGroup set lastChated=1000 where id=1",
            "HINCRBY 1_im_group_msg count 1",
            "HGETALL 1_im_group_msg",
            "HMSET 1_1_im_user_group count 1",
            "HGETALL 1_im_group_msg",
            "HMSET 1_1_im_user_group count 1",
            "M update IMRecentSession set `updated`=1000 where id=1",
        ]
    );
    assert!(matches!(
        world.facts()[..],
        [Fact::MsgIdIssued { relation: 1, .. }, Fact::Stored { relation: 1, from: 1, .. }]
    ));
}

#[test]
fn a_group_message_from_no_member_is_not_answered() {
    silent(&Fake::default(), command::MSG_DATA, &message(None));
    let world = Fake::default();
    world.hash("group_member_1", "2", "500");
    silent(&world, command::MSG_DATA, &message(None));
    // Hardened finds it out in SQL, before it draws an id.
    assert_eq!(world.log().len(), 2 + 1);
}

#[test]
fn a_failed_group_insert_is_acked_by_the_original_only() {
    let world = with_group();
    world.on("into IMGroupMessage_1", lost());
    assert_eq!(sent(&world, Protocol::teamtalk()), 1);
    let log = world.log();
    assert!(!log.iter().any(|l| l.contains("lastChated") || l.starts_with("HINCRBY")));
    assert!(log.last().unwrap().contains("set `updated`"));
    let strict = Protocol { ack_after_store: true, ..Protocol::teamtalk() };
    let world = with_group();
    world.on("into IMGroupMessage_1", lost());
    assert_eq!(sent(&world, strict), 0);
    // A failed session has msg_id 0 in both.
    for protocol in [Protocol::teamtalk(), strict] {
        let world = with_group();
        world.on("insert into IMRecentSession", refused(1205));
        assert_eq!(sent(&world, protocol), 0);
    }
    // Redis away: nobody is a member.
    let world = with_group();
    world.redis(Some(CacheError::Unreachable("scripted".into())));
    let request = Pdu::new(command::MSG_DATA, 7, &message(None));
    assert_eq!(answer(&mut world.context(Protocol::teamtalk()), &request), None);
    let world = stored_group();
    world.redis(Some(CacheError::Unreachable("scripted".into())));
    let pdu = answer(&mut world.context(Protocol::hardened()), &request).unwrap();
    assert_eq!(pdu.view::<Refused>().unwrap().code(), RefusedCode::RefusedUnavailable);
}

#[test]
fn a_hardened_group_message_is_one_transaction_with_a_floor_of_its_own() {
    let world = stored_group();
    world.on("greatest(lastId+1, 1)", raised_to(8));
    assert_eq!(sent(&world, Protocol::hardened()), 8);
    let log = world.log();
    assert_eq!(
        log[3..11],
        [
            "M BEGIN",
            "M insert into TTSend (`fromId`,`token`,`type`,`relateId`,`msgId`,`created`) values(1,'installationcntr',2,1,1,1000)",
            "M select id from IMGroupMember where groupId=1 and userId=1 and status=0 for update",
            "M update TTRelation force index (primary) set lastId=LAST_INSERT_ID(greatest(lastId+1, 1)) where smallId=0 and bigId=1 and relateId=1",
            "M update TTSend set msgId=8 where fromId=1 and token='installationcntr'",
            "M insert into IMGroupMessage_1 (`groupId`, `userId`, `msgId`, `content`, `type`, `status`, `updated`, `created`) values(1, 1, 8, 'text', 17, 0, 990, 990)",
            "M COMMIT",
            "SET group_msg_id_1 8",
        ]
    );
}

#[test]
fn the_first_message_after_the_switch_puts_the_floor_over_the_old_ones() {
    let world = stored_group();
    world.on("greatest(lastId+1, 1)", Ok(Default::default()));
    world.on("greatest(lastId+1, 1)", raised_to(41));
    world.on("order by msgId desc limit 1", rows(["msgId"], &[[40.into()]]));
    assert_eq!(sent(&world, Protocol::hardened()), 41);
    let claim = "M insert into TTRelation (`smallId`,`bigId`,`relateId`,`lastId`) values(0,1,1,40)";
    assert!(world.log().contains(&claim.to_string()));
}

#[test]
fn a_repeated_group_message_is_not_counted_again() {
    let world = stored_group();
    world.on("insert into TTSend", refused(1062));
    let first = [2.into(), 1.into(), 33.into()];
    world.on("from TTSend", rows(["type", "relateId", "msgId"], &[first]));
    assert_eq!(sent(&world, Protocol::hardened()), 33);
    assert!(!world.log().iter().any(|l| l.starts_with("HINCRBY")));
}

#[test]
fn the_list_of_a_group_begins_when_one_joined_as_in_golden_19() {
    let world = with_group();
    let mut request = ImGetMsgListReq {
        user_id: 2,
        session_type: Group as i32,
        session_id: 1,
        msg_id_begin: 0,
        msg_cnt: 10,
        attach_data: None,
    };
    let row = [1.into(), 3.into(), 990.into(), 17.into(), "text".into()];
    let columns = ["msgId", "userId", "created", "type", "content"];
    world.on("from IMGroupMessage_1", rows(columns, &[row]));
    let reply: ImGetMsgListRsp = ask(&world, command::MSG_LIST_REQUEST, &request);
    assert_eq!((reply.msg_list[0].msg_id, reply.msg_list[0].from_session_id), (1, 3));
    assert_eq!(
        world.log(),
        [
            "HGET group_member_1 2",
            "HGET group_member_1 2",
            "S select * from IMGroupMessage_1 where groupId = 1 and status = 0 and created>=500 order by created desc, id desc limit 10",
        ]
    );
    request.msg_id_begin = 4;
    let _: ImGetMsgListRsp = ask(&world, command::MSG_LIST_REQUEST, &request);
    assert!(world.log()[2].contains("groupId = 1 and msgId<=4 and status = 0 and created>=500"));
    request.user_id = 9;
    let reply: ImGetMsgListRsp = ask(&world, command::MSG_LIST_REQUEST, &request);
    assert!(reply.msg_list.is_empty());
    assert_eq!(world.log().len(), 1);
}

#[test]
fn messages_of_a_group_by_id_and_the_latest_one() {
    let world = with_group();
    let request = ImGetMsgByIdReq {
        user_id: 2,
        session_type: Group as i32,
        session_id: 1,
        msg_id_list: vec![3, 1],
        attach_data: None,
    };
    let _: ImGetMsgByIdRsp = ask(&world, command::MSG_GET_BY_MSG_ID_REQ, &request);
    assert!(world.log()[2].contains("and msgId in (1,3) and status = 0 and created>=500"));
    let latest = [6.into(), 17.into(), 3.into(), "text".into()];
    world.on("from IMGroupMessage_1", rows(["msgId", "type", "userId", "content"], &[latest]));
    let request = ImGetLatestMsgIdReq {
        user_id: 99,
        session_type: Group as i32,
        session_id: 1,
        attach_data: None,
    };
    let reply: ImGetLatestMsgIdRsp = ask(&world, command::MSG_GET_LATEST_MSG_ID_REQ, &request);
    assert_eq!(reply.latest_msg_id, 6);
    assert_eq!(
        world.log(),
        [
            "S select msgId, type,userId, content from IMGroupMessage_1 where groupId = 1 and status = 0 order by created desc, id desc limit 1"
        ]
    );
}

#[test]
fn unread_group_messages_are_counted_as_in_golden_19() {
    let world = with_group();
    world.hash("1_im_group_msg", "count", "5");
    world.hash("2_1_im_user_group", "count", "3");
    world.hash("4_im_group_msg", "count", "1");
    world.hash("2_4_im_user_group", "count", "1");
    let groups = || rows(["groupId"], &[[7.into()], [4.into()], [1.into()]]);
    let latest = [6.into(), 18.into(), 3.into(), "17".into()];
    world.on("from IMGroupMember", groups());
    world.on("from IMGroupMessage_1", rows(["msgId", "type", "userId", "content"], &[latest]));
    let request = ImUnreadMsgCntReq { user_id: 2, attach_data: None };
    let reply: ImUnreadMsgCntRsp = ask(&world, command::MSG_UNREAD_CNT_REQUEST, &request);
    assert_eq!((reply.total_cnt, reply.unreadinfo_list.len()), (2, 1));
    let info = &reply.unreadinfo_list[0];
    assert_eq!((info.session_id, info.session_type(), info.unread_cnt), (1, Group, 2));
    assert_eq!((info.latest_msg_id, info.latest_msg_from_user_id), (6, 3));
    assert_eq!(&info.latest_msg_data[..], b"QhGXlpFjvMFUNrtl1aaPzA==");
    let log = world.log();
    assert_eq!(
        log[2..7],
        [
            "HGET 7_im_group_msg count",
            "HGET 4_im_group_msg count",
            "HGET 2_4_im_user_group count",
            "HGET 1_im_group_msg count",
            "HGET 2_1_im_user_group count",
        ]
    );
    assert_eq!(log.len(), 8);
    // And they are part of a push's count.
    world.on("from IMGroupMember", groups());
    world.value("device_2", "android:two");
    let request =
        crate::wire::im::server::ImGetDeviceTokenReq { user_id: vec![2], attach_data: None };
    let reply: crate::wire::im::server::ImGetDeviceTokenRsp =
        ask(&world, command::OTHER_GET_DEVICE_TOKEN_REQ, &request);
    assert_eq!(reply.user_token_info[0].push_count, 2);
}

#[test]
fn recent_sessions_with_groups_name_the_sender() {
    let world = Fake::default();
    let row = [1.into(), 2.into(), 88.into(), 0.into()];
    world.on("from IMRecentSession", rows(["peerId", "type", "updated", "status"], &[row]));
    let latest = [6.into(), 17.into(), 3.into(), "text".into()];
    world.on("from IMGroupMessage_1", rows(["msgId", "type", "userId", "content"], &[latest]));
    let command = command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST;
    let request = ImRecentContactSessionReq { user_id: 2, ..Default::default() };
    let reply: ImRecentContactSessionRsp = ask(&world, command, &request);
    let info = &reply.contact_session_list[0];
    assert_eq!((info.session_type(), info.session_id), (Group, 1));
    assert_eq!((info.latest_msg_id, info.latest_msg_from_user_id), (6, 3));
}

#[test]
fn a_group_that_one_has_left_is_not_caught_up_on() {
    let protocol = Protocol { catch_up_on_gap: true, ..Protocol::teamtalk() };
    let command = command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST;
    let request =
        ImRecentContactSessionReq { user_id: 2, with_removed: Some(1), ..Default::default() };
    for member in [false, true] {
        let world = Fake::default();
        if member {
            world.on(
                "select groupId,updated",
                rows(["groupId", "updated"], &[[1.into(), 5.into()]]),
            );
        }
        let row = [1.into(), 2.into(), 88.into(), 1.into()];
        world.on("from IMRecentSession", rows(["peerId", "type", "updated", "status"], &[row]));
        let latest = [6.into(), 17.into(), 3.into(), "text".into()];
        world.on("from IMGroupMessage_1", rows(["msgId", "type", "userId", "content"], &[latest]));
        let request = Pdu::new(command, 9, &request);
        let reply = serve(&mut world.context(protocol), &request).unwrap();
        let reply: ImRecentContactSessionRsp = reply.view().unwrap();
        assert_eq!(reply.contact_session_list.len(), usize::from(member));
    }
}
