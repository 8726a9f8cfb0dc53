//! Operations of a plan: what users do.

use super::{
    ask::Ask,
    group::{Chat, GroupRef},
    payload::Payload,
    rogue::Rogue,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use teamtalk::{
    catalogue::{self, Args, question},
    msg_server,
};

/// How a connection that a person has dropped is told of.
pub const DROPS: &str = "drops its connection";

/// Characters of a text that is too long to be stored: over 4096 (SYSTEM.md section 6).
const TOO_LONG: usize = 4_200;

/// The longest voice message, in seconds.
const LONGEST_AUDIO: u32 = 60;

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Odd {
    /// Over 4096 characters: it can't be stored.
    TooLong,
    /// Not UTF-8: it can't be stored.
    NotUtf8,
    /// Empty: a msg_server drops it.
    Empty,
    /// A voice message that is nothing but its duration: it can't be stored.
    ShortAudio,
}

/// How much of what a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// One less than the limit.
    Under,
    /// As much as the limit.
    At,
    /// One more than the limit; of a claim: another user.
    Over,
}

/// What a user does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Log in (and stay logged in).
    Login,
    /// Log out.
    Logout,
    /// Send a text; it derives from the operation's id.
    Send {
        /// Where to.
        to: Chat,
    },
    /// Send a text as real clients do, encrypted, so that a push can show it.
    SendCipher {
        /// Where to.
        to: Chat,
    },
    /// Send a text that is more than the operation's own.
    SendPayload {
        /// Where to.
        to: Chat,
        /// What follows the operation's text.
        payload: Payload,
        /// Encrypted, as real clients do.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cipher: bool,
    },
    /// Send a text to a user in the name of another one.
    Claim {
        /// The receiver.
        to: u32,
        /// Who is said to send it.
        of: u32,
    },
    /// Send a voice message; it derives from the operation's id.
    SendAudio {
        /// Where to.
        to: Chat,
    },
    /// Send a text that something is wrong with; it starts with the operation's own.
    SendOdd {
        /// Where to.
        to: Chat,
        /// What is wrong with it.
        odd: Odd,
    },
    /// Press "resend" at a message that is not acked.
    Resend {
        /// The operation that sent it first. Without one it is the device's oldest send that
        /// failed, else its oldest that is not acked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<u32>,
    },
    /// Open a chat: pull what is unread, then send a read ack.
    Read {
        /// The chat.
        #[serde(alias = "peer")]
        chat: Chat,
    },
    /// Pull the latest messages of a chat.
    Pull {
        /// The chat.
        #[serde(alias = "peer")]
        chat: Chat,
        /// How many.
        count: u32,
    },
    /// Send a P2P command to a user; its data derives from the operation's id.
    P2p {
        /// The receiver.
        to: u32,
    },
    /// Create a temporary group.
    CreateGroup {
        /// Its members: the creator is one only if listed.
        members: Vec<u32>,
    },
    /// Add users to a group.
    AddMembers {
        /// The group.
        group: GroupRef,
        /// The users.
        users: Vec<u32>,
    },
    /// Take users out of a group.
    RemoveMembers {
        /// The group.
        group: GroupRef,
        /// The users.
        users: Vec<u32>,
    },
    /// Change the own picture; nobody answers.
    Avatar,
    /// Note that a file waits for a user; nobody answers.
    AddOfflineFile {
        /// The receiver.
        to: u32,
    },
    /// Take such a note back, as its receiver; nobody answers.
    DelOfflineFile {
        /// The sender.
        from: u32,
        /// The operation that noted it.
        of: u32,
    },
    /// Write a PDU of this command whose body breaks off.
    Malformed {
        /// The command, which may not exist.
        command: u16,
    },
    /// Write a PDU that tries one of the limits of the catalogue (`teamtalk::catalogue::probe`).
    Probe {
        /// Which, by its name: `0204.user_id_list`, `0204.body`, `0601.from_user_id`.
        limit: String,
        /// How much.
        size: Size,
    },
    /// Dial the device's msg_server on a connection of its own, and do something there.
    Rogue {
        /// What it does there.
        what: Rogue,
    },
    /// Drop the connection; the client reconnects by its own rule.
    Reconnect,
    /// Ask a plain question. In a file its name stands in `do`, beside its arguments.
    #[serde(skip)]
    Ask(Ask),
}

/// One timed operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Operation {
    /// Stable id; the payload derives from it.
    pub id: u32,
    /// When, in simulated milliseconds.
    pub at_ms: u64,
    /// The slot of the device that does it.
    pub device: u32,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
}

/// An operation as a file has it.
#[derive(Serialize, Deserialize)]
struct Written {
    id: u32,
    at_ms: u64,
    device: u32,
    #[serde(rename = "do")]
    name: String,
    #[serde(flatten)]
    arguments: Map<String, Value>,
}

