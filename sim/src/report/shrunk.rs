//! What is said of a case that was made small.

use crate::shrink::{CHECKED, End, NOISES, Shrunk, Subsets};
use std::fmt::Write;

/// A few lines: what there was and is, what it took, and what was made sure of.
pub fn shrunk(shrunk: &Shrunk, seconds: f64) -> String {
    let mut out = String::new();
    let Shrunk { from, to, runs, .. } = shrunk;
    let _ = writeln!(out, "shrunk:  from {from}");
    let _ = writeln!(out, "         to {to}; {runs} runs in {seconds:.1} s");
    let _ = writeln!(out, "         {}", ended(shrunk));
    if let Some(failing) = shrunk.failing {
        let _ = writeln!(out, "         it fails under {failing} of {CHECKED} noise seeds");
    }
    out
}

fn ended(shrunk: &Shrunk) -> String {
    match (shrunk.end, shrunk.subsets) {
        (End::Stopped, _) => "stopped: this is the best so far".into(),
        (_, Some(Subsets::NoneFails { parts, with_logins })) => {
            let logins = if with_logins { ", logins too" } else { "" };
            format!(
                "no proper subset of its {parts} operations and faults{logins} fails under {NOISES} noise seeds"
            )
        }
        (End::Spent, _) => "the budget is spent: --runs gives it more".into(),
        (End::Smallest, _) => {
            "none of its parts can be left out alone; there are too many to try all subsets".into()
        }
    }
}
