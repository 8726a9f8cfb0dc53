//! What msg_servers ask in the captures of the original, asked of a db_proxy on real stores: it answers the
//! same PDUs and sends the same statements as the one on the fakes, which is held to the captures, and the
//! stores hold the same rows and keys at the end.
//!
//! Time is the simulation's: tokio's clock stands still and is moved on to each event, with real I/O in
//! between.

use crate::database::Database;
use bytes::BytesMut;
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use teamtalk::{
    catalogue::{id, limits::Limits},
    db_proxy,
    env::{ConnId, Endpoint, Env, sockets},
    fact::Fact,
    protocol::Protocol,
    store::{
        folder::Folder,
        mysql,
        sql::{
            self, BatchError, Connection as _, Connector as _, Outcome, Server, SqlError,
            Statement, Value,
        },
    },
    timing::Timing,
    wire::{Pdu, frame::Codec},
};
use teamtalk_sim::{
    parity::{AtDb, Base, Event, Held, Parity, Played},
    plan::case::ProtocolSpec,
    record::Changed,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedWriteHalf},
    sync::mpsc,
};
use tokio_util::codec::Decoder;

/// How often what is awaited is looked for, a real millisecond each.
const LOOKS: u32 = 5_000;

/// The longest step of tokio's clock: shorter than any deadline, so that what is under way meanwhile has time.
const STEP: Duration = Duration::from_millis(250);

/// The first statement of each round of the group job, and how often it runs.
const JOB: &str = "select id, lastChated from IMGroup";
const JOB_EVERY: Duration = Duration::from_secs(5);

/// A real moment, in which real I/O goes on.
async fn moment() {
    let slept = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1)));
    slept.await.expect("a sleep");
}

/// The real world with the simulation's wall clock.
#[derive(Clone)]
struct Clocked {
    inner: sockets::Sockets,
    unix_us: Arc<AtomicU64>,
}

impl Env for Clocked {
    type Stream = sockets::Socket;
    type Listener = sockets::Port;

    async fn connect(&self, to: &Endpoint) -> io::Result<sockets::Socket> {
        self.inner.connect(to).await
    }

    async fn bind(&self, port: u16) -> io::Result<sockets::Port> {
        self.inner.bind(port).await
    }

    fn unix_time(&self) -> Duration {
        Duration::from_micros(self.unix_us.load(Ordering::SeqCst))
    }

    fn random(&self, _: &'static str, _: impl Fn() -> u64) -> u64 {
        0
    }

    fn fact(&self, _: Fact) {}
}

type Seen = Arc<Mutex<Vec<(String, Vec<Value>)>>>;

/// Real SQL, and what was asked of it.
#[derive(Clone)]
struct Recorded {
    inner: mysql::Connector,
    seen: Seen,
}

struct Session {
    inner: mysql::Connection,
    seen: Seen,
}

impl sql::Connector for Recorded {
    type Connection = Session;

    async fn connect(&self, server: Server) -> Result<Session, SqlError> {
        Ok(Session { inner: self.inner.connect(server).await?, seen: self.seen.clone() })
    }
}

impl Session {
    fn note(&self, statements: &[Statement<'_>]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(statements.iter().map(|s| (s.text.to_string(), s.params.to_vec())));
    }
}

impl sql::Connection for Session {
    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    async fn execute(&mut self, text: &str, params: &[Value]) -> Result<Outcome, SqlError> {
        let outcome = self.inner.execute(text, params).await;
        self.note(&[Statement { text, params }]);
        outcome
    }

