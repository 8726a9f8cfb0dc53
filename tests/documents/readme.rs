//! README.md is up to date in what can be compared: commands, packages, profiles, numbers.

use crate::{quoted, read, rows, section};
use std::collections::BTreeSet;
use teamtalk_sim::plan::generate::PROFILES;

#[test]
fn each_command_has_a_row() {
    let cli = read("sim/src/cli/mod.rs");
    let (_, commands) = cli.split_once("enum Command {\n").expect("the commands");
    let (commands, _) = commands.split_once("\n}\n").expect("their end");
    let variant = |line: &str| {
        let name = line.strip_prefix("    ")?.split(['(', ' ', ',', '{']).next()?;
        name.starts_with(|c: char| c.is_ascii_uppercase()).then(|| name.to_lowercase())
    };
    let actual: BTreeSet<String> = commands.lines().filter_map(variant).collect();
    assert!(actual.len() > 5, "{actual:?}");
    for (file, heading) in [("README.md", "## Commands"), ("docs/DESIGN.md", "## Command line")] {
        let text = read(file);
        let mut described = BTreeSet::new();
        for row in rows(section(&text, heading)) {
            for command in quoted(row[0]) {
                let command = command.strip_prefix("cargo sim ").unwrap_or(command);
                described.extend(command.split(' ').next().map(String::from));
            }
        }
        described.retain(|word| word.parse::<u8>().is_err());
        assert_eq!(described, actual, "{file}");
    }
}

/// The names under a heading of a Cargo.toml.
fn packages(file: &str, heading: &str) -> Vec<String> {
    let text = read(file);
    let Some((_, table)) = text.split_once(&format!("\n[{heading}]\n")) else { return Vec::new() };
    let table = table.split("\n[").next().unwrap_or_default();
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let name = |line: &str| Some(line.split([' ', '.', '=']).next()?.to_string());
    lines.filter_map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn each_dependency_says_what_it_is_for() {
    let text = read("README.md");
    let described: BTreeSet<String> = rows(section(&text, "## What the dependencies are for"))
        .flat_map(|row| row[0].split(", ").map(String::from).collect::<Vec<_>>())
        .collect();
    let mut actual = BTreeSet::new();
    for file in ["Cargo.toml", "sim/Cargo.toml"] {
        for heading in ["dependencies", "build-dependencies", "dev-dependencies"] {
            actual.extend(packages(file, heading));
        }
    }
    actual.retain(|name| !name.starts_with("teamtalk"));
    assert_eq!(described, actual);
}

#[test]
fn each_document_and_each_profile_is_listed() {
    let text = read("README.md");
    for document in crate::documents() {
        let listed = text.contains(&document.path) || document.path == "README.md";
        assert!(listed || document.path.starts_with("tests/"), "{} is not listed", document.path);
    }
    for (_, name, _) in PROFILES {
        assert!(text.contains(&format!("`{name}`")), "profile {name}");
    }
}

#[test]
fn the_numbers_are_those_of_the_code() {
    let text = read("README.md");
    let rust = read("Cargo.toml");
    let (_, rust) = rust.split_once("rust-version = \"").expect("a version");
    let rust = rust.split('"').next().expect("its end");
    assert!(text.contains(&format!("Rust toolchain ({rust} or later)")), "{rust}");
    assert!(read(".github/workflows/ci.yml").contains(&format!("rustup default {rust}")));
    let cli = read("sim/src/cli/explore.rs");
    let explore = cli.split_once("struct Explore {").expect("its arguments").1;
    let seeds = explore.split_once("default_value_t = ").expect("a default").1;
    let seeds = seeds.split(',').next().expect("its end");
    assert!(text.contains(&format!("# {seeds} seeds of hardened")), "{seeds} seeds by default");
}

/// What `sim bench` says of the pinned plan.
#[test]
fn the_pinned_plan_is_the_one_of_the_figures() {
    let case = teamtalk_sim::bench::pinned().expect("the pinned plan reads");
    let plan = &case.plan;
    let (hosts, devices, operations) =
        (plan.nodes.len(), plan.devices.len(), plan.operations.len());
    let line = format!("pinned plan: {hosts} hosts, {devices} devices, {operations} operations,");
    assert!(read("docs/SPEED.md").contains(&line), "docs/SPEED.md does not say `{line}`");
}
