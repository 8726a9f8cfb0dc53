//! A campaign.

use super::{
    CAMPAIGN_STATUSES, Failure, Patience,
    compare::hash_apart,
    deployed::Deployed,
    ending::{Ending, Last},
    first::First,
    interrupt, jobs_or_cores, numbers,
    output::{OutFile, Output, bar, complain, replay_of, try_folder},
    places::Places,
    profile,
    shrink::Smaller,
};
use clap::Args;
use indicatif::ProgressBar;
use std::{
    collections::BTreeSet, env, ffi::OsStr, path::PathBuf, sync::atomic::Ordering, time::Duration,
};
use teamtalk_sim::{
    campaign::{Find, Known, Results, Shard},
    explore::{Campaign, Event, Found, Long, SeedReport, explore_with},
    files,
    plan::{case::ProtocolSpec, generate::Profile},
    report,
    shrink::BUDGET,
};

/// Hunt through seeds for a violated property.
///
/// Each violation is reported in one sentence and its case is written to --out; the first
/// one ends the hunt, unless --keep-going is given. At the end the case of each signature, of the lowest
/// seed that has it, is made small (`shrink`) and its card is printed; the list of what was found names the kept
/// case that shows the same, if there is one in the folder `traces` of the current folder. Ctrl-C ends the hunt after
/// the seeds that are under way, with the summary of what was done; a second one ends it at once.
///
/// A run that stands still is given up (--patience): its thread can't be ended and is left alone,
/// and the hunt goes on with one job less. A card, and status 1, remain what they are if its case
/// can't be written.
///
/// Long campaigns: --minutes for as long as there is time, --resume to go on later, --shard for one of
/// several machines (and `merge` at the end), --from commit for seeds that are new with each commit. A
/// process that has run many seeds could come to remember something: every 200th seed is run again in a
/// process of its own, and if the traces differ the campaign ends with status 3.
#[derive(Args)]
#[command(after_long_help = CAMPAIGN_STATUSES)]
pub struct Explore {
    /// Number of seeds; the campaign stops at seed 2^64-1.
    #[arg(long, default_value_t = 300, value_parser = numbers::one_or_more, allow_negative_numbers = true)]
    seeds: u64,
    /// In the place of --seeds: seeds without end, until so many minutes are over (0.5 is half of one).
    /// Those that are under way are ended, and what was found is made small after it.
    #[arg(long, conflicts_with = "seeds", value_parser = minutes)]
    minutes: Option<f64>,
    /// The first seed: a number, or `commit` for one that is made of the git commit (48 bits of its
    /// hash; the first line says which).
    #[arg(long, default_value = "1", value_name = "SEED")]
    from: First,
    /// Only each N-th of the seeds, beginning with the I-th: what one of N machines runs. Give all of them
    /// the same --seeds and --from, --keep-going, and each a file to --resume, for `merge`.
    #[arg(long, default_value_t, hide_default_value = true, value_name = "I/N")]
    shard: Shard,
    /// The campaign file, in a folder that is there: what was done is written to it every some seconds and at the end, after Ctrl-C,
    /// too. If it is there already, the campaign goes on with the seeds that are not in it, also after one
    /// that violated something; it must be of the same build, protocol, profile, deployment, first seed
    /// and shard.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// How many at once (default: one for each core).
    #[arg(long, value_parser = numbers::jobs, allow_negative_numbers = true)]
    jobs: Option<u16>,
    /// `hardened`, `teamtalk` or a TOML file.
    #[arg(long, default_value = "hardened")]
    protocol: String,
    /// What the plans are like: see `profiles`.
    #[arg(long, default_value = "default", value_parser = profile)]
    profile: Profile,
    #[command(flatten)]
    deployed: Deployed,
    /// Go on after the first violation.
    #[arg(long)]
    keep_going: bool,
    /// Leave out what is known: the signatures in a report that `explore --json` wrote of an earlier campaign, of what
    /// is in production, say. Known signatures do not stop the hunt and are not reported as findings; but status 1 if one
    /// of them, or a mechanism by which it comes about, is clearly more frequent here than there.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resume", "shard"])]
    known: Option<PathBuf>,
    /// Status 1 if the median seed has fewer acked sends, whatever the properties say; campaigns of
    /// fewer than 20 seeds are not judged (default: by the profile, 20 or 25; 0: never).
    #[arg(long)]
    least_acked: Option<u64>,
    /// Where failing cases are written, a folder, which is made if it is missing (default: `sim` in cargo's target
    /// folder, which is CARGO_TARGET_DIR or `target`). It is tried before the first seed.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write what each seed did as JSON. The file, in a folder that is there, is opened before the first seed.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the verdicts as JUnit XML, for what shows the tests of a CI: a test case for each property,
    /// with a failure for each signature. The file is opened before the first seed.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Run each N-th seed again in a process of its own and compare the traces (0: none).
    #[arg(long, default_value_t = 200, value_name = "N")]
    again_every: u64,
    /// A planted defect of the rig, to test that: runs depend on how many there were before.
    #[arg(long, hide = true)]
    leaks: bool,
    /// Do not make the first case of each signature small: print its card as it is.
    #[arg(long)]
    no_shrink: bool,
    /// Say of each card why its case fails, as `explain` does: some 10 seconds a card.
    #[arg(long)]
    explain: bool,
    /// At most so many runs to make cases small, all together (see `shrink`).
    #[arg(long, default_value_t = 10 * BUDGET, value_parser = numbers::one_or_more, allow_negative_numbers = true)]
    shrink_runs: u64,
    #[command(flatten)]
    patience: Patience,
}

