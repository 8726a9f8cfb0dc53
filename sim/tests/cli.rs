//! The binary `sim` from the outside: its exit statuses, what it says, and which files it leaves.

mod folder;

use folder::Folder;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

impl Folder {
    fn run(&self, args: &[&str]) -> Output {
        self.sim(args).output().expect("it starts")
    }

    /// Writes a small case, with a change, as `case.json`.
    fn case(&self, change: impl FnOnce(&mut Value)) {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR"));
        let kept = kept.join("../traces/hardened-no-panic-panic-msg.json");
        let text = fs::read_to_string(kept).expect("a kept case");
        let mut case = serde_json::from_str(&text).expect("JSON");
        change(&mut case);
        fs::write(self.0.join("case.json"), case.to_string()).expect("writes");
    }

    /// The names of what is in it, or in a folder of it.
    fn files(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.0.join(folder)) else { return Vec::new() };
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> =
            entries.map(|entry| name(entry).into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{}: {}", output.status, err(output)))
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A campaign that finds something soon: the original, hunted.
const HUNT: [&str; 6] = ["explore", "--protocol", "teamtalk", "--seeds", "20", "--no-shrink"];

#[test]
fn a_case_that_cannot_be_run_is_refused_with_its_place() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 6] = [
        (|case| case["plan"]["operations"][1]["id"] = json!(1), "operation 1: duplicate id"),
        (
            |case| {
                let nodes = case["plan"]["nodes"].as_array_mut().expect("a list");
                nodes.retain(|node| node["host"] != "sql");
            },
            "there is no `sql` (the SQL store)",
        ),
        (
            |case| {
                let nodes = case["plan"]["nodes"].as_array_mut().expect("a list");
                nodes.push(nodes[0].clone());
            },
            "node `redis`: there are two nodes of this host",
        ),
        (
            |case| case["plan"]["faults"][0]["hots"] = json!("msg1"),
            "fault 1: field `hots`: unknown",
        ),
        (|case| case["plan"]["horizon_ms"] = json!(u64::MAX), "plan: field `horizon_ms`: "),
        (|case| case["plan"]["devices"][0]["user"] = json!(u32::MAX), "device 1: field `user`: "),
    ];
    let folder = Folder::new("refused");
    for (change, place) in cases {
        folder.case(change);
        let output = folder.run(&["replay", "case.json"]);
        assert_eq!(status(&output), 2, "{place}");
        assert!(err(&output).starts_with("error: case.json: "), "{}", err(&output));
        assert!(err(&output).contains(place), "{place}: {}", err(&output));
        assert_eq!(out(&output), "");
    }
}

#[test]
fn a_panic_of_a_role_is_a_violation_with_its_place_and_backtrace() {
    let folder = Folder::new("role panic");
    folder.case(|_| {});
    let output = folder.run(&["replay", "case.json"]);
    assert_eq!(status(&output), 1, "{}", err(&output));
    let text = out(&output);
    assert!(
        text.contains("VIOLATED no-panic/panic/msg\n  msg1 panicked at sim/src/world/plant.rs:")
    );
    assert!(text.contains("backtrace:\n") && text.ends_with("as expected\n"), "{text}");
    assert!(!text.contains("a spawned task panicked"), "tokio's echo of it: {text}");
}

#[test]
fn a_panic_of_the_rig_is_status_4() {
    let folder = Folder::new("rig panic");
    folder.case(|case| case["plan"]["faults"][0]["host"] = json!("sql"));
    let output = folder.run(&["replay", "case.json", "--trace", "trace.jsonl"]);
    assert_eq!(status(&output), 4);
    let text = err(&output);
    assert!(text.contains("case.json: the rig itself failed: sql panicked at "), "{text}");
    assert!(text.contains("backtrace:\n"), "{text}");
    assert_eq!(folder.files(""), ["case.json", "trace.jsonl"], "what happened is kept");
}

#[test]
fn a_run_that_stands_still_is_given_up() {
    let folder = Folder::new("stuck");
    folder.case(|case| case["plan"]["faults"][0]["does"] = json!("hangs"));
    let output = folder.run(&["replay", "case.json", "--patience", "1"]);
    assert_eq!(status(&output), 4);
    let text = err(&output);
    assert!(text.contains("given up: simulated time stands at 2000 ms for 1 s"), "{text}");
}

#[test]
fn a_role_that_only_yields_is_ended_and_found() {
    let folder = Folder::new("endless");
    folder.case(|case| case["plan"]["faults"][0]["does"] = json!("yields"));
    let output = folder.run(&["replay", "case.json", "--patience", "4"]);
    assert_eq!(status(&output), 1);
    assert!(out(&output).contains("VIOLATED no-panic/endless/msg\n  msg1 ran without end: "));
}

