//! Hunting through seeds.

pub use crate::run::run_case;
use crate::{
    campaign::{Shard, names},
    mechanism,
    plan::{
        case::{Case, FORMAT, ProtocolSpec, Protocols},
        generate::{Clients, Deployment, Profile, generate_in, limits},
    },
    properties::Tally,
    record::history::Outcome as OpOutcome,
    run::{Failed, Runner},
    world::{Outcome, Watch, panics},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
};

/// The case of a seed: its plan, both sides under one protocol, with the limits that the profile makes small.
pub fn case_of(seed: u64, protocol: &ProtocolSpec, profile: Profile) -> Case {
    case_in(seed, protocol, profile, &Deployment::default())
}

/// The case of a seed in a deployment, whose limits are the protocol's already ([`Deployment::under`]).
pub fn case_in(
    seed: u64,
    protocol: &ProtocolSpec,
    profile: Profile,
    deployment: &Deployment,
) -> Case {
    let clients = if protocol.preset == "teamtalk" { Clients::Mixed } else { Clients::Ours };
    // What the protocol says itself goes first.
    let mut protocol = protocol.clone();
    for (name, value) in limits(seed, profile, deployment) {
        let mut small = protocol.clone();
        small.limits.entry(name).or_insert(value);
        // One that does not fit beside those that are set stays as it is.
        if small.resolve_limits().is_ok() {
            protocol = small;
        }
    }
    Case {
        format: FORMAT,
        protocols: Protocols { base: protocol.clone(), candidate: protocol },
        seed: Some(seed),
        plan: generate_in(seed, clients, profile, deployment),
        expect: "holds".into(),
        story: None,
    }
}

/// What one seed did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// How often each property judged and forgave, of those that count.
    #[serde(deserialize_with = "names::tallies")]
    pub tallies: BTreeMap<&'static str, Tally>,
    /// The signatures of what was broken.
    pub signatures: Vec<String>,
    /// How each came about (`mechanism`), in the same order.
    pub mechanisms: Vec<String>,
    /// How often the places of planted mutants were reached (docs/MUTANTS.md).
    #[serde(skip)]
    pub mutants_reached: u64,
    /// The hash of its trace, if it was wanted ([`Long::hash_every`]).
    #[serde(skip)]
    pub hash: Option<String>,
}

impl SeedReport {
    /// Counts what a run did.
    pub fn of(seed: u64, case: &Case, outcome: &Outcome) -> Self {
        use crate::record::Kind;
        let tallies = outcome.tallies.clone();
        let mut report = Self { seed, tallies, ..Self::default() };
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
        report.mutants_reached = outcome.mutants_reached;
        report.signatures = outcome.violations.iter().map(|v| v.signature()).collect();
        let mechanism = |v| mechanism::of(outcome, v);
        report.mechanisms = outcome.violations.iter().map(mechanism).collect();
        report
    }
}

/// A seed that broke something.
#[derive(Debug)]
pub struct Found {
    /// The case, expecting the first violation that was found and was not known.
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
    /// What is fixed of them. Its limits are the protocol's already ([`Deployment::under`]).
    pub deployment: Deployment,
    /// Go on after the first violation.
    pub keep_going: bool,
    /// What only long ones have.
    pub long: Long,
}

/// What long campaigns have: parts, beginnings that were run before, a check of themselves.
#[derive(Debug, Clone, Default)]
pub struct Long {
    /// Which of the seeds are run here.
    pub shard: Shard,
    /// Those that ran before.
    pub done: BTreeSet<u64>,
    /// The hash of the trace is wanted of each n-th seed of the shard; 0: of none.
    pub hash_every: u64,
    /// Signatures that are known to be violated: they end nothing, and are no find.
    pub known: BTreeSet<String>,
    /// A planted defect of the rig, for tests of the check: what a run does depends on how many the
    /// process has run before.
    pub leaks: bool,
}

impl Long {
    /// Whether the hash of the n-th seed, from 0, is wanted.
    fn wants_hash(&self, n: u64) -> bool {
        (n + 1).is_multiple_of(self.hash_every)
    }
}

/// How many runs were made of campaigns that leak.
static LEAKED: AtomicU64 = AtomicU64::new(0);

