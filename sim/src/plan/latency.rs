//! How long what is sent is on its way.

use super::{Role, TICK_MS};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// The links between the hosts of two roles that talk to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// Devices and msg_servers.
    ClientMsg,
    /// msg_servers and route_servers.
    MsgRoute,
    /// msg_servers and db_proxies.
    MsgDb,
    /// msg_servers and the servers around the cluster: login, push and file server.
    MsgOutside,
    /// db_proxies and Redis.
    DbRedis,
    /// db_proxies and SQL.
    DbSql,
}

impl Between {
    /// All of them, with the roles of their ends.
    pub const ALL: [(Self, Role, Role); 6] = [
        (Self::ClientMsg, Role::Client, Role::Msg),
        (Self::MsgRoute, Role::Msg, Role::Route),
        (Self::MsgDb, Role::Msg, Role::Db),
        (Self::MsgOutside, Role::Msg, Role::Outside),
        (Self::DbRedis, Role::Db, Role::Redis),
        (Self::DbSql, Role::Db, Role::Sql),
    ];

    /// The one between hosts of these roles, in either order.
    pub fn of(a: Role, b: Role) -> Option<Self> {
        let is_it = |of: &&(Self, Role, Role)| (of.1, of.2) == (a, b) || (of.1, of.2) == (b, a);
        Self::ALL.iter().find(is_it).map(|of| of.0)
    }

    /// As a file names it: `client-msg`.
    pub fn name(self) -> String {
        let ends = Self::ALL.iter().find(|of| of.0 == self);
        ends.map_or_else(String::new, |(_, a, b)| format!("{a}-{b}"))
    }
}

/// The latencies of all links of a plan, in ticks, one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latencies {
    /// Of every link that has none of its own.
    pub usual: u64,
    /// Of those that have.
    pub own: BTreeMap<Between, u64>,
}

impl Latencies {
    /// Of the links between hosts of two roles.
    pub fn between(&self, a: Role, b: Role) -> u64 {
        let own = Between::of(a, b).and_then(|link| self.own.get(&link));
        own.copied().unwrap_or(self.usual)
    }
}

/// `5 ms`, or `5 ms (client-msg 40 ms)`.
impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.own.iter();
        let own = own.map(|(link, ticks)| format!("{} {} ms", link.name(), ticks * TICK_MS));
        let own = own.collect::<Vec<_>>().join(", ");
        write!(f, "{} ms", self.usual * TICK_MS)?;
        if own.is_empty() { Ok(()) } else { write!(f, " ({own})") }
    }
}

#[cfg(test)]
mod tests {
    use super::{Between, Latencies};
    use crate::plan::Role;

    #[test]
    fn a_link_has_its_own_latency_both_ways_and_all_others_the_usual_one() {
        let latencies = Latencies { usual: 1, own: [(Between::ClientMsg, 8)].into() };
        for (a, b, ticks) in [
            (Role::Client, Role::Msg, 8),
            (Role::Msg, Role::Client, 8),
            (Role::Msg, Role::Db, 1),
            (Role::Msg, Role::Msg, 1),
        ] {
            assert_eq!(latencies.between(a, b), ticks, "{a}, {b}");
        }
    }

    #[test]
    fn latencies_are_told_in_milliseconds() {
        let none = Latencies { usual: 2, own: [].into() };
        let own =
            Latencies { usual: 1, own: [(Between::ClientMsg, 8), (Between::DbSql, 2)].into() };
        assert_eq!(none.to_string(), "10 ms");
        assert_eq!(own.to_string(), "5 ms (client-msg 40 ms, db-sql 10 ms)");
    }

    #[test]
    fn a_link_is_called_in_files_as_its_ends_are() {
        for (link, ..) in Between::ALL {
            let written = serde_json::to_value(link).expect("plain data");
            assert_eq!(written, link.name());
        }
    }
}