/// The tag of [`Action`].
const DO: &str = "do";

impl From<Operation> for Written {
    fn from(op: Operation) -> Self {
        let Operation { id, at_ms, device, action } = op;
        let name = action.name();
        let value = match action {
            Action::Ask(ask) => serde_json::to_value(ask.args),
            own => serde_json::to_value(own),
        };
        let mut arguments = match value {
            Ok(Value::Object(arguments)) => arguments,
            _ => Map::new(),
        };
        arguments.remove(DO);
        Self { id, at_ms, device, name, arguments }
    }
}

impl TryFrom<Written> for Operation {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { id, at_ms, device, name, mut arguments } = written;
        let wrong = |why: String| format!("operation {id}: {why}");
        let action = match question::of(&name) {
            Some((command, question)) => {
                Action::Ask(Ask::read(command.id, &question, arguments).map_err(wrong)?)
            }
            None => {
                arguments.insert(DO.into(), name.clone().into());
                serde_json::from_value(arguments.into())
                    .map_err(|e| wrong(unknown(&name).unwrap_or_else(|| e.to_string())))?
            }
        };
        Ok(Self { id, at_ms, device, action })
    }
}

/// What is said of a name that no operation has: the names of all, questions included; `None` of one that there is.
fn unknown(name: &str) -> Option<String> {
    let alone = serde_json::from_value::<Action>(json!({ DO: name })).err()?.to_string();
    alone.starts_with(&format!("unknown variant `{name}`, ")).then(|| {
        question::all().fold(alone, |said, (_, asked)| said + &format!(", `{}`", asked.name))
    })
}

impl Action {
    /// The question of this name, without arguments.
    ///
    /// # Panics
    /// If there is none, or it has arguments.
    pub fn ask(name: &str) -> Self {
        Self::asking(name, Args::default())
    }

    /// The question of this name.
    ///
    /// # Panics
    /// If there is none, or these are not its arguments.
    pub fn asking(name: &str, args: Args<Chat, GroupRef>) -> Self {
        Self::Ask(Ask::named(name, args))
    }

    /// Its name in a file (`do`).
    pub fn name(&self) -> String {
        if let Self::Ask(ask) = self {
            return ask.question().map_or_else(String::new, |question| question.name.into());
        }
        let value = serde_json::to_value(self).unwrap_or_default();
        value.get(DO).and_then(Value::as_str).unwrap_or_default().to_string()
    }

    /// Whether a person can do this with a client that works as it should: it is no odd text, no
    /// malformed PDU and no connection without a login.
    pub fn is_proper(&self) -> bool {
        !matches!(
            self,
            Self::SendOdd { .. }
                | Self::Malformed { .. }
                | Self::Probe { .. }
                | Self::Claim { .. }
                | Self::Rogue { .. }
        )
    }

    /// Whether it sends a message that can be stored.
    pub fn is_send(&self) -> bool {
        matches!(
            self,
            Self::Send { .. }
                | Self::SendCipher { .. }
                | Self::SendPayload { .. }
                | Self::SendAudio { .. }
        )
    }

    /// Whether the user wants the device online after it; `None`: as before it.
    pub fn wants_online(&self) -> Option<bool> {
        match self {
            Self::Login => Some(true),
            Self::Logout => Some(false),
            _ => None,
        }
    }

    /// The group that it is about, if it is about one.
    pub fn group_mut(&mut self) -> Option<&mut GroupRef> {
        match self {
            Self::Send { to }
            | Self::SendCipher { to }
            | Self::SendPayload { to, .. }
            | Self::SendAudio { to }
            | Self::SendOdd { to, .. } => to.group_mut(),
            Self::Read { chat } | Self::Pull { chat, .. } => chat.group_mut(),
            Self::AddMembers { group, .. } | Self::RemoveMembers { group, .. } => Some(group),
            Self::Ask(Ask { args, .. }) => {
                let Args { chat, group, .. } = args;
                group.as_mut().or(chat.as_mut().and_then(Chat::group_mut))
            }
            _ => None,
        }
    }
}

