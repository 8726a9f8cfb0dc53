//! Several sessions: locks, deadlock, rollback, isolation.

use crate::fakes::sql::{Engine, SessionId, Step};
use teamtalk::store::sql::{Outcome, SqlError, Value};

const PAIR: &str = "insert into TTRelation (smallId, bigId, relateId) values (1, 2, 1)";
const READ: &str = "select relateId from TTRelation where smallId=1 and bigId=2";

struct World {
    engine: Engine,
    a: SessionId,
    b: SessionId,
    c: SessionId,
}

impl World {
    fn new() -> Self {
        let mut engine = Engine::new();
        let [a, b, c] = [(); 3].map(|()| engine.open());
        let mut w = Self { engine, a, b, c };
        let rows = "insert into IMDepart (departName, priority) values ('x', 1), ('y', 2)";
        w.ok(a, rows);
        w
    }

    fn ok(&mut self, session: SessionId, text: &str) -> Outcome {
        result(self.engine.submit(session, text, &[])).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn error(&mut self, session: SessionId, text: &str) -> u16 {
        code(self.engine.submit(session, text, &[]))
    }

    fn blocks(&mut self, session: SessionId, text: &str) {
        assert_eq!(self.engine.submit(session, text, &[]), Step::Blocked, "{text}");
    }

    fn still_blocked(&mut self, session: SessionId) {
        assert_eq!(self.engine.resume(session), Step::Blocked);
    }

    fn resumed(&mut self, session: SessionId) -> Outcome {
        result(self.engine.resume(session)).unwrap()
    }

    /// IMDepart.priority of row `id` as a plain read of the session sees it.
    fn priority(&mut self, session: SessionId, id: u32) -> Option<u32> {
        let rows = self.ok(session, &format!("select priority from IMDepart where id={id}")).rows;
        rows.first().map(|row| row[0].uint())
    }

    fn relations(&self) -> Vec<u32> {
        self.engine.rows("TTRelation").iter().map(|row| row["relateId"].uint()).collect()
    }
}

fn result(step: Step) -> Result<Outcome, SqlError> {
    match step {
        Step::Done(done) => done.result,
        Step::Blocked => panic!("blocked"),
    }
}

fn code(step: Step) -> u16 {
    match result(step) {
        Err(SqlError::Server { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

fn set(id: u32, priority: u32) -> String {
    format!("update IMDepart set priority={priority} where id={id}")
}

#[test]
fn a_transaction_sees_its_writes_and_others_do_not() {
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "begin");
    w.ok(a, &set(1, 9));
    w.ok(a, "delete from IMDepart where id=2");
    assert_eq!((w.priority(a, 1), w.priority(a, 2)), (Some(9), None));
    assert_eq!((w.priority(b, 1), w.priority(b, 2)), (Some(1), Some(2)));
    assert_eq!(w.engine.rows("IMDepart").len(), 2, "accessors show what is committed");
    w.ok(a, "commit");
    assert_eq!((w.priority(b, 1), w.priority(b, 2)), (Some(9), None));
}

#[test]
fn plain_reads_of_a_transaction_stay_at_its_first() {
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "start transaction");
    w.ok(b, &set(1, 5));
    assert_eq!(w.priority(a, 1), Some(5), "the snapshot is of the first read, not of BEGIN");
    w.ok(b, &set(1, 6));
    w.ok(b, "delete from IMDepart where id=2");
    w.ok(b, "insert into IMDepart (departName) values ('z')");
    assert_eq!((w.priority(a, 1), w.priority(a, 2)), (Some(5), Some(2)));
    assert_eq!(w.priority(a, 3), None);
    let locking = w.ok(a, "select priority from IMDepart where id=1 for update");
    assert_eq!(locking.rows, [[Value::Int(6)]], "a locking read sees the newest state");
    assert_eq!(w.ok(a, "update IMDepart set priority=priority+1 where id=1").affected, 1);
    assert_eq!(w.priority(a, 1), Some(7), "its own write shows");
    w.ok(a, "rollback");
    assert_eq!((w.priority(a, 1), w.priority(a, 3)), (Some(6), Some(0)));
}

#[test]
fn rollback_undoes_in_order_and_leaves_a_gap_of_ids() {
    let mut w = World::new();
    let a = w.a;
    w.ok(a, "begin");
    w.ok(a, &set(1, 5));
    w.ok(a, &set(1, 6));
    assert_eq!(w.ok(a, "insert into IMDepart (departName) values ('z')").last_insert_id, 3);
    w.ok(a, "delete from IMDepart where id=3");
    w.ok(a, "rollback");
    assert_eq!(w.priority(a, 1), Some(1));
    assert_eq!(w.ok(a, "insert into IMDepart (departName) values ('z')").last_insert_id, 4);
}

#[test]
fn a_failed_statement_is_undone_alone() {
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "begin");
    w.ok(a, &set(1, 5));
    assert_eq!(w.error(a, "insert into IMDepart (id) values (7), (1)"), 1062);
    assert_eq!(w.priority(a, 7), None);
    w.blocks(b, &set(1, 6));
    w.ok(a, "commit");
    assert_eq!(w.resumed(b).affected, 1);
    assert_eq!(w.priority(a, 1), Some(6));
}

#[test]
fn a_waiter_looks_anew_when_it_gets_the_lock() {
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "begin");
    w.ok(a, &set(1, 5));
    w.blocks(b, "update IMDepart set priority=9 where priority=1");
    w.ok(a, "commit");
    assert_eq!(w.resumed(b).affected, 0);
    assert_eq!(w.priority(a, 1), Some(5));
}

#[test]
fn a_later_writer_waits_behind_an_earlier_one() {
    let mut w = World::new();
    let (a, b, c) = (w.a, w.b, w.c);
    w.ok(a, "begin");
    w.ok(a, &set(1, 5));
    w.ok(b, "begin");
    w.blocks(b, &set(1, 6));
    w.blocks(c, &set(1, 7));
    w.ok(a, "commit");
    w.still_blocked(c);
    assert_eq!(w.resumed(b).affected, 1);
    w.still_blocked(c);
    w.ok(b, "commit");
    assert_eq!(w.resumed(c).affected, 1);
    assert_eq!(w.priority(a, 1), Some(7));
}

#[test]
fn an_insert_waits_for_an_uncommitted_one_of_its_key() {
    for (end, expected) in [("commit", Some(1062)), ("rollback", None)] {
        let mut w = World::new();
        let (a, b) = (w.a, w.b);
        w.ok(a, "begin");
        w.ok(a, PAIR);
        w.blocks(b, PAIR);
        w.ok(a, end);
        let step = w.engine.resume(b);
        match expected {
            Some(expected) => assert_eq!(code(step), expected),
            None => assert_eq!(result(step).unwrap().affected, 1),
        }
        assert_eq!(w.relations(), [1]);
    }
}

#[test]
fn an_insert_that_waited_keeps_its_id() {
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "begin");
    w.ok(a, "insert into IMDepart (id) values (10)");
    w.blocks(b, "insert into IMDepart (id, priority) values (0, 5), (10, 5)");
    assert_eq!(w.ok(w.c, "insert into IMDepart (departName) values ('c')").last_insert_id, 12);
    w.ok(a, "rollback");
    let outcome = w.resumed(b);
    assert_eq!((outcome.affected, outcome.last_insert_id), (2, 11));
}

