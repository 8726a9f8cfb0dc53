//! Captures as data (docs/CAPTURES.md).

use super::{
    settings::Settings,
    way::{self, Way},
};
use crate::files;
use bytes::BytesMut;
use serde::{Deserialize, de::DeserializeOwned};
use std::{path::Path, time::Duration};
use teamtalk::wire::{Pdu, frame::Codec};
use tokio_util::codec::Decoder;

/// One capture.
#[derive(Debug, Clone)]
pub struct Flow {
    /// `03_first_single_text_cross_server`.
    pub name: String,
    /// Its links are idle: their heartbeats are compared.
    pub heartbeats: bool,
    /// What passed on the links, in order.
    pub events: Vec<Event>,
    /// What the stores were told; `None` where neither store was captured.
    pub stores: Option<Stores>,
}

/// The statements and commands of a capture, each store in its order.
#[derive(Debug, Clone, Default)]
pub struct Stores {
    /// SQL statements, with the server that they went to.
    pub sql: Vec<(Server, String)>,
    /// Redis commands, the name first.
    pub redis: Vec<Vec<String>>,
}

/// Which SQL server a statement went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The one that is written to.
    Primary,
    /// The one that is read from.
    Replica,
}

/// One line of a capture.
#[derive(Debug, Clone)]
pub struct Event {
    /// Since the capture began.
    pub at: Duration,
    /// The connection and the direction.
    pub way: Way,
    /// What was seen there.
    pub what: What,
}

/// What a line says.
#[derive(Debug, Clone)]
pub enum What {
    /// A connection was made.
    Connect,
    /// This side closed it.
    Fin,
    /// A PDU.
    Pdu(Pdu),
}

/// The largest file of a capture, in bytes.
const LARGEST_FILE: u64 = 64 << 20;
/// The most lines of a file of PDUs: a flow is a window of seconds.
const MOST_EVENTS: usize = 10_000;
/// The most lines of another file: how they may be shuffled is searched for.
const MOST_STATEMENTS: usize = 1_000;
/// A flow takes no longer.
const LONGEST: Duration = Duration::from_secs(600);

/// What the kinds of files end in, behind the flow's name.
pub const ENDS: [&str; 3] = [".pdus.jsonl", ".sql.jsonl", ".redis.jsonl"];

impl Flow {
    /// Reads a capture.
    ///
    /// # Errors
    /// A sentence with the file, the line and what was expected there.
    pub fn read(folder: &Path, name: &str, settings: &Settings) -> Result<Self, String> {
        let [pdus, sql, redis] = ENDS;
        let path = folder.join(format!("{name}{pdus}"));
        let events = lines(&path, MOST_EVENTS, |line| event(line, settings.msg_servers))?;
        let events = events.ok_or_else(|| format!("{}: it is not there", path.display()))?;
        if events.is_empty() {
            return Err(format!("{}: empty, expected a line a PDU", path.display()));
        }
        let file = |end| folder.join(format!("{name}{end}"));
        let sql = lines(&file(sql), MOST_STATEMENTS, |line| statement(line, settings))?;
        let redis = lines(&file(redis), MOST_STATEMENTS, |line| command(line, settings))?;
        let stores = (sql.is_some() || redis.is_some()).then(|| Stores {
            sql: sql.unwrap_or_default(),
            redis: redis.unwrap_or_default().into_iter().flatten().collect(),
        });
        let heartbeats = settings.runs.iter().any(|run| run.heartbeats.iter().any(|f| f == name));
        Ok(Self { name: name.into(), heartbeats, events, stores })
    }

    /// Whether the servers start in it: one of their links is made.
    pub fn starts_servers(&self) -> bool {
        let made = |event: &Event| matches!(event.what, What::Connect);
        self.events.iter().any(|event| made(event) && event.way.client().is_none())
    }
}

// Fields that are not listed here are for people.

#[derive(Deserialize)]
struct Line {
    t: f64,
    link: String,
    dir: String,
    event: Option<String>,
    header_hex: Option<String>,
    body_hex: Option<String>,
}

