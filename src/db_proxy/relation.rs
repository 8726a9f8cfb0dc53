//! Relations: the id of a pair of users, under which their messages are stored and numbered
//! (SYSTEM.md section 6, "Building blocks").

use super::context::{Context, OnFailure, StoreError, World};
use crate::store::{
    cache::Cache,
    sql::{Outcome, Server, SqlError, Value},
};

/// How often an insert into `TTRelation` that met another one is followed by a new read. One is
/// enough unless the other transaction rolled back.
const ROUNDS: u32 = 3;

/// MySQL's duplicate-key error.
const DUPLICATE: u16 = 1062;

/// The key of the counter that a relation's msg_ids are drawn from.
pub fn counter_key(relation: u32) -> String {
    format!("msg_id_{relation}")
}

/// The relation of a pair, for reads; 0 if there is none. Never adds one.
pub async fn find<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    a: u32,
    b: u32,
) -> Result<u32, StoreError> {
    let Some(pair) = pair(a, b) else { return Ok(0) };
    if cx.protocol().single_relation {
        let side = cx.select(on_failure, Server::Replica, SIDE_READ, &pair).await?;
        let id = side.get(0, "relateId").uint();
        if id != 0 {
            return Ok(id);
        }
    }
    find_live(cx, on_failure, &pair).await
}

/// The relation of a pair, added if there is none. 0 for user 0, who has none.
pub async fn find_or_add<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    a: u32,
    b: u32,
) -> Result<u32, StoreError> {
    let Some(pair) = pair(a, b) else { return Ok(0) };
    if cx.protocol().single_relation {
        return find_or_add_single(cx, &pair).await;
    }
    let found = find_live(cx, on_failure, &pair).await?;
    if found != 0 {
        return Ok(found);
    }
    add(cx, on_failure, &pair).await
}

type Pair = [Value; 2];

const SIDE_READ: &str = "select relateId from TTRelation where smallId=? and bigId=?";

const INSERT: &str = "insert into IMRelationShip \
    (`smallId`,`bigId`,`status`,`created`,`updated`) values(?,?,?,?,?)";

fn pair(a: u32, b: u32) -> Option<Pair> {
    (a != 0 && b != 0).then(|| [a.min(b).into(), a.max(b).into()])
}

async fn find_live<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    pair: &Pair,
) -> Result<u32, StoreError> {
    const TEXT: &str = "select id from IMRelationShip where smallId=? and bigId=? and status = 0";
    let found = cx.select(on_failure, Server::Replica, TEXT, pair).await?;
    // Of several rows the last read counts.
    Ok(found.rows.len().checked_sub(1).map_or(0, |last| found.get(last, "id").uint()))
}

/// The original's way: revive or insert. Two requests that get here together insert two
/// relations, and the reset of the counter may come after the other one's draws.
async fn add<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    pair: &Pair,
) -> Result<u32, StoreError> {
    const FIND: &str = "select id from IMRelationShip where smallId=? and bigId=?";
    let found = cx.select(on_failure, Server::Primary, FIND, pair).await?;
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
        // Its failure is logged and ignored, as in the original.
        if let Err(error) = cx.cache().set(&counter_key(id), "0").await {
            tracing::warn!(%error, relation = id, "counter not reset");
        }
    }
    Ok(id)
}

async fn insert<W: World>(cx: &mut Context<W>, pair: &Pair) -> Result<u32, SqlError> {
    let now = Value::from(cx.now);
    let [low, high] = pair.clone();
    let params = [low, high, Value::Int(0), now.clone(), now];
    Ok(cx.execute(Server::Primary, INSERT, &params).await?.last_insert_id as u32)
}

/// Switch `single-relation`: the unique key of `TTRelation` decides which request adds the
/// relation; the others wait for its lock and read what it wrote. The counter is never reset:
/// one that is missing starts at 0 by itself.
async fn find_or_add_single<W: World>(cx: &mut Context<W>, pair: &Pair) -> Result<u32, StoreError> {
    for _ in 0..ROUNDS {
        let side = cx.execute(Server::Primary, SIDE_READ, pair).await?;
        let id = side.get(0, "relateId").uint();
        if id != 0 {
            return Ok(id);
        }
        match add_single(cx, pair).await {
            Ok(id) => return Ok(id),
            Err(error) => {
                cx.roll_back().await;
                if !matches!(error, StoreError::Sql(SqlError::Server { code: DUPLICATE, .. })) {
                    return Err(error);
                }
            }
        }
    }
    Err(StoreError::NoEffect("relation neither found nor added"))
}

async fn add_single<W: World>(cx: &mut Context<W>, pair: &Pair) -> Result<u32, StoreError> {
    const CLAIM: &str = "insert into TTRelation (`smallId`,`bigId`,`relateId`) values(?,?,0)";
    // A live database may hold several rows of a pair already: every node takes the lowest.
    const OLD: &str =
        "select id from IMRelationShip where smallId=? and bigId=? order by id limit 1";
    const NAME: &str = "update TTRelation set relateId=? where smallId=? and bigId=?";
    primary(cx, "BEGIN", &[]).await?;
    primary(cx, CLAIM, pair).await?;
    let mut id = primary(cx, OLD, pair).await?.get(0, "id").uint();
    if id == 0 {
        id = insert(cx, pair).await?;
    }
    if id == 0 {
        return Err(StoreError::NoEffect("relation without an id"));
    }
    let [low, high] = pair.clone();
    primary(cx, NAME, &[id.into(), low, high]).await?;
    primary(cx, "COMMIT", &[]).await?;
    Ok(id)
}

async fn primary<W: World>(
    cx: &mut Context<W>,
    text: &str,
    params: &[Value],
) -> Result<Outcome, SqlError> {
    cx.execute(Server::Primary, text, params).await
}
