//! Pushes to phones: where to, and when not.

pub mod device_token;
pub mod keep_token;
pub mod shield;
pub mod shield_status;

use crate::db_proxy::plumbing::handlers::handlers;

handlers! {
    LOGIN_REQ_DEVICETOKEN => keep_token::handle;
    LOGIN_REQ_PUSH_SHIELD => shield::set;
    LOGIN_REQ_QUERY_PUSH_SHIELD => shield::query;
    OTHER_GET_DEVICE_TOKEN_REQ => device_token::handle;
}
