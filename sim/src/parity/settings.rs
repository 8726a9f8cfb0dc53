//! `parity.toml`: what a folder of captures does not say by itself (docs/FORMATS.md, "Parity").

use super::way;
use crate::{fakes::redis::DATABASES, files, plan::words};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The file's name in the folder of captures.
pub const FILE: &str = "parity.toml";

/// It is no larger, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// More msg_servers make no other conversation.
const MOST_MSG_SERVERS: u32 = 16;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How many msg_servers: `msg1`, `msg2` …; 1 to 16.
    pub msg_servers: u32,
    /// The wall clock at each run's start, in seconds since 1970.
    #[serde(default = "usual_epoch")]
    pub epoch: u64,
    /// The 32 characters with which clients encrypt texts; else those of the clients as shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_key: Option<String>,
    /// Which SQL connections are to which server.
    #[serde(default)]
    pub sql: SqlServers,
    /// Whose Redis commands count.
    #[serde(default)]
    pub redis: RedisCommands,
    /// The rows of IMUser.
    #[serde(default)]
    pub users: Vec<User>,
    /// The runs, each on servers and stores of its own.
    pub runs: Vec<Run>,
    /// Flows that are known to differ.
    #[serde(default)]
    pub differs: Vec<Differs>,
}

/// Numbers of SQL connections, as the captures have them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlServers {
    /// To the primary: what db_proxy's pool of writes holds.
    #[serde(default)]
    pub primary: Vec<u64>,
    /// To the replica: what its pool of reads holds.
    #[serde(default)]
    pub replica: Vec<u64>,
}

/// Redis commands of db_proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisCommands {
    /// The databases that db_proxy uses; which of them a command is in is not compared.
    #[serde(default = "usual_databases")]
    pub databases: Vec<u32>,
    /// Names of commands, letter by letter, that are somebody else's.
    #[serde(default)]
    pub not_ours: Vec<String>,
}

impl Default for RedisCommands {
    fn default() -> Self {
        Self { databases: usual_databases(), not_ours: Vec::new() }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// IMUser.id.
    pub id: u32,
    /// The login name.
    pub name: String,
    /// What its clients send as the password, md5hex of the clear text. Without it only the logins of
    /// `before` are right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// Columns of the row that are not as in tests/golden/README.md.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub row: BTreeMap<String, Cell>,
}

/// What is in a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// A number.
    Number(u32),
    /// A text.
    Text(String),
}

/// Flows that are played one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The names of their files, up to `.pdus.jsonl`, in order.
    pub flows: Vec<String>,
    /// SQL statements that have run before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sql: Vec<String>,
    /// Redis commands that have run before, each word for itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redis: Vec<Vec<String>>,
    /// What clients have done before the first flow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Step>,
    /// Clients that were closed between two flows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<Closed>,
    /// Flows in which links are idle, so that their heartbeats are compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heartbeats: Vec<String>,
}

/// What a client has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// It connected and logged in.
    Login {
        /// Its label, which ends in its msg_server: `alice-PC-msg1`.
        client: String,
        /// The id of its user.
        user: u32,
        /// Its software.
        software: Software,
    },
    /// It sent a text to a user.
    Text {
        /// Its label; it has logged in.
        client: String,
        /// The id of the user.
        to: u32,
    },
}

/// A client's software, by which the original tells PCs from phones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Software {
    /// A PC that runs Windows.
    Windows,
    /// A PC that runs macOS.
    Mac,
    /// A phone that runs iOS.
    Ios,
    /// A phone that runs Android.
    Android,
}

impl Software {
    /// What its login says.
    pub fn client_type(self) -> i32 {
        match self {
            Self::Windows => 0x01,
            Self::Mac => 0x02,
            Self::Ios => 0x11,
            Self::Android => 0x12,
        }
    }
}

/// A client that was closed between two flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// The flow before.
    pub after: String,
    /// The client's label.
    pub client: String,
}

