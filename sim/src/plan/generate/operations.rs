//! What users do, and when.
//!
//! Sends dominate. Of the rest, each plan has families of its own (a swarm): a plan without
//! reconnects goes deeper into what only happens without them.

use super::{
    Deployment, HORIZON_MS, LOGINS_END_MS, Profile, bounds,
    devices::{is_second, sibling},
    families::{Draw, actions, picks},
    groups::{Creation, Groups},
};
use crate::plan::{Action, Chat, Device, GroupRef, Operation, TICK_MS};
use proptest::{collection::SizeRange, prelude::*};
use std::collections::BTreeMap;

/// Nothing is begun in the last milliseconds before the horizon.
pub(super) const LAST_MS: u64 = HORIZON_MS - 500;
/// The sends of a burst: more than a msg_server takes in a second (SYSTEM.md section 3).
const BURST: u64 = 26;
/// Simulated milliseconds between two of them.
const BURST_EVERY_MS: u64 = 20;
/// Simulated milliseconds from a phone's login to its registration for pushes.
const REGISTERING_MS: u64 = 400;
/// Simulated milliseconds from a note of a file until its receiver asks, and then fetches it.
const FETCHING_MS: u64 = 350;

/// Operations before they are numbered: when, which device, what.
type Timed = Vec<(u64, u32, Action)>;

/// Out of a hundred operations of a plan with groups, how many are about one.
const ABOUT_GROUPS: u32 = 35;

/// All operations of a plan: logins, what people do, and in some plans a burst.
pub(super) fn operations(
    devices: &[Device],
    users: u32,
    groups: &Groups,
    profile: Profile,
    deployment: &Deployment,
) -> impl Strategy<Value = Vec<Operation>> + use<> {
    let (devices, groups) = (devices.to_vec(), groups.clone());
    let weights_of = deployment.operations.clone();
    let picks = 0..picks(&weights_of);
    let rest = (LOGINS_END_MS..LAST_MS, any::<u32>(), 1..users, picks, any::<(u32, u32)>());
    let many = deployment.users.operations.map(|many| many as usize);
    let many = many.map_or(SizeRange::from(45..90), |many| SizeRange::from(many..=many));
    let rest = prop::collection::vec(rest, many);
    let burst = prop::option::weighted(0.12, (LOGINS_END_MS..LAST_MS, any::<u32>(), 1..users));
    let burst = burst.prop_map(move |burst| burst.filter(|_| !profile.is_orderly()));
    let farewell = prop::option::weighted(0.3, any::<u32>());
    let tokens = prop::bool::weighted(0.4);
    let swarm = any::<u64>().prop_map(|bits| bits | 1);
    let at_bounds = match profile {
        Profile::Bounds => bounds::operations(&devices).boxed(),
        Profile::Default
        | Profile::Calm
        | Profile::Idle
        | Profile::Rolling
        | Profile::Stores
        | Profile::Clocks => Just(Vec::new()).boxed(),
    };
    let all = (logins(&devices), swarm, rest, burst, farewell, tokens, at_bounds);
    all.prop_map(move |(logins, swarm, rest, burst, farewell, tokens, at_bounds)| {
        let peer = |user: u32, step: u32| (user - 1 + step) % users + 1;
        let weights: Vec<u32> =
            devices.iter().map(|d| if is_second(d.slot) { 1 } else { 2 }).collect();
        let mut all: Timed = logins;
        if tokens {
            register_phones(&mut all, &devices);
        }
        for Creation { at, who, members } in &groups.created {
            let slot = devices[weighted(&weights, *who)].slot;
            all.push((*at, slot, Action::CreateGroup { members: members.clone() }));
        }
        for (at, who, step, pick, (place, more)) in rest {
            let device = &devices[weighted(&weights, who)];
            let (user, peer) = (device.user, peer(device.user, step));
            let group = groups.pick(place / 100, at);
            let chat = match group {
                Some(group) if place % 100 < ABOUT_GROUPS => Chat::group(group),
                _ => Chat::User(peer),
            };
            let draw = Draw { user, peer, users, chat, group, more };
            let made = actions(&draw, pick, swarm, profile.is_orderly(), &weights_of);
            let phones_only =
                |action: &Action| matches!(action, Action::Ask(ask) if ask.is_for_phones());
            let fits = |action: &Action| !phones_only(action) || device.client.is_phone();
            for (delay, action) in made.into_iter().filter(|(_, action)| fits(action)) {
                let slot = match &action {
                    Action::RemoveMembers { group, .. } if more % 4 != 0 => {
                        creator_of(*group, &groups, &devices, &weights).unwrap_or(device.slot)
                    }
                    _ => device.slot,
                };
                all.push((at + delay, slot, action));
            }
        }
        if let Some((at, who, step)) = burst {
            let device = &devices[weighted(&weights, who)];
            let to = Chat::User(peer(device.user, step));
            let at = at.min(LAST_MS - BURST * BURST_EVERY_MS);
            all.extend(
                (0..BURST).map(|n| (at + n * BURST_EVERY_MS, device.slot, Action::Send { to })),
            );
        }
        // Some users are off line on purpose when all is at rest: a server that still counts them
        // as online shows.
        if let Some(who) = farewell {
            let device = &devices[weighted(&weights, who)];
            all.push((LAST_MS, device.slot, Action::Logout));
        }
        all.extend(at_bounds);
        fetch_files(&mut all, &devices);
        let mut operations = number(all);
        name_creations(&mut operations);
        name_files(&mut operations, &devices);
        operations
    })
}

