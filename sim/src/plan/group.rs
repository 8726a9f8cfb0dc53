//! Groups of a plan, and how operations name chats.

use serde::{Deserialize, Serialize};
use std::fmt;
use teamtalk::conversation;

/// What a group is (SYSTEM.md section 6: IMGroup.type).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// Made by the operator; in everyone's group list (0402).
    Normal,
    /// Made by a user; anyone may add to it.
    Temporary,
}

/// A group that is there from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its id, from 1.
    pub id: u32,
    /// Which kind.
    pub kind: GroupKind,
    /// The user who may take members out; a member only if among `members`.
    pub creator: u32,
    /// Users, ascending.
    pub members: Vec<u32>,
}

/// A group, as an operation names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a group's id, or {\"created_by\": an operation's id}")]
pub enum GroupRef {
    /// By its id.
    Known(u32),
    /// The one that an operation created: its id is known when that was answered.
    Created {
        /// The operation's id.
        created_by: u32,
    },
}

/// A chat, as an operation names it: in a file a number is a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a user's id, or {\"group\": …}")]
pub enum Chat {
    /// With a user.
    User(u32),
    /// In a group.
    Group {
        /// The group.
        group: GroupRef,
    },
}

impl Chat {
    /// In a group.
    pub fn group(group: GroupRef) -> Self {
        Self::Group { group }
    }

    /// The group, if it is one.
    pub fn group_mut(&mut self) -> Option<&mut GroupRef> {
        match self {
            Self::User(_) => None,
            Self::Group { group } => Some(group),
        }
    }
}

impl From<conversation::Chat> for Chat {
    fn from(chat: conversation::Chat) -> Self {
        match chat {
            conversation::Chat::User(id) => Self::User(id),
            conversation::Chat::Group(id) => Self::group(GroupRef::Known(id)),
        }
    }
}

impl fmt::Display for GroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(id) => write!(f, "group {id}"),
            Self::Created { created_by } => write!(f, "the group of operation {created_by}"),
        }
    }
}

impl fmt::Display for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user {id}"),
            Self::Group { group } => group.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Chat, GroupRef};

    #[test]
    fn a_number_is_a_user_and_a_group_says_so() {
        let created = GroupRef::Created { created_by: 7 };
        for (chat, text) in [
            (Chat::User(3), "3"),
            (Chat::group(GroupRef::Known(3)), r#"{"group":3}"#),
            (Chat::group(created), r#"{"group":{"created_by":7}}"#),
        ] {
            assert_eq!(serde_json::to_string(&chat).expect("writes"), text);
            assert_eq!(serde_json::from_str::<Chat>(text).expect("reads"), chat);
        }
        assert!(serde_json::from_str::<Chat>(r#"{"grop":3}"#).is_err());
    }
}
