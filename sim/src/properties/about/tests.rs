use super::{About, Rows, Subject};
use crate::{
    plan::{Action, Chat, Host, Odd, Operation, Role},
    properties::tape::{
        G, SINGLE, ack, audio, data, group_message, list, list_request, message, refused,
    },
    record::{End, Frame, Kind, Line, sql_applied},
};
use bytes::Bytes;
use teamtalk::{
    catalogue::id as command,
    conversation::Conversation,
    fact::{Fact, Via},
    wire::{
        Pdu,
        im::{
            base_define::MsgType,
            buddy::ImRemoveSessionReq,
            message::ImMsgDataReadAck,
            server::{ImOnlineUserInfo, ImUserStatusUpdate},
        },
        tt::extension::RefusedCode,
    },
};

const PAIR: Conversation = Conversation::Single { low: 1, high: 2 };

fn line(host: &str, kind: Kind) -> Line {
    Line { n: 7, sim_us: 7, host: Host::of(host), incarnation: 1, kind }
}

fn fact(fact: Fact) -> Line {
    line("msg1", Kind::Fact(fact))
}

/// A PDU at an end of connection 10 between client1 and msg1; `asked`: from the device.
fn pdu(host: &str, asked: bool, pdu: Pdu) -> Line {
    let end = if host == "client1" { End::Dialler } else { End::Acceptor };
    let frame = Frame::new(10, end, 1, pdu);
    let sent = asked == (end == End::Dialler);
    line(host, if sent { Kind::PduSent(frame) } else { Kind::PduReceived(frame) })
}

fn row(conversation: Conversation, msg_id: u32, content: &str) -> Line {
    line("sql", Kind::Row { conversation, msg_id, from: 1, content: content.into() })
}

fn held(conversation: Conversation, msg_id: u32, content: &str) -> Line {
    let (device, from, via) = (3, 1, Via::Push);
    let content = content.to_string();
    line("client1", Kind::Fact(Fact::Held { device, conversation, msg_id, from, content, via }))
}

/// Each of the lines touches the subject, and none of the others does.
fn touches(subject: Subject, lines: &[Line], others: &[Line]) {
    let about = About::from([subject]);
    for line in lines {
        assert!(about.touches(line), "{about:?} {line:?}");
    }
    for line in others {
        assert!(!about.touches(line), "{about:?} {line:?}");
    }
}

#[test]
fn a_message_is_known_by_what_it_says_and_by_nothing_that_only_contains_it() {
    let kind = MsgType::SingleAudio;
    touches(
        Subject::Content("op-4".into()),
        &[
            pdu("client1", true, message(5, 0, 1, 2, "op-4")),
            pdu("msg1", false, group_message(0, 9, 1, "op-4")),
            pdu("msg1", false, data(0, 9, (1, 2), kind, &audio(5, "op-4"))),
            line(
                "db1",
                Kind::PduReceived(Frame::new(70, End::Acceptor, 1, message(5, 0, 1, 2, "op-4"))),
            ),
            row(PAIR, 9, "op-4"),
            held(PAIR, 9, "op-4"),
            held(PAIR, 9, "\0\0\0\x05op-4"),
        ],
        &[
            pdu("client1", true, message(5, 0, 1, 2, "op-40")),
            pdu("client1", true, ack(5, 9, 1, 2)),
            row(PAIR, 9, "op-40"),
            held(PAIR, 9, "op-41"),
            // A page goes through many hands.
            pdu("msg1", false, list(5, 1, 2, &[(9, 1, "op-4")])),
            pdu("msg1", true, Pdu::raw(command::MSG_DATA, 5, Bytes::from_static(b"op-4"))),
            fact(Fact::OpFailed { op: 4, reason: "op-4".into() }),
        ],
    );
}