#[derive(Deserialize)]
struct Statement {
    conn: u64,
    sql: String,
}

#[derive(Deserialize)]
struct Command {
    db: u32,
    command: Vec<String>,
}

/// What the lines of a file say; `None` if there is no such file.
fn lines<L: DeserializeOwned, T>(
    path: &Path,
    most: usize,
    mut read: impl FnMut(L) -> Result<T, String>,
) -> Result<Option<Vec<T>>, String> {
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read(path, LARGEST_FILE, "capture")?;
    let mut all = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = serde_json::from_str(line).map_err(|e| e.to_string());
        let one = line.and_then(&mut read);
        all.push(one.map_err(|e| format!("{}: line {}: {e}", path.display(), n + 1))?);
    }
    if all.len() > most {
        let n = all.len();
        return Err(format!("{}: {n} lines, at most {most} are compared", path.display()));
    }
    Ok(Some(all))
}

fn event(line: Line, msg_servers: u32) -> Result<Event, String> {
    let at = Duration::try_from_secs_f64(line.t).ok().filter(|at| *at <= LONGEST);
    let at = at
        .ok_or_else(|| format!("`t` is {}, expected 0 to {} seconds", line.t, LONGEST.as_secs()))?;
    let way = Way { link: line.link, dir: line.dir };
    way::check(&way, msg_servers)?;
    let what = match (line.event.as_deref(), line.header_hex, line.body_hex) {
        (Some("TCP connect"), ..) => What::Connect,
        (Some("TCP FIN"), ..) => What::Fin,
        (Some(other), ..) => {
            return Err(format!("event `{other}`, expected `TCP connect` or `TCP FIN`"));
        }
        (None, Some(header), Some(body)) => What::Pdu(pdu(&header, &body)?),
        _ => return Err("expected `event`, or `header_hex` and `body_hex`".into()),
    };
    Ok(Event { at, way, what })
}

fn pdu(header: &str, body: &str) -> Result<Pdu, String> {
    let bytes = [unhex(header, "header_hex")?, unhex(body, "body_hex")?].concat();
    let mut bytes = BytesMut::from(&*bytes);
    let length = bytes.len();
    match Codec.decode(&mut bytes) {
        Ok(Some(pdu)) if bytes.is_empty() => Ok(pdu),
        Ok(Some(_)) => Err(format!("the header says less than the {length} bytes of the PDU")),
        Ok(None) => Err(format!("the header says more than the {length} bytes of the PDU")),
        Err(e) => Err(format!("no PDU: {e}")),
    }
}

fn unhex(text: &str, field: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("`{field}`: expected two hexadecimal digits a byte");
    let digits = text.as_bytes();
    if digits.len() % 2 == 1 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(wrong());
    }
    let byte = |i| u8::from_str_radix(&text[i..i + 2], 16).map_err(|_| wrong());
    (0..text.len()).step_by(2).map(byte).collect()
}

fn statement(line: Statement, settings: &Settings) -> Result<(Server, String), String> {
    let (conn, sql) = (line.conn, &settings.sql);
    let server = match () {
        () if sql.primary.contains(&conn) => Server::Primary,
        () if sql.replica.contains(&conn) => Server::Replica,
        () => {
            return Err(format!(
                "SQL connection {conn}, expected one of `sql.primary` or `sql.replica`"
            ));
        }
    };
    Ok((server, line.sql))
}

/// A command of db_proxy. What chooses a database is in the field `db`.
fn command(line: Command, settings: &Settings) -> Result<Option<Vec<String>>, String> {
    let databases = &settings.redis.databases;
    if !databases.contains(&line.db) {
        let (db, databases) = (line.db, databases.iter().map(u32::to_string).collect::<Vec<_>>());
        return Err(format!(
            "database {db}, expected one of `redis.databases`: {}",
            databases.join(", ")
        ));
    }
    let name = line.command.first().ok_or("`command`: expected a name and its words")?;
    let is_ours = name != "SELECT" && !settings.redis.not_ours.contains(name);
    Ok(is_ours.then_some(line.command))
}
