//! Whether a case can be run and means what it says. What is refused here would else panic in the
//! rig, never end, or be passed over in silence.

mod extent;
mod migrations;
mod named;
mod past;

pub use extent::{MOST_AT_ONCE, MOST_FLOODED, MOST_MEMBERS, MOST_NAMED, MOST_ROWS};

use super::{
    Action, Ask, Between, Fault, Host, LONGEST_MS, Node, Operation, Plan, Role, Trouble, case::Case,
};
use crate::properties;
use std::{collections::BTreeSet, fmt::Display};
use teamtalk::{
    catalogue::{limits::Limits, probe},
    client::Acks,
    protocol::Protocol,
};

/// No plan has more machines: each pair is a link that every tick looks at.
pub const MOST_NODES: usize = 64;
/// No plan has more devices: each is told of every login of all others.
pub const MOST_DEVICES: usize = 300;
/// No plan starts with more groups.
pub const MOST_GROUPS: usize = 1_000;
/// No plan has more operations.
pub const MOST_OPERATIONS: usize = 20_000;
/// No plan has more faults.
pub const MOST_FAULTS: usize = 1_000;
/// No plan has more changes of side.
pub const MOST_STEPS: usize = 1_000;
/// No plan has more migrations.
pub const MOST_MIGRATIONS: usize = 100;
/// No list in a plan (members of a group; users or ids that an operation names) is longer: more
/// than one PDU takes, for what a server must refuse is tried too.
pub const MOST_ITEMS: usize = 100_000;
/// Ids of users, groups, devices and faults are 1 to this: the `id` columns of the original's
/// tables are INT.
pub const LARGEST_ID: u32 = i32::MAX as u32;
/// Ids of operations are 1 to this: above are those of the liveness phase.
pub const LARGEST_OPERATION: u32 = 999_999;
/// The latency of a plan's links is 1 to this, in ticks: 5 s one way, more than any timer of a
/// client waits.
pub const HIGHEST_LATENCY_TICKS: u64 = 1_000;
/// The wall clock starts between these, in seconds since 1970: from 2001 to 2096. The columns of the
/// original's tables are INT UNSIGNED.
pub const EPOCHS: (u64, u64) = (1_000_000_000, 4_000_000_000);
/// A db_proxy has 1 to this many workers, and all of them together have no more.
pub const MOST_WORKERS: usize = 1_024;

/// Checks all of it.
///
/// # Errors
/// A sentence with the place (`operation 12: field `at_ms`: …`) and what is allowed there.
pub fn check(case: &Case) -> Result<(), String> {
    let plan = &case.plan;
    lengths(plan)?;
    numbers(plan)?;
    nodes(plan)?;
    devices(plan)?;
    groups(plan)?;
    past::check(plan)?;
    operations(plan)?;
    extent::check(plan)?;
    faults(plan)?;
    rollout(plan)?;
    migrations::check(plan)?;
    expectation(&case.expect)
}

fn lengths(plan: &Plan) -> Result<(), String> {
    for (list, length, most) in [
        ("nodes", plan.nodes.len(), MOST_NODES),
        ("devices", plan.devices.len(), MOST_DEVICES),
        ("groups", plan.groups.len(), MOST_GROUPS),
        ("operations", plan.operations.len(), MOST_OPERATIONS),
        ("faults", plan.faults.len(), MOST_FAULTS),
        ("rollout", plan.rollout.len(), MOST_STEPS),
        ("migrations", plan.migrations.len(), MOST_MIGRATIONS),
    ] {
        at_most("plan", list, length, most)?;
    }
    Ok(())
}

fn numbers(plan: &Plan) -> Result<(), String> {
    within("plan", "horizon_ms", plan.horizon_ms, 1, LONGEST_MS)?;
    if let Some(from) = plan.noise_from {
        within("plan", "noise_from.at_ms", from.at_ms, 0, LONGEST_MS)?;
    }
    within("plan", "epoch", plan.epoch, EPOCHS.0, EPOCHS.1)?;
    within("plan", "latency_ticks", plan.latency_ticks, 1, HIGHEST_LATENCY_TICKS)?;
    for (link, ticks) in &plan.link_latency_ticks {
        let field = format!("link_latency_ticks.{}", link.name());
        within("plan", &field, *ticks, 1, HIGHEST_LATENCY_TICKS)?;
    }
    within("plan", "db_workers", plan.db_workers, 1, MOST_WORKERS)
}

