use super::Unread;
use crate::{
    properties::tape::{G, GROUP, SINGLE, Tape, change_members, group_message},
    record::{End, Kind},
};
use teamtalk::{
    catalogue::{id as command, limits::Limits, probe},
    conversation::Chat,
    protocol::Protocol,
    wire::{
        Pdu,
        im::{
            base_define::UnreadInfo,
            buddy::{ImRemoveSessionReq, ImRemoveSessionRsp},
            message::{ImMsgDataReadAck, ImUnreadMsgCntRsp},
        },
    },
};

/// User 2 (device 2, connection 20) has 5 and 6 from user 1, who is user 2's only peer.
fn sent(protocol: Protocol) -> Tape<Unread> {
    let mut tape = Tape::new(Unread::new(&protocol));
    tape.login(2, 20, 2).row(5, (1, "a")).row(6, (1, "b")).row(7, (2, "own"));
    tape
}

fn read(msg_id: u32) -> Pdu {
    read_of(Chat::User(1), msg_id)
}

fn read_of(chat: Chat, msg_id: u32) -> Pdu {
    let read = ImMsgDataReadAck {
        user_id: 2,
        session_id: chat.id(),
        msg_id,
        session_type: chat.session_type(),
        attach_data: None,
    };
    Pdu::new(command::MSG_READ_ACK, 5, &read)
}

fn audited(tape: &mut Tape<Unread>, counts: &[(u32, u32)]) -> Option<String> {
    let info = |&(session_id, unread_cnt): &(u32, u32)| UnreadInfo {
        session_id,
        unread_cnt,
        session_type: SINGLE,
        latest_msg_type: 1,
        ..Default::default()
    };
    let unreadinfo_list = counts.iter().map(info).collect();
    let answer = ImUnreadMsgCntRsp { user_id: 2, unreadinfo_list, ..Default::default() };
    tape.line("world", Kind::Phase { phase: "audit" });
    let answer = Pdu::new(command::MSG_UNREAD_CNT_RESPONSE, 1, &answer);
    tape.frame("outside", End::Dialler, false, 90, answer);
    tape.pending()
}

const MANY: Option<&str> = Some("unread/too-many/db");
const FEW: Option<&str> = Some("unread/too-few/db");

#[test]
fn without_an_answer_of_the_last_audit_it_is_pending() {
    let mut tape = sent(Protocol::teamtalk());
    assert_eq!(tape.pending().as_deref(), Some("unread/no-answer/db"));
    assert_eq!(audited(&mut tape, &[(1, 2)]), None);
    tape.line("world", Kind::Phase { phase: "audit" });
    assert_eq!(tape.pending().as_deref(), Some("unread/no-answer/db"));
}

#[test]
fn what_was_not_read_is_counted() {
    let mut tape = sent(Protocol::teamtalk());
    assert_eq!(audited(&mut tape, &[(1, 3)]).as_deref(), MANY);
    assert_eq!(audited(&mut tape, &[(1, 1)]).as_deref(), FEW);
    assert_eq!(audited(&mut tape, &[]).as_deref(), FEW);
    assert_eq!(audited(&mut tape, &[(1, 2), (9, 1)]).as_deref(), MANY, "from nobody");
    assert_eq!(audited(&mut tape, &[(1, 2), (9, 0)]), None);
}

#[test]
fn a_read_ack_of_a_device_that_stays_is_sure_and_of_one_that_left_is_not() {
    let mut tape = sent(Protocol::hardened());
    tape.asks(20, read(5));
    assert_eq!(audited(&mut tape, &[(1, 1)]), None);
    assert_eq!(audited(&mut tape, &[(1, 2)]).as_deref(), MANY);
    assert_eq!(audited(&mut tape, &[]).as_deref(), FEW);
    tape.hang_up(2, 20);
    assert_eq!(audited(&mut tape, &[(1, 1)]), None);
    assert_eq!(audited(&mut tape, &[(1, 2)]), None);
    assert_eq!(audited(&mut tape, &[]).as_deref(), FEW);
}

#[test]
fn a_read_ack_over_a_limit_reads_nothing_where_that_is_refused() {
    let limits = &Limits::default();
    let probe = probe::named(limits, "0303.attach_data").expect("a limit");
    let long = ImMsgDataReadAck {
        user_id: 2,
        session_id: 1,
        msg_id: 5,
        session_type: SINGLE,
        attach_data: Some(vec![b'x'; probe.most as usize + 1].into()),
    };
    let long = || Pdu::new(command::MSG_READ_ACK, 5, &long);
    let (teamtalk, hardened) = (Protocol::teamtalk(), Protocol::hardened());
    let mut tape = sent(hardened).under(hardened);
    tape.asks(20, long());
    assert_eq!(audited(&mut tape, &[(1, 2)]), None);
    assert_eq!(audited(&mut tape, &[(1, 1)]).as_deref(), FEW);
    let mut tape = sent(teamtalk).under(teamtalk);
    tape.asks(20, long());
    assert_eq!(audited(&mut tape, &[(1, 2)]).as_deref(), MANY, "it is served");
    assert_eq!(audited(&mut tape, &[(1, 1)]), None);
}