#[test]
fn a_message_is_known_by_its_conversation_and_id_together() {
    let read = |msg_id| {
        let session_type = SINGLE;
        let read =
            ImMsgDataReadAck { user_id: 2, session_id: 1, msg_id, session_type, attach_data: None };
        pdu("msg1", true, Pdu::new(command::MSG_READ_ACK, 6, &read))
    };
    let expired =
        |conversation, msg_id| fact(Fact::SendListExpired { conn: 10, conversation, msg_id });
    let stored = |conversation, msg_id| {
        let (relation, from) = (1, 1);
        line("db1", Kind::Fact(Fact::Stored { conversation, relation, msg_id, from }))
    };
    touches(
        Subject::Message(PAIR, 9),
        &[
            pdu("msg1", false, message(0, 9, 2, 1, "a")),
            pdu("msg1", false, ack(5, 9, 1, 2)),
            pdu("client1", true, ack(5, 9, 2, 1)),
            read(9),
            row(PAIR, 9, "a"),
            held(PAIR, 9, "a"),
            expired(PAIR, 9),
            stored(PAIR, 9),
        ],
        &[
            pdu("msg1", false, message(0, 8, 2, 1, "a")),
            pdu("msg1", false, message(0, 9, 3, 1, "a")),
            pdu("msg1", false, group_message(0, 9, 1, "a")),
            pdu("msg1", false, ack(5, 9, 1, 3)),
            read(99),
            row(Conversation::Group(2), 9, "a"),
            held(PAIR, 90, "a"),
            expired(Conversation::single(1, 3), 9),
            stored(PAIR, 99),
        ],
    );
    touches(
        Subject::Message(Conversation::Group(G), 9),
        &[pdu("msg1", false, group_message(0, 9, 1, "a")), row(Conversation::Group(G), 9, "a")],
        &[pdu("msg1", false, message(0, 9, 1, G, "a")), row(PAIR, 9, "a")],
    );
}

#[test]
fn a_question_goes_with_its_attempts_and_its_answer_and_a_push_of_its_seq_num_does_not() {
    let attempt = |conn, seq_num| {
        line("client1", Kind::Fact(Fact::Attempt { op: 3, attempt: 1, conn, seq_num }))
    };
    let no = refused(5, 1, command::MSG_LIST_REQUEST, RefusedCode::RefusedUnavailable);
    let lines = [
        attempt(10, 5),
        pdu("client1", true, list_request(5, 1, 2)),
        pdu("msg1", true, list_request(5, 1, 2)),
        pdu("msg1", false, list(5, 1, 2, &[])),
        pdu("client1", false, list(5, 1, 2, &[])),
        pdu("msg1", false, no),
    ];
    let others = [
        attempt(11, 5),
        attempt(10, 6),
        pdu("client1", true, list_request(6, 1, 2)),
        pdu("client1", true, message(5, 0, 1, 2, "a")),
        pdu("msg1", false, message(5, 9, 2, 1, "a")),
        line("msg1", Kind::PduReceived(Frame::new(11, End::Acceptor, 1, list_request(5, 1, 2)))),
    ];
    let Kind::PduSent(asked) = &lines[1].kind else { panic!("a device writes") };
    let Kind::PduSent(answer) = &lines[3].kind else { panic!("a msg_server writes") };
    for question in [
        Subject::question(10, asked),
        Subject::asked(10, 5, command::MSG_LIST_REQUEST),
        Subject::answer(10, answer),
    ] {
        let about = About::from([question.clone()]);
        assert_eq!(about.attempted(&lines[0]), Some(3));
        assert_eq!(about.attempted(&others[0]), None);
        touches(question, &lines, &others);
    }
    assert_eq!(About::from([Subject::Connection(10)]).attempted(&lines[0]), None);
    // What nothing answers but a refusal.
    let unknown = Pdu::raw(0x0399, 5, Bytes::new());
    let no = refused(5, 1, 0x0399, RefusedCode::RefusedUnavailable);
    touches(
        Subject::asked(10, 5, 0x0399),
        &[pdu("msg1", true, unknown), pdu("msg1", false, no)],
        &[pdu("msg1", false, list(5, 1, 2, &[]))],
    );
}

#[test]
fn a_request_goes_with_its_answer_and_with_what_who_was_asked_lost() {
    let of_db = |sent: bool, pdu: Pdu| {
        let frame = Frame::new(20, End::Acceptor, 1, pdu);
        line("db1", if sent { Kind::PduSent(frame) } else { Kind::PduReceived(frame) })
    };
    let subject = Subject::Request {
        host: Host::of("db1"),
        conn: 20,
        seq: 5,
        asked: command::MSG_LIST_REQUEST,
        answer: command::MSG_LIST_RESPONSE,
    };
    let lost = |host| line(host, Kind::Disconnected { conn: 30, end: End::Dialler });
    let lines = [of_db(false, list_request(5, 1, 2)), of_db(true, list(5, 1, 2, &[])), lost("db1")];
    let others = [
        of_db(false, list_request(6, 1, 2)),
        of_db(false, message(5, 0, 1, 2, "a")),
        pdu("msg1", true, list_request(5, 1, 2)),
        lost("db2"),
    ];
    touches(subject, &lines, &others);
}

