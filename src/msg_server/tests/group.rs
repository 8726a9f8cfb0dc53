use super::*;
use crate::conversation::Conversation;

/// The message of golden 18 as db_proxy sends it back.
const MESSAGE: &str = "08011001180120ebe68ed8062811321853424b4639475339422f314d5044792b3469385077773d3da2\
                       010c000000010000000700000000";
const GROUP: &str = "1218080110011a02673122026176280130023800400140024003";

/// Golden 18's attach of type 3, as a field.
fn attached(handle: u32) -> String {
    format!("a2014700000003{handle:08x}0000000000000037{MESSAGE}")
}

/// The captured texts are written in several lines.
fn line(text: &str) -> String {
    text.split_whitespace().collect()
}

fn message_of(command: &str, length: u8, body: &str) -> String {
    format!("000000{length:02x}00010000{command}0000{}", line("0000")) + &line(body)
}

/// Golden 17.
#[test]
fn create() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let body = "080110021a02673122026176280128022803";
    let asked = rig.pdu(ALICE, 0x0405, 12, body);
    let relayed = format!("000000310001000000040405000c0000{body}{}", attach(7));
    assert_eq!(asked.sent, [(DB_OTHER, relayed)]);
    let answer = "08011000180122026731280128022803";
    let done = rig.pdu(DB_OTHER, 0x0406, 12, &format!("{answer}{}", attach(7)));
    assert_eq!(done.sent, [(ALICE, format!("000000200001000000040406000c0000{answer}"))]);
}

#[test]
fn no_group_of_type_normal() {
    for names in [&[][..], &["answered-refusals"]] {
        let mut rig = Rig::only(names);
        rig.login(ALICE, 1, 1);
        let done = rig.pdu(ALICE, 0x0405, 12, "080110011a02673122026176280128022803");
        assert_eq!((done.refusal(), done.to(DB_OTHER).len()), ("a group of type NORMAL", 0));
        let told = vec![(0x0405, 12, RefusedCode::RefusedNotAllowed)];
        assert_eq!(done.told(ALICE), if names.is_empty() { vec![] } else { told });
    }
}

#[test]
fn without_a_db_proxy() {
    let mut rig = Rig::only(&["answered-refusals"]);
    rig.login(ALICE, 1, 1);
    rig.gone(DB_LOGIN);
    rig.gone(DB_OTHER);
    for (request, body, response, answer) in [
        (0x0401, "0801", 0x0402, ""),
        (0x0403, "0801", 0x0404, "0801"),
        (0x0405, "080110021a0267312202617628012803", 0x0406, "08011001220267312801 2803"),
        (0x0407, "0801100118052003", 0x0408, "0801100118012005"),
        (0x0409, "080110051801", 0x040a, "080110051801"),
        (0x0509, "0801", 0x050a, "0801"),
    ] {
        let done = rig.pdu(ALICE, request, 3, body);
        let answer = Pdu::raw(response, 3, unhex(&line(answer)).into());
        assert_eq!(done.sent, [(ALICE, hex(&answer.encode()))], "{request:04x}");
    }
}

/// Golden 19: the list of a client, by version, with an attach of its own.
#[test]
fn a_client_asks_for_members() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 2, 1);
    let long = "a2011000000001000000070000000000000000";
    let asked = rig.pdu(ALICE, 0x0403, 18, "0802120408011000");
    let relayed = format!("0000002b0001000000040403001200000802120408011000{long}");
    assert_eq!(asked.sent, [(DB_OTHER, relayed)]);
    let done = rig.pdu(DB_OTHER, 0x0404, 18, &format!("0802{GROUP}{long}"));
    assert_eq!(done.sent, [(ALICE, format!("0000002c0001000000040404001200000802{GROUP}"))]);
}

