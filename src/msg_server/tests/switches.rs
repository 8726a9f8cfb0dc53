use super::*;
use crate::{
    catalogue::limits::Limits,
    conversation::Conversation,
    msg_server::{IN_FLIGHT_BOUND, SEND_LIST_BOUND},
};

#[test]
fn ack_after_store_tells_the_sender() {
    let failed = message(1, 2, 0, 1, &attach(7));
    let mut rig = Rig::only(&["ack-after-store"]);
    rig.login(ALICE, 1, 1);
    let done = rig.pdu(DB_OTHER, cmd::MSG_DATA, 2, &failed);
    let ack = "000000180001000000030302000200000801100218002001".to_string();
    assert_eq!(done.sent, [(ALICE, ack)], "answered, and nothing is pushed or relayed");
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    assert!(rig.pdu(DB_OTHER, cmd::MSG_DATA, 2, &failed).sent.is_empty());
}

#[test]
fn conversation_keyed_acks_meet_own_copies() {
    let mut rig = Rig::only(&["conversation-keyed-acks"]);
    rig.login(ALICE, 1, 1);
    rig.login(8, 1, 0x12);
    rig.login(9, 2, 1);
    rig.pdu(DB_OTHER, cmd::MSG_DATA, 7, &message(1, 2, 1, 1, &attach(7)));
    let acked =
        |conn| [Fact::SendListAcked { conn, conversation: Conversation::single(1, 2), msg_id: 1 }];
    // Own id as session_id names the conversation (1, 1).
    assert!(rig.pdu(8, cmd::MSG_DATA_ACK, 3, "0801100118012001").facts.is_empty());
    assert_eq!(rig.pdu(8, cmd::MSG_DATA_ACK, 3, "0801100218012001").facts, acked(8));
    assert_eq!(rig.pdu(9, cmd::MSG_DATA_ACK, 3, "0802100118012001").facts, acked(9));
}

#[test]
fn resend_until_acked() {
    let mut rig = Rig::only(&["resend-until-acked"]);
    rig.login(ALICE, 2, 1);
    let first = rig.pdu(ROUTE, cmd::MSG_DATA, 5, &message(1, 2, 1, 1, &attach(3)));
    assert!(rig.tick_at(2.0).sent.is_empty());
    let again = rig.tick_at(3.0);
    assert_eq!(again.sent, first.sent, "the same bytes");
    let conversation = Conversation::single(1, 2);
    let resent = Fact::SendListResent { conn: ALICE, conversation, msg_id: 1 };
    assert_eq!(again.facts, [resent]);
    assert!(rig.tick_at(4.0).sent.is_empty());
    assert_eq!(rig.tick_at(6.0).sent.len(), 1);
    let acked = rig.pdu(ALICE, cmd::MSG_DATA_ACK, 3, "0802100118012001");
    assert_eq!(acked.facts, [Fact::SendListAcked { conn: ALICE, conversation, msg_id: 1 }]);
    assert!(rig.tick_at(60.0).facts.is_empty());
}

#[test]
fn who_never_acks_is_disconnected() {
    let mut rig = Rig::only(&["resend-until-acked"]);
    rig.login(ALICE, 2, 1);
    rig.pdu(ROUTE, cmd::MSG_DATA, 5, &message(1, 2, 1, 1, ""));
    for n in 1..=3 {
        let done = rig.tick_at(3.0 * f64::from(n));
        assert_eq!((done.sent.len(), done.closed.len()), (1, 0), "resend {n}");
    }
    let done = rig.tick_at(12.0);
    assert_eq!(done.closed, [ALICE]);
    let reason = "no ack of message 1 after 3 resends".to_string();
    assert_eq!(done.facts[0], Fact::Closed { conn: ALICE, reason });
    assert!(matches!(done.facts[1], Fact::SendListDropped { msg_id: 1, .. }));
    assert_eq!(done.order(), [(LOGIN, "070b".into()), (ROUTE, "070a".into())]);
}

#[test]
fn the_send_list_is_bounded() {
    let mut rig = Rig::only(&["resend-until-acked"]);
    rig.login(ALICE, 2, 1);
    let push = message(1, 2, 1, 1, "");
    for _ in 0..SEND_LIST_BOUND {
        assert!(rig.pdu(ROUTE, cmd::MSG_DATA, 5, &push).closed.is_empty());
    }
    let over = rig.pdu(ROUTE, cmd::MSG_DATA, 5, &push);
    assert_eq!(over.closed, [ALICE]);
    let dropped = over.facts.iter().filter(|f| matches!(f, Fact::SendListDropped { .. })).count();
    assert_eq!(dropped, SEND_LIST_BOUND);
}

/// With `edge-limits` what a deployment says holds, also without `resend-until-acked`; by default it is what holds
/// without the switch.
#[test]
fn the_bounds_of_what_waits_are_limits() {
    let limits = Limits::default();
    assert_eq!((limits.send_list, limits.in_flight), (SEND_LIST_BOUND, IN_FLIGHT_BOUND));
    let small = [("send-list".to_string(), 2), ("in-flight".to_string(), 3)];
    let limits = Limits::with(&small.into()).expect("limits");
    let mut rig = Rig::of(Config { limits, ..config(Protocol::hardened()) });
    rig.login(ALICE, 2, 1);
    let push = message(1, 2, 1, 1, "");
    for n in 1..=3 {
        let done = rig.pdu(ROUTE, cmd::MSG_DATA, 5, &push);
        assert_eq!(done.closed.len(), usize::from(n == 3), "push {n}");
    }
    rig.login(BOB, 1, 1);
    for n in 1..=4 {
        let told = rig.pdu(BOB, cmd::MSG_UNREAD_CNT_REQUEST, 5, "0801").told(BOB);
        assert_eq!(told.len(), usize::from(n == 4), "request {n}");
    }
}

