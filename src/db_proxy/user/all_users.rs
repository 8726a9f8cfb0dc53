//! 0208: the users that changed since a time.

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
    store::sql::Server,
    wire::{
        Pdu,
        im::buddy::{ImAllUserReq, ImAllUserRsp},
    },
};

/// For time 0 lists all users who have not left, else those who changed since. Reads the store only
/// if this process knows of a change after that time, or (`user-changes-from-store`) always: another
/// process may have made it.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    const ALL: &str = "from IMUser where status != 3";
    const CHANGED: &str = "from IMUser where updated>=?";
    let asked: ImAllUserReq = request.view()?;
    let since = asked.latest_update_time;
    let mut latest_update_time = since;
    let mut user_list = Vec::new();
    if cx.protocol().user_changes_from_store || cx.shared.caches.user_change.last() > since {
        let (of, params) = match since {
            0 => (ALL, vec![]),
            _ => (CHANGED, vec![since.into()]),
        };
        let found = if cx.protocol().user_changes_from_store {
            let on_failure = cx.on_failed_query();
            cx.select(on_failure, Server::Replica, &format!("select * {of}"), &params).await?
        } else {
            select::changed(cx, "IMUser", &format!("select id, updated {of}"), &params).await?
        };
        user_list = row::infos(&found);
        if !user_list.is_empty() && cx.protocol().mutated(Mutant::UserListLacksLast) {
            user_list.pop();
        }
        let updated = (0..found.rows.len()).map(|row| found.get(row, "updated").uint());
        latest_update_time = updated.fold(since, u32::max);
    }
    let response = ImAllUserRsp {
        user_id: asked.user_id,
        latest_update_time,
        user_list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::BUDDY_LIST_ALL_USER_RESPONSE, &response))
}
