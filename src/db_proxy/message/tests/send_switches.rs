//! 0301 under the switches of `hardened`, each on and off, against scripted stores.

use crate::{
    catalogue::id as command,
    db_proxy::testing::{Fake, answer, id, lost, raised_to, refused, rows, text},
    fact::Fact,
    protocol::Protocol,
    store::{cache::CacheError, sql::Outcome},
    wire::{
        Pdu,
        attach::Attach,
        im::message::ImMsgData,
        tt::extension::{Refused, RefusedCode},
    },
};
use bytes::Bytes;

const TOKEN: [u8; 16] = *b"installationcntr";
const OWN: &str = "from IMRecentSession where userId=1 and peerId=2 and type=1 and status=0";
const PEER: &str = "from IMRecentSession where userId=2 and peerId=1 and type=1 and status=0";

pub(super) fn message(token: Option<&'static [u8]>) -> ImMsgData {
    ImMsgData { send_token: token.map(Bytes::from_static), ..text() }
}

fn send(world: &Fake, protocol: Protocol, token: Option<&'static [u8]>) -> Pdu {
    let request = Pdu::new(command::MSG_DATA, 7, &message(token));
    answer(&mut world.context(protocol), &request).unwrap()
}

fn sent(world: &Fake, protocol: Protocol) -> u32 {
    send(world, protocol, Some(&TOKEN)).view::<ImMsgData>().unwrap().msg_id
}

fn refusal(pdu: &Pdu) -> (RefusedCode, u32) {
    assert_eq!((pdu.command(), pdu.header.seq_num), (command::OTHER_REFUSED, 7));
    let refused: Refused = pdu.view().unwrap();
    assert_eq!((refused.user_id, refused.command_id), (1, u32::from(command::MSG_DATA)));
    assert_eq!(refused.attach_data, Some(Attach::handle(3).encode()));
    (refused.code(), refused.user_id)
}

fn without(switch: &str) -> Protocol {
    let mut protocol = Protocol::hardened();
    assert!(protocol.set(switch, false));
    protocol
}

fn only(switches: &[&str]) -> Protocol {
    let mut protocol = Protocol::teamtalk();
    switches.iter().for_each(|switch| assert!(protocol.set(switch, true)));
    protocol
}

const PAIR: &str = "select id,userId from IMRecentSession";

/// Users 1 and 2 who have talked before, in relation 9.
fn known_pair(world: &Fake) {
    world.on(PAIR, rows(["id", "userId"], &[[12.into(), 2.into()], [11.into(), 1.into()]]));
    world.on(OWN, id(11)).on(PEER, id(12));
    world.on("select relateId", rows(["relateId"], &[[9.into()]]));
    world.on("from IMRelationShip where smallId=1 and bigId=2 and status = 0", id(9));
    world.on("select userId from TTRead", rows(["userId"], &[[1.into()], [2.into()]]));
}

/// User 1 has no live session with user 2, who has one.
fn peer_only(world: &Fake) {
    world.on(PAIR, rows(["id", "userId"], &[[12.into(), 2.into()]])).on(PEER, id(12));
    world.on("select relateId", rows(["relateId"], &[[9.into()]]));
}

