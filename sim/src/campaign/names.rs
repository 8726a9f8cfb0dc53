//! Names that are part of the code where they are written, read from a file.

use crate::properties::Tally;
use serde::{Deserialize, Deserializer};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

/// Those that were read. Each is kept once, until the process ends: there are some hundred.
static READ: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

fn kept(name: &str) -> &'static str {
    let mut read = READ.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(known) = read.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.into());
    read.insert(name);
    name
}

/// Tallies by the names of properties.
pub fn tallies<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<&'static str, Tally>, D::Error> {
    keys(deserializer)
}

/// Numbers by the names of excuses.
pub fn counts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<&'static str, u64>, D::Error> {
    keys(deserializer)
}

fn keys<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<&'static str, T>, D::Error> {
    let read = BTreeMap::<String, T>::deserialize(deserializer)?;
    Ok(read.into_iter().map(|(name, value)| (kept(&name), value)).collect())
}
