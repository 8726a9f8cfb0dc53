//! 0301 against scripted stores: golden 03, 04 and 48, the warts, and the switches.

use crate::{
    catalogue::id as command,
    db_proxy::testing::{Fake, id, lost, refused, rows, serve, text},
    fact::Fact,
    protocol::Protocol,
    store::cache::CacheError,
    wire::{Pdu, im::message::ImMsgData},
};
use bytes::Bytes;

const OWN: &str = "from IMRecentSession where userId=1 and peerId=2 and type=1 and status=0";
const PEER: &str = "from IMRecentSession where userId=2 and peerId=1 and type=1 and status=0";
const RELATION: &str = "from IMRelationShip where smallId=1 and bigId=2 and status = 0";

fn message(from: u32, to: u32) -> ImMsgData {
    let attach_data = Some(Bytes::from_static(b"attach"));
    ImMsgData { from_user_id: from, to_session_id: to, attach_data, ..text() }
}

fn request(from: u32, to: u32) -> Pdu {
    Pdu::new(command::MSG_DATA, 7, &message(from, to))
}

fn acked(world: &Fake, protocol: Protocol) -> u32 {
    let reply = serve(&mut world.context(protocol), &request(1, 2)).unwrap();
    assert_eq!((reply.command(), reply.header.seq_num), (command::MSG_DATA, 7));
    reply.view::<ImMsgData>().unwrap().msg_id
}

fn known_pair(world: &Fake) {
    world.on(OWN, id(11)).on(PEER, id(12)).on(RELATION, id(9));
}

fn strict() -> Protocol {
    Protocol { ack_after_store: true, ..Protocol::teamtalk() }
}

fn single() -> Protocol {
    Protocol { single_relation: true, ..strict() }
}

#[test]
fn first_message_of_a_pair_runs_golden_03() {
    let world = Fake::default();
    assert_eq!(acked(&world, Protocol::teamtalk()), 1);
    assert_eq!(
        world.log(),
        [
            "S select id from IMRecentSession where userId=1 and peerId=2 and type=1 and status=0",
            "S select id from IMRecentSession where userId=1 and peerId=2 and type=1",
            "M insert into IMRecentSession (`userId`,`peerId`,`type`,`status`,`created`,`updated`) values(1,2,1,0,1000,1000)",
            "S select id from IMRecentSession where userId=2 and peerId=1 and type=1 and status=0",
            "S select id from IMRecentSession where userId=2 and peerId=1 and type=1",
            "M insert into IMRecentSession (`userId`,`peerId`,`type`,`status`,`created`,`updated`) values(2,1,1,0,1000,1000)",
            "S select id from IMRelationShip where smallId=1 and bigId=2 and status = 0",
            "M select id from IMRelationShip where smallId=1 and bigId=2",
            "M insert into IMRelationShip (`smallId`,`bigId`,`status`,`created`,`updated`) values(1,2,0,1000,1000)",
            "SET msg_id_3 0",
            "INCRBY msg_id_3 1",
            "M insert into IMMessage_3 (`relateId`, `fromId`, `toId`, `msgId`, `content`, `status`, `type`, `created`, `updated`) values(3, 1, 2, 1, 'text', 0, 1, 990, 990)",
            "HINCRBY unread_2 1 1",
            "M update IMRecentSession set `updated`=1000 where id=2",
            "M update IMRecentSession set `updated`=1000 where id=0",
        ]
    );
}

#[test]
fn later_messages_run_golden_04() {
    let world = Fake::default();
    known_pair(&world);
    assert_eq!(acked(&world, Protocol::teamtalk()), 1);
    let log = world.log();
    assert_eq!(log.len(), 8, "{log:#?}");
    assert_eq!(log[3], "INCRBY msg_id_9 1");
    assert!(log[4].starts_with("M insert into IMMessage_1 "), "9 mod 8: {}", log[4]);
    assert_eq!(log[6], "M update IMRecentSession set `updated`=1000 where id=11");
    assert_eq!(log[7], "M update IMRecentSession set `updated`=1000 where id=12");
    assert!(matches!(
        world.facts()[..],
        [Fact::MsgIdIssued { relation: 9, msg_id: 1, .. }, Fact::Stored { from: 1, .. }]
    ));
}