#[test]
fn a_change_of_members() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.login(8, 1, 0x12);
    rig.login(9, 2, 1);
    let asked = rig.pdu(ALICE, 0x0407, 5, "0801100118012002");
    assert_eq!(asked.to(DB_OTHER).len(), 1);
    // Now: 1 and 2; changed: 2.
    let answer = "0801100118002001280128023002";
    let done = rig.pdu(DB_OTHER, 0x0408, 5, &format!("{answer}{}", attach(7)));
    let notice = "0000001c00010000000404 0b00000000080110011801200120022802".replace(' ', "");
    let expected = [
        (ALICE, format!("0000001e0001000000040408000500 00{answer}").replace(' ', "")),
        (ROUTE, notice.clone()),
        (9, notice.clone()),
        (8, notice.clone()),
        (9, notice.clone()),
    ];
    assert_eq!(done.sent, expected);
    let from_route = rig.hex(ROUTE, &notice);
    assert_eq!(from_route.sent, [9, ALICE, 8, 9].map(|to| (to, notice.clone())));
    let denied = rig.pdu(DB_OTHER, 0x0408, 5, &format!("0801100118012001{}", attach(7)));
    assert_eq!(denied.order(), [(ALICE, "0408".to_string())]);
}

/// Golden 18 at the sender's server: ack, route, then the members are asked for.
#[test]
fn a_message_at_the_senders_server() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let done = rig.pdu(DB_OTHER, cmd::MSG_DATA, 13, &line(MESSAGE));
    let ask = message_of("00040403", 0x62, &format!("0801120408011000{}", attached(7)));
    let expected = [
        (ALICE, "000000180001000000030302000d00000801100118012002".to_string()),
        (ROUTE, format!("000000470001000000030301000d0000{}", line(MESSAGE))),
        (DB_OTHER, ask),
    ];
    assert_eq!(done.sent, expected);
}

/// Golden 18: every server pushes to its members in their order but to the origin connection,
/// then asks who has muted the group, then for device tokens.
#[test]
fn a_message_reaches_the_members() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.login(8, 3, 1);
    rig.login(9, 1, 0x12);
    rig.login(10, 4, 1);
    let answer = format!("0801{GROUP}{}", line(&attached(7)));
    let done = rig.pdu(DB_OTHER, 0x0404, 0, &answer);
    let push = message_of("00030301", 0x47, MESSAGE);
    let shield = message_of("00070711", 0x52, &format!("0801100110021003a20137{MESSAGE}"));
    assert_eq!(done.sent, [(9, push.clone()), (8, push.clone()), (DB_OTHER, shield)]);
    assert!(done.facts.is_empty(), "no send list: {done:?}");
    let shields = "08011206080110011800120608021001180012060803 10011801";
    let done = rig.pdu(DB_OTHER, 0x0712, 0, &line(&format!("{shields}a20137{MESSAGE}")));
    let tokens = message_of("00070705", 0x4e, &format!("08010802a20137{MESSAGE}"));
    assert_eq!(done.sent, [(DB_OTHER, tokens)], "user 3 has muted it");
    let muted = rig.pdu(DB_OTHER, 0x0712, 0, &line(&format!("0801a20137{MESSAGE}")));
    assert_eq!(muted.sent.len(), 1, "also for nobody");
}

#[test]
fn a_message_from_another_server() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 0x12);
    let asked = rig.pdu(ROUTE, cmd::MSG_DATA, 13, &line(MESSAGE));
    let ask = message_of("00040403", 0x62, &format!("0801120408011000{}", attached(0)));
    assert_eq!(asked.sent, [(DB_OTHER, ask)]);
    let answer = format!("0801{GROUP}{}", line(&attached(0)));
    assert_eq!(rig.pdu(DB_OTHER, 0x0404, 0, &answer).to(ALICE).len(), 1, "the sender's phone");
}

#[test]
fn a_message_to_no_group_of_the_sender() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 2, 1);
    let unknown = rig.pdu(DB_OTHER, 0x0404, 0, &format!("0801{}", line(&attached(0))));
    assert_eq!((unknown.refusal(), unknown.sent.len()), ("no such group", 0));
    let others = GROUP.replace("400140024003", "400240034004");
    let done = rig.pdu(DB_OTHER, 0x0404, 0, &format!("0801{others}{}", line(&attached(0))));
    assert_eq!((done.refusal(), done.sent.len()), ("the sender is no member", 0));
}

