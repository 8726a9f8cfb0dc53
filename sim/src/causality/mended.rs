//! Which switch of `hardened` mends a case, if it alone is on.

use super::SURE;
use crate::{
    plan::case::{Case, ProtocolSpec},
    pool::{Enough, Pool},
};
use teamtalk::protocol::{Protocol, SWITCHES, Switch};

/// A case that fails under fewer of [`SURE`] noise seeds says nothing of what mends it or of what it needs: it may
/// hold by chance. One of so many holds under all of them by chance once in 80 times.
const LEAST: u64 = 4;

/// Which switches mend a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// Under so many of [`SURE`] noise seeds it fails as it is.
    pub failing: u64,
    /// How many switches of `hardened` are off.
    pub off: usize,
    /// With one of these on it fails under none.
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
            if !fails(&with(case, switch.name), pool, each)? {
                mended.by.push(switch.name);
            }
        }
        if !mended.by.is_empty() {
            break;
        }
    }
    Some(mended)
}

/// Whether it fails under any of them.
fn fails(case: &Case, pool: &Pool<'_>, each: &(dyn Fn() + Sync)) -> Option<bool> {
    let cases = under_each(case);
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

/// The switches of `hardened` that are off.
fn off(spec: &ProtocolSpec) -> Vec<&'static Switch> {
    let Ok(protocol) = spec.resolve() else { return Vec::new() };
    let hardened = Protocol::hardened();
    let is_off =
        |of: &&Switch| hardened.get(of.name) == Some(true) && protocol.get(of.name) == Some(false);
    SWITCHES.iter().filter(is_off).collect()
}

/// A case with a switch on, on both sides, and what that needs.
fn with(case: &Case, switch: &str) -> Case {
    let mut case = case.clone();
    for spec in [&mut case.protocols.base, &mut case.protocols.candidate] {
        // An override that says what the preset says is one all the same.
        *spec = spec.clone().with(switch, true);
    }
    case
}
