//! Reads, read acks and removed sessions under the switches, against scripted stores.

use crate::{
    catalogue::id as command,
    db_proxy::testing::{Fake, answer, id, lost, refused, rows},
    protocol::Protocol,
    store::{
        cache::CacheError,
        sql::{Outcome, SqlError, Value},
    },
    wire::{
        Pdu,
        attach::Attach,
        check::Checked,
        im::{
            base_define::{SessionStatusType, SessionType::Single},
            buddy::*,
            message::*,
            server::{ImGetDeviceTokenReq, ImGetDeviceTokenRsp},
        },
        tt::extension::{Refused, RefusedCode},
    },
};
use bytes::Bytes;

fn on(switches: &[&str]) -> Protocol {
    let mut protocol = Protocol::teamtalk();
    switches.iter().for_each(|switch| assert!(protocol.set(switch, true)));
    protocol
}

fn attach() -> Option<Bytes> {
    Some(Attach::handle(3).encode())
}

fn try_ask(
    world: &Fake,
    protocol: Protocol,
    command: u16,
    body: &impl prost::Message,
) -> Option<Pdu> {
    answer(&mut world.context(protocol), &Pdu::new(command, 9, body))
}

fn ask<R: Checked>(
    world: &Fake,
    protocol: Protocol,
    command: u16,
    body: &impl prost::Message,
) -> R {
    let reply = try_ask(world, protocol, command, body).expect("an answer");
    assert_eq!(reply.header.seq_num, 9);
    reply.view().unwrap()
}

fn refused_as(pdu: Option<Pdu>) -> Option<RefusedCode> {
    let refused: Refused = pdu?.view().expect("a refusal");
    assert_eq!(refused.attach_data, attach());
    Some(refused.code())
}

fn unread_request() -> ImUnreadMsgCntReq {
    ImUnreadMsgCntReq { user_id: 2, attach_data: attach() }
}

fn read_ack(attach_data: Option<Bytes>) -> ImMsgDataReadAck {
    let session_type = Single as i32;
    ImMsgDataReadAck { user_id: 2, session_id: 1, msg_id: 4, session_type, attach_data }
}

fn latest(msg_id: u32, from: u32) -> Result<Outcome, SqlError> {
    let row = [msg_id.into(), 1.into(), "text".into(), from.into()];
    rows(["msgId", "type", "content", "fromId"], &[row])
}

fn one(column: &str, value: u32) -> Result<Outcome, SqlError> {
    rows([column], &[[value.into()]])
}

const STORE: &[&str] = &["unread-from-store"];

#[test]
fn unread_from_store_counts_rows_after_the_mark() {
    let world = Fake::default();
    world.on("select peerId from IMRecentSession", rows(["peerId"], &[[10.into()], [3.into()]]));
    let marks = [(10, 4), (3, 0)].map(|(peer, read)| [peer, 1, read].map(Value::from));
    world.on("from TTRead", rows(["peerId", "type", "msgId"], &marks));
    world.on("smallId=2 and bigId=10", id(9)).on("smallId=2 and bigId=3", id(8));
    world.on("select count(*)", one("unread", 2)).on("select count(*)", one("unread", 0));
    world.on("from IMMessage_1 where relateId= 9", latest(6, 10));
    let command = command::MSG_UNREAD_CNT_REQUEST;
    let reply: ImUnreadMsgCntRsp = ask(&world, on(STORE), command, &unread_request());
    assert_eq!((reply.total_cnt, reply.unreadinfo_list.len()), (2, 1));
    let info = &reply.unreadinfo_list[0];
    assert_eq!((info.session_id, info.unread_cnt, info.latest_msg_id), (10, 2, 6));
    assert_eq!(
        world.log(),
        [
            "S select peerId from IMRecentSession where userId=2 and type=1",
            "S select groupId,updated from IMGroupMember where userId=2 and status = 0 order by updated desc, id desc",
            "S select peerId,type,msgId from TTRead where userId=2",
            "S select id from IMRelationShip where smallId=2 and bigId=10 and status = 0",
            "S select id from IMRelationShip where smallId=2 and bigId=3 and status = 0",
            "S select count(*) as unread from IMMessage_1 where relateId=9 and fromId=10 and status=0 and msgId>4",
            "S select count(*) as unread from IMMessage_0 where relateId=8 and fromId=3 and status=0 and msgId>0",
            "S select msgId,type,content from IMMessage_1 where relateId= 9 and status = 0 order by created desc, id desc limit 1",
        ]
    );
}

