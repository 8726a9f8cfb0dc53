//! The kept cases, run and listed.

use super::{
    Corpus, Failure, INTERRUPTED, RIG_FAILED, VIOLATED, interrupt, jobs_or_cores,
    output::{Output, bar, complain},
    run::{came_to_nothing, print_missing},
};
use std::{fs, path::PathBuf};
use teamtalk_sim::{
    causality::Explaining,
    corpus,
    plan::case::Case,
    report::{self, Kept},
};

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
    let length = Some(cases.len() as u64);
    let bar = bar("{bar:30} {pos}/{len} cases, {eta} left  {msg}", length);
    let (mut kept, mut status) = (Vec::new(), 0);
    for (path, case) in cases {
        bar.set_message(case.expect.clone());
        match one(path, case, args, out) {
            Ok(Some(case)) => kept.push(case),
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
fn one(
    path: PathBuf,
    case: Case,
    args: &Corpus,
    out: &mut Output,
) -> Result<Option<Kept>, Failure> {
    let runner = args.patience.runner();
    let name = path.display().to_string();
    let outcome = runner.run(&case).map_err(|failed| came_to_nothing(&name, &failed))?;
    if !outcome.is_expected(&case.expect) {
        out.line(format_args!("{name}: expects {}, but {}", case.expect, outcome.found()));
        print_missing(&case, &outcome, out);
        return Ok(None);
    }
    let sentence = outcome.violation(&case.expect).map_or_else(String::new, |v| v.sentence.clone());
    let jobs = jobs_or_cores(args.jobs);
    let explaining = Explaining { runner, jobs, stop: &interrupt::STOP, each: &|| {} };
    let mended = explaining.mended(&case, &outcome).ok_or(Failure::Interrupted(name))?;
    Ok(Some(Kept { path, case, sentence, mended }))
}