#[test]
fn a_connection_has_all_its_lines_but_heartbeats_or_only_its_ends() {
    let ends = [
        line(
            "msg1",
            Kind::Connected {
                conn: 10,
                end: End::Acceptor,
                peer: Role::Client.numbered(1),
                port: 8000,
                device: None,
            },
        ),
        line("msg1", Kind::Disconnected { conn: 10, end: End::Acceptor }),
        line("world", Kind::StreamReset { conn: 10 }),
        fact(Fact::LoggedIn { conn: 10, user: 1, client_type: 1 }),
        fact(Fact::Closed { conn: 10, reason: "kicked".into() }),
    ];
    let through = [
        pdu("msg1", true, list_request(5, 1, 2)),
        fact(Fact::SendListAdded { conn: 10, user: 1, conversation: PAIR, msg_id: 9, from: 2 }),
        fact(Fact::Refused { conn: 10, command: 0x0301, reason: "limit".into() }),
    ];
    let others = [
        pdu("msg1", true, Pdu::raw(command::OTHER_HEARTBEAT, 0, Bytes::new())),
        line("msg1", Kind::Disconnected { conn: 11, end: End::Acceptor }),
        fact(Fact::Closed { conn: 100, reason: "10".into() }),
        line("msg1", Kind::HostDown),
    ];
    touches(Subject::Connection(10), &[&ends[..], &through].concat(), &others);
    touches(Subject::Ends(10), &ends, &[&through[..], &others].concat());
}

#[test]
fn rows_go_with_the_statements_on_their_table_that_have_their_values() {
    let sql = |what: &str, params: &[&str]| {
        line("sql", Kind::Store(sql_applied(what, params, "rows 0", false)))
    };
    let looks = "select id from IMRelationShip where smallId=? and bigId=?";
    touches(
        Subject::Rows(Rows::Relation(PAIR)),
        &[sql(looks, &["1", "2"]), line("sql", Kind::RelationRow { conversation: PAIR, id: 3 })],
        &[
            sql(looks, &["1", "12"]),
            sql("select id from IMRecentSession where userId=? and peerId=?", &["1", "2"]),
            line("sql", Kind::RelationRow { conversation: Conversation::single(1, 3), id: 3 }),
            row(PAIR, 9, "a"),
        ],
    );
    let session = |peer| Kind::SessionRow { user: 1, peer, session_type: 1, id: 4 };
    touches(
        Subject::Rows(Rows::Session { user: 1, peer: 2 }),
        &[
            sql("select id from IMRecentSession where userId=? and peerId=?", &["1", "2"]),
            line("sql", session(2)),
        ],
        &[sql(looks, &["1", "2"]), line("sql", session(3))],
    );
    let member = |user| Kind::MemberRow { group: 7, user, live: false };
    touches(
        Subject::Rows(Rows::Member { group: 7, user: 2 }),
        &[
            sql(
                "update IMGroupMember set status=1 where groupId=? and userId in (?,?)",
                &["7", "1", "2"],
            ),
            line("sql", member(2)),
        ],
        &[line("sql", member(1)), sql("update IMGroup set version=? where id=?", &["2", "7"])],
    );
}

