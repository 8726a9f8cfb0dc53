//! What fills up in plans of the profile `bounds`: each has one thing whose bound is small enough to be
//! reached within a run, and what reaches it. Bounds that a deployment may set are limits of the case
//! (`ProtocolSpec::limits`); the rest is in the plan.

use super::{Deployment, Profile, extras::Draws};
use crate::plan::{
    Action, Chat, Device, Group, PastMessage, PastPair, PastSession, Plan, Rogue, Size,
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::client::Acks;

/// Which draws.
const STREAM: u8 = 6;
/// Simulated milliseconds between two messages to who does not ack.
const MESSAGE_EVERY_MS: u64 = 40;
/// Questions of one device at once: under the rate of what is asked in a window.
const AT_ONCE: usize = 10;
/// The same of the largest: each fills the window of a socket, and a heartbeat waits behind them.
const LARGE_AT_ONCE: usize = 3;
/// So many devices ask at once, of those that there are.
const MOST_ASKING: usize = 80;

/// What fills up, at which bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    /// The queue of a worker of a db_proxy. At rest an audit finds room in it.
    Worker(u32),
    /// The send list of a device that does not ack, or late.
    SendList(u32),
    /// What waits for an answer, of one device.
    InFlight(u32),
    /// The connections of one address.
    Source(u32),
    /// The bytes that wait for a route_server.
    Link(u32),
    /// Nothing that has a bound: a user has more sessions than one answer lists.
    Sessions,
}

/// Plans have so many devices at most, unless a deployment has more: then bounds that all of them share are as
/// much larger, for each is to find room at rest.
const DEVICES: u32 = 8;

impl Full {
    fn of(draws: &mut Draws, deployment: &Deployment) -> Self {
        let more = deployment.most_devices().saturating_sub(DEVICES);
        let mut between =
            |least: u32, most: u32| least + draws.below((most - least + 1).into()) as u32;
        match between(0, 5) {
            0 => Self::Worker(between(5, 6) + more),
            1 => Self::SendList(between(5, 10)),
            2 => Self::InFlight(between(4, 8)),
            3 => Self::Source(between(8, 11) + more),
            4 => Self::Link(between(4, 16) << 10),
            _ => Self::Sessions,
        }
    }

    /// The limit that makes its bound small.
    fn limit(self) -> Option<(&'static str, u32)> {
        match self {
            Self::Worker(most) => Some(("worker.queue", most)),
            Self::SendList(most) => Some(("send-list", most)),
            Self::InFlight(most) => Some(("in-flight", most)),
            Self::Source(most) => Some(("connections.source", most)),
            Self::Link(bytes) => Some(("link.requests", bytes)),
            Self::Sessions => None,
        }
    }
}

