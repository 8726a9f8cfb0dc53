//! Storing a message from one user to another (SYSTEM.md section 3, step 2), and the switches
//! that make it safe: `ack-after-store`, `single-session`, `single-relation`,
//! `id-floor-from-store`, `idempotent-send`.

use super::{
    context::{Context, OnFailure, StoreError, World},
    message, relation,
    session::{self, Key},
    silent::Silent,
    transaction::{Transaction, transact},
};
use crate::{
    conversation::Conversation,
    fact::Fact,
    protocol::Protocol,
    store::{
        cache::{Cache, CacheError},
        sql::Value,
    },
    wire::im::message::ImMsgData,
};
use bytes::Bytes;

/// Bytes of a send_token (ours): the installation's id and its counter, 8 bytes each.
const TOKEN_LEN: usize = 16;

/// `TTSend.type` of a message to a user.
const TO_USER: i64 = 1;

/// The key of a user's unread counters.
pub fn unread_key(user: u32) -> String {
    format!("unread_{user}")
}

/// A message on its way into the store.
struct Send<'a> {
    message: &'a ImMsgData,
    token: Option<Bytes>,
    relation: u32,
    /// What Redis gave: the msg_id, or −1.
    drawn: i64,
}

/// Stores a message: the msg_id that it is acked with, never 0. Without `ack-after-store` that
/// says nothing about the insert.
///
/// # Errors
/// The reply has msg_id 0, or is a 07e1.
pub async fn store<W: World>(cx: &mut Context<W>, message: &ImMsgData) -> Result<u32, Silent> {
    let (from, to) = (message.from_user_id, message.to_session_id);
    if from == to {
        return Err(Silent::Ignored("to oneself"));
    }
    let token = token(cx.protocol(), message)?;
    let on_failure = on_failed_read(cx.protocol());
    let sessions = sessions(cx, on_failure, message).await;
    if on_failure == OnFailure::Fail {
        sessions.clone()?;
    }
    // The original goes on to the relation without a session.
    let relation = relation::find_or_add(cx, on_failure, from, to).await;
    let (own, peer) = sessions?;
    let relation = relation?;
    if relation == 0 {
        return Err(StoreError::NoEffect("no relation").into());
    }
    let drawn = draw(cx, relation).await?;
    if drawn > 0 {
        let conversation = Conversation::single(from, to);
        cx.fact(Fact::MsgIdIssued { conversation, relation, msg_id: drawn as u32 });
    }
    let msg_id = match write(cx, &Send { message, token, relation, drawn }).await {
        Ok(msg_id) => msg_id,
        // The outcome of the insert does not reach the reply.
        Err(Silent::Store(_) | Silent::NotStored(_)) if !cx.protocol().ack_after_store => {
            drawn as u32
        }
        Err(why) => return Err(why),
    };
    if cx.protocol().single_session {
        session::touch_pair(cx, own, peer).await;
    } else {
        session::touch(cx, own, cx.now).await;
        session::touch(cx, peer, cx.now).await;
    }
    Ok(msg_id)
}

fn on_failed_read(protocol: &Protocol) -> OnFailure {
    if protocol.ack_after_store { OnFailure::Fail } else { OnFailure::Empty }
}

/// The token of a send that may be repeated.
fn token(protocol: &Protocol, message: &ImMsgData) -> Result<Option<Bytes>, Silent> {
    match &message.send_token {
        Some(token) if protocol.idempotent_send => match token.len() {
            TOKEN_LEN => Ok(Some(token.clone())),
            _ => Err(Silent::Ignored("a send_token has 16 bytes")),
        },
        _ => Ok(None),
    }
}

/// The sender's session and the receiver's, live.
async fn sessions<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    message: &ImMsgData,
) -> Result<(u32, u32), StoreError> {
    let (from, to) = (message.from_user_id, message.to_session_id);
    let own = Key { user: from, peer: to, kind: session::SINGLE };
    let peer = Key { user: to, peer: from, kind: session::SINGLE };
    if cx.protocol().single_session {
        let (mut own_id, mut peer_id) = session::find_pair(cx, on_failure, own, peer).await?;
        if own_id == 0 {
            own_id = session::add(cx, on_failure, own).await?;
        }
        if peer_id == 0 {
            peer_id = session::add(cx, on_failure, peer).await?;
        }
        return Ok((own_id, peer_id));
    }
    if cx.protocol().ack_after_store {
        let own = session::find_or_add(cx, on_failure, own).await?;
        return Ok((own, session::find_or_add(cx, on_failure, peer).await?));
    }
    sessions_as_original(cx, own, peer).await
}

/// The original's way: the peer's session takes the place of the sender's if it was added.
async fn sessions_as_original<W: World>(
    cx: &mut Context<W>,
    own: Key,
    peer: Key,
) -> Result<(u32, u32), StoreError> {
    let (on_failure, replica) = (OnFailure::Empty, crate::store::sql::Server::Replica);
    let mut own_id = session::find_live(cx, on_failure, replica, own).await?;
    if own_id == 0 {
        own_id = session::add(cx, on_failure, own).await.unwrap_or(0);
    }
    let peer_id = session::find_live(cx, on_failure, replica, peer).await?;
    if peer_id == 0 {
        // Wart: the new id lands in the sender's variable, the peer's stays 0.
        own_id = session::add(cx, on_failure, peer).await.unwrap_or(0);
    }
    match own_id {
        0 => Err(StoreError::NoEffect("no session")),
        _ => Ok((own_id, peer_id)),
    }
}

