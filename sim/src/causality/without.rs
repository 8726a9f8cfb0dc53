//! What comes of a case without one of its parts.

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
    /// Under so many of [`NOISES`] noise seeds it still fails.
    pub failing: u64,
}

/// Leaves out each part alone; `None` if it was asked to stop.
pub(super) fn of(case: &Case, pool: &Pool<'_>, each: &(dyn Fn() + Sync)) -> Option<Vec<Without>> {
    let parts = single_parts(&case.plan).into_iter();
    let one = |part: Part| {
        let plan = without(&case.plan, std::slice::from_ref(&part));
        let case = Case { plan, ..case.clone() };
        let cases: Vec<_> = (0..NOISES).map(|n| case.under_noise(n)).collect();
        Some(Without { part, failing: pool.failing(&cases, each)? })
    };
    parts.map(one).collect()
}
