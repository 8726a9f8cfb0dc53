//! What a store applied, kept as data: a run has thousands of these, and few are ever shown.

use super::{changed::Changed, what::What};
use bytes::Bytes;
use std::{borrow::Cow, fmt, sync::Arc};
use teamtalk::store::sql::{Value, code};

/// A command or statement that a store applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// `redis`, `sql` or `blob`.
    pub store: &'static str,
    /// The command or statement.
    pub what: Arc<What>,
    /// Its parameters.
    pub params: Vec<Value>,
    /// What it did.
    pub effect: Effect,
    /// Whether the effect is durable at once: false within a transaction.
    pub committed: bool,
    /// Whether it was asked of a replica.
    pub replica: bool,
    /// What it committed: of a COMMIT, all of its transaction.
    pub changed: Vec<Changed>,
}

/// The words that Redis answers.
pub(super) const WORDS: [&str; 3] = ["OK", "PONG", "nil"];

/// What a command or statement did; [`fmt::Display`] is what people are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The effect of a SQL statement.
    Sql {
        /// The session, if the statement belonged to its transaction.
        transaction: Option<u64>,
        /// What the statement did.
        did: Did,
    },
    /// A word that was answered: one of three.
    Word(&'static str),
    /// A number that was answered.
    Int(i64),
    /// A string that was answered.
    Bytes(Bytes),
    /// A list that was answered.
    List(Vec<Effect>),
    /// Anything else, as it is shown.
    Text(String),
}

/// What a statement did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    /// It read so many rows.
    Rows(usize),
    /// It was one that changes rows, though perhaps none matched.
    Changed {
        /// How many rows.
        rows: u64,
        /// The AUTO_INCREMENT id of an INSERT, else 0.
        id: u64,
    },
    /// It was refused.
    Failed {
        /// MySQL's error number.
        code: u16,
        /// Its text.
        message: String,
    },
    /// The connection ended, which undid the transaction.
    ConnectionLost,
}

/// MySQL's numbers of errors that say nothing of what was asked: a lock did not come, a deadlock, a server that is
/// read-only, a full disk.
const OF_ITSELF: [u16; 4] = [code::LOCK_WAIT_TIMEOUT, code::DEADLOCK, 1290, 1114];

/// How Redis begins errors that say nothing of what was asked.
const OF_REDIS: [&str; 4] = ["error OOM ", "error READONLY ", "error LOADING ", "error MISCONF "];

impl Effect {
    /// Whether a store refused what it would do at another time.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Sql { did: Did::Failed { code, .. }, .. } => OF_ITSELF.contains(code),
            Self::Text(text) => OF_REDIS.iter().any(|of| text.starts_with(of)),
            _ => false,
        }
    }

    /// The effect of a statement that is shown like this; `None` if none is.
    pub fn of_sql(shown: &str) -> Option<Self> {
        let session = shown.strip_prefix("tx ").and_then(|rest| rest.split_once(": "));
        let (transaction, did) = match session {
            Some((session, did)) => (Some(session.parse().ok()?), did),
            None => (None, shown),
        };
        let effect = Self::Sql { transaction, did: Did::of(did)? };
        // A number can be written in several ways.
        (effect.to_string() == shown).then_some(effect)
    }
}

