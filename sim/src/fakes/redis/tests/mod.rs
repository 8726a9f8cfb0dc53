//! Unit tests of the Redis fake.

mod engine;
mod host;
