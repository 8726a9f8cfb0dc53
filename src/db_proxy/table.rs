//! From command to handler.

use crate::{
    db_proxy::{
        file, group, message,
        plumbing::{
            context::{Context, World},
            silent::Silent,
        },
        push, session, user,
    },
    wire::{Pdu, command as id},
};

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
    BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST => session::recent::handle;
    LOGIN_REQ_DEVICETOKEN => push::keep_token::handle;
    LOGIN_REQ_PUSH_SHIELD => push::shield::set;
    LOGIN_REQ_QUERY_PUSH_SHIELD => push::shield::query;
    BUDDY_LIST_USER_INFO_REQUEST => user::users::handle;
    BUDDY_LIST_ALL_USER_REQUEST => user::all_users::handle;
    BUDDY_LIST_DEPARTMENT_REQUEST => user::departments::handle;
    BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST => user::sign_info::handle;
    BUDDY_LIST_REMOVE_SESSION_REQ => session::remove_session::handle;
    MSG_DATA => message::send::handle;
    MSG_READ_ACK => message::read_ack::handle;
    MSG_UNREAD_CNT_REQUEST => message::unread::handle;
    MSG_LIST_REQUEST => message::msg_list::handle;
    MSG_GET_LATEST_MSG_ID_REQ => message::latest_id::handle;
    MSG_GET_BY_MSG_ID_REQ => message::by_id::handle;
    GROUP_NORMAL_LIST_REQUEST => group::normal_list::handle;
    GROUP_INFO_REQUEST => group::info::handle;
    GROUP_CREATE_REQUEST => group::create::handle;
    GROUP_CHANGE_MEMBER_REQUEST => group::change_member::handle;
    GROUP_SHIELD_GROUP_REQUEST => group::shield::set;
    FILE_HAS_OFFLINE_REQ => file::list;
    FILE_ADD_OFFLINE_REQ => file::add;
    FILE_DEL_OFFLINE_REQ => file::remove;
    OTHER_VALIDATE_REQ => user::validate::handle;
    OTHER_GET_DEVICE_TOKEN_REQ => push::device_token::handle;
    OTHER_GET_SHIELD_REQ => group::shield::query;
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
