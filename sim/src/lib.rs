//! Deterministic simulation of the back end in `teamtalk`: a seed becomes a plan, a plan a run
//! on turmoil's network, a run a trace, and properties judge the trace (DESIGN.md).

#[cfg(not(tokio_unstable))]
compile_error!(
    "the flags of .cargo/config.toml are not in effect (`--cfg tokio_unstable` is not set), and \
     without them runs are not deterministic. Either RUSTFLAGS or CARGO_ENCODED_RUSTFLAGS is set in \
     the environment, which replaces them: unset it, or add `--cfg tokio_unstable` to it. Or cargo \
     was started outside of the repository, where it does not read its configuration."
);

pub mod bench;
pub mod campaign;
pub mod causality;
pub mod ceilings;
mod chain;
pub mod corpus;
pub mod explore;
pub mod fakes;
pub mod files;
pub mod floor;
mod lookup;
pub mod mechanism;
pub mod model;
pub mod mutants;
pub mod noise;
pub mod parity;
pub mod picture;
pub mod plan;
pub mod pool;
pub mod properties;
pub mod record;
pub mod report;
pub mod run;
pub mod seeded;
pub mod shrink;
pub mod verify;
pub mod world;
