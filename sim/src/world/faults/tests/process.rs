//! Faults of processes and machines.

use super::{count, failed_dial, is_reset, lines, plan, received, run, sent, with};
use crate::{
    plan::{Cut, Durability, Fate, Trouble},
    record::{Applied, Effect, End, Kind, Line, shown},
    world::Outcome,
};
use teamtalk::catalogue::id as command;

/// When a host went down and came up, in simulated milliseconds; its first start is left out.
fn downs(outcome: &Outcome, host: &str) -> Vec<(&'static str, u64)> {
    let what = |l: &Line| match l.kind {
        Kind::HostDown => Some(("down", l.sim_us / 1_000)),
        Kind::HostUp if l.sim_us > 10_000 => Some(("up", l.sim_us / 1_000)),
        _ => None,
    };
    outcome.trace.lines.iter().filter(|l| &*l.host == host).filter_map(what).collect()
}

fn closed(host: &'static str) -> impl Fn(&Line) -> bool {
    move |l| &*l.host == host && matches!(l.kind, Kind::Disconnected { .. })
}

#[test]
fn a_crash_closes_streams_and_a_restart_takes_dials() {
    for refuses in [true, false] {
        let (outcome, hit) = with(2_000, 1_000, Trouble::Crash { host: "msg1".into(), refuses });
        assert!(hit > 0);
        assert_eq!(downs(&outcome, "msg1"), [("down", 2_000), ("up", 3_000)]);
        assert!(count(&outcome, 2_000, 2_020, closed("client2")) == 1, "its peers see it at once");
        let dials = count(&outcome, 2_000, 3_000, failed_dial("refused"));
        assert_eq!(dials > 0, refuses);
        let killed = lines(&outcome, 2_000, 2_005, closed("msg1"));
        assert!(!killed.is_empty() && killed.iter().all(|l| l.sim_us == 2_000_000));
    }
}

/// Two crashes of one host that overlap are one: it is down until both are over.
#[test]
fn crashes_overlap() {
    let crash = |refuses| Trouble::Crash { host: "msg1".into(), refuses };
    for refuses in [true, false] {
        let outcome = run(plan(&[(2_000, 500, crash(refuses)), (2_200, 800, crash(!refuses))]));
        assert_eq!(downs(&outcome, "msg1"), [("down", 2_000), ("up", 3_000)]);
    }
}

#[test]
fn a_db_proxy_that_is_told_to_stop_says_so_and_serves_on() {
    let (outcome, hit) = with(2_000, 2_000, Trouble::Stop { host: "db1".into() });
    assert!(hit > 0);
    let notice = |l: &Line| {
        let Kind::PduSent(frame) = &l.kind else { return false };
        &*l.host == "db1" && frame.pdu.command() == command::OTHER_STOP_RECV_PACKET
    };
    assert_eq!(count(&outcome, 2_000, 2_010, notice), 2, "one on each link");
    // 4 s of SYSTEM.md's time.
    assert_eq!(downs(&outcome, "db1"), [("down", 2_800), ("up", 4_000)]);
    assert!(count(&outcome, 2_800, 4_000, failed_dial("refused")) > 0);
}

#[test]
fn a_role_without_a_stop_flow_runs_on_and_is_killed() {
    let (outcome, _) = with(2_000, 1_500, Trouble::Stop { host: "msg1".into() });
    assert!(count(&outcome, 2_100, 2_700, sent("msg1")) > 0);
    assert_eq!(downs(&outcome, "msg1"), [("down", 2_800), ("up", 3_500)]);
    let short = with(2_000, 300, Trouble::Stop { host: "msg1".into() }).0;
    assert_eq!(downs(&short, "msg1"), [("down", 2_300), ("up", 2_300)]);
}

#[test]
fn stops_overlap() {
    let stop = || Trouble::Stop { host: "db1".into() };
    let outcome = run(plan(&[(2_000, 1_500, stop()), (2_100, 300, stop())]));
    assert_eq!(downs(&outcome, "db1"), [("down", 2_400), ("up", 3_500)]);
    let crash = Trouble::Crash { host: "db1".into(), refuses: false };
    let outcome = run(plan(&[(2_000, 1_500, stop()), (2_100, 300, crash)]));
    assert_eq!(downs(&outcome, "db1"), [("down", 2_100), ("up", 2_400)]);
}

#[test]
fn nobody_is_told_of_a_power_cut() {
    let (outcome, hit) = with(2_000, 600, Trouble::PowerCut { host: "msg1".into() });
    assert!(hit > 0);
    assert_eq!(downs(&outcome, "msg1"), [("down", 2_000), ("up", 2_600)]);
    for host in ["client2", "db1", "route1"] {
        assert_eq!(count(&outcome, 2_000, 2_600, closed(host)), 0, "{host} sees nothing");
    }
    assert_eq!(count(&outcome, 2_000, 2_600, failed_dial("refused")), 0);
    // User 1 was sending: the machine, up again, answers with a reset.
    assert!(count(&outcome, 2_600, 2_700, closed("client1")) == 1);
    assert_eq!(count(&outcome, 2_000, 5_000, is_reset), 0, "by the network itself");
    assert_eq!(outcome.found(), "holds");
}

