//! Verify before deploy.

use super::{
    Failure, Patience, RIG_FAILED, VIOLATED,
    deployed::Deployed,
    ending::written,
    explain,
    explore::in_the_target_folder,
    interrupt, jobs_or_cores, numbers,
    output::{
        OutFile, Output, bar, complain, quoted_path, replay_elsewhere, replay_of, style_of,
        try_folder,
    },
    places::Places,
    profile,
    shrink::write_page,
};
use clap::Args;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};
use teamtalk_sim::{
    campaign::Shard,
    files,
    plan::{
        case::ProtocolSpec,
        generate::{Deployment, Profile},
    },
    pool::Pool,
    report::{
        page_of, verify as report,
        verify_json::json as json_of,
        verify_junit,
        verify_page::page,
        verify_told::{Shown, Told},
    },
    run::Program,
    shrink::NoFailure,
    verify::{
        Contract, Given, Known, Lost, Pair, Part, Paths, Programs, Progress, ROLLING, SHRINK_RUNS,
        Stage, Verdict, Verification, check_seeds, wire,
    },
};

/// Verify a change before it is deployed: may the candidate replace the base, and in what order?
///
/// The same plans run with everybody on the base, with everybody on the candidate, and (--rolling) while
/// hosts go from one to the other in an order of each seed's own: forward, stopped half way, back, and
/// forward again. What is violated there and not under the base is a regression. Each one of a rollout is
/// led back to the smallest mix of sides that does it ("msg_servers of the candidate beside db_proxies of
/// the base"); from these follows the order in which roles may change and the last point from which all can be
/// taken back, and that order is run on other seeds.
///
/// Under the base hosts go down at the same moments and come back as they were: what differs is the
/// protocol alone. Status 1: something that the base holds is lost, or one side can't read what the other
/// writes (--base-proto).
#[derive(Args)]
pub struct Verify {
    /// What is in production: `hardened`, `teamtalk` or a TOML file.
    #[arg(long)]
    base: String,
    /// What is to replace it: as --base.
    #[arg(long)]
    candidate: String,
    /// The .proto files of the base, a folder: they are compared with --candidate-proto by the rules of the wire
    /// before any seed is run.
    #[arg(long, value_name = "DIR")]
    base_proto: Option<PathBuf>,
    /// The .proto files of the candidate.
    #[arg(long, value_name = "DIR", default_value = "proto")]
    candidate_proto: PathBuf,
    /// Let hosts change side while the plans run, and infer the order.
    #[arg(long)]
    rolling: bool,
    /// What must hold where, a TOML file (docs/FORMATS.md, "Contract"); by default all that the base holds, at each
    /// stage.
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
    /// Run all stages but the base under this noise seed (0: each plan under its own, as under the base): with --base
    /// and --candidate the same, what is said to differ then is by chance.
    #[arg(long, default_value_t = 0, value_name = "N")]
    candidate_noise: u64,
    /// How many seeds for each stage.
    #[arg(long, default_value_t = 300, value_parser = numbers::one_or_more, allow_negative_numbers = true)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many at once (default: one for each core).
    #[arg(long, value_parser = numbers::jobs, allow_negative_numbers = true)]
    jobs: Option<u16>,
    /// What the plans are like: see `profiles`.
    #[arg(long, default_value = "default", value_parser = profile)]
    profile: Profile,
    #[command(flatten)]
    deployed: Deployed,
    /// Where cases are written, a folder, which is made if it is missing (default: the folder `verify` in `sim` in cargo's target folder).
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write the verdict as JSON (docs/FORMATS.md). The file is opened before the first seed.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the verdict as one page for a browser. The file is opened before the first seed.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Write the verdict as JUnit XML (docs/FORMATS.md): a test case for each stage, and one for the order.
    #[arg(long)]
    junit: Option<PathBuf>,
    /// Another build of `sim` (of an older release, or of a branch) that runs what is on the base; its traces are
    /// judged by this build. Hosts don't change side then.
    #[arg(long, value_name = "PATH")]
    base_sim: Option<PathBuf>,
    /// The same for the candidate.
    #[arg(long, value_name = "PATH")]
    candidate_sim: Option<PathBuf>,
    /// Do not make the cases of what went wrong small.
    #[arg(long)]
    no_shrink: bool,
    /// At most so many runs to make cases small, all together (see `shrink`).
    #[arg(long, default_value_t = SHRINK_RUNS, value_parser = numbers::one_or_more, allow_negative_numbers = true)]
    shrink_runs: u64,
    /// Run only every N-th seed, from the I-th on, and judge nothing: what the runs came to goes to the file --runs, with
    /// which the same command goes on if it was interrupted. When all shards are there, the command with all their
    /// files as --runs, and without --shard, judges.
    #[arg(long, value_name = "I/N", requires = "runs", conflicts_with_all = ["json", "html", "junit"])]
    shard: Option<Shard>,
    /// Files of runs that need not be made again (with --shard: the one that is written). What they lack is run.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    patience: Patience,
}