/// The limits of the case of a seed that differ from the defaults.
pub fn limits(seed: u64, profile: Profile, deployment: &Deployment) -> BTreeMap<String, u32> {
    let full = || Full::of(&mut Draws::of(seed, STREAM), deployment);
    let full = (profile == Profile::Bounds).then(full);
    let limit = full.and_then(Full::limit);
    limit.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// Lays over a plan what reaches the bound.
pub(super) fn lay(plan: &mut Plan, seed: u64, deployment: &Deployment) {
    let mut draws = Draws::of(seed, STREAM);
    let full = Full::of(&mut draws, deployment);
    let slots: Vec<u32> = plan.devices.iter().map(|device| device.slot).collect();
    let at = draws.when(1_500);
    let mut all = Vec::new();
    match full {
        Full::Worker(_) => {
            // What they are asked all in all they have to serve: only what comes at once is too much. Three had too
            // much of it all the time (seed 204).
            plan.db_workers = 4 + draws.below(2) as usize;
            let ask = |&slot: &u32| {
                [Action::ask("sessions"), Action::ask("time")].map(|of| (at, slot, of))
            };
            let asked = slots.iter().take(MOST_ASKING).flat_map(ask);
            all.extend((0..AT_ONCE).flat_map(|_| asked.clone()));
        }
        Full::SendList(most) => {
            let who = draws.below(slots.len() as u64) as usize;
            let ms = 2_000 + draws.below(2_000);
            let device = &mut plan.devices[who];
            device.conduct.acks = if draws.once_in(2) { Acks::Never } else { Acks::Late { ms } };
            let to = device.user;
            let others: Vec<_> = plan.devices.iter().filter(|other| other.user != to).collect();
            if others.is_empty() {
                return;
            }
            let messages = u64::from(most) + 6;
            let begin = at.min(super::operations::LAST_MS - messages * MESSAGE_EVERY_MS);
            all.extend((0..messages).map(|n| {
                let from = draws.pick(&others).slot;
                (begin + n * MESSAGE_EVERY_MS, from, Action::Send { to: Chat::User(to) })
            }));
        }
        Full::InFlight(most) => {
            let slot = draws.pick(&slots);
            let count = most as usize + AT_ONCE;
            all.extend((0..count).map(|_| (at, slot, Action::ask("sessions"))));
        }
        Full::Source(most) => {
            let slot = draws.pick(&slots);
            let what = Rogue::Crowd { count: most as u16 + 3 };
            all.push((at, slot, Action::Rogue { what }));
        }
        Full::Link(_) => {
            // All of them write to one msg_server, more than its one link to route takes meanwhile.
            let home = draws.pick(&plan.devices).home;
            plan.devices.iter_mut().for_each(|device| device.home = home.clone());
            let probe = || Action::Probe { limit: "020a.body".into(), size: Size::At };
            let probes = slots.iter().map(|&slot| (at, slot, probe()));
            all.extend((0..LARGE_AT_ONCE).flat_map(|_| probes.clone()));
        }
        Full::Sessions => {
            if let Some(device) = alone(plan) {
                sessions(plan, &device, &mut draws);
                all.push((at, device.slot, Action::ask("sessions")));
            }
        }
    }
    super::extras::append(plan, all);
}

/// A device whose user has no other one: a second one would not learn of those sessions past the first
/// hundred that the first one was told of before they were past it (docs/DESIGN.md, "Not built yet").
fn alone(plan: &Plan) -> Option<Device> {
    let of = |user| plan.devices.iter().filter(move |device| device.user == user);
    plan.devices.iter().find(|device| of(device.user).count() == 1).cloned()
}

/// A user who has written to more others than one answer lists: members of the group of hundreds, who have
/// no devices. So nothing of it is unread, and no chat is to be opened.
fn sessions(plan: &mut Plan, of: &Device, draws: &mut Draws) {
    let users: BTreeSet<u32> = plan.devices.iter().map(|device| device.user).collect();
    let members =
        |group: &Group| group.members.iter().copied().filter(|of| !users.contains(of)).collect();
    let peers: Vec<u32> = plan.groups.iter().map(members).max_by_key(Vec::len).unwrap_or_default();
    let count = 101 + draws.below(40) as usize;
    for (peer, n) in peers.into_iter().take(count).zip(1_u32..) {
        let ago_s = 3_000 - 10 * n;
        let message = PastMessage { id: n, from: of.user, msg_id: 1, ago_s };
        plan.past.pairs.push(PastPair {
            users: [of.user, peer],
            counter: 1,
            messages: vec![message],
        });
        for (user, chat) in [(of.user, peer), (peer, of.user)] {
            let chat = Chat::User(chat);
            plan.past.sessions.push(PastSession { user, chat, removed: false, ago_s });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::limits;
    use crate::explore::case_of;
    use crate::plan::case::ProtocolSpec;
    use crate::plan::{
        check,
        generate::{Deployment, Profile, generate},
    };
    use std::collections::BTreeMap;

    #[test]
    fn each_bound_is_small_in_some_plans_and_all_can_be_run() {
        let mut small: BTreeMap<String, u32> = BTreeMap::new();
        let mut many = 0;
        for seed in 0..60 {
            let case = case_of(seed, &ProtocolSpec::preset("hardened"), Profile::Bounds);
            assert_eq!(check::check(&case), Ok(()), "{seed}");
            let set = limits(seed, Profile::Bounds, &Deployment::default());
            assert_eq!(case.protocols.base.limits, set);
            assert!(case.protocols.base.resolve_limits().is_ok());
            set.into_keys().for_each(|name| *small.entry(name).or_default() += 1);
            many += u32::from(case.plan.past.pairs.len() > 100);
        }
        assert_eq!(small.len(), 5, "{small:?}");
        assert!(small.values().all(|seeds| *seeds > 2) && many > 2, "{small:?} {many}");
        assert!(limits(1, Profile::Default, &Deployment::default()).is_empty());
        let _ = generate;
    }
}
