//! Requests that go to db_proxy and come back (SYSTEM.md section 4, "Relayed to db_proxy").

use super::state::{
    State,
    db_links::Half,
    in_flight::{Asked, Request},
    turn::Turn,
};
use crate::{
    conversation::Conversation,
    env::ConnId,
    wire::{
        Malformed, Pdu,
        attach::{self, Attach},
        command as cmd,
        edit::Edit,
        field, im,
        tt::extension::RefusedCode,
    },
};
use bytes::Bytes;

/// Where a request that is sent on comes from.
pub(super) struct Source {
    pub(super) conn: ConnId,
    pub(super) asked: Asked,
    /// Whose pushes are lost with its answer.
    pub(super) missed: Option<Conversation>,
}

impl Source {
    /// A request whose answer is for its client only.
    pub(super) fn client(conn: ConnId, pdu: &Pdu) -> Self {
        Self { conn, asked: Asked::of(pdu), missed: None }
    }
}

impl State {
    /// Sends a client's request on to another server and remembers it until it is answered.
    /// False: it was refused, because too many of this client wait already.
    pub(super) fn ask(
        &mut self,
        turn: &mut Turn<'_>,
        link: ConnId,
        pdu: Pdu,
        source: Source,
    ) -> bool {
        let Source { conn, asked, missed } = source;
        let protocol = &self.config.protocol;
        let recorded = protocol.answered_refusals || (protocol.catch_up_hint && missed.is_some());
        if let Some(client) = self.conns.get(&conn).filter(|_| recorded) {
            let request = Request { conn, asked, link, since: turn.now.up, missed, late: false };
            match self.in_flight.add(client.handle, request) {
                Ok(length) => self.note_in_flight(turn, length),
                Err(full) => {
                    let code = RefusedCode::RefusedTooMany;
                    self.refuse(turn, conn, asked, code, &full.to_string());
                    return false;
                }
            }
        }
        turn.send(link, pdu);
        true
    }
}

/// Why a request is refused when no db_proxy is open.
pub(super) const NO_DB: &str = "no db_proxy";

