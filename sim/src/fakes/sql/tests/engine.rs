//! Statements, values and error codes.

use crate::fakes::sql::{Column, Engine, Step, TableDef, Type, User};
use bytes::Bytes;
use teamtalk::store::{
    migrations::{ASK, LATEST},
    sql::{Outcome, SqlError, Value},
};

/// One session of autocommit.
struct Client(Engine, u64);

impl Client {
    fn new() -> Self {
        let mut engine = Engine::new();
        let session = engine.open();
        Self(engine, session)
    }

    fn run(&mut self, text: &str, params: &[Value]) -> Result<Outcome, SqlError> {
        match self.0.submit(self.1, text, params) {
            Step::Done(done) => done.result,
            Step::Blocked => panic!("{text} is blocked"),
        }
    }

    fn ok(&mut self, text: &str) -> Outcome {
        self.run(text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    /// The error's number and text.
    fn error(&mut self, text: &str, params: &[Value]) -> (u16, String) {
        match self.run(text, params) {
            Err(SqlError::Server { code, message }) => (code, message),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn message(&mut self, msg_id: i64, content: &[u8]) -> Result<Outcome, SqlError> {
        let text = "insert into IMMessage_1 (`relateId`, `fromId`, `toId`, `msgId`, `content`, \
                    `status`, `type`, `created`, `updated`) values(?, 1, 2, ?, ?, 0, 1, 7, 7)";
        self.run(text, &[1.into(), Value::Int(msg_id), content.into()])
    }

    /// The numbers of a one-column answer.
    fn numbers(&mut self, text: &str, params: &[Value]) -> Vec<u32> {
        let outcome = self.run(text, params).unwrap_or_else(|e| panic!("{text}: {e}"));
        outcome.rows.iter().map(|row| row[0].uint()).collect()
    }
}

fn code(result: Result<Outcome, SqlError>) -> u16 {
    match result {
        Err(SqlError::Server { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

const SESSION: &str =
    "insert into IMRecentSession (`userId`,`peerId`,`type`,`status`,`created`,`updated`) values";

#[test]
fn the_statements_of_the_golden_captures_run() {
    let mut c = Client::new();
    let first = c.ok(&format!("{SESSION}(1,2,1,0,5,5)"));
    assert_eq!((first.affected, first.last_insert_id), (1, 1));
    assert_eq!(c.ok(&format!("{SESSION}(1,3,1,0,5,9),(1,4,1,1,5,9)")).last_insert_id, 2);
    let list = "select * from IMRecentSession where userId = 1 and status = 0 and updated >4 \
                order by updated desc, id desc limit 100";
    let rows = c.ok(list);
    assert_eq!(rows.rows.len(), 2);
    assert_eq!(rows.get(0, "PEERID"), Value::Int(3));
    assert_eq!(rows.get(1, "id"), Value::Int(1));
    for id in [1, 2, 3] {
        c.message(id, b"abc").unwrap();
    }
    let hinted = "select msgId,type,content from IMMessage_1 force index \
                  (idx_relateId_status_created) where relateId= 1 and status = 0 and msgId <=2 \
                  order by created desc, id desc limit 1";
    let latest = c.ok(hinted);
    assert_eq!(latest.columns, ["msgId", "type", "content"]);
    assert_eq!(latest.rows, [vec![Value::Int(2), Value::Int(1), "abc".into()]]);
    let some = "select msgId from IMMessage_1 where relateId=?  and status=? and msgId in (?,?) \
                order by created desc, id desc limit ?";
    let params = [1, 0, 1, 3, 1].map(Value::from);
    assert_eq!(c.numbers(some, &params), [3]);
    let group = "insert into IMGroup(`name`, `avatar`, `creator`, `type`,`userCnt`, `status`, \
                 `version`, `lastChated`, `updated`, `created`) values('g', '', 1, 1, 3, 0, 1, \
                 0, 5, 5)";
    assert_eq!(c.ok(group).last_insert_id, 1);
    assert_eq!(c.ok("update IMGroup set userCnt=userCnt+3 where id=1").affected, 1);
    assert_eq!(c.numbers("select userCnt from IMGroup where id in (1) and type=1", &[]), [6]);
    c.ok("insert into IMGroupMember(`groupId`, `userId`, `status`) values (1,1,0), (1,2,0)");
    assert_eq!(c.ok("delete from IMGroupMember where groupId=1").affected, 2);
    assert_eq!(c.ok("delete from IMGroupMember where groupId=1").affected, 0);
}

#[test]
fn every_table_of_the_reference_exists() {
    let names: Vec<_> = Engine::new().table_names().map(str::to_string).collect();
    assert_eq!(names.len(), 16 + 15);
    for name in ["IMMessage_7", "IMGroupMessage_0", "IMAudio", "IMTransmitFile", "TTRelation"]
        .into_iter()
        .chain(["TTSession", "TTSend", "TTRead", "TTMember", "TTLogin", "TTSchema"])
    {
        assert!(names.iter().any(|n| n == name), "{name}");
    }
}

/// A table that no migration has brought yet is one that the server does not know; whoever is in the
/// middle of something when it comes goes on.
#[test]
fn tables_come_with_their_migration() {
    let mut engine = Engine::of_version(0, 7);
    let (a, b) = (engine.open(), engine.open());
    let mut c = Client(engine, a);
    for (text, table) in [(ASK, "TTSchema"), ("select msgId from TTSend", "TTSend")] {
        let message = format!("Table 'teamtalk.{table}' doesn't exist");
        assert_eq!(c.error(text, &[]), (1146, message));
    }
    assert!(c.0.table_names().all(|name| name.starts_with("IM")));
    c.ok("BEGIN");
    c.ok(&format!("{SESSION}(1,2,1,0,5,5)"));
    c.ok("update IMRecentSession set status=1 where id=1");
    let waits = c.0.submit(b, "update IMRecentSession set status=2 where id=1", &[]);
    assert_eq!(waits, Step::Blocked);
    assert_eq!(c.0.migrate(3, 9).len(), 3);
    assert_eq!(c.numbers(ASK, &[]), [1, 2, 3]);
    assert!(c.numbers("select msgId from TTSend", &[]).is_empty());
    assert_eq!(c.error("select msgId from TTRead", &[]).0, 1146);
    c.ok("COMMIT");
    let Step::Done(done) = c.0.resume(b) else { panic!("its lock is free") };
    assert_eq!(done.result.expect("it runs").affected, 1);
    // Again, and back: nothing happens.
    assert_eq!((c.0.migrate(3, 10).len(), c.0.migrate(1, 10).len(), c.0.version()), (0, 0, 3));
    assert_eq!(c.0.migrate(LATEST, 11).len(), LATEST as usize - 3);
    assert_eq!(c.numbers("select applied from TTSchema where version=4", &[]), [11]);
    let whole = Engine::new();
    assert!(c.0.table_names().eq(whole.table_names()));
}

#[test]
fn the_statements_of_the_hardened_protocol_run() {
    let mut c = Client::new();
    c.ok("insert into TTRelation (`smallId`,`bigId`,`relateId`) values(1,2,0)");
    let floor = "update TTRelation force index (primary) set lastId=LAST_INSERT_ID(greatest(lastId+1, ?)) \
                 where smallId=? and bigId=?";
    for (drawn, id) in [(5, 5), (3, 6), (6, 7), (9, 9)] {
        let outcome = c.run(floor, &[drawn.into(), 1.into(), 2.into()]).unwrap();
        assert_eq!((outcome.affected, outcome.last_insert_id), (1, id));
    }
    let known = "select smallId,bigId,relateId,lastId from TTRelation where smallId=? or bigId=?";
    assert_eq!(c.run(known, &[2.into(), 2.into()]).unwrap().get(0, "lastId"), Value::Int(9));
    let mark = "insert into TTRead (`userId`,`peerId`,`type`,`msgId`) values(?,?,2,?) \
                on duplicate key update msgId=greatest(msgId, values(msgId))";
    for (read, kept) in [(4, 4), (2, 4), (7, 7)] {
        c.run(mark, &[2.into(), 1.into(), read.into()]).unwrap();
        assert_eq!(c.numbers("select msgId from TTRead where userId=2", &[]), [kept]);
    }
    let send = "insert into TTSend (`fromId`,`token`,`type`,`relateId`,`msgId`,`created`) \
                values(?,?,?,?,?,?)";
    // No text, and blanks and NULs at the end count.
    for token in [&b"\xff\xfe"[..], b"\xff\xfe ", b"\xff\xfe\0"] {
        let params = [1.into(), token.into(), 1.into(), 9.into(), 5.into(), 7.into()];
        assert_eq!(c.run(send, &params).unwrap().affected, 1);
        assert_eq!(c.error(send, &params).0, 1062);
        let found = "select msgId from TTSend where fromId=? and token=?";
        assert_eq!(c.numbers(found, &[1.into(), token.into()]), [5]);
    }
    let long = [1.into(), [7; 17][..].into(), 1.into(), 9.into(), 5.into(), 7.into()];
    assert_eq!(c.error(send, &long).0, 1406);
    for id in [1, 2, 3] {
        c.message(id, b"abc").unwrap();
    }
    let count = "select count(*) as unread from IMMessage_1 where relateId=? and fromId=? and \
                 status=0 and msgId>?";
    let counted = c.run(count, &[1, 1, 1].map(Value::from)).unwrap();
    assert_eq!((counted.get(0, "unread"), counted.rows.len()), (Value::Int(2), 1));
    assert_eq!(c.numbers("select COUNT(*) from IMMessage_2", &[]), [0]);
    assert_eq!(c.error("select count(*), msgId from IMMessage_1", &[]).0, 1235);
    assert_eq!(c.ok("select greatest(1, NULL) as g").get(0, "g"), Value::Null);
    let old = "select id from IMRecentSession where userId=? and peerId=? and type=? \
               order by status, id limit 1";
    c.ok(&format!("{SESSION}(1,2,1,1,5,5),(1,2,1,0,5,9),(1,2,1,0,5,9)"));
    assert_eq!(c.numbers(old, &[1, 2, 1].map(Value::from)), [2]);
}

#[test]
fn the_statements_about_groups_of_the_hardened_protocol_run() {
    let mut c = Client::new();
    let hide = "insert into TTMember (`userId`,`groupId`,`sinceId`) values (?,?,?),(?,?,?) \
                on duplicate key update sinceId=values(sinceId)";
    for since in [7, 3] {
        c.run(hide, &[1, 9, since, 2, 9, since].map(Value::from)).unwrap();
        let found = "select sinceId from TTMember where userId=? and groupId=?";
        assert_eq!(c.numbers(found, &[2, 9].map(Value::from)), [since]);
    }
    c.ok("insert into TTRelation (`smallId`,`bigId`,`relateId`,`lastId`) values(0,9,9,0)");
    let known = "select smallId,bigId,relateId,lastId from TTRelation where smallId=? or bigId=? \
                 or smallId=0 and bigId in (?,?)";
    assert_eq!(c.run(known, &[1, 1, 9, 8].map(Value::from)).unwrap().rows.len(), 1);
    let latest = "select lastId from TTRelation where smallId=0 and bigId=? for update";
    assert_eq!(c.numbers(latest, &[9.into()]), [0]);
    c.ok("insert into IMGroup(`creator`, `type`) values (1, 2)");
    c.ok("update IMGroup set userCnt=3, version=version+1 where id=1");
    assert_eq!(c.numbers("select version from IMGroup where id=1 and status=0", &[]), [1]);
    c.ok("insert into IMGroupMessage_1 (`groupId`, `userId`, `msgId`, `created`) \
          values (9,1,1,5), (9,2,2,5), (9,2,3,6)");
    let unread = "select count(*) as unread from IMGroupMessage_1 \
                  where groupId=? and userId<>? and status=0 and msgId>?";
    for (and, from, count) in
        [("", 0, 2), ("", 2, 1), (" and created>=6", 0, 1), (" and msgId>2", 0, 1)]
    {
        let params = [9, 1, from].map(Value::from);
        assert_eq!(c.numbers(&format!("{unread}{and}"), &params), [count]);
    }
}

#[test]
fn every_other_statement_of_db_proxy_runs() {
    let mut c = Client::new();
    let one = Value::Int(1);
    for text in [
        "select id,userId from IMRecentSession where (userId=? and peerId=? or userId=? and \
         peerId=?) and type=? and status=0",
        "update IMRecentSession set `updated`=?, `status`=0 where id in (?,?)",
        "update IMRecentSession set status = 1, updated=? where id=?",
        "update IMRecentSession set status = 1, updated=? where id in (?,?,?)",
        "select id,status from IMRecentSession where userId=? and peerId=? and type=?",
        "select peerId,status,updated from IMRecentSession where userId=? and type=? order by updated, \
         status desc",
        "select peerId from IMRecentSession where userId=? and type=?",
        "select sessionId from TTSession where userId=? and peerId=? and type=?",
        "insert into TTSession (`userId`,`peerId`,`type`,`sessionId`) values(?,?,?,0)",
        "update TTSession set sessionId=? where userId=? and peerId=? and type=?",
        "select relateId from TTRelation where smallId=? and bigId=?",
        "insert into TTRelation (`smallId`,`bigId`,`relateId`,`lastId`) values(0,?,?,?)",
        "update TTRelation force index (primary) set lastId=? where smallId=? and bigId=?",
        "update TTSend set msgId=? where fromId=? and token=?",
        "select type,relateId,msgId from TTSend where fromId=? and token=?",
        "select msgId from IMMessage_1 where relateId=? order by msgId desc limit 1",
        "select * from IMRecentSession where userId = ? and updated >? order by updated desc, \
         status limit 100",
        "insert into IMGroupMember(`groupId`, `userId`, `status`, `created`, `updated`) values \
         (?,?,0,?,?)",
        "update IMGroupMember set status=0, updated=? where groupId=? and userId in (?)",
        "update IMGroupMember set status=1 where groupId=? and userId in (?,?)",
        "select userId from IMGroupMember where groupId=? and userId in (?,?)",
        "select groupId from IMGroupMember where userId=? and status = 0 order by updated desc, \
         id desc",
        "insert into IMGroupMessage_1 (`groupId`, `userId`, `msgId`, `content`, `type`, \
         `status`, `updated`, `created`) values(?, ?, ?, ?, ?, ?, ?, ?)",
        "select msgId, type,userId, content from IMGroupMessage_1 where groupId = ? and status \
         = 0 order by msgId desc, id desc limit 1",
        "select * from IMGroupMessage_1 where groupId = ? and msgId in (?,?) and status = 0 and \
         created>=? order by created desc, id desc limit ?",
        "select creator, type from IMGroup where id=?",
        "update IMGroup set version=version+1 where id=?",
        "update IMGroup set userCnt=userCnt+? where id=?",
        "update IMGroup set lastChated=? where id=?",
        "select id, lastChated from IMGroup where status=0 and lastChated >=?",
        "select * from IMGroup where id in (?) order by updated desc",
        "select * from IMUser where status != 3",
        "select * from IMUser where updated>=?",
        "select id, updated from IMUser where status != 3",
        "select id, updated from IMUser where updated>=?",
        "select * from IMUser where id in (?,?)",
        "update IMUser set `push_shield_status`=?, `updated`=? where id=?",
        "update IMUser set `sign_info`=?, `updated`=? where id=?",
        "select push_shield_status from IMUser where id=?",
        "select id, updated from IMDepart where updated>?",
        "select * from IMDepart where id in (?,?)",
        "insert into IMAudio (`fromId`, `toId`, `path`, `size`, `duration`, `created`) values(?, \
         ?, ?, ?, ?, ?)",
        "select * from IMAudio where id=?",
        "select * from IMTransmitFile where toId=? and status=0 order by created",
        "insert into IMTransmitFile (`fromId`,`toId`,`fileName`,`size`,`taskId`,`status`, \
         `created`,`updated`) values(?,?,?,?,?,0,?,?)",
        "delete from IMTransmitFile where fromId=? and toId=? and taskId=?",
    ] {
        let params = vec![one.clone(); text.matches('?').count()];
        c.run(text, &params).unwrap_or_else(|e| panic!("{text}: {e}"));
    }
}

#[test]
fn affected_counts_changed_rows() {
    let mut c = Client::new();
    c.ok(&format!("{SESSION}(1,2,1,0,5,5),(1,3,1,0,5,6)"));
    let update = "update IMRecentSession set updated=? where userId=?";
    assert_eq!(c.run(update, &[6.into(), 1.into()]).unwrap().affected, 1);
    assert_eq!(c.run(update, &[6.into(), 1.into()]).unwrap().affected, 0);
    assert_eq!(c.ok("update IMRecentSession set updated=7 where id=0").affected, 0);
    let both = "update IMRecentSession set created = created + 1, updated = created where id = 1";
    c.ok(both);
    assert_eq!(c.0.rows("IMRecentSession")[0]["updated"], Value::Int(6), "left to right");
}

#[test]
fn error_codes() {
    let mut c = Client::new();
    let syntax = c.error("selec 1", &[]);
    assert_eq!(syntax.0, 1064);
    assert!(syntax.1.starts_with("You have an error in your SQL syntax"));
    let expected = (1146, "Table 'teamtalk.Foo' doesn't exist".to_string());
    assert_eq!(c.error("select * from Foo", &[]), expected);
    assert_eq!(c.error("select * from imuser", &[]).0, 1146, "table names have a case");
    let expected = (1054, "Unknown column 'foo' in 'field list'".to_string());
    assert_eq!(c.error("select foo from IMUser", &[]), expected);
    let unknown = |clause| (1054, format!("Unknown column 'foo' in '{clause}'"));
    assert_eq!(c.error("select id from IMUser where foo=1", &[]), unknown("where clause"));
    assert_eq!(c.error("select id from IMUser order by foo", &[]), unknown("order clause"));
    assert_eq!(c.error("insert into IMUser (foo) values (1)", &[]), unknown("field list"));
    assert_eq!(c.error("insert into IMUser (id, sex) values (1)", &[]).0, 1136);
    assert_eq!(c.error("insert into IMRelationShip (status) values (0)", &[]).0, 1364);
    assert_eq!(c.error("insert into IMUser (sex) values (null)", &[]).0, 1048);
    assert_eq!(c.error("select id from IMUser where id=?", &[]).0, 1210);
    assert_eq!(c.error("select max(id) from IMUser", &[]).0, 1235);
}

#[test]
fn strict_mode() {
    let mut c = Client::new();
    c.message(1, "€".repeat(4096).as_bytes()).expect("the bound is in characters");
    c.message(2, &[b"a".repeat(4096), b"  ".to_vec()].concat()).expect("blanks are cut");
    assert_eq!(code(c.message(3, &b"a".repeat(4097))), 1406);
    assert_eq!(code(c.message(3, b"a\xff")), 1366);
    assert_eq!(code(c.message(-1, b"a")), 1264, "SYSTEM.md section 3: Redis unreachable");
    assert_eq!(code(c.message(1 << 32, b"a")), 1264);
    c.message((1 << 32) - 1, b"a").unwrap();
    let (code, text) = c.error("insert into IMUser (sex) values ('x')", &[]);
    assert_eq!((code, text.contains("Incorrect integer value: 'x'")), (1366, true), "{text}");
    assert_eq!(c.0.rows("IMMessage_1").len(), 3, "a failed insert leaves nothing");
    assert_eq!(c.0.rows("IMMessage_1")[1]["content"], b"a".repeat(4096).as_slice().into());
}

#[test]
fn texts_compare_by_byte_without_trailing_blanks() {
    let mut c = Client::new();
    c.0.seed_users(&[user(1, "alice")]).unwrap();
    let find = "select id from IMUser where name=? and status=0";
    assert_eq!(c.numbers(find, &["alice".into()]), [1]);
    assert_eq!(c.numbers(find, &["alice  ".into()]), [1]);
    assert_eq!(c.numbers(find, &["Alice".into()]), [] as [u32; 0]);
    assert_eq!(c.numbers("select id from IMUser where id='1x'", &[]), [1]);
}

fn user(id: u32, name: &str) -> User {
    User { id, name: name.to_string(), password: "p".repeat(32) }
}

#[test]
fn seeded_users_look_like_the_golden_ones() {
    let mut engine = Engine::new();
    engine.seed_users(&[user(1, "alice"), user(1160, "u1160")]).unwrap();
    let rows = engine.rows("IMUser");
    assert_eq!((&rows[0]["nick"], &rows[0]["salt"]), (&"Alice".into(), &"0001".into()));
    assert_eq!(rows[1]["email"], "u1160@example.com".into());
    assert_eq!(rows[1]["phone"], "13800001160".into());
    assert_eq!((&rows[1]["id"], &rows[1]["departId"]), (&Value::Int(1160), &Value::Int(1)));
    assert!(engine.seed_users(&[user(1, "again")]).is_err());
}

#[test]
fn auto_increment_goes_on_after_explicit_ids_and_failures() {
    let mut c = Client::new();
    c.ok("insert into IMDepart (id, departName) values (5, 'a')");
    assert_eq!(c.ok("insert into IMDepart (departName) values ('b')").last_insert_id, 6);
    assert_eq!(c.numbers("select last_insert_id()", &[]), [6]);
    let taken = "insert into IMDepart (id, departName) values (0, 'c'), (6, 'd')";
    let expected = (1062, "Duplicate entry '6' for key 'PRIMARY'".to_string());
    assert_eq!(c.error(taken, &[]), expected);
    assert_eq!(c.0.rows("IMDepart").len(), 2, "the whole statement is undone");
    assert_eq!(c.ok("insert into IMDepart (departName) values ('e')").last_insert_id, 8);
}

#[test]
fn a_duplicate_is_refused_ignored_or_updated() {
    let mut c = Client::new();
    let insert = "insert into TTRelation (smallId, bigId, relateId) values (1, 2, ?)";
    assert_eq!(c.run(insert, &[7.into()]).unwrap().affected, 1);
    let expected = (1062, "Duplicate entry '1-2' for key 'PRIMARY'".to_string());
    assert_eq!(c.error(insert, &[8.into()]), expected);
    let ignore = insert.replace("insert", "insert ignore");
    assert_eq!(c.run(&ignore, &[8.into()]).unwrap().affected, 0);
    let keep = format!("{insert} on duplicate key update relateId = relateId");
    assert_eq!(c.run(&keep, &[8.into()]).unwrap().affected, 0);
    let read = format!("{insert} on duplicate key update relateId = LAST_INSERT_ID(relateId)");
    let outcome = c.run(&read, &[8.into()]).unwrap();
    assert_eq!((outcome.affected, outcome.last_insert_id), (0, 7));
    assert_eq!(c.numbers("select last_insert_id()", &[]), [7]);
    let replace = format!("{insert} on duplicate key update relateId = values(relateId)");
    assert_eq!(c.run(&replace, &[8.into()]).unwrap().affected, 2);
    let add = format!("{insert} on duplicate key update relateId = relateId + ?");
    c.run(&add, &[0.into(), 3.into()]).unwrap();
    assert_eq!(c.0.rows("TTRelation")[0]["relateId"], Value::Int(11));
}

#[test]
fn secondary_unique_keys() {
    let mut c = Client::new();
    let column = |name: &str, ty, default| Column { name: name.to_string(), ty, default };
    c.0.create_table(TableDef {
        name: "TTSend".into(),
        columns: vec![
            column("id", Type::BIG, None),
            column("token", Type::Text { chars: 8 }, Some(Value::Bytes(Bytes::new()))),
        ],
        auto: Some(0),
        uniques: vec![vec![0], vec![1]],
        indexes: Vec::new(),
    });
    assert_eq!(c.ok("insert into TTSend (token) values ('a')").last_insert_id, 1);
    let expected = (1062, "Duplicate entry 'a ' for key 'uk_token'".to_string());
    assert_eq!(c.error("insert into TTSend (token) values ('a ')", &[]), expected);
    let again = "insert into TTSend (token) values ('a') on duplicate key update \
                 id = last_insert_id(id)";
    assert_eq!(c.ok(again).last_insert_id, 1);
    assert_eq!(c.ok("insert into TTSend (token) values ('b')").last_insert_id, 4, "ids are gone");
    assert_eq!(c.error("update TTSend set token='b' where id=1", &[]).0, 1062);
    assert_eq!(c.ok("update TTSend set token='c' where id=1").affected, 1);
    assert_eq!(c.ok("insert into TTSend (token) values ('a')").affected, 1);
}
