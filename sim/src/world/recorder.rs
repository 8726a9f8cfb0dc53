//! What the stores do, passed to the trace.

use super::{
    network::OnHost,
    roster::HostId,
    shared::{Inner, Shared},
};
use crate::{
    fakes,
    noise::Drawn,
    plan::{Host, StoreError},
    record::{Applied, Kind, What, commits::Commits, inserts, members},
};
use std::sync::{Mutex, PoisonError};

/// Passes what the stores of a host do to the trace, and keyed draws to the stores.
pub struct Recorder {
    shared: Shared,
    host: HostId,
    commits: Mutex<Commits>,
    /// The last draw.
    drawn: Mutex<Drawn>,
    /// The listener is that of a replica.
    replica: bool,
}

impl Recorder {
    /// For one listener of a host: a session of SQL stays with its listener.
    pub fn new(shared: Shared, host: &Host) -> Self {
        let commits = Mutex::new(Commits::of(What::may_be_rows));
        let drawn = Mutex::default();
        Self { host: shared.host(host), shared, commits, drawn, replica: false }
    }

    /// The same, for the listener of a replica.
    pub fn of_replica(self) -> Self {
        Self { replica: true, ..self }
    }
}

impl fakes::Hooks for Recorder {
    fn delay(&self, purpose: &'static str, id: u64) -> u32 {
        let mut shared = self.shared.lock();
        let draw = shared.draw(self.host, purpose, id);
        *self.drawn.lock().unwrap_or_else(PoisonError::into_inner) = shared.noise.drawn();
        match purpose {
            "sql between" => u32::from(draw.is_multiple_of(4)),
            "sql before" | "redis before" => (draw % 5) as u32 + self.longer(&mut shared),
            _ => (draw % 5) as u32,
        }
    }

    fn fails(
        &self,
        id: &dyn Fn() -> u64,
        meets: &dyn Fn(StoreError) -> bool,
    ) -> Option<StoreError> {
        let mut shared = self.shared.lock();
        let fails = |what| match what {
            OnHost::Fails { error, one_in } if meets(error) => Some((error, one_in)),
            _ => None,
        };
        let acting = shared.network.acting(self.host, fails);
        acting.into_iter().find_map(|(fault, (error, one_in))| {
            self.is_met(&mut shared, fault, ("store fails", id()), one_in).then_some(error)
        })
    }

    fn loses_reply(&self, id: &dyn Fn() -> u64) -> bool {
        let mut shared = self.shared.lock();
        let loses = |what| match what {
            OnHost::LosesReplies { one_in } => Some(one_in),
            _ => None,
        };
        let acting = shared.network.acting(self.host, loses);
        acting
            .into_iter()
            .any(|(fault, one_in)| self.is_met(&mut shared, fault, ("reply lost", id()), one_in))
    }

    fn applied(&self, applied: Applied) -> u64 {
        let applied = Applied { replica: self.replica, ..applied };
        let durable = if applied.store == "sql" {
            self.commits.lock().unwrap_or_else(PoisonError::into_inner).observe(&applied)
        } else {
            Vec::new()
        };
        let mut shared = self.shared.lock();
        let n = shared.trace.lines.len() as u64;
        shared.record_at(self.host, Kind::Store(applied));
        for statement in durable {
            if let Some(row) = inserts::row(&statement, |id| shared.trace.recording(id)) {
                shared.record_at(self.host, row);
            }
            for row in members::rows(&statement, |group| shared.trace.members(group)) {
                shared.record_at(self.host, row);
            }
        }
        n
    }

    fn drawn(&self) -> Drawn {
        *self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn led_to(&self, drawn: Drawn, line: u64) {
        // Most runs keep no draws.
        if drawn != Drawn::default() {
            self.shared.lock().noise.led_to(drawn, line);
        }
    }
}

impl Recorder {
    /// By how many ticks faults make the store slower just now, which they have met then.
    fn longer(&self, shared: &mut Inner) -> u32 {
        let slow = |what| match what {
            OnHost::TakesLonger { ticks } => Some(ticks as u32),
            _ => None,
        };
        let mut longer = 0;
        for (fault, ticks) in shared.network.acting(self.host, slow) {
            longer += ticks;
            shared.network.met(fault);
        }
        longer
    }

