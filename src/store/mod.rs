//! The stores as the roles see them.

pub mod blob;
pub mod cache;
#[cfg(feature = "server")]
pub mod folder;
pub mod migrations;
#[cfg(feature = "server")]
pub mod mysql;
pub mod sql;
