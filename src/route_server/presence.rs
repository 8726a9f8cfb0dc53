//! Who is online where (SYSTEM.md section 5): the original's table, whose counts do not know
//! which link they came from, and the one of `presence-by-link`, whose counts do.

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

/// The original's table: all users that some msg_server reported.
#[derive(Debug, Default)]
pub(super) struct Shared {
    users: BTreeMap<u32, Entry>,
}

impl Shared {
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
        self.users.get(&user).is_some_and(|entry| any_pc(&entry.counts))
    }
}

fn any_pc(counts: &BTreeMap<u32, u32>) -> bool {
    counts.keys().any(|kind| kind & super::MOBILE == 0)
}

/// `presence-by-link`: connections by user, link and client type; no zeros, no empty maps.
#[derive(Debug, Default)]
pub(super) struct ByLink {
    users: BTreeMap<u32, BTreeMap<ConnId, BTreeMap<u32, u32>>>,
}

impl ByLink {
    /// A connection of this type came, on this link.
    pub(super) fn add(&mut self, user: u32, link: ConnId, kind: u32) {
        let links = self.users.entry(user).or_default();
        *links.entry(link).or_default().entry(kind).or_default() += 1;
    }

    /// A connection of this type went; one that this link never reported changes nothing.
    pub(super) fn remove(&mut self, user: u32, link: ConnId, kind: u32) {
        let Some(links) = self.users.get_mut(&user) else { return };
        let Some(counts) = links.get_mut(&link) else { return };
        if let Some(count) = counts.get_mut(&kind) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&kind);
            }
        }
        if counts.is_empty() {
            links.remove(&link);
        }
        if links.is_empty() {
            self.users.remove(&user);
        }
    }

    /// Forgets what a link reported, because it closed or reports anew.
    pub(super) fn forget_link(&mut self, link: ConnId) {
        self.users.retain(|_, links| {
            links.remove(&link);
            !links.is_empty()
        });
    }

    /// Whether any connection of the user is counted.
    pub(super) fn knows(&self, user: u32) -> bool {
        self.users.contains_key(&user)
    }

    /// Whether a connection of the PC class is counted.
    pub(super) fn has_pc(&self, user: u32) -> bool {
        self.users.get(&user).is_some_and(|links| links.values().any(any_pc))
    }

    /// The users who have a connection of the PC class.
    pub(super) fn with_pc(&self) -> BTreeSet<u32> {
        self.users.keys().copied().filter(|&user| self.has_pc(user)).collect()
    }
}

/// Either table.
#[derive(Debug)]
pub(super) enum Presence {
    Shared(Shared),
    ByLink(ByLink),
}

impl Presence {
    /// See [`Shared::add`].
    pub(super) fn add(&mut self, user: u32, link: ConnId, kind: u32) {
        match self {
            Self::Shared(table) => table.add(user, link, kind),
            Self::ByLink(table) => table.add(user, link, kind),
        }
    }

    /// See [`Shared::remove`] and [`ByLink::remove`].
    pub(super) fn remove(&mut self, user: u32, link: ConnId, kind: u32) {
        match self {
            Self::Shared(table) => table.remove(user, link, kind),
            Self::ByLink(table) => table.remove(user, link, kind),
        }
    }

    /// Whether the user has an entry.
    pub(super) fn knows(&self, user: u32) -> bool {
        match self {
            Self::Shared(table) => table.knows(user),
            Self::ByLink(table) => table.knows(user),
        }
    }

    /// Whether a connection of the PC class is counted.
    pub(super) fn has_pc(&self, user: u32) -> bool {
        match self {
            Self::Shared(table) => table.has_pc(user),
            Self::ByLink(table) => table.has_pc(user),
        }
    }
}
