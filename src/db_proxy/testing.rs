//! Fakes for the unit tests of the handlers: a log of statements and commands in order, answers
//! scripted by text.

mod stores;

use crate::{
    db_proxy::{
        data::caches::Caches,
        plumbing::context::{Context, Host, Shared, World},
        table,
    },
    fact::Fact,
    protocol::Protocol,
    store::{
        cache::{CacheError, Hash},
        migrations,
        sql::{BatchError, Connection, Connector, Outcome, Server, SqlError, Statement, Value},
    },
    timing::Timing,
    wire::{
        Pdu,
        attach::Attach,
        check::Checked,
        im::{base_define::MsgType, message::ImMsgData},
    },
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
    time::Duration,
};

/// The wall clock of every test, in seconds.
pub const NOW: u32 = 1_000;

/// A text of user 1 to user 2, passed on for the connection of handle 3.
pub fn text() -> ImMsgData {
    ImMsgData {
        from_user_id: 1,
        to_session_id: 2,
        msg_id: 0,
        create_time: NOW - 10,
        msg_type: MsgType::SingleText as i32,
        msg_data: Bytes::from_static(b"text"),
        attach_data: Some(Attach::handle(3).encode()),
        send_token: None,
    }
}

/// What a statement came to.
pub type Sql = Result<Outcome, SqlError>;

#[derive(Default)]
struct Inner {
    log: Vec<String>,
    /// How often a connection was asked for something.
    trips: u32,
    facts: Vec<Fact>,
    /// Answers to statements that contain the text, each used once, in order.
    sql: Vec<(String, VecDeque<Sql>)>,
    down: Option<CacheError>,
    numbers: BTreeMap<String, i64>,
    hashes: BTreeMap<String, Hash>,
    values: BTreeMap<String, Vec<u8>>,
    last_id: u64,
    /// How often the SQL server closed all connections.
    hung_up: u32,
    blobs: Vec<Bytes>,
    blobs_down: bool,
    pauses: bool,
    /// By so many seconds the wall clock was set ahead.
    clock_ahead: u64,
}

/// The whole world of a test; clones share it.
#[derive(Clone, Default)]
pub struct Fake(Arc<Mutex<Inner>>);

impl Fake {
    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    /// The next statement that contains `text` gets this answer. Others get: no rows for a
    /// SELECT, one changed row else, and ids 1, 2, … for inserts.
    pub fn on(&self, text: &str, answer: Sql) -> &Self {
        self.with(|inner| match inner.sql.iter_mut().find(|(t, _)| t == text) {
            Some((_, answers)) => answers.push_back(answer),
            None => inner.sql.push((text.to_string(), [answer].into())),
        });
        self
    }

    /// The SQL server closes the connections that are open.
    pub fn hang_up(&self) {
        self.with(|inner| inner.hung_up += 1);
    }

    /// All commands fail like this from now on; `None` heals.
    pub fn redis(&self, down: Option<CacheError>) {
        self.with(|inner| inner.down = down);
    }

    /// No blob can be put or read from now on.
    pub fn lose_blobs(&self) {
        self.with(|inner| inner.blobs_down = true);
    }

    /// Puts a field into a hash.
    pub fn hash(&self, key: &str, field: &str, value: &str) {
        self.with(|inner| {
            let hash = inner.hashes.entry(key.into()).or_default();
            hash.insert(field.into(), value.into());
        });
    }

    /// Puts a value.
    pub fn value(&self, key: &str, value: &str) {
        self.with(|inner| inner.values.insert(key.into(), value.into()));
    }

    /// Commands about one value wait for their turn from now on: until they are polled again.
    pub fn pause(&self) {
        self.with(|inner| inner.pauses = true);
    }

    async fn paused(&self) {
        let mut waits = self.with(|inner| inner.pauses);
        poll_fn(|cx| match std::mem::take(&mut waits) {
            true => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            false => Poll::Ready(()),
        })
        .await;
    }

    /// The wall clock is set: ahead of [`NOW`] by so many seconds.
    pub fn set_clock(&self, ahead: u64) {
        self.with(|inner| inner.clock_ahead = ahead);
    }

    /// All values.
    pub fn values(&self) -> BTreeMap<String, Vec<u8>> {
        self.with(|inner| inner.values.clone())
    }

    /// What was done since the last call: `M statement`, `S statement` with values in place, or
    /// a Redis command.
    pub fn log(&self) -> Vec<String> {
        self.with(|inner| std::mem::take(&mut inner.log))
    }

    /// Round trips to SQL since the last call.
    pub fn trips(&self) -> u32 {
        self.with(|inner| std::mem::take(&mut inner.trips))
    }

    /// The facts since the last call.
    pub fn facts(&self) -> Vec<Fact> {
        self.with(|inner| std::mem::take(&mut inner.facts))
    }

    /// A worker's context over this world.
    pub fn context(&self, protocol: Protocol) -> Context<Test> {
        let timing = Timing::original();
        let shared = Shared {
            host: self.clone(),
            cache: self.clone(),
            blobs: self.clone(),
            protocol,
            timing,
            caches: Caches::new(timing.login_failure_window(), NOW),
        };
        Context::new(Arc::new(shared), self.clone())
    }

    fn command<T>(&self, text: String, f: impl FnOnce(&mut Inner) -> T) -> Result<T, CacheError> {
        self.with(|inner| {
            inner.log.push(text);
            match inner.down.clone() {
                Some(error) => Err(error),
                None => Ok(f(inner)),
            }
        })
    }
}

/// The stores and the host of a test are all the [`Fake`].
pub struct Test;

impl World for Test {
    type Host = Fake;
    type Cache = Fake;
    type Sql = Fake;
    type Blobs = Fake;
}

