//! Switch `unread-from-store`: the table `TTRead` keeps how far each user has read each peer's
//! and each group's messages, and what is unread is counted from the message rows. A read ack
//! that comes late, twice or beside a new message leaves the count right.

use crate::{
    db_proxy::{
        data::{
            pair::Pair,
            session_key::Key,
            sql_text::{self, placeholders},
        },
        group::{
            groups,
            membership::{self, Membership},
        },
        message::{
            counts::{Counts, Unread},
            messages, relation,
        },
        plumbing::{
            context::{Context, Select, World},
            error::{OnFailure, StoreError},
        },
    },
    mutants::Mutant,
    store::sql::{Outcome, Server, Value},
};
use std::collections::BTreeMap;

/// Raises a user's mark in a conversation; a lower msg_id leaves it where it is.
pub async fn raise<W: World>(cx: &mut Context<W>, key: Key, msg_id: u32) -> Result<(), StoreError> {
    const TEXT: &str = "insert into TTRead (`userId`,`peerId`,`type`,`msgId`) values(?,?,?,?) \
        on duplicate key update msgId=greatest(msgId, values(msgId))";
    const ANY: &str = "insert into TTRead (`userId`,`peerId`,`type`,`msgId`) values(?,?,?,?) \
        on duplicate key update msgId=values(msgId)";
    let text = match cx.protocol().mutated(Mutant::ReadMarkFalls) {
        true => ANY,
        false => TEXT,
    };
    let params = [key.user, key.peer, key.kind, msg_id].map(Value::from);
    cx.primary(text, &params).await?;
    Ok(())
}

/// Raises a user's mark to what a device says that they have read. With `edge-limits` a device is
/// believed as far as it can be right: no mark is past the newest message, and none is kept for a
/// conversation without a message, or a group that the user is not in. So `TTRead` has no more rows
/// than users have conversations, and no message that comes later is read before it is there.
pub async fn raise_as_said<W: World>(
    cx: &mut Context<W>,
    key: Key,
    msg_id: u32,
) -> Result<(), StoreError> {
    if !cx.protocol().edge_limits {
        return raise(cx, key, msg_id).await;
    }
    let is_in = key.kind == Key::SINGLE
        || groups::joined(cx, OnFailure::Fail, key.peer, key.user).await?.is_some();
    match newest(cx, key).await? {
        Some(newest) if is_in => raise(cx, key, msg_id.min(newest)).await,
        _ => Ok(()),
    }
}

/// The msg_id of the newest message of a conversation; `None` if there is none.
async fn newest<W: World>(cx: &mut Context<W>, key: Key) -> Result<Option<u32>, StoreError> {
    const TEXT: &str = "select lastId from TTRelation where smallId=? and bigId=?";
    if cx.protocol().id_floor_from_store {
        let pair = match key.kind {
            Key::SINGLE => Pair::new(key.user, key.peer),
            _ => Pair::of_group(key.peer),
        };
        let last = cx.primary(TEXT, &pair.params()).await?.get(0, "lastId").uint();
        // 0: the switch was turned on after the relation was made.
        if last != 0 {
            return Ok(Some(last));
        }
    }
    let latest = latest(cx, key).await?;
    Ok(latest.map(|latest| latest.msg_id))
}

async fn latest<W: World>(
    cx: &mut Context<W>,
    key: Key,
) -> Result<Option<messages::Latest>, StoreError> {
    match key.kind {
        Key::SINGLE => messages::latest_single(cx, OnFailure::Fail, key.user, key.peer).await,
        _ => groups::latest(cx, OnFailure::Fail, key.peer).await,
    }
}

/// Raises a user's mark to the latest message.
pub async fn raise_to_latest<W: World>(cx: &mut Context<W>, key: Key) -> Result<(), StoreError> {
    match latest(cx, key).await? {
        Some(latest) => raise(cx, key, latest.msg_id).await,
        None => Ok(()),
    }
}

/// What a user has not read: of each peer with whom they have a session, removed or not, in text
/// order of the peers as in the original, and of each group that they are in, by the last change of
/// their membership.
pub async fn counts<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<Counts, StoreError> {
    const PEERS: &str = "select peerId from IMRecentSession where userId=? and type=?";
    const LIVE: &str = "select peerId from IMRecentSession where userId=? and type=? and status=0";
    let server = cx.reader();
    let text = match cx.protocol().mutated(Mutant::UnreadLacksRemoved) {
        true => LIVE,
        false => PEERS,
    };
    let found = cx.select(on_failure, server, text, &[user.into(), Key::SINGLE.into()]).await?;
    let peers: BTreeMap<String, u32> =
        column(&found, "peerId").map(|peer| (peer.to_string(), peer)).collect();
    let groups = membership::of(cx, on_failure, user).await?;
    if peers.is_empty() && groups.is_empty() {
        return Ok(Counts::default());
    }
    let marks = marks(cx, on_failure, user).await?;
    let known = known(cx, on_failure, user, &groups).await?;
    Ok(Counts {
        peers: of_peers(cx, on_failure, user, peers, &marks, &known.peers).await?,
        groups: of_groups(cx, on_failure, user, groups, &marks, &known.groups).await?,
    })
}

/// How far a user has read, by (type, peer or group).
type Marks = BTreeMap<(u32, u32), u32>;

