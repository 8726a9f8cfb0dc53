//! What each fault does to links and hosts from its start on, and what it finds in flight.

use crate::{
    plan::{Cut, Trouble},
    world::{
        network::{Effect, Latency, OnHost, OnLink},
        roster::{HostId, Roster},
        shared::Inner,
    },
};
use std::collections::BTreeSet;
use teamtalk::env::ConnId;
use turmoil::Sim;

/// What a trouble does; `hosts`: all of the plan. What it does once, or to processes, is left to
/// [`super::Faults`].
pub fn of(trouble: &Trouble, roster: &Roster, hosts: &[HostId]) -> Vec<Effect> {
    let others = |host: HostId| hosts.iter().copied().filter(move |other| *other != host);
    match trouble {
        Trouble::Partition { a, b, cut, .. } => {
            let (a, b) = (roster.named(a), roster.named(b));
            match cut {
                Cut::AToB => vec![loses(a, b)],
                Cut::BToA => vec![loses(b, a)],
                Cut::Both => both_ways(a, b).into(),
            }
        }
        Trouble::Isolate { host, .. } => {
            let host = roster.named(host);
            others(host).flat_map(|other| both_ways(host, other)).collect()
        }
        Trouble::Stall { a, b } => {
            vec![Effect::Link(roster.named(a), roster.named(b), OnLink::Hold)]
        }
        Trouble::Jitter { a, b, ticks } => {
            let latency = OnLink::Latency(Latency::Drawn(*ticks));
            vec![Effect::Link(roster.named(a), roster.named(b), latency)]
        }
        Trouble::SlowLink { a, b, ticks } => {
            let latency = OnLink::Latency(Latency::Fixed(*ticks));
            vec![Effect::Link(roster.named(a), roster.named(b), latency)]
        }
        Trouble::TinyIo { host, bytes } => {
            vec![Effect::Host(roster.named(host), OnHost::TinyIo(*bytes))]
        }
        Trouble::SlowReader { host, peer, bytes } => {
            let peer = peer.as_ref().map(|peer| roster.named(peer));
            let slow = OnHost::SlowReader { peer, bytes: *bytes };
            vec![Effect::Host(roster.named(host), slow)]
        }
        Trouble::StoreFails { host, error, one_in } => {
            vec![Effect::Host(roster.named(host), OnHost::Fails { error: *error, one_in: *one_in })]
        }
        Trouble::ReplyLost { host, one_in } => {
            vec![Effect::Host(roster.named(host), OnHost::LosesReplies { one_in: *one_in })]
        }
        Trouble::SlowStore { host, ticks } => {
            vec![Effect::Host(roster.named(host), OnHost::TakesLonger { ticks: *ticks })]
        }
        Trouble::ClockStep { host, ahead_ms } => {
            vec![Effect::Host(roster.named(host), OnHost::ClockAhead { ms: *ahead_ms })]
        }
        Trouble::Pause { host } => {
            let host = roster.named(host);
            let hold = |other| Effect::Link(host, other, OnLink::Hold);
            others(host).map(hold).chain([Effect::Host(host, OnHost::Paused)]).collect()
        }
        Trouble::Drop { .. }
        | Trouble::Reset { .. }
        | Trouble::Crash { .. }
        | Trouble::Stop { .. }
        | Trouble::Planted { .. }
        | Trouble::PowerCut { .. } => Vec::new(),
    }
}

/// What one host sends to another is lost.
fn loses(from: HostId, to: HostId) -> Effect {
    Effect::Link(from, to, OnLink::Cut { from })
}

/// What two hosts send each other is lost.
pub fn both_ways(a: HostId, b: HostId) -> [Effect; 2] {
    [loses(a, b), loses(b, a)]
}

/// How many segments effects hit that are in flight when they begin, and the streams that lose
/// data by it, which know of it from here on.
pub fn hit(sim: &Sim<'_>, shared: &mut Inner, effects: &[Effect]) -> (u64, BTreeSet<ConnId>) {
    let (mut hit, mut lost) = (0, BTreeSet::new());
    for effect in effects {
        match *effect {
            Effect::Link(a, b, OnLink::Cut { from }) => {
                let to = if from == a { b } else { a };
                let (segments, streams) = in_flight(sim, shared, from, to);
                hit += segments;
                lost.extend(streams);
            }
            Effect::Link(a, b, OnLink::Hold) => {
                hit += in_flight(sim, shared, a, b).0 + in_flight(sim, shared, b, a).0;
            }
            Effect::Link(_, _, OnLink::Latency(_)) | Effect::Host(..) => {}
        }
    }
    for id in &lost {
        if let Some(stream) = shared.streams.get_mut(id) {
            stream.lost_data = true;
        }
    }
    (hit, lost)
}

/// How many segments are in flight from one host to another, and the streams that they belong
/// to: dials have none yet.
pub fn in_flight(
    sim: &Sim<'_>,
    shared: &Inner,
    from: HostId,
    to: HostId,
) -> (u64, BTreeSet<ConnId>) {
    let address = |host| sim.lookup(&**shared.roster.host(host));
    let (from, to) = (address(from), address(to));
    let (mut segments, mut streams) = (0, BTreeSet::new());
    sim.links(|links| {
        for link in links {
            if link.pair() != (from.min(to), from.max(to)) {
                continue;
            }
            for (src, dst) in link.map(|sent| sent.pair()) {
                if src.ip() == from && dst.ip() == to {
                    segments += 1;
                    streams.extend(shared.streams.of_segment(src, dst));
                }
            }
        }
    });
    (segments, streams)
}
