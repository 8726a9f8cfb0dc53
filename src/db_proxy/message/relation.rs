//! Relations: the id of a pair of users, under which their messages are stored and numbered
//! (SYSTEM.md section 6, "Building blocks").

use crate::{
    db_proxy::{
        data::{keys, pair::Pair, sql_text},
        message::new_marks,
        plumbing::{
            context::{Context, Select, World},
            error::{OnFailure, StoreError},
            transaction::{Transaction, transact},
        },
    },
    mutants::Mutant,
    store::{
        cache::Cache,
        sql::{Outcome, Server, SqlError, Value},
    },
};
use std::collections::BTreeMap;

/// How often the relation is read, and its insert tried, when another request inserts it at the
/// same time. A second round is needed only if the other transaction rolled back.
const ROUNDS: u32 = 3;

/// The relation of a pair, for reads, which add none; 0 if there is none.
pub async fn find<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    a: u32,
    b: u32,
) -> Result<u32, StoreError> {
    let Some(pair) = Pair::of_users(a, b) else { return Ok(0) };
    let server = cx.reader();
    if cx.protocol().single_relation {
        if let Some(id) = known(cx, pair) {
            return Ok(id);
        }
        let side = cx.select(on_failure, server, SIDE_READ, &pair.params()).await?;
        let id = side.get(0, "relateId").uint();
        if id != 0 {
            cx.shared.caches.relations.learn(pair, id);
            return Ok(id);
        }
    }
    find_live(cx, on_failure, server, pair).await
}

/// The relations of a user with others, for reads, by the other: those that there are. In few round
/// trips, for a user may have any number of sessions.
pub async fn find_all<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
    others: impl IntoIterator<Item = u32>,
) -> Result<BTreeMap<u32, u32>, StoreError> {
    let mut found = BTreeMap::new();
    let pairs = others.into_iter().filter_map(|of| Some((of, Pair::of_users(user, of)?)));
    let mut left: Vec<(u32, Pair)> = pairs.collect();
    if cx.protocol().single_relation {
        left.retain(|(other, pair)| match known(cx, *pair) {
            Some(id) => found.insert(*other, id).is_some(),
            None => true,
        });
        let sides = all_of(cx, on_failure, SIDE_READ, &left).await?;
        for ((other, pair), side) in std::mem::take(&mut left).into_iter().zip(sides) {
            match side.get(0, "relateId").uint() {
                0 => left.push((other, pair)),
                id => {
                    cx.shared.caches.relations.learn(pair, id);
                    found.insert(other, id);
                }
            }
        }
    }
    let live = all_of(cx, on_failure, LIVE, &left).await?;
    found.extend(left.iter().zip(&live).map(|((other, _), live)| (*other, last_id(live))));
    found.retain(|_, id| *id != 0);
    Ok(found)
}

/// Reads one row or some for each pair.
async fn all_of<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    text: &str,
    pairs: &[(u32, Pair)],
) -> Result<Vec<Outcome>, StoreError> {
    let select = |(_, pair): &(u32, Pair)| (text.to_string(), pair.params().to_vec());
    let selects: Vec<Select> = pairs.iter().map(select).collect();
    cx.select_all(on_failure, cx.reader(), &selects).await
}

/// The relation of a pair, added if there is none. 0 for user 0, who has none.
pub async fn find_or_add<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    a: u32,
    b: u32,
) -> Result<u32, StoreError> {
    let Some(pair) = Pair::of_users(a, b) else { return Ok(0) };
    if cx.protocol().single_relation {
        return find_or_add_single(cx, pair).await;
    }
    let found = find_live(cx, on_failure, Server::Replica, pair).await?;
    if found != 0 {
        return Ok(found);
    }
    add(cx, on_failure, pair).await
}

const LIVE: &str = "select id from IMRelationShip where smallId=? and bigId=? and status = 0";

const SIDE_READ: &str = "select relateId from TTRelation where smallId=? and bigId=?";

const INSERT_OF_GROUP: &str =
    "insert into TTRelation (`smallId`,`bigId`,`relateId`,`lastId`) values(0,?,?,?)";

const INSERT: &str = "insert into IMRelationShip \
    (`smallId`,`bigId`,`status`,`created`,`updated`) values(?,?,?,?,?)";

async fn find_live<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    server: Server,
    pair: Pair,
) -> Result<u32, StoreError> {
    Ok(last_id(&cx.select(on_failure, server, LIVE, &pair.params()).await?))
}

