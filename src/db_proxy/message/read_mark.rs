//! Switch `unread-from-store`: the table `TTRead` keeps how far each user has read each peer's
//! and each group's messages, and what is unread is counted from the message rows. A read ack
//! that comes late, twice or beside a new message leaves the count right. Where there is no row yet,
//! what was not read before the switch was turned on counts too (`old_counters`, `first_marks`).

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
            messages, old_counters, relation,
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

/// Raises the marks of users in a group: each with a msg_id, and at least one.
pub async fn raise_all<W: World>(
    cx: &mut Context<W>,
    group: u32,
    marks: &[(u32, u32)],
) -> Result<(), StoreError> {
    let rows = vec!["(?,?,?,?)"; marks.len()].join(",");
    let text = format!(
        "insert into TTRead (`userId`,`peerId`,`type`,`msgId`) values{rows} \
         on duplicate key update msgId=greatest(msgId, values(msgId))"
    );
    let row = |(user, msg_id): &(u32, u32)| [*user, group, Key::GROUP, *msg_id].map(Value::from);
    let params: Vec<Value> = marks.iter().flat_map(row).collect();
    cx.primary(&text, &params).await?;
    Ok(())
}

/// Raises a user's mark to what a device says that they have read. With `edge-limits` a device is
/// believed as far as it can be right: no mark is past the newest message, and none is kept for a
/// conversation without a message, or a group that the user is not in. So `TTRead` has no more rows
/// than users have conversations, and no message that comes later is read before it is there.
/// Says how far the device is believed: 0 if not at all.
pub async fn raise_as_said<W: World>(
    cx: &mut Context<W>,
    key: Key,
    msg_id: u32,
) -> Result<u32, StoreError> {
    if !cx.protocol().edge_limits {
        raise(cx, key, msg_id).await?;
        return Ok(msg_id);
    }
    let is_in = key.kind == Key::SINGLE
        || groups::joined(cx, OnFailure::Fail, key.peer, key.user).await?.is_some();
    let believed = match newest(cx, key, msg_id).await? {
        Some(newest) if is_in => msg_id.min(newest),
        _ if cx.protocol().mutated(Mutant::MarksAsSaid) => msg_id,
        _ => return Ok(0),
    };
    raise(cx, key, believed).await?;
    Ok(believed)
}

/// The msg_id of the newest message of a conversation, or one that is not below `said`; `None` if there is no
/// message.
async fn newest<W: World>(
    cx: &mut Context<W>,
    key: Key,
    said: u32,
) -> Result<Option<u32>, StoreError> {
    const TEXT: &str = "select lastId from TTRelation where smallId=? and bigId=?";
    if cx.protocol().id_floor_from_store {
        let pair = match key.kind {
            Key::SINGLE => Pair::new(key.user, key.peer),
            _ => Pair::of_group(key.peer),
        };
        let last = cx.primary(TEXT, &pair.params()).await?.get(0, "lastId").uint();
        // The floor is behind where a db_proxy without the switch has stored messages.
        if last != 0 && said <= last {
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
    let marks = marks(cx, on_failure, user, (&peers, &groups)).await?;
    let known = known(cx, on_failure, user, &groups).await?;
    Ok(Counts {
        peers: of_peers(cx, on_failure, user, peers, &marks, &known.peers).await?,
        groups: of_groups(cx, on_failure, user, groups, &marks, &known.groups).await?,
    })
}

/// How far a user has read.
struct Marks {
    /// By (type, peer or group).
    rows: BTreeMap<(u32, u32), u32>,
    /// Of peers without a row, what was not read before the switch was turned on.
    old_peers: BTreeMap<u32, u32>,
    /// Of groups without a row, the same.
    old_groups: BTreeMap<u32, u32>,
}

impl Marks {
    fn of(&self, kind: u32, id: u32) -> Option<u32> {
        self.rows.get(&(kind, id)).copied()
    }
}

/// Asks Redis only where a row is missing.
async fn marks<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
    (peers, groups): (&BTreeMap<String, u32>, &[Membership]),
) -> Result<Marks, StoreError> {
    let rows = rows(cx, on_failure, user).await?;
    let is_there = |kind: u32, id: u32| rows.contains_key(&(kind, id));
    let old_peers = match peers.values().all(|peer| is_there(Key::SINGLE, *peer)) {
        true => BTreeMap::new(),
        false => old_counters::of_peers(cx, on_failure, user).await?,
    };
    let old = groups.iter().filter(|of| old_counters::is_old(of)).map(|of| of.group);
    let old: Vec<u32> = old.filter(|group| !is_there(Key::GROUP, *group)).collect();
    let old_groups = old_counters::of_groups(cx, on_failure, user, &old).await?;
    Ok(Marks { rows, old_peers, old_groups })
}

async fn rows<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<BTreeMap<(u32, u32), u32>, StoreError> {
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
    // What was counted before, and the place of what is counted now.
    let mut unread = Vec::new();
    for peer in peers.into_values() {
        let mark = marks.of(Key::SINGLE, peer);
        let all_read = |known: &Known, mark: u32| {
            let one_off = u32::from(cx.protocol().mutated(Mutant::LastUnreadLost));
            known.all_read(mark + one_off)
        };
        let relation = match (known.get(&peer), mark) {
            (Some(known), Some(mark)) if all_read(known, mark) => continue,
            (Some(known), _) => known.id,
            (None, _) => match others.get(&peer) {
                Some(&relation) => relation,
                None => continue,
            },
        };
        let before = || marks.old_peers.get(&peer).copied().unwrap_or(0);
        unread.push(Unread { peer, count: mark.map_or_else(before, |_| 0), relation });
        if let Some(mark) = mark {
            asked.push(unread.len() - 1);
            selects.push(count(relation, peer, mark));
        }
    }
    // In one round trip: a user may have any number of sessions.
    let found = cx.select_all(on_failure, cx.reader(), &selects).await?;
    asked.into_iter().zip(&found).for_each(|(at, found)| unread[at].count = unread_in(found));
    unread.retain(|unread| unread.count != 0);
    Ok(unread)
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
    let mut counts = Vec::new();
    for Membership { group, since, .. } in groups {
        if let Some(&count) = marks.old_groups.get(&group) {
            counts.push((group, count));
            continue;
        }
        let mark = marks.of(Key::GROUP, group).unwrap_or(0);
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
        asked.push(counts.len());
        counts.push((group, 0));
        selects.push((text, vec![group.into(), user.into(), mark.into(), since]));
    }
    let found = cx.select_all(on_failure, cx.reader(), &selects).await?;
    asked.into_iter().zip(&found).for_each(|(at, found)| counts[at].1 = unread_in(found));
    counts.retain(|(_, count)| *count != 0);
    Ok(counts)
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