#[test]
fn what_a_db_proxy_has_is_sure() {
    let mut old = sent(Protocol::teamtalk());
    old.frame("db1", End::Acceptor, false, 70, read(6));
    assert_eq!(audited(&mut old, &[(1, 1)]).as_deref(), MANY);
    assert_eq!(audited(&mut old, &[]), None);
    let mut new = sent(Protocol::hardened());
    new.asks(20, read(6)).hang_up(2, 20).frame("db1", End::Acceptor, false, 70, read(6));
    assert_eq!(audited(&mut new, &[(1, 2)]), None, "received, not confirmed");
    let confirmed = Pdu::raw(command::MSG_READ_NOTIFY, 5, read(6).body);
    new.frame("db1", End::Acceptor, true, 70, confirmed);
    assert_eq!(audited(&mut new, &[(1, 2)]).as_deref(), MANY);
    assert_eq!(audited(&mut new, &[]), None);
}

#[test]
fn a_removed_session_is_read_up_to_then() {
    let mut tape = sent(Protocol::teamtalk());
    let asked =
        ImRemoveSessionReq { user_id: 2, session_type: SINGLE, session_id: 1, attach_data: None };
    let asked = Pdu::new(command::BUDDY_LIST_REMOVE_SESSION_REQ, 5, &asked);
    tape.frame("db1", End::Acceptor, false, 70, asked).row(8, (1, "c"));
    for count in 0..=3 {
        assert_eq!(audited(&mut tape, &[(1, count)]), None, "not answered: {count}");
    }
    let done = ImRemoveSessionRsp {
        user_id: 2,
        result_code: 0,
        session_type: SINGLE,
        session_id: 1,
        attach_data: None,
    };
    let done = Pdu::new(command::BUDDY_LIST_REMOVE_SESSION_RES, 5, &done);
    tape.frame("db1", End::Acceptor, true, 70, done).row(9, (1, "d"));
    assert_eq!(audited(&mut tape, &[(1, 0)]).as_deref(), FEW);
    assert_eq!(audited(&mut tape, &[(1, 1)]), None);
    assert_eq!(audited(&mut tape, &[(1, 2)]), None);
    assert_eq!(audited(&mut tape, &[(1, 3)]).as_deref(), MANY);
}

/// User 2 (device 2, connection 20) and user 1 are members of the group from the start: 5 and
/// 6 are from user 1, 7 is from user 2.
fn group() -> Tape<Unread> {
    let mut tape = Tape::new(Unread::new(&Protocol::hardened()));
    tape.group(&[1, 2]).login(1, 10, 1).login(2, 20, 2).hang_up(1, 10);
    tape.group_row(5, (1, "a")).group_row(6, (1, "b")).group_row(7, (2, "own"));
    tape.later(5);
    tape
}

/// What is said if user 2 is told this count of the group, and user 1 the truth.
fn told(tape: &mut Tape<Unread>, count: u32) -> Option<String> {
    tape.line("world", Kind::Phase { phase: "audit" });
    let info = |unread_cnt| UnreadInfo {
        session_id: G,
        unread_cnt,
        session_type: GROUP,
        latest_msg_type: 17,
        ..Default::default()
    };
    for (user_id, unread_cnt) in [(1, 1), (2, count)] {
        let unreadinfo_list = vec![info(unread_cnt)];
        let answer = ImUnreadMsgCntRsp { user_id, unreadinfo_list, ..Default::default() };
        let answer = Pdu::new(command::MSG_UNREAD_CNT_RESPONSE, 1, &answer);
        tape.frame("outside", End::Dialler, false, 90, answer);
    }
    tape.pending()
}

/// The counts up to 4 that nothing is said about.
fn allowed(tape: &mut Tape<Unread>) -> Vec<u32> {
    (0..=4).filter(|&count| told(tape, count).is_none()).collect()
}

#[test]
fn in_a_group_what_others_sent_counts() {
    let mut tape = group();
    assert_eq!(told(&mut tape, 1).as_deref(), FEW);
    assert_eq!(told(&mut tape, 3).as_deref(), MANY, "the own one");
    assert_eq!(allowed(&mut tape), [2]);
    assert_eq!(allowed(tape.asks(20, read_of(Chat::User(G), 6))), [2], "another chat");
    assert_eq!(allowed(tape.asks(20, read_of(Chat::Group(G), 5))), [1]);
    assert_eq!(allowed(tape.hang_up(2, 20)), [1, 2], "maybe");
    let confirmed = Pdu::raw(command::MSG_READ_NOTIFY, 5, read_of(Chat::Group(G), 5).body);
    assert_eq!(allowed(tape.db_writes(confirmed)), [1]);
}