/// Of several rows the last one counts.
fn last_id(found: &Outcome) -> u32 {
    found.rows.len().checked_sub(1).map_or(0, |last| found.get(last, "id").uint())
}

/// The original's way: revive or insert. Two requests that get here together insert two
/// relations, and the reset of the counter may come after the other one's draws.
async fn add<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    pair: Pair,
) -> Result<u32, StoreError> {
    const FIND: &str = "select id from IMRelationShip where smallId=? and bigId=?";
    let found = cx.select(on_failure, Server::Primary, FIND, &pair.params()).await?;
    let now = Value::from(cx.now);
    if !found.rows.is_empty() {
        const REVIVE: &str = "update IMRelationShip set status=0, updated=? where id=?";
        let id = found.get(0, "id").uint();
        let done = cx.execute(Server::Primary, REVIVE, &[now, id.into()]).await?;
        if done.affected == 0 && on_failure == OnFailure::Empty {
            return Err(StoreError::NoEffect("relation not revived: no row changed"));
        }
        return Ok(id);
    }
    let id = insert(cx, pair).await?;
    if id != 0 {
        // A failure is logged and ignored, as in the original.
        if let Err(error) = cx.cache().set(&keys::msg_id_of_relation(id), "0").await {
            tracing::warn!(%error, relation = id, "counter not reset");
        }
    }
    Ok(id)
}

async fn insert<W: World>(cx: &mut Context<W>, pair: Pair) -> Result<u32, SqlError> {
    let now = Value::from(cx.now);
    let [low, high] = pair.params();
    let params = [low, high, Value::Int(0), now.clone(), now];
    Ok(cx.execute(Server::Primary, INSERT, &params).await?.last_insert_id as u32)
}

/// Switch `single-relation`: the unique key of `TTRelation` decides which request adds the
/// relation; the others wait for its lock and read what it wrote. The counter is never reset:
/// one that is missing starts at 0 by itself.
async fn find_or_add_single<W: World>(cx: &mut Context<W>, pair: Pair) -> Result<u32, StoreError> {
    if let Some(id) = known(cx, pair) {
        return Ok(id);
    }
    for _ in 0..ROUNDS {
        let id = cx.primary(SIDE_READ, &pair.params()).await?.get(0, "relateId").uint();
        if id != 0 {
            cx.shared.caches.relations.learn(pair, id);
            return Ok(id);
        }
        match transact(cx, &Claim(pair)).await {
            Err(error) if error.is_duplicate() => {}
            claimed => {
                if let Ok(id) = claimed {
                    cx.shared.caches.relations.learn(pair, id);
                }
                return claimed;
            }
        }
    }
    Err(StoreError::NoEffect("relation neither found nor added"))
}

/// The id is used only with `id-floor-from-store`: only a send that raises the floor notices if the
/// relation is gone.
fn known<W: World>(cx: &Context<W>, pair: Pair) -> Option<u32> {
    cx.shared.caches.relations.get(&pair).filter(|_| cx.protocol().id_floor_from_store)
}

/// Makes a pair's row in `TTRelation`, and its relation if there is none.
struct Claim(Pair);

impl<W: World> Transaction<W> for Claim {
    type Done = u32;

    async fn run(&self, cx: &mut Context<W>) -> Result<u32, StoreError> {
        const CLAIM: &str = "insert into TTRelation (`smallId`,`bigId`,`relateId`) values(?,?,0)";
        // A live database may hold several rows of a pair already. The original goes on with the last
        // live one, and so does who reads before this: the pair's history is there.
        const OLD: &str = "select id from IMRelationShip where smallId=? and bigId=? order by status, id desc limit 1";
        const NAME: &str = "update TTRelation force index (primary) set relateId=? \
            where smallId=? and bigId=?";
        let pair = self.0;
        cx.defer(CLAIM, &pair.params());
        let mut id = cx.primary(OLD, &pair.params()).await?.get(0, "id").uint();
        let adopted = id != 0;
        if !adopted {
            id = insert(cx, pair).await?;
        }
        if id == 0 {
            return Err(StoreError::NoEffect("relation without an id"));
        }
        if !adopted {
            new_marks::add_pair(cx, pair);
        }
        let [low, high] = pair.params();
        cx.defer(NAME, &[id.into(), low, high]);
        if cx.protocol().mutated(Mutant::RelationKnownTooSoon) {
            cx.shared.caches.relations.learn(pair, id);
        }
        if adopted
            && cx.protocol().id_floor_from_store
            && !cx.protocol().mutated(Mutant::AdoptedWithoutFloor)
        {
            raise_floor_of_old(cx, pair, id).await?;
        }
        Ok(id)
    }
}

