//! Who has a lane: each device, and each other host.

use crate::{
    picture::scene::{Flight, Scene, hosts},
    plan::{Host, Role, case::Case},
    record::{End, Kind, Line, Trace},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use teamtalk::fact::Fact;

/// The lanes from left to right.
pub struct Lanes<'a> {
    lanes: Vec<Lane<'a>>,
    /// The user of each device.
    users: BTreeMap<u32, u32>,
    /// The device of each operation.
    ops: BTreeMap<u32, u32>,
}

struct Lane<'a> {
    host: &'a Host,
    device: Option<u32>,
    name: String,
    /// What it is, in a few words.
    what: String,
}

impl<'a> Lanes<'a> {
    /// Of a case and what came of it. The driver has none: what it does is drawn across all lanes.
    pub fn of(case: &'a Case, trace: &'a Trace, scene: &Scene<'_>) -> Self {
        let plan = &case.plan;
        let mut lanes = Vec::new();
        for host in hosts(plan, trace) {
            let devices = plan.devices.iter().filter(|device| *device.host == **host);
            match host.role() {
                Role::World => {}
                Role::Client if devices.clone().next().is_some() => {
                    lanes.extend(devices.map(|device| {
                        let client = serde_json::to_value(device.client).expect("plain data");
                        let client = client.as_str().unwrap_or_default().replace('_', " ");
                        Lane {
                            host,
                            device: Some(device.slot),
                            name: format!("device {}", device.slot),
                            what: format!("user {}, {client}, on {host}", device.user),
                        }
                    }));
                }
                role => lanes.push(Lane {
                    host,
                    device: None,
                    name: host.to_string(),
                    what: described(role).into(),
                }),
            }
        }
        let users = plan.devices.iter().map(|device| (device.slot, device.user)).collect();
        let mut ops: BTreeMap<u32, u32> =
            plan.operations.iter().map(|op| (op.id, op.device)).collect();
        // Devices ask for themselves, too.
        for line in &trace.lines {
            if let Kind::Fact(Fact::Attempt { op, conn, .. }) = &line.kind {
                ops.extend(scene.device(*conn).map(|device| (*op, device)));
            }
        }
        Self { lanes, users, ops }
    }

    pub fn to_json(&self) -> Value {
        let lane =
            |lane: &Lane<'_>| json!({"name": lane.name, "what": lane.what, "host": &**lane.host});
        self.lanes.iter().map(lane).collect()
    }

    /// A device's user.
    pub fn user(&self, device: u32) -> Option<u32> {
        self.users.get(&device).copied()
    }

    /// The device of an operation.
    pub fn device_of(&self, op: u32) -> Option<u32> {
        self.ops.get(&op).copied()
    }

    /// The lane of a line that is about a device or about none; `None` for the driver's.
    pub fn at(&self, line: &Line, device: Option<u32>) -> Option<usize> {
        self.on(&line.host, device)
    }

    /// The lane of a host, or of a device on it.
    pub fn on(&self, host: &Host, device: Option<u32>) -> Option<usize> {
        let here = |lane: &Lane<'_>| lane.host == host;
        let of_device =
            |lane: &Lane<'_>| here(lane) && lane.device.is_some() && lane.device == device;
        let exact = self.lanes.iter().position(of_device);
        exact.or_else(|| self.lanes.iter().position(here))
    }

    /// The lane of a device, wherever it is.
    pub fn of_device(&self, device: u32) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.device == Some(device))
    }

    /// The lanes of hosts by their names.
    pub fn of_hosts(&self, hosts: &[&str]) -> Vec<usize> {
        let is = |lane: &Lane<'_>| hosts.contains(&&**lane.host);
        (0..self.lanes.len()).filter(|at| is(&self.lanes[*at])).collect()
    }

    /// The lane at which a PDU would have arrived, or from which it came.
    pub fn other_end(&self, flight: &Flight<'_>, scene: &Scene<'_>) -> Option<usize> {
        let (conn, here) = (flight.frame.conn, flight.frame.end);
        let at = |end: End| scene.ends.get(&(conn, end)).map(|known| known.host);
        let host =
            at(here.other()).or_else(|| scene.ends.get(&(conn, here)).map(|known| known.peer));
        self.on(host?, scene.device(conn))
    }
}

fn described(role: Role) -> &'static str {
    match role {
        Role::Redis => "Redis",
        Role::Sql => "SQL",
        Role::Outside => "login, push, file server; auditor",
        Role::Route => "route_server",
        Role::Db => "db_proxy",
        Role::Msg => "msg_server",
        Role::Client => "a machine of devices",
        Role::World => "the rig",
    }
}
