//! Switch `members-from-store`: who is in which group is what `IMGroupMember` says on the primary.
//! `TTMember` keeps after which message a member may read; a member who joined before the switch
//! was turned on may read from the second in which they joined.

use crate::{
    db_proxy::{
        data::sql_text::placeholders,
        message::relation,
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
        },
    },
    mutants::Mutant,
    store::sql::{Server, Value},
};
use std::collections::{BTreeMap, BTreeSet};

/// From where on a member may read a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// From the second in which they joined, by the clocks of msg_servers (the original).
    Second(u32),
    /// After the message that was the latest when they joined.
    Message(u32),
}

impl Since {
    /// The condition on a message's row, ` and …`, and its value.
    pub fn condition(self) -> (&'static str, Value) {
        match self {
            Self::Second(time) => (" and created>=?", time.into()),
            Self::Message(id) => (" and msgId>?", id.into()),
        }
    }

    /// The latest message that they may not read; 0 if that is not known by its id.
    pub fn hidden(self) -> u32 {
        match self {
            Self::Second(_) => 0,
            Self::Message(id) => id,
        }
    }
}

/// One group of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The group.
    pub group: u32,
    /// When they joined, in seconds.
    pub joined: u32,
    /// From where on they may read it.
    pub since: Since,
}

/// Whether a group is known.
pub async fn exists<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
) -> Result<bool, StoreError> {
    const TEXT: &str = "select id from IMGroup where id=? and status=0";
    let found = cx.select(on_failure, Server::Primary, TEXT, &[group.into()]).await?;
    Ok(!found.rows.is_empty())
}

/// When a user joined a group, in seconds; `None` if they are not in it.
pub async fn joined<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
    user: u32,
) -> Result<Option<u32>, StoreError> {
    const TEXT: &str =
        "select updated from IMGroupMember where groupId=? and userId=? and status=0";
    let params = [group, user].map(Value::from);
    let found = cx.select(on_failure, Server::Primary, TEXT, &params).await?;
    Ok((!found.rows.is_empty()).then(|| found.get(0, "updated").uint()))
}

/// From where on a user may read a group; `None` if they are not in it.
pub async fn since<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
    user: u32,
) -> Result<Option<Since>, StoreError> {
    const TEXT: &str = "select sinceId from TTMember where userId=? and groupId=?";
    let Some(joined) = joined(cx, on_failure, group, user).await? else { return Ok(None) };
    if cx.protocol().mutated(Mutant::FloorIgnoredByLists) {
        return Ok(Some(Since::Message(0)));
    }
    let params = [user, group].map(Value::from);
    let found = cx.select(on_failure, Server::Primary, TEXT, &params).await?;
    Ok(Some(match found.rows.is_empty() {
        true => Since::Second(joined),
        false => Since::Message(found.get(0, "sinceId").uint()),
    }))
}

/// Who joined a group after a message of it was stored, ascending; some of them may have left.
pub async fn joined_after<W: World>(
    cx: &mut Context<W>,
    group: u32,
    msg_id: u32,
) -> Result<BTreeSet<u32>, StoreError> {
    const TEXT: &str = "select userId from TTMember where groupId=? and sinceId>=?";
    let found = cx.primary(TEXT, &[group, msg_id].map(Value::from)).await?;
    Ok((0..found.rows.len()).map(|row| found.get(row, "userId").uint()).collect())
}

/// The members of a group, ascending.
pub async fn members<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    group: u32,
) -> Result<Vec<u32>, StoreError> {
    const TEXT: &str =
        "select userId from IMGroupMember where groupId=? and status=0 order by userId";
    let server = match cx.protocol().mutated(Mutant::MembersFromReplica) {
        true => Server::Replica,
        false => Server::Primary,
    };
    let found = cx.select(on_failure, server, TEXT, &[group.into()]).await?;
    Ok((0..found.rows.len()).map(|row| found.get(row, "userId").uint()).collect())
}

