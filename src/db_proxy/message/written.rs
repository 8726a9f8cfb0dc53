//! Writing the row of a message, to a user or to a group, and the switches that make it safe:
//! `ack-after-store`, `id-floor-from-store`, `idempotent-send`.

use crate::{
    db_proxy::{
        data::{pair::Pair, place::Place},
        group::membership,
        message::{audio, messages, relation},
        plumbing::{
            context::{Context, World},
            error::StoreError,
            silent::Silent,
            transaction::{Transaction, transact},
        },
        session::sessions,
    },
    fact::Fact,
    mutants::Mutant,
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

/// A message in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its id.
    pub msg_id: u32,
    /// Whether it was written now; a repeated send was written before.
    pub fresh: bool,
}

/// A message on its way into the store.
struct Send<'a> {
    message: &'a ImMsgData,
    content: Bytes,
    token: Option<Bytes>,
    place: Place,
    /// The rows of its sessions, which are touched in the same transaction.
    sessions: Option<[u32; 2]>,
    /// The msg_id drawn from Redis, or −1.
    drawn: i64,
}

/// The token of a send that may be repeated.
pub fn token(protocol: &Protocol, message: &ImMsgData) -> Result<Option<Bytes>, Silent> {
    match &message.send_token {
        Some(token) if protocol.idempotent_send => match token.len() {
            TOKEN_LEN if protocol.mutated(Mutant::TokensReversed) => {
                Ok(Some(token.iter().rev().copied().collect()))
            }
            TOKEN_LEN => Ok(Some(token.clone())),
            _ => Err(Silent::Ignored("a send_token has 16 bytes")),
        },
        _ => Ok(None),
    }
}

/// Draws a msg_id from Redis and reports it; never 0. While Redis is unreachable it is −1, as in
/// the original: the insert into an unsigned column then fails, and 4294967295 is acked
/// nevertheless.
pub async fn draw<W: World>(
    cx: &mut Context<W>,
    place: Place,
    message: &ImMsgData,
) -> Result<i64, StoreError> {
    const NONE: StoreError = StoreError::NoEffect("no msg_id");
    let strict = cx.protocol().ack_after_store;
    if cx.protocol().mutated(Mutant::NothingIsStored) {
        return Err(NONE);
    }
    if matches!(place, Place::Group(_)) && cx.protocol().mutated(Mutant::NoGroupMessageIsStored) {
        return Err(NONE);
    }
    if place.id() % 8 == 3 && cx.protocol().mutated(Mutant::OneTableFails) {
        return Err(NONE);
    }
    let counted = match cx.protocol().mutated(Mutant::CountersOfTheirOwn) {
        true => own_counter(cx, place).await,
        false => cx.cache().incr_by(&place.counter_key(), 1).await,
    };
    let drawn = match counted {
        Err(CacheError::Unreachable(_) | CacheError::Lost(_)) if !strict => return Ok(-1),
        drawn => drawn?,
    };
    // A counter past 32 bits wraps as the original's variable does.
    let msg_id = drawn as u32;
    if msg_id == 0 || (strict && i64::from(msg_id) != drawn) {
        return Err(NONE);
    }
    if drawn < 0 {
        return Ok(drawn);
    }
    let conversation = place.conversation(message);
    cx.fact(Fact::MsgIdIssued { conversation, relation: place.id(), msg_id });
    Ok(msg_id.into())
}

/// [`Mutant::CountersOfTheirOwn`]: a counter under another key, never behind the one of before.
async fn own_counter<W: World>(cx: &mut Context<W>, place: Place) -> Result<i64, CacheError> {
    let (before, key) = (place.counter_key(), format!("next_{}", place.counter_key()));
    let known = cx.cache().get(&before).await?.unwrap_or_default();
    let known = std::str::from_utf8(&known).ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    match cx.cache().incr_by(&key, 1).await? {
        drawn if drawn <= known => cx.cache().incr_by(&key, known).await,
        drawn => Ok(drawn),
    }
}