async fn marks<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<Marks, StoreError> {
    const MARKS: &str = "select peerId,type,msgId from TTRead where userId=?";
    let server = match cx.protocol().mutated(Mutant::MarksFromReplica) {
        true => Server::Replica,
        false => cx.reader(),
    };
    let found = cx.select(on_failure, server, MARKS, &[user.into()]).await?;
    let of = column(&found, "type").zip(column(&found, "peerId"));
    Ok(of.zip(column(&found, "msgId")).collect())
}

async fn of_peers<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
    peers: BTreeMap<String, u32>,
    marks: &Marks,
    known: &BTreeMap<u32, Known>,
) -> Result<Vec<Unread>, StoreError> {
    let (mut asked, mut selects) = (Vec::new(), Vec::new());
    let unknown = peers.values().copied().filter(|peer| !known.contains_key(peer));
    let others = relation::find_all(cx, on_failure, user, unknown).await?;
    for peer in peers.into_values() {
        let mark = marks.get(&(Key::SINGLE, peer)).copied().unwrap_or(0);
        let relation = match known.get(&peer) {
            Some(known) if known.all_read(mark) => continue,
            Some(known)
                if known.all_read(mark + 1) && cx.protocol().mutated(Mutant::LastUnreadLost) =>
            {
                continue;
            }
            Some(known) => known.id,
            None => match others.get(&peer) {
                Some(&relation) => relation,
                None => continue,
            },
        };
        asked.push((peer, relation));
        selects.push(count(relation, peer, mark));
    }
    // In one round trip: a user may have any number of sessions.
    let found = cx.select_all(on_failure, cx.reader(), &selects).await?;
    let counts = asked.into_iter().zip(found.iter().map(unread_in));
    let unread = counts.map(|((peer, relation), count)| Unread { peer, count, relation });
    Ok(unread.filter(|unread| unread.count != 0).collect())
}

async fn of_groups<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
    groups: Vec<Membership>,
    marks: &Marks,
    known: &BTreeMap<u32, Known>,
) -> Result<Vec<(u32, u32)>, StoreError> {
    let (mut asked, mut selects) = (Vec::new(), Vec::new());
    for Membership { group, since, .. } in groups {
        let mark = marks.get(&(Key::GROUP, group)).copied().unwrap_or(0);
        if known.get(&group).is_some_and(|known| known.all_read(mark.max(since.hidden()))) {
            continue;
        }
        let (visible, since) = since.condition();
        let text = format!(
            "select count(*) as unread from {} \
             where groupId=? and userId{}? and status=0 and msgId>?{visible}",
            sql_text::messages_of_group(group),
            if cx.protocol().mutated(Mutant::OwnAreUnread) { ">=0 and 0<" } else { "<>" }
        );
        asked.push(group);
        selects.push((text, vec![group.into(), user.into(), mark.into(), since]));
    }
    let found = cx.select_all(on_failure, cx.reader(), &selects).await?;
    let counts = asked.into_iter().zip(found.iter().map(unread_in));
    Ok(counts.filter(|(_, count)| *count != 0).collect())
}

/// A row of `TTRelation`.
struct Known {
    id: u32,
    /// The latest msg_id; 0 if it is not kept.
    last_id: u32,
}

impl Known {
    /// Whether there is no message after a mark. Saves counting a conversation that is read.
    fn all_read(&self, mark: u32) -> bool {
        self.last_id != 0 && self.last_id <= mark
    }
}

/// What `TTRelation` knows: of a user's peers and of groups.
#[derive(Default)]
struct AllKnown {
    peers: BTreeMap<u32, Known>,
    groups: BTreeMap<u32, Known>,
}

/// Reads both in one statement: this is asked for each user whom a push goes to.
async fn known<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
    groups: &[Membership],
) -> Result<AllKnown, StoreError> {
    let mut known = AllKnown::default();
    if !cx.protocol().single_relation {
        return Ok(known);
    }
    let mut text = String::from(
        "select smallId,bigId,relateId,lastId from TTRelation where smallId=? or bigId=?",
    );
    let mut params = vec![Value::from(user), user.into()];
    let floor = cx.protocol().id_floor_from_store;
    if floor && !groups.is_empty() {
        text += &format!(" or smallId=0 and bigId in ({})", placeholders(groups.len()));
        params.extend(groups.iter().map(|of| Value::from(of.group)));
    }
    let found = cx.select(on_failure, cx.reader(), &text, &params).await?;
    for row in 0..found.rows.len() {
        let number = |column| found.get(row, column).uint();
        let (low, high) = (number("smallId"), number("bigId"));
        let last_id = if floor { number("lastId") } else { 0 };
        let known_as = Known { id: number("relateId"), last_id };
        match low {
            // User 0 has no relations, so this is the row of a group.
            0 => known.groups.insert(high, known_as),
            _ => known.peers.insert(if low == user { high } else { low }, known_as),
        };
    }
    Ok(known)
}

/// Counts what a peer wrote after a mark.
fn count(relation: u32, peer: u32, mark: u32) -> Select {
    let text = format!(
        "select count(*) as unread from {} where relateId=? and fromId=? and status=0 and msgId>?",
        sql_text::messages_of_relation(relation)
    );
    (text, [relation, peer, mark].map(Value::from).to_vec())
}

fn unread_in(found: &Outcome) -> u32 {
    found.get(0, "unread").uint()
}

fn column(found: &Outcome, name: &'static str) -> impl Iterator<Item = u32> {
    (0..found.rows.len()).map(move |row| found.get(row, name).uint())
}
