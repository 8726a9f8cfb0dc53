//! What a case file is refused for, and what is read.

use super::{Case, ProtocolSpec, Protocols};
use crate::{
    explore::case_of,
    plan::generate::{PROFILES, Profile},
};
use serde_json::{Value, json};
use teamtalk::mutants::BUILT;

/// A case with an element in every list.
fn document() -> Value {
    let case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Default);
    let mut document = serde_json::to_value(case).expect("plain data");
    document["plan"]["groups"] =
        json!([{"id": 1, "kind": "normal", "creator": 1, "members": [1, 2]}]);
    document["plan"]["faults"] =
        json!([{"id": 1, "at_ms": 1_000, "for_ms": 500, "fault": "pause", "host": "msg1"}]);
    document["plan"]["operations"] = json!([{"id": 1, "at_ms": 300, "device": 1, "do": "login"}]);
    document
}

fn parse(document: &Value) -> Result<Case, String> {
    Case::parse(&document.to_string())
}

/// The refusal of a document after a change.
fn refused(change: impl FnOnce(&mut Value)) -> String {
    let mut document = document();
    change(&mut document);
    parse(&document).map(|_| ()).expect_err("refused")
}

/// The refusal when the value at a JSON pointer is another one.
fn with(pointer: &str, value: Value) -> String {
    refused(|document| {
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    })
}

/// The refusal when a list has an element more: its first one, again.
fn doubled(list: &str) -> String {
    refused(|document| {
        let list = document.pointer_mut(list).and_then(Value::as_array_mut).expect("a list");
        list.push(list[0].clone());
    })
}

#[test]
fn what_generate_makes_is_read_as_it_was_written() {
    for (profile, name, _) in PROFILES {
        for protocol in ["hardened", "teamtalk"].map(ProtocolSpec::preset) {
            for seed in (0..100).chain([u64::MAX]) {
                let case = case_of(seed, &protocol, profile);
                let text = serde_json::to_string(&case).expect("plain data");
                assert_eq!(
                    Case::parse(&text),
                    Ok(case),
                    "seed {seed}, {name}, {}",
                    protocol.preset
                );
            }
        }
    }
}

#[test]
fn each_id_is_used_once() {
    assert!(doubled("/plan/operations").starts_with("operation 1: duplicate id"));
    assert!(doubled("/plan/faults").starts_with("fault 1: duplicate id"));
    assert!(doubled("/plan/devices").starts_with("device 1: duplicate id"));
    assert!(doubled("/plan/groups").starts_with("group 1: duplicate id"));
    assert!(doubled("/plan/nodes").contains("there are two nodes of this host"));
    assert!(doubled("/plan/groups/0/members").starts_with("group 1: field `members`: user"));
}

#[test]
fn a_world_has_every_role_under_its_name() {
    let without = |role: &str| {
        refused(|document| {
            let nodes = document["plan"]["nodes"].as_array_mut().expect("a list");
            nodes.retain(|node| !node["host"].as_str().expect("a name").starts_with(role));
        })
    };
    for role in ["msg", "route", "db", "client", "redis", "sql", "outside"] {
        let error = without(role);
        assert!(
            error.starts_with(&format!("plan: field `nodes`: there is no `{role}` (")),
            "{error}"
        );
    }
    for name in
        ["mgs1", "msg", "sql2", "redis1", "", "1", "msg1x", "Msg1", "world", "msg0", "msg01"]
    {
        let error = with("/plan/nodes/0/host", json!(name));
        assert!(
            error.starts_with(&format!("node `{name}`: `{name}` is no host: expected")),
            "{error}"
        );
    }
}

