//! 0204: details of some users.

use crate::{
    catalogue::id as command,
    db_proxy::{
        plumbing::{
            context::{Context, World},
            reply::{carried, reply},
            silent::Silent,
        },
        user::{row, select},
    },
    mutants::Mutant,
    wire::{
        Pdu,
        im::buddy::{ImUsersInfoReq, ImUsersInfoRsp},
    },
};
use std::collections::BTreeSet;

/// Lists those that exist, whatever their status; no ids: no SQL.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImUsersInfoReq = request.view()?;
    let ids: BTreeSet<u32> = asked.user_id_list.into_iter().collect();
    let found = select::by_id(cx, "IMUser", ids.into_iter()).await?;
    let mut user_info_list = row::infos(&found);
    if user_info_list.len() > 1 && cx.protocol().mutated(Mutant::UserInfoLacksLast) {
        user_info_list.pop();
    }
    if !user_info_list.is_empty() && cx.protocol().mutated(Mutant::NamesSwapped) {
        for user in &mut user_info_list {
            std::mem::swap(&mut user.user_nick_name, &mut user.user_real_name);
        }
    }
    let response = ImUsersInfoRsp {
        user_id: asked.user_id,
        user_info_list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::BUDDY_LIST_USER_INFO_RESPONSE, &response))
}
