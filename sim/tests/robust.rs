//! Whatever is in a file: it is refused with a sentence, or it is a run that ends, or lines that are
//! judged. Nothing panics, nothing goes on without end.
//!
//! `FUZZ_CASES`, `FUZZ_SEED` and `FUZZ_MS` (how long a case is run) go further than every day's run.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};
use std::{
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use teamtalk_sim::{
    corpus,
    explore::{case_of, run_case},
    plan::{
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    record::{Stored, headed},
    report,
    run::{Runner, Until, Wanted, Why},
    world::judged,
};

/// A change of a document: where, what, and with what, as numbers that mean something in each.
#[derive(Debug, Clone)]
struct Change {
    at: usize,
    how: u8,
    with: usize,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (any::<u32>(), any::<u8>(), any::<u32>());
    let change =
        change.prop_map(|(at, how, with)| Change { at: at as usize, how, with: with as usize });
    vec(change, 1..3)
}

/// The ways to all values in a document.
fn places(value: &Value, at: String, found: &mut Vec<String>) {
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, v)| places(v, format!("{at}/{}", escaped(name)), found));
        }
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(n, v)| places(v, format!("{at}/{n}"), found));
        }
        _ => {}
    }
    found.push(at);
}

fn numbers() -> Vec<Value> {
    vec![
        json!(0),
        json!(1),
        json!(2),
        json!(-1),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(u32::MAX),
        json!(i32::MAX),
        json!(u16::MAX),
        json!(999_999),
        json!(1_000_000),
        json!(0.5),
        json!("7"),
    ]
}

fn texts() -> Vec<Value> {
    let long = "x".repeat(70_000);
    [
        "",
        "x",
        "msg1",
        "sql",
        "0x0301",
        "1-1",
        "1-4294967295",
        "g0",
        "null",
        "\0",
        "é",
        "tx 1: ",
        &long,
    ]
    .map(|text| json!(text))
    .into()
}

/// Makes a change.
fn change(document: &mut Value, Change { at, how, with }: &Change) {
    let mut all = Vec::new();
    places(document, String::new(), &mut all);
    // Half of the changes are of numbers: of those most can be what they say.
    let is_number = |place: &String| document.pointer(place).is_some_and(Value::is_number);
    let of_numbers = how % 16 > 7 && all.iter().any(is_number);
    if of_numbers {
        all.retain(is_number);
    }
    let at = all[at % all.len()].clone();
    let other = document.pointer(&all[with % all.len()]).cloned().unwrap_or_default();
    let Some(value) = document.pointer_mut(&at) else { return };
    match (how % 8, &mut *value) {
        (4 | 5, Value::Number(_)) if of_numbers => *value = other,
        (0, Value::Array(elements)) if !elements.is_empty() => {
            elements.remove(with % elements.len());
        }
        (1, Value::Array(elements)) if !elements.is_empty() => {
            elements.push(elements[with % elements.len()].clone());
        }
        (2, Value::Array(elements)) if !elements.is_empty() => {
            let (n, last) = (with % elements.len(), elements.len() - 1);
            elements.swap(n, last);
        }
        (0 | 1, Value::Object(fields)) if !fields.is_empty() => {
            let name = fields.keys().nth(with % fields.len()).cloned().unwrap_or_default();
            fields.remove(&name);
        }
        (2, Value::Object(fields)) if !fields.is_empty() => swap(fields, *with),
        (3, _) => *value = other,
        (4, Value::String(_)) => *value = texts()[with % texts().len()].clone(),
        (5, _) => *value = [json!(null), json!([]), json!({}), json!(true)][with % 4].clone(),
        _ => *value = numbers()[with % numbers().len()].clone(),
    }
}

/// Two fields have each other's values.
fn swap(fields: &mut Map<String, Value>, with: usize) {
    let names: Vec<String> = fields.keys().cloned().collect();
    let (a, b) = (&names[with % names.len()], &names[(with / 7) % names.len()]);
    let (of_a, of_b) = (fields[a].clone(), fields[b].clone());
    fields.insert(a.clone(), of_b);
    fields.insert(b.clone(), of_a);
}

