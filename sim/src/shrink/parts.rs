//! What a plan is made of: the parts that can be left out, and the plan without them.

use crate::plan::{Action, Chat, GroupRef, Host, Operation, Past, Plan, Role};
use std::{collections::BTreeSet, fmt};

/// Something that can be left out of a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// An operation, by its id.
    Operation(u32),
    /// A fault, by its id.
    Fault(u32),
    /// A step of the rollout, by its id: the host stays on the side that it is on.
    Step(u32),
    /// A device, by its slot, with all that it does.
    Device(u32),
    /// A user: all devices, and the memberships.
    User(u32),
    /// A group that is there from the start, by its id.
    Group(u32),
    /// A member of such a group.
    Member(u32, u32),
    /// A machine of which there are several: another one of its role takes its place.
    Node(Host),
    /// Something of what the stores hold of a time before the run.
    Past(OfPast),
    /// A migration of the schema, by its id.
    Migration(u32),
}

/// Something that the stores hold of a time before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfPast {
    /// A relation, by its place.
    Pair(usize),
    /// A group in which something was said, by its place.
    Group(usize),
    /// A session, by its place.
    Session(usize),
    /// A text, by its id.
    Message(u32),
}

/// How much a plan has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Operations; the first login of each device is not counted.
    pub operations: usize,
    /// Faults.
    pub faults: usize,
    /// Steps of the rollout.
    pub steps: usize,
    /// Devices.
    pub devices: usize,
    /// Machines.
    pub hosts: usize,
    /// Rows of a past: relations, groups, sessions, messages.
    pub past: usize,
}

impl Count {
    /// Of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            operations: operations(plan).len(),
            faults: plan.faults.len(),
            steps: plan.rollout.len(),
            devices: plan.devices.len(),
            hosts: plan.nodes.len(),
            past: past(plan).len(),
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operations, faults, steps, devices, hosts, past } = self;
        write!(f, "{operations} operations, {faults} faults, {devices} devices, {hosts} hosts")?;
        if *steps > 0 {
            write!(f, ", {steps} changes of side")?;
        }
        if *past > 0 { write!(f, ", a past of {past} rows") } else { Ok(()) }
    }
}

/// The first login of each device: it is there because the device is.
pub fn logins(plan: &Plan) -> BTreeSet<u32> {
    let first = |slot: u32| {
        let of =
            plan.operations.iter().filter(|op| op.device == slot && op.action == Action::Login);
        of.min_by_key(|op| (op.at_ms, op.id)).map(|op| op.id)
    };
    plan.devices.iter().filter_map(|device| first(device.slot)).collect()
}

/// The operations but for [`logins`].
pub fn operations(plan: &Plan) -> Vec<Part> {
    let logins = logins(plan);
    let others = plan.operations.iter().filter(|op| !logins.contains(&op.id));
    others.map(|op| Part::Operation(op.id)).collect()
}

/// Each operation, logins too, each fault, each migration and each step of the rollout, in the
/// order of the plan.
pub fn single_parts(plan: &Plan) -> Vec<Part> {
    let operations = plan.operations.iter().map(|op| Part::Operation(op.id));
    operations.chain(faults(plan)).chain(migrations(plan)).chain(steps(plan)).collect()
}

/// The faults.
pub fn faults(plan: &Plan) -> Vec<Part> {
    plan.faults.iter().map(|fault| Part::Fault(fault.id)).collect()
}

/// The steps of the rollout, the last one first.
pub fn steps(plan: &Plan) -> Vec<Part> {
    plan.rollout.iter().rev().map(|step| Part::Step(step.id)).collect()
}

/// The migrations of the schema.
pub fn migrations(plan: &Plan) -> Vec<Part> {
    plan.migrations.iter().map(|migration| Part::Migration(migration.id)).collect()
}

/// The users, if there are several.
pub fn users(plan: &Plan) -> Vec<Part> {
    let users: BTreeSet<_> = plan.devices.iter().map(|device| device.user).collect();
    several(users.into_iter().map(Part::User).collect())
}

/// The devices, if there are several.
pub fn devices(plan: &Plan) -> Vec<Part> {
    several(plan.devices.iter().map(|device| Part::Device(device.slot)).collect())
}

/// The groups, then the members of each.
pub fn groups(plan: &Plan) -> Vec<Part> {
    let groups = plan.groups.iter().map(|group| Part::Group(group.id));
    let members = plan
        .groups
        .iter()
        .flat_map(|group| group.members.iter().map(|member| Part::Member(group.id, *member)));
    groups.chain(members).collect()
}

