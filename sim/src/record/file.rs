//! A trace as a file: a header in the first line, so that it stands for itself, then its lines.

use super::{Line, Reader, Trace};
use crate::{
    plan::{
        Role, TICK_MS,
        case::Case,
        json::{json, what_it_is},
    },
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
        let mut document = header(text).ok_or_else(|| match json(text) {
            Ok(line) if what_it_is(&line).is_none() => {
                "it has no header; traces of builds before 2026-11-29 have none, and say too little to be \
                 judged: run the seed or the case again with --trace"
            }
            _ => {
                "it is no trace, as `run --trace` and `replay --trace` write one: its first line is no \
                 header and no event"
            }
        })?;
        let wrong = |e: String| format!("line 1: {e}");
        let fields = document.as_object_mut().ok_or("no header")?;
        let mut take = |field: &str| fields.remove(field).unwrap_or_default();
        let (_, format) = (take("kind"), take("format"));
        is_of_this_format(&format).map_err(wrong)?;
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

fn is_of_this_format(format: &Json) -> Result<(), String> {
    match *format == FORMAT {
        true => Ok(()),
        false => {
            Err(format!("format version {format}, but this build reads format version {FORMAT}"))
        }
    }
}

/// Whether as many lines were found as a header says.
fn all_are_there(found: u64, said: u64) -> Result<(), String> {
    if found == said {
        return Ok(());
    }
    Err(format!("{found} lines, but its header says {said}: is the file truncated?"))
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
        of_file(path, |file| Self::parse(file))
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
        all_are_there(trace.lines.len() as u64, header.lines)?;
        Ok(Self { header, trace })
    }
}

/// A trace file to compare: its lines as they are written. It may be of another build, whose lines mean something
/// else, and of one from before there were headers.
#[derive(Debug, Clone)]
pub struct Written {
    /// The header, if it has one.
    pub header: Option<Json>,
    /// The lines behind it.
    pub lines: Vec<String>,
}

impl Written {
    /// Reads a file. Each of its lines is one of a trace, and if its header counts them all are there.
    ///
    /// # Errors
    /// A sentence that names the file and the line, as of [`Stored::read`].
    pub fn read(path: &Path) -> Result<Self, String> {
        of_file(path, |file| Self::parse(file))
    }

    fn parse(mut from: impl BufRead) -> Result<Self, String> {
        let mut written = Self { header: None, lines: Vec::new() };
        for n in 1.. {
            let wrong = |e: String| format!("line {n}: {e}");
            let Some(text) = next_line(&mut from).map_err(|e| wrong(e.to_string()))? else { break };
            let document = json(&text).map_err(wrong)?;
            if n == 1 && document["kind"] == KIND {
                is_of_this_format(&document["format"]).map_err(wrong)?;
                written.header = Some(document);
                continue;
            }
            let next = written.lines.len();
            is_next(&document["n"], next as u64).map_err(wrong)?;
            written.lines.push(text);
        }
        let count = |header: &Json| header["lines"].as_u64().ok_or("line 1: no count of lines");
        match written.header.as_ref().map(count).transpose()? {
            Some(said) => all_are_there(written.lines.len() as u64, said)?,
            None if written.lines.is_empty() => return Err("it has no lines: no trace".into()),
            None => {}
        }
        Ok(written)
    }

    /// The number in its file, as an editor counts, of the n-th line, counted from 0.
    pub fn number(&self, n: usize) -> usize {
        n + 1 + usize::from(self.header.is_some())
    }
}

/// Reads a file that is no larger than a trace may be.
fn of_file<T>(
    path: &Path,
    parse: impl FnOnce(&mut BufReader<io::Take<fs::File>>) -> Result<T, String>,
) -> Result<T, String> {
    let named = |e: String| format!("{}: {e}", path.display());
    let file = fs::File::open(path).map_err(|e| named(e.to_string()))?;
    within(file, LARGEST_FILE, parse).map_err(named)
}

/// Reads so many bytes at most. What is longer is not taken for one that was cut off there.
fn within<R: Read, T>(
    from: R,
    most: u64,
    parse: impl FnOnce(&mut BufReader<io::Take<R>>) -> Result<T, String>,
) -> Result<T, String> {
    let mut from = BufReader::new(from.take(most + 1));
    let parsed = parse(&mut from);
    match from.get_ref().limit() {
        0 => Err(format!("larger than {most} bytes: no trace")),
        _ => parsed,
    }
}

/// Whether the field `n` of a line is that of the next one.
fn is_next(n: &Json, next: u64) -> Result<(), String> {
    match *n == next {
        true => Ok(()),
        false => Err(format!("field `n`: {n}, but this is line {next} of the trace")),
    }
}

/// Whether a line can be the next one in a run of the case. The hosts of a tick come one after the
/// other: the time of one that comes later may be earlier, within the tick.
fn can_follow(case: &Case, next: u64, latest_us: u64, line: &Line) -> Result<(), String> {
    is_next(&line.n.into(), next)?;
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

#[cfg(test)]
mod tests {
    use super::{Written, within};

    #[test]
    fn what_is_longer_than_a_trace_may_be_is_not_taken_for_one_that_was_cut_off() {
        let text = "{\"n\":0}\n{\"n\":1}\n";
        let read = |most| within(text.as_bytes(), most, |from| Written::parse(from));
        assert_eq!(read(text.len() as u64).map(|trace| trace.lines.len()), Ok(2));
        for most in 0..text.len() as u64 {
            let refused = read(most).map(|_| ()).expect_err("too long");
            assert_eq!(refused, format!("larger than {most} bytes: no trace"));
        }
    }
}
