//! The settings of the server program: one TOML file for all roles of a deployment, or none.

use crate::{
    catalogue::limits::Limits, env::Endpoint, msg_server::DEFAULT_TEXT_KEY, protocol::Protocol,
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

/// The variable of the environment that takes the place of `stores.redis`.
pub const REDIS: &str = "TEAMTALK_REDIS";
/// The variable of the environment that takes the place of `stores.sql`.
pub const SQL: &str = "TEAMTALK_SQL";

/// What a file says; what it leaves out has the defaults of a trial on one machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// How the roles behave.
    pub protocol: Behaviour,
    /// Where the stores are; for db_proxies and `migrate`.
    pub stores: Stores,
    /// A msg_server.
    pub msg: Msg,
    /// A db_proxy.
    pub db_proxy: DbProxy,
    /// A route_server.
    pub route: Port,
    /// What stands in for a login_server.
    pub login: Port,
}

/// A preset and what differs from it, as in a protocol file of the rig.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// `hardened` or `teamtalk`.
    pub preset: String,
    /// Switches by name that differ from the preset.
    pub overrides: BTreeMap<String, bool>,
    /// Limits by name that differ from the catalogue's defaults.
    pub limits: BTreeMap<String, u32>,
}

/// Where Redis, SQL and recordings are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Stores {
    /// `HOST:PORT`. [`REDIS`] takes its place.
    pub redis: Option<String>,
    /// `mysql://USER:PASSWORD@HOST:PORT/DATABASE` of the primary. [`SQL`] takes its place, which keeps the
    /// password out of the file.
    pub sql: Option<String>,
    /// The same of the replica; the primary if there is none.
    pub sql_replica: Option<String>,
    /// The folder of the recordings of voice messages: all db_proxies must see the same.
    pub recordings: PathBuf,
}

/// A msg_server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Msg {
    /// Where its port is bound.
    pub address: IpAddr,
    /// The port that clients dial.
    pub port: u16,
    /// The address that a login_server hands to clients.
    pub ip: String,
    /// The name that a login_server is told.
    pub host_name: String,
    /// How many connections a login_server is told that it takes.
    pub max_conn_cnt: u32,
    /// The db_proxies, `HOST:PORT` each, at least two: the first half serves logins, the rest everything else.
    /// One process may stand there twice.
    pub db: Vec<String>,
    /// Connections to each of them.
    pub connections: usize,
    /// The route_servers.
    pub route: Vec<String>,
    /// The login_servers.
    pub login: Vec<String>,
    /// The push server, if there is one.
    pub push: Option<String>,
    /// The file server, if there is one.
    pub file: Option<String>,
    /// The 32 characters with which clients encrypt texts; those of the clients as shipped if it is not said.
    pub text_key: Option<String>,
}

/// A db_proxy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DbProxy {
    /// Where its port is bound.
    pub address: IpAddr,
    /// The port that msg_servers dial.
    pub port: u16,
    /// How many requests it serves at once, each with two SQL connections of its own.
    pub workers: usize,
}

/// A server of which no more is to be said than where it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Where its port is bound.
    #[serde(default = "any")]
    pub address: IpAddr,
    /// The port that msg_servers dial.
    pub port: u16,
}

/// Every address of this host.
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn any() -> IpAddr {
    ANY
}

impl Default for Config {
    fn default() -> Self {
        let (protocol, stores, msg, db_proxy) = Default::default();
        let at = |port| Port { address: ANY, port };
        Self { protocol, stores, msg, db_proxy, route: at(8200), login: at(8100) }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        let (overrides, limits) = Default::default();
        Self { preset: "hardened".to_string(), overrides, limits }
    }
}

impl Default for Stores {
    fn default() -> Self {
        let recordings = "recordings".into();
        Self { redis: None, sql: None, sql_replica: None, recordings }
    }
}

