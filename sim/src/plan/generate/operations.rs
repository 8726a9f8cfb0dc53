//! What users do, and when.
//!
//! Sends dominate. Of the rest, each plan has families of its own (a swarm): a plan without
//! reconnects goes deeper into what only happens without them.

use super::{
    HORIZON_MS, LOGINS_END_MS, Profile,
    devices::{is_second, sibling},
};
use crate::plan::{Action, Device, Odd, Operation, Rogue, TICK_MS};
use proptest::prelude::*;
use teamtalk::wire::command;

/// Nothing is begun in the last milliseconds before the horizon.
const LAST_MS: u64 = HORIZON_MS - 500;
/// The sends of a burst: more than a msg_server takes in a second (SYSTEM.md section 3).
const BURST: u64 = 26;
/// Simulated milliseconds between two of them.
const BURST_EVERY_MS: u64 = 20;
/// A user who does not exist.
const NOBODY: u32 = 999;

/// What the draws of one operation come to.
#[derive(Debug, Clone)]
struct Draw {
    at: u64,
    slot: u32,
    user: u32,
    peer: u32,
    users: u32,
    /// Decides what the family leaves open.
    more: u32,
}

impl Draw {
    fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[self.more as usize % of.len()]
    }
}

/// One thing that users do besides sending.
struct Family {
    /// Out of a thousand operations, in a plan that has it.
    weight: u32,
    /// A client in order does it.
    proper: bool,
    /// The actions with their delays in simulated milliseconds.
    make: fn(&Draw) -> Vec<(u64, Action)>,
}

fn now(action: Action) -> Vec<(u64, Action)> {
    vec![(0, action)]
}

/// What breaks off: requests of every way to an answer, answers, and commands that do not exist.
const MALFORMED: [u16; 9] = [
    command::MSG_DATA,
    command::MSG_LIST_REQUEST,
    command::MSG_READ_ACK,
    command::MSG_UNREAD_CNT_REQUEST,
    command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST,
    command::BUDDY_LIST_REMOVE_SESSION_REQ,
    command::BUDDY_LIST_USERS_STATUS_REQUEST,
    command::MSG_LIST_RESPONSE,
    0x0399,
];

const FAMILIES: [Family; 16] = [
    Family { weight: 80, proper: true, make: |d| now(Action::Read { peer: d.peer }) },
    Family {
        weight: 50,
        proper: true,
        make: |d| now(Action::Pull { peer: d.peer, count: 1 + d.more % 20 }),
    },
    Family { weight: 50, proper: true, make: |_| now(Action::Reconnect) },
    Family { weight: 25, proper: true, make: |d| now(Action::Latest { peer: d.peer }) },
    Family {
        weight: 25,
        proper: true,
        make: |d| {
            // Ids that are held, that exist, that never will.
            let ids = match d.more % 3 {
                0 => Vec::new(),
                _ => vec![1 + d.more % 7, 1 + d.more % 11, 1 + d.more % 1_000],
            };
            now(Action::ById { peer: d.peer, ids })
        },
    },
    Family { weight: 20, proper: true, make: |_| now(Action::Sessions) },
    Family { weight: 20, proper: true, make: |d| now(Action::RemoveSession { peer: d.peer }) },
    Family { weight: 15, proper: true, make: |_| now(Action::Time) },
    Family { weight: 20, proper: true, make: |_| now(Action::KickPc) },
    Family {
        weight: 15,
        proper: true,
        make: |d| now(Action::Status { users: (1..=d.users).collect() }),
    },
    Family { weight: 20, proper: true, make: |d| now(Action::P2p { to: d.peer }) },
    Family { weight: 40, proper: true, make: |_| now(Action::Resend { of: None }) },
    Family {
        weight: 25,
        proper: true,
        make: |d| {
            let back = 300 + u64::from(d.more % 1_200);
            vec![(0, Action::Logout), (back, Action::Login)]
        },
    },
    Family {
        weight: 25,
        proper: false,
        make: |d| {
            now(match d.more % 5 {
                0 => Action::Send { to: d.user },
                1 => Action::Send { to: NOBODY },
                2 => Action::SendOdd { to: d.peer, odd: Odd::TooLong },
                3 => Action::SendOdd { to: d.peer, odd: Odd::NotUtf8 },
                _ => Action::SendOdd { to: d.peer, odd: Odd::Empty },
            })
        },
    },
    Family {
        weight: 25,
        proper: false,
        make: |d| now(Action::Malformed { command: d.pick(&MALFORMED) }),
    },
    Family {
        weight: 25,
        proper: false,
        make: |d| {
            let what = match d.more % 3 {
                0 => Rogue::Garbage,
                1 => Rogue::Unread { of: d.peer },
                _ => Rogue::Text { to: d.peer },
            };
            now(Action::Rogue { what })
        },
    },
];

