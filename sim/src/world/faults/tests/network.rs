//! Faults of links.

use super::{count, failed_dial, is_reset, lines, plan, received, run, sent, slowest, with};
use crate::{
    plan::{Action, Between, Cut, Fate, Operation, Trouble},
    record::{Kind, Line},
};

fn names(a: &str, b: &str) -> (String, String) {
    (a.into(), b.into())
}

fn partition(cut: Cut, fate: Fate) -> Trouble {
    let (a, b) = names("client2", "msg1");
    Trouble::Partition { a, b, cut, fate }
}

#[test]
fn a_partition_loses_what_is_sent_and_resets_after_it() {
    let (outcome, hit) = with(2_000, 500, partition(Cut::Both, Fate::Reset));
    assert!(hit > 0);
    assert_eq!(count(&outcome, 2_010, 2_500, received("client2")), 0);
    assert!(count(&outcome, 2_010, 2_500, sent("msg1")) > 0, "pushes are lost");
    assert_eq!(count(&outcome, 2_500, 2_510, is_reset), 1);
    assert!(count(&outcome, 2_510, 5_000, received("client2")) > 0);
    assert_eq!(outcome.found(), "holds");
}

#[test]
fn one_way_of_a_partition_is_one_way() {
    let (outcome, _) = with(2_000, 500, partition(Cut::AToB, Fate::Reset));
    let from_client2 = |l: &Line| {
        let Kind::PduReceived(frame) = &l.kind else { return false };
        &*l.host == "msg1" && is_conn_of(&outcome.trace.lines, frame.conn, "client2")
    };
    assert!(count(&outcome, 2_010, 2_500, received("client2")) > 0);
    assert_eq!(count(&outcome, 2_010, 2_500, from_client2), 0);
}

fn is_conn_of(lines: &[Line], conn: u64, host: &str) -> bool {
    lines
        .iter()
        .any(|l| &*l.host == host && matches!(l.kind, Kind::Connected { conn: c, .. } if c == conn))
}

#[test]
fn fates_differ() {
    let within = with(2_000, 500, partition(Cut::Both, Fate::ResetWithin { ms: 900 })).0;
    assert_eq!(count(&within, 2_000, 3_410, is_reset), 1);
    assert_eq!(count(&within, 2_000, 2_505, is_reset), 0, "this seed draws a later time");
    let silent = with(2_000, 500, partition(Cut::Both, Fate::Silent)).0;
    assert_eq!(count(&silent, 2_000, 2_600, is_reset), 0);
    assert_eq!(count(&silent, 2_500, 2_600, received("client2")), 0, "dead in silence");
}

/// What one end closes during a cut, the other hears of only when the cut is over.
#[test]
fn a_cut_keeps_the_end_of_a_stream_from_the_other_end() {
    let mut plan = plan(&[(2_000, 2_000, partition(Cut::Both, Fate::Silent))]);
    let action = Action::Reconnect;
    plan.operations.push(Operation { id: 900, at_ms: 2_100, device: 2, action });
    let outcome = run(plan);
    let closed = |host: &'static str| {
        move |l: &Line| &*l.host == host && matches!(l.kind, Kind::Disconnected { .. })
    };
    // It lingers for a second, so that what it wrote may arrive.
    assert_eq!(count(&outcome, 2_100, 3_200, closed("client2")), 1);
    assert_eq!(count(&outcome, 2_000, 4_000, closed("msg1")), 0);
    assert!(count(&outcome, 4_000, 4_020, is_reset) == 1);
    assert!(count(&outcome, 2_100, 4_000, failed_dial("refused")) > 0, "dials are refused");
}

#[test]
fn an_isolated_host_hears_nobody() {
    let (outcome, hit) =
        with(2_000, 600, Trouble::Isolate { host: "msg1".into(), fate: Fate::Reset });
    assert!(hit > 0);
    assert_eq!(count(&outcome, 2_010, 2_600, received("msg1")), 0);
    assert!(count(&outcome, 2_600, 4_500, received("msg1")) > 0);
    assert!(count(&outcome, 2_600, 2_610, is_reset) > 1);
}

#[test]
fn a_stall_delays_and_loses_nothing() {
    let (a, b) = names("msg1", "client2");
    let (outcome, hit) = with(2_000, 400, Trouble::Stall { a, b });
    assert!(hit > 0);
    assert_eq!(count(&outcome, 2_010, 2_400, received("client2")), 0);
    assert!((200..=410).contains(&slowest(&outcome, "client2", 2_400, 2_500)));
    assert_eq!(count(&outcome, 2_000, 5_000, is_reset), 0);
    let dials = plan(&[(100, 2_000, Trouble::Stall { a: "client2".into(), b: "msg1".into() })]);
    let dials = run(dials);
    assert!(count(&dials, 300, 2_100, failed_dial("given up")) > 0, "dials hang in a stall");
}

/// A stall over a partition does not let through what the partition loses. (They begin at once: a
/// stream that has lost something before would pass on nothing anyway.)
#[test]
fn a_stall_does_not_heal_a_partition() {
    let (a, b) = names("client2", "msg1");
    let stall = Trouble::Stall { a, b };
    let outcome =
        run(plan(&[(2_000, 1_000, partition(Cut::Both, Fate::Silent)), (2_000, 500, stall)]));
    assert_eq!(count(&outcome, 2_010, 3_000, received("client2")), 0);
}

