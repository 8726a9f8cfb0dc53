//! What a hardened send asks SQL for, in how many round trips, and what a statement that rode
//! with others and failed means.

use super::send_switches::message;
use crate::{
    catalogue::id as command,
    db_proxy::{
        plumbing::context::Context,
        testing::{Fake, Test, answer, lost, ready, refused, rows},
    },
    protocol::Protocol,
    store::sql::{Server, Value},
    wire::{
        Pdu,
        attach::Attach,
        im::{
            base_define::SessionType,
            buddy::ImRemoveSessionReq,
            message::{ImMsgData, ImUnreadMsgCntReq},
        },
    },
};
use bytes::Bytes;

const TOUCH: &str = "M update IMRecentSession set `updated`=1000, `status`=0 where id in (11,12)";

/// The `nth` send of user 1 to user 2.
fn send(cx: &mut Context<Test>, nth: u8) -> Pdu {
    let token = Some(Bytes::copy_from_slice(&[nth; 16]));
    let message = ImMsgData { send_token: token, ..message(None) };
    answer(cx, &Pdu::new(command::MSG_DATA, 7, &message)).unwrap()
}

/// A process that has stored one message of users 1 and 2: sessions 11 and 12, relation 9.
fn after_the_first(world: &Fake) -> Context<Test> {
    let sessions = [[11.into(), 1.into()], [12.into(), 2.into()]];
    world.on("select id,userId from IMRecentSession", rows(["id", "userId"], &sessions));
    world.on("select relateId from TTRelation", rows(["relateId"], &[[9.into()]]));
    let mut cx = world.context(Protocol::hardened());
    assert_eq!(send(&mut cx, 1).command(), command::MSG_DATA);
    world.log();
    world.trips();
    cx
}

#[test]
fn what_never_changes_is_asked_for_once() {
    let world = Fake::default();
    let mut cx = after_the_first(&world);
    assert_eq!(send(&mut cx, 2).command(), command::MSG_DATA);
    let log = world.log();
    assert!(!log.iter().any(|l| l.contains("select")), "{log:#?}");
    assert_eq!(log[log.len() - 2..], [TOUCH, "M COMMIT"], "a removed session is live again");
}

#[test]
fn a_send_is_two_round_trips() {
    let world = Fake::default();
    let mut cx = after_the_first(&world);
    send(&mut cx, 2);
    // BEGIN, the token and the floor; the message, its sessions and COMMIT.
    assert_eq!((world.log().len(), world.trips()), (7, 2), "with INCRBY");
}

#[test]
fn a_statement_that_failed_on_its_way_to_commit_is_no_unknown_outcome() {
    for at in ["insert into IMMessage_1", "`status`=0 where id in"] {
        let world = Fake::default();
        let mut cx = after_the_first(&world);
        world.on(at, refused(1213));
        assert_eq!(send(&mut cx, 2).command(), command::MSG_DATA, "tried once more");
        let log = world.log();
        let count = |what: &str| log.iter().filter(|l| *l == what).count();
        assert_eq!((count("M BEGIN"), count("M ROLLBACK"), count("M COMMIT")), (2, 1, 1));

        world.on(at, lost());
        assert_eq!(send(&mut cx, 3).command(), command::OTHER_REFUSED);
        let log = world.log();
        assert!(log.last().unwrap().contains(at), "no COMMIT: {log:#?}");
    }
}

#[test]
fn a_statement_that_is_alone_and_lost_a_lock_is_run_again() {
    const TEXT: &str = "update IMGroup set lastChated=1 where id=1";
    for (protocol, runs) in [(Protocol::hardened(), 2), (Protocol::teamtalk(), 1)] {
        for (code, runs) in [(1213, runs), (1205, runs), (1020, runs), (1406, 1)] {
            let world = Fake::default();
            world.on(TEXT, refused(code));
            let done = ready(world.context(protocol).execute(Server::Primary, TEXT, &[]));
            assert_eq!(done.is_ok(), runs == 2, "{code}");
            assert_eq!(world.log().len(), runs, "{code}");
        }
    }
}