impl Did {
    fn of(shown: &str) -> Option<Self> {
        Some(match shown.split_once(' ')? {
            ("rows", rows) => Self::Rows(rows.parse().ok()?),
            ("affected", rest) => {
                let (rows, id) = rest.split_once(", id ").unwrap_or((rest, "0"));
                Self::Changed { rows: rows.parse().ok()?, id: id.parse().ok()? }
            }
            ("error", rest) => {
                let (code, message) = rest.split_once(": ")?;
                Self::Failed { code: code.parse().ok()?, message: message.into() }
            }
            _ => Self::ConnectionLost,
        })
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql { transaction: Some(session), did } => write!(f, "tx {session}: {did}"),
            Self::Sql { transaction: None, did } => did.fmt(f),
            Self::Word(word) => f.write_str(word),
            Self::Int(n) => n.fmt(f),
            Self::Bytes(bytes) => f.write_str(&readable(bytes)),
            Self::List(items) => {
                f.write_str("[")?;
                for (n, item) in items.iter().enumerate() {
                    f.write_str(if n == 0 { "" } else { ", " })?;
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "rows {rows}"),
            Self::Changed { rows, id: 0 } => write!(f, "affected {rows}"),
            Self::Changed { rows, id } => write!(f, "affected {rows}, id {id}"),
            Self::Failed { code, message } => write!(f, "error {code}: {message}"),
            Self::ConnectionLost => f.write_str("connection lost"),
        }
    }
}

/// A copy of bytes, for a trace. The trace must not hold on to a connection's read buffer: later
/// reads would find another buffer with other room in it, and what is recorded would change what
/// happens.
pub fn kept(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// A parameter for a trace; see [`kept`].
pub fn kept_value(value: &Value) -> Value {
    match value {
        Value::Bytes(bytes) => Value::Bytes(kept(bytes)),
        other => other.clone(),
    }
}

/// Bytes as people are shown them.
pub(crate) fn readable(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A parameter as people are shown it.
pub fn shown(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "NULL".into(),
        Value::Int(n) => n.to_string().into(),
        Value::Bytes(bytes) => readable(bytes),
    }
}

#[cfg(test)]
pub mod tests {
    use super::{Applied, Effect, kept, kept_value, shown};
    use crate::record::what::What;
    use bytes::Bytes;
    use teamtalk::store::sql::Value;

    /// A statement of SQL as tests write it; the effect as a trace shows it.
    pub fn sql(what: &str, params: &[&str], effect: &str, committed: bool) -> Applied {
        let params = params.iter().map(|param| Value::from(*param)).collect();
        let (what, effect) = (What::new(what), read(effect));
        let (changed, replica) = (Vec::new(), false);
        Applied { store: "sql", what, params, effect, committed, replica, changed }
    }

    /// The effect of a statement that is shown like this.
    fn read(effect: &str) -> Effect {
        Effect::of_sql(effect).unwrap_or_else(|| panic!("{effect}"))
    }

    #[test]
    fn effects_are_shown_in_a_few_words() {
        for effect in [
            "rows 3",
            "affected 0",
            "tx 4: affected 1, id 7",
            "tx 4: error 1213: Deadlock: found",
            "error 1062: Duplicate",
            "tx 5: connection lost",
        ] {
            assert_eq!(read(effect).to_string(), effect);
        }
        let text = || Effect::Bytes(Bytes::from_static(b"5\xff"));
        let list = Effect::List(vec![Effect::Word("nil"), Effect::Int(-2), text()]);
        assert_eq!(list.to_string(), "[nil, -2, 5\u{fffd}]");
        assert_eq!(Effect::List(vec![]).to_string(), "[]");
        assert_eq!(Effect::Text("error ERR no".into()).to_string(), "error ERR no");
    }

    #[test]
    fn what_is_kept_leaves_the_buffer_to_its_owner() {
        let buffer = Bytes::from(b"text".to_vec());
        let value = Value::Bytes(buffer.clone());
        let (alone, beside) = (kept(&buffer), kept_value(&value));
        drop(value);
        assert_eq!((Value::Bytes(alone), &beside), (beside.clone(), &Value::Bytes(buffer.clone())));
        assert!(buffer.is_unique());
    }

    #[test]
    fn parameters_are_shown_as_text() {
        let params = [Value::Null, Value::Int(-3), "x".into(), (&b"\xff"[..]).into()];
        assert_eq!(params.each_ref().map(shown), ["NULL", "-3", "x", "\u{fffd}"]);
    }
}