/// Puts the floor of an adopted relation over the messages that it has already.
///
/// MariaDB would take idx_bigId for an UPDATE of TTRelation by its primary key, and lock the gaps beside it, into which other
/// pairs are claimed (docs/FAKES.md): hence the hint, here and below.
async fn raise_floor_of_old<W: World>(
    cx: &mut Context<W>,
    pair: Pair,
    id: u32,
) -> Result<(), StoreError> {
    const FLOOR: &str = "update TTRelation force index (primary) set lastId=? \
        where smallId=? and bigId=?";
    let table = sql_text::messages_of_relation(id);
    let text = format!("select msgId from {table} where relateId=? order by msgId desc limit 1");
    let last = cx.primary(&text, &[id.into()]).await?.get(0, "msgId");
    if last.uint() != 0 {
        let [low, high] = pair.params();
        cx.defer(FLOOR, &[last, low, high]);
    }
    Ok(())
}

/// Switch `id-floor-from-store`, inside a send's transaction: the next msg_id of a pair, which is
/// the drawn one unless the store has seen that or a higher one. The row stays locked until the
/// transaction ends, so ids ascend in the order of the commits.
pub async fn next_msg_id<W: World>(
    cx: &mut Context<W>,
    pair: Pair,
    relation: u32,
    drawn: u32,
) -> Result<u32, StoreError> {
    const TEXT: &str = "update TTRelation force index (primary) \
        set lastId=LAST_INSERT_ID(greatest(lastId+1, ?)) where smallId=? and bigId=? and relateId=?";
    let [low, high] = pair.params();
    let raised = cx.primary(TEXT, &[drawn.into(), low, high, relation.into()]).await?;
    match u32::try_from(raised.last_insert_id) {
        Ok(id) if id != 0 && raised.affected != 0 => Ok(id),
        _ => {
            cx.shared.caches.relations.forget(&pair);
            Err(StoreError::NoEffect("no floor for the msg_id"))
        }
    }
}

/// The same for a group. Its row of `TTRelation` is that of user 0, who has no relations; the first
/// message after the switch was turned on makes it.
pub async fn next_group_msg_id<W: World>(
    cx: &mut Context<W>,
    group: u32,
    drawn: u32,
) -> Result<u32, StoreError> {
    match next_msg_id(cx, Pair::of_group(group), group, drawn).await {
        Err(StoreError::NoEffect(_)) => {}
        raised => return raised,
    }
    let last = latest_of_group(cx, group).await?;
    cx.defer(INSERT_OF_GROUP, &[group, group, last].map(Value::from));
    next_msg_id(cx, Pair::of_group(group), group, drawn).await
}

/// In a transaction: a new group's row of `TTRelation`, so that no message has to make it.
pub fn add_floor_of_group<W: World>(cx: &mut Context<W>, group: u32) {
    if cx.protocol().has_floor() {
        cx.defer(INSERT_OF_GROUP, &[group, group, 0].map(Value::from));
    }
}

/// In a transaction: a group's latest msg_id, 0 if there is none. If the group has a row in
/// `TTRelation` that is locked, so no message follows until the transaction ends.
pub async fn hold_latest_of_group<W: World>(
    cx: &mut Context<W>,
    group: u32,
) -> Result<u32, StoreError> {
    const TEXT: &str = "select lastId from TTRelation where smallId=0 and bigId=? for update";
    const UNLOCKED: &str = "select lastId from TTRelation where smallId=0 and bigId=?";
    if cx.protocol().has_floor() {
        let text = match cx.protocol().mutated(Mutant::JoinFloorNotHeld) {
            true => UNLOCKED,
            false => TEXT,
        };
        let found = cx.primary(text, &[group.into()]).await?;
        if !found.rows.is_empty() {
            return Ok(found.get(0, "lastId").uint());
        }
    }
    latest_of_group(cx, group).await
}

async fn latest_of_group<W: World>(cx: &mut Context<W>, group: u32) -> Result<u32, StoreError> {
    let table = sql_text::messages_of_group(group);
    let text = format!("select msgId from {table} where groupId=? order by msgId desc limit 1");
    Ok(cx.primary(&text, &[group.into()]).await?.get(0, "msgId").uint())
}
