use super::Isolation;
use crate::{
    properties::{
        listed::assert_all,
        tape::{
            G, GROUP, Tape, change_members, group_changed, group_list, group_message, list,
            message, refused,
        },
    },
    record::Kind,
};
use bytes::Bytes;
use teamtalk::{
    catalogue::{Command, Peer, id as command},
    protocol::Protocol,
    wire::{
        Pdu,
        im::{
            base_define::{
                ContactSessionInfo, GroupInfo, GroupModifyType, GroupType, GroupVersionInfo,
                MsgType, SessionStatusType, UnreadInfo,
            },
            buddy::ImRecentContactSessionRsp,
            group::{ImGroupChangeMemberNotify, ImGroupInfoListRsp, ImNormalGroupListRsp},
            message::{ImGetLatestMsgIdRsp, ImGetMsgByIdRsp, ImGetMsgListRsp, ImUnreadMsgCntRsp},
        },
        tt::extension::RefusedCode,
    },
};

fn raw(command: u16) -> Pdu {
    Pdu::raw(command, 3, Bytes::new())
}

#[test]
fn before_the_login_only_its_answer_heartbeats_and_refusals_are_sent() {
    let mut tape = Tape::new(Isolation::new(&Protocol::teamtalk()));
    tape.connect(1, 10);
    for command in [command::OTHER_HEARTBEAT, command::OTHER_REFUSED, command::LOGIN_RES_USERLOGIN]
    {
        tape.tells(10, raw(command));
    }
    assert!(tape.found.is_empty(), "{:?}", tape.found);
    tape.tells(10, raw(command::MSG_TIME_RESPONSE));
    assert_eq!(tape.found, ["isolation/not-logged-in/msg"]);
}

#[test]
fn after_a_kick_only_heartbeats_and_refusals_are_sent() {
    let mut tape = Tape::new(Isolation::new(&Protocol::teamtalk()));
    tape.login(1, 10, 1).login(2, 20, 1).tells(10, raw(command::MSG_TIME_RESPONSE)).kick(10);
    tape.tells(10, raw(command::OTHER_HEARTBEAT)).tells(10, raw(command::OTHER_REFUSED));
    tape.tells(20, raw(command::MSG_TIME_RESPONSE));
    assert!(tape.found.is_empty(), "{:?}", tape.found);
    tape.tells(10, raw(command::MSG_TIME_RESPONSE));
    assert_eq!(tape.found, ["isolation/kicked/msg"]);
}

#[test]
fn a_message_from_no_user_is_taken() {
    let mut tape = Tape::new(Isolation::new(&Protocol::teamtalk()));
    tape.connect(1, 10).asks(10, message(5, 0, 1, 2, "early")).row(1, (1, "early"));
    assert_eq!(tape.found, ["isolation/taken/msg"]);
    let mut tape = Tape::new(Isolation::new(&Protocol::teamtalk()));
    tape.login(1, 10, 1).kick(10).asks(10, message(5, 0, 1, 2, "late")).row(1, (1, "late"));
    assert_eq!(tape.found, ["isolation/taken/msg"]);
    // Sent again on a connection that may: that one was taken.
    let mut tape = Tape::new(Isolation::new(&Protocol::teamtalk()));
    tape.connect(1, 10).asks(10, message(5, 0, 1, 2, "early"));
    tape.login(1, 11, 1).asks(11, message(5, 0, 1, 2, "early")).row(1, (1, "early"));
    assert!(tape.found.is_empty(), "{:?}", tape.found);
}

#[test]
fn what_is_for_others_is_found() {
    let mut tape = Tape::new(Isolation::new(&Protocol::teamtalk()));
    tape.login(1, 10, 1).tells(10, message(0, 4, 1, 2, "a")).tells(10, message(0, 4, 2, 1, "a"));
    tape.tells(10, list(5, 1, 2, &[]));
    assert!(tape.found.is_empty(), "{:?}", tape.found);
    tape.tells(10, message(0, 4, 3, 2, "a"));
    tape.tells(10, list(5, 3, 2, &[]));
    assert_eq!(tape.found, ["isolation/no-member/msg", "isolation/no-member/msg"]);
}

