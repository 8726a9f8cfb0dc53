//! What the captures, the schema and the sources of the properties name.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use teamtalk::catalogue;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(ROOT).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("text"))
        })
        .collect();
    files.sort();
    files
}

/// The sources of a folder by module; those of a module with a folder of its own together.
fn sources(folder: &str) -> BTreeMap<String, String> {
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    for (name, text) in files(folder) {
        sources.entry(name.trim_end_matches(".rs").into()).or_default().push_str(&text);
    }
    let entries = fs::read_dir(Path::new(ROOT).join(folder)).expect("a readable folder");
    for entry in entries.map(|entry| entry.expect("a readable folder")) {
        if entry.path().is_dir() {
            let module = entry.file_name().to_string_lossy().into_owned();
            let inside = files(&format!("{folder}/{module}"));
            let parts = inside.into_iter().filter(|(name, _)| name != "tests.rs");
            let text = sources.entry(module).or_default();
            parts.for_each(|(_, part)| {
                text.insert_str(0, part.split("#[cfg(test)]").next().unwrap_or_default());
            });
        }
    }
    sources
}

fn hex(text: &str) -> u16 {
    u16::from_str_radix(text.trim_start_matches("0x"), 16).expect("a hexadecimal number")
}

/// The numbers of the captures that contain a command.
pub fn captures() -> BTreeMap<u16, BTreeSet<String>> {
    let mut found: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
    for (name, text) in files("tests/golden") {
        if !name.ends_with(".pdus.jsonl") {
            continue;
        }
        let number = name.split('_').next().expect("a number").to_string();
        for line in text.lines() {
            let pdu: Value = serde_json::from_str(line).expect("a line of JSON");
            if let Some(id) = pdu["command_id"].as_str() {
                found.entry(hex(id)).or_default().insert(number.clone());
            }
        }
    }
    found
}

/// The commands of the schema: every value of an enum whose values are called `CID_…`.
pub fn schema() -> BTreeMap<u16, String> {
    let text = fs::read_to_string(Path::new(ROOT).join("tests/golden/schema.json"));
    let root: Value = serde_json::from_str(&text.expect("the schema")).expect("JSON");
    let mut found = BTreeMap::new();
    for package in root["packages"].as_object().expect("packages").values() {
        for values in package["enums"].as_object().into_iter().flat_map(|enums| enums.values()) {
            for (name, value) in values.as_object().expect("values") {
                if name.starts_with("CID_") {
                    let id = value.as_u64().expect("a number") as u16;
                    found.insert(id, name.clone());
                }
            }
        }
    }
    found
}

/// The properties by the commands that their sources name, tests left aside.
pub fn properties() -> BTreeMap<&'static str, BTreeSet<String>> {
    /// No properties: what they share.
    const SHARED: [&str; 10] = [
        "mod",
        "clients",
        "file_effects",
        "membership",
        "pdus",
        "relayed",
        "seen",
        "sends",
        "tape",
        "wire",
    ];
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, text) in sources("sim/src/properties") {
        if SHARED.contains(&name.as_str()) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().expect("the part before the tests");
        let words: BTreeSet<&str> =
            code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        let property = name.replace('_', "-");
        for constant in catalogue::ALL.iter().map(|command| command.constant()) {
            if words.contains(constant) {
                found.entry(constant).or_default().insert(property.clone());
            }
        }
    }
    // `answers` takes them from the model, and `relayed.rs` is a part of it.
    for asked in teamtalk_sim::model::all().filter_map(|model| catalogue::of(model.command)) {
        let Some(reply) = asked.reply.and_then(catalogue::of) else { continue };
        for command in [asked, reply] {
            found.entry(command.constant()).or_default().insert("answers".into());
        }
    }
    // `answered` takes requests and their answers from the catalogue.
    for asked in catalogue::ALL.iter().filter(|command| command.is_from_device()) {
        let Some(reply) = asked.reply.and_then(catalogue::of) else { continue };
        for command in [asked, reply] {
            found.entry(command.constant()).or_default().insert("answered".into());
        }
    }
    found
}
