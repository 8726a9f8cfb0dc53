//! Wall clocks that are wrong, and faults that set them.

use super::{count, lines, plan, run, sent, with};
use crate::{
    plan::{Clock, EPOCH, Plan, Trouble},
    record::Kind,
    world::Outcome,
};
use teamtalk::{
    catalogue::id as command,
    wire::{fields, fields::CREATE_TIME},
};

/// How far a message's time is from a right clock, in seconds, as msg1 gives it to the db_proxy: with when.
fn off(outcome: &Outcome) -> Vec<(u64, i64)> {
    let stamped = lines(outcome, 0, 60_000, |line| &*line.host == "msg1");
    let stamped = stamped.into_iter().filter_map(|line| {
        let Kind::PduSent(frame) = &line.kind else { return None };
        let is_passed_on =
            frame.command() == command::MSG_DATA && frame.end == crate::record::End::Dialler;
        let said = fields::uint(&frame.pdu.body, CREATE_TIME).filter(|_| is_passed_on)?;
        let right = EPOCH + line.sim_us / 1_000_000;
        Some((line.sim_us / 1_000, i64::from(said) - right as i64))
    });
    stamped.collect()
}

fn of_clock(host: &str, clock: Clock) -> Plan {
    let mut plan = plan(&[]);
    let node = plan.nodes.iter_mut().find(|node| *node.host == *host);
    node.expect("it is one of them").clock = clock;
    plan
}

#[test]
fn a_clock_is_ahead_or_behind_and_gains_or_loses() {
    for ahead_ms in [7_000, -7_000] {
        let outcome = run(of_clock("msg1", Clock { ahead_ms, drift_ppm: 0 }));
        let off = off(&outcome);
        assert!(off.len() > 10 && off.iter().all(|(_, s)| *s == ahead_ms / 1_000), "{off:?}");
        assert_eq!(outcome.found(), "holds");
    }
    for drift_ppm in [500_000, -500_000] {
        let outcome = run(of_clock("msg1", Clock { ahead_ms: 0, drift_ppm }));
        let is_off = |(ms, off): &(u64, i64)| {
            let gained = *ms as i64 * drift_ppm / 1_000_000;
            (gained - 1_000..=gained + 1_000).contains(&(off * 1_000))
        };
        let off = off(&outcome);
        assert!(off.iter().all(is_off) && off.iter().any(|(_, s)| s.abs() >= 2), "{off:?}");
        assert_eq!(outcome.found(), "holds");
    }
}

#[test]
fn the_clock_of_one_host_is_no_others() {
    let outcome = run(of_clock("db1", Clock { ahead_ms: 3_600_000, drift_ppm: 0 }));
    assert!(off(&outcome).iter().all(|(_, seconds)| *seconds == 0));
    assert_eq!(outcome.found(), "holds");
}

#[test]
fn a_clock_is_set_and_is_right_again_at_the_end() {
    for ahead_ms in [3_600_000, -3_600_000] {
        let step = Trouble::ClockStep { host: "msg1".into(), ahead_ms };
        let (outcome, hit) = with(2_000, 1_000, step);
        let (within, without): (Vec<_>, Vec<_>) =
            off(&outcome).into_iter().partition(|(ms, _)| (2_000..3_000).contains(ms));
        assert!(within.len() >= 4 && without.len() >= 8);
        assert!(within.iter().all(|(_, seconds)| *seconds == ahead_ms / 1_000), "{within:?}");
        assert!(without.iter().all(|(_, seconds)| *seconds == 0), "{without:?}");
        assert!(hit as usize >= within.len(), "each look at the clock counts: {hit}");
        assert_eq!(outcome.found(), "holds");
    }
}

/// Timers go by a clock of their own: nothing is later, and nothing is lost.
#[test]
fn no_timer_goes_by_the_wall_clock() {
    let calm = run(plan(&[]));
    let step = Trouble::ClockStep { host: "msg1".into(), ahead_ms: 86_400_000 };
    let (outcome, _) = with(2_000, 1_000, step);
    for host in ["msg1", "client1", "client2", "db1", "route1"] {
        let all = |outcome: &Outcome| count(outcome, 0, 5_000, sent(host));
        assert_eq!(all(&outcome), all(&calm), "{host}");
    }
}

/// What nobody looks at is idle.
#[test]
fn a_clock_that_nobody_reads_is_not_hit() {
    let step = || Trouble::ClockStep { host: "db1".into(), ahead_ms: 1_000 };
    let (_, hit) = with(2_000, 1_000, step());
    assert!(hit > 0);
    let mut silent = plan(&[(2_000, 5, step())]);
    silent.operations.clear();
    let (_, hit) = run(silent).hits.into_iter().next().expect("one fault");
    assert_eq!(hit, 0);
}
