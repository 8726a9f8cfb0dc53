//! Recent sessions: a user's row for a peer or group (SYSTEM.md section 6, "Building blocks").

use crate::{
    db_proxy::{
        data::{session_key::Key, sql_text::placeholders},
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
            transaction::{Transaction, transact},
        },
    },
    mutants::Mutant,
    store::sql::{Server, Value},
};

/// How often the session is read, and its insert tried, when another request inserts it at the same
/// time.
const ROUNDS: u32 = 3;

/// The id of a live session; 0 if there is none.
pub async fn find_live<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    server: Server,
    key: Key,
) -> Result<u32, StoreError> {
    const TEXT: &str =
        "select id from IMRecentSession where userId=? and peerId=? and type=? and status=0";
    last_id(cx, on_failure, server, TEXT, key).await
}

/// The rows of a session that is to be removed; none if it is not live. With `single-session` these are all of
/// it: a live database may hold several, each of which a db_proxy may know as the session and make live. In the
/// original's way the others stay, and with them the session.
pub async fn rows_of_live<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    key: Key,
) -> Result<Vec<u32>, StoreError> {
    const TEXT: &str =
        "select id,status from IMRecentSession where userId=? and peerId=? and type=?";
    if !cx.protocol().single_session {
        let id = find_live(cx, on_failure, Server::Replica, key).await?;
        return Ok(if id == 0 { Vec::new() } else { vec![id] });
    }
    // A session that was made a moment ago is not to be missed on a lagging replica.
    let found = cx.select(on_failure, Server::Primary, TEXT, &key.params()).await?;
    let column = |name| (0..found.rows.len()).map(|row| found.get(row, name).uint()).collect();
    let statuses: Vec<u32> = column("status");
    Ok(if statuses.contains(&0) { column("id") } else { Vec::new() })
}

/// The id of a session of any status; 0 if there is none.
pub async fn find_any<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    key: Key,
) -> Result<u32, StoreError> {
    const TEXT: &str = "select id from IMRecentSession where userId=? and peerId=? and type=?";
    last_id(cx, on_failure, Server::Replica, TEXT, key).await
}

/// The id of a live session, revived or inserted if there is none.
pub async fn find_or_add<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    key: Key,
) -> Result<u32, StoreError> {
    let found = find_live(cx, on_failure, Server::Replica, key).await?;
    let id = if found != 0 { found } else { add(cx, on_failure, key).await? };
    if id == 0 { Err(StoreError::NoEffect("session without an id")) } else { Ok(id) }
}

/// Revives a removed session or inserts a new one. Returns its id. In the original's way two
/// requests at the same time insert one each; with `single-session` they do not.
pub async fn add<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    key: Key,
) -> Result<u32, StoreError> {
    if cx.protocol().single_session {
        return add_single(cx, key).await;
    }
    let found = find_any(cx, on_failure, key).await?;
    if found == 0 {
        return insert(cx, key).await;
    }
    let changed = revive(cx, found).await?;
    // The row is already what the update makes of it (the same second). The original takes that for
    // a failure: it looks only at the count of changed rows.
    if !changed && on_failure == OnFailure::Empty {
        return Err(StoreError::NoEffect("session not revived: no row changed"));
    }
    Ok(found)
}

/// Sets `updated` of a session, by its id. A failure is ignored.
pub async fn touch<W: World>(cx: &mut Context<W>, id: u32, updated: u32) {
    let _ = touched(cx, id, updated).await;
}

/// Sets `updated` of a session, by its id.
pub async fn touched<W: World>(
    cx: &mut Context<W>,
    id: u32,
    updated: u32,
) -> Result<(), StoreError> {
    const TEXT: &str = "update IMRecentSession set `updated`=? where id=?";
    cx.primary(TEXT, &[updated.into(), id.into()]).await.map(drop)
}

/// The ids of two users' sessions with each other (`single-session`), for a message that is to be
/// stored, whose transaction makes them live ([`touch_pair`]). Sessions that this process does not
/// know are looked for in one statement, and added if there are none.
pub async fn of_pair<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    keys: [Key; 2],
) -> Result<[u32; 2], StoreError> {
    let mut ids = keys.map(|key| cx.shared.caches.sessions.get(&key).unwrap_or(0));
    if ids.contains(&0) {
        ids = find_pair(cx, on_failure, keys).await?;
    }
    for (id, key) in ids.iter_mut().zip(keys) {
        if *id == 0 {
            *id = add(cx, on_failure, key).await?;
        }
        if cx.shared.caches.sessions.get(&key) != Some(*id) {
            cx.shared.caches.sessions.learn(key, *id);
        }
    }
    Ok(ids)
}

/// Forgets sessions after a send that failed: a store that was restored may not have them.
pub fn forget<W: World>(cx: &Context<W>, keys: [Key; 2]) {
    keys.iter().for_each(|key| cx.shared.caches.sessions.forget(key));
}

