//! 0401: the normal groups of a user, with their versions.

use crate::{
    db_proxy::{
        message::by_id::placeholders,
        plumbing::{
            context::{Context, OnFailure, StoreError, World},
            silent::Silent,
        },
        table::{carried, reply},
    },
    store::sql::{Server, Value},
    wire::{
        Pdu, command,
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
    let groups = memberships(cx, on_failure, asked.user_id).await?;
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
        group_version_list = (0..found.rows.len()).map(info).collect();
    }
    let response = ImNormalGroupListRsp {
        user_id: asked.user_id,
        group_version_list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::GROUP_NORMAL_LIST_RESPONSE, &response))
}

/// The groups that a user is in, by the last change of the membership, newest first.
pub async fn memberships<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<Vec<u32>, StoreError> {
    const TEXT: &str = "select groupId from IMGroupMember where userId=? and status = 0 \
        order by updated desc, id desc";
    let from_store = cx.protocol().members_from_store;
    let server = if from_store { Server::Primary } else { cx.reader() };
    let found = cx.select(on_failure, server, TEXT, &[user.into()]).await?;
    Ok((0..found.rows.len()).map(|row| found.get(row, "groupId").uint()).collect())
}
