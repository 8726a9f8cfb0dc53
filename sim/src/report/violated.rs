//! What a campaign found: each signature with its mechanisms.

use crate::{explore::SeedReport, mechanism::plainest, shrink::Count};
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

/// What a campaign lists of a mechanism.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Small {
    /// The kept case of which it is an instance.
    pub kept: Option<PathBuf>,
    /// The case that was made small.
    pub made: Option<Made>,
}

/// A case that was made small, as a campaign lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where it is written, as a shell takes it.
    pub path: String,
    /// What is left of it.
    pub left: Count,
}

impl Small {
    /// Of a mechanism that is known.
    pub fn kept(path: &Path) -> Self {
        Self { kept: Some(path.into()), made: None }
    }

    fn describe(&self) -> String {
        let made = self.made.as_ref().map_or_else(String::new, |Made { path, left }| {
            let (operations, faults) = (left.operations, left.faults);
            format!(
                "; {} and {} in {path}",
                number(operations, "operation"),
                number(faults, "fault")
            )
        });
        let kept = self.kept.as_ref();
        made + &kept.map_or_else(String::new, |path| format!("; kept as {}", path.display()))
    }
}

/// Seeds by mechanism.
type Mechanisms<'a> = BTreeMap<&'a str, Vec<u64>>;

/// A mechanism, with the others that it explains ([`plainest`]).
struct Group<'a> {
    mechanism: &'a str,
    /// The first seed of itself.
    first: u64,
    seeds: usize,
    /// How many of these are of others.
    with_more: usize,
}

/// A line for each signature, with how many seeds violate it and which is the first, and one for each
/// plain mechanism by which they do, with the small case if there is one.
pub fn violated(
    reports: &BTreeMap<u64, SeedReport>,
    small: &BTreeMap<(String, String), Small>,
) -> String {
    let mut found: BTreeMap<&str, Mechanisms<'_>> = BTreeMap::new();
    for report in reports.values() {
        for (signature, mechanism) in report.signatures.iter().zip(&report.mechanisms) {
            let seeds = found.entry(signature).or_default().entry(mechanism).or_default();
            seeds.push(report.seed);
        }
    }
    let mut out = String::new();
    if reports.is_empty() {
        let _ = writeln!(out, "nothing is known: no seed ran");
    } else if found.is_empty() {
        let _ = writeln!(out, "all properties held");
    }
    for (signature, mechanisms) in found {
        let seeds: usize = mechanisms.values().map(Vec::len).sum();
        let first = mechanisms.values().flatten().min().copied().unwrap_or_default();
        let groups = groups(&mechanisms);
        let _ = writeln!(
            out,
            "VIOLATED {signature}: {}, {}, first {first}",
            number(seeds, "seed"),
            number(groups.len(), "mechanism")
        );
        for Group { mechanism, first, seeds, with_more } in groups {
            let known = small.get(&(signature.to_string(), mechanism.to_string()));
            let small = known.map_or_else(String::new, Small::describe);
            let more = match with_more {
                0 => String::new(),
                n => format!(" ({n} of them with more beside it)"),
            };
            let _ = writeln!(out, "{seeds:>6}  {mechanism}{more}, first {first}{small}");
        }
    }
    out
}

/// Those of most seeds first.
fn groups<'a>(mechanisms: &Mechanisms<'a>) -> Vec<Group<'a>> {
    let mut all: BTreeMap<&str, Group<'a>> = BTreeMap::new();
    for (of, seeds) in mechanisms {
        let mechanism = plainest(of, mechanisms.keys().copied());
        let first = mechanisms[mechanism][0];
        let new = || Group { mechanism, first, seeds: 0, with_more: 0 };
        let group = all.entry(mechanism).or_insert_with(new);
        group.seeds += seeds.len();
        group.with_more += if *of == mechanism { 0 } else { seeds.len() };
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by_key(|group| (std::cmp::Reverse(group.seeds), group.first));
    all
}

fn number(n: usize, of: &str) -> String {
    format!("{n} {of}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{Made, Small, violated};
    use crate::{explore::SeedReport, shrink::Count};
    use std::collections::BTreeMap;

    fn report(seed: u64, found: &[(&str, &str)]) -> (u64, SeedReport) {
        let (signatures, mechanisms) =
            found.iter().map(|(of, by)| (of.to_string(), by.to_string())).unzip();
        (seed, SeedReport { seed, signatures, mechanisms, ..SeedReport::default() })
    }

    #[test]
    fn seeds_are_told_apart_by_mechanism() {
        let none = BTreeMap::new();
        assert_eq!(violated(&none, &none_small()), "nothing is known: no seed ran\n");
        assert_eq!(violated(&[report(1, &[])].into(), &none_small()), "all properties held\n");
        let reports = [
            report(3, &[("a/b/db", "race")]),
            report(4, &[("a/b/db", "crash db"), ("c/d/msg", "race")]),
            report(5, &[("a/b/db", "crash db")]),
            report(6, &[("a/b/db", "cut + crash db")]),
        ];
        let left = Count { operations: 2, faults: 1, steps: 0, devices: 2, hosts: 7, past: 0 };
        let made = Some(Made { path: "x.json".into(), left });
        let small = Small { kept: Some("kept/y.json".into()), made };
        let small = [(("a/b/db".into(), "crash db".into()), small)].into();
        assert_eq!(
            violated(&reports.into(), &small),
            "VIOLATED a/b/db: 4 seeds, 2 mechanisms, first 3\n     \
             3  crash db (1 of them with more beside it), first 4; 2 operations and 1 fault in x.json; kept as kept/y.json\n     \
             1  race, first 3\n\
             VIOLATED c/d/msg: 1 seed, 1 mechanism, first 4\n     \
             1  race, first 4\n"
        );
    }

    fn none_small() -> BTreeMap<(String, String), Small> {
        BTreeMap::new()
    }
}
