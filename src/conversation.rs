//! Which conversation a message belongs to.

use crate::wire::im::base_define::SessionType;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A conversation as every property of the rig names it: the pair of its users, or a group.
///
/// Ordered and stable, so it can key a `BTreeMap`. Serialised as `1-2` or `g7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Conversation {
    /// Two users, the lower id first (SYSTEM.md section 6, "Relation").
    Single {
        /// The lower user id.
        low: u32,
        /// The higher user id.
        high: u32,
    },
    /// A group, by its id.
    Group(u32),
}

impl Conversation {
    /// This conversation as `user` names it; `None` if it is between two other users.
    pub fn chat_of(&self, user: u32) -> Option<Chat> {
        match *self {
            Self::Group(id) => Some(Chat::Group(id)),
            Self::Single { .. } => self.peer_of(user).map(Chat::User),
        }
    }

    /// The conversation of two users, in either order.
    pub fn single(a: u32, b: u32) -> Self {
        Self::Single { low: a.min(b), high: a.max(b) }
    }

    /// The other user as `user` sees it; `None` for groups and for users who are not in it.
    pub fn peer_of(&self, user: u32) -> Option<u32> {
        match *self {
            Self::Single { low, high } if user == low => Some(high),
            Self::Single { low, high } if user == high => Some(low),
            _ => None,
        }
    }
}

/// A conversation as one of its members names it: `session_type` and `session_id` of the PDUs
/// (SYSTEM.md section 6).
///
/// Ordered and stable, so it can key a `BTreeMap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chat {
    /// With this user.
    User(u32),
    /// In this group.
    Group(u32),
}

impl Chat {
    /// The chat that a PDU's `session_type` (1 single, 2 group) and `session_id` name.
    pub fn of(session_type: i32, session_id: u32) -> Self {
        if session_type == SessionType::Group as i32 {
            Self::Group(session_id)
        } else {
            Self::User(session_id)
        }
    }

    /// `session_type`: 1 single, 2 group.
    pub fn session_type(self) -> i32 {
        match self {
            Self::User(_) => SessionType::Single as i32,
            Self::Group(_) => SessionType::Group as i32,
        }
    }

    /// `session_id`: the user's or the group's id.
    pub fn id(self) -> u32 {
        match self {
            Self::User(id) | Self::Group(id) => id,
        }
    }

    /// The conversation that `user` means by this chat.
    pub fn conversation(self, user: u32) -> Conversation {
        match self {
            Self::User(peer) => Conversation::single(user, peer),
            Self::Group(id) => Conversation::Group(id),
        }
    }
}

impl fmt::Display for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user {id}"),
            Self::Group(id) => write!(f, "group {id}"),
        }
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single { low, high } => write!(f, "{low}-{high}"),
            Self::Group(id) => write!(f, "g{id}"),
        }
    }
}

impl From<Conversation> for String {
    fn from(c: Conversation) -> Self {
        c.to_string()
    }
}

impl TryFrom<String> for Conversation {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no conversation: expected `LOW-HIGH` or `gID`");
        if let Some(id) = text.strip_prefix('g') {
            return id.parse().map(Self::Group).map_err(|_| wrong());
        }
        let (low, high) = text.split_once('-').ok_or_else(wrong)?;
        let parse = |s: &str| s.parse::<u32>().map_err(|_| wrong());
        Ok(Self::single(parse(low)?, parse(high)?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Chat, Conversation};

    #[test]
    fn a_chat_is_a_conversation_seen_by_a_member() {
        for chat in [Chat::User(3), Chat::Group(3)] {
            assert_eq!(Chat::of(chat.session_type(), chat.id()), chat);
            assert_eq!(chat.conversation(7).chat_of(7), Some(chat));
        }
        assert_eq!(Conversation::single(7, 3).chat_of(4), None);
    }

    #[test]
    fn text_form_round_trips() {
        for c in [Conversation::single(9, 2), Conversation::Group(7)] {
            assert_eq!(Conversation::try_from(c.to_string()), Ok(c));
        }
        assert!(Conversation::try_from("x".to_string()).is_err());
    }
}
