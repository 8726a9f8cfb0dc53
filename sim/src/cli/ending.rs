//! What a campaign found, and its end: `explore` and `merge` have it in common.

use super::{
    Failure, INTERRUPTED, NOT_DETERMINISTIC, RIG_FAILED, VIOLATED, WRONG,
    deployed::Deployed,
    interrupt,
    output::{OutFile, Output, complain, quoted_path, replay_of},
    run::command_of,
    shrink::{Smaller, beside},
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};
use teamtalk_sim::{
    campaign::{Find, Known, Results},
    ceilings,
    corpus::{self, Corpus},
    explore::SeedReport,
    floor,
    plan::{
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    report::{self, Made, Small, Suite},
    shrink::Count,
};

/// What a campaign came to, and where it is written.
pub struct Ending {
    pub results: Results,
    /// Where cases are.
    pub folder: PathBuf,
    /// The campaign file, if there is to be one.
    pub file: Option<PathBuf>,
    /// How the protocol was named.
    pub protocol: String,
    /// What is known to be violated, and left out.
    pub known: Option<Known>,
    /// How the deployment was.
    pub deployed: Deployed,
    /// The smallest so far, by signature and mechanism, of what was being made small when it was interrupted: the
    /// campaign file has none of them, so that a campaign that goes on makes them small.
    pub unfinished: BTreeMap<(String, String), Case>,
}

/// What is said at the end, beside what was found.
#[derive(Default)]
pub struct Last {
    /// What each seed did goes there.
    pub json: Option<OutFile>,
    /// And the verdicts there.
    pub junit: Option<OutFile>,
    /// The floor under acked sends, if it is not the profile's.
    pub least_acked: Option<u64>,
    /// A seed did something else in another process.
    pub different: Option<String>,
    /// Whether that could not be found out.
    pub is_unsure: bool,
    /// Seeds that are missing, and why.
    pub missing: Option<String>,
    /// Whether Ctrl-C is why.
    pub is_interrupted: bool,
}

impl Ending {
    /// Where the case of a seed with a signature is written.
    pub fn path(&self, signature: &str, seed: u64) -> PathBuf {
        let kind = match self.results.profile {
            Profile::Default => String::new(),
            other => format!("-{}", other.name()),
        };
        let protocol = self.results.protocol.file_name();
        // Two deployments make two cases of a seed.
        let deployment = match &self.results.deployment {
            none if none.is_empty() => String::new(),
            some => format!("-deployment-{}", some.fingerprint()),
        };
        let signature = signature.replace('/', "-");
        self.folder.join(format!("{protocol}{kind}{deployment}-{seed}-{signature}.json"))
    }

    /// The command that runs a seed of it.
    pub fn again(&self, seed: u64) -> String {
        command_of(seed, &self.protocol, self.results.profile, &self.deployed)
    }

    /// Whether a signature is known to be violated.
    pub fn is_known(&self, signature: &str) -> bool {
        self.known.as_ref().is_some_and(|known| known.has(signature))
    }

    /// The reports, without what is known, and how many signatures these are.
    fn without_known(&self) -> (Cow<'_, BTreeMap<u64, SeedReport>>, usize) {
        if self.known.is_none() {
            return (Cow::Borrowed(&self.results.reports), 0);
        }
        let mut reports = self.results.reports.clone();
        let mut left_out = BTreeSet::new();
        for report in reports.values_mut() {
            let all = report.signatures.drain(..).zip(report.mechanisms.drain(..));
            let (known, new): (Vec<_>, Vec<_>) = all.partition(|(of, _)| self.is_known(of));
            left_out.extend(known.into_iter().map(|(signature, _)| signature));
            (report.signatures, report.mechanisms) = new.into_iter().unzip();
        }
        (Cow::Owned(reports), left_out.len())
    }

    /// Writes the campaign file, if there is one.
    ///
    /// # Errors
    /// A sentence that names it.
    pub fn save(&self) -> Result<(), String> {
        self.file.as_deref().map_or(Ok(()), |path| self.results.write(path))
    }

    /// Writes the cases of all finds that are not there: of results that were read from files.
    pub fn write_cases(&self) -> Result<(), Failure> {
        for (signature, _, find, _) in self.results.in_turn() {
            let path = self.path(signature, find.seed);
            if !path.exists() {
                self.results.case(signature, find.seed).write(&path)?;
            }
            if let Some(small) = &find.small {
                small.write(&self.small_path(signature, find, small))?;
            }
        }
        Ok(())
    }

    fn small_path(&self, signature: &str, find: &Find, small: &Case) -> PathBuf {
        beside(&self.path(signature, small.seed.unwrap_or(find.seed)))
    }

    /// Makes a case of each signature small that has none, and one of each other plain mechanism; those of low seeds
    /// first.
    pub fn shrink(&mut self, mut smaller: Smaller, out: &mut Output) {
        // A hunt that is not to go on, or whose time is up, has stopped itself.
        interrupt::STOP.store(interrupt::is_interrupted(), Ordering::Relaxed);
        let results = &self.results;
        smaller.known = results.finds.keys().cloned().collect();
        let turns = results.in_turn().into_iter().filter(|(signature, by, find, _)| {
            find.small.is_none() && results.is_plain(signature, by)
        });
        let turns: Vec<_> = turns
            .map(|(signature, by, find, is_first)| {
                (signature.to_string(), by.to_string(), find.seed, is_first)
            })
            .collect();
        for (signature, mechanism, seed, is_first) in turns {
            let (case, path) = (self.results.case(&signature, seed), self.path(&signature, seed));
            let Some(small) = smaller.take(&case, &path, is_first, out) else { continue };
            if interrupt::is_interrupted() {
                self.unfinished.insert((signature, mechanism), small);
                continue;
            }
            let find = self.results.finds.get_mut(&signature).and_then(|by| by.get_mut(&mechanism));
            find.expect("one of them").small = Some(small);
            if let Err(error) = self.save() {
                complain(format_args!("error: {error}"));
            }
        }
        if smaller.not_shrunk > 0 {
            let n = smaller.not_shrunk;
            out.line(format_args!("{n} finds are not shrunk: `cargo sim shrink CASE` does it"));
        }
    }

    /// What the list of signatures says of each mechanism's small case.
    fn small(&self) -> BTreeMap<(String, String), Small> {
        let corpus = Corpus::of(Path::new(corpus::FOLDER));
        let mut all = BTreeMap::new();
        for (signature, mechanism, find, _) in self.results.in_turn() {
            let kept = corpus.instance(&self.results.protocol, signature, mechanism);
            let key = (signature.to_string(), mechanism.to_string());
            let small = find.small.as_ref().or_else(|| self.unfinished.get(&key));
            let made = small.map(|case| Made {
                path: quoted_path(&self.small_path(signature, find, case)),
                left: Count::of(&case.plan),
            });
            let kept = kept.map_or_else(Small::default, Small::kept);
            all.insert(key, Small { made, ..kept });
        }
        all
    }

    /// Prints the summary, writes what is to be written, and says with which status it ends.
    pub fn end(self, last: Last, out: &mut Output) -> u8 {
        let Results { reports, lost, seconds, protocol, profile, deployment, .. } = &self.results;
        out.print(report::summary(reports, *seconds));
        let (new, left_out) = self.without_known();
        let known = self.known.as_ref();
        let is_none = new.values().all(|report| report.signatures.is_empty());
        let is_all = lost.is_empty() && last.missing.is_none();
        if left_out > 0 && is_none {
            out.line("nothing that is not known is violated");
        } else if is_none && !is_all && !new.is_empty() {
            // What did not run may break them.
            let ran = report::seeds(new.len() as u64);
            out.line(format_args!("nothing is violated in the {ran} that ran"));
        } else {
            out.print(report::violated(&new, &self.small()));
        }
        if known.is_some() {
            out.line(format_args!("known, and left out: {left_out} signatures"));
        }
        let more: Vec<String> = known.map_or_else(Vec::new, |known| {
            known
                .more(reports)
                .iter()
                .map(|more| format!("{more}; {}", self.again(more.seed)))
                .collect()
        });
        if !lost.is_empty() {
            let seeds: Vec<_> = lost.iter().map(u64::to_string).collect();
            out.line(format_args!("WITHOUT A VERDICT: seeds {}", seeds.join(", ")));
        }
        if let Some(sentence) = &last.missing {
            out.line(sentence);
        }
        let usual = if deployment.says_what_is_done() { 1 } else { profile.least_acked() };
        let floor = last.least_acked.unwrap_or(usual);
        let too_few = floor::under(reports, floor);
        let is_usual = *profile == Profile::Default && deployment.is_empty();
        let is_ours = *protocol == ProtocolSpec::preset("hardened") && is_usual;
        let forgiven = if is_ours { ceilings::over(reports) } else { None };
        let too_little: Vec<String> = too_few.into_iter().chain(forgiven).chain(more).collect();
        for sentence in too_little.iter().chain(&last.different) {
            out.line(sentence);
        }
        let (is_little, is_violated) = (!too_little.is_empty(), !self.results.finds.is_empty());
        let (is_lost, is_different) = (!lost.is_empty(), last.different.is_some());
        let replay = |signature: &str, find: &Find| {
            let small = find.small.as_ref().map(|case| self.small_path(signature, find, case));
            let path = small.unwrap_or_else(|| self.path(signature, find.seed));
            replay_of(&path)
        };
        let suite = Suite {
            results: &self.results,
            replay: &replay,
            too_little,
            different: last.different,
            unfinished: last.missing.clone(),
        };
        let json = || Ok(serde_json::to_string_pretty(reports).expect("plain data"));
        let written =
            [self.save(), written(last.json, json), written(last.junit, || report::junit(&suite))];
        for error in written.iter().filter_map(|written| written.as_ref().err()) {
            complain(format_args!("error: {error}"));
        }
        match () {
            () if is_different => NOT_DETERMINISTIC,
            () if is_violated || is_little => VIOLATED,
            () if is_lost || last.is_unsure => RIG_FAILED,
            () if written.iter().any(Result::is_err) => WRONG,
            () if last.is_interrupted => INTERRUPTED,
            () if last.missing.is_some() => WRONG,
            () => 0,
        }
    }
}

/// Writes a file, if there is to be one.
pub fn written(
    file: Option<OutFile>,
    text: impl Fn() -> Result<String, String>,
) -> Result<(), String> {
    file.map_or(Ok(()), |mut file| file.write(&text()?))
}
