//! Which conversation a message belongs to.

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
    use super::Conversation;

    #[test]
    fn text_form_round_trips() {
        for c in [Conversation::single(9, 2), Conversation::Group(7)] {
            assert_eq!(Conversation::try_from(c.to_string()), Ok(c));
        }
        assert!(Conversation::try_from("x".to_string()).is_err());
    }
}
