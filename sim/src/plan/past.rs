//! What the stores hold of a time before the run, as data: a database of the original, with its second rows
//! and its counters that are behind or ahead, and without what newer switches keep beside it.

use super::Chat;
use serde::{Deserialize, Serialize};

/// What was said before the run, and by whom. Nobody has read anything of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// The rows of `IMRelationShip`, the n-th of which has the id n. Two users may have several, as the
    /// original makes them where two first messages meet; it goes on with the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<PastPair>,
    /// What was said in groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<PastGroup>,
    /// The rows of `IMRecentSession`, in the order of their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<PastSession>,
}

/// A relation of two users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastPair {
    /// The lower one first.
    pub users: [u32; 2],
    /// What Redis holds as the last msg_id that was drawn.
    pub counter: u32,
    /// What was said, by msg_id.
    pub messages: Vec<PastMessage>,
}

/// A group of the plan in which something was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastGroup {
    /// Its id.
    pub group: u32,
    /// What Redis holds as the last msg_id that was drawn.
    pub counter: u32,
    /// What was said, by msg_id.
    pub messages: Vec<PastMessage>,
}

/// A text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastMessage {
    /// Names it: its text is `past-` and this.
    pub id: u32,
    /// Who sent it.
    pub from: u32,
    /// Its msg_id.
    pub msg_id: u32,
    /// How many seconds before the run.
    pub ago_s: u32,
}

/// A recent session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastSession {
    /// The user whose list it stands in.
    pub user: u32,
    /// With whom, or in which group.
    pub chat: Chat,
    /// The user has removed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// How many seconds before the run it changed last.
    pub ago_s: u32,
}

impl Past {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.groups.is_empty() && self.sessions.is_empty()
    }

    /// Every text of it.
    pub fn messages(&self) -> impl Iterator<Item = &PastMessage> {
        let of_pairs = self.pairs.iter().flat_map(|pair| &pair.messages);
        of_pairs.chain(self.groups.iter().flat_map(|group| &group.messages))
    }
}

impl PastMessage {
    /// What it says.
    pub fn text(&self) -> String {
        format!("past-{}", self.id)
    }
}
