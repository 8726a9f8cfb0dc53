//! A trace as a file: a header in the first line, so that it stands for itself, then its lines.

use super::{Line, Reader, Trace};
use crate::{
    plan::{Role, TICK_MS, case::Case, json::json},
    world::LONGEST_RUN_MS,
};
use serde_json::{Value as Json, json};
use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

/// The version of the file format that this build reads and writes.
pub const FORMAT: u32 = 1;
/// No trace file is larger, in bytes.
pub const LARGEST_FILE: u64 = 1 << 30;
/// No line of one is longer, in bytes.
const LONGEST_LINE: u64 = 64 << 20;
/// What the `kind` of a header is.
const KIND: &str = "header";

/// What a trace file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The build that ran it.
    pub build: String,
    /// The case as it was run.
    pub case: Case,
    /// Whether the run came to its end; if it was given up, nobody knows what would have come of
    /// what was owed.
    pub ended: bool,
    /// How many lines follow: fewer are a file that was cut off.
    pub lines: u64,
}

impl Header {
    /// Of a run of this build.
    pub fn of(case: &Case, trace: &Trace, ended: bool) -> Self {
        let build = env!("CARGO_PKG_VERSION").into();
        Self { build, case: case.clone(), ended, lines: trace.lines.len() as u64 }
    }

    /// The first line of a file, without its end.
    pub fn to_json(&self) -> String {
        let Self { build, case, ended, lines } = self;
        let header = json!({"kind": KIND, "format": FORMAT, "build": build, "case": case,
            "ended": ended, "lines": lines});
        header.to_string()
    }

    /// Reads the first line of a file.
    fn read(text: &str) -> Result<Self, String> {
        let mut document = header(text).ok_or(
            "it has no header; traces of builds before 2026-11-29 have none, and say too little to be \
             judged: run the seed or the case again with --trace",
        )?;
        let wrong = |e: String| format!("line 1: {e}");
        let fields = document.as_object_mut().ok_or("no header")?;
        let mut take = |field: &str| fields.remove(field).unwrap_or_default();
        let (_, format) = (take("kind"), take("format"));
        if format != FORMAT {
            return Err(wrong(format!(
                "format version {format}, but this build reads format version {FORMAT}"
            )));
        }
        let build = take("build");
        let build =
            build.as_str().ok_or_else(|| wrong("field `build`: expected a string".into()))?;
        let ended = take("ended").as_bool();
        let ended = ended.ok_or_else(|| wrong("field `ended`: expected a boolean".into()))?;
        let lines = take("lines").as_u64();
        let lines = lines.ok_or_else(|| wrong("field `lines`: expected a number".into()))?;
        let case = Case::of(take("case")).map_err(|e| wrong(format!("field `case`: {e}")))?;
        match fields.keys().next() {
            None => Ok(Self { build: build.into(), case, ended, lines }),
            Some(field) => Err(wrong(format!("unknown field `{field}`"))),
        }
    }
}

/// The header in a line, if it is one.
fn header(line: &str) -> Option<Json> {
    json(line).ok().filter(|document| document["kind"] == KIND)
}

/// A trace that was read from a file.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What it says of itself.
    pub header: Header,
    /// Its lines.
    pub trace: Trace,
}

impl Stored {
    /// Reads a file. What is read could have been written by a run.
    ///
    /// # Errors
    /// A sentence that names the file, the line in it and what was expected.
    pub fn read(path: &Path) -> Result<Self, String> {
        let at = path.display();
        let file = fs::File::open(path).map_err(|e| format!("{at}: {e}"))?;
        let file = BufReader::new(file.take(LARGEST_FILE));
        Self::parse(file).map_err(|e| format!("{at}: {e}"))
    }

