//! Keyed draws: what is random after generation depends on what it decides, not on when.

use crate::plan::{Host, NoiseFrom, Plan};
use std::collections::BTreeMap;
use teamtalk::env::{draw_id, draw_id_on};

/// The source of every draw of a run.
#[derive(Debug)]
pub struct Noise {
    seed: u64,
    /// When the seed becomes another one.
    from: Option<NoiseFrom>,
    /// The simulated time, in microseconds.
    now_us: u64,
    /// What was drawn, if that is kept.
    draws: Option<Vec<Draw>>,
    /// Those so far, some ten: each draw looks its own up.
    purposes: Vec<Purpose>,
}

/// Something that was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// When, in simulated microseconds.
    pub at_us: u64,
    /// What for.
    pub purpose: &'static str,
    /// By whom, and before which line of the trace; `None`: by the rig, for no host.
    pub by: Option<(Host, u64)>,
    /// The line of the command or statement that it delayed, or whose answer it did.
    pub led_to: Option<u64>,
}

/// Where a draw is among those that are kept, if they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drawn(Option<usize>);

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
        Self { seed, from: None, now_us: 0, draws: None, purposes: Vec::new() }
    }

    /// That of a plan. What is drawn is kept, if that is wanted.
    pub fn of(plan: &Plan, draws: bool) -> Self {
        let draws = draws.then(Vec::new);
        Self { from: plan.noise_from, draws, ..Self::new(plan.noise) }
    }

    /// What was drawn, if that is kept.
    pub fn take_draws(&mut self) -> Vec<Draw> {
        self.draws.take().unwrap_or_default()
    }

    /// Where the last draw is.
    pub fn drawn(&self) -> Drawn {
        Drawn(self.draws.as_ref().and_then(|draws| draws.len().checked_sub(1)))
    }

    /// The last draw was made for a host before this line of the trace.
    pub fn drawn_by(&mut self, host: &Host, n: u64) {
        if let Some(draw) = self.draws.as_mut().and_then(|draws| draws.last_mut()) {
            draw.by = Some((host.clone(), n));
        }
    }

    /// What a draw led to has this line in the trace.
    pub fn led_to(&mut self, Drawn(at): Drawn, line: u64) {
        let draw = self.draws.as_mut().zip(at).and_then(|(draws, at)| draws.get_mut(at));
        if let Some(draw) = draw {
            draw.led_to = Some(line);
        }
    }

    /// It is this simulated microsecond.
    pub fn at(&mut self, now_us: u64) {
        self.now_us = now_us;
        let Some(NoiseFrom { seed, .. }) = self.from.take_if(|from| from.at_ms * 1_000 <= now_us)
        else {
            return;
        };
        self.seed = seed;
        for purpose in &mut self.purposes {
            purpose.hash = begun(seed, purpose.name);
        }
    }

    /// Hashes (noise seed, purpose, id, how often this purpose met this id): removing one
    /// operation or fault leaves every other draw as it was.
    pub fn draw(&mut self, purpose: &'static str, id: u64) -> u64 {
        if let Some(draws) = &mut self.draws {
            draws.push(Draw { at_us: self.now_us, purpose, by: None, led_to: None });
        }
        let Purpose { met, hash, .. } = self.purpose(purpose);
        let times = met.entry(id).or_default();
        *times += 1;
        mix(draw_id_on(*hash, &[&id.to_be_bytes(), &times.to_be_bytes()]))
    }

    fn purpose(&mut self, name: &'static str) -> &mut Purpose {
        let known = self.purposes.iter().position(|purpose| purpose.name == name);
        let at = known.unwrap_or_else(|| {
            let hash = begun(self.seed, name);
            self.purposes.push(Purpose { name, hash, met: BTreeMap::new() });
            self.purposes.len() - 1
        });
        &mut self.purposes[at]
    }
}

/// The hash with which each draw of a purpose begins.
fn begun(seed: u64, name: &str) -> u64 {
    draw_id(&[&seed.to_be_bytes(), name.as_bytes()])
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
    use super::{Noise, NoiseFrom};

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

    /// What is drawn before the moment is as without it, and what is drawn after it as under the other seed
    /// with the same meetings before.
    #[test]
    fn from_a_moment_on_draws_are_of_another_seed() {
        let (mut one, mut other) = (Noise::new(7), Noise::new(8));
        let from = Some(NoiseFrom { at_ms: 10, seed: 8 });
        let mut both = Noise { from, draws: Some(Vec::new()), ..Noise::new(7) };
        for now_us in [0, 5_000, 10_000, 15_000] {
            both.at(now_us);
            let (before, after) = (one.draw("this", 1), other.draw("this", 1));
            assert_ne!(before, after);
            assert_eq!(both.draw("this", 1), if now_us < 10_000 { before } else { after });
        }
        let times: Vec<_> = both.take_draws().iter().map(|draw| draw.at_us).collect();
        assert_eq!(times, [0, 5_000, 10_000, 15_000]);
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
