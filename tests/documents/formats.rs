//! docs/FORMATS.md has the fields that the code reads and writes, and no others.

use crate::{
    ROOT,
    probe::{expected, keeps, object, required},
    quoted, read, section, tables,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use teamtalk::{client::Conduct, fact::Fact};
use teamtalk_sim::{
    campaign::{self, Find, Results},
    corpus,
    explore::{SeedReport, run_case},
    parity,
    plan::{
        Between, Clock, Device, Fault, Group, Migration, Node, Operation, Past, PastGroup,
        PastMessage, PastPair, PastSession, Plan, Role, Side, Step, Trouble,
        case::{Case, FORMAT, ProtocolSpec, Protocols},
        generate::{Clients, Deployment, Profile, deployment, generate},
    },
    record::{self, Header, Kind, Line, Trace},
    verify,
};

type Names = BTreeSet<String>;

fn document() -> String {
    read("docs/FORMATS.md")
}

/// The names in the first column of a section's n-th table.
fn fields(text: &str, heading: &str, n: usize) -> Names {
    let section = section(text, heading);
    let tables = tables(section);
    let names = tables[n].iter().map(|row| quoted(row[0]).next().expect("a name").to_string());
    names.collect()
}

/// The further fields of each kind in a section's n-th table.
fn further(text: &str, heading: &str, n: usize) -> BTreeMap<String, Names> {
    let section = section(text, heading);
    let tables = tables(section);
    let row = |row: &Vec<&str>| {
        let kind = quoted(row[0]).next().expect("a name").to_string();
        (kind, quoted(row[1]).map(String::from).collect())
    };
    tables[n].iter().map(row).collect()
}

#[test]
fn the_tables_of_a_case_have_the_fields_of_its_types() {
    let text = document();
    let wrong = json!({"?": 0});
    for (heading, n, actual) in [
        ("## Case", 0, expected::<Case>(wrong.clone())),
        ("### Protocols", 0, expected::<Protocols>(wrong.clone())),
        ("### Protocols", 1, expected::<ProtocolSpec>(wrong.clone())),
        ("### Plan", 0, expected::<Plan>(wrong.clone())),
        ("### Node", 0, expected::<Node>(wrong.clone())),
        ("### Node", 1, expected::<Clock>(wrong.clone())),
        ("### Migration", 0, expected::<Migration>(wrong.clone())),
        ("### Device", 0, expected::<Device>(wrong.clone())),
        ("### Device", 1, expected::<Conduct>(wrong.clone())),
        ("### Group", 0, expected::<Group>(wrong.clone())),
        ("### Past", 0, expected::<Past>(wrong.clone())),
        ("### Past", 1, expected::<PastPair>(wrong.clone())),
        ("### Past", 2, expected::<PastGroup>(wrong.clone())),
        ("### Past", 3, expected::<PastMessage>(wrong.clone())),
        ("### Past", 4, expected::<PastSession>(wrong.clone())),
        ("### Step", 0, expected::<Step>(wrong.clone())),
    ] {
        assert_eq!(fields(&text, heading, n), actual, "{heading}");
    }
    let version = format!("| `format` | number | the version of this format: {FORMAT} |");
    assert!(text.contains(&version), "format {FORMAT}");
}

/// Compares a table of kinds with an enum that is told apart by `tag`.
fn compare<T: DeserializeOwned + Serialize>(described: &BTreeMap<String, Names>, tag: &str) {
    let variants = expected::<T>(json!({tag: "?"}));
    assert_eq!(described.keys().cloned().collect::<Names>(), variants, "{tag}");
    for (kind, fields) in described {
        let mut value = object(tag, kind);
        let required = required::<T>(&mut value);
        let undescribed: Vec<_> = required.difference(fields).collect();
        assert!(undescribed.is_empty(), "{tag} {kind} has {undescribed:?} too");
        for field in fields.difference(&required) {
            assert!(keeps::<T>(&value, field), "{tag} {kind} has no {field}");
        }
    }
}

#[test]
fn faults_and_facts_have_the_fields_of_their_types() {
    let text = document();
    compare::<Trouble>(&further(&text, "### Fault", 1), "fault");
    compare::<Fact>(&further(&text, "### Facts", 0), "fact");
    let mut stall = object("fault", "stall");
    stall.extend([("a".to_string(), json!("")), ("b".to_string(), json!(""))]);
    let mut described = fields(&text, "### Fault", 0);
    assert!(described.remove("fault"));
    assert_eq!(described, required::<Fault>(&mut stall));
}

/// Checks that each field of an object is described.
fn written(described: &Names, value: &Value, what: &str) {
    let Value::Object(fields) = value else { panic!("{what}: {value}") };
    let names: Names = fields.keys().cloned().collect();
    let others: Vec<_> = names.difference(described).collect();
    assert!(others.is_empty(), "{what}: {others:?} are not described");
}

/// Every kind of operation and of fault is in some plan; those with optional fields are in some
/// with them, or take them.
#[test]
fn everything_in_kept_and_in_generated_plans_is_described_and_nothing_else() {
    let text = document();
    let profiles = [Profile::Default, Profile::Bounds, Profile::Stores, Profile::Clocks];
    let generated = profiles
        .into_iter()
        .flat_map(|profile| (0..300).map(move |seed| generate(seed, Clients::Mixed, profile)));
    let plans = kept().into_iter().map(|case| case.plan).chain(generated);
    let plans: Vec<_> = plans.map(|p| serde_json::to_value(p).expect("plain data")).collect();
    for (list, heading, tag) in
        [("operations", "### Operation", "do"), ("faults", "### Fault", "fault")]
    {
        let (own, further) = (fields(&text, heading, 0), further(&text, heading, 1));
        // An example of each kind, and the fields of all.
        let mut seen: BTreeMap<&str, (&Map<String, Value>, Names)> = BTreeMap::new();
        for one in plans.iter().flat_map(|plan| plan[list].as_array().expect("a list")) {
            let (kind, fields) = (one[tag].as_str().expect("a kind"), one.as_object());
            let fields = fields.expect("an object");
            let of_kind = further.get(kind).unwrap_or_else(|| panic!("{kind} is not described"));
            written(&own.union(of_kind).cloned().collect(), one, kind);
            seen.entry(kind).or_insert((fields, Names::new())).1.extend(fields.keys().cloned());
        }
        for (kind, described) in &further {
            let (example, fields) =
                seen.get(kind.as_str()).unwrap_or_else(|| panic!("no plan has {kind}"));
            for field in own.union(described).filter(|field| !fields.contains(*field)) {
                let is_kept = match tag {
                    "do" => keeps::<Operation>(example, field),
                    _ => keeps::<Fault>(example, field),
                };
                assert!(is_kept, "{kind} has no {field}");
            }
        }
    }
}

fn kept() -> Vec<Case> {
    let paths = corpus::files(&Path::new(ROOT).join(corpus::FOLDER));
    assert!(!paths.is_empty(), "traces/ is there");
    paths.iter().map(|path| Case::read(path).unwrap_or_else(|e| panic!("{e}"))).collect()
}

/// The name of each kind of line: a new one does not compile here before it is described.
fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::PduSent(_) => "pdu_sent",
        Kind::PduReceived(_) => "pdu_received",
        Kind::Connected { .. } => "connected",
        Kind::Disconnected { .. } => "disconnected",
        Kind::ConnectFailed { .. } => "connect_failed",
        Kind::Fact(_) => "fact",
        Kind::Store(_) => "store",
        Kind::Holds { .. } => "holds",
        Kind::Row { .. } => "row",
        Kind::SessionRow { .. } => "session_row",
        Kind::RelationRow { .. } => "relation_row",
        Kind::MemberRow { .. } => "member_row",
        Kind::Op { .. } => "op",
        Kind::FaultStart { .. } => "fault_start",
        Kind::FaultEnd { .. } => "fault_end",
        Kind::StoreLost { .. } => "store_lost",
        Kind::Migrated { .. } => "migrated",
        Kind::StreamReset { .. } => "stream_reset",
        Kind::HostUp => "host_up",
        Kind::OnSide { .. } => "on_side",
        Kind::HostDown => "host_down",
        Kind::Panic { .. } => "panic",
        Kind::Endless { .. } => "endless",
        Kind::Phase { .. } => "phase",
    }
}

