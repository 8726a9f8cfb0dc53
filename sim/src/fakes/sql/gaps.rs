//! Locks on the gaps between the entries of an index: nobody else may insert there.

use super::{
    access::Part,
    engine::SessionId,
    locks::LockId,
    table::{Key, Table, TableId},
};
use std::collections::BTreeMap;

/// What lies between two entries of an index, both not in it; `None`: there is none on that side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) table: TableId,
    pub(super) index: usize,
    pub(super) above: Option<Key>,
    pub(super) below: Option<Key>,
}

impl Gap {
    fn has(&self, entry: &Key) -> bool {
        self.above.as_ref().is_none_or(|above| above < entry)
            && self.below.as_ref().is_none_or(|below| entry < below)
    }
}

/// Who holds which gaps. Several may hold the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Gaps(BTreeMap<(TableId, usize), Vec<(SessionId, Gap)>>);

impl Gaps {
    pub(super) fn hold(&mut self, session: SessionId, gap: Gap) {
        let held = self.0.entry((gap.table, gap.index)).or_default();
        if !held.iter().any(|(holder, other)| *holder == session && *other == gap) {
            held.push((session, gap));
        }
    }

    /// Whether anybody holds one of a table's.
    pub(super) fn has(&self, table: TableId) -> bool {
        self.0.range((table, 0)..(table + 1, 0)).next().is_some()
    }

    /// The others who hold a gap with this place in it.
    pub(super) fn others(
        &self,
        session: SessionId,
        at: &LockId,
    ) -> impl Iterator<Item = SessionId> {
        let held = self.0.get(&(at.table, at.index)).into_iter().flatten();
        held.filter(move |(holder, gap)| *holder != session && gap.has(&at.key))
            .map(|(holder, _)| *holder)
    }

    /// An entry that is gone bounds no gap: those beside it reach on to the next ones.
    pub(super) fn widen(&mut self, table: &Table, id: TableId) {
        for ((_, index), held) in self.0.range_mut((id, 0)..(id + 1, 0)) {
            for (_, gap) in held {
                let part = |bound: &Key| Part::of(table, *index, |entry| entry.cmp(bound));
                if let Some(part) = gap.above.as_ref().map(part)
                    && part.entries.is_empty()
                {
                    gap.above = part.above;
                }
                if let Some(part) = gap.below.as_ref().map(part)
                    && part.entries.is_empty()
                {
                    gap.below = part.below.map(|(below, _)| below);
                }
            }
        }
    }

    /// In how many indexes a session holds gaps.
    pub(super) fn weight(&self, session: SessionId) -> usize {
        let holds =
            |held: &&Vec<(SessionId, Gap)>| held.iter().any(|(holder, _)| *holder == session);
        self.0.values().filter(holds).count()
    }

    /// Frees all that a session holds; whether there was any.
    pub(super) fn release(&mut self, session: SessionId) -> bool {
        let mut had_any = false;
        self.0.retain(|_, held| {
            let before = held.len();
            held.retain(|(holder, _)| *holder != session);
            had_any |= held.len() < before;
            !held.is_empty()
        });
        had_any
    }
}
