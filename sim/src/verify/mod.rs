//! Whether a protocol may go out: base beside candidate.

pub mod wire;