/// Writes the row, alone or in one transaction with what must agree with it, and reports.
/// `sessions` are rows to be touched in that transaction.
///
/// # Errors
/// [`Silent::NotStored`], [`Silent::Store`], or [`Silent::Ignored`] if the token is of another
/// conversation.
pub async fn write<W: World>(
    cx: &mut Context<W>,
    place: Place,
    drawn: i64,
    token: Option<Bytes>,
    sessions: Option<[u32; 2]>,
    message: &ImMsgData,
) -> Result<Written, Silent> {
    let conversation = place.conversation(message);
    let inserted = match audio::content(cx, message).await {
        Ok(content) => insert(cx, Send { message, content, token, place, sessions, drawn }).await,
        Err(error) => Err(not_written(error)),
    };
    match &inserted {
        Ok(Written { msg_id, fresh: false }) => answered_again(cx, place, message, *msg_id),
        Ok(Written { msg_id, fresh: true }) => {
            let (msg_id, relation, from) = (*msg_id, place.id(), message.from_user_id);
            cx.fact(Fact::Stored { conversation, relation, msg_id, from });
            if i64::from(msg_id) != drawn {
                cx.fact(Fact::IdFloorRaised { conversation, relation, msg_id });
                raise_counter(cx, place, msg_id).await;
            }
        }
        Err(Silent::Store(error) | Silent::NotStored(error)) => {
            cx.store_failed(conversation, drawn as u32, error);
        }
        Err(Silent::NotAllowed(why)) => {
            cx.store_failed(conversation, drawn as u32, &StoreError::NotAllowed(why));
        }
        Err(_) => {}
    }
    inserted
}

/// The msg_id under which a send is stored already; `None` if it is not, or has no token.
///
/// # Errors
/// As [`write`].
pub async fn before<W: World>(
    cx: &mut Context<W>,
    place: Place,
    token: Option<Bytes>,
    message: &ImMsgData,
) -> Result<Option<u32>, Silent> {
    let Some(token) = token else { return Ok(None) };
    let found = find_first(cx, place, &token, message).await?;
    if let Some(msg_id) = found {
        answered_again(cx, place, message, msg_id);
    }
    Ok(found)
}

fn answered_again<W: World>(cx: &Context<W>, place: Place, message: &ImMsgData, msg_id: u32) {
    let (conversation, from) = (place.conversation(message), message.from_user_id);
    cx.fact(Fact::RepeatAnswered { conversation, relation: place.id(), msg_id, from });
}

async fn insert<W: World>(cx: &mut Context<W>, send: Send<'_>) -> Result<Written, Silent> {
    let inserted = if send.is_more_than_a_row(cx.protocol()) {
        transact(cx, &send).await
    } else {
        send.insert_row(cx).await
    };
    match inserted {
        Ok(msg_id) => Ok(Written { msg_id, fresh: true }),
        Err(error) => match &send.token {
            Some(token) if error.is_duplicate() => {
                match find_first(cx, send.place, token, send.message).await? {
                    Some(msg_id) => Ok(Written {
                        msg_id: match cx.protocol().mutated(Mutant::RepeatGetsNewId) {
                            true => send.drawn as u32,
                            false => msg_id,
                        },
                        fresh: false,
                    }),
                    None => {
                        Err(StoreError::NoEffect("a repeated send without its first one").into())
                    }
                }
            }
            _ => Err(not_written(error)),
        },
    }
}

fn not_written(error: StoreError) -> Silent {
    match error.is_about_content() {
        true => Silent::NotStored(error),
        false => error.into(),
    }
}

/// Raises the counter in Redis, best effort: if that fails, the store raises the next id too.
async fn raise_counter<W: World>(cx: &mut Context<W>, place: Place, msg_id: u32) {
    if let Err(error) = cx.cache().set(&place.counter_key(), &msg_id.to_string()).await {
        tracing::warn!(%error, ?place, "counter not raised");
    }
}

