//! Pushes to phones: where to, and when not.

pub mod device_token;
pub mod keep_token;
pub mod shield;
