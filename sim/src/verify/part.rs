//! Runs of the stages of a verification as a file: of one of several machines, or of one that was interrupted.
//!
//! The file has what each run came to, and not its case: a seed makes that again, under the same build.

use super::{
    Lost, Paths, Runs, Stage, Verification, add_lost,
    stage::{Came, Ran},
};
use crate::{
    campaign::{BUILD, Shard},
    files,
    plan::{
        case::ProtocolSpec,
        generate::{Deployment, Profile},
        json,
    },
    run::Program,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
};

/// The version of the file format that this build reads and writes.
const FORMAT: u32 = 1;
/// No such file is larger, in bytes.
const LARGEST_FILE: u64 = 1 << 30;

/// After so many seeds a shard keeps what there is.
const KEPT_AFTER: usize = 50;

/// What runs of the stages came to, by stage and seed.
pub type Given = BTreeMap<(Stage, u64), Came>;

/// What is verified: runs of files that are of the same can be put together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    base: ProtocolSpec,
    candidate: ProtocolSpec,
    /// Another build that ran what is on the base: its version, and a hash of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base_sim: Option<String>,
    /// The same of the candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    candidate_sim: Option<String>,
    profile: Profile,
    #[serde(default, skip_serializing_if = "Deployment::is_empty")]
    deployment: Deployment,
    rolling: bool,
    candidate_noise: u64,
    from: u64,
    seeds: u64,
}

/// A run of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartRun {
    stage: Stage,
    seed: u64,
    came: Came,
}

/// The runs of some of the seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    format: u32,
    build: String,
    of: Asked,
    /// Which of the seeds were to be run.
    shard: Shard,
    runs: Vec<PartRun>,
}

impl Asked {
    fn new(by: &Verification<'_>) -> Self {
        let version = |of: &Option<Program>| of.as_ref().map(|of| of.build());
        Self {
            base: by.pair.base.clone(),
            candidate: by.pair.candidate.clone(),
            base_sim: version(&by.programs.base),
            candidate_sim: version(&by.programs.candidate),
            profile: by.profile,
            deployment: by.deployment.clone(),
            rolling: by.rolling,
            candidate_noise: by.candidate_noise,
            from: by.from,
            seeds: by.seeds,
        }
    }

    /// In what another one differs, in a sentence.
    fn difference(&self, other: &Self) -> Option<String> {
        // First, as its limits are those of the protocols.
        if let Some(differs) = self.deployment.difference(&other.deployment) {
            return Some(format!("it is of another deployment: {differs}"));
        }
        let (ours, theirs) = (self.told(), other.told());
        let differs = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
        let said = |((what, ours), (_, theirs)): (&(&str, String), &(&str, String))| {
            format!("it is {what} {theirs}, not {ours}")
        };
        let rest = || (self != other).then(|| "its protocols are others of that name".into());
        differs.map(said).or_else(rest)
    }

    /// What it is, in words.
    fn told(&self) -> [(&'static str, String); 7] {
        let elsewhere = |of: &Option<String>| of.clone().unwrap_or("this build".into());
        let builds = [&self.base_sim, &self.candidate_sim].map(elsewhere).join(" and ");
        [
            ("from", format!("{} to {}", self.base.label(), self.candidate.label())),
            ("run by", builds),
            ("of profile", self.profile.name().into()),
            ("with hosts that change side:", self.rolling.to_string()),
            ("under the candidate's noise seed", self.candidate_noise.to_string()),
            ("from seed", self.from.to_string()),
            ("of so many seeds:", self.seeds.to_string()),
        ]
    }
}

impl Part {
    /// Which of the seeds it is of.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// How many runs are in it.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether no run is in it.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Writes it; the file is whole at every moment.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string(self).map_err(|e| e.to_string())? + "\n";
        files::write(path, &text)
    }

    /// Reads a file of this build.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = files::read(path, LARGEST_FILE, "file of runs")?;
        Self::parse(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let document = json::json(text)?;
        let format = document.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(FORMAT.into()) {
            return Err(format!(
                "no file of runs of format version {FORMAT} (`verify --shard` writes it)"
            ));
        }
        let build = document.get("build").and_then(serde_json::Value::as_str);
        let build = build.unwrap_or("that is not named");
        if build != BUILD {
            return Err(format!(
                "it was made by build {build}, and this is build {BUILD}: the same seeds may do something else"
            ));
        }
        Self::deserialize(document).map_err(|e| e.to_string())
    }
}

