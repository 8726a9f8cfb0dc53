//! How many: connections, requests and messages that wait. Each is made small, and filled to one under it, to it, and to
//! one over it.

use super::raw::{ALICE, BOB, Raw, STRANGER, Seen, on_seed};
use teamtalk::{
    catalogue::id as command,
    wire::{
        Pdu,
        im::{base_define::MsgType, buddy::ImRecentContactSessionReq, message::ImMsgData},
        tt::extension::RefusedCode,
    },
};

/// Every limit here.
const MOST: u32 = 3;

/// What happens under a limit of 3 to 2, 3 and 4 of something, where users 1 and 2 are logged in.
fn tried(limit: &str, most: u32, fill: impl Fn(&mut Raw, u32) + Send + Sync) -> [Seen; 3] {
    [most - 1, most, most + 1].map(|count| {
        let seen = on_seed(|| {
            let mut raw = Raw::online(&[(limit, MOST)]);
            raw.take();
            fill(&mut raw, count);
            raw.take()
        });
        assert!(seen.links.is_empty(), "{limit}, {count}: {:?}", seen.links);
        seen
    })
}

fn sessions() -> Pdu {
    let asked =
        ImRecentContactSessionReq { user_id: 1, latest_update_time: 0, ..Default::default() };
    Pdu::new(command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST, 1, &asked)
}

/// So many requests at once: all are answered, and past the limit one is refused.
fn requests(limit: &str, most: u32, why: &str) {
    let of = tried(limit, most, |raw, count| raw.send(ALICE, &vec![sessions(); count as usize]));
    for (seen, (count, over)) in of.iter().zip([(most - 1, 0), (most, 0), (most + 1, 1)]) {
        let answer = command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE;
        let answers = seen.of(ALICE, answer).count();
        assert_eq!(answers, (count - over) as usize, "{limit}, {count}: {seen:?}");
        assert_eq!(seen.refusals(ALICE).len(), over as usize, "{limit}, {count}: {seen:?}");
        let is_it = |(_, reason): &&(u16, String)| reason.contains(why);
        assert_eq!(seen.refused.iter().find(is_it).is_some(), over == 1, "{:?}", seen.refused);
        assert_eq!((seen.by_others(), seen.closed.len()), (0, 0), "{limit}, {count}: {seen:?}");
    }
}

#[test]
fn requests_of_a_device_without_an_answer() {
    requests("in-flight", MOST, "over 3 requests without an answer");
}

/// One worker has one, and three wait.
#[test]
fn requests_that_wait_for_a_worker() {
    requests("worker.queue", MOST + 1, "worker queue full");
}

/// So many connections to msg1, of which user 1 has one: past the limit the last one is closed.
fn connections(limit: &str, why: &str) {
    let of = tried(limit, MOST, |raw, count| {
        (1..count).for_each(|n| raw.connect(STRANGER + n));
    });
    for (seen, over) in of.iter().zip([0, 0, 1]) {
        assert_eq!(seen.told.len(), 0, "{limit}: {seen:?}");
        let closed: Vec<_> = seen.closed.iter().collect();
        assert_eq!(closed.len(), over, "{limit}: {seen:?}");
        for (slot, reason) in closed {
            assert_eq!(*slot, STRANGER + MOST, "the last one");
            assert!(reason.contains(why), "{reason}");
        }
    }
}

#[test]
fn connections_of_devices() {
    connections("connections", "too many connections");
}

#[test]
fn connections_of_one_address() {
    connections("connections.source", "too many connections of its address");
}

/// User 2 acks nothing: who has too many unacked messages is disconnected, and whoever writes to them is served.
#[test]
fn messages_that_a_device_has_not_acked() {
    let message = |n: u32| {
        let said = ImMsgData {
            from_user_id: 1,
            to_session_id: 2,
            msg_type: MsgType::SingleText.into(),
            msg_data: format!("{n}").into(),
            ..Default::default()
        };
        Pdu::new(command::MSG_DATA, 1, &said)
    };
    let of = tried("send-list", MOST, |raw, count| {
        (0..count).for_each(|n| raw.send(ALICE, &[message(n)]));
    });
    for (seen, (count, over)) in of.iter().zip([(2, 0), (3, 0), (4, 1)]) {
        assert_eq!(seen.of(ALICE, command::MSG_DATA_ACK).count(), count, "{seen:?}");
        assert_eq!(seen.refusals(ALICE), [(0, RefusedCode::RefusedTooMany); 0]);
        assert_eq!(seen.of(BOB, command::MSG_DATA).count(), count.min(3), "{seen:?}");
        let closed: Vec<_> = seen.closed.iter().map(|(slot, _)| *slot).collect();
        assert_eq!(closed, vec![BOB; over], "{:?}", seen.closed);
        let reasons = seen.closed.iter().filter(|(_, why)| why.contains("messages without an ack"));
        assert_eq!(reasons.count(), over, "{:?}", seen.closed);
    }
}
