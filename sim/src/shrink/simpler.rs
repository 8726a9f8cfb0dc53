//! A plan with as many parts, and simpler ones: shorter, rounder, earlier, of our own clients.

use super::search::{Ended, Search};
use crate::plan::{
    Action, Client, Clock, DB_WORKERS, Durability, EPOCH, Fate, Fault, Plan, TICK_MS, Trouble,
};
use teamtalk::client::Conduct;

/// Times are tried as multiples of these, in simulated milliseconds.
const ROUND_MS: [u64; 4] = [500, 100, 50, 10];

/// Clocks are tried that are so far ahead, or behind, in milliseconds: a second, a minute, an hour.
const ROUND_AHEAD_MS: [i64; 3] = [1_000, 60_000, 3_600_000];

/// Nothing may happen for so long, in simulated milliseconds.
const GAP_MS: u64 = 200;

/// Logins at the earliest, in simulated milliseconds: servers must have met.
const EARLIEST_MS: u64 = 100;

/// A change of a plan; `None` where there is nothing to change.
type Change = Box<dyn Fn(&Plan) -> Option<Plan>>;

/// Makes each change in turn that keeps the failure.
///
/// # Errors
/// If it ends before.
pub fn all(search: &mut Search<'_>) -> Result<(), Ended> {
    let plan = &search.best.plan;
    let kinds = [
        gaps(plan),
        world(),
        clocks(plan),
        clients(plan),
        payloads(plan),
        faults(plan),
        times(plan),
    ];
    let changes: Vec<Change> = kinds.into_iter().flatten().chain(horizon()).collect();
    let mut at = 0;
    while at < changes.len() {
        let place = |n: usize| at + n;
        let changed = changes[at..].iter().enumerate();
        let changed =
            changed.filter_map(|(n, change)| Some((place(n), change(&search.best.plan)?)));
        let (places, plans): (Vec<_>, Vec<_>) = changed.unzip();
        match search.first_as_it_is(plans)? {
            Some(first) => at = places[first] + 1,
            None => return Ok(()),
        }
    }
    Ok(())
}

fn change(change: impl Fn(&mut Plan) + 'static) -> Change {
    Box::new(move |plan| {
        let mut plan = plan.clone();
        change(&mut plan);
        Some(plan)
    })
}

/// Everything in it as it is by default.
fn world() -> Vec<Change> {
    vec![
        change(|plan| plan.link_latency_ticks.clear()),
        change(|plan| plan.latency_ticks = 1),
        change(|plan| plan.epoch = EPOCH),
        change(|plan| plan.redis = Durability::Always),
        change(|plan| plan.sql_snapshot_isolation = false),
        change(|plan| plan.db_workers = DB_WORKERS),
    ]
}

/// Clocks that are right: all, or one. Else one that does not drift, or is not ahead, or is less ahead.
fn clocks(plan: &Plan) -> Vec<Change> {
    let mut changes = vec![change(|plan| {
        plan.nodes.iter_mut().for_each(|node| node.clock = Clock::default());
    })];
    for (at, node) in plan.nodes.iter().enumerate() {
        if node.clock.is_right() {
            continue;
        }
        changes.push(change(move |plan| plan.nodes[at].clock = Clock::default()));
        changes.push(change(move |plan| plan.nodes[at].clock.drift_ppm = 0));
        changes.push(change(move |plan| plan.nodes[at].clock.ahead_ms = 0));
        for most in ROUND_AHEAD_MS {
            changes.push(change(move |plan| less_ahead(&mut plan.nodes[at].clock.ahead_ms, most)));
        }
    }
    changes
}

/// At most so far ahead, or behind.
fn less_ahead(ahead_ms: &mut i64, most: i64) {
    *ahead_ms = (*ahead_ms).clamp(-most, most);
}

/// Devices that run our program and do as it does.
fn clients(plan: &Plan) -> Vec<Change> {
    let ours = |client: Client| match client.is_phone() {
        true => Client::OursPhone,
        false => Client::OursPc,
    };
    let mut changes = vec![change(move |plan| {
        for device in &mut plan.devices {
            (device.client, device.conduct) = (ours(device.client), Conduct::default());
            device.token = None;
        }
    })];
    for at in 0..plan.devices.len() {
        changes.push(change(move |plan| plan.devices[at].conduct = Conduct::default()));
        changes.push(change(move |plan| plan.devices[at].token = None));
        changes.push(change(move |plan| plan.devices[at].client = ours(plan.devices[at].client)));
        changes.push(change(move |plan| plan.devices[at].client = Client::OursPc));
    }
    changes
}

/// A plain text for what is sent.
fn payloads(plan: &Plan) -> Vec<Change> {
    let plain = |action: &Action| match action {
        Action::SendCipher { to }
        | Action::SendPayload { to, .. }
        | Action::SendAudio { to }
        | Action::SendOdd { to, .. } => Some(Action::Send { to: *to }),
        _ => None,
    };
    let each = plan.operations.iter().enumerate();
    let changes = each.filter_map(|(at, op)| Some((at, plain(&op.action)?)));
    let changes = changes
        .map(|(at, action)| change(move |plan| plan.operations[at].action.clone_from(&action)));
    changes.collect()
}

