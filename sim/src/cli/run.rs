//! One run: of a seed, or of a case.

use super::{
    Failure, Keep, RIG_FAILED, Replay, Run, VIOLATED, WRONG,
    deployed::Deployed,
    logged,
    output::{OutFile, Output, complain, quoted, replay_of},
    places::Places,
    profile_name,
};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};
use teamtalk_sim::{
    corpus,
    explore::{SeedReport, case_in},
    picture::{self, TooLarge},
    plan::{
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    properties::Violation,
    record::{Trace, headed},
    report,
    run::{Failed, Runner},
    world::Outcome,
};

/// The command that runs a seed.
pub fn command_of(seed: u64, protocol: &str, profile: Profile, deployed: &Deployed) -> String {
    let (protocol, profile) = (quoted(OsStr::new(protocol)), profile_name(profile));
    let deployed = deployed.argument();
    format!("cargo sim run {seed} --protocol {protocol} --profile {profile}{deployed}")
}

pub fn run(args: Run, out: &mut Output) -> Result<u8, Failure> {
    if let Some(filter) = &args.log {
        logged::to_stderr(filter)?;
    }
    Places::default()
        .reads_protocol("--protocol", &args.protocol)
        .reads("--deployment", &args.deployed.file)
        .writes("--trace", &args.trace)
        .differ()?;
    let deployment = args.deployed.read()?;
    let protocol = deployment.under(&ProtocolSpec::parse(&args.protocol)?)?;
    let mut file = args.trace.as_deref().map(OutFile::tried).transpose()?;
    let case = case_in(args.seed, &protocol, args.profile, &deployment);
    let runner = Runner { entropy: args.entropy, backtraces: true, ..args.patience.runner() };
    let outcome = match runner.run(&case) {
        Ok(outcome) => outcome,
        Err(failed) => {
            write_trace(&mut file, &case, &failed.trace, false);
            return Err(came_to_nothing(&format!("seed {}", args.seed), &failed));
        }
    };
    let is_written = write_trace(&mut file, &case, &outcome.trace, true);
    let replay = command_of(args.seed, &args.protocol, args.profile, &args.deployed);
    for violation in &outcome.violations {
        out.line(report::card(&case, &outcome, violation, &replay));
    }
    print_backtrace(&outcome, out);
    let report = SeedReport::of(args.seed, &case, &outcome);
    out.line(format_args!(
        "seed {}: {}; {} of {} sends acked, {} faults",
        args.seed,
        outcome.found(),
        report.acked,
        report.sends,
        report.faults
    ));
    let lines = outcome.trace.lines.len();
    out.line(format_args!("trace {} ({lines} lines)", outcome.trace.hash()));
    Ok(match outcome.violations.is_empty() {
        false => VIOLATED,
        true if is_written => 0,
        true => WRONG,
    })
}

pub fn replay(args: Replay, out: &mut Output) -> Result<u8, Failure> {
    Places::default()
        .reads("CASE", &args.cases)
        .writes("--trace", &args.trace)
        .writes("--perfetto", &args.perfetto)
        .writes("--html", &args.html)
        .differ()?;
    let cases: Vec<_> =
        args.cases.iter().map(|p| Case::read(p).map(|c| (p, c))).collect::<Result<_, _>>()?;
    let tried = |path: &Option<PathBuf>| path.as_deref().map(OutFile::tried).transpose();
    let mut file = tried(&args.trace)?;
    let mut pictures = Pictures { perfetto: tried(&args.perfetto)?, html: tried(&args.html)? };
    let runner = Runner { backtraces: true, ..args.patience.runner() };
    let (mut violated, mut failed, mut is_written) = (false, None, true);
    let mut too_large = None;
    for (path, case) in cases {
        if out.is_gone() {
            break;
        }
        let outcome = match runner.run(&case) {
            Ok(outcome) => outcome,
            Err(why) => {
                is_written &= write_trace(&mut file, &case, &why.trace, false);
                let why = came_to_nothing(&path.display().to_string(), &why);
                complain(&why);
                failed = Some(why);
                continue;
            }
        };
        is_written &= write_trace(&mut file, &case, &outcome.trace, true);
        violated |= print_replay(path, &case, &outcome, args.mermaid, out);
        match pictures.write(path, &case, &outcome) {
            Ok(written) => is_written &= written,
            Err(why) => too_large = Some(format!("{}: {why}", path.display())),
        }
    }
    Ok(match (failed, too_large) {
        (Some(_), _) => RIG_FAILED,
        (None, Some(why)) => return Err(why.into()),
        (None, None) if violated => VIOLATED,
        (None, None) if is_written => 0,
        (None, None) => WRONG,
    })
}

/// Whether it violated something, or was to.
fn print_replay(
    path: &Path,
    case: &Case,
    outcome: &Outcome,
    mermaid: bool,
    out: &mut Output,
) -> bool {
    let violation = shown(case, outcome);
    if let Some(violation) = violation {
        match mermaid {
            true => out.print(report::mermaid(case, outcome, violation)),
            false => out.print(report::card(case, outcome, violation, &replay_of(path))),
        }
    }
    if !mermaid {
        print_backtrace(outcome, out);
    }
    let comment = if mermaid { "%% " } else { "" };
    let hash = outcome.trace.hash();
    out.line(format_args!("{comment}{}: {}, trace {hash}", path.display(), outcome.found()));
    let is_expected = outcome.is_expected(&case.expect);
    match is_expected {
        true => out.line(format_args!("{comment}as expected")),
        false => {
            out.line(format_args!("{comment}NOT as expected: the case expects {}", case.expect));
        }
    }
    if !is_expected {
        print_missing(case, outcome, out);
    }
    !outcome.violations.is_empty() || !is_expected
}

/// What is different from when a case was kept.
pub fn print_missing(case: &Case, outcome: &Outcome, out: &mut Output) {
    let missing = case.story.as_ref().and_then(|story| report::first_missing(story, outcome));
    if let Some(event) = missing {
        out.line(format_args!("the first event of its story that did not come:\n  {event}"));
    }
}

/// The violation that a case is about: the one that it expects, or else the first.
fn shown<'a>(case: &Case, outcome: &'a Outcome) -> Option<&'a Violation> {
    outcome.violation(&case.expect).or(outcome.violations.first())
}

