//! A device: login, send, ack, catch up, reconnect (SYSTEM.md section 7).
//!
//! [`Device`] decides and does no I/O; [`run`] is its shell; [`DeviceStore`] is what survives a
//! crash of it.

mod catch_up;
mod chat;
mod device;
mod shell;
mod store;
#[cfg(test)]
mod tests;

pub use device::{Device, Effect, Event};
pub use shell::run;
pub use store::{DeviceStore, Message, Progress};

use crate::{env::Endpoint, protocol::Protocol, timing::Timing};
use serde::{Deserialize, Serialize};

/// Whose habits a device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// The Windows client of SYSTEM.md section 7.
    Windows,
    /// Ours: acks repeats, sends side by side, catches up (if the protocol says so).
    Ours,
}

/// What a device is.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its slot, as facts name it.
    pub device: u32,
    /// The name that it logs in with.
    pub user_name: String,
    /// The password in clear; its md5 in hex is what travels (SYSTEM.md section 6, 0703).
    pub password: String,
    /// Its user's id.
    pub user: u32,
    /// 0x01 Windows, 0x02 Mac, 0x11 iOS, 0x12 Android.
    pub client_type: u32,
    /// Its habits.
    pub kind: ClientKind,
    /// The msg_servers, the preferred one first; the next one's turn comes after a failed
    /// connect or login, not after a lost connection (ours).
    pub servers: Vec<Endpoint>,
    /// Its switches.
    pub protocol: Protocol,
    /// Its durations.
    pub timing: Timing,
}

/// What a person does with a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The operation's id, as facts name it.
    pub op: u32,
    /// What to do.
    pub action: Action,
}

/// One thing that a person can do. Every one ends in one `Fact::OpOk` or `Fact::OpFailed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Go online, and stay so until a logout or a kick. Fails with the first failed try; the
    /// device goes on trying.
    Login,
    /// Send a single text.
    Send {
        /// To whom.
        to: u32,
        /// As it travels (base64 of the cipher in real clients).
        text: String,
    },
    /// Open a chat: pull what is unread, then ack it as read.
    Read {
        /// Whose.
        peer: u32,
    },
    /// Pull the latest messages of a chat.
    Pull {
        /// Whose.
        peer: u32,
        /// How many at most.
        count: u32,
    },
    /// Ask for the latest msg_id of a chat.
    Latest {
        /// Whose.
        peer: u32,
    },
    /// Drop the TCP connection; the device reconnects by its own rule.
    Disconnect,
    /// Log out and stay offline.
    Logout,
}
