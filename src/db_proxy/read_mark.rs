//! Switch `unread-from-store`: the table `TTRead` keeps how far each user has read each peer's
//! messages, and what is unread is counted from the message rows. A read ack that comes late,
//! twice or beside a new message leaves the count right.

use super::{
    context::{Context, OnFailure, StoreError, World},
    message, relation,
    session::SINGLE,
    unread::Unread,
};
use crate::store::sql::{Outcome, Value};
use std::collections::BTreeMap;

/// Raises a user's mark in a conversation; a lower msg_id leaves it where it is.
pub async fn raise<W: World>(
    cx: &mut Context<W>,
    user: u32,
    peer: u32,
    msg_id: u32,
) -> Result<(), StoreError> {
    const TEXT: &str = "insert into TTRead (`userId`,`peerId`,`msgId`) values(?,?,?) \
        on duplicate key update msgId=greatest(msgId, values(msgId))";
    cx.primary(TEXT, &[user.into(), peer.into(), msg_id.into()]).await?;
    Ok(())
}

/// Raises a user's mark to the latest message.
pub async fn raise_to_latest<W: World>(
    cx: &mut Context<W>,
    user: u32,
    peer: u32,
) -> Result<(), StoreError> {
    match message::latest_single(cx, OnFailure::Fail, user, peer).await? {
        Some(latest) => raise(cx, user, peer, latest.msg_id).await,
        None => Ok(()),
    }
}

/// What a user has not read of each peer with whom he has a session, removed or not, in text
/// order of the peers as the original has them.
pub async fn counts<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<Vec<Unread>, StoreError> {
    const PEERS: &str = "select peerId from IMRecentSession where userId=? and type=?";
    const MARKS: &str = "select peerId,msgId from TTRead where userId=?";
    let server = cx.reader();
    let found = cx.select(on_failure, server, PEERS, &[user.into(), SINGLE.into()]).await?;
    let peers: BTreeMap<String, u32> =
        column(&found, "peerId").map(|peer| (peer.to_string(), peer)).collect();
    if peers.is_empty() {
        return Ok(Vec::new());
    }
    let found = cx.select(on_failure, server, MARKS, &[user.into()]).await?;
    let marks: BTreeMap<u32, u32> = column(&found, "peerId").zip(column(&found, "msgId")).collect();
    let known = relations(cx, on_failure, user).await?;
    let mut unread = Vec::new();
    for peer in peers.into_values() {
        let mark = marks.get(&peer).copied().unwrap_or(0);
        let relation = match known.get(&peer) {
            Some(known) if known.all_read(mark) => continue,
            Some(known) => known.id,
            None => relation::find(cx, on_failure, user, peer).await?,
        };
        if relation == 0 {
            continue;
        }
        let count = count(cx, on_failure, relation, peer, mark).await?;
        if count != 0 {
            unread.push(Unread { peer, count, relation: Some(relation) });
        }
    }
    Ok(unread)
}

/// A row of `TTRelation`.
struct Known {
    id: u32,
    /// The latest msg_id; 0 if it is not kept.
    last_id: u32,
}

impl Known {
    /// Whether nothing can be after a mark. Saves the count of a conversation that is read.
    fn all_read(&self, mark: u32) -> bool {
        self.last_id != 0 && self.last_id <= mark
    }
}

/// The relations of a user by peer, as far as `TTRelation` has them.
async fn relations<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<BTreeMap<u32, Known>, StoreError> {
    const TEXT: &str =
        "select smallId,bigId,relateId,lastId from TTRelation where smallId=? or bigId=?";
    if !cx.protocol().single_relation {
        return Ok(BTreeMap::new());
    }
    let found = cx.select(on_failure, cx.reader(), TEXT, &[user.into(), user.into()]).await?;
    let floor = cx.protocol().id_floor_from_store;
    let mut known = BTreeMap::new();
    for row in 0..found.rows.len() {
        let number = |column| found.get(row, column).uint();
        let (low, high) = (number("smallId"), number("bigId"));
        let peer = if low == user { high } else { low };
        let last_id = if floor { number("lastId") } else { 0 };
        known.insert(peer, Known { id: number("relateId"), last_id });
    }
    Ok(known)
}

async fn count<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    relation: u32,
    peer: u32,
    mark: u32,
) -> Result<u32, StoreError> {
    let text = format!(
        "select count(*) as unread from {} where relateId=? and fromId=? and status=0 and msgId>?",
        message::table(relation)
    );
    let params = [relation, peer, mark].map(Value::from);
    Ok(cx.select(on_failure, cx.reader(), &text, &params).await?.get(0, "unread").uint())
}

fn column(found: &Outcome, name: &'static str) -> impl Iterator<Item = u32> {
    (0..found.rows.len()).map(move |row| found.get(row, name).uint())
}