#[test]
fn a_dropped_connection_rolls_back_and_lets_go() {
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "begin");
    w.ok(a, PAIR);
    w.blocks(b, PAIR);
    w.engine.close(a);
    assert_eq!(w.resumed(b).affected, 1);
}

#[test]
fn who_inserts_waits_until_nobody_holds_the_gap() {
    let mut w = World::new();
    let (a, b, c) = (w.a, w.b, w.c);
    w.ok(a, "begin");
    w.ok(a, "select * from TTRelation where smallId=1 and bigId=2 for update");
    w.blocks(b, PAIR);
    w.ok(c, "begin");
    let looked = w.ok(c, "select * from TTRelation where smallId=1 and bigId=2 for update");
    assert_eq!(looked.rows.len(), 0, "locks on a gap get on with each other");
    w.ok(a, "commit");
    w.still_blocked(b);
    w.ok(c, "commit");
    assert_eq!(w.resumed(b).affected, 1);
}

/// Seen on MariaDB, as all below (tests/stores/scenarios/): the whole gap is held, not the key alone.
#[test]
fn who_looked_for_what_is_absent_keeps_others_from_the_gap() {
    let mut w = World::new();
    let (a, b, c) = (w.a, w.b, w.c);
    w.ok(a, "insert into TTRelation (smallId, bigId, relateId) values (1, 10, 1), (1, 20, 2)");
    w.ok(a, "begin");
    w.ok(a, "select * from TTRelation where smallId=1 and bigId=15 for update");
    w.blocks(b, "insert into TTRelation (smallId, bigId, relateId) values (1, 12, 3)");
    w.ok(c, "insert into TTRelation (smallId, bigId, relateId) values (1, 25, 4)");
    w.ok(a, "insert into TTRelation (smallId, bigId, relateId) values (1, 16, 5)");
    w.ok(a, "commit");
    assert_eq!(w.resumed(b).affected, 1);
}

