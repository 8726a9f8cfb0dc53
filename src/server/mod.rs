//! The roles as programs: settings from a file, tokio's sockets, a real Redis and a real SQL.

pub mod config;
mod login;
mod roles;

pub use config::Config;
pub use roles::{Failed, db_proxy, login_server, migrate, msg_server, route_server};
