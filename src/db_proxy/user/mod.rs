//! Users: who they are, their passwords and departments, and what they change of themselves.

pub mod all_users;
pub mod departments;
pub mod row;
pub mod select;
pub mod sign_info;
#[cfg(test)]
mod tests;
pub mod user_change;
pub mod users;
pub mod validate;

use crate::db_proxy::plumbing::handlers::handlers;

handlers! {
    BUDDY_LIST_USER_INFO_REQUEST => users::handle;
    BUDDY_LIST_ALL_USER_REQUEST => all_users::handle;
    BUDDY_LIST_DEPARTMENT_REQUEST => departments::handle;
    BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST => sign_info::handle;
    OTHER_VALIDATE_REQ => validate::handle;
}
