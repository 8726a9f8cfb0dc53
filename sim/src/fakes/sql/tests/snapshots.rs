//! `innodb_snapshot_isolation`: what a transaction may lock that has read already. Each row of the table below was
//! tried on MariaDB 10.11.19 with the variable ON, on a table with a primary key (docs/FAKES.md, "Error 1020").

use crate::fakes::sql::{Engine, SessionId, Step};
use teamtalk::store::sql::SqlError;

const MINE: &str = "select priority from IMDepart where id=1";

fn code(engine: &mut Engine, session: SessionId, text: &str) -> u16 {
    match engine.submit(session, text, &[]) {
        Step::Done(done) => match done.result {
            Ok(_) => 0,
            Err(SqlError::Server { code, .. }) => code,
            Err(lost) => panic!("{lost}"),
        },
        Step::Blocked => panic!("{text}: nobody holds a lock"),
    }
}

fn engine() -> (Engine, [SessionId; 2]) {
    let mut engine = Engine::new();
    engine.isolate_snapshots();
    let sessions = [(); 2].map(|()| engine.open());
    let rows = "insert into IMDepart (departName, priority) values ('x', 1), ('y', 2), ('z', 3)";
    assert_eq!(code(&mut engine, sessions[0], rows), 0);
    (engine, sessions)
}

#[test]
fn a_row_that_changed_since_the_first_read_can_not_be_locked() {
    let update = "update IMDepart set priority=9 where id=2";
    let insert = "insert into IMDepart (id, priority) values (7, 7)";
    let delete = "delete from IMDepart where id=2";
    for (theirs, mine, expected) in [
        (update, "select priority from IMDepart where id=2 for update", 1020),
        (insert, "update IMDepart set priority=5 where id=7", 1020),
        (insert, "insert into IMDepart (id) values (7)", 1020),
        (insert, "insert ignore into IMDepart (id) values (7)", 1020),
        (update, "insert into IMDepart (id) values (2) on duplicate key update priority=1", 1020),
        (delete, "select priority from IMDepart where id=2 for update", 1020),
        (delete, "insert into IMDepart (id) values (2)", 1020),
        (update, "select priority from IMDepart where id=2", 0),
        (update, "update IMDepart set priority=5 where id=3", 0),
        (update, "update IMDepart set parentId=5 where parentId=0 and id<>2", 1020),
        (
            "update IMDepart set priority=2 where id=2",
            "update IMDepart set priority=5 where id=2",
            0,
        ),
    ] {
        let (mut engine, [a, b]) = engine();
        for text in ["begin", "update IMDepart set priority=8 where id=1", MINE] {
            assert_eq!(code(&mut engine, a, text), 0);
        }
        assert_eq!(code(&mut engine, b, theirs), 0);
        assert_eq!(code(&mut engine, a, mine), expected, "{theirs}; {mine}");
        assert_eq!(engine.in_transaction(a), expected == 0);
        assert_eq!(code(&mut engine, a, "commit"), 0);
        let kept = engine.rows("IMDepart")[0]["priority"].uint();
        assert_eq!(kept, if expected == 0 { 8 } else { 1 }, "the whole transaction is rolled back");
    }
}

#[test]
fn without_a_read_or_a_transaction_nothing_is_old() {
    let (mut engine, [a, b]) = engine();
    let update = "update IMDepart set priority=priority+1 where id=2";
    assert_eq!(code(&mut engine, a, "begin"), 0);
    assert_eq!(code(&mut engine, a, "select priority from IMDepart where id=1 for update"), 0);
    assert_eq!(code(&mut engine, b, update), 0);
    assert_eq!(code(&mut engine, a, update), 0, "a locking read takes no snapshot");
    assert_eq!(code(&mut engine, a, "commit"), 0);
    assert_eq!(code(&mut engine, a, MINE), 0);
    assert_eq!(code(&mut engine, b, update), 0);
    assert_eq!(code(&mut engine, a, update), 0);
}

#[test]
fn a_server_without_it_locks_what_has_changed() {
    let mut engine = Engine::new();
    let [a, b] = [(); 2].map(|()| engine.open());
    assert_eq!(code(&mut engine, a, "insert into IMDepart (priority) values (1), (2)"), 0);
    assert_eq!(code(&mut engine, a, "begin"), 0);
    assert_eq!(code(&mut engine, a, MINE), 0);
    assert_eq!(code(&mut engine, b, "update IMDepart set priority=9 where id=2"), 0);
    assert_eq!(code(&mut engine, a, "update IMDepart set priority=8 where id=2"), 0);
}
