//! Maps and sets that are asked by key alone. They are hash tables, several times as fast as trees where
//! thousands of keys come and go, and nothing that depends on the order in which a table keeps its keys
//! can be read off them: they can't be walked, and what is looked for among all entries is the least key
//! that fits.

#![allow(clippy::disallowed_types, reason = "this is where it is kept from being walked")]

use hashbrown::{HashMap, hash_map::Entry};
use std::{
    borrow::Borrow,
    hash::{BuildHasherDefault, Hash, Hasher},
};

/// A map; see the module.
#[derive(Debug, Clone)]
pub struct Lookup<K, V>(HashMap<K, V, BuildHasherDefault<Words>>);

/// A set; see the module.
#[derive(Debug, Clone)]
pub struct LookupSet<K>(Lookup<K, ()>);

/// Hashes word by word, the same in every process: keys are numbers and texts of the rig's own, and
/// nobody chooses them so that they meet.
#[derive(Debug, Clone, Copy)]
pub struct Words(u64);

/// An odd number without a pattern in its bits.
const MIX: u64 = 0xf135_7aea_2e62_a9c5;

impl Default for Words {
    /// Not 0: a word that is 0 counts, too.
    fn default() -> Self {
        Self(MIX)
    }
}

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.write_u64(u64::from_le_bytes(word.try_into().expect("8 bytes")));
        }
        let rest = words.remainder();
        let word = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        self.write_u64(word << 4 | rest.len() as u64);
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    fn write_u16(&mut self, n: u16) {
        self.write_u64(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.wrapping_add(n)).wrapping_mul(MIX);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn write_isize(&mut self, n: isize) {
        self.write_u64(n as u64);
    }

    /// Tables take the low bits, and the best are the high ones.
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

impl<K, V> Default for Lookup<K, V> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Eq + Hash, V> Lookup<K, V> {
    /// The value of a key.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// The value of a key, to change it.
    pub fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.get_mut(key)
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(key)
    }

    /// Gives a key a value: the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// Takes a key away: the value that it had.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key)
    }

    /// The place of a key.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V, BuildHasherDefault<Words>> {
        self.0.entry(key)
    }

    /// Takes away what this does not want to keep. It is asked in no order that means anything.
    pub fn retain(&mut self, keeps: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain(keeps);
    }

    /// Changes entries. It is asked in no order that means anything.
    pub fn update(&mut self, mut change: impl FnMut(&K, &mut V)) {
        self.0.iter_mut().for_each(|(key, value)| change(key, value));
    }
}

impl<K: Eq + Hash + Ord, V> Lookup<K, V> {
    /// Of the entries that fit, the one with the least key.
    pub fn least(&self, fits: impl Fn(&K, &V) -> bool) -> Option<(&K, &V)> {
        let fitting = self.0.iter().filter(|(key, value)| fits(key, value));
        fitting.min_by(|(a, _), (b, _)| a.cmp(b))
    }

    /// All entries, by key: for what is done seldom.
    pub fn sorted(&self) -> Vec<(&K, &V)> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }
}

impl<K> Default for LookupSet<K> {
    fn default() -> Self {
        Self(Lookup::default())
    }
}

impl<K: Eq + Hash> LookupSet<K> {
    /// Whether it is in the set.
    pub fn contains<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(key)
    }

    /// Adds one: true if it was not there.
    pub fn insert(&mut self, key: K) -> bool {
        self.0.insert(key, ()).is_none()
    }
}

impl<K: Eq + Hash + Ord> LookupSet<K> {
    /// The least of those that fit.
    pub fn least(&self, fits: impl Fn(&K) -> bool) -> Option<&K> {
        self.0.least(|key, ()| fits(key)).map(|(key, ())| key)
    }

    /// All of them, in their order: for what is done seldom.
    pub fn sorted(&self) -> Vec<&K> {
        self.0.sorted().into_iter().map(|(key, ())| key).collect()
    }
}

impl<K: Eq + Hash, V> FromIterator<(K, V)> for Lookup<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<K: Eq + Hash> Extend<K> for LookupSet<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        keys.into_iter().for_each(|key| _ = self.insert(key));
    }
}

#[cfg(test)]
mod tests {
    use super::{Hash, Hasher, Lookup, LookupSet, Words};
    use std::collections::BTreeSet;

    #[test]
    fn what_is_looked_for_does_not_depend_on_the_order_of_the_table() {
        let (mut up, mut down) = (Lookup::default(), Lookup::default());
        for n in 0..100_u32 {
            up.insert(n, n % 7);
            down.insert(99 - n, (99 - n) % 7);
        }
        for map in [&up, &down] {
            assert_eq!(map.least(|n, rest| *n > 30 && *rest == 0), Some((&35, &0)));
            assert_eq!(map.least(|_, rest| *rest == 7), None);
        }
        assert_eq!(up.sorted(), down.sorted());
        up.retain(|_, rest| *rest == 3);
        assert_eq!((up.sorted().len(), up.remove(&3), up.sorted().len()), (14, Some(3), 13));
        let mut set = LookupSet::default();
        assert!(set.insert("a") && !set.insert("a") && set.contains("a"));
        assert_eq!(set.least(|_| true), Some(&"a"));
    }

    #[test]
    fn keys_that_are_near_each_other_do_not_meet() {
        let hash = |key: &dyn Fn(&mut Words)| {
            let mut words = Words::default();
            key(&mut words);
            words.finish()
        };
        let mut seen = BTreeSet::new();
        for n in 2..1_000_u32 {
            assert!(seen.insert(hash(&|words| (n, 1_u16).hash(words))));
            assert!(seen.insert(hash(&|words| (1_u16, n).hash(words))));
            assert!(seen.insert(hash(&|words| format!("op-{n}").hash(words))));
        }
        // Bytes that are zero count, too.
        let zeros = |len: usize| hash(&|words| words.write(&[0; 16][..len]));
        assert_eq!((0..16).map(zeros).collect::<BTreeSet<_>>().len(), 16);
    }
}
