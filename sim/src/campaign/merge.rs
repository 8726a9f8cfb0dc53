//! Shards that were run apart, as one campaign.

use super::{Results, Shard};

/// Shards as one campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// What they came to, as if none had been run apart.
    pub results: Results,
    /// What is not there of it, in a sentence.
    pub missing: Option<String>,
}

/// Merges files, each with the name it has in sentences.
///
/// # Errors
/// A sentence about those that do not fit together, or have the same seeds.
pub fn merge(files: Vec<(String, Results)>) -> Result<Merged, String> {
    let mut seen: Vec<(String, Shard)> = Vec::new();
    let mut merged: Option<Results> = None;
    for (name, file) in files {
        seen.push((name, file.shard));
        match &mut merged {
            None => merged = Some(file),
            Some(merged) => {
                let (first, name) = (&seen[0].0, &seen[seen.len() - 1].0);
                fits(merged, &file).map_err(|e| format!("{name} does not fit to {first}: {e}"))?;
                let twice = merged.reports.keys().chain(&merged.lost);
                let mut twice =
                    twice.filter(|n| file.reports.contains_key(n) || file.lost.contains(n));
                if let Some(seed) = twice.next() {
                    let is_it = |(_, shard): &&(String, Shard)| shard.has(*seed, file.from);
                    let other = seen.iter().find(is_it).map_or(first, |(name, _)| name);
                    return Err(format!("seed {seed} is in {name} and in {other}"));
                }
                merged.take(file);
            }
        }
    }
    let mut results = merged.ok_or("no file to merge")?;
    let missing = missing(&results, &seen);
    results.shard = Shard::default();
    Ok(Merged { results, missing })
}

fn fits(merged: &Results, file: &Results) -> Result<(), String> {
    merged.fits(file)?;
    if merged.seeds != file.seeds {
        let said = |seeds: Option<u64>| seeds.map_or("until a time".into(), |n| n.to_string());
        return Err(format!("its seeds are {}, not {}", said(file.seeds), said(merged.seeds)));
    }
    if merged.shard.of() != file.shard.of() {
        let (shard, of) = (file.shard, merged.shard.of());
        return Err(format!("it is shard {shard}, and the others are of {of}"));
    }
    Ok(())
}

impl Results {
    fn take(&mut self, file: Self) {
        self.seconds += file.seconds;
        self.reports.extend(file.reports);
        self.lost.extend(file.lost);
        for (signature, mechanisms) in file.finds {
            for (mechanism, find) in mechanisms {
                self.found(&signature, &mechanism, find);
            }
        }
    }
}

/// What is not in any file.
fn missing(merged: &Results, seen: &[(String, Shard)]) -> Option<String> {
    let of = merged.shard.of();
    let is_there = |index: &u64| seen.iter().any(|(_, shard)| shard.index() == *index);
    let shards: Vec<_> = (1..=of).filter(|index| !is_there(index)).take(10).collect();
    if let Some(first) = shards.first() {
        let more = if shards.len() > 1 { ", nor are others" } else { "" };
        return Some(format!("shard {first}/{of} is not among the files{more}"));
    }
    let ran = (merged.reports.len() + merged.lost.len()) as u64;
    let planned = merged.seeds.filter(|planned| ran < *planned)?;
    Some(format!("{ran} of {planned} seeds were run: `explore --resume` goes on with a shard"))
}