#[test]
fn a_drop_loses_what_is_in_flight_and_nothing_else() {
    // Sends are handed over at whole 200 ms: something is in flight 5 ms later.
    let (a, b) = names("client1", "msg1");
    let trouble = Trouble::Drop { a, b, fate: Fate::Reset };
    let (outcome, hit) = with(2_005, 5, trouble.clone());
    assert!(hit > 0);
    assert_eq!(count(&outcome, 2_010, 2_015, is_reset), 1);
    let (later, hit) = with(1_995, 100, trouble);
    assert!(hit > 0, "it waits for something");
    let ends = |l: &Line| matches!(l.kind, Kind::FaultEnd { .. });
    assert_eq!((count(&later, 2_010, 2_015, is_reset), count(&later, 2_010, 2_015, ends)), (1, 1));
    let (a, b) = names("client1", "client2");
    let (idle, hit) = with(2_000, 100, Trouble::Drop { a, b, fate: Fate::Reset });
    assert_eq!((hit, count(&idle, 2_000, 5_000, is_reset)), (0, 0), "idle where nothing goes");
}

#[test]
fn a_reset_resets_each_stream() {
    let (a, b) = names("msg1", "db1");
    let (outcome, hit) = with(2_000, 5, Trouble::Reset { a, b });
    assert_eq!((hit, count(&outcome, 2_000, 2_005, is_reset)), (2, 2));
    let (a, b) = names("client1", "client2");
    assert_eq!(with(2_000, 5, Trouble::Reset { a, b }).1, 0, "idle without streams");
}

#[test]
fn jitter_delays_by_turns() {
    let (a, b) = names("msg1", "client2");
    let (outcome, hit) = with(2_000, 1_500, Trouble::Jitter { a, b, ticks: 10 });
    assert!(hit > 0);
    assert!((15..=60).contains(&slowest(&outcome, "client2", 2_000, 3_500)));
    assert!(slowest(&outcome, "client2", 3_600, 4_500) <= 10, "over when it is over");
}

#[test]
fn a_slow_link_delays_by_its_latency() {
    let (a, b) = names("msg1", "client2");
    let (outcome, hit) = with(2_000, 1_000, Trouble::SlowLink { a, b, ticks: 30 });
    assert!(hit > 0);
    let slow = lines(&outcome, 2_160, 3_000, received("client2")).len();
    assert!(slow > 0);
    assert!((145..=160).contains(&slowest(&outcome, "client2", 2_160, 3_000)));
    assert!(slowest(&outcome, "client2", 3_200, 4_500) <= 10, "over when it is over");
}

/// A slower link is as slow as the fault says, and then again as the plan says of links between its roles.
#[test]
fn links_between_two_roles_have_a_latency_of_their_own() {
    let (a, b) = names("msg1", "client2");
    let mut plan = plan(&[(2_000, 1_000, Trouble::SlowLink { a, b, ticks: 30 })]);
    plan.link_latency_ticks = [(Between::ClientMsg, 8)].into();
    let outcome = run(plan);
    for (from_ms, to_ms) in [(1_200, 1_990), (3_400, 4_500)] {
        assert!((40..=50).contains(&slowest(&outcome, "client2", from_ms, to_ms)));
        assert!(slowest(&outcome, "db1", from_ms, to_ms) <= 10);
    }
    assert!((145..=160).contains(&slowest(&outcome, "client2", 2_160, 3_000)));
}

/// Two faults of latency on one link: the slower one counts, and the plan's comes back.
#[test]
fn latencies_overlap() {
    let link = |ticks| Trouble::SlowLink { a: "msg1".into(), b: "client2".into(), ticks };
    let outcome = run(plan(&[(2_000, 1_500, link(10)), (2_500, 500, link(40))]));
    assert!((45..=60).contains(&slowest(&outcome, "client2", 2_100, 2_500)));
    assert!((195..=210).contains(&slowest(&outcome, "client2", 2_750, 3_000)));
    assert!((45..=60).contains(&slowest(&outcome, "client2", 3_210, 3_500)));
    assert!(slowest(&outcome, "client2", 3_600, 4_500) <= 10);
}

/// A drop is a cut of one tick: what else acts on the link goes on acting.
#[test]
fn a_drop_leaves_the_link_as_other_faults_want_it() {
    let link = || names("client2", "msg1");
    let drop = || {
        let (a, b) = link();
        Trouble::Drop { a, b, fate: Fate::Silent }
    };
    let (a, b) = link();
    let stalled = run(plan(&[(2_000, 1_000, Trouble::Stall { a, b }), (2_300, 100, drop())]));
    assert!(stalled.hits[&2] > 0, "what is held is in flight");
    assert_eq!(count(&stalled, 2_010, 3_000, received("client2")), 0);
    let cut =
        run(plan(&[(2_000, 1_000, partition(Cut::Both, Fate::Silent)), (2_300, 100, drop())]));
    assert_eq!(cut.hits[&2], 0, "a cut lets nothing be in flight");
    assert_eq!(count(&cut, 2_010, 3_000, received("client2")), 0);
}
