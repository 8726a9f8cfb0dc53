//! 0301: a text from one user to another (SYSTEM.md section 3, step 2).

use super::{
    context::{Context, OnFailure, StoreError, World},
    message, relation,
    session::{self, Key},
    silent::Silent,
};
use crate::{
    conversation::Conversation,
    fact::Fact,
    store::cache::{Cache, CacheError},
    wire::{
        Pdu, attach, command,
        edit::Edit,
        im::{base_define::MsgType, message::ImMsgData},
    },
};

/// Field number of IMMsgData.msg_id.
const MSG_ID: u32 = 3;

/// The key of a user's unread counters.
pub fn unread_key(user: u32) -> String {
    format!("unread_{user}")
}

/// Stores the message and replies with the same bytes but for msg_id; 0 says that it was not
/// accepted.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let message: ImMsgData = request.view()?;
    if message.msg_data.is_empty() {
        return Err(Silent::Ignored("empty msg_data"));
    }
    match MsgType::try_from(message.msg_type) {
        Ok(MsgType::SingleText) => {}
        Ok(MsgType::SingleAudio) => return Err(Silent::Later("audio")),
        Ok(MsgType::GroupText | MsgType::GroupAudio) => return Err(Silent::Later("groups")),
        Err(_) => return Err(Silent::Ignored("unknown msg_type")),
    }
    let msg_id = if message.from_user_id == message.to_session_id {
        0
    } else if cx.protocol().ack_after_store {
        store(cx, &message).await.unwrap_or_else(|error| {
            tracing::warn!(%error, from = message.from_user_id, "message refused");
            0
        })
    } else {
        store_as_original(cx, &message).await
    };
    let mut body = Edit::of(&request.body).uint(MSG_ID, msg_id.into());
    if message.attach_data.is_none() {
        body = body.bytes(attach::FIELD, b"");
    }
    Ok(Pdu::raw(command::MSG_DATA, request.header.seq_num, body.done()))
}

/// The sender's session and the receiver's.
fn sessions(message: &ImMsgData) -> (Key, Key) {
    let (from, to) = (message.from_user_id, message.to_session_id);
    let own = Key { user: from, peer: to, kind: session::SINGLE };
    (own, Key { user: to, peer: from, kind: session::SINGLE })
}

/// The original's way, warts included: the msg_id that it acks, 0 for none.
async fn store_as_original<W: World>(cx: &mut Context<W>, message: &ImMsgData) -> u32 {
    let on_failure = OnFailure::Empty;
    let (from, to) = (message.from_user_id, message.to_session_id);
    let (own, peer) = sessions(message);
    let mut own_id = session::find_live(cx, on_failure, own).await.unwrap_or(0);
    if own_id == 0 {
        own_id = session::add(cx, on_failure, own).await.unwrap_or(0);
    }
    let peer_id = session::find_live(cx, on_failure, peer).await.unwrap_or(0);
    if peer_id == 0 {
        // Wart: the new id lands in the sender's variable, the peer's stays 0.
        own_id = session::add(cx, on_failure, peer).await.unwrap_or(0);
    }
    let relation = relation::find_or_add(cx, on_failure, from, to).await.unwrap_or(0);
    if own_id == 0 || relation == 0 {
        return 0;
    }
    let drawn = match cx.cache().incr_by(&relation::counter_key(relation), 1).await {
        Ok(n) => n,
        Err(CacheError::Server(_)) => 0,
        // What the original's client library returns without a connection. The insert of -1
        // into an unsigned column then fails, and 4294967295 is acked nevertheless.
        Err(_) => -1,
    };
    let msg_id = drawn as u32;
    if msg_id == 0 {
        return 0;
    }
    let conversation = Conversation::single(from, to);
    if drawn > 0 {
        cx.fact(Fact::MsgIdIssued { conversation, relation, msg_id });
    }
    // The outcome of the insert does not reach the reply.
    if insert(cx, relation, drawn, message).await.is_ok() {
        count_unread(cx, from, to).await;
    }
    session::touch(cx, own_id, cx.now).await;
    session::touch(cx, peer_id, cx.now).await;
    msg_id
}

/// Switch `ack-after-store`: a msg_id only for a message that is known to be stored.
async fn store<W: World>(cx: &mut Context<W>, message: &ImMsgData) -> Result<u32, StoreError> {
    let (from, to) = (message.from_user_id, message.to_session_id);
    let (own, peer) = sessions(message);
    let own_id = find_or_add(cx, own).await?;
    let peer_id = find_or_add(cx, peer).await?;
    let relation = relation::find_or_add(cx, OnFailure::Fail, from, to).await?;
    if relation == 0 {
        return Err(StoreError::NoEffect("no relation"));
    }
    let drawn = cx.cache().incr_by(&relation::counter_key(relation), 1).await?;
    let msg_id = match u32::try_from(drawn) {
        Ok(id) if id != 0 => id,
        _ => return Err(StoreError::NoEffect("the counter is out of range")),
    };
    let conversation = Conversation::single(from, to);
    cx.fact(Fact::MsgIdIssued { conversation, relation, msg_id });
    insert(cx, relation, drawn, message).await?;
    count_unread(cx, from, to).await;
    session::touch(cx, own_id, cx.now).await;
    session::touch(cx, peer_id, cx.now).await;
    Ok(msg_id)
}

async fn find_or_add<W: World>(cx: &mut Context<W>, key: Key) -> Result<u32, StoreError> {
    let found = session::find_live(cx, OnFailure::Fail, key).await?;
    let id = if found != 0 { found } else { session::add(cx, OnFailure::Fail, key).await? };
    if id == 0 { Err(StoreError::NoEffect("session without an id")) } else { Ok(id) }
}

/// Inserts the row and reports the outcome.
async fn insert<W: World>(
    cx: &mut Context<W>,
    relation: u32,
    drawn: i64,
    message: &ImMsgData,
) -> Result<(), StoreError> {
    let (from, to) = (message.from_user_id, message.to_session_id);
    let (conversation, msg_id) = (Conversation::single(from, to), drawn as u32);
    // A counter past 32 bits wraps as the original's variable does; -1 stays -1.
    let stored_id = if drawn < 0 { drawn } else { i64::from(msg_id) };
    let inserted = message::insert(cx, relation, from, to, stored_id, message).await;
    match &inserted {
        Ok(()) => cx.fact(Fact::Stored { conversation, relation, msg_id, from }),
        Err(error) => cx.store_failed(conversation, msg_id, error),
    }
    inserted
}

async fn count_unread<W: World>(cx: &mut Context<W>, from: u32, to: u32) {
    if let Err(error) = cx.cache().hincr_by(&unread_key(to), &from.to_string(), 1).await {
        tracing::warn!(%error, from, to, "unread counter not raised");
    }
}
