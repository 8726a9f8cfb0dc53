//! Campaign files: written, read, refused, merged.

use super::{BUILD, FORMAT, Find, Results, merge};
use crate::{
    explore::{Campaign, Long, SeedReport, case_in, case_of},
    plan::{
        case::{Case, ProtocolSpec},
        generate::{Deployment, Profile},
    },
    properties::Tally,
    report,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A shard of a campaign of 12 seeds from 1 on, of which some were violated: by which mechanism.
fn results(shard: &str, found: &[(u64, &str)]) -> Results {
    let shard = shard.parse().expect("a shard");
    let campaign = Campaign {
        from: 1,
        seeds: 12,
        jobs: 1,
        protocol: ProtocolSpec::preset("teamtalk"),
        profile: Profile::Calm,
        deployment: Deployment::default(),
        keep_going: true,
        long: Long { shard, ..Long::default() },
    };
    let mut results = Results::new(&campaign, Some(12));
    for seed in (1..=12).filter(|seed| shard.has(*seed, 1)) {
        let tally = Tally { judged: 3, excused: [("late", seed)].into() };
        let tallies = [("order", tally)].into();
        let mut report = SeedReport { seed, acked: 7, tallies, ..SeedReport::default() };
        for (_, mechanism) in found.iter().filter(|(at, _)| *at == seed) {
            report.signatures.push("order/gap/db".into());
            report.mechanisms.push(mechanism.to_string());
            let find = Find { seed, sentence: format!("in seed {seed}"), small: None };
            results.found("order/gap/db", mechanism, find);
        }
        results.reports.insert(seed, report);
    }
    results.seconds = 1.5;
    results
}

const FOUND: [(u64, &str); 5] =
    [(11, "race"), (5, "race"), (6, "db down"), (5, "store failed"), (9, "db down")];

fn shards(of: u64) -> Vec<(String, Results)> {
    let shard = |n| (format!("{n}.json"), results(&format!("{n}/{of}"), &FOUND));
    (1..=of).map(shard).collect()
}

#[test]
fn what_is_written_is_read_again() {
    let deployed = Deployment::parse("[hosts]\nmsg = 4\n[users]\ncount = 5").expect("a deployment");
    // A case of the profile `bounds` has a limit of its own.
    for (profile, deployment) in
        [(Profile::Calm, Deployment::default()), (Profile::Bounds, deployed)]
    {
        let mut all = Results { profile, deployment, ..results("1/1", &FOUND) };
        let find = all.finds.get_mut("order/gap/db").and_then(|by| by.get_mut("race"));
        let small = case_in(5, &all.protocol, all.profile, &all.deployment);
        find.expect("a find").small = Some(Case { expect: "order/gap/db".into(), ..small });
        let folder = std::env::temp_dir().join(format!("sim-campaign-{}", std::process::id()));
        let path = folder.join("x.json");
        all.write(&path).expect("writes");
        assert_eq!(Results::read(&path), Ok(all));
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 1, "nothing beside it");
        std::fs::remove_dir_all(&folder).expect("gone");
    }
}

#[test]
fn what_is_damaged_is_refused_with_a_sentence() {
    let document = serde_json::to_value(results("1/1", &FOUND)).expect("plain data");
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut changed = document.clone();
        change(&mut changed);
        Results::parse(&changed.to_string()).expect_err("refused")
    };
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: [(Change<'_>, &str); 19] = [
        (&|d| d["format"] = json!(FORMAT + 1), "but this build reads format version 1"),
        (&|d| d["format"] = json!("1"), "no format version, but"),
        (&|d| d["build"] = json!("0.0.9-x"), "it was made by build 0.0.9-x, and this is build"),
        (&|d| d["protocol"]["preset"] = json!("x"), "protocol: unknown preset `x`"),
        (&|d| d["profile"] = json!("x"), "unknown variant `x`"),
        (&|d| d["deployment"] = json!({"hosts": {"msg": 0}}), "deployment: field `hosts.msg`: 0"),
        (&|d| d["shard"] = json!("4/3"), "`4/3` is no shard"),
        (&|d| d["shard"] = json!("1/3"), "seed 2: it is not of this campaign"),
        (&|d| d["from"] = json!(2), "seed 1: it is not of this campaign"),
        (&|d| d["seconds"] = json!(-1.0), "seconds: no time"),
        (&|d| d["more"] = json!(1), "unknown field `more`"),
        (&|d| d["reports"]["1"]["seed"] = json!(2), "seed 1: it is not of this campaign"),
        (&|d| d["reports"]["1"]["acked"] = json!(u64::MAX), "seed 1: a number over"),
        (&|d| d["reports"]["5"]["mechanisms"] = json!([]), "seed 5: each signature has"),
        (
            &|d| d["reports"]["1"]["tallies"]["\u{1b}["] = json!({"judged": 1, "excused": {}}),
            "is no name",
        ),
        (&|d| d["lost"] = json!([1]), "seed 1: it can't be lost"),
        (&|d| d["finds"]["order/gap/db"]["race"]["seed"] = json!(11), "is not the lowest"),
        (&|d| d["finds"] = json!({}), "`finds` lack"),
        (&|d| d["finds"]["../x"] = json!({"race": {"seed": 1, "sentence": ""}}), "no signature"),
    ];
    for (change, says) in cases {
        let why = refused(change);
        assert!(why.contains(says), "{says}: {why}");
    }
    let small = |d: &mut Value| d["finds"]["order/gap/db"]["race"]["small"] = json!({"format": 1});
    assert!(refused(&small).starts_with("the small case of order/gap/db by race: "));
    let whole = document.to_string();
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        let why = Results::parse(&whole[..cut]).expect_err("cut off");
        assert!(why.contains("truncated"), "{why}");
    }
    assert!(whole.contains(BUILD));
    // Files from before there were deployments are those of campaigns without one.
    assert!(document.get("deployment").is_none() && Results::parse(&whole).is_ok());
}

