//! The stores as the roles see them.

pub mod sql;
