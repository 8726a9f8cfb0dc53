//! Where a message belongs.

use crate::{
    conversation::Conversation,
    db_proxy::data::{keys, session_key::Key},
    wire::im::message::ImMsgData,
};

/// The relation or group under which a message is stored and numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Between two users.
    Relation(u32),
    /// In a group.
    Group(u32),
}

impl Place {
    /// The relation's or group's id.
    pub fn id(self) -> u32 {
        match self {
            Self::Relation(id) | Self::Group(id) => id,
        }
    }

    /// `TTSend.type`.
    pub fn kind(self) -> u32 {
        match self {
            Self::Relation(_) => Key::SINGLE,
            Self::Group(_) => Key::GROUP,
        }
    }

    /// The key of the counter that msg_ids are drawn from.
    pub fn counter_key(self) -> String {
        match self {
            Self::Relation(id) => keys::msg_id_of_relation(id),
            Self::Group(id) => keys::msg_id_of_group(id),
        }
    }

    /// The conversation of a message that belongs here.
    pub fn conversation(self, message: &ImMsgData) -> Conversation {
        match self {
            Self::Relation(_) => Conversation::single(message.from_user_id, message.to_session_id),
            Self::Group(id) => Conversation::Group(id),
        }
    }
}