/// One relayed request.
struct Relay {
    request: u16,
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
        fn of_request(command: u16) -> Option<&'static Relay> {
            match command {
                $(cmd::$req => Some(&Relay {
                    request: cmd::$req,
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
        fn of_reply(command: u16) -> Option<&'static Relay> {
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
    BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST: im::buddy::ImChangeSignInfoReq, Other, true
        => BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE: im::buddy::ImChangeSignInfoRsp;
    LOGIN_REQ_PUSH_SHIELD: im::login::ImPushShieldReq, Other, true
        => LOGIN_RES_PUSH_SHIELD: im::login::ImPushShieldRsp;
    LOGIN_REQ_QUERY_PUSH_SHIELD: im::login::ImQueryPushShieldReq, Other, true
        => LOGIN_RES_QUERY_PUSH_SHIELD: im::login::ImQueryPushShieldRsp;
    GROUP_NORMAL_LIST_REQUEST: im::group::ImNormalGroupListReq, Other, false
        => GROUP_NORMAL_LIST_RESPONSE: im::group::ImNormalGroupListRsp;
    GROUP_INFO_REQUEST: im::group::ImGroupInfoListReq, Other, true
        => GROUP_INFO_RESPONSE: im::group::ImGroupInfoListRsp;
    GROUP_CREATE_REQUEST: im::group::ImGroupCreateReq, Other, false
        => GROUP_CREATE_RESPONSE: im::group::ImGroupCreateRsp;
    GROUP_CHANGE_MEMBER_REQUEST: im::group::ImGroupChangeMemberReq, Other, false
        => GROUP_CHANGE_MEMBER_RESPONSE: im::group::ImGroupChangeMemberRsp;
    FILE_HAS_OFFLINE_REQ: im::file::ImFileHasOfflineReq, Other, false
        => FILE_HAS_OFFLINE_RES: im::file::ImFileHasOfflineRsp;
    GROUP_SHIELD_GROUP_REQUEST: im::group::ImGroupShieldReq, Other, false
        => GROUP_SHIELD_GROUP_RESPONSE: im::group::ImGroupShieldRsp;
}

/// Whether a client's request is relayed.
pub(super) fn takes(command: u16) -> bool {
    of_request(command).is_some()
}

/// Whether a reply is passed on.
pub(super) fn passes_on(command: u16) -> bool {
    of_reply(command).is_some()
}

/// Relays a client's request with its user and handle set, or refuses it. False: it was not
/// sent.
pub(super) fn request(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<bool, Malformed> {
    let Some(relay) = of_request(pdu.command()) else {
        let code = RefusedCode::RefusedUnknownCommand;
        state.refuse(turn, conn, Asked::of(pdu), code, "unknown command");
        return Ok(false);
    };
    (relay.check)(pdu)?;
    let Some(client) = state.conns.get(&conn) else { return Ok(false) };
    let (user, handle) = (client.user, client.handle);
    let Some(link) = state.db.pick(turn, relay.half, user, pdu) else {
        match without_db(pdu, user)? {
            Some(reply) => {
                turn.refused(conn, pdu.command(), NO_DB);
                turn.send(conn, reply);
            }
            None => {
                let code = RefusedCode::RefusedUnavailable;
                state.refuse(turn, conn, Asked::of(pdu), code, NO_DB);
            }
        }
        return Ok(false);
    };
    let pdu_of_attach = relay.long_attach.then(Bytes::new);
    let attach = Attach { pdu: pdu_of_attach, ..Attach::handle(handle) };
    let body = Edit::of(&pdu.body)
        .uint(field::USER_ID, u64::from(user))
        .bytes(attach::FIELD, &attach.encode())
        .done();
    Ok(state.ask(turn, link, pdu.with_body(body), Source::client(conn, pdu)))
}

/// What a client is told when no db_proxy is open: most are told nothing.
fn without_db(pdu: &Pdu, user: u32) -> Result<Option<Pdu>, Malformed> {
    let seq = pdu.header.seq_num;
    Ok(match pdu.command() {
        cmd::GROUP_NORMAL_LIST_REQUEST => {
            Some(Pdu::raw(cmd::GROUP_NORMAL_LIST_RESPONSE, seq, Bytes::new()))
        }
        cmd::GROUP_INFO_REQUEST => {
            let rsp = im::group::ImGroupInfoListRsp { user_id: user, ..Default::default() };
            Some(Pdu::new(cmd::GROUP_INFO_RESPONSE, seq, &rsp))
        }
        cmd::FILE_HAS_OFFLINE_REQ => {
            let rsp = im::file::ImFileHasOfflineRsp { user_id: user, ..Default::default() };
            Some(Pdu::new(cmd::FILE_HAS_OFFLINE_RES, seq, &rsp))
        }
        cmd::GROUP_CREATE_REQUEST => {
            let req: im::group::ImGroupCreateReq = pdu.view()?;
            let rsp = im::group::ImGroupCreateRsp {
                user_id: user,
                result_code: 1,
                group_name: req.group_name,
                user_id_list: req.member_id_list,
                ..Default::default()
            };
            Some(Pdu::new(cmd::GROUP_CREATE_RESPONSE, seq, &rsp))
        }
        cmd::GROUP_CHANGE_MEMBER_REQUEST => {
            let req: im::group::ImGroupChangeMemberReq = pdu.view()?;
            let rsp = im::group::ImGroupChangeMemberRsp {
                user_id: user,
                change_type: req.change_type,
                result_code: 1,
                group_id: req.group_id,
                ..Default::default()
            };
            Some(Pdu::new(cmd::GROUP_CHANGE_MEMBER_RESPONSE, seq, &rsp))
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

/// Passes db_proxy's reply on to the connection that asked, if it is there still, without the
/// attach. False: it is no such reply.
pub(super) fn reply(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<bool, Malformed> {
    let Some(relay) = of_reply(pdu.command()) else {
        turn.refused(link, pdu.command(), "unknown command");
        return Ok(false);
    };
    let reply = (relay.reply)(pdu)?;
    let Some(attach) = state.db.attach_of(turn, link, reply.attach.as_deref()) else {
        return Ok(false);
    };
    let asked = Asked { command: relay.request, seq: pdu.header.seq_num };
    state.in_flight.answered(link, attach.handle, asked);
    if let Some(conn) = state.find(reply.user, attach.handle) {
        let body = Edit::of(&pdu.body).clear(attach::FIELD).done();
        turn.send(conn, pdu.with_body(body));
    }
    Ok(true)
}