#[test]
fn the_lines_of_traces_are_described() {
    let text = document();
    let common = fields(&text, "## Trace", 0);
    let (kinds, facts) = (further(&text, "## Trace", 1), further(&text, "### Facts", 0));
    // No kept case has these.
    let rare = [
        Kind::Panic { message: "a word".into(), at: "a.rs:1:1".into() },
        Kind::Endless { message: "a word".into() },
        Kind::StoreLost { store: "redis", commands: 1, changed: Vec::new() },
        Kind::OnSide { side: Side::Candidate },
        Kind::Migrated { version: 1, changed: Vec::new() },
    ];
    let host = Role::Msg.numbered(1);
    let rare = rare.map(|kind| Line { n: 0, sim_us: 0, host: host.clone(), incarnation: 1, kind });
    let mut lines = Vec::from(rare);
    // Kept cases are small by now.
    for case in kept() {
        lines.extend(run_case(&case).unwrap_or_else(|e| panic!("{e}")).trace.lines);
    }
    let mut seen = Names::new();
    for line in &lines {
        let value: Value = serde_json::from_str(&line.to_json()).expect("a line is JSON");
        let kind = name(&line.kind);
        assert_eq!(value["kind"], kind);
        let mut described: Names = common.union(&kinds[kind]).cloned().collect();
        if let Some(fact) = value["fact"].as_str().filter(|_| kind == "fact") {
            described.extend(facts[fact].iter().cloned());
        }
        written(&described, &value, kind);
        let fields = value.as_object().expect("just seen");
        assert!(described.iter().all(|name| fields.contains_key(name)), "{kind}: {value}");
        seen.insert(kind.to_string());
    }
    assert_eq!(seen, kinds.keys().cloned().collect(), "no run has the others");
}