/// Draws a msg_id from Redis; never 0. −1 as the original has it while Redis is unreachable: the
/// insert into an unsigned column then fails, and 4294967295 is acked nevertheless.
async fn draw<W: World>(cx: &mut Context<W>, relation: u32) -> Result<i64, StoreError> {
    const NONE: StoreError = StoreError::NoEffect("no msg_id");
    let strict = cx.protocol().ack_after_store;
    let drawn = match cx.cache().incr_by(&relation::counter_key(relation), 1).await {
        Err(CacheError::Unreachable(_) | CacheError::Lost(_)) if !strict => -1,
        drawn => drawn?,
    };
    // A counter past 32 bits wraps as the original's variable does.
    match (u32::try_from(drawn), drawn as u32) {
        (_, 0) => Err(NONE),
        (Err(_), _) if strict => Err(NONE),
        (_, wrapped) if drawn >= 0 => Ok(wrapped.into()),
        _ => Ok(drawn),
    }
}

/// Writes the row, alone or in a transaction with what must not differ from it, and reports: the
/// message's id in the store.
async fn write<W: World>(cx: &mut Context<W>, send: &Send<'_>) -> Result<u32, Silent> {
    let (from, to) = (send.message.from_user_id, send.message.to_session_id);
    let (conversation, relation) = (Conversation::single(from, to), send.relation);
    let inserted = if send.token.is_some() || send.has_floor(cx.protocol()) {
        transact(cx, send).await
    } else {
        message::insert(cx, relation, from, to, send.drawn, send.message)
            .await
            .map(|()| send.drawn as u32)
    };
    let msg_id = match inserted {
        Ok(msg_id) => msg_id,
        Err(error) if error.is_duplicate() && send.token.is_some() => {
            return find_repeat(cx, send).await;
        }
        Err(error) => {
            cx.store_failed(conversation, send.drawn as u32, &error);
            return Err(match error.is_about_content() {
                true => Silent::NotStored(error),
                false => Silent::Store(error),
            });
        }
    };
    cx.fact(Fact::Stored { conversation, relation, msg_id, from });
    if i64::from(msg_id) != send.drawn {
        cx.fact(Fact::IdFloorRaised { conversation, relation, msg_id });
        let key = relation::counter_key(relation);
        // Best effort: the next send raises its id just as well.
        if let Err(error) = cx.cache().set(&key, &msg_id.to_string()).await {
            tracing::warn!(%error, relation, "counter not raised");
        }
    }
    if !cx.protocol().unread_from_store {
        count_unread(cx, from, to).await;
    }
    Ok(msg_id)
}

impl Send<'_> {
    /// Whether the store may raise the id. Not −1: nothing of that send is to be stored.
    fn has_floor(&self, protocol: &Protocol) -> bool {
        protocol.id_floor_from_store && protocol.single_relation && self.drawn > 0
    }
}

/// The token's row, the id's floor and the message, all or nothing: the msg_id.
impl<W: World> Transaction<W> for Send<'_> {
    type Done = u32;

    async fn run(&self, cx: &mut Context<W>) -> Result<u32, StoreError> {
        const TOKEN: &str = "insert into TTSend \
            (`fromId`,`token`,`type`,`relateId`,`msgId`,`created`) values(?,?,?,?,?,?)";
        const NAME: &str = "update TTSend set msgId=? where fromId=? and token=?";
        let (from, to) = (self.message.from_user_id, self.message.to_session_id);
        let mut msg_id = self.drawn;
        if let Some(token) = &self.token {
            let token = Value::Bytes(token.clone());
            let params = [
                from.into(),
                token,
                Value::Int(TO_USER),
                self.relation.into(),
                Value::Int(msg_id),
                cx.now.into(),
            ];
            cx.primary(TOKEN, &params).await?;
        }
        if self.has_floor(cx.protocol()) {
            msg_id = relation::next_msg_id(cx, from, to, msg_id as u32).await?.into();
        }
        if let Some(token) = &self.token
            && msg_id != self.drawn
        {
            let params = [Value::Int(msg_id), from.into(), Value::Bytes(token.clone())];
            cx.primary(NAME, &params).await?;
        }
        message::insert(cx, self.relation, from, to, msg_id, self.message).await?;
        Ok(msg_id as u32)
    }
}

/// The message that this send has been stored as before.
async fn find_repeat<W: World>(cx: &mut Context<W>, send: &Send<'_>) -> Result<u32, Silent> {
    const TEXT: &str = "select type,relateId,msgId from TTSend where fromId=? and token=?";
    let from = send.message.from_user_id;
    let token = send.token.clone().unwrap_or_default();
    let found = cx.primary(TEXT, &[from.into(), Value::Bytes(token)]).await?;
    let number = |column| found.get(0, column).uint();
    let (relation, msg_id) = (number("relateId"), number("msgId"));
    if msg_id == 0 {
        return Err(StoreError::NoEffect("a repeated send without its first one").into());
    }
    if (i64::from(number("type")), relation) != (TO_USER, send.relation) {
        return Err(Silent::Ignored("the send_token is of another conversation"));
    }
    let conversation = Conversation::single(from, send.message.to_session_id);
    cx.fact(Fact::RepeatAnswered { conversation, relation, msg_id, from });
    Ok(msg_id)
}

async fn count_unread<W: World>(cx: &mut Context<W>, from: u32, to: u32) {
    if let Err(error) = cx.cache().hincr_by(&unread_key(to), &from.to_string(), 1).await {
        tracing::warn!(%error, from, to, "unread counter not raised");
    }
}
