//! What is known to be broken already, of a report that `explore --json` wrote: of the base, mostly.
//!
//! A campaign that leaves that out says only what is new, or clearly more frequent: a signature, or a mechanism
//! by which it comes about.

use crate::{explore::SeedReport, verify::Count};
use std::{collections::BTreeMap, fmt, fs, path::Path};

/// A signature, and the mechanism if it is of one.
type Of = (String, Option<String>);

/// How often each signature was violated, and by each mechanism.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    seeds: u64,
    hits: BTreeMap<Of, u64>,
}

/// What is more frequent than it was known to be, and not by chance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct More {
    /// The signature.
    pub signature: String,
    /// The mechanism that is more frequent; `None`: the signature itself is.
    pub mechanism: Option<String>,
    /// In how many seeds it came.
    pub here: Count,
    /// In how many it did where it is known from.
    pub known: Count,
    /// The first seed in which it came.
    pub seed: u64,
}

impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signature, mechanism, here, known, seed } = self;
        let by = mechanism.as_ref().map_or(String::new(), |by| format!(" by {by}"));
        write!(
            f,
            "MORE OFTEN than known: {signature}{by}: {} of {} seeds, known of {} of {}; first {seed}",
            here.hits, here.of, known.hits, known.of
        )
    }
}

impl Known {
    /// Reads a report.
    ///
    /// # Errors
    /// A sentence that names the file and what was expected.
    pub fn read(path: &Path) -> Result<Self, String> {
        let at = path.display();
        let text = fs::read_to_string(path).map_err(|e| format!("{at}: {e}"))?;
        let reports = serde_json::from_str(&text);
        let reports: BTreeMap<u64, SeedReport> = reports.map_err(|e| {
            format!("{at}: {e}: expected what `explore --json` writes (docs/FORMATS.md)")
        })?;
        if reports.is_empty() {
            return Err(format!("{at}: it has no seed: nothing is known by it"));
        }
        Ok(Self::of(&reports))
    }

    /// Of the reports of a campaign.
    pub fn of(reports: &BTreeMap<u64, SeedReport>) -> Self {
        let seeds = seen(reports).into_iter().map(|(of, seeds)| (of, seeds.len() as u64));
        Self { seeds: reports.len() as u64, hits: seeds.collect() }
    }

    /// The signatures that are known.
    pub fn signatures(&self) -> impl Iterator<Item = &String> {
        self.hits.keys().filter(|(_, by)| by.is_none()).map(|(signature, _)| signature)
    }

    /// Whether a signature is known.
    pub fn has(&self, signature: &str) -> bool {
        self.hits.contains_key(&(signature.to_string(), None))
    }

    /// What of the known signatures is more frequent in other reports, and not by chance: the signature; else each
    /// mechanism that is.
    pub fn more(&self, reports: &BTreeMap<u64, SeedReport>) -> Vec<More> {
        let mut more: Vec<More> = Vec::new();
        // A signature comes before its mechanisms.
        for ((signature, mechanism), seeds) in seen(reports) {
            let known = |by: Option<String>| {
                let hits = self.hits.get(&(signature.clone(), by)).copied();
                hits.map(|hits| Count { hits, of: self.seeds })
            };
            let is_new = known(None).is_none();
            let is_said = more.iter().any(|of| of.signature == signature && of.mechanism.is_none());
            let here = Count { hits: seeds.len() as u64, of: reports.len() as u64 };
            let known = known(mechanism.clone()).unwrap_or(Count { hits: 0, of: self.seeds });
            if !is_new && !is_said && here.exceeds(known) {
                more.push(More { signature, mechanism, here, known, seed: seeds[0] });
            }
        }
        more
    }
}

/// The seeds of each signature and of each of its mechanisms, in order.
fn seen(reports: &BTreeMap<u64, SeedReport>) -> BTreeMap<Of, Vec<u64>> {
    let mut seen: BTreeMap<Of, Vec<u64>> = BTreeMap::new();
    for (seed, report) in reports {
        for (signature, mechanism) in report.signatures.iter().zip(&report.mechanisms) {
            for by in [None, Some(mechanism.clone())] {
                let seeds = seen.entry((signature.clone(), by)).or_default();
                // A file may name one twice.
                if seeds.last() != Some(seed) {
                    seeds.push(*seed);
                }
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::{Known, More};
    use crate::{explore::SeedReport, verify::Count};
    use std::collections::BTreeMap;

    /// 100 seeds: in the first so many a signature is violated by a mechanism.
    fn reports(found: &[(&str, &str, u64)]) -> BTreeMap<u64, SeedReport> {
        let report = |seed: u64| {
            let here = found.iter().filter(|(_, _, most)| seed < *most);
            let (signatures, mechanisms) =
                here.map(|(of, by, _)| (of.to_string(), by.to_string())).unzip();
            (seed, SeedReport { seed, signatures, mechanisms, ..SeedReport::default() })
        };
        (0..100).map(report).collect()
    }

    #[test]
    fn what_comes_as_often_as_it_is_known_to_is_left_out() {
        let known = Known::of(&reports(&[("a/b/db", "x", 40), ("c/d/msg", "y", 3)]));
        assert_eq!(known.signatures().collect::<Vec<_>>(), ["a/b/db", "c/d/msg"]);
        let here = reports(&[("a/b/db", "x", 45), ("c/d/msg", "y", 5)]);
        assert_eq!(known.more(&here), []);
        assert_eq!(
            known.more(&reports(&[("new/it-is/db", "x", 90)])),
            [],
            "it is not known at all"
        );
    }

    #[test]
    fn more_of_a_signature_and_a_frequent_new_way_to_it_are_said() {
        let known = Known::of(&reports(&[("a/b/db", "x", 90), ("c/d/msg", "y", 3)]));
        let here = reports(&[("a/b/db", "x", 60), ("a/b/db", "z", 30), ("c/d/msg", "y", 30)]);
        let count = |hits| Count { hits, of: 100 };
        let more = |signature: &str, by: Option<&str>, here: u64, known: u64| More {
            signature: signature.into(),
            mechanism: by.map(Into::into),
            here: count(here),
            known: count(known),
            seed: 0,
        };
        let expected = [more("a/b/db", Some("z"), 30, 0), more("c/d/msg", None, 30, 3)];
        assert_eq!(known.more(&here), expected);
        let said = expected[1].to_string();
        assert_eq!(
            said,
            "MORE OFTEN than known: c/d/msg: 30 of 100 seeds, known of 3 of 100; first 0"
        );
    }
}