#[test]
fn the_header_of_a_trace_is_described() {
    let case = kept().remove(0);
    let header = Header::of(&case, &Trace::default(), true).to_json();
    let header: Value = serde_json::from_str(&header).expect("a header is JSON");
    let actual: Names = header.as_object().expect("an object").keys().cloned().collect();
    let text = document();
    assert_eq!(fields(&text, "### Header", 0), actual);
    let version = record::FORMAT;
    assert!(text.contains(&format!("the version of the format of traces: {version} |")));
}

#[test]
fn a_deployment_has_the_fields_of_its_types() {
    let (text, wrong) = (document(), json!({"?": 0}));
    let heading = "## Deployment";
    assert_eq!(fields(&text, heading, 0), expected::<Deployment>(wrong.clone()));
    assert_eq!(fields(&text, heading, 1), expected::<deployment::Hosts>(wrong.clone()));
    assert_eq!(fields(&text, heading, 2), expected::<deployment::Users>(wrong));
    let links = tables(section(&text, heading))[0].iter().find(|row| row[0] == "`links`").cloned();
    let links: Names = quoted(links.expect("a row")[4]).map(String::from).collect();
    for (link, ..) in Between::ALL {
        assert!(links.contains(&link.name()), "{} is not described", link.name());
    }
}

