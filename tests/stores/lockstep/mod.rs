//! Statements in lock step: each is given to the fake and to a real server, and after each one both have come
//! to rest. What ended and how, and which sessions wait for a lock, must be the same.

mod fake;
mod generated;
mod real;
mod scenarios;
mod traces;

use fake::Fake;
use real::Real;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use teamtalk::store::sql::{Outcome, SqlError, Value};

/// A session's number in a sequence, from 1.
type Session = usize;

/// What happens next.
#[derive(Debug, Clone, PartialEq)]
enum Ask {
    /// A session asks for a statement. One that still waits for its last one asks for nothing.
    Say { session: Session, text: String, params: Vec<Value> },
    /// A session's client goes without a word.
    Drop { session: Session },
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drop { session } => write!(f, "{session}! drop"),
            Self::Say { session, text, params } => {
                let mut params = params.iter();
                let parts: Vec<_> = text.split('?').collect();
                write!(f, "{session}: {}", parts[0])?;
                for part in &parts[1..] {
                    match params.next() {
                        Some(Value::Int(n)) => write!(f, "{n}{part}")?,
                        Some(Value::Bytes(b)) => write!(f, "'{}'{part}", b.escape_ascii())?,
                        Some(Value::Null) => write!(f, "NULL{part}")?,
                        None => write!(f, "?{part}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// How a statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Came {
    /// In the order in which they came if the statement says one, else sorted.
    Rows(Vec<Vec<Value>>),
    Did {
        affected: u64,
        id: u64,
    },
    /// An error's number.
    Failed(u16),
    /// The connection has gone.
    Lost,
}

impl Came {
    fn of(text: &str, result: Result<Outcome, SqlError>) -> Self {
        match result {
            Ok(outcome) if !outcome.columns.is_empty() => {
                let mut rows = outcome.rows;
                if !text.contains("order by") {
                    rows.sort_unstable();
                }
                Self::Rows(rows)
            }
            Ok(outcome) => Self::Did { affected: outcome.affected, id: outcome.last_insert_id },
            Err(SqlError::Server { code, .. }) => Self::Failed(code),
            Err(SqlError::Lost(_)) => Self::Lost,
        }
    }
}

/// A side at rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Moment {
    /// What ended since the last one.
    ended: BTreeMap<Session, Came>,
    /// Whose statement waits for a lock: also of a client that has gone.
    waiting: BTreeSet<Session>,
}

impl Moment {
    /// How many a deadlock has cost their transactions.
    fn dead(&self) -> usize {
        self.ended.values().filter(|came| **came == Came::Failed(1213)).count()
    }

    /// Whether the same ended and as many wait, whoever they are.
    fn is_with_others(&self, other: &Self) -> bool {
        let sorted = |moment: &Self| {
            let mut all: Vec<_> = moment.ended.values().map(|came| format!("{came:?}")).collect();
            all.sort_unstable();
            all
        };
        sorted(self) == sorted(other) && self.waiting.len() == other.waiting.len()
    }
}

/// Tables that statements name, in any order.
fn tables_of(asked: &[Ask]) -> BTreeSet<String> {
    let texts = asked.iter().filter_map(|ask| match ask {
        Ask::Say { text, .. } => Some(text),
        Ask::Drop { .. } => None,
    });
    let named = texts.flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_'));
    named
        .filter(|word| word.starts_with("IM") || word.starts_with("TT"))
        .map(String::from)
        .collect()
}

/// What happened in sequences on the real server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Tally {
    statements: usize,
    /// Those that had to wait for a lock.
    waited: usize,
    /// Errors by their numbers.
    failed: BTreeMap<u16, usize>,
    /// Sequences that ended where chance decides.
    by_chance: usize,
    /// Sequences that ended where a deadlock cost another one on each side.
    other_victim: usize,
}

impl Tally {
    fn add(&mut self, moment: &Moment, before: &BTreeSet<Session>) {
        self.waited += moment.waiting.difference(before).count();
        for came in moment.ended.values() {
            if let Came::Failed(code) = came {
                *self.failed.entry(*code).or_default() += 1;
            }
        }
    }
}

/// Where two sides part.
struct Parted {
    /// What was asked until then.
    at: usize,
    fake: String,
    real: String,
}

/// Runs a sequence on both sides; `None`: they agree to the end, and hold the same rows.
///
/// A session that waits on either side asks for nothing more until it has ended.
async fn run(real: &mut Real, asked: &[Ask], tally: &mut Tally) -> Option<Parted> {
    let tables = tables_of(asked);
    real.begin(&tables).await;
    let mut fake = Fake::new();
    let mut waiting = BTreeSet::new();
    let (mut parted, mut by_chance) = (None, false);
    for (at, ask) in asked.iter().enumerate() {
        let (Ask::Say { session, .. } | Ask::Drop { session }) = ask;
        if waiting.contains(session) && matches!(ask, Ask::Say { .. }) {
            continue;
        }
        let [on_fake, on_real] = [fake.ask(ask), real.ask(ask).await];
        tally.statements += usize::from(matches!(ask, Ask::Say { .. }));
        tally.add(&on_real, &waiting);
        let woken = waiting.len();
        waiting.clone_from(&on_real.waiting);
        // Of two that wait for the same on a real server it is chance who is first: from there on all may differ.
        if on_fake != on_real && woken > 1 && on_fake.is_with_others(&on_real) {
            by_chance = true;
            tally.by_chance += 1;
            break;
        }
        // Of two that weigh nearly the same InnoDB's own count decides, and both are run again (docs/FAKES.md).
        if on_fake != on_real && on_real.dead() > 0 && on_fake.dead() == on_real.dead() {
            by_chance = true;
            tally.other_victim += 1;
            break;
        }
        if on_fake != on_real {
            let (fake, real) = (format!("{on_fake:?}"), format!("{on_real:?}"));
            parted = Some(Parted { at, fake, real });
            break;
        }
    }
    real.end().await;
    if parted.is_some() || by_chance {
        return parted;
    }
    fake.end();
    for table in &tables {
        let (on_fake, on_real) = (fake.rows(table), real.rows(table).await);
        if on_fake != on_real {
            let (fake, real) = (format!("{table}: {on_fake:?}"), format!("{table}: {on_real:?}"));
            return Some(Parted { at: asked.len(), fake, real });
        }
    }
    None
}

/// A sequence and where it parts, for a person.
fn told(asked: &[Ask], parted: &Parted) -> String {
    let mut said: Vec<_> = asked.iter().take(parted.at + 1).map(|ask| format!("  {ask}")).collect();
    said.push(format!("  fake: {}\n  real: {}", parted.fake, parted.real));
    said.join("\n")
}
