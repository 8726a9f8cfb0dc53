//! What a store may say in the place of doing what it was told.

use super::Role;
use serde::{Deserialize, Serialize};

/// An error of a store that has no effect but the one that is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreError {
    /// SQL, 1213: the transaction of the statement is undone, whole.
    Deadlock,
    /// SQL, 1205: the statement has no effect, its transaction stays open.
    LockWaitTimeout,
    /// SQL, 1290: whatever would write is refused, as by a primary that has become a replica.
    SqlReadOnly,
    /// SQL, 1114: whatever would insert is refused, as where the disk is full.
    TableFull,
    /// Redis: `OOM`, for whatever would write.
    OutOfMemory,
    /// Redis: `READONLY`, for whatever would write, as by a master that has become a replica.
    RedisReadOnly,
    /// Redis: `LOADING`, for everything, as after a start with much to read.
    Loading,
}

impl StoreError {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Deadlock,
        Self::LockWaitTimeout,
        Self::SqlReadOnly,
        Self::TableFull,
        Self::OutOfMemory,
        Self::RedisReadOnly,
        Self::Loading,
    ];

    /// The store that says it.
    pub fn store(self) -> Role {
        match self {
            Self::Deadlock | Self::LockWaitTimeout | Self::SqlReadOnly | Self::TableFull => {
                Role::Sql
            }
            Self::OutOfMemory | Self::RedisReadOnly | Self::Loading => Role::Redis,
        }
    }

    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Deadlock => "a deadlock (1213)",
            Self::LockWaitTimeout => "a lock that does not come (1205)",
            Self::SqlReadOnly => "that it is read-only (1290)",
            Self::TableFull => "that its disk is full (1114)",
            Self::OutOfMemory => "OOM",
            Self::RedisReadOnly => "READONLY",
            Self::Loading => "LOADING",
        }
    }
}
