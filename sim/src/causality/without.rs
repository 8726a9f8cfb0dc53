//! What comes of a case without one of its parts.

use super::SURE;
use crate::{
    plan::case::Case,
    pool::Pool,
    shrink::{NOISES, Part, single_parts, without},
};

/// What comes of a case without one of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Without {
    /// The operation or fault.
    pub part: Part,
    /// Under so many noise seeds.
    pub runs: u64,
    /// It still fails under so many.
    pub failing: u64,
}

/// Leaves out each part alone; `None` if it was asked to stop. One without which it fails under one of [`NOISES`]
/// noise seeds is not needed: no more are tried. That it holds is said of [`SURE`], of a case that fails often
/// enough as it is ([`Mended::is_too_rare`](super::Mended::is_too_rare)).
pub(super) fn of(case: &Case, pool: &Pool<'_>, each: &(dyn Fn() + Sync)) -> Option<Vec<Without>> {
    let parts = single_parts(&case.plan).into_iter();
    let one = |part: Part| {
        let plan = without(&case.plan, std::slice::from_ref(&part));
        let case = Case { plan, ..case.clone() };
        let failing = |seeds: std::ops::Range<u64>| {
            pool.failing(&seeds.map(|n| case.under_noise(n)).collect::<Vec<_>>(), each)
        };
        let (mut runs, mut fail) = (NOISES, failing(0..NOISES)?);
        if fail == 0 {
            (runs, fail) = (SURE, failing(NOISES..SURE)?);
        }
        Some(Without { part, runs, failing: fail })
    };
    parts.map(one).collect()
}
