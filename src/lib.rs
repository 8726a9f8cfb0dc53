//! A TeamTalk-compatible instant-messaging back end.
//!
//! The roles here are production code. They reach the outside world only through [`env::Env`],
//! so the same state machines run inside the simulation of `sim/` and, with the feature `server`, on
//! tokio's sockets with a real Redis and a real SQL (`server`).

pub mod catalogue;
pub mod client;
pub mod conversation;
pub mod db_proxy;
pub mod env;
pub mod fact;
pub mod link;
pub mod msg_server;
pub mod mutants;
pub mod protocol;
pub mod route_server;
#[cfg(feature = "server")]
pub mod server;
pub mod store;
pub mod timing;
pub mod wire;
