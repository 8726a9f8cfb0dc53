//! Simulated runs on a real server: each statement of a trace is sent again, on a session as in the run and in the order in
//! which the fake did them. Each comes out as it did there, none waits for long, and in the end the tables hold the same
//! rows.
//!
//! REPLAYED_RUNS says how many runs of each kind (default 4).

use super::{Ask, Came, Real, Session};
use crate::database::Database;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::store::sql::{Connection as _, Connector as _, Server, Value};
use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{case::ProtocolSpec, generate::Profile},
    record::{Applied, Changed, Did, Effect, Kind},
    world::rows_at_start,
};

const KINDS: [(&str, Profile); 4] = [
    ("hardened", Profile::Default),
    ("hardened", Profile::Bounds),
    ("hardened", Profile::Stores),
    ("teamtalk", Profile::Default),
];

/// The rows of each table by their primary keys.
type Tables = BTreeMap<String, BTreeMap<Vec<Value>, Vec<Value>>>;

/// Sessions of statements without a transaction have higher numbers.
const ALONE: Session = 1_000_000;

/// What was compared.
#[derive(Debug, Default)]
struct Tally {
    statements: usize,
    waited: usize,
    rows: usize,
    /// Statements that the run's faults answered in the server's place, and those that lost a deadlock there.
    left_out: usize,
}

/// Applies a change to tables.
fn apply(tables: &mut Tables, changed: &Changed) {
    let Changed::Row { columns, key, after, .. } = changed else { return };
    let table = tables.entry(columns.table.to_string()).or_default();
    match after {
        Some(row) => table.insert(key.to_vec(), row.to_vec()),
        None => table.remove(&key[..]),
    };
}

/// How a statement is to come out, if the server does it as the fake did.
fn expected(applied: &Applied) -> Option<(Option<u64>, Came)> {
    let Effect::Sql { transaction, did } = &applied.effect else { return None };
    let came = match did {
        Did::Rows(n) => Came::Rows(vec![Vec::new(); *n]),
        Did::Changed { rows, id } => Came::Did { affected: *rows, id: *id },
        Did::Failed { code, .. } => Came::Failed(*code),
        Did::ConnectionLost => Came::Lost,
    };
    Some((*transaction, came))
}

/// Whether two statements came out alike: of rows only how many there are is in a trace.
fn alike(a: &Came, b: &Came) -> bool {
    match (a, b) {
        (Came::Rows(a), Came::Rows(b)) => a.len() == b.len(),
        (a, b) => a == b,
    }
}

/// A run's statements on a real server.
struct Replay<'a> {
    real: &'a mut Real,
    name: String,
    tally: &'a mut Tally,
    /// How what still waits is to come out, and its text.
    awaited: BTreeMap<Session, (String, Came)>,
    alone: BTreeSet<Session>,
}

