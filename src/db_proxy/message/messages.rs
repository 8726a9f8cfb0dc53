//! Rows of messages, as handlers read and insert them: `IMMessage_0` to `IMMessage_7` by relation,
//! `IMGroupMessage_0` to `IMGroupMessage_7` by group (SYSTEM.md section 6).

use crate::{
    db_proxy::{
        data::{place::Place, sql_text},
        message::{audio, relation},
        plumbing::{
            context::{Context, Select, World},
            error::{OnFailure, StoreError},
        },
    },
    store::sql::{Outcome, Value},
    wire::{
        im::{
            base_define::{MsgInfo, MsgType},
            message::ImMsgData,
        },
        msg_type::is_audio,
    },
};
use bytes::Bytes;

/// What stands for an audio message where only the latest one is shown: "[语音]" as clients
/// encrypt it.
pub const AUDIO_AS_LATEST: &[u8] = b"QhGXlpFjvMFUNrtl1aaPzA==";

/// The latest message of a conversation as 0201 and 0307 show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// Its id.
    pub msg_id: u32,
    /// Its type, one of the enum.
    pub msg_type: i32,
    /// Its content; a constant for audio.
    pub content: Bytes,
    /// Who sent it.
    pub from: u32,
}

/// The latest message of two users, in the order of [`sql_text::newest_first`]; `None` if there is
/// none.
pub async fn latest_single<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
    peer: u32,
) -> Result<Option<Latest>, StoreError> {
    match relation::find(cx, on_failure, user, peer).await? {
        0 => Ok(None),
        relation => latest_of(cx, on_failure, relation, peer).await,
    }
}

/// The latest message of a relation. Without the switch `true-latest-sender` the peer counts as its
/// sender, whoever sent it.
pub async fn latest_of<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    relation: u32,
    peer: u32,
) -> Result<Option<Latest>, StoreError> {
    let (text, params) = latest_select(cx, relation);
    let found = cx.select(on_failure, cx.reader(), &text, &params).await?;
    Ok(latest_from(cx, &found, peer))
}

/// The SELECT of the latest message of a relation.
pub fn latest_select<W: World>(cx: &Context<W>, relation: u32) -> Select {
    let text = format!(
        "select msgId,type,content{} from {} where relateId= ? and status = 0 {} limit 1",
        if cx.protocol().true_latest_sender { ",fromId" } else { "" },
        sql_text::messages_of_relation(relation),
        sql_text::newest_first(cx.protocol())
    );
    (text, vec![relation.into()])
}

/// What [`latest_select`] found, with this peer.
pub fn latest_from<W: World>(cx: &Context<W>, found: &Outcome, peer: u32) -> Option<Latest> {
    let sender = cx.protocol().true_latest_sender;
    let from = if sender { found.get(0, "fromId").uint() } else { peer };
    latest_in(found, from)
}

/// The first row as the latest message.
pub fn latest_in(found: &Outcome, from: u32) -> Option<Latest> {
    if found.rows.is_empty() {
        return None;
    }
    let msg_type = found.get(0, "type").uint() as i32;
    let content = match MsgType::try_from(msg_type).ok()? {
        MsgType::SingleAudio | MsgType::GroupAudio => Bytes::from_static(AUDIO_AS_LATEST),
        MsgType::SingleText | MsgType::GroupText => found.get(0, "content").bytes(),
    };
    Some(Latest { msg_id: found.get(0, "msgId").uint(), msg_type, content, from })
}

/// The rows of a list as a reply carries them, in the order of the rows; `sender` is the column
/// that names who sent them. Audio comes with its bytes.
pub async fn infos<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    found: &Outcome,
    sender: &str,
) -> Result<Vec<MsgInfo>, StoreError> {
    let mut infos = Vec::new();
    for row in 0..found.rows.len() {
        let msg_type = found.get(row, "type").uint() as i32;
        // A value outside the enum would make the whole reply malformed.
        if MsgType::try_from(msg_type).is_err() {
            continue;
        }
        let mut msg_data = found.get(row, "content").bytes();
        if is_audio(msg_type) {
            msg_data = audio::restore(cx, on_failure, msg_data).await?;
        }
        infos.push(MsgInfo {
            msg_id: found.get(row, "msgId").uint(),
            from_session_id: found.get(row, sender).uint(),
            create_time: found.get(row, "created").uint(),
            msg_type,
            msg_data,
        });
    }
    Ok(infos)
}

/// The statement that inserts a message's row into the table of its relation or group, and its
/// parameters.
pub fn insert(
    place: Place,
    msg_id: i64,
    message: &ImMsgData,
    content: &Bytes,
) -> (String, Vec<Value>) {
    let (from, to) = (message.from_user_id.into(), message.to_session_id.into());
    let (id, content) = (place.id().into(), Value::Bytes(content.clone()));
    let (kind, live) = (Value::Int(message.msg_type.into()), Value::Int(0));
    let (msg_id, created) = (Value::Int(msg_id), Value::from(message.create_time));
    let updated = created.clone();
    match place {
        Place::Relation(relation) => {
            let text = format!(
                "insert into {} (`relateId`, `fromId`, `toId`, `msgId`, `content`, `status`, \
                 `type`, `created`, `updated`) values(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                sql_text::messages_of_relation(relation)
            );
            (text, vec![id, from, to, msg_id, content, live, kind, created, updated])
        }
        Place::Group(group) => {
            let text = format!(
                "insert into {} (`groupId`, `userId`, `msgId`, `content`, `type`, `status`, \
                 `updated`, `created`) values(?, ?, ?, ?, ?, ?, ?, ?)",
                sql_text::messages_of_group(group)
            );
            (text, vec![id, from, msg_id, content, kind, live, updated, created])
        }
    }
}
