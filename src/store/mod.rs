//! The stores as the roles see them.

pub mod blob;
pub mod cache;
pub mod migrations;
pub mod sql;
