//! What the captures and the schema name.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

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
