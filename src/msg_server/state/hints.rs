//! Who may have missed a message and is to be told so (switch `catch-up-hint`).

use std::{collections::BTreeSet, time::Duration};

/// Who is to be told, and when the next time.
#[derive(Debug, Default)]
pub struct Hints {
    /// These users, wherever they are.
    pub users: BTreeSet<u32>,
    /// Everyone.
    pub everyone: bool,
    /// Everyone on this msg_server.
    pub everyone_here: bool,
    /// Nobody is told before this time, from the start of the process.
    pub not_before: Duration,
}

impl Hints {
    /// Whether nobody is to be told.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && !self.everyone && !self.everyone_here
    }
}