/// The operation of a draw: the family under `pick` (out of a thousand), or a send.
fn actions(draw: &Draw, pick: u32, swarm: u32, profile: Profile) -> Vec<(u64, Action)> {
    let mut under = 0;
    for (bit, family) in FAMILIES.iter().enumerate() {
        let here = swarm >> bit & 1 == 1 && (family.proper || profile != Profile::Calm);
        under += if here { family.weight } else { 0 };
        if pick < under {
            return (family.make)(draw);
        }
    }
    now(Action::Send { to: draw.peer })
}

/// All operations of a plan: logins, what people do, and in some plans a burst.
pub(super) fn operations(
    devices: &[Device],
    users: u32,
    profile: Profile,
) -> impl Strategy<Value = Vec<Operation>> + use<> {
    let devices = devices.to_vec();
    let rest = (LOGINS_END_MS..LAST_MS, any::<u32>(), 1..users, 0..1_000_u32, any::<u32>());
    let rest = prop::collection::vec(rest, 45..90);
    let burst = prop::option::weighted(0.12, (LOGINS_END_MS..LAST_MS, any::<u32>(), 1..users));
    let burst = burst.prop_map(move |burst| burst.filter(|_| profile != Profile::Calm));
    let farewell = prop::option::weighted(0.3, any::<u32>());
    // Reading goes on in every plan: what is owed has to be read some time.
    let swarm = any::<u32>().prop_map(|bits| bits | 1);
    let all = (logins(&devices), swarm, rest, burst, farewell);
    all.prop_map(move |(logins, swarm, rest, burst, farewell)| {
        let peer = |user: u32, step: u32| (user - 1 + step) % users + 1;
        let weights: Vec<u32> =
            devices.iter().map(|d| if is_second(d.slot) { 1 } else { 2 }).collect();
        let mut all: Vec<(u64, u32, Action)> = logins;
        for (at, who, step, pick, more) in rest {
            let device = &devices[weighted(&weights, who)];
            let (slot, user) = (device.slot, device.user);
            let draw = Draw { at, slot, user, peer: peer(user, step), users, more };
            let made = actions(&draw, pick, swarm, profile);
            let fits = |action: &Action| *action != Action::KickPc || device.client.is_phone();
            all.extend(
                made.into_iter()
                    .filter(|(_, action)| fits(action))
                    .map(|(delay, action)| (draw.at + delay, draw.slot, action)),
            );
        }
        if let Some((at, who, step)) = burst {
            let device = &devices[weighted(&weights, who)];
            let to = peer(device.user, step);
            let at = at.min(LAST_MS - BURST * BURST_EVERY_MS);
            all.extend(
                (0..BURST).map(|n| (at + n * BURST_EVERY_MS, device.slot, Action::Send { to })),
            );
        }
        // Someone is off line on purpose when all is at rest: whoever still counts him shows.
        if let Some(who) = farewell {
            let device = &devices[weighted(&weights, who)];
            all.push((LAST_MS, device.slot, Action::Logout));
        }
        number(all)
    })
}

/// First devices log in at the start, second ones later; their owner may then take the first
/// one up again.
fn logins(devices: &[Device]) -> impl Strategy<Value = Vec<(u64, u32, Action)>> + use<> {
    let slots: Vec<_> = devices.iter().map(|d| d.slot).collect();
    let times: Vec<_> = slots
        .iter()
        .map(|_| (200..LOGINS_END_MS, LOGINS_END_MS..6_000, prop::option::of(300..2_000_u64)))
        .collect();
    times.prop_map(move |times| {
        let mut logins = Vec::new();
        for (&slot, (early, late, back)) in slots.iter().zip(times) {
            let at = if is_second(slot) { late } else { early };
            logins.push((at, slot, Action::Login));
            let first = sibling(slot);
            if let Some(back) = back
                && is_second(slot)
                && slots.contains(&first)
            {
                logins.push((at + back, first, Action::Login));
            }
        }
        logins
    })
}

/// The index that a draw picks by weight.
fn weighted(weights: &[u32], draw: u32) -> usize {
    let mut left = draw % weights.iter().sum::<u32>().max(1);
    for (i, weight) in weights.iter().enumerate() {
        if left < *weight {
            return i;
        }
        left -= weight;
    }
    0
}

/// Puts operations in order, before the horizon, and numbers them.
fn number(mut all: Vec<(u64, u32, Action)>) -> Vec<Operation> {
    for (at, ..) in &mut all {
        *at = (*at).min(HORIZON_MS - TICK_MS) / TICK_MS * TICK_MS;
    }
    all.sort_by_key(|(at, slot, _)| (*at, *slot));
    let numbered = all.into_iter().enumerate();
    numbered
        .map(|(i, (at_ms, device, action))| Operation { id: i as u32 + 1, at_ms, device, action })
        .collect()
}
