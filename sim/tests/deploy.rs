//! The files in deploy/: what each of them starts, as processes, comes to the same as one campaign.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A campaign in which some seeds fail.
const CAMPAIGN: &str = "--protocol teamtalk --profile calm --from 9 --seeds 9 --jobs 1";

fn read(name: &str) -> String {
    let path = Path::new(ROOT).join("deploy").join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What follows the only place with these words, to the end of its line.
fn after<'a>(text: &'a str, words: &str) -> &'a str {
    let all: Vec<_> = text.split(words).skip(1).collect();
    assert_eq!(all.len(), 1, "{words}");
    all[0].lines().next().unwrap_or_default().trim()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// How many shards a file runs by itself, and the commands of a shard and of the merge. Of the former
/// I and N are to be put in.
struct Deployed {
    shards: u64,
    shard: Box<dyn Fn(u64, u64) -> Command>,
    merge: Box<dyn Fn(u64) -> Command>,
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

fn kubernetes() -> Deployed {
    let (shards, merge) = (read("kubernetes-shards.yml"), read("kubernetes-merge.yml"));
    let command = |text: &str| {
        let words: Vec<String> = serde_json::from_str(after(text, "command: ")).expect("a list");
        assert_eq!(words[..2], ["/bin/sh", "-c"]);
        words[2].clone()
    };
    let n = number(after(&shards, "completions: "));
    assert_eq!(number(after(&shards, "parallelism: ")), n);
    let (one, all) = (command(&shards), command(&merge));
    assert!(one.ends_with(&format!(" {n}")) && all.ends_with(&format!(" {n}")), "{one}, {all}");
    let of = move |script: &str, n: u64| {
        script.rsplit_once(' ').expect("words").0.to_string() + &format!(" {n}")
    };
    Deployed {
        shards: n,
        shard: Box::new(move |i, n| {
            let mut command = shell(&of(&one, n));
            command.env("JOB_COMPLETION_INDEX", (i - 1).to_string());
            command
        }),
        merge: Box::new(move |n| shell(&of(&all, n))),
    }
}

fn slurm() -> Deployed {
    let script = |name: &str| {
        let mut command = Command::new(Path::new(ROOT).join("deploy").join(name));
        command.env("SLURM_SUBMIT_DIR", ROOT);
        command
    };
    let n = number(after(&read("slurm.sh"), "#SBATCH --array=1-"));
    assert!(read("slurm-merge.sh").contains(&format!("${{SHARDS:-{n}}}")), "{n}");
    Deployed {
        shards: n,
        shard: Box::new(move |i, n| {
            let mut command = script("slurm.sh");
            let numbers = [("SLURM_ARRAY_TASK_ID", i), ("SLURM_ARRAY_TASK_COUNT", n)];
            command.envs(numbers.map(|(name, n)| (name, n.to_string())));
            command
        }),
        merge: Box::new(move |n| {
            let mut command = script("slurm-merge.sh");
            command.env("SHARDS", n.to_string());
            command
        }),
    }
}

fn github() -> Deployed {
    let text = read("github-actions.yml");
    let shards: Vec<u64> = serde_json::from_str(
        after(&text, "shard: [")
            .strip_suffix(']')
            .map(|n| format!("[{n}]"))
            .expect("a list")
            .as_str(),
    )
    .expect("numbers");
    let n = shards.len() as u64;
    assert_eq!(shards, (1..=n).collect::<Vec<_>>());
    assert_eq!(number(after(&text, "deploy/merge.sh ")), n);
    let run = |words: &str| {
        let line = text.lines().find(|line| line.contains(words)).expect("a step").trim();
        let script = line.strip_prefix("run: ").expect("a command");
        // The program comes from an artifact.
        script.strip_prefix("chmod +x sim && ").expect("the program").to_string()
    };
    let (one, all) = (run("deploy/shard.sh"), run("deploy/merge.sh"));
    Deployed {
        shards: n,
        shard: Box::new(move |i, n| {
            let script = one.replace("${{ matrix.shard }}", &i.to_string());
            let script = script.replace("${{ strategy.job-total }}", &n.to_string());
            assert!(!script.contains("${{"), "{script}");
            shell(&script)
        }),
        merge: Box::new(move |n| shell(&all.replace(" 8", &format!(" {n}")))),
    }
}

/// Runs a command; its status.
fn status(mut command: Command, folder: &Path) -> i32 {
    command.env("SIM", env!("CARGO_BIN_EXE_sim")).env("FOLDER", folder).env("CAMPAIGN", CAMPAIGN);
    command.env("MERGE", "--no-shrink").current_dir(ROOT).stdin(Stdio::null());
    let output = command.output().expect("it starts");
    let code = output.status.code().unwrap_or_else(|| panic!("{}", output.status));
    let told = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(code < 2, "{command:?}: {code}: {told:?}");
    code
}

/// A campaign file without its time.
fn timeless(path: PathBuf) -> Value {
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    assert!(file["seconds"].take().is_number());
    file
}

#[test]
fn what_each_deployment_runs_comes_to_the_same_as_one_campaign() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deploy");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    let mut one = Command::new(env!("CARGO_BIN_EXE_sim"));
    one.arg("explore").args(CAMPAIGN.split(' ')).args(["--keep-going", "--no-shrink", "--resume"]);
    one.arg(folder.join("one.json")).arg("--out").arg(folder.join("one"));
    assert_eq!(status(one, &folder), 1);
    let one = timeless(folder.join("one.json"));
    assert!(one["finds"].as_object().is_some_and(|finds| !finds.is_empty()), "{one}");
    for (name, deployed) in [("kubernetes", kubernetes()), ("slurm", slurm()), ("github", github())]
    {
        assert!(deployed.shards > 1, "{name}");
        let folder = folder.join(name);
        for i in 1..=3 {
            assert_eq!(status((deployed.shard)(i, 3), &folder), 0, "{name}: shard {i}");
        }
        assert_eq!(status((deployed.merge)(3), &folder), 1, "{name}");
        assert_eq!(timeless(folder.join("campaign.json")), one, "{name}");
        assert!(folder.join("junit.xml").is_file() && folder.join("cases").is_dir(), "{name}");
    }
    fs::remove_dir_all(&folder).expect("gone");
}

