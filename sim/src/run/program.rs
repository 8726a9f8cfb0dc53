//! Another build of `sim`, which runs cases for this one: this one judges their traces.

use super::failed::{Failed, Why};
use crate::{
    plan::case::Case,
    record::{Header, Stored, Trace},
    world::{Outcome, judged},
};
use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest, Sha256};
use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use wait_timeout::ChildExt;

/// What a build of `sim` says first of itself.
const NAME: &str = "cargo sim ";
/// Another build may run a case for so many times the patience that it is given: it looks itself whether simulated
/// time stands still for so long, and this is for one that does not.
const PATIENCES: u32 = 5;
/// Between two looks whether it is to be stopped.
const LOOK: Duration = Duration::from_millis(50);

/// Another build. Cases and traces go through files in a folder of its own, which is gone with the last of its clones.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    version: String,
    /// A hash of its file.
    file: String,
    folder: Arc<TempDir>,
    next: Arc<AtomicU64>,
    /// Set by whoever wants no more of it.
    stop: &'static AtomicBool,
}

impl Program {
    /// A program that can run a case and write a trace of it that this build reads: it is tried with one.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn tried(
        path: &Path,
        case: &Case,
        patience: Duration,
        stop: &'static AtomicBool,
    ) -> Result<Self, String> {
        let wrong = |why: String| format!("{}: {why}", path.display());
        let folder = TempDir::with_prefix("sim-");
        let folder = folder.map_err(|e| wrong(format!("no folder for its traces: {e}")))?;
        let mut asks = Command::new(path);
        asks.arg("--version");
        let Ended { status, said, .. } =
            ended(asks, &folder.path().join("version"), patience, stop).map_err(wrong)?;
        let version = said.trim().strip_prefix(NAME).filter(|_| status.success());
        let version = version.ok_or_else(|| {
            wrong(format!(
                "asked for its --version it did not say `{NAME}…`: it is no build of sim"
            ))
        })?;
        // One without a folder in its name is found on the PATH, and its name has to do.
        let file = fs::read(path).unwrap_or_else(|_| path.as_os_str().as_encoded_bytes().into());
        let hash = Sha256::digest(&file)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let (path, version, folder) = (path.into(), version.into(), folder.into());
        let program = Self { path, version, file: hash, folder, next: Arc::default(), stop };
        program.trace(case, patience).map_err(wrong)?;
        Ok(program)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version, as it says, and a hash of its file: two builds may say the same.
    pub fn build(&self) -> String {
        format!("{}-{}", self.version, self.file)
    }

    /// Where it is, and its version.
    pub fn label(&self) -> String {
        format!("{} {}", self.path.display(), self.version)
    }

    /// Runs a case there, and judges it here.
    ///
    /// # Errors
    /// If there is no trace of it.
    pub fn run(&self, case: &Case, patience: Duration) -> Result<Outcome, Failed> {
        let failed = |why| Failed { why: Why::Elsewhere(why), trace: Trace::default() };
        let Stored { header, trace } = self.trace(case, patience).map_err(failed)?;
        // What it owes is what was asked of it, whatever it made of that.
        judged(&Header { case: case.clone(), ..header }, trace).map_err(failed)
    }

    /// The trace of a case.
    fn trace(&self, case: &Case, patience: Duration) -> Result<Stored, String> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let place = |what: &str| self.folder.path().join(format!("{n}-{what}"));
        let (asked, told) = (place("case.json"), place("trace.jsonl"));
        case.write(&asked)?;
        let stored = self.stored(case, &asked, &told, &place("ends"), patience);
        // Not all of them may have been written.
        let of_output = [place("ends.out"), place("ends.err")];
        for path in [asked, told].into_iter().chain(of_output) {
            let _ = fs::remove_file(path);
        }
        stored
    }

    fn stored(
        &self,
        case: &Case,
        asked: &Path,
        told: &Path,
        ends: &Path,
        patience: Duration,
    ) -> Result<Stored, String> {
        let seconds = patience.as_secs().max(1).to_string();
        let mut command = Command::new(&self.path);
        command.arg("replay").arg(asked).arg("--trace").arg(told);
        command.args(["--patience", &seconds]);
        let Ended { status, complained, .. } =
            ended(command, ends, patience * PATIENCES, self.stop)?;
        // A run that breaks something, or is not as expected, has a trace all the same.
        if !matches!(status.code(), Some(0 | 1)) {
            let first = complained.lines().find(|line| !line.is_empty()).unwrap_or("nothing");
            return Err(format!("of a case it made no trace ({status}): it said {first}"));
        }
        let stored = Stored::read(told)?;
        if stored.header.case.plan != case.plan {
            return Err("it ran another plan than it was given".into());
        }
        if !stored.header.ended {
            return Err("it gave the run up".into());
        }
        Ok(stored)
    }
}

/// How a command came to its end.
struct Ended {
    status: ExitStatus,
    said: String,
    complained: String,
}

/// Runs a command to its end. If that does not come in time, or is not waited for any more, it is killed with all that it
/// has started. What it says goes through files beside a place: a pipe would be held open by what it leaves behind.
fn ended(
    mut command: Command,
    place: &Path,
    patience: Duration,
    stop: &AtomicBool,
) -> Result<Ended, String> {
    let at = |extension: &str| place.with_extension(extension);
    let file = |of: &Path| fs::File::create(of).map_err(|e| format!("{}: {e}", of.display()));
    let (out, err) = (at("out"), at("err"));
    command.stdin(Stdio::null()).stdout(file(&out)?).stderr(file(&err)?).process_group(0);
    let unable = |e| format!("it can't be run: {e}");
    let mut child = command.spawn().map_err(unable)?;
    let mut waited = Duration::ZERO;
    let status = loop {
        if let Some(status) = child.wait_timeout(LOOK).map_err(unable)? {
            break status;
        }
        waited += LOOK;
        let is_stopped = stop.load(Ordering::Relaxed);
        if waited < patience && !is_stopped {
            continue;
        }
        // It may have come to its end just now.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        child.wait().map_err(unable)?;
        let seconds = patience.as_secs();
        return Err(match is_stopped {
            true => "it was stopped".into(),
            false => format!("it did not come to an end within {seconds} s, and was killed"),
        });
    };
    let read = |of: &Path| String::from_utf8_lossy(&fs::read(of).unwrap_or_default()).into_owned();
    Ok(Ended { status, said: read(&out), complained: read(&err) })
}
