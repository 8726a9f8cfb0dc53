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

macro_rules! handlers {
    ($($command:ident => $handler:path;)*) => {
        /// Serves one request: its reply, or why there is none.
        pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
            match request.command() {
                $(id::$command => $handler(cx, request).await,)*
                _ => Err(Silent::NoHandler),
            }
        }

        #[cfg(test)]
        fn serves(command: u16) -> bool {
            matches!(command, $(id::$command)|*)
        }
    };
}

handlers! {
    BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST => recent::handle;
    LOGIN_REQ_DEVICETOKEN => keep_token::handle;
    LOGIN_REQ_PUSH_SHIELD => push_shield::set;
    LOGIN_REQ_QUERY_PUSH_SHIELD => push_shield::query;
    BUDDY_LIST_USER_INFO_REQUEST => users::handle;
    BUDDY_LIST_ALL_USER_REQUEST => all_users::handle;
    BUDDY_LIST_DEPARTMENT_REQUEST => departments::handle;
    BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST => sign_info::handle;
    BUDDY_LIST_REMOVE_SESSION_REQ => remove_session::handle;
    MSG_DATA => send::handle;
    MSG_READ_ACK => read_ack::handle;
    MSG_UNREAD_CNT_REQUEST => unread::handle;
    MSG_LIST_REQUEST => msg_list::handle;
    MSG_GET_LATEST_MSG_ID_REQ => latest_id::handle;
    MSG_GET_BY_MSG_ID_REQ => by_id::handle;
    GROUP_NORMAL_LIST_REQUEST => group_list::handle;
    GROUP_INFO_REQUEST => group_info::handle;
    GROUP_CREATE_REQUEST => group_create::handle;
    GROUP_CHANGE_MEMBER_REQUEST => group_members::handle;
    GROUP_SHIELD_GROUP_REQUEST => group_shield::set;
    FILE_HAS_OFFLINE_REQ => files::list;
    FILE_ADD_OFFLINE_REQ => files::add;
    FILE_DEL_OFFLINE_REQ => files::remove;
    OTHER_VALIDATE_REQ => validate::handle;
    OTHER_GET_DEVICE_TOKEN_REQ => device_token::handle;
    OTHER_GET_SHIELD_REQ => group_shield::query;
}

/// A reply to a request: version 1, flag and reserved 0, the request's seq_num.
pub fn reply(request: &Pdu, command: u16, message: &impl prost::Message) -> Pdu {
    Pdu::new(command, request.header.seq_num, message)
}

/// The attach data of a reply: the request's, empty if it had none, but always there.
pub fn carried(attach: Option<Bytes>) -> Option<Bytes> {
    Some(attach.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::serves;
    use crate::catalogue::{ALL, Peer, Serve};

    #[test]
    fn a_command_has_a_handler_where_the_catalogue_says_so_and_nowhere_else() {
        for command in &ALL {
            let says = command.served(Peer::Msg, Peer::Db) == Some(Serve::Handler);
            assert_eq!(serves(command.id), says, "{}", command.name);
        }
    }
}
