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

/// The median and the most of shrinking are those of the table of docs/SPEED.md, here and there.
#[test]
fn how_long_shrinking_takes_is_what_was_measured() {
    let speed = read("docs/SPEED.md");
    let measured = section(&speed, "## How long shrinking takes");
    let column = |at: usize| {
        let cell = |row: Vec<&str>| row[at].parse::<f64>().expect("a number");
        let mut all: Vec<f64> = rows(measured).map(cell).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let (runs, seconds) = (column(4), column(5));
    let median = |all: &[f64]| f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2]);
    let most = |all: &[f64]| *all.last().expect("a row");
    let count = seconds.len();
    let (half, all) = (median(&seconds), most(&seconds));
    let said =
        format!("took {half:.1} s in the median of {count} signatures and {all:.1} s at most");
    assert!(read("README.md").contains(&said), "README.md: {said}");
    let thousands = |runs: f64| match runs as u64 {
        of if of < 1_000 => of.to_string(),
        of => format!("{},{:03}", of / 1_000, of % 1_000),
    };
    let (half_runs, all_runs) = (thousands(median(&runs)), thousands(most(&runs)));
    let said = format!(
        "{half:.1} s and {half_runs} runs in the median, {all:.1} s and {all_runs} runs at most"
    );
    assert!(measured.contains(&said), "docs/SPEED.md: {said}");
    assert!(measured.contains(&format!("of each of {count} signatures")), "{count} rows");
}
