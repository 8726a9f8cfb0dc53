//! Cards and hashes in documents are those of the kept cases that they name.

use crate::{ROOT, documents};
use std::{path::Path, sync::atomic::AtomicBool};
use teamtalk_sim::{
    causality::{Explaining, explain},
    plan::case::Case,
    report,
    run::Runner,
};

/// A line of a card that stands for others.
const LEFT_OUT: &str = "…";

/// The indented blocks of a document.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks = vec![Vec::new()];
    for line in text.lines() {
        match line.strip_prefix("    ") {
            Some(code) => blocks.last_mut().expect("never empty").push(code),
            None if !blocks.last().expect("never empty").is_empty() => blocks.push(Vec::new()),
            None => {}
        }
    }
    blocks
}

/// What `cargo sim explain CASE` prints.
fn card_of(path: &str) -> String {
    let case = Case::read(&Path::new(ROOT).join(path)).unwrap_or_else(|e| panic!("{e}"));
    let stop = AtomicBool::new(false);
    let explaining = Explaining { runner: Runner::default(), jobs: 2, stop: &stop, each: &|| {} };
    let (outcome, known) = explain(&case, &explaining).unwrap_or_else(|e| panic!("{path}: {e}"));
    let violation = outcome.violation(&case.expect).unwrap_or_else(|| panic!("{path} holds"));
    report::full_card(
        &case,
        &outcome,
        violation,
        &format!("cargo sim replay {path}"),
        known.as_ref(),
    )
}

/// The first line that is not where it should be in a card, whose other lines may be left out.
fn misplaced<'a>(quoted: &[&'a str], card: &str) -> Option<&'a str> {
    let mut rest = card.lines();
    let mut may_skip = false;
    for &line in quoted {
        if line.trim() == LEFT_OUT {
            may_skip = true;
            continue;
        }
        let found = if may_skip { rest.any(|l| l == line) } else { rest.next() == Some(line) };
        if !found {
            return Some(line);
        }
        may_skip = false;
    }
    None
}

#[test]
fn every_card_is_what_its_case_gives() {
    let mut cards = 0;
    for document in documents() {
        for block in blocks(&document.text) {
            if !block.first().is_some_and(|line| line.starts_with("VIOLATED ")) {
                continue;
            }
            cards += 1;
            let replays = |line| str::strip_prefix(line, "replay:  cargo sim replay ");
            let path = block.iter().copied().find_map(replays).expect("it says how to replay it");
            let card = card_of(path);
            if let Some(line) = misplaced(&block, &card) {
                panic!("{}: `{line}` is not there in\n{card}", document.path);
            }
        }
    }
    assert!(cards > 0, "README.md shows no card");
}

#[test]
fn no_hash_is_outside_of_a_card() {
    for document in documents() {
        for line in document.text.lines() {
            let hex = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
            let hash = line.split(|c: char| !c.is_ascii_alphanumeric()).find(hex);
            assert!(
                hash.is_none() || line.starts_with("    trace:   "),
                "{}: nothing checks {line}",
                document.path
            );
        }
    }
}

#[test]
fn a_wrong_card_is_found() {
    let card = "VIOLATED a\n  b\ntrace: 1\n  c\n  d\n";
    assert_eq!(misplaced(&["VIOLATED a", "  b", LEFT_OUT, "  d"], card), None);
    assert_eq!(misplaced(&["VIOLATED a", "trace: 1"], card), Some("trace: 1"));
    assert_eq!(misplaced(&["VIOLATED a", LEFT_OUT, "trace: 2"], card), Some("trace: 2"));
    assert_eq!(misplaced(&["VIOLATED a", LEFT_OUT, "  d", LEFT_OUT, "  c"], card), Some("  c"));
}
