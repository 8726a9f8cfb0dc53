//! The command line (DESIGN.md, "Command line").

mod compare;
mod corpus;
mod deployed;
mod ending;
mod explain;
mod explore;
mod first;
mod interrupt;
mod judge;
mod lists;
mod logged;
mod merge;
mod mutants;
mod numbers;
mod output;
mod parity;
mod places;
mod run;
mod shrink;
mod verify;

use clap::{Args, Parser, Subcommand};
use compare::Determinism;
use deployed::Deployed;
use explore::Explore;
use indicatif::ProgressBar;
use merge::Merge;
use output::{Output, complain};
use parity::Parity;
use std::{fmt, path::PathBuf, process::ExitCode, time::Duration};
use teamtalk_sim::{
    plan::generate::{PROFILES, Profile},
    run::{PATIENCE, Runner},
    shrink::BUDGET,
};
use verify::Verify;

/// A property was violated.
const VIOLATED: u8 = 1;
/// Wrong usage, or a file that can't be read or written.
const WRONG: u8 = 2;
const NOT_DETERMINISTIC: u8 = 3;
/// The rig itself failed.
pub const RIG_FAILED: u8 = 4;
/// Ctrl-C: what a shell says of a process that it ended.
const INTERRUPTED: u8 = 130;

/// What a status says, one in a line.
const STATUSES: &str = "\
Exit status:
  0    all held
  1    a property was violated; of `replay` also where the case expects that (its last line says so)
       `explore`, `merge`: too little was acked, or a property judged too little or excused too much
       `explore --known`: what is known is clearly more frequent than it was
       `verify`: something is lost, or one side can't read what the other writes
       `parity`: captures differ; `corpus`: a case comes out otherwise; `mutants`: one survives
  2    wrong usage, or a file or standard output that can't be read or written
       `replay`, `explain`: a run that is too large for --html
       `merge`: a shard is missing, and nothing is violated
  3    `determinism`, `explore`: a seed that was run again did something else; `diff`: traces differ
  4    the rig itself failed, or gave a run up that stood still
  130  interrupted by Ctrl-C
If several apply: of `explore`, `merge`, `run` and `judge` the first of 3, 1, 4, 2, 130; of `replay`
the first of 4, 2 (too large for --html), 1, 2 (all else). Ctrl-C during `shrink`: 1, with what is
small by then; during `explain`: 130, and what is known of the case is printed without why it fails.";

/// The same of a campaign.
const CAMPAIGN_STATUSES: &str = "\
Exit status, the first that applies:
  3    a seed that was run again in a process of its own did something else
  1    a property was violated, or
       the median seed acked too few sends (--least-acked), or
       a property excused more than its ceiling allows, or judged nothing (`hardened` in the default
       profile without --deployment, from 200 seeds on; docs/PROPERTIES.md), or
       with --known what is known is clearly more frequent than it was
  4    the rig itself failed, or gave a run up that stood still
  2    wrong usage, or a file or standard output that can't be read or written
  130  interrupted by Ctrl-C
  2    of `merge`: a shard is missing
  0    all held";

/// Deterministic simulation of a TeamTalk-compatible back end.
#[derive(Parser)]
#[command(name = "cargo sim", bin_name = "cargo sim", version, after_long_help = STATUSES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Explore(Explore),
    Merge(Merge),
    Run(Run),
    Replay(Replay),
    Shrink(Shrink),
    Explain(Explain),
    Judge(Judge),
    Verify(Verify),
    Parity(Parity),
    Keep(Keep),
    Corpus(Corpus),
    Mutants(Mutants),
    /// Show the first event in which two traces differ.
    ///
    /// Their headers (the builds and cases that they are of) are no events: in what they differ is said
    /// beside it. Lines are counted as `judge` does: a header is line 1. Status 3: the traces differ. Status 2: a file
    /// that can't be read, was cut off, or is no trace.
    Diff {
        /// A trace file, as `run --trace` writes it.
        left: PathBuf,
        /// The trace file that it is compared with.
        right: PathBuf,
    },
    Determinism(Determinism),
    /// Measure the pinned plan beside the same hosts idle, in one run.
    Bench {
        /// How many times each.
        #[arg(long, default_value_t = 20, value_parser = numbers::one_or_more, allow_negative_numbers = true)]
        runs: u64,
        /// How many at once (default: one for each core).
        #[arg(long, value_parser = numbers::jobs, allow_negative_numbers = true)]
        jobs: Option<u16>,
    },
    /// List the properties.
    Properties,
    /// List the profiles.
    Profiles,
    /// List the presets and switches.
    Protocols,
    /// List the limits of what devices may send (switch `edge-limits`).
    Limits,
}

