//! Traces compared, without their headers: two files, or a seed run twice.

use super::{
    Failure, NOT_DETERMINISTIC, VIOLATED, WRONG,
    deployed::Deployed,
    interrupt, numbers,
    output::{Output, Scratch},
    profile,
};
use clap::Args;
use indicatif::ProgressBar;
use std::{ffi::OsStr, fs, path::Path, process::Command as Process, sync::atomic::Ordering};
use teamtalk_sim::{
    plan::{case::ProtocolSpec, generate::Profile},
    record::{Written, difference},
    report,
};

/// Run seeds twice, in separate processes, and compare the traces byte for byte.
#[derive(Args)]
pub struct Determinism {
    /// How many seeds.
    #[arg(long, default_value_t = 20, value_parser = numbers::one_or_more, allow_negative_numbers = true)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// `hardened`, `teamtalk` or a TOML file.
    #[arg(long, default_value = "hardened")]
    protocol: String,
    /// What the plans are like: see `profiles`.
    #[arg(long, default_value = "default", value_parser = profile)]
    profile: Profile,
    #[command(flatten)]
    deployed: Deployed,
}

/// Compares two traces line by line; prints the first difference.
pub fn diff(left: &Path, right: &Path, out: &mut Output) -> Result<u8, Failure> {
    let (a, b) = (Written::read(left)?, Written::read(right)?);
    let status = match first_difference(&a, &b) {
        None => {
            out.line("the traces are the same, byte for byte");
            0
        }
        Some(text) => {
            out.line(text);
            NOT_DETERMINISTIC
        }
    };
    let places = difference(a.header.as_ref(), b.header.as_ref());
    for place in places.iter().take(MOST_PLACES) {
        out.line(format_args!("their headers differ: {place}"));
    }
    if let more @ 1.. = places.len().saturating_sub(MOST_PLACES) {
        out.line(format_args!("their headers differ in {more} places more"));
    }
    Ok(status)
}

/// In how many places of two headers is said what is different.
const MOST_PLACES: usize = 10;

fn first_difference(a: &Written, b: &Written) -> Option<String> {
    let longer = a.lines.len().max(b.lines.len());
    let n = (0..longer).find(|&n| a.lines.get(n) != b.lines.get(n))?;
    let place = match (a.number(n), b.number(n)) {
        (left, right) if left == right => format!("line {left}"),
        (left, right) => format!("line {left} of the first and line {right} of the second"),
    };
    let line = |of: &Written| of.lines.get(n).map_or("(the trace ends here)".into(), String::clone);
    Some(format!("the first difference is in {place}:\n- {}\n+ {}", line(a), line(b)))
}

/// Runs each seed in two processes.
pub fn determinism(args: &Determinism, out: &mut Output) -> Result<u8, Failure> {
    let &Determinism { seeds, from, ref protocol, profile, ref deployed } = args;
    let deployment = deployed.read()?;
    deployment.under(&ProtocolSpec::parse(protocol)?)?;
    deployed.say(&deployment, out);
    interrupt::listen();
    let more = [OsStr::new("--profile"), OsStr::new(profile.name())];
    let more: Vec<_> = more.into_iter().chain(deployed.arguments()).collect();
    let scratch = Scratch::new("determinism")?;
    let bar = ProgressBar::new(seeds);
    for n in 0..seeds {
        let Some(seed) = from.checked_add(n) else { break };
        let traces = [1, 2].map(|entropy| trace_of(seed, entropy, protocol, &more, &scratch.0));
        if interrupt::STOP.load(Ordering::Relaxed) {
            return Err(Failure::Interrupted(format!("{n} of {seeds} seeds were compared")));
        }
        let [first, second] = traces;
        bar.inc(1);
        let (first, second) = (first?, second?);
        if let Some(text) = first_difference(&first, &second) {
            bar.finish_and_clear();
            out.line(format_args!("seed {seed} is NOT deterministic: {text}"));
            return Ok(NOT_DETERMINISTIC);
        }
    }
    let seeds = bar.position();
    bar.finish_and_clear();
    out.line(format_args!(
        "{}, each run in two processes: the same traces, byte for byte",
        report::seeds(seeds)
    ));
    Ok(0)
}

/// The trace of a seed, from a process of its own.
fn trace_of(
    seed: u64,
    entropy: u64,
    protocol: &str,
    more: &[&OsStr],
    scratch: &Path,
) -> Result<Written, Failure> {
    let path = scratch.join("trace.jsonl");
    run_apart(seed, entropy, protocol, &[more, &["--trace".as_ref(), path.as_os_str()]].concat())?;
    let written = Written::read(&path)?;
    fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(written)
}

/// The hash of the trace of a seed, from a process of its own.
pub fn hash_apart(seed: u64, protocol: &str, more: &[&OsStr]) -> Result<String, Failure> {
    let said = run_apart(seed, 1, protocol, more)?;
    let last = said.lines().last().and_then(|line| line.strip_prefix("trace "));
    let hash = last.and_then(|rest| rest.split(' ').next());
    hash.map(String::from)
        .ok_or_else(|| Failure::Rig(format!("seed {seed}: its process says no hash: {said}")))
}

/// What `run` prints of a seed in a process of its own. What asks the system for randomness gets another
/// answer there than in a process of other entropy.
fn run_apart(seed: u64, entropy: u64, protocol: &str, more: &[&OsStr]) -> Result<String, Failure> {
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let done = Process::new(&this)
        .args(["run", &seed.to_string(), "--protocol", protocol])
        .args(["--entropy", &entropy.to_string()])
        .args(more)
        .output()
        .map_err(|e| format!("{}: {e}", this.display()))?;
    let said = String::from_utf8_lossy(&done.stderr).trim().to_string();
    let said = said.strip_prefix("error: ").unwrap_or(&said).to_string();
    match done.status.code() {
        Some(code) if code == 0 || code == i32::from(VIOLATED) => {
            Ok(String::from_utf8_lossy(&done.stdout).into_owned())
        }
        Some(code) if code == i32::from(WRONG) => Err(Failure::Wrong(said)),
        _ => Err(Failure::Rig(format!(
            "seed {seed}: its process ended with {}: {said}",
            done.status
        ))),
    }
}
