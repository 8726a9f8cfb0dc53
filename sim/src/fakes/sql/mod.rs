//! A MySQL for the statements of db_proxy (SYSTEM.md section 6), with InnoDB's transactions and
//! locks at the grain of rows and keys.
//!
//! Not modelled (docs/FAKES.md says what that hides): expressions and joins beyond the subset that `parse` knows, and that
//! a transaction with a snapshot cannot read a table which was made after it.

mod access;
mod client;
mod content;
mod engine;
mod error;
mod eval;
mod exec;
mod frame;
mod gaps;
mod host;
mod isolation;
mod layouts;
mod locking;
mod locks;
mod migrate;
mod parse;
mod schema;
mod table;
mod tables;

#[cfg(test)]
mod tests;

pub use client::{Connection, Connector, PRIMARY_PORT, REPLICA_PORT};
pub use content::User;
pub use engine::{Done, Engine, SessionId, Step};
pub use host::{converse, serve};
pub use layouts::Layouts;
pub use schema::{Column, TableDef, Type};
