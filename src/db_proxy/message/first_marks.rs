//! Switch `unread-from-store` in a database of the original, where what is unread stands in Redis' counters.
//!
//! They stay as they are from the switch on, and are taken over one conversation at a time, before the first
//! message that a db_proxy with the switch stores in it: both users, or all members of the group, get a row in
//! `TTRead`, and the group one of its own, that of user 0. So a user without a row has not read what the
//! counters say. It takes that no db_proxy without the switch runs any more.

use crate::{
    db_proxy::{
        data::{pair::Pair, session_key::Key, sql_text},
        group::groups,
        message::{new_marks, old_counters, read_mark},
        plumbing::{
            context::{Context, Select, World},
            error::{OnFailure, StoreError},
        },
    },
    store::sql::{Server, Value},
};

/// Before a message of two users is stored: both of them have a row.
///
/// # Errors
/// A store can't be read or written; the message is not to be stored then.
pub async fn take_over_pair<W: World>(
    cx: &mut Context<W>,
    relation: u32,
    users: [u32; 2],
) -> Result<(), StoreError> {
    const THERE: &str = "select userId from TTRead \
        where userId=? and peerId=? and type=1 or userId=? and peerId=? and type=1";
    let [a, b] = users;
    let pair = Pair::new(a, b);
    if !cx.protocol().unread_from_store || cx.shared.caches.marked.get(&pair).is_some() {
        return Ok(());
    }
    let found = cx.primary(THERE, &[a, b, b, a].map(Value::from)).await?;
    let there: Vec<u32> = (0..found.rows.len()).map(|n| found.get(n, "userId").uint()).collect();
    let table = sql_text::messages_of_relation(relation);
    for (user, peer) in [(a, b), (b, a)] {
        if !there.contains(&user) {
            let unread = old_counters::of_peer(cx, user, peer).await?;
            let of_peer = [relation, peer, unread];
            let (text, params) = before_the_last(&table, "relateId=? and fromId=?", of_peer);
            let read = cx.primary(&text, &params).await?.get(0, "msgId").uint();
            read_mark::raise(cx, Key::single(user, peer), read).await?;
        }
    }
    cx.shared.caches.marked.learn(pair, relation);
    Ok(())
}

/// The newest message of a conversation, among those that others than a user wrote, but for so many.
fn before_the_last(table: &str, of_others: &str, params: [u32; 3]) -> Select {
    let text = format!(
        "select msgId from {table} where {of_others} and status=0 order by msgId desc limit 1 offset ?"
    );
    (text, params.map(Value::from).to_vec())
}

/// Before a message of a group is stored: all members have a row, and so has the group.
///
/// # Errors
/// As [`take_over_pair`].
pub async fn take_over_group<W: World>(cx: &mut Context<W>, group: u32) -> Result<(), StoreError> {
    const THERE: &str = "select msgId from TTRead where userId=0 and peerId=? and type=2";
    let key = Pair::of_group(group);
    if !cx.protocol().unread_from_store || cx.shared.caches.marked.get(&key).is_some() {
        return Ok(());
    }
    if cx.primary(THERE, &[group.into()]).await?.rows.is_empty() {
        let marks = marks_of_members(cx, group).await?;
        if !marks.is_empty() {
            read_mark::raise_all(cx, group, &marks).await?;
        }
        // Last: whoever does not come this far is followed by another one.
        cx.primary(new_marks::INSERT_OF_GROUP, &new_marks::of_group(group)).await?;
    }
    cx.shared.caches.marked.learn(key, group);
    Ok(())
}

/// Up to which message each member of a group had read it.
async fn marks_of_members<W: World>(
    cx: &mut Context<W>,
    group: u32,
) -> Result<Vec<(u32, u32)>, StoreError> {
    let members = groups::members(cx, OnFailure::Fail, group).await?;
    let pairs: Vec<_> = members.iter().map(|user| (group, *user)).collect();
    let unread = old_counters::of_members(cx, OnFailure::Fail, &pairs).await?;
    let table = sql_text::messages_of_group(group);
    let select = |(user, unread): (&u32, u32)| {
        before_the_last(&table, "groupId=? and userId<>?", [group, *user, unread])
    };
    let selects: Vec<_> = members.iter().zip(unread).map(select).collect();
    let found = cx.select_all(OnFailure::Fail, Server::Primary, &selects).await?;
    let marks = found.iter().map(|found| found.get(0, "msgId").uint());
    Ok(members.into_iter().zip(marks).collect())
}
