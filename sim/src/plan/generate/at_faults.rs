//! What is asked and said just where a fault is: how a question or a message fares whose link is lost
//! while it is on its way, chance alone would show in few runs.

use super::extras::{Draws, Timed};
use crate::plan::{Action, Chat, Device, Fault, GroupRef, Host, Plan, Role};
use teamtalk::catalogue::Args;

/// How many devices ask at once.
const ASKING: usize = 3;
/// How many messages are sent to a group, and simulated milliseconds from one to the next.
const SENT: (u64, u64) = (6, 45);
/// The first is sent so long before the fault, in simulated milliseconds.
const BEFORE_MS: u64 = 150;

/// Devices ask who is online where a link to a route_server is lost, and send to groups where one to a
/// db_proxy is, to which others are connected.
pub(super) fn operations(plan: &Plan, draws: &mut Draws) -> Timed {
    let mut all = Timed::new();
    for fault in &plan.faults {
        if names(fault, Role::Route) {
            all.extend(questions(plan, fault));
        }
        if names(fault, Role::Db) {
            all.extend(messages(plan, fault, draws));
        }
    }
    all
}

/// The hosts of a role that a fault names.
fn of_role(fault: &Fault, role: Role) -> Vec<&str> {
    let hosts = fault.trouble.hosts();
    let is_it = |name: &&str| Host::parse(name).is_ok_and(|host| host.role() == role);
    hosts.into_iter().filter(is_it).collect()
}

fn names(fault: &Fault, role: Role) -> bool {
    !of_role(fault, role).is_empty()
}

/// Just before it, in its middle, and just before it ends.
fn questions(plan: &Plan, fault: &Fault) -> Timed {
    let servers = of_role(fault, Role::Msg);
    let is_there = |device: &&Device| servers.is_empty() || servers.contains(&&*device.home);
    let asking: Vec<_> = plan.devices.iter().filter(is_there).take(ASKING).collect();
    let users: Vec<u32> = plan.devices.iter().map(|device| device.user).take(2).collect();
    let (begin, end) = (fault.at_ms, fault.at_ms + fault.for_ms);
    let times = [begin.saturating_sub(5), begin + fault.for_ms / 2, end.saturating_sub(5)];
    let ask = |device: &&Device, at| {
        let args = Args { users: users.clone(), ..Args::default() };
        (at, device.slot, Action::asking("status", args))
    };
    times.iter().flat_map(|at| asking.iter().map(|device| ask(device, *at))).collect()
}

/// Of one who is connected to another msg_server than the one that loses its link.
fn messages(plan: &Plan, fault: &Fault, draws: &mut Draws) -> Timed {
    let servers = of_role(fault, Role::Msg);
    let is_elsewhere = |device: &&Device| !servers.contains(&&*device.home);
    let senders: Vec<_> = plan.devices.iter().filter(is_elsewhere).collect();
    let known: Vec<_> = plan.groups.iter().filter(|group| !group.members.is_empty()).collect();
    if senders.is_empty() || known.is_empty() {
        return Timed::new();
    }
    let group = draws.pick(&known);
    let Some(sender) = senders.iter().find(|device| group.members.contains(&device.user)) else {
        return Timed::new();
    };
    let to = Chat::group(GroupRef::Known(group.id));
    let begin = fault.at_ms.saturating_sub(BEFORE_MS);
    let (many, every) = SENT;
    (0..many).map(|n| (begin + n * every, sender.slot, Action::Send { to })).collect()
}