#[test]
fn numbers_stay_within_their_bounds() {
    let most = u64::MAX;
    for (pointer, value, start) in [
        (
            "/plan/horizon_ms",
            json!(most),
            "plan: field `horizon_ms`: 18446744073709551615 is not within 1 to 1000000",
        ),
        ("/plan/horizon_ms", json!(0), "plan: field `horizon_ms`: 0 is not"),
        ("/plan/latency_ticks", json!(0), "plan: field `latency_ticks`: 0 is not within 1 to"),
        ("/plan/latency_ticks", json!(most), "plan: field `latency_ticks`: "),
        ("/plan/db_workers", json!(0), "plan: field `db_workers`: 0 is not within 1 to"),
        ("/plan/db_workers", json!(most), "plan: field `db_workers`: "),
        (
            "/plan/devices/0/user",
            json!(0),
            "device 1: field `user`: 0 is not within 1 to 2147483647",
        ),
        ("/plan/devices/0/user", json!(u32::MAX), "device 1: field `user`: 4294967295 is not"),
        ("/plan/devices/0/slot", json!(0), "device 0: field `slot`: "),
        ("/plan/devices/0/host", json!("msg1"), "device 1: field `host`: `msg1` is no client host"),
        ("/plan/devices/0/home", json!("client1"), "device 1: field `home`: `client1` is no msg"),
        ("/plan/devices/0/home", json!("msg9"), "device 1: field `home`: `msg9` is not among"),
        ("/plan/groups/0/id", json!(0), "group 0: field `id`: "),
        ("/plan/groups/0/creator", json!(u32::MAX), "group 1: field `creator`: "),
        ("/plan/groups/0/members/0", json!(0), "group 1: field `members`: 0 is not within"),
        ("/plan/groups/0/members", json!([2, 1]), "group 1: field `members`: 1 behind 2: they are"),
        ("/plan/operations/0/id", json!(1_000_000), "operation 1000000: field `id`: "),
        (
            "/plan/operations/0/at_ms",
            json!(9_000),
            "operation 1: field `at_ms`: 9000 is not before",
        ),
        ("/plan/operations/0/device", json!(77), "operation 1: field `device`: the plan has no"),
        ("/plan/faults/0/at_ms", json!(most), "fault 1: field `at_ms`: "),
        ("/plan/faults/0/for_ms", json!(0), "fault 1: field `for_ms`: 0 is not within 1 to"),
        ("/plan/faults/0/for_ms", json!(most), "fault 1: field `for_ms`: "),
        ("/expect", json!("hold"), "field `expect`: `hold` is neither `holds` nor a signature"),
        ("/expect", json!("no-such/thing/msg"), "field `expect`: "),
        ("/expect", json!("order/gap/foo"), "field `expect`: "),
        ("/protocols/base/preset", json!("x"), "protocols.base: unknown preset `x`"),
        (
            "/protocols/candidate/overrides",
            json!({"x": true}),
            "protocols.candidate: unknown switch `x`",
        ),
        ("/format", json!(2), "format version 2, but this build reads format version 1"),
    ] {
        let error = if pointer.ends_with("overrides") {
            refused(|document| document["protocols"]["candidate"]["overrides"] = value)
        } else {
            with(pointer, value)
        };
        assert!(error.starts_with(start), "{pointer}: {error}");
    }
}

#[test]
fn users_that_operations_name_are_ids_of_users() {
    for action in [
        json!({"do": "send", "to": 0}),
        json!({"do": "send", "to": u32::MAX}),
        json!({"do": "send_cipher", "to": 0}),
        json!({"do": "send_payload", "to": 0, "payload": "long"}),
        json!({"do": "send_audio", "to": 0}),
        json!({"do": "send_odd", "to": 0, "odd": "empty"}),
        json!({"do": "claim", "to": 0, "of": 1}),
        json!({"do": "claim", "to": 1, "of": 0}),
        json!({"do": "read", "chat": 0}),
        json!({"do": "pull", "chat": 0, "count": 1}),
        json!({"do": "latest", "chat": 0}),
        json!({"do": "remove_session", "chat": u32::MAX}),
        json!({"do": "p2p", "to": 0}),
        json!({"do": "send_file", "to": 0, "offline": true}),
        json!({"do": "add_offline_file", "to": 0}),
        json!({"do": "del_offline_file", "from": 0, "of": 1}),
        json!({"do": "status", "users": [1, 0]}),
        json!({"do": "user_info", "users": [u32::MAX]}),
        json!({"do": "create_group", "members": [0]}),
        json!({"do": "add_members", "group": 1, "users": [0]}),
        json!({"do": "remove_members", "group": 1, "users": [0]}),
        json!({"do": "send", "to": {"group": 0}}),
        json!({"do": "shield_group", "group": 0, "on": true}),
        json!({"do": "rogue", "what": {"text": {"to": 0}}}),
        json!({"do": "rogue", "what": {"unread": {"of": 0}}}),
        json!({"do": "rogue", "what": {"hasty": {"of": 1, "to": u32::MAX}}}),
    ] {
        let mut operation = json!({"id": 1, "at_ms": 300, "device": 1});
        let fields = action.as_object().expect("an object").clone();
        operation.as_object_mut().expect("an object").extend(fields);
        let error = with("/plan/operations", json!([operation]));
        assert!(error.starts_with("operation 1: field `"), "{action}: {error}");
        assert!(error.contains("is not within 1 to 2147483647"), "{action}: {error}");
    }
    // Whether the user, the group or the operation is there is another matter: a case that was made small goes
    // on to name those that were left out.
    let mut document = document();
    document["plan"]["operations"] = json!([
        {"id": 1, "at_ms": 300, "device": 1, "do": "send", "to": 77},
        {"id": 2, "at_ms": 300, "device": 1, "do": "send", "to": {"group": {"created_by": 99}}},
        {"id": 3, "at_ms": 300, "device": 1, "do": "group_info", "group": 77},
        {"id": 4, "at_ms": 300, "device": 1, "do": "device_token"},
    ]);
    assert_eq!(parse(&document).map(|_| ()), Ok(()));
}

