//! Hunting through seeds.

use crate::{
    plan::{
        case::{Case, FORMAT, ProtocolSpec, Protocols},
        generate::{Clients, Profile, generate},
    },
    record::history::Outcome as OpOutcome,
    seeded::on_seeded_thread,
    world::{self, Outcome},
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
};

/// The case of a seed: its plan, both sides under one protocol.
pub fn case_of(seed: u64, protocol: &ProtocolSpec, profile: Profile) -> Case {
    let clients = if protocol.preset == "teamtalk" { Clients::Mixed } else { Clients::Ours };
    Case {
        format: FORMAT,
        protocols: Protocols { base: protocol.clone(), candidate: protocol.clone() },
        seed: Some(seed),
        plan: generate(seed, clients, profile),
        expect: "holds".into(),
    }
}

/// Runs a case on a thread of its own, with everything seeded.
///
/// # Errors
/// If the case's protocols can't be resolved.
pub fn run_case(case: &Case) -> Result<Outcome, String> {
    run_case_with(case, 0)
}

/// Like [`run_case`], with another seed for what asks the system for randomness. A plan's trace
/// must not depend on it: a `std` map iterated in a role shows by it.
///
/// # Errors
/// If the case's protocols can't be resolved.
pub fn run_case_with(case: &Case, entropy: u64) -> Result<Outcome, String> {
    on_seeded_thread(case.plan.noise ^ entropy, || world::run(case))
}

/// What one seed did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SeedReport {
    /// The seed.
    pub seed: u64,
    /// Sends that were acked.
    pub acked: u64,
    /// Sends that were attempted.
    pub sends: u64,
    /// Sends whose first attempt was not answered in time.
    pub unanswered: u64,
    /// Operations unknown at the end.
    pub unknown: u64,
    /// Faults that hit nothing.
    pub idle_faults: u64,
    /// All faults.
    pub faults: u64,
    /// PDUs written.
    pub pdus: u64,
    /// Store commands and statements applied.
    pub store: u64,
    /// Simulated milliseconds.
    pub sim_ms: u64,
    /// Counts that are no violations.
    pub notes: BTreeMap<&'static str, u64>,
    /// The signatures of what was broken.
    pub signatures: Vec<String>,
}

impl SeedReport {
    /// Counts what a run did.
    pub fn of(seed: u64, case: &Case, outcome: &Outcome) -> Self {
        use crate::record::Kind;
        let mut report = Self { seed, notes: outcome.notes.clone(), ..Self::default() };
        for op in &case.plan.operations {
            let Some(entry) = outcome.history.entries.get(&op.id) else { continue };
            report.unknown += u64::from(entry.outcome == OpOutcome::Unknown);
            if op.action.is_send() && entry.attempts > 0 {
                report.sends += 1;
                report.unanswered += u64::from(entry.first_unanswered);
                report.acked += u64::from(matches!(entry.outcome, OpOutcome::Ok(_)));
            }
        }
        report.faults = outcome.hits.len() as u64;
        report.idle_faults = outcome.hits.values().filter(|hit| **hit == 0).count() as u64;
        for line in &outcome.trace.lines {
            report.pdus += u64::from(matches!(line.kind, Kind::PduSent(_)));
            report.store += u64::from(matches!(line.kind, Kind::Store { .. }));
        }
        report.sim_ms = outcome.trace.lines.last().map_or(0, |l| l.sim_us / 1_000);
        report.signatures = outcome.violations.iter().map(|v| v.signature()).collect();
        report
    }
}

/// A seed that broke something.
#[derive(Debug)]
pub struct Found {
    /// The case, expecting the first violation that was found.
    pub case: Case,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a campaign does.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// How many at once.
    pub jobs: usize,
    /// Under which protocol.
    pub protocol: ProtocolSpec,
    /// What its plans are like.
    pub profile: Profile,
    /// Go on after the first violation.
    pub keep_going: bool,
}

/// Runs a campaign. `each` is called on this thread for every seed, in no fixed order.
///
/// # Errors
/// If the protocol can't be resolved.
pub fn explore(
    campaign: &Campaign,
    stop: &AtomicBool,
    mut each: impl FnMut(&SeedReport, Option<Found>),
) -> Result<(), String> {
    campaign.protocol.resolve()?;
    let next = AtomicU64::new(campaign.from);
    let end = campaign.from.saturating_add(campaign.seeds);
    let (sender, receiver) = mpsc::channel();
    let failed = Mutex::new(None);
    #[allow(clippy::disallowed_methods, reason = "the rig's own threads")]
    std::thread::scope(|scope| {
        for _ in 0..campaign.jobs.max(1) {
            let (sender, next, failed) = (sender.clone(), &next, &failed);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let mut case = case_of(seed, &campaign.protocol, campaign.profile);
                    match run_case(&case) {
                        Ok(outcome) => {
                            let report = SeedReport::of(seed, &case, &outcome);
                            let found = report.signatures.first().cloned().map(|signature| {
                                case.expect = signature;
                                Found { case, outcome }
                            });
                            if found.is_some() && !campaign.keep_going {
                                stop.store(true, Ordering::Relaxed);
                            }
                            if sender.send((report, found)).is_err() {
                                return;
                            }
                        }
                        Err(error) => {
                            *failed.lock().expect("no panic under it") = Some(error);
                            return;
                        }
                    }
                }
            });
        }
        drop(sender);
        for (report, found) in receiver {
            each(&report, found);
        }
    });
    failed.into_inner().expect("no panic under it").map_or(Ok(()), Err)
}
