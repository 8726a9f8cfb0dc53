//! A person who has only the repository can follow every citation in it.

use crate::{File, ROOT, files, section};
use std::path::Path;

/// A text without line breaks and marks of comments, so that a citation is in one piece.
fn flat(file: &File) -> String {
    let marks: &[&str] = match file.path.rsplit('.').next() {
        Some("rs" | "proto") => &["///", "//!", "//"],
        Some("sql") => &["--"],
        Some("md") => &[],
        Some("js") => &["//"],
        _ => &["#"],
    };
    let bare = |line| {
        let line = str::trim(line);
        marks.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line).trim().to_string()
    };
    file.text.lines().map(bare).collect::<Vec<_>>().join(" ")
}

fn is_of_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_./-".contains(c)
}

/// A document that a text names, and what follows.
fn named(text: &str) -> Vec<(&str, &str)> {
    let mut all = Vec::new();
    for (at, end) in text.match_indices(".md") {
        let after = &text[at + end.len()..];
        let begin = text[..at].rfind(|c| !is_of_path(c)).map_or(0, |n| n + 1);
        let begin = (begin..at).find(|&n| text.is_char_boundary(n)).unwrap_or(at);
        let name = text[begin..at + end.len()].trim_start_matches('/');
        let is_whole = !after.starts_with(|c: char| c.is_ascii_alphanumeric());
        if is_whole && name.len() > end.len() {
            all.push((name, after));
        }
    }
    all
}

/// Where a name leads: from the root, into docs/, or beside the file that names it.
fn found(name: &str, from: &str) -> Option<String> {
    let folder = from.rfind('/').map_or("", |at| &from[..=at]);
    let places = [
        name.to_string(),
        format!("docs/{name}"),
        format!("{folder}{name}"),
        format!("sim/{name}"),
    ];
    places.into_iter().find(|place| Path::new(ROOT).join(place).exists())
}

/// `, "Title"` or ` ("Title")` at the beginning.
fn title(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(", \"").or_else(|| text.strip_prefix(" (\""))?;
    rest.split_once('"').map(|(title, _)| title)
}

fn is_heading(line: &str, title: &str) -> bool {
    line.starts_with('#') && line.trim_start_matches('#').trim() == title
}

#[test]
fn every_document_that_is_named_is_there_with_the_heading_that_is_named() {
    let (mut wrong, mut named_in_all) = (Vec::new(), 0);
    for file in files() {
        for (name, after) in named(&flat(&file)) {
            named_in_all += 1;
            let Some(place) = found(name, &file.path) else {
                wrong.push(format!("{} names {name}, which is not there", file.path));
                continue;
            };
            if let Some(title) = title(after)
                && !crate::read(&place).lines().any(|line| is_heading(line, title))
            {
                wrong.push(format!("{}: {place} has no heading \"{title}\"", file.path));
            }
        }
    }
    assert!(named_in_all > 100, "only {named_in_all} documents are named");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a citation of a section of docs/SYSTEM.md names.
#[derive(Debug, PartialEq)]
struct Cited<'a> {
    sections: Vec<&'a str>,
    /// Within the last of them.
    steps: Vec<&'a str>,
    commands: Vec<&'a str>,
    title: Option<&'a str>,
}

/// The words of a list as `1, 2 and 3` or `1 to 3` that `is` accepts, and what follows it.
fn list(mut text: &str, is: impl Fn(&str) -> bool) -> (Vec<&str>, &str) {
    let mut items = Vec::new();
    loop {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        if !is(&text[..end]) {
            return (items, text);
        }
        items.push(&text[..end]);
        let rest = &text[end..];
        let next = [", ", " and ", " to "].iter().find_map(|mark| rest.strip_prefix(mark));
        let goes_on = |next: &&str| {
            let end = next.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(next.len());
            is(&next[..end])
        };
        match next.filter(goes_on) {
            Some(next) => text = next,
            None => return (items, rest),
        }
    }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.len() < 3 && word.bytes().all(|b| b.is_ascii_digit())
}

fn is_command(word: &str) -> bool {
    word.len() == 4 && word.starts_with('0') && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The citation that begins with these words, if one does.
fn cited(text: &str) -> Option<Cited<'_>> {
    let text = text.strip_prefix("section")?;
    let is_plural = text.starts_with('s');
    let text = text.strip_prefix('s').unwrap_or(text).strip_prefix(' ')?;
    let (mut sections, mut rest) = list(text, is_number);
    if !is_plural {
        sections.truncate(1);
        rest = &text[sections.first().map_or(0, |first| first.len())..];
    }
    if sections.is_empty() {
        return None;
    }
    let (mut steps, mut commands) = (Vec::new(), Vec::new());
    if let Some(named) = rest.strip_prefix(", steps ").or_else(|| rest.strip_prefix(", step ")) {
        (steps, rest) = list(named, is_number);
    } else if let Some(named) = rest.strip_prefix(", ") {
        (commands, _) = list(named, is_command);
    }
    Some(Cited { sections, steps, commands, title: title(rest) })
}