#[test]
fn the_first_hardened_send_of_a_process_takes_ten_commands_where_the_original_takes_eight() {
    let world = Fake::default();
    known_pair(&world);
    assert_eq!(sent(&world, Protocol::hardened()), 1);
    assert_eq!(
        world.log(),
        [
            "S select id,userId from IMRecentSession where (userId=1 and peerId=2 or userId=2 and peerId=1) and type=1 and status=0",
            "M select relateId from TTRelation where smallId=1 and bigId=2",
            "M select userId from TTRead where userId=1 and peerId=2 and type=1 or userId=2 and peerId=1 and type=1",
            "INCRBY msg_id_9 1",
            "M BEGIN",
            "M insert into TTSend (`fromId`,`token`,`type`,`relateId`,`msgId`,`created`) values(1,'installationcntr',1,9,1,1000)",
            "M update TTRelation force index (primary) set lastId=LAST_INSERT_ID(greatest(lastId+1, 1)) where smallId=1 and bigId=2 and relateId=9",
            "M insert into IMMessage_1 (`relateId`, `fromId`, `toId`, `msgId`, `content`, `status`, `type`, `created`, `updated`) values(9, 1, 2, 1, 'text', 0, 1, 990, 990)",
            "M update IMRecentSession set `updated`=1000, `status`=0 where id in (11,12)",
            "M COMMIT",
        ]
    );
    assert!(matches!(
        world.facts()[..],
        [Fact::MsgIdIssued { msg_id: 1, .. }, Fact::Stored { relation: 9, msg_id: 1, .. }]
    ));
}

#[test]
fn the_floor_of_the_store_wins_over_a_redis_that_lost_writes() {
    let world = Fake::default();
    known_pair(&world);
    world.on("greatest(lastId+1, 1)", raised_to(41));
    assert_eq!(sent(&world, Protocol::hardened()), 41);
    let log = world.log();
    assert!(log.contains(
        &"M update TTSend set msgId=41 where fromId=1 and token='installationcntr'".to_string()
    ));
    assert!(log.iter().any(|l| l.contains("values(9, 1, 2, 41,")), "{log:#?}");
    assert!(log.contains(&"SET msg_id_9 41".to_string()));
    assert!(matches!(
        world.facts()[..],
        [
            Fact::MsgIdIssued { msg_id: 1, .. },
            Fact::Stored { msg_id: 41, .. },
            Fact::IdFloorRaised { msg_id: 41, relation: 9, .. }
        ]
    ));
}

/// How often a process asks for a relation in `sends` sends of user 1 to user 2.
fn asks_for_the_relation(world: &Fake, protocol: Protocol, sends: u32) -> usize {
    let mut cx = world.context(protocol);
    for _ in 0..sends {
        known_pair(world);
        answer(&mut cx, &Pdu::new(command::MSG_DATA, 7, &message(None))).unwrap();
    }
    world.log().iter().filter(|l| l.contains("select relateId from TTRelation")).count()
}

#[test]
fn a_relation_is_asked_for_once_a_process_if_the_floor_notices_that_it_is_gone() {
    assert_eq!(asks_for_the_relation(&Fake::default(), Protocol::hardened(), 3), 1);
    assert_eq!(asks_for_the_relation(&Fake::default(), without("id-floor-from-store"), 3), 3);
    let world = Fake::default();
    let gone = Outcome::default();
    world.on("and relateId=9", raised_to(1)).on("and relateId=9", Ok(gone));
    assert_eq!(asks_for_the_relation(&world, Protocol::hardened(), 3), 2);
}

#[test]
fn no_floor_without_its_switch_or_without_single_relation() {
    for switch in ["id-floor-from-store", "single-relation"] {
        let world = Fake::default();
        known_pair(&world);
        assert_eq!(sent(&world, without(switch)), 1);
        assert!(!world.log().iter().any(|l| l.contains("greatest")), "{switch}");
    }
}

#[test]
fn an_adopted_relation_keeps_its_old_messages_under_the_floor() {
    let world = Fake::default();
    world.on("order by status, id desc limit 1", id(9));
    world.on("order by msgId desc limit 1", rows(["msgId"], &[[40.into()]]));
    sent(&world, Protocol::hardened());
    let log = world.log();
    let floor =
        "M update TTRelation force index (primary) set lastId=40 where smallId=1 and bigId=2"
            .to_string();
    assert!(log.contains(&floor), "{log:#?}");
    let world = Fake::default();
    world.on("order by status, id desc limit 1", id(9));
    sent(&world, without("id-floor-from-store"));
    assert!(!world.log().iter().any(|l| l.contains("lastId")));
}