impl Operation {
    /// What it does, as a sentence without its subject.
    pub fn describe(&self) -> String {
        let text = text_of(self.id);
        match &self.action {
            Action::Login => "logs in".into(),
            Action::Logout => "logs out".into(),
            Action::Send { to } => format!("sends {text} to {to}"),
            Action::SendCipher { to } => format!("sends {text}, encrypted, to {to}"),
            Action::SendPayload { to, payload, cipher } => {
                let how = if *cipher { ", encrypted," } else { "" };
                format!("sends {text} {}{how} to {to}", payload.describe())
            }
            Action::Claim { to, of } => format!("sends {text} to user {to} as if from user {of}"),
            Action::SendAudio { to } => format!("says {text} to {to}"),
            Action::SendOdd { to, odd } => {
                let what = match odd {
                    Odd::TooLong => format!("{text} and {TOO_LONG} characters"),
                    Odd::NotUtf8 => format!("{text} and bytes that are not UTF-8"),
                    Odd::Empty => "an empty text".into(),
                    Odd::ShortAudio => "a voice message of no length".into(),
                };
                format!("sends {what} to {to}")
            }
            Action::Resend { of: Some(of) } => format!("sends {} again by hand", text_of(*of)),
            Action::Resend { of: None } => "sends again by hand what is not acked".into(),
            Action::Read { chat } => format!("opens the chat with {chat}"),
            Action::Pull { chat, count } => format!("pulls {count} messages with {chat}"),
            Action::P2p { to } => format!("sends a P2P command to user {to}"),
            Action::CreateGroup { members } => format!("creates a group of users {members:?}"),
            Action::AddMembers { group, users } => format!("adds users {users:?} to {group}"),
            Action::RemoveMembers { group, users } => {
                format!("takes users {users:?} out of {group}")
            }
            Action::Avatar => "changes its picture".into(),
            Action::AddOfflineFile { to } => format!("notes that file {text} waits for user {to}"),
            Action::DelOfflineFile { from, of } => {
                format!("has fetched file {} of user {from}", text_of(*of))
            }
            Action::Malformed { command } => {
                let name = catalogue::name(*command).unwrap_or("a command that does not exist");
                format!("writes {command:#06x} ({name}) with a body that breaks off")
            }
            Action::Probe { limit, size } => {
                let size = match size {
                    Size::Under => "one under",
                    Size::At => "at",
                    Size::Over => "one over",
                };
                format!("writes a PDU that is {size} the limit {limit}")
            }
            Action::Rogue { what } => what.describe(self.id),
            Action::Reconnect => DROPS.into(),
            Action::Ask(ask) => ask.describe(&text),
        }
    }

    /// What is sent as the text of a message, if it sends one.
    pub fn content(&self) -> Option<Vec<u8>> {
        let text = text_of(self.id).into_bytes();
        match &self.action {
            Action::Send { .. } | Action::Claim { .. } => Some(text),
            Action::Rogue { what } => what.is_text().then_some(text),
            Action::Probe { limit, size } => says(limit, *size).then_some(text),
            Action::SendPayload { payload, cipher, .. } => {
                let text = payload.behind(&text_of(self.id)).into_bytes();
                Some(match cipher {
                    true => msg_server::encrypt_text(&msg_server::DEFAULT_TEXT_KEY, &text),
                    false => text,
                })
            }
            Action::SendCipher { .. } => {
                Some(msg_server::encrypt_text(&msg_server::DEFAULT_TEXT_KEY, &text))
            }
            Action::SendAudio { .. } => {
                let seconds = 1 + self.id % LONGEST_AUDIO;
                Some([&seconds.to_be_bytes()[..], &text].concat())
            }
            Action::SendOdd { odd, .. } => Some(match odd {
                Odd::TooLong => [text, vec![b'.'; TOO_LONG]].concat(),
                Odd::NotUtf8 => [text, vec![0xff, 0xfe]].concat(),
                Odd::Empty => Vec::new(),
                // The id in ASCII: what a message is known by is text.
                Odd::ShortAudio => {
                    (0..4).rev().map(|n| (self.id >> (7 * n) & 0x7f) as u8).collect()
                }
            }),
            _ => None,
        }
    }
}

/// Whether a probe is a text that can be stored: one of a limit that its token and its text have nothing to do with.
fn says(limit: &str, size: Size) -> bool {
    matches!(limit, "0301.body" | "0301.attach_data") && size != Size::Over
}

/// The text of a send: derived from its operation's id alone.
pub fn text_of(op: u32) -> String {
    format!("op-{op}")
}

#[cfg(test)]
mod tests {
    use super::{Action, Chat, GroupRef, Odd, Operation};

    #[test]
    fn odd_texts_are_what_they_are_called() {
        let content = |odd| {
            let action = Action::SendOdd { to: Chat::User(2), odd };
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

    #[test]
    fn cases_from_before_groups_read() {
        let read = r#"{"id":1,"at_ms":5,"device":2,"do":"read","peer":3}"#;
        let read: Operation = serde_json::from_str(read).expect("reads");
        assert_eq!(read.action, Action::Read { chat: Chat::User(3) });
        let send = r#"{"id":1,"at_ms":5,"device":2,"do":"send","to":{"group":{"created_by":4}}}"#;
        let send: Operation = serde_json::from_str(send).expect("reads");
        let to = Chat::group(GroupRef::Created { created_by: 4 });
        assert_eq!(send.action, Action::Send { to });
        assert_eq!(send.describe(), "sends op-1 to the group of operation 4");
    }
}