    async fn batch(&mut self, statements: &[Statement<'_>]) -> Result<Vec<Outcome>, BatchError> {
        let outcomes = self.inner.batch(statements).await;
        let ran = outcomes.as_ref().map_or_else(|failed| failed.at + 1, Vec::len);
        self.note(&statements[..ran]);
        outcomes
    }
}

/// Puts what the simulation's stores held before into real ones.
async fn fill(database: &Database, before: &Held) {
    database.fill(&before.rows).await;
    let mut keys = database.keys_connection().await;
    for changed in &before.keys {
        let Changed::Key { db: 1, key, field, after: Some(value), .. } = changed else {
            panic!("{changed:?}")
        };
        let command = match field {
            Some(field) => redis::cmd("HSET").arg(&**key).arg(&**field).arg(&**value).take(),
            None => redis::cmd("SET").arg(&**key).arg(&**value).take(),
        };
        command.exec_async(&mut keys).await.expect("a key");
    }
}

/// Compares what the stores hold with what the simulation's hold: how many rows and keys are the same.
async fn compare(database: &Database, after: &Held) -> (usize, usize) {
    let mut expected: BTreeMap<String, (usize, Vec<Vec<Value>>)> = BTreeMap::new();
    for changed in &after.rows {
        let Changed::Row { columns, key, after: Some(row), .. } = changed else {
            panic!("{changed:?}")
        };
        let table = expected.entry(columns.table.to_string()).or_insert((key.len(), Vec::new()));
        table.1.push(row.to_vec());
    }
    let mut connection = database.connector().connect(Server::Primary).await.expect("SQL");
    let tables = connection.execute("show tables", &[]).await.expect("all tables");
    for table in tables.rows {
        let name = String::from_utf8(table[0].bytes().to_vec()).expect("a name");
        let (keys, mut rows) = expected.remove(&name).unwrap_or((1, Vec::new()));
        rows.sort();
        let mut real = database.rows(&name, keys).await;
        real.sort();
        assert_eq!(real, rows, "{name}");
        expected.insert(format!("{name} "), (0, rows));
    }
    let rows = expected.iter().map(|(name, (_, rows))| {
        assert!(name.ends_with(' '), "no table {name}");
        rows.len()
    });
    let rows = rows.sum();
    let mut keys = BTreeMap::new();
    for changed in &after.keys {
        let Changed::Key { key, field, after: Some(value), .. } = changed else {
            panic!("{changed:?}")
        };
        keys.insert((key.to_vec(), field.as_ref().map(|field| field.to_vec())), value.to_vec());
    }
    assert_eq!(database.keys().await, keys);
    (rows, keys.len())
}

/// A link of a msg_server.
struct Link {
    write: OwnedWriteHalf,
    answers: mpsc::UnboundedReceiver<Pdu>,
}

impl Link {
    async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the db_proxy");
        stream.set_nodelay(true).expect("a socket");
        let (mut read, write) = stream.into_split();
        let (sender, answers) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut buffer = BytesMut::new();
            while read.read_buf(&mut buffer).await.is_ok_and(|n| n > 0) {
                while let Some(pdu) = Codec.decode(&mut buffer).expect("PDUs") {
                    if pdu.command() != id::OTHER_HEARTBEAT {
                        let _ = sender.send(pdu);
                    }
                }
            }
        });
        Self { write, answers }
    }
}

/// Tokio's clock and the wall clock, moved on by hand. The group job comes when the simulation's came: that one's
/// rounds took time, so it falls behind a clock that runs evenly.
struct Clock {
    epoch: Duration,
    unix_us: Arc<AtomicU64>,
    /// Moved on so far, and how far at the last round of the job.
    moved: Duration,
    moved_at_job: Duration,
    /// Simulated time at the last round of the job.
    at_job: Duration,
}

impl Clock {
    async fn to(&mut self, at: Duration, is_job: bool) {
        let now = (self.epoch + at).as_micros() as u64;
        let since = at.saturating_sub(self.at_job);
        let before_job = JOB_EVERY - Duration::from_millis(10);
        let to = self.moved_at_job + if is_job { JOB_EVERY } else { since.min(before_job) };
        while self.moved < to {
            let step = STEP.min(to - self.moved);
            if self.moved + step == to {
                self.unix_us.store(now, Ordering::SeqCst);
            }
            tokio::time::advance(step).await;
            self.moved += step;
            moment().await;
        }
        self.unix_us.store(now, Ordering::SeqCst);
    }

