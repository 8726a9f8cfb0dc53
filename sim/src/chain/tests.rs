//! What belongs to a chain, by hand-made lines.

use super::{
    Chain,
    commands::{Relations, is_of},
    places::{Kept, Place},
};
use crate::{
    plan::Role,
    record::{Applied, Changed, Effect, Kind, Line, What, sql_applied},
};
use bytes::Bytes;
use std::collections::BTreeSet;
use teamtalk::{conversation::Conversation, store::sql::Value};

const PAIR: Conversation = Conversation::Single { low: 1, high: 4 };
const LOOKS: &str = "select id from IMRelationShip where smallId=? and bigId=? and status = 0";

fn line(kind: Kind) -> Line {
    Line { n: 0, sim_us: 0, host: Role::Sql.host(), incarnation: 1, kind }
}

fn sql(what: &str, params: &[&str], effect: &str) -> Line {
    line(Kind::Store(sql_applied(what, params, effect, true)))
}

fn looks(pair: [&str; 2]) -> Line {
    sql(LOOKS, &pair, "rows 0")
}

/// A command of Redis, a key and, of a hash, a field first.
fn redis(words: &[&str], answer: i64, writes: bool) -> Line {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let field = words[0].starts_with('H').then(|| words.get(2).map(|of| bytes(of))).flatten();
    let changed = Changed::key(1, &bytes(words[1]), field.as_ref(), None, Some(&bytes("1")));
    line(Kind::Store(Applied {
        store: "redis",
        what: What::new(words[0]),
        params: words[1..].iter().map(|word| Value::from(*word)).collect(),
        effect: Effect::Int(answer),
        committed: true,
        replica: false,
        changed: if writes { vec![changed] } else { Vec::new() },
    }))
}

fn related(conversation: Conversation, id: u64) -> Line {
    line(Kind::RelationRow { conversation, id })
}

/// Which of these lines are of a place, where 1-4 has the relations 7 and 8, and 1-5 has 9.
#[track_caller]
fn assert_of(of: Kept, lines: &[Line], others: &[Line]) {
    let known = [related(PAIR, 7), related(PAIR, 8), related(Conversation::single(1, 5), 9)];
    let relations = Relations::read(&known);
    let place = Place { of, during: 0..=0 };
    for line in lines {
        assert!(is_of(&place, line, &relations), "{of:?} {line:?}");
        let later = Place { of, during: 1..=2 };
        assert!(!is_of(&later, line, &relations), "it counts from line 1 on");
    }
    for line in others {
        assert!(!is_of(&place, line, &relations), "{of:?} {line:?}");
    }
}

#[test]
fn ids_come_from_the_relation_and_its_counter() {
    assert_of(
        Kept::Ids(PAIR),
        &[
            looks(["1", "4"]),
            sql(
                "update IMRelationShip set status=0, updated=? where id=?",
                &["9", "7"],
                "affected 0",
            ),
            sql(
                "update TTRelation force index (primary) set lastId=? where smallId=? and bigId=?",
                &["9", "1", "4"],
                "affected 1",
            ),
            sql(
                "insert into IMRelationShip (`smallId`,`bigId`,`status`) values(?,?,?)",
                &["1", "4", "0"],
                "affected 1, id 8",
            ),
            redis(&["INCRBY", "msg_id_7", "1"], 1, true),
            redis(&["INCRBY", "msg_id_8", "1"], 1, true),
            related(PAIR, 8),
        ],
        &[
            // The values are there, of other columns.
            sql(
                "update TTRelation force index (primary) set lastId=? where smallId=? and bigId=?",
                &["4", "1", "5"],
                "affected 1",
            ),
            looks(["1", "5"]),
            sql(
                "update IMRelationShip set status=0, updated=? where id=?",
                &["7", "9"],
                "affected 0",
            ),
            sql(
                "select id from IMRecentSession where userId=? and peerId=?",
                &["1", "4"],
                "rows 0",
            ),
            redis(&["INCRBY", "msg_id_9", "1"], 1, true),
            redis(&["INCRBY", "group_msg_id_7", "1"], 1, true),
            related(Conversation::single(1, 5), 9),
        ],
    );
    assert_of(
        Kept::Ids(Conversation::Group(7)),
        &[redis(&["INCRBY", "group_msg_id_7", "1"], 1, true)],
        &[redis(&["INCRBY", "msg_id_7", "1"], 1, true)],
    );
}

