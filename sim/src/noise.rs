//! Keyed draws: what is random after generation depends on what it decides, not on when.

use std::collections::BTreeMap;
use teamtalk::env::{draw_id, draw_id_on};

/// The source of every draw of a run.
#[derive(Debug)]
pub struct Noise {
    seed: u64,
    /// Those so far, some ten: each draw looks its own up.
    purposes: Vec<Purpose>,
}

/// What draws of one kind have been for.
#[derive(Debug)]
struct Purpose {
    name: &'static str,
    /// The hash of the seed and the name, with which each of its draws begins.
    hash: u64,
    /// How often it met each id.
    met: BTreeMap<u64, u32>,
}

impl Noise {
    /// A source for a plan's noise seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, purposes: Vec::new() }
    }

    /// Hashes (noise seed, purpose, id, how often this purpose met this id): removing one
    /// operation or fault leaves every other draw as it was.
    pub fn draw(&mut self, purpose: &'static str, id: u64) -> u64 {
        let Purpose { met, hash, .. } = self.purpose(purpose);
        let times = met.entry(id).or_default();
        *times += 1;
        mix(draw_id_on(*hash, &[&id.to_be_bytes(), &times.to_be_bytes()]))
    }

    fn purpose(&mut self, name: &'static str) -> &mut Purpose {
        let known = self.purposes.iter().position(|purpose| purpose.name == name);
        let at = known.unwrap_or_else(|| {
            let hash = draw_id(&[&self.seed.to_be_bytes(), name.as_bytes()]);
            self.purposes.push(Purpose { name, hash, met: BTreeMap::new() });
            self.purposes.len() - 1
        });
        &mut self.purposes[at]
    }
}

/// The finaliser of SplitMix64: every bit of the hash reaches every bit of the draw, of which
/// users take the lowest few.
fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
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

    /// Small ranges are what the rig draws from: each value comes about as often.
    #[test]
    fn draws_are_even_in_small_ranges() {
        let mut noise = Noise::new(1);
        for range in [2, 3, 5, 8] {
            let mut counts = vec![0_u32; range as usize];
            for id in 0..1_000 {
                counts[(noise.draw("range", id) % range) as usize] += 1;
                counts[(noise.draw("range", 7) % range) as usize] += 1;
            }
            let even = 2_000 / range as u32;
            assert!(counts.iter().all(|&n| n > even * 8 / 10), "{range}: {counts:?}");
        }
    }
}