/// Run one seed and print what it did.
///
/// The card of each violation, the backtrace of a panic, and the hash of the trace.
#[derive(Args)]
struct Run {
    /// The seed.
    seed: u64,
    /// `hardened`, `teamtalk` or a TOML file.
    #[arg(long, default_value = "hardened")]
    protocol: String,
    /// What the plan is like: see `profiles`.
    #[arg(long, default_value = "default", value_parser = profile)]
    profile: Profile,
    #[command(flatten)]
    deployed: Deployed,
    /// Write the trace here, as JSON lines (docs/FORMATS.md; `judge` reads it, `diff` compares it); of a
    /// run that is given up, as far as it came.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Print the roles' log to standard error, filtered as `RUST_LOG` is: of each line the simulated milliseconds
    /// and the host.
    #[arg(long)]
    log: Option<String>,
    /// Another seed for the system's randomness: nothing may depend on it (`determinism`).
    #[arg(long, default_value_t = 0, hide = true)]
    entropy: u64,
    #[command(flatten)]
    patience: Patience,
}

/// Replay cases and compare them with what they expect.
///
/// A case that can't be run, or that has a field which is unknown or out of its bounds, is refused before any is
/// run (status 2): the place in it is named, and what is allowed there. What names a user, group or operation that the
/// case does not have is none of these: it comes to nothing in the run (docs/FORMATS.md, "Case").
///
/// It can be drawn, too (docs/PICTURE.md). To understand a case, make it small (`shrink`), then look at
/// --html; of a case that is too large for that, open what --perfetto writes in ui.perfetto.dev; put what
/// --mermaid prints into an issue.
#[derive(Args)]
struct Replay {
    /// Case files.
    #[arg(required = true)]
    cases: Vec<PathBuf>,
    /// Write the trace of the (last) case here, as JSON lines.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write the (last) case's run here for ui.perfetto.dev or `trace_processor`: all that happened, of a
    /// run of any size, to look at and to ask in SQL.
    #[arg(long, value_name = "FILE")]
    perfetto: Option<PathBuf>,
    /// Write a page of the (last) case's run here, for a browser: lanes of hosts, an arrow a PDU, and what
    /// was broken. It needs nothing from the network. A run of more than 500 PDUs is refused (status 2).
    /// `explain --html` writes it with the moment from which the violation was inevitable: that takes longer.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print, in place of the card, the chain of events that ends in the violation, as a sequence diagram
    /// of Mermaid. Lines that are not of it are comments, so all of it is a file of Mermaid.
    #[arg(long)]
    mermaid: bool,
    #[command(flatten)]
    patience: Patience,
}

/// Make a failing case small: the same signature from as little as possible.
///
/// Operations, faults, devices, users, groups and hosts are left out, what is left is made simpler,
/// and at last every part of it is tried alone. A smaller plan counts only if it fails with the signature
/// that the case expects; one that holds is tried under 3 more noise seeds before it is given up. The
/// case itself stays as it is; the small one is written to --out, and a page beside it (`.md`). Ctrl-C keeps the
/// best so far. Status 1: it fails, small as it is.
#[derive(Args)]
struct Shrink {
    /// The case file.
    case: PathBuf,
    /// At most so many runs. Those that make sure of the result are not counted.
    #[arg(long, default_value_t = BUDGET, value_parser = numbers::one_or_more, allow_negative_numbers = true)]
    runs: u64,
    /// At most so many seconds to make it small; why it fails is looked for after them. What comes out depends on the
    /// machine then.
    #[arg(long = "seconds", value_name = "SECONDS", value_parser = numbers::one_or_more, allow_negative_numbers = true)]
    time: Option<u64>,
    /// How many runs at once (default: one for each core); the result does not depend on it.
    #[arg(long, value_parser = numbers::jobs, allow_negative_numbers = true)]
    jobs: Option<u16>,
    /// Where the small case is written, a file in a folder that is there (default: the case's name with `-small`, in
    /// `sim` in cargo's target folder, which is made). It is tried before the first run.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    patience: Patience,
}

