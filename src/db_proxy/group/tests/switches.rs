//! `members-from-store`: sends, new groups and changes of members, against scripted stores.

use super::messages::{attach, message};
use crate::{
    catalogue::id as command,
    db_proxy::testing::{Fake, answer, id, lost, raised_to, refused, rows},
    fact::Fact,
    protocol::Protocol,
    store::{cache::CacheError, sql::Value},
    wire::{
        Pdu,
        check::Checked,
        im::{
            base_define::{GroupModifyType, GroupType},
            group::*,
            message::ImMsgData,
        },
        tt::extension::{Refused, RefusedCode},
    },
};

pub(super) fn hardened() -> Protocol {
    Protocol::hardened()
}

pub(super) fn try_ask(
    world: &Fake,
    protocol: Protocol,
    command: u16,
    body: &impl prost::Message,
) -> Pdu {
    let request = Pdu::new(command, 9, body);
    let reply = answer(&mut world.context(protocol), &request).expect("an answer");
    assert_eq!(reply.header.seq_num, 9);
    reply
}

pub(super) fn ask<R: Checked>(world: &Fake, command: u16, body: &impl prost::Message) -> R {
    let reply = try_ask(world, hardened(), command, body);
    assert_ne!(reply.command(), command::OTHER_REFUSED, "{:?}", reply.view::<Refused>());
    reply.view().unwrap()
}

pub(super) fn refused_as(world: &Fake, command: u16, body: &impl prost::Message) -> RefusedCode {
    let reply = try_ask(world, hardened(), command, body);
    assert_eq!(reply.command(), command::OTHER_REFUSED);
    reply.view::<Refused>().unwrap().code()
}

const TOKEN: Option<&[u8]> = Some(b"installationcntr");

/// Before the draw of a msg_id, and in the transaction.
const LOOK: &str = "select updated from IMGroupMember where groupId=1 and userId=1 and status=0";
const HOLD: &str = "select id from IMGroupMember where groupId=1 and userId=1 and status=0";

/// User 1 is in group 1.
fn of_member() -> Fake {
    let world = Fake::default();
    world.on(LOOK, rows(["updated"], &[[500.into()]])).on(HOLD, id(4));
    world.on("from TTRead where userId=0", rows(["msgId"], &[[0.into()]]));
    world
}

#[test]
fn a_send_holds_the_membership_of_its_sender() {
    let world = of_member();
    world.on("from IMRecentSession", id(5));
    let reply: ImMsgData = ask(&world, command::MSG_DATA, &message(TOKEN));
    assert_eq!(reply.msg_id, 1);
    assert_eq!(
        world.log(),
        [
            "M select updated from IMGroupMember where groupId=1 and userId=1 and status=0",
            "M select msgId from TTRead where userId=0 and peerId=1 and type=2",
            "INCRBY group_msg_id_1 1",
            "M BEGIN",
            "M insert into TTSend (`fromId`,`token`,`type`,`relateId`,`msgId`,`created`) values(1,'installationcntr',2,1,1,1000)",
            "M select id from IMGroupMember where groupId=1 and userId=1 and status=0 for update",
            "M update TTRelation force index (primary) set lastId=LAST_INSERT_ID(greatest(lastId+1, 1)) where smallId=0 and bigId=1 and relateId=1",
            "M insert into IMGroupMessage_1 (`groupId`, `userId`, `msgId`, `content`, `type`, `status`, `updated`, `created`) values(1, 1, 1, 'text', 17, 0, 990, 990)",
            "M COMMIT",
            "M update IMGroup set lastChated=1000 where id=1",
            "S select id from IMRecentSession where userId=1 and peerId=1 and type=2 and status=0",
            "M update IMRecentSession set `updated`=1000 where id=5",
        ]
    );
    // Alone, without a token or a floor, the switch makes a transaction too.
    let only = Protocol { members_from_store: true, ..Protocol::teamtalk() };
    let world = of_member();
    let reply = try_ask(&world, only, command::MSG_DATA, &message(None));
    assert_eq!(reply.view::<ImMsgData>().unwrap().msg_id, 1);
    assert_eq!(world.log()[2], "M BEGIN");
}

