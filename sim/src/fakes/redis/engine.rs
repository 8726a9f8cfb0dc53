//! The data and the commands.

use super::{
    connection::{Session, connection_command},
    reply::Reply,
};
use crate::{plan::StoreError, record::Changed};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// What a Redis of version 7 answers to a write when it is to stop at snapshots that fail
/// (`stop-writes-on-bgsave-error`) and one has failed.
const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable \
     to persist to disk. Commands that may modify the data set are disabled, because this instance \
     is configured to report errors during writes if RDB snapshotting fails \
     (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB \
     error.";
const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
pub(super) const NO_INTEGER: &str = "ERR value is not an integer or out of range";
const NO_HASH_INTEGER: &str = "ERR hash value is not an integer";
const OVERFLOW: &str = "ERR increment or decrement would overflow";
pub(super) const SYNTAX: &str = "ERR syntax error";

/// Every command that the engine has, in lower case; any other is answered as unknown. Of `SET`
/// it lacks times of expiry, of `CLIENT` all but `SETNAME`.
pub const COMMANDS: &[&str] = &[
    "auth", "client", "del", "exists", "get", "getdel", "getset", "hdel", "hello", "hget",
    "hgetall", "hincrby", "hmset", "hset", "incr", "incrby", "mget", "ping", "select", "set",
];

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// A string.
    Text(Bytes),
    /// A hash; never empty.
    Hash(BTreeMap<Bytes, Bytes>),
}

/// All databases. A clone is a snapshot: a power cut puts an older one back (see
/// [`super::Disk`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Engine {
    dbs: BTreeMap<u32, BTreeMap<Bytes, Stored>>,
    changes: u64,
    /// It answers every write with [`MISCONF`].
    refuses_writes: bool,
}

/// A reply, or the text of an error.
pub(super) type Answer = Result<Reply, String>;

impl Engine {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every write is refused, as by a Redis that cannot save its snapshots.
    pub fn refuse_writes(&mut self) {
        self.refuses_writes = true;
    }

    /// Whether a command can meet an error: a connection's own none, what only reads only [`StoreError::Loading`].
    pub fn meets(command: &[Bytes], error: StoreError) -> bool {
        let Some((name, args)) = command.split_first() else { return false };
        let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
        let writes = || !written(&lower, args).is_empty();
        match error {
            StoreError::Loading => !Self::is_connection_command(name),
            StoreError::OutOfMemory | StoreError::RedisReadOnly => writes(),
            _ => false,
        }
    }

    /// What Redis answers in such a case, and does nothing.
    pub fn refusal(error: StoreError) -> Reply {
        Reply::Error(
            match error {
                StoreError::Loading => "LOADING Redis is loading the dataset in memory",
                StoreError::RedisReadOnly => {
                    "READONLY You can't write against a read only replica."
                }
                _ => "OOM command not allowed when used memory > 'maxmemory'.",
            }
            .to_string(),
        )
    }

    /// The value of a key.
    pub fn get(&self, db: u32, key: &[u8]) -> Option<&Stored> {
        self.dbs.get(&db)?.get(key)
    }

    /// All keys of a database with their values, in order.
    pub fn entries(&self, db: u32) -> impl Iterator<Item = (&Bytes, &Stored)> {
        self.dbs.get(&db).into_iter().flatten()
    }

    /// All keys of all databases with their values, in order.
    pub fn all(&self) -> impl Iterator<Item = (&Bytes, &Stored)> {
        self.dbs.values().flatten()
    }

