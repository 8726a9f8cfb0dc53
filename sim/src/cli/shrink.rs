//! A case made small.

use super::{
    Failure, Shrink, VIOLATED,
    explain::{card, explained},
    explore::in_the_target_folder,
    interrupt, jobs_or_cores,
    output::{Output, bar, complain, quoted_path, replay_of, try_folder},
    places::Places,
    run::came_to_nothing,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};
use teamtalk_sim::{
    files,
    plan::case::Case,
    report,
    run::Runner,
    shrink::{self, BUDGET, NoFailure, Progress, Shrinking, Shrunk},
};

pub fn shrink(args: &Shrink, out: &mut Output) -> Result<u8, Failure> {
    interrupt::listen();
    let place = args.out.clone().unwrap_or_else(|| place_of(&args.case));
    let page = page_beside(&place);
    Places::default()
        .reads("CASE", [&args.case])
        .writes("--out", [&place])
        .writes("the page beside --out", [&page])
        .differ()?;
    let case = Case::read(&args.case)?;
    if args.out.is_none() {
        try_folder(&in_the_target_folder())?;
    }
    files::tried(&place)?;
    files::tried(&page)?;
    let asked = Asked {
        runner: args.patience.runner(),
        jobs: jobs_or_cores(args.jobs),
        runs: args.runs,
        seconds: args.time,
        sure: true,
    };
    let (shrunk, seconds) = asked.shrunk(&case);
    let shrunk = shrunk.map_err(|why| refused(&args.case, why))?;
    let (_, card) = keep(&shrunk, seconds, &asked.runner, asked.jobs, true, &place)?;
    out.print(card);
    keep_met(&shrunk, &mut BTreeSet::new(), &place, out)?;
    Ok(VIOLATED)
}

/// Writes the cases of other signatures that were met while one was made small, beside its place, but for those that
/// are known; and from then on they are.
fn keep_met(
    shrunk: &Shrunk,
    known: &mut BTreeSet<String>,
    place: &Path,
    out: &mut Output,
) -> Result<(), Failure> {
    let beside = place.with_extension("");
    for (signature, case) in &shrunk.others {
        if known.insert(signature.clone()) {
            let place = format!("{}-met-{}.json", beside.display(), signature.replace('/', "-"));
            case.write(Path::new(&place))?;
            let place = quoted_path(Path::new(&place));
            out.line(format_args!("met on the way: {signature}: {place}"));
        }
    }
    Ok(())
}

/// The name of a case with `-small`, where cases are found.
fn place_of(case: &Path) -> PathBuf {
    let stem = case.file_stem().unwrap_or_default().to_string_lossy();
    in_the_target_folder().join(format!("{stem}-small.json"))
}

/// So many runs at most make a case of one more mechanism small, where one of its signature is.
const FURTHER: u64 = 500;

/// How a case is made small.
pub struct Asked {
    /// How runs are run.
    pub runner: Runner,
    /// How many at once.
    pub jobs: usize,
    /// At most so many.
    pub runs: u64,
    /// At most so many seconds of the bar.
    pub seconds: Option<u64>,
    /// Whether the result is made sure of ([`Shrinking::sure`]).
    pub sure: bool,
}

