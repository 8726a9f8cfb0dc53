//! 0401: the normal groups of a user, with their versions.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::sql_text::placeholders,
        group::membership,
        plumbing::{
            context::{Context, World},
            reply::{carried, reply},
            silent::Silent,
        },
    },
    mutants::Mutant,
    store::sql::Value,
    wire::{
        Pdu,
        im::{
            base_define::{GroupType, GroupVersionInfo},
            group::{ImNormalGroupListReq, ImNormalGroupListRsp},
        },
    },
};

/// Lists them by their last change, newest first.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    let asked: ImNormalGroupListReq = request.view()?;
    let on_failure = cx.on_failed_query();
    let groups = membership::ids_of(cx, on_failure, asked.user_id).await?;
    let mut group_version_list = Vec::new();
    if !groups.is_empty() {
        let text = format!(
            "select id,version from IMGroup where id in ({}) and type=? order by updated desc",
            placeholders(groups.len())
        );
        let kind = GroupType::Normal as u32;
        let params: Vec<Value> = groups.into_iter().chain([kind]).map(Value::from).collect();
        let found = cx.select(on_failure, cx.reader(), &text, &params).await?;
        let info = |row| GroupVersionInfo {
            group_id: found.get(row, "id").uint(),
            version: found.get(row, "version").uint(),
        };
        let first = usize::from(cx.protocol().mutated(Mutant::GroupListLacksFirst));
        group_version_list = (first..found.rows.len()).map(info).collect();
    }
    let response = ImNormalGroupListRsp {
        user_id: asked.user_id,
        group_version_list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::GROUP_NORMAL_LIST_RESPONSE, &response))
}
