//! Who is who on a card: the devices of its plan, and the ends of the connections that its events name.

use crate::{
    plan::{Host, Plan},
    record::{End, Kind, Line},
};
use std::{collections::BTreeMap, fmt::Write};
use teamtalk::env::ConnId;

/// A plan with more devices than these is not for reading.
const MOST_DEVICES: usize = 6;

/// Each device of a small plan: its user, what it is, and where.
pub fn devices(plan: &Plan) -> String {
    if plan.devices.len() > MOST_DEVICES {
        return String::new();
    }
    let one = |device: &crate::plan::Device| {
        let kind = if device.client.is_phone() { "phone" } else { "PC" };
        let (slot, user, host, home) = (device.slot, device.user, &device.host, &device.home);
        format!("device {slot} is a {kind} of user {user} ({host}, {home} first)")
    };
    let each: Vec<_> = plan.devices.iter().map(one).collect();
    format!("who:     {}\n", each.join("\n         "))
}

/// From whom to whom the connections go that some lines name.
pub fn connections(lines: &[Line], shown: &[&Line]) -> String {
    let mut ends: BTreeMap<ConnId, (Host, Host)> = BTreeMap::new();
    for line in lines {
        if let Kind::Connected { conn, end, peer, .. } = &line.kind {
            let (here, there) = (line.host.clone(), peer.clone());
            let way = if *end == End::Dialler { (here, there) } else { (there, here) };
            ends.insert(*conn, way);
        }
    }
    let mut named: BTreeMap<ConnId, &(Host, Host)> = BTreeMap::new();
    for line in shown {
        if let Kind::PduSent(frame) | Kind::PduReceived(frame) = &line.kind
            && let Some(way) = ends.get(&frame.conn)
        {
            named.insert(frame.conn, way);
        }
    }
    if named.is_empty() {
        return String::new();
    }
    let mut out = String::from("connections:");
    for (at, (conn, (from, to))) in named.into_iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(out, "{comma} {conn} {from} to {to}");
    }
    out + "\n"
}
