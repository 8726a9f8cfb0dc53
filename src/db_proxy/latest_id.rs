//! 030b: the id of a conversation's latest message.

use super::{
    context::{Context, World},
    message,
    silent::Silent,
    table::{carried, reply},
};
use crate::wire::{
    Pdu, command,
    im::{
        base_define::SessionType,
        message::{ImGetLatestMsgIdReq, ImGetLatestMsgIdRsp},
    },
};

/// Answers 0 if there is no message.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImGetLatestMsgIdReq = request.view()?;
    if asked.session_type != SessionType::Single as i32 {
        return Err(Silent::Later("groups"));
    }
    let on_failure = cx.on_failed_query();
    let latest = message::latest_single(cx, on_failure, asked.user_id, asked.session_id).await?;
    let response = ImGetLatestMsgIdRsp {
        user_id: asked.user_id,
        session_type: asked.session_type,
        session_id: asked.session_id,
        latest_msg_id: latest.map_or(0, |message| message.msg_id),
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::MSG_GET_LATEST_MSG_ID_RSP, &response))
}