#[test]
fn an_unread_count_is_what_came_and_what_its_user_read() {
    let read = |user_id, session_id| {
        let (session_type, msg_id, attach_data) = (SINGLE, 4, None);
        let read = ImMsgDataReadAck { user_id, session_id, msg_id, session_type, attach_data };
        pdu("msg1", true, Pdu::new(command::MSG_READ_ACK, 6, &read))
    };
    let removed = |user_id| {
        let (session_type, session_id, attach_data) = (SINGLE, 3 - user_id, None);
        let asked = ImRemoveSessionReq { user_id, session_type, session_id, attach_data };
        pdu("msg1", true, Pdu::new(command::BUDDY_LIST_REMOVE_SESSION_REQ, 6, &asked))
    };
    let session = |user, peer| line("sql", Kind::SessionRow { user, peer, session_type: 1, id: 4 });
    touches(
        Subject::Unread { user: 2, conversation: PAIR },
        &[row(PAIR, 9, "a"), read(2, 1), removed(2), session(2, 1)],
        &[
            row(Conversation::Group(1), 9, "a"),
            read(2, 3),
            read(1, 2),
            removed(1),
            session(1, 2),
            pdu("msg1", false, message(0, 9, 1, 2, "a")),
            held(PAIR, 9, "a"),
        ],
    );
}

#[test]
fn users_and_devices_come_and_go() {
    let online = fact(Fact::DeviceOnline { device: 3, conn: 10, user: 1 });
    let offline = fact(Fact::DeviceOffline { device: 3, conn: 10, reason: "test".into() });
    let login = fact(Fact::LoggedIn { conn: 10, user: 1, client_type: 1 });
    let to_route = |command, body: Pdu| {
        let frame = Frame::new(12, End::Dialler, 1, Pdu::raw(command, 0, body.body));
        line("msg1", Kind::PduSent(frame))
    };
    let update = |user_id| {
        let update = ImUserStatusUpdate { user_status: 1, user_id, client_type: 1 };
        let id = command::OTHER_USER_STATUS_UPDATE;
        to_route(id, Pdu::new(id, 0, &update))
    };
    let nobody = || {
        let id = command::OTHER_ONLINE_USER_INFO;
        to_route(id, Pdu::new(id, 0, &ImOnlineUserInfo { user_stat_list: Vec::new() }))
    };
    touches(
        Subject::User(1),
        &[online.clone(), login.clone(), update(1)],
        &[offline.clone(), update(11), nobody(), pdu("msg1", false, message(0, 9, 1, 2, "a"))],
    );
    touches(Subject::Device(3), &[online, offline], &[login, held(PAIR, 9, "a")]);
}

#[test]
fn a_host_is_its_own_lines() {
    let high = |queue: &str| {
        let (queue, length, bound) = (queue.to_string(), 11, 10);
        fact(Fact::HighWater { queue, length, bound })
    };
    let beats = pdu("msg1", true, Pdu::raw(command::OTHER_HEARTBEAT, 0, Bytes::new()));
    let msg1 = Role::Msg.numbered(1);
    touches(
        Subject::Host(msg1.clone()),
        &[
            high("send_list"),
            line("msg1", Kind::HostDown),
            pdu("msg1", true, list_request(5, 1, 2)),
        ],
        &[
            beats.clone(),
            line("msg11", Kind::HostDown),
            pdu("client1", true, list_request(5, 1, 2)),
        ],
    );
    let of_msg2 = Line { host: Role::Msg.numbered(2), ..high("send_list") };
    touches(
        Subject::Queue(msg1, "send_list".into()),
        &[high("send_list")],
        &[high("unsent_bytes"), of_msg2],
    );
}

#[test]
fn an_operation_is_told_by_what_it_sends() {
    let op = |action| Operation { id: 4, at_ms: 0, device: 1, action };
    let to = || Chat::User(2);
    let about = |content: &str| About::from([Subject::Content(content.into())]);
    for action in [Action::Send { to: to() }, Action::SendAudio { to: to() }] {
        let op = op(action);
        assert!(about("op-4").is_sent_by(&op));
        assert!(!about("op-40").is_sent_by(&op) && !about("").is_sent_by(&op));
    }
    let cipher = op(Action::SendCipher { to: to() });
    let travelled = String::from_utf8(cipher.content().expect("it sends")).expect("base64");
    assert!(about(&travelled).is_sent_by(&cipher));
    let odd = op(Action::SendOdd { to: to(), odd: Odd::NotUtf8 });
    let travelled = odd.content().expect("it sends");
    assert!(about(&String::from_utf8_lossy(&travelled)).is_sent_by(&odd));
    let empty = op(Action::SendOdd { to: to(), odd: Odd::Empty });
    assert!(about("").is_sent_by(&empty));
    assert!(
        !about("").is_sent_by(&op(Action::Login)),
        "an empty text is no operation's but its own"
    );
}
