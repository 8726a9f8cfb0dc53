//! SQL on a real server: MariaDB, or MySQL for switches that need no transaction, through `mysql_async`.
//!
//! - A statement, or a whole [`Connection::batch`], is one packet of the text protocol and one round trip
//!   (`CLIENT_MULTI_STATEMENTS`). Parameters are written into the text, escaped ([`text`]).
//! - There is no pool beside the workers': each worker of a db_proxy keeps its two connections, as in the
//!   original. A connection that fails is dropped, and its worker opens another one with its next statement.
//! - A connection that idles is pinged every second outside a transaction, so that a worker learns
//!   of a server that was restarted before it has a request to lose ([`Connection::is_open`]).
//! - Connects and statements have `Timing::sql_timeout`. A server does not look for its client while a
//!   statement waits for a lock, so a statement gives up a lock (`Timing::sql_lock_wait`, in whole seconds) before its client
//!   gives up the statement: what waits longer than that has no effect later.

mod text;
mod values;

use crate::{
    store::sql::{self, BatchError, Outcome, Server, SqlError, Statement},
    timing::Timing,
};
use mysql_async::{Conn, Opts, OptsBuilder, prelude::Queryable};
use std::{
    fmt,
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

/// What every session has, whatever the server's defaults are: that texts are UTF-8 and a backslash escapes
/// in them ([`text`] stands on that), that a text that is too long or not UTF-8 is an error and not cut, and
/// the isolation that the roles are written for.
const SESSION: &str = "SET NAMES utf8mb4; SET SESSION autocommit=1, \
    sql_mode='STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'; \
    SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET SESSION innodb_lock_wait_timeout=";

/// How often a connection that idles is asked whether it still lives, and after how long without a
/// statement.
const PING: Duration = Duration::from_secs(1);

/// When the kernel asks a silent server whether it is there: also one whose answer nobody awaits any more.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// In bytes: MariaDB's default, and less than MySQL's. Unset, each connect would ask for it.
const LARGEST_PACKET: usize = 16 << 20;

/// Opens sessions with a primary and a replica.
#[derive(Clone)]
pub struct Connector {
    primary: Opts,
    replica: Opts,
    limit: Duration,
}

impl Connector {
    /// To the servers of two addresses, such as `mysql://user:password@host:3306/teamtalk`. `timing` gives the
    /// deadline of connects and statements.
    ///
    /// # Errors
    /// A sentence that says what is wrong with which address; without the password.
    pub fn new(primary: &str, replica: &str, timing: Timing) -> Result<Self, String> {
        let limit = timing.sql_timeout();
        let lock_wait = timing.sql_lock_wait();
        let opts = |which, url| options(url, lock_wait).map_err(|why| format!("{which}: {why}"));
        let (primary, replica) = (opts("primary", primary)?, opts("replica", replica)?);
        Ok(Self { primary, replica, limit })
    }
}

/// Without the passwords.
impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [primary, replica] = [&self.primary, &self.replica].map(Opts::ip_or_hostname);
        f.debug_struct("Connector").field("primary", &primary).field("replica", &replica).finish()
    }
}

fn options(url: &str, lock_wait: Duration) -> Result<Opts, String> {
    let opts = Opts::from_url(url).map_err(|why| {
        format!(
            "no address of a database ({why}): expected mysql://USER:PASSWORD@HOST:PORT/DATABASE"
        )
    })?;
    if opts.db_name().is_none_or(str::is_empty) {
        return Err(format!(
            "no database is named for {}: expected mysql://USER:PASSWORD@HOST:PORT/DATABASE",
            opts.ip_or_hostname()
        ));
    }
    let opts = OptsBuilder::from_opts(opts)
        // A socket is another server's if the port is forwarded.
        .prefer_socket(false)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(KEEPALIVE))
        .max_allowed_packet(Some(LARGEST_PACKET))
        // Only pools use it; unset, it is asked for at each connect.
        .wait_timeout(Some(28_800))
        .setup(vec![format!("{SESSION}{}", lock_wait.as_secs().max(1))]);
    Ok(opts.into())
}

