//! 0303: a user has read a conversation. Answered only with the switch `confirmed-read-acks`.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::{keys, session_key::Key},
        group::groups,
        message::read_mark,
        plumbing::{
            context::{Context, World},
            error::StoreError,
            silent::Silent,
        },
    },
    mutants::Mutant,
    store::cache::Cache,
    wire::{
        Pdu,
        im::message::{ImMsgDataReadAck, ImMsgDataReadNotify},
    },
};

/// Clears the counter of the peer or group, even if messages after msg_id are counted. With
/// `unread-from-store` it raises the mark instead, to msg_id at most; the answer names how far that was believed
/// (`edge-limits`), so that no device takes what comes later for read.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let read: ImMsgDataReadAck = request.view()?;
    let (user, peer) = (read.user_id, read.session_id);
    let kind = read.session_type as u32;
    let stored = if cx.protocol().unread_from_store {
        let key = Key { user, peer, kind };
        match cx.protocol().mutated(Mutant::ReadAckReadsAll) {
            true => read_mark::raise_to_latest(cx, key).await.map(|()| read.msg_id),
            false => read_mark::raise_as_said(cx, key, read.msg_id).await,
        }
    } else if kind != Key::SINGLE {
        groups::set_read(cx, peer, user).await.map(|()| read.msg_id)
    } else {
        let cleared = cx.cache().hdel(&keys::unread(user), &peer.to_string()).await;
        cleared.map(|_| read.msg_id).map_err(StoreError::from)
    };
    // A msg_server that does not wait for the answer attaches nothing.
    let confirmed = cx.protocol().confirmed_read_acks && read.attach_data.is_some();
    let up_to = match stored {
        Err(error) if confirmed && !cx.protocol().mutated(Mutant::ReadConfirmedUnstored) => {
            return Err(error.into());
        }
        Err(error) => {
            tracing::warn!(%error, user = read.user_id, "read ack not stored");
            read.msg_id
        }
        Ok(_) if cx.protocol().mutated(Mutant::ReadConfirmedAsSaid) => read.msg_id,
        Ok(up_to) => up_to,
    };
    if !confirmed {
        return Err(Silent::Done);
    }
    let notify = ImMsgDataReadNotify {
        user_id: read.user_id,
        session_id: read.session_id,
        msg_id: up_to,
        session_type: read.session_type,
        attach_data: read.attach_data,
    };
    Ok(Pdu::new(command::MSG_READ_NOTIFY, request.header.seq_num, &notify))
}
