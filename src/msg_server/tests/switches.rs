use super::*;
use crate::{conversation::Conversation, msg_server::SEND_LIST_BOUND};

fn only(name: &str) -> Rig {
    let mut protocol = Protocol::teamtalk();
    assert!(protocol.set(name, true));
    Rig::with(protocol)
}

#[test]
fn ack_after_store_tells_the_sender() {
    let failed = message(1, 2, 0, 1, &attach(7));
    let mut rig = only("ack-after-store");
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
    let mut rig = only("conversation-keyed-acks");
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
    let mut rig = only("resend-until-acked");
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
    let mut rig = only("resend-until-acked");
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
    let mut rig = only("resend-until-acked");
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