#[test]
fn the_case_of_a_card_is_there() {
    let folder = Folder::new("hunt");
    let output = folder.sim(&HUNT).env("CARGO_TARGET_DIR", "my target").output().expect("starts");
    assert_eq!(status(&output), 1, "{}", err(&output));
    let text = out(&output);
    let replays: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("replay:  ")).collect();
    assert!(!replays.is_empty(), "{text}");
    for replay in replays {
        // The name of the folder has a space: a shell needs the quotes.
        let path =
            replay.strip_prefix("cargo sim replay '").and_then(|path| path.strip_suffix('\''));
        let path = path.unwrap_or_else(|| panic!("{replay}"));
        assert!(path.starts_with("my target/sim/teamtalk-"), "{path}");
        assert!(folder.0.join(path).is_file(), "{path}");
    }
    assert!(folder.files("my target/sim").iter().all(|name| name.ends_with(".json")));
}

#[test]
fn what_a_hunt_finds_is_made_small_and_its_small_cases_are_there() {
    let folder = Folder::new("small");
    let hunt = ["explore", "--protocol", "teamtalk", "--jobs", "1", "--shrink-runs", "300"];
    let output = folder.run(&hunt);
    assert_eq!(status(&output), 1, "{}", err(&output));
    let text = out(&output);
    let of = |end: &str| {
        let paths = text.lines().filter_map(|line| line.strip_prefix("replay:  cargo sim replay "));
        paths.filter(|path| path.ends_with(end)).map(str::to_string).collect::<Vec<_>>()
    };
    let small = of("-small.json");
    assert!(!small.is_empty() && of(".json").len() >= 2 * small.len(), "{text}");
    assert!(text.contains("shrunk:  from ") && text.contains(" finds are not shrunk"), "{text}");
    let place = Path::new(&small[0]).parent().expect("a folder");
    let names = folder.files(place.to_str().expect("text"));
    let made: Vec<_> = names.iter().filter(|name| name.ends_with("-small.json")).collect();
    assert!(made.len() >= small.len(), "those of further mechanisms have no card here: {names:?}");
    for name in made {
        let page = Path::new(name).with_extension("md");
        assert!(names.iter().any(|of| Path::new(of) == page), "{name}: {names:?}");
    }
    for path in small {
        let again = out(&folder.run(&["replay", &path]));
        assert!(again.ends_with("as expected\n"), "{path}: {again}");
    }
}

#[test]
fn a_case_is_made_small_or_it_is_said_why_not() {
    let folder = Folder::new("shrink");
    folder.case(|_| {});
    fs::create_dir(folder.0.join("to")).expect("a folder");
    let output = folder.run(&["shrink", "case.json", "--out", "to/small.json"]);
    assert_eq!(status(&output), 1, "{}", err(&output));
    assert!(out(&output).contains("shrunk:  from "), "{}", out(&output));
    assert_eq!(folder.files("to").len(), 2);
    let page = folder.0.join("to/small.json").with_extension("md");
    let page = fs::read_to_string(page).expect("text");
    assert!(page.contains("```mermaid\nsequenceDiagram") && page.contains("shrunk:"), "{page}");
    assert!(out(&folder.run(&["replay", "to/small.json"])).ends_with("as expected\n"));
    folder.case(|case| case["expect"] = json!("holds"));
    let output = folder.run(&["shrink", "case.json"]);
    assert_eq!((status(&output), out(&output)), (2, String::new()));
    let why = "error: case.json: the case expects that all holds: there is no failure to keep\n";
    assert_eq!(err(&output), why);
}

#[test]
fn a_case_that_cannot_be_written_loses_no_card_and_no_status() {
    let folder = Folder::new("unwritten");
    let hunt = [&HUNT[..], &["--out", "out", "--jobs", "1"]].concat();
    assert_eq!(status(&folder.run(&hunt)), 1);
    let names = folder.files("out");
    assert!(!names.is_empty());
    for name in &names {
        // Nothing can be moved to where a folder is that is not empty.
        fs::remove_file(folder.0.join("out").join(name)).expect("a file");
        fs::create_dir_all(folder.0.join("out").join(name).join("x")).expect("a folder");
    }
    let output = folder.run(&hunt);
    assert_eq!(status(&output), 1);
    assert!(
        err(&output).contains("error: the case is not kept: out/teamtalk-"),
        "{}",
        err(&output)
    );
    let again = "replay:  cargo sim run 1 --protocol teamtalk --profile default";
    assert!(out(&output).contains("VIOLATED ") && out(&output).contains(again), "{}", out(&output));
    assert_eq!(folder.files("out"), names, "nothing is left beside them");
}

