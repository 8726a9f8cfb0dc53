//! Operations of a plan: what users do.

use serde::{Deserialize, Serialize};
use teamtalk::wire::command;

/// The content that no store takes: over 4096 characters (SYSTEM.md section 6).
const TOO_LONG: usize = 4_200;

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Odd {
    /// Over 4096 characters: it can't be stored.
    TooLong,
    /// Not UTF-8: it can't be stored.
    NotUtf8,
    /// Nothing: it is not served.
    Empty,
}

/// What is sent on a connection that does not log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rogue {
    /// A text in the name of the device's user.
    Text {
        /// To whom.
        to: u32,
    },
    /// A question for the unread counts of a user.
    Unread {
        /// Whose.
        of: u32,
    },
    /// Bytes that are no PDU.
    Garbage,
}

/// What a user does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Log in (and stay logged in).
    Login,
    /// Log out.
    Logout,
    /// Send a text to a user; the text derives from the operation's id.
    Send {
        /// The receiver.
        to: u32,
    },
    /// Send a text that something is wrong with; it starts with the operation's own.
    SendOdd {
        /// The receiver.
        to: u32,
        /// What is wrong with it.
        odd: Odd,
    },
    /// Press "resend" at a message that is not acked.
    Resend {
        /// Which operation sent it first; none: the device's oldest that failed, else its oldest
        /// that is not acked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<u32>,
    },
    /// Open a chat: pull what is unread, then send a read ack.
    Read {
        /// The chat.
        peer: u32,
    },
    /// Pull the latest messages of a chat.
    Pull {
        /// The chat.
        peer: u32,
        /// How many.
        count: u32,
    },
    /// Ask for the latest msg_id of a chat.
    Latest {
        /// The chat.
        peer: u32,
    },
    /// Get messages of a chat by id.
    ById {
        /// The chat.
        peer: u32,
        /// Which; none: the newest ones that the device holds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ids: Vec<u32>,
    },
    /// Ask for the recent sessions.
    Sessions,
    /// Remove a recent session.
    RemoveSession {
        /// The chat.
        peer: u32,
    },
    /// Ask what time it is.
    Time,
    /// Log the user's PC out; phones only.
    KickPc,
    /// Ask which users are online.
    Status {
        /// Which.
        users: Vec<u32>,
    },
    /// Send a P2P command to a user; its data derives from the operation's id.
    P2p {
        /// The receiver.
        to: u32,
    },
    /// Write a PDU of this command whose body breaks off.
    Malformed {
        /// The command, which may not exist.
        command: u16,
    },
    /// Dial the device's msg_server, do not log in, send something, listen for a while, close.
    Rogue {
        /// What is sent.
        what: Rogue,
    },
    /// Drop the connection; the client reconnects by its own rule.
    Reconnect,
}

/// One timed operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Stable id; the payload derives from it.
    pub id: u32,
    /// When, in simulated milliseconds.
    pub at_ms: u64,
    /// Which device.
    pub device: u32,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

impl Action {
    /// Whether a person does this with a client that is in order: no odd text, no malformed PDU,
    /// no connection without a login.
    pub fn is_proper(&self) -> bool {
        !matches!(self, Self::SendOdd { .. } | Self::Malformed { .. } | Self::Rogue { .. })
    }
}

impl Operation {
    /// What it does, as a sentence without its subject.
    pub fn describe(&self) -> String {
        let text = text_of(self.id);
        match &self.action {
            Action::Login => "logs in".into(),
            Action::Logout => "logs out".into(),
            Action::Send { to } => format!("sends {text} to user {to}"),
            Action::SendOdd { to, odd } => {
                let what = match odd {
                    Odd::TooLong => format!("{text} and {TOO_LONG} characters"),
                    Odd::NotUtf8 => format!("{text} and bytes that are not UTF-8"),
                    Odd::Empty => "an empty text".into(),
                };
                format!("sends {what} to user {to}")
            }
            Action::Resend { of: Some(of) } => format!("sends {} again by hand", text_of(*of)),
            Action::Resend { of: None } => "sends again by hand what is not acked".into(),
            Action::Read { peer } => format!("opens the chat with user {peer}"),
            Action::Pull { peer, count } => format!("pulls {count} messages with user {peer}"),
            Action::Latest { peer } => format!("asks for the latest msg_id with user {peer}"),
            Action::ById { peer, ids } if ids.is_empty() => {
                format!("gets the messages with user {peer} that it holds by their ids")
            }
            Action::ById { peer, ids } => format!("gets messages {ids:?} with user {peer}"),
            Action::Sessions => "asks for its recent sessions".into(),
            Action::RemoveSession { peer } => format!("removes the session with user {peer}"),
            Action::Time => "asks what time it is".into(),
            Action::KickPc => "logs the user's PC out".into(),
            Action::Status { users } => format!("asks which of users {users:?} are online"),
            Action::P2p { to } => format!("sends a P2P command to user {to}"),
            Action::Malformed { command } => {
                let name = command::name(*command).unwrap_or("a command that does not exist");
                format!("writes {command:#06x} ({name}) with a body that breaks off")
            }
            Action::Rogue { what } => {
                let what = match what {
                    Rogue::Text { to } => format!("sends {text} to user {to}"),
                    Rogue::Unread { of } => format!("asks for the unread counts of user {of}"),
                    Rogue::Garbage => "writes bytes that are no PDU".into(),
                };
                format!("on a connection without a login {what}")
            }
            Action::Reconnect => "drops its connection".into(),
        }
    }

    /// What is sent as the text of a message, if it sends one.
    pub fn content(&self) -> Option<Vec<u8>> {
        let text = text_of(self.id).into_bytes();
        match &self.action {
            Action::Send { .. } | Action::Rogue { what: Rogue::Text { .. } } => Some(text),
            Action::SendOdd { odd, .. } => Some(match odd {
                Odd::TooLong => [text, vec![b'.'; TOO_LONG]].concat(),
                Odd::NotUtf8 => [text, vec![0xff, 0xfe]].concat(),
                Odd::Empty => Vec::new(),
            }),
            _ => None,
        }
    }
}

/// The text of a send: derived from its operation's id alone.
pub fn text_of(op: u32) -> String {
    format!("op-{op}")
}

#[cfg(test)]
mod tests {
    use super::{Action, Odd, Operation};

    #[test]
    fn odd_texts_are_what_they_are_called() {
        let content = |odd| {
            let action = Action::SendOdd { to: 2, odd };
            Operation { id: 7, at_ms: 0, device: 1, action }.content().expect("a text")
        };
        let long = String::from_utf8(content(Odd::TooLong)).expect("UTF-8");
        assert!(long.starts_with("op-7") && long.chars().count() > 4_096);
        assert!(std::str::from_utf8(&content(Odd::NotUtf8)).is_err());
        assert!(content(Odd::Empty).is_empty());
    }

    #[test]
    fn what_may_be_left_out_of_a_file_is() {
        let resend: Operation =
            serde_json::from_str(r#"{"id":1,"at_ms":5,"device":2,"do":"resend"}"#).expect("reads");
        assert_eq!(resend.action, Action::Resend { of: None });
        let text = serde_json::to_string(&resend).expect("writes");
        assert!(!text.contains("of"), "{text}");
    }
}
