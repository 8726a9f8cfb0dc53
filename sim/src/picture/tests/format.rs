//! A reader of the Trace Event Format, after its own description ("Trace Event Format", Google), and what
//! it finds in our files: as much as the trace has.

use super::{kept, run, small};
use crate::{
    picture::perfetto,
    plan::case::Case,
    record::{Kind, Trace},
    world::Outcome,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::fact::Fact;

type Track = (u64, u64);

/// A file, as far as we write it.
#[derive(Debug, Default)]
struct Read {
    /// Complete events (`X`): track, begin, end, category.
    slices: Vec<(Track, u64, u64, String)>,
    /// Flow events (`s`, `f`) by id: when it starts and when it ends.
    flows: BTreeMap<u64, (u64, Option<u64>)>,
    /// Nestable async events (`b`, `e`): category, begin, end.
    spans: Vec<(String, u64, u64)>,
    /// Instant events (`i`): category, name, time.
    instants: Vec<(String, String, u64)>,
    processes: BTreeMap<u64, String>,
    threads: BTreeMap<Track, String>,
}

/// Reads a file.
///
/// # Panics
/// If it is not what the format says.
fn read(text: &str) -> Read {
    let file: Value = serde_json::from_str(text).expect("JSON");
    let unit = file["displayTimeUnit"].as_str().expect("a unit");
    assert!(["ms", "ns"].contains(&unit), "{unit}");
    let mut read = Read::default();
    let mut open: BTreeMap<(String, String), (String, u64)> = BTreeMap::new();
    // The slices of a track that are open, by their ends.
    let mut stacks: BTreeMap<Track, Vec<u64>> = BTreeMap::new();
    let (mut now, mut before) = (0, Value::Null);
    for event in file["traceEvents"].as_array().expect("an array") {
        let text = |name: &str| event[name].as_str().unwrap_or_else(|| panic!("{name}: {event}"));
        let number = |name: &str| event[name].as_u64().unwrap_or_else(|| panic!("{name}: {event}"));
        let (track, name) = ((number("pid"), number("tid")), text("name").to_string());
        let ph = text("ph");
        if ph == "M" {
            let called = || event["args"]["name"].as_str().expect("a name").to_string();
            let is_new = match &*name {
                "process_name" => read.processes.insert(track.0, called()).is_none(),
                "thread_name" => read.threads.insert(track, called()).is_none(),
                "process_sort_index" | "thread_sort_index" => event["args"]["sort_index"].is_u64(),
                _ => false,
            };
            assert!(is_new, "{event}");
            continue;
        }
        let (ts, cat) = (number("ts"), text("cat").to_string());
        assert!(now <= ts, "not in the order of time: {event}");
        now = ts;
        match ph {
            "X" => {
                let end = ts + number("dur");
                let stack = stacks.entry(track).or_default();
                stack.retain(|open| *open > ts);
                assert!(
                    stack.last().is_none_or(|outer| end <= *outer),
                    "neither nests nor follows: {event}"
                );
                stack.push(end);
                read.slices.push((track, ts, end, cat));
            }
            "s" | "f" => {
                // Bound to the slice that encloses it: the one that has just begun on its track.
                let own = |of: &str| before[of] == event[of];
                assert!(before["ph"] == "X" && own("ts") && own("pid") && own("tid"), "{event}");
                assert_eq!((&*name, &*cat), ("pdu", "pdu"), "one name and category at both ends");
                let id = number("id");
                if ph == "s" {
                    assert!(read.flows.insert(id, (ts, None)).is_none(), "starts twice: {event}");
                } else {
                    assert_eq!(text("bp"), "e");
                    let known =
                        read.flows.get_mut(&id).unwrap_or_else(|| panic!("no start: {event}"));
                    assert!(known.1.replace(ts).is_none(), "ends twice: {event}");
                }
            }
            "b" => {
                let key = (cat, text("id").to_string());
                assert!(u64::from_str_radix(key.1.trim_start_matches("0x"), 16).is_ok(), "{event}");
                assert!(open.insert(key, (name, ts)).is_none(), "is open: {event}");
            }
            "e" => {
                let begun = open.remove(&(cat.clone(), text("id").to_string()));
                let (begun, from) = begun.unwrap_or_else(|| panic!("is not open: {event}"));
                assert_eq!(begun, name);
                read.spans.push((cat, from, ts));
            }
            "i" => {
                assert!(["g", "p", "t"].contains(&text("s")), "{event}");
                read.instants.push((cat, name, ts));
            }
            other => panic!("`{other}` is no phase that we write: {event}"),
        }
        assert!(read.threads.contains_key(&track), "a thread without a name: {event}");
        before = event.clone();
    }
    assert!(open.is_empty(), "never end: {open:?}");
    let endless: Vec<_> = read.flows.iter().filter(|(_, (_, end))| end.is_none()).collect();
    assert!(endless.is_empty(), "flows without an end: {endless:?}");
    assert!(read.flows.values().all(|(from, to)| Some(*from) <= *to), "against time");
    assert!(read.threads.keys().all(|(pid, _)| read.processes.contains_key(pid)));
    let threads: BTreeSet<u64> = read.threads.keys().map(|(_, tid)| *tid).collect();
    assert_eq!(threads.len(), read.threads.len(), "trace_processor knows threads by their tid");
    read
}

/// How many lines of a trace are so.
fn lines(trace: &Trace, is: impl Fn(&Kind) -> bool) -> usize {
    trace.lines.iter().filter(|line| is(&line.kind)).count()
}

/// Reads the picture of a run, and compares it with its trace.
fn compared(case: &Case, outcome: &Outcome) -> Read {
    let text = perfetto(case, outcome);
    assert_eq!(text, perfetto(case, outcome), "the same bytes");
    let (read, trace) = (read(&text), &outcome.trace);
    let of = |cat: &str| read.slices.iter().filter(|slice| slice.3 == cat).count();
    let sent = lines(trace, |kind| matches!(kind, Kind::PduSent(_)));
    let received = lines(trace, |kind| matches!(kind, Kind::PduReceived(_)));
    assert_eq!((of("pdu_sent"), of("pdu_received")), (sent, received));
    // Whoever reads a PDU reads one that was written.
    let written = trace.lines.iter().filter_map(|line| match &line.kind {
        Kind::PduSent(frame) => Some((frame.conn, frame.end, frame.k)),
        _ => None,
    });
    let written: BTreeSet<_> = written.collect();
    let arrives = |kind: &Kind| matches!(kind, Kind::PduReceived(f) if written.contains(&(f.conn, f.end.other(), f.k)));
    assert_eq!(read.flows.len(), lines(trace, arrives));
    let spans = |cat: &str| read.spans.iter().filter(|span| span.0 == cat).count();
    assert_eq!(spans("fault"), lines(trace, |kind| matches!(kind, Kind::FaultStart { .. })));
    let added = |kind: &Kind| matches!(kind, Kind::Fact(Fact::SendListAdded { .. }));
    assert_eq!(spans("send_list"), lines(trace, added));
    let instants = |cat: &str| read.instants.iter().filter(|instant| instant.0 == cat).count();
    let commits = |kind: &Kind| matches!(kind, Kind::Store(applied) if !applied.changed.is_empty());
    assert_eq!(instants("commit"), lines(trace, commits));
    let row = |kind: &Kind| {
        matches!(
            kind,
            Kind::Row { .. }
                | Kind::SessionRow { .. }
                | Kind::RelationRow { .. }
                | Kind::MemberRow { .. }
        )
    };
    assert_eq!(instants("row"), lines(trace, row));
    assert_eq!(instants("fact"), lines(trace, |kind| matches!(kind, Kind::Fact(_))));
    assert_eq!(instants("violation"), outcome.violations.len());
    for (_, name, at) in read.instants.iter().filter(|instant| instant.0 == "violation") {
        let signature = name.strip_prefix("VIOLATED ").expect("a signature");
        let broken_by = outcome.broken_by.get(signature);
        let line = broken_by.map_or(trace.lines.last(), |n| trace.lines.iter().find(|l| l.n == *n));
        assert_eq!(Some(*at), line.map(|line| line.sim_us), "{name}");
    }
    read
}

#[test]
fn the_file_for_perfetto_has_what_the_trace_has() {
    let case = small("cut");
    let read = compared(&case, &run(&case));
    assert!(read.spans.iter().any(|(cat, from, to)| cat == "fault" && from < to), "the cut");
    let names: Vec<_> = read.processes.values().map(String::as_str).collect();
    for host in ["violations", "client1", "msg1", "db2", "redis", "sql"] {
        assert!(names.contains(&host), "{host}: {names:?}");
    }
    let tracks: BTreeSet<_> = read.threads.values().collect();
    assert!(tracks.iter().any(|name| name.contains(" to msg1:8000, device ")), "{tracks:?}");
    let lost = read.slices.len() - 2 * read.flows.len();
    assert!(lost > 0, "what the cut swallowed has no arrow");
}

#[test]
fn every_kept_case_has_a_file_for_perfetto() {
    // A third of them, and the rig's panic among them.
    for case in
        kept().iter().filter(|case| case.plan.noise % 3 == 0 || case.expect.contains("panic"))
    {
        compared(case, &run(case));
    }
}

#[test]
fn pdus_are_decoded_and_the_one_that_broke_it_is_marked() {
    let case = small("met");
    let outcome = run(&case);
    let text = perfetto(&case, &outcome);
    let file: Value = serde_json::from_str(&text).expect("JSON");
    let events = file["traceEvents"].as_array().expect("an array");
    let message = events.iter().find(|event| event["name"] == "MSG_DATA").expect("a message");
    let (args, content) = (&message["args"], &message["args"]["content"]);
    assert!(content.as_str().is_some_and(|text| text.starts_with("op-")), "{message}");
    assert_eq!((&args["pdu"]["msg_data"], &args["command"]), (content, &"0x0301".into()));
    let ack = events.iter().find(|event| event["name"] == "MSG_DATA_ACK").expect("an ack");
    assert!(ack["args"]["msg_id"].is_u64() && ack["args"]["conversation"].is_string(), "{ack}");
    let n = outcome.broken_by[&case.expect];
    let marked: Vec<_> = events.iter().filter(|event| event["args"]["line"] == n).collect();
    assert!(!marked.is_empty(), "line {n} is there");
}

#[test]
#[should_panic(expected = "neither nests nor follows")]
fn a_slice_that_overlaps_another_is_found() {
    let track = r#""pid":1,"tid":2,"cat":"a","name":"b""#;
    read(&format!(
        r#"{{"displayTimeUnit":"ms","traceEvents":[
        {{"ph":"M","name":"process_name","pid":1,"tid":2,"args":{{"name":"p"}}}},
        {{"ph":"M","name":"thread_name","pid":1,"tid":2,"args":{{"name":"t"}}}},
        {{"ph":"X",{track},"ts":0,"dur":10}},{{"ph":"X",{track},"ts":5,"dur":10}}]}}"#
    ));
}

