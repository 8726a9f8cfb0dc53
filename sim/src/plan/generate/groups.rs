//! Groups that are there from the start, and those that users make.

use super::{HORIZON_MS, LOGINS_END_MS};
use crate::plan::{Group, GroupKind, GroupRef, TICK_MS};
use proptest::prelude::*;

/// No group is made later than this: it is there to be talked in.
const CREATIONS_END_MS: u64 = HORIZON_MS / 2;

/// How long it takes until a group that is made has an id, as a rule, in simulated milliseconds.
const MAKING_MS: u64 = 150;

/// A group that a user makes.
#[derive(Debug, Clone)]
pub(super) struct Creation {
    /// When, in simulated milliseconds.
    pub at: u64,
    /// Picks the device.
    pub who: u32,
    /// Its members.
    pub members: Vec<u32>,
}

/// What is known of groups before operations are numbered.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    /// There from the start.
    pub known: Vec<Group>,
    /// In order; until operations are numbered, `GroupRef::Created` names one by its place.
    pub created: Vec<Creation>,
}

impl Groups {
    /// The group that a draw picks for an operation at a time in simulated milliseconds; `None`
    /// if there is none then.
    pub fn pick(&self, draw: u32, at: u64) -> Option<GroupRef> {
        let known = self.known.iter().map(|group| GroupRef::Known(group.id));
        let made = (0..).zip(&self.created).filter(|(_, made)| made.at + MAKING_MS < at);
        let made = made.map(|(created_by, _)| GroupRef::Created { created_by });
        let all: Vec<_> = known.chain(made).collect();
        let n = (draw as usize).checked_rem(all.len())?;
        Some(all[n])
    }
}

/// The users that the bits of a draw name; at least `least` of them.
pub(super) fn some_of(users: u32, bits: u32, least: u32) -> Vec<u32> {
    let mut chosen: Vec<u32> =
        (1..=users).filter(|user| bits >> (user % u32::BITS) & 1 == 1).collect();
    let mut next = bits;
    while (chosen.len() as u32) < least.min(users) {
        next = next % users + 1;
        if !chosen.contains(&next) {
            chosen.push(next);
        }
    }
    chosen.sort_unstable();
    chosen
}

/// What is said in a group is said in turn, and each message is one of all its members: in a large deployment there
/// are as many more groups as there are more users, or more is done, than in a small one.
pub(super) fn more(users: u32, operations: Option<u32>) -> usize {
    /// A plan without a deployment has so many users and operations at most.
    const SMALL: (u32, u32) = (4, 90);
    let (users, operations) = (users.div_ceil(SMALL.0), operations.unwrap_or(0).div_ceil(SMALL.1));
    users.max(operations).max(1) as usize
}

/// Most plans have a group or two, or so many times as many; some users make one.
pub(super) fn groups(users: u32, times: usize) -> impl Strategy<Value = Groups> {
    let kind = prop_oneof![1 => Just(GroupKind::Normal), 3 => Just(GroupKind::Temporary)];
    let known = (kind, 1..=users, any::<u32>());
    let known = prop::collection::vec(known, times - 1..=2 * times);
    let created = (LOGINS_END_MS..CREATIONS_END_MS, any::<u32>(), any::<u32>());
    let created = prop_oneof![
        3 => Just(Vec::new()),
        2 => prop::collection::vec(created, 1..=2),
    ];
    (known, created).prop_map(move |(known, created)| {
        let known = (1..).zip(known).map(|(id, (kind, creator, bits))| Group {
            id,
            kind,
            creator,
            members: some_of(users, bits, 2),
        });
        let created = created.into_iter();
        let created = created.map(|(at, who, bits)| Creation {
            at: at / TICK_MS * TICK_MS,
            who,
            members: some_of(users, bits, 2),
        });
        let mut groups = Groups { known: known.collect(), created: created.collect() };
        // Their places are those of their operations.
        groups.created.sort_by_key(|creation| creation.at);
        groups
    })
}
