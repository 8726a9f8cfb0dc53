//! What the runs of some seeds put on the wire.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};
use teamtalk::env::ConnId;
use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{case::ProtocolSpec, generate::Profile},
    properties::role_of,
    record::{End, Kind},
};

/// Enough that each command of the workload is among them many times.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=60;

/// The way of what devices read.
pub const TO_DEVICE: &str = "msg → device";

/// A way from writer to reader, such as `device → msg`.
type Ways = BTreeSet<String>;

/// The ways of each command, under both presets.
pub fn done() -> BTreeMap<u16, Ways> {
    static DONE: OnceLock<BTreeMap<u16, Ways>> = OnceLock::new();
    DONE.get_or_init(|| {
        let presets = ["hardened", "teamtalk"];
        let halves = std::thread::scope(|scope| {
            let runs = presets.map(|preset| scope.spawn(move || run(preset)));
            runs.map(|run| run.join().expect("a run"))
        });
        let mut all: BTreeMap<u16, Ways> = BTreeMap::new();
        for (command, ways) in halves.into_iter().flatten() {
            all.entry(command).or_default().extend(ways);
        }
        all
    })
    .clone()
}

fn run(preset: &str) -> BTreeMap<u16, Ways> {
    let mut found: BTreeMap<u16, Ways> = BTreeMap::new();
    for seed in SEEDS {
        let case = case_of(seed, &ProtocolSpec::preset(preset), Profile::Default);
        let outcome = run_case(&case).expect("a preset resolves");
        let mut peers: BTreeMap<(ConnId, End), String> = BTreeMap::new();
        for line in &outcome.trace.lines {
            match &line.kind {
                Kind::Connected { conn, end, peer, .. } => {
                    peers.insert((*conn, *end), name(peer));
                }
                // What never arrived is no workload.
                Kind::PduReceived(frame) => {
                    if let Some(peer) = peers.get(&(frame.conn, frame.end)) {
                        let way = format!("{peer} → {}", name(&line.host));
                        found.entry(frame.pdu.command()).or_default().insert(way);
                    }
                }
                _ => {}
            }
        }
    }
    found
}

fn name(host: &str) -> String {
    let role = role_of(host);
    if role == "client" { "device".into() } else { role }
}