    /// How many commands have changed something.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether a command is about the connection only: it has no effect on the data.
    pub fn is_connection_command(name: &[u8]) -> bool {
        ["select", "ping", "hello", "client", "auth"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// What would have to change for this engine to be another one.
    pub fn changed_to(&self, other: &Self) -> Vec<Changed> {
        let mut changed = Vec::new();
        let dbs: BTreeSet<_> = self.dbs.keys().chain(other.dbs.keys()).copied().collect();
        for db in dbs {
            let keys = self.entries(db).chain(other.entries(db)).map(|(key, _)| key);
            for key in keys.collect::<BTreeSet<_>>() {
                differences(db, key, self.get(db, key), other.get(db, key), &mut changed);
            }
        }
        changed
    }

    /// Runs one command, its name first: the reply, and what it changed.
    pub fn run(&mut self, session: &mut Session, command: &[Bytes]) -> (Reply, Vec<Changed>) {
        let Some((name, args)) = command.split_first() else {
            let error = "ERR Protocol error: empty command".to_string();
            return (Reply::Error(error), Vec::new());
        };
        let mut changed = Vec::new();
        let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
        let answer = if Self::is_connection_command(name) {
            connection_command(session, &lower, args)
        } else if self.refuses_writes && !written(&lower, args).is_empty() {
            Some(Err(MISCONF.to_string()))
        } else {
            let before = self.values(session.db, written(&lower, args));
            let answer = self.data_command(session.db, &lower, args);
            for (key, before) in written(&lower, args).iter().zip(&before) {
                let after = self.get(session.db, key);
                differences(session.db, key, before.as_ref(), after, &mut changed);
            }
            self.changes += u64::from(!changed.is_empty());
            answer
        };
        let reply = match answer {
            Some(answer) => answer.unwrap_or_else(Reply::Error),
            None => Reply::Error(unknown(name, args)),
        };
        (reply, changed)
    }

    fn values(&self, db: u32, keys: &[Bytes]) -> Vec<Option<Stored>> {
        keys.iter().map(|key| self.get(db, key).cloned()).collect()
    }

    fn data_command(&mut self, db: u32, name: &str, args: &[Bytes]) -> Option<Answer> {
        let db = self.dbs.entry(db).or_default();
        Some(match (name, args) {
            ("get", [key]) => text(db, key).map(or_null),
            ("set", [key, value, options @ ..]) => set(db, key, value, options),
            ("getset", [key, value]) => text(db, key).map(|old| {
                db.insert(key.clone(), Stored::Text(value.clone()));
                or_null(old)
            }),
            ("getdel", [key]) => text(db, key).map(|old| {
                db.remove(key);
                or_null(old)
            }),
            ("mget", [_, ..]) => Ok(Reply::Array(
                // A key of another type reads as absent here.
                args.iter().map(|key| or_null(text(db, key).ok().flatten())).collect(),
            )),
            ("del", [_, ..]) => {
                Ok(count(args.iter().filter(|key| db.remove(*key).is_some()).count()))
            }
            ("exists", [_, ..]) => {
                Ok(count(args.iter().filter(|key| db.contains_key(*key)).count()))
            }
            ("incr", [key]) => add(db, key, 1),
            ("incrby", [key, by]) => match integer(by) {
                Some(by) => add(db, key, by),
                None => Err(NO_INTEGER.to_string()),
            },
            ("hset", [key, pairs @ ..]) if !pairs.is_empty() && pairs.len().is_multiple_of(2) => {
                hash_set(db, key, pairs).map(count)
            }
            ("hmset", [key, pairs @ ..]) if !pairs.is_empty() && pairs.len().is_multiple_of(2) => {
                hash_set(db, key, pairs).map(|_| Reply::Status("OK"))
            }
            ("hget", [key, field]) => {
                hash(db, key).map(|h| or_null(h.and_then(|h| h.get(field).cloned())))
            }
            ("hgetall", [key]) => hash(db, key).map(|h| {
                let pair = |(k, v): (&Bytes, &Bytes)| (k.clone(), Reply::Bulk(v.clone()));
                Reply::Map(h.into_iter().flatten().map(pair).collect())
            }),
            ("hdel", [key, fields @ ..]) if !fields.is_empty() => hash_delete(db, key, fields),
            ("hincrby", [key, field, by]) => match integer(by) {
                Some(by) => hash_add(db, key, field, by),
                None => Err(NO_INTEGER.to_string()),
            },
            (name, _) if COMMANDS.contains(&name) => Err(wrong_count(name)),
            _ => return None,
        })
    }
}

/// What is another value of a key now: of a hash, each of its fields.
fn differences(
    db: u32,
    key: &Bytes,
    before: Option<&Stored>,
    after: Option<&Stored>,
    changed: &mut Vec<Changed>,
) {
    if before == after {
        return;
    }
    let text = |stored: Option<&Stored>| match stored {
        Some(Stored::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let (was, is) = (text(before), text(after));
    if was != is {
        changed.push(Changed::key(db, key, None, was.as_ref(), is.as_ref()));
    }
    let none = BTreeMap::new();
    let (was, is) = (fields(before).unwrap_or(&none), fields(after).unwrap_or(&none));
    for field in was.keys().chain(is.keys().filter(|field| !was.contains_key(*field))) {
        let (was, is) = (was.get(field), is.get(field));
        if was != is {
            changed.push(Changed::key(db, key, Some(field), was, is));
        }
    }
}

fn fields(stored: Option<&Stored>) -> Option<&BTreeMap<Bytes, Bytes>> {
    match stored {
        Some(Stored::Hash(fields)) => Some(fields),
        _ => None,
    }
}

/// The keys that a command may change.
fn written<'a>(name: &str, args: &'a [Bytes]) -> &'a [Bytes] {
    match name {
        "del" => args,
        "set" | "getset" | "getdel" | "incr" | "incrby" | "hset" | "hmset" | "hdel" | "hincrby" => {
            &args[..args.len().min(1)]
        }
        _ => &[],
    }
}

type Db = BTreeMap<Bytes, Stored>;

fn text(db: &Db, key: &Bytes) -> Result<Option<Bytes>, String> {
    match db.get(key) {
        None => Ok(None),
        Some(Stored::Text(value)) => Ok(Some(value.clone())),
        Some(Stored::Hash(_)) => Err(WRONG_TYPE.to_string()),
    }
}

fn hash<'a>(db: &'a Db, key: &Bytes) -> Result<Option<&'a BTreeMap<Bytes, Bytes>>, String> {
    match db.get(key) {
        None => Ok(None),
        Some(Stored::Hash(hash)) => Ok(Some(hash)),
        Some(Stored::Text(_)) => Err(WRONG_TYPE.to_string()),
    }
}