#[test]
fn what_was_before_the_join_does_not_count_nor_for_who_is_no_member() {
    let mut tape = group();
    assert_eq!(allowed(tape.changes(8, 2, false)), [0]);
    tape.later(5).changes(9, 2, true).group_row(8, (1, "in the same second"));
    assert_eq!(allowed(&mut tape), [0, 1]);
    assert_eq!(allowed(tape.later(5).group_row(9, (1, "d"))), [1, 2]);
    tape.later(5).db_reads(change_members(10, 1, G, false, &[2]));
    assert_eq!(allowed(&mut tape), [1, 2], "the store still has the user");
    assert_eq!(allowed(tape.member(2, false)), [0]);
    tape.later(5).db_reads(change_members(11, 1, G, true, &[2])).member(2, true);
    assert_eq!(allowed(tape.later(9).group_row(10, (1, "e"))), [0, 1], "it is being done");
    assert_eq!(allowed(tape.later(9).group_row(11, (1, "f"))), [1, 2], "never answered");
}

#[test]
fn a_message_that_arrived_before_the_join_and_was_committed_after_it_may_count() {
    let mut tape = group();
    tape.changes(8, 2, false).login(1, 11, 1).asks(11, group_message(9, 0, 1, "d"));
    tape.later(5).changes(9, 2, true).later(5).group_row(8, (1, "d")).hang_up(1, 11);
    assert_eq!(allowed(&mut tape), [0, 1]);
}

/// User 2 acks messages up to 9 of user 1, and the newest is 6: the mark goes no further.
#[test]
fn a_read_ack_reads_what_is_there_when_it_is_kept() {
    let hardened = Protocol::hardened();
    let confirmed = || Pdu::raw(command::MSG_READ_NOTIFY, 5, read(9).body);
    let mut tape = sent(hardened).under(hardened);
    tape.asks(20, read(9)).row(8, (1, "c"));
    assert_eq!(audited(&mut tape, &[]), None, "it is on its way");
    assert_eq!(audited(&mut tape, &[(1, 1)]), None);
    assert_eq!(audited(&mut tape, &[(1, 2)]).as_deref(), MANY, "6 is read");
    tape.db_reads(read(9)).db_writes(confirmed()).row(9, (1, "d"));
    assert_eq!(audited(&mut tape, &[(1, 1)]), None, "8 was there when it was received, 9 was not");
    assert_eq!(audited(&mut tape, &[]).as_deref(), FEW);
    assert_eq!(audited(&mut tape, &[(1, 2)]).as_deref(), MANY);
    let mut tape = sent(hardened).under(hardened);
    tape.asks(20, read(9)).db_reads(read(9)).row(8, (1, "c")).db_writes(confirmed());
    assert_eq!(audited(&mut tape, &[]), None, "8 came while it was kept");
    assert_eq!(audited(&mut tape, &[(1, 1)]), None);
    // Without the switch it is kept as it is said.
    let unlimited = Protocol { edge_limits: false, ..hardened };
    let mut tape = sent(unlimited).under(unlimited);
    tape.asks(20, read(9)).db_reads(read(9)).db_writes(confirmed()).row(9, (1, "d"));
    assert_eq!(audited(&mut tape, &[]), None);
    assert_eq!(audited(&mut tape, &[(1, 1)]).as_deref(), MANY);
}

/// One that is repeated may come twice.
#[test]
fn a_read_ack_that_may_still_come_may_read_more() {
    let hardened = Protocol::hardened();
    let mut tape = sent(hardened).under(hardened);
    let confirmed = Pdu::raw(command::MSG_READ_NOTIFY, 5, read(9).body);
    tape.asks(20, read(9)).asks(20, read(9)).db_reads(read(9)).db_writes(confirmed);
    tape.row(8, (1, "c"));
    assert_eq!(audited(&mut tape, &[]), None);
    assert_eq!(audited(&mut tape, &[(1, 1)]), None);
    assert_eq!(audited(&mut tape, &[(1, 2)]).as_deref(), MANY);
}

/// What nobody repeats may be lost.
#[test]
fn a_read_ack_beside_what_a_program_keeps_is_read_once_it_is_confirmed() {
    let mut tape = sent(Protocol::hardened()).under(Protocol::hardened());
    tape.known.acks_by_hand.insert(2);
    tape.asks(20, read(6));
    assert_eq!(audited(&mut tape, &[]), None);
    assert_eq!(audited(&mut tape, &[(1, 2)]), None);
    tape.db_reads(read(6)).db_writes(Pdu::raw(command::MSG_READ_NOTIFY, 5, read(6).body));
    assert_eq!(audited(&mut tape, &[(1, 2)]).as_deref(), MANY);
}