/// What a campaign has to say of one seed.
#[derive(Debug)]
pub enum Event {
    /// It ran.
    Ran(SeedReport, Option<Box<Found>>),
    /// Its run came to nothing.
    Lost {
        /// The seed.
        seed: u64,
        /// Why nobody knows what came of it.
        failed: Failed,
        /// How many jobs are left: a thread that does not end takes its job with it.
        jobs: usize,
    },
}

/// Runs a campaign. `each` is called on this thread for every seed, in no fixed order.
///
/// # Errors
/// If the protocol can't be resolved, or else if a run came to nothing: the first one that did.
pub fn explore(
    campaign: &Campaign,
    stop: &AtomicBool,
    mut each: impl FnMut(&SeedReport, Option<Found>),
) -> Result<(), String> {
    let mut lost = None;
    explore_with(&Runner::default(), campaign, stop, |event| match event {
        Event::Ran(report, found) => each(&report, found.map(|found| *found)),
        Event::Lost { seed, failed, .. } => {
            lost.get_or_insert(format!("seed {seed}: {failed}"));
        }
    })?;
    lost.map_or(Ok(()), Err)
}

/// Like [`explore`], and says which seeds came to nothing. It ends early when `stop` is set, and
/// when no job is left.
///
/// # Errors
/// If the protocol can't be resolved.
pub fn explore_with(
    runner: &Runner,
    campaign: &Campaign,
    stop: &AtomicBool,
    each: impl FnMut(Event),
) -> Result<(), String> {
    campaign.protocol.resolve()?;
    let case_of = |seed| {
        let mut case = case_in(seed, &campaign.protocol, campaign.profile, &campaign.deployment);
        if campaign.long.leaks {
            case.plan.noise ^= LEAKED.fetch_add(1, Ordering::Relaxed);
        }
        case
    };
    run_all(runner, campaign, &case_of, stop, each);
    Ok(())
}

/// Runs the case that `case_of` makes of each seed of a campaign.
fn run_all(
    runner: &Runner,
    campaign: &Campaign,
    case_of: &(dyn Fn(u64) -> Case + Sync),
    stop: &AtomicBool,
    each: impl FnMut(Event),
) {
    let next = AtomicU64::new(0);
    let jobs = AtomicUsize::new(campaign.jobs.max(1));
    let (sender, receiver) = mpsc::channel();
    #[allow(clippy::disallowed_methods, reason = "the rig's own threads")]
    std::thread::scope(|scope| {
        for _ in 0..campaign.jobs.max(1) {
            let (sender, next, jobs) = (sender.clone(), &next, &jobs);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // Counted from 0: there is no seed after the largest one.
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let long = &campaign.long;
                    let seed = long.shard.nth(n, campaign.from, campaign.seeds);
                    let Some(seed) = seed else { return };
                    if long.done.contains(&seed) {
                        continue;
                    }
                    let hashed = long.wants_hash(n);
                    let ran = panics::kept(&Watch::default(), || {
                        one(runner, seed, hashed, &long.known, case_of)
                    });
                    let event = ran.unwrap_or_else(|panicked| Err(panicked.into())).unwrap_or_else(
                        |failed| {
                            let lost = usize::from(failed.is_stuck());
                            let jobs = jobs.fetch_sub(lost, Ordering::Relaxed) - lost;
                            Event::Lost { seed, failed, jobs }
                        },
                    );
                    if matches!(event, Event::Ran(_, Some(_))) && !campaign.keep_going {
                        stop.store(true, Ordering::Relaxed);
                    }
                    let job_is_lost =
                        matches!(&event, Event::Lost { failed, .. } if failed.is_stuck());
                    if sender.send(event).is_err() || job_is_lost {
                        return;
                    }
                }
            });
        }
        drop(sender);
        receiver.into_iter().for_each(each);
    });
}

/// Runs one seed of a campaign.
fn one(
    runner: &Runner,
    seed: u64,
    hashed: bool,
    known: &BTreeSet<String>,
    case_of: &dyn Fn(u64) -> Case,
) -> Result<Event, Failed> {
    let mut case = case_of(seed);
    let outcome = runner.run(&case)?;
    let mut report = SeedReport::of(seed, &case, &outcome);
    report.hash = hashed.then(|| outcome.trace.hash());
    let is_new = |signature: &&String| !known.contains(*signature);
    let found = report.signatures.iter().find(is_new).cloned().map(|signature| {
        case.expect = signature;
        Box::new(Found { case, outcome })
    });
    Ok(Event::Ran(report, found))
}