/// Users 1 and 2 are members of the group, 3 is none; all are logged in.
fn group() -> Tape<Isolation> {
    let mut tape = Tape::new(Isolation::new(&Protocol::teamtalk()));
    tape.group(&[1, 2]).login(1, 10, 1).login(2, 20, 2).login(3, 30, 3);
    tape
}

const TO_NO_MEMBER: [&str; 1] = ["isolation/no-member/msg"];

#[test]
fn a_push_is_for_who_was_a_member_at_some_time_since_its_commit() {
    let push = || group_message(0, 4, 1, "a");
    let mut tape = group();
    tape.group_row(4, (1, "a")).tells(20, push());
    tape.changes(5, 2, false).changes(6, 3, true).tells(20, push()).tells(30, push());
    assert!(tape.found.is_empty(), "{:?}", tape.found);
    assert_eq!(group().group_row(4, (1, "a")).tells(30, push()).found, TO_NO_MEMBER);
    let mut tape = group();
    tape.changes(5, 2, false).group_row(4, (1, "a")).tells(20, push());
    assert_eq!(tape.found, TO_NO_MEMBER);
    // Not stored at all: since it arrived.
    let mut tape = group();
    tape.changes(5, 2, false).asks(10, group_message(9, 0, 1, "a")).tells(20, push());
    assert_eq!(tape.found, TO_NO_MEMBER);
    let mut tape = group();
    tape.asks(10, group_message(9, 0, 1, "a")).changes(5, 2, false).tells(20, push());
    assert!(tape.found.is_empty(), "{:?}", tape.found);
}

#[test]
fn where_the_store_says_who_is_a_member_nothing_is_pushed_from_before_the_join() {
    let push = || group_message(4, 4, 1, "a");
    let found = |protocol, before: bool, back: bool| {
        let mut tape = Tape::new(Isolation::new(&protocol));
        tape.group(&[1]).login(1, 10, 1).login(2, 20, 2);
        let joins = |tape: &mut Tape<Isolation>| {
            tape.changes(6, 2, true);
        };
        if !before {
            joins(&mut tape);
        }
        tape.group_row(4, (1, "a"));
        if back {
            tape.changes(7, 2, false);
        }
        if before || back {
            joins(&mut tape);
        }
        tape.tells(20, push()).found.clone()
    };
    assert_eq!(found(Protocol::hardened(), true, false), BEFORE_JOINING);
    assert!(found(Protocol::hardened(), false, false).is_empty());
    // Who was one then, and is one again, may have been looked up then.
    assert!(found(Protocol::hardened(), false, true).is_empty());
    assert!(
        found(Protocol::teamtalk(), true, false).is_empty(),
        "by Redis the user may have been one"
    );
}

/// Questions, and answers of group G to user 2; all but the first two tell of msg_id 4.
fn answers() -> [(u16, Pdu); 6] {
    let latest = ImGetLatestMsgIdRsp {
        user_id: 2,
        session_type: GROUP,
        session_id: G,
        latest_msg_id: 4,
        attach_data: None,
    };
    let info = GroupInfo { group_id: G, group_type: GroupType::Tmp as i32, ..Default::default() };
    let info = ImGroupInfoListRsp { user_id: 2, group_info_list: vec![info], attach_data: None };
    let unread = UnreadInfo {
        session_id: G,
        session_type: GROUP,
        latest_msg_id: 4,
        latest_msg_type: MsgType::GroupText as i32,
        ..Default::default()
    };
    let unread =
        ImUnreadMsgCntRsp { user_id: 2, unreadinfo_list: vec![unread], ..Default::default() };
    let version = GroupVersionInfo { group_id: G, version: 1 };
    let normal =
        ImNormalGroupListRsp { user_id: 2, group_version_list: vec![version], attach_data: None };
    let list: ImGetMsgListRsp = group_list(5, 2, &[(4, 1, "a")]).view().expect("just made");
    let by_id = ImGetMsgByIdRsp {
        user_id: 2,
        session_type: GROUP,
        session_id: G,
        msg_list: list.msg_list,
        attach_data: None,
    };
    let by_id = Pdu::new(command::MSG_GET_BY_MSG_ID_RES, 5, &by_id);
    [
        (command::GROUP_INFO_REQUEST, Pdu::new(command::GROUP_INFO_RESPONSE, 5, &info)),
        (
            command::GROUP_NORMAL_LIST_REQUEST,
            Pdu::new(command::GROUP_NORMAL_LIST_RESPONSE, 5, &normal),
        ),
        (command::MSG_LIST_REQUEST, group_list(5, 2, &[(4, 1, "a")])),
        (
            command::MSG_GET_LATEST_MSG_ID_REQ,
            Pdu::new(command::MSG_GET_LATEST_MSG_ID_RSP, 5, &latest),
        ),
        (command::MSG_UNREAD_CNT_REQUEST, Pdu::new(command::MSG_UNREAD_CNT_RESPONSE, 5, &unread)),
        (command::MSG_GET_BY_MSG_ID_REQ, by_id),
    ]
}

