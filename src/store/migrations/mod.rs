//! The side tables of the switches of scope "schema", as versioned migrations.
//!
//! The tables of the deployed system keep their shape: a live database may hold duplicates already,
//! so none of them gets a unique key, and a db_proxy without the switches goes on beside these tables.
//! Each migration is one file that only adds, may be run again, and at its end names itself in
//! `TTSchema`. Run them in order, each before the first db_proxy with a switch that needs it starts:
//! one that finds less than it needs does not serve. Keys that the switches need on the old tables are
//! there already: IMMessage_N has (relateId, status, msgId, created).

mod run;

pub use run::{run, there};

use crate::protocol::{Protocol, SWITCHES};
use std::fmt;

/// One step of the schema. None is ever changed or taken out once a database may have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number: they are numbered from 1, without gaps.
    pub version: u32,
    /// What `TTSchema` calls it.
    pub name: &'static str,
    /// Its file in the repository.
    pub file: &'static str,
    /// What is in that file, in MySQL's dialect.
    pub text: &'static str,
    /// The switches that need it.
    pub switches: &'static [&'static str],
}

macro_rules! migration {
    ($version:literal, $name:literal, $switches:expr) => {
        Migration {
            version: $version,
            name: $name,
            file: concat!("src/store/migrations/", $version, "_", $name, ".sql"),
            text: include_str!(concat!($version, "_", $name, ".sql")),
            switches: $switches,
        }
    };
}

/// All migrations, in order.
pub const MIGRATIONS: &[Migration] = &[
    migration!(1, "relations", &["single-relation", "id-floor-from-store"]),
    migration!(2, "sessions", &["single-session"]),
    migration!(3, "sends", &["idempotent-send"]),
    migration!(4, "reads", &["unread-from-store"]),
    migration!(5, "members", &["members-from-store"]),
    migration!(6, "logins", &["ordered-logins"]),
];

/// The version of a database that has them all.
pub const LATEST: u32 = MIGRATIONS.len() as u32;

/// Asks a database for the migrations that it has; see [`version_of`].
pub const ASK: &str = "select version from TTSchema";

impl Migration {
    /// Its statements, without comments.
    pub fn statements(&self) -> Vec<String> {
        let lines = self.text.lines().filter(|line| !line.starts_with("--"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let statements = text.split(';').map(str::trim).filter(|text| !text.is_empty());
        statements.map(String::from).collect()
    }

    /// Whether a switch that needs it is on.
    fn is_needed(&self, protocol: &Protocol) -> bool {
        self.switches.iter().any(|switch| protocol.get(switch) == Some(true))
    }
}

/// The highest version that a switch which is on needs; 0: none does.
pub fn required(protocol: &Protocol) -> u32 {
    let needed = MIGRATIONS.iter().rev().find(|migration| migration.is_needed(protocol));
    needed.map_or(0, |migration| migration.version)
}

/// The version of a database by the rows of `TTSchema`: all migrations up to it are there.
pub fn version_of(rows: &[u32]) -> u32 {
    let there = MIGRATIONS.iter().take_while(|migration| rows.contains(&migration.version));
    there.last().map_or(0, |migration| migration.version)
}

/// A database lacks what the switches of a db_proxy need.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TooOld {
    /// Its version.
    pub found: u32,
    /// The one that is needed.
    pub needed: u32,
    /// The switches that are on and need a later version than it has.
    pub switches: Vec<&'static str>,
}

impl TooOld {
    /// What a database of this version lacks; `None`: nothing.
    pub fn of(protocol: &Protocol, found: u32) -> Option<Self> {
        let needed = required(protocol);
        let lacking = MIGRATIONS.iter().filter(|migration| migration.version > found);
        let lacking: Vec<_> = lacking.flat_map(|migration| migration.switches).copied().collect();
        let on = |name: &&str| lacking.contains(name) && protocol.get(name) == Some(true);
        let switches = SWITCHES.iter().map(|switch| switch.name).filter(on).collect();
        (needed > found).then_some(Self { found, needed, switches })
    }
}

impl fmt::Display for TooOld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, needed, switches } = self;
        let switches = switches.join(", ");
        let lacking = |m: &&Migration| (found + 1..=*needed).contains(&m.version);
        let files: Vec<_> = MIGRATIONS.iter().filter(lacking).map(|m| m.file).collect();
        write!(
            f,
            "the database has version {found} of the schema and version {needed} is needed \
             ({switches}): run {} on the primary, in this order; until then this db_proxy does not serve",
            files.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{LATEST, MIGRATIONS, TooOld, required, version_of};
    use crate::protocol::{Protocol, SWITCHES};

    #[test]
    fn each_switch_of_scope_schema_has_its_migration_and_no_other_has_one() {
        for switch in SWITCHES {
            let mut protocol = Protocol::teamtalk();
            protocol.set(switch.name, true);
            let is_of_schema = switch.scope.split(", ").any(|scope| scope == "schema");
            assert_eq!(required(&protocol) > 0, is_of_schema, "{}", switch.name);
        }
        let named = MIGRATIONS.iter().flat_map(|migration| migration.switches);
        named.for_each(|name| assert!(Protocol::default().get(name).is_some(), "{name}"));
        assert_eq!(required(&Protocol::teamtalk()), 0);
        assert_eq!(required(&Protocol::hardened()), LATEST);
    }

    #[test]
    fn a_migration_only_adds_and_names_itself_last() {
        for (migration, version) in MIGRATIONS.iter().zip(1..) {
            assert_eq!(migration.version, version);
            let mut statements = migration.statements();
            let last = statements.pop().expect("a statement");
            let values = format!("VALUES ({version}, '{}', UNIX_TIMESTAMP())", migration.name);
            let named = "INSERT IGNORE INTO TTSchema (version, name, applied) ".to_string();
            assert_eq!(last, named + &values);
            assert!(!statements.is_empty());
            for statement in statements {
                assert!(statement.starts_with("CREATE TABLE IF NOT EXISTS TT"), "{statement}");
            }
        }
    }

    #[test]
    fn a_version_is_there_with_all_before_it() {
        for (rows, version) in [(vec![], 0), (vec![2, 1], 2), (vec![2, 3], 0), (vec![1, 2, 4], 2)] {
            assert_eq!(version_of(&rows), version, "{rows:?}");
        }
        // A later build's.
        assert_eq!(version_of(&(1..LATEST + 3).collect::<Vec<_>>()), LATEST);
    }

    #[test]
    fn what_is_lacking_is_said_in_one_sentence() {
        let mut protocol = Protocol::teamtalk();
        assert_eq!(TooOld::of(&protocol, 0), None);
        protocol.single_relation = true;
        protocol.single_session = true;
        protocol.idempotent_send = true;
        protocol.honest_reads = true;
        assert_eq!(TooOld::of(&protocol, 3), None);
        let lacks = TooOld::of(&protocol, 1).expect("it lacks something");
        assert_eq!(
            lacks.to_string(),
            "the database has version 1 of the schema and version 3 is needed (single-session, \
             idempotent-send): run src/store/migrations/2_sessions.sql, \
             src/store/migrations/3_sends.sql on the primary, in this order; until then this \
             db_proxy does not serve"
        );
    }
}
