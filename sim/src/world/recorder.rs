//! What the stores do, passed to the trace.

use super::shared::Shared;
use crate::{
    fakes,
    record::{Kind, commits::Commits, inserts},
};
use std::sync::{Mutex, PoisonError};

/// Passes what the stores of a host do to the trace, and keyed draws to the stores.
pub struct Recorder {
    shared: Shared,
    host: String,
    commits: Mutex<Commits>,
}

impl Recorder {
    /// For one listener of a host: a session of SQL stays with its listener.
    pub fn new(shared: Shared, host: &str) -> Self {
        Self { shared, host: host.into(), commits: Mutex::default() }
    }
}

impl fakes::Hooks for Recorder {
    fn delay(&self, purpose: &'static str, id: u64) -> u32 {
        (self.shared.lock().noise.draw(purpose, id) % 5) as u32
    }

    fn applied(
        &self,
        store: &'static str,
        what: &str,
        params: &[String],
        effect: &str,
        committed: bool,
    ) {
        let line = Kind::Store {
            store,
            what: what.into(),
            params: params.to_vec(),
            effect: effect.into(),
            committed,
        };
        let mut shared = self.shared.lock();
        shared.record(&self.host, line);
        if store != "sql" {
            return;
        }
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        for row in commits.observe(what, params, effect, committed).iter().filter_map(inserts::row)
        {
            shared.record(&self.host, row);
        }
    }
}
