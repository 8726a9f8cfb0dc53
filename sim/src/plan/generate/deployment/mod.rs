//! A deployment of one's own: what a file (`--deployment FILE`) fixes of the plans that seeds make. What it
//! leaves open the seed draws, as it does without one. A file that says nothing is the same as none.

mod check;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod tests;
mod told;

use crate::{
    files,
    plan::{Between, Client, Durability, Pace, TICK_MS, case::ProtocolSpec, words},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// No deployment file is larger, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// What is fixed. `None`, and what is not in a table, is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Which durations timers have; else `brisk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// When Redis writes to its disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<Durability>,
    /// Workers of each db_proxy; else 12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_workers: Option<usize>,
    /// One way, of every link that is not in `links`, in milliseconds: a multiple of a tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// One way, of the links between two roles, in milliseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<Between, u64>,
    /// How many machines of each kind.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hosts: Hosts,
    /// Who uses it, and how much.
    #[serde(default, skip_serializing_if = "is_default")]
    pub users: Users,
    /// How likely a device runs which software, as weights.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clients: BTreeMap<Client, u32>,
    /// How likely an operation is which, as weights.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub operations: BTreeMap<String, u32>,
    /// Limits by name that differ from the catalogue's defaults, under whichever protocol.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "words::limits"
    )]
    pub limits: BTreeMap<String, u32>,
}

/// How many machines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hosts {
    /// msg_servers; else 2 or 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg: Option<u32>,
    /// route_servers; else 1 or 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<u32>,
    /// db_proxies; else 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db: Option<u32>,
    /// Machines of devices; else 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<u32>,
}

/// Who uses it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Users {
    /// Users who have devices; else half as many as `devices`, or 3 or 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// All their devices together, from one to four a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u32>,
    /// What all of them do in a run, beside logging in and what a profile adds; else 45 to 89.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<u32>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Deployment {
    /// Reads a file of which everything means something and can be run.
    ///
    /// # Errors
    /// A sentence that names the file, the place in it, what was given there and what is allowed.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = files::read(path, LARGEST_FILE, "deployment")?;
        Self::parse(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Like [`Self::read`], from the text of a file.
    ///
    /// # Errors
    /// The same sentence, without the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let given: toml::Table = toml::from_str(text).map_err(|e| e.to_string())?;
        check::whole_numbers(&given)?;
        let deployment: Self = toml::from_str(text).map_err(|e| words::plain(&e.to_string()))?;
        deployment.check()?;
        Ok(deployment)
    }

    /// The most devices that a plan has, if it says how many, or of how many users.
    pub(super) fn most_devices(&self) -> u32 {
        let Users { count, devices, .. } = self.users;
        devices.or_else(|| count.map(|count| 2 * count)).unwrap_or_default()
    }

    /// The latencies in `links`, in ticks.
    pub(super) fn link_latency_ticks(&self) -> BTreeMap<Between, u64> {
        self.links.iter().map(|(link, ms)| (*link, ms / TICK_MS)).collect()
    }

    /// Whether it fixes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A protocol as it runs here: with the limits of the deployment, but where the protocol has one of the
    /// same name. So a change of a limit can be verified in a deployment that sets that limit.
    ///
    /// # Errors
    /// A sentence if the limits of the two do not fit each other.
    pub fn under(&self, protocol: &ProtocolSpec) -> Result<ProtocolSpec, String> {
        let mut protocol = protocol.clone();
        for (name, value) in &self.limits {
            protocol.limits.entry(name.clone()).or_insert(*value);
        }
        protocol.resolve_limits().map_err(|e| format!("limits of protocol and deployment: {e}"))?;
        Ok(protocol)
    }

    /// Whether it says how much is done, or what: a campaign's usual floor of acked sends says nothing then.
    pub fn says_what_is_done(&self) -> bool {
        self.users.operations.is_some() || !self.operations.is_empty()
    }
}