/// The beginning of a text, at some character.
fn truncated(text: &str, at: usize) -> &str {
    let mut end = at % (text.len() + 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn of_environment(name: &str, otherwise: u32) -> u32 {
    let set = std::env::var(name).ok();
    set.map_or(otherwise, |n| n.parse().expect("FUZZ_CASES, FUZZ_SEED and FUZZ_MS are numbers"))
}

/// Tries `cases` values of a strategy.
fn fuzz<T: Debug>(
    cases: u32,
    strategy: impl Strategy<Value = T>,
    test: impl Fn(T) -> Result<(), TestCaseError>,
) {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&of_environment("FUZZ_SEED", 1).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let cases = of_environment("FUZZ_CASES", cases);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    match TestRunner::new_with_rng(config, rng).run(&strategy, test) {
        Ok(()) => {}
        Err(TestError::Fail(why, value)) => panic!("{why}\n{value:?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// A file of this test.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Cases of all kinds: small ones with faults, and generated ones, some with a past.
fn cases() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces");
    let paths = corpus::files(&folder);
    assert!(!paths.is_empty(), "traces/");
    let kept = paths.iter().map(|path| Case::read(path).unwrap_or_else(|e| panic!("{e}")));
    let past = (1..60)
        .map(|seed| case_of(seed, &ProtocolSpec::preset("hardened"), Profile::Default))
        .filter(|case| !case.plan.past.is_empty())
        .take(3);
    let bounds = case_of(2, &ProtocolSpec::preset("teamtalk"), Profile::Bounds);
    kept.chain(past)
        .chain([bounds])
        .map(|case| serde_json::to_value(case).expect("plain data"))
        .collect()
}

/// Reads what was made of a case, and runs it for a while if it can be run.
fn short_run(text: &str, path: &Path) -> Result<bool, TestCaseError> {
    fs::write(path, text).expect("writes");
    let Ok(case) = Case::read(path) else { return Ok(false) };
    let at_ms = of_environment("FUZZ_MS", 1_500).into();
    let until = Until { signature: String::new(), at_ms };
    let wanted = Wanted { until: Some(until), ..Wanted::default() };
    let runner = Runner { patience: Duration::from_secs(20), wanted, ..Runner::default() };
    match runner.run(&case) {
        Ok(_) => Ok(true),
        Err(failed) if matches!(failed.why, Why::Protocol(_)) => Ok(false),
        Err(failed) => Err(TestCaseError::fail(format!("{failed}: {}", path.display()))),
    }
}

#[test]
fn a_case_that_somebody_damaged_is_refused_or_is_a_run() {
    let (cases, path) = (cases(), file("robust-case.json"));
    let ran = std::cell::Cell::new(0);
    fuzz(500, (any::<usize>(), changes(), any::<Option<u16>>()), |(which, changes, cut)| {
        let mut document = cases[which % cases.len()].clone();
        changes.iter().for_each(|of| change(&mut document, of));
        let text = document.to_string();
        // Few are cut off.
        let cut = cut.filter(|at| at % 8 == 0);
        let text = cut.map_or(&*text, |at| truncated(&text, at as usize));
        ran.set(ran.get() + u32::from(short_run(text, &path)?));
        Ok(())
    });
    println!("{} could be run", ran.get());
    assert!(ran.get() > 50, "only {} of them could be run", ran.get());
}

#[test]
fn a_protocol_file_that_somebody_damaged_is_refused_or_is_one() {
    let parts = ["\"hardened\"", "unread-from-store", "false", "\"0204.user_id_list\"", "100"];
    let [preset, switch, on, limit, most] = parts;
    let whole =
        format!("preset = {preset}\n[overrides]\n{switch} = {on}\n[limits]\n{limit} = {most}\n");
    let (path, taken) = (file("robust.toml"), std::cell::Cell::new(0));
    fs::write(&path, &whole).expect("writes");
    let name = path.to_str().expect("UTF-8");
    assert_eq!(ProtocolSpec::parse(name).map(|spec| spec.overrides.len()), Ok(1), "it is one");
    let change = (any::<usize>(), any::<usize>(), any::<u8>(), any::<bool>());
    fuzz(300, change, |(at, to, how, cut)| {
        let words =
            ["0", "-1", "18446744073709551616", "[", "\"", "\n[[x]]\n", "é", "\0", "=", "\n"];
        // What stands for other values: most of these can be what they say.
        let values = [
            "\"teamtalk\"",
            "true",
            "one-push",
            "hear-silence",
            "\"0309.rate\"",
            "1",
            "5000",
            "5001",
        ];
        let mut text = whole.clone();
        if how % 2 == 0 {
            let part = parts[at % parts.len()];
            text = text.replacen(part, values[to % values.len()], 1);
        } else {
            let (from, to) = (truncated(&whole, at).len(), truncated(&whole, to).len());
            text.replace_range(from.min(to)..from.max(to), words[how as usize % words.len()]);
        }
        let text = if cut && how % 4 == 1 { truncated(&text, at) } else { &text };
        fs::write(&path, text).expect("writes");
        if let Ok(spec) = ProtocolSpec::parse(name) {
            prop_assert!(spec.resolve().is_ok() && spec.resolve_limits().is_ok());
            taken.set(taken.get() + u32::from(text != whole));
        }
        Ok(())
    });
    println!("{} are protocol files", taken.get());
    assert!(taken.get() > 15, "only {} of them are protocol files", taken.get());
}

/// The text of traces, the shorter ones of some: each is read again and again.
fn traces() -> Vec<String> {
    let cases = cases();
    let some = cases.iter().step_by(cases.len() / 8);
    let mut traces: Vec<_> = some
        .map(|case| {
            let case = Case::of(case.clone()).expect("a case");
            let trace = run_case(&case).expect("it runs").trace;
            headed(&case, &trace, true)
        })
        .collect();
    traces.sort_by_key(String::len);
    traces.truncate(5);
    println!("traces of {:?} bytes", traces.iter().map(String::len).collect::<Vec<_>>());
    traces
}

/// Lines of a trace, some of which are others; `renumber`: so that they can follow each other.
fn altered(text: &str, edits: &[(u32, u8, Vec<Change>)], renumber: bool) -> String {
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    for (at, how, changes) in edits {
        let n = *at as usize % lines.len();
        match how % 8 {
            0 => _ = lines.remove(n),
            1 => lines.insert(n, lines[n].clone()),
            2 => {
                let other = changes[0].at % lines.len();
                lines.swap(n, other);
            }
            _ => {
                let mut line = serde_json::from_str(&lines[n]).unwrap_or_default();
                changes.iter().for_each(|of| change(&mut line, of));
                lines[n] = line.to_string();
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    if renumber {
        let (count, mut latest) = (lines.len().saturating_sub(1), 0);
        for (n, line) in lines.iter_mut().enumerate() {
            let Ok(mut value) = serde_json::from_str::<Value>(line) else { continue };
            match n {
                0 if value.is_object() => value["lines"] = json!(count),
                n if value.is_object() => {
                    value["n"] = json!(n - 1);
                    if let Some(at) = value["sim_us"].as_u64() {
                        latest = at.max(latest);
                        value["sim_us"] = json!(latest);
                    }
                }
                _ => continue,
            }
            *line = value.to_string();
        }
    }
    lines.join("\n")
}

#[test]
fn a_trace_that_somebody_damaged_is_refused_or_judged() {
    let traces = traces();
    let (read, judged_too) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let edit = (any::<u32>(), any::<u8>(), changes());
    let edits = (any::<usize>(), vec(edit, 1..3), any::<u8>());
    fuzz(150, edits, |(which, edits, how)| {
        let text = altered(&traces[which % traces.len()], &edits, how % 8 != 0);
        let text = if how % 16 == 1 { truncated(&text, which) } else { &text };
        let Ok(Stored { header, trace }) = Stored::parse(text.as_bytes()) else { return Ok(()) };
        read.set(read.get() + 1);
        let outcome = match judged(&header, trace) {
            Ok(outcome) => outcome,
            Err(why) => {
                println!("{why}");
                return Ok(());
            }
        };
        judged_too.set(judged_too.get() + 1);
        for violation in &outcome.violations {
            report::card(&header.case, &outcome, violation, "");
        }
        Ok(())
    });
    let (read, judged_too) = (read.get(), judged_too.get());
    println!("{read} were read, {judged_too} judged");
    assert!(read > 20 && judged_too * 10 > read * 9, "{read} read, {judged_too} judged");
}
