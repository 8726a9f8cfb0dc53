//! When the database gets later versions of the schema.

use serde::{Deserialize, Serialize};

/// The migrations of `src/store/migrations/` up to a version run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// Names it.
    pub id: u32,
    /// When, in simulated milliseconds; once SQL is up again if it is down then.
    pub at_ms: u64,
    /// The version that the database has then; one that it has already changes nothing.
    pub to: u32,
}

impl Migration {
    /// What it does, in words.
    pub fn describe(&self) -> String {
        format!("the schema gets version {}", self.to)
    }
}
