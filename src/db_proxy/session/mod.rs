//! Recent sessions of users.

pub mod recent;
pub mod remove_session;
pub mod sessions;

use crate::db_proxy::plumbing::handlers::handlers;

handlers! {
    BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST => recent::handle;
    BUDDY_LIST_REMOVE_SESSION_REQ => remove_session::handle;
}