/// What an index that is no key leads to is locked with the gaps beside it: also for a row that is moved there.
#[test]
fn a_part_of_an_index_is_held_with_its_gaps() {
    let mut w = World::new();
    let (a, b, c) = (w.a, w.b, w.c);
    let members = "insert into IMGroupMember (groupId, userId, status) values (5, 1, 0), (5, 9, 0)";
    w.ok(a, members);
    w.ok(a, "begin");
    w.ok(a, "select id from IMGroupMember where groupId=5 and userId=4 and status=0 for update");
    w.blocks(b, "insert into IMGroupMember (groupId, userId) values (5, 3)");
    w.blocks(c, "update IMGroupMember set status=1 where id=1");
    w.ok(a, "commit");
    assert_eq!((w.resumed(b).affected, w.resumed(c).affected), (1, 1));
}

/// Who finds a key taken holds it shared: two may, and who waits for it after a rollback deadlocks.
#[test]
fn a_taken_key_is_held_by_all_who_found_it_so() {
    let mut w = World::new();
    let (a, b, c) = (w.a, w.b, w.c);
    w.ok(a, PAIR);
    for session in [b, c] {
        w.ok(session, "begin");
        assert_eq!(w.error(session, PAIR), 1062);
    }
    w.blocks(a, "update TTRelation set lastId=1 where smallId=1 and bigId=2");
    w.ok(b, "commit");
    w.still_blocked(a);
    w.ok(c, "commit");
    assert_eq!(w.resumed(a).affected, 1);
}

#[test]
fn of_three_who_insert_a_key_one_dies_when_the_first_rolls_back() {
    let mut w = World::new();
    let (a, b, c) = (w.a, w.b, w.c);
    for session in [a, b, c] {
        w.ok(session, "begin");
    }
    w.ok(a, PAIR);
    w.blocks(b, PAIR);
    w.blocks(c, PAIR);
    w.ok(a, "rollback");
    w.still_blocked(b);
    assert_eq!(code(w.engine.resume(c)), 1213);
    assert_eq!(w.resumed(b).affected, 1);
}

/// A gap ends at an entry only as long as that is there.
#[test]
fn a_gap_reaches_on_when_the_row_beside_it_is_taken_back() {
    let mut w = World::new();
    let (a, b, c) = (w.a, w.b, w.c);
    let relation =
        |big| format!("insert into TTRelation (smallId, bigId, relateId) values (1, {big}, 1)");
    w.ok(a, "begin");
    w.ok(a, &relation(10));
    w.ok(b, "begin");
    w.ok(b, "select * from TTRelation where smallId=1 and bigId=20 for update");
    w.ok(c, "begin");
    w.ok(c, &relation(5));
    w.ok(a, "rollback");
    w.blocks(c, &relation(11));
    w.blocks(a, &relation(6));
    w.ok(b, "commit");
    assert_eq!((w.resumed(c).affected, w.resumed(a).affected), (1, 1));
}

/// Also if that is not the one who closes the circle.
#[test]
fn the_one_who_has_done_less_dies_of_a_deadlock() {
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "begin");
    w.ok(b, "begin");
    w.ok(a, &set(1, 5));
    w.ok(b, &set(2, 5));
    w.ok(b, "insert into IMDepart (departName) values ('z'), ('z'), ('z')");
    w.blocks(a, &set(2, 6));
    w.ok(b, &set(1, 6));
    assert_eq!(code(w.engine.resume(a)), 1213);
    w.ok(b, "commit");
    assert_eq!((w.priority(a, 1), w.priority(a, 2)), (Some(6), Some(5)));
}

#[test]
fn a_cycle_costs_the_one_who_closes_it() {
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "begin");
    w.ok(b, "begin");
    w.ok(a, &set(1, 5));
    w.ok(b, &set(2, 6));
    w.blocks(a, &set(2, 5));
    assert_eq!(w.error(b, &set(1, 6)), 1213);
    assert!(!w.engine.in_transaction(b), "the victim is rolled back whole");
    assert_eq!(w.resumed(a).affected, 1);
    w.ok(a, "commit");
    assert_eq!((w.priority(b, 1), w.priority(b, 2)), (Some(5), Some(5)));
}

