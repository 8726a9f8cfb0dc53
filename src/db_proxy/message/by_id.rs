//! 030d: messages of a conversation by their ids.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::sql_text::{self, placeholders},
        group::groups::{self, Among},
        message::{messages, relation},
        plumbing::{
            context::{Context, World},
            reply::{carried, reply},
            silent::Silent,
        },
    },
    mutants::Mutant,
    store::sql::Value,
    wire::{
        Pdu,
        im::{
            base_define::{MsgInfo, SessionType},
            message::{ImGetMsgByIdReq, ImGetMsgByIdRsp},
        },
    },
};
use std::collections::BTreeSet;

/// The most messages of one answer.
const MOST: u32 = 100;

/// Lists at most 100 of the messages that were asked for; no ids: no SQL.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImGetMsgByIdReq = request.view()?;
    let ids: BTreeSet<u32> = asked.msg_id_list.iter().copied().collect();
    let msg_list = if ids.is_empty() {
        Vec::new()
    } else if asked.session_type == SessionType::Single as i32 {
        single(cx, &asked, ids).await?
    } else {
        let among = Among {
            text: &format!(" and msgId in ({})", placeholders(ids.len())),
            params: ids.into_iter().map(Value::from).collect(),
            limit: MOST,
        };
        let of = (asked.session_id, asked.user_id);
        groups::list(cx, cx.on_failed_query(), of, among).await?
    };
    let mut msg_list = msg_list;
    if !msg_list.is_empty() && cx.protocol().mutated(Mutant::ByIdLacksLast) {
        msg_list.pop();
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

async fn single<W: World>(
    cx: &mut Context<W>,
    asked: &ImGetMsgByIdReq,
    ids: BTreeSet<u32>,
) -> Result<Vec<MsgInfo>, Silent> {
    let on_failure = cx.on_failed_query();
    let relation = relation::find(cx, on_failure, asked.user_id, asked.session_id).await?;
    if relation == 0 {
        return Ok(Vec::new());
    }
    let text = format!(
        "select * from {} where relateId=? and status=0 and msgId in ({}) {} limit {MOST}",
        sql_text::messages_of_relation(relation),
        placeholders(ids.len()),
        sql_text::newest_first(cx.protocol())
    );
    let params: Vec<Value> = [relation].into_iter().chain(ids).map(Value::from).collect();
    let found = cx.select(on_failure, cx.reader(), &text, &params).await?;
    Ok(messages::infos(cx, on_failure, &found, "fromId").await?)
}
