//! What people copy from a document is taken as it stands there: protocol files, contracts, what is said of captures.

use crate::{documents, read};
use std::{fs, path::Path};
use teamtalk::mutants::BUILT;
use teamtalk_sim::{parity::Settings, plan::case::ProtocolSpec, verify::Contract};

/// An indented block of TOML.
struct Example {
    document: String,
    text: String,
}

impl Example {
    /// Its first line that is no comment.
    fn first(&self) -> &str {
        let is_said = |line: &&str| !line.starts_with('#');
        self.text.lines().find(is_said).unwrap_or_default()
    }

    /// Fails with its document if it is refused.
    fn is_taken<T>(&self, taken: Result<T, String>) {
        if let Err(why) = taken {
            panic!("{}: {why}\n{}", self.document, self.text);
        }
    }
}

/// Whether a line begins a block of TOML: a table, or `name = value`.
fn is_toml(line: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.\"".contains(c);
    let is_key = |name: &str| !name.is_empty() && name.chars().all(is_name);
    line.starts_with('[') || line.split_once(" = ").is_some_and(|(name, _)| is_key(name))
}

/// The blocks of TOML in all documents.
fn examples() -> Vec<Example> {
    let mut found = Vec::new();
    for file in documents() {
        let lines: Vec<_> = file.text.lines().collect();
        let is_block = |line: &str| line.starts_with("    ");
        for block in lines.chunk_by(|a, b| is_block(a) == is_block(b)) {
            let indent = |line: &&str| line.len() - line.trim_start().len();
            let least = block.iter().map(indent).min().unwrap_or_default();
            let text: String = block.iter().map(|line| format!("{}\n", &line[least..])).collect();
            let example = Example { document: file.path.clone(), text };
            if is_block(block[0]) && is_toml(example.first()) {
                found.push(example);
            }
        }
    }
    found
}

#[test]
fn each_example_of_toml_is_what_it_is_shown_as() {
    let (mut protocols, mut contracts, mut captures, mut others) = (0, 0, 0, 0);
    for example in examples() {
        let (name, text) = (&*example.document, &*example.text);
        match (name, example.first()) {
            (_, first) if first.starts_with("preset = ") => {
                protocols += 1;
                match ProtocolSpec::from_toml(text) {
                    Err(why) if !BUILT && why.contains("this build has no mutants") => {}
                    taken => example.is_taken(taken),
                }
            }
            (_, first) if first.starts_with("[candidate]") || first.starts_with("[mixed]") => {
                contracts += 1;
                let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract.toml");
                fs::write(&path, text).expect("writes");
                example.is_taken(Contract::read(&path));
            }
            // What is known to differ is said of flows that there are: those of the original.
            ("docs/CAPTURES.md", "[[differs]]") => {
                captures += 1;
                let whole = read("tests/golden/parity.toml") + "\n" + text;
                example.is_taken(Settings::parse(&whole));
            }
            ("docs/CAPTURES.md", _) => {
                captures += 1;
                example.is_taken(Settings::parse(text));
            }
            // Cargo's and clippy's, whose files a test of their own reads.
            ("docs/DETERMINISM.md", _) => {
                others += 1;
                let said = toml::from_str::<toml::Table>(text);
                example.is_taken(said.map_err(|e| e.to_string()));
            }
            (_, first) => panic!("{name}: nobody says what this is: {first}"),
        }
    }
    assert!(protocols >= 5 && contracts >= 2 && captures == 2, "an example is not found");
    assert!(others >= 2, "an example of docs/DETERMINISM.md is not found");
}

#[test]
fn the_protocol_that_a_refusal_shows_is_one() {
    let refused = ProtocolSpec::parse("no-such").expect_err("there is no such file");
    let (_, shown) = refused.split_once("such as\n").expect("an example");
    let text: String = shown.lines().map(|line| line.trim_start().to_string() + "\n").collect();
    let spec = ProtocolSpec::from_toml(&text).expect("a protocol file");
    assert_eq!(spec.overrides.len(), 1, "it shows how a switch is turned off");
}