#[test]
fn an_answer_is_for_who_was_a_member_at_some_time_since_the_question() {
    for (question, answer) in answers() {
        let question = Pdu::raw(question, 5, Bytes::new());
        let mut tape = group();
        tape.asks(20, question.clone()).changes(6, 2, false).tells(20, answer.clone());
        assert!(tape.found.is_empty(), "{answer:?} {:?}", tape.found);
        tape.asks(20, question).tells(20, answer.clone());
        assert_eq!(tape.found, TO_NO_MEMBER, "{answer:?}");
    }
    let mut tape = group();
    tape.changes(6, 2, false).asks(20, Pdu::raw(command::MSG_LIST_REQUEST, 5, Bytes::new()));
    tape.tells(20, group_list(5, 2, &[]));
    assert!(tape.found.is_empty(), "nothing is told: {:?}", tape.found);
}

/// A 0202 to user 2 that shows msg_id 4 of group G.
fn beside_a_session() -> (u16, Pdu) {
    let session = ContactSessionInfo {
        session_id: G,
        session_type: GROUP,
        session_status: SessionStatusType::SessionStatusOk as i32,
        latest_msg_type: MsgType::GroupText as i32,
        latest_msg_id: 4,
        ..Default::default()
    };
    let answer = ImRecentContactSessionRsp {
        user_id: 2,
        contact_session_list: vec![session],
        ..Default::default()
    };
    let answer = Pdu::new(command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE, 5, &answer);
    (command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST, answer)
}

#[test]
fn what_is_shown_beside_a_session_must_be_from_his_time() {
    let (question, answer) = beside_a_session();
    let question = Pdu::raw(question, 5, Bytes::new());
    let mut tape = group();
    tape.group_row(4, (1, "a")).changes(6, 2, false);
    tape.asks(20, question.clone()).tells(20, answer.clone());
    assert!(tape.found.is_empty(), "{:?}", tape.found);
    let mut tape = group();
    tape.changes(6, 2, false).group_row(4, (1, "a")).asks(20, question).tells(20, answer);
    assert_eq!(tape.found, TO_NO_MEMBER);
}

#[test]
fn only_its_answer_ends_a_question() {
    let (question, answer) = answers().into_iter().nth(2).expect("a list");
    let asked = || {
        let mut tape = group();
        tape.changes(6, 2, false).asks(20, Pdu::raw(question, 5, Bytes::new()));
        tape
    };
    assert_eq!(asked().tells(20, answer.clone()).found, TO_NO_MEMBER);
    // A push that another msg_server has sent on carries its sender's seq_num.
    let mut tape = asked();
    tape.tells(20, message(5, 4, 1, 2, "a")).tells(20, answer.clone());
    assert_eq!(tape.found, TO_NO_MEMBER);
    let mut tape = asked();
    tape.tells(20, Pdu::raw(command::BUDDY_LIST_STATUS_NOTIFY, 5, Bytes::new()));
    tape.tells(20, answer);
    assert_eq!(tape.found, TO_NO_MEMBER);
}

const BEFORE_JOINING: [&str; 1] = ["isolation/before-joining/db"];

