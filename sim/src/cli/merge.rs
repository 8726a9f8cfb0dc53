//! Campaign files of shards, as one campaign.

use super::{
    CAMPAIGN_STATUSES, Failure, Patience,
    deployed::Deployed,
    ending::{Ending, Last},
    explore::in_the_target_folder,
    interrupt, jobs_or_cores, numbers,
    output::{OutFile, Output, try_folder},
    places::Places,
    shrink::Smaller,
};
use clap::Args;
use std::path::PathBuf;
use teamtalk_sim::{
    campaign::{self, Merged, Results},
    files,
    shrink::BUDGET,
};

/// Merge the campaign files of shards, and say what they came to together.
///
/// The files are those of `explore --shard I/N --resume FILE`, one of each shard. What is printed and written
/// is what one campaign over all seeds would have, and so is the status, but for the time, which is that of
/// all shards together. Of a signature and mechanism that several found the lowest seed stays, and the
/// smallest small case; what no shard made small is made small here, so that shards need not all do it
/// (--no-shrink there). Files that do not fit together are refused, and so is a seed that is in two of them. A shard
/// that is missing is named, and nothing is said to hold then: status 1 if something is violated in the others, else 2.
#[derive(Args)]
#[command(after_long_help = CAMPAIGN_STATUSES)]
pub struct Merge {
    /// Campaign files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write what each seed did as JSON, as `explore --json` does.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Write the campaign file of all seeds.
    #[arg(long, value_name = "OUT")]
    resume_file: Option<PathBuf>,
    /// Write the verdicts as JUnit XML.
    #[arg(long, value_name = "OUT")]
    junit: Option<PathBuf>,
    /// Where failing cases are written, a folder, which is made if it is missing (default: `sim` in cargo's target
    /// folder).
    #[arg(long)]
    out: Option<PathBuf>,
    /// Status 1 if the median seed has fewer acked sends (default: by the profile; 0: never).
    #[arg(long)]
    least_acked: Option<u64>,
    /// Do not make cases small.
    #[arg(long)]
    no_shrink: bool,
    /// At most so many runs to make cases small, all together (see `shrink`).
    #[arg(long, default_value_t = 10 * BUDGET, value_parser = numbers::one_or_more, allow_negative_numbers = true)]
    shrink_runs: u64,
    /// How many runs at once (default: one for each core).
    #[arg(long, value_parser = numbers::jobs, allow_negative_numbers = true)]
    jobs: Option<u16>,
    #[command(flatten)]
    patience: Patience,
}

pub fn merge(args: Merge, out: &mut Output) -> Result<u8, Failure> {
    interrupt::listen();
    Places::default()
        .reads("FILE", &args.files)
        .writes("--json", &args.json)
        .writes("--resume-file", &args.resume_file)
        .writes("--junit", &args.junit)
        .differ()?;
    args.resume_file.as_deref().map_or(Ok(()), files::tried)?;
    let read = |path: &PathBuf| Results::read(path).map(|file| (path.display().to_string(), file));
    let files = args.files.iter().map(read).collect::<Result<_, _>>()?;
    let Merged { results, missing } = campaign::merge(files)?;
    let json = args.json.as_deref().map(OutFile::tried).transpose()?;
    let junit = args.junit.as_deref().map(OutFile::tried).transpose()?;
    let folder = args.out.unwrap_or_else(in_the_target_folder);
    try_folder(&folder).map_err(|e| format!("{e} (cases go there: --out names another folder)"))?;
    let protocol = results.protocol.preset.clone();
    let deployed = Deployed::default();
    let mut ending = Ending {
        results,
        folder,
        file: args.resume_file,
        protocol,
        deployed,
        known: None,
        unfinished: Default::default(),
    };
    ending.save()?;
    ending.write_cases()?;
    if !args.no_shrink {
        let (runner, jobs) = (args.patience.runner(), jobs_or_cores(args.jobs));
        let (left, explain) = (args.shrink_runs, false);
        ending.shrink(Smaller::new(runner, jobs, left, explain), out);
    }
    let missing = missing.map(|sentence| format!("NOT ALL: {sentence}"));
    let (least_acked, is_interrupted) = (args.least_acked, interrupt::is_interrupted());
    let last = Last { json, junit, least_acked, missing, is_interrupted, ..Last::default() };
    Ok(ending.end(last, out))
}
