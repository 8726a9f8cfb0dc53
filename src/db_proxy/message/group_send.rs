//! A message to a group (SYSTEM.md section 3, step 3).

use crate::{
    db_proxy::{
        data::{place::Place, session_key::Key},
        group::{self, membership},
        message::written::{self, Written},
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
            silent::Silent,
        },
        session,
    },
    store::sql::Server,
    wire::im::message::ImMsgData,
};
use bytes::Bytes;

/// Stores a message: the msg_id that it is acked with, never 0. Without `ack-after-store` that
/// says nothing about the insert.
///
/// # Errors
/// [`Silent::NotAllowed`] is never answered by the original; any other one has msg_id 0.
pub async fn store<W: World>(cx: &mut Context<W>, message: &ImMsgData) -> Result<u32, Silent> {
    let (user, group) = (message.from_user_id, message.to_session_id);
    let token = written::token(cx.protocol(), message)?;
    if cx.protocol().members_from_store {
        return store_as_member(cx, message, token).await;
    }
    let on_failure = cx.on_failed_send_read();
    if !group::exists(cx, on_failure, group).await? {
        return Err(Silent::NotAllowed("no such group"));
    }
    if group::joined(cx, on_failure, group, user).await?.is_none() {
        return Err(Silent::NotAllowed("not in the group"));
    }
    let own = session_of(cx, Key::group(user, group)).await?;
    let place = Place::Group(group);
    let drawn = written::draw(cx, place, message).await?;
    // Once more, as in golden 18: to one who has just left nothing is stored.
    let written = match group::joined(cx, on_failure, group, user).await? {
        Some(_) => written::write(cx, place, drawn, token, None, message).await,
        None => Err(Silent::Store(StoreError::NoEffect("left the group"))),
    };
    let msg_id = acked(cx, message, drawn, written).await?;
    session::touch(cx, own, cx.now).await;
    Ok(msg_id)
}

/// Switch `members-from-store`: the sender's membership is looked at in the transaction that
/// stores, and once before, so that one who may not send draws no msg_id: each would be a hole
/// that the members' clients look for. His session follows: the message is stored, whatever
/// becomes of that.
async fn store_as_member<W: World>(
    cx: &mut Context<W>,
    message: &ImMsgData,
    token: Option<Bytes>,
) -> Result<u32, Silent> {
    let (user, group) = (message.from_user_id, message.to_session_id);
    let place = Place::Group(group);
    if membership::joined(cx, OnFailure::Fail, group, user).await?.is_none() {
        return stored_before_he_left(cx, place, token, message).await;
    }
    let drawn = written::draw(cx, place, message).await?;
    let written = written::write(cx, place, drawn, token, None, message).await;
    let msg_id = acked(cx, message, drawn, written).await?;
    match session_of(cx, Key::group(user, group)).await {
        Ok(own) => session::touch(cx, own, cx.now).await,
        Err(error) => tracing::warn!(%error, user, group, "no session of the sender"),
    }
    Ok(msg_id)
}

/// The send of one who is no member: a send that is stored is acked again though he has left the
/// group since. An earlier try that is still to commit holds his membership (`membership::hold`),
/// so it is found here or will not be stored.
async fn stored_before_he_left<W: World>(
    cx: &mut Context<W>,
    place: Place,
    token: Option<Bytes>,
    message: &ImMsgData,
) -> Result<u32, Silent> {
    match written::before(cx, place, token, message).await? {
        Some(msg_id) => Ok(msg_id),
        None => Err(Silent::NotAllowed("not in the group")),
    }
}

/// What follows a message that was written, and the msg_id that it is acked with.
async fn acked<W: World>(
    cx: &mut Context<W>,
    message: &ImMsgData,
    drawn: i64,
    written: Result<Written, Silent>,
) -> Result<u32, Silent> {
    match written {
        Ok(Written { msg_id, fresh }) => {
            after_insert(cx, message.to_session_id, message.from_user_id, fresh).await;
            Ok(msg_id)
        }
        // The outcome of the insert does not reach the reply.
        Err(Silent::Store(_) | Silent::NotStored(_)) if !cx.protocol().ack_after_store => {
            Ok(drawn as u32)
        }
        Err(why) => Err(why),
    }
}

/// The sender's session with the group, live.
async fn session_of<W: World>(cx: &mut Context<W>, key: Key) -> Result<u32, StoreError> {
    let on_failure = cx.on_failed_send_read();
    let found = session::find_live(cx, on_failure, Server::Replica, key).await?;
    let id = if found != 0 { found } else { session::add(cx, on_failure, key).await? };
    if id == 0 { Err(StoreError::NoEffect("session without an id")) } else { Ok(id) }
}

/// The group's last message is now, and the sender has read it. A repeated send is not counted
/// again; with `unread-from-store` none is, and nobody's own messages are unread.
async fn after_insert<W: World>(cx: &mut Context<W>, group: u32, user: u32, fresh: bool) {
    const TEXT: &str = "update IMGroup set lastChated=? where id=?";
    let _ = cx.execute(Server::Primary, TEXT, &[cx.now.into(), group.into()]).await;
    if !fresh || cx.protocol().unread_from_store {
        return;
    }
    let counted = async {
        group::count_message(cx, group).await?;
        // Twice, as in golden 18.
        group::set_read(cx, group, user).await?;
        group::set_read(cx, group, user).await
    };
    if let Err(error) = counted.await {
        tracing::warn!(%error, group, user, "group counters not raised");
    }
}
