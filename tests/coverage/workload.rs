//! What the runs of some seeds put on the wire.

use crate::effects;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};
use teamtalk::env::ConnId;
use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{Host, Role, case::ProtocolSpec, generate::Profile},
    record::{End, Kind},
};

/// Enough that each command of the workload is among them many times.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=60;

/// The way of what devices read.
pub const TO_DEVICE: &str = "msg → device";

/// A way from writer to reader, such as `device → msg`.
type Ways = BTreeSet<String>;

/// What the runs did.
#[derive(Debug, Default)]
pub struct Workload {
    /// The ways of each command.
    pub ways: BTreeMap<u16, Ways>,
    /// How often each of `effects::of` was seen.
    pub effects: BTreeMap<&'static str, u32>,
}

/// What both presets did.
pub fn done() -> &'static Workload {
    static DONE: OnceLock<Workload> = OnceLock::new();
    DONE.get_or_init(|| {
        let presets = ["hardened", "teamtalk"];
        let halves = std::thread::scope(|scope| {
            let runs = presets.map(|preset| scope.spawn(move || run(preset)));
            runs.map(|run| run.join().expect("a run"))
        });
        let mut all = Workload::default();
        for half in halves {
            for (command, ways) in half.ways {
                all.ways.entry(command).or_default().extend(ways);
            }
            for (effect, times) in half.effects {
                *all.effects.entry(effect).or_default() += times;
            }
        }
        all
    })
}

fn run(preset: &str) -> Workload {
    let mut found = Workload::default();
    for seed in SEEDS {
        let case = case_of(seed, &ProtocolSpec::preset(preset), Profile::Default);
        let outcome = run_case(&case).expect("a preset resolves");
        let mut peers: BTreeMap<(ConnId, End), &str> = BTreeMap::new();
        for line in &outcome.trace.lines {
            match &line.kind {
                Kind::Connected { conn, end, peer, .. } => {
                    peers.insert((*conn, *end), name(peer));
                }
                // What never arrived is no workload.
                Kind::PduReceived(frame) => {
                    if let Some(peer) = peers.get(&(frame.conn, frame.end)) {
                        let way = format!("{peer} → {}", name(&line.host));
                        found.ways.entry(frame.pdu.command()).or_default().insert(way);
                    }
                    for effect in effects::of(&frame.pdu) {
                        *found.effects.entry(effect).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
    }
    found
}

fn name(host: &Host) -> &'static str {
    match host.role() {
        Role::Client => "device",
        role => role.name(),
    }
}