    /// Draws whether a fault meets one in so many; it is counted then.
    fn is_met(
        &self,
        shared: &mut Inner,
        fault: u32,
        (purpose, id): (&'static str, u64),
        one_in: u32,
    ) -> bool {
        let is_met = shared.draw(self.host, purpose, id).is_multiple_of(one_in.max(1).into());
        if is_met {
            shared.network.met(fault);
        }
        is_met
    }
}

#[cfg(test)]
mod tests {
    use super::Recorder;
    use crate::{
        fakes::Hooks,
        plan::Role,
        record::{Kind, sql_applied},
        world::{
            Shared,
            blobs::{Memory, Recorded},
        },
    };
    use teamtalk::store::blob::Blobs;

    const INSERT: &str = "insert into IMMessage_1 (`relateId`, `fromId`, `toId`, `msgId`, \
                          `content`) values(?, ?, ?, ?, ?)";

    #[test]
    fn a_row_is_recorded_at_its_commit_and_not_at_all_after_a_rollback() {
        let shared = Shared::new(1);
        let recorder = Recorder::new(shared.clone(), &Role::Sql.host());
        let insert = |id: &str, effect: &str, committed| {
            let params = ["1", "1", "2", id, "text"];
            recorder.applied(sql_applied(INSERT, &params, effect, committed));
        };
        insert("5", "affected 1, id 1", true);
        insert("6", "tx 1: affected 1, id 2", false);
        insert("7", "tx 2: affected 1, id 3", false);
        insert("8", "affected 1, id 4", true);
        let end = |what: &str, effect: &str, committed| {
            recorder.applied(sql_applied(what, &[], effect, committed));
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

    #[tokio::test]
    async fn audio_is_recorded_as_what_the_blob_store_was_given() {
        let shared = Shared::new(1);
        let recorder = Recorder::new(shared.clone(), &Role::Sql.host());
        let blobs = Recorded::new(Memory::default(), shared.clone(), &Role::Db.numbered(1));
        let apply = |what: &str, params: &[&str], id: u32| {
            recorder.applied(sql_applied(what, params, &format!("affected 1, id {id}"), true));
        };
        for (id, recording) in [(11, "op-3"), (12, "op-4")] {
            let path = blobs.put(recording.into()).await.expect("kept");
            apply("insert into IMAudio (`fromId`, `path`) values(?, ?)", &["1", &path], id);
        }
        // Another table's row of that id.
        apply("insert into IMRecentSession (userId, peerId, type) values (?,?,?)", &["1"], 11);
        let message = "insert into IMMessage_1 (fromId, toId, msgId, content, type)                        values (?, ?, ?, ?, ?)";
        apply(message, &["1", "2", "5", "11", "2"], 1);
        apply(message, &["1", "2", "6", "13", "2"], 2);
        let row = |line: &crate::record::Line| match &line.kind {
            Kind::Row { content, .. } => Some(content.clone()),
            _ => None,
        };
        let rows: Vec<_> = shared.lock().trace.lines.iter().filter_map(row).collect();
        assert_eq!(rows, ["op-3", "13"]);
    }

    #[test]
    fn members_are_recorded_at_their_commit_beside_those_of_the_start() {
        let shared = Shared::new(1);
        shared.record_world(Kind::MemberRow { group: 7, user: 1, live: true });
        let recorder = Recorder::new(shared.clone(), &Role::Sql.host());
        let apply = |what: &str, params: &[&str], effect: &str, committed| {
            recorder.applied(sql_applied(what, params, effect, committed));
        };
        const INSERT: &str = "insert into IMGroupMember (groupId, userId, status) values (?,?,0)";
        const REMOVE: &str =
            "update IMGroupMember set status=1 where groupId=? and userId in (?, ?)";
        apply(INSERT, &["7", "2"], "tx 1: affected 1, id 1", false);
        apply(REMOVE, &["7", "1", "2"], "affected 0", true);
        apply("COMMIT", &[], "tx 1: affected 0", true);
        apply(REMOVE, &["7", "1", "2"], "affected 2", true);
        let row = |line: &crate::record::Line| match line.kind {
            Kind::MemberRow { user, live, .. } => Some((user, live)),
            _ => None,
        };
        let rows: Vec<_> = shared.lock().trace.lines.iter().filter_map(row).collect();
        assert_eq!(rows, [(1, true), (2, true), (1, false), (2, false)]);
    }
}
