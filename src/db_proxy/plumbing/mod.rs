//! What every handler works with and none of them defines.

pub mod context;
pub mod known;
pub mod refusal;
pub mod silent;
pub mod text;
pub mod transaction;
