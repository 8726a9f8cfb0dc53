//! Messages: stored, read, listed and counted.

pub mod audio;
pub mod by_id;
pub mod counts;
pub mod first_marks;
pub mod group_send;
pub mod latest_id;
pub mod messages;
pub mod msg_list;
pub mod new_marks;
pub mod old_counters;
pub mod read_ack;
pub mod read_mark;
pub mod relation;
pub mod send;
pub mod single;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod unread;
pub mod written;

use crate::db_proxy::plumbing::handlers::handlers;

handlers! {
    MSG_DATA => send::handle;
    MSG_READ_ACK => read_ack::handle;
    MSG_UNREAD_CNT_REQUEST => unread::handle;
    MSG_LIST_REQUEST => msg_list::handle;
    MSG_GET_LATEST_MSG_ID_REQ => latest_id::handle;
    MSG_GET_BY_MSG_ID_REQ => by_id::handle;
}
