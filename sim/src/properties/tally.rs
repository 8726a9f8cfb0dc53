//! How often a property judged, and how often it forgave: an excuse that nobody counts is where a
//! bug hides.

use crate::campaign::names;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The judgements of one property in one run, or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Obligations that were closed with a verdict, good or bad.
    pub judged: u64,
    /// Those that were forgiven, by the excuse's name.
    #[serde(deserialize_with = "names::counts")]
    pub excused: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// One obligation was judged.
    pub fn judge(&mut self) {
        self.judged += 1;
    }

    /// One obligation was forgiven.
    pub fn excuse(&mut self, name: &'static str) {
        *self.excused.entry(name).or_default() += 1;
    }

    /// How many obligations were forgiven.
    pub fn forgiven(&self) -> u64 {
        self.excused.values().sum()
    }

    /// The excuses by name, with how often: `a 1, b 2`.
    pub fn excuses(&self) -> String {
        let each: Vec<_> = self.excused.iter().map(|(why, n)| format!("{why} {n}")).collect();
        each.join(", ")
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.judged += other.judged;
        for (name, count) in &other.excused {
            *self.excused.entry(name).or_default() += count;
        }
    }
}
