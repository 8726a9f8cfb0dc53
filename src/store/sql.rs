//! SQL at the grain of one statement, or of several in one round trip: text in MySQL dialect,
//! parameters, rows, counts, error codes. Transactions are the statements `BEGIN`, `COMMIT` and
//! `ROLLBACK`.

use bytes::Bytes;
use std::future::Future;

/// A parameter or a column of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// NULL.
    Null,
    /// Any integer column.
    Int(i64),
    /// Any text or binary column, as bytes (never checked for UTF-8 on the way out).
    Bytes(Bytes),
}

impl Value {
    /// As an unsigned number; 0 for NULL, text and negatives.
    pub fn uint(&self) -> u32 {
        match self {
            Self::Int(n) => u32::try_from(*n).unwrap_or(0),
            _ => 0,
        }
    }

    /// As bytes; empty for NULL and numbers.
    pub fn bytes(&self) -> Bytes {
        match self {
            Self::Bytes(b) => b.clone(),
            _ => Bytes::new(),
        }
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::Int(n.into())
    }
}

impl From<&[u8]> for Value {
    fn from(b: &[u8]) -> Self {
        Self::Bytes(Bytes::copy_from_slice(b))
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        s.as_bytes().into()
    }
}

/// What a statement did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The names of the columns of `rows`.
    pub columns: Vec<String>,
    /// The rows of a SELECT, in order.
    pub rows: Vec<Vec<Value>>,
    /// Changed rows (not matched rows) of an INSERT, UPDATE or DELETE.
    pub affected: u64,
    /// The AUTO_INCREMENT value of an INSERT, else 0.
    pub last_insert_id: u64,
}

impl Outcome {
    /// The column of a row by its name; NULL if there is none.
    pub fn get(&self, row: usize, column: &str) -> Value {
        let at = self.columns.iter().position(|c| c.eq_ignore_ascii_case(column));
        at.and_then(|at| self.rows.get(row)?.get(at).cloned()).unwrap_or(Value::Null)
    }
}

/// Why a statement gave no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The server answered with an error: MySQL's code and text. No effect.
    #[error("SQL error {code}: {message}")]
    Server {
        /// MySQL's error number (1062, 1406 …).
        code: u16,
        /// Its text.
        message: String,
    },
    /// The connection failed or the deadline passed: the statement may have run. The
    /// connection is of no more use.
    #[error("SQL connection lost: {0}")]
    Lost(String),
}

/// A statement; `?` marks its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// MySQL's dialect.
    pub text: &'a str,
    /// As many as there are marks.
    pub params: &'a [Value],
}

/// Where a batch ended early: the statements before it had their effect, those after it never ran.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("statement {at} of the batch: {error}")]
pub struct BatchError {
    /// The place of the statement that failed, from 0. It means nothing when the connection was
    /// lost: any of the batch may have run.
    pub at: usize,
    /// Its error.
    pub error: SqlError,
}

/// MySQL's error numbers that the roles tell apart.
pub mod code {
    /// A row that is to be locked has changed since the transaction's first read
    /// (`innodb_snapshot_isolation`, on from MariaDB 11.6.2 on): the whole transaction was rolled back.
    pub const RECORD_CHANGED: u16 = 1020;
    /// Another row has that value of a unique key.
    pub const DUPLICATE: u16 = 1062;
    /// There is no table of this name.
    pub const NO_TABLE: u16 = 1146;
    /// A lock did not come in time: the statement had no effect, its transaction is open.
    pub const LOCK_WAIT_TIMEOUT: u16 = 1205;
    /// A deadlock: the whole transaction was rolled back.
    pub const DEADLOCK: u16 = 1213;
    /// A number that its column can't hold.
    pub const OUT_OF_RANGE: u16 = 1264;
    /// A text that its column's character set does not know.
    pub const INCORRECT_STRING: u16 = 1366;
    /// A text longer than its column.
    pub const TOO_LONG: u16 = 1406;
}

/// Which server of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// `teamtalk_master`.
    Primary,
    /// `teamtalk_slave`.
    Replica,
}

/// One session with a server. Dropping it ends its transaction.
pub trait Connection: Send + 'static {
    /// Whether nothing shows yet that it has ended: false if the server has closed it, as far as can be
    /// told without waiting. Asked between statements.
    fn is_open(&mut self) -> bool;

    /// Runs one statement; `?` marks the parameters.
    fn execute(
        &mut self,
        text: &str,
        params: &[Value],
    ) -> impl Future<Output = Result<Outcome, SqlError>> + Send;

    /// Runs statements one after the other until one fails, each as if it had come alone. If the
    /// connection is lost on the way, the server may still run all of them. An implementation that
    /// can sends them in one round trip, with one deadline for all (MySQL:
    /// `CLIENT_MULTI_STATEMENTS`, whose statements carry their parameters in the text); this one
    /// makes a round trip of each.
    fn batch(
        &mut self,
        statements: &[Statement<'_>],
    ) -> impl Future<Output = Result<Vec<Outcome>, BatchError>> + Send {
        async move {
            let mut outcomes = Vec::with_capacity(statements.len());
            for (at, Statement { text, params }) in statements.iter().enumerate() {
                match self.execute(text, params).await {
                    Ok(outcome) => outcomes.push(outcome),
                    Err(error) => return Err(BatchError { at, error }),
                }
            }
            Ok(outcomes)
        }
    }
}

/// Opens sessions. Applies its own deadline (`Timing::sql_timeout`) to connects and statements.
pub trait Connector: Clone + Send + Sync + 'static {
    /// What it opens.
    type Connection: Connection;
    /// Opens a session.
    fn connect(
        &self,
        server: Server,
    ) -> impl Future<Output = Result<Self::Connection, SqlError>> + Send;
}
