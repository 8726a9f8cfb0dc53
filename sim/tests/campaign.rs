//! Long campaigns with the binary `sim`: they go on, run in shards, are merged, and check themselves.

mod folder;

use folder::Folder;
use serde_json::{Value, json};
use std::{
    fs,
    process::{Command, Output, Stdio},
    time::Duration,
};

/// The words of arguments, which are separated by spaces.
fn words(args: &str) -> Vec<&str> {
    args.split(' ').collect()
}

impl Folder {
    /// Its status, and what it says on both streams.
    fn run(&self, args: &str) -> (i32, String, String) {
        said(&self.sim(&words(args)).output().expect("it starts"))
    }

    /// The names of what is in a folder of it.
    fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(folder)).expect("a folder");
        let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
        entries.map(|entry| name(entry.expect("an entry"))).collect()
    }

    /// A campaign file without its time.
    fn timeless(&self, name: &str) -> Value {
        let mut file: Value = serde_json::from_str(&self.read(name)).expect("JSON");
        assert!(file["seconds"].take().as_f64().is_some_and(|seconds| seconds > 0.0), "{name}");
        file
    }
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or_else(|| panic!("{}", output.status));
    (code, text(&output.stdout), text(&output.stderr))
}

/// What a summary says, from the second line on: the first one has the time.
fn summary(out: &str) -> &str {
    let at = out.find("acked sends a seed").unwrap_or_else(|| panic!("no summary: {out}"));
    &out[at..]
}

/// A campaign in which some seeds fail.
const HUNT: &str = "explore --protocol teamtalk --profile calm --jobs 2 --keep-going";

/// What the base breaks already does not drown what is new.
#[test]
fn what_is_known_is_left_out_and_what_is_not_ends_the_hunt() {
    let folder = Folder::new("known");
    let hunt = "explore --protocol teamtalk --profile calm --from 5 --seeds 10 --no-shrink --least-acked 0";
    let (code, said, _) = folder.run(&format!("{hunt} --keep-going --json base.json"));
    assert!(code == 1 && said.contains("VIOLATED "), "{said}");
    let (code, said, error) = folder.run(&format!("{hunt} --known base.json --out of-known"));
    assert_eq!(code, 0, "{said}{error}");
    assert!(said.contains("nothing that is not known is violated\n"), "{said}");
    assert!(!said.contains("VIOLATED"), "{said}");
    assert!(folder.files("of-known").is_empty(), "no case is written");

    // One of them is forgotten.
    let mut base: Value = serde_json::from_str(&folder.read("base.json")).expect("JSON");
    let reports = base.as_object_mut().expect("by seed");
    let signatures = |report: &Value| report["signatures"].as_array().expect("a list").clone();
    let forgotten =
        reports.values().flat_map(signatures).next().expect("some seed breaks something");
    for report in reports.values_mut() {
        let at = signatures(report).iter().position(|of| *of == forgotten);
        for list in ["signatures", "mechanisms"] {
            let list = report[list].as_array_mut().expect("a list");
            at.map(|at| list.remove(at));
        }
    }
    fs::write(folder.0.join("less.json"), base.to_string()).expect("a file");
    let (code, said, _) = folder.run(&format!("{hunt} --known less.json --out of-less"));
    assert_eq!(code, 1, "{said}");
    let found: Vec<_> = said.lines().filter(|line| line.starts_with("VIOLATED")).collect();
    let forgotten = forgotten.as_str().expect("a signature");
    assert!(!found.is_empty() && found.iter().all(|line| line.contains(forgotten)), "{said}");

    fs::write(folder.0.join("no.json"), "{\"5\": {\"seed\": \"five\"}}").expect("a file");
    for (args, sentence) in [
        ("--known no.json", "expected what `explore --json` writes (docs/FORMATS.md)"),
        ("--known nowhere.json", "nowhere.json: No such file"),
        ("--known base.json --resume x.json", "cannot be used with"),
    ] {
        let (code, _, error) = folder.run(&format!("{hunt} {args}"));
        assert!(code == 2 && error.contains(sentence), "{args}: {code} {error}");
    }
}