#[test]
fn a_repeated_send_is_answered_with_its_first_msg_id() {
    let world = Fake::default();
    known_pair(&world);
    world.on("insert into TTSend", refused(1062));
    let first = [1.into(), 9.into(), 33.into()];
    world.on("from TTSend", rows(["type", "relateId", "msgId"], &[first]));
    assert_eq!(sent(&world, Protocol::hardened()), 33);
    let log = world.log();
    assert!(log.contains(&"M ROLLBACK".to_string()));
    assert!(!log.iter().any(|l| l.contains("into IMMessage")), "{log:#?}");
    assert!(!log.iter().any(|l| l.contains("where id in (11,12)")), "the first one did that");
    assert!(matches!(
        world.facts()[..],
        [Fact::MsgIdIssued { .. }, Fact::RepeatAnswered { msg_id: 33, relation: 9, from: 1, .. }]
    ));
    // Without unread-from-store a repeat is not counted again either.
    let world = Fake::default();
    known_pair(&world);
    world.on("insert into TTSend", refused(1062));
    world
        .on("from TTSend", rows(["type", "relateId", "msgId"], &[[1.into(), 9.into(), 33.into()]]));
    assert_eq!(sent(&world, without("unread-from-store")), 33);
    assert!(!world.log().iter().any(|l| l.starts_with("HINCRBY")));
}

#[test]
fn a_send_without_a_token_or_without_the_switch_takes_no_row_of_ttsend() {
    for (protocol, token) in [
        (Protocol::hardened(), None),
        (without("idempotent-send"), Some(&TOKEN[..])),
        (without("idempotent-send"), Some(&b"short"[..])),
    ] {
        let world = Fake::default();
        known_pair(&world);
        send(&world, protocol, token);
        let log = world.log();
        assert!(!log.iter().any(|l| l.contains("TTSend")));
        assert_eq!((&*log[4], &*log[log.len() - 1]), ("M BEGIN", "M COMMIT"));
    }
}

#[test]
fn a_token_of_another_shape_or_conversation_is_refused() {
    let world = Fake::default();
    let pdu = send(&world, Protocol::hardened(), Some(b"short"));
    assert_eq!(refusal(&pdu).0, RefusedCode::RefusedMalformed);
    assert!(world.log().is_empty());
    for (kind, relation) in [(1, 8), (2, 9)] {
        let world = Fake::default();
        known_pair(&world);
        world.on("insert into TTSend", refused(1062));
        let other = [kind.into(), relation.into(), 33.into()];
        world.on("from TTSend", rows(["type", "relateId", "msgId"], &[other]));
        let pdu = send(&world, Protocol::hardened(), Some(&TOKEN));
        assert_eq!(refusal(&pdu).0, RefusedCode::RefusedMalformed);
    }
}

#[test]
fn an_unknown_outcome_is_unavailable_and_is_not_tried_again() {
    for at in ["BEGIN", "insert into TTSend", "greatest", "insert into IMMessage_1", "COMMIT"] {
        let world = Fake::default();
        known_pair(&world);
        world.on(at, lost());
        let pdu = send(&world, Protocol::hardened(), Some(&TOKEN));
        assert_eq!(refusal(&pdu).0, RefusedCode::RefusedUnavailable, "{at}");
        let log = world.log();
        assert!(log.last().unwrap().contains(at), "{log:#?}");
        assert!(matches!(world.facts()[..], [_, Fact::StoreFailed { .. }]));
    }
    // COMMIT answered with an error, whichever: the transaction may still be open.
    for code in [1213, 1062, 1406] {
        let world = Fake::default();
        known_pair(&world);
        world.on("COMMIT", refused(code));
        let pdu = send(&world, Protocol::hardened(), Some(&TOKEN));
        assert_eq!(refusal(&pdu).0, RefusedCode::RefusedUnavailable);
        let log = world.log();
        assert_eq!(log.iter().filter(|l| *l == "M BEGIN").count(), 1);
        assert_eq!(log.last().unwrap(), "M ROLLBACK");
    }
}