/// The ids of the live sessions, 0 where there is none.
async fn find_pair<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    keys: [Key; 2],
) -> Result<[u32; 2], StoreError> {
    const TEXT: &str = "select id,userId from IMRecentSession where \
        (userId=? and peerId=? or userId=? and peerId=?) and type=? and status=0";
    let [own, peer] = keys;
    let params = [own.user, own.peer, peer.user, peer.peer, own.kind].map(Value::from);
    let found = cx.select(on_failure, Server::Replica, TEXT, &params).await?;
    Ok(keys.map(|key| {
        let mut rows = (0..found.rows.len()).rev();
        let row = rows.find(|&row| found.get(row, "userId").uint() == key.user);
        row.map_or(0, |row| found.get(row, "id").uint())
    }))
}

/// In the transaction of a message (`single-session`): sets `updated` of its sessions. They are
/// live afterwards, also if one was removed since it was found. One statement locks the rows in
/// the order of their ids, so two of them never wait for each other.
pub fn touch_pair<W: World>(cx: &mut Context<W>, [own, peer]: [u32; 2]) {
    const TEXT: &str = "update IMRecentSession set `updated`=?, `status`=0 where id in (?,?)";
    const ONLY_TIME: &str = "update IMRecentSession set `updated`=? where id in (?,?)";
    let text = match cx.protocol().mutated(Mutant::RemovedSessionStays) {
        true => ONLY_TIME,
        false => TEXT,
    };
    cx.defer(text, &[cx.now, own, peer].map(Value::from));
}

/// Removes rows of a session; whether that changed any of them. They are locked in the order of their ids, as
/// by [`touch_pair`].
pub async fn remove<W: World>(cx: &mut Context<W>, ids: &[u32]) -> Result<bool, StoreError> {
    const ONE: &str = "update IMRecentSession set status = 1, updated=? where id=?";
    let text = match ids {
        [_] => ONE.to_string(),
        _ => ONE.replace("id=?", &format!("id in ({})", placeholders(ids.len()))),
    };
    let params: Vec<Value> = [cx.now].iter().chain(ids).map(|&n| n.into()).collect();
    Ok(cx.primary(&text, &params).await?.affected != 0)
}

async fn insert<W: World>(cx: &mut Context<W>, key: Key) -> Result<u32, StoreError> {
    const TEXT: &str = "insert into IMRecentSession \
        (`userId`,`peerId`,`type`,`status`,`created`,`updated`) values(?,?,?,?,?,?)";
    let now = Value::from(cx.now);
    let [user, peer, kind] = key.params();
    let params = [user, peer, kind, Value::Int(0), now.clone(), now];
    Ok(cx.primary(TEXT, &params).await?.last_insert_id as u32)
}

/// Makes a session live; whether that changed its row.
async fn revive<W: World>(cx: &mut Context<W>, id: u32) -> Result<bool, StoreError> {
    const TEXT: &str = "update IMRecentSession set status=0, updated=? where id=?";
    let params = [cx.now.into(), id.into()];
    Ok(cx.primary(TEXT, &params).await?.affected != 0)
}

async fn last_id<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    server: Server,
    text: &str,
    key: Key,
) -> Result<u32, StoreError> {
    let found = cx.select(on_failure, server, text, &key.params()).await?;
    // Of several rows the last one counts.
    Ok(found.rows.len().checked_sub(1).map_or(0, |last| found.get(last, "id").uint()))
}

/// Switch `single-session`: the unique key of `TTSession` decides which request adds the session;
/// the others wait for its lock, read what it wrote and revive that.
async fn add_single<W: World>(cx: &mut Context<W>, key: Key) -> Result<u32, StoreError> {
    const SIDE_READ: &str =
        "select sessionId from TTSession where userId=? and peerId=? and type=?";
    for _ in 0..ROUNDS {
        let id = cx.primary(SIDE_READ, &key.params()).await?.get(0, "sessionId").uint();
        if id != 0 {
            revive(cx, id).await?;
            return Ok(id);
        }
        match transact(cx, &Claim(key)).await {
            Err(error) if error.is_duplicate() => {}
            claimed => return claimed,
        }
    }
    Err(StoreError::NoEffect("session neither found nor added"))
}

/// Makes a session's row in `TTSession`, and the session if there is none; it is live then.
struct Claim(Key);

impl<W: World> Transaction<W> for Claim {
    type Done = u32;

    async fn run(&self, cx: &mut Context<W>) -> Result<u32, StoreError> {
        const CLAIM: &str =
            "insert into TTSession (`userId`,`peerId`,`type`,`sessionId`) values(?,?,?,0)";
        // A live database may hold several rows of one session already: a live one first, then
        // the lowest.
        const OLD: &str = "select id from IMRecentSession \
            where userId=? and peerId=? and type=? order by status, id limit 1";
        const NAME: &str =
            "update TTSession set sessionId=? where userId=? and peerId=? and type=?";
        let key = self.0.params();
        cx.defer(CLAIM, &key);
        let mut id = cx.primary(OLD, &key).await?.get(0, "id").uint();
        if id == 0 {
            id = insert(cx, self.0).await?;
        } else {
            revive(cx, id).await?;
        }
        if id == 0 {
            return Err(StoreError::NoEffect("session without an id"));
        }
        let [user, peer, kind] = key;
        cx.defer(NAME, &[id.into(), user, peer, kind]);
        if cx.protocol().mutated(Mutant::SessionKnownTooSoon) {
            cx.shared.caches.sessions.learn(self.0, id);
        }
        Ok(id)
    }
}
