//! `--deployment FILE` of the binary `sim`: it is refused with a sentence, it is in the plans, and campaigns of two
//! deployments are not mixed.

mod folder;

use folder::Folder;
use serde_json::Value;
use std::fs;

const SMALL: &str = "redis = \"never\"\n[links]\nclient-msg = 20\n[hosts]\nmsg = 1\ndb = 1\nroute = 1\n\
                     client = 1\n[users]\ncount = 2\ndevices = 3\noperations = 12\n[limits]\n\"send-list\" = 99\n";

impl Folder {
    fn deployment(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("writes");
    }

    /// Its status, and what it says on both streams.
    fn run(&self, args: &str) -> (i32, String, String) {
        let words: Vec<&str> = args.split(' ').collect();
        let output = self.sim(&words).output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or_else(|| panic!("{}", output.status));
        (code, text(&output.stdout), text(&output.stderr))
    }
}

#[test]
fn a_deployment_that_can_not_be_is_status_2_with_its_place() {
    let folder = Folder::new("no deployment");
    folder.deployment("many.toml", "[hosts]\nmsg = 10_000\n");
    folder.deployment("typo.toml", "[hosts]\nmgs = 2\n");
    for command in ["explore", "run 1", "verify --base hardened --candidate teamtalk"] {
        for (file, place) in [
            ("many.toml", "many.toml: field `hosts.msg`: 10000 is not within 1 to 16"),
            ("typo.toml", "unknown field `mgs`, expected one of `msg`, `route`, `db`, `client`"),
            ("none.toml", "none.toml: "),
        ] {
            let (status, out, err) = folder.run(&format!("{command} --deployment {file}"));
            assert_eq!((status, out.as_str()), (2, ""), "{command} {file}: {err}");
            assert!(err.starts_with("error: ") && err.contains(place), "{command}: {err}");
        }
    }
}

#[test]
fn a_run_is_of_the_deployment_and_its_case_needs_none() {
    let folder = Folder::new("deployed");
    folder.deployment("small.toml", SMALL);
    let (status, out, err) =
        folder.run("run 3 --profile calm --deployment small.toml --trace trace.jsonl");
    assert_eq!(status, 0, "{out}{err}");
    let trace = folder.read("trace.jsonl");
    let header: Value =
        serde_json::from_str(trace.lines().next().expect("a header")).expect("JSON");
    let case = &header["case"];
    assert_eq!(case["plan"]["link_latency_ticks"]["client-msg"], 4);
    assert_eq!(case["plan"]["devices"].as_array().map(Vec::len), Some(3));
    assert_eq!(case["protocols"]["base"]["limits"]["send-list"], 99);
    fs::write(folder.0.join("case.json"), case.to_string()).expect("writes");
    let (status, again, err) = folder.run("replay case.json");
    assert_eq!(status, 0, "{again}{err}");
    let hash = |said: &str| said.split("trace ").last().map(|rest| rest[..64].to_string());
    assert_eq!(hash(&out), hash(&again));
}

#[test]
fn campaigns_of_two_deployments_are_not_mixed() {
    let folder = Folder::new("campaigns");
    folder.deployment("small.toml", SMALL);
    folder.deployment("other.toml", &SMALL.replace("devices = 3", "devices = 4"));
    let hunt = "explore --profile calm --no-shrink --keep-going";
    // A seed is run again in a process of its own, which has the same deployment.
    let one = format!("{hunt} --seeds 2 --again-every 1 --shard 1/2");
    let (status, out, err) = folder.run(&format!("{one} --resume 1.json --deployment small.toml"));
    assert_eq!(status, 0, "{out}{err}");
    assert!(out.contains("deployment small.toml: 1 msg_server, "), "{out}");
    assert!(out.contains("1 seed again in processes of their own: the same traces"), "{out}");
    let file: Value = serde_json::from_str(&folder.read("1.json")).expect("JSON");
    assert_eq!(file["deployment"]["hosts"]["msg"], 1);
    for (more, differs) in [
        (" --deployment other.toml", "`users.devices` is `3` there, and `4` here"),
        ("", "`hosts.client` is `1` there, and not fixed here"),
    ] {
        let (status, _, err) = folder.run(&format!("{one} --resume 1.json{more}"));
        assert_eq!(status, 2, "{err}");
        let sentence = "1.json: it is a campaign of another deployment: ";
        assert!(err.contains(sentence) && err.contains(differs), "{err}");
    }
    let (status, out, err) = folder.run(&format!("{one} --resume 1.json --deployment small.toml"));
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("1.json has 1 seed already"), "{out}");
    let two = format!("{hunt} --seeds 2 --again-every 0 --shard 2/2 --resume 2.json");
    let (status, _, err) = folder.run(&format!("{two} --deployment other.toml"));
    assert_eq!(status, 0, "{err}");
    let (status, _, err) = folder.run("merge 1.json 2.json");
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("2.json does not fit to 1.json: it is a campaign of another"), "{err}");
}

/// What a seed that fails is run again with.
#[test]
fn the_command_that_runs_a_seed_again_names_the_file() {
    let folder = Folder::new("again");
    folder.deployment("my own.toml", "[users]\ncount = 3\ndevices = 6\n[clients]\nwindows = 1\n");
    let args = ["--protocol", "teamtalk", "--deployment", "my own.toml", "--patience", "60"];
    for seed in 1..20 {
        let seed = seed.to_string();
        let output = folder.sim(&["run", &seed]).args(args).output().expect("it starts");
        let out = String::from_utf8_lossy(&output.stdout);
        if output.status.code() == Some(1) {
            let again = format!("cargo sim run {seed} --protocol teamtalk --profile default");
            assert!(out.contains(&format!("{again} --deployment 'my own.toml'\n")), "{out}");
            return;
        }
    }
    panic!("the original holds");
}