fn hash_mut<'a>(db: &'a mut Db, key: &Bytes) -> Result<&'a mut BTreeMap<Bytes, Bytes>, String> {
    match db.entry(key.clone()).or_insert_with(|| Stored::Hash(BTreeMap::new())) {
        Stored::Hash(hash) => Ok(hash),
        Stored::Text(_) => Err(WRONG_TYPE.to_string()),
    }
}

fn set(db: &mut Db, key: &Bytes, value: &Bytes, options: &[Bytes]) -> Answer {
    let SetOptions { if_absent, if_present, get } = set_options(options)?;
    let old = if get { Some(or_null(text(db, key)?)) } else { None };
    let exists = db.contains_key(key);
    let refused = (if_absent && exists) || (if_present && !exists);
    if !refused {
        db.insert(key.clone(), Stored::Text(value.clone()));
    }
    Ok(match old {
        Some(old) => old,
        None if refused => Reply::Null,
        None => Reply::Status("OK"),
    })
}

#[derive(Default)]
struct SetOptions {
    if_absent: bool,
    if_present: bool,
    get: bool,
}

/// What follows the value. A good time of expiry is refused: the engine has no clock, and
/// db_proxy sets none. As no key has one, there is none to keep either.
fn set_options(mut words: &[Bytes]) -> Result<SetOptions, String> {
    let mut options = SetOptions::default();
    let (mut keep, mut expiry) = (false, None::<(Vec<u8>, &Bytes)>);
    while let [word, rest @ ..] = words {
        words = rest;
        let word = word.to_ascii_lowercase();
        match (word.as_slice(), rest) {
            (b"nx", _) if !options.if_present => options.if_absent = true,
            (b"xx", _) if !options.if_absent => options.if_present = true,
            (b"get", _) => options.get = true,
            (b"keepttl", _) if expiry.is_none() => keep = true,
            // The same unit again is fine, and the last one counts.
            (b"ex" | b"px" | b"exat" | b"pxat", [time, rest @ ..])
                if !keep && expiry.as_ref().is_none_or(|(unit, _)| *unit == word) =>
            {
                expiry = Some((word, time));
                words = rest;
            }
            _ => return Err(SYNTAX.to_string()),
        }
    }
    let Some((unit, time)) = expiry else { return Ok(options) };
    let time = integer(time).ok_or(NO_INTEGER)?;
    let in_seconds = unit.starts_with(b"ex");
    Err(if time <= 0 || (in_seconds && time > i64::MAX / 1000) {
        "ERR invalid expire time in 'set' command".to_string()
    } else {
        "ERR the fake keeps no expiry times".to_string()
    })
}