pub fn explore(args: Explore, out: &mut Output) -> Result<u8, Failure> {
    interrupt::listen();
    Places::default()
        .reads_protocol("--protocol", &args.protocol)
        .reads("--deployment", &args.deployed.file)
        .reads("--known", &args.known)
        .writes("--resume", &args.resume)
        .writes("--json", &args.json)
        .writes("--junit", &args.junit)
        .differ()?;
    args.resume.as_deref().map_or(Ok(()), files::tried)?;
    let deployment = args.deployed.read()?;
    let protocol = deployment.under(&ProtocolSpec::parse(&args.protocol)?)?;
    let (from, commit) = args.from.seed()?;
    let most = (u64::MAX - from).saturating_add(1);
    let seeds = args.minutes.is_none().then(|| args.seeds.min(most));
    let (shard, hash_every, leaks) = (args.shard, args.again_every, args.leaks);
    let mut campaign = Campaign {
        from,
        seeds: seeds.unwrap_or(most),
        jobs: jobs_or_cores(args.jobs),
        protocol,
        profile: args.profile,
        deployment,
        keep_going: args.keep_going,
        long: Long { shard, done: BTreeSet::new(), hash_every, known: BTreeSet::new(), leaks },
    };
    let known = args.known.as_deref().map(Known::read).transpose()?;
    campaign.long.known = known.iter().flat_map(Known::signatures).cloned().collect();
    let results = begun(&args, Results::new(&campaign, seeds))?;
    campaign.long.done = results.reports.keys().copied().collect();
    let json = args.json.as_deref().map(OutFile::tried).transpose()?;
    let junit = args.junit.as_deref().map(OutFile::tried).transpose()?;
    let folder = args.out.clone().unwrap_or_else(in_the_target_folder);
    try_folder(&folder).map_err(|e| format!("{e} (cases go there: --out names another folder)"))?;
    let (protocol, deployed) = (args.protocol.clone(), args.deployed.clone());
    let file = args.resume.clone();
    let ending =
        Ending { results, folder, file, protocol, deployed, known, unfinished: Default::default() };
    ending.save()?;
    ending.write_cases()?;
    args.deployed.say(&campaign.deployment, out);
    if let Some(beyond @ 1..) = seeds.map(|seeds| args.seeds - seeds) {
        let (asked, last) = (args.seeds, u64::MAX);
        out.line(format_args!("of {asked} seeds {beyond} do not exist: the last one is {last}"));
    }
    if let Some(hash) = commit {
        out.line(format_args!("seeds from {from} on: commit {hash}"));
    }
    if let Some(path) = args.resume.as_deref().filter(|_| !campaign.long.done.is_empty()) {
        let done = report::seeds(campaign.long.done.len() as u64);
        out.line(format_args!("{} has {done} already", path.display()));
    }
    let runner = args.patience.runner();
    let mut hunt = Hunt::new(&args, ending, &campaign, out);
    explore_with(&runner, &campaign, &interrupt::STOP, |event| hunt.take(event))?;
    hunt.is_over();
    if !args.no_shrink && !hunt.is_void() {
        let (jobs, left) = (campaign.jobs, args.shrink_runs);
        let explain = args.explain;
        hunt.ending.shrink(Smaller::new(runner, jobs, left, explain), hunt.out);
    }
    Ok(hunt.end(json, junit))
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    minutes.ok_or_else(|| "expected a number of minutes over 0".into())
}