/// Say why a case fails: from which moment on it must, and without which of its parts it does not.
///
/// The case is run with draws that are new from a moment on (under 10 seeds, for up to 40 moments), and
/// without each of its operations and faults. It takes seconds for a small case (`shrink` does it at its
/// end) and minutes for a large one.
#[derive(Args)]
struct Explain {
    /// The case file.
    case: PathBuf,
    /// Write the page of `replay --html` here, with what is said of why: a line across the lanes at the moment
    /// from which it is inevitable, and beside each operation and fault what comes without it.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// How many runs at once (default: one for each core).
    #[arg(long, value_parser = numbers::jobs, allow_negative_numbers = true)]
    jobs: Option<u16>,
    #[command(flatten)]
    patience: Patience,
}

/// Judge stored traces: does what happened then break a property of this build?
///
/// Nothing is run: a trace file (`run --trace`, `replay --trace`) has the case and its protocols in its
/// header, and what happened in its lines. So a run of yesterday, or of another machine, is judged by the
/// properties of today, and a property that is new by all that was kept:
///
///     cargo sim run 7 --protocol teamtalk --trace target/7.jsonl
///
///     cargo sim judge target/7.jsonl
///
/// A card is printed for each violation. Status 1: something is violated. Status 2: a file that can't be
/// read, has no header, was cut off, or is no trace of a run; the line is named, and the other files are
/// judged still. Measurements not recorded as trace lines (store and stream sizes, used by `bounded`) cannot be
/// judged.
#[derive(Args)]
struct Judge {
    /// Trace files.
    #[arg(required = true, value_name = "TRACE")]
    traces: Vec<PathBuf>,
}

/// Run the kept cases, and list them: how each fails, how often, and which switch mends it.
///
/// A case that no longer comes out as it expects is named with the first event of its story that did not
/// come; it is not deleted. Status 1 then.
#[derive(Args)]
struct Corpus {
    /// Where they are.
    #[arg(default_value = teamtalk_sim::corpus::FOLDER)]
    folder: PathBuf,
    /// Put the table between its marks in this Markdown file (docs/FINDINGS.md) in place of printing it.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// How many runs at once (default: one for each core).
    #[arg(long, value_parser = numbers::jobs, allow_negative_numbers = true)]
    jobs: Option<u16>,
    #[command(flatten)]
    patience: Patience,
}

/// Move a case to traces/ under a telling name.
///
/// It is run first, and must come out as it expects. The folder `traces` is that of the current folder, and is made if
/// it is missing (`traces/mutants` for a case with a mutant). The file that is given is removed once the case is kept.
#[derive(Args)]
struct Keep {
    /// The case file, which is moved.
    case: PathBuf,
}

/// Hunt for each planted bug until a property sees it: is the judge any good?
///
/// Takes a build with mutants: `cargo sim-mutants mutants`. Each mutant is hunted from seed 1 on,
/// under `hardened`, until a property is violated in a run that reached its place. Status 1 when
/// one survives without a known reason.
#[derive(Args)]
struct Mutants {
    /// How many seeds each, at most.
    #[arg(long, default_value_t = 500, value_parser = numbers::one_or_more, allow_negative_numbers = true)]
    seeds: u64,
    /// Only these, by name.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// What the plans are like: see `profiles`.
    #[arg(long, default_value = "default", value_parser = profile)]
    profile: Profile,
    /// Only what these properties see counts.
    #[arg(long, value_name = "PROPERTY", value_delimiter = ',')]
    by: Vec<String>,
    /// How many seeds at once (default: one for each core).
    #[arg(long, value_parser = numbers::jobs, allow_negative_numbers = true)]
    jobs: Option<u16>,
    /// Write what became of each as JSON. The file is opened before the first seed.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Bring the rows of a Markdown table up to date (docs/MUTANTS.md); rows of mutants that were not
    /// hunted stay.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Args)]
struct Patience {
    /// Give a run up whose simulated time stands still for so many seconds of real time.
    #[arg(long = "patience", value_name = "SECONDS", default_value_t = PATIENCE.as_secs(),
          value_parser = numbers::seconds, allow_negative_numbers = true)]
    seconds: u64,
}

