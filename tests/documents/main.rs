//! The documents say what is so: every citation can be followed, cards and hashes are those of real
//! runs, the tables of formats and properties are the code's.

mod cards;
mod changing;
mod citations;
mod deploy;
mod examples;
mod formats;
mod probe;
mod properties;
mod readme;
mod rules;
mod written;

use std::{fs, path::Path};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A file of the repository.
struct File {
    /// Its path from the root, with `/`.
    path: String,
    text: String,
}

/// Reads a file of the repository.
fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every text that people write: sources, documents, schemas, settings. Not what programs write.
fn files() -> Vec<File> {
    let mut found = Vec::new();
    collect(Path::new(ROOT), "", &mut found);
    assert!(found.len() > 200, "only {} files", found.len());
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<File>) {
    const HIDDEN: [&str; 3] = [".cargo", ".ci", ".github"];
    const ENDS: [&str; 9] = ["rs", "md", "toml", "proto", "sql", "yml", "sh", "py", "js"];
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("a readable entry")).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type().expect("a type").is_dir() {
            if name != "target" && (!name.starts_with('.') || HIDDEN.contains(&&*name)) {
                collect(&entry.path(), &format!("{path}/"), found);
            }
        } else if prefix == ".ci/" || name.rsplit('.').next().is_some_and(|end| ENDS.contains(&end))
        {
            found.push(File { text: read(&path), path });
        }
    }
}

/// The documents.
fn documents() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".md")).collect()
}

/// The part of a document from a heading to the next one of the same or a higher level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let level = heading.split(' ').next().unwrap_or_default().len();
    let at = text.find(&format!("\n{heading}\n"));
    let rest = &text[at.unwrap_or_else(|| panic!("no heading `{heading}`")) + heading.len() + 2..];
    let ends = |line: &str| {
        let hashes = line.bytes().take_while(|&b| b == b'#').count();
        (1..=level).contains(&hashes)
    };
    let mut length = 0;
    for line in rest.split_inclusive('\n') {
        if ends(line) {
            break;
        }
        length += line.len();
    }
    &rest[..length]
}

/// The Markdown tables of a text: the rows below the head, each as its cells.
fn tables(text: &str) -> Vec<Vec<Vec<&str>>> {
    let mut tables: Vec<Vec<Vec<&str>>> = Vec::new();
    let mut is_table = false;
    for line in text.lines() {
        let Some(inner) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            is_table = false;
            continue;
        };
        let cells: Vec<_> = inner.split('|').map(str::trim).collect();
        let dashes = |cell: &&str| !cell.is_empty() && cell.trim_matches('-').is_empty();
        if !is_table {
            tables.push(Vec::new());
            is_table = true;
        } else if !cells.iter().all(dashes) {
            tables.last_mut().expect("just begun").push(cells);
        }
    }
    tables
}

/// The rows of all tables of a text.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    tables(text).into_iter().flatten()
}

/// What is in backticks, in order.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
