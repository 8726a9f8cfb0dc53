//! Whether a captured list of statements is our requests' statements, shuffled: the original's
//! workers run requests side by side, ours one after the other.

use super::{agreement::Agreement, statement::Statement};
use std::collections::BTreeSet;

/// The statements of one of our requests at one kind of store.
#[derive(Debug, Clone)]
pub struct Request {
    /// What was asked, readable.
    pub name: String,
    /// In order.
    pub statements: Vec<Statement>,
}

/// Positions that are looked at before the search is given up: what differs early is found long before.
const MOST_DEAD: usize = 50_000;

/// Compares; appends what differs.
pub fn compare(
    captured: &[Statement],
    requests: &[Request],
    agreement: &mut Agreement,
    found: &mut Vec<String>,
) {
    let mut search = Search { captured, requests, dead: BTreeSet::new(), furthest: Vec::new() };
    let start = Position { at: 0, done: vec![0; requests.len()], job: Job::NotBegun };
    let mut taken = Vec::new();
    if !search.go(start, &mut taken) {
        found.push(search.complaint());
        return;
    }
    for (at, request, k) in taken {
        let ours = &requests[request].statements[k];
        if !captured[at].times_agree(ours, agreement) {
            found.push(format!(
                "statement {at}: the times differ\n  expected {}\n  got      {ours}",
                captured[at]
            ));
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    /// How many captured statements are behind it.
    at: usize,
    /// How many of each request.
    done: Vec<usize>,
    job: Job,
}

/// How far the group job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    NotBegun,
    /// Between two members.
    Begun,
    /// It has looked for a member's session.
    AtMember,
}

struct Search<'a> {
    captured: &'a [Statement],
    requests: &'a [Request],
    /// Positions from which there is no way.
    dead: BTreeSet<Position>,
    /// The dead positions that got furthest.
    furthest: Vec<Position>,
}

impl Search<'_> {
    /// Finds a way from `here`; `taken` says which captured statement is which of which request.
    fn go(&mut self, here: Position, taken: &mut Vec<(usize, usize, usize)>) -> bool {
        if self.dead.len() >= MOST_DEAD || self.dead.contains(&here) {
            return false;
        }
        let ended = here.done.iter().zip(self.requests).all(|(n, r)| *n == r.statements.len());
        let Some(next) = self.captured.get(here.at) else {
            return ended || self.bury(here);
        };
        for (i, request) in self.requests.iter().enumerate() {
            let k = here.done[i];
            if request.statements.get(k).is_some_and(|ours| next.resembles(ours)) {
                let mut there = Position { at: here.at + 1, ..here.clone() };
                there.done[i] += 1;
                taken.push((here.at, i, k));
                if self.go(there, taken) {
                    return true;
                }
                taken.pop();
            }
        }
        if let Some(job) = here.job.after(next)
            && self.go(Position { at: here.at + 1, job, ..here.clone() }, taken)
        {
            return true;
        }
        self.bury(here)
    }

    fn bury(&mut self, here: Position) -> bool {
        let furthest = self.furthest.first().map_or(0, |position| position.at);
        if here.at > furthest {
            self.furthest.clear();
        }
        if here.at >= furthest {
            self.furthest.push(here.clone());
        }
        self.dead.insert(here);
        false
    }

    fn complaint(&self) -> String {
        let at = self.furthest[0].at;
        let mut text = match self.captured.get(at) {
            Some(next) => format!("statement {at}: expected {next}"),
            None => format!("statement {at}: expected no more"),
        };
        if self.dead.len() >= MOST_DEAD {
            text = format!("given up after {MOST_DEAD} ways to mix the requests; {text}");
        }
        let done = &self.furthest[0].done;
        let mut open = false;
        for (request, n) in self.requests.iter().zip(done) {
            if let Some(next) = request.statements.get(*n) {
                open = true;
                text += &format!("\n  got {next}  (statement {n} of {})", request.name);
            }
        }
        if !open {
            text += "\n  got no more";
        }
        text
    }
}

/// The group job's first statement and its mark.
pub fn begins_job(statement: &Statement) -> bool {
    statement.starts_with("select id , lastChated from IMGroup")
        || statement.starts_with("SET last_update_group")
}

