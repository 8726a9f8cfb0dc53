//! Ids that this process has read or committed and that never change afterwards, so that a
//! request need not ask the store for them again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The most keys that are kept, some 10 MB (ours). Past it all are forgotten and asked for anew.
const MOST: usize = 1 << 16;

/// Ids by key. Shared by all workers.
#[derive(Debug)]
pub struct Known<K>(Mutex<BTreeMap<K, u32>>);

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord> Known<K> {
    fn of(&self) -> MutexGuard<'_, BTreeMap<K, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of a key, if it is known.
    pub fn get(&self, key: &K) -> Option<u32> {
        self.of().get(key).copied()
    }

    /// Keeps an id, which must be committed in the store.
    pub fn learn(&self, key: K, id: u32) {
        let mut known = self.of();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, id);
    }

    /// Forgets a key: the store has shown another id, or none.
    pub fn forget(&self, key: &K) {
        self.of().remove(key);
    }
}
