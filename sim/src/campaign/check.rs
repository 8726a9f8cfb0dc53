//! What must be so in a campaign file beside the types of its fields.

use super::Results;
use crate::{explore::SeedReport, plan::case::Case, properties};
use std::collections::BTreeMap;

/// No number of a report is larger: the sums of a campaign stay sums.
const LARGEST: u64 = u32::MAX as u64;

/// Refuses what contradicts itself, and names that are none.
///
/// # Errors
/// A sentence.
pub fn check(results: &Results) -> Result<(), String> {
    let protocol = results.protocol.resolve().map_err(|e| format!("protocol: {e}"))?;
    results.protocol.resolve_limits().map_err(|e| format!("protocol: {e}"))?;
    results.deployment.check().map_err(|e| format!("deployment: {e}"))?;
    let is_time = results.seconds.is_finite() && results.seconds >= 0.0;
    is_time.then_some(()).ok_or("seconds: no time")?;
    let known: Vec<_> = properties::all(&protocol).iter().map(|p| p.name()).collect();
    let mut lowest: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (seed, report) in &results.reports {
        one(*seed, report, results).map_err(|e| format!("seed {seed}: {e}"))?;
        for (signature, mechanism) in report.signatures.iter().zip(&report.mechanisms) {
            lowest.entry((signature, mechanism)).or_insert(*seed);
        }
    }
    for seed in &results.lost {
        if results.reports.contains_key(seed) || !results.shard.has(*seed, results.from) {
            return Err(format!("seed {seed}: it can't be lost"));
        }
    }
    let finds = results.finds.iter().flat_map(|(signature, mechanisms)| {
        mechanisms.iter().map(move |(mechanism, find)| ((signature, mechanism), find))
    });
    let mut found = 0;
    for ((signature, mechanism), find) in finds {
        let at = format!("{signature:?} by {mechanism:?}");
        let is_signature = is_name(signature, "/") && signature.split('/').count() == 3;
        let property = signature.split('/').next().unwrap_or_default();
        if !is_signature || !known.contains(&property) || !is_name(mechanism, " +") {
            return Err(format!("{at}: no signature and mechanism"));
        }
        if lowest.get(&(signature.as_str(), mechanism.as_str())) != Some(&find.seed) {
            return Err(format!("{at}: seed {} is not the lowest that does it", find.seed));
        }
        let is_of_it = |case: &Case| {
            // A profile may make limits small, by the seed.
            let whole = results.case(signature, case.seed.unwrap_or(find.seed));
            (&case.expect, &case.protocols.base) == (signature, &whole.protocols.base)
        };
        if find.small.as_ref().is_some_and(|case| !is_of_it(case)) {
            return Err(format!("{at}: its small case is of something else"));
        }
        found += 1;
    }
    if found != lowest.len() {
        return Err("`finds` lack what a seed violated".into());
    }
    Ok(())
}

fn one(seed: u64, report: &SeedReport, results: &Results) -> Result<(), String> {
    if report.seed != seed || !results.shard.has(seed, results.from) {
        return Err("it is not of this campaign".into());
    }
    if report.signatures.len() != report.mechanisms.len() {
        return Err("each signature has a mechanism".into());
    }
    let SeedReport { acked, sends, unanswered, unknown, idle_faults, faults, .. } = report;
    let numbers = [acked, sends, unanswered, unknown, idle_faults, faults];
    let numbers = numbers.into_iter().chain([&report.pdus, &report.store, &report.sim_ms]);
    let tallies = report.tallies.values();
    let judged = tallies.flat_map(|tally| tally.excused.values().chain([&tally.judged]));
    if numbers.chain(judged).any(|n| *n > LARGEST) {
        return Err(format!("a number over {LARGEST}"));
    }
    let names = report.tallies.iter().flat_map(|(name, of)| of.excused.keys().chain([name]));
    match names.into_iter().find(|name| !is_plain(name)) {
        Some(name) => Err(format!("{name:?} is no name")),
        None => Ok(()),
    }
}

/// Whether a text is words of small letters and digits, with some further characters.
fn is_name(text: &str, further: &str) -> bool {
    let may = |c: char| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c) || further.contains(c)
    };
    is_plain(text) && text.chars().all(may)
}

/// Whether a text is one line that a terminal shows as it is.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() < 500 && !text.chars().any(char::is_control)
}