#[test]
fn paths_are_tried_before_anything_runs() {
    let folder = Folder::new("tried");
    fs::write(folder.0.join("file"), "kept").expect("writes");
    for (args, name) in [
        (&["explore", "--seeds", "100000", "--out", "file"][..], "file: "),
        (&["explore", "--seeds", "100000", "--out", "file/x"], "file/x: "),
        (&["explore", "--seeds", "100000", "--json", "missing/x.json"], "missing/x.json: "),
        (&["explore", "--seeds", "100000", "--json", "."], ".: "),
        (&["run", "1", "--trace", "missing/x.jsonl"], "missing/x.jsonl: "),
        (&["replay", "file", "--trace", "x.jsonl"], "file: "),
    ] {
        let output = folder.run(args);
        assert_eq!((status(&output), out(&output).as_str()), (2, ""), "{args:?}");
        assert!(err(&output).starts_with(&format!("error: {name}")), "{args:?}: {}", err(&output));
    }
    assert_eq!(fs::read_to_string(folder.0.join("file")).ok().as_deref(), Some("kept"));
}

#[test]
fn a_full_or_closed_standard_output_ends_quietly() {
    let folder = Folder::new("output");
    let into = |args: &[&str], stdout: Stdio| {
        let child = folder.sim(args).stdout(stdout).stderr(Stdio::piped()).spawn();
        let output = child.and_then(|child| child.wait_with_output()).expect("it starts");
        (status(&output), err(&output))
    };
    let full = || File::options().write(true).open("/dev/full").expect("on Linux").into();
    let closed = || {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        writer.into()
    };
    let (code, text) = into(&["properties"], full());
    assert!(code == 2 && text.starts_with("error: standard output: "), "{code}: {text}");
    assert_eq!(into(&["properties"], closed()), (2, String::new()));
    for help in [&["--help"][..], &["-h"], &["help", "explore"], &["explore", "--help"], &["-V"]] {
        let (code, text) = into(help, full());
        assert!(code == 2 && text.starts_with("error: standard output: "), "{code}: {text}");
        assert_eq!(into(help, closed()), (2, String::new()));
        assert_eq!(into(help, Stdio::null()), (0, String::new()));
    }
    assert_eq!(into(&HUNT, closed()), (1, String::new()), "what was found was found");
    let hunt = [&HUNT[..], &["--json", "seeds.json"]].concat();
    assert_eq!(into(&hunt, full()).0, 1);
    assert_eq!(folder.files(""), ["seeds.json", "target"], "and what was done is written");
}

#[test]
fn what_cannot_be_written_at_the_end_is_said() {
    let folder = Folder::new("full");
    let output = folder.run(&["run", "1", "--profile", "calm", "--trace", "/dev/full"]);
    assert_eq!(status(&output), 2);
    assert!(err(&output).starts_with("error: /dev/full: "), "{}", err(&output));
    assert!(out(&output).contains("seed 1: holds"), "{}", out(&output));
}