/// Whoever ends a shard's script (a cluster that wants its machine back) ends the program too, in good
/// order: it goes on when it is started again.
#[test]
fn a_shard_that_is_told_to_end_writes_its_file() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deploy-ended");
    let _ = fs::remove_dir_all(&folder);
    let file = folder.join("shard-2.json");
    let start = |seeds: &str| {
        let mut shard = Command::new(Path::new(ROOT).join("deploy/shard.sh"));
        shard.args(["2", "2"]).env("SIM", env!("CARGO_BIN_EXE_sim")).env("FOLDER", &folder);
        shard.env("CAMPAIGN", format!("--profile calm --jobs 1 --seeds {seeds}"));
        shard.stdin(Stdio::null()).stdout(Stdio::null());
        shard
    };
    let mut shard = start("100000").spawn().expect("it starts");
    #[expect(clippy::disallowed_methods, reason = "no simulation runs in this process")]
    while !file.exists() {
        assert!(shard.try_wait().expect("a child").is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let told = Command::new("kill").args(["-TERM", &shard.id().to_string()]).status();
    assert!(told.expect("kill").success());
    assert_eq!(shard.wait().expect("it ends").code(), Some(130));
    let ran = timeless(file.clone())["reports"].as_object().expect("reports").len();
    assert!(ran > 0, "the seed that was under way");
    let again = start(&(2 * ran + 2).to_string()).status().expect("it starts");
    assert_eq!(again.code(), Some(0));
    assert_eq!(timeless(file)["reports"].as_object().expect("reports").len(), ran + 1);
    fs::remove_dir_all(&folder).expect("gone");
}