#[test]
fn a_fault_of_a_link_is_of_hosts_that_talk() {
    let fault = |kind: &str, fields: Value| {
        let mut fault = json!({"id": 1, "at_ms": 5, "for_ms": 5, "fault": kind});
        let fields = fields.as_object().expect("an object").clone();
        fault.as_object_mut().expect("an object").extend(fields);
        json!([fault])
    };
    let of = |a: &str, b: &str| fault("stall", json!({"a": a, "b": b}));
    for faults in [
        of("client1", "sql"),
        of("redis", "sql"),
        of("msg1", "msg2"),
        fault("partition", json!({"a": "client1", "b": "sql", "cut": "both", "fate": "reset"})),
        fault("slow_reader", json!({"host": "client1", "peer": "sql", "bytes": 1})),
    ] {
        let error = with("/plan/faults", faults.clone());
        assert!(
            error.starts_with("fault 1: ") && error.contains("never talk"),
            "{faults}: {error}"
        );
    }
    let mut document = document();
    for (a, b) in [("client1", "msg1"), ("sql", "db1"), ("msg2", "route1"), ("outside", "msg1")] {
        document["plan"]["faults"] = of(a, b);
        assert_eq!(parse(&document).map(|_| ()), Ok(()), "{a}, {b}");
    }
}

/// A clock that is wrong by more than a day, or that nobody looks at, and a step of none.
#[test]
fn a_clock_is_within_its_bounds_and_of_a_host_that_reads_it() {
    let place = |host: &str, case: &Value| {
        let nodes = case["plan"]["nodes"].as_array().expect("a list").iter();
        nodes.clone().position(|node| node["host"] == host).expect("it is there")
    };
    let node = |host: &str, clock: Value| {
        refused(|case| {
            let at = place(host, case);
            case["plan"]["nodes"][at]["clock"] = clock;
        })
    };
    let ahead =
        "node `msg1`: field `clock.ahead_ms`: -86400001 is not within -86400000 to 86400000";
    assert_eq!(node("msg1", json!({"ahead_ms": -86_400_001})), ahead);
    let drift = node("msg1", json!({"drift_ppm": 500_001}));
    assert!(drift.starts_with("node `msg1`: field `clock.drift_ppm`: 500001 is not"), "{drift}");
    let fraction = node("msg1", json!({"ahead_ms": 1.5}));
    assert!(fraction.starts_with("node `msg1`: field `clock.ahead_ms`: "), "{fraction}");
    let unknown = node("msg1", json!({"ahead": 1}));
    assert!(unknown.contains("`ahead_ms`") && unknown.contains("`drift_ppm`"), "{unknown}");
    let nobody = "`sql` reads no wall clock: a host of msg, route, db or client was expected";
    let of_sql = node("sql", json!({"ahead_ms": 1}));
    assert_eq!(of_sql, format!("node `sql`: field `clock`: {nobody}"));
    let fault = |host: &str, ahead_ms: Value| json!([{"id": 1, "at_ms": 5, "for_ms": 5, "fault": "clock_step", "host": host, "ahead_ms": ahead_ms}]);
    let step = |host: &str, ahead_ms: Value| with("/plan/faults", fault(host, ahead_ms));
    assert_eq!(step("sql", json!(1)), format!("fault 1: field `host`: {nobody}"));
    let none = "fault 1: field `ahead_ms`: 0 sets no clock: a number over or under 0 was expected";
    assert_eq!(step("msg1", json!(0)), none);
    let far = step("msg1", json!(86_400_001));
    assert!(far.starts_with("fault 1: field `ahead_ms`: 86400001 is not within"), "{far}");
    let mut document = document();
    let at = place("db1", &document);
    document["plan"]["nodes"][at]["clock"] = json!({"ahead_ms": -1, "drift_ppm": 200});
    document["plan"]["faults"] = fault("msg1", json!(-3_600_000));
    assert_eq!(parse(&document).map(|_| ()), Ok(()));
}

#[test]
fn what_a_story_lacks_is_said_of_the_story() {
    let error = refused(|document| document["story"] = json!({}));
    assert_eq!(error, "story: missing field `mechanism`");
    let error = refused(|document| document["story"] = json!({"mechanism": "race", "events": [1]}));
    assert!(error.starts_with("story: field `events[0]`: invalid type: integer `1`"), "{error}");
    let error = refused(|document| {
        document["story"] = json!({"mechanism": "race", "events": [], "x": 1});
    });
    assert!(error.starts_with("story: field `x`: unknown field `x`"), "{error}");
    let mut document = document();
    document["story"] = Value::Null;
    assert_eq!(parse(&document).map(|case| case.story), Ok(None));
}

