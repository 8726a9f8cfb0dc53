//! The stores as the roles see them.

pub mod cache;
pub mod sql;
