//! The command line (DESIGN.md, "Command line").

use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command as Process, ExitCode},
    sync::atomic::AtomicBool,
};
use teamtalk::protocol::{Protocol, SWITCHES};
use teamtalk_sim::{
    explore::{Campaign, Found, case_of, explore, run_case},
    plan::{
        case::{Case, ProtocolSpec},
        generate::{PROFILES, Profile},
    },
    properties::{self, Sort},
    report,
    run::Runner,
};

const VIOLATED: u8 = 1;
const WRONG: u8 = 2;
const NOT_DETERMINISTIC: u8 = 3;

/// Deterministic simulation of a TeamTalk-compatible back end.
///
/// Exit status: 0 all held, 1 a property was violated, 2 wrong usage or an unreadable file,
/// 3 not deterministic, 4 the rig itself failed.
#[derive(Parser)]
#[command(name = "cargo sim", bin_name = "cargo sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Hunt through seeds for a violated property.
    Explore(Explore),
    /// Run one seed and print what it did.
    Run(Run),
    /// Replay cases and compare them with what they expect.
    Replay(Replay),
    /// Move a case to traces/ under a telling name.
    Keep {
        /// The case file.
        case: PathBuf,
    },
    /// Show the first event in which two traces differ.
    Diff {
        /// A trace file, as `run --trace` writes it.
        left: PathBuf,
        /// Another.
        right: PathBuf,
    },
    /// Run seeds twice, in separate processes, and compare the traces byte for byte.
    Determinism {
        /// How many seeds.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// `hardened`, `teamtalk` or a TOML file.
        #[arg(long, default_value = "hardened")]
        protocol: String,
    },
    /// Measure the pinned plan beside the same hosts idle, in one run.
    Bench {
        /// How many times each.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
        runs: u64,
        /// How many at once (default: one for each core).
        #[arg(long)]
        jobs: Option<usize>,
    },
    /// List the properties.
    Properties,
    /// List the profiles.
    Profiles,
    /// List the presets and switches.
    Protocols,
}

#[derive(Args)]
struct Explore {
    /// How many seeds.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many at once (default: one for each core).
    #[arg(long)]
    jobs: Option<usize>,
    /// `hardened`, `teamtalk` or a TOML file.
    #[arg(long, default_value = "hardened")]
    protocol: String,
    /// What the plans are like: see `profiles`.
    #[arg(long, default_value = "default", value_parser = profile)]
    profile: Profile,
    /// Go on after the first violation.
    #[arg(long)]
    keep_going: bool,
    /// Where failing cases are written.
    #[arg(long, default_value = "target/sim")]
    out: PathBuf,
    /// Write what each seed did as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

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
    /// Write the trace here, as JSON lines.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Print the roles' log, filtered as `RUST_LOG` is.
    #[arg(long)]
    log: Option<String>,
    /// Another seed for the system's randomness: nothing may depend on it (`determinism`).
    #[arg(long, default_value_t = 0, hide = true)]
    entropy: u64,
}

#[derive(Args)]
struct Replay {
    /// Case files.
    #[arg(required = true)]
    cases: Vec<PathBuf>,
    /// Write the trace of the (last) case here, as JSON lines.
    #[arg(long)]
    trace: Option<PathBuf>,
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Explore(args) => explore_command(args),
        Command::Run(args) => run_command(args),
        Command::Replay(args) => replay_command(args),
        Command::Keep { case } => keep_command(&case),
        Command::Diff { left, right } => diff_command(&left, &right),
        Command::Determinism { seeds, from, protocol } => determinism(seeds, from, &protocol),
        Command::Bench { runs, jobs } => bench_command(runs, jobs),
        Command::Properties => {
            for property in properties::all(&Protocol::hardened()) {
                let sort = match property.sort() {
                    Sort::Safety => "safety",
                    Sort::Liveness => "liveness",
                };
                println!("{:<18} {sort:<9} {}", property.name(), property.says());
            }
            Ok(0)
        }
        Command::Profiles => {
            for (_, name, says) in PROFILES {
                println!("{name:<9} {says}");
            }
            Ok(0)
        }
        Command::Protocols => {
            print_protocols();
            Ok(0)
        }
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(sentence) => {
            eprintln!("error: {sentence}");
            ExitCode::from(WRONG)
        }
    }
}

fn profile(name: &str) -> Result<Profile, String> {
    Profile::by_name(name).ok_or_else(|| {
        let known: Vec<_> = PROFILES.iter().map(|(_, name, _)| *name).collect();
        format!("expected one of {}", known.join(", "))
    })
}

