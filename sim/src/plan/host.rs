//! Hosts: their names, and what each of them runs.
//!
//! A plan names its hosts `redis`, `sql`, `outside`, `route1`, `db2`, `msg3`, `client1` …; what a
//! host is for is read off its name here, once, and nowhere else.

use serde::{Deserialize, Serialize};
use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

/// What a host runs. Its name is the last part of a violation's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The fake Redis.
    Redis,
    /// The fake SQL server: primary and replica are ports of it.
    Sql,
    /// Login, push and file server, and the auditor.
    Outside,
    /// A route_server.
    Route,
    /// A db_proxy.
    Db,
    /// A msg_server.
    Msg,
    /// A machine of devices.
    Client,
    /// The driver of a run. It has lines in the trace, and is no host of a plan.
    World,
}

/// A host's name with its role. Cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host {
    name: Arc<str>,
    role: Role,
}

/// No host of a plan has such a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no host: expected redis, sql or outside, or one of route, db, msg and client with a \
     number from 1 to 4294967295 and no 0 in front, such as msg1"
)]
pub struct NoHost(String);

impl Role {
    /// Those that a plan has once, under their own name.
    pub(super) const SINGLE: [Self; 3] = [Self::Redis, Self::Sql, Self::Outside];
    /// Those that a plan may have several of.
    pub(super) const NUMBERED: [Self; 4] = [Self::Route, Self::Db, Self::Msg, Self::Client];

    /// All of them.
    pub(super) const ALL: [Self; 8] = [
        Self::Redis,
        Self::Sql,
        Self::Outside,
        Self::Route,
        Self::Db,
        Self::Msg,
        Self::Client,
        Self::World,
    ];

    /// How signatures and the names of hosts call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Sql => "sql",
            Self::Outside => "outside",
            Self::Route => "route",
            Self::Db => "db",
            Self::Msg => "msg",
            Self::Client => "client",
            Self::World => "world",
        }
    }

    /// Whether what runs there is the rig's, and no role under test: a store, the servers around
    /// the cluster, or the driver.
    pub fn is_of_the_rig(self) -> bool {
        matches!(self, Self::Redis | Self::Sql | Self::Outside | Self::World)
    }

    /// The host under the role's own name: the only one, or that of a script, which numbers none.
    pub fn host(self) -> Host {
        Host { name: self.name().into(), role: self }
    }

    /// The host of this number, from 1.
    pub fn numbered(self, n: u32) -> Host {
        Host { name: format!("{}{n}", self.name()).into(), role: self }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Host {
    /// The host of a plan that has this name. A number is written in one way: from 1, of 32 bits, without a 0 in
    /// front.
    ///
    /// # Errors
    /// If no role's hosts are called so.
    pub fn parse(name: &str) -> Result<Self, NoHost> {
        let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &name[word.len()..];
        let among = |roles: &[Role], word: &str| roles.iter().find(|r| r.name() == word).copied();
        let single = among(&Role::SINGLE, name);
        let is_number = !digits.starts_with('0') && digits.parse::<u32>().is_ok();
        let numbered = || among(&Role::NUMBERED, word).filter(|_| is_number);
        match single.or_else(numbered) {
            Some(role) => Ok(Self { name: name.into(), role }),
            None => Err(NoHost(name.into())),
        }
    }

    /// A host under a name that no plan gives: those of scripts, and a port of a host that a
    /// script tells from the others.
    pub(crate) fn named(name: &str, role: Role) -> Self {
        Self { name: name.into(), role }
    }

    /// As [`Self::parse`], and the driver's: for traces written by hand.
    ///
    /// # Panics
    /// If there is no such host.
    #[cfg(test)]
    pub fn of(name: &str) -> Self {
        let world = Role::World.host();
        if world == name { world } else { Self::parse(name).expect("a host of a plan") }
    }

    /// What it runs.
    pub fn role(&self) -> Role {
        self.role
    }
}

impl Deref for Host {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Cards line hosts up.
        f.pad(&self.name)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self.name).fmt(f)
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        // Most are copies of one host.
        Arc::ptr_eq(&self.name, &other.name) || self.name == other.name
    }
}

impl Eq for Host {}

impl Hash for Host {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (*self.name).hash(state);
    }
}

impl PartialOrd for Host {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// By name.
impl Ord for Host {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match Arc::ptr_eq(&self.name, &other.name) {
            true => std::cmp::Ordering::Equal,
            false => self.name.cmp(&other.name),
        }
    }
}

/// As its order, equality and hash are the name's, maps of hosts are asked by name.
impl Borrow<str> for Host {
    fn borrow(&self) -> &str {
        &self.name
    }
}

impl PartialEq<str> for Host {
    fn eq(&self, name: &str) -> bool {
        *self.name == *name
    }
}

impl PartialEq<&str> for Host {
    fn eq(&self, name: &&str) -> bool {
        *self.name == **name
    }
}

impl TryFrom<String> for Host {
    type Error = NoHost;

    fn try_from(name: String) -> Result<Self, NoHost> {
        Self::parse(&name)
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.name.as_ref().into()
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, Role};

    #[test]
    fn every_role_knows_its_hosts() {
        for role in Role::SINGLE {
            assert_eq!(Host::parse(role.name()).map(|h| h.role()), Ok(role));
        }
        for role in Role::NUMBERED {
            let host = role.numbered(12);
            let read = Host::parse(&host).expect("a host of a plan");
            assert_eq!((&read, read.role()), (&host, role));
        }
    }

    #[test]
    fn other_names_are_refused_with_what_was_expected() {
        let long = "msg".to_string() + &"1".repeat(300);
        for name in [
            "",
            "1",
            "mgs1",
            "msg",
            "sql2",
            "world",
            "msg1x",
            "Msg1",
            "client-1",
            "msg0",
            "msg01",
            "msg4294967296",
            &long,
            "msg१",
        ] {
            let refused = Host::parse(name).expect_err(name).to_string();
            assert!(refused.starts_with(&format!("`{name}` is no host: expected")), "{refused}");
        }
    }

    #[test]
    fn the_highest_number_is_one_of_32_bits() {
        let host = Host::parse("msg4294967295").map(|host| host.role());
        assert_eq!(host, Ok(Role::Msg));
    }

    #[test]
    fn a_host_is_its_name_in_a_file() {
        let text = "\"db2\"";
        let host: Host = serde_json::from_str(text).expect("a host");
        assert_eq!(host, Role::Db.numbered(2));
        assert_eq!(serde_json::to_string(&host).expect("plain data"), text);
        assert!(serde_json::from_str::<Host>("\"dbb\"").is_err());
    }
}