/// A phone that is to have pushes registers soon after its first login.
fn register_phones(all: &mut Timed, devices: &[Device]) {
    for device in devices.iter().filter(|device| device.client.is_phone()) {
        let login = all
            .iter()
            .find(|(_, slot, action)| *slot == device.slot && matches!(action, Action::Login));
        if let Some((at, slot, _)) = login {
            all.push((at + REGISTERING_MS, *slot, Action::ask("device_token")));
        }
    }
}

/// A device of the user who may take members out of a group.
fn creator_of(
    group: GroupRef,
    groups: &Groups,
    devices: &[Device],
    weights: &[u32],
) -> Option<u32> {
    match group {
        GroupRef::Known(id) => {
            let creator = groups.known.iter().find(|group| group.id == id)?.creator;
            devices.iter().find(|device| device.user == creator).map(|device| device.slot)
        }
        GroupRef::Created { created_by } => {
            let creation = groups.created.get(created_by as usize)?;
            Some(devices[weighted(weights, creation.who)].slot)
        }
    }
}

/// The receiver of a file asks which files wait, and fetches it; its sender asks, too, and is not to be
/// told of it.
fn fetch_files(all: &mut Timed, devices: &[Device]) {
    let mut fetched = Vec::new();
    for (at, sender, action) in all.iter() {
        let Action::AddOfflineFile { to } = action else { continue };
        fetched.push((at + FETCHING_MS, *sender, Action::ask("offline_files")));
        if let Some(device) = devices.iter().find(|device| device.user == *to) {
            let (asks, fetches) = (at + FETCHING_MS, at + 2 * FETCHING_MS);
            fetched.push((asks, device.slot, Action::ask("offline_files")));
            fetched.push((fetches, device.slot, Action::DelOfflineFile { from: *to, of: 0 }));
        }
    }
    all.extend(fetched);
}

/// `GroupRef::Created` names a creation by its place so far, by its operation from here on.
fn name_creations(operations: &mut [Operation]) {
    let creates = |op: &&Operation| matches!(op.action, Action::CreateGroup { .. });
    let ids: Vec<u32> = operations.iter().filter(creates).map(|op| op.id).collect();
    for operation in operations {
        if let Some(GroupRef::Created { created_by }) = operation.action.group_mut() {
            *created_by = ids[*created_by as usize];
        }
    }
}

/// The user who has fetched a file: the last one that was noted for them, if there is any.
fn name_files(operations: &mut [Operation], devices: &[Device]) {
    let user = |slot: u32| devices.iter().find(|d| d.slot == slot).map(|d| d.user);
    let mut noted: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for operation in operations {
        let Some(user) = user(operation.device) else { continue };
        match &mut operation.action {
            Action::AddOfflineFile { to } => {
                noted.insert(*to, (user, operation.id));
            }
            Action::DelOfflineFile { from, of } => {
                if let Some(&(sender, op)) = noted.get(&user) {
                    (*from, *of) = (sender, op);
                }
            }
            _ => {}
        }
    }
}

/// First devices log in at the start, second ones later; their owner may then take the first
/// one up again.
fn logins(devices: &[Device]) -> impl Strategy<Value = Timed> + use<> {
    let slots: Vec<_> = devices.iter().map(|d| d.slot).collect();
    let times: Vec<_> = slots
        .iter()
        .map(|_| (200..LOGINS_END_MS, LOGINS_END_MS..6_000, prop::option::of(300..2_000_u64)))
        .collect();
    times.prop_map(move |times| {
        let mut logins = Vec::new();
        let early_of: BTreeMap<u32, u64> =
            slots.iter().zip(&times).map(|(&slot, (early, ..))| (slot, *early)).collect();
        for (&slot, (early, late, back)) in slots.iter().zip(times) {
            let first = sibling(slot);
            let at = match early_of.get(&first) {
                // A person, or a program that starts with its machine, may take up both at once.
                Some(early) if is_second(slot) && late % 4 == 0 => early + late / 4 % 5 * TICK_MS,
                _ if is_second(slot) => late,
                _ => early,
            };
            logins.push((at, slot, Action::Login));
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
fn number(mut all: Timed) -> Vec<Operation> {
    for (at, ..) in &mut all {
        *at = (*at).min(HORIZON_MS - TICK_MS) / TICK_MS * TICK_MS;
    }
    all.sort_by_key(|(at, slot, _)| (*at, *slot));
    let numbered = all.into_iter().enumerate();
    numbered
        .map(|(i, (at_ms, device, action))| Operation { id: i as u32 + 1, at_ms, device, action })
        .collect()
}