#[test]
fn what_ttrelation_knows_saves_statements() {
    let world = Fake::default();
    world.on(
        "select peerId from IMRecentSession",
        rows(["peerId"], &[[1.into()], [3.into()], [4.into()]]),
    );
    world.on(
        "from TTRead",
        rows(
            ["peerId", "type", "msgId"],
            &[(1, 7), (3, 7), (4, 0)].map(|(peer, read)| [peer, 1, read].map(Value::from)),
        ),
    );
    let columns = ["smallId", "bigId", "relateId", "lastId"];
    let known = |low: u32, high: u32, id: u32, last: u32| [low, high, id, last].map(Value::from);
    world.on(
        "from TTRelation where smallId=2 or bigId=2",
        rows(columns, &[known(1, 2, 9, 7), known(2, 3, 10, 8), known(2, 4, 11, 0)]),
    );
    let protocol = Protocol::hardened();
    let reply: ImUnreadMsgCntRsp =
        ask(&world, protocol, command::MSG_UNREAD_CNT_REQUEST, &unread_request());
    assert_eq!(reply.total_cnt, 0);
    let log = world.log();
    assert_eq!(log.len(), 6, "{log:#?}");
    assert!(log.iter().all(|l| l.starts_with("M ")), "from the primary: {log:#?}");
    assert!(log[4].contains("relateId=10 and fromId=3 and status=0 and msgId>7"), "{log:#?}");
    assert!(log[5].contains("relateId=11 and fromId=4 and status=0 and msgId>0"), "{log:#?}");
    // lastId is worth nothing when no send raises it.
    let protocol = Protocol { id_floor_from_store: false, ..protocol };
    let world = Fake::default();
    world.on("select peerId from IMRecentSession", rows(["peerId"], &[[1.into()]]));
    world.on("from TTRead", rows(["peerId", "type", "msgId"], &[[1.into(), 1.into(), 7.into()]]));
    world.on("smallId=2 or bigId=2", rows(columns, &[known(1, 2, 9, 7)]));
    let _: ImUnreadMsgCntRsp =
        ask(&world, protocol, command::MSG_UNREAD_CNT_REQUEST, &unread_request());
    assert!(world.log()[4].contains("count(*)"));
}

#[test]
fn the_push_count_comes_from_the_store_too() {
    let world = Fake::default();
    world.value("device_2", "android:two");
    world.on("select peerId from IMRecentSession", rows(["peerId"], &[[1.into()]]));
    world.on("from TTRead", rows(["peerId", "type", "msgId"], &[[1.into(), 1.into(), 0.into()]]));
    world.on("smallId=1 and bigId=2", id(9)).on("select count(*)", one("unread", 5));
    let request = ImGetDeviceTokenReq { user_id: vec![2], attach_data: None };
    let command = command::OTHER_GET_DEVICE_TOKEN_REQ;
    let reply: ImGetDeviceTokenRsp = ask(&world, on(STORE), command, &request);
    assert_eq!(reply.user_token_info[0].push_count, 5);
    assert!(!world.log().iter().any(|l| l.starts_with("HGETALL")));
}

#[test]
fn a_read_ack_raises_the_mark() {
    let world = Fake::default();
    assert_eq!(try_ask(&world, on(STORE), command::MSG_READ_ACK, &read_ack(None)), None);
    assert_eq!(
        world.log(),
        [
            "M insert into TTRead (`userId`,`peerId`,`type`,`msgId`) values(2,1,1,4) on duplicate key update msgId=greatest(msgId, values(msgId))"
        ]
    );
}

