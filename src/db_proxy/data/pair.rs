//! Two users, in an order that does not depend on who asks.

use crate::store::sql::Value;

/// A pair as `IMRelationShip` and `TTRelation` have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    low: u32,
    high: u32,
}

impl Pair {
    /// The pair of two users who have a relation.
    pub fn new(a: u32, b: u32) -> Self {
        Self { low: a.min(b), high: a.max(b) }
    }

    /// The pair of two users; `None` for user 0, who has no relations.
    pub fn of_users(a: u32, b: u32) -> Option<Self> {
        (a != 0 && b != 0).then(|| Self::new(a, b))
    }

    /// A group's row of `TTRelation` is that of user 0 with the group.
    pub fn of_group(group: u32) -> Self {
        Self { low: 0, high: group }
    }

    /// `smallId` and `bigId`.
    pub fn params(self) -> [Value; 2] {
        [self.low.into(), self.high.into()]
    }
}