#[test]
fn a_lost_lock_is_tried_once_more_at_once() {
    for code in [1213, 1205, 1020] {
        let world = Fake::default();
        known_pair(&world);
        world.on("greatest", refused(code));
        assert_eq!(sent(&world, Protocol::hardened()), 1);
        let log = world.log();
        assert_eq!(log.iter().filter(|l| *l == "M BEGIN").count(), 2, "{log:#?}");
        assert_eq!(log.iter().filter(|l| l.starts_with("INCRBY")).count(), 1);
    }
}

#[test]
fn a_lost_lock_is_tried_five_times_more_and_then_the_send_is_refused() {
    for (lost, is_stored) in [(5, true), (6, false)] {
        let world = Fake::default();
        known_pair(&world);
        (0..lost).for_each(|_| _ = world.on("greatest", refused(1020)));
        let pdu = send(&world, Protocol::hardened(), Some(&TOKEN));
        assert_eq!(pdu.command() == command::MSG_DATA, is_stored, "{lost} times");
        let begun = world.log().iter().filter(|l| *l == "M BEGIN").count();
        assert_eq!(begun, 6);
    }
}

#[test]
fn content_that_can_not_be_stored_is_refused_for_good() {
    for code in [1406, 1366] {
        let world = Fake::default();
        known_pair(&world);
        world.on("insert into IMMessage_1", refused(code));
        let pdu = send(&world, Protocol::hardened(), Some(&TOKEN));
        assert_eq!(refusal(&pdu).0, RefusedCode::RefusedNotStored);
        assert_eq!(world.log().last().unwrap(), "M ROLLBACK");
    }
}

#[test]
fn without_answered_refusals_a_failure_is_msg_id_0() {
    let world = Fake::default();
    known_pair(&world);
    world.on("COMMIT", lost());
    assert_eq!(sent(&world, without("answered-refusals")), 0);
    let world = Fake::default();
    known_pair(&world);
    world.redis(Some(CacheError::Unreachable("scripted".into())));
    assert_eq!(sent(&world, without("answered-refusals")), 0);
}

#[test]
fn without_ack_after_store_the_outcome_of_the_transaction_does_not_show() {
    let protocol = without("ack-after-store");
    for at in ["insert into TTSend", "insert into IMMessage_1", "COMMIT"] {
        let world = Fake::default();
        known_pair(&world);
        world.on(at, lost());
        assert_eq!(sent(&world, protocol), 1, "{at}");
    }
    let world = Fake::default();
    known_pair(&world);
    world.redis(Some(CacheError::Unreachable("scripted".into())));
    world.on("insert into TTSend", refused(1264));
    assert_eq!(sent(&world, protocol), u32::MAX);
    let log = world.log();
    assert!(!log.iter().any(|l| l.contains("greatest")), "no floor under what is not stored");
    let world = Fake::default();
    known_pair(&world);
    world.redis(Some(CacheError::Unreachable("scripted".into())));
    world.on("insert into IMMessage_1", refused(1264));
    let pdu = send(&world, protocol, None);
    assert_eq!(pdu.view::<ImMsgData>().unwrap().msg_id, u32::MAX);
    assert!(!world.log().iter().any(|l| l.contains("greatest")));
    let world = Fake::default();
    known_pair(&world);
    world.redis(Some(CacheError::Server("OOM".into())));
    let pdu = send(&world, protocol, Some(&TOKEN));
    assert_eq!(refusal(&pdu).0, RefusedCode::RefusedUnavailable, "where the original says 0");
}