/// What the stores hold of a time before the run.
pub fn past(plan: &Plan) -> Vec<Part> {
    let past = &plan.past;
    let pairs = (0..past.pairs.len()).map(OfPast::Pair);
    let groups = (0..past.groups.len()).map(OfPast::Group);
    let sessions = (0..past.sessions.len()).map(OfPast::Session);
    let messages = past.messages().map(|message| OfPast::Message(message.id));
    pairs.chain(groups).chain(sessions).chain(messages).map(Part::Past).collect()
}

/// The machines of which there are several.
pub fn nodes(plan: &Plan) -> Vec<Part> {
    let roles = [Role::Client, Role::Msg, Role::Route, Role::Db];
    let hosts = roles.into_iter().map(|role| plan.hosts(role)).filter(|hosts| hosts.len() > 1);
    // The later ones first: who reads the result expects msg1.
    hosts.flat_map(|hosts| hosts.into_iter().rev().cloned().map(Part::Node)).collect()
}

fn several(parts: Vec<Part>) -> Vec<Part> {
    if parts.len() > 1 { parts } else { Vec::new() }
}

/// A plan without some of its parts.
pub fn without(plan: &Plan, parts: &[Part]) -> Plan {
    let mut plan = plan.clone();
    let (mut operations, mut faults, mut steps, mut past) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for part in parts {
        match part {
            Part::Operation(id) => _ = operations.insert(*id),
            Part::Fault(id) => _ = faults.insert(*id),
            Part::Step(id) => _ = steps.insert(*id),
            Part::Device(slot) => plan.devices.retain(|device| device.slot != *slot),
            Part::User(user) => {
                plan.devices.retain(|device| device.user != *user);
                plan.groups.iter_mut().for_each(|group| group.members.retain(|m| m != user));
            }
            Part::Group(id) => leave_out_group(&mut plan, *id),
            Part::Member(id, member) => {
                let groups = plan.groups.iter_mut().filter(|group| group.id == *id);
                groups.for_each(|group| group.members.retain(|m| m != member));
            }
            Part::Node(host) => leave_out(&mut plan, host),
            Part::Past(of) => _ = past.insert(*of),
            Part::Migration(id) => plan.migrations.retain(|migration| migration.id != *id),
        }
    }
    let slots: BTreeSet<_> = plan.devices.iter().map(|device| device.slot).collect();
    let stays = |op: &Operation| slots.contains(&op.device) && !operations.contains(&op.id);
    plan.operations.retain(stays);
    plan.faults.retain(|fault| !faults.contains(&fault.id));
    plan.rollout.retain(|step| !steps.contains(&step.id));
    plan.past = without_past(&plan.past, &past);
    plan
}

/// What was said in a group goes with it.
fn leave_out_group(plan: &mut Plan, id: u32) {
    plan.groups.retain(|group| group.id != id);
    let chat = Chat::group(GroupRef::Known(id));
    plan.past.groups.retain(|of| of.group != id);
    plan.past.sessions.retain(|session| session.chat != chat);
}

fn without_past(past: &Past, gone: &BTreeSet<OfPast>) -> Past {
    fn rest<T: Clone>(all: &[T], is_gone: impl Fn(usize) -> bool) -> Vec<T> {
        let stay = all.iter().enumerate().filter(|(at, _)| !is_gone(*at));
        stay.map(|(_, of)| of.clone()).collect()
    }
    let mut past = Past {
        pairs: rest(&past.pairs, |at| gone.contains(&OfPast::Pair(at))),
        groups: rest(&past.groups, |at| gone.contains(&OfPast::Group(at))),
        sessions: rest(&past.sessions, |at| gone.contains(&OfPast::Session(at))),
    };
    let of_pairs = past.pairs.iter_mut().map(|pair| &mut pair.messages);
    for messages in of_pairs.chain(past.groups.iter_mut().map(|group| &mut group.messages)) {
        messages.retain(|message| !gone.contains(&OfPast::Message(message.id)));
    }
    past
}

/// Another machine takes the place of one; faults and steps of this one go with it.
fn leave_out(plan: &mut Plan, host: &Host) {
    let others = plan.hosts(host.role());
    let Some(other) = others.into_iter().find(|other| *other != host).map(ToString::to_string)
    else {
        return;
    };
    plan.nodes.retain(|node| node.host != *host);
    let side = plan.side_of(&other);
    for device in &mut plan.devices {
        if *device.host == **host {
            (device.host, device.side) = (other.clone(), side);
        }
        if *device.home == **host {
            device.home.clone_from(&other);
        }
    }
    plan.faults.retain(|fault| !fault.trouble.hosts().contains(&&**host));
    plan.rollout.retain(|step| **host != *step.host);
}