impl Default for Msg {
    fn default() -> Self {
        let local = |port: u16| format!("127.0.0.1:{port}");
        Self {
            address: ANY,
            port: 8000,
            ip: "127.0.0.1".to_string(),
            host_name: "msg_server".to_string(),
            max_conn_cnt: 100_000,
            db: vec![local(10600); 2],
            connections: 2,
            route: vec![local(8200)],
            login: vec![local(8100)],
            push: None,
            file: None,
            text_key: None,
        }
    }
}

impl Default for DbProxy {
    fn default() -> Self {
        Self { address: ANY, port: 10600, workers: 8 }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// A sentence with the file, the place in it and what is wrong there.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| named(&e))?;
        let config: Self = toml::from_str(&text).map_err(|e| named(&e))?;
        config.protocol.resolve().map_err(|e| named(&e))?;
        config.msg.check().map_err(|e| named(&e))?;
        if config.db_proxy.workers == 0 {
            return Err(named(&"`db-proxy.workers` = 0: expected at least 1"));
        }
        Ok(config)
    }

    /// Puts the variables of the environment in their places, as far as they are set.
    pub fn with_environment(mut self, of: impl Fn(&str) -> Option<String>) -> Self {
        self.stores.redis = of(REDIS).or(self.stores.redis);
        self.stores.sql = of(SQL).or(self.stores.sql);
        self
    }
}

impl Behaviour {
    /// The switches and the values of the limits.
    ///
    /// # Errors
    /// A sentence about what there is not.
    pub fn resolve(&self) -> Result<(Protocol, Limits), String> {
        let preset = &self.preset;
        let mut protocol = Protocol::preset(preset).ok_or_else(|| {
            format!("unknown preset `{preset}`: expected `hardened` or `teamtalk`")
        })?;
        for (name, on) in &self.overrides {
            if !protocol.set(name, *on) {
                return Err(format!("unknown switch `{name}`: `cargo sim protocols` lists them"));
            }
        }
        Ok((protocol, Limits::with(&self.limits)?))
    }
}

impl Stores {
    /// Where Redis is.
    ///
    /// # Errors
    /// A sentence, if that is not said or is no `HOST:PORT`.
    pub fn redis(&self) -> Result<Endpoint, String> {
        let missing = || format!("no Redis: set `stores.redis` in the file or {REDIS}");
        let text = self.redis.as_ref().ok_or_else(missing)?;
        endpoint(text).map_err(|e| format!("`stores.redis` or {REDIS}: {e}"))
    }

    /// The addresses of the primary and of the replica.
    ///
    /// # Errors
    /// A sentence, if the primary's is not said.
    pub fn sql(&self) -> Result<(&str, &str), String> {
        let missing = || format!("no SQL: set `stores.sql` in the file or {SQL}");
        let primary = self.sql.as_ref().ok_or_else(missing)?;
        Ok((primary, self.sql_replica.as_ref().unwrap_or(primary)))
    }
}

impl Msg {
    fn check(&self) -> Result<(), String> {
        if self.db.len() < 2 {
            let n = self.db.len();
            return Err(format!(
                "`msg.db` has {n} entries: expected at least 2 (the same may stand there twice)"
            ));
        }
        if self.connections == 0 {
            return Err("`msg.connections` = 0: expected at least 1".to_string());
        }
        let lists = [("db", &self.db), ("route", &self.route), ("login", &self.login)];
        for (name, list) in lists {
            list.iter()
                .try_for_each(|text| endpoint(text).map(drop))
                .map_err(|e| format!("`msg.{name}`: {e}"))?;
        }
        for (name, one) in [("push", &self.push), ("file", &self.file)] {
            one.iter()
                .try_for_each(|text| endpoint(text).map(drop))
                .map_err(|e| format!("`msg.{name}`: {e}"))?;
        }
        self.text_key().map(drop)
    }

