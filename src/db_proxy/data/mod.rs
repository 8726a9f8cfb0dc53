//! Plain data of db_proxy: names in the stores, keys of rows, what a process remembers. Nothing
//! here runs a statement.

pub mod caches;
pub mod keys;
pub mod pair;
pub mod place;
pub mod session_key;
pub mod sql_text;
pub mod text;