#[test]
fn a_removed_session_is_revived_unless_no_row_changes() {
    let removed = "select id from IMRecentSession where userId=1 and peerId=2 and type=1";
    let world = Fake::default();
    world.on(OWN, rows(["id"], &[])).on(PEER, id(12)).on(RELATION, id(9)).on(removed, id(11));
    assert_eq!(acked(&world, Protocol::teamtalk()), 1);
    assert_eq!(world.log()[2], "M update IMRecentSession set status=0, updated=1000 where id=11");

    for (protocol, expected) in [(Protocol::teamtalk(), 0), (strict(), 1)] {
        let world = Fake::default();
        world.on(OWN, rows(["id"], &[])).on(PEER, id(12)).on(RELATION, id(9));
        world.on(removed, id(11)).on("set status=0", Ok(Default::default()));
        assert_eq!(acked(&world, protocol), expected);
    }
}

#[test]
fn a_failed_own_session_is_hidden_by_a_good_peer_session_but_not_when_strict() {
    for (protocol, expected) in [(Protocol::teamtalk(), 1), (strict(), 0)] {
        let world = Fake::default();
        world.on("values(1,2,1,0", refused(1205));
        assert_eq!(acked(&world, protocol), expected);
        let world = Fake::default();
        world.on("values(2,1,1,0", refused(1205));
        assert_eq!(acked(&world, protocol), 0, "a failed peer session");
    }
}

#[test]
fn a_failed_insert_is_acked_by_the_original_only() {
    for answer in [refused(1406), lost()] {
        for (protocol, expected) in [(Protocol::teamtalk(), 1), (strict(), 0)] {
            let world = Fake::default();
            known_pair(&world);
            world.on("insert into IMMessage_1", answer.clone());
            assert_eq!(acked(&world, protocol), expected);
            let log = world.log();
            assert!(!log.iter().any(|l| l.starts_with("HINCRBY")), "not stored, not counted");
            let touched = log.iter().filter(|l| l.contains("set `updated`")).count();
            assert_eq!(touched, if expected == 1 { 2 } else { 0 });
            assert!(matches!(world.facts()[..], [_, Fact::StoreFailed { msg_id: 1, .. }]));
        }
    }
}

#[test]
fn redis_away_acks_4294967295_and_a_redis_error_0() {
    let away = CacheError::Unreachable("scripted".into());
    let timeout = CacheError::Lost("scripted".into());
    let error = CacheError::Server("OOM".into());
    for (down, original) in [(away, u32::MAX), (timeout, u32::MAX), (error, 0)] {
        for (protocol, expected) in [(Protocol::teamtalk(), original), (strict(), 0)] {
            let world = Fake::default();
            known_pair(&world);
            world.redis(Some(down.clone()));
            // What a server in strict mode says to -1 in an unsigned column.
            world.on("values(9, 1, 2, -1,", refused(1264));
            assert_eq!(acked(&world, protocol), expected);
            assert!(!world.facts().iter().any(|f| matches!(f, Fact::Stored { .. })));
            let inserts = world.log().iter().filter(|l| l.contains("into IMMessage")).count();
            assert_eq!(inserts, usize::from(expected == u32::MAX));
        }
    }
}

#[test]
fn a_failed_select_counts_as_no_rows_but_not_when_strict() {
    let world = Fake::default();
    world.on(OWN, lost());
    assert_eq!(acked(&world, Protocol::teamtalk()), 1);
    let world = Fake::default();
    world.on(OWN, lost());
    assert_eq!(acked(&world, strict()), 0);
    assert_eq!(world.log().len(), 1);
}

#[test]
fn self_and_user_0_get_msg_id_0() {
    let world = Fake::default();
    let mut cx = world.context(Protocol::teamtalk());
    let reply = serve(&mut cx, &request(5, 5)).unwrap();
    assert_eq!(reply.view::<ImMsgData>().unwrap().msg_id, 0);
    assert!(world.log().is_empty());
    let reply = serve(&mut cx, &request(0, 5)).unwrap();
    assert_eq!(reply.view::<ImMsgData>().unwrap().msg_id, 0);
    let log = world.log();
    assert_eq!(log.iter().filter(|l| l.contains("insert into IMRecentSession")).count(), 2);
    assert!(!log.iter().any(|l| l.contains("IMRelationShip")), "user 0 has no relation");
}

