//! Keyed draws: what is random after generation depends on what it decides, not on when.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The source of every draw of a run.
#[derive(Debug)]
pub struct Noise {
    seed: u64,
    met: BTreeMap<(&'static str, u64), u32>,
}

impl Noise {
    /// A source for a plan's noise seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, met: BTreeMap::new() }
    }

    /// Hashes (noise seed, purpose, id, how often this purpose met this id): removing one
    /// operation or fault leaves every other draw as it was.
    pub fn draw(&mut self, purpose: &'static str, id: u64) -> u64 {
        let times = self.met.entry((purpose, id)).or_default();
        *times += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(purpose.as_bytes());
        hash.update(id.to_be_bytes());
        hash.update(times.to_be_bytes());
        u64::from_be_bytes(hash.finalize()[..8].try_into().expect("32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::Noise;

    #[test]
    fn a_draw_depends_on_its_key_and_not_on_its_neighbours() {
        let (mut alone, mut crowded) = (Noise::new(7), Noise::new(7));
        crowded.draw("other", 1);
        crowded.draw("this", 2);
        let first = alone.draw("this", 1);
        assert_eq!(first, crowded.draw("this", 1));
        assert_ne!(first, alone.draw("this", 1), "the second meeting draws anew");
        assert_ne!(first, Noise::new(8).draw("this", 1));
    }
}
