//! Each rule of `send-list-acked`, by hand.

use super::SendListAcked;
use crate::{
    plan::{Action, Operation},
    properties::tape::{G, Tape, ack, ack_up_to, group_ack},
    record::Kind,
};
use bytes::Bytes;
use teamtalk::{
    catalogue::id as command,
    conversation::Conversation,
    fact::Fact,
    wire::{Pdu, im::base_define::ClientType},
};

const LOST: Option<&str> = Some("send-list-acked/lost/msg");
const NEVER_ACKED: Option<&str> = Some("send-list-acked/never-acked/client");

/// msg_id 5 of user 1 is pushed to device 3 of user 2, on a connection.
fn added(conn: u64) -> Fact {
    let conversation = Conversation::single(1, 2);
    Fact::SendListAdded { conn, user: 2, conversation, msg_id: 5, from: 1 }
}

/// The push on connection 7.
fn pushed() -> Tape<SendListAcked> {
    let mut tape = Tape::new(SendListAcked::default());
    tape.login(3, 7, 2).fact("msg1", added(7));
    tape
}

fn expired() -> Fact {
    Fact::SendListExpired { conn: 7, conversation: Conversation::single(1, 2), msg_id: 5 }
}

#[test]
fn an_ack_pays_and_nothing_else_does() {
    assert_eq!(pushed().pending().as_deref(), LOST);
    assert_eq!(pushed().holds(3, 5, (1, "a")).pending().as_deref(), NEVER_ACKED);
    assert_eq!(pushed().holds(3, 5, (1, "a")).asks(7, ack(1, 5, 2, 1)).pending(), None);
    assert_eq!(pushed().fact("msg1", expired()).pending().as_deref(), LOST);
    assert_eq!(pushed().line("msg1", Kind::HostDown).pending().as_deref(), LOST);
    let expired_then_held = pushed().fact("msg1", expired()).holds(3, 5, (1, "a")).pending();
    assert_eq!(expired_then_held.as_deref(), NEVER_ACKED);
    // What a role says of it is no ack.
    let said = Fact::SendListAcked { conn: 7, conversation: Conversation::single(1, 2), msg_id: 5 };
    assert_eq!(pushed().holds(3, 5, (1, "a")).fact("msg1", said).pending().as_deref(), NEVER_ACKED);
}

#[test]
fn an_ack_on_a_later_connection_pays_and_one_of_another_message_or_device_does_not() {
    let lost = |pdu| {
        let mut tape = pushed();
        tape.holds(3, 5, (1, "a")).fact("msg1", expired()).hang_up(3, 7).login(3, 8, 2);
        tape.login(4, 9, 2).asks(8, pdu).pending()
    };
    assert_eq!(lost(ack(1, 5, 2, 1)), None);
    assert_eq!(lost(ack_up_to(1, 6, (2, 1), 5)), None);
    assert_eq!(lost(ack(1, 6, 2, 1)).as_deref(), NEVER_ACKED);
    assert_eq!(lost(ack(1, 5, 2, 4)).as_deref(), NEVER_ACKED, "of another user");
    assert_eq!(lost(ack_up_to(1, 6, (2, 1), 4)).as_deref(), NEVER_ACKED);
    let mut tape = pushed();
    tape.holds(3, 5, (1, "a")).login(4, 9, 2).asks(9, ack(1, 5, 2, 1));
    assert_eq!(tape.pending().as_deref(), NEVER_ACKED, "by the user's other device");
}

#[test]
fn a_message_that_is_acked_is_acked_for_every_entry_of_its_device() {
    let mut tape = pushed();
    tape.holds(3, 5, (1, "a")).login(3, 8, 2).asks(8, ack(1, 5, 2, 1)).fact("msg1", expired());
    assert_eq!(tape.fact("msg1", added(8)).pending(), None);
}

#[test]
fn an_ack_of_all_that_is_held_covers_nothing_that_came_after_it() {
    let mut tape = pushed();
    let claims = ack_up_to(1, 6, (2, 1), 6);
    assert_eq!(
        tape.asks(7, claims.clone()).holds(3, 5, (1, "a")).pending().as_deref(),
        NEVER_ACKED
    );
    assert_eq!(tape.asks(7, claims).pending(), None);
}