#[test]
fn single_session_claims_the_session_in_one_transaction() {
    let world = Fake::default();
    peer_only(&world);
    world.on("insert into TTSession", Ok(Default::default()));
    assert_eq!(sent(&world, Protocol::hardened()), 1);
    assert_eq!(
        world.log()[1..8],
        [
            "M select sessionId from TTSession where userId=1 and peerId=2 and type=1",
            "M BEGIN",
            "M insert into TTSession (`userId`,`peerId`,`type`,`sessionId`) values(1,2,1,0)",
            "M select id from IMRecentSession where userId=1 and peerId=2 and type=1 order by status, id limit 1",
            "M insert into IMRecentSession (`userId`,`peerId`,`type`,`status`,`created`,`updated`) values(1,2,1,0,1000,1000)",
            "M update TTSession set sessionId=1 where userId=1 and peerId=2 and type=1",
            "M COMMIT",
        ]
    );
}

#[test]
fn single_session_revives_and_adopts() {
    // Known to TTSession.
    let world = Fake::default();
    peer_only(&world);
    world.on("select sessionId", rows(["sessionId"], &[[11.into()]]));
    assert_eq!(sent(&world, Protocol::hardened()), 1);
    let log = world.log();
    assert_eq!(log[2], "M update IMRecentSession set status=0, updated=1000 where id=11");
    assert!(log.iter().any(|l| l.ends_with("`status`=0 where id in (11,12)")), "{log:#?}");
    // Only in the old table.
    let world = Fake::default();
    peer_only(&world);
    world.on("order by status, id limit 1", id(11));
    assert_eq!(sent(&world, Protocol::hardened()), 1);
    let log = world.log();
    assert_eq!(log[5], "M update IMRecentSession set status=0, updated=1000 where id=11");
    assert_eq!(
        log[6],
        "M update TTSession set sessionId=11 where userId=1 and peerId=2 and type=1"
    );
}

#[test]
fn single_session_reads_again_after_a_duplicate_and_fails_on_any_other_error() {
    let world = Fake::default();
    peer_only(&world);
    world.on("select sessionId", rows(["sessionId"], &[]));
    world.on("select sessionId", rows(["sessionId"], &[[11.into()]]));
    world.on("insert into TTSession", refused(1062));
    assert_eq!(sent(&world, Protocol::hardened()), 1);
    let log = world.log();
    assert!(log.contains(&"M ROLLBACK".to_string()));
    assert!(log.iter().any(|l| l.ends_with("`status`=0 where id in (11,12)")), "{log:#?}");

    let world = Fake::default();
    peer_only(&world);
    world.on("COMMIT", lost());
    let pdu = send(&world, Protocol::hardened(), Some(&TOKEN));
    assert_eq!(refusal(&pdu).0, RefusedCode::RefusedUnavailable);
    assert_eq!(world.log().last().unwrap(), "M COMMIT");
}

#[test]
fn without_single_session_the_session_is_added_as_the_original_does() {
    let world = Fake::default();
    peer_only(&world);
    assert_eq!(sent(&world, without("single-session")), 1);
    let log = world.log();
    assert!(!log.iter().any(|l| l.contains("TTSession")));
    assert!(log[1].starts_with("S select id from IMRecentSession"));
    assert!(log.last().unwrap().ends_with("set `updated`=1000 where id=12"));
}

#[test]
fn single_session_alone_touches_both_sessions() {
    let world = Fake::default();
    assert_eq!(sent(&world, only(&["single-session"])), 1);
    let log = world.log();
    let touched = "M update IMRecentSession set `updated`=1000, `status`=0 where id in (2,4)";
    assert_eq!(log[log.len() - 3..], [touched, "M COMMIT", "HINCRBY unread_2 1 1"]);
}

#[test]
fn each_switch_works_alone() {
    for switch in crate::protocol::SWITCHES {
        let world = Fake::default();
        world.on(OWN, id(11)).on(PEER, id(12));
        world.on("from IMRelationShip where smallId=1 and bigId=2 and status = 0", id(9));
        world.on("order by status, id desc limit 1", id(9));
        assert_eq!(sent(&world, only(&[switch.name])), 1, "{}", switch.name);
        let world = Fake::default();
        known_pair(&world);
        assert_eq!(sent(&world, without(switch.name)), 1, "{}", switch.name);
    }
}
