//! What was not read before `unread-from-store` was turned on, against scripted stores.

use super::send_switches::message;
use crate::{
    catalogue::id as command,
    db_proxy::testing::{Fake, answer, lost, refused, rows},
    protocol::Protocol,
    store::{
        cache::CacheError,
        sql::{Outcome, SqlError, Value},
    },
    wire::{
        Pdu,
        attach::Attach,
        im::{
            base_define::MsgType,
            message::{ImMsgData, ImUnreadMsgCntReq, ImUnreadMsgCntRsp},
        },
    },
};

fn numbers<const N: usize>(columns: [&str; N], row: [u32; N]) -> Result<Outcome, SqlError> {
    rows(columns, &[row.map(Value::from)])
}

/// The counts of user 2, by peer or group.
fn counts(world: &Fake) -> Vec<(u32, u32)> {
    let asked = ImUnreadMsgCntReq { user_id: 2, attach_data: Some(Attach::handle(3).encode()) };
    let asked = Pdu::new(command::MSG_UNREAD_CNT_REQUEST, 9, &asked);
    let reply = answer(&mut world.context(Protocol::hardened()), &asked).unwrap();
    let reply: ImUnreadMsgCntRsp = reply.view().unwrap();
    reply.unreadinfo_list.iter().map(|info| (info.session_id, info.unread_cnt)).collect()
}

#[test]
fn a_peer_without_a_row_has_what_the_old_counter_says() {
    let world = Fake::default();
    world.on("select peerId from IMRecentSession", rows(["peerId"], &[[1.into()], [3.into()]]));
    world.on("from TTRead", numbers(["peerId", "type", "msgId"], [3, 1, 5]));
    world.hash("unread_2", "1", "4");
    world.hash("unread_2", "3", "7");
    world.on("smallId=1 and bigId=2", numbers(["relateId"], [9]));
    world.on("smallId=2 and bigId=3", numbers(["relateId"], [8]));
    world.on("select count(*)", numbers(["unread"], [2]));
    let latest = || numbers(["msgId", "type", "fromId"], [6, 1, 1]);
    world.on("relateId= 9", latest()).on("relateId= 8", latest());
    assert_eq!(counts(&world), [(1, 4), (3, 2)], "the counter of user 3 is of before its row");
    let log = world.log();
    assert_eq!(log.iter().filter(|line| line.contains("count(*)")).count(), 1, "{log:#?}");
    // Nobody has a row or a counter: all was read.
    let world = Fake::default();
    world.on("select peerId from IMRecentSession", rows(["peerId"], &[[1.into()]]));
    world.on("smallId=1 and bigId=2", numbers(["relateId"], [9]));
    assert_eq!(counts(&world), []);
}

#[test]
fn a_member_without_a_row_has_what_the_old_counters_say() {
    let in_group_1 = |world: &Fake| {
        world.on("select groupId,updated", numbers(["groupId", "updated"], [1, 500]));
        world.hash("1_im_group_msg", "count", "9");
        world.hash("2_1_im_user_group", "count", "6");
        world.on("select msgId, type", numbers(["msgId", "type", "userId"], [11, 17, 3]));
    };
    let world = Fake::default();
    in_group_1(&world);
    assert_eq!(counts(&world), [(1, 3)]);
    // Who has a row has read up to it, whatever the counters say.
    let world = Fake::default();
    in_group_1(&world);
    world.on("from TTRead where userId=2", numbers(["peerId", "type", "msgId"], [1, 2, 10]));
    world.on("msgId>10", numbers(["unread"], [1]));
    assert_eq!(counts(&world), [(1, 1)]);
    // Who joined since the switch is on has read nothing that they may read.
    let world = Fake::default();
    in_group_1(&world);
    world.on("select groupId,sinceId", numbers(["groupId", "sinceId"], [1, 9]));
    world.on("msgId>0 and msgId>9", numbers(["unread"], [2]));
    assert_eq!(counts(&world), [(1, 2)]);
}

fn send(world: &Fake, message: &ImMsgData) -> (u16, Vec<String>) {
    let request = Pdu::new(command::MSG_DATA, 7, message);
    let mut cx = world.context(Protocol::hardened());
    let told = answer(&mut cx, &request).unwrap().command();
    let log = world.log();
    answer(&mut cx, &request).unwrap();
    let again = world.log();
    assert!(!again.iter().any(|line| line.contains("TTRead")), "once a process: {again:#?}");
    (told, log)
}

