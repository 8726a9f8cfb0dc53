//! Deterministic simulation of the back end in `teamtalk`: a seed becomes a plan, a plan a run
//! on turmoil's network, a run a trace, and properties judge the trace (DESIGN.md).

#[cfg(not(tokio_unstable))]
compile_error!(
    "build with --cfg tokio_unstable: .cargo/config.toml sets it, but RUSTFLAGS in the \
     environment replaces it. Unset RUSTFLAGS."
);

pub mod bench;
pub mod explore;
pub mod fakes;
pub mod noise;
pub mod plan;
pub mod properties;
pub mod record;
pub mod report;
pub mod run;
pub mod seeded;
pub mod world;
