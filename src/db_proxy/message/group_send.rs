//! A message to a group (SYSTEM.md section 3, step 3).

use crate::{
    db_proxy::{
        data::{place::Place, session_key::Key},
        group::{groups, membership},
        message::{
            first_marks,
            written::{self, Written},
        },
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
            silent::Silent,
        },
        session::sessions,
    },
    store::sql::Server,
    wire::im::message::ImMsgData,
};
use bytes::Bytes;

/// Stores a message. Returns the msg_id that it is acked with, never 0. Without `ack-after-store`
/// there is one even if the insert failed.
///
/// # Errors
/// The original does not answer [`Silent::NotAllowed`], and answers any other error with msg_id 0.
pub async fn store<W: World>(cx: &mut Context<W>, message: &ImMsgData) -> Result<u32, Silent> {
    let (user, group) = (message.from_user_id, message.to_session_id);
    let token = written::token(cx.protocol(), message)?;
    if cx.protocol().members_from_store {
        return store_as_member(cx, message, token).await;
    }
    let on_failure = cx.on_failed_send_read();
    if !groups::exists(cx, on_failure, group).await? {
        return Err(Silent::NotAllowed("no such group"));
    }
    if groups::joined(cx, on_failure, group, user).await?.is_none() {
        return Err(Silent::NotAllowed("not in the group"));
    }
    let own = session_of(cx, Key::group(user, group)).await?;
    first_marks::take_over_group(cx, group).await?;
    let place = Place::Group(group);
    let drawn = written::draw(cx, place, message).await?;
    // Asked once more, as in golden 18: nothing is stored for a sender who has just left.
    let written = match groups::joined(cx, on_failure, group, user).await? {
        Some(_) => written::write(cx, place, drawn, token, None, message).await,
        None => Err(Silent::Store(StoreError::NoEffect("left the group"))),
    };
    let msg_id = acked(cx, message, drawn, written).await?;
    sessions::touch(cx, own, cx.now).await;
    Ok(msg_id)
}

/// Switch `members-from-store`: the sender's membership is checked in the transaction that stores
/// the message, and once before it, so that a sender who may not send draws no msg_id: each one
/// drawn in vain is a hole that the clients of the members ask for. The sender's session is written
/// afterwards; the message stays stored if that fails.
async fn store_as_member<W: World>(
    cx: &mut Context<W>,
    message: &ImMsgData,
    token: Option<Bytes>,
) -> Result<u32, Silent> {
    let (user, group) = (message.from_user_id, message.to_session_id);
    let place = Place::Group(group);
    if membership::joined(cx, OnFailure::Fail, group, user).await?.is_none() {
        return stored_before_leaving(cx, place, token, message).await;
    }
    first_marks::take_over_group(cx, group).await?;
    let drawn = written::draw(cx, place, message).await?;
    let written = written::write(cx, place, drawn, token, None, message).await;
    let msg_id = acked(cx, message, drawn, written).await?;
    match session_of(cx, Key::group(user, group)).await {
        Ok(own) => sessions::touch(cx, own, cx.now).await,
        Err(error) => tracing::warn!(%error, user, group, "no session of the sender"),
    }
    Ok(msg_id)
}

/// The send of a user who is no member. A repeat of a send that is stored is acked again, though
/// its sender has left the group since. An earlier try that has yet to commit holds the membership
/// (`membership::hold`), so it is found here or will not be stored.
async fn stored_before_leaving<W: World>(
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

/// What is done after a message was written. Returns the msg_id that it is acked with.
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
        // The reply does not depend on the outcome of the insert.
        Err(Silent::Store(_) | Silent::NotStored(_)) if !cx.protocol().ack_after_store => {
            Ok(drawn as u32)
        }
        Err(why) => Err(why),
    }
}

/// The sender's session with the group, live.
async fn session_of<W: World>(cx: &mut Context<W>, key: Key) -> Result<u32, StoreError> {
    let on_failure = cx.on_failed_send_read();
    let found = sessions::find_live(cx, on_failure, Server::Replica, key).await?;
    let id = if found != 0 { found } else { sessions::add(cx, on_failure, key).await? };
    if id == 0 { Err(StoreError::NoEffect("session without an id")) } else { Ok(id) }
}

/// Notes the time of the group's last message, counts it, and takes it as read by its sender. A
/// repeated send is not counted again. With `unread-from-store` nothing is counted here: nobody's
/// own messages are unread.
async fn after_insert<W: World>(cx: &mut Context<W>, group: u32, user: u32, fresh: bool) {
    const TEXT: &str = "update IMGroup set lastChated=? where id=?";
    let _ = cx.execute(Server::Primary, TEXT, &[cx.now.into(), group.into()]).await;
    if !fresh || cx.protocol().unread_from_store {
        return;
    }
    let counted = async {
        groups::count_message(cx, group).await?;
        // The original does it twice (golden 18).
        groups::set_read(cx, group, user).await?;
        groups::set_read(cx, group, user).await
    };
    if let Err(error) = counted.await {
        tracing::warn!(%error, group, user, "group counters not raised");
    }
}