pub fn verify(args: Verify, out: &mut Output) -> Result<u8, Failure> {
    interrupt::listen();
    places(&args).differ()?;
    check_seeds(args.from, args.seeds).map_err(|e| format!("--from, --seeds: {e}"))?;
    let base = protocol("--base", &args.base)?;
    let candidate = protocol("--candidate", &args.candidate)?;
    let deployment = args.deployed.read()?;
    let base = deployment.under(&base).map_err(|e| format!("--base: {e}"))?;
    let candidate = deployment.under(&candidate).map_err(|e| format!("--candidate: {e}"))?;
    let pair = Pair { base, candidate };
    let contract = contract(&args)?;
    let differences = match &args.base_proto {
        Some(base) => wire::compare(base, &args.candidate_proto)?,
        None => Vec::new(),
    };
    let parts = parts(&args)?;
    let programs = programs(&args, &pair, &deployment)?;
    let json = args.json.as_deref().map(OutFile::tried).transpose()?;
    let html = args.html.as_deref().map(OutFile::tried).transpose()?;
    let junit = args.junit.as_deref().map(OutFile::tried).transpose()?;
    let folder = args.out.clone().unwrap_or_else(|| in_the_target_folder().join("verify"));
    try_folder(&folder).map_err(|e| format!("{e} (cases go there: --out names another folder)"))?;
    args.deployed.say(&deployment, out);
    out.line(report::changes(&pair, &programs));
    if args.base_proto.is_some() {
        out.line(report::on_the_wire(&differences));
    }
    let known = style_of("{msg:45} {bar:20} {pos}/{len}  {elapsed}, {eta} left of this");
    let unknown = style_of("{msg:45} {pos} runs  {elapsed}");
    let bar = bar("{msg}", Some(1));
    let progress = |progress: Progress| match progress {
        Progress::Begins(what, runs) => {
            bar.set_message(what);
            bar.set_style(if runs.is_some() { known.clone() } else { unknown.clone() });
            bar.set_length(runs.unwrap_or(0));
            bar.set_position(0);
            bar.reset_eta();
        }
        Progress::Ran => bar.inc(1),
    };
    let mut verification = Verification {
        pair: pair.clone(),
        from: args.from,
        seeds: args.seeds,
        profile: args.profile,
        deployment,
        rolling: args.rolling,
        contract,
        candidate_noise: args.candidate_noise,
        pool: Pool::new(args.patience.runner(), jobs_or_cores(args.jobs), &interrupt::STOP),
        programs,
        given: Given::new(),
        shrink_runs: if args.no_shrink { 0 } else { args.shrink_runs },
        known: Known::default(),
        progress: &progress,
    };
    verification.take(parts)?;
    if let (Some(shard), [place]) = (args.shard, &args.runs[..]) {
        let keep = |part: &Part| {
            if let Err(error) = part.write(place) {
                bar.suspend(|| complain(format_args!("error: {error}")));
            }
        };
        let (part, lost) = verification.part(shard, keep);
        bar.finish_and_clear();
        return parted(&part, &lost, place, out);
    }
    if let lacking @ 1.. = verification.lacking()
        && !args.runs.is_empty()
    {
        out.line(format_args!("{lacking} runs are in none of the files: they are made here"));
    }
    let verdict = Verdict { on_the_wire: differences, ..verification.run() };
    bar.finish_and_clear();
    let cases = kept(&verdict, &folder, &verification);
    let shown = |name: &str| cases[name].clone();
    let told = Told {
        pair: &pair,
        verdict: &verdict,
        rolling: args.rolling,
        from: args.from,
        seeds: args.seeds,
        profile: args.profile,
        shown: &shown,
    };
    out.line(report::verdict(&told));
    // What can't be written is said when all others are.
    let as_json = || {
        let text = serde_json::to_string_pretty(&json_of(&told));
        Ok(text.map_err(|e| e.to_string())? + "\n")
    };
    let all = [
        written(html, || Ok(page(&told))),
        written(junit, || Ok(verify_junit::junit(&told))),
        written(json, as_json),
    ];
    all.into_iter().collect::<Result<(), _>>()?;
    if verdict.interrupted && !verdict.is_unsafe(args.rolling) {
        return Err(Failure::Interrupted("what is known so far was said".into()));
    }
    Ok(match (verdict.is_safe(args.rolling), verdict.is_unsafe(args.rolling)) {
        (true, _) => 0,
        (false, true) => VIOLATED,
        (false, false) => RIG_FAILED,
    })
}

