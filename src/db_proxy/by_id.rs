//! 030d: messages of a conversation by their ids.

use super::{
    context::{Context, World},
    message, relation,
    silent::Silent,
    table::{carried, reply},
};
use crate::{
    store::sql::Value,
    wire::{
        Pdu, command,
        im::{
            base_define::SessionType,
            message::{ImGetMsgByIdReq, ImGetMsgByIdRsp},
        },
    },
};
use std::collections::BTreeSet;

/// Lists at most 100 of the messages that were asked for; no ids: no SQL.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImGetMsgByIdReq = request.view()?;
    if asked.session_type != SessionType::Single as i32 {
        return Err(Silent::Later("groups"));
    }
    let on_failure = cx.on_failed_query();
    let ids: BTreeSet<u32> = asked.msg_id_list.iter().copied().collect();
    let relation = match ids.is_empty() {
        true => 0,
        false => relation::find(cx, on_failure, asked.user_id, asked.session_id).await?,
    };
    let mut msg_list = Vec::new();
    if relation != 0 {
        let text = format!(
            "select * from {} where relateId=? and status=0 and msgId in ({}) {} limit 100",
            message::table(relation),
            placeholders(ids.len()),
            message::order(cx.protocol())
        );
        let params: Vec<Value> = [relation].into_iter().chain(ids).map(Value::from).collect();
        let found = cx.select(on_failure, cx.reader(), &text, &params).await?;
        msg_list = message::infos(&found);
    }
    let response = ImGetMsgByIdRsp {
        user_id: asked.user_id,
        session_type: asked.session_type,
        session_id: asked.session_id,
        msg_list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::MSG_GET_BY_MSG_ID_RES, &response))
}

/// `?,?,?` for an `in (…)` of `n` values.
pub fn placeholders(n: usize) -> String {
    vec!["?"; n].join(",")
}
