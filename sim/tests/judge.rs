//! A trace stands for itself: what is read back from a file is what was written, and is judged as the
//! run was.

use std::collections::BTreeSet;
use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    properties::Violation,
    record::{Kind, Line, Stored, Trace, headed},
    world::{judge, judged},
};

fn signatures(violations: &[Violation]) -> BTreeSet<String> {
    violations.iter().map(Violation::signature).collect()
}

/// The kinds of lines in a trace, and whether the lines, read back, are the same and are judged the
/// same.
fn round_trip(case: &Case, what: &str) -> Trace {
    let trace = run_case(case).unwrap_or_else(|e| panic!("{what}: {e}")).trace;
    let text = headed(case, &trace, true);
    let stored = Stored::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let pairs = trace.lines.iter().zip(&stored.trace.lines);
    for (written, read) in pairs {
        assert_eq!(written, read, "{what}");
    }
    assert_eq!(trace.lines.len(), stored.trace.lines.len(), "{what}");
    assert_eq!(&stored.header.case, case, "{what}");
    assert_eq!(stored.trace.hash(), trace.hash(), "{what}");
    let reference = judge(case, &trace.lines).expect("a preset resolves");
    let outcome = judged(&stored.header, stored.trace).expect("lines of a run");
    assert_eq!(signatures(&outcome.violations), signatures(&reference), "{what}");
    trace
}

#[test]
fn what_is_read_back_is_what_was_written_and_is_judged_the_same() {
    let (mut statements, mut violated) = (0, 0);
    for preset in ["hardened", "teamtalk"] {
        for seed in 1..=10 {
            let profile = if seed <= 6 { Profile::Default } else { Profile::Calm };
            let case = case_of(seed, &ProtocolSpec::preset(preset), profile);
            let trace = round_trip(&case, &format!("seed {seed} of {preset}"));
            let is_statement = |line: &&Line| matches!(line.kind, Kind::Store(_));
            statements += trace.lines.iter().filter(is_statement).count();
            violated += usize::from(!judge(&case, &trace.lines).expect("resolves").is_empty());
        }
    }
    assert!(statements > 10_000 && violated > 3, "{statements} statements, {violated} violated");
}

fn refusal(text: &str) -> String {
    Stored::parse(text.as_bytes()).map(|_| ()).expect_err("refused")
}

#[test]
fn what_is_no_trace_is_refused_with_its_line() {
    let case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
    let mut trace = run_case(&case).expect("a preset resolves").trace;
    trace.lines.truncate(50);
    let text = headed(&case, &trace, true);
    assert!(Stored::parse(text.as_bytes()).is_ok());
    let (header, lines) = text.split_once('\n').expect("a header");
    assert!(refusal(lines).starts_with("it has no header; traces of builds before"));
    assert!(refusal("").starts_with("it is no trace"));
    let shorter = text.rsplitn(3, '\n').last().expect("all but one");
    assert!(refusal(shorter).contains("49 lines, but its header says 50: is the file truncated?"));
    assert!(refusal(&text[..text.len() - 20]).starts_with("line 51: not a whole JSON document"));
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        refusal(&text.replacen(from, to, 1))
    };
    assert_eq!(
        with("\"format\":1,\"kind\"", "\"format\":2,\"kind\""),
        "line 1: format version 2, but this build reads format version 1"
    );
    assert!(with("\"ended\":true", "\"ended\":1").starts_with("line 1: field `ended`: "));
    assert!(with("\"horizon_ms\":", "\"horizon\":").starts_with("line 1: field `case`: "));
    assert!(with("\"n\":3,", "\"n\":4,").starts_with("line 5: field `n`: 4, but this is line 3"));
    assert!(with("\"host\":\"world\"", "\"host\":\"msg77\"").contains("`msg77` is not among"));
    let (first, _) = lines.split_once('\n').expect("a line");
    let more = first.replacen('{', "{\"x\":1,", 1);
    assert!(refusal(&format!("{header}\n{more}\n")).contains("unknown field `x`"));
}
