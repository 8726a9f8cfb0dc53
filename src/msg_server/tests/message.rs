use super::*;
use crate::conversation::Conversation;

const PAYLOAD: &str = "322c494e7174512b666576494b6d6e2f6a706b4b61615641722b475a34332b326d4d66514d46\
                       71547347426a593d";

fn pair() -> Conversation {
    Conversation::single(1, 2)
}

fn added(conn: ConnId, user: u32, from: u32) -> Fact {
    Fact::SendListAdded { conn, user, conversation: pair(), msg_id: 1, from }
}

/// Golden 03: the sender's side, byte for byte.
#[test]
fn first_text_at_the_senders_server() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.now.unix = Duration::from_secs(1_795_404_617);
    let sent = rig.pdu(ALICE, cmd::MSG_DATA, 2, &format!("08011002180020002801{PAYLOAD}"));
    let stored = format!(
        "0000005b00010000000303010002000008011002180020c9e68ed8062801{PAYLOAD}\
                          a2010c000000010000000700000000"
    );
    assert_eq!(sent.sent, [(DB_OTHER, stored.clone())]);
    let reply = stored.replace("18002", "18012");
    let done = rig.hex(DB_OTHER, &reply);
    let token = format!(
        "000000510001000000070705000000000802a2013c08011002180120c9e68ed8062801\
                         {PAYLOAD}"
    );
    let expected = [
        (ALICE, "000000180001000000030302000200000801100218012001".to_string()),
        (ROUTE, reply),
        (DB_OTHER, token),
    ];
    assert_eq!(done.sent, expected);
    let answer = format!("a2013c08011002180120c9e68ed8062801{PAYLOAD}");
    let token = rig.pdu(DB_OTHER, cmd::OTHER_GET_DEVICE_TOKEN_RSP, 0, &answer);
    assert!(token.sent.is_empty() && token.facts.is_empty());
}

/// Golden 41: a relayed request keeps its header.
#[test]
fn the_header_passes() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let sent = rig.hex(ALICE, "000000280007beef12340301abcdcafe080010021800200028013202616162");
    assert!(sent.to(DB_OTHER).is_empty(), "a body with half a field is malformed");
    let sent = rig.hex(ALICE, "0000001e0007beef12340301abcdcafe080010021800200028013202616118");
    assert!(sent.to(DB_OTHER).is_empty());
    let sent = rig.hex(ALICE, "0000001d0007beef12340301abcdcafe0800100218002000280132026161");
    assert_eq!(&sent.to(DB_OTHER)[0][8..32], "0007beef12340301abcdcafe");
}

/// Golden 03: the receiver's side. The push is what route sent, attach and seq_num too.
#[test]
fn first_text_at_the_receivers_server() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 2, 1);
    let body = format!("08011002180120c9e68ed8062801{PAYLOAD}a2010c000000010000000700000000");
    let done = rig.pdu(ROUTE, cmd::MSG_DATA, 2, &body);
    assert_eq!(done.to(ALICE), [format!("0000005b000100000003030100020000{body}")]);
    assert_eq!(done.sent.len(), 1);
    assert!(done.facts.contains(&added(ALICE, 2, 1)));
    let ack = rig.pdu(ALICE, cmd::MSG_DATA_ACK, 3, "0802100118012001");
    let conn = ALICE;
    assert_eq!(ack.facts, [Fact::SendListAcked { conn, conversation: pair(), msg_id: 1 }]);
    assert!(rig.tick_at(60.0).facts.is_empty());
}

/// Golden 06 and 08: own copies and local receivers get seq_num 0 and no attach.
#[test]
fn local_pushes() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.login(8, 1, 0x12);
    rig.login(9, 2, 1);
    let done = rig.pdu(DB_OTHER, cmd::MSG_DATA, 7, &message(1, 2, 1, 1, &attach(7)));
    let order = [(ALICE, "0302"), (ROUTE, "0301"), (8, "0301"), (9, "0301"), (DB_OTHER, "0705")];
    assert_eq!(done.order(), order.map(|(to, command)| (to, command.to_string())));
    let push = format!("0000001e000100000003030100000000{}", message(1, 2, 1, 1, ""));
    assert_eq!(done.to(8), [push.as_str()]);
    assert_eq!(done.to(9), [push.as_str()]);
    assert!(done.facts.contains(&added(8, 1, 1)) && done.facts.contains(&added(9, 2, 1)));
}

/// SYSTEM.md section 7: Android acks an own copy with the peer's id, which meets no entry.
#[test]
fn an_own_copy_expires() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.login(8, 1, 0x12);
    rig.pdu(DB_OTHER, cmd::MSG_DATA, 7, &message(1, 2, 1, 1, &attach(7)));
    assert!(rig.pdu(8, cmd::MSG_DATA_ACK, 3, "0801100218012001").facts.is_empty());
    assert!(rig.tick_at(15.0).facts.is_empty());
    let late = rig.tick_at(15.1);
    let expired = Fact::SendListExpired { conn: 8, conversation: pair(), msg_id: 1 };
    assert_eq!((late.facts, late.sent.len()), (vec![expired], 0));
    assert!(rig.pdu(8, cmd::MSG_DATA_ACK, 3, "0801100118012001").facts.is_empty(), "gone");
}