impl Verification<'_> {
    /// Runs the stages of a shard's seeds, and judges nothing: the runs, and those that came to nothing. What there is is
    /// handed to `keep` now and then.
    pub fn part(&self, shard: Shard, mut keep: impl FnMut(&Part)) -> (Part, BTreeMap<Stage, Lost>) {
        let (format, build, of) = (FORMAT, BUILD.into(), Asked::new(self));
        let given = self.given.iter().filter(|((_, seed), _)| shard.has(*seed, self.from));
        let given = given.map(|((stage, seed), came)| (*stage, *seed, came.clone()));
        let runs = given.map(|(stage, seed, came)| PartRun { stage, seed, came }).collect();
        let mut part = Part { format, build, of, shard, runs };
        let mut lost = BTreeMap::new();
        let mut cases = self.cases(self.seeds(), &Paths::any());
        cases.retain(|(case, _)| case.seed.is_some_and(|seed| shard.has(seed, self.from)));
        for cases in cases.chunks(KEPT_AFTER) {
            let mut runs = Runs::default();
            self.stages(&mut runs, cases);
            let of_stage = |(stage, of): (Stage, BTreeMap<u64, Ran>)| {
                of.into_iter().map(move |(seed, ran)| PartRun { stage, seed, came: ran.came })
            };
            let new = runs.ran.into_iter().flat_map(of_stage);
            part.runs.extend(new.filter(|one| !self.given.contains_key(&(one.stage, one.seed))));
            add_lost(&mut lost, runs.lost);
            keep(&part);
            if self.is_stopped() {
                break;
            }
        }
        part.runs.sort_by_key(|one| (one.stage, one.seed));
        (part, lost)
    }

    /// Takes the runs of files, each with the name that it has in sentences: they are not made again.
    ///
    /// # Errors
    /// A sentence about a file of something else, or a run that is in two of them.
    pub fn take(&mut self, files: Vec<(String, Part)>) -> Result<(), String> {
        let of = Asked::new(self);
        let seeds = self.seeds();
        let mut places: BTreeMap<(Stage, u64), String> = BTreeMap::new();
        for (name, part) in files {
            if let Some(differs) = of.difference(&part.of) {
                return Err(format!("{name}: {differs}"));
            }
            for PartRun { stage, seed, came } in part.runs {
                if !seeds.contains(&seed) {
                    return Err(format!("{name}: seed {seed} is none of its seeds"));
                }
                match places.entry((stage, seed)) {
                    Entry::Vacant(entry) => _ = entry.insert(name.clone()),
                    Entry::Occupied(other) => {
                        let other = other.get();
                        return Err(format!("seed {seed} is in {name} and in {other}"));
                    }
                }
                self.given.insert((stage, seed), came);
            }
        }
        Ok(())
    }

    /// How many runs of the stages were not given.
    pub fn lacking(&self) -> usize {
        let stages = if self.rolling { 3 } else { 2 };
        (stages * self.seeds().count()).saturating_sub(self.given.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Part;
    use crate::{
        explore::run_case,
        plan::{
            case::ProtocolSpec,
            generate::{Deployment, Profile, rollout::Leg},
        },
        pool::Pool,
        run::Runner,
        verify::{Contract, Known, Pair, Programs, Stage, Verification, stage::Came},
    };
    use std::sync::atomic::AtomicBool;

    /// Of a rollout, in which hosts go down, come up and change side.
    #[test]
    fn what_a_run_came_to_is_read_as_it_was_written() {
        let stop = AtomicBool::new(false);
        let spec = |name: &str| ProtocolSpec::preset(name);
        let verification = Verification {
            pair: Pair { base: spec("teamtalk"), candidate: spec("hardened") },
            from: 3,
            seeds: 2,
            profile: Profile::Default,
            deployment: Deployment::default(),
            rolling: true,
            contract: Contract::default(),
            candidate_noise: 0,
            pool: Pool::new(Runner::default(), 2, &stop),
            programs: Programs::default(),
            given: super::Given::new(),
            shrink_runs: 0,
            known: Known::default(),
            progress: &|_| {},
        };
        let (part, lost) = verification.part("2/2".parse().expect("a shard"), |_| {});
        assert!(lost.is_empty() && part.len() == 3, "{lost:?}");
        let again = Part::parse(&serde_json::to_string(&part).expect("plain data"));
        assert_eq!(again.as_ref(), Ok(&part));
        let one = part.runs.iter().find(|one| matches!(one.stage, Stage::Rolling(_)));
        let one = one.expect("hosts change side");
        let (case, path) = verification.rollout(4, &super::Paths::any());
        assert_eq!((one.stage, one.seed), (Stage::Rolling(path.leg), 4));
        assert!(Leg::ALL.contains(&path.leg) && !one.came.violated.is_empty());
        let outcome = run_case(&case).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(one.came, Came::of(&case.plan, &outcome));
    }
}
