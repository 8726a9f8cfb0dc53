//! Another build of `sim`, which runs cases for this one: this one judges their traces.

use super::failed::{Failed, Why};
use crate::{
    plan::case::Case,
    record::{Header, Stored, Trace},
    world::{Outcome, judged},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

/// What a build of `sim` says first of itself.
const NAME: &str = "cargo sim ";

/// Another build. Cases and traces go through files in a folder of its own, which is gone with the last of its clones.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    version: String,
    folder: Arc<TempDir>,
    next: Arc<AtomicU64>,
}

impl Program {
    /// A program that can run a case and write a trace of it that this build reads: it is tried with one.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn tried(path: &Path, case: &Case, patience: Duration) -> Result<Self, String> {
        let wrong = |why: String| format!("{}: {why}", path.display());
        let version = Command::new(path).arg("--version").output();
        let version = version.map_err(|e| wrong(format!("it can't be run: {e}")))?;
        let said = String::from_utf8_lossy(&version.stdout);
        let version = said.trim().strip_prefix(NAME).filter(|_| version.status.success());
        let version = version.ok_or_else(|| {
            wrong(format!(
                "asked for its --version it did not say `{NAME}…`: it is no build of sim"
            ))
        })?;
        let folder = TempDir::with_prefix("sim-");
        let folder = folder.map_err(|e| wrong(format!("no folder for its traces: {e}")))?.into();
        let program =
            Self { path: path.into(), version: version.into(), folder, next: Arc::default() };
        program.trace(case, patience).map_err(wrong)?;
        Ok(program)
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
        let stored = self.stored(case, &asked, &told, patience);
        for path in [asked, told] {
            // It may not have been written.
            let _ = fs::remove_file(path);
        }
        stored
    }

    fn stored(
        &self,
        case: &Case,
        asked: &Path,
        told: &Path,
        patience: Duration,
    ) -> Result<Stored, String> {
        let seconds = patience.as_secs().max(1).to_string();
        let mut command = Command::new(&self.path);
        command.arg("replay").arg(asked).arg("--trace").arg(told);
        command.args(["--patience", &seconds]);
        let ended = command.output().map_err(|e| format!("it can't be run: {e}"))?;
        // A run that breaks something, or is not as expected, has a trace all the same.
        if !matches!(ended.status.code(), Some(0 | 1)) {
            let said = String::from_utf8_lossy(&ended.stderr);
            let first = said.lines().find(|line| !line.is_empty()).unwrap_or("nothing");
            return Err(format!("of a case it made no trace ({}): it said {first}", ended.status));
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
