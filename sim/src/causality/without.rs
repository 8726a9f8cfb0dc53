//! What comes of a case without one of its parts.

use crate::{
    plan::case::Case,
    pool::{Enough, Pool},
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
    let parts = single_parts(&case.plan);
    let cases: Vec<_> = parts
        .iter()
        .flat_map(|part| {
            (0..NOISES).map(move |n| {
                let mut plan = without(&case.plan, std::slice::from_ref(part));
                plan.noise = plan.noise.wrapping_add(n);
                Case { plan, ..case.clone() }
            })
        })
        .collect();
    let ran = pool.run(&cases.iter().collect::<Vec<_>>(), Enough::AllRan, each);
    let failing = ran.chunks(NOISES as usize).map(|of_part| {
        let failing = of_part.iter().map(|ran| ran.as_ref().map(|ran| u64::from(ran.fails)));
        failing.sum::<Option<u64>>()
    });
    let each = parts.into_iter().zip(failing);
    each.map(|(part, failing)| Some(Without { part, failing: failing? })).collect()
}
