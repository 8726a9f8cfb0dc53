//! The reads against scripted stores: golden 11, 15, 16 and 36, and the switch `honest-reads`.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::text::{raw, text},
        testing::{Fake, id, lost, rows, serve},
    },
    protocol::Protocol,
    store::{cache::CacheError, sql::Value},
    wire::{
        Pdu,
        im::{
            base_define::SessionType::{Group, Single},
            buddy::{ImRecentContactSessionReq, ImRecentContactSessionRsp},
            group::{ImNormalGroupListReq, ImNormalGroupListRsp},
            message::*,
            server::*,
        },
    },
};
use bytes::Bytes;

const RELATION: &str = "from IMRelationShip where smallId=1 and bigId=2";

fn honest() -> Protocol {
    Protocol { honest_reads: true, ..Protocol::teamtalk() }
}

fn ask<R: crate::wire::check::Checked>(
    world: &Fake,
    command: u16,
    request: &impl prost::Message,
) -> R {
    let request = Pdu::new(command, 9, request);
    let reply = serve(&mut world.context(Protocol::teamtalk()), &request).unwrap();
    assert_eq!((reply.command(), reply.header.seq_num), (command + 1, 9));
    reply.view().unwrap()
}

fn latest(
    content: &str,
    kind: i64,
) -> Result<crate::store::sql::Outcome, crate::store::sql::SqlError> {
    rows(["msgId", "type", "content"], &[[6.into(), Value::Int(kind), content.into()]])
}

fn list_request(begin: u32) -> ImGetMsgListReq {
    ImGetMsgListReq {
        user_id: 2,
        session_type: Single as i32,
        session_id: 1,
        msg_id_begin: begin,
        msg_cnt: 10,
        attach_data: None,
    }
}

fn validate_request(password: &str) -> ImValidateReq {
    ImValidateReq {
        user_name: text("bob"),
        password: text(password.to_string()),
        attach_data: Some(Bytes::from_static(b"handle")),
    }
}

#[test]
fn unread_runs_golden_11_and_leaves_out_a_peer_without_a_message() {
    let world = Fake::default();
    world.hash("unread_2", "1", "5");
    world.hash("unread_2", "3", "4");
    world.on(RELATION, id(1)).on("from IMMessage_1", latest("text", 1));
    let request = ImUnreadMsgCntReq { user_id: 2, attach_data: None };
    let reply: ImUnreadMsgCntRsp = ask(&world, command::MSG_UNREAD_CNT_REQUEST, &request);
    assert_eq!((reply.total_cnt, reply.unreadinfo_list.len()), (5, 1));
    let info = &reply.unreadinfo_list[0];
    assert_eq!((info.session_id, info.unread_cnt, info.latest_msg_id), (1, 5, 6));
    assert_eq!((info.latest_msg_from_user_id, &info.latest_msg_data[..]), (1, &b"text"[..]));
    assert_eq!(reply.attach_data, Some(Bytes::new()));
    assert_eq!(
        world.log(),
        [
            "HGETALL unread_2",
            "S select id from IMRelationShip where smallId=1 and bigId=2 and status = 0",
            "S select msgId,type,content from IMMessage_1 where relateId= 1 and status = 0 order by created desc, id desc limit 1",
            "S select id from IMRelationShip where smallId=2 and bigId=3 and status = 0",
            "S select groupId from IMGroupMember where userId=2 and status = 0 order by updated desc, id desc",
        ]
    );
}

#[test]
fn audio_as_the_latest_message_is_a_constant() {
    let world = Fake::default();
    world.hash("unread_2", "1", "1");
    world.on(RELATION, id(1)).on("from IMMessage_1", latest("17", 2));
    let request = ImUnreadMsgCntReq { user_id: 2, attach_data: None };
    let reply: ImUnreadMsgCntRsp = ask(&world, command::MSG_UNREAD_CNT_REQUEST, &request);
    assert_eq!(&reply.unreadinfo_list[0].latest_msg_data[..], b"QhGXlpFjvMFUNrtl1aaPzA==");
}

#[test]
fn message_list_runs_golden_15() {
    let columns = ["msgId", "fromId", "created", "type", "content"];
    for (begin, text) in [
        (
            0,
            "S select * from IMMessage_1 where relateId= 1 and status = 0 order by created desc, id desc limit 10",
        ),
        (
            3,
            "S select * from IMMessage_1 where relateId= 1 and status = 0 and msgId <=3 order by created desc, id desc limit 10",
        ),
    ] {
        let world = Fake::default();
        let row = [3.into(), 2.into(), 77.into(), 1.into(), "c".into()];
        world.on(RELATION, id(1)).on("from IMMessage_1", rows(columns, &[row]));
        let reply: ImGetMsgListRsp = ask(&world, command::MSG_LIST_REQUEST, &list_request(begin));
        assert_eq!(world.log()[1], text);
        let info = &reply.msg_list[0];
        assert_eq!((info.msg_id, info.from_session_id, info.create_time), (3, 2, 77));
        assert_eq!((reply.session_id, reply.msg_id_begin), (1, begin));
    }
    let world = Fake::default();
    let reply: ImGetMsgListRsp = ask(&world, command::MSG_LIST_REQUEST, &list_request(0));
    assert!(reply.msg_list.is_empty());
    assert_eq!(world.log().len(), 1, "no relation, and none is added");
}

