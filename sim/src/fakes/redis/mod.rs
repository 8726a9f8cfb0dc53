//! A Redis with strings and hashes: what db_proxy uses (SYSTEM.md section 6), with the replies
//! and error texts of Redis 7.0.15 (`tests/fake_redis` runs generated commands on both).

mod connection;
mod disk;
mod engine;
mod host;
mod reply;

#[cfg(test)]
mod tests;

pub use connection::{DATABASES, Session};
pub use disk::Disk;
pub use engine::{COMMANDS, Engine, Stored};
pub use host::{converse, serve};
pub use reply::Reply;