/// What was done of a campaign, if its file is there.
fn begun(args: &Explore, new: Results) -> Result<Results, String> {
    match args.resume.as_deref().filter(|path| path.exists()) {
        Some(path) => {
            let file = Results::read(path)?;
            new.resume(file).map_err(|why| format!("{}: {why}", path.display()))
        }
        None => Ok(new),
    }
}

/// `sim/` in the folder that cargo builds in, unless only cargo's configuration names that.
pub fn in_the_target_folder() -> PathBuf {
    let named = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"].map(env::var_os);
    let named = named.into_iter().flatten().find(|folder| !folder.is_empty());
    named.map_or_else(|| "target".into(), PathBuf::from).join("sim")
}

/// The campaign file is written after so long, or after so many times what it takes to write it.
const SAVED_EVERY: Duration = Duration::from_secs(5);
const SAVED_EVERY_TIMES: u32 = 20;

/// A campaign as it goes on.
struct Hunt<'a> {
    args: &'a Explore,
    ending: Ending,
    out: &'a mut Output,
    bar: ProgressBar,
    /// How many seeds there are to be in the results, if it is known.
    seeds: Option<u64>,
    /// Signatures that were shown.
    shown: BTreeSet<String>,
    /// Seconds that were over before.
    before: f64,
    /// When the campaign file is written next.
    save_at: Duration,
    /// Seeds that did the same in another process.
    repeated: u64,
    /// One that did not.
    different: Option<String>,
    /// Whether it is not known of one.
    is_unsure: bool,
}

impl<'a> Hunt<'a> {
    fn new(args: &'a Explore, ending: Ending, campaign: &Campaign, out: &'a mut Output) -> Self {
        let seeds = args.minutes.is_none().then(|| campaign.long.shard.count(campaign.seeds));
        let bar = match (seeds, args.minutes) {
            (Some(seeds), _) => {
                let style = "{bar:30} {pos}/{len} seeds, {per_sec}, {eta} left  {msg}".to_string();
                let is_left = |seed: &&u64| **seed - campaign.from < campaign.seeds;
                let done = campaign.long.done.iter().filter(is_left).count() as u64;
                bar(&style, Some(seeds.saturating_sub(done)))
            }
            (None, minutes) => {
                let minutes = minutes.unwrap_or_default();
                bar(
                    &format!("{{pos}} seeds, {{per_sec}}, {{elapsed}} of {minutes} min  {{msg}}"),
                    None,
                )
            }
        };
        let shown = ending.results.finds.keys().cloned().collect();
        let (before, save_at) = (ending.results.seconds, SAVED_EVERY);
        let (repeated, different, is_unsure) = (0, None, false);
        Self {
            args,
            ending,
            out,
            bar,
            seeds,
            shown,
            before,
            save_at,
            repeated,
            different,
            is_unsure,
        }
    }

    fn take(&mut self, event: Event) {
        self.bar.inc(1);
        match event {
            Event::Ran(report, found) => {
                if let Some(found) = found {
                    self.found(&report, *found);
                    self.bar.set_message(format!("{} signatures", self.shown.len()));
                }
                self.compare(&report);
                self.ending.results.reports.insert(report.seed, report);
            }
            Event::Lost { seed, failed, jobs } => {
                self.ending.results.lost.insert(seed);
                let again = self.ending.again(seed);
                self.bar.suspend(|| {
                    complain(format_args!("seed {seed}: {failed}\n  again: {again}"));
                    if failed.is_stuck() {
                        complain(format_args!("  its thread still runs; {jobs} jobs go on"));
                    }
                });
            }
        }
        let over = self.bar.elapsed();
        let is_late = |minutes: f64| over.as_secs_f64() >= minutes * 60.0;
        if self.out.is_gone() || self.args.minutes.is_some_and(is_late) {
            interrupt::STOP.store(true, Ordering::Relaxed);
        }
        if over >= self.save_at {
            self.save();
        }
    }

