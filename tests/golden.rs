//! Preset `teamtalk` against captures of the original: the captured client PDUs go into our
//! roles on the simulated network, and every PDU on every link, every SQL statement and every
//! Redis command is compared (tests/golden/README.md).

mod golden_parity;

use golden_parity::{agreement::Agreement, capture::Flow, compare::compare, stage::Stage, state};
use std::{collections::BTreeSet, time::Duration};
use teamtalk_sim::seeded::on_seeded_thread;

/// Captures that we do not match yet, and why. Each of them must differ: this list only shrinks.
const NOT_YET: &[(&str, &str)] = &[];

/// The run from empty stores, in order.
const RUN: &[&str] = &[
    "00_startup",
    "01_login_pc",
    "02_login_second_user_other_server",
    "03_first_single_text_cross_server",
    "04_second_single_text",
    "05_reply_other_direction",
    "06_first_single_text_same_server",
    "07_receiver_offline",
    "08_sender_two_devices_same_server",
    "09_sender_two_devices_two_servers",
    "10_receiver_two_devices_two_servers",
    "11_unread_count_before_read_ack",
    "12_read_ack_with_second_device",
    "13_unread_count_after_read_ack",
    "14_offline_then_login_unread",
    "15_msg_list",
    "16_latest_msg_id_get_by_id_recent_sessions_time",
    "17_group_create",
    "18_group_message_3_members",
    "19_group_unread_list_latest_readack_info",
    "20_users_status_request",
    "21_heartbeats",
    "22_kick_same_user_other_server",
    "23_kick_same_server_windows_vs_mac",
    "24_logout",
    "25_disconnect_without_logout",
];

/// Clients that were closed after a capture and before the next one: neither gets anything from
/// then on, and the presence of alice in 24 counts neither.
const CLOSED_AFTER: &[(&str, &str)] = &[
    ("22_kick_same_user_other_server", "alice-PC-msg1"),
    ("23_kick_same_server_windows_vs_mac", "alice-PC-2-msg2"),
];

/// A capture and the state before it.
type Alone = (&'static str, fn() -> Stage);

/// Captures that are runs of their own.
const ALONE: &[Alone] = &[
    ("36_login_wrong_password", state::up),
    ("41_header_passthrough", state::of_41),
    ("43_device_token_and_push", state::of_43),
    ("45_mobile_kicks_pc", state::of_45),
    ("48_remove_session_then_message", state::of_48),
];

/// What a flow differs in.
type Found = (&'static str, Vec<String>);

/// The differences of flows, but those of `not_yet`, which must have some: empty if all is well.
fn verdict(results: &[Found], not_yet: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (flow, differences) in results {
        match not_yet.iter().find(|(name, _)| name == flow) {
            None => text.extend(differences.iter().map(|d| format!("\n{d}"))),
            Some(_) if differences.is_empty() => {
                text += &format!("\n{flow} is in NOT_YET, and does not differ");
            }
            Some((_, why)) => println!("{flow}: {} differences ({why})", differences.len()),
        }
    }
    text
}

fn judge(results: &[Found]) {
    let text = verdict(results, NOT_YET);
    assert!(text.is_empty(), "{text}\n");
}

#[test]
fn captures_00_to_25_are_one_run() {
    let results = on_seeded_thread(0, || {
        let (mut stage, mut agreement) = (state::empty(), Agreement::default());
        let mut results = Vec::new();
        for name in RUN {
            let flow = Flow::load(name);
            let observed = stage.play(&flow);
            results.push((flow.name, compare(&flow, &observed, &mut agreement)));
            for (_, label) in CLOSED_AFTER.iter().filter(|(after, _)| after == name) {
                stage.close(label);
            }
            stage.pass(Duration::from_secs(1));
        }
        results
    });
    judge(&results);
}

#[test]
fn the_other_captures_are_runs_of_their_own() {
    let alone = |&(name, state_before): &Alone| {
        on_seeded_thread(0, || {
            let (flow, mut stage) = (Flow::load(name), state_before());
            let observed = stage.play(&flow);
            (flow.name, compare(&flow, &observed, &mut Agreement::default()))
        })
    };
    judge(&ALONE.iter().map(alone).collect::<Vec<_>>());
}

#[test]
fn every_capture_is_played() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let files = std::fs::read_dir(dir).expect("tests/golden").filter_map(|file| {
        let name = file.expect("a file").file_name().into_string().expect("a name");
        name.strip_suffix(".pdus.jsonl").map(String::from)
    });
    let alone = ALONE.iter().map(|(name, _)| *name);
    let played: BTreeSet<_> = RUN.iter().copied().chain(alone).collect();
    let files: BTreeSet<_> = files.collect();
    assert!(files.iter().map(String::as_str).eq(played.iter().copied()), "{files:?}");
    for (name, _) in NOT_YET {
        assert!(played.contains(name), "NOT_YET: there is no {name}");
    }
}

#[test]
fn a_flow_of_the_list_must_differ_and_any_other_must_not() {
    let results = [("a", vec![]), ("b", vec!["b: x".to_string()])];
    assert_eq!(verdict(&results, &[("b", "why")]), "");
    assert_eq!(verdict(&results, &[]), "\nb: x");
    let listed = verdict(&results, &[("a", "why"), ("b", "why")]);
    assert_eq!(listed, "\na is in NOT_YET, and does not differ");
}
