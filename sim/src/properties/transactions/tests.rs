//! Traces of transactions that hold what they decide by, and of others.

use super::Transactions;
use crate::{
    properties::tape::Tape,
    record::{Changed, Columns, Kind, sql_applied},
};
use std::sync::Arc;
use teamtalk::{protocol::Protocol, store::sql::Value};

fn tape() -> Tape<Transactions> {
    Tape::new(Transactions::default()).under(Protocol::hardened())
}

fn sql(tape: &mut Tape<Transactions>, what: &str, params: &[&str], effect: &str) {
    let mut applied = sql_applied(what, params, effect, false);
    applied.params = params.iter().map(|n| Value::Int(n.parse().expect("a number"))).collect();
    tape.line("sql", Kind::Store(applied));
}

/// A session is committed.
fn session(tape: &mut Tape<Transactions>, id: i64, of: (i64, i64), kind: i64, status: i64) {
    let names = ["id", "userId", "peerId", "type", "status"].map(String::from).to_vec();
    let columns = Arc::new(Columns { table: "IMRecentSession".into(), names });
    let row: Vec<_> = [id, of.0, of.1, kind, status].map(Value::Int).into();
    let changed = Changed::row(&columns, &[Value::Int(id)].into(), None, Some(&row));
    tape.line("sql", Kind::Holds { store: "sql", changed: vec![changed] });
}

/// The relation of users 1 and 2 is committed.
fn relation(tape: &mut Tape<Transactions>, id: i64) {
    let names = ["smallId", "bigId", "relateId"].map(String::from).to_vec();
    let columns = Arc::new(Columns { table: "TTRelation".into(), names });
    let row: Vec<_> = [1, 2, id].map(Value::Int).into();
    let changed = Changed::row(&columns, &[Value::Int(1)].into(), None, Some(&row));
    tape.line("sql", Kind::Holds { store: "sql", changed: vec![changed] });
}

#[test]
fn what_decides_is_held() {
    const MEMBERS: &str = "select userId from IMGroupMember where groupId=?";
    let mut tape = tape();
    sql(&mut tape, &format!("{MEMBERS} for update"), &["7"], "tx 1: rows 1");
    sql(&mut tape, "select id from IMGroup where id=? for update", &["7"], "tx 1: rows 1");
    sql(&mut tape, MEMBERS, &["7"], "tx 1: rows 3");
    assert_eq!(tape.found, [""; 0]);
    sql(&mut tape, MEMBERS, &["7"], "tx 2: rows 3");
    sql(&mut tape, "COMMIT", &[], "tx 1: affected 0");
    sql(&mut tape, MEMBERS, &["7"], "tx 1: rows 3");
    sql(&mut tape, "select id from IMGroup where id=?", &["7"], "tx 1: rows 1");
    sql(&mut tape, "select lastId from TTRelation where bigId=?", &["7"], "tx 1: rows 1");
    assert_eq!(tape.found, ["transactions/not-held/db"; 4]);
}

#[test]
fn what_is_used_is_committed() {
    const TOUCH: &str = "update IMRecentSession set `updated`=?, `status`=0 where id in (?,?)";
    const FLOOR: &str = "update TTRelation force index (primary) set lastId=LAST_INSERT_ID(greatest(lastId+1, ?)) \
                         where smallId=? and bigId=? and relateId=?";
    let mut tape = tape();
    session(&mut tape, 5, (1, 2), 1, 0);
    let insert = "insert into IMRecentSession (`userId`) values(?)";
    relation(&mut tape, 3);
    sql(&mut tape, "BEGIN", &[], "tx 1: affected 0");
    sql(&mut tape, insert, &["2"], "tx 1: affected 1, id 6");
    sql(&mut tape, TOUCH, &["9", "5", "6"], "tx 1: affected 2");
    sql(&mut tape, FLOOR, &["9", "1", "2", "3"], "tx 1: affected 1, id 9");
    sql(&mut tape, FLOOR, &["9", "0", "7", "7"], "tx 1: affected 0");
    assert_eq!(tape.found, [""; 0]);
    sql(&mut tape, "BEGIN", &[], "tx 2: affected 0");
    sql(&mut tape, TOUCH, &["9", "5", "6"], "tx 2: affected 1");
    sql(&mut tape, FLOOR, &["9", "1", "2", "3"], "tx 2: affected 0");
    session(&mut tape, 6, (2, 1), 1, 0);
    sql(&mut tape, TOUCH, &["9", "5", "6"], "tx 2: affected 2");
    assert_eq!(tape.found, ["transactions/unknown-row/db"; 3], "it came to be too late");
}

#[test]
fn sessions_are_live_with_a_message_and_go_with_the_membership() {
    let mut tape = tape();
    session(&mut tape, 5, (1, 2), 1, 0);
    session(&mut tape, 6, (2, 1), 1, 0);
    session(&mut tape, 7, (1, 7), 2, 1);
    tape.row(1, (1, "a")).member(1, false).member(2, false);
    assert_eq!(tape.found, [""; 0]);
    session(&mut tape, 6, (2, 1), 1, 1);
    session(&mut tape, 7, (1, 7), 2, 0);
    tape.row(2, (1, "b")).member(1, false);
    assert_eq!(tape.found, ["transactions/no-session/db", "transactions/session-kept/db"]);
}

/// Seed 30365 of `hardened`: a past has a second row of a session. A send makes one live, and the other one was
/// removed after it.
#[test]
fn a_session_of_two_rows_is_live_while_one_of_them_is() {
    let mut tape = tape();
    session(&mut tape, 3, (1, 2), 1, 0);
    session(&mut tape, 4, (2, 1), 1, 0);
    session(&mut tape, 5, (2, 1), 1, 1);
    tape.row(1, (1, "a"));
    session(&mut tape, 7, (1, 7), 2, 0);
    session(&mut tape, 8, (1, 7), 2, 1);
    assert_eq!(tape.found, [""; 0]);
    tape.member(1, false);
    session(&mut tape, 4, (2, 1), 1, 1);
    tape.row(2, (1, "b"));
    assert_eq!(tape.found, ["transactions/session-kept/db", "transactions/no-session/db"]);
}

#[test]
fn what_must_be_new_is_no_replicas() {
    let mut tape = tape();
    let mut asked = |what: &str| {
        let mut applied = sql_applied(what, &["1"], "rows 1", true);
        applied.replica = true;
        tape.line("sql", Kind::Store(applied));
        tape.found.len()
    };
    assert_eq!(asked("select id from IMRecentSession where userId=?"), 0);
    assert_eq!(asked("select * from IMRecentSession where userId = ?"), 1);
    assert_eq!(asked("select userId from IMGroupMember where groupId=?"), 2);
}
