//! The table of kept cases.

use super::printable;
use crate::{
    causality::{Mended, SURE},
    plan::case::Case,
    shrink::Count,
};
use std::path::PathBuf;

/// What is before the table in a file, and behind it.
const BEGIN: &str = "<!-- sim corpus begins -->";
const END: &str = "<!-- sim corpus ends -->";

/// A kept case, and what came of it.
pub struct Kept {
    /// Where it is.
    pub path: PathBuf,
    /// The case.
    pub case: Case,
    /// What its violation says; empty if all held.
    pub sentence: String,
    /// How often it fails, and what mends it.
    pub mended: Mended,
}

/// A Markdown table of cases, a row each.
pub fn corpus(cases: &[Kept]) -> String {
    let mut out = format!(
        "| signature | mechanism | what is wrong in the end | plan | fails, of {SURE} noise seeds | mended by | first seed | case |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    for kept in cases {
        out += &row(kept);
    }
    out
}

fn row(Kept { path, case, sentence, mended }: &Kept) -> String {
    let mechanism = case.story.as_ref().map_or("", |story| &story.mechanism);
    let Count { operations, faults, devices, hosts, .. } = Count::of(&case.plan);
    let by = match mended {
        Mended { off: 0, .. } => "no switch is off".into(),
        rare if rare.is_too_rare() => "fails too rarely to say".into(),
        Mended { by, .. } if by.is_empty() => "none alone".into(),
        Mended { by, .. } => {
            by.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", or ")
        }
    };
    let seed = case.seed.map_or_else(|| "by hand".into(), |seed| seed.to_string());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let sentence = shortened(&printable(sentence)).replace('|', "\\|");
    format!(
        "| `{}` | {mechanism} | {sentence} | {operations} + {faults} faults, {devices} devices, {hosts} hosts | {} | {by} | {seed} | {name} |\n",
        case.expect, mended.failing
    )
}

/// The longest sentence in a row, in characters.
const LONGEST: usize = 200;

fn shortened(sentence: &str) -> String {
    match sentence.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &sentence[..at]),
        None => sentence.into(),
    }
}

/// A text with the table in the place of the one between its marks.
///
/// # Errors
/// A sentence, if the marks are not there.
pub fn with_table(text: &str, table: &str) -> Result<String, String> {
    let marks = || format!("no lines `{BEGIN}` and `{END}`: the table goes between them");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(marks)?;
    let (_, behind) = rest.split_once(END).ok_or_else(marks)?;
    Ok(format!("{before}{BEGIN}\n\n{table}\n{END}{behind}"))
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, with_table};

    #[test]
    fn the_table_replaces_what_is_between_its_marks() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let with = with_table(&text, "| new |\n").expect("marks");
        assert_eq!(with, format!("a\n{BEGIN}\n\n| new |\n\n{END}\nb\n"));
        assert_eq!(with_table(&with, "| new |\n"), Ok(with.clone()));
        assert!(with_table("a\n", "").is_err_and(|e| e.contains("between them")));
    }
}
