//! The states from which the captures begin (tests/golden/README.md).

use super::stage::{Stage, login, text, user};
use std::time::Duration;
use teamtalk::store::sql::Value;
use teamtalk_sim::fakes::sql::User;

const WINDOWS: i32 = 0x01;
const IOS: i32 = 0x11;
const ANDROID: i32 = 0x12;

/// What the captured clients of alice send as their password.
const ALICE: &str = "df33881b4a7bedbf35be78e1418a3186";
const BOB: &str = "24d9e93676d96d3efd16926127d6d948";
const CAROL: &str = "90ed8ffbd6ba268b5cf0d4b2bcbf4a6f";

/// Long enough for a login or a text.
const A_WHILE: Duration = Duration::from_millis(600);

/// 00: empty stores.
pub fn empty() -> Stage {
    let dave = user(4, "dave", "never sent");
    let named = vec![user(1, "alice", ALICE), user(2, "bob", BOB), user(3, "carol", CAROL), dave];
    Stage::new(named, Vec::new())
}

/// 36: nobody is logged in.
pub fn up() -> Stage {
    let mut stage = empty();
    stage.pass(A_WHILE);
    stage
}

/// 41: u1160 PC on msg1 and phone on msg2, u1161 PC on msg2, u1162 PC on msg1; one text each
/// 1160→1161, 1160→1162.
pub fn of_41() -> Stage {
    let mut stage = Stage::new(numbered(&[1160, 1161, 1162]), Vec::new());
    stage.pass(A_WHILE);
    log_in(&mut stage, 1160, "u1160-msg1", WINDOWS);
    log_in(&mut stage, 1160, "u1160-mob-msg2", ANDROID);
    log_in(&mut stage, 1161, "u1161-msg2", WINDOWS);
    log_in(&mut stage, 1162, "u1162-msg1", WINDOWS);
    for to in [1161, 1162] {
        stage.send("u1160-msg1", &text(1160, to));
        stage.pass(A_WHILE);
    }
    stage
}

/// 43, read off the capture: u1900 PC on msg1, u1901 on iOS on msg2. SQL has their sessions 10
/// and 11 and their relation 4, and u1901 in group 2; Redis is empty (the first id is 1).
pub fn of_43() -> Stage {
    let session = |id: u32, user: u32, peer: u32| {
        insert(
            "IMRecentSession (id, userId, peerId, type, status, created, updated)",
            &[id, user, peer, 1, 0, BEFORE, BEFORE],
        )
    };
    let rows = vec![
        session(10, 1900, 1901),
        session(11, 1901, 1900),
        insert(
            "IMRelationShip (id, smallId, bigId, status, created, updated)",
            &[4, 1900, 1901, 0, BEFORE, BEFORE],
        ),
        insert(
            "IMGroupMember (groupId, userId, status, created, updated)",
            &[2, 1901, 0, BEFORE, BEFORE],
        ),
    ];
    let mut stage = Stage::new(numbered(&[1900, 1901]), rows);
    stage.pass(A_WHILE);
    log_in(&mut stage, 1900, "u1900-msg1", WINDOWS);
    log_in(&mut stage, 1901, "u1901-ios-msg2", IOS);
    stage
}

/// 45: u1903 PC on msg1, phone on msg2.
pub fn of_45() -> Stage {
    let mut stage = Stage::new(numbered(&[1903]), Vec::new());
    stage.pass(A_WHILE);
    log_in(&mut stage, 1903, "u1903-pc-msg1", WINDOWS);
    log_in(&mut stage, 1903, "u1903-mob-msg2", ANDROID);
    stage
}

/// 48: alice PC on msg1 and phone on msg2, bob PC on msg2; one text alice→bob.
pub fn of_48() -> Stage {
    let mut stage = up();
    for (name, sent, label, client_type) in [
        ("alice", ALICE, "alice-PC-msg1", WINDOWS),
        ("alice", ALICE, "alice-ANDROID-msg2", ANDROID),
        ("bob", BOB, "bob-PC-msg2", WINDOWS),
    ] {
        stage.connect(label);
        stage.send(label, &login(name, sent, client_type));
        stage.pass(A_WHILE);
    }
    stage.send("alice-PC-msg1", &text(1, 2));
    stage.pass(A_WHILE);
    stage
}

/// A time before each run.
const BEFORE: u32 = 1_795_404_000;

fn numbered(ids: &[u32]) -> Vec<User> {
    ids.iter().map(|&id| user(id, &name(id), &sent(id))).collect()
}

fn name(id: u32) -> String {
    format!("u{id}")
}

fn sent(id: u32) -> String {
    format!("sent by u{id}")
}

fn log_in(stage: &mut Stage, id: u32, label: &str, client_type: i32) {
    stage.connect(label);
    stage.send(label, &login(&name(id), &sent(id), client_type));
    stage.pass(A_WHILE);
}

fn insert(into: &str, row: &[u32]) -> (String, Vec<Value>) {
    let marks = vec!["?"; row.len()].join(", ");
    (format!("insert into {into} values ({marks})"), row.iter().map(|&n| n.into()).collect())
}