fn print_protocols() {
    println!("presets: teamtalk (every switch off), hardened (those marked with *)\n");
    let hardened = Protocol::hardened();
    for s in SWITCHES {
        let mark = if hardened.get(s.name) == Some(true) { " *" } else { "" };
        println!("{}{mark}  [{}]", s.name, s.scope);
        println!("    instead of {}", s.instead_of);
        println!("    peers: {}\n    cost: {}\n    property: {}", s.peers, s.cost, s.property);
    }
    println!(
        "A TOML file names a preset and what differs:\n  preset = \"hardened\"\n  [overrides]"
    );
    println!("  {} = false", SWITCHES[0].name);
}

fn explore_command(args: Explore) -> Result<u8, String> {
    let protocol = ProtocolSpec::parse(&args.protocol)?;
    let jobs = jobs_or_cores(args.jobs);
    let campaign = Campaign {
        from: args.from,
        seeds: args.seeds,
        jobs,
        protocol,
        profile: args.profile,
        keep_going: args.keep_going,
    };
    let style = "{bar:30} {pos}/{len} seeds, {per_sec}, {eta} left  {msg}";
    let bar = ProgressBar::new(args.seeds)
        .with_style(ProgressStyle::with_template(style).expect("a fixed template"));
    let stop = AtomicBool::new(false);
    let mut reports = BTreeMap::new();
    let mut shown: BTreeSet<String> = BTreeSet::new();
    let mut failed = None;
    let started = bar.elapsed();
    explore(&campaign, &stop, |report, found| {
        bar.inc(1);
        if let Some(Found { mut case, outcome }) = found {
            for violation in &outcome.violations {
                case.expect = violation.signature();
                let kind = if args.profile == Profile::Calm { "-calm" } else { "" };
                let file = format!(
                    "{}{kind}-{}-{}.json",
                    case.protocols.base.file_name(),
                    report.seed,
                    case.expect.replace('/', "-")
                );
                let path = args.out.join(file);
                match case.write(&path) {
                    Ok(()) if shown.insert(case.expect.clone()) => {
                        let replay = format!("cargo sim replay {}", path.display());
                        let card = report::card(&case, &outcome, violation, &replay);
                        bar.suspend(|| println!("{card}"));
                    }
                    Ok(()) => {}
                    Err(error) => failed = Some(error),
                }
            }
            bar.set_message(format!("{} signatures", shown.len()));
        }
        reports.insert(report.seed, report.clone());
    })?;
    let seconds = (bar.elapsed() - started).as_secs_f64();
    bar.finish_and_clear();
    print!("{}", report::summary(&reports, seconds));
    if let Some(path) = args.json {
        let text = serde_json::to_string_pretty(&reports).map_err(|e| e.to_string())?;
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(if shown.is_empty() { 0 } else { VIOLATED }),
    }
}