#[test]
fn a_read_ack_is_believed_as_far_as_it_can_be_right() {
    // How far the answer says that they have read.
    let up_to = |world: &Fake, ack: &ImMsgDataReadAck| {
        let reply = try_ask(world, Protocol::hardened(), command::MSG_READ_ACK, ack);
        reply.expect("an answer").view::<ImMsgDataReadNotify>().unwrap().msg_id
    };
    let claim = ImMsgDataReadAck { msg_id: 4_000_000_000, ..read_ack(attach()) };
    let world = Fake::default();
    let right = ImMsgDataReadAck { msg_id: 6, ..read_ack(attach()) };
    world.on("select lastId", one("lastId", 6));
    assert_eq!(up_to(&world, &right), 6);
    let log = world.log();
    assert_eq!(log[0], "M select lastId from TTRelation where smallId=1 and bigId=2");
    assert!(log[1].contains("values(2,1,1,6)"), "{log:?}");
    // A db_proxy without the switch may have stored messages over the floor.
    world.on("select lastId", one("lastId", 6)).on("select relateId", one("relateId", 9));
    world.on("from IMMessage_1", latest(7, 2));
    assert_eq!(up_to(&world, &claim), 7);
    let log = world.log();
    let last = log.last().expect("a statement");
    assert!(last.contains("values(2,1,1,7)"), "the newest message, not the claim: {log:?}");
    // Where the floor is not kept yet, the newest row says it.
    world.on("select lastId", one("lastId", 0)).on("select relateId", one("relateId", 9));
    world.on("from IMMessage_1", latest(5, 2));
    assert_eq!(up_to(&world, &claim), 5);
    assert!(world.log().last().unwrap().contains("values(2,1,1,5)"));
    // Nobody wrote to a peer without a conversation: nothing is kept.
    let world = Fake::default();
    assert_eq!(up_to(&world, &claim), 0);
    assert!(!world.log().iter().any(|line| line.contains("TTRead")));
}

#[test]
fn a_confirmed_read_ack_is_answered_once_it_is_stored() {
    let confirmed = &["confirmed-read-acks"][..];
    let both = &["confirmed-read-acks", "unread-from-store"][..];
    for (switches, log) in [(confirmed, "HDEL unread_2 1"), (both, "M insert into TTRead")] {
        let world = Fake::default();
        let ack = read_ack(attach());
        let reply = try_ask(&world, on(switches), command::MSG_READ_ACK, &ack).unwrap();
        assert_eq!((reply.command(), reply.header.seq_num), (command::MSG_READ_NOTIFY, 9));
        let notify: ImMsgDataReadNotify = reply.view().unwrap();
        assert_eq!((notify.user_id, notify.session_id, notify.msg_id), (2, 1, 4));
        assert_eq!(notify.attach_data, attach());
        assert!(world.log()[0].starts_with(log));
        // Nobody waits for it.
        assert_eq!(try_ask(&world, on(switches), command::MSG_READ_ACK, &read_ack(None)), None);
    }
    // Not stored: no confirmation.
    let world = Fake::default();
    world.redis(Some(CacheError::Lost("scripted".into())));
    world.on("into TTRead", lost()).on("into TTRead", lost());
    for switches in [confirmed, both] {
        assert_eq!(try_ask(&world, on(switches), command::MSG_READ_ACK, &read_ack(attach())), None);
        let mut protocol = on(switches);
        protocol.answered_refusals = true;
        let pdu = try_ask(&world, protocol, command::MSG_READ_ACK, &read_ack(attach()));
        assert_eq!(refused_as(pdu), Some(RefusedCode::RefusedUnavailable));
    }
    // Off: never answered.
    let world = Fake::default();
    let pdu = try_ask(&world, Protocol::teamtalk(), command::MSG_READ_ACK, &read_ack(attach()));
    assert_eq!(pdu, None);
}

#[test]
fn the_latest_sender_is_the_true_one() {
    for (switches, from, columns) in [
        (&[][..], 1, "msgId,type,content from"),
        (&["true-latest-sender"], 2, "content,fromId from"),
    ] {
        let world = Fake::default();
        world.hash("unread_2", "1", "1");
        world.on("from IMRelationShip", id(9)).on("from IMRelationShip", id(9));
        world.on("from IMMessage_1", latest(6, 2)).on("from IMMessage_1", latest(6, 2));
        let command = command::MSG_UNREAD_CNT_REQUEST;
        let reply: ImUnreadMsgCntRsp = ask(&world, on(switches), command, &unread_request());
        assert_eq!(reply.unreadinfo_list[0].latest_msg_from_user_id, from);
        assert!(world.log()[2].contains(columns));
        let row = [1.into(), 1.into(), 88.into(), 0.into()];
        world.on("from IMRecentSession", rows(["peerId", "type", "updated", "status"], &[row]));
        let command = command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST;
        let request = ImRecentContactSessionReq { user_id: 2, ..Default::default() };
        let reply: ImRecentContactSessionRsp = ask(&world, on(switches), command, &request);
        assert_eq!(reply.contact_session_list[0].latest_msg_from_user_id, from);
    }
}