#[test]
fn the_first_message_of_a_pair_takes_their_counters_over() {
    let world = Fake::default();
    world.on("select relateId", numbers(["relateId"], [9]));
    world.on("select relateId", numbers(["relateId"], [9]));
    world.hash("unread_2", "1", "2");
    world.on("relateId=9 and fromId=1", numbers(["msgId"], [4]));
    world.on("relateId=9 and fromId=2", numbers(["msgId"], [7]));
    let (told, log) = send(&world, &message(None));
    assert_eq!(told, command::MSG_DATA);
    let at = log.iter().position(|line| line.contains("from TTRead")).expect("asked");
    assert_eq!(
        log[at + 1..at + 8],
        [
            "HGET unread_1 2",
            "M select msgId from IMMessage_1 where relateId=9 and fromId=2 and status=0 order by msgId desc limit 1 offset 0",
            "M insert into TTRead (`userId`,`peerId`,`type`,`msgId`) values(1,2,1,7) on duplicate key update msgId=greatest(msgId, values(msgId))",
            "HGET unread_2 1",
            "M select msgId from IMMessage_1 where relateId=9 and fromId=1 and status=0 order by msgId desc limit 1 offset 2",
            "M insert into TTRead (`userId`,`peerId`,`type`,`msgId`) values(2,1,1,4) on duplicate key update msgId=greatest(msgId, values(msgId))",
            "INCRBY msg_id_9 1",
        ]
    );
}

#[test]
fn nothing_is_stored_before_the_counters_are_taken_over() {
    for at in ["select userId from TTRead", "order by msgId desc limit 1 offset", "into TTRead"] {
        let world = Fake::default();
        world.on("select relateId", numbers(["relateId"], [9])).on(at, lost());
        let request = Pdu::new(command::MSG_DATA, 7, &message(None));
        let told = answer(&mut world.context(Protocol::hardened()), &request).unwrap();
        assert_eq!(told.command(), command::OTHER_REFUSED, "{at}");
        assert!(!world.log().iter().any(|line| line.contains("IMMessage_1 (")), "{at}");
    }
    let world = Fake::default();
    world.on("select relateId", numbers(["relateId"], [9]));
    world.redis(Some(CacheError::Unreachable("scripted".into())));
    let request = Pdu::new(command::MSG_DATA, 7, &message(None));
    let told = answer(&mut world.context(Protocol::hardened()), &request).unwrap();
    assert_eq!(told.command(), command::OTHER_REFUSED);
}

#[test]
fn a_new_pair_has_its_rows_with_its_relation() {
    let world = Fake::default();
    world.on("select userId from TTRead", rows(["userId"], &[[1.into()], [2.into()]]));
    let (told, log) = send(&world, &message(None));
    assert_eq!(told, command::MSG_DATA);
    let rows =
        "M insert ignore into TTRead (`userId`,`peerId`,`type`,`msgId`) values(1,2,1,0),(2,1,1,0)";
    let at = log.iter().position(|line| line == rows).expect("its rows");
    assert!(log[..at].iter().any(|line| line.contains("insert into TTRelation")), "{log:#?}");
    let done = log[at..].iter().position(|line| line == "M COMMIT");
    assert!(done.is_some_and(|done| done <= 2), "in the same transaction: {log:#?}");
    // Whoever waited for the lock of that transaction finds the relation.
    let world = Fake::default();
    world.on("insert into TTRelation", refused(1062));
    world.on("select relateId", Ok(Outcome::default()));
    world.on("select relateId", numbers(["relateId"], [9]));
    let (told, _) = send(&world, &message(None));
    assert_eq!(told, command::MSG_DATA);
}

#[test]
fn the_first_message_of_a_group_takes_the_counters_of_all_members_over() {
    let world = Fake::default();
    let members = [[4], [5], [6]].map(|user| user.map(Value::from));
    world.on("select userId from IMGroupMember", rows(["userId"], &members));
    for _ in 0..4 {
        world.on("from IMGroupMember", numbers(["id", "updated"], [4, 500]));
    }
    world.hash("1_im_group_msg", "count", "9");
    for (user, read) in [("4", "9"), ("5", "7"), ("6", "9")] {
        world.hash(&format!("{user}_1_im_user_group"), "count", read);
    }
    world.on(
        "userId<>4 and status=0 order by msgId desc limit 1 offset 0",
        numbers(["msgId"], [40]),
    );
    world.on(
        "userId<>5 and status=0 order by msgId desc limit 1 offset 2",
        numbers(["msgId"], [38]),
    );
    let msg_type = MsgType::GroupText as i32;
    let to_group = ImMsgData { to_session_id: 1, msg_type, ..message(None) };
    let (told, log) = send(&world, &to_group);
    assert_eq!(told, command::MSG_DATA);
    let draw = log.iter().position(|line| line == "INCRBY group_msg_id_1 1").expect("drawn");
    let written: Vec<_> = log[..draw].iter().filter(|line| line.contains("into TTRead")).collect();
    const TO: &str = "into TTRead (`userId`,`peerId`,`type`,`msgId`) values";
    const RAISED: &str = "on duplicate key update msgId=greatest(msgId, values(msgId))";
    assert_eq!(
        written,
        [
            &format!("M insert {TO}(4,1,2,40),(5,1,2,38),(6,1,2,0) {RAISED}"),
            &format!("M insert ignore {TO}(0,1,2,0)"),
        ]
    );
}
