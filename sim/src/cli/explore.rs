//! A campaign.

use super::{
    Explore, Failure, INTERRUPTED, RIG_FAILED, VIOLATED, WRONG, interrupt, jobs_or_cores,
    output::{OutFile, Output, complain, quoted_path, try_folder},
    run::command_of,
    shrink::Smaller,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};
use teamtalk_sim::{
    ceilings,
    corpus::{self, Corpus},
    explore::{Campaign, Event, Found, SeedReport, explore_with},
    floor, mechanism,
    plan::{
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    report::{self, Small},
    run::Runner,
};

pub fn explore(args: Explore, out: &mut Output) -> Result<u8, Failure> {
    interrupt::listen();
    let protocol = ProtocolSpec::parse(&args.protocol)?;
    let folder = args.out.clone().unwrap_or_else(in_the_target_folder);
    try_folder(&folder).map_err(|e| format!("{e} (cases go there: --out names another folder)"))?;
    let json = args.json.as_deref().map(OutFile::tried).transpose()?;
    let jobs = jobs_or_cores(args.jobs);
    let campaign = Campaign {
        from: args.from,
        seeds: args.seeds.min((u64::MAX - args.from).saturating_add(1)),
        jobs,
        protocol,
        profile: args.profile,
        keep_going: args.keep_going,
    };
    let runner = args.patience.runner();
    let mut hunt = Hunt::new(&args, folder, &campaign, out);
    explore_with(&runner, &campaign, &interrupt::STOP, |event| hunt.take(event))?;
    hunt.shrink(runner, jobs);
    Ok(hunt.end(json))
}

/// `sim/` in the folder that cargo builds in, unless only cargo's configuration names that.
pub fn in_the_target_folder() -> PathBuf {
    let named = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"].map(env::var_os);
    let named = named.into_iter().flatten().find(|folder| !folder.is_empty());
    named.map_or_else(|| "target".into(), PathBuf::from).join("sim")
}

/// A signature, and a mechanism by which it was violated.
type By = (String, String);

/// The finds in the order in which they are made small: for each signature its lowest seed, then the other
/// mechanisms; whether it is the first of its signature.
fn in_turn(finds: BTreeMap<By, (u64, Case, PathBuf)>) -> Vec<(By, Case, PathBuf, bool)> {
    let mut firsts: BTreeMap<String, u64> = BTreeMap::new();
    for ((signature, _), (seed, ..)) in &finds {
        let first = firsts.entry(signature.clone()).or_insert(*seed);
        *first = (*first).min(*seed);
    }
    let mut all: Vec<_> = finds
        .into_iter()
        .map(|(by, (seed, case, path))| (firsts[&by.0] != seed, seed, by, case, path))
        .collect();
    all.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
    all.into_iter().map(|(is_later, _, by, case, path)| (by, case, path, !is_later)).collect()
}

/// A campaign as it goes on.
struct Hunt<'a> {
    args: &'a Explore,
    folder: PathBuf,
    out: &'a mut Output,
    bar: ProgressBar,
    seeds: u64,
    reports: BTreeMap<u64, SeedReport>,
    /// Signatures that were shown.
    shown: BTreeSet<String>,
    /// For each signature and mechanism the lowest seed, its case and where that is written.
    finds: BTreeMap<By, (u64, Case, PathBuf)>,
    /// Kept cases.
    corpus: Corpus,
    /// Those that are kept already, or were made small.
    small: BTreeMap<By, Small>,
    /// Seeds whose runs came to nothing.
    lost: Vec<u64>,
    /// How long the hunt took.
    seconds: f64,
}

impl<'a> Hunt<'a> {
    fn new(args: &'a Explore, folder: PathBuf, campaign: &Campaign, out: &'a mut Output) -> Self {
        let style = "{bar:30} {pos}/{len} seeds, {per_sec}, {eta} left  {msg}";
        let style = ProgressStyle::with_template(style).expect("a fixed template");
        let bar = ProgressBar::new(campaign.seeds).with_style(style);
        let (reports, shown, lost) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let (seeds, finds, small) = (campaign.seeds, BTreeMap::new(), BTreeMap::new());
        let (corpus, seconds) = (Corpus::of(Path::new(corpus::FOLDER)), 0.0);
        Self { args, folder, out, bar, seeds, reports, shown, finds, corpus, small, lost, seconds }
    }

    fn take(&mut self, event: Event) {
        self.bar.inc(1);
        match event {
            Event::Ran(report, found) => {
                if let Some(found) = found {
                    self.found(report.seed, *found);
                    self.bar.set_message(format!("{} signatures", self.shown.len()));
                }
                self.reports.insert(report.seed, report);
            }
            Event::Lost { seed, failed, jobs } => {
                self.lost.push(seed);
                let again = self.again(seed);
                self.bar.suspend(|| {
                    complain(format_args!("seed {seed}: {failed}\n  again: {again}"));
                    if failed.is_stuck() {
                        complain(format_args!("  its thread still runs; {jobs} jobs go on"));
                    }
                });
            }
        }
        if self.out.is_gone() {
            interrupt::STOP.store(true, Ordering::Relaxed);
        }
    }