#[test]
#[should_panic(expected = "flows without an end")]
fn a_flow_with_one_end_is_found() {
    let track = r#""pid":1,"tid":2"#;
    read(&format!(
        r#"{{"displayTimeUnit":"ms","traceEvents":[
        {{"ph":"M","name":"process_name",{track},"args":{{"name":"p"}}}},
        {{"ph":"M","name":"thread_name",{track},"args":{{"name":"t"}}}},
        {{"ph":"X",{track},"name":"a","cat":"a","ts":0,"dur":10}},
        {{"ph":"s",{track},"name":"pdu","cat":"pdu","id":1,"ts":0}}]}}"#
    ));
}

/// docs/PICTURE.md has the categories that are written, and the queries as they are.
#[test]
fn the_document_says_what_is_in_the_file_and_shows_the_queries() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = |path: &str| std::fs::read_to_string(root.join(path)).expect("it is there");
    let document = text("docs/PICTURE.md");
    let (_, table) = document.split_once("| category | phase |").expect("a table");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let name = |row: &str| Some(row.strip_prefix("| `")?.split_once('`')?.0.to_string());
    let described: BTreeSet<String> = table.lines().filter_map(name).collect();
    let mut written = BTreeSet::new();
    for case in [small("cut"), small("met")] {
        let file: Value = serde_json::from_str(&perfetto(&case, &run(&case))).expect("JSON");
        let events = file["traceEvents"].as_array().expect("an array").iter();
        written.extend(events.filter_map(|event| event["cat"].as_str().map(String::from)));
    }
    // Nothing happens to a process in these two.
    written.insert("host".into());
    assert_eq!(described, written);
    for query in ["acks-without-row", "send-to-shown", "in-flight-at-a-cut"] {
        let query = text(&format!("scripts/perfetto/{query}.sql"));
        let shown: Vec<_> = query.lines().map(|line| format!("    {line}")).collect();
        assert!(document.contains(&shown.join("\n")), "{query}");
    }
}
