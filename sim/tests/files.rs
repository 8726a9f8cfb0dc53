//! The files that the binary `sim` is given and those that it writes: what is no file of that kind is refused,
//! and nothing is overwritten that nobody meant.

mod folder;

use folder::Folder;
use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Output},
};

impl Folder {
    fn run(&self, args: &str) -> Output {
        let args: Vec<&str> = args.split(' ').collect();
        self.sim(&args).output().expect("it starts")
    }

    /// Writes a small case that fails.
    fn case(&self, name: &str) {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR"));
        let kept = kept.join("../traces/hardened-no-panic-panic-msg.json");
        fs::copy(kept, self.0.join(name)).expect("a kept case");
    }

    /// Refused before anything ran, with a sentence that starts so.
    fn refused(&self, args: &str, sentence: &str) {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with(&format!("error: {sentence}")), "{args}: {said}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args}: {said}");
    }

    /// The status, and what it says on standard output.
    fn said(&self, args: &str) -> (i32, String) {
        let output = self.run(args);
        let error = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code().unwrap_or_else(|| panic!("{args}: {error}"));
        (code, String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The names of what is in it.
    fn names(&self) -> Vec<String> {
        let entries =
            fs::read_dir(&self.0).expect("a folder").map(|entry| entry.expect("an entry"));
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// The campaign files of two shards.
fn shards(folder: &Folder) {
    for n in 1..=2 {
        let shard = format!("--seeds 2 --again-every 0 --shard {n}/2 --resume s{n}.json");
        let (code, said) = folder.said(&format!("explore --profile calm {shard}"));
        assert_eq!(code, 0, "{said}");
    }
}

#[cfg(unix)]
/// Seed 3 has statements that fail and messages that are not served.
#[test]
fn a_log_has_simulated_times_and_hosts_and_no_colours_in_a_file() {
    let folder = Folder::new("log");
    let log = || {
        let output =
            folder.sim(&["run", "3", "--log", "teamtalk=debug"]).output().expect("it starts");
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let first = log();
    assert!(first.lines().count() > 5, "{first}");
    for line in first.lines() {
        let (since, rest) = line.trim_start().split_once(" ms ").expect("a time");
        assert!(since.parse::<f64>().is_ok_and(|ms| ms > 0.0), "{line}");
        let (_, rest) = rest.split_once(" node{name=\"").expect("a host");
        assert!(rest.contains("\"}: teamtalk::"), "{line}");
        assert!(!line.contains('\u{1b}'), "{line}");
    }
    assert_eq!(log(), first, "nothing of it is of the real time");
}

#[test]
fn what_is_no_file_is_not_replaced_by_one() {
    use std::os::unix::fs::FileTypeExt;
    let folder = Folder::new("no file");
    folder.case("case.json");
    shards(&folder);
    let pipe = folder.0.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    std::os::unix::fs::symlink("pipe", folder.0.join("link")).expect("links");
    std::os::unix::fs::symlink("nowhere", folder.0.join("dangling")).expect("links");
    fs::create_dir(folder.0.join("folder")).expect("a folder");
    for name in ["pipe", "link", "folder", "dangling"] {
        for args in [
            "shrink case.json --out",
            "explore --seeds 100000 --resume",
            "merge s1.json s2.json --resume-file",
            "verify --base hardened --candidate hardened --shard 1/2 --runs",
        ] {
            folder.refused(&format!("{args} {name}"), &format!("{name}: "));
        }
    }
    let is_pipe = |name: &str| {
        let kind = fs::metadata(folder.0.join(name)).expect("it is there").file_type();
        kind.is_fifo()
    };
    assert!(is_pipe("pipe") && is_pipe("link") && folder.0.join("folder").is_dir());
    assert_eq!(
        folder.names(),
        ["case.json", "dangling", "folder", "link", "pipe", "s1.json", "s2.json", "target"]
    );
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_stays_one() {
    let folder = Folder::new("link");
    folder.case("case.json");
    fs::write(folder.0.join("kept"), "").expect("writes");
    std::os::unix::fs::symlink("kept", folder.0.join("small")).expect("links");
    assert_eq!(folder.said("shrink case.json --out small").0, 1);
    assert!(folder.0.join("small").is_symlink());
    assert!(folder.read("kept").starts_with("{\n  \"format\": 1,"), "it is written");
}

#[cfg(unix)]
#[test]
fn no_output_is_an_input_or_another_output() {
    let folder = Folder::new("same");
    // Where the page of a small case is written.
    let page = |of: &str| Path::new(of).with_extension("md").display().to_string();
    for name in ["case.json", &page("case")] {
        folder.case(name);
    }
    std::os::unix::fs::symlink("case.json", folder.0.join("link.json")).expect("links");
    fs::hard_link(folder.0.join("case.json"), folder.0.join("hard.json")).expect("links");
    shards(&folder);
    fs::write(folder.0.join("p.toml"), "preset = \"hardened\"\n").expect("writes");
    fs::write(folder.0.join("d.toml"), "").expect("writes");
    let known = "explore --profile calm --seeds 1 --json known.json --least-acked 0";
    assert_eq!(folder.said(known).0, 0);
    let names = folder.names();
    let text = |name: &String| fs::read(folder.0.join(name)).ok();
    let before: Vec<_> = names.iter().map(text).collect();
    let verify = "verify --base hardened --candidate p.toml";
    for (args, sentence) in [
        ("replay case.json --trace case.json", "CASE and --trace are the same file: case.json"),
        ("replay case.json --html hard.json", "CASE and --html are the same file: "),
        ("replay case.json --html y --perfetto y", "--perfetto and --html are the same file: y"),
        ("replay case.json --perfetto y --trace ./y", "--trace and --perfetto are the same file"),
        ("run 1 --protocol p.toml --trace ./p.toml", "--protocol and --trace are the same file"),
        ("run 1 --deployment d.toml --trace d.toml", "--deployment and --trace are the same file"),
        ("shrink case.json --out case.json", "CASE and --out are the same file: case.json"),
        ("shrink case.json --out link.json", "CASE and --out are the same file: link.json"),
        (
            &format!("shrink {} --out case.json", page("case")),
            "CASE and the page beside --out are the same file",
        ),
        (
            &format!("shrink case.json --out {}", page("y")),
            "--out and the page beside --out are the same file: y",
        ),
        ("explain case.json --html case.json", "CASE and --html are the same file: case.json"),
        ("explore --json y --junit target/../y", "--json and --junit are the same file: "),
        ("explore --resume s1.json --json s1.json", "--resume and --json are the same file"),
        ("explore --known known.json --json known.json", "--known and --json are the same file"),
        ("explore --protocol p.toml --junit p.toml", "--protocol and --junit are the same file"),
        ("merge s1.json s2.json --json s1.json", "FILE and --json are the same file: s1.json"),
        ("merge s1.json s2.json --resume-file s2.json", "FILE and --resume-file are the same"),
        ("merge s1.json s2.json --junit y --json y", "--json and --junit are the same file: y"),
        (&format!("{verify} --json p.toml"), "--candidate and --json are the same file: p.toml"),
        (&format!("{verify} --json y --html y"), "--json and --html are the same file: y"),
    ] {
        folder.refused(args, sentence);
        assert_eq!(folder.names(), names, "{args}");
        assert_eq!(names.iter().map(text).collect::<Vec<_>>(), before, "{args}");
    }
    // What is no file may be named twice.
    let (code, said) = folder.said("replay case.json --trace /dev/null --perfetto /dev/null");
    assert!(code == 1 && said.ends_with("as expected\n"), "{said}");
}

#[test]
fn no_folder_is_made_for_a_file() {
    let folder = Folder::new("no folder");
    folder.case("case.json");
    shards(&folder);
    fs::remove_dir_all(folder.0.join("target")).expect("the folder of cases");
    let hunt = "explore --seeds 100000";
    let verify = "verify --base hardened --candidate hardened";
    for args in [
        &format!("{hunt} --resume"),
        &format!("{hunt} --json"),
        &format!("{hunt} --junit"),
        "merge s1.json s2.json --resume-file",
        "merge s1.json s2.json --json",
        "run 1 --trace",
        "shrink case.json --out",
        &format!("{verify} --json"),
        &format!("{verify} --shard 1/2 --runs"),
    ] {
        folder.refused(&format!("{args} a/b/c.json"), "a/b/c.json: No such file or directory");
        assert_eq!(folder.names(), ["case.json", "s1.json", "s2.json"], "{args}");
    }
}

#[test]
fn a_protocol_file_is_named_in_what_is_wrong_with_it() {
    let folder = Folder::new("protocol");
    for (text, why) in [
        ("preset = \"hardened\"\n[overrides]\nno-such = true\n", "unknown switch `no-such`"),
        ("preset = \"x\"\n", "unknown preset `x`"),
        ("preset = \"hardened\"\n[limits]\nx = 1\n", ""),
        ("preset = \"hardened\"\n[overrides]\nsingle-relation = false\n", "id-floor-from-store"),
        ("preset = 1\n", "TOML parse error"),
    ] {
        fs::write(folder.0.join("p.toml"), text).expect("writes");
        folder.refused("run 1 --protocol p.toml", &format!("p.toml: {why}"));
        let verify = "verify --base hardened --candidate p.toml";
        folder.refused(verify, &format!("--candidate: p.toml: {why}"));
    }
}

#[test]
fn traces_that_differ_do_so_in_the_line_that_judge_names() {
    let folder = Folder::new("diff");
    let (code, said) = folder.said("run 1 --profile calm --trace a.jsonl");
    assert_eq!(code, 0, "{said}");
    let whole = folder.read("a.jsonl");
    let write = |name: &str, text: &str| fs::write(folder.0.join(name), text).expect("writes");
    let lines: Vec<_> = whole.lines().collect();
    let with = |n: usize, line: &str| {
        let mut lines = lines.clone();
        lines[n - 1] = line;
        lines.join("\n") + "\n"
    };
    // As an editor counts: the header is line 1.
    let other = lines[6].replacen("\"incarnation\":", "\"incarnation\":9", 1);
    write("b.jsonl", &with(7, &other));
    let (code, said) = folder.said("diff a.jsonl b.jsonl");
    let first = format!("the first difference is in line 7:\n- {}\n+ {other}\n", lines[6]);
    assert_eq!((code, said), (3, first));
    write("broken.jsonl", &with(7, "{\"n\": 5,"));
    for command in ["judge", "diff a.jsonl"] {
        let sentence = "broken.jsonl: line 7: not a whole JSON document";
        folder.refused(&format!("{command} broken.jsonl"), sentence);
    }
    // One without a header has its first line in line 1.
    let (_, headless) = whole.split_once('\n').expect("a header");
    write("old.jsonl", headless);
    let (code, said) = folder.said("diff b.jsonl old.jsonl");
    let places = "the first difference is in line 7 of the first and line 6 of the second:\n";
    assert!(code == 3 && said.starts_with(places), "{said}");
}

#[test]
fn what_is_no_whole_trace_is_not_compared() {
    let folder = Folder::new("no trace");
    let (code, said) = folder.said("run 1 --profile calm --trace a.jsonl");
    assert_eq!(code, 0, "{said}");
    let whole = folder.read("a.jsonl");
    let write = |name: &str, text: &str| fs::write(folder.0.join(name), text).expect("writes");
    let (header, lines) = whole.split_once('\n').expect("a header");
    let count = lines.lines().count();
    let (cut, _) = whole[..whole.len() / 2].rsplit_once('\n').expect("a line");
    write("cut.jsonl", cut);
    let of = cut.lines().count() - 1;
    let is_cut = format!("{of} lines, but its header says {count}: is the file truncated?");
    write("header.jsonl", &header.replacen("\"format\":1,\"kind\"", "\"format\":2,\"kind\"", 1));
    write("text", "# No trace\n");
    write("other.jsonl", "{\"a\": 1}\n{\"a\": 2}\n");
    write("case.json", "{}");
    write("empty", "");
    File::create(folder.0.join("zeros")).and_then(|file| file.set_len(65 << 20)).expect("a file");
    for (name, sentence) in [
        ("cut.jsonl", &*is_cut),
        ("header.jsonl", "line 1: format version 2, but this build reads format version 1"),
        ("text", "line 1: no JSON document"),
        ("other.jsonl", "line 1: "),
        ("case.json", "line 1: "),
        ("empty", "it has no lines"),
        ("zeros", "line 1: longer than 67108864 bytes"),
        ("missing", ""),
        (".", ""),
    ] {
        folder.refused(&format!("diff a.jsonl {name}"), &format!("{name}: {sentence}"));
        folder.refused(&format!("diff {name} a.jsonl"), &format!("{name}: {sentence}"));
    }
    folder.refused("judge cut.jsonl", &format!("cut.jsonl: {is_cut}"));
    folder.refused("judge zeros", "zeros: line 1: longer than 67108864 bytes");
}
