//! 0204: details of some users.

use crate::{
    db_proxy::{
        message::by_id::placeholders,
        plumbing::{
            context::{Context, World},
            silent::Silent,
            text::text,
        },
        table::{carried, reply},
    },
    store::sql::{Outcome, Server, Value},
    wire::{
        Pdu, command,
        im::{
            base_define::UserInfo,
            buddy::{ImUsersInfoReq, ImUsersInfoRsp},
        },
    },
};
use std::collections::BTreeSet;

/// Lists those that exist, whatever their status; no ids: no SQL.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImUsersInfoReq = request.view()?;
    let ids: BTreeSet<u32> = asked.user_id_list.into_iter().collect();
    let mut user_info_list = Vec::new();
    if !ids.is_empty() {
        let text = format!("select * from IMUser where id in ({})", placeholders(ids.len()));
        let params: Vec<Value> = ids.into_iter().map(Value::from).collect();
        let found = cx.select(cx.on_failed_query(), Server::Replica, &text, &params).await?;
        user_info_list = infos(&found);
    }
    let response = ImUsersInfoRsp {
        user_id: asked.user_id,
        user_info_list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::BUDDY_LIST_USER_INFO_RESPONSE, &response))
}

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