/// A flow that is known to differ. It must: who mends it takes it off the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differs {
    /// Its name.
    pub flow: String,
    /// Why it differs, for who reads the file.
    pub why: String,
}

fn usual_epoch() -> u64 {
    1_700_000_000
}

fn usual_databases() -> Vec<u32> {
    vec![1]
}

impl Settings {
    /// Reads the file of a folder.
    ///
    /// # Errors
    /// A sentence with the place and what was expected there.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let text = files::read(&path, LARGEST_FILE, "description of captures")?;
        Self::parse(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// The same from the text of a file.
    ///
    /// # Errors
    /// The sentence without the file's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|e| words::plain(&e.to_string()))?;
        settings.check()?;
        Ok(settings)
    }

    /// The user with this id.
    pub fn user(&self, id: u32) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// All flows, in the order in which they are played.
    pub fn flows(&self) -> impl Iterator<Item = &String> {
        self.runs.iter().flat_map(|run| &run.flows)
    }

    fn check(&self) -> Result<(), String> {
        let n = self.msg_servers;
        if !(1..=MOST_MSG_SERVERS).contains(&n) {
            return Err(format!("`msg_servers`: {n} is not within 1 to {MOST_MSG_SERVERS}"));
        }
        if let Some(key) = self.text_key.as_ref().filter(|key| key.len() != 32) {
            return Err(format!("`text_key` has {} bytes, expected 32", key.len()));
        }
        let both = self.sql.primary.iter().find(|conn| self.sql.replica.contains(conn));
        if let Some(conn) = both {
            return Err(format!("`sql`: connection {conn} is in `primary` and in `replica`"));
        }
        if let Some(db) = self.redis.databases.iter().find(|db| **db >= DATABASES) {
            let last = DATABASES - 1;
            return Err(format!("`redis.databases`: {db} is not within 0 to {last}"));
        }
        let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
        for User { id, name, .. } in &self.users {
            if !ids.insert(id) || !names.insert(name) {
                return Err(format!("`users`: there is another {name} or {id}"));
            }
        }
        let mut flows = BTreeSet::new();
        if let Some(twice) = self.flows().find(|flow| !flows.insert(*flow)) {
            return Err(format!("`runs`: flow `{twice}` is there twice"));
        }
        if let Some(Differs { flow, .. }) = self.differs.iter().find(|d| !flows.contains(&d.flow)) {
            return Err(format!("`differs`: no run has a flow `{flow}`"));
        }
        let checked = |(n, run)| self.check_run(run).map_err(|e| format!("run {}: {e}", n + 1));
        if self.runs.is_empty() {
            return Err("`runs`: expected at least one".into());
        }
        self.runs.iter().enumerate().try_for_each(checked)
    }

    fn check_run(&self, run: &Run) -> Result<(), String> {
        if run.flows.is_empty() {
            return Err("`flows`: expected at least one".into());
        }
        let after = run.closed.iter().map(|closed| ("closed", &closed.after));
        let named = run.heartbeats.iter().map(|flow| ("heartbeats", flow)).chain(after);
        for (place, flow) in named {
            if !run.flows.contains(flow) {
                return Err(format!("`{place}`: it has no flow `{flow}`"));
            }
        }
        let mut logged_in = BTreeSet::new();
        for step in &run.before {
            let (Step::Login { client, .. } | Step::Text { client, .. }) = step;
            let place = format!("`before`, client `{client}`");
            way::check_client(client, self.msg_servers).map_err(|e| format!("{place}: {e}"))?;
            let id = match step {
                Step::Login { user, .. } => {
                    logged_in.insert(client);
                    user
                }
                Step::Text { .. } if !logged_in.contains(client) => {
                    return Err(format!("{place}: a text, expected a login before it"));
                }
                Step::Text { to, .. } => to,
            };
            if self.user(*id).is_none() {
                return Err(format!("{place}: `users` has no {id}"));
            }
        }
        Ok(())
    }
}
