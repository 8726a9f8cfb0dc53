//! Audio messages: the bytes are in the blob store, the message's content is the id of a row of
//! IMAudio (SYSTEM.md section 6, "Audio").

use crate::{
    db_proxy::{
        data::text::number,
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
        },
    },
    mutants::Mutant,
    store::{
        blob::Blobs,
        sql::{Server, Value},
    },
    wire::{im::message::ImMsgData, msg_type::is_audio},
};
use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of the duration in front of the audio, big-endian.
const DURATION_LEN: usize = 4;

/// What is stored as a message's content: a text as it is; for audio, after it was uploaded, the id
/// of its row.
///
/// # Errors
/// The message is not to be stored: the upload failed, or there is nothing after the duration.
pub async fn content<W: World>(
    cx: &mut Context<W>,
    message: &ImMsgData,
) -> Result<Bytes, StoreError> {
    const TEXT: &str = "insert into IMAudio \
        (`fromId`, `toId`, `path`, `size`, `duration`, `created`) values(?, ?, ?, ?, ?, ?)";
    let data = &message.msg_data;
    if !is_audio(message.msg_type) {
        return Ok(data.clone());
    }
    let Some((duration, audio)) =
        data.split_first_chunk::<DURATION_LEN>().filter(|(_, audio)| !audio.is_empty())
    else {
        return Err(StoreError::NoAudio);
    };
    let path = cx.shared.blobs.put(data.slice(DURATION_LEN..)).await?;
    let params = [
        message.from_user_id.into(),
        message.to_session_id.into(),
        Value::from(path.as_str()),
        Value::Int(audio.len() as i64),
        u32::from_be_bytes(*duration).into(),
        message.create_time.into(),
    ];
    match cx.primary(TEXT, &params).await?.last_insert_id {
        0 => Err(StoreError::NoEffect("audio without an id")),
        id => Ok(id.to_string().into()),
    }
}

/// The content of an audio message as it is read: a duration of 0 (with `whole-audio` its own),
/// then the bytes. Without the row, or (unless reads are honest) without the blob, it is the row's
/// id. The row is read from the server from which the message was read, so it is there if the
/// message is.
pub async fn restore<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    content: Bytes,
) -> Result<Bytes, StoreError> {
    const TEXT: &str = "select * from IMAudio where id=?";
    let id = number(&content);
    let server = match cx.protocol().mutated(Mutant::VoiceFromReplica) {
        true => Server::Replica,
        false => cx.reader(),
    };
    let found = cx.select(on_failure, server, TEXT, &[id.into()]).await?;
    if found.rows.is_empty() {
        return Ok(content);
    }
    let path = String::from_utf8_lossy(&found.get(0, "path").bytes()).into_owned();
    let duration = match cx.protocol().whole_audio {
        true => found.get(0, "duration").uint(),
        false => 0,
    };
    match cx.shared.blobs.get(&path).await {
        Ok(audio) => {
            let mut whole = BytesMut::with_capacity(DURATION_LEN + audio.len());
            whole.put_u32(duration);
            whole.put_slice(&audio);
            Ok(whole.freeze())
        }
        Err(error) if on_failure == OnFailure::Fail => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, path, "audio not read");
            Ok(content)
        }
    }
}