fn add(db: &mut Db, key: &Bytes, by: i64) -> Answer {
    let old = match text(db, key)? {
        None => 0,
        Some(value) => integer(&value).ok_or(NO_INTEGER)?,
    };
    let new = old.checked_add(by).ok_or(OVERFLOW)?;
    db.insert(key.clone(), Stored::Text(new.to_string().into()));
    Ok(Reply::Int(new))
}

fn hash_set(db: &mut Db, key: &Bytes, pairs: &[Bytes]) -> Result<usize, String> {
    let hash = hash_mut(db, key)?;
    let mut added = 0;
    for pair in pairs.chunks_exact(2) {
        added += usize::from(hash.insert(pair[0].clone(), pair[1].clone()).is_none());
    }
    Ok(added)
}

fn hash_delete(db: &mut Db, key: &Bytes, fields: &[Bytes]) -> Answer {
    if hash(db, key)?.is_none() {
        return Ok(Reply::Int(0));
    }
    let hash = hash_mut(db, key)?;
    let removed = fields.iter().filter(|field| hash.remove(*field).is_some()).count();
    if hash.is_empty() {
        db.remove(key);
    }
    Ok(count(removed))
}

fn hash_add(db: &mut Db, key: &Bytes, field: &Bytes, by: i64) -> Answer {
    let old = match hash(db, key)?.and_then(|hash| hash.get(field)) {
        None => 0,
        Some(value) => integer(value).ok_or(NO_HASH_INTEGER)?,
    };
    let new = old.checked_add(by).ok_or(OVERFLOW)?;
    hash_mut(db, key)?.insert(field.clone(), new.to_string().into());
    Ok(Reply::Int(new))
}

/// Redis takes a decimal only in the form in which it would print it itself.
pub(super) fn integer(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.parse::<i64>().ok().filter(|n| n.to_string() == text)
}

fn or_null(value: Option<Bytes>) -> Reply {
    value.map_or(Reply::Null, Reply::Bulk)
}

fn count(n: usize) -> Reply {
    Reply::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

pub(super) fn wrong_count(name: &str) -> String {
    format!("ERR wrong number of arguments for '{name}' command")
}

/// The arguments are repeated up to 128 bytes with what is around them; the last may be cut.
fn unknown(name: &[u8], args: &[Bytes]) -> String {
    let mut begin = String::new();
    for arg in args {
        let Some(left) = REPEATED.checked_sub(begin.len()).filter(|left| *left > 0) else { break };
        begin += &format!("'{}' ", repeated(arg, left));
    }
    let name = repeated(name, REPEATED);
    format!("ERR unknown command '{name}', with args beginning with: {begin}")
}

/// How much of a word an error repeats at most, in bytes.
pub(super) const REPEATED: usize = 128;

/// A word of the client in the text of an error: it ends at a NUL as C's strings do, and ends of
/// lines, which would end the error, are spaces. (What is not UTF-8 the real server repeats as it
/// is; here it is replaced, as our errors are text. Clients can't read it in either form.)
pub(super) fn repeated(word: &[u8], most: usize) -> String {
    let end = word.iter().position(|byte| *byte == 0).unwrap_or(word.len());
    String::from_utf8_lossy(&word[..end.min(most)]).replace(['\r', '\n'], " ")
}
