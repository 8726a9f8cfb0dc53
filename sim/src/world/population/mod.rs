//! What the stores hold before a run: users, departments, groups, and what was said before.

mod past;

use super::shared::Shared;
use crate::{
    fakes::{
        redis,
        sql::{self, Step},
    },
    plan::{Group, GroupKind, Plan},
    record::{Changed, Kind},
};
use bytes::Bytes;
use std::collections::BTreeSet;
use teamtalk::{
    store::{migrations::LATEST, sql::Value},
    wire::im::base_define::GroupType,
};

/// When the groups were made and their members joined: so many seconds before the run.
const BEFORE_S: u64 = 3_600;

/// When the database was made, in seconds of Unix.
pub(super) fn since(plan: &Plan) -> u32 {
    joined(plan)
}

fn joined(plan: &Plan) -> u32 {
    (plan.epoch - BEFORE_S) as u32
}

/// The database of Redis that db_proxy uses (SYSTEM.md section 6).
const REDIS_DB: &str = "1";

pub(super) fn user_name(user: u32) -> String {
    format!("user{user}")
}

pub(super) fn password(user: u32) -> String {
    format!("password{user}")
}

/// What a device sends as the password: md5hex(clear).
pub(super) fn hashed_password(user: u32) -> String {
    md5_hex(password(user))
}

/// What IMUser holds: md5hex(received + salt), where md5hex(clear) is received (SYSTEM.md
/// section 6, 0703).
fn stored_password(user: u32) -> String {
    md5_hex(hashed_password(user) + &sql::User::salt(user))
}

fn md5_hex(text: String) -> String {
    use md5::{Digest, Md5};
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The rows that SQL has when a plan begins.
pub fn rows_at_start(plan: &Plan) -> Vec<Changed> {
    let version = plan.schema.unwrap_or(LATEST);
    let mut engine = sql::Engine::of_version(version, since(plan));
    fill_sql(&mut engine, plan);
    engine.held()
}

/// The rows of SQL. Users of devices, and those who have none: members of groups, who said something before,
/// and who is logged in beside the devices.
pub(super) fn fill_sql(engine: &mut sql::Engine, plan: &Plan) {
    let members = plan.groups.iter().flat_map(|g| g.members.iter().copied());
    let ids: BTreeSet<u32> =
        plan.users().into_iter().chain(members).chain(past::users(plan)).collect();
    let user = |&id: &u32| sql::User { id, name: user_name(id), password: stored_password(id) };
    engine.seed_users(&ids.iter().map(user).collect::<Vec<_>>()).expect("rows that fit");
    let mut insert = Inserts::new(engine);
    insert.row(
        "insert into IMDepart (id, departName, priority, parentId, created, updated) \
         values (1, 'everyone', 0, 0, ?, ?)",
        &[joined(plan), joined(plan)],
    );
    for group in &plan.groups {
        insert.group(group, joined(plan), past::last_chated(plan, group.id));
    }
    past::fill_sql(&mut insert, plan);
    insert.close();
}

/// What the original keeps in Redis about groups.
pub(super) fn fill_redis(engine: &mut redis::Engine, plan: &Plan) {
    let mut session = redis::Session::default();
    let mut run = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(|w| Bytes::copy_from_slice(w.as_bytes())).collect();
        engine.run(&mut session, &words);
    };
    run(&["SELECT", REDIS_DB]);
    for group in &plan.groups {
        run(&["SET", &format!("group_msg_id_{}", group.id), "0"]);
        for member in &group.members {
            let key = format!("group_member_{}", group.id);
            run(&["HSET", &key, &member.to_string(), &joined(plan).to_string()]);
        }
    }
    past::fill_redis(plan, run);
}

/// Who is a member from the start, and what was said before, for the properties.
pub(super) fn record(shared: &Shared, plan: &Plan) {
    for group in &plan.groups {
        for &user in &group.members {
            shared.record_world(Kind::MemberRow { group: group.id, user, live: true });
        }
    }
    past::record(shared, &plan.past);
}

struct Inserts<'a> {
    engine: &'a mut sql::Engine,
    session: sql::SessionId,
}

impl<'a> Inserts<'a> {
    fn new(engine: &'a mut sql::Engine) -> Self {
        let session = engine.open();
        Self { engine, session }
    }

    fn row(&mut self, text: &str, params: &[u32]) {
        let params: Vec<_> = params.iter().map(|&value| Value::from(value)).collect();
        self.values(text, &params);
    }

    fn values(&mut self, text: &str, params: &[Value]) {
        let Step::Done(done) = self.engine.submit(self.session, text, params) else {
            panic!("nothing else holds a lock");
        };
        done.result.expect("a row that fits");
    }

    fn group(&mut self, group: &Group, joined: u32, last_chated: u32) {
        const GROUP: &str = "insert into IMGroup (id, name, creator, type, userCnt, status, \
            version, lastChated, created, updated) values (?, 'group', ?, ?, ?, 0, 1, ?, ?, ?)";
        const MEMBER: &str = "insert into IMGroupMember (groupId, userId, status, created, \
            updated) values (?, ?, 0, ?, ?)";
        let kind = match group.kind {
            GroupKind::Normal => GroupType::Normal,
            GroupKind::Temporary => GroupType::Tmp,
        };
        let count = group.members.len() as u32;
        self.row(
            GROUP,
            &[group.id, group.creator, kind as u32, count, last_chated, joined, joined],
        );
        for &member in &group.members {
            self.row(MEMBER, &[group.id, member, joined, joined]);
        }
    }

    fn close(self) {
        self.engine.close(self.session);
    }
}