impl Send<'_> {
    /// Whether the store may raise the id. Not if it is −1: that send is not to be stored.
    fn has_floor(&self, protocol: &Protocol) -> bool {
        protocol.has_floor() && self.drawn > 0
    }

    /// The group that the sender must be a member of, if any.
    fn members_of(&self, protocol: &Protocol) -> Option<u32> {
        match self.place {
            Place::Group(group) if protocol.members_from_store => Some(group),
            _ => None,
        }
    }

    fn is_more_than_a_row(&self, protocol: &Protocol) -> bool {
        self.token.is_some()
            || self.has_floor(protocol)
            || self.members_of(protocol).is_some()
            || self.sessions.is_some()
    }

    /// Inserts the row alone.
    async fn insert_row<W: World>(&self, cx: &mut Context<W>) -> Result<u32, StoreError> {
        let (text, params) = messages::insert(self.place, self.drawn, self.message, &self.content);
        match cx.primary(&text, &params).await?.affected {
            0 => Err(StoreError::NoEffect("message not inserted: no row changed")),
            _ => Ok(self.drawn as u32),
        }
    }
}

/// The token's row, the sender's membership, the floor of the msg_id, the message and its sessions,
/// all or nothing. Returns the msg_id. The token comes first: a repeat of a stored send is acked
/// again though its sender has left the group since.
impl<W: World> Transaction<W> for Send<'_> {
    type Done = u32;

    async fn run(&self, cx: &mut Context<W>) -> Result<u32, StoreError> {
        const TOKEN: &str = "insert into TTSend \
            (`fromId`,`token`,`type`,`relateId`,`msgId`,`created`) values(?,?,?,?,?,?)";
        const NAME: &str = "update TTSend set msgId=? where fromId=? and token=?";
        let from = self.message.from_user_id;
        let mut msg_id = self.drawn;
        if let Some(token) = &self.token {
            let params = [
                from.into(),
                Value::Bytes(token.clone()),
                self.place.kind().into(),
                self.place.id().into(),
                Value::Int(msg_id),
                cx.now.into(),
            ];
            cx.defer(TOKEN, &params);
        }
        if let Some(group) = self.members_of(cx.protocol()) {
            membership::hold(cx, group, from).await?;
        }
        if self.has_floor(cx.protocol()) {
            let drawn = msg_id as u32;
            let raised = match self.place {
                Place::Relation(id) => {
                    let pair = Pair::new(from, self.message.to_session_id);
                    relation::next_msg_id(cx, pair, id, drawn).await?
                }
                Place::Group(group) => relation::next_group_msg_id(cx, group, drawn).await?,
            };
            msg_id = raised.into();
        }
        if let Some(token) = &self.token
            && msg_id != self.drawn
        {
            let params = [Value::Int(msg_id), from.into(), Value::Bytes(token.clone())];
            cx.defer(NAME, &params);
        }
        let (text, params) = messages::insert(self.place, msg_id, self.message, &self.content);
        cx.defer(text, &params);
        if let Some(sessions) = self.sessions {
            sessions::touch_pair(cx, sessions);
        }
        Ok(msg_id as u32)
    }
}

/// The msg_id under which the send with this token was stored.
async fn find_first<W: World>(
    cx: &mut Context<W>,
    place: Place,
    token: &Bytes,
    message: &ImMsgData,
) -> Result<Option<u32>, Silent> {
    const TEXT: &str = "select type,relateId,msgId from TTSend where fromId=? and token=?";
    let params = [message.from_user_id.into(), Value::Bytes(token.clone())];
    let found = match cx.protocol().mutated(Mutant::TokenLookedUpOnReplica) {
        true => cx.execute(crate::store::sql::Server::Replica, TEXT, &params).await,
        false => cx.execute(crate::store::sql::Server::Primary, TEXT, &params).await,
    };
    let found = found.map_err(|error| Silent::from(StoreError::from(error)))?;
    let number = |column| found.get(0, column).uint();
    match number("msgId") {
        0 => Ok(None),
        _ if (number("type"), number("relateId")) != (place.kind(), place.id()) => {
            Err(Silent::Ignored("the send_token is of another conversation"))
        }
        msg_id => Ok(Some(msg_id)),
    }
}
