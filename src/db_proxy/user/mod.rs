//! Users: who they are, their passwords and departments, and what they change of themselves.

pub mod all_users;
pub mod departments;
pub mod failures;
pub mod sign_info;
#[cfg(test)]
mod tests;
pub mod user_change;
pub mod users;
pub mod validate;
