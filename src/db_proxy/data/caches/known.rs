//! Ids that this process has read or committed and that never change afterwards, so that a
//! request need not ask the store for them again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The most keys that are kept (ours), some 10 MB; then all are asked for anew.
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

    /// Keeps an id. It must be committed.
    pub fn learn(&self, key: K, id: u32) {
        let mut known = self.of();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, id);
    }

    /// The store has said otherwise.
    pub fn forget(&self, key: &K) {
        self.of().remove(key);
    }
}