/// Ours: with `members-from-store` a message that was stored is pushed though its sender has left
/// since, and the members of a group that nobody knows any more have missed one.
#[test]
fn a_stored_message_is_pushed_whoever_sent_it() {
    let mut rig = Rig::only(&["members-from-store", "catch-up-hint"]);
    rig.login(ALICE, 2, 1);
    let others = GROUP.replace("400140024003", "400240034004");
    let done = rig.pdu(DB_OTHER, 0x0404, 0, &format!("0801{others}{}", line(&attached(0))));
    assert_eq!(done.order(), [(ALICE, "0301".to_string()), (DB_OTHER, "0711".to_string())]);
    let unknown = rig.pdu(DB_OTHER, 0x0404, 0, &format!("0801{}", line(&attached(0))));
    assert_eq!(unknown.order(), [(ALICE, "07e2".to_string())]);
}

/// Ours: with `conversation-keyed-acks` group pushes are in the send list until an ack or a read
/// ack names the group, or until they expire; with `resend-until-acked` they are written again.
#[test]
fn hardened_pushes_are_tracked() {
    const ACK: (u16, &str) = (cmd::MSG_DATA_ACK, "0802100118012002");
    const READ: (u16, &str) = (cmd::MSG_READ_ACK, "0802100118012002");
    let both = &["resend-until-acked", "conversation-keyed-acks"][..];
    for (names, tracked, again) in
        [(both, true, 1), (&both[..1], false, 0), (&both[1..], true, 0), (&[][..], false, 0)]
    {
        for (command, body) in [ACK, READ] {
            let mut rig = Rig::only(names);
            rig.login(ALICE, 2, 1);
            let done = rig.pdu(DB_OTHER, 0x0404, 0, &format!("0801{GROUP}{}", line(&attached(0))));
            assert_eq!(done.to(ALICE).len(), 1);
            let conversation = Conversation::Group(1);
            let added =
                Fact::SendListAdded { conn: ALICE, user: 2, conversation, msg_id: 1, from: 1 };
            assert_eq!(done.facts.contains(&added), tracked);
            assert_eq!(rig.tick_at(3.0).to(ALICE).len(), again);
            // The same ids of a single conversation are another one.
            let single = body.replace("2002", "2001");
            assert!(rig.pdu(ALICE, command, 3, &single).facts.is_empty());
            let acked = Fact::SendListAcked { conn: ALICE, conversation, msg_id: 1 };
            let ack = rig.pdu(ALICE, command, 3, body);
            assert_eq!(ack.facts, if tracked { vec![acked] } else { vec![] });
            assert!(rig.tick_at(20.0).facts.is_empty());
        }
    }
}

/// Windows and Mac do not ack a group message: nothing happens but that its entry expires.
#[test]
fn a_group_push_that_nobody_acks_expires() {
    let mut rig = Rig::only(&["conversation-keyed-acks"]);
    rig.login(ALICE, 2, 1);
    rig.pdu(DB_OTHER, 0x0404, 0, &format!("0801{GROUP}{}", line(&attached(0))));
    let expired = rig.tick_at(20.0);
    assert!(matches!(expired.facts[..], [Fact::SendListExpired { msg_id: 1, .. }]), "{expired:?}");
    assert!(expired.sent.is_empty());
}

/// catch-up-hint: members here miss the message when no answer says who they are.
#[test]
fn a_lost_answer_about_members_is_hinted_at() {
    let start = |names| {
        let mut rig = Rig::only(names);
        rig.login(ALICE, 2, 1);
        rig.pdu(ROUTE, cmd::MSG_DATA, 13, &line(MESSAGE));
        rig
    };
    let hint = "00000010000100000007 07e200000000".replace(' ', "");
    let on = &["catch-up-hint"][..];
    assert_eq!(start(on).gone(DB_OTHER).sent, [(ALICE, hint.clone())]);
    assert!(start(&[]).gone(DB_OTHER).sent.is_empty());
    let mut rig = start(on);
    assert!(rig.tick_at(36.0).sent.is_empty());
    assert_eq!(rig.tick_at(36.1).sent, [(ALICE, hint.clone())]);
    let mut rig = start(on);
    rig.pdu(DB_OTHER, 0x0404, 0, &format!("0801{GROUP}{}", line(&attached(0))));
    assert!(rig.tick_at(36.1).sent.is_empty(), "answered");
    let mut rig = start(on);
    rig.gone(DB_OTHER);
    rig.gone(DB_LOGIN);
    rig.at(13.0);
    let nobody_to_ask = rig.pdu(ROUTE, cmd::MSG_DATA, 13, &line(MESSAGE));
    assert_eq!(nobody_to_ask.sent, [(ALICE, hint)]);
}