#[test]
fn runs_of_a_verification_have_the_fields_of_their_types() {
    let (text, wrong) = (document(), json!({"?": 0}));
    let heading = "## Runs of a verification";
    for (n, actual) in [
        (0, expected::<verify::Part>(wrong.clone())),
        (1, expected::<verify::Asked>(wrong.clone())),
        (2, expected::<verify::PartRun>(wrong.clone())),
        (3, expected::<verify::Came>(wrong.clone())),
    ] {
        let table = tables(section(&text, heading))[n].clone();
        let named: Names = table.iter().flat_map(|row| quoted(row[0])).map(String::from).collect();
        assert_eq!(named, actual, "table {n}");
    }
    let came = tables(section(&text, heading))[3].clone();
    for (row, actual) in [
        (0, expected::<verify::Violated>(wrong.clone())),
        (2, expected::<verify::Measure>(wrong.clone())),
        (3, expected::<verify::Change>(wrong)),
    ] {
        let named: Names = quoted(came[row][2]).map(String::from).collect();
        assert_eq!(named, actual, "{}", came[row][0]);
    }
}

#[test]
fn what_is_said_of_captures_has_the_fields_of_its_types() {
    let (text, wrong) = (document(), json!({"?": 0}));
    let heading = "## Parity";
    for (n, actual) in [
        (0, expected::<parity::Settings>(wrong.clone())),
        (1, expected::<parity::SqlServers>(wrong.clone())),
        (2, expected::<parity::RedisCommands>(wrong.clone())),
        (3, expected::<parity::User>(wrong.clone())),
        (4, expected::<parity::Run>(wrong.clone())),
        (6, expected::<parity::Closed>(wrong.clone())),
        (7, expected::<parity::Differs>(wrong)),
    ] {
        assert_eq!(fields(&text, heading, n), actual, "table {n}");
    }
    compare::<parity::Step>(&further(&text, heading, 5), "do");
}

/// The captures of the original have all that is described, and nothing else.
#[test]
fn the_lines_of_captures_are_described() {
    let text = document();
    let tables = tables(section(&text, "## Capture"));
    for (n, end) in [".pdus.jsonl", ".sql.jsonl", ".redis.jsonl"].into_iter().enumerate() {
        let described = tables[n].iter().flat_map(|row| quoted(row[0])).map(String::from).collect();
        let mut seen = Names::new();
        let folder = std::fs::read_dir(Path::new(ROOT).join("tests/golden")).expect("captures");
        for path in folder.map(|entry| entry.expect("an entry").path()) {
            if !path.to_string_lossy().ends_with(end) {
                continue;
            }
            for line in std::fs::read_to_string(&path).expect("a capture").lines() {
                let value: Value = serde_json::from_str(line).expect("JSON");
                written(&described, &value, &path.to_string_lossy());
                seen.extend(value.as_object().expect("an object").keys().cloned());
            }
        }
        assert_eq!(seen, described, "{end}");
    }
}

/// What people copy can be run.
#[test]
fn the_example_of_a_deployment_is_one_and_has_every_field() {
    let example = Deployment::read(&Path::new(ROOT).join("examples/deployment.toml"));
    let example = example.unwrap_or_else(|e| panic!("{e}"));
    let value = serde_json::to_value(&example).expect("plain data");
    let has = |value: &Value| value.as_object().expect("fields").keys().cloned().collect::<Names>();
    let wrong = json!({"?": 0});
    assert_eq!(has(&value), expected::<Deployment>(wrong.clone()));
    assert_eq!(has(&value["hosts"]), expected::<deployment::Hosts>(wrong.clone()));
    assert_eq!(has(&value["users"]), expected::<deployment::Users>(wrong));
}

#[test]
fn the_report_of_explore_has_the_fields_of_its_type() {
    let report = serde_json::to_value(SeedReport::default()).expect("plain data");
    let actual: Names = report.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(fields(&document(), "## Report of explore", 0), actual);
}

#[test]
fn a_campaign_file_has_the_fields_of_its_types() {
    let (text, wrong) = (document(), json!({"?": 0}));
    let heading = "## Campaign file";
    assert_eq!(fields(&text, heading, 0), expected::<Results>(wrong.clone()));
    assert_eq!(fields(&text, heading, 1), expected::<Find>(wrong));
    let version = format!("of this format: {} |\n| `build`", campaign::FORMAT);
    assert!(section(&text, heading).contains(&version), "format {}", campaign::FORMAT);
}