    /// Writes the campaign file as it is by now.
    fn save(&mut self) {
        let began = self.bar.elapsed();
        self.ending.results.seconds = self.before + began.as_secs_f64();
        if let Err(error) = self.ending.save() {
            self.bar.suspend(|| complain(format_args!("error: {error}")));
        }
        let took = self.bar.elapsed().saturating_sub(began);
        self.save_at = self.bar.elapsed() + SAVED_EVERY.max(took * SAVED_EVERY_TIMES);
    }

    /// Writes the case of each violation, then shows it if it is the first of its kind.
    fn found(&mut self, report: &SeedReport, Found { mut case, outcome }: Found) {
        let seed = report.seed;
        for (violation, mechanism) in outcome.violations.iter().zip(&report.mechanisms) {
            case.expect = violation.signature();
            if self.ending.is_known(&case.expect) {
                continue;
            }
            let path = self.ending.path(&case.expect, seed);
            let written = case.write(&path);
            let replay = match &written {
                Ok(()) => replay_of(&path),
                Err(_) => self.ending.again(seed),
            };
            let is_first = self.shown.insert(case.expect.clone());
            let card = is_first.then(|| match self.args.no_shrink {
                true => report::card(&case, &outcome, violation, &replay),
                false => report::headline(&case, violation, &replay),
            });
            let sentence = violation.sentence.clone();
            let find = Find { seed, sentence, small: None };
            self.ending.results.found(&case.expect, mechanism, find);
            self.bar.suspend(|| {
                if let Err(error) = written {
                    complain(format_args!("error: the case is not kept: {error}"));
                }
                if let Some(card) = card {
                    self.out.line(card);
                }
            });
        }
    }

    /// Runs a seed again in a process of its own if its hash was wanted: nothing that this process
    /// remembers of the runs before may have changed it.
    fn compare(&mut self, report: &SeedReport) {
        let Some(here) = report.hash.as_ref().filter(|_| !interrupt::is_interrupted()) else {
            return;
        };
        let (seed, patience) = (report.seed, self.args.patience.seconds.to_string());
        let more = ["--profile", self.args.profile.name(), "--patience", &patience];
        let more = more.iter().map(|of| OsStr::new(*of)).chain(self.args.deployed.arguments());
        match hash_apart(seed, &self.args.protocol, &more.collect::<Vec<_>>()) {
            Ok(apart) if apart == *here => self.repeated += 1,
            Ok(apart) => {
                interrupt::STOP.store(true, Ordering::Relaxed);
                self.different.get_or_insert(format!(
                    "NOT DETERMINISTIC: the trace of seed {seed} has hash {here} after the seeds before \
                     it, and {apart} in a process of its own: something outlives a run, and nothing that \
                     this campaign found is sure"
                ));
            }
            // Ctrl-C in a terminal is for both processes.
            Err(_) if interrupt::is_interrupted() => {}
            Err(why) => {
                self.is_unsure = true;
                self.bar.suspend(|| complain(format_args!("seed {seed} is not compared: {why}")));
            }
        }
    }

    /// The last seed ran.
    fn is_over(&mut self) {
        self.save();
        self.bar.finish_and_clear();
    }

    /// Whether nobody wants what could be made of its finds.
    fn is_void(&self) -> bool {
        interrupt::is_interrupted() || self.out.is_gone() || self.different.is_some()
    }

    /// Prints the summary and writes what each seed did.
    fn end(self, json: Option<OutFile>, junit: Option<OutFile>) -> u8 {
        let Self { args, ending, out, different, is_unsure, .. } = self;
        let ran = (ending.results.reports.len() + ending.results.lost.len()) as u64;
        let is_interrupted =
            interrupt::is_interrupted() && self.seeds.is_none_or(|seeds| ran < seeds);
        let missing = is_interrupted.then(|| match self.seeds {
            Some(seeds) => format!("interrupted after {ran} of {seeds} seeds"),
            None => format!("interrupted after {}", report::seeds(ran)),
        });
        if self.repeated > 0 {
            let n = self.repeated;
            let n = report::seeds(n);
            out.line(format_args!("{n} again in processes of their own: the same traces"));
        }
        if let Some(minutes) = args.minutes.filter(|_| !is_interrupted) {
            let from = ending.results.from;
            let ran = report::seeds(ran);
            out.line(format_args!("{ran} ran, from {from} on, within {minutes} minutes"));
        }
        let least_acked = args.least_acked;
        ending.end(
            Last { json, junit, least_acked, different, is_unsure, missing, is_interrupted },
            out,
        )
    }
}
