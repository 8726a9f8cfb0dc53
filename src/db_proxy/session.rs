//! Recent sessions: a user's row for a peer or group (SYSTEM.md section 6, "Building blocks").

use super::context::{Context, OnFailure, StoreError, World};
use crate::store::sql::{Server, Value};

/// `IMRecentSession.type` of a session with a user.
pub const SINGLE: u32 = 1;
/// `IMRecentSession.type` of a session with a group.
pub const GROUP: u32 = 2;

/// Whose session with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The owner.
    pub user: u32,
    /// The other user, or the group.
    pub peer: u32,
    /// [`SINGLE`] or [`GROUP`].
    pub kind: u32,
}

impl Key {
    fn params(&self) -> [Value; 3] {
        [self.user.into(), self.peer.into(), self.kind.into()]
    }
}

/// The id of a live session; 0 if there is none.
pub async fn find_live<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    key: Key,
) -> Result<u32, StoreError> {
    const TEXT: &str =
        "select id from IMRecentSession where userId=? and peerId=? and type=? and status=0";
    last_id(cx, on_failure, TEXT, key).await
}

/// The id of a session of any status; 0 if there is none.
pub async fn find_any<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    key: Key,
) -> Result<u32, StoreError> {
    const TEXT: &str = "select id from IMRecentSession where userId=? and peerId=? and type=?";
    last_id(cx, on_failure, TEXT, key).await
}

/// Revives a removed session or inserts a new one: its id.
pub async fn add<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    key: Key,
) -> Result<u32, StoreError> {
    let found = find_any(cx, on_failure, key).await?;
    let now = Value::from(cx.now);
    if found != 0 {
        const TEXT: &str = "update IMRecentSession set status=0, updated=? where id=?";
        let done = cx.execute(Server::Primary, TEXT, &[now, found.into()]).await?;
        // The row already is what the update makes of it (the same second): a failure in the
        // original, where only the count of changed rows is looked at.
        if done.affected == 0 && on_failure == OnFailure::Empty {
            return Err(StoreError::NoEffect("session not revived: no row changed"));
        }
        return Ok(found);
    }
    const TEXT: &str = "insert into IMRecentSession \
        (`userId`,`peerId`,`type`,`status`,`created`,`updated`) values(?,?,?,?,?,?)";
    let [user, peer, kind] = key.params();
    let params = [user, peer, kind, Value::Int(0), now.clone(), now];
    let done = cx.execute(Server::Primary, TEXT, &params).await?;
    Ok(done.last_insert_id as u32)
}

/// Sets `updated` of a session, by its id. Its outcome matters to nobody.
pub async fn touch<W: World>(cx: &mut Context<W>, id: u32, updated: u32) {
    const TEXT: &str = "update IMRecentSession set `updated`=? where id=?";
    let _ = cx.execute(Server::Primary, TEXT, &[updated.into(), id.into()]).await;
}

async fn last_id<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    text: &str,
    key: Key,
) -> Result<u32, StoreError> {
    let found = cx.select(on_failure, Server::Replica, text, &key.params()).await?;
    // Of several rows the last read counts.
    Ok(found.rows.len().checked_sub(1).map_or(0, |last| found.get(last, "id").uint()))
}
