//! What the documents say that no compiler checks.

use crate::files;

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

/// CONTRIBUTING.md: a doc comment says something. One word says nothing ("It.", "What.").
#[test]
fn no_doc_comment_is_one_word_that_says_nothing() {
    const NOTHING: [&str; 9] =
        ["It.", "What.", "How.", "Whose.", "Why.", "Where.", "Which.", "Who.", "When."];
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
