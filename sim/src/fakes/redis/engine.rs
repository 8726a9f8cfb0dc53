//! The data and the commands.

use super::reply::Reply;
use bytes::Bytes;
use std::collections::BTreeMap;

/// How many databases there are (the default of redis.conf).
pub const DATABASES: u32 = 16;

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const NO_INTEGER: &str = "ERR value is not an integer or out of range";
const NO_HASH_INTEGER: &str = "ERR hash value is not an integer";
const OVERFLOW: &str = "ERR increment or decrement would overflow";
const SYNTAX: &str = "ERR syntax error";

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// A string.
    Text(Bytes),
    /// A hash; never empty.
    Hash(BTreeMap<Bytes, Bytes>),
}

/// What a connection has chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// The database of its commands, 0 at first.
    pub db: u32,
    /// Whether it said `HELLO 3`.
    pub resp3: bool,
}

/// All databases. A clone is a snapshot: a restart with loss puts an older one back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Engine {
    dbs: BTreeMap<u32, BTreeMap<Bytes, Stored>>,
}

type Answer = Result<Reply, String>;

impl Engine {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key.
    pub fn get(&self, db: u32, key: &[u8]) -> Option<&Stored> {
        self.dbs.get(&db)?.get(key)
    }

    /// All keys of a database with their values, in order.
    pub fn entries(&self, db: u32) -> impl Iterator<Item = (&Bytes, &Stored)> {
        self.dbs.get(&db).into_iter().flatten()
    }

    /// Whether a command is about the connection only: it has no effect on the data.
    pub fn is_connection_command(name: &[u8]) -> bool {
        ["select", "ping", "hello", "client", "auth"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// Runs one command, its name first.
    pub fn run(&mut self, session: &mut Session, command: &[Bytes]) -> Reply {
        let Some((name, args)) = command.split_first() else {
            return Reply::Error("ERR Protocol error: empty command".to_string());
        };
        let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
        let answer = if Self::is_connection_command(name) {
            connection_command(session, &lower, args)
        } else {
            self.data_command(session.db, &lower, args)
        };
        match answer {
            Some(answer) => answer.unwrap_or_else(Reply::Error),
            None => Reply::Error(unknown(name, args)),
        }
    }

    fn data_command(&mut self, db: u32, name: &str, args: &[Bytes]) -> Option<Answer> {
        let db = self.dbs.entry(db).or_default();
        Some(match (name, args) {
            ("get", [key]) => text(db, key).map(or_null),
            ("set", [key, value, options @ ..]) => set(db, key, value, options),
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
            (
                "get" | "set" | "mget" | "del" | "exists" | "incr" | "incrby" | "hset" | "hmset"
                | "hget" | "hgetall" | "hdel" | "hincrby",
                _,
            ) => Err(wrong_count(name)),
            _ => return None,
        })
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

/// SET. Expiry is refused: the engine has no clock, and db_proxy sets none.
fn set(db: &mut Db, key: &Bytes, value: &Bytes, options: &[Bytes]) -> Answer {
    let (mut if_absent, mut if_present, mut get) = (false, false, false);
    for option in options {
        match option.to_ascii_lowercase().as_slice() {
            b"nx" => if_absent = true,
            b"xx" => if_present = true,
            b"get" => get = true,
            b"ex" | b"px" | b"exat" | b"pxat" | b"keepttl" => {
                return Err("ERR the fake keeps no expiry times".to_string());
            }
            _ => return Err(SYNTAX.to_string()),
        }
    }
    if if_absent && if_present {
        return Err(SYNTAX.to_string());
    }
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

fn connection_command(session: &mut Session, name: &str, args: &[Bytes]) -> Option<Answer> {
    Some(match (name, args) {
        ("ping", []) => Ok(Reply::Status("PONG")),
        ("ping", [text]) => Ok(Reply::Bulk(text.clone())),
        ("select", [db]) => match integer(db) {
            None => Err(NO_INTEGER.to_string()),
            Some(db) => match u32::try_from(db).ok().filter(|db| *db < DATABASES) {
                None => Err("ERR DB index is out of range".to_string()),
                Some(db) => {
                    session.db = db;
                    Ok(Reply::Status("OK"))
                }
            },
        },
        ("auth", [_]) => Err("ERR AUTH <password> called without any password configured for \
                              the default user. Are you sure your configuration is correct?"
            .to_string()),
        ("auth", [user, _]) => authenticate(user).map(|()| Reply::Status("OK")),
        ("hello", _) => hello(session, args),
        ("client", [sub, rest @ ..]) => {
            match (String::from_utf8_lossy(sub).to_ascii_lowercase().as_str(), rest) {
                ("setinfo", [_, _]) | ("setname", [_]) => Ok(Reply::Status("OK")),
                (sub @ ("setinfo" | "setname"), _) => Err(wrong_count(&format!("client|{sub}"))),
                _ => Err(format!(
                    "ERR unknown subcommand '{}'. Try CLIENT HELP.",
                    String::from_utf8_lossy(sub)
                )),
            }
        }
        _ => Err(wrong_count(name)),
    })
}

/// The only user is `default`, whom any password lets in.
fn authenticate(user: &[u8]) -> Result<(), String> {
    if user == b"default" {
        Ok(())
    } else {
        Err("WRONGPASS invalid username-password pair or user is disabled.".to_string())
    }
}

fn hello(session: &mut Session, args: &[Bytes]) -> Answer {
    let mut resp3 = session.resp3;
    let mut options = args;
    if let [version, rest @ ..] = args {
        options = rest;
        resp3 = match integer(version) {
            Some(2) => false,
            Some(3) => true,
            Some(_) => return Err("NOPROTO unsupported protocol version".to_string()),
            None => {
                return Err("ERR Protocol version is not an integer or out of range".to_string());
            }
        };
    }
    while let [option, rest @ ..] = options {
        options = match (option.to_ascii_lowercase().as_slice(), rest) {
            (b"auth", [user, _, rest @ ..]) => {
                authenticate(user)?;
                rest
            }
            (b"setname", [_, rest @ ..]) => rest,
            _ => {
                return Err(format!(
                    "ERR Syntax error in HELLO option '{}'",
                    String::from_utf8_lossy(option)
                ));
            }
        };
    }
    session.resp3 = resp3;
    let word = |word: &'static str| Reply::Bulk(Bytes::from_static(word.as_bytes()));
    let pairs = [
        ("server", word("redis")),
        ("version", word("7.0.0")),
        ("proto", Reply::Int(if resp3 { 3 } else { 2 })),
        ("id", Reply::Int(1)),
        ("mode", word("standalone")),
        ("role", word("master")),
        ("modules", Reply::Array(Vec::new())),
    ];
    Ok(Reply::Map(pairs.map(|(k, v)| (Bytes::from_static(k.as_bytes()), v)).into()))
}

/// Redis takes a decimal only in the form in which it would print it itself.
fn integer(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.parse::<i64>().ok().filter(|n| n.to_string() == text)
}

fn or_null(value: Option<Bytes>) -> Reply {
    value.map_or(Reply::Null, Reply::Bulk)
}

fn count(n: usize) -> Reply {
    Reply::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn wrong_count(name: &str) -> String {
    format!("ERR wrong number of arguments for '{name}' command")
}

fn unknown(name: &[u8], args: &[Bytes]) -> String {
    let args: String = args.iter().map(|a| format!("'{}' ", String::from_utf8_lossy(a))).collect();
    let name = String::from_utf8_lossy(name);
    format!("ERR unknown command '{name}', with args beginning with: {args}")
}
