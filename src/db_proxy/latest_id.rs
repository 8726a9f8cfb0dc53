//! 030b: the id of a conversation's latest message.

use super::{
    context::{Context, World},
    group, message,
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
    let on_failure = cx.on_failed_query();
    let latest = if asked.session_type == SessionType::Single as i32 {
        message::latest_single(cx, on_failure, asked.user_id, asked.session_id).await?
    } else {
        // Whether the user is in the group is not looked at.
        group::latest(cx, on_failure, asked.session_id).await?
    };
    let response = ImGetLatestMsgIdRsp {
        user_id: asked.user_id,
        session_type: asked.session_type,
        session_id: asked.session_id,
        latest_msg_id: latest.map_or(0, |message| message.msg_id),
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::MSG_GET_LATEST_MSG_ID_RSP, &response))
}