#[test]
fn empty_data_is_not_answered() {
    let world = Fake::default();
    let message = ImMsgData { msg_data: Bytes::new(), ..message(1, 2) };
    let request = Pdu::new(command::MSG_DATA, 7, &message);
    assert!(serve(&mut world.context(Protocol::teamtalk()), &request).is_err());
    assert!(world.log().is_empty());
}

#[test]
fn unknown_fields_survive_and_attach_is_always_there() {
    let world = Fake::default();
    known_pair(&world);
    let bare = ImMsgData { attach_data: None, ..message(1, 2) };
    let mut body = prost::Message::encode_to_vec(&bare);
    body.extend([0xf8, 0x07, 0x05]); // field 127, varint 5
    let request = Pdu::raw(command::MSG_DATA, 7, body.into());
    let reply = serve(&mut world.context(Protocol::teamtalk()), &request).unwrap();
    assert!(reply.body.windows(3).any(|w| w == [0xf8, 0x07, 0x05]));
    assert_eq!(reply.view::<ImMsgData>().unwrap().attach_data, Some(Bytes::new()));
}

#[test]
fn single_relation_claims_the_pair_in_one_transaction_without_a_counter_reset() {
    let world = Fake::default();
    world.on(OWN, id(11)).on(PEER, id(12));
    world.on("insert into TTRelation", Ok(Default::default()));
    assert_eq!(acked(&world, single()), 1);
    assert_eq!(
        world.log()[2..9],
        [
            "M select relateId from TTRelation where smallId=1 and bigId=2",
            "M BEGIN",
            "M insert into TTRelation (`smallId`,`bigId`,`relateId`) values(1,2,0)",
            "M select id from IMRelationShip where smallId=1 and bigId=2 order by status, id desc limit 1",
            "M insert into IMRelationShip (`smallId`,`bigId`,`status`,`created`,`updated`) values(1,2,0,1000,1000)",
            "M update TTRelation force index (primary) set relateId=1 where smallId=1 and bigId=2",
            "M COMMIT",
        ]
    );
}

#[test]
fn single_relation_adopts_an_old_relation() {
    let world = Fake::default();
    world.on(OWN, id(11)).on(PEER, id(12)).on("order by status, id desc limit 1", id(5));
    assert_eq!(acked(&world, single()), 1);
    let log = world.log();
    assert!(!log.iter().any(|l| l.contains("insert into IMRelationShip")));
    assert!(log.iter().any(|l| l.starts_with("M insert into IMMessage_5")), "{log:#?}");
}

#[test]
fn single_relation_reads_again_after_a_duplicate() {
    let world = Fake::default();
    world.on(OWN, id(11)).on(PEER, id(12));
    world.on("select relateId", rows(["relateId"], &[]));
    world.on("select relateId", rows(["relateId"], &[[8.into()]]));
    world.on("insert into TTRelation", refused(1062));
    assert_eq!(acked(&world, single()), 1);
    let log = world.log();
    assert!(log.contains(&"M ROLLBACK".to_string()));
    assert!(log.contains(&"INCRBY msg_id_8 1".to_string()), "{log:#?}");
}

#[test]
fn single_relation_fails_the_request_on_any_other_error() {
    let world = Fake::default();
    world.on(OWN, id(11)).on(PEER, id(12)).on("COMMIT", lost());
    assert_eq!(acked(&world, single()), 0);
    let log = world.log();
    assert_eq!(log.last().map(String::as_str), Some("M COMMIT"), "the connection is gone");

    let world = Fake::default();
    world.on(OWN, id(11)).on(PEER, id(12)).on("insert into TTRelation", refused(1146));
    assert_eq!(acked(&world, single()), 0);
    assert_eq!(world.log().last().map(String::as_str), Some("M ROLLBACK"));
}
