//! 0309: messages of a conversation from an id downwards.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::sql_text,
        group::groups::{self, Among},
        message::{messages, relation},
        plumbing::{
            context::{Context, World},
            reply::{carried, reply},
            silent::Silent,
        },
    },
    mutants::Mutant,
    store::sql::Server,
    wire::{
        Pdu,
        im::{
            base_define::{MsgInfo, SessionType},
            message::{ImGetMsgListReq, ImGetMsgListRsp},
        },
    },
};

/// Lists at most `msg_cnt` messages, newest first; `msg_id_begin` 0 begins with the newest.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImGetMsgListReq = request.view()?;
    let mut msg_list = if asked.session_type == SessionType::Single as i32 {
        single(cx, &asked).await?
    } else {
        let (text, params) = match asked.msg_id_begin {
            0 => ("", Vec::new()),
            begin => (" and msgId<=?", vec![begin.into()]),
        };
        let among = Among { text, params, limit: asked.msg_cnt };
        let of = (asked.session_id, asked.user_id);
        groups::list(cx, cx.on_failed_query(), of, among).await?
    };
    if !msg_list.is_empty() && cx.protocol().mutated(Mutant::PageLacksLast) {
        msg_list.pop();
    }
    if msg_list.len() > 1 && cx.protocol().mutated(Mutant::PageOldestFirst) {
        msg_list.reverse();
    }
    let response = ImGetMsgListRsp {
        user_id: asked.user_id,
        session_type: asked.session_type,
        session_id: asked.session_id,
        msg_id_begin: asked.msg_id_begin,
        msg_list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::MSG_LIST_RESPONSE, &response))
}

async fn single<W: World>(
    cx: &mut Context<W>,
    asked: &ImGetMsgListReq,
) -> Result<Vec<MsgInfo>, Silent> {
    let on_failure = cx.on_failed_query();
    let relation = relation::find(cx, on_failure, asked.user_id, asked.session_id).await?;
    if relation == 0 {
        return Ok(Vec::new());
    }
    let mut params = vec![relation.into()];
    let mut below = "";
    if asked.msg_id_begin != 0 {
        below = match cx.protocol().mutated(Mutant::PageLacksFirst) {
            true => " and msgId <?",
            false => " and msgId <=?",
        };
        params.push(asked.msg_id_begin.into());
    }
    params.push(asked.msg_cnt.into());
    let text = format!(
        "select * from {} where relateId= ? and status = 0{below} {} limit ?",
        sql_text::messages_of_relation(relation),
        sql_text::newest_first(cx.protocol())
    );
    let server = match cx.protocol().mutated(Mutant::PageFromReplica) {
        true => Server::Replica,
        false => cx.reader(),
    };
    let found = cx.select(on_failure, server, &text, &params).await?;
    Ok(messages::infos(cx, on_failure, &found, "fromId").await?)
}
