//! 0206: a user hides a session.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::{keys, session_key::Key},
        group::groups,
        message::read_mark,
        plumbing::{
            context::{Context, World},
            error::StoreError,
            reply::{carried, reply},
            silent::Silent,
        },
        session::sessions,
    },
    mutants::Mutant,
    store::cache::Cache,
    wire::{
        Pdu,
        im::buddy::{ImRemoveSessionReq, ImRemoveSessionRsp},
    },
};

/// Removes the session and takes its messages as read. Result 1: there is none.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImRemoveSessionReq = request.view()?;
    let key = Key { user: asked.user_id, peer: asked.session_id, kind: asked.session_type as u32 };
    let response = ImRemoveSessionRsp {
        user_id: asked.user_id,
        result_code: u32::from(!remove(cx, key).await?),
        session_type: asked.session_type,
        session_id: asked.session_id,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::BUDDY_LIST_REMOVE_SESSION_RES, &response))
}

async fn remove<W: World>(cx: &mut Context<W>, key: Key) -> Result<bool, Silent> {
    let rows = sessions::rows_of_live(cx, cx.on_failed_query(), key).await?;
    if rows.is_empty() {
        return Ok(false);
    }
    let from_store = cx.protocol().unread_from_store;
    if from_store && !cx.protocol().mutated(Mutant::RemovalKeepsUnread) {
        // Before the session is removed, so that a request that fails here can be made again.
        let marked = read_mark::raise_to_latest(cx, key).await;
        failed(cx, marked)?;
    }
    if cx.protocol().mutated(Mutant::RemovalNotStored) {
        return Ok(true);
    }
    let removed = sessions::remove(cx, &rows).await;
    cx.shared.caches.sessions.forget(&key);
    if !failed(cx, removed)?.unwrap_or(false) {
        return Ok(false);
    }
    if !from_store {
        clear_counters(cx, key).await;
    }
    Ok(true)
}

/// What a failed write means: an error with `answered-refusals`, else that nothing changed.
fn failed<W: World, T>(
    cx: &Context<W>,
    written: Result<T, StoreError>,
) -> Result<Option<T>, Silent> {
    match written {
        Ok(done) => Ok(Some(done)),
        Err(error) if cx.protocol().answered_refusals => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "session not removed");
            Ok(None)
        }
    }
}

/// Takes what a user has not read of a peer or group as read.
async fn clear_counters<W: World>(cx: &mut Context<W>, key: Key) {
    let cleared = if key.kind == Key::SINGLE {
        let peer = key.peer.to_string();
        cx.cache().hdel(&keys::unread(key.user), &peer).await.map(drop).map_err(StoreError::from)
    } else {
        groups::set_read(cx, key.peer, key.user).await
    };
    if let Err(error) = cleared {
        tracing::warn!(%error, user = key.user, "unread counter not cleared");
    }
}