fn jobs_or_cores(jobs: Option<usize>) -> usize {
    jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

fn bench_command(runs: u64, jobs: Option<usize>) -> Result<u8, String> {
    let bar = ProgressBar::new(runs);
    let table = teamtalk_sim::bench::bench(runs.max(1), jobs_or_cores(jobs).max(1), || bar.inc(1))?;
    bar.finish_and_clear();
    print!("{table}");
    Ok(0)
}

fn run_command(args: Run) -> Result<u8, String> {
    if let Some(filter) = &args.log {
        let filter = tracing_subscriber::EnvFilter::try_new(filter)
            .map_err(|e| format!("--log `{filter}`: {e}"))?;
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let case = case_of(args.seed, &ProtocolSpec::parse(&args.protocol)?, args.profile);
    let runner = Runner { entropy: args.entropy, backtraces: true, ..Runner::default() };
    let outcome = runner.run(&case).map_err(|failed| failed.to_string())?;
    if let Some(path) = &args.trace {
        write_trace(path, &outcome.trace.to_jsonl())?;
    }
    let report = teamtalk_sim::explore::SeedReport::of(args.seed, &case, &outcome);
    let name = PROFILES.iter().find(|(p, ..)| *p == args.profile).map_or("", |(_, name, _)| name);
    let replay =
        format!("cargo sim run {} --protocol {} --profile {name}", args.seed, args.protocol);
    for violation in &outcome.violations {
        println!("{}", report::card(&case, &outcome, violation, &replay));
    }
    println!(
        "seed {}: {}; {} of {} sends acked, {} faults",
        args.seed,
        outcome.found(),
        report.acked,
        report.sends,
        report.faults
    );
    println!("trace {} ({} lines)", outcome.trace.hash(), outcome.trace.lines.len());
    Ok(u8::from(!outcome.violations.is_empty()))
}

fn write_trace(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn replay_command(args: Replay) -> Result<u8, String> {
    let cases: Vec<_> =
        args.cases.iter().map(|p| Case::read(p).map(|c| (p, c))).collect::<Result<_, _>>()?;
    let mut status = 0;
    for (path, case) in cases {
        let outcome = run_case(&case).map_err(|failed| failed.to_string())?;
        let replay = format!("cargo sim replay {}", path.display());
        let expected = outcome.violation(&case.expect);
        if let Some(violation) = expected.or(outcome.violations.first()) {
            print!("{}", report::card(&case, &outcome, violation, &replay));
        }
        if !outcome.violations.is_empty() {
            status = VIOLATED;
        }
        println!("{}: {}, trace {}", path.display(), outcome.found(), outcome.trace.hash());
        if outcome.is_expected(&case.expect) {
            println!("as expected");
        } else {
            println!("NOT as expected: the case expects {}", case.expect);
            status = VIOLATED;
        }
        if let Some(path) = &args.trace {
            write_trace(path, &outcome.trace.to_jsonl())?;
        }
    }
    Ok(status)
}

fn keep_command(path: &Path) -> Result<u8, String> {
    let case = Case::read(path)?;
    let outcome = run_case(&case).map_err(|failed| failed.to_string())?;
    if !outcome.is_expected(&case.expect) {
        let (expect, found) = (&case.expect, outcome.found());
        return Err(format!("{}: expects {expect}, but {found}: not kept", path.display()));
    }
    let seed = case.seed.map_or(String::new(), |s| format!("-{s}"));
    let name =
        format!("{}-{}{seed}.json", case.protocols.base.file_name(), case.expect.replace('/', "-"));
    let kept = Path::new("traces").join(name);
    if kept.exists() {
        return Err(format!("{} is there already", kept.display()));
    }
    case.write(&kept)?;
    fs::remove_file(path).map_err(|e| format!("{}: {e}", path.display()))?;
    println!("{}", kept.display());
    Ok(0)
}

/// Compares two traces line by line; prints the first difference.
fn diff_command(left: &Path, right: &Path) -> Result<u8, String> {
    let read = |p: &Path| fs::read_to_string(p).map_err(|e| format!("{}: {e}", p.display()));
    let (a, b) = (read(left)?, read(right)?);
    match first_difference(&a, &b) {
        None => {
            println!("the traces are the same, byte for byte");
            Ok(0)
        }
        Some(text) => {
            println!("{text}");
            Ok(NOT_DETERMINISTIC)
        }
    }
}

fn first_difference(a: &str, b: &str) -> Option<String> {
    if a == b {
        return None;
    }
    let (mut left, mut right) = (a.lines(), b.lines());
    for n in 0.. {
        let pair = (left.next(), right.next());
        if pair.0 != pair.1 || pair == (None, None) {
            let end = "(the trace ends here)";
            let (l, r) = (pair.0.unwrap_or(end), pair.1.unwrap_or(end));
            return Some(format!("the first difference is in line {n}:\n- {l}\n+ {r}"));
        }
    }
    None
}

fn determinism(seeds: u64, from: u64, protocol: &str) -> Result<u8, String> {
    ProtocolSpec::parse(protocol)?;
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let folder = std::env::temp_dir().join(format!("sim-determinism-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let bar = ProgressBar::new(seeds);
    let mut status = 0;
    for seed in from..from.saturating_add(seeds) {
        let mut traces = Vec::new();
        for n in 1..=2 {
            let path = folder.join(format!("{seed}-{n}.jsonl"));
            let seed = seed.to_string();
            // What asks the system for randomness gets another answer in each process.
            let done = Process::new(&this)
                .args(["run", &seed, "--protocol", protocol, "--entropy", &n.to_string()])
                .arg("--trace")
                .arg(&path)
                .output()
                .map_err(|e| e.to_string())?;
            if done.status.code() == Some(i32::from(WRONG)) {
                return Err(String::from_utf8_lossy(&done.stderr).into_owned());
            }
            traces.push(fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?);
        }
        bar.inc(1);
        if let Some(text) = first_difference(&traces[0], &traces[1]) {
            bar.suspend(|| println!("seed {seed} is NOT deterministic: {text}"));
            status = NOT_DETERMINISTIC;
            break;
        }
    }
    bar.finish_and_clear();
    let _ = fs::remove_dir_all(&folder);
    if status == 0 {
        println!("{seeds} seeds, each run in two processes: the same traces, byte for byte");
    }
    Ok(status)
}