/// The message ids that Redis gave out, with the simulated milliseconds.
fn ids(outcome: &Outcome) -> Vec<(u64, i64)> {
    let drawn = |l: &Line| match &l.kind {
        Kind::Store(Applied { what, params, effect, .. })
            if what.eq_ignore_ascii_case("incrby") && shown(&params[0]).starts_with("msg_id") =>
        {
            match effect {
                Effect::Int(n) => Some((l.sim_us / 1_000, *n)),
                other => panic!("INCRBY answers an integer, not {other}"),
            }
        }
        _ => None,
    };
    outcome.trace.lines.iter().filter_map(drawn).collect()
}

/// What Redis lost by a trouble between two flushes, the last id before it and the first one after
/// it.
fn redis(durability: Durability, trouble: Trouble) -> (Option<u64>, i64, i64) {
    // Redis flushes at whole 200 ms; the fault begins right after an id in between was given out.
    let between = |t: &(u64, i64)| t.0 > 2_000 && (10..150).contains(&(t.0 % 200));
    let (at, last) = ids(&run(plan(&[]))).into_iter().find(between).expect("sends");
    let mut plan = plan(&[(at + 5, 500, trouble)]);
    plan.redis = durability;
    let outcome = run(plan);
    let lost = outcome.trace.lines.iter().find_map(|l| match l.kind {
        Kind::StoreLost { commands, .. } => Some(commands),
        _ => None,
    });
    assert!(lost.is_none_or(|lost| outcome.hits[&1] >= lost));
    let next = ids(&outcome).into_iter().find(|(t, _)| *t > at).expect("sends");
    (lost, last, next.1)
}

#[test]
fn a_power_cut_takes_from_redis_what_its_durability_leaves_open() {
    let cut = || Trouble::PowerCut { host: "redis".into() };
    let (lost, last, next) = redis(Durability::Always, cut());
    assert_eq!((lost, next), (Some(0), last + 1));
    let (lost, last, next) = redis(Durability::EverySecond, cut());
    assert!(lost.is_some_and(|lost| lost > 0));
    assert!((2..=last).contains(&next), "some ids are given out again: {next} after {last}");
    // Not flushed since the start: 30 s of SYSTEM.md's time are 6 s.
    let (lost, last, next) = redis(Durability::Never, cut());
    assert!(lost.is_some_and(|lost| lost as i64 >= last));
    assert_eq!(next, 1);
}

#[test]
fn a_crash_takes_nothing_from_redis() {
    let crash = Trouble::Crash { host: "redis".into(), refuses: true };
    let (lost, last, next) = redis(Durability::Never, crash);
    assert_eq!((lost, next), (None, last + 1));
}

#[test]
fn a_pause_stops_a_host_and_lets_it_go_on() {
    let (outcome, hit) = with(2_000, 1_500, Trouble::Pause { host: "msg1".into() });
    assert!(hit > 0);
    assert_eq!(count(&outcome, 2_000, 3_500, received("msg1")), 0);
    assert_eq!(count(&outcome, 2_000, 3_500, sent("msg1")), 0, "not even a heartbeat");
    assert!(count(&outcome, 2_000, 3_500, sent("client1")) > 0);
    assert!(count(&outcome, 3_500, 3_550, received("msg1")) > 0);
    assert!(count(&outcome, 3_500, 3_550, sent("msg1")) > 0);
    let ended = |l: &Line| closed("msg1")(l) || is_reset(l) || matches!(l.kind, Kind::HostDown);
    assert_eq!(count(&outcome, 2_000, 3_600, ended), 0, "nothing is lost");
    assert_eq!(outcome.found(), "holds");
}

/// The machine is back while the link to one of its peers is still cut, or held.
#[test]
fn a_power_cut_leaves_links_as_other_faults_want_them() {
    let (a, b) = ("client2".to_string(), "msg1".to_string());
    let cut = Trouble::Partition { a: a.clone(), b: b.clone(), cut: Cut::AToB, fate: Fate::Silent };
    for trouble in [cut, Trouble::Stall { a, b }] {
        let off = Trouble::PowerCut { host: "msg1".into() };
        let outcome = run(plan(&[(2_000, 1_500, trouble), (2_200, 300, off)]));
        assert_eq!(downs(&outcome, "msg1"), [("down", 2_200), ("up", 2_500)]);
        let accepts = |host: &'static str| {
            move |l: &Line| {
                let Kind::Connected { peer, end: End::Acceptor, .. } = &l.kind else {
                    return false;
                };
                l.host == "msg1" && *peer == host
            }
        };
        assert_eq!(count(&outcome, 2_500, 3_500, accepts("client1")), 1);
        assert_eq!(count(&outcome, 2_500, 3_500, accepts("client2")), 0);
        assert_eq!(count(&outcome, 3_500, 5_500, accepts("client2")), 1);
    }
}
