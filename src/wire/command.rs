//! Command ids and names, as the catalogue has them.

pub use crate::catalogue::{id::*, name, service};
