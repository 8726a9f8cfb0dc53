//! Unit tests of the SQL fake.

mod engine;
mod host;
mod locks;
mod snapshots;
mod tables;
