//! Verify before deploy.

use super::{
    Failure, Verify,
    explore::in_the_target_folder,
    interrupt, jobs_or_cores,
    output::{OutFile, Output, bar, complain, replay_of, try_folder},
};
use teamtalk_sim::{
    plan::case::ProtocolSpec,
    pool::Pool,
    report::verify as report,
    verify::{Pair, Progress, Regression, Verdict, Verification, wire},
};

pub fn verify(args: Verify, out: &mut Output) -> Result<u8, Failure> {
    interrupt::listen();
    let base = ProtocolSpec::parse(&args.base).map_err(|e| format!("--base: {e}"))?;
    let candidate =
        ProtocolSpec::parse(&args.candidate).map_err(|e| format!("--candidate: {e}"))?;
    let pair = Pair { base, candidate };
    let folder = args.out.clone().unwrap_or_else(|| in_the_target_folder().join("verify"));
    try_folder(&folder).map_err(|e| format!("{e} (cases go there: --out names another folder)"))?;
    let differences = match &args.base_proto {
        Some(base) => wire::compare(base, &args.candidate_proto)?,
        None => Vec::new(),
    };
    let json = args.json.as_deref().map(OutFile::tried).transpose()?;
    out.line(report::changes(&pair));
    if args.base_proto.is_some() {
        out.line(report::on_the_wire(&differences));
    }
    let bar = bar("{msg:45} {bar:20} {pos}/{len}  {elapsed}", Some(1));
    let progress = |progress: Progress| match progress {
        Progress::Begins(what, runs) => {
            bar.set_message(what);
            bar.set_length(runs.unwrap_or(0));
            bar.set_position(0);
        }
        Progress::Ran => bar.inc(1),
    };
    let verification = Verification {
        pair: pair.clone(),
        from: args.from,
        seeds: args.seeds,
        profile: args.profile,
        rolling: args.rolling,
        pool: Pool {
            runner: args.patience.runner(),
            jobs: jobs_or_cores(args.jobs),
            stop: &interrupt::STOP,
        },
        progress: &progress,
    };
    let verdict = Verdict { on_the_wire: differences, ..verification.run() };
    bar.finish_and_clear();
    let path = |of: &Regression| folder.join(file_name(of));
    for regression in &verdict.regressions {
        if let Err(error) = regression.case.write(&path(regression)) {
            complain(format_args!("error: the case is not kept: {error}"));
        }
    }
    let replay = |of: &Regression| replay_of(&path(of));
    out.line(report::verdict(&pair, &verdict, args.rolling, &replay));
    if let Some(mut file) = json {
        let text = serde_json::to_string_pretty(&report::json(&pair, &verdict, args.rolling));
        file.write(&(text.map_err(|e| e.to_string())? + "\n"))?;
    }
    if verdict.interrupted && verdict.regressions.is_empty() {
        return Err(Failure::Interrupted("what is known so far was said".into()));
    }
    Ok(u8::from(!verdict.is_safe(args.rolling)))
}

fn file_name(of: &Regression) -> String {
    format!("{}-{}.json", of.signature.replace('/', "-"), of.seed)
}
