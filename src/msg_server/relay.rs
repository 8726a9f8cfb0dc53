//! Requests that go to db_proxy and come back (SYSTEM.md section 4, "Relayed to db_proxy").

use super::{
    links::Half,
    state::{State, Turn},
};
use crate::{
    env::ConnId,
    wire::{
        Malformed, Pdu,
        attach::{self, Attach},
        command as cmd,
        edit::Edit,
        im,
    },
};
use bytes::Bytes;

/// Field 1 of every relayed request and reply.
const USER_ID: u32 = 1;

/// One relayed request.
pub(super) struct Relay {
    half: Half,
    /// The original attaches an empty PDU to some (16 bytes instead of 12).
    long_attach: bool,
    check: fn(&Pdu) -> Result<(), Malformed>,
    reply: fn(&Pdu) -> Result<Reply, Malformed>,
}

/// What a reply is passed on by.
struct Reply {
    user: u32,
    attach: Option<Bytes>,
}

macro_rules! relays {
    ($($req:ident: $ask:ty, $half:ident, $long:literal => $rsp:ident: $answer:ty;)*) => {
        /// The entry of a request.
        pub(super) fn of_request(command: u16) -> Option<&'static Relay> {
            match command {
                $(cmd::$req => Some(&Relay {
                    half: Half::$half,
                    long_attach: $long,
                    check: |pdu| pdu.view::<$ask>().map(drop),
                    reply: |pdu| pdu.view::<$answer>().map(|rsp| Reply {
                        user: rsp.user_id,
                        attach: rsp.attach_data,
                    }),
                }),)*
                _ => None,
            }
        }

        /// The entry of a reply.
        pub(super) fn of_reply(command: u16) -> Option<&'static Relay> {
            match command {
                $(cmd::$rsp => of_request(cmd::$req),)*
                _ => None,
            }
        }
    };
}

relays! {
    MSG_UNREAD_CNT_REQUEST: im::message::ImUnreadMsgCntReq, Login, false
        => MSG_UNREAD_CNT_RESPONSE: im::message::ImUnreadMsgCntRsp;
    MSG_LIST_REQUEST: im::message::ImGetMsgListReq, Login, false
        => MSG_LIST_RESPONSE: im::message::ImGetMsgListRsp;
    MSG_GET_BY_MSG_ID_REQ: im::message::ImGetMsgByIdReq, Login, false
        => MSG_GET_BY_MSG_ID_RES: im::message::ImGetMsgByIdRsp;
    BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST: im::buddy::ImRecentContactSessionReq, Login, false
        => BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE: im::buddy::ImRecentContactSessionRsp;
    BUDDY_LIST_USER_INFO_REQUEST: im::buddy::ImUsersInfoReq, Login, false
        => BUDDY_LIST_USER_INFO_RESPONSE: im::buddy::ImUsersInfoRsp;
    MSG_GET_LATEST_MSG_ID_REQ: im::message::ImGetLatestMsgIdReq, Other, false
        => MSG_GET_LATEST_MSG_ID_RSP: im::message::ImGetLatestMsgIdRsp;
    BUDDY_LIST_REMOVE_SESSION_REQ: im::buddy::ImRemoveSessionReq, Other, false
        => BUDDY_LIST_REMOVE_SESSION_RES: im::buddy::ImRemoveSessionRsp;
    BUDDY_LIST_ALL_USER_REQUEST: im::buddy::ImAllUserReq, Other, false
        => BUDDY_LIST_ALL_USER_RESPONSE: im::buddy::ImAllUserRsp;
    BUDDY_LIST_DEPARTMENT_REQUEST: im::buddy::ImDepartmentReq, Other, false
        => BUDDY_LIST_DEPARTMENT_RESPONSE: im::buddy::ImDepartmentRsp;
    LOGIN_REQ_PUSH_SHIELD: im::login::ImPushShieldReq, Other, true
        => LOGIN_RES_PUSH_SHIELD: im::login::ImPushShieldRsp;
    LOGIN_REQ_QUERY_PUSH_SHIELD: im::login::ImQueryPushShieldReq, Other, true
        => LOGIN_RES_QUERY_PUSH_SHIELD: im::login::ImQueryPushShieldRsp;
    GROUP_NORMAL_LIST_REQUEST: im::group::ImNormalGroupListReq, Other, false
        => GROUP_NORMAL_LIST_RESPONSE: im::group::ImNormalGroupListRsp;
    GROUP_SHIELD_GROUP_REQUEST: im::group::ImGroupShieldReq, Other, false
        => GROUP_SHIELD_GROUP_RESPONSE: im::group::ImGroupShieldRsp;
}

/// Relays a client's request with its user and handle set.
pub(super) fn request(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
    relay: &Relay,
) -> Result<(), Malformed> {
    (relay.check)(pdu)?;
    let Some(client) = state.conns.get(&conn) else { return Ok(()) };
    let (user, handle) = (client.user, client.handle);
    let Some(link) = state.db.pick(turn, relay.half, user, pdu) else {
        turn.refused(conn, pdu.command(), "no db_proxy");
        if let Some(reply) = without_db(pdu, user)? {
            turn.send(conn, reply);
        }
        return Ok(());
    };
    let pdu_of_attach = relay.long_attach.then(Bytes::new);
    let attach = Attach { pdu: pdu_of_attach, ..Attach::handle(handle) };
    let body = Edit::of(&pdu.body)
        .uint(USER_ID, u64::from(user))
        .bytes(attach::FIELD, &attach.encode())
        .done();
    turn.send(link, pdu.with_body(body));
    Ok(())
}

/// What a client is told when no db_proxy is open: most are told nothing.
fn without_db(pdu: &Pdu, user: u32) -> Result<Option<Pdu>, Malformed> {
    let seq = pdu.header.seq_num;
    Ok(match pdu.command() {
        cmd::GROUP_NORMAL_LIST_REQUEST => {
            Some(Pdu::raw(cmd::GROUP_NORMAL_LIST_RESPONSE, seq, Bytes::new()))
        }
        cmd::GROUP_SHIELD_GROUP_REQUEST => {
            let req: im::group::ImGroupShieldReq = pdu.view()?;
            let rsp = im::group::ImGroupShieldRsp {
                user_id: user,
                group_id: req.group_id,
                result_code: 1,
                attach_data: None,
            };
            Some(Pdu::new(cmd::GROUP_SHIELD_GROUP_RESPONSE, seq, &rsp))
        }
        _ => None,
    })
}

/// Passes db_proxy's reply on to the connection that asked, without the attach.
pub(super) fn reply(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
    relay: &Relay,
) -> Result<(), Malformed> {
    let reply = (relay.reply)(pdu)?;
    let Some(attach) = super::from_db::attach_of(state, turn, link, reply.attach.as_deref()) else {
        return Ok(());
    };
    if let Some(conn) = state.find(reply.user, attach.handle) {
        let body = Edit::of(&pdu.body).clear(attach::FIELD).done();
        turn.send(conn, pdu.with_body(body));
    }
    Ok(())
}
