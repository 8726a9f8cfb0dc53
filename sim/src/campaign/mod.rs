//! Long campaigns: what one came to, as a file with which it goes on, and which is merged with those of
//! other machines.
//!
//! The file has what each seed did, and of each signature and mechanism the lowest seed that has it. It
//! does not have the failing cases: a seed makes its case again, under the same build. Those that were made
//! small are in it, for they take long.

mod check;
mod known;
mod merge;
pub(crate) mod names;
mod shard;
#[cfg(test)]
mod tests;

pub use known::{Known, More};
pub use merge::{Merged, merge};
pub use shard::Shard;

use crate::{
    explore::{Campaign, SeedReport, case_in},
    files,
    mechanism::plainest,
    plan::{
        case::{Case, ProtocolSpec},
        generate::{Deployment, Profile},
        json, words,
    },
    shrink::Count,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The version of the file format that this build reads and writes.
pub const FORMAT: u32 = 1;

/// This build: its version, and a hash of the sources. What a seed does depends on it.
pub const BUILD: &str = env!("SIM_BUILD");

/// No campaign file is larger, in bytes: some 500,000 seeds.
pub const LARGEST_FILE: u64 = 1 << 30;

/// What a campaign came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`FORMAT`].
    pub format: u32,
    /// [`BUILD`].
    pub build: String,
    /// Under which protocol.
    pub protocol: ProtocolSpec,
    /// What its plans are like.
    pub profile: Profile,
    /// What is fixed of them.
    #[serde(default, skip_serializing_if = "Deployment::is_empty")]
    pub deployment: Deployment,
    /// The first seed.
    pub from: u64,
    /// How many there are to be, in all shards together; absent: as many as there was time for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<u64>,
    /// Which of them are run here.
    pub shard: Shard,
    /// How long it ran, in seconds of real time; of merged ones all together.
    pub seconds: f64,
    /// What each seed did.
    pub reports: BTreeMap<u64, SeedReport>,
    /// Seeds whose runs came to nothing.
    pub lost: BTreeSet<u64>,
    /// What was found.
    pub finds: Finds,
}

/// By signature and mechanism.
pub type Finds = BTreeMap<String, BTreeMap<String, Find>>;

/// How a property was violated by a mechanism.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// The lowest seed that does it.
    pub seed: u64,
    /// The violation in a sentence.
    pub sentence: String,
    /// A case that does it and was made small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small: Option<Case>,
}

impl Find {
    /// Takes the lower seed, and the smaller of the small cases, of two.
    fn merge(&mut self, other: Self) {
        if other.seed < self.seed {
            (self.seed, self.sentence) = (other.seed, other.sentence);
        }
        let size = |case: &Case| {
            let Count { operations, faults, steps, devices, hosts, past } = Count::of(&case.plan);
            (operations + faults + steps + past, devices, hosts, case.seed)
        };
        self.small = match (self.small.take(), other.small) {
            (Some(ours), Some(theirs)) if size(&theirs) < size(&ours) => Some(theirs),
            (Some(ours), _) => Some(ours),
            (None, theirs) => theirs,
        };
    }
}

impl Results {
    /// Of a campaign that has not begun.
    pub fn new(campaign: &Campaign, seeds: Option<u64>) -> Self {
        Self {
            format: FORMAT,
            build: BUILD.into(),
            protocol: campaign.protocol.clone(),
            profile: campaign.profile,
            deployment: campaign.deployment.clone(),
            from: campaign.from,
            seeds,
            shard: campaign.long.shard,
            seconds: 0.0,
            reports: BTreeMap::new(),
            lost: BTreeSet::new(),
            finds: Finds::new(),
        }
    }

    /// Takes a find; of those with the same signature and mechanism the lowest seed stays.
    pub fn found(&mut self, signature: &str, mechanism: &str, find: Find) {
        let mechanisms = self.finds.entry(signature.into()).or_default();
        match mechanisms.get_mut(mechanism) {
            Some(known) => known.merge(find),
            None => drop(mechanisms.insert(mechanism.into(), find)),
        }
    }