/// When something begins: all operations, faults and steps by time.
fn beginnings(plan: &Plan) -> Vec<u64> {
    let operations = plan.operations.iter().map(|op| op.at_ms);
    let faults = plan.faults.iter().map(|fault| fault.at_ms);
    let migrations = plan.migrations.iter().map(|migration| migration.at_ms);
    let steps = plan.rollout.iter().map(|step| step.at_ms);
    let all = operations.chain(faults).chain(migrations).chain(steps);
    let mut at: Vec<u64> = all.collect();
    at.sort_unstable();
    at.dedup();
    at
}

/// The times at which operations, faults, migrations and steps begin.
fn starts(plan: &mut Plan) -> impl Iterator<Item = &mut u64> {
    let operations = plan.operations.iter_mut().map(|op| &mut op.at_ms);
    let faults = plan.faults.iter_mut().map(|fault| &mut fault.at_ms);
    let migrations = plan.migrations.iter_mut().map(|of| &mut of.at_ms);
    let steps = plan.rollout.iter_mut().map(|step| &mut step.at_ms);
    operations.chain(faults).chain(migrations).chain(steps)
}

/// What comes after a gap comes earlier, and all behind it: by all of the gap, or half.
fn gaps(plan: &Plan) -> Vec<Change> {
    let each = (0..beginnings(plan).len()).flat_map(|nth| [(nth, 1), (nth, 2)]);
    each.map(|(nth, part)| -> Change { Box::new(move |plan| closer(plan, nth, part)) }).collect()
}

fn closer(plan: &Plan, nth: usize, part: u64) -> Option<Plan> {
    let at = beginnings(plan);
    let to = *at.get(nth)?;
    let from = nth.checked_sub(1).map_or(EARLIEST_MS, |before| at[before] + GAP_MS);
    let by = to.saturating_sub(from) / part / TICK_MS * TICK_MS;
    let mut plan = plan.clone();
    starts(&mut plan).filter(|at| **at >= to).for_each(|at| *at -= by);
    plan.horizon_ms -= by;
    (by > 0).then_some(plan)
}

/// Shorter faults, and rounder ones.
fn faults(plan: &Plan) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for at in 0..plan.faults.len() {
        // Each of them of what the ones before have left.
        for (part, of) in [(1, 4), (1, 2), (3, 4)] {
            changes.push(Box::new(move |plan| {
                shortened(plan, at, plan.faults[at].for_ms * part / of / TICK_MS * TICK_MS)
            }));
        }
        for round in ROUND_MS {
            changes.push(Box::new(move |plan| {
                shortened(plan, at, plan.faults[at].for_ms / round * round)
            }));
        }
        changes.push(change(move |plan| resets_at_once(&mut plan.faults[at])));
        for most in ROUND_AHEAD_MS {
            changes.push(change(move |plan| {
                if let Trouble::ClockStep { ahead_ms, .. } = &mut plan.faults[at].trouble {
                    less_ahead(ahead_ms, most);
                }
            }));
        }
    }
    changes
}

fn shortened(plan: &Plan, at: usize, for_ms: u64) -> Option<Plan> {
    let mut plan = plan.clone();
    let is_shorter = for_ms > 0 && for_ms < plan.faults[at].for_ms;
    plan.faults[at].for_ms = for_ms;
    is_shorter.then_some(plan)
}

fn resets_at_once(fault: &mut Fault) {
    match &mut fault.trouble {
        Trouble::Partition { fate, .. }
        | Trouble::Isolate { fate, .. }
        | Trouble::Drop { fate, .. } => *fate = Fate::Reset,
        _ => {}
    }
}

/// Rounder times, the roundest first.
fn times(plan: &Plan) -> Vec<Change> {
    let (operations, faults) = (plan.operations.len(), plan.faults.len());
    let all = operations + faults + plan.migrations.len() + plan.rollout.len();
    let each = ROUND_MS.into_iter().flat_map(|round| (0..all).map(move |nth| (round, nth)));
    let changes = each.map(|(round, nth)| -> Change {
        Box::new(move |plan| {
            let mut plan = plan.clone();
            let at = starts(&mut plan).nth(nth)?;
            *at = rounded(*at, round)?;
            Some(plan)
        })
    });
    changes.collect()
}

/// A time as a multiple of another one, if it is none.
fn rounded(at_ms: u64, round: u64) -> Option<u64> {
    let to = at_ms / round * round;
    (to < at_ms && to >= EARLIEST_MS).then_some(to)
}

/// The end of the safety phase right behind the last thing that happens.
fn horizon() -> Vec<Change> {
    let wanted = [(false, 0), (true, 0), (true, 500)];
    let earlier = |(faults_end, more): (bool, u64)| -> Change {
        Box::new(move |plan| {
            let begin = beginnings(plan).last().copied().unwrap_or_default();
            let faults = plan.faults.iter().map(|fault| fault.at_ms + fault.for_ms);
            let ends = faults.chain(plan.rollout.iter().map(|step| step.at_ms + step.for_ms)).max();
            let last = if faults_end { begin.max(ends.unwrap_or_default()) } else { begin };
            let end = (last / 100 + 1) * 100 + more;
            let is_earlier = end < plan.horizon_ms;
            is_earlier.then(|| Plan { horizon_ms: end, ..plan.clone() })
        })
    };
    wanted.into_iter().map(earlier).collect()
}
