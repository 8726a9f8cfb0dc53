//! turmoil's network, with nothing left to chance.

use crate::fakes::TICK;
use turmoil::Builder;

/// A network in which every latency is one tick, unless it is set, and the schedulers of its hosts
/// are seeded. Without a seed turmoil takes one from the system, and draws latencies.
pub fn network(seed: u64) -> Builder {
    #[expect(clippy::disallowed_methods, reason = "the one place that seeds it")]
    let mut builder = Builder::new();
    builder.rng_seed(seed).tick_duration(TICK).min_message_latency(TICK).max_message_latency(TICK);
    builder
}