/// The trap of select-for-update-then-insert: InnoDB's locks on the gap do not exclude each
/// other, so both find nothing and each then waits for the other.
#[test]
fn two_who_looked_for_an_absent_key_deadlock_on_its_insert() {
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    for session in [a, b] {
        w.ok(session, "begin");
        assert_eq!(w.ok(session, &format!("{READ} for update")).rows.len(), 0);
    }
    w.blocks(a, PAIR);
    assert_eq!(w.error(b, PAIR), 1213);
    assert_eq!(w.resumed(a).affected, 1);
    w.ok(a, "commit");
    assert_eq!(w.relations(), [1]);
}

#[test]
fn a_lock_wait_times_out_without_ending_the_transaction() {
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "begin");
    w.ok(a, &set(1, 5));
    w.ok(b, "begin");
    w.ok(b, &set(2, 6));
    w.blocks(b, "update IMDepart set priority=7");
    assert_eq!(code(w.engine.time_out(b)), 1205);
    assert_eq!(w.priority(b, 2), Some(6), "what it did before stays");
    w.ok(b, "commit");
    w.ok(a, "commit");
    assert_eq!((w.priority(a, 1), w.priority(a, 2)), (Some(5), Some(6)));
}

#[test]
fn a_time_out_that_comes_after_the_grant_is_none() {
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "begin");
    w.ok(a, &set(1, 5));
    w.blocks(b, &set(1, 6));
    w.ok(a, "commit");
    assert_eq!(result(w.engine.time_out(b)).unwrap().affected, 1);
}

#[test]
fn done_says_what_is_durable() {
    let mut w = World::new();
    let a = w.a;
    let mut seen = Vec::new();
    let (five, six) = (set(1, 5), set(1, 6));
    for text in [&five, "begin", &six, "selec", "commit", "begin", "begin", "rollback"] as [&str; 8]
    {
        match w.engine.submit(a, text, &[]) {
            Step::Done(done) => seen.push((done.committed, done.transaction.is_some())),
            Step::Blocked => panic!("{text}"),
        }
    }
    let (inside, none) = ((false, true), (false, false));
    assert_eq!(seen[..5], [(true, false), inside, inside, inside, (true, true)]);
    assert_eq!(seen[5..], [inside, (true, true), inside], "BEGIN commits what was open");
    let Step::Done(done) = w.engine.submit(a, "selec", &[]) else { panic!() };
    assert_eq!((done.committed, done.transaction.is_some()), none);
}

/// What `members-from-store` rests on: a send that holds its sender's membership and a removal
/// wait for each other, and whoever comes second sees what the first one did.
#[test]
fn a_held_membership_stays_and_a_removal_is_not_missed() {
    const HOLD: &str =
        "select id from IMGroupMember where groupId=1 and userId=2 and status=0 for update";
    const REMOVE: &str = "update IMGroupMember set status=1 where groupId=1 and userId in (2,3)";
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "insert into IMGroupMember(`groupId`, `userId`, `status`) values (1,2,0), (1,3,0)");
    w.ok(a, "BEGIN");
    assert_eq!(w.ok(a, HOLD).rows.len(), 1);
    w.blocks(b, REMOVE);
    w.still_blocked(b);
    w.ok(a, "COMMIT");
    assert_eq!(w.resumed(b).affected, 2);
    w.ok(b, "update IMGroupMember set status=0 where groupId=1 and userId in (2,3)");
    // The other way round.
    w.ok(b, "BEGIN");
    w.ok(b, REMOVE);
    w.ok(a, "BEGIN");
    w.blocks(a, HOLD);
    w.ok(b, "COMMIT");
    assert_eq!(w.resumed(a).rows.len(), 0);
    w.ok(a, "ROLLBACK");
}

/// A change of members reads them after it has the group's lock: what another change did while it
/// waited is there.
#[test]
fn changes_of_one_group_take_turns() {
    const GROUP: &str = "select creator, type from IMGroup where id=1 and status=0 for update";
    const MEMBERS: &str = "select userId,status from IMGroupMember where groupId=1";
    let mut w = World::new();
    let (a, b) = (w.a, w.b);
    w.ok(a, "insert into IMGroup(`creator`, `type`) values (1, 2)");
    for session in [a, b] {
        w.ok(session, "BEGIN");
    }
    assert_eq!(w.ok(a, GROUP).rows.len(), 1);
    w.blocks(b, GROUP);
    w.ok(a, "insert into IMGroupMember(`groupId`, `userId`, `status`) values (1,2,0)");
    w.ok(a, "COMMIT");
    assert_eq!(w.resumed(b).rows.len(), 1);
    assert_eq!(w.ok(b, MEMBERS).rows.len(), 1);
    w.ok(b, "COMMIT");
}