#[test]
fn where_nothing_closer_is_known_it_is_whatever_the_stores_did() {
    let read = redis(&["GET", "device_3"], 1, false);
    assert_of(Kept::Anything, &[looks(["1", "5"]), read], &[related(PAIR, 7)]);
}

#[test]
fn a_message_is_its_row_and_not_every_list_of_its_conversation() {
    let insert = |relation, msg_id| {
        let what = "insert into IMMessage_1 (`relateId`, `fromId`, `msgId`) values(?, ?, ?)";
        sql(what, &[relation, "1", msg_id], "tx 3: affected 1, id 1")
    };
    let lists = "select * from IMMessage_1 where relateId= ? and status = 0 limit ?";
    let listed = |relation| sql(lists, &[relation, "2"], "rows 1");
    assert_of(
        Kept::Message(PAIR, 2),
        &[insert("7", "2")],
        &[insert("7", "3"), insert("9", "2"), listed("7")],
    );
    assert_of(
        Kept::Messages(PAIR),
        &[listed("7"), listed("8"), looks(["1", "4"])],
        &[listed("9"), looks(["1", "5"])],
    );
}

#[test]
fn a_count_is_its_users_field_or_all_of_them() {
    assert_of(
        Kept::Unread(4, PAIR),
        &[
            redis(&["HINCRBY", "unread_4", "1", "1"], 1, true),
            redis(&["HGETALL", "unread_4"], 1, false),
            redis(&["HMGET", "unread_4", "5", "1"], 1, false),
        ],
        &[
            redis(&["HINCRBY", "unread_4", "5", "1"], 1, true),
            redis(&["HGETALL", "unread_1"], 1, false),
        ],
    );
    assert_of(
        Kept::Unread(4, Conversation::Group(2)),
        &[
            redis(&["HGET", "2_im_group_msg", "count"], 1, false),
            redis(&["HMSET", "4_2_im_user_group", "count", "1"], 1, true),
        ],
        &[redis(&["HGET", "1_2_im_user_group", "count"], 1, false)],
    );
    assert_of(
        Kept::Member(7, 2),
        &[
            sql(
                "update IMGroupMember set status=1 where groupId=? and userId in (?,?)",
                &["7", "1", "2"],
                "affected 1",
            ),
            redis(&["HGETALL", "group_member_7"], 1, false),
        ],
        &[
            sql(
                "update IMGroupMember set status=1 where groupId=? and userId in (?)",
                &["2", "7"],
                "affected 1",
            ),
            redis(&["HGET", "group_member_7", "3"], 1, false),
        ],
    );
}

/// Two who find the same are a race; the third one and those after it ask again. A write makes it new.
#[test]
fn a_read_is_shown_twice_between_two_writes_and_the_line_that_broke_it_always() {
    let mut lines = vec![looks(["1", "4"]); 5];
    lines.push(sql(
        "insert into IMRelationShip (`smallId`,`bigId`) values(?,?)",
        &["1", "4"],
        "affected 1, id 7",
    ));
    lines.push(related(PAIR, 7));
    lines.push(redis(&["INCRBY", "msg_id_7", "1"], 1, true));
    lines.extend(vec![looks(["1", "4"]); 4]);
    for (n, line) in lines.iter_mut().enumerate() {
        line.n = n as u64;
    }
    let place = Place { of: Kept::Ids(PAIR), during: 0..=99 };
    let chain = Chain::from(&lines, &BTreeSet::new(), &[place], Some(11));
    let shown: Vec<u64> = chain.lines.iter().copied().collect();
    assert_eq!(shown, [0, 1, 6, 7, 8, 9, 11], "5 is told by 6, the row that it committed");
    assert!(lines.iter().all(|line| chain.knows(line)));
    let repeated = [0, 1, 8, 9].map(|n: usize| chain.repeated(&lines[n]));
    assert_eq!(repeated, [0, 3, 0, 1]);
}
