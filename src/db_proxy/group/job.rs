//! The job of each db_proxy: carries a group's last message into its members' sessions
//! (SYSTEM.md section 6, "Job of each db_proxy").

use crate::{
    db_proxy::{
        data::{keys, session_key::Key, text::number},
        group::groups,
        plumbing::{
            context::{Context, World},
            error::StoreError,
        },
        session::sessions,
    },
    mutants::Mutant,
    store::{cache::Cache, sql::Server},
};
use std::collections::BTreeMap;

/// The time of a group's last message may be committed so many seconds after it was taken: a send waits for
/// its statements and for its turn (ours).
const LATE_S: u32 = 60;

/// What one round leaves to the next.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// From which second on it looks for messages.
    last: u32,
    /// With `honest-reads`: what it has carried of the groups that it found, up to which second.
    carried: BTreeMap<u32, u32>,
}

/// Runs the job for ever, beginning where the last db_proxy stopped, or now.
pub async fn run<W: World>(mut cx: Context<W>) {
    let kept = cx.cache().get(keys::GROUP_JOB).await.ok().flatten();
    let last = match kept.as_deref().map(number) {
        Some(time) if time != 0 => time,
        _ => {
            cx.start_request();
            mark(&mut cx).await;
            cx.now
        }
    };
    let mut progress = Progress { last, ..Progress::default() };
    let pause = cx.shared.timing.group_job();
    loop {
        tokio::time::sleep(pause).await;
        cx.start_request();
        round(&mut cx, &mut progress).await;
    }
}

/// One round over the groups with a message since the last one. What could not be read or carried is passed
/// over in the original; with `honest-reads` the next round looks for it again, and for what was committed
/// late.
pub(super) async fn round<W: World>(cx: &mut Context<W>, progress: &mut Progress) {
    const TEXT: &str = "select id, lastChated from IMGroup where status=0 and lastChated >=?";
    let honest = cx.protocol().honest_reads;
    let from = if honest { progress.last.saturating_sub(LATE_S) } else { progress.last };
    let found = cx.select(cx.on_failed_query(), Server::Replica, TEXT, &[from.into()]).await;
    if honest && found.is_err() {
        return;
    }
    mark(cx).await;
    let found = found.unwrap_or_default();
    let (mut carried, mut all) = (BTreeMap::new(), true);
    for row in 0..found.rows.len() {
        let (group, chatted) = (found.get(row, "id").uint(), found.get(row, "lastChated").uint());
        let is_done = honest && progress.carried.get(&group) == Some(&chatted);
        match is_done || carry_to_members(cx, group, chatted).await.is_ok() {
            true => drop(carried.insert(group, chatted)),
            false => all = false,
        }
    }
    progress.carried = carried;
    if all || !honest {
        progress.last = cx.now;
    }
}

async fn carry_to_members<W: World>(
    cx: &mut Context<W>,
    group: u32,
    chatted: u32,
) -> Result<(), StoreError> {
    let members = groups::members(cx, cx.on_failed_query(), group).await?;
    let mut done = Ok(());
    for member in members {
        if cx.protocol().mutated(Mutant::GroupJobIdles) {
            continue;
        }
        // One that fails is no reason to leave out the others.
        done = carry(cx, member, group, chatted).await.and(done);
    }
    done
}

async fn carry<W: World>(
    cx: &mut Context<W>,
    user: u32,
    group: u32,
    chatted: u32,
) -> Result<(), StoreError> {
    let (key, on_failure) = (Key::group(user, group), cx.on_failed_query());
    match sessions::find_any(cx, on_failure, key).await? {
        0 => {
            let id = sessions::add(cx, on_failure, key).await?;
            // It is as new as the message that it is made for, though another db_proxy took the time of that
            // and its clock is ahead of this one's.
            match cx.protocol().honest_reads && cx.now < chatted {
                true => sessions::touched(cx, id, chatted).await,
                false => Ok(()),
            }
        }
        // Its status stays: a removed session is not revived.
        id => sessions::touched(cx, id, chatted).await,
    }
}

async fn mark<W: World>(cx: &mut Context<W>) {
    if let Err(error) = cx.cache().set(keys::GROUP_JOB, &cx.now.to_string()).await {
        tracing::warn!(%error, "time of the group job not kept");
    }
}