#[test]
fn conduct_and_fates_have_bounds_too() {
    let late = json!({"acks": {"late": {"ms": u64::MAX}}, "ignores_kick": false});
    let error = refused(|document| document["plan"]["devices"][0]["conduct"] = late);
    assert!(error.starts_with("device 1: field `conduct.acks.late.ms`: "), "{error}");
    let fault = json!({"id": 1, "at_ms": 5, "for_ms": 5, "fault": "isolate", "host": "msg1",
        "fate": {"reset_within": {"ms": u64::MAX}}});
    let error = with("/plan/faults/0", fault);
    assert!(error.starts_with("fault 1: field `fate.reset_within.ms`: "), "{error}");
    let fault = json!({"id": 1, "at_ms": 5, "for_ms": 5, "fault": "pause", "host": "msg7"});
    assert_eq!(with("/plan/faults/0", fault), "fault 1: `msg7` is not among the plan's nodes");
}

#[test]
fn a_limit_to_try_is_one_of_the_catalogue() {
    let probe = |limit| json!([{"id": 1, "at_ms": 1, "device": 1, "do": "probe", "limit": limit, "size": "at"}]);
    let mut document = document();
    document["plan"]["operations"] = probe("0204.user_id_list");
    assert!(parse(&document).is_ok());
    let error = with("/plan/operations", probe("0204.users"));
    assert_eq!(error, "operation 1: field `limit`: the catalogue has no limit `0204.users`");
}

#[test]
fn lists_are_not_endless() {
    let error = with("/plan/groups/0/members", json!(vec![1; 100_001]));
    assert_eq!(error, "group 1: field `members`: 100001 elements, at most 100000 are allowed");
    let error = refused(|document| {
        let operation =
            json!({"id": 1, "at_ms": 1, "device": 1, "do": "status", "users": vec![1; 100_001]});
        document["plan"]["operations"] = json!([operation]);
    });
    assert!(error.starts_with("operation 1: field `users`: 100001 elements"), "{error}");
    let error = refused(|document| {
        let node = document["plan"]["nodes"][0].clone();
        document["plan"]["nodes"] = json!(vec![node; 65]);
    });
    assert!(error.starts_with("plan: field `nodes`: 65 elements, at most 64"), "{error}");
}

#[test]
fn unknown_fields_are_refused_at_every_level() {
    for (pointer, start) in [
        ("", "field `x`: unknown field `x`"),
        ("/plan", "field `plan.x`: unknown field `x`"),
        ("/protocols", "field `protocols.x`: unknown field `x`"),
        ("/plan/nodes/0", "node `"),
        ("/plan/devices/0", "device 1: field `x`: unknown field `x`"),
        ("/plan/groups/0", "group 1: field `x`: unknown field `x`"),
        ("/plan/operations/0", "operation 1: field `x`: unknown field `x`"),
        ("/plan/faults/0", "fault 1: field `x`: unknown field `x`"),
    ] {
        let error = refused(|document| {
            document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}"))["x"] = json!(1);
        });
        assert!(
            error.starts_with(start) && error.contains("unknown field `x`"),
            "{pointer}: {error}"
        );
    }
}

#[test]
fn what_is_no_case_at_all_is_refused_with_a_reason() {
    let truncated = Case::parse("{\"format\": 1, \"plan\"").expect_err("no case");
    assert!(truncated.contains("is the file truncated?"), "{truncated}");
    for text in ["", "[]", "7", "null", "{\"format\": 1}", "{\"format\": 1, \"plan\": []}"] {
        assert!(Case::parse(text).is_err(), "{text}");
    }
    let error = with("/plan/operations", json!(7));
    assert!(error.contains("field `plan.operations`: invalid type: integer `7`"), "{error}");
}

#[test]
fn only_a_build_with_mutants_reads_a_case_with_one() {
    let mut document = document();
    let name = "heartbeat-unanswered";
    document["protocols"]["candidate"]["mutant"] = json!(name);
    match parse(&document) {
        Ok(case) => {
            let Protocols { base, candidate } = case.protocols;
            assert!(BUILT && base.mutant.is_none());
            assert_eq!(candidate.label(), format!("hardened with mutant {name}"));
            assert_eq!(candidate.file_name(), format!("hardened-mutant-{name}"));
        }
        Err(error) => {
            let start = format!("protocols.candidate: mutant `{name}`: this build has no mutants");
            assert!(!BUILT && error.starts_with(&start), "{error}");
        }
    }
    document["protocols"]["candidate"]["mutant"] = json!("no-such");
    let error = parse(&document).map(|_| ()).expect_err("refused");
    assert!(error.contains("mutant `no-such`"), "{error}");
}
