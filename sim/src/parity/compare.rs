//! One flow: what was captured against what we did.

use super::{
    agreement::Agreement,
    capture::{Event, Flow, What},
    decode,
    observe::Observed,
    shuffle,
    statement::Statement,
    way::Way,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use teamtalk::{catalogue::id as command, wire::Pdu};

/// The distance of two heartbeats of an idle link: at the first 1 s tick more than 5 s after the
/// last send (SYSTEM.md section 2), and what a capture's clock adds.
const SPACING: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(4_990)..=Duration::from_millis(6_100);

/// Every difference, one readable text each; times and handles are agreed on from flow to flow.
pub fn compare(flow: &Flow, ours: &Observed, agreement: &mut Agreement) -> Vec<String> {
    let mut found = ours.problems.clone();
    pdus(flow, ours, agreement, &mut found);
    connections(flow, ours, &mut found);
    heartbeats(flow, ours, &mut found);
    if let Some(stores) = &flow.stores {
        let sql: Vec<_> =
            stores.sql.iter().map(|(server, text)| Statement::sql(*server, text, &[])).collect();
        let redis: Vec<_> = stores.redis.iter().map(Statement::redis).collect();
        for (captured, ours) in [(sql, &ours.sql), (redis, &ours.redis)] {
            shuffle::compare(&captured, ours, agreement, &mut found);
        }
    }
    found.into_iter().map(|text| format!("{}: {text}", flow.name)).collect()
}

/// Heartbeats of server links are compared by [`heartbeats`].
fn is_link_heartbeat(way: &Way, pdu: &Pdu) -> bool {
    pdu.command() == command::OTHER_HEARTBEAT && way.client().is_none()
}

/// Each direction of each link for itself, in the capture's order; of each the first difference.
fn pdus(flow: &Flow, ours: &Observed, agreement: &mut Agreement, found: &mut Vec<String>) {
    let mut next: BTreeMap<&Way, usize> = BTreeMap::new();
    let mut differ: BTreeSet<&Way> = BTreeSet::new();
    for event in &flow.events {
        let (way, What::Pdu(captured)) = (&event.way, &event.what) else { continue };
        if is_link_heartbeat(way, captured) || differ.contains(way) {
            continue;
        }
        let k = next.entry(way).or_default();
        let result = match ours.pdus.get(way).and_then(|pdus| pdus.get(*k)) {
            Some(pdu) => pdu_agrees(way, captured, pdu, agreement),
            None => Err("expected it, got no more".into()),
        };
        if let Err(difference) = result {
            differ.insert(way);
            let name = summary(captured);
            let got: Vec<_> = ours.pdus.get(way).into_iter().flatten().map(summary).collect();
            found.push(format!("{way}, PDU {k} {name}: {difference}\n  got {}", got.join(", ")));
        }
        *k += 1;
    }
    for (way, pdus) in &ours.pdus {
        let captured = next.get(way).copied().unwrap_or(0);
        if let Some(more) = pdus.get(captured..).filter(|more| !more.is_empty())
            && !differ.contains(way)
        {
            let more: Vec<_> = more.iter().map(summary).collect();
            found.push(format!(
                "{way}, PDU {captured}: expected no more\n  got {}",
                more.join(", ")
            ));
        }
    }
}

fn pdu_agrees(
    way: &Way,
    captured: &Pdu,
    ours: &Pdu,
    agreement: &mut Agreement,
) -> Result<(), String> {
    // What a client or msg_server has from another msg_server carries that one's handles.
    let message = captured.command() == command::MSG_DATA;
    let relayed = message && (way.dir.starts_with("route->") || way.client().is_some());
    let (captured, ours) = (decode::fields(captured, relayed), decode::fields(ours, relayed));
    agreement.fields(way.server(), &captured, &ours)
}

/// `0x0301 seq 2`.
fn summary(pdu: &Pdu) -> String {
    format!("{:#06x} seq {}", pdu.command(), pdu.header.seq_num)
}

/// Who connected, and which client was cut off by its server; when a FIN comes does not count.
fn connections(flow: &Flow, ours: &Observed, found: &mut Vec<String>) {
    let (mut connects, mut cut_off, mut left) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for Event { way, what, .. } in &flow.events {
        match (what, way.client()) {
            (What::Connect, _) => _ = connects.insert(way.link.clone()),
            (What::Fin, Some(label)) if way.is_from_client() => _ = left.insert(label),
            (What::Fin, Some(label)) if !left.contains(label) => {
                _ = cut_off.insert(label.to_string());
            }
            _ => {}
        }
    }
    for (what, captured, ours) in [
        ("connection", &connects, &ours.connects),
        ("closed by its server", &cut_off, &ours.cut_off),
    ] {
        for who in captured.symmetric_difference(ours) {
            let expected = if captured.contains(who) { "expected, got none" } else { "unexpected" };
            found.push(format!("{who}, {what}: {expected}"));
        }
    }
}

/// In captures of idle links only: sides and spacing. Elsewhere links are not idle.
fn heartbeats(flow: &Flow, ours: &Observed, found: &mut Vec<String>) {
    if !flow.heartbeats {
        return;
    }
    let mut captured: BTreeMap<Way, Vec<Duration>> = BTreeMap::new();
    for event in &flow.events {
        if let What::Pdu(pdu) = &event.what
            && is_link_heartbeat(&event.way, pdu)
        {
            captured.entry(event.way.clone()).or_default().push(event.at);
        }
    }
    let sides = |heartbeats: &BTreeMap<Way, Vec<Duration>>| -> BTreeSet<Way> {
        heartbeats.keys().cloned().collect()
    };
    for way in sides(&captured).symmetric_difference(&sides(&ours.heartbeats)) {
        found.push(format!("{way}: one of capture and run has no heartbeat there"));
    }
    for (who, heartbeats) in [("capture", &captured), ("run", &ours.heartbeats)] {
        for (way, at) in heartbeats {
            for pair in at.windows(2) {
                let gap = pair[1] - pair[0];
                if !SPACING.contains(&gap) {
                    found.push(format!("{way}: the {who}'s heartbeats are {gap:?} apart"));
                }
            }
        }
    }
}
