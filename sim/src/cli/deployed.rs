//! `--deployment FILE`: the plans are of a deployment of the user's own.

use super::output::{Output, quoted_path};
use clap::Args;
use std::{ffi::OsStr, path::PathBuf};
use teamtalk_sim::plan::generate::Deployment;

/// What is fixed of the plans.
#[derive(Args, Clone, Default)]
pub struct Deployed {
    /// A deployment of your own, a TOML file: how many of which machine, latencies by link, pace, durability, limits,
    /// users and what they do (docs/FORMATS.md, "Deployment"; examples/deployment.toml). What it fixes is so in every
    /// plan; the seed draws the rest.
    #[arg(long = "deployment", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

impl Deployed {
    /// What the file fixes; nothing without one.
    ///
    /// # Errors
    /// A sentence that names the file, the place in it and what is allowed there.
    pub fn read(&self) -> Result<Deployment, String> {
        self.file.as_deref().map_or_else(|| Ok(Deployment::default()), Deployment::read)
    }

    /// Says what is fixed, if there is a file.
    pub fn say(&self, deployment: &Deployment, out: &mut Output) {
        if let Some(file) = &self.file {
            out.line(format_args!("deployment {}: {}", file.display(), deployment.label()));
        }
    }

    /// What a process is given of it.
    pub fn arguments(&self) -> impl Iterator<Item = &OsStr> {
        let arguments = |file| [OsStr::new("--deployment"), OsStr::new(file)];
        self.file.as_ref().map(arguments).into_iter().flatten()
    }

    /// What a command line has of it, with a space in front.
    pub fn argument(&self) -> String {
        let argument = |file: &PathBuf| format!(" --deployment {}", quoted_path(file));
        self.file.as_ref().map_or_else(String::new, argument)
    }
}