    /// A round of the job is due, and has not begun: a little later then.
    async fn bit(&mut self) {
        let bit = Duration::from_millis(10);
        tokio::time::advance(bit).await;
        self.moved += bit;
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Asks a db_proxy on real stores what the simulation's was asked; `None` if there are no stores. How many requests,
/// statements, rows and keys were the same.
async fn replay(name: &str, protocol: Protocol, run: &AtDb) -> Option<[usize; 4]> {
    let database = Database::fresh(name, true).await?;
    fill(&database, &run.before).await;
    let epoch = Duration::from_secs(run.epoch);
    let unix_us = Arc::new(AtomicU64::new(epoch.as_micros() as u64));
    let local = std::net::Ipv4Addr::LOCALHOST.into();
    let env = Clocked { inner: sockets::Sockets::new(local), unix_us: unix_us.clone() };
    let seen = Seen::default();
    let sql = Recorded { inner: database.connector(), seen: seen.clone() };
    let folder = std::env::temp_dir().join(format!("teamtalk-replayed-{}", std::process::id()));
    let timing = Timing::original();
    let blobs = Folder::open(folder.clone(), timing.sql_timeout()).await.expect("a folder");
    let (port, limits) = (free_port(), Limits::default());
    let config = db_proxy::Config {
        port,
        redis: database.redis.clone(),
        timing,
        protocol,
        limits,
        workers: 1,
    };
    let role = tokio::spawn(db_proxy::run(env, sql, blobs, config));
    for _ in 0..20 {
        moment().await;
    }
    let zero = Duration::ZERO;
    let mut clock = Clock { epoch, unix_us, moved: zero, moved_at_job: zero, at_job: zero };
    let mut links: BTreeMap<ConnId, Link> = BTreeMap::new();
    let (mut asked, mut statements) = (0, 0);
    for (at, event) in &run.events {
        let is_job = matches!(event, Event::Sql { text, .. } if text.starts_with(JOB));
        clock.to(*at, is_job).await;
        match event {
            Event::Asked { conn, pdu } => {
                if !links.contains_key(conn) {
                    links.insert(*conn, Link::open(port).await);
                }
                let link = links.get_mut(conn).expect("just opened");
                link.write.write_all(&pdu.encode()).await.expect("the db_proxy reads");
                asked += usize::from(pdu.command() != id::OTHER_HEARTBEAT);
            }
            Event::Answered { pdu, .. } if pdu.command() == id::OTHER_HEARTBEAT => {}
            Event::Answered { conn, pdu } => {
                let answers = &mut links.get_mut(conn).expect("it was asked there").answers;
                let mut looks = 0;
                let answer = loop {
                    match answers.try_recv() {
                        Ok(answer) => break answer,
                        Err(_) => looks += 1,
                    }
                    assert!(looks < LOOKS, "{name}: at {at:?} no answer like {pdu:?}");
                    moment().await;
                };
                assert_eq!(&answer, pdu, "{name}: at {at:?}");
            }
            Event::Sql { text, params } => {
                let mut looks = 0;
                let statement = loop {
                    let found = seen.lock().expect("no panic under it").get(statements).cloned();
                    match found {
                        Some(found) => break found,
                        None => looks += 1,
                    }
                    assert!(looks < LOOKS, "{name}: at {at:?} no statement like {text}");
                    moment().await;
                    // It sleeps from the end of the last round, which is a little behind its last statement.
                    if is_job && looks.is_multiple_of(20) {
                        clock.bit().await;
                    }
                };
                if is_job {
                    (clock.moved_at_job, clock.at_job) = (clock.moved, *at);
                }
                assert_eq!(statement, (text.clone(), params.clone()), "{name}: at {at:?}");
                statements += 1;
            }
            Event::Redis { .. } => moment().await,
        }
    }
    for _ in 0..50 {
        moment().await;
    }
    assert_eq!(
        seen.lock().expect("no panic under it").len(),
        statements,
        "{name}: more statements"
    );
    let more = links.values_mut().find_map(|link| link.answers.try_recv().ok());
    assert_eq!(more, None, "{name}: more answers");
    role.abort();
    let (rows, keys) = compare(&database, &run.after).await;
    let _ = std::fs::remove_dir_all(folder);
    Some([asked, statements, rows, keys])
}

fn all_runs(preset: &str, judge: impl Fn(&[Played])) {
    if crate::stores().is_none() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let parity = Parity::read(&folder).unwrap_or_else(|e| panic!("{e}"));
    let base = Base::of(&ProtocolSpec::preset(preset)).expect("a preset");
    let mut sum = [0; 4];
    for (n, run) in parity.runs().iter().enumerate() {
        let run = parity.at_db(run, &base);
        judge(&run.played);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        // As long as something blocks, the clock does not move on by itself.
        let (end, ended) = std::sync::mpsc::channel::<()>();
        runtime.spawn_blocking(move || ended.recv());
        let same = runtime.block_on(replay(&format!("{preset}_{n}"), base.protocol, &run));
        drop(end);
        let same = same.expect("there are stores");
        sum.iter_mut().zip(same).for_each(|(sum, n)| *sum += n);
    }
    let [asked, statements, rows, keys] = sum;
    println!(
        "{preset}: {asked} requests, {statements} statements, {rows} rows and {keys} keys are the same"
    );
    assert!(asked > 80 && statements > 200 && rows > 100 && keys > 20);
}

#[test]
fn captures_give_the_same_on_real_stores() {
    all_runs("teamtalk", |played| {
        let wrong: Vec<_> = played.iter().flat_map(Played::wrong).collect();
        assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    });
}

/// The same requests of devices under `hardened`, which is no capture of anything: transactions and side
/// tables.
#[test]
fn hardened_does_the_same_on_real_stores_as_on_the_fakes() {
    all_runs("hardened", |_| ());
}
