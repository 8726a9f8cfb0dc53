//! A message from one user to another (SYSTEM.md section 3, step 2).

use crate::{
    db_proxy::{
        data::{keys, place::Place, session_key::Key},
        message::{
            first_marks, relation,
            written::{self, Written},
        },
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
            silent::Silent,
        },
        session::sessions,
    },
    mutants::Mutant,
    store::{cache::Cache, sql::Server},
    wire::im::message::ImMsgData,
};

/// Stores a message. Returns the msg_id that it is acked with, never 0. Without `ack-after-store`
/// there is one even if the insert failed.
///
/// # Errors
/// Every error is answered with msg_id 0, or with a 07e1.
pub async fn store<W: World>(cx: &mut Context<W>, message: &ImMsgData) -> Result<u32, Silent> {
    let (from, to) = (message.from_user_id, message.to_session_id);
    if from == to {
        return Err(Silent::Ignored("to oneself"));
    }
    let token = written::token(cx.protocol(), message)?;
    let on_failure = cx.on_failed_send_read();
    let sessions = sessions(cx, on_failure, message).await;
    if on_failure == OnFailure::Fail {
        sessions.clone()?;
    }
    // The original goes on to the relation without a session.
    let relation = relation::find_or_add(cx, on_failure, from, to).await;
    let sessions = sessions?;
    let relation = relation?;
    if relation == 0 {
        return Err(StoreError::NoEffect("no relation").into());
    }
    first_marks::take_over_pair(cx, relation, [from, to]).await?;
    let place = Place::Relation(relation);
    let drawn = written::draw(cx, place, message).await?;
    let in_transaction = cx.protocol().single_session.then_some(sessions);
    let msg_id = match written::write(cx, place, drawn, token, in_transaction, message).await {
        Ok(Written { msg_id, fresh }) => {
            if fresh && !cx.protocol().unread_from_store {
                count_unread(cx, from, to).await;
            }
            msg_id
        }
        // The reply does not depend on the outcome of the insert.
        Err(Silent::Store(_) | Silent::NotStored(_)) if !cx.protocol().ack_after_store => {
            drawn as u32
        }
        Err(why) => {
            if !cx.protocol().mutated(Mutant::KnownSessionsStay) {
                sessions::forget(cx, keys(message));
            }
            return Err(why);
        }
    };
    if in_transaction.is_none() {
        for id in sessions {
            sessions::touch(cx, id, cx.now).await;
        }
    }
    Ok(msg_id)
}

/// The sender's session and the receiver's, live; with `single-session` they may have been removed
/// since they were found.
async fn sessions<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    message: &ImMsgData,
) -> Result<[u32; 2], StoreError> {
    let [own, peer] = keys(message);
    if cx.protocol().single_session {
        return sessions::of_pair(cx, on_failure, [own, peer]).await;
    }
    if cx.protocol().ack_after_store {
        let own = sessions::find_or_add(cx, on_failure, own).await?;
        return Ok([own, sessions::find_or_add(cx, on_failure, peer).await?]);
    }
    sessions_as_original(cx, own, peer).await
}

/// The keys of the sender's session and of the receiver's.
fn keys(message: &ImMsgData) -> [Key; 2] {
    let (from, to) = (message.from_user_id, message.to_session_id);
    [Key::single(from, to), Key::single(to, from)]
}

/// The original's way: if the peer's session had to be added, its id takes the place of the
/// sender's.
async fn sessions_as_original<W: World>(
    cx: &mut Context<W>,
    own: Key,
    peer: Key,
) -> Result<[u32; 2], StoreError> {
    let (on_failure, replica) = (OnFailure::Empty, Server::Replica);
    let mut own_id = sessions::find_live(cx, on_failure, replica, own).await?;
    if own_id == 0 {
        own_id = sessions::add(cx, on_failure, own).await.unwrap_or(0);
    }
    let peer_id = sessions::find_live(cx, on_failure, replica, peer).await?;
    if peer_id == 0 {
        // Wart: the new id lands in the sender's variable, the peer's stays 0.
        own_id = sessions::add(cx, on_failure, peer).await.unwrap_or(0);
    }
    match own_id {
        0 => Err(StoreError::NoEffect("no session")),
        _ => Ok([own_id, peer_id]),
    }
}

async fn count_unread<W: World>(cx: &mut Context<W>, from: u32, to: u32) {
    if let Err(error) = cx.cache().hincr_by(&keys::unread(to), &from.to_string(), 1).await {
        tracing::warn!(%error, from, to, "unread counter not raised");
    }
}