#[test]
fn a_send_from_no_member_is_refused_and_leaves_nothing() {
    for token in [TOKEN, None] {
        let world = Fake::default();
        world.hash("group_member_1", "1", "500");
        let code = refused_as(&world, command::MSG_DATA, &message(token));
        assert_eq!(code, RefusedCode::RefusedNotAllowed);
        let log = world.log();
        assert!(!log.iter().any(|l| l.starts_with("INCRBY")), "{log:#?}");
        assert!(log.iter().all(|l| l.starts_with("M select")), "{log:#?}");
        assert_eq!(world.facts(), []);
    }
}

/// Between the look before the draw and the transaction.
#[test]
fn a_send_whose_sender_leaves_meanwhile_is_rolled_back() {
    for token in [TOKEN, None] {
        let world = Fake::default();
        world.on(LOOK, rows(["updated"], &[[500.into()]]));
        let code = refused_as(&world, command::MSG_DATA, &message(token));
        assert_eq!(code, RefusedCode::RefusedNotAllowed);
        let log = world.log();
        assert_eq!(log.last().unwrap(), "M ROLLBACK");
        assert!(!log.iter().any(|l| l.contains("IMRecentSession")), "{log:#?}");
        assert!(matches!(
            world.facts()[..],
            [Fact::MsgIdIssued { .. }, Fact::StoreFailed { msg_id: 1, .. }]
        ));
    }
}

#[test]
fn a_membership_that_can_not_be_read_draws_no_msg_id() {
    let world = Fake::default();
    world.on(LOOK, lost());
    let code = refused_as(&world, command::MSG_DATA, &message(TOKEN));
    assert_eq!(code, RefusedCode::RefusedUnavailable);
    assert_eq!(world.log().len(), 1);
}

#[test]
fn a_repeated_send_is_acked_though_its_sender_has_left() {
    let first = || rows(["type", "relateId", "msgId"], &[[2.into(), 1.into(), 33.into()]]);
    let world = Fake::default();
    world.on("from TTSend", first());
    let reply: ImMsgData = ask(&world, command::MSG_DATA, &message(TOKEN));
    assert_eq!(reply.msg_id, 33);
    assert!(!world.log().iter().any(|l| l.starts_with("INCRBY")));
    assert!(matches!(world.facts()[..], [Fact::RepeatAnswered { msg_id: 33, from: 1, .. }]));
    // The sender leaves between the check and the transaction, or is still in.
    let world = Fake::default();
    world.on(LOOK, rows(["updated"], &[[500.into()]])).on("insert into TTSend", refused(1062));
    world.on("from TTSend", first());
    let reply: ImMsgData = ask(&world, command::MSG_DATA, &message(TOKEN));
    assert_eq!(reply.msg_id, 33);
}

#[test]
fn a_stored_message_is_acked_without_a_session() {
    let world = of_member();
    world.on("from IMRecentSession", lost());
    let reply: ImMsgData = ask(&world, command::MSG_DATA, &message(TOKEN));
    assert_eq!(reply.msg_id, 1);
}

pub(super) fn creation() -> ImGroupCreateReq {
    ImGroupCreateReq {
        user_id: 1,
        group_type: GroupType::Tmp as i32,
        group_name: "g1".into(),
        group_avatar: "av".into(),
        member_id_list: vec![2, 1],
        attach_data: attach(),
    }
}

pub(super) const CREATE: u16 = command::GROUP_CREATE_REQUEST;

