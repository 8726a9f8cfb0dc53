//! The hunt for each planted bug.

use super::{
    Failure, INTERRUPTED, Mutants, VIOLATED, interrupt, jobs_or_cores,
    output::{OutFile, Output, bar},
    places::Places,
};
use std::{fs, path::Path};
use teamtalk::mutants::{Entry, NOT_BUILT, all};
use teamtalk_sim::mutants::{self, Hunt, Hunted};

pub fn mutants(args: &Mutants, out: &mut Output) -> Result<u8, Failure> {
    let chosen = chosen(&args.only)?;
    interrupt::listen();
    Places::default().writes("--json", &args.json).writes("--table", &args.table).differ()?;
    let json = args.json.as_deref().map(OutFile::tried).transpose()?;
    if let Some(path) = &args.table {
        write_table(path, &[])?;
    }
    let hunt = Hunt {
        seeds: args.seeds,
        jobs: jobs_or_cores(args.jobs),
        profile: args.profile,
        by: &args.by,
    };
    let runner = args.patience.runner();
    let length = Some(args.seeds * chosen.len() as u64);
    let bar = bar("{bar:30} {pos}/{len} seeds, {eta} left  {msg}", length);
    let mut hunted = Vec::new();
    for (n, entry) in chosen.iter().enumerate() {
        bar.set_message(entry.name());
        let each = || {
            bar.inc(1);
            !interrupt::is_interrupted()
        };
        let one = mutants::hunt(&runner, entry, &hunt, each)?;
        if interrupt::is_interrupted() {
            break;
        }
        bar.set_position((n as u64 + 1) * args.seeds);
        hunted.push(one);
        if let Some(path) = &args.table {
            write_table(path, &hunted)?;
        }
    }
    bar.finish_and_clear();
    out.print(mutants::table(&hunted));
    if let Some(mut file) = json {
        file.write(&serde_json::to_string_pretty(&hunted).expect("plain data"))?;
    }
    Ok(match () {
        () if hunted.iter().any(Hunted::is_missed) => VIOLATED,
        () if hunted.len() < chosen.len() => INTERRUPTED,
        () => 0,
    })
}

/// The mutants of these names, or all.
fn chosen(names: &[String]) -> Result<Vec<Entry>, Failure> {
    if all().is_empty() {
        return Err(Failure::Wrong(NOT_BUILT.into()));
    }
    if names.is_empty() {
        return Ok(all().to_vec());
    }
    let of = |name: &String| {
        let known = || all().iter().map(Entry::name).collect::<Vec<_>>().join(", ");
        let found = all().iter().find(|entry| entry.name() == *name);
        found.copied().ok_or_else(|| {
            Failure::Wrong(format!("unknown mutant `{name}`: expected one of {}", known()))
        })
    };
    names.iter().map(of).collect()
}

/// Brings a Markdown table up to date.
fn write_table(path: &Path, hunted: &[Hunted]) -> Result<(), String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let text = fs::read_to_string(path).map_err(|e| failed(&e))?;
    let text = mutants::updated(&text, all(), hunted).map_err(|e| failed(&e))?;
    fs::write(path, text).map_err(|e| failed(&e))
}
