//! From command to handler.

use super::{
    all_users, by_id,
    context::{Context, World},
    departments, device_token, files, group_create, group_info, group_list, group_members,
    group_shield, keep_token, latest_id, msg_list, push_shield, read_ack, recent, remove_session,
    send, sign_info,
    silent::Silent,
    unread, users, validate,
};
use crate::wire::{Pdu, command as id};
use bytes::Bytes;

/// Serves one request: its reply, or why there is none.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    match request.command() {
        id::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST => recent::handle(cx, request).await,
        id::LOGIN_REQ_DEVICETOKEN => keep_token::handle(cx, request).await,
        id::LOGIN_REQ_PUSH_SHIELD => push_shield::set(cx, request).await,
        id::LOGIN_REQ_QUERY_PUSH_SHIELD => push_shield::query(cx, request).await,
        id::BUDDY_LIST_USER_INFO_REQUEST => users::handle(cx, request).await,
        id::BUDDY_LIST_ALL_USER_REQUEST => all_users::handle(cx, request).await,
        id::BUDDY_LIST_DEPARTMENT_REQUEST => departments::handle(cx, request).await,
        id::BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST => sign_info::handle(cx, request).await,
        id::BUDDY_LIST_REMOVE_SESSION_REQ => remove_session::handle(cx, request).await,
        id::MSG_DATA => send::handle(cx, request).await,
        id::MSG_READ_ACK => read_ack::handle(cx, request).await,
        id::MSG_UNREAD_CNT_REQUEST => unread::handle(cx, request).await,
        id::MSG_LIST_REQUEST => msg_list::handle(cx, request).await,
        id::MSG_GET_LATEST_MSG_ID_REQ => latest_id::handle(cx, request).await,
        id::MSG_GET_BY_MSG_ID_REQ => by_id::handle(cx, request).await,
        id::GROUP_NORMAL_LIST_REQUEST => group_list::handle(cx, request).await,
        id::GROUP_INFO_REQUEST => group_info::handle(cx, request).await,
        id::GROUP_CREATE_REQUEST => group_create::handle(cx, request).await,
        id::GROUP_CHANGE_MEMBER_REQUEST => group_members::handle(cx, request).await,
        id::GROUP_SHIELD_GROUP_REQUEST => group_shield::set(cx, request).await,
        id::FILE_HAS_OFFLINE_REQ => files::list(cx, request).await,
        id::FILE_ADD_OFFLINE_REQ => files::add(cx, request).await,
        id::FILE_DEL_OFFLINE_REQ => files::remove(cx, request).await,
        id::OTHER_VALIDATE_REQ => validate::handle(cx, request).await,
        id::OTHER_GET_DEVICE_TOKEN_REQ => device_token::handle(cx, request).await,
        id::OTHER_GET_SHIELD_REQ => group_shield::query(cx, request).await,
        _ => Err(Silent::NoHandler),
    }
}

/// A reply to a request: version 1, flag and reserved 0, the request's seq_num.
pub fn reply(request: &Pdu, command: u16, message: &impl prost::Message) -> Pdu {
    Pdu::new(command, request.header.seq_num, message)
}

/// The attach data of a reply: the request's, empty if it had none, but always there.
pub fn carried(attach: Option<Bytes>) -> Option<Bytes> {
    Some(attach.unwrap_or_default())
}
