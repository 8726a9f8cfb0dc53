//! The harness of tests/golden.rs.

pub mod agreement;
pub mod capture;
pub mod compare;
pub mod decode;
pub mod observe;
mod self_test;
pub mod shuffle;
pub mod stage;
pub mod state;
pub mod statement;
