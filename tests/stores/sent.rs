//! What roles have sent to SQL in simulated runs.

use std::collections::BTreeMap;
use teamtalk::store::sql::Value;
use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{case::ProtocolSpec, generate::Profile},
    record::{Effect, Kind},
};

/// A statement of a role, and the parameters of one time that it sent it.
pub type Sent = (String, Vec<Value>);

/// What one session sends in a row: a transaction, or one statement.
pub type Unit = Vec<Sent>;

/// Runs from which units are taken: the first seeds of these.
const RUNS: [(&str, Profile, u64); 5] = [
    ("hardened", Profile::Default, 8),
    ("hardened", Profile::Bounds, 1),
    ("hardened", Profile::Stores, 3),
    ("hardened", Profile::Rolling, 2),
    ("teamtalk", Profile::Default, 3),
];

/// The units of runs, one of each list of texts.
pub fn units() -> Vec<Unit> {
    let mut all: BTreeMap<Vec<String>, Unit> = BTreeMap::new();
    let seeds = |&(preset, profile, last)| (1..=last).map(move |seed| (preset, profile, seed));
    for (preset, profile, seed) in RUNS.iter().flat_map(seeds) {
        let outcome = run_case(&case_of(seed, &ProtocolSpec::preset(preset), profile))
            .unwrap_or_else(|_| panic!("seed {seed} of {preset} runs"));
        let mut open: BTreeMap<u64, Unit> = BTreeMap::new();
        for line in &outcome.trace.lines {
            let Kind::Store(applied) = &line.kind else { continue };
            let Effect::Sql { transaction, .. } = applied.effect else { continue };
            let sent = (applied.what.to_string(), applied.params.clone());
            // What a session or a db_proxy begins with.
            if sent.0.starts_with("set ") || sent.0.contains("TTSchema") {
                continue;
            }
            let ends = ["COMMIT", "ROLLBACK"].contains(&&*sent.0.to_uppercase());
            let whole = match transaction {
                None => Some(vec![sent]),
                Some(id) => {
                    open.entry(id).or_default().push(sent);
                    ends.then(|| open.remove(&id)).flatten()
                }
            };
            if let Some(unit) = whole {
                let texts = unit.iter().map(|(text, _)| text.clone()).collect();
                all.entry(texts).or_insert(unit);
            }
        }
    }
    all.into_values().collect()
}