#[test]
fn a_device_that_never_acks_is_excused_for_what_it_holds_and_counted() {
    let mut tape = pushed();
    tape.known.never_ack.insert(3);
    assert_eq!(tape.pending().as_deref(), LOST);
    assert_eq!(tape.holds(3, 5, (1, "a")).pending(), None);
    let tally = crate::properties::Property::tally(&tape.property, &tape.known).unwrap();
    assert_eq!((tally.judged, tally.excused.get("a device that never acks")), (0, Some(&1)));
}

#[test]
fn debts_wait_for_the_login_of_a_device_that_is_offline_by_wish() {
    let mut tape = pushed();
    tape.asks(7, Pdu::raw(command::LOGIN_REQ_LOGINOUT, 9, Bytes::new())).hang_up(3, 7);
    assert_eq!(tape.pending(), None, "an entry that its server has not dropped yet");
    assert_eq!(tape.fact("msg1", expired()).pending(), None);
    assert_eq!(tape.login(3, 8, 2).pending().as_deref(), LOST);
    assert_eq!(pushed().kick(7).hang_up(3, 7).fact("msg1", expired()).pending(), None);
    assert_eq!(pushed().hang_up(3, 7).fact("msg1", expired()).pending().as_deref(), LOST);
    // Seed 2704 of `hardened`: its login and the kick come in one read.
    let mut tape = pushed();
    tape.hang_up(3, 7).fact("msg1", expired());
    tape.connect(3, 8).kick(8).login_here(3, 8, 2, ClientType::Windows as i32);
    assert_eq!(tape.pending(), None, "kicked on that connection");
    assert_eq!(tape.hang_up(3, 8).login(3, 9, 2).pending().as_deref(), LOST, "and back on another");
    // It had lost its connection when its person logged out.
    let operation = Operation { id: 1, at_ms: 0, device: 3, action: Action::Logout };
    let (what, online) = (operation.describe(), operation.action.wants_online());
    let op = Kind::Op { op: 1, device: 3, what, delivered: true, online };
    let lost = |tape: &mut Tape<SendListAcked>| tape.fact("msg1", expired()).pending();
    assert_eq!(lost(pushed().hang_up(3, 7).line("world", op)), None);
}

/// msg_id 5 of group G was pushed to device 3 of user 2, its member, on connection 7.
fn pushed_to_group() -> Tape<SendListAcked> {
    let mut tape = Tape::new(SendListAcked::default());
    let conversation = Conversation::Group(G);
    let added = Fact::SendListAdded { conn: 7, user: 2, conversation, msg_id: 5, from: 1 };
    tape.group(&[1, 2]).login(3, 7, 2).fact("msg1", added);
    tape
}

#[test]
fn a_push_to_a_group_is_paid_as_others_are() {
    assert_eq!(pushed_to_group().pending().as_deref(), LOST);
    let mut tape = pushed_to_group();
    assert_eq!(tape.holds(3, 5, (1, "a")).pending().as_deref(), LOST, "a single message");
    assert_eq!(tape.holds_of_group(3, 5, (1, "a")).pending().as_deref(), NEVER_ACKED);
    assert_eq!(tape.asks(7, group_ack(1, 5, 2)).pending(), None);
}

#[test]
fn a_debt_of_who_left_the_group_is_forgiven_and_of_who_stayed_is_not() {
    let expired =
        || Fact::SendListExpired { conn: 7, conversation: Conversation::Group(G), msg_id: 5 };
    let mut tape = pushed_to_group();
    assert_eq!(tape.fact("msg1", expired()).changes(9, 1, false).pending().as_deref(), LOST);
    assert_eq!(tape.changes(10, 2, false).pending(), None);
    assert_eq!(tape.changes(11, 2, true).pending(), None, "joined again");
    let mut tape = pushed_to_group();
    assert_eq!(tape.denied(9, &[2]).fact("msg1", expired()).pending().as_deref(), LOST);
    let mut tape = pushed_to_group();
    tape.db_reads(crate::properties::tape::change_members(9, 1, G, false, &[2]));
    assert_eq!(tape.fact("msg1", expired()).pending().as_deref(), LOST, "the store has the user");
    assert_eq!(tape.member(2, false).pending(), None);
}
