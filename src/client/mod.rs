//! A device: login, send, ack, catch up, reconnect (SYSTEM.md section 7).
//!
//! [`Device`] decides and does no I/O; [`run`] does the I/O for it; [`DeviceStore`] is what
//! survives a crash of the program. In what client programs differ is
//! data ([`Habits`]); what ours does beyond that depends on the switches of its [`Protocol`].

mod acks;
mod actions;
mod catch_up;
mod chat;
mod device;
#[cfg(any(test, feature = "emulated-clients"))]
pub mod emulated;
mod habits;
mod members;
mod outbox;
mod questions;
mod requests;
mod session;
mod shell;
mod store;
#[cfg(test)]
mod tests;
mod unread;

pub use device::{Device, Effect, Event};
pub use habits::{Habits, Named, OnReadNotify, SameId};
pub use questions::Question;
pub use shell::run;
pub use store::{Content, DeviceStore, Message, Outgoing, Progress};

use crate::{conversation::Chat, env::Endpoint, protocol::Protocol, timing::Timing};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// When a device acks what is pushed to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acks {
    /// As its program does: once it is stored.
    #[default]
    Prompt,
    /// Some time later, by the clock: this is never scaled.
    Late {
        /// Milliseconds.
        ms: u64,
    },
    /// Never.
    Never,
}

/// How a device departs from what its program does, as a bad client would. Default: not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conduct {
    /// When it acks.
    pub acks: Acks,
    /// It goes on using a connection that was kicked (0107).
    pub ignores_kick: bool,
}

/// What a device is.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its slot, as facts name it.
    pub device: u32,
    /// The number of this installation, unique among those of its user: with a counter it makes
    /// the `send_token` (switch `idempotent-send`).
    pub install: u64,
    /// The name that it logs in with.
    pub user_name: String,
    /// The password in clear; its md5 in hex is what travels (SYSTEM.md section 6, 0703).
    pub password: String,
    /// Its user's id.
    pub user: u32,
    /// 0x01 Windows, 0x02 Mac, 0x11 iOS, 0x12 Android.
    pub client_type: u32,
    /// What its program does: [`Habits::OURS`], but for programs that are emulated.
    pub habits: &'static Habits,
    /// How it departs from them.
    pub conduct: Conduct,
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

/// One thing that a person can do. Each ends in one `Fact::OpOk` or `Fact::OpFailed`, unless the
/// program crashes first; a send with `idempotent-send` ends when its answer comes, even after a
/// crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Go online, and stay online until a logout or a kick. The operation fails with the first
    /// failed try; the device goes on trying.
    Login,
    /// Send a text.
    Send {
        /// The chat that it goes to.
        to: Chat,
        /// As it travels (base64 of the cipher in real clients); not checked here.
        text: Bytes,
    },
    /// Send a voice message.
    SendAudio {
        /// The chat that it goes to.
        to: Chat,
        /// Its length in seconds, 4 bytes big-endian, and the recording.
        audio: Bytes,
    },
    /// Press "resend" at a message that was not acked: a new request (SYSTEM.md section 7).
    Resend {
        /// The operation that sent it first; `None`: the oldest one that failed, else the oldest
        /// one that is not acked.
        of: Option<u32>,
    },
    /// Open a chat: pull what is unread, then ack it as read. It stays open until another one is
    /// opened or written to, or a logout.
    Read {
        /// The chat to open.
        chat: Chat,
    },
    /// Pull the latest messages of a chat.
    Pull {
        /// The chat.
        chat: Chat,
        /// The most messages to ask for.
        count: u32,
    },
    /// Ask a plain question.
    Ask(Question),
    /// Send a P2P command (0601); nobody answers.
    P2p {
        /// The receiver.
        to: u32,
        /// The command's text.
        data: Bytes,
    },
    /// Write a PDU as it is, under a seq_num of its own, which our client never does by itself. The
    /// operation ends with whatever comes back under that seq_num.
    Raw {
        /// Its command.
        command: u16,
        /// Its body.
        body: Bytes,
    },
    /// Create a temporary group (0405); `OpOk` carries its id in `msg_id`.
    CreateGroup {
        /// Its name.
        name: Bytes,
        /// Its members; the creator is a member only if named here (SYSTEM.md section 6).
        members: Vec<u32>,
    },
    /// Add users to a group, or take them out (0407).
    ChangeMembers {
        /// The group.
        group: u32,
        /// Add, or take out.
        add: bool,
        /// The users to add or to take out.
        users: Vec<u32>,
    },
    /// Change the user's picture (020c); nobody answers.
    Avatar {
        /// Its address.
        url: Bytes,
    },
    /// Note that a file waits for a user (050b); nobody answers.
    AddOfflineFile {
        /// The receiver.
        to: u32,
        /// The file's name, also its task id.
        name: Bytes,
    },
    /// Delete such a note (050c), as its receiver; nobody answers.
    DelOfflineFile {
        /// The sender.
        from: u32,
        /// Its task id.
        name: Bytes,
    },
    /// Drop the TCP connection; the device reconnects by its own rule.
    Disconnect,
    /// Log out and stay offline.
    Logout,
}

/// Why an operation failed, where the words matter.
pub mod reason {
    /// Nothing came within the answer timeout.
    pub const NO_ANSWER: &str = "no answer";
    /// The connection ended before an answer came.
    pub const CONNECTION_LOST: &str = "connection lost";
    /// A server or store behind the msg_server did not answer it (07e1, `REFUSED_UNAVAILABLE`).
    pub const UNAVAILABLE: &str = "refused: unavailable";
}