#[test]
fn nothing_is_read_from_before_the_join() {
    let shows = answers().into_iter().skip(2).chain([beside_a_session()]);
    for (question, answer) in shows {
        let found = |protocol: Protocol, seconds: u64, asks_first: bool| {
            let mut tape = Tape::new(Isolation::new(&protocol));
            let question = Pdu::raw(question, 5, Bytes::new());
            tape.group(&[1]).login(1, 10, 1).login(2, 20, 2).group_row(4, (1, "a"));
            tape.later(seconds);
            if asks_first {
                tape.asks(20, question).changes(6, 2, true);
            } else {
                tape.changes(6, 2, true).asks(20, question);
            }
            tape.tells(20, answer.clone()).found.clone()
        };
        for asks_first in [false, true] {
            let (old, new) = (Protocol::teamtalk(), Protocol::hardened());
            assert_eq!(found(old, 2, asks_first), BEFORE_JOINING, "{answer:?}");
            assert!(found(old, 1, asks_first).is_empty(), "the same second: {answer:?}");
            assert_eq!(found(new, 0, asks_first), BEFORE_JOINING, "{answer:?}");
        }
    }
}

#[test]
fn what_came_since_a_db_proxy_was_asked_to_let_a_user_in_may_be_read() {
    let (question, answer) = answers().into_iter().nth(2).expect("a list");
    let question = || Pdu::raw(question, 5, Bytes::new());
    let tape = || {
        let mut tape = Tape::new(Isolation::new(&Protocol::hardened()));
        tape.group(&[1]).login(1, 10, 1).login(2, 20, 2);
        tape
    };
    let mut joins = tape();
    joins.db_reads(change_members(6, 1, G, true, &[2])).group_row(4, (1, "a")).member(2, true);
    joins.db_writes(group_changed(6, 1, G, &[2])).asks(20, question()).tells(20, answer.clone());
    assert!(joins.found.is_empty(), "{:?}", joins.found);
    // A user who comes back reads nothing from before; what they asked before leaving is answered.
    let mut back = tape();
    back.changes(6, 2, true).group_row(4, (1, "a")).asks(20, question()).changes(7, 2, false);
    back.changes(8, 2, true).tells(20, answer.clone());
    assert!(back.found.is_empty(), "{:?}", back.found);
    assert_eq!(back.asks(20, question()).tells(20, answer.clone()).found, BEFORE_JOINING);
    // Another row came under the same id.
    let mut twice = tape();
    twice.group_row(4, (1, "a")).changes(6, 2, true).group_row(4, (1, "b"));
    twice.asks(20, question()).tells(20, answer);
    assert!(twice.found.is_empty(), "{:?}", twice.found);
}

#[test]
fn who_came_and_went_is_told_to_those_and_to_the_members() {
    let notice = |current: &[u32], changed: &[u32]| {
        let notice = ImGroupChangeMemberNotify {
            user_id: 1,
            change_type: GroupModifyType::Del as i32,
            group_id: G,
            cur_user_id_list: current.to_vec(),
            chg_user_id_list: changed.to_vec(),
        };
        group().tells(20, Pdu::new(command::GROUP_CHANGE_MEMBER_NOTIFY, 0, &notice)).found.clone()
    };
    assert!(notice(&[1, 2], &[3]).is_empty());
    assert!(notice(&[1], &[2]).is_empty());
    assert_eq!(notice(&[1], &[3]), TO_NO_MEMBER);
}

#[test]
fn a_message_of_no_member_is_not_to_be_stored() {
    let send = || group_message(9, 0, 2, "a");
    let mut tape = group();
    tape.asks(20, send()).changes(5, 2, false).group_row(4, (2, "a"));
    assert!(tape.found.is_empty(), "{:?}", tape.found);
    let mut tape = group();
    tape.changes(5, 2, false).asks(20, send()).group_row(4, (2, "a"));
    assert_eq!(tape.found, ["isolation/no-member/db"]);
    let mut tape = group();
    tape.asks(30, group_message(9, 0, 3, "b")).group_row(4, (3, "b"));
    assert_eq!(tape.found, ["isolation/no-member/db"]);
}

