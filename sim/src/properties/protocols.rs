//! Which host runs which protocol: properties ask for that of the host that they judge.

use crate::plan::Host;
use std::collections::BTreeMap;
use teamtalk::protocol::Protocol;

/// The protocols of a deployment. Hosts that are not named run that of the base.
#[derive(Debug, Clone, Default)]
pub struct Protocols {
    base: Protocol,
    others: BTreeMap<Host, Protocol>,
}

impl Protocols {
    /// All hosts run the same.
    pub fn all(base: Protocol) -> Self {
        Self { base, others: BTreeMap::new() }
    }

    /// A host runs another one.
    pub fn with(mut self, host: Host, protocol: Protocol) -> Self {
        self.others.insert(host, protocol);
        self
    }

    /// Whether every host has `catch-up-on-gap`.
    pub fn all_catch_up(&self) -> bool {
        self.all_have(|protocol| protocol.catch_up_on_gap)
    }

    /// Whether every host has a switch.
    pub fn all_have(&self, has: fn(&Protocol) -> bool) -> bool {
        has(&self.base) && self.others.values().all(has)
    }

    /// What a host runs.
    pub fn of(&self, host: &Host) -> &Protocol {
        self.others.get(host).unwrap_or(&self.base)
    }
}