impl Host for Fake {
    fn unix_time(&self) -> Duration {
        Duration::from_secs(u64::from(NOW) + self.with(|inner| inner.clock_ahead))
    }

    fn fact(&self, fact: Fact) {
        self.with(|inner| inner.facts.push(fact));
    }
}

impl Connector for Fake {
    type Connection = Session;

    async fn connect(&self, server: Server) -> Result<Session, SqlError> {
        let opened = self.with(|inner| inner.hung_up);
        Ok(Session { world: self.clone(), server, opened })
    }
}

/// One SQL session.
pub struct Session {
    world: Fake,
    server: Server,
    /// How often the server had hung up before.
    opened: u32,
}

impl Connection for Session {
    async fn execute(&mut self, text: &str, params: &[Value]) -> Sql {
        self.world.with(|inner| inner.trips += 1);
        self.run(text, params)
    }

    fn is_open(&mut self) -> bool {
        self.world.with(|inner| inner.hung_up == self.opened)
    }

    async fn batch(&mut self, statements: &[Statement<'_>]) -> Result<Vec<Outcome>, BatchError> {
        self.world.with(|inner| inner.trips += 1);
        let run = statements.iter().enumerate().map(|(at, Statement { text, params })| {
            self.run(text, params).map_err(|error| BatchError { at, error })
        });
        run.collect()
    }
}

impl Session {
    fn run(&self, text: &str, params: &[Value]) -> Sql {
        if self.world.with(|inner| inner.hung_up != self.opened) {
            return lost();
        }
        // About the connection, not about data: no script has it.
        if text.starts_with(crate::db_proxy::plumbing::context::LIMIT_IDLE) {
            return Ok(Outcome::default());
        }
        let at = if self.server == Server::Primary { "M" } else { "S" };
        assert_eq!(text.matches('?').count(), params.len(), "{text}");
        let mut shown = text.to_string();
        for param in params {
            let value = match param {
                Value::Null => "NULL".to_string(),
                Value::Int(n) => n.to_string(),
                Value::Bytes(b) => format!("'{}'", String::from_utf8_lossy(b)),
            };
            shown = shown.replacen('?', &value, 1);
        }
        self.world.with(|inner| {
            inner.log.push(format!("{at} {shown}"));
            let scripted = inner.sql.iter_mut().find(|(t, a)| shown.contains(t) && !a.is_empty());
            if let Some(answer) = scripted.and_then(|(_, answers)| answers.pop_front()) {
                return answer;
            }
            if text == migrations::ASK {
                return schema(migrations::LATEST);
            }
            let mut outcome = Outcome::default();
            if !shown.starts_with("select") {
                outcome.affected = 1;
            }
            // The floor of a msg_id leaves the draw as it is.
            if let Some((_, drawn)) = shown.split_once("greatest(lastId+1, ") {
                let drawn = drawn.split(')').next().unwrap_or_default();
                outcome.last_insert_id = drawn.parse().unwrap_or(0);
            }
            if shown.starts_with("insert") {
                inner.last_id += 1;
                outcome.last_insert_id = inner.last_id;
            }
            Ok(outcome)
        })
    }
}

/// Rows with these columns.
pub fn rows<const N: usize>(columns: [&str; N], rows: &[[Value; N]]) -> Sql {
    Ok(Outcome {
        columns: columns.map(str::to_string).to_vec(),
        rows: rows.iter().map(|row| row.to_vec()).collect(),
        ..Outcome::default()
    })
}

/// What `TTSchema` of this version has.
pub fn schema(version: u32) -> Sql {
    rows(["version"], &(1..=version).map(|n| [n.into()]).collect::<Vec<_>>())
}

/// One row with one column `id`.
pub fn id(id: u32) -> Sql {
    rows(["id"], &[[id.into()]])
}

/// An error of the server: no effect.
pub fn refused(code: u16) -> Sql {
    Err(SqlError::Server { code, message: "scripted".into() })
}

/// A lost connection: the statement may have run.
pub fn lost() -> Sql {
    Err(SqlError::Lost("scripted".into()))
}

/// An id given by LAST_INSERT_ID(…) in an UPDATE.
pub fn raised_to(id: u64) -> Sql {
    Ok(Outcome { affected: 1, last_insert_id: id, ..Outcome::default() })
}

/// Runs a handler whose stores answer at once.
pub fn serve(
    cx: &mut Context<Test>,
    request: &Pdu,
) -> Result<Pdu, crate::db_proxy::plumbing::silent::Silent> {
    ready(table::handle(cx, request))
}

/// Runs what its stores answer at once. Where no runtime is, pauses pass at once as well.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    if tokio::runtime::Handle::try_current().is_err() {
        let mut clock = tokio::runtime::Builder::new_current_thread();
        let clock = clock.enable_time().start_paused(true).build().expect("a runtime");
        return clock.block_on(future);
    }
    match pin!(future).poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a fake store waited"),
    }
}

/// What a worker answers: the reply of the handler or a 07e1.
pub fn answer(cx: &mut Context<Test>, request: &Pdu) -> Option<Pdu> {
    match serve(cx, request) {
        Ok(reply) => Some(reply),
        Err(why) => crate::db_proxy::plumbing::refusal::of(cx.protocol(), request, &why),
    }
}

/// What the original answers to a command: a body of the id that follows, under the same seq_num.
pub fn ask<R: Checked>(world: &Fake, command: u16, body: &impl prost::Message) -> R {
    let request = Pdu::new(command, 9, body);
    let reply = answer(&mut world.context(Protocol::teamtalk()), &request).expect("an answer");
    assert_eq!((reply.command(), reply.header.seq_num), (command + 1, 9));
    reply.view().unwrap()
}
