//! What is told of a verification, in whatever form.

use crate::{
    plan::generate::Profile,
    verify::{Pair, Verdict},
};

/// A verification, as it is told.
pub struct Told<'a> {
    /// Base and candidate.
    pub pair: &'a Pair,
    /// All that came of it.
    pub verdict: &'a Verdict,
    /// Whether hosts changed side in some runs.
    pub rolling: bool,
    /// The first seed.
    pub from: u64,
    /// How many of them.
    pub seeds: u64,
    /// What the plans were like.
    pub profile: Profile,
    /// How the case in the file of this name is shown.
    pub shown: &'a dyn Fn(&str) -> Shown,
}

/// How a case is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The command that replays it.
    pub replay: String,
    /// Its card; `None`: it is not run again for one.
    pub card: Option<String>,
}

impl Shown {
    /// As a part of a verdict.
    pub(super) fn text(&self) -> String {
        match &self.card {
            Some(card) => card.lines().map(|line| format!("  | {line}\n")).collect(),
            None => format!("  again: {}\n", self.replay),
        }
    }
}