    /// The same, of the text of a file.
    ///
    /// # Errors
    /// A sentence that names the line and what was expected.
    pub fn parse(mut from: impl BufRead) -> Result<Self, String> {
        let first = next_line(&mut from).map_err(|e| format!("line 1: {e}"))?;
        let header = Header::read(&first.unwrap_or_default())?;
        let mut reader = Reader::default();
        let (mut trace, mut latest_us) = (Trace::default(), 0);
        // As an editor counts, the header is line 1.
        for n in 2.. {
            let wrong = |e: String| format!("line {n}: {e}");
            let Some(text) = next_line(&mut from).map_err(|e| wrong(e.to_string()))? else { break };
            let line = reader.line(&text).map_err(wrong)?;
            can_follow(&header.case, trace.lines.len() as u64, latest_us, &line).map_err(wrong)?;
            latest_us = latest_us.max(line.sim_us);
            trace.lines.push(line);
        }
        let (found, said) = (trace.lines.len() as u64, header.lines);
        if found != said {
            return Err(format!(
                "{found} lines, but its header says {said}: is the file truncated?"
            ));
        }
        Ok(Self { header, trace })
    }
}

/// Whether a line can be the next one in a run of the case. The hosts of a tick come one after the
/// other: the time of one that comes later may be earlier, within the tick.
fn can_follow(case: &Case, next: u64, latest_us: u64, line: &Line) -> Result<(), String> {
    if line.n != next {
        return Err(format!("field `n`: {}, but this is line {next} of the trace", line.n));
    }
    let (least, most) = (latest_us.saturating_sub(TICK_MS * 1_000), LONGEST_RUN_MS * 1_000);
    if !(least..=most).contains(&line.sim_us) {
        return Err(format!("field `sim_us`: {} is not within {least} to {most}", line.sim_us));
    }
    if line.host.role() != Role::World && case.plan.node(&line.host).is_none() {
        return Err(format!("field `host`: `{}` is not among the plan's nodes", line.host));
    }
    Ok(())
}

/// The next line without its end, which the last one may lack.
fn next_line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.len() as u64 == LONGEST_LINE {
        return Err(io::Error::other(format!("longer than {LONGEST_LINE} bytes")));
    }
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    String::from_utf8(line).map(Some).map_err(io::Error::other)
}

/// A trace with its header, as a file has it.
pub fn headed(case: &Case, trace: &Trace, ended: bool) -> String {
    let header = Header::of(case, trace, ended).to_json();
    header + "\n" + &trace.to_jsonl()
}

/// The header of a trace file, if it has one, and its lines.
pub fn parted(text: &str) -> (Option<Json>, &str) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    match header(first) {
        Some(header) => (Some(header), rest),
        None => (None, text),
    }
}

/// In what two headers differ, a place each.
pub fn difference(left: Option<&Json>, right: Option<&Json>) -> Vec<String> {
    match (left, right) {
        (Some(left), Some(right)) => {
            let mut found = Vec::new();
            differ(left, right, "", &mut found);
            found
        }
        (None, None) => Vec::new(),
        (Some(_), None) => vec!["only the first one has a header".into()],
        (None, Some(_)) => vec!["only the second one has a header".into()],
    }
}

/// A longer value is not shown.
const SHOWN: usize = 60;

fn differ(left: &Json, right: &Json, at: &str, found: &mut Vec<String>) {
    if left == right {
        return;
    }
    let absent = &Json::Null;
    match (left, right) {
        (Json::Object(a), Json::Object(b)) => {
            let more = b.keys().filter(|name| !a.contains_key(*name));
            for name in a.keys().chain(more) {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                let side = |of: &serde_json::Map<_, _>| of.get(name).unwrap_or(absent).clone();
                differ(&side(a), &side(b), &at, found);
            }
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            for (n, (a, b)) in a.iter().zip(b).enumerate() {
                differ(a, b, &format!("{at}[{n}]"), found);
            }
        }
        _ => {
            let shown = |of: &Json| match of {
                Json::Array(all) => format!("{} elements", all.len()),
                Json::Object(_) => "an object".into(),
                Json::Null => "nothing".into(),
                other => match other.to_string() {
                    long if long.chars().count() > SHOWN => "a long text".into(),
                    short => short,
                },
            };
            found.push(format!("{at}: {} and {}", shown(left), shown(right)));
        }
    }
}
