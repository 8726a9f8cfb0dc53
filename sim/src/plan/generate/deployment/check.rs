//! Whether a deployment can be, and what is allowed in each field.

use super::{Deployment, Hosts, Users};
use crate::plan::{Between, Client, Pace, TICK_MS, generate::families};
use std::fmt::Display;
use teamtalk::catalogue::limits::Limits;

/// So many msg_servers, db_proxies and machines of devices each: with all others no more than a plan may have.
const HOSTS: (u32, u32) = (1, 16);
/// So many route_servers.
const ROUTES: (u32, u32) = (1, 4);
/// Workers of a db_proxy; 16 of them have no more than a plan may have.
const WORKERS: (usize, usize) = (1, 64);
/// Users: one alone has nobody to talk to.
const USERS: (u32, u32) = (2, 50);
/// Devices: a user has at most two of a class.
const DEVICES: (u32, u32) = (2, 120);
/// Devices of a user, of one class: PCs, or phones.
const OF_A_CLASS: u32 = 2;
/// Operations of a plan.
const OPERATIONS: (u32, u32) = (1, 2_000);
/// Latencies of the links of devices, in milliseconds: what comes at once is judged as if it came within 100 ms.
const TO_CLIENTS_MS: u64 = 75;
/// Of any link, at the original pace.
const ORIGINAL_MS: u64 = 75;
/// Of the links of msg_servers to others, at a brisk pace, at which timers are a fifth of what they are to real
/// latencies.
const OF_MSG_MS: u64 = 40;
/// Of the links of db_proxies to the stores: of each statement, so that this many times as much is a worker's work.
const TO_STORES_MS: u64 = 15;
/// How likely something is beside the others of its table; 0: never.
const WEIGHTS: (u32, u32) = (0, 10_000);

/// Whether what is to be a whole number is one, in a file that is not read yet: what is none has no place in a
/// [`Deployment`], and is to be told its bounds, too.
///
/// # Errors
/// As [`Deployment::check`].
pub(super) fn whole_numbers(file: &toml::Table) -> Result<(), String> {
    let bounds = [
        ("hosts", "msg", HOSTS),
        ("hosts", "route", ROUTES),
        ("hosts", "db", HOSTS),
        ("hosts", "client", HOSTS),
        ("users", "count", USERS),
        ("users", "devices", DEVICES),
        ("users", "operations", OPERATIONS),
    ];
    for (table, field, bounds) in bounds {
        let given = file.get(table).and_then(|table| table.get(field));
        whole(&format!("{table}.{field}"), given, bounds)?;
    }
    for table in ["clients", "operations"] {
        for (name, weight) in file.get(table).and_then(toml::Value::as_table).into_iter().flatten()
        {
            whole(&format!("{table}.{name}"), Some(weight), WEIGHTS)?;
        }
    }
    whole("db_workers", file.get("db_workers"), (WORKERS.0 as u32, WORKERS.1 as u32))
}

fn whole(
    field: &str,
    given: Option<&toml::Value>,
    (least, most): (u32, u32),
) -> Result<(), String> {
    let is_one = |value: &toml::Value| {
        value.as_integer().is_some_and(|number| u32::try_from(number).is_ok())
    };
    match given {
        Some(value) if !is_one(value) => {
            Err(format!("field `{field}`: {value} is no whole number within {least} to {most}"))
        }
        _ => Ok(()),
    }
}