    /// The command that runs a seed of it.
    fn again(&self, seed: u64) -> String {
        command_of(seed, &self.args.protocol, self.args.profile)
    }

    /// Writes the case of each violation, then shows it if it is the first of its kind.
    fn found(&mut self, seed: u64, Found { mut case, outcome }: Found) {
        for violation in &outcome.violations {
            case.expect = violation.signature();
            let kind = match self.args.profile {
                Profile::Default => String::new(),
                other => format!("-{}", other.name()),
            };
            let protocol = case.protocols.base.file_name();
            let file = format!("{protocol}{kind}-{seed}-{}.json", case.expect.replace('/', "-"));
            let path = self.folder.join(file);
            let written = case.write(&path);
            let replay = match &written {
                Ok(()) => format!("cargo sim replay {}", quoted_path(&path)),
                Err(_) => self.again(seed),
            };
            let is_first = self.shown.insert(case.expect.clone());
            let card = is_first.then(|| match self.args.no_shrink {
                true => report::card(&case, &outcome, violation, &replay),
                false => report::headline(&case, violation, &replay),
            });
            let by = (case.expect.clone(), mechanism::of(&outcome, violation));
            if let Some(kept) = self.corpus.instance(&case.protocols.base, &by.0, &by.1) {
                self.small.entry(by.clone()).or_insert_with(|| Small::kept(kept));
            }
            if self.finds.get(&by).is_none_or(|(of, ..)| seed < *of) {
                self.finds.insert(by, (seed, case.clone(), path));
            }
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

    /// Makes the first case of each signature small, those of low seeds first, and shows it.
    fn shrink(&mut self, runner: Runner, jobs: usize) {
        self.seconds = self.bar.elapsed().as_secs_f64();
        self.bar.finish_and_clear();
        if self.args.no_shrink || interrupt::is_interrupted() || self.out.is_gone() {
            return;
        }
        // A hunt that is not to go on has stopped itself.
        interrupt::STOP.store(false, Ordering::Relaxed);
        let (left, explain) = (self.args.shrink_runs, self.args.explain);
        let mut small = Smaller { runner, jobs, left, explain, not_shrunk: 0 };
        for (by, case, path, is_first) in in_turn(std::mem::take(&mut self.finds)) {
            if let Some(made) = small.take(&case, &path, is_first, self.out) {
                self.small.entry(by).or_default().made = Some(made);
            }
        }
        if small.not_shrunk > 0 {
            let n = small.not_shrunk;
            self.out.line(format_args!(
                "{n} signatures are not shrunk: `cargo sim shrink CASE` does it"
            ));
        }
    }

    /// Prints the summary and writes what each seed did.
    fn end(self, json: Option<OutFile>) -> u8 {
        let seconds = self.seconds;
        self.out.print(report::summary(&self.reports, seconds));
        self.out.print(report::violated(&self.reports, &self.small));
        if !self.lost.is_empty() {
            let seeds: Vec<_> = self.lost.iter().map(u64::to_string).collect();
            self.out.line(format_args!("WITHOUT A VERDICT: seeds {}", seeds.join(", ")));
        }
        let ran = (self.reports.len() + self.lost.len()) as u64;
        let is_interrupted = interrupt::is_interrupted() && ran < self.seeds;
        if is_interrupted {
            self.out.line(format_args!("interrupted after {ran} of {} seeds", self.seeds));
        }
        let is_written = json.is_none_or(|mut file| {
            let text = serde_json::to_string_pretty(&self.reports).expect("plain data");
            let written = file.write(&text);
            if let Err(error) = &written {
                complain(format_args!("error: {error}"));
            }
            written.is_ok()
        });
        let floor = self.args.least_acked.unwrap_or_else(|| self.args.profile.least_acked());
        let too_few = floor::under(&self.reports, floor);
        if let Some(sentence) = &too_few {
            self.out.line(sentence);
        }
        let is_ours = self.args.protocol == "hardened" && self.args.profile == Profile::Default;
        let too_little = if is_ours { ceilings::over(&self.reports) } else { None };
        if let Some(sentences) = &too_little {
            self.out.line(sentences);
        }
        match () {
            () if !self.shown.is_empty() || too_few.is_some() || too_little.is_some() => VIOLATED,
            () if !self.lost.is_empty() => RIG_FAILED,
            () if !is_written => WRONG,
            () if is_interrupted => INTERRUPTED,
            () => 0,
        }
    }
}
