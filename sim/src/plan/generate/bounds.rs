//! What the profile `bounds` adds: worlds at their limits.
//!
//! Devices try limits of the catalogue from below, at them and over them, ask faster than they may,
//! and talk in a group of hundreds; what fills up is in `full`. Nothing of it is a fault. That what is over a limit is refused
//! `bounded` judges, that all is answered `answered`, and rates `rates`.

use super::{LOGINS_END_MS, operations::LAST_MS};
use crate::plan::{Action, Device, Group, GroupKind, Size};
use proptest::prelude::*;
use std::sync::OnceLock;
use teamtalk::catalogue::{self, id as command, limits::Limits, probe};

/// Operations before they are numbered: when, which device, what.
type Timed = Vec<(u64, u32, Action)>;

/// The id of the group of hundreds.
const CROWD: u32 = 90;
/// Members without devices: their ids begin here.
const MEMBERS_FROM: u32 = 1_000;
/// The questions of a burst. At a brisk pace a window is 200 ms: this is over the rate of what a burst
/// asks, wherever the window begins.
const BURST: u64 = 42;
/// Simulated milliseconds between two of them.
const BURST_EVERY_MS: u64 = 5;

/// A group that is there from the start, of all users and of hundreds who have no devices.
pub(super) fn crowd(users: u32) -> impl Strategy<Value = Group> {
    (150..400_u32).prop_map(move |size| {
        let members = (1..=users).chain(MEMBERS_FROM..MEMBERS_FROM + size).collect();
        Group { id: CROWD, kind: GroupKind::Temporary, creator: 1, members }
    })
}

/// Probes and bursts.
pub(super) fn operations(devices: &[Device]) -> impl Strategy<Value = Timed> + use<> {
    let devices = devices.to_vec();
    let slots: Vec<u32> = devices.iter().map(|device| device.slot).collect();
    let of = (LOGINS_END_MS..LAST_MS, any::<u32>(), any::<u32>());
    let probes = prop::collection::vec(of.clone(), 25..45);
    let bursts = prop::collection::vec(of, 0..3);
    (probes, bursts).prop_map(move |(probes, bursts)| {
        let slot = |draw: u32| slots[draw as usize % slots.len()];
        let mut all: Timed = Vec::new();
        for (at, who, what) in probes {
            let slot = slot(who);
            let is_first = devices.iter().any(|device| (device.slot, device.user) == (slot, 1));
            all.push((at, slot, try_limit(what, is_first)));
        }
        for (at, who, what) in bursts {
            let question = ["time", "all_users", "departments"][what as usize % 3];
            let ask = || match question {
                "all_users" => Action::asking(
                    question,
                    catalogue::Args { since: Some(0), ..Default::default() },
                ),
                _ => Action::ask(question),
            };
            let at = at.min(LAST_MS - BURST * BURST_EVERY_MS);
            all.extend((0..BURST).map(|n| (at + n * BURST_EVERY_MS, slot(who), ask())));
        }
        all
    })
}

/// Over any limit; at it or under it where a property judges what comes of it. Messages are of those that have a text of
/// their own, and from user 1 to user 2: `of_first`.
fn try_limit(draw: u32, of_first: bool) -> Action {
    static NAMES: OnceLock<Vec<(String, bool)>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let served = |probe: &probe::Probe| {
            let question = catalogue::of(probe.command).and_then(|command| command.question);
            let judged = [
                command::LOGIN_REQ_DEVICETOKEN,
                command::MSG_READ_ACK,
                command::GROUP_CREATE_REQUEST,
                command::GROUP_CHANGE_MEMBER_REQUEST,
                command::FILE_ADD_OFFLINE_REQ,
            ];
            question.is_some() || judged.contains(&probe.command)
        };
        let probes = probe::all(&Limits::default()).into_iter();
        let probes = probes.map(|probe| (probe.name(), served(&probe)));
        let claims = probe::claims().into_iter().map(|probe| (probe.name(), false));
        // On a connection that is logged in a login is one too many, whatever its size.
        let login = format!("{:04x}.", command::LOGIN_REQ_USERLOGIN);
        probes.chain(claims).filter(|(name, _)| !name.starts_with(&login)).collect()
    });
    let (limit, served) = names[draw as usize % names.len()].clone();
    let says = of_first && ["0301.body", "0301.attach_data"].contains(&&*limit);
    let size = match (served || says, draw / 256 % 3) {
        (true, 0) => Size::Under,
        (true, 1) => Size::At,
        _ => Size::Over,
    };
    Action::Probe { limit, size }
}

#[cfg(test)]
mod tests {
    use crate::plan::{
        Action,
        generate::{Clients, Profile, generate},
    };
    use std::collections::BTreeSet;

    #[test]
    fn plans_at_their_bounds_try_each_limit_and_have_a_crowd() {
        let mut tried = BTreeSet::new();
        let mut sizes = [0; 3];
        for seed in 0..300 {
            let plan = generate(seed, Clients::Ours, Profile::Bounds);
            assert!(plan.faults.is_empty());
            assert!(plan.groups.iter().any(|group| group.members.len() > 150));
            for op in &plan.operations {
                if let Action::Probe { limit, size } = &op.action {
                    tried.insert(limit.clone());
                    sizes[*size as usize] += 1;
                }
            }
        }
        assert!(tried.len() > 70, "{} limits", tried.len());
        let [under, at, over] = sizes;
        assert!(under.min(at).min(over) > 1_000, "{sizes:?}");
    }
}