/// Each host is there once, and no role is missing.
fn nodes(plan: &Plan) -> Result<(), String> {
    let mut hosts = BTreeSet::new();
    for Node { host, clock, .. } in &plan.nodes {
        if !hosts.insert(host) {
            return Err(format!(
                "node `{host}`: there are two nodes of this host: each host has one"
            ));
        }
        let place = format!("node `{host}`");
        clock.check().map_err(|wrong| format!("{place}: {wrong}"))?;
        if !clock.is_right() {
            reads_a_clock(&format!("{place}: field `clock`"), host)?;
        }
    }
    for role in Role::SINGLE.into_iter().chain(Role::NUMBERED) {
        if plan.hosts(role).is_empty() {
            return Err(format!(
                "plan: field `nodes`: there is no `{role}` ({}), and every world has one",
                what_is(role)
            ));
        }
    }
    Ok(())
}

fn what_is(role: Role) -> &'static str {
    match role {
        Role::Redis => "the cache",
        Role::Sql => "the SQL store",
        Role::Outside => "login, push and file server",
        Role::Route => "a route_server",
        Role::Db => "a db_proxy",
        Role::Msg => "a msg_server",
        Role::Client => "a host of devices",
        Role::World => "the driver",
    }
}

fn devices(plan: &Plan) -> Result<(), String> {
    let mut slots = BTreeSet::new();
    for device in &plan.devices {
        let place = format!("device {}", device.slot);
        within(&place, "slot", device.slot, 1, LARGEST_ID)?;
        unique(&mut slots, device.slot, || place.clone())?;
        within(&place, "user", device.user, 1, LARGEST_ID)?;
        for (field, host, role) in
            [("host", &device.host, Role::Client), ("home", &device.home, Role::Msg)]
        {
            let place = format!("{place}: field `{field}`");
            is_host(plan, &place, host)?;
            if plan.hosts(role).iter().all(|known| **known != **host) {
                return Err(format!("{place}: `{host}` is no {role} host"));
            }
        }
        let of_host = plan.side_of(&device.host);
        if device.side != of_host {
            return Err(format!(
                "{place}: field `side`: it is {}, but its host {} is {}: the devices of a host are on its side",
                device.side.name(),
                device.host,
                of_host.name()
            ));
        }
        if let Some(token) = device.token {
            within(&place, "token", token, 1, LARGEST_ID)?;
        }
        if let Acks::Late { ms } = device.conduct.acks {
            within(&place, "conduct.acks.late.ms", ms, 0, LONGEST_MS)?;
        }
    }
    Ok(())
}

fn groups(plan: &Plan) -> Result<(), String> {
    let mut ids = BTreeSet::new();
    for group in &plan.groups {
        let place = format!("group {}", group.id);
        within(&place, "id", group.id, 1, LARGEST_ID)?;
        unique(&mut ids, group.id, || place.clone())?;
        within(&place, "creator", group.creator, 1, LARGEST_ID)?;
        at_most(&place, "members", group.members.len(), MOST_ITEMS)?;
        let (mut members, mut before) = (BTreeSet::new(), 0);
        for &member in &group.members {
            within(&place, "members", member, 1, LARGEST_ID)?;
            if !members.insert(member) {
                return Err(format!("{place}: field `members`: user {member} is in it twice"));
            }
            if member < before {
                return Err(format!(
                    "{place}: field `members`: {member} behind {before}: they are ascending"
                ));
            }
            before = member;
        }
    }
    Ok(())
}

fn operations(plan: &Plan) -> Result<(), String> {
    let slots: BTreeSet<_> = plan.devices.iter().map(|device| device.slot).collect();
    let mut ids = BTreeSet::new();
    for op in &plan.operations {
        let place = timed(plan, ("operation", LARGEST_OPERATION), &mut ids, op.id, op.at_ms)?;
        if !slots.contains(&op.device) {
            let slot = op.device;
            return Err(format!("{place}: field `device`: the plan has no device in slot {slot}"));
        }
        if let Action::Probe { limit, .. } = &op.action
            && probe::named(&Limits::default(), limit).is_none()
        {
            return Err(format!("{place}: field `limit`: the catalogue has no limit `{limit}`"));
        }
        for (field, length) in lists_of(op) {
            at_most(&place, field, length, MOST_ITEMS)?;
        }
        named::check(&place, &op.action)?;
    }
    Ok(())
}

/// The lists in an operation, with their fields.
fn lists_of(op: &Operation) -> Vec<(&'static str, usize)> {
    match &op.action {
        Action::Ask(Ask { args, .. }) => vec![("users", args.users.len()), ("ids", args.ids.len())],
        Action::CreateGroup { members } => vec![("members", members.len())],
        Action::AddMembers { users, .. } | Action::RemoveMembers { users, .. } => {
            vec![("users", users.len())]
        }
        _ => Vec::new(),
    }
}

