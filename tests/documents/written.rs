//! The tables that `sim mutants` and `sim corpus` write have a row for each of those that there are now.

use crate::{ROOT, read, rows, section};
use std::{collections::BTreeSet, fs, path::Path};
use teamtalk::mutants::name_of;

fn assert_same<T: Ord + std::fmt::Debug>(written: &BTreeSet<T>, there: &BTreeSet<T>) {
    let missing: Vec<_> = there.difference(written).collect();
    let stale: Vec<_> = written.difference(there).collect();
    assert!(missing.is_empty() && stale.is_empty(), "no row for {missing:?}; stale: {stale:?}");
}

/// Room, name and what is broken, as docs/MUTANTS.md has them, of the mutants in the source.
fn mutants(source: &str) -> BTreeSet<[String; 3]> {
    let (mut room, mut all) = (String::new(), BTreeSet::new());
    let list = source.split_once("\nmutants! {\n").expect("the list").1;
    for line in list.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('"').and_then(|rest| rest.strip_suffix("\" {")) {
            room = name.into();
        } else if let Some((variant, rest)) = line.split_once(" \"")
            && let Some(broken) = rest.strip_suffix('"')
        {
            all.insert([room.clone(), format!("`{}`", name_of(variant)), broken.into()]);
        }
    }
    all
}

#[test]
fn each_mutant_has_its_row_and_is_counted() {
    let (document, source) = (read("docs/MUTANTS.md"), read("src/mutants/list.rs"));
    let all = mutants(&source);
    assert_eq!(source.matches("\"\n").count(), all.len(), "each line of the list is read");
    // Those of the rollout are for `verify`, not for the hunt.
    let hunted: BTreeSet<_> = all.iter().filter(|[room, ..]| room != "rollout").cloned().collect();
    let written = rows(section(&document, "## The table"))
        .map(|row| [row[0].to_string(), row[1].to_string(), row[2].to_string()]);
    assert_same(&written.collect(), &hunted);
    let said = format!("There are {} mutants", hunted.len());
    assert!(document.contains(&said), "docs/MUTANTS.md: {said}");
}

#[test]
fn each_kept_case_has_its_row() {
    let document = read("docs/FINDINGS.md");
    let written: BTreeSet<_> = rows(&document)
        .filter_map(|row| row.last().map(ToString::to_string))
        .filter(|name| name.ends_with(".json"))
        .collect();
    let kept = fs::read_dir(Path::new(ROOT).join("traces")).expect("the folder");
    let kept: BTreeSet<_> = kept
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".json"))
        .collect();
    assert!(kept.len() > 30, "only {} cases", kept.len());
    assert_same(&written, &kept);
}