/// What it reads and writes.
fn places(args: &Verify) -> Places<'_> {
    // A shard goes on with its own file.
    let (given, written) = match args.shard {
        Some(_) => (&[][..], &args.runs[..]),
        None => (&args.runs[..], &[][..]),
    };
    Places::default()
        .reads_protocol("--base", &args.base)
        .reads_protocol("--candidate", &args.candidate)
        .reads("--contract", &args.contract)
        .reads("--base-sim", &args.base_sim)
        .reads("--candidate-sim", &args.candidate_sim)
        .reads("--deployment", &args.deployed.file)
        .reads("--runs", given)
        .writes("--runs", written)
        .writes("--json", &args.json)
        .writes("--html", &args.html)
        .writes("--junit", &args.junit)
}

/// A side.
fn protocol(option: &str, text: &str) -> Result<ProtocolSpec, Failure> {
    if Path::new(text).is_dir() {
        let wrong =
            format!("{option} {text}: it is a folder, and a preset or a TOML file is expected");
        return Err(Failure::Wrong(wrong));
    }
    Ok(ProtocolSpec::parse(text).map_err(|e| format!("{option}: {e}"))?)
}

/// What must hold where.
fn contract(args: &Verify) -> Result<Contract, Failure> {
    let Some(path) = &args.contract else { return Ok(Contract::default()) };
    let contract = Contract::read(path).map_err(|e| format!("--contract {e}"))?;
    let shown = path.display();
    contract.check(args.rolling).map_err(|e| format!("--contract {shown}: {e}"))?;
    Ok(contract)
}

/// The runs of files, with their names. A shard goes on with its own file if there is one.
fn parts(args: &Verify) -> Result<Vec<(String, Part)>, Failure> {
    let read = |path: &PathBuf| match Part::read(path) {
        Ok(part) => Ok((path.display().to_string(), part)),
        Err(why) => Err(format!("--runs {why}")),
    };
    let Some(shard) = args.shard else {
        return Ok(args.runs.iter().map(read).collect::<Result<_, String>>()?);
    };
    let [place] = &args.runs[..] else {
        let wrong = "a shard writes one file of runs, so --runs takes one with --shard";
        return Err(Failure::Wrong(wrong.into()));
    };
    files::tried(place)?;
    if !place.exists() {
        return Ok(Vec::new());
    }
    let (name, part) = read(place)?;
    if part.shard() != shard {
        return Err(format!("{name}: it is of shard {}, not of {shard}", part.shard()).into());
    }
    Ok(vec![(name, part)])
}

