//! Which SQL statements became durable, and when, by the store's lines of the trace.

use super::{
    applied::{Applied, Did, Effect},
    what::{Verb, What},
};
use std::{collections::BTreeMap, sync::Arc};
use teamtalk::store::sql::{Value, code};

/// A statement that changed rows and is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durable {
    /// The statement.
    pub what: Arc<What>,
    /// Its parameters.
    pub params: Vec<Value>,
    /// The AUTO_INCREMENT id it drew, else 0.
    pub id: u64,
}

/// Follows the transactions of a database. A session's number is never used twice, so a transaction
/// that a crash left open is not taken for that of another session.
#[derive(Debug)]
pub struct Commits {
    open: BTreeMap<u64, Vec<Durable>>,
    wanted: fn(&What) -> bool,
}

impl Default for Commits {
    /// Keeps every statement that changes rows.
    fn default() -> Self {
        Self::of(|_| true)
    }
}

impl Commits {
    /// Keeps those statements that change rows and are `wanted`: a run has thousands, and a
    /// reader wants a few.
    pub fn of(wanted: fn(&What) -> bool) -> Self {
        Self { open: BTreeMap::new(), wanted }
    }

    /// Takes the next statement that was applied, and returns those that became durable by it, in
    /// their order.
    pub fn observe(&mut self, applied: &Applied) -> Vec<Durable> {
        let Effect::Sql { transaction, did } = &applied.effect else { return Vec::new() };
        let Some(session) = transaction else {
            let statement = applied.committed.then(|| self.statement(applied, did));
            return statement.flatten().into_iter().collect();
        };
        match applied.what.verb {
            // BEGIN in a transaction commits it.
            Verb::Begin | Verb::Commit => {
                let done = self.open.remove(session).unwrap_or_default();
                return if applied.committed { done } else { Vec::new() };
            }
            Verb::Rollback => {
                self.open.remove(session);
            }
            // A deadlock undoes the whole transaction.
            Verb::Other
                if matches!(
                    did,
                    Did::ConnectionLost
                        | Did::Failed { code: code::DEADLOCK | code::RECORD_CHANGED, .. }
                ) =>
            {
                self.open.remove(session);
            }
            Verb::Other => {
                if let Some(statement) = self.statement(applied, did) {
                    self.open.entry(*session).or_default().push(statement);
                }
            }
        }
        Vec::new()
    }

    /// The statement, if it changed rows and is wanted.
    fn statement(&self, applied: &Applied, did: &Did) -> Option<Durable> {
        let Did::Changed { rows: 1.., id } = *did else { return None };
        let is_wanted = (self.wanted)(&applied.what);
        let durable = || Durable { what: applied.what.clone(), params: applied.params.clone(), id };
        is_wanted.then(durable)
    }
}

#[cfg(test)]
mod tests {
    use super::Commits;
    use crate::record::applied::tests::sql;

    /// What is durable after each of (statement, effect, committed).
    fn after(steps: &[(&str, &str, bool)]) -> Vec<Vec<String>> {
        let mut commits = Commits::default();
        let one = |&(what, effect, committed): &(&str, &str, bool)| {
            let done = commits.observe(&sql(what, &[], effect, committed));
            done.into_iter().map(|d| d.what.to_string()).collect()
        };
        steps.iter().map(one).collect()
    }

    #[test]
    fn autocommit_is_durable_at_once_and_only_with_an_effect() {
        let steps = [
            ("insert a", "affected 1, id 7", true),
            ("insert b", "error 1062: duplicate", false),
            ("update c", "affected 0", true),
            ("select d", "rows 3", true),
        ];
        assert_eq!(after(&steps), [vec!["insert a".to_string()], vec![], vec![], vec![]]);
    }

    #[test]
    fn a_transaction_is_durable_at_its_commit_in_order() {
        let steps = [
            ("BEGIN", "tx 4: affected 0", false),
            ("insert a", "tx 4: affected 1, id 1", false),
            ("insert x", "tx 5: affected 1, id 2", false),
            ("insert b", "tx 4: error 1062: duplicate", false),
            ("insert c", "tx 4: affected 1, id 3", false),
            ("COMMIT", "tx 4: affected 0", true),
            ("COMMIT", "tx 4: affected 0", true),
        ];
        let all = after(&steps);
        assert!(all[..5].iter().all(Vec::is_empty));
        assert_eq!(all[5], ["insert a", "insert c"]);
        assert_eq!(all[6], Vec::<String>::new());
    }

    #[test]
    fn rollback_deadlock_and_a_lost_connection_leave_nothing() {
        for end in [
            ("ROLLBACK", "tx 4: affected 0", false),
            ("ROLLBACK", "tx 4: connection lost", false),
            ("update q", "tx 4: error 1213: deadlock", false),
        ] {
            let insert = ("insert a", "tx 4: affected 1, id 1", false);
            let all = after(&[insert, end, ("COMMIT", "tx 4: affected 0", true)]);
            assert!(all.iter().all(Vec::is_empty), "{end:?}: {all:?}");
        }
        let lock_timeout = ("update q", "tx 4: error 1205: timeout", false);
        let insert = ("insert a", "tx 4: affected 1, id 1", false);
        let all = after(&[insert, lock_timeout, ("COMMIT", "tx 4: affected 0", true)]);
        assert_eq!(all[2], ["insert a"], "a lock timeout leaves the transaction open");
    }

    #[test]
    fn what_is_not_wanted_is_not_kept() {
        let mut commits = Commits::of(|what| what.ends_with('a'));
        for what in ["insert a", "insert b"] {
            let now = commits.observe(&sql(what, &[], "affected 1, id 7", true)).len();
            assert_eq!(now, usize::from(what == "insert a"));
            commits.observe(&sql(what, &[], "tx 4: affected 1, id 7", false));
        }
        assert_eq!(commits.observe(&sql("COMMIT", &[], "tx 4: affected 0", true)).len(), 1);
    }

    #[test]
    fn begin_within_a_transaction_commits_it() {
        let insert = ("insert a", "tx 4: affected 1, id 1", false);
        let all = after(&[insert, ("BEGIN", "tx 4: affected 0", true)]);
        assert_eq!(all[1], ["insert a"]);
    }
}
