//! What the stores hold of a time before the run ([`crate::plan::Past`]).

use super::Inserts;
use crate::{
    plan::{Chat, GroupRef, Past, PastMessage, Plan},
    record::Kind,
    world::shared::Shared,
};
use std::collections::BTreeMap;
use teamtalk::{
    conversation::Conversation,
    store::sql::Value,
    wire::im::base_define::{MsgType, SessionType},
};

/// Tables of messages.
const TABLES: u32 = 8;

fn time(plan: &Plan, ago_s: u32) -> u32 {
    (plan.epoch as u32).saturating_sub(ago_s)
}

/// When something was last said in a group of the plan, in seconds since 1970; 0 if nothing was.
pub(super) fn last_chated(plan: &Plan, group: u32) -> u32 {
    let of = plan.past.groups.iter().filter(|past| past.group == group);
    let said = of.flat_map(|past| &past.messages).map(|message| time(plan, message.ago_s));
    said.max().unwrap_or(0)
}

/// Who has said something, or was said something, or has a session.
pub(super) fn users(plan: &Plan) -> impl Iterator<Item = u32> {
    let pairs = plan.past.pairs.iter().flat_map(|pair| pair.users);
    let senders = plan.past.messages().map(|message| message.from);
    pairs.chain(senders).chain(plan.past.sessions.iter().map(|session| session.user))
}

/// The rows of SQL.
pub(super) fn fill_sql(insert: &mut Inserts<'_>, plan: &Plan) {
    let Past { pairs, groups, sessions } = &plan.past;
    for (pair, relation) in pairs.iter().zip(1..) {
        let made = pair.messages.first().map_or(super::joined(plan), |of| time(plan, of.ago_s));
        let [low, high] = pair.users;
        insert.row(
            "insert into IMRelationShip (smallId, bigId, status, created, updated) \
             values (?, ?, 0, ?, ?)",
            &[low, high, made, made],
        );
        let text = format!(
            "insert into IMMessage_{} (relateId, fromId, toId, msgId, content, type, status, \
             created, updated) values (?, ?, ?, ?, ?, ?, 0, ?, ?)",
            relation % TABLES
        );
        for message in &pair.messages {
            let to = if message.from == low { high } else { low };
            let head = [relation, message.from, to, message.msg_id];
            insert.values(&text, &values(plan, &head, message, MsgType::SingleText));
        }
    }
    for past in groups {
        let text = format!(
            "insert into IMGroupMessage_{} (groupId, userId, msgId, content, type, status, created, \
             updated) values (?, ?, ?, ?, ?, 0, ?, ?)",
            past.group % TABLES
        );
        for message in &past.messages {
            let head = [past.group, message.from, message.msg_id];
            insert.values(&text, &values(plan, &head, message, MsgType::GroupText));
        }
    }
    for session in sessions {
        let (kind, peer) = match session.chat {
            Chat::User(user) => (SessionType::Single, user),
            Chat::Group { group: GroupRef::Known(group) } => (SessionType::Group, group),
            Chat::Group { .. } => continue,
        };
        let changed = time(plan, session.ago_s);
        let status = u32::from(session.removed);
        insert.row(
            "insert into IMRecentSession (userId, peerId, type, status, created, updated) \
             values (?, ?, ?, ?, ?, ?)",
            &[session.user, peer, kind as u32, status, changed, changed],
        );
    }
}

fn values(plan: &Plan, head: &[u32], message: &PastMessage, kind: MsgType) -> Vec<Value> {
    let created = Value::from(time(plan, message.ago_s));
    let head = head.iter().map(|&n| Value::from(n));
    let rest =
        [Value::Bytes(message.text().into()), (kind as u32).into(), created.clone(), created];
    head.chain(rest).collect()
}

/// What Redis holds: counters of msg_ids, and of what is unread, which is all that others said.
pub(super) fn fill_redis(plan: &Plan, mut run: impl FnMut(&[&str])) {
    let mut unread: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for (pair, relation) in plan.past.pairs.iter().zip(1_u32..) {
        run(&["SET", &format!("msg_id_{relation}"), &pair.counter.to_string()]);
        for message in &pair.messages {
            let [low, high] = pair.users;
            let to = if message.from == low { high } else { low };
            *unread.entry((to, message.from)).or_default() += 1;
        }
    }
    for ((to, from), count) in unread {
        run(&["HSET", &format!("unread_{to}"), &from.to_string(), &count.to_string()]);
    }
    for past in &plan.past.groups {
        let (group, said) = (past.group, past.messages.len());
        run(&["SET", &format!("group_msg_id_{group}"), &past.counter.to_string()]);
        run(&["HSET", &format!("{group}_im_group_msg"), "count", &said.to_string()]);
        let mut own: BTreeMap<u32, u32> = BTreeMap::new();
        past.messages.iter().for_each(|message| *own.entry(message.from).or_default() += 1);
        // Of a member that is what of all they need not read.
        for (user, count) in own {
            run(&["HSET", &format!("{user}_{group}_im_user_group"), "count", &count.to_string()]);
        }
    }
}

/// The messages, for the properties.
pub(super) fn record(shared: &Shared, past: &Past) {
    let row = |conversation, message: &PastMessage| {
        let PastMessage { from, msg_id, .. } = *message;
        shared.record_world(Kind::Row { conversation, msg_id, from, content: message.text() });
    };
    for pair in &past.pairs {
        let [low, high] = pair.users;
        pair.messages.iter().for_each(|of| row(Conversation::single(low, high), of));
    }
    for group in &past.groups {
        group.messages.iter().for_each(|of| row(Conversation::Group(group.group), of));
    }
}
