//! What is done on connections beside those of the devices: what a bad client, or anybody, does to a
//! msg_server.
//!
//! Who logs in here is a user who has no device: what their logins do, or that they are locked out, is
//! nobody else's affair.

use super::text_of;
use serde::{Deserialize, Serialize};

/// What is done on a connection of its own, which the device's host dials to the device's msg_server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rogue {
    /// A text in the name of the device's user, without a login.
    Text {
        /// The receiver.
        to: u32,
    },
    /// A question for the unread counts of a user, without a login.
    Unread {
        /// The user whose counts are asked for.
        of: u32,
    },
    /// Bytes that are no PDU.
    Garbage,
    /// A login of a user, and the close of the connection once it is answered.
    Login {
        /// The user.
        of: u32,
        /// With a wrong password.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        wrong: bool,
    },
    /// A login of a user, and in the same write what needs one: a question for the time, one for
    /// unread counts, a text.
    Hasty {
        /// The user.
        of: u32,
        /// Whose counts are asked for, and whom the text is for.
        to: u32,
    },
    /// So many questions for the time at once, without a login.
    Flood {
        /// How many.
        count: u16,
    },
    /// So many connections at once, on which nothing is written, for a second.
    Crowd {
        /// How many.
        count: u16,
    },
    /// A connection on which nothing is written any more, until the server closes it.
    Silent {
        /// The user who logs in on it first; nobody, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<u32>,
        /// As a phone, not as a PC.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        phone: bool,
    },
}

impl Rogue {
    /// The user who logs in, if anybody does.
    pub fn logs_in(&self) -> Option<u32> {
        match self {
            Self::Login { of, .. } | Self::Hasty { of, .. } => Some(*of),
            Self::Silent { of, .. } => *of,
            Self::Text { .. }
            | Self::Unread { .. }
            | Self::Garbage
            | Self::Flood { .. }
            | Self::Crowd { .. } => None,
        }
    }

    /// Whom it sends the text of its operation, and as whom if it logs in.
    pub fn says(&self) -> Option<(Option<u32>, u32)> {
        match self {
            Self::Text { to } => Some((None, *to)),
            Self::Hasty { of, to } => Some((Some(*of), *to)),
            _ => None,
        }
    }

    /// Whether it sends the text of its operation.
    pub fn is_text(&self) -> bool {
        self.says().is_some()
    }

    /// What it does, as a sentence without its subject.
    pub fn describe(&self, op: u32) -> String {
        let text = text_of(op);
        match self {
            Self::Text { to } => {
                format!("on a connection without a login sends {text} to user {to}")
            }
            Self::Unread { of } => {
                format!("on a connection without a login asks for the unread counts of user {of}")
            }
            Self::Garbage => "on a connection without a login writes bytes that are no PDU".into(),
            Self::Login { of, wrong: false } => format!("logs user {of} in on another connection"),
            Self::Login { of, wrong: true } => {
                format!("tries a wrong password of user {of} on another connection")
            }
            Self::Hasty { of, to } => format!(
                "on another connection asks to be logged in as user {of}, and before that is \
                 answered for the time and the unread counts of user {to}, and sends {text} to them"
            ),
            Self::Flood { count } => {
                format!("on a connection without a login asks {count} times at once for the time")
            }
            Self::Crowd { count } => {
                format!("dials {count} connections at once, and writes nothing on them")
            }
            Self::Silent { of: None, .. } => "dials a connection and writes nothing on it".into(),
            Self::Silent { of: Some(of), phone } => {
                let kind = if *phone { "phone" } else { "PC" };
                format!("logs user {of} in as a {kind} on another connection, and falls silent")
            }
        }
    }
}
