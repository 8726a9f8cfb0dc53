//! Which session: its owner, and the user or group that it is with.

use crate::store::sql::Value;

/// A user's session with a peer or group, by the columns of `IMRecentSession`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The owner.
    pub user: u32,
    /// The other user, or the group.
    pub peer: u32,
    /// [`Key::SINGLE`] or [`Key::GROUP`].
    pub kind: u32,
}

impl Key {
    /// `type` of a session with a user.
    pub const SINGLE: u32 = 1;
    /// `type` of a session with a group.
    pub const GROUP: u32 = 2;

    /// A user's session with another user.
    pub fn single(user: u32, peer: u32) -> Self {
        Self { user, peer, kind: Self::SINGLE }
    }

    /// A user's session with a group.
    pub fn group(user: u32, group: u32) -> Self {
        Self { user, peer: group, kind: Self::GROUP }
    }

    /// `userId`, `peerId` and `type`.
    pub fn params(&self) -> [Value; 3] {
        [self.user.into(), self.peer.into(), self.kind.into()]
    }
}