#[test]
fn the_try_that_is_stored_counts_from_when_its_db_proxy_had_it() {
    let send = |seq| group_message(seq, 0, 2, "a");
    let no_member = ["isolation/no-member/db"];
    let stored = |steps: &dyn Fn(&mut Tape<Isolation>)| {
        let mut tape = group();
        tape.asks(20, send(9));
        steps(&mut tape);
        tape.group_row(4, (2, "a")).found.clone()
    };
    let again = |tape: &mut Tape<Isolation>| {
        tape.changes(5, 2, false).asks(20, send(10)).db_reads(send(10));
    };
    assert_eq!(stored(&again), no_member, "the first one was lost");
    assert!(stored(&|tape| again(tape.db_reads(send(9)))).is_empty(), "it may be the first one");
    let answered = |tape: &mut Tape<Isolation>| again(tape.db_reads(send(9)).db_writes(send(9)));
    assert_eq!(stored(&answered), no_member);
    let answers_another =
        |tape: &mut Tape<Isolation>| again(tape.db_reads(send(9)).db_writes(send(8)));
    assert!(stored(&answers_another).is_empty());
    for (code, sure) in
        [(RefusedCode::RefusedNotAllowed, true), (RefusedCode::RefusedUnavailable, false)]
    {
        let found = stored(&|tape| {
            again(tape.db_reads(send(9)).db_writes(refused(9, 2, command::MSG_DATA, code)));
        });
        assert_eq!(found == no_member, sure, "{code:?} {found:?}");
    }
    let down =
        |tape: &mut Tape<Isolation>| again(tape.db_reads(send(9)).line("db1", Kind::HostDown));
    assert_eq!(stored(&down), no_member);
    // All are answered: the last one.
    let late = stored(&|tape| {
        again(tape.db_reads(send(9)).db_writes(send(9)));
        tape.db_writes(send(10));
    });
    assert_eq!(late, no_member);
}

/// Questions of devices whose answers hold nothing of a group or of a message, and what else they hold.
const TOLD_TO_ANYBODY: [(u16, &str); 19] = [
    (command::LOGIN_REQ_USERLOGIN, "whether they are let in"),
    (command::LOGIN_REQ_LOGINOUT, "that they are out"),
    (command::LOGIN_REQ_DEVICETOKEN, "that their token is kept"),
    (command::LOGIN_REQ_KICKPCCLIENT, "that their PCs are put off line"),
    (command::LOGIN_REQ_PUSH_SHIELD, "their own setting"),
    (command::LOGIN_REQ_QUERY_PUSH_SHIELD, "their own setting"),
    (command::BUDDY_LIST_USER_INFO_REQUEST, "users, whom everybody may know"),
    (command::BUDDY_LIST_REMOVE_SESSION_REQ, "that their own session is removed"),
    (command::BUDDY_LIST_ALL_USER_REQUEST, "users, whom everybody may know"),
    (command::BUDDY_LIST_USERS_STATUS_REQUEST, "who is online, which everybody may know"),
    (command::BUDDY_LIST_DEPARTMENT_REQUEST, "departments, which everybody may know"),
    (command::BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST, "that their own line is changed"),
    (command::MSG_READ_ACK, "what they have read themselves"),
    (command::MSG_TIME_REQUEST, "the time"),
    (command::GROUP_CREATE_REQUEST, "a group that they have made themselves"),
    (command::GROUP_CHANGE_MEMBER_REQUEST, "members: `told` judges who is told"),
    (command::GROUP_SHIELD_GROUP_REQUEST, "their own setting"),
    (command::FILE_REQUEST, "where a file server is"),
    (command::FILE_HAS_OFFLINE_REQ, "files that wait for them"),
];

#[test]
fn each_question_of_a_device_is_looked_at_or_its_answer_is_for_anybody() {
    let is_of_device =
        |of: &Command| of.served(Peer::Device, Peer::Msg).is_some() && of.reply.is_some();
    assert_all(is_of_device, super::ASKED.iter().copied(), &TOLD_TO_ANYBODY);
}