#[test]
fn shards_merged_are_the_whole_but_for_the_time() {
    for of in [1, 3, 5] {
        let mut files = shards(of);
        files.reverse();
        let merged = merge(files).expect("they fit");
        assert_eq!(merged.missing, None);
        let seconds = 1.5 * of as f64;
        let whole = Results { seconds, ..results("1/1", &FOUND) };
        assert_eq!(merged.results, whole, "{of} shards");
        super::check::check(&merged.results).expect("a file of its own");
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let refused = |change: &dyn Fn(&mut Results)| {
        let mut files = shards(3);
        change(&mut files[1].1);
        merge(files).expect_err("refused")
    };
    let twice = |file: &mut Results| *file = results("1/3", &FOUND);
    assert_eq!(refused(&twice), "seed 1 is in 2.json and in 1.json");
    type Change<'a> = &'a dyn Fn(&mut Results);
    let cases: [(Change<'_>, &str); 6] = [
        (&|f| f.protocol.preset = "hardened".into(), "a campaign of protocol hardened, not of"),
        (&|f| f.profile = Profile::Idle, "a campaign of profile idle, not of calm"),
        (
            &|f| f.deployment.hosts.msg = Some(4),
            "a campaign of another deployment: `hosts.msg` is `4` there, and not fixed here",
        ),
        (&|f| f.from = 2, "its first seed is 2, not 1"),
        (&|f| f.seeds = None, "its seeds are until a time, not 12"),
        (
            &|f| f.shard = "2/4".parse().expect("a shard"),
            "it is shard 2/4, and the others are of 3",
        ),
    ];
    for (change, says) in cases {
        let why = refused(change);
        assert!(why.starts_with("2.json does not fit to 1.json: ") && why.contains(says), "{why}");
    }
    assert!(merge(Vec::new()).is_err());
}

#[test]
fn what_is_missing_is_said() {
    let mut files = shards(3);
    files.pop();
    let missing = merge(files.clone()).expect("they fit").missing;
    assert_eq!(missing.as_deref(), Some("shard 3/3 is not among the files"));
    let mut files = shards(3);
    files[0].1.reports.remove(&7);
    let missing = merge(files).expect("they fit").missing.expect("a seed");
    assert!(missing.starts_with("11 of 12 seeds were run"), "{missing}");
}

#[test]
fn the_smallest_small_case_stays() {
    let case = |seed: u64, operations: usize| {
        let mut case = case_of(seed, &ProtocolSpec::preset("teamtalk"), Profile::Calm);
        case.plan.operations.truncate(operations);
        Some(case)
    };
    let find = |seed, small| Find { seed, sentence: format!("{seed}"), small };
    for (ours, theirs, smallest) in [
        (case(5, 60), case(3, 40), case(3, 40)),
        (case(5, 40), case(3, 60), case(5, 40)),
        (None, case(3, 60), case(3, 60)),
        (case(5, 60), None, case(5, 60)),
    ] {
        let mut merged = find(5, ours);
        merged.merge(find(3, theirs));
        assert_eq!(merged, find(3, smallest));
    }
}

#[test]
fn a_campaign_goes_on_with_its_own_file_only() {
    let mut file = results("1/3", &FOUND);
    file.lost.insert(file.reports.pop_last().expect("some").0);
    let new = || Results { seeds: Some(30), ..results("1/3", &[]) };
    let on = new().resume(file.clone()).expect("its own");
    assert_eq!((on.seeds, on.lost.len(), on.reports.len()), (Some(30), 0, 3));
    let fewer = Results { seeds: Some(3), ..new() };
    assert_eq!(fewer.resume(file.clone()).expect("its own").seeds, Some(12));
    let other = results("2/3", &FOUND);
    assert_eq!(new().resume(other), Err("it is of shard 2/3, not of 1/3".into()));
    let idle = Results { profile: Profile::Idle, ..file.clone() };
    assert!(new().resume(idle).is_err());
    let from = Results { from: 9, ..file };
    assert_eq!(new().resume(from), Err("its first seed is 9, not 1".into()));
}

proptest! {
    /// Whatever happened to a file, it is refused or can be told of.
    #[test]
    fn a_file_with_something_else_in_it_is_refused_or_read(
        at in any::<prop::sample::Index>(),
        length in 0_usize..12,
        other in "[0-9{}\\[\\]\":,/a-c]{0,8}",
    ) {
        let whole = serde_json::to_string(&results("1/1", &FOUND)).expect("plain data");
        let at = at.index(whole.len());
        let end = (at + length).min(whole.len());
        let changed = format!("{}{other}{}", &whole[..at], &whole[end..]);
        if let Ok(read) = Results::parse(&changed) {
            report::summary(&read.reports, read.seconds);
            report::violated(&read.reports, &BTreeMap::new());
            let merged = merge(vec![("x".into(), read)]).expect("one file");
            super::check::check(&merged.results).map_err(TestCaseError::fail)?;
        }
    }
}
