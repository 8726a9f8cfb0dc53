//! The job of each db_proxy: carries a group's last message into its members' sessions
//! (SYSTEM.md section 6, "Job of each db_proxy").

use crate::{
    db_proxy::{
        data::{keys, session_key::Key, text::number},
        group::groups,
        plumbing::{
            context::{Context, World},
            error::OnFailure,
        },
        session::sessions,
    },
    mutants::Mutant,
    store::{cache::Cache, sql::Server},
};

/// Runs the job for ever, beginning where the last db_proxy stopped, or now.
pub async fn run<W: World>(mut cx: Context<W>) {
    let kept = cx.cache().get(keys::GROUP_JOB).await.ok().flatten();
    let mut last = match kept.as_deref().map(number) {
        Some(time) if time != 0 => time,
        _ => {
            cx.start_request();
            mark(&mut cx).await;
            cx.now
        }
    };
    let pause = cx.shared.timing.group_job();
    loop {
        tokio::time::sleep(pause).await;
        cx.start_request();
        last = round(&mut cx, last).await;
    }
}

/// One round over the groups with a message since `last`. Returns the time from which the next
/// round looks.
async fn round<W: World>(cx: &mut Context<W>, last: u32) -> u32 {
    const TEXT: &str = "select id, lastChated from IMGroup where status=0 and lastChated >=?";
    let found = cx.select(OnFailure::Empty, Server::Replica, TEXT, &[last.into()]).await;
    mark(cx).await;
    let found = found.unwrap_or_default();
    for row in 0..found.rows.len() {
        let (group, chatted) = (found.get(row, "id").uint(), found.get(row, "lastChated").uint());
        let members = groups::members(cx, OnFailure::Empty, group).await;
        for member in members.unwrap_or_default() {
            if cx.protocol().mutated(Mutant::GroupJobIdles) {
                continue;
            }
            carry(cx, member, group, chatted).await;
        }
    }
    cx.now
}

async fn carry<W: World>(cx: &mut Context<W>, user: u32, group: u32, chatted: u32) {
    let key = Key::group(user, group);
    match sessions::find_any(cx, OnFailure::Empty, key).await.unwrap_or(0) {
        0 => {
            let _ = sessions::add(cx, OnFailure::Empty, key).await;
        }
        // Its status stays: a removed session is not revived.
        id => sessions::touch(cx, id, chatted).await,
    }
}

async fn mark<W: World>(cx: &mut Context<W>) {
    if let Err(error) = cx.cache().set(keys::GROUP_JOB, &cx.now.to_string()).await {
        tracing::warn!(%error, "time of the group job not kept");
    }
}