#[test]
fn by_id_takes_ids_ascending_without_duplicates() {
    let world = Fake::default();
    world.on(RELATION, id(1));
    let mut request = ImGetMsgByIdReq {
        user_id: 2,
        session_type: Single as i32,
        session_id: 1,
        msg_id_list: vec![99, 1, 2, 1],
        attach_data: None,
    };
    let _: ImGetMsgByIdRsp = ask(&world, command::MSG_GET_BY_MSG_ID_REQ, &request);
    assert_eq!(
        world.log()[1],
        "S select * from IMMessage_1 where relateId=1 and status=0 and msgId in (1,2,99) order by created desc, id desc limit 100"
    );
    request.msg_id_list.clear();
    let _: ImGetMsgByIdRsp = ask(&world, command::MSG_GET_BY_MSG_ID_REQ, &request);
    assert!(world.log().is_empty());
}

#[test]
fn recent_sessions_run_golden_16() {
    let world = Fake::default();
    let columns = ["id", "userId", "peerId", "type", "updated"];
    let row = [7.into(), 2.into(), 1.into(), 1.into(), 88.into()];
    world.on("from IMRecentSession", rows(columns, &[row]));
    world.on(RELATION, id(1)).on("from IMMessage_1", latest("text", 1));
    let request = ImRecentContactSessionReq { user_id: 2, ..Default::default() };
    let command = command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST;
    let reply: ImRecentContactSessionRsp = ask(&world, command, &request);
    let info = &reply.contact_session_list[0];
    assert_eq!((info.session_id, info.updated_time, info.latest_msg_id), (1, 88, 6));
    assert_eq!((info.session_status, info.latest_msg_from_user_id), (0, 1));
    assert_eq!(
        world.log()[0],
        "S select * from IMRecentSession where userId = 2 and status = 0 and updated >0 order by updated desc limit 100"
    );
}

#[test]
fn groups_are_read_by_version_only_if_there_are_any() {
    let world = Fake::default();
    let request = ImNormalGroupListReq { user_id: 2, attach_data: None };
    let reply: ImNormalGroupListRsp = ask(&world, command::GROUP_NORMAL_LIST_REQUEST, &request);
    assert!(reply.group_version_list.is_empty());
    assert_eq!(world.log().len(), 1);
    world.on("from IMGroupMember", rows(["groupId"], &[[1.into()], [4.into()]]));
    world.on("from IMGroup ", rows(["id", "version"], &[[4.into(), 3.into()]]));
    let reply: ImNormalGroupListRsp = ask(&world, command::GROUP_NORMAL_LIST_REQUEST, &request);
    assert_eq!(reply.group_version_list[0].version, 3);
    assert_eq!(
        world.log()[1],
        "S select id,version from IMGroup where id in (1,4) and type=1 order by updated desc"
    );
}

#[test]
fn read_ack_clears_the_peer_and_is_not_answered() {
    let world = Fake::default();
    let mut read = ImMsgDataReadAck {
        user_id: 2,
        session_id: 1,
        msg_id: 4,
        session_type: Single as i32,
        attach_data: None,
    };
    let mut cx = world.context(Protocol::teamtalk());
    assert!(serve(&mut cx, &Pdu::new(command::MSG_READ_ACK, 0, &read)).is_err());
    assert_eq!(world.log(), ["HDEL unread_2 1"]);
    read.session_type = Group as i32;
    world.hash("1_im_group_msg", "count", "7");
    assert!(serve(&mut cx, &Pdu::new(command::MSG_READ_ACK, 0, &read)).is_err());
    assert_eq!(world.log(), ["HGETALL 1_im_group_msg", "HMSET 2_1_im_user_group count 7"]);
}