/// What of a citation docs/SYSTEM.md does not have.
fn missing(system: &str, cited: &Cited<'_>) -> Option<String> {
    let headings = system.lines().filter(|line| line.starts_with("## "));
    let headings: Vec<&str> = headings.collect();
    let mut last = String::new();
    for number in &cited.sections {
        let begins = |line: &&&str| line.starts_with(&format!("## {number}. "));
        match headings.iter().find(begins) {
            Some(heading) => last = format!("\n{}", section(system, heading)),
            None => return Some(format!("section {number}")),
        }
    }
    let word = |word: &str| last.split(|c: char| !c.is_ascii_alphanumeric()).any(|w| w == word);
    if let Some(step) = cited.steps.iter().find(|step| !last.contains(&format!("\n{step}. "))) {
        return Some(format!("step {step}"));
    }
    if let Some(command) = cited.commands.iter().find(|command| !word(command)) {
        return Some(format!("command {command}"));
    }
    let title = cited.title?;
    let begins = ["**", "### ", "| "].map(|mark| format!("\n{mark}{title}"));
    let is_there =
        begins.iter().any(|begin| last.contains(begin)) || last.contains(&format!(" **{title}"));
    (!is_there).then(|| format!("\"{title}\""))
}

#[test]
fn every_section_of_the_reference_that_is_cited_is_there() {
    let system = crate::read("docs/SYSTEM.md");
    let (mut wrong, mut seen) = (Vec::new(), 0);
    // This file has some that are wrong on purpose.
    for file in files().into_iter().filter(|file| file.path != file!()) {
        let text = flat(&file);
        for (at, _) in text.match_indices("section") {
            let Some(cited) = cited(&text[at..]) else { continue };
            seen += 1;
            if let Some(what) = missing(&system, &cited) {
                let end = text[at..].char_indices().nth(60).map_or(text.len(), |(n, _)| at + n);
                wrong.push(format!("{}: no {what} for `{}`", file.path, &text[at..end]));
            }
        }
    }
    assert!(seen > 100, "only {seen} sections are cited");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn citations_are_read_as_they_are_written() {
    let all = |text| cited(text).map(|c| (c.sections, c.steps, c.commands, c.title));
    assert_eq!(
        all("section 3, steps 4, 6, 7)"),
        Some((vec!["3"], vec!["4", "6", "7"], vec![], None))
    );
    assert_eq!(all("sections 2 to 4)"), Some((vec!["2", "4"], vec![], vec![], None)));
    assert_eq!(
        all("section 6, 0307 and 0201"),
        Some((vec!["6"], vec![], vec!["0307", "0201"], None))
    );
    assert_eq!(all("section 6, \"Audio\": x"), Some((vec!["6"], vec![], vec![], Some("Audio"))));
    assert_eq!(all("section 7 says 3"), Some((vec!["7"], vec![], vec![], None)));
    assert_eq!(all("section of it"), None);
    let system = "\n## 1. One\n1. a\n**Word**: 0301\n## 2. Two\n### Part\n| cell | x\n";
    let lacks = |text| missing(system, &cited(text).expect("a citation"));
    for there in
        ["section 1, step 1", "section 1, 0301", "section 1, \"Word\"", "section 2, \"Part\""]
    {
        assert_eq!(lacks(there), None, "{there}");
    }
    for not in ["section 3", "section 1, step 2", "section 2, 0301", "section 1, \"cell\""] {
        assert!(lacks(not).is_some(), "{not}");
    }
}

/// The folders of the repository, as paths begin.
const FOLDERS: [&str; 12] = [
    "scripts/",
    "deploy/",
    "docs/",
    "tests/",
    "sim/",
    "src/",
    "traces/",
    "examples/",
    "benches/",
    "proto/",
    ".ci/",
    ".github/",
];

/// The paths that a text names.
fn paths(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    for folder in FOLDERS {
        for (at, _) in text.match_indices(folder) {
            if text[..at].ends_with(|c| is_of_path(c) || c == '\\') {
                continue;
            }
            let end = text[at..].find(|c| !is_of_path(c)).map_or(text.len(), |n| at + n);
            // A pattern names no file.
            if !text[end..].starts_with(['{', '*', '<', '$', '…']) {
                all.push(text[at..end].trim_end_matches(['.', '-']));
            }
        }
    }
    all
}

#[test]
fn every_path_that_is_named_is_there() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in files() {
        for path in paths(&flat(&file)) {
            seen += 1;
            if found(path, &file.path).is_none() {
                wrong.push(format!("{} names {path}, which is not there", file.path));
            }
        }
    }
    assert!(seen > 200, "only {seen} paths are named");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Places and numbers that nobody else can look up.
#[test]
fn nothing_points_outside_of_the_repository() {
    let outside = [concat!("/wo", "rk/"), concat!("sha", "red/"), concat!("tri", "als")];
    let mut wrong = Vec::new();
    for file in files() {
        let text = flat(&file);
        let names =
            outside.iter().filter(|word| text.contains(**word)).map(|word| word.to_string());
        let issues = text.match_indices("issue ").filter_map(|(at, word)| {
            let number = &text[at + word.len()..];
            number
                .starts_with(|c: char| c.is_ascii_digit())
                .then(|| text[at..at + word.len() + 1].into())
        });
        wrong.extend(names.chain(issues).map(|word: String| format!("{}: `{word}`", file.path)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