#[test]
fn a_group_is_made_in_one_transaction() {
    let world = Fake::default();
    let reply: ImGroupCreateRsp = ask(&world, CREATE, &creation());
    assert_eq!((reply.result_code, reply.group_id), (0, Some(1)));
    assert_eq!(reply.user_id_list, [1, 2]);
    assert_eq!(
        world.log(),
        [
            "M BEGIN",
            "M insert into IMGroup(`name`, `avatar`, `creator`, `type`,`userCnt`, `status`, `version`, `lastChated`, `updated`, `created`) values('g1', 'av', 1, 2, 2, 0, 1, 0, 1000, 1000)",
            "M insert into IMGroupMember(`groupId`, `userId`, `status`, `created`, `updated`) values (1,1,0,1000,1000)",
            "M insert into IMGroupMember(`groupId`, `userId`, `status`, `created`, `updated`) values (1,2,0,1000,1000)",
            "M insert into TTRelation (`smallId`,`bigId`,`relateId`,`lastId`) values(0,1,1,0)",
            "M insert ignore into TTRead (`userId`,`peerId`,`type`,`msgId`) values(0,1,2,0)",
            "M insert into TTMember (`userId`,`groupId`,`sinceId`) values (1,1,0),(2,1,0) on duplicate key update sinceId=values(sinceId)",
            "M COMMIT",
            "SET group_msg_id_1 0",
            "HSET group_member_1 1 1000",
            "HSET group_member_1 2 1000",
        ]
    );
    // Redis is for others.
    world.redis(Some(CacheError::Unreachable("scripted".into())));
    let reply: ImGroupCreateRsp = ask(&world, CREATE, &creation());
    assert_eq!(reply.result_code, 0);
}

#[test]
fn a_group_is_made_whole_or_not_at_all() {
    for at in ["into IMGroup(", "into IMGroupMember", "into TTRelation", "into TTMember"] {
        for failure in [lost(), refused(1205), refused(1406)] {
            let world = Fake::default();
            // As often as a lost lock is tried again, and once more.
            (0..6).for_each(|_| _ = world.on(at, failure.clone()));
            let pdu = try_ask(&world, hardened(), CREATE, &creation());
            if failure == refused(1406) {
                assert_eq!(pdu.view::<ImGroupCreateRsp>().unwrap().result_code, 1);
            } else {
                let code = pdu.view::<Refused>().unwrap().code();
                assert_eq!(code, RefusedCode::RefusedUnavailable, "{at}");
            }
            let log = world.log();
            assert!(!log.iter().any(|l| l.contains("COMMIT") || l.starts_with("HSET")), "{log:#?}");
        }
    }
    let world = Fake::default();
    world.on("COMMIT", lost());
    assert_eq!(refused_as(&world, CREATE, &creation()), RefusedCode::RefusedUnavailable);
    // Without refusals it is result 1.
    let only = Protocol { members_from_store: true, ..Protocol::teamtalk() };
    world.on("into IMGroupMember", lost());
    let reply = try_ask(&world, only, CREATE, &creation());
    assert_eq!(reply.view::<ImGroupCreateRsp>().unwrap().result_code, 1);
}

pub(super) fn change(user_id: u32, kind: GroupModifyType, ids: &[u32]) -> ImGroupChangeMemberReq {
    ImGroupChangeMemberReq {
        user_id,
        change_type: kind as i32,
        group_id: 1,
        member_id_list: ids.to_vec(),
        attach_data: attach(),
    }
}

pub(super) const CHANGE: u16 = command::GROUP_CHANGE_MEMBER_REQUEST;

/// Group 1 of creator 1 with the members 1, 2 and 3 since second 500; 5 has been one.
pub(super) fn group_1() -> Fake {
    let world = Fake::default();
    let row: [Value; 2] = [1.into(), (GroupType::Tmp as u32).into()];
    world.on("select creator, type", rows(["creator", "type"], &[row]));
    let member = |user: u32, status: u32| [user.into(), status.into(), 500.into()];
    let members = [member(1, 0), member(2, 0), member(3, 0), member(5, 1)];
    world.on("select userId,status", rows(["userId", "status", "updated"], &members));
    world
}