impl Patience {
    fn runner(&self) -> Runner {
        Runner { patience: Duration::from_secs(self.seconds), ..Runner::default() }
    }
}

/// Why a command ended without a result.
#[derive(Debug)]
enum Failure {
    /// Wrong usage, or a file that can't be read or written.
    Wrong(String),
    /// The rig itself failed.
    Rig(String),
    /// Ctrl-C.
    Interrupted(String),
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::Wrong(sentence)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(sentence) | Self::Rig(sentence) => write!(f, "error: {sentence}"),
            Self::Interrupted(sentence) => write!(f, "interrupted: {sentence}"),
        }
    }
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let mut out = Output::default();
    let status = match Cli::try_parse() {
        Ok(cli) => command(cli.command, &mut out).unwrap_or_else(|failure| {
            complain(&failure);
            match failure {
                Failure::Wrong(_) => WRONG,
                Failure::Rig(_) => RIG_FAILED,
                Failure::Interrupted(_) => INTERRUPTED,
            }
        }),
        // Help and the version are no mistake, and go to standard output.
        Err(usage) if !usage.use_stderr() => {
            out.usage(&usage);
            0
        }
        Err(usage) => {
            let _ = usage.print();
            WRONG
        }
    };
    // A verdict stays what it is; without one, nobody has read that all held.
    let is_unread = out.failed().is_some();
    ExitCode::from(if is_unread && [0, INTERRUPTED].contains(&status) { WRONG } else { status })
}

fn command(command: Command, out: &mut Output) -> Result<u8, Failure> {
    match command {
        Command::Explore(args) => explore::explore(args, out),
        Command::Merge(args) => merge::merge(args, out),
        Command::Run(args) => run::run(args, out),
        Command::Replay(args) => run::replay(args, out),
        Command::Shrink(args) => shrink::shrink(&args, out),
        Command::Explain(args) => explain::explain(&args, out),
        Command::Judge(args) => judge::judge(&args, out),
        Command::Verify(args) => verify::verify(args, out),
        Command::Parity(args) => parity::parity(&args, out),
        Command::Corpus(args) => corpus::corpus(&args, out),
        Command::Keep(args) => run::keep(&args, out),
        Command::Mutants(args) => mutants::mutants(&args, out),
        Command::Diff { left, right } => compare::diff(&left, &right, out),
        Command::Determinism(args) => compare::determinism(&args, out),
        Command::Bench { runs, jobs } => bench(runs, jobs, out),
        Command::Properties => lists::properties(out),
        Command::Profiles => lists::profiles(out),
        Command::Protocols => lists::protocols(out),
        Command::Limits => lists::limits(out),
    }
}

fn bench(runs: u64, jobs: Option<u16>, out: &mut Output) -> Result<u8, Failure> {
    let bar = ProgressBar::new(runs);
    let table = teamtalk_sim::bench::bench(runs, jobs_or_cores(jobs), || bar.inc(1));
    bar.finish_and_clear();
    out.print(table.map_err(Failure::Rig)?);
    Ok(0)
}

fn profile(name: &str) -> Result<Profile, String> {
    Profile::by_name(name).ok_or_else(|| {
        let known: Vec<_> = PROFILES.iter().map(|(_, name, _)| *name).collect();
        format!("expected one of {}", known.join(", "))
    })
}

fn profile_name(profile: Profile) -> &'static str {
    PROFILES.iter().find(|(known, ..)| *known == profile).map_or("", |(_, name, _)| name)
}

fn jobs_or_cores(jobs: Option<u16>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    jobs.map_or_else(cores, usize::from)
}
