//! The kept cases, run and listed.

use super::{
    Corpus, Failure, INTERRUPTED, RIG_FAILED, VIOLATED, interrupt, jobs_or_cores,
    output::{Output, complain},
    run::{came_to_nothing, print_missing},
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{fs, path::PathBuf};
use teamtalk_sim::{
    causality::{Mended, mended},
    corpus,
    plan::case::Case,
    pool::Pool,
    report::{self, Kept},
    run::{Runner, Until, Wanted},
};

/// A case, and what came of it.
struct Ran {
    path: PathBuf,
    case: Case,
    sentence: String,
    mended: Mended,
}

pub fn corpus(args: &Corpus, out: &mut Output) -> Result<u8, Failure> {
    interrupt::listen();
    let text = args.table.as_deref().map(fs::read_to_string).transpose();
    let failed = |e: &dyn std::fmt::Display| {
        let path = args.table.as_deref().unwrap_or(&args.folder);
        format!("{}: {e}", path.display())
    };
    let text = text.map_err(|e| failed(&e))?;
    if let Some(text) = &text {
        report::with_table(text, "").map_err(|e| failed(&e))?;
    }
    let files = corpus::files(&args.folder);
    if files.is_empty() {
        return Err(format!("{}: no case is there", args.folder.display()).into());
    }
    let cases: Vec<_> = files
        .into_iter()
        .map(|path| Case::read(&path).map(|case| (path, case)))
        .collect::<Result<_, _>>()?;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} cases, {eta} left  {msg}");
    let bar = ProgressBar::new(cases.len() as u64).with_style(style.expect("a fixed template"));
    let (mut ran, mut status) = (Vec::new(), 0);
    for (path, case) in cases {
        bar.set_message(case.expect.clone());
        match one(path, case, args, out) {
            Ok(Some(kept)) => ran.push(kept),
            Ok(None) => status = VIOLATED,
            Err(Failure::Interrupted(_)) => {
                bar.finish_and_clear();
                return Ok(INTERRUPTED);
            }
            Err(failure) => {
                bar.suspend(|| complain(&failure));
                status = RIG_FAILED;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let kept: Vec<_> = ran.iter().map(Ran::kept).collect();
    let table = report::corpus(&kept);
    match (&args.table, text) {
        (Some(path), Some(text)) => {
            let text = report::with_table(&text, &table).map_err(|e| failed(&e))?;
            fs::write(path, text).map_err(|e| failed(&e))?;
        }
        _ => out.print(table),
    }
    Ok(status)
}

/// Runs a case; `None` if it does not come out as it expects.
fn one(path: PathBuf, case: Case, args: &Corpus, out: &mut Output) -> Result<Option<Ran>, Failure> {
    let runner = args.patience.runner();
    let name = path.display().to_string();
    let outcome = runner.run(&case).map_err(|failed| came_to_nothing(&name, &failed))?;
    if !outcome.is_expected(&case.expect) {
        out.line(format_args!("{name}: expects {}, but {}", case.expect, outcome.found()));
        print_missing(&case, &outcome, out);
        return Ok(None);
    }
    let sentence = outcome.violation(&case.expect).map_or_else(String::new, |v| v.sentence.clone());
    let until = Some(Until { signature: case.expect.clone(), at_ms: u64::MAX });
    let runner = Runner { wanted: Wanted { until, draws: false }, ..runner };
    let pool = Pool { runner, jobs: jobs_or_cores(args.jobs), stop: &interrupt::STOP };
    let mended = mended(&case, &pool, &|| {});
    let mended = mended.ok_or(Failure::Interrupted(name))?;
    Ok(Some(Ran { path, case, sentence, mended }))
}

impl Ran {
    fn kept(&self) -> Kept<'_> {
        let Self { path, case, sentence, mended } = self;
        Kept { path, case, sentence: sentence.clone(), mended }
    }
}