    /// The key with which clients encrypt texts.
    ///
    /// # Errors
    /// A sentence, if it does not have 32 bytes.
    pub fn text_key(&self) -> Result<[u8; 32], String> {
        let Some(key) = &self.text_key else { return Ok(DEFAULT_TEXT_KEY) };
        let length = key.len();
        let wrong = |_| format!("`msg.text-key` has {length} bytes: expected 32");
        key.as_bytes().try_into().map_err(wrong)
    }
}

/// `HOST:PORT`; an IPv6 address in brackets.
///
/// # Errors
/// A sentence with what was expected.
pub fn endpoint(text: &str) -> Result<Endpoint, String> {
    let wrong = || format!("`{text}`: expected HOST:PORT");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = !bare.is_empty() && !bare.contains(['/', '@', '[', ']', ' ']);
    is_host.then(|| Endpoint::new(bare, port)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::{Config, endpoint};
    use std::io::Write as _;

    fn read(text: &str) -> Result<Config, String> {
        let name = format!("teamtalk-config-{}-{:p}.toml", std::process::id(), text);
        let path = std::env::temp_dir().join(name);
        let mut file = std::fs::File::create(&path).expect("a file");
        file.write_all(text.as_bytes()).expect("it is written");
        let read = Config::read(&path);
        std::fs::remove_file(&path).expect("it is there");
        read
    }

    #[test]
    fn an_empty_file_is_a_trial_on_one_machine() {
        assert_eq!(read(""), Ok(Config::default()));
        let (protocol, _) = Config::default().protocol.resolve().expect("the default");
        assert!(protocol.ack_after_store);
    }

    #[test]
    fn the_example_has_the_defaults() {
        let mut example = read(include_str!("../../examples/server.toml")).expect("it reads");
        assert!(example.stores.redis().is_ok() && example.stores.sql().is_ok());
        (example.stores.redis, example.stores.sql) = (None, None);
        assert_eq!(example, Config::default());
    }

    #[test]
    fn what_is_wrong_is_said_in_a_sentence() {
        for (text, sentence) in [
            ("[msg]\nprot = 1", "unknown field `prot`"),
            ("[protocol]\npreset = \"x\"", "unknown preset `x`: expected `hardened` or `teamtalk`"),
            ("[protocol.overrides]\nx = true", "unknown switch `x`"),
            ("[protocol.limits]\nx = 1", "unknown limit `x`"),
            ("[msg]\ndb = [\"a:1\"]", "`msg.db` has 1 entries: expected at least 2"),
            ("[msg]\nroute = [\"a\"]", "`msg.route`: `a`: expected HOST:PORT"),
            ("[msg]\npush = \"a:0\"", "`msg.push`: `a:0`: expected HOST:PORT"),
            ("[msg]\nconnections = 0", "`msg.connections` = 0"),
            ("[msg]\ntext-key = \"short\"", "`msg.text-key` has 5 bytes: expected 32"),
            ("[db-proxy]\nworkers = 0", "`db-proxy.workers` = 0"),
            ("[db-proxy]\nport = 70000", "expected u16"),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.contains(sentence) && said.contains(".toml: "), "{text}: {said}");
        }
    }

    #[test]
    fn the_environment_comes_before_the_file() {
        let config = read("[stores]\nredis = \"a:1\"\nsql = \"mysql://b\"").expect("it reads");
        let same = config.clone().with_environment(|_| None);
        assert_eq!(same, config);
        let other = config.with_environment(|name| Some(format!("{name}:2")));
        assert_eq!(other.stores.redis().map(|e| e.host), Ok("TEAMTALK_REDIS".to_string()));
        assert_eq!(other.stores.sql(), Ok(("TEAMTALK_SQL:2", "TEAMTALK_SQL:2")));
    }

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        let host = |text| endpoint(text).map(|e| (e.host, e.port));
        assert_eq!(host("redis.local:6379"), Ok(("redis.local".to_string(), 6379)));
        assert_eq!(host("[::1]:6379"), Ok(("::1".to_string(), 6379)));
        for wrong in ["", ":1", "a", "a:", "a:65536", "redis://a:1", "u@a:1"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }
}