impl Job {
    /// Where the job is after this statement, if it may be the job's: the members, then for each
    /// its session of any status, which is touched or added (SYSTEM.md section 6).
    fn after(self, statement: &Statement) -> Option<Self> {
        let begun = self != Self::NotBegun;
        let looks = statement.starts_with("select id from IMRecentSession where userId")
            && statement.to_string().ends_with(" type = 2");
        let changes = statement.starts_with("update IMRecentSession set updated")
            || statement.starts_with("insert into IMRecentSession");
        let members = statement.store == "redis"
            && statement.starts_with("HGETALL")
            && statement.to_string().contains(" group_member_");
        match self {
            _ if begins_job(statement) || begun && members => Some(Self::Begun),
            _ if begun && looks => Some(Self::AtMember),
            Self::AtMember if changes => Some(Self::Begun),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::capture::Server, *};

    fn commands(text: &str) -> Vec<Statement> {
        let command = |line: &str| {
            let words: Vec<_> = line.split(' ').map(String::from).collect();
            Statement::redis(&words)
        };
        text.split(", ").filter(|line| !line.is_empty()).map(command).collect()
    }

    fn complaints(captured: &str, requests: &[&str]) -> Vec<String> {
        let request = |text: &&str| Request { name: "a".into(), statements: commands(text) };
        let requests: Vec<_> = requests.iter().map(request).collect();
        let mut found = Vec::new();
        compare(&commands(captured), &requests, &mut Agreement::default(), &mut found);
        found
    }

    #[test]
    fn a_shuffle_is_found_and_nothing_else_is_one() {
        assert!(complaints("", &[]).is_empty());
        assert!(complaints("A 1, B 1, A 1, C 1", &["A 1, C 1", "A 1, B 1"]).is_empty());
        let wrong = complaints("A 1, C 1, B 2", &["A 1, B 1, C 1"]);
        assert_eq!(
            wrong,
            ["statement 1: expected redis: C 1\n  got redis: B 1  (statement 1 of a)"]
        );
        assert!(complaints("A 1", &["A 1, B 1"])[0].contains("expected no more\n  got redis: B 1"));
        assert!(complaints("A 1, B 1", &["A 1"])[0].contains("expected redis: B 1\n  got no more"));
    }

    #[test]
    fn a_search_without_end_is_given_up_and_says_so() {
        let (captured, request) = (vec!["A 1"; 40].join(", "), "A 1, A 1");
        assert!(complaints(&captured, &[request; 20]).is_empty());
        let wrong = complaints(&format!("{captured}, B 1"), &[request; 20]);
        let begin =
            "given up after 50000 ways to mix the requests; statement 40: expected redis: B 1";
        assert!(wrong[0].starts_with(begin), "{wrong:?}");
    }

    #[test]
    fn the_job_is_left_out_once_it_has_begun() {
        let job = "SET last_update_group 1795404617, HGETALL group_member_1";
        assert!(complaints(&format!("A 1, {job}, B 1"), &["A 1, B 1"]).is_empty());
        assert!(!complaints("A 1, HGETALL group_member_1, B 1", &["A 1, B 1"]).is_empty());
        assert!(!complaints(&format!("{job}, HGETALL unread_1"), &[]).is_empty());
    }

    #[test]
    fn the_job_touches_only_sessions_that_it_has_looked_for() {
        let sql = |text: &str| Statement::sql(Server::Primary, text, &[]);
        let begin = sql("select id, lastChated from IMGroup where status=0 and lastChated >=1");
        let look = sql("select id from IMRecentSession where userId=1 and peerId=1 and type=2");
        let touch = sql("update IMRecentSession set `updated`=1 where id=7");
        let captured = |statements: &[&Statement]| {
            let (captured, mut found) = (statements.iter().copied().cloned(), Vec::new());
            compare(&captured.collect::<Vec<_>>(), &[], &mut Agreement::default(), &mut found);
            found.is_empty()
        };
        assert!(captured(&[&begin, &look, &touch, &look, &look, &touch]));
        assert!(!captured(&[&begin, &touch]));
        assert!(!captured(&[&begin, &look, &touch, &touch]));
        assert!(!captured(&[&look, &touch]));
    }

    #[test]
    fn times_must_agree() {
        let early = complaints("A 1795404617, B 1795404617", &["A 1795404600, B 1795404601"]);
        assert!(early.is_empty());
        let late = complaints("A 1795404617, B 1795404617", &["A 1795404600, B 1795404602"]);
        assert!(late[0].contains("the times differ"), "{late:?}");
    }
}