fn faults(plan: &Plan) -> Result<(), String> {
    let mut ids = BTreeSet::new();
    for fault in &plan.faults {
        let place = timed(plan, ("fault", LARGEST_ID), &mut ids, fault.id, fault.at_ms)?;
        for host in fault.trouble.hosts() {
            is_host(plan, &place, host)?;
        }
        fault.check()?;
        if let Trouble::ClockStep { host, .. } = &fault.trouble {
            reads_a_clock(&format!("{place}: field `host`"), host)?;
        }
        they_talk(&place, fault)?;
    }
    Ok(())
}

/// The hosts of the rig's own ask no wall clock, so theirs can't be wrong.
fn reads_a_clock(place: &str, host: &str) -> Result<(), String> {
    let ours = |host: Host| !host.role().is_of_the_rig();
    if Host::parse(host).is_ok_and(ours) {
        return Ok(());
    }
    Err(format!(
        "{place}: `{host}` reads no wall clock: a host of msg, route, db or client was expected"
    ))
}

/// A link that nothing is ever sent on has no trouble.
fn they_talk(place: &str, fault: &Fault) -> Result<(), String> {
    let [a, b] = fault.trouble.hosts()[..] else { return Ok(()) };
    let roles = [a, b].map(|host| Host::parse(host).map(|host| host.role()));
    let [Ok(of_a), Ok(of_b)] = roles else { return Ok(()) };
    if Between::of(of_a, of_b).is_some() {
        return Ok(());
    }
    let links: Vec<_> = Between::ALL.iter().map(|(link, ..)| link.name()).collect();
    let links = links.join(", ");
    Err(format!("{place}: `{a}` and `{b}` never talk: the links of a world are {links}"))
}

fn rollout(plan: &Plan) -> Result<(), String> {
    let mut ids = BTreeSet::new();
    for step in &plan.rollout {
        timed(plan, ("step", LARGEST_ID), &mut ids, step.id, step.at_ms)?;
        step.check(plan)?;
    }
    Ok(())
}

fn expectation(expect: &str) -> Result<(), String> {
    let all = properties::all(&Protocol::hardened());
    let is_signature = match expect.split('/').collect::<Vec<_>>()[..] {
        [property, _, role] => {
            all.iter().any(|known| known.name() == property)
                && Role::ALL.iter().any(|known| known.name() == role)
        }
        _ => false,
    };
    if expect == "holds" || is_signature {
        return Ok(());
    }
    let names: Vec<_> = all.iter().map(|property| property.name()).collect();
    Err(format!(
        "field `expect`: `{expect}` is neither `holds` nor a signature `property/kind/role` of one of {}",
        names.join(", ")
    ))
}

fn within<T: PartialOrd + Display>(
    place: &str,
    field: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), String> {
    if least <= value && value <= most {
        return Ok(());
    }
    Err(format!("{place}: field `{field}`: {value} is not within {least} to {most}"))
}

fn at_most(place: &str, list: &str, length: usize, most: usize) -> Result<(), String> {
    if length <= most {
        return Ok(());
    }
    Err(format!("{place}: field `{list}`: {length} elements, at most {most} are allowed"))
}

fn unique<T: Ord>(seen: &mut BTreeSet<T>, id: T, place: impl Fn() -> String) -> Result<(), String> {
    if seen.insert(id) {
        return Ok(());
    }
    Err(format!("{}: duplicate id: ids must be unique", place()))
}

fn before_the_end(place: &str, at_ms: u64, plan: &Plan) -> Result<(), String> {
    if at_ms < plan.horizon_ms {
        return Ok(());
    }
    let horizon = plan.horizon_ms;
    Err(format!("{place}: field `at_ms`: {at_ms} is not before the plan's horizon_ms, {horizon}"))
}

/// What has an id of its own, up to the largest one, and begins before the end: its place in words.
fn timed(
    plan: &Plan,
    (noun, largest): (&str, u32),
    ids: &mut BTreeSet<u32>,
    id: u32,
    at_ms: u64,
) -> Result<String, String> {
    let place = format!("{noun} {id}");
    within(&place, "id", id, 1, largest)?;
    unique(ids, id, || place.clone())?;
    before_the_end(&place, at_ms, plan)?;
    Ok(place)
}

fn is_host(plan: &Plan, place: &str, host: &str) -> Result<(), String> {
    if plan.node(host).is_some() {
        return Ok(());
    }
    Err(format!("{place}: `{host}` is not among the plan's nodes"))
}