#[test]
fn device_tokens_are_always_answered_in_text_order() {
    let world = Fake::default();
    world.value("device_2", "android:two");
    world.value("device_10", "ios:ten");
    world.value("device_3", "bare");
    world.hash("unread_10", "1", "2");
    let request = ImGetDeviceTokenReq {
        user_id: vec![3, 10, 2],
        attach_data: Some(Bytes::from_static(b"message")),
    };
    let command = command::OTHER_GET_DEVICE_TOKEN_REQ;
    let reply: ImGetDeviceTokenRsp = ask(&world, command, &request);
    let users: Vec<_> =
        reply.user_token_info.iter().map(|i| (i.user_id, i.push_count, i.push_type)).collect();
    assert_eq!(users, [(10, 2, 1), (2, 0, 1)]);
    assert_eq!(reply.attach_data, request.attach_data);
    assert_eq!(world.log()[0], "MGET device_2 device_3 device_10");

    world.redis(Some(CacheError::Unreachable("scripted".into())));
    let reply: ImGetDeviceTokenRsp = ask(&world, command, &request);
    assert!(reply.user_token_info.is_empty());
}

#[test]
fn the_password_is_checked_with_its_salt_and_failures_lock_the_name() {
    let world = Fake::default();
    let mut cx = world.context(Protocol::teamtalk());
    let mut try_it = |password: &str, known: bool| {
        if known {
            // md5hex("secret0002")
            let hash = "b0ae989e4b30558858acb8e451bcf522";
            let row = [2.into(), "bob".into(), hash.into(), "0002".into(), "Bob".into()];
            world.on("from IMUser", rows(["id", "name", "password", "salt", "nick"], &[row]));
        }
        let request = Pdu::new(command::OTHER_VALIDATE_REQ, 1, &validate_request(password));
        let reply: ImValidateRsp = serve(&mut cx, &request).unwrap().view().unwrap();
        let words = reply.result_string.unwrap();
        let words = String::from_utf8_lossy(raw(&words)).into_owned();
        (reply.result_code, words, reply.user_info.map(|u| u.user_id))
    };
    assert_eq!(try_it("secret", true), (0, "成功".into(), Some(2)));
    for _ in 0..10 {
        assert_eq!(try_it("wrong", true), (1, "用户名/密码错误".into(), None));
    }
    assert_eq!(try_it("nobody", false), (1, "用户名/密码错误".into(), None));
    world.log();
    assert_eq!(try_it("secret", true), (6, "用户名/密码错误次数太多".into(), None));
    assert!(world.log().is_empty(), "a locked name is not looked up");
}

#[test]
fn honest_reads_do_not_take_a_failure_for_nothing() {
    let cases = |world: &Fake| {
        world.on(RELATION, lost());
        world.hash("unread_2", "1", "5");
        [
            Pdu::new(command::MSG_LIST_REQUEST, 1, &list_request(0)),
            Pdu::new(
                command::MSG_UNREAD_CNT_REQUEST,
                1,
                &ImUnreadMsgCntReq { user_id: 2, attach_data: None },
            ),
        ]
    };
    for i in 0..2 {
        let world = Fake::default();
        assert!(serve(&mut world.context(Protocol::teamtalk()), &cases(&world)[i]).is_ok());
        let world = Fake::default();
        assert!(serve(&mut world.context(honest()), &cases(&world)[i]).is_err());
    }
    let world = Fake::default();
    world.redis(Some(CacheError::Lost("scripted".into())));
    assert!(serve(&mut world.context(honest()), &cases(&world)[1]).is_err());
}

#[test]
fn honest_reads_do_not_take_a_failure_for_a_wrong_password() {
    let request = Pdu::new(command::OTHER_VALIDATE_REQ, 1, &validate_request("x"));
    for (protocol, words) in [(Protocol::teamtalk(), "用户名/密码错误"), (honest(), "服务暂不可用")]
    {
        let world = Fake::default();
        let mut cx = world.context(protocol);
        for _ in 0..11 {
            world.on("from IMUser", lost());
            let reply: ImValidateRsp = serve(&mut cx, &request).unwrap().view().unwrap();
            assert_eq!(reply.result_code, 1);
            assert_eq!(raw(&reply.result_string.unwrap()), words.as_bytes());
        }
        let reply: ImValidateRsp = serve(&mut cx, &request).unwrap().view().unwrap();
        assert_eq!(reply.result_code, if protocol.honest_reads { 1 } else { 6 });
    }
}

#[test]
fn single_relation_is_read_through_its_table_with_the_old_one_behind() {
    let protocol = Protocol { single_relation: true, ..Protocol::teamtalk() };
    let request = Pdu::new(command::MSG_LIST_REQUEST, 1, &list_request(0));
    let world = Fake::default();
    world.on("select relateId", rows(["relateId"], &[[5.into()]]));
    serve(&mut world.context(protocol), &request).unwrap();
    assert!(world.log()[1].contains("IMMessage_5"));
    world.on(RELATION, id(3));
    serve(&mut world.context(protocol), &request).unwrap();
    assert!(world.log()[2].contains("IMMessage_3"));
}
