//! Rows of IMUser as they are sent.

use crate::{db_proxy::data::text::text, store::sql::Outcome, wire::im::base_define::UserInfo};

/// All rows of IMUser as they are sent.
pub fn infos(found: &Outcome) -> Vec<UserInfo> {
    (0..found.rows.len()).map(|row| info(found, row, found.get(row, "status").uint())).collect()
}

/// A row of IMUser.
pub fn info(found: &Outcome, row: usize, status: u32) -> UserInfo {
    let number = |name| found.get(row, name).uint();
    let words = |name| text(found.get(row, name).bytes());
    UserInfo {
        user_id: number("id"),
        user_gender: number("sex"),
        user_nick_name: words("nick"),
        avatar_url: words("avatar"),
        department_id: number("departId"),
        email: words("email"),
        user_real_name: words("name"),
        user_tel: words("phone"),
        user_domain: words("domain"),
        status,
        sign_info: Some(words("sign_info")),
    }
}