#[test]
fn members_come_in_one_transaction() {
    let world = group_1();
    world.on("select lastId", rows(["lastId"], &[[40.into()]]));
    let request = change(2, GroupModifyType::Add, &[6, 5, 2]);
    let reply: ImGroupChangeMemberRsp = ask(&world, CHANGE, &request);
    assert_eq!(reply.result_code, 0);
    assert_eq!(reply.chg_user_id_list, [5, 6]);
    assert_eq!(reply.cur_user_id_list, [1, 2, 3, 5, 6]);
    assert_eq!(
        world.log(),
        [
            "M BEGIN",
            "M select creator, type from IMGroup where id=1 and status=0 for update",
            "M select lastId from TTRelation where smallId=0 and bigId=1 for update",
            "M select userId,status,updated from IMGroupMember where groupId=1",
            "M update IMGroupMember set status=0, updated=1000 where groupId=1 and userId in (5)",
            "M insert into IMGroupMember(`groupId`, `userId`, `status`, `created`, `updated`) values (1,6,0,1000,1000)",
            "M insert into TTMember (`userId`,`groupId`,`sinceId`) values (5,1,40),(6,1,40) on duplicate key update sinceId=values(sinceId)",
            "M update IMGroup set userCnt=5, version=version+1 where id=1",
            "M COMMIT",
            "HSET group_member_1 5 1000",
            "HSET group_member_1 6 1000",
        ]
    );
}

#[test]
fn members_go_in_one_transaction_with_their_sessions() {
    let world = group_1();
    let request = change(1, GroupModifyType::Del, &[5, 3, 2]);
    let reply: ImGroupChangeMemberRsp = ask(&world, CHANGE, &request);
    assert_eq!(reply.chg_user_id_list, [2, 3], "5 was none");
    assert_eq!(reply.cur_user_id_list, [1]);
    assert_eq!(
        world.log()[3..],
        [
            "M update IMGroupMember set status=1 where groupId=1 and userId in (2,3)",
            "M update IMRecentSession set status=1, updated=1000 where userId in (2,3) and peerId=1 and type=2 and status=0",
            "M update IMGroup set userCnt=1, version=version+1 where id=1",
            "M COMMIT",
            "HDEL group_member_1 2",
            "HDEL group_member_1 3",
        ]
    );
    let world = group_1();
    let reply: ImGroupChangeMemberRsp = ask(&world, CHANGE, &change(2, GroupModifyType::Del, &[3]));
    assert_eq!(reply.result_code, 1, "not the creator");
    assert!(!world.log().iter().any(|l| l.starts_with("M update")));
}

#[test]
fn a_change_is_whole_or_not_at_all() {
    use GroupModifyType::{Add, Del};
    for (kind, ids, at) in [
        (Add, [6, 5], "status=0, updated"),
        (Add, [6, 5], "into IMGroupMember"),
        (Add, [6, 5], "select lastId"),
        (Add, [6, 5], "into TTMember"),
        (Add, [6, 5], "userCnt"),
        (Add, [6, 5], "COMMIT"),
        (Del, [2, 3], "set status=1 where groupId"),
        (Del, [2, 3], "update IMRecentSession"),
        (Del, [2, 3], "userCnt"),
    ] {
        let world = group_1();
        world.on(at, lost());
        // What went with COMMIT may be committed: the members are looked at, and are as before.
        let before = [1, 2, 3].map(|user| [user.into()]);
        world.on("select userId from IMGroupMember", rows(["userId"], &before));
        let code = refused_as(&world, CHANGE, &change(1, kind, &ids));
        assert_eq!(code, RefusedCode::RefusedUnavailable, "{at}");
        let log = world.log();
        assert!(!log.iter().any(|l| l.starts_with("HSET") || l.starts_with("HDEL")), "{log:#?}");
    }
    let code = refused_as(&Fake::default(), CHANGE, &change(1, Add, &[9]));
    assert_eq!(code, RefusedCode::RefusedNotAllowed, "no such group");
}

/// With a floor of its own a group's first message makes no row; an old group's does.
#[test]
fn a_join_of_a_group_without_a_floor_hides_its_latest_message() {
    let world = group_1();
    world.on("select msgId from IMGroupMessage_1", rows(["msgId"], &[[12.into()]]));
    let _: ImGroupChangeMemberRsp = ask(&world, CHANGE, &change(2, GroupModifyType::Add, &[6]));
    let hidden = world.log().into_iter().find(|l| l.contains("TTMember")).unwrap();
    assert!(hidden.contains("(6,1,12)"), "{hidden}");
    let world = of_member();
    world.on("greatest(lastId+1, 1)", raised_to(8));
    let reply: ImMsgData = ask(&world, command::MSG_DATA, &message(TOKEN));
    assert_eq!(reply.msg_id, 8);
}
