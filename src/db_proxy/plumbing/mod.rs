//! What every handler works with and none of them defines.

pub mod context;
pub mod error;
pub mod handlers;
pub mod refusal;
pub mod reply;
pub mod silent;
pub mod transaction;
mod tries;