/// Which of these groups a user is in.
pub async fn own<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
    groups: &[Value],
) -> Result<Vec<Value>, StoreError> {
    let text = format!(
        "select groupId from IMGroupMember where userId=? and status=0 and groupId in ({})",
        placeholders(groups.len())
    );
    let params: Vec<Value> = [user.into()].into_iter().chain(groups.iter().cloned()).collect();
    let found = cx.select(on_failure, Server::Primary, &text, &params).await?;
    Ok((0..found.rows.len()).map(|row| found.get(row, "groupId")).collect())
}

/// The groups that a user is in, by the last change of the membership, newest first. The original
/// reads this from SQL too; without the switch it is read where lists are read, and the user may
/// read each group from the second in which they joined.
pub async fn of<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<Vec<Membership>, StoreError> {
    const GROUPS: &str = "select groupId,updated from IMGroupMember where userId=? and status = 0 \
        order by updated desc, id desc";
    const SINCE: &str = "select groupId,sinceId from TTMember where userId=?";
    let from_store = cx.protocol().members_from_store;
    let server = if from_store { Server::Primary } else { cx.reader() };
    let found = cx.select(on_failure, server, GROUPS, &[user.into()]).await?;
    let mut since = BTreeMap::new();
    if from_store && !found.rows.is_empty() {
        let known = cx.select(on_failure, server, SINCE, &[user.into()]).await?;
        for row in 0..known.rows.len() {
            since.insert(known.get(row, "groupId").uint(), known.get(row, "sinceId").uint());
        }
    }
    let membership = |row| {
        let (group, joined) = (found.get(row, "groupId").uint(), found.get(row, "updated").uint());
        let since = since.get(&group).copied().map_or(Since::Second(joined), Since::Message);
        Membership { group, joined, since }
    };
    Ok((0..found.rows.len()).map(membership).collect())
}

/// The ids of the groups that a user is in, in the same order.
pub async fn ids_of<W: World>(
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

/// In a transaction: makes sure that a user is a member, and stays one until the transaction ends.
///
/// # Errors
/// [`StoreError::NotAllowed`] if they are not.
pub async fn hold<W: World>(cx: &mut Context<W>, group: u32, user: u32) -> Result<(), StoreError> {
    const TEXT: &str =
        "select id from IMGroupMember where groupId=? and userId=? and status=0 for update";
    const UNLOCKED: &str = "select id from IMGroupMember where groupId=? and userId=? and status=0";
    let text = match cx.protocol().mutated(Mutant::MemberNotHeld) {
        true => UNLOCKED,
        false => TEXT,
    };
    match cx.primary(text, &[group, user].map(Value::from)).await?.rows.is_empty() {
        true => Err(StoreError::NotAllowed("not in the group")),
        false => Ok(()),
    }
}

/// In the transaction in which users join, before its first plain read: up to which message they may read nothing.
/// Every send moves the floor that is locked here, so behind a read it would be newer than what the
/// transaction sees (error 1020), as often as it is run again.
pub async fn hold_now<W: World>(cx: &mut Context<W>, group: u32) -> Result<u32, StoreError> {
    let latest = relation::hold_latest_of_group(cx, group).await?;
    Ok(if cx.protocol().mutated(Mutant::JoinerSeesAll) { 0 } else { latest })
}

/// In the transaction in which users join: lets them read only messages after `latest`.
pub fn hide<W: World>(cx: &mut Context<W>, group: u32, users: &[u32], latest: u32) {
    let text = format!(
        "insert into TTMember (`userId`,`groupId`,`sinceId`) values {} \
         on duplicate key update sinceId=values(sinceId)",
        vec!["(?,?,?)"; users.len()].join(",")
    );
    let params: Vec<Value> =
        users.iter().flat_map(|&user| [user, group, latest]).map(Value::from).collect();
    cx.defer(text, &params);
}

/// `where groupId=? and userId in (?,?,?)` and its values.
pub fn among(group: u32, users: &[u32]) -> (String, Vec<Value>) {
    let text = format!("where groupId=? and userId in ({})", placeholders(users.len()));
    (text, [group].iter().chain(users).map(|&id| Value::from(id)).collect())
}
