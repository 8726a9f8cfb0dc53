//! 0303: a user has read a conversation. Not answered.

use super::{
    context::{Context, World},
    send::unread_key,
    silent::Silent,
};
use crate::{
    store::cache::Cache,
    wire::{
        Pdu,
        im::{base_define::SessionType, message::ImMsgDataReadAck},
    },
};

/// Clears the counter of the peer. msg_id is not looked at: what came after it is taken as read.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let read: ImMsgDataReadAck = request.view()?;
    if read.session_type != SessionType::Single as i32 {
        return Err(Silent::Later("groups"));
    }
    let peer = read.session_id.to_string();
    if let Err(error) = cx.cache().hdel(&unread_key(read.user_id), &peer).await {
        tracing::warn!(%error, user = read.user_id, "unread counter not cleared");
    }
    Err(Silent::Done)
}
