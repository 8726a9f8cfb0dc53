//! What a file fixes is so in every plan, and plans of any deployment can be run.

use super::Deployment;
use crate::{
    explore::case_in,
    plan::{
        Action, Between, Client, Durability, Pace, Plan, Role, Trouble,
        case::ProtocolSpec,
        check,
        generate::{Clients, PROFILES, Profile, generate, generate_in, rollout},
    },
};
use std::collections::{BTreeMap, BTreeSet};

fn deployment(text: &str) -> Deployment {
    Deployment::parse(text).expect("a deployment")
}

fn plan(seed: u64, profile: Profile, deployment: &Deployment) -> Plan {
    generate_in(seed, Clients::Ours, profile, deployment)
}

#[test]
fn what_is_fixed_is_so_in_every_plan_and_all_can_be_run() {
    let fixed = deployment(
        "redis = \"never\"\ndb_workers = 7\nlatency_ms = 15\n[links]\nclient-msg = 40\n\
         [hosts]\nmsg = 5\nroute = 3\ndb = 4\nclient = 3\n\
         [users]\ncount = 9\ndevices = 20\noperations = 30\n[limits]\n\"send-list\" = 77",
    );
    let protocol = fixed.under(&ProtocolSpec::preset("hardened")).expect("they fit");
    let mut plans = BTreeSet::new();
    for (profile, name, _) in PROFILES {
        for seed in 0..50 {
            let case = case_in(seed, &protocol, profile, &fixed);
            assert_eq!(check::check(&case), Ok(()), "{name} {seed}");
            assert_eq!(case.protocols.base.limits["send-list"], 77);
            let plan = case.plan;
            let hosts = [Role::Msg, Role::Route, Role::Db, Role::Client];
            assert_eq!(hosts.map(|role| plan.hosts(role).len()), [5, 3, 4, 3]);
            assert_eq!((plan.redis, plan.db_workers), (Durability::Never, 7), "{name} {seed}");
            assert_eq!((plan.pace, plan.latency_ticks), (Pace::Brisk, 3));
            assert_eq!(plan.link_latency_ticks, [(Between::ClientMsg, 8)].into());
            for fault in &plan.faults {
                if let Trouble::SlowLink { a, ticks, .. } = &fault.trouble
                    && a.starts_with("client")
                {
                    assert!(*ticks >= 5 + 8, "{name} {seed}: slower than without the fault");
                }
            }
            let users: BTreeSet<u32> = plan.devices.iter().map(|device| device.user).collect();
            assert_eq!((users, plan.devices.len()), ((1..=9).collect(), 20));
            let slots: BTreeSet<u32> = plan.devices.iter().map(|device| device.slot).collect();
            assert_eq!(slots.len(), 20);
            plans.insert(serde_json::to_string(&plan).expect("plain data"));
        }
    }
    // More people talk in more groups: each takes one message at a time.
    let groups = |seed| plan(seed, Profile::Calm, &fixed).groups.len();
    assert!((0..50).all(|seed| (2..=6).contains(&groups(seed))));
    // The seed draws the rest.
    assert_eq!(plans.len(), 50 * PROFILES.len());
}

#[test]
fn a_file_that_fixes_nothing_is_the_same_as_none() {
    for (profile, ..) in PROFILES {
        for clients in [Clients::Ours, Clients::Mixed] {
            let empty = deployment("[hosts]\n[links]");
            assert_eq!(generate_in(5, clients, profile, &empty), generate(5, clients, profile));
        }
    }
}

/// From one of each to the most that is allowed.
#[test]
fn the_smallest_and_the_largest_deployment_can_be_run() {
    let small = "[hosts]\nmsg = 1\nroute = 1\ndb = 1\nclient = 1\n[users]\ncount = 2\ndevices = 2";
    let large = "db_workers = 64\nlatency_ms = 15\n[hosts]\nmsg = 16\nroute = 4\ndb = 16\nclient = 16\n\
                 [users]\ncount = 50\ndevices = 120\noperations = 2_000";
    let only_devices = "[users]\ndevices = 120";
    let only_users = "[users]\ncount = 50";
    for text in [small, large, only_devices, only_users] {
        let deployment = deployment(text);
        for (profile, name, _) in PROFILES {
            for seed in 0..10 {
                let protocol = ProtocolSpec::preset("hardened");
                let mut case = case_in(seed, &protocol, profile, &deployment);
                assert_eq!(check::check(&case), Ok(()), "{name} {seed} {text}");
                rollout::lay(&mut case.plan, seed, &Default::default(), &rollout::Leg::ALL);
                assert_eq!(check::check(&case), Ok(()), "{name} {seed} {text}");
            }
        }
    }
}

