//! The captures of tests/golden as data (tests/golden/README.md).

use bytes::BytesMut;
use serde::Deserialize;
use std::{fmt, path::PathBuf, time::Duration};
use teamtalk::wire::{Pdu, frame::Codec};
use tokio_util::codec::Decoder;

/// One capture.
#[derive(Debug, Clone)]
pub struct Flow {
    /// `03_first_single_text_cross_server`.
    pub name: &'static str,
    /// What passed on the links, in order.
    pub events: Vec<Event>,
    /// What the stores were told; `None` where neither store was captured.
    pub stores: Option<Stores>,
}

/// The statements and commands of a capture, each store in its order.
#[derive(Debug, Clone, Default)]
pub struct Stores {
    pub sql: Vec<(Server, String)>,
    pub redis: Vec<Vec<String>>,
}

/// Which SQL server a statement went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Primary,
    Replica,
}

/// A link in one direction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// `client:<label>`, `msgN-db[0]` …
    pub link: String,
    /// `c2s`, `s2c`, `msg1->db` …
    pub dir: String,
}

/// One line of a capture.
#[derive(Debug, Clone)]
pub struct Event {
    /// Since the capture began.
    pub at: Duration,
    pub way: Way,
    pub what: What,
}

/// What a line says.
#[derive(Debug, Clone)]
pub enum What {
    Connect,
    Fin,
    Pdu(Pdu),
}

impl Way {
    /// The client of a client's link, as `alice-PC-msg1`.
    pub fn client(&self) -> Option<&str> {
        self.link.strip_prefix("client:")
    }

    /// Whether a client writes on it.
    pub fn is_from_client(&self) -> bool {
        self.dir == "c2s"
    }

    /// The msg_server that it belongs to.
    pub fn server(&self) -> &str {
        match self.client() {
            Some(label) => label.rsplit('-').next().unwrap_or(label),
            None => self.link.split('-').next().unwrap_or(&self.link),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.link, self.dir)
    }
}

impl Flow {
    /// Reads a capture.
    ///
    /// # Panics
    /// If its files are not there or not what tests/golden/README.md says.
    pub fn load(name: &'static str) -> Self {
        let events = lines(name, "pdus")
            .expect("a capture has PDUs")
            .iter()
            .map(|line| event(line))
            .collect();
        let (sql, redis) = (lines(name, "sql"), lines(name, "redis"));
        let stores = (sql.is_some() || redis.is_some()).then(|| Stores {
            sql: sql.unwrap_or_default().iter().map(|line| statement(line)).collect(),
            redis: redis.unwrap_or_default().iter().filter_map(|line| command(line)).collect(),
        });
        Self { name, events, stores }
    }
}

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
    conn: u32,
    sql: String,
}

#[derive(Deserialize)]
struct Command {
    db: u32,
    command: Vec<String>,
}

fn lines(name: &str, kind: &str) -> Option<Vec<String>> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests", "golden", &format!("{name}.{kind}.jsonl")]
            .iter()
            .collect();
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.lines().map(String::from).collect())
}

fn event(line: &str) -> Event {
    let line: Line = serde_json::from_str(line).expect("a line of a capture");
    let what = match line.event.as_deref() {
        Some("TCP connect") => What::Connect,
        Some("TCP FIN") => What::Fin,
        Some(other) => panic!("unknown event {other}"),
        None => What::Pdu(pdu(
            &line.header_hex.expect("a PDU has a header"),
            &line.body_hex.expect("a PDU has a body"),
        )),
    };
    let way = Way { link: line.link, dir: line.dir };
    Event { at: Duration::from_secs_f64(line.t), way, what }
}

fn pdu(header: &str, body: &str) -> Pdu {
    let mut bytes = BytesMut::from(&*[unhex(header), unhex(body)].concat());
    let pdu = Codec.decode(&mut bytes).expect("a PDU").expect("a whole PDU");
    assert!(bytes.is_empty(), "a PDU and more");
    pdu
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn statement(line: &str) -> (Server, String) {
    let line: Statement = serde_json::from_str(line).expect("a line of a capture");
    // tests/golden/README.md gives those of 00–25, 36 and 48; those of 43 follow from its inserts.
    let server = match line.conn {
        1457 | 1458 | 1636 | 1637 | 2995 | 2996 => Server::Primary,
        1459 | 1460 | 1622 | 1623 | 1638 | 1639 | 2997 | 2998 => Server::Replica,
        other => panic!("SQL connection {other} is neither server's"),
    };
    (server, line.sql)
}

/// A command of db_proxy: the capture of 43 has two looks of its maker too, a SELECT and a `get`.
fn command(line: &str) -> Option<Vec<String>> {
    let line: Command = serde_json::from_str(line).expect("a line of a capture");
    assert_eq!(line.db, 1, "all keys live in database 1");
    let name = &line.command[0];
    (name != "SELECT" && name != "get").then_some(line.command)
}
