//! 0301: a message (SYSTEM.md section 3, steps 2 and 3).

use crate::{
    catalogue::id as command,
    db_proxy::{
        message::{group_send, single},
        plumbing::{
            context::{Context, World},
            silent::Silent,
        },
    },
    wire::{
        Pdu, attach,
        edit::Edit,
        fields,
        im::{base_define::MsgType, message::ImMsgData},
    },
};

/// Stores the message and replies with the same bytes but for msg_id; 0 says that it was not
/// accepted.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let message: ImMsgData = request.view()?;
    if message.msg_data.is_empty() {
        return Err(Silent::Ignored("empty msg_data"));
    }
    let stored = match MsgType::try_from(message.msg_type) {
        Ok(MsgType::SingleText | MsgType::SingleAudio) => single::store(cx, &message).await,
        Ok(MsgType::GroupText | MsgType::GroupAudio) => group_send::store(cx, &message).await,
        Err(_) => return Err(Silent::Ignored("unknown msg_type")),
    };
    let msg_id = match stored {
        Ok(msg_id) => msg_id,
        Err(why) if cx.protocol().answered_refusals || why.is_not_allowed() => return Err(why),
        Err(why) => {
            tracing::warn!(%why, from = message.from_user_id, "message not accepted");
            0
        }
    };
    let mut body = Edit::of(&request.body).uint(fields::MSG_ID, msg_id.into());
    if message.attach_data.is_none() {
        body = body.bytes(attach::FIELD, b"");
    }
    Ok(Pdu::raw(command::MSG_DATA, request.header.seq_num, body.done()))
}