impl Asked {
    /// Makes a case small while a bar is shown, and how many seconds it took.
    pub fn shrunk(&self, case: &Case) -> (Result<Shrunk, NoFailure>, f64) {
        let bar = bar("{bar:30} {pos} of at most {len} runs, {elapsed}  {msg}", Some(self.runs));
        // Time that is up ends the shrinking alone: why what is left fails is looked for all the same.
        let stop = AtomicBool::new(interrupt::STOP.load(Ordering::Relaxed));
        let progress = |Progress { runs, left }: Progress| {
            bar.set_position(runs);
            bar.set_message(left.to_string());
            let is_up = self.seconds.is_some_and(|most| bar.elapsed().as_secs() >= most);
            if is_up || interrupt::STOP.load(Ordering::Relaxed) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let shrinking = Shrinking {
            runner: self.runner.clone(),
            jobs: self.jobs,
            budget: self.runs,
            sure: self.sure,
            stop: &stop,
            twins: Vec::new(),
            progress: &progress,
        };
        let shrunk = shrink::shrink(case, shrinking);
        bar.finish_and_clear();
        (shrunk, bar.elapsed().as_secs_f64())
    }
}

/// Writes a small case, with its card and a diagram beside it: the case as it was written, and the card, with why it
/// fails if that is wanted and it was not asked to stop.
fn keep(
    shrunk: &Shrunk,
    seconds: f64,
    runner: &Runner,
    jobs: usize,
    explain: bool,
    place: &Path,
) -> Result<(Case, String), Failure> {
    shrunk.case.write(place)?;
    let known = match explain {
        true => explained(&shrunk.case, runner, jobs),
        false => NoFailure::refuse(&shrunk.case, runner).map(|outcome| (outcome, None)),
    };
    let (outcome, explained) = known.map_err(|why| refused(place, why))?;
    let story = outcome.violation(&shrunk.case.expect).map(|of| report::story(&outcome, of));
    let case = Case { story, ..shrunk.case.clone() };
    case.write(place)?;
    let Some((violation, card)) = card(&case, &replay_of(place), &outcome, explained.as_ref())
    else {
        return Ok((case, String::new()));
    };
    let stopped = if explain { "it was stopped before that was known: " } else { "" };
    let why = format!("why:     {stopped}cargo sim explain {}\n", quoted_path(place));
    let is_known = explained.is_some();
    let card = card + &report::shrunk(shrunk, seconds) + if is_known { "" } else { &why };
    write_page(place, &report::page_of(&case, &outcome, violation, &card))?;
    Ok((case, card))
}

/// Where the page of a case is.
fn page_beside(case: &Path) -> PathBuf {
    case.with_extension("md")
}

/// Writes the page of a case beside it.
pub fn write_page(case: &Path, page: &str) -> Result<(), String> {
    let beside = page_beside(case);
    fs::write(&beside, page).map_err(|e| format!("{}: {e}", beside.display()))
}

/// The cases of a campaign, made small one by one.
pub struct Smaller {
    /// How runs are run.
    pub runner: Runner,
    /// How many at once.
    pub jobs: usize,
    /// Runs that are left for all of them.
    pub left: u64,
    /// Whether cards say why their cases fail.
    pub explain: bool,
    /// Cases for which none were left.
    pub not_shrunk: u64,
    /// Signatures of which there is a case.
    pub known: BTreeSet<String>,
}

impl Smaller {
    /// With so many runs.
    pub fn new(runner: Runner, jobs: usize, left: u64, explain: bool) -> Self {
        Self { runner, jobs, left, explain, not_shrunk: 0, known: BTreeSet::new() }
    }

    /// Makes a case small that is written at a path, and writes it beside that ([`beside`]); if its card is
    /// wanted it is shown.
    pub fn take(
        &mut self,
        case: &Case,
        path: &Path,
        with_card: bool,
        out: &mut Output,
    ) -> Option<Case> {
        let runs = self.left.min(if with_card { BUDGET } else { FURTHER });
        if runs == 0 || interrupt::STOP.load(Ordering::Relaxed) || out.is_gone() {
            self.not_shrunk += 1;
            return None;
        }
        let (runner, jobs) = (self.runner.clone(), self.jobs);
        let asked = Asked { runner, jobs, runs, seconds: None, sure: with_card };
        let (shrunk, seconds) = asked.shrunk(case);
        let shrunk = match shrunk {
            Ok(shrunk) => shrunk,
            Err(why) => {
                complain(format_args!("{}: not shrunk: {why}", path.display()));
                return None;
            }
        };
        self.left -= shrunk.runs.min(self.left);
        let place = beside(path);
        let explain = self.explain && with_card;
        let kept = keep(&shrunk, seconds, &self.runner, self.jobs, explain, &place);
        match kept {
            Ok((case, card)) => {
                if with_card {
                    out.print(card);
                    out.line("");
                }
                if let Err(why) = keep_met(&shrunk, &mut self.known, &place, out) {
                    complain(why);
                }
                Some(case)
            }
            Err(why) => {
                complain(why);
                None
            }
        }
    }
}

/// Where the small case of one at a path is written.
pub fn beside(path: &Path) -> PathBuf {
    (path.with_extension("").display().to_string() + "-small.json").into()
}

pub fn refused(case: &Path, why: NoFailure) -> Failure {
    let name = case.display().to_string();
    match why {
        NoFailure::Failed(failed) => came_to_nothing(&name, &failed),
        why => Failure::Wrong(format!("{name}: {why}")),
    }
}
