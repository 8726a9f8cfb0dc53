//! Stored traces, judged again.

use super::{
    Failure, Judge, VIOLATED, WRONG,
    output::{Output, complain, quoted_path},
};
use std::path::Path;
use teamtalk_sim::{
    record::{Header, Stored},
    report,
    world::{Outcome, judged},
};

pub fn judge(args: &Judge, out: &mut Output) -> Result<u8, Failure> {
    let (mut violated, mut wrong) = (false, false);
    for path in &args.traces {
        if out.is_gone() {
            break;
        }
        // One after the other: a trace is large.
        match one(path) {
            Ok((header, outcome)) => {
                print(path, &header, &outcome, out);
                violated |= !outcome.violations.is_empty();
            }
            Err(why) => {
                complain(format_args!("error: {why}"));
                wrong = true;
            }
        }
    }
    Ok(match (violated, wrong) {
        (true, _) => VIOLATED,
        (false, true) => WRONG,
        (false, false) => 0,
    })
}

fn one(path: &Path) -> Result<(Header, Outcome), String> {
    let Stored { header, trace } = Stored::read(path)?;
    let outcome = judged(&header, trace).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok((header, outcome))
}

fn print(path: &Path, header: &Header, outcome: &Outcome, out: &mut Output) {
    let again = format!("cargo sim judge {}", quoted_path(path));
    for violation in &outcome.violations {
        out.line(report::card(&header.case, outcome, violation, &again));
    }
    let (path, lines) = (path.display(), outcome.trace.lines.len());
    if header.build != env!("CARGO_PKG_VERSION") {
        out.line(format_args!("{path}: run by build {}", header.build));
    }
    if !header.ended {
        out.line(format_args!("{path}: the run was given up: what was owed then is not judged"));
    }
    let (found, hash) = (outcome.found(), outcome.trace.hash());
    out.line(format_args!("{path}: {found}; {lines} lines judged, trace {hash}"));
}