#[test]
fn high_water_is_reported_once_a_maximum() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 2, 1);
    let mark = |done: &Done| {
        let send_list =
            |fact: &&Fact| matches!(fact, Fact::HighWater { queue, .. } if queue == "send_list");
        done.facts.iter().filter(send_list).count()
    };
    assert_eq!(mark(&rig.pdu(ROUTE, cmd::MSG_DATA, 5, &message(1, 2, 1, 1, ""))), 1);
    rig.pdu(ALICE, cmd::MSG_DATA_ACK, 3, "0802100118012001");
    assert_eq!(mark(&rig.pdu(ROUTE, cmd::MSG_DATA, 5, &message(1, 2, 2, 1, ""))), 0);
    assert_eq!(mark(&rig.pdu(ROUTE, cmd::MSG_DATA, 5, &message(1, 2, 3, 1, ""))), 1);
}

/// Golden 22 without the switch: a kicked client goes on sending.
#[test]
fn login_gate_closes_a_kicked_connection() {
    let mut rig = Rig::only(&["login-gate"]);
    rig.login(ALICE, 1, 1);
    let done = rig.login(8, 1, 2);
    assert_eq!(done.to(ALICE), ["0000001400010000000101070000000008011001"], "and then closed");
    assert_eq!(done.closed, [ALICE]);
    let order = [
        (ALICE, "0107"),
        (LOGIN, "070b"),
        (ROUTE, "070a"),
        (ROUTE, "070d"),
        (LOGIN, "070b"),
        (ROUTE, "070a"),
        (8, "0104"),
    ];
    assert_eq!(done.order(), order.map(|(to, command)| (to, command.to_string())));
    // What it had sent before it read the kick is served no more.
    assert!(rig.pdu(ALICE, cmd::MSG_DATA, 2, &message(1, 2, 0, 1, "")).sent.is_empty());
    // Kicked by another server.
    let kicked = rig.pdu(ROUTE, cmd::OTHER_SERVER_KICK_USER, 0, "080110021801");
    assert_eq!((kicked.to(8).len(), kicked.closed), (1, vec![8]));
    assert!(rig.gone(8).sent.is_empty());
}

#[test]
fn login_gate_serves_nobody_before_login() {
    let mut rig = Rig::only(&["login-gate"]);
    rig.open(ALICE, Kind::Client);
    for command in [0x0301, 0x0303, 0x0305, 0x0307, 0x0105, 0x010a, 0x7777] {
        let done = rig.pdu(ALICE, command, 2, &message(1, 2, 0, 1, ""));
        assert_eq!((done.sent.len(), done.refusal()), (0, "not logged in"), "{command:04x}");
    }
    assert_eq!(rig.pdu(ALICE, cmd::OTHER_HEARTBEAT, 2, "").to(ALICE).len(), 1);
    assert!(rig.login(ALICE, 1, 1).closed.is_empty());
    assert_eq!(rig.pdu(ALICE, cmd::MSG_TIME_REQUEST, 3, "").to(ALICE).len(), 1);
}

/// The whole of golden 12's notices, but after the answer of the store.
#[test]
fn confirmed_read_acks_wait_for_the_store() {
    let mut rig = Rig::only(&["confirmed-read-acks"]);
    rig.login(ALICE, 2, 1);
    rig.login(8, 2, 0x12);
    let asked = rig.pdu(ALICE, cmd::MSG_READ_ACK, 9, "0800100118062001");
    let relayed = format!("000000270001000000030303000900000802100118062001{}", attach(7));
    assert_eq!(asked.sent, [(DB_OTHER, relayed)], "no notice yet");
    let stored = format!("0802100118062001{}", attach(7));
    let done = rig.pdu(DB_OTHER, cmd::MSG_READ_NOTIFY, 9, &stored);
    let of = |seq| format!("000000180001000000030304{seq:04x}00000802100118062001");
    assert_eq!(done.sent, [(ALICE, of(9)), (8, of(0)), (ROUTE, of(0))]);
    // The requester is gone: the others are told all the same.
    rig.gone(ALICE);
    let done = rig.pdu(DB_OTHER, cmd::MSG_READ_NOTIFY, 9, &stored);
    assert_eq!(done.sent, [(8, of(0)), (ROUTE, of(0))]);
    // An old db_proxy link, or a lying one, changes nothing without the switch.
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 2, 1);
    assert!(rig.pdu(DB_OTHER, cmd::MSG_READ_NOTIFY, 9, &stored).sent.is_empty());
}

#[test]
fn a_confirmed_read_ack_still_settles_the_send_list() {
    let mut rig = Rig::only(&["confirmed-read-acks"]);
    rig.login(ALICE, 2, 1);
    rig.pdu(ROUTE, cmd::MSG_DATA, 2, &message(1, 2, 6, 1, ""));
    let done = rig.pdu(ALICE, cmd::MSG_READ_ACK, 9, "0800100118062001");
    assert!(matches!(done.facts[..], [Fact::SendListAcked { msg_id: 6, .. }]), "{done:?}");
}