#[test]
fn after_a_failure_and_a_removal_the_sessions_are_looked_for_again() {
    let world = Fake::default();
    let mut cx = after_the_first(&world);
    world.on("insert into IMMessage_1", refused(1406));
    assert_eq!(send(&mut cx, 2).command(), command::OTHER_REFUSED);
    world.log();
    send(&mut cx, 3);
    let looked = |log: &[String]| log.iter().any(|l| l.starts_with("S select id,userId"));
    assert!(looked(&world.log()));

    let mut cx = after_the_first(&world);
    let removal = ImRemoveSessionReq {
        user_id: 1,
        session_type: SessionType::Single as i32,
        session_id: 2,
        attach_data: Some(Attach::handle(3).encode()),
    };
    world.on("select id,status from IMRecentSession", rows(["id"], &[[11.into()]]));
    answer(&mut cx, &Pdu::new(command::BUDDY_LIST_REMOVE_SESSION_REQ, 8, &removal)).unwrap();
    world.log();
    send(&mut cx, 2);
    assert!(looked(&world.log()));
}

/// Seeds 20127 and 400131 of `hardened`: a user who had written to some forty people had no answer in the time
/// that anybody waits for one, as each count was a round trip.
#[test]
fn unread_counts_take_as_many_round_trips_for_many_sessions_as_for_few() {
    let trips = |peers: u32| {
        let world = Fake::default();
        let sessions: Vec<[Value; 1]> = (1..=peers).map(|peer| [(100 + peer).into()]).collect();
        world.on("select peerId from IMRecentSession", rows(["peerId"], &sessions));
        let known = |peer| [2, 100 + peer, peer, 9].map(Value::from);
        let known: Vec<[Value; 4]> = (1..=peers).map(known).collect();
        let columns = ["smallId", "bigId", "relateId", "lastId"];
        world.on("from TTRelation where", rows(columns, &known));
        let mark = |peer: u32| [100 + peer, 1, 0].map(Value::from);
        let marks: Vec<[Value; 3]> = (1..=peers).map(mark).collect();
        world.on("from TTRead", rows(["peerId", "type", "msgId"], &marks));
        for _ in 1..=peers {
            world.on("select count(*)", rows(["unread"], &[[1.into()]]));
        }
        let mut cx = world.context(Protocol::hardened());
        let attach_data = Some(Attach::handle(3).encode());
        let asked = ImUnreadMsgCntReq { user_id: 2, attach_data };
        let asked = Pdu::new(command::MSG_UNREAD_CNT_REQUEST, 8, &asked);
        assert_eq!(answer(&mut cx, &asked).unwrap().command(), command::MSG_UNREAD_CNT_RESPONSE);
        let log = world.log();
        let count = |what: &str| log.iter().filter(|l| l.contains(what)).count();
        let all = [count("select count(*)"), count("select msgId,type,content")];
        assert_eq!(all, [peers as usize; 2]);
        world.trips()
    };
    assert_eq!(trips(1), trips(40));
    assert_eq!(trips(100), trips(40) + 2, "but not all in one");
}

#[test]
fn what_was_deferred_before_an_error_is_not_sent_with_a_later_statement() {
    let world = Fake::default();
    let mut cx = after_the_first(&world);
    // No row of the relation: an error of ours, with nothing deferred behind it.
    world.on("greatest", Ok(Default::default()));
    assert_eq!(send(&mut cx, 2).command(), command::OTHER_REFUSED);
    assert_eq!(world.log().last().unwrap(), "M ROLLBACK");
    world.on("select relateId from TTRelation", rows(["relateId"], &[[9.into()]]));
    send(&mut cx, 3);
    let log = world.log();
    assert_eq!(log.iter().filter(|l| l.contains("insert into IMMessage_1")).count(), 1);
    let relation = "M select relateId from TTRelation where smallId=1 and bigId=2";
    assert!(log.iter().any(|l| l == relation), "it was not there: {log:#?}");
}