    /// All finds, in the order in which they are made small: for each signature the lowest seed of its plain mechanisms,
    /// then the others. Signature, mechanism, find, and whether it is the first of its signature.
    pub fn in_turn(&self) -> Vec<(&str, &str, &Find, bool)> {
        let mut all = Vec::new();
        for (signature, mechanisms) in &self.finds {
            let plain = mechanisms.iter().filter(|(by, _)| self.is_plain(signature, by));
            let first = plain.min_by_key(|(by, find)| (find.seed, *by));
            let first = first.map(|(by, _)| by);
            for (mechanism, find) in mechanisms {
                let is_first = first == Some(mechanism);
                all.push((signature.as_str(), mechanism.as_str(), find, is_first));
            }
        }
        all.sort_by_key(|(signature, by, find, is_first)| (!is_first, find.seed, *signature, *by));
        all
    }

    /// Whether no plainer mechanism of the same signature, found in another run, explains this one too ([`plainest`]).
    pub fn is_plain(&self, signature: &str, mechanism: &str) -> bool {
        let all = self.finds.get(signature).into_iter().flat_map(BTreeMap::keys);
        plainest(mechanism, all.map(String::as_str)) == mechanism
    }

    /// The case of a seed that violates something.
    pub fn case(&self, signature: &str, seed: u64) -> Case {
        let case = case_in(seed, &self.protocol, self.profile, &self.deployment);
        Case { expect: signature.into(), ..case }
    }

    /// Goes on with a file of the same campaign: its seeds that came to nothing are run again.
    ///
    /// # Errors
    /// A sentence if it is another campaign's.
    pub fn resume(self, file: Self) -> Result<Self, String> {
        self.fits(&file)?;
        if self.shard != file.shard {
            return Err(format!("it is of shard {}, not of {}", file.shard, self.shard));
        }
        let seeds = self.seeds.map(|asked| asked.max(file.seeds.unwrap_or(0)));
        Ok(Self { seeds, lost: BTreeSet::new(), ..file })
    }

    /// Whether another file is of the same campaign, or of one that differs in how many seeds and which
    /// of them are run.
    fn fits(&self, other: &Self) -> Result<(), String> {
        // First, as its limits are the protocol's.
        if let Some(differs) = self.deployment.difference(&other.deployment) {
            return Err(format!("it is a campaign of another deployment: {differs}"));
        }
        if self.protocol != other.protocol {
            let (ours, theirs) = (self.protocol.label(), other.protocol.label());
            return Err(format!("it is a campaign of protocol {theirs}, not of {ours}"));
        }
        if self.profile != other.profile {
            let (ours, theirs) = (self.profile.name(), other.profile.name());
            return Err(format!("it is a campaign of profile {theirs}, not of {ours}"));
        }
        if self.from != other.from {
            return Err(format!("its first seed is {}, not {}", other.from, self.from));
        }
        Ok(())
    }

    /// Writes it; the file is whole at every moment.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string(self).map_err(|e| e.to_string())? + "\n";
        files::write(path, &text)
    }

    /// Reads a file of this build in which nothing contradicts itself.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = files::read(path, LARGEST_FILE, "campaign file")?;
        Self::parse(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Like [`Self::read`], from the text of a file.
    fn parse(text: &str) -> Result<Self, String> {
        let mut document = json::json(text)?;
        json::is_of_format(&document, "campaign file", FORMAT)?;
        let build = document.get("build").and_then(Value::as_str).unwrap_or("that is not named");
        if build != BUILD {
            return Err(format!(
                "it was made by build {build}, and this is build {BUILD}: the same seeds may do \
                 something else"
            ));
        }
        let small = take_small(&mut document)?;
        let mut results = Self::deserialize(document).map_err(|e| words::plain(&e.to_string()))?;
        for (signature, mechanism, case) in small {
            let find = results.finds.get_mut(&signature).and_then(|by| by.get_mut(&mechanism));
            find.ok_or("`finds` contradict themselves")?.small = Some(case);
        }
        check::check(&results)?;
        Ok(results)
    }
}

/// Takes the small cases out of a document: they are read as strictly as case files.
fn take_small(document: &mut Value) -> Result<Vec<(String, String, Case)>, String> {
    let mut taken = Vec::new();
    let finds = document.get_mut("finds").and_then(Value::as_object_mut);
    for (signature, mechanisms) in finds.into_iter().flatten() {
        for (mechanism, find) in mechanisms.as_object_mut().into_iter().flatten() {
            let small = find.as_object_mut().and_then(|find| find.remove("small"));
            let Some(small) = small else { continue };
            let at = format!("the small case of {signature} by {mechanism}");
            let case = Case::of(small).map_err(|e| format!("{at}: {e}"))?;
            taken.push((signature.clone(), mechanism.clone(), case));
        }
    }
    Ok(taken)
}