#[test]
fn removed_sessions_are_listed_for_a_client_that_catches_up() {
    let catch_up = on(&["catch-up-on-gap"]);
    let command = command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST;
    for (protocol, asks, from, status) in [
        (catch_up, Some(1), "M", 1),
        (catch_up, Some(0), "M", 0),
        (catch_up, None, "M", 0),
        (Protocol::teamtalk(), Some(1), "S", 0),
    ] {
        let world = Fake::default();
        let row = [1.into(), 1.into(), 88.into(), status.into()];
        world.on("from IMRecentSession", rows(["peerId", "type", "updated", "status"], &[row]));
        world.on("from IMRelationShip", id(9)).on("from IMMessage_1", latest(6, 2));
        let request =
            ImRecentContactSessionReq { user_id: 2, with_removed: asks, ..Default::default() };
        let reply: ImRecentContactSessionRsp = ask(&world, protocol, command, &request);
        let log = world.log();
        assert!(log.iter().all(|l| l.starts_with(from)), "{log:#?}");
        assert_eq!(log[0].contains("status = 0"), status == 0);
        let expected = match status {
            0 => SessionStatusType::SessionStatusOk,
            _ => SessionStatusType::SessionStatusDelete,
        };
        assert_eq!(reply.contact_session_list[0].session_status(), expected);
    }
}

#[test]
fn of_several_rows_of_one_session_only_the_newest_is_listed() {
    let command = command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST;
    for (protocol, listed) in [(on(&["single-session"]), 1), (Protocol::teamtalk(), 2)] {
        let world = Fake::default();
        let row = |updated: u32| [1.into(), 1.into(), updated.into(), 0.into()];
        let columns = ["peerId", "type", "updated", "status"];
        world.on("from IMRecentSession", rows(columns, &[row(88), row(77)]));
        for _ in 0..2 {
            world.on("from IMRelationShip", id(9)).on("from IMMessage_1", latest(6, 2));
        }
        let request = ImRecentContactSessionReq { user_id: 2, ..Default::default() };
        let reply: ImRecentContactSessionRsp = ask(&world, protocol, command, &request);
        assert_eq!(reply.contact_session_list.len(), listed);
        assert_eq!(reply.contact_session_list[0].updated_time, 88);
    }
}

#[test]
fn history_by_msg_id_orders_by_it() {
    let request = ImGetMsgListReq {
        user_id: 2,
        session_type: Single as i32,
        session_id: 1,
        msg_id_begin: 0,
        msg_cnt: 10,
        attach_data: None,
    };
    for (switches, order) in [
        (&[][..], "order by created desc, id desc"),
        (&["history-by-msg-id"], "order by msgId desc"),
    ] {
        let world = Fake::default();
        world.on("from IMRelationShip", id(9));
        let _: ImGetMsgListRsp = ask(&world, on(switches), command::MSG_LIST_REQUEST, &request);
        assert!(world.log()[1].contains(order));
    }
}

#[test]
fn a_read_that_fails_is_refused_when_reads_are_honest_and_refusals_answered() {
    let refusing = on(&["honest-reads", "answered-refusals"]);
    for (protocol, code) in
        [(refusing, Some(RefusedCode::RefusedUnavailable)), (on(&["honest-reads"]), None)]
    {
        let world = Fake::default();
        world.on("from IMGroupMember", lost());
        let command = command::MSG_UNREAD_CNT_REQUEST;
        assert_eq!(refused_as(try_ask(&world, protocol, command, &unread_request())), code);
    }
    let world = Fake::default();
    world.on("from IMGroupMember", lost());
    let command = command::MSG_UNREAD_CNT_REQUEST;
    let reply: ImUnreadMsgCntRsp =
        ask(&world, on(&["answered-refusals"]), command, &unread_request());
    assert_eq!(reply.total_cnt, 0, "without honest-reads a failure is nothing");
}

