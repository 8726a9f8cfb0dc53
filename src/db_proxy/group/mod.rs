//! Groups: what they are, who is in them, and what changes that.

pub mod change_member;
pub mod create;
pub mod groups;
pub mod in_transaction;
pub mod info;
pub mod job;
pub mod members;
pub mod membership;
pub mod normal_list;
pub mod row;
pub mod shield;
#[cfg(test)]
mod tests;

use crate::db_proxy::plumbing::handlers::handlers;

handlers! {
    GROUP_NORMAL_LIST_REQUEST => normal_list::handle;
    GROUP_INFO_REQUEST => info::handle;
    GROUP_CREATE_REQUEST => create::handle;
    GROUP_CHANGE_MEMBER_REQUEST => change_member::handle;
    GROUP_SHIELD_GROUP_REQUEST => shield::set;
    OTHER_GET_SHIELD_REQ => shield::query;
}
