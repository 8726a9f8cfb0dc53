//! docs/PROPERTIES.md has the properties of the code, and no others.

use crate::{quoted, read, rows, section};
use std::collections::BTreeSet;
use teamtalk::protocol::Protocol;
use teamtalk_sim::{
    ceilings::HIGHER,
    corpus,
    plan::case::Case,
    properties::{Sort, all},
};

const FILE: &str = "docs/PROPERTIES.md";

/// (Name, kind, promise, file) of each row.
fn described(text: &str) -> BTreeSet<[String; 4]> {
    let (table, _) = text.split_once("\n## ").expect("the table comes first");
    let row = |cells: Vec<&str>| {
        let [name, kind, promise, source, file] = cells[..] else { panic!("{cells:?}") };
        assert!(!source.is_empty(), "{name} has no source");
        [name.trim_matches('`'), kind, promise, file].map(String::from)
    };
    rows(table).map(row).collect()
}

#[test]
fn each_property_has_its_row_and_its_section() {
    let text = read(FILE);
    let described = described(&text);
    let mut actual = BTreeSet::new();
    for property in all(&Protocol::hardened()) {
        let name = property.name();
        let kind = match property.sort() {
            Sort::Safety => "safety",
            Sort::Liveness => "liveness",
        };
        let stem = name.replace('-', "_");
        let places = [format!("{stem}.rs"), format!("{stem}/mod.rs")];
        let places = places.map(|place| format!("sim/src/properties/{place}"));
        let is_there = |place: &&String| std::path::Path::new(crate::ROOT).join(place).exists();
        let file = places.iter().find(is_there).unwrap_or_else(|| panic!("no file of {name}"));
        let row = [name, kind, property.says(), file].map(String::from);
        assert!(described.contains(&row), "{FILE} has no row {row:?}");
        actual.insert(row);
        section(&text, &format!("### {name}"));
    }
    let others: Vec<_> = described.difference(&actual).collect();
    assert!(others.is_empty(), "{FILE} has rows of no property: {others:?}");
    let sections = text.lines().filter(|line| line.starts_with("### ")).count();
    assert_eq!(sections, actual.len(), "{FILE} has sections of no property");
}

#[test]
fn the_ceilings_are_those_of_the_code() {
    let text = read(FILE);
    let listed = section(&text, "## What is forgiven");
    let listed: Vec<String> =
        listed.lines().filter(|line| line.starts_with("| `")).map(String::from).collect();
    let row = |(name, most, why): &(&str, f64, &str)| format!("| `{name}` | {most} % | {why} |");
    assert_eq!(listed, HIGHER.iter().map(row).collect::<Vec<_>>());
}

/// The kinds that a section lists.
fn kinds<'a>(text: &'a str, property: &str) -> BTreeSet<&'a str> {
    let section = section(text, &format!("### {property}"));
    let begin = section.find("Kinds: ").unwrap_or_else(|| panic!("{property} lists no kinds"));
    let list = &section[begin..];
    quoted(&list[..list.find('.').expect("a full stop ends it")]).collect()
}

#[test]
fn the_kinds_of_violations_are_those_that_the_properties_have() {
    let text = read(FILE);
    for row in described(&text) {
        let [name, .., file] = row;
        let folder = file.strip_suffix("mod.rs").map(String::from);
        // Its own file or folder, and others that are a part of it.
        let part = format!("property: \"{name}\"");
        let sources = crate::files().into_iter().filter(|source| {
            let is_own = match &folder {
                Some(folder) => {
                    source.path.starts_with(folder) && !source.path.ends_with("tests.rs")
                }
                None => source.path == file,
            };
            let is_part = source.path.starts_with("sim/src/properties/");
            // Each model of an answer names its kind.
            let its_parts = ["sim/src/model/", "sim/src/properties/relayed/"];
            let is_model =
                name == "answers" && its_parts.iter().any(|part| source.path.starts_with(part));
            is_own || is_model || is_part && source.text.contains(&part)
        });
        let code: String = sources
            .map(|source| source.text.split("\nmod tests {").next().unwrap_or_default().to_string())
            .collect();
        for kind in kinds(&text, &name) {
            assert!(code.contains(&format!("\"{kind}\"")), "{name} has no kind {kind}");
        }
    }
    // Those that were seen are listed.
    let paths = corpus::files(&std::path::Path::new(crate::ROOT).join(corpus::FOLDER));
    assert!(!paths.is_empty(), "traces/ is there");
    for path in paths {
        let case = Case::read(&path).expect("a case");
        let mut parts = case.expect.split('/');
        let (property, kind) = (parts.next().expect("a property"), parts.next().expect("a kind"));
        assert!(kinds(&text, property).contains(kind), "{}: {kind} is not listed", case.expect);
    }
}