/// The files of pictures that were asked for.
struct Pictures {
    perfetto: Option<OutFile>,
    html: Option<OutFile>,
}

impl Pictures {
    /// Whether all of them were written. If one can't be, that is said and all else goes on.
    ///
    /// # Errors
    /// If the run is too large for a page.
    fn write(&mut self, path: &Path, case: &Case, outcome: &Outcome) -> Result<bool, TooLarge> {
        let perfetto = || picture::perfetto(case, outcome);
        let mut is_written = write_to(&mut self.perfetto, perfetto);
        if self.html.is_some() {
            let page = picture::page(case, outcome, shown(case, outcome), None, &replay_of(path))?;
            is_written &= write_to(&mut self.html, || page);
        }
        Ok(is_written)
    }
}

fn print_backtrace(outcome: &Outcome, out: &mut Output) {
    let panicked = outcome.panicked.as_ref();
    if let Some(frames) = panicked.and_then(|panicked| panicked.backtrace.as_ref()) {
        out.line(format_args!("backtrace:\n{frames}\n"));
    }
}

pub fn came_to_nothing(what: &str, failed: &Failed) -> Failure {
    let mut sentence = format!("{what}: {failed}");
    if let Some(frames) = failed.backtrace() {
        sentence += &format!("\nbacktrace:\n{frames}");
    }
    Failure::Rig(sentence)
}

/// Whether it was written, if it was asked for.
fn write_trace(file: &mut Option<OutFile>, case: &Case, trace: &Trace, ended: bool) -> bool {
    write_to(file, || headed(case, trace, ended))
}

/// The same, of any text. If it can't be written, that is said and all else goes on.
pub fn write_to(file: &mut Option<OutFile>, text: impl FnOnce() -> String) -> bool {
    let Some(file) = file else { return true };
    let written = file.write(&text());
    if let Err(error) = &written {
        complain(format_args!("error: {error}"));
    }
    written.is_ok()
}

pub fn keep(args: &Keep, out: &mut Output) -> Result<u8, Failure> {
    let path = &args.case;
    let mut case = Case::read(path)?;
    let name = path.display();
    let outcome = Runner::default()
        .run(&case)
        .map_err(|failed| came_to_nothing(&name.to_string(), &failed))?;
    if !outcome.is_expected(&case.expect) {
        let (expect, found) = (&case.expect, outcome.found());
        return Err(format!("{name}: expects {expect}, but {found}: not kept").into());
    }
    case.story = outcome.violation(&case.expect).map(|of| report::story(&outcome, of));
    // Builds without mutants refuse such a case.
    let has_mutant = [&case.protocols.base, &case.protocols.candidate].map(|p| p.mutant.is_some());
    let folder = Path::new(corpus::FOLDER);
    let folder =
        if has_mutant.contains(&true) { folder.join("mutants") } else { folder.to_path_buf() };
    let kept = folder.join(corpus::name_of(&case));
    if kept.exists() {
        return Err(format!("{} is there already", kept.display()).into());
    }
    case.write(&kept)?;
    fs::remove_file(path).map_err(|e| format!("{name}: {e}"))?;
    out.line(kept.display());
    Ok(0)
}