#[test]
fn an_unknown_command_is_refused_only_with_the_switch() {
    let world = Fake::default();
    for (protocol, code) in [
        (on(&["answered-refusals"]), Some(RefusedCode::RefusedUnknownCommand)),
        (Protocol::teamtalk(), None),
    ] {
        assert_eq!(refused_as(try_ask(&world, protocol, 0x03ff, &unread_request())), code);
    }
}

fn remove_request() -> ImRemoveSessionReq {
    let session_type = Single as i32;
    ImRemoveSessionReq { user_id: 1, session_type, session_id: 2, attach_data: attach() }
}

const REMOVE: u16 = command::BUDDY_LIST_REMOVE_SESSION_REQ;

#[test]
fn a_session_is_removed_as_in_golden_48() {
    let world = Fake::default();
    world.on("select id from IMRecentSession", id(1));
    let reply: ImRemoveSessionRsp = ask(&world, Protocol::teamtalk(), REMOVE, &remove_request());
    assert_eq!((reply.user_id, reply.result_code, reply.session_id), (1, 0, 2));
    assert_eq!(reply.attach_data, attach());
    assert_eq!(
        world.log(),
        [
            "S select id from IMRecentSession where userId=1 and peerId=2 and type=1 and status=0",
            "M update IMRecentSession set status = 1, updated=1000 where id=1",
            "HDEL unread_1 2",
        ]
    );
    let reply: ImRemoveSessionRsp = ask(&world, Protocol::teamtalk(), REMOVE, &remove_request());
    assert_eq!(reply.result_code, 1);
    assert_eq!(world.log().len(), 1);
    world.on("select id from IMRecentSession", id(1)).on("set status = 1", refused(1205));
    let reply: ImRemoveSessionRsp = ask(&world, Protocol::teamtalk(), REMOVE, &remove_request());
    assert_eq!(reply.result_code, 1);
}

#[test]
fn a_removed_session_is_marked_as_read_in_the_store() {
    let world = Fake::default();
    world.on("select id,status from IMRecentSession", id(1));
    world.on("select relateId", one("relateId", 9)).on("from IMMessage_1", latest(6, 2));
    let reply: ImRemoveSessionRsp = ask(&world, Protocol::hardened(), REMOVE, &remove_request());
    assert_eq!(reply.result_code, 0);
    let log = world.log();
    assert!(log[0].starts_with("M "), "a lagging replica may not have the session yet");
    assert!(
        log[3]
            .starts_with("M insert into TTRead (`userId`,`peerId`,`type`,`msgId`) values(1,2,1,6)")
    );
    assert!(log[4].starts_with("M update IMRecentSession set status = 1"));
    assert_eq!(log.len(), 5);
    for at in ["select id,status from", "from IMMessage_1", "into TTRead", "set status = 1"] {
        let world = Fake::default();
        world.on(at, lost());
        world.on("select id,status from", id(1));
        world.on("select relateId", one("relateId", 9)).on("from IMMessage_1", latest(6, 2));
        let pdu = try_ask(&world, Protocol::hardened(), REMOVE, &remove_request());
        assert_eq!(refused_as(pdu), Some(RefusedCode::RefusedUnavailable), "{at}");
    }
}

/// Seed 30365 of `hardened`: the original leaves second rows of a session. A removal took one of them, the session was
/// listed on, and was live for a db_proxy and removed for another.
#[test]
fn all_rows_of_a_session_are_removed() {
    let rows_with = |statuses: [u32; 3]| {
        let row = |n: usize| [Value::from(4 + n as u32), statuses[n].into()];
        rows(["id", "status"], &[row(0), row(1), row(2)])
    };
    let world = Fake::default();
    world.on("from IMRecentSession", rows_with([0, 1, 0]));
    let reply: ImRemoveSessionRsp = ask(&world, Protocol::hardened(), REMOVE, &remove_request());
    assert_eq!(reply.result_code, 0);
    let removed = "M update IMRecentSession set status = 1, updated=1000 where id in (4,5,6)";
    assert_eq!(world.log().last().map(String::as_str), Some(removed));
    world.on("from IMRecentSession", rows_with([1, 1, 1]));
    let reply: ImRemoveSessionRsp = ask(&world, Protocol::hardened(), REMOVE, &remove_request());
    assert_eq!((reply.result_code, world.log().len()), (1, 1));
}
