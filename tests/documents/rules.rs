//! What the documents say that no compiler checks.

use crate::files;
use std::collections::BTreeSet;

/// docs/DETERMINISM.md, "7. select!".
#[test]
fn every_select_is_biased() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in files() {
        let is_simulated = file.path.starts_with("src/") || file.path.starts_with("sim/src/");
        if !is_simulated || !file.path.ends_with(".rs") {
            continue;
        }
        for (_, rest) in file
            .text
            .match_indices("select! {")
            .map(|(at, word)| (at, &file.text[at + word.len()..]))
        {
            seen += 1;
            if !rest.trim_start().starts_with("biased;") {
                wrong.push(file.path.clone());
            }
        }
    }
    assert!(seen > 5, "only {seen} of them");
    assert!(wrong.is_empty(), "not biased: {wrong:?}");
}

/// docs/DESIGN.md, "Layout": who may name whom.
#[test]
fn dependencies_point_one_way() {
    for file in files().iter().filter(|file| file.path.ends_with(".rs")) {
        let code = file.text.split("\nmod tests {").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let names = |word: &str| code.clone().any(|line| line.contains(word));
        let path = &file.path;
        if path.starts_with("src/") {
            assert!(!names("turmoil"), "{path} names turmoil");
            assert!(!names("teamtalk_sim"), "{path} names the rig");
        }
        let may = ["sim/src/world/", "sim/src/fakes/", "sim/src/seeded.rs"]
            .iter()
            .any(|folder| path.starts_with(folder));
        if path.starts_with("sim/src/") && !may {
            assert!(!names("turmoil::"), "{path} names turmoil");
        }
        if path.starts_with("sim/src/properties/") {
            assert!(
                !names("crate::world") && !names("crate::fakes"),
                "{path} looks behind the record"
            );
        }
    }
}

/// CONTRIBUTING.md: small files.
#[test]
fn no_file_of_code_has_more_than_500_lines() {
    const MOST: usize = 500;
    const ENDS: [&str; 6] = ["rs", "js", "py", "sh", "sql", "proto"];
    let all = files();
    let code = all
        .iter()
        .filter(|file| file.path.rsplit_once('.').is_some_and(|(_, end)| ENDS.contains(&end)));
    let code: Vec<_> = code.map(|file| (file.text.lines().count(), &file.path)).collect();
    assert!(code.len() > 500, "only {} files", code.len());
    let long: Vec<_> = code.iter().filter(|(lines, _)| *lines > MOST).collect();
    assert!(long.is_empty(), "over {MOST} lines: {long:?}");
}

/// docs/DESIGN.md, "Layout": each file and folder of the two packages is there.
#[test]
fn the_layout_has_all_of_the_sources() {
    let design = crate::read("docs/DESIGN.md");
    let layout = crate::section(&design, "## Layout");
    let mut missing = BTreeSet::new();
    for file in files().iter().filter(|file| file.path.ends_with(".rs")) {
        let root = ["sim/src/", "src/"].into_iter().find(|root| file.path.starts_with(root));
        let Some((root, rest)) = root.and_then(|root| Some((root, file.path.strip_prefix(root)?)))
        else {
            continue;
        };
        let place = match rest.split_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None => rest.to_string(),
        };
        let is_listed =
            layout.contains(&format!("`{root}{place}")) || layout.contains(&format!("`{place}`"));
        let is_root = ["lib.rs", "main.rs"].contains(&&*place);
        if !is_listed && !is_root {
            missing.insert(format!("{root}{place}"));
        }
    }
    assert!(missing.is_empty(), "not in the layout: {missing:?}");
}

/// CONTRIBUTING.md: a doc comment says something. One word that only points at something else, or asks, says
/// nothing ("It.", "What.", "Another.").
#[test]
fn no_doc_comment_is_one_word_that_says_nothing() {
    const NOTHING: [&str; 24] = [
        "It.",
        "What.",
        "How.",
        "Whose.",
        "Why.",
        "Where.",
        "Which.",
        "Who.",
        "When.",
        "Another.",
        "Other.",
        "Others.",
        "The other.",
        "The others.",
        "Else.",
        "All.",
        "Both.",
        "Each.",
        "One.",
        "Some.",
        "That.",
        "These.",
        "Those.",
        "The same.",
    ];
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in files().iter().filter(|file| file.path.ends_with(".rs")) {
        let mut before = "";
        for (at, line) in file.text.lines().map(str::trim).enumerate() {
            if let Some(said) = line.strip_prefix("/// ") {
                seen += 1;
                if !before.starts_with("///") && NOTHING.contains(&said) {
                    wrong.push(format!("{}:{}: {said}", file.path, at + 1));
                }
            }
            before = line;
        }
    }
    assert!(seen > 5_000, "only {seen} lines of them");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
