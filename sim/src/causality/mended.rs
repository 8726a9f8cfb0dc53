//! Which switch of `hardened` mends a case, if it alone is on.

use super::SURE;
use crate::{
    plan::{
        TICK_MS,
        case::{Case, ProtocolSpec},
    },
    pool::{Enough, Pool},
    shrink::Part,
};
use teamtalk::protocol::{Protocol, SWITCHES, Switch};

/// A case that fails under fewer of [`SURE`] noise seeds says nothing of what mends it or of what it needs: it may
/// hold by chance. One of so many holds under all of them by chance once in 80 times.
const LEAST: u64 = 4;

/// By so many ticks a part of the plan is moved to see whether a switch mends a case or has only moved what happens
/// out of the way of what goes wrong: as far as a request of a slow minute takes.
const SHIFTS: [i64; 10] = [-64, -32, -16, -8, -4, 4, 8, 16, 32, 64];

/// So many parts of a plan are moved, one at a time: the last ones.
const MOVED: usize = 4;

/// Noise seeds under which each move is run.
const OF_EACH_MOVE: usize = 3;

/// Which switches mend a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// Under so many of [`SURE`] noise seeds it fails as it is.
    pub failing: u64,
    /// How many switches of `hardened` are off.
    pub off: usize,
    /// With one of these on it fails under none, and neither where one part of its plan comes a little earlier or later.
    pub by: Vec<&'static str>,
}

impl Mended {
    /// Whether it fails too rarely to say what mends it, or that it holds without a part.
    pub fn is_too_rare(&self) -> bool {
        self.failing < LEAST
    }
}

/// Turns switches on that are off, each alone: those that document the property that fails, if none of them
/// mends it all others, and at last those that need another one, with it. `None` if it was asked to stop.
pub(super) fn of(case: &Case, pool: &Pool<'_>, each: &(dyn Fn() + Sync)) -> Option<Mended> {
    let failing = pool.failing(&under_each(case), each)?;
    let off = off(&case.protocols.base);
    let mut mended = Mended { failing, off: off.len(), by: Vec::new() };
    if mended.is_too_rare() {
        return Some(mended);
    }
    let property = case.expect.split('/').next().unwrap_or_default();
    // One that needs another one that is off is not enough alone: these come last.
    let (alone, with_others): (Vec<&Switch>, Vec<&Switch>) = off.iter().partition(|switch| {
        switch.peers.needs.iter().all(|needs| off.iter().all(|off| off.name != *needs))
    });
    let (documented, others): (Vec<&Switch>, Vec<&Switch>) =
        alone.into_iter().partition(|switch| switch.property == property);
    for switches in [documented, others, with_others] {
        for switch in switches {
            let with = with(case, switch.name);
            if !fails(&under_each(&with), pool, each)?
                && !fails(&at_other_times(&with), pool, each)?
            {
                mended.by.push(switch.name);
            }
        }
        if !mended.by.is_empty() {
            break;
        }
    }
    Some(mended)
}

/// Whether any of them fails.
fn fails(cases: &[Case], pool: &Pool<'_>, each: &(dyn Fn() + Sync)) -> Option<bool> {
    let ran = pool.run(&cases.iter().collect::<Vec<_>>(), Enough::OneFails, each);
    if ran.iter().flatten().any(|ran| ran.fails) {
        return Some(true);
    }
    ran.iter().all(Option::is_some).then_some(false)
}

/// A case under each noise seed.
fn under_each(case: &Case) -> Vec<Case> {
    (0..SURE).map(|n| case.under_noise(n)).collect()
}

/// A case with one operation or fault moved, each move under some noise seeds of its own. The plan ends as much later as the
/// last of them may.
fn at_other_times(case: &Case) -> Vec<Case> {
    let operations = case.plan.operations.iter().map(|op| (op.at_ms, Part::Operation(op.id)));
    let faults = case.plan.faults.iter().map(|fault| (fault.at_ms, Part::Fault(fault.id)));
    let mut parts: Vec<_> = operations.chain(faults).collect();
    parts.sort();
    let mut moved = Vec::new();
    for (at_ms, part) in parts.iter().rev().take(MOVED) {
        for ticks in SHIFTS {
            let Some(at_ms) = at_ms.checked_add_signed(ticks * TICK_MS as i64) else { continue };
            for _ in 0..OF_EACH_MOVE {
                let mut case = at(case.under_noise(moved.len() as u64), part, at_ms);
                case.plan.horizon_ms += SHIFTS[SHIFTS.len() - 1] as u64 * TICK_MS;
                moved.push(case);
            }
        }
    }
    moved
}

/// A case with an operation or a fault at this simulated millisecond.
fn at(mut case: Case, part: &Part, at_ms: u64) -> Case {
    for op in case.plan.operations.iter_mut().filter(|op| *part == Part::Operation(op.id)) {
        op.at_ms = at_ms;
    }
    for fault in case.plan.faults.iter_mut().filter(|fault| *part == Part::Fault(fault.id)) {
        fault.at_ms = at_ms;
    }
    case
}

/// The switches of `hardened` that are off.
fn off(spec: &ProtocolSpec) -> Vec<&'static Switch> {
    let Ok(protocol) = spec.resolve() else { return Vec::new() };
    let hardened = Protocol::hardened();
    let is_off =
        |of: &&Switch| hardened.get(of.name) == Some(true) && protocol.get(of.name) == Some(false);
    SWITCHES.iter().filter(is_off).collect()
}

/// A case with a switch on, on both sides, and what that needs.
pub(super) fn with(case: &Case, switch: &str) -> Case {
    let mut case = case.clone();
    for spec in [&mut case.protocols.base, &mut case.protocols.candidate] {
        // An override that says what the preset says is one all the same.
        *spec = spec.clone().with(switch, true);
    }
    case
}
