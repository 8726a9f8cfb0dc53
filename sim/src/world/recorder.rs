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
        let commits = Mutex::new(Commits::of(inserts::may_be_row));
        Self { shared, host: host.into(), commits }
    }
}

impl fakes::Hooks for Recorder {
    fn delay(&self, purpose: &'static str, id: u64) -> u32 {
        (self.shared.lock().noise.draw(purpose, id) % 5) as u32
    }

    fn applied(
        &self,
        store: &'static str,
        what: String,
        params: Vec<String>,
        effect: String,
        committed: bool,
    ) {
        let durable = if store == "sql" {
            let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
            commits.observe(&what, &params, &effect, committed)
        } else {
            Vec::new()
        };
        let mut shared = self.shared.lock();
        shared.record(&self.host, Kind::Store { store, what, params, effect, committed });
        for row in durable.iter().filter_map(inserts::row) {
            shared.record(&self.host, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Recorder;
    use crate::{fakes::Hooks, record::Kind, world::Shared};

    const INSERT: &str = "insert into IMMessage_1 (`relateId`, `fromId`, `toId`, `msgId`, \
                          `content`) values(?, ?, ?, ?, ?)";

    #[test]
    fn a_row_is_recorded_at_its_commit_and_not_at_all_after_a_rollback() {
        let shared = Shared::new(1);
        let recorder = Recorder::new(shared.clone(), "sql");
        let insert = |id: &str, effect: &str, committed| {
            let params = ["1", "1", "2", id, "text"].map(String::from);
            recorder.applied("sql", INSERT.into(), params.into(), effect.into(), committed);
        };
        insert("5", "affected 1, id 1", true);
        insert("6", "tx 1: affected 1, id 2", false);
        insert("7", "tx 2: affected 1, id 3", false);
        insert("8", "affected 1, id 4", true);
        let end = |what: &str, effect: &str, committed| {
            recorder.applied("sql", what.into(), Vec::new(), effect.into(), committed);
        };
        end("ROLLBACK", "tx 2: affected 0", false);
        end("COMMIT", "tx 1: affected 0", true);
        let row = |line: &crate::record::Line| match line.kind {
            Kind::Row { msg_id, .. } => Some(msg_id),
            _ => None,
        };
        let rows: Vec<_> = shared.lock().trace.lines.iter().filter_map(row).collect();
        assert_eq!(rows, [5, 8, 6]);
    }
}