#[cfg(test)]
mod tests {
    use super::{Campaign, Event, Long, case_of, run_all};
    use crate::{
        plan::{
            Fault, Plant, Trouble,
            case::ProtocolSpec,
            generate::{Deployment, Profile},
        },
        run::Runner,
    };
    use std::{
        collections::{BTreeMap, BTreeSet},
        sync::atomic::AtomicBool,
        time::Duration,
    };

    /// What a campaign of seeds from 1 comes to, under which tasks of msg1 misbehave in some: the
    /// seeds that ran, and the lost ones with the jobs that were left.
    fn campaign(
        seeds: u64,
        jobs: usize,
        planted: &[(u64, &str, Plant)],
    ) -> (BTreeSet<u64>, BTreeMap<u64, usize>) {
        let protocol = ProtocolSpec::preset("hardened");
        let profile = Profile::Calm;
        let make = |seed| {
            let mut case = case_of(seed, &protocol, profile);
            for (_, host, does) in planted.iter().filter(|(at, ..)| *at == seed) {
                let trouble = Trouble::Planted { host: host.to_string(), does: *does };
                case.plan.faults = vec![Fault { id: 1, at_ms: 1_000, for_ms: 5, trouble }];
            }
            case
        };
        let campaign = Campaign {
            from: 1,
            seeds,
            jobs,
            protocol: protocol.clone(),
            profile,
            deployment: Deployment::default(),
            keep_going: true,
            long: Long::default(),
        };
        let runner = Runner { patience: Duration::from_secs(2), ..Runner::default() };
        let (mut ran, mut lost) = (BTreeSet::new(), BTreeMap::new());
        run_all(&runner, &campaign, &make, &AtomicBool::new(false), |event| match event {
            Event::Ran(report, _) => drop(ran.insert(report.seed)),
            Event::Lost { seed, jobs, .. } => drop(lost.insert(seed, jobs)),
        });
        (ran, lost)
    }

    #[test]
    fn a_thread_that_never_ends_takes_its_job_and_the_others_go_on() {
        let (ran, lost) = campaign(6, 2, &[(2, "msg1", Plant::Hangs)]);
        assert_eq!(ran, [1, 3, 4, 5, 6].into());
        assert_eq!(lost, [(2, 1)].into());
    }

    #[test]
    fn a_campaign_without_jobs_ends() {
        let (ran, lost) = campaign(4, 1, &[(2, "msg1", Plant::Hangs)]);
        assert_eq!((ran, lost), ([1].into(), [(2, 0)].into()));
    }

    #[test]
    fn a_panic_of_the_rig_costs_its_seed_only() {
        let (ran, lost) = campaign(3, 1, &[(2, "sql", Plant::Panics), (3, "msg1", Plant::Panics)]);
        assert_eq!((ran, lost), ([1, 3].into(), [(2, 1)].into()));
    }

    #[test]
    fn the_largest_seed_is_the_last_one() {
        let protocol = ProtocolSpec::preset("hardened");
        let profile = Profile::Calm;
        let (from, long) = (u64::MAX, Long::default());
        let (deployment, keep_going) = (Deployment::default(), true);
        let campaign =
            Campaign { from, seeds: 300, jobs: 2, protocol, profile, deployment, keep_going, long };
        let mut seeds = Vec::new();
        super::explore(&campaign, &AtomicBool::new(false), |report, _| seeds.push(report.seed))
            .expect("a verdict");
        assert_eq!(seeds, [u64::MAX]);
    }

    #[test]
    fn a_shard_runs_its_seeds_but_for_those_that_ran_and_hashes_each_nth() {
        let protocol = ProtocolSpec::preset("hardened");
        let profile = Profile::Calm;
        let shard = "2/3".parse().expect("a shard");
        let long = Long { shard, done: [5, 6].into(), hash_every: 2, ..Long::default() };
        let (from, deployment, keep_going) = (1, Deployment::default(), true);
        let campaign =
            Campaign { from, seeds: 12, jobs: 2, protocol, profile, deployment, keep_going, long };
        let mut seeds = BTreeMap::new();
        super::explore(&campaign, &AtomicBool::new(false), |report, _| {
            seeds.insert(report.seed, report.hash.is_some());
        })
        .expect("a verdict");
        // 2, 5, 8 and 11 are its.
        assert_eq!(seeds, [(2, false), (8, false), (11, true)].into());
    }
}