impl sql::Connector for Connector {
    type Connection = Connection;

    async fn connect(&self, server: Server) -> Result<Connection, SqlError> {
        let opts = match server {
            Server::Primary => &self.primary,
            Server::Replica => &self.replica,
        };
        let conn = before(self.limit, Conn::new(opts.clone())).await??;
        Ok(Connection::new(conn, self.limit))
    }
}

/// One session. After an error of the network, a deadline, or a call that was dropped half-way it is
/// closed, and answers every statement with [`SqlError::Lost`].
pub struct Connection {
    slot: Arc<Mutex<Slot>>,
    limit: Duration,
}

struct Slot {
    /// `None` once it is lost.
    conn: Option<Conn>,
    /// A BEGIN was sent, and nothing that ends it.
    in_transaction: bool,
    used: Instant,
}

impl Connection {
    fn new(conn: Conn, limit: Duration) -> Self {
        let slot = Slot { conn: Some(conn), in_transaction: false, used: Instant::now() };
        let slot = Arc::new(Mutex::new(slot));
        tokio::spawn(watch(Arc::downgrade(&slot), limit));
        Self { slot, limit }
    }
}

impl sql::Connection for Connection {
    fn is_open(&mut self) -> bool {
        // While it is pinged nothing is known yet.
        self.slot.try_lock().map_or(true, |slot| slot.conn.is_some())
    }

    async fn execute(&mut self, text: &str, params: &[sql::Value]) -> Result<Outcome, SqlError> {
        let batch = self.batch(&[Statement { text, params }]).await;
        let mut outcomes = batch.map_err(|failed| failed.error)?;
        outcomes.pop().ok_or_else(|| SqlError::Lost("an answer without an outcome".to_string()))
    }