impl Deployment {
    /// Checks all of it.
    ///
    /// # Errors
    /// A sentence with the place (`field hosts.msg`), what was given and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let Self { hosts, users, .. } = self;
        let Hosts { msg, route, db, client } = hosts;
        let Users { count, devices, operations } = users;
        within("hosts.msg", *msg, HOSTS)?;
        within("hosts.route", *route, ROUTES)?;
        within("hosts.db", *db, HOSTS)?;
        within("hosts.client", *client, HOSTS)?;
        within("db_workers", self.db_workers, WORKERS)?;
        within("users.count", *count, USERS)?;
        within("users.devices", *devices, DEVICES)?;
        within("users.operations", *operations, OPERATIONS)?;
        self.latencies()?;
        self.clients()?;
        self.devices_fit()?;
        self.operations()?;
        Limits::with(&self.limits).map(|_| ()).map_err(|e| format!("limits: {e}"))
    }

    fn latencies(&self) -> Result<(), String> {
        let is_brisk = self.pace.unwrap_or(Pace::Brisk) == Pace::Brisk;
        let most = |brisk: u64| if is_brisk { brisk } else { ORIGINAL_MS };
        latency("latency_ms", self.latency_ms, most(TO_STORES_MS))?;
        for (link, ms) in &self.links {
            let most = match link {
                Between::ClientMsg => TO_CLIENTS_MS,
                Between::MsgRoute | Between::MsgDb | Between::MsgOutside => most(OF_MSG_MS),
                Between::DbRedis | Between::DbSql => most(TO_STORES_MS),
            };
            latency(&format!("links.{}", link.name()), Some(*ms), most)?;
        }
        Ok(())
    }

    fn clients(&self) -> Result<(), String> {
        for (client, weight) in &self.clients {
            within(&format!("clients.{}", client.name()), Some(*weight), WEIGHTS)?;
        }
        let has_weight = self.clients.values().any(|weight| *weight > 0);
        match has_weight || self.clients.is_empty() {
            true => Ok(()),
            false => Err("table `clients`: all weights are 0; expected one that is not".into()),
        }
    }

    /// The most devices that one user has.
    fn most_of_a_user(&self) -> u32 {
        OF_A_CLASS
            * [false, true].into_iter().filter(|phones| self.has_class(*phones)).count() as u32
    }

    /// Whether there are devices of a class: phones, or PCs.
    fn has_class(&self, phones: bool) -> bool {
        let of_it = |(client, weight): (&Client, &u32)| client.is_phone() == phones && *weight > 0;
        self.clients.is_empty() || self.clients.iter().any(of_it)
    }

    /// Each user has a device, and no more than there are kinds of them.
    fn devices_fit(&self) -> Result<(), String> {
        let (Some(users), Some(devices)) = (self.users.count, self.users.devices) else {
            return Ok(());
        };
        let most = users * self.most_of_a_user();
        if (users..=most).contains(&devices) {
            return Ok(());
        }
        Err(format!(
            "field `users.devices`: {devices} is not within {users} to {most}: each of the {users} users has \
             one at least, and at most {OF_A_CLASS} PCs and {OF_A_CLASS} phones, of those in `clients`"
        ))
    }

    fn operations(&self) -> Result<(), String> {
        let known = families::names();
        for (name, weight) in &self.operations {
            if !known.contains(&name.as_str()) {
                return Err(format!(
                    "table `operations`: unknown operation `{name}`: expected one of {}",
                    known.join(", ")
                ));
            }
            let least = if name == families::SEND { 1 } else { WEIGHTS.0 };
            within(&format!("operations.{name}"), Some(*weight), (least, WEIGHTS.1))?;
        }
        Ok(())
    }
}

fn within<T: PartialOrd + Display>(
    field: &str,
    value: Option<T>,
    (least, most): (T, T),
) -> Result<(), String> {
    match value {
        Some(value) if value < least || value > most => {
            Err(format!("field `{field}`: {value} is not within {least} to {most}"))
        }
        _ => Ok(()),
    }
}

fn latency(field: &str, ms: Option<u64>, most: u64) -> Result<(), String> {
    within(field, ms, (TICK_MS, most))?;
    match ms.filter(|ms| !ms.is_multiple_of(TICK_MS)) {
        Some(ms) => Err(format!(
            "field `{field}`: {ms} is no multiple of {TICK_MS}, the milliseconds of a tick"
        )),
        None => Ok(()),
    }
}