/// How often each thing is done in 50 calm plans.
fn done(text: &str) -> BTreeMap<String, u32> {
    let deployment = deployment(text);
    let mut done = BTreeMap::new();
    for seed in 0..50 {
        for op in plan(seed, Profile::Calm, &deployment).operations {
            *done.entry(op.action.name().to_string()).or_default() += 1;
        }
    }
    done
}

#[test]
fn weights_shift_what_is_done() {
    let count = |done: &BTreeMap<String, u32>, name: &str| done.get(name).copied().unwrap_or(0);
    let usual = done("");
    let shifted = done("[operations]\nsend = 100\nreconnect = 300\nread = 0\navatar = 100");
    assert!(count(&usual, "send") > count(&usual, "reconnect") * 5, "{usual:?}");
    assert!(count(&shifted, "send") * 2 < count(&shifted, "reconnect"), "{shifted:?}");
    assert!(count(&usual, "read") > 100 && count(&shifted, "read") == 0, "{shifted:?}");
    // What is named is in every plan.
    let named = deployment("[operations]\navatar = 200");
    let has = |deployment: &Deployment, seed: u64| {
        let plan = plan(seed, Profile::Calm, deployment);
        plan.operations.iter().any(|op| op.action == Action::Avatar)
    };
    assert!((0..50).all(|seed| has(&named, seed)));
    assert!(!(0..50).all(|seed| has(&Deployment::default(), seed)));
    // Nothing but sends is named: they are as likely as all that half of the plans have.
    let sends = done("[operations]\nsend = 10_000");
    let all = sends.values().sum::<u32>() - count(&sends, "login");
    assert!(count(&sends, "send") * 4 > all * 3, "{sends:?}");
    assert!(shifted.len() > 10, "what is not named is done still: {shifted:?}");
}

#[test]
fn the_mix_of_clients_is_that_of_the_file() {
    let mixed = deployment(
        "[users]\ncount = 10\ndevices = 20\n[clients]\nours_pc = 6\nours_iphone = 3\nandroid = 1",
    );
    let mut clients: BTreeMap<Client, u32> = BTreeMap::new();
    for seed in 0..50 {
        for device in plan(seed, Profile::Default, &mixed).devices {
            *clients.entry(device.client).or_default() += 1;
        }
    }
    let [pc, iphone, android] = [Client::OursPc, Client::OursIphone, Client::Android]
        .map(|client| clients.remove(&client).unwrap_or_default());
    assert!(clients.is_empty(), "{clients:?}");
    assert!(pc > iphone && iphone > 2 * android && android > 20, "{pc} {iphone} {android}");
    let phones = deployment("[clients]\nours_phone = 1");
    for seed in 0..50 {
        let plan = plan(seed, Profile::Default, &phones);
        assert!(plan.devices.iter().all(|device| device.client == Client::OursPhone));
    }
}

/// The same plan, five times as long.
#[test]
fn at_the_original_pace_all_takes_as_much_longer_as_timers() {
    let slow = deployment("pace = \"original\"");
    for seed in 0..20 {
        let (brisk, slow) =
            (generate(seed, Clients::Ours, Profile::Default), plan(seed, Profile::Default, &slow));
        assert_eq!((slow.pace, slow.horizon_ms), (Pace::Original, 5 * brisk.horizon_ms));
        assert!(brisk.operations.iter().zip(&slow.operations).all(|(a, b)| 5 * a.at_ms == b.at_ms));
        let times =
            |plan: &Plan| plan.faults.iter().map(|f| (f.at_ms, f.for_ms)).collect::<Vec<_>>();
        let longer: Vec<_> = times(&brisk).iter().map(|(at, lasts)| (5 * at, 5 * lasts)).collect();
        assert_eq!(longer, times(&slow));
    }
}
