//! sessions: at rest a member's session with a group is as new as what was said there last.
//!
//! A message of a group brings only its sender's session up to date at once; a job of each db_proxy does so
//! with all others (docs/SYSTEM.md section 6, "Job of each db_proxy"). Judged by what is committed: when
//! something was last said in a group (`lastChated`), and when the session of each user changed last who was a
//! member then and is. What was said before the run the run owes nobody.

use super::{Class, Known, Property, Rows, Seen, Sort, Subject, Tally, Violation};
use crate::{
    model::stores::Row,
    plan::Role,
    record::{Applied, Changed, Kind},
};
use std::collections::BTreeMap;
use teamtalk::{store::sql::Value, wire::im::base_define::SessionType};

/// Where groups have more than so many together who are or were members a round of the job takes longer than a run: it
/// asks SQL twice for each of them, one after the other (seed 25 of a deployment of 40 devices: 20 s).
const MOST: usize = 100;

/// When something was last said in a group.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// In seconds since 1970.
    time: u32,
    /// The line that committed it.
    n: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Sessions {
    groups: BTreeMap<u32, Said>,
    /// When a user's session with a group changed last, in seconds since 1970, by group and user; 0 if
    /// there is none. Of everybody who ever was a member.
    changed: BTreeMap<(u32, u32), u32>,
    /// Groups have so many members that a round of the job does not end within a run.
    crowded: bool,
    tally: Tally,
}

impl Sessions {
    fn said(&mut self, group: u32, said: Said) {
        if self.crowded {
            self.tally.excuse(
                "members in groups are so many that a round of the job takes longer than the run",
            );
            return;
        }
        self.groups.insert(group, said);
        self.tally.judge();
    }

    fn committed(&mut self, n: u64, changed: &[Changed], in_the_run: bool) {
        for changed in changed {
            let Changed::Row { columns, before, after: Some(after), .. } = changed else {
                continue;
            };
            let row = Row::of(columns, after);
            match &*columns.table {
                // Of two messages the older one may be noted last: what the store says counts.
                "IMGroup" if in_the_run => {
                    let said = |row: &[Value]| Row::of(columns, row).uint("lastChated");
                    let time = said(after);
                    if before.as_ref().map_or(0, |row| said(row)) != time {
                        self.said(row.uint("id"), Said { time, n });
                    }
                }
                "IMGroupMember" => {
                    let of = (row.uint("groupId"), row.uint("userId"));
                    self.changed.entry(of).or_default();
                    self.crowded |= self.changed.len() > MOST;
                }
                "IMRecentSession" if row.uint("type") == SessionType::Group as u32 => {
                    let of = (row.uint("peerId"), row.uint("userId"));
                    let last = self.changed.entry(of).or_default();
                    *last = (*last).max(row.uint("updated"));
                }
                _ => {}
            }
        }
    }
}

impl Property for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn says(&self) -> &'static str {
        "at rest a member's session with a group is as new as what was said there last"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::Store, Class::Event]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        match &seen.line.kind {
            Kind::Holds { changed, .. } => self.committed(seen.line.n, changed, false),
            Kind::Store(Applied { store: "sql", changed, .. }) if !changed.is_empty() => {
                self.committed(seen.line.n, changed, true);
            }
            _ => {}
        }
        None
    }

    fn pending(&self, known: &Known) -> Option<Violation> {
        if self.crowded {
            return None;
        }
        for (&group, &Said { time, n }) in &self.groups {
            for (&(_, user), &changed) in self.changed.range((group, 0)..=(group, u32::MAX)) {
                if changed >= time || !known.membership.is_always(group, user, n, known.now) {
                    continue;
                }
                let sentence = format!(
                    "the session of user {user} with group {group} is of {changed}, and something was said \
                     there at {time}"
                );
                let session = Rows::Session { user, peer: group };
                let about = [Subject::Rows(session)].into();
                let (property, kind, role) = (self.name(), "old", Role::Db);
                return Some(Violation { property, kind, role, sentence, about });
            }
        }
        None
    }

    fn tally(&self, _: &Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Sessions;
    use crate::{
        properties::tape::{G, Tape},
        record::{Changed, Columns, Kind, sql_applied},
    };
    use std::sync::Arc;
    use teamtalk::store::sql::Value;

    fn commits(tape: &mut Tape<Sessions>, table: &str, of: &[(&str, i64)], was: Option<i64>) {
        let names = of.iter().map(|(name, _)| name.to_string()).collect();
        let columns = Arc::new(Columns { table: table.into(), names });
        let row: Vec<_> = of.iter().map(|(_, n)| Value::Int(*n)).collect();
        // The last column is the one that changed.
        let before = was.map(|was| {
            let mut before = row.clone();
            *before.last_mut().expect("a column") = Value::Int(was);
            before
        });
        let changed =
            Changed::row(&columns, &[row[0].clone()].into(), before.as_deref(), Some(&row));
        let mut applied = sql_applied("update", &[], "affected 1", true);
        applied.changed = vec![changed];
        tape.line("sql", Kind::Store(applied));
    }

    /// Users 1 and 2 are in the group.
    fn tape() -> Tape<Sessions> {
        let mut tape = Tape::new(Sessions::default());
        tape.group(&[1, 2]);
        for user in [1, 2] {
            let of = [("id", user), ("groupId", G.into()), ("userId", user), ("status", 0)];
            commits(&mut tape, "IMGroupMember", &of, None);
        }
        tape
    }

    fn said(tape: &mut Tape<Sessions>, time: i64, was: i64) {
        let of = [("id", G.into()), ("lastChated", time)];
        commits(tape, "IMGroup", &of, Some(was));
    }

    fn session(tape: &mut Tape<Sessions>, user: i64, updated: i64) {
        let of = [("userId", user), ("peerId", G.into()), ("type", 2), ("updated", updated)];
        commits(tape, "IMRecentSession", &of, None);
    }

    #[test]
    fn every_member_has_a_session_that_is_as_new() {
        let mut tape = tape();
        assert_eq!(tape.pending(), None);
        said(&mut tape, 50, 0);
        session(&mut tape, 1, 50);
        assert_eq!(tape.pending(), Some("sessions/old/db".into()), "user 2 has none");
        session(&mut tape, 2, 51);
        assert_eq!(tape.pending(), None);
        said(&mut tape, 60, 50);
        session(&mut tape, 2, 60);
        assert_eq!(tape.pending(), Some("sessions/old/db".into()), "that of user 1 is old");
        tape.member(1, false);
        assert_eq!(tape.pending(), None, "who is out has none to be new");
    }
}