/// Writes the runs of a shard, and says what is to be done with them.
fn parted(
    part: &Part,
    lost: &BTreeMap<Stage, Lost>,
    place: &Path,
    out: &mut Output,
) -> Result<u8, Failure> {
    part.write(place)?;
    let shown = quoted_path(place);
    out.line(format!("shard {}: {} runs, nothing judged yet: {shown}", part.shard(), part.len()));
    for (stage, Lost { runs, seed, why }) in lost {
        let name = stage.name();
        complain(format_args!("{runs} runs of {name} came to nothing, seed {seed} first: {why}"));
    }
    if interrupt::STOP.load(Ordering::Relaxed) {
        return Err(Failure::Interrupted(format!("{shown} has the runs so far")));
    }
    if !lost.is_empty() {
        return Ok(RIG_FAILED);
    }
    out.line("when all shards are there: the same command with --runs and all their files, without --shard");
    Ok(0)
}

/// The other builds, each tried with the first case of its side.
fn programs(args: &Verify, pair: &Pair, deployment: &Deployment) -> Result<Programs, Failure> {
    let named = [("--base-sim", &args.base_sim), ("--candidate-sim", &args.candidate_sim)];
    if args.rolling && named.iter().any(|(_, path)| path.is_some()) {
        return Err(Failure::Wrong(
            "hosts that change side run in one process, so --rolling takes both sides in one build: write the \
             change as a switch (docs/CHANGING.md), or leave --rolling out"
                .into(),
        ));
    }
    let (case, _) = pair.rolling(args.from, args.profile, deployment, &Paths::any());
    let patience = args.patience.runner().patience;
    let tried = |(name, path): (&str, &Option<PathBuf>), stage: Stage| {
        let program =
            |path: &PathBuf| Program::tried(path, &stage.run_of(&case), patience, &interrupt::STOP);
        path.as_ref().map(program).transpose().map_err(|e| format!("{name} {e}"))
    };
    let [base, candidate] = named;
    Ok(Programs { base: tried(base, Stage::Base)?, candidate: tried(candidate, Stage::Candidate)? })
}

/// Writes each case of a verdict, with its card beside it; how they are shown, by the names of their files.
fn kept(verdict: &Verdict, folder: &Path, by: &Verification<'_>) -> BTreeMap<String, Shown> {
    let constraints = verdict.constraints.iter().chain(&verdict.unconfirmed);
    let rolling = constraints.map(|of| (of.file_name(), ROLLING, &of.case));
    let regressions = verdict.regressions.iter().map(|of| (of.file_name(), of.stage, &of.case));
    let in_order = verdict.proven.iter().flat_map(|of| of.lost.iter().chain(&of.seen));
    let in_order = in_order.map(|of| (of.file_name(), of.stage, &of.case));
    let mut shown = BTreeMap::new();
    for (name, stage, case) in rolling.chain(regressions).chain(in_order) {
        let place = folder.join(&name);
        let written = case.write(&place);
        let mut card = None;
        let replay = match &by.runner(stage).program {
            Some(program) => replay_elsewhere(program.path(), &place),
            None => replay_of(&place),
        };
        // That of an earlier verification is not of this case.
        let _ = fs::remove_file(place.with_extension("md"));
        let outcome = NoFailure::refuse(case, &by.runner(stage)).ok();
        if let Some(outcome) = &outcome
            && let Some((violation, text)) = explain::card(case, &replay, outcome, None)
        {
            let page = write_page(&place, &page_of(case, outcome, violation, &text));
            // One sentence for the same reason.
            if let (Ok(()), Err(error)) = (&written, page) {
                complain(format_args!("error: the card is not kept: {error}"));
            }
            card = Some(text);
        }
        if let Err(error) = written {
            complain(format_args!("error: the case is not kept: {error}"));
        }
        shown.insert(name, Shown { replay, card });
    }
    shown
}
