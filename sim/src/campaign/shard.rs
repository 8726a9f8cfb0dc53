//! A part of a campaign's seeds: what one of several machines runs.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Every N-th seed, from the I-th on: `I/N`. Neighbouring seeds are as different as any, so each shard has
/// the same of everything, and all of them together have each seed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    /// Which, from 1.
    index: u64,
    /// Of how many.
    of: u64,
}

impl Default for Shard {
    /// All seeds.
    fn default() -> Self {
        Self { index: 1, of: 1 }
    }
}

impl Shard {
    /// The n-th of its seeds, from 0, in a campaign of so many from a first one on.
    pub fn nth(self, n: u64, from: u64, seeds: u64) -> Option<u64> {
        let at = n.checked_mul(self.of)?.checked_add(self.index - 1)?;
        from.checked_add(at).filter(|_| at < seeds)
    }

    /// Whether a seed is one of its.
    pub fn has(self, seed: u64, from: u64) -> bool {
        seed.checked_sub(from).is_some_and(|at| at % self.of == self.index - 1)
    }

    /// How many it has of so many.
    pub fn count(self, seeds: u64) -> u64 {
        seeds.saturating_sub(self.index - 1).div_ceil(self.of)
    }

    /// Which one it is, from 1.
    pub fn index(self) -> u64 {
        self.index
    }

    /// Of how many.
    pub fn of(self) -> u64 {
        self.of
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| i.parse().ok().zip(n.parse().ok()));
        match parts {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err(format!("`{text}` is no shard: expected I/N with I from 1 to N, such as 1/3")),
        }
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::Shard;

    #[test]
    fn shards_have_each_seed_once() {
        for (of, seeds) in [(1, 7), (3, 7), (3, 0), (5, 3)] {
            let mut all = Vec::new();
            for index in 1..=of {
                let shard: Shard = format!("{index}/{of}").parse().expect("a shard");
                let of_it: Vec<_> = (0..).map_while(|n| shard.nth(n, 100, seeds)).collect();
                assert_eq!(of_it.len() as u64, shard.count(seeds));
                assert!(of_it.iter().all(|seed| shard.has(*seed, 100)));
                all.extend(of_it);
            }
            all.sort_unstable();
            assert_eq!(all, (100..100 + seeds).collect::<Vec<_>>(), "{of} shards");
        }
        let second: Shard = "2/3".parse().expect("a shard");
        assert!(second.has(2, 1) && !second.has(1, 1) && !second.has(0, 1));
        assert_eq!(second.nth(0, u64::MAX, 9), None);
        assert_eq!(second.nth(u64::MAX, 1, u64::MAX), None);
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["", "1", "0/3", "4/3", "1/0", "a/3", "1/3/5", "-1/3", "1/ 3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