/// `.ci/slurm` does it with cases that are made small, which takes longer.
#[test]
fn three_shards_merged_are_one_campaign() {
    let folder = Folder::new("shards");
    let hunt = format!("{HUNT} --from 5 --no-shrink --again-every 0");
    for n in 1..=3 {
        let shard = format!("{hunt} --seeds 10 --shard {n}/3 --resume {n}.json --out of-{n}");
        let (code, out, err) = folder.run(&shard);
        assert_eq!(code, 1, "{err}");
        assert!(out.contains(&format!("{} seeds in ", if n == 1 { 4 } else { 3 })), "{out}");
    }
    let one = "--json one.json --resume one-file.json --junit one.xml";
    let (code, whole, err) = folder.run(&format!("{hunt} --seeds 10 --out cases {one}"));
    assert_eq!(code, 1, "{err}");
    fs::rename(folder.0.join("cases"), folder.0.join("one")).expect("cases");
    let all = "--json all.json --resume-file all-file.json --junit all.xml";
    let merge = format!("merge 3.json 1.json 2.json --no-shrink --out cases {all}");
    let (code, merged, err) = folder.run(&merge);
    assert_eq!(code, 1, "{err}");
    assert_eq!(summary(&merged), summary(&whole));
    assert_eq!(folder.read("all.json"), folder.read("one.json"));
    assert_eq!(folder.timeless("all-file.json"), folder.timeless("one-file.json"));
    let timeless = |name: &str| {
        let text = folder.read(name);
        let words = text.split(' ').filter(|word| !word.starts_with("time="));
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(timeless("all.xml"), timeless("one.xml"));
    // The cases of all finds are there again, and are the same.
    let cases = folder.files("cases");
    assert!(cases.len() > 1, "{cases:?}");
    for name in &cases {
        assert_eq!(folder.read(&format!("cases/{name}")), folder.read(&format!("one/{name}")));
    }
    // What is merged can go on, and what does not fit is refused.
    let (code, out, _) = folder.run(&format!("{hunt} --seeds 11 --resume all-file.json"));
    assert!(code == 1 && out.starts_with("all-file.json has 10 seeds already\n"), "{out}");
    let (code, _, err) = folder.run("merge 1.json 2.json 1.json");
    assert_eq!((code, err.as_str()), (2, "error: seed 5 is in 1.json and in 1.json\n"));
    let (code, out, _) = folder.run("merge 1.json 3.json --no-shrink");
    assert!(code == 1 && out.contains("NOT ALL: shard 2/3 is not among the files\n"), "{out}");
}

#[test]
fn a_shard_that_is_missing_is_no_property_that_held() {
    let folder = Folder::new("missing");
    let hunt = "explore --profile calm --seeds 4 --again-every 0 --shard 1/2 --resume 1.json";
    let (code, out, err) = folder.run(hunt);
    assert!(code == 0 && out.contains("all properties held\n"), "{out}{err}");
    let (code, out, _) = folder.run("merge 1.json");
    let said =
        "nothing is violated in the 2 seeds that ran\nNOT ALL: shard 2/2 is not among the files\n";
    assert!(code == 2 && out.ends_with(said), "{out}");
}

#[test]
fn what_a_shard_made_small_is_there_again() {
    let folder = Folder::new("small");
    let hunt = format!("{HUNT} --seeds 4 --no-shrink --shard");
    for n in 1..=2 {
        folder.run(&format!("{hunt} {n}/2 --resume {n}.json --out cases-{n}"));
    }
    let mut file: Value = serde_json::from_str(&folder.read("2.json")).expect("JSON");
    let (signature, by) =
        file["finds"].as_object_mut().and_then(|f| f.iter_mut().next()).expect("one");
    let find = by.as_object_mut().and_then(|by| by.values_mut().next()).expect("one");
    let name = format!("teamtalk-calm-{}-{}", find["seed"], signature.replace('/', "-"));
    let case: Value =
        serde_json::from_str(&folder.read(&format!("cases-2/{name}.json"))).expect("JSON");
    find["small"] = case.clone();
    fs::write(folder.0.join("2.json"), file.to_string()).expect("writes");
    let (code, out, err) = folder.run("merge 1.json 2.json --no-shrink --out all --junit x.xml");
    assert_eq!(code, 1, "{err}");
    let small = format!("all/{name}-small.json");
    assert!(out.contains(&format!(" and 0 faults in {small}")), "{small}: {out}");
    assert_eq!(serde_json::from_str::<Value>(&folder.read(&small)).expect("JSON"), case);
    let (code, out, _) = folder.run(&format!("replay {small}"));
    assert!(code == 1 && out.ends_with("as expected\n"), "{out}");
}

#[test]
fn a_campaign_goes_on_where_it_was() {
    let folder = Folder::new("resume");
    let hunt = format!("{HUNT} --no-shrink");
    let (code, whole, err) = folder.run(&format!("{hunt} --seeds 8 --resume whole.json"));
    assert_eq!(code, 1, "{err}");
    folder.run(&format!("{hunt} --seeds 3 --resume parts.json"));
    let (_, rest, _) = folder.run(&format!("{hunt} --seeds 8 --resume parts.json"));
    assert!(rest.starts_with("parts.json has 3 seeds already\n"), "{rest}");
    assert_eq!(summary(&rest), summary(&whole));
    assert_eq!(folder.timeless("parts.json"), folder.timeless("whole.json"));
    let damaged = |change: &dyn Fn(&mut Value)| {
        let mut file = serde_json::from_str(&folder.read("whole.json")).expect("JSON");
        change(&mut file);
        fs::write(folder.0.join("damaged.json"), file.to_string()).expect("writes");
    };
    let refused = |args: &str, why: &str| {
        let (code, out, err) = folder.run(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args}");
        assert!(err.starts_with("error: ") && err.contains(why), "{why}: {err}");
    };
    let on = "explore --resume whole.json --protocol";
    refused(&format!("{on} hardened --profile calm"), "protocol teamtalk, not of hardened");
    refused(&format!("{on} teamtalk --profile idle"), "of profile calm, not of idle");
    refused(&format!("{on} teamtalk --profile calm --from 2"), "its first seed is 1, not 2");
    refused(&format!("{on} teamtalk --profile calm --shard 1/2"), "it is of shard 1/1, not of 1/2");
    damaged(&|file| file["build"] = json!("0.0.9-x"));
    refused(&format!("{hunt} --resume damaged.json"), "it was made by build 0.0.9-x");
    damaged(&|file| file["format"] = json!(2));
    refused(&format!("{hunt} --resume damaged.json"), "format version 2, but this build reads");
    refused(&format!("{hunt} --resume ."), ".: ");
    refused(&format!("{hunt} --resume whole.json/x"), "whole.json/x");
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_file_that_goes_on() {
    let folder = Folder::new("interrupted");
    let hunt = "explore --profile calm --jobs 1 --resume file.json --seeds";
    let hunted = folder.sim(&words(&format!("{hunt} 100000")));
    let child =
        { hunted }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let is_begun = || folder.0.join("file.json").exists();
    #[expect(clippy::disallowed_methods, reason = "no simulation runs in this process")]
    while !is_begun() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill").success());
    let (code, out, err) = said(&child.wait_with_output().expect("it ends"));
    assert_eq!(code, 130, "{err}");
    let file = folder.timeless("file.json");
    let ran = file["reports"].as_object().expect("reports").len();
    assert!(out.contains(&format!("interrupted after {ran} of 100000 seeds")), "{out}");
    assert!(!out.contains("all properties held"), "{out}");
    let names = folder.files("");
    assert!(names.iter().all(|name| ["file.json", "target"].contains(&&**name)), "{names:?}");
    let (code, out, err) = folder.run(&format!("{hunt} {}", ran + 1));
    // It was for 100,000 seeds.
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains(&format!("{} seeds in ", ran + 1)), "{out}");
}

/// The best so far is printed and written; what goes on does not take it for the smallest.
#[cfg(unix)]
#[test]
fn what_was_being_made_small_at_ctrl_c_is_made_small_when_it_goes_on() {
    let folder = Folder::new("unfinished");
    let hunt = "explore --protocol teamtalk --keep-going --seeds 1 --from 5 --jobs 1 --resume file.json --out cases";
    let finds = || {
        let text = fs::read_to_string(folder.0.join("file.json")).ok()?;
        let file: Value = serde_json::from_str(&text).expect("JSON");
        let by_signature = file["finds"].as_object().expect("finds").values();
        let all = by_signature.flat_map(|by| by.as_object().expect("mechanisms").values());
        Some(all.map(|find| find.get("small").is_some()).collect::<Vec<_>>())
    };
    let child = folder.sim(&words(hunt)).stdout(Stdio::piped()).spawn().expect("it starts");
    #[expect(clippy::disallowed_methods, reason = "no simulation runs in this process")]
    while finds().is_none_or(|small| small.is_empty()) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill").success());
    let (_, out, _) = said(&child.wait_with_output().expect("it ends"));
    let is_page = |name: &&String| name.contains("-small") && name.ends_with(".md");
    let pages = folder.files("cases");
    let stopped = |name: &&String| folder.read(&format!("cases/{name}")).contains("best so far");
    let unfinished = pages.iter().filter(is_page).filter(stopped).count();
    assert!(unfinished > 0, "none was being made small: {out}");
    let small = finds().expect("a file").iter().filter(|is_small| **is_small).count();
    assert_eq!(small + unfinished, pages.iter().filter(is_page).count(), "{out}");
}

/// What nobody could ask to end has written its file all the same, some seconds ago.
#[test]
fn a_campaign_that_is_killed_loses_seconds() {
    let folder = Folder::new("killed");
    let hunt = "explore --profile calm --jobs 1 --resume file.json --seeds 100000";
    let mut child = folder.sim(&words(hunt)).stdout(Stdio::null()).spawn().expect("it starts");
    let reports = || {
        // It is there once the campaign has begun, and whole whenever it is there.
        let text = fs::read_to_string(folder.0.join("file.json")).ok()?;
        let file: Value = serde_json::from_str(&text).expect("JSON");
        Some(file["reports"].as_object().expect("reports").len())
    };
    #[expect(clippy::disallowed_methods, reason = "no simulation runs in this process")]
    while reports().is_none_or(|ran| ran == 0) {
        assert!(child.try_wait().expect("a child").is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().and_then(|()| child.wait()).expect("it is killed");
    let ran = reports().expect("a file");
    let (code, out, err) = folder.run(&hunt.replace("100000", &ran.to_string()));
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with(&format!("file.json has {ran} seed")), "{out}");
}

#[test]
fn minutes_end_a_campaign_without_end() {
    let folder = Folder::new("minutes");
    let (code, out, err) =
        folder.run("explore --profile calm --minutes 0.02 --from 7 --json x.json");
    assert_eq!(code, 0, "{err}");
    let reports: Value = serde_json::from_str(&folder.read("x.json")).expect("JSON");
    let ran = reports.as_object().expect("reports").len();
    assert!(ran > 0, "{out}");
    let says = format!("{ran} seeds ran, from 7 on, within 0.02 minutes\n");
    assert!(out.contains(&says), "{says}{out}");
    for wrong in
        ["--minutes 1 --seeds 3", "--minutes 0", "--minutes -1", "--minutes x", "--minutes inf"]
    {
        let (code, out, _) = folder.run(&format!("explore {wrong}"));
        assert_eq!((code, out.as_str()), (2, ""), "{wrong}");
    }
}

#[test]
fn seeds_are_those_of_the_commit() {
    let folder = Folder::new("commit");
    let hunt = "explore --profile calm --seeds 1 --json x.json --from commit";
    let git = |args: &str| {
        let names = ["AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"];
        let names = names.map(|name| (format!("GIT_{name}"), "a"));
        let done =
            Command::new("git").args(args.split(' ')).current_dir(&folder.0).envs(names).output();
        let (code, out, err) = said(&done.expect("git"));
        assert_eq!(code, 0, "{err}");
        out.trim().to_string()
    };
    git("init --quiet");
    let (code, out, err) = folder.run(hunt);
    assert_eq!((code, out.as_str()), (2, ""), "no commit yet");
    assert!(err.starts_with("error: --from commit: `git rev-parse HEAD`: "), "{err}");
    git("commit --quiet --allow-empty -m x");
    let hash = git("rev-parse HEAD");
    let seed = u64::from_str_radix(&hash[..12], 16).expect("hexadecimal");
    let (code, out, err) = folder.run(hunt);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with(&format!("seeds from {seed} on: commit {hash}\n")), "{out}");
    assert!(folder.read("x.json").contains(&format!("\"seed\": {seed},")));
    let without = folder.sim(&words(hunt)).env("PATH", "").output().expect("it starts");
    let (code, _, err) = said(&without);
    assert!(code == 2 && err.starts_with("error: --from commit: `git rev-parse HEAD`: "), "{err}");
}

#[test]
fn what_outlives_a_run_is_found() {
    let folder = Folder::new("again");
    let hunt = "explore --profile calm --jobs 1 --seeds 6 --again-every 2 --junit x.xml";
    let (code, out, err) = folder.run(hunt);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("3 seeds again in processes of their own: the same traces\n"), "{out}");
    assert!(!folder.read("x.xml").contains("<failure"));
    let (code, out, _) = folder.run(&format!("{hunt} --leaks"));
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("NOT DETERMINISTIC: the trace of seed 2 has hash "), "{out}");
    assert!(folder.read("x.xml").contains("type=\"not-deterministic\""));
    let (code, _, _) = folder.run(&format!("{hunt} --leaks --keep-going --protocol teamtalk"));
    assert_eq!(code, 3, "and nothing that was found comes before it");
}