#[cfg(unix)]
#[test]
fn an_interrupted_campaign_says_what_was_done() {
    let folder = Folder::new("interrupted");
    let args = ["explore", "--seeds", "100000", "--profile", "calm", "--json", "seeds.json"];
    let child = folder.sim(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("it starts");
    #[expect(clippy::disallowed_methods, reason = "no simulation runs in this process")]
    while !folder.0.join("target/sim").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Since the folder is there, it listens.
    let interrupt = |id: u32| {
        let killed = Command::new("kill").args(["-INT", &id.to_string()]).status();
        assert!(killed.expect("kill").success());
    };
    interrupt(child.id());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(status(&output), 130, "{}", err(&output));
    assert!(out(&output).contains("interrupted after "), "{}", out(&output));
    let seeds = folder.read("seeds.json");
    assert!(serde_json::from_str::<Value>(&seeds).expect("JSON").is_object());
}

#[test]
fn the_last_seed_of_all_is_the_last_one() {
    let folder = Folder::new("last seed");
    let from = u64::MAX.to_string();
    let args = ["explore", "--from", &from, "--jobs", "2", "--profile", "calm"];
    let output = folder.run(&args);
    assert_eq!(status(&output), 0, "{}", out(&output));
    let none = "of 300 seeds 299 do not exist: the last one is 18446744073709551615\n1 seed in ";
    assert!(out(&output).starts_with(none), "{}", out(&output));
    let of_five = [&args[..], &["--seeds", "5"]].concat();
    let said = out(&folder.run(&of_five));
    assert!(said.starts_with("of 5 seeds 4 do not exist: "), "{said}");
    let of_one = [&args[..], &["--seeds", "1"]].concat();
    let said = out(&folder.run(&of_one));
    assert!(said.starts_with("1 seed in "), "{said}");
}

#[test]
fn determinism_leaves_nothing_behind() {
    let folder = Folder::new("scratch");
    fs::create_dir(folder.0.join("tmp")).expect("a folder");
    let sim = |args: &[&str]| folder.sim(args).env("TMPDIR", "tmp").output().expect("it starts");
    let output = sim(&["determinism", "--seeds", "1"]);
    assert_eq!(status(&output), 0, "{}", err(&output));
    fs::write(folder.0.join("p.toml"), "preset = \"x\"").expect("writes");
    let output = sim(&["determinism", "--seeds", "1", "--protocol", "p.toml"]);
    assert_eq!(status(&output), 2);
    assert_eq!(folder.files("tmp"), [""; 0]);
}

#[test]
fn wrong_usage_is_status_2_and_help_names_the_statuses() {
    let folder = Folder::new("usage");
    for args in [
        &["explore", "--jobs", "0"][..],
        &["explore", "--seeds", "0"],
        &["explore", "--protocol", "x"],
        &["explore", "--patience", "0"],
        &["run"],
        &["replay", "missing.json"],
        &["replay", "."],
        &["nothing"],
    ] {
        let output = folder.run(args);
        assert_eq!((status(&output), out(&output).as_str()), (2, ""), "{args:?}");
        assert!(!err(&output).contains("panicked"), "{args:?}: {}", err(&output));
    }
    for (args, expected) in [
        (["explore", "--seeds", "0"], "a whole number of at least 1"),
        (["explore", "--seeds", "-1"], "a whole number of at least 1"),
        (["explore", "--jobs", "1025"], "a whole number from 1 to 1024"),
        (["bench", "--runs", "x"], "a whole number of at least 1"),
        (["explore", "--patience", "-1"], "a whole number from 1 to 86400"),
    ] {
        let output = folder.run(&args);
        let said = format!("error: invalid value '{}' for '{} <", args[2], args[1]);
        assert_eq!(status(&output), 2, "{args:?}");
        assert!(err(&output).starts_with(&said), "{args:?}: {}", err(&output));
        assert!(err(&output).contains(&format!("expected {expected}")), "{}", err(&output));
    }
    let help = out(&folder.run(&["--help"]));
    let (_, list) = help.split_once("\nExit status").expect("the statuses");
    let (_, list) = list.split_once('\n').expect("the list");
    let words = list.lines().filter_map(|line| line.trim_start().split_once("  "));
    let statuses: Vec<_> = words.map_while(|(code, _)| code.parse::<u8>().ok()).collect();
    assert_eq!(statuses, [0, 1, 2, 3, 4, 130], "{help}");
    for why in ["too little was acked", "excused too much", "--known", "too large for --html"] {
        assert!(list.contains(why), "{why}: {list}");
    }
    for command in ["explore", "merge"] {
        let help = out(&folder.run(&[command, "--help"]));
        let (_, list) = help.split_once("\nExit status").expect("the statuses");
        for why in ["--least-acked", "its ceiling", "--known"] {
            assert!(list.contains(why), "{why}: {list}");
        }
        assert!(list.lines().all(|line| line.chars().count() <= 100), "{list}");
    }
    assert!(list.lines().all(|line| line.chars().count() <= 100), "{list}");
}

#[test]
fn a_campaign_that_acks_too_little_fails_though_all_properties_hold() {
    let folder = Folder::new("floor");
    let hunt = |least: &str| {
        folder.run(&["explore", "--profile", "calm", "--seeds", "20", "--least-acked", least])
    };
    let held = hunt("1");
    assert_eq!((status(&held), out(&held).contains("all properties held")), (0, true));
    let idle = hunt("1000");
    assert_eq!((status(&idle), out(&idle).contains("all properties held")), (1, true));
    assert!(out(&idle).contains("TOO FEW ACKS: the median seed has "), "{}", out(&idle));
}

/// What is deployed has no mutants, and says so of a case, a protocol file and the hunt.
#[cfg(not(feature = "mutants"))]
#[test]
fn a_build_without_mutants_refuses_them() {
    let folder = Folder::new("no mutants");
    folder.case(|case| case["protocols"]["base"]["mutant"] = json!("heartbeat-unanswered"));
    let file = "preset = \"hardened\"\nmutant = \"heartbeat-unanswered\"\n";
    fs::write(folder.0.join("p.toml"), file).expect("writes");
    for args in [
        &["replay", "case.json"][..],
        &["explore", "--protocol", "p.toml", "--seeds", "1"],
        &["run", "1", "--protocol", "p.toml"],
        &["mutants"],
    ] {
        let output = folder.run(args);
        assert_eq!(status(&output), 2, "{args:?}");
        let said = err(&output);
        assert!(said.contains("this build has no mutants"), "{said}");
        assert!(said.contains("`cargo sim-mutants` in the place of `cargo sim`"), "{said}");
    }
}

/// A mutant that nothing sees is status 1, one that is seen 0, and its row of a table is written.
#[cfg(feature = "mutants")]
#[test]
fn a_hunt_for_mutants_says_which_are_seen() {
    let folder = Folder::new("mutants");
    let head = "| room | mutant | what is broken | reached | first seed: what it violates |\n\
                |---|---|---|---|---|\n";
    fs::write(folder.0.join("table.txt"), head).expect("writes");
    let hunt = |only: &str, seeds: &str| {
        let hunt = ["mutants", "--seeds", seeds, "--only", only, "--table", "table.txt"];
        folder.run(&hunt)
    };
    let output = hunt("acked-then-refused,sent-not-held", "1");
    assert_eq!(status(&output), 1, "{}", out(&output));
    let output = hunt("heartbeat-unanswered,no-such", "1");
    assert_eq!(status(&output), 2);
    assert!(err(&output).contains("unknown mutant `no-such`: expected one of"));
    let table = folder.read("table.txt");
    assert!(table.contains("survives 1 seeds"), "{table}");
    assert!(table.contains("| not hunted yet |"), "{table}");
}

#[test]
fn a_trace_is_judged_without_a_run_and_stands_for_itself() {
    let folder = Folder::new("judge");
    folder.case(|_| {});
    let output = folder.run(&["replay", "case.json", "--trace", "a.jsonl"]);
    assert_eq!(status(&output), 1, "{}", err(&output));
    let hash =
        out(&output).lines().find_map(|line| Some(line.split_once(", trace ")?.1.to_string()));
    let output = folder.run(&["judge", "a.jsonl"]);
    assert_eq!(status(&output), 1, "{}", err(&output));
    let text = out(&output);
    assert!(text.contains("VIOLATED no-panic/panic/msg\n"), "{text}");
    assert!(text.contains("replay:  cargo sim judge a.jsonl\n"), "{text}");
    let hash = hash.expect("a hash");
    assert!(text.ends_with(&format!(" lines judged, trace {hash}\n")), "{text}");
    let output = folder.run(&["run", "1", "--profile", "calm", "--trace", "b.jsonl"]);
    assert_eq!(status(&output), 0, "{}", err(&output));
    let output = folder.run(&["judge", "b.jsonl"]);
    assert_eq!(status(&output), 0, "{}", err(&output));
    assert!(out(&output).starts_with("b.jsonl: holds; "), "{}", out(&output));

    let whole = folder.read("b.jsonl");
    let (header, lines) = whole.split_once('\n').expect("a header");
    fs::write(folder.0.join("old.jsonl"), lines).expect("writes");
    fs::write(folder.0.join("cut.jsonl"), &whole[..whole.len() - 20]).expect("writes");
    let output = folder.run(&["judge", "old.jsonl", "cut.jsonl", "missing.jsonl", "b.jsonl"]);
    assert_eq!(status(&output), 2);
    let text = err(&output);
    for start in ["old.jsonl: it has no header; ", "cut.jsonl: line ", "missing.jsonl: "] {
        assert!(text.contains(&format!("error: {start}")), "{text}");
    }
    assert!(out(&output).starts_with("b.jsonl: holds; "), "the others are judged still");

    let other = header.replacen("\"seed\":1", "\"seed\":2", 1);
    fs::write(folder.0.join("c.jsonl"), format!("{other}\n{lines}")).expect("writes");
    let output = folder.run(&["diff", "b.jsonl", "c.jsonl"]);
    assert_eq!(status(&output), 0);
    let same = "the traces are the same, byte for byte\ntheir headers differ: case.seed: 1 and 2\n";
    assert_eq!(out(&output), same);
    let output = folder.run(&["diff", "b.jsonl", "old.jsonl"]);
    assert_eq!(status(&output), 0);
    assert!(out(&output).ends_with("their headers differ: only the first one has a header\n"));
    let output = folder.run(&["diff", "a.jsonl", "b.jsonl"]);
    assert_eq!(status(&output), 3);
    assert!(out(&output).starts_with("the first difference is in line "), "{}", out(&output));
}