    async fn batch(&mut self, statements: &[Statement<'_>]) -> Result<Vec<Outcome>, BatchError> {
        let (sent, refused) = packet(statements);
        let mut outcomes = Vec::new();
        if sent.count > 0 {
            let answer =
                before(self.limit, async { self.slot.lock().await.run(sent, statements).await });
            outcomes = answer.await.unwrap_or_else(|late| Err(at_first(late)))?;
        }
        match refused {
            Some(error) => Err(BatchError { at: outcomes.len(), error }),
            None => Ok(outcomes),
        }
    }
}

/// What is sent for a batch.
struct Packet {
    text: Vec<u8>,
    /// How many statements.
    count: usize,
}

/// The statements up to the first that can't be sent, and its error, if there is one.
fn packet(statements: &[Statement<'_>]) -> (Packet, Option<SqlError>) {
    let mut packet = Packet { text: Vec::new(), count: 0 };
    for statement in statements {
        let length = packet.text.len();
        if packet.count > 0 {
            packet.text.push(b';');
        }
        if let Err(error) = text::write(*statement, &mut packet.text) {
            packet.text.truncate(length);
            return (packet, Some(error));
        }
        packet.count += 1;
    }
    (packet, None)
}

impl Slot {
    async fn run(
        &mut self,
        sent: Packet,
        statements: &[Statement<'_>],
    ) -> Result<Vec<Outcome>, BatchError> {
        let lost = || at_first(SqlError::Lost("the connection failed before".to_string()));
        // Back in its place only when all is read: a call that is dropped half-way leaves none.
        let mut conn = self.conn.take().ok_or_else(lost)?;
        let mut outcomes = Vec::with_capacity(sent.count);
        let last = sent.count - 1;
        let ended = read(&mut conn, sent, &mut outcomes).await;
        for Statement { text, .. } in &statements[..outcomes.len()] {
            self.in_transaction = stays_open(text, self.in_transaction);
        }
        self.used = Instant::now();
        match ended {
            Err(error @ SqlError::Lost(_)) => Err(at_first(error)),
            Err(error) => {
                self.conn = Some(conn);
                Err(BatchError { at: outcomes.len().min(last), error })
            }
            Ok(()) => {
                self.conn = Some(conn);
                Ok(outcomes)
            }
        }
    }

    /// Whether it is of use any more. In a transaction it is not asked: that would keep it from ending
    /// when it idles.
    async fn ping(&mut self, limit: Duration) {
        if self.in_transaction || self.used.elapsed() < PING {
            return;
        }
        let Some(mut conn) = self.conn.take() else { return };
        match timeout(limit, conn.ping()).await {
            Ok(Ok(())) => self.conn = Some(conn),
            Ok(Err(error)) => tracing::warn!(%error, "an idle SQL connection is lost"),
            Err(_) => tracing::warn!("an idle SQL connection does not answer"),
        }
    }
}

/// Whether a transaction is open behind a statement that ran. One that the server ended by an error (a deadlock)
/// counts as open until its ROLLBACK: the connection is not pinged meanwhile, which does no harm.
fn stays_open(text: &str, is_open: bool) -> bool {
    let is = |word: &str| text.trim().eq_ignore_ascii_case(word);
    (is_open || is("BEGIN")) && !is("COMMIT") && !is("ROLLBACK")
}

/// Reads the outcome of each of `count` statements, up to the first that failed.
///
/// With `next` alone: of a statement behind the first, `mysql_async` keeps the error until the next call that reads, and
/// `for_each` and `is_empty` take the result for one without rows.
async fn read(
    conn: &mut Conn,
    Packet { text, count }: Packet,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), SqlError> {
    let mut result = conn.query_iter(text).await?;
    while outcomes.len() < count {
        let names = result.columns_ref().iter().map(|column| column.name_str().into_owned());
        let columns: Vec<String> = names.collect();
        // Asked for now: they are of this statement only as long as the next one's head is not read.
        let (affected, last_insert_id) = match columns.is_empty() {
            true => (result.affected_rows(), result.last_insert_id().unwrap_or(0)),
            false => (0, 0),
        };
        let mut rows = Vec::new();
        while let Some(row) = result.next().await? {
            rows.push(values::row(row));
        }
        outcomes.push(Outcome { columns, rows, affected, last_insert_id });
    }
    match result.next().await {
        Ok(None) if result.is_empty() => Ok(()),
        _ => Err(SqlError::Lost(format!("more outcomes than the {count} statements"))),
    }
}

/// Pings a connection for as long as somebody has it.
async fn watch(slot: Weak<Mutex<Slot>>, limit: Duration) {
    loop {
        sleep(PING).await;
        let Some(slot) = slot.upgrade() else { return };
        // Somebody uses it.
        let Ok(mut slot) = slot.try_lock() else { continue };
        if slot.conn.is_none() {
            return;
        }
        slot.ping(limit).await;
    }
}

fn at_first(error: SqlError) -> BatchError {
    BatchError { at: 0, error }
}

async fn before<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, SqlError> {
    let late = |_| SqlError::Lost(format!("no answer within {limit:?}"));
    timeout(limit, work).await.map_err(late)
}

impl From<mysql_async::Error> for SqlError {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Server(error) if !ends_session(error.code) => {
                Self::Server { code: error.code, message: error.message }
            }
            other => Self::Lost(other.to_string()),
        }
    }
}

/// Errors after which a server closes the connection: shutdown (1053), a kill of the connection (1927, MariaDB),
/// timeouts of reads and writes (1159, 1161), what it could not read (1153, 1158, 1160), the idle time of the
/// session or its transaction (4031 of MySQL); and those by which it refuses one: too many connections (1040, 1203), a
/// wrong password (1045), a database that is not there or not allowed (1049, 1044), a host that is blocked (1129, 1130).
fn ends_session(code: u16) -> bool {
    matches!(
        code,
        1040 | 1044 | 1045 | 1049 | 1053 | 1129 | 1130 | 1153 | 1158..=1161 | 1203 | 1927 | 4031
    )
}