#[test]
fn a_closed_connection_drops_its_list() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 2, 1);
    rig.pdu(ROUTE, cmd::MSG_DATA, 2, &message(1, 2, 1, 1, ""));
    let dropped = Fact::SendListDropped { conn: ALICE, conversation: pair(), msg_id: 1 };
    assert_eq!(rig.gone(ALICE).facts, [dropped]);
}

/// Golden 12: relayed without attach, noticed to the other device and route, and it acks.
#[test]
fn read_ack() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 2, 1);
    rig.login(8, 2, 0x12);
    rig.pdu(ROUTE, cmd::MSG_DATA, 2, &message(1, 2, 6, 1, ""));
    let done = rig.pdu(ALICE, cmd::MSG_READ_ACK, 9, "0800100118062001");
    let notice = "000000180001000000030304000000000802100118062001".to_string();
    let relayed = "000000180001000000030303000900000802100118062001".to_string();
    assert_eq!(done.sent, [(DB_OTHER, relayed), (8, notice.clone()), (ROUTE, notice.clone())]);
    let acked = Fact::SendListAcked { conn: ALICE, conversation: pair(), msg_id: 6 };
    assert_eq!(done.facts, [acked]);
    let from_route = rig.pdu(ROUTE, cmd::MSG_READ_NOTIFY, 0, "0802100118062001");
    assert_eq!(from_route.sent, [(ALICE, notice.clone()), (8, notice)]);
}

#[test]
fn dropped_without_a_reply() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let empty = rig.pdu(ALICE, cmd::MSG_DATA, 2, "080110021800200028013200");
    assert_eq!((empty.refusal(), empty.sent.len()), ("an empty message", 0));
    let to_self = rig.pdu(ALICE, cmd::MSG_DATA, 2, &message(2, 2, 0, 1, ""));
    assert_eq!((to_self.refusal(), to_self.sent.len()), ("a message to oneself", 0));
    // It is the client's own from_user_id that counts: 9 → 1 passes although 1 is logged in.
    assert_eq!(rig.pdu(ALICE, cmd::MSG_DATA, 2, &message(9, 1, 0, 1, "")).to(DB_OTHER).len(), 1);
    assert_eq!(rig.pdu(ALICE, cmd::MSG_DATA, 2, &message(2, 2, 0, 17, "")).sent.len(), 1);
}

#[test]
fn twenty_a_second() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let text = message(1, 2, 0, 1, "");
    // An empty message is not counted, one to oneself is.
    rig.pdu(ALICE, cmd::MSG_DATA, 2, "080110021800200028013200");
    rig.pdu(ALICE, cmd::MSG_DATA, 2, &message(2, 2, 0, 1, ""));
    for _ in 0..19 {
        assert_eq!(rig.pdu(ALICE, cmd::MSG_DATA, 2, &text).to(DB_OTHER).len(), 1);
    }
    assert_eq!(rig.pdu(ALICE, cmd::MSG_DATA, 2, &text).refusal(), "over 20 messages a second");
    rig.tick_at(1.0);
    assert_eq!(rig.pdu(ALICE, cmd::MSG_DATA, 2, &text).to(DB_OTHER).len(), 1);
}

#[test]
fn not_logged_in_is_user_0() {
    let mut rig = Rig::teamtalk();
    rig.open(ALICE, Kind::Client);
    let sent = rig.pdu(ALICE, cmd::MSG_DATA, 2, &message(1, 2, 0, 1, ""));
    assert!(sent.to(DB_OTHER)[0][32..].starts_with("08001002"), "{sent:?}");
    let reply = rig.pdu(DB_OTHER, cmd::MSG_DATA, 2, &message(0, 2, 0, 1, &attach(7)));
    assert!(reply.sent.is_empty());
    assert_eq!(rig.pdu(ALICE, cmd::MSG_TIME_REQUEST, 10, "").to(ALICE).len(), 1);
}

#[test]
fn a_group_message_is_acked_as_one() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let reply = rig.pdu(DB_OTHER, cmd::MSG_DATA, 13, &message(1, 1, 1, 17, &attach(7)));
    assert_eq!(reply.to(ALICE), ["000000180001000000030302000d00000801100118012002"]);
    assert_eq!(reply.to(ROUTE).len(), 1);
}

#[test]
fn a_short_attach_closes_the_link() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let done = rig.pdu(DB_OTHER, cmd::MSG_DATA, 2, &message(1, 2, 1, 1, "a20100"));
    assert_eq!((done.closed, done.sent.len()), (vec![DB_OTHER], 0));
    assert_eq!(rig.pdu(ALICE, cmd::MSG_DATA, 2, &message(1, 2, 0, 1, "")).to(DB_LOGIN).len(), 1);
}
