//! The table of who is online where (SYSTEM.md section 5), with the original's warts: counts do
//! not know which link they came from.

use crate::env::ConnId;
use std::collections::{BTreeMap, BTreeSet};

/// One user.
#[derive(Debug, Default)]
struct Entry {
    /// The msg_server links that reported the user.
    links: BTreeSet<ConnId>,
    /// Connections by client type; no zeros.
    counts: BTreeMap<u32, u32>,
}

/// All users that some msg_server reported.
#[derive(Debug, Default)]
pub(super) struct Presence {
    users: BTreeMap<u32, Entry>,
}

impl Presence {
    /// A connection of this type came, on this link.
    pub(super) fn add(&mut self, user: u32, link: ConnId, kind: u32) {
        let entry = self.users.entry(user).or_default();
        entry.links.insert(link);
        *entry.counts.entry(kind).or_default() += 1;
    }

    /// A connection of this type went. A link that never reported the user changes nothing; a
    /// link is taken out only with the last count of any type, and the entry with its last link.
    pub(super) fn remove(&mut self, user: u32, link: ConnId, kind: u32) {
        let Some(entry) = self.users.get_mut(&user) else { return };
        if !entry.links.contains(&link) {
            return;
        }
        if let Some(count) = entry.counts.get_mut(&kind) {
            *count -= 1;
            if *count == 0 {
                entry.counts.remove(&kind);
            }
        }
        if entry.counts.is_empty() {
            entry.links.remove(&link);
            if entry.links.is_empty() {
                self.users.remove(&user);
            }
        }
    }

    /// A link closed: it leaves every entry; counts stay.
    pub(super) fn close_link(&mut self, link: ConnId) {
        self.users.retain(|_, entry| {
            entry.links.remove(&link);
            !entry.links.is_empty()
        });
    }

    /// Whether the user has an entry.
    pub(super) fn knows(&self, user: u32) -> bool {
        self.users.contains_key(&user)
    }

    /// Whether a connection of the PC class is counted.
    pub(super) fn has_pc(&self, user: u32) -> bool {
        let is_pc = |kind: &u32| kind & super::MOBILE == 0;
        self.users.get(&user).is_some_and(|entry| entry.counts.keys().any(is_pc))
    }
}
