//! Traces of transactions that hold what they decide by, and of others.

use super::Transactions;
use crate::{
    properties::tape::{Tape, refused},
    record::{Changed, Columns, Kind, sql_applied},
};
use std::sync::Arc;
use teamtalk::{
    catalogue::id as command,
    protocol::Protocol,
    store::sql::Value,
    wire::{
        Pdu,
        im::buddy::{ImRemoveSessionReq, ImRemoveSessionRsp},
        tt::extension::RefusedCode,
    },
};

const LIMIT: &str = "set session idle_transaction_timeout=10";

fn tape() -> Tape<Transactions> {
    Tape::new(Transactions::default()).under(Protocol::hardened())
}

/// SQL applies a statement. Of a BEGIN its session was told before for how long it may wait.
fn sql(tape: &mut Tape<Transactions>, what: &str, params: &[&str], effect: &str) {
    if what == "BEGIN" {
        statement(tape, LIMIT, &[], "affected 0");
    }
    statement(tape, what, params, effect);
}

fn statement(tape: &mut Tape<Transactions>, what: &str, params: &[&str], effect: &str) {
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

#[test]
fn each_connection_is_told_how_long_a_transaction_may_wait() {
    let mut tape = tape();
    let mut says = |what: &str, effect: &str| {
        statement(&mut tape, what, &[], effect);
        tape.found.len()
    };
    says(LIMIT, "affected 0");
    says("BEGIN", "tx 1: affected 0");
    says("COMMIT", "tx 1: affected 0");
    assert_eq!(says("BEGIN", "tx 1: affected 0"), 0, "once is enough");
    says(LIMIT, "affected 0");
    assert_eq!(says("BEGIN", "tx 2: affected 0"), 0);
    assert_eq!(says("BEGIN", "tx 3: affected 0"), 1, "a connection that was made anew");
    says(LIMIT, "error 1193: Unknown system variable");
    assert_eq!(says("BEGIN", "tx 4: affected 0"), 2, "it was refused");
    says(LIMIT, "affected 0");
    assert_eq!(says("BEGIN", "tx 5: affected 0"), 2);
    assert_eq!(tape.found, ["transactions/unlimited/db"; 2]);
}

#[test]
fn the_floor_of_a_group_is_locked_before_anything_is_read() {
    const GROUP: &str = "select creator, type from IMGroup where id=? for update";
    const FLOOR: &str = "select lastId from TTRelation where smallId=0 and bigId=? for update";
    const MEMBERS: &str = "select userId from IMGroupMember where groupId=?";
    let run = |protocol: Protocol, order: [&str; 3]| {
        let mut tape = Tape::new(Transactions::default()).under(protocol);
        sql(&mut tape, "BEGIN", &[], "tx 1: affected 0");
        for what in order {
            sql(&mut tape, what, &["7"], "tx 1: rows 1");
        }
        tape.found
    };
    let hardened = Protocol::hardened();
    assert_eq!(run(hardened, [GROUP, FLOOR, MEMBERS]), [""; 0]);
    assert_eq!(run(hardened, [GROUP, MEMBERS, FLOOR]), ["transactions/plain-read-first/db"]);
    let mut old = hardened;
    old.members_from_store = false;
    assert_eq!(run(old, [GROUP, MEMBERS, FLOOR]), [""; 0]);
    let mut tape = tape();
    sql(&mut tape, "BEGIN", &[], "tx 1: affected 0");
    sql(&mut tape, GROUP, &["7"], "tx 1: rows 1");
    sql(&mut tape, MEMBERS, &["7"], "tx 1: rows 1");
    sql(&mut tape, "BEGIN", &[], "tx 1: affected 0");
    sql(&mut tape, FLOOR, &["7"], "tx 1: rows 1");
    assert_eq!(tape.found, [""; 0], "another transaction");
}

/// A commit changes the status of rows: of sessions of (user, peer, type), and of members (group, user).
fn commit(
    tape: &mut Tape<Transactions>,
    sessions: &[[i64; 3]],
    members: &[[i64; 2]],
    (before, after): (i64, i64),
) {
    let row = |table: &str, names: &[&str], values: &[i64]| {
        let names = names.iter().copied().chain(["status"]).map(String::from).collect();
        let columns = Arc::new(Columns { table: table.into(), names });
        let with = |status| values.iter().copied().chain([status]).map(Value::Int).collect();
        let [before, after]: [Arc<[Value]>; 2] = [with(before), with(after)];
        Changed::row(&columns, &[Value::Int(1)].into(), Some(&before), Some(&after))
    };
    let sessions =
        sessions.iter().map(|of| row("IMRecentSession", &["userId", "peerId", "type"], of));
    let members = members.iter().map(|of| row("IMGroupMember", &["groupId", "userId"], of));
    let mut applied = sql_applied("COMMIT", &[], "tx 1: affected 0", true);
    applied.changed = members.chain(sessions).collect();
    tape.line("sql", Kind::Store(applied));
}

const SINGLE: i64 = super::SINGLE as i64;
const GROUP: i64 = super::GROUP as i64;
const ENDS: (i64, i64) = (0, 1);

fn removal(seq: u16, user_id: u32, session_id: u32) -> Pdu {
    let session_type = SINGLE as i32;
    let asked = ImRemoveSessionReq { user_id, session_type, session_id, attach_data: None };
    Pdu::new(command::BUDDY_LIST_REMOVE_SESSION_REQ, seq, &asked)
}

#[test]
fn a_session_goes_when_it_is_removed_or_with_its_membership() {
    let taken = |sessions: &[[i64; 3]], members: &[[i64; 2]], status| {
        let mut tape = tape();
        commit(&mut tape, sessions, members, status);
        tape.found
    };
    let found = ["transactions/session-taken/db"];
    assert_eq!(taken(&[[2, 7, GROUP]], &[[7, 2]], ENDS), [""; 0]);
    assert_eq!(taken(&[[2, 7, GROUP]], &[[7, 3]], ENDS), found, "another one leaves");
    assert_eq!(
        taken(&[[2, 7, GROUP], [2, 7, SINGLE]], &[[7, 2]], ENDS),
        found,
        "a user of that number"
    );
    assert_eq!(taken(&[[2, 7, SINGLE]], &[], (1, 0)), [""; 0], "it comes back");
    assert_eq!(taken(&[[2, 7, SINGLE]], &[], (1, 1)), [""; 0], "it was removed before");
}

#[test]
fn a_removal_is_under_way_until_it_is_answered() {
    let asked = |answer: Option<Pdu>, user: i64| {
        let mut tape = tape();
        tape.db_reads(removal(5, 2, 7));
        answer.map(|pdu| tape.db_writes(pdu));
        commit(&mut tape, &[[user, 7, SINGLE]], &[], ENDS);
        tape.found
    };
    let done = ImRemoveSessionRsp {
        user_id: 2,
        result_code: 0,
        session_type: SINGLE as i32,
        session_id: 7,
        attach_data: None,
    };
    let done = Pdu::new(command::BUDDY_LIST_REMOVE_SESSION_RES, 5, &done);
    let refuses = |code| refused(5, 2, command::BUDDY_LIST_REMOVE_SESSION_REQ, code);
    let found = ["transactions/session-taken/db"];
    assert_eq!(asked(None, 2), [""; 0]);
    assert_eq!(asked(None, 3), found, "of another user");
    assert_eq!(asked(Some(done), 2), found, "it was done before");
    assert_eq!(asked(Some(refuses(RefusedCode::RefusedUnavailable)), 2), [""; 0], "it may be done");
    assert_eq!(asked(Some(refuses(RefusedCode::RefusedMalformed)), 2), found);
}

/// Without `members-from-store` the members are changed by one statement and the sessions by another one.
#[test]
fn without_the_switch_a_session_may_go_after_its_membership() {
    let mut protocol = Protocol::hardened();
    protocol.members_from_store = false;
    let mut tape = Tape::new(Transactions::default()).under(protocol);
    tape.group(&[2, 3]).member(2, false);
    commit(&mut tape, &[[2, 7, GROUP]], &[], ENDS);
    assert_eq!(tape.found, [""; 0]);
    commit(&mut tape, &[[3, 7, GROUP]], &[], ENDS);
    assert_eq!(tape.found, ["transactions/session-taken/db"]);
}