impl Replay<'_> {
    async fn say(&mut self, session: Session, text: &str, params: &[Value], expected: Came) {
        assert!(
            !self.awaited.contains_key(&session),
            "{}: a session waits that did not: {:?}, before {text} {params:?}",
            self.name,
            self.awaited[&session]
        );
        self.awaited.insert(session, (format!("{text} {params:?}"), expected));
        let ask = Ask::Say { session, text: text.to_string(), params: params.to_vec() };
        let moment = self.real.ask(&ask).await;
        self.tally.statements += 1;
        self.tally.waited += usize::from(moment.waiting.contains(&session));
        for (session, came) in moment.ended {
            let (text, expected) = self.awaited.remove(&session).expect("it was asked");
            assert!(alike(&came, &expected), "{}: {text}: {came:?}, not {expected:?}", self.name);
        }
    }

    /// A statement that is in no transaction.
    async fn alone(&mut self, text: &str, params: &[Value], expected: Came) {
        let free = self.alone.iter().copied().find(|session| !self.awaited.contains_key(session));
        let session = free.unwrap_or(ALONE + self.alone.len());
        self.alone.insert(session);
        self.say(session, text, params, expected).await;
    }

    async fn line(&mut self, applied: &Applied) {
        let Some((transaction, came)) = expected(applied) else { return };
        let text = &*applied.what;
        // Of the store's own: what a session is set to, and whose schema it is.
        if text.starts_with("set ") || applied.store != "sql" {
            return;
        }
        match (&came, transaction) {
            (Came::Lost, Some(id)) => {
                let nothing = Came::Did { affected: 0, id: 0 };
                self.say(id as Session, "ROLLBACK", &[], nothing).await;
            }
            // The server would have to lose the same one; the transaction is over.
            (Came::Failed(1213 | 1020), Some(id)) => {
                self.tally.left_out += 1;
                let nothing = Came::Did { affected: 0, id: 0 };
                self.say(id as Session, "ROLLBACK", &[], nothing).await;
            }
            (Came::Lost, None) | (Came::Failed(1020 | 1205 | 1213 | 1290 | 1114), _) => {
                self.tally.left_out += 1;
            }
            (_, session) => {
                // An id is drawn when a statement begins, which is before the run's line if it waited.
                let draws = text.starts_with("insert into IM");
                let id = match &came {
                    Came::Did { id, .. } if draws && *id != 0 => Some(*id),
                    _ => None,
                };
                let set = id.map(|id| format!("set insert_id={id}"));
                let nothing = || Came::Did { affected: 0, id: 0 };
                match session {
                    Some(session) => {
                        let session = session as Session;
                        if let Some(set) = set {
                            self.say(session, &set, &[], nothing()).await;
                        }
                        self.say(session, text, &applied.params, came).await;
                    }
                    None => {
                        if let Some(set) = set {
                            self.alone(&set, &[], nothing()).await;
                        }
                        self.alone(text, &applied.params, came).await;
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn simulated_runs_come_out_on_a_real_server() {
    let Some(database) = Database::fresh("traces", true).await else { return };
    let runs = std::env::var("REPLAYED_RUNS").map_or(Ok(4), |n| n.parse::<u64>());
    let runs = runs.expect("REPLAYED_RUNS is a number");
    let mut tally = Tally::default();
    let mut connection = database.connector().connect(Server::Primary).await.expect("a session");
    for (preset, profile) in KINDS {
        for seed in 1..=runs {
            let case = case_of(seed, &ProtocolSpec::preset(preset), profile);
            let outcome =
                run_case(&case).unwrap_or_else(|_| panic!("seed {seed} of {preset} runs"));
            let at_start = rows_at_start(&case.plan);
            let mut tables = Tables::new();
            let shown = connection.execute("show tables", &[]).await.expect("all tables").rows;
            for table in shown {
                let name = String::from_utf8_lossy(&table[0].bytes()).into_owned();
                connection.execute(&format!("truncate {name}"), &[]).await.expect("a table");
                tables.insert(name, BTreeMap::new());
            }
            database.fill(&at_start).await;
            at_start.iter().for_each(|changed| apply(&mut tables, changed));
            let mut real = Real::new(&database).await;
            let name = format!("seed {seed} of {preset}, {}", profile.name());
            let (awaited, alone) = (BTreeMap::new(), BTreeSet::new());
            let mut replay = Replay { real: &mut real, name, tally: &mut tally, awaited, alone };
            for line in &outcome.trace.lines {
                let Kind::Store(applied) = &line.kind else { continue };
                replay.line(applied).await;
                applied.changed.iter().for_each(|changed| apply(&mut tables, changed));
            }
            let name = replay.name;
            real.end().await;
            for (table, rows) in &tables {
                let keys = rows.keys().next().map_or(1, Vec::len);
                let on_real = database.rows(table, keys).await;
                let on_fake: Vec<_> = rows.values().cloned().collect();
                assert_eq!(on_real, on_fake, "{name}: {table}");
                tally.rows += on_fake.len();
            }
        }
    }
    println!("{} runs: {tally:?}", runs * KINDS.len() as u64);
    assert!(tally.statements > 1_000 && tally.rows > 200, "{tally:?}");
}
