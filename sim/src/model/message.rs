//! What is said of messages.

use super::{
    Exchange, Judged, Reads, Says,
    conversations::{
        infos, latest_group, latest_single, newest_first, of_group, of_relation, relation, since,
    },
    stores::{Row, View},
};
use std::collections::BTreeSet;
use teamtalk::{
    catalogue::id::{MSG_GET_BY_MSG_ID_REQ, MSG_GET_LATEST_MSG_ID_REQ, MSG_LIST_REQUEST},
    protocol::Protocol,
    wire::im::{
        base_define::{MsgInfo, SessionType},
        message::{
            ImGetLatestMsgIdReq, ImGetLatestMsgIdRsp, ImGetMsgByIdReq, ImGetMsgByIdRsp,
            ImGetMsgListReq, ImGetMsgListRsp,
        },
    },
};

pub(super) const ANSWERS: &[(u16, &str, Says)] = &[
    (MSG_LIST_REQUEST, "messages", messages),
    (MSG_GET_BY_MSG_ID_REQ, "messages-by-id", messages_by_id),
    (MSG_GET_LATEST_MSG_ID_REQ, "latest-id", latest_id),
];

/// The most messages by their ids.
const MOST_BY_ID: usize = 100;

/// A user's conversation.
struct Chat<'a> {
    protocol: &'a Protocol,
    user: u32,
    is_group: bool,
    id: u32,
}

/// 030a: the messages from an id down, newest first, at most as many as were asked for. Of a group a
/// member sees those since they joined, and nobody else any.
fn messages(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImGetMsgListReq, ImGetMsgListRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    let begin = if asked.msg_id_begin == 0 { u32::MAX } else { asked.msg_id_begin };
    let chat = Chat::of(exchange, asked.user_id, asked.session_type, asked.session_id);
    let wanted = |id| id <= begin;
    chat.judge(&answer.msg_list, wanted, asked.msg_cnt as usize, reads)
}

/// 030e: those of the messages asked for that are there, newest first, at most 100.
fn messages_by_id(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImGetMsgByIdReq, ImGetMsgByIdRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    let ids: BTreeSet<u32> = asked.msg_id_list.iter().copied().collect();
    let chat = Chat::of(exchange, asked.user_id, asked.session_type, asked.session_id);
    chat.judge(&answer.msg_list, |id| ids.contains(&id), MOST_BY_ID, reads)
}

/// 030c: the id of the latest message, 0 if there is none. With `members-from-store` only to
/// members, and none from before they joined.
fn latest_id(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImGetLatestMsgIdReq, ImGetLatestMsgIdRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    let chat = Chat::of(exchange, asked.user_id, asked.session_type, asked.session_id);
    let (protocol, said) = (chat.protocol, &answer.latest_msg_id);
    let of_group = |view: View<'_>| latest_group(view, protocol, chat.id).map_or(0, |l| l.msg_id);
    if !chat.is_group {
        return reads.equals("the latest", said, |view| {
            latest_single(view, protocol, chat.user, chat.id).map_or(0, |latest| latest.msg_id)
        });
    }
    if !protocol.members_from_store {
        return reads.equals("the latest", said, of_group);
    }
    reads.choose(
        |view| since(view, protocol, chat.id, chat.user),
        |since, rest| {
            let hidden = since.map_or(u32::MAX, |since| since.hidden());
            rest.equals("the latest", said, |view| {
                Some(of_group(view)).filter(|id| *id > hidden).unwrap_or(0)
            })
        },
    )
}

impl<'a> Chat<'a> {
    fn of(exchange: &Exchange<'a>, user: u32, session_type: i32, id: u32) -> Self {
        let is_group = session_type != SessionType::Single as i32;
        Self { protocol: exchange.protocol, user, is_group, id }
    }

    fn judge(
        &self,
        said: &Vec<MsgInfo>,
        wanted: impl Fn(u32) -> bool,
        limit: usize,
        reads: &mut Reads<'_>,
    ) -> Judged {
        let protocol = self.protocol;
        let wanted = |row: &Row<'_>| wanted(row.uint("msgId"));
        if !self.is_group {
            return reads.equals("messages", said, |view| {
                let relation = relation(view, protocol, self.user, self.id);
                let mut rows = newest_first(protocol, of_relation(view, relation).filter(wanted));
                rows.truncate(limit);
                infos(view, protocol, &rows, "fromId")
            });
        }
        reads.choose(
            |view| since(view, protocol, self.id, self.user),
            |since, rest| {
                let seen = |row: &Row<'_>| since.is_some_and(|since| since.shows(row));
                rest.equals("messages", said, |view| {
                    let rows = of_group(view, self.id).filter(|row| wanted(row) && seen(row));
                    let mut rows = newest_first(protocol, rows);
                    rows.truncate(limit);
                    infos(view, protocol, &rows, "userId")
                })
            },
        )
    }
}
