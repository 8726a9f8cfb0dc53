//! Which SQL statements took effect for good, and when: read off the lines of the store.

use std::collections::BTreeMap;

/// A statement that changed rows and is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durable {
    /// The statement.
    pub what: String,
    /// Its parameters.
    pub params: Vec<String>,
    /// The AUTO_INCREMENT id it drew, else 0.
    pub id: u64,
}

/// Follows the transactions of a database. A session's number is never used twice, so what a
/// crash left open is never mistaken for another's.
#[derive(Debug)]
pub struct Commits {
    open: BTreeMap<u64, Vec<Durable>>,
    wanted: fn(&str) -> bool,
    /// What `wanted` said of a text: the same few come thousands of times.
    known: BTreeMap<String, bool>,
}

impl Default for Commits {
    /// Keeps every statement that changes rows.
    fn default() -> Self {
        Self::of(|_| true)
    }
}

impl Commits {
    /// Keeps those statements that change rows and whose text is `wanted`: a run has thousands,
    /// and a reader wants a few.
    pub fn of(wanted: fn(&str) -> bool) -> Self {
        Self { open: BTreeMap::new(), wanted, known: BTreeMap::new() }
    }

    /// Takes the next statement applied (the fields of a [`super::Kind::Store`] line of `sql`);
    /// what became durable by it, in the order of the statements.
    pub fn observe(
        &mut self,
        what: &str,
        params: &[String],
        effect: &str,
        committed: bool,
    ) -> Vec<Durable> {
        let (session, effect) = match effect.strip_prefix("tx ").and_then(|e| e.split_once(':')) {
            Some((session, rest)) => (session.parse::<u64>().ok(), rest.trim_start()),
            None => (None, effect),
        };
        let mut statement = || {
            let id = changed(effect)?;
            let is_wanted = self.is_wanted(what);
            is_wanted.then(|| Durable { what: what.into(), params: params.to_vec(), id })
        };
        let Some(session) = session else {
            return statement().filter(|_| committed).into_iter().collect();
        };
        let ended = effect == "connection lost" || effect.starts_with("error 1213");
        let verb = what.split_whitespace().next().unwrap_or_default();
        let is = |word: &str| verb.eq_ignore_ascii_case(word);
        // BEGIN in a transaction commits it.
        if is("BEGIN") || is("START") || is("COMMIT") {
            let done = self.open.remove(&session).unwrap_or_default();
            return if committed { done } else { Vec::new() };
        }
        // A deadlock undoes the whole transaction.
        if is("ROLLBACK") || ended {
            self.open.remove(&session);
        } else if let Some(statement) = statement() {
            self.open.entry(session).or_default().push(statement);
        }
        Vec::new()
    }

    fn is_wanted(&mut self, what: &str) -> bool {
        if let Some(known) = self.known.get(what) {
            return *known;
        }
        let is_wanted = (self.wanted)(what);
        self.known.insert(what.into(), is_wanted);
        is_wanted
    }
}

/// The AUTO_INCREMENT id (or 0) that an effect names, if it changed rows:
/// `affected 1, id 7`.
fn changed(effect: &str) -> Option<u64> {
    let (rows, rest) = leading_number(effect.strip_prefix("affected ")?);
    let id = rest.strip_prefix(", id ").map_or(0, |id| leading_number(id).0);
    (rows > 0).then_some(id)
}

/// The number that a text begins with, and what follows it; 0 if there is none.
fn leading_number(text: &str) -> (u64, &str) {
    let end = text.bytes().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse().unwrap_or(0), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::Commits;

    /// What is durable after each of (statement, effect, committed).
    fn after(steps: &[(&str, &str, bool)]) -> Vec<Vec<String>> {
        let mut commits = Commits::default();
        let one = |&(what, effect, committed): &(&str, &str, bool)| {
            let done = commits.observe(what, &[], effect, committed);
            done.into_iter().map(|d| d.what).collect()
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
            let now = commits.observe(what, &[], "affected 1, id 7", true).len();
            assert_eq!(now, usize::from(what == "insert a"));
            commits.observe(what, &[], "tx 4: affected 1, id 7", false);
        }
        assert_eq!(commits.observe("COMMIT", &[], "tx 4: affected 0", true).len(), 1);
    }

    #[test]
    fn begin_within_a_transaction_commits_it() {
        let insert = ("insert a", "tx 4: affected 1, id 1", false);
        let all = after(&[insert, ("BEGIN", "tx 4: affected 0", true)]);
        assert_eq!(all[1], ["insert a"]);
    }
}
