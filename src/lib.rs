//! A TeamTalk-compatible instant-messaging back end.
//!
//! The roles here are production code. They reach the outside world only through [`env::Env`],
//! so the same state machines run inside the simulation of `sim/` and on whatever else implements it
//! (an implementation for tokio's sockets and real stores is not here yet).

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
pub mod store;
pub mod timing;
pub mod wire;
