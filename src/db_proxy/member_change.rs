//! Switch `members-from-store`: groups are made and their members changed in one transaction
//! each. Redis follows, for db_proxies without the switch; when it does not, nothing is wrong here.

use super::{
    by_id::placeholders,
    context::{Context, StoreError, World},
    group_create, group_members, membership, relation, session,
    transaction::{Transaction, transact},
};
use crate::{
    store::sql::Value,
    wire::im::group::{ImGroupChangeMemberReq, ImGroupCreateReq},
};
use std::collections::BTreeSet;

/// Makes a group of these members, ascending and not none: its id.
pub async fn create<W: World>(
    cx: &mut Context<W>,
    asked: &ImGroupCreateReq,
    members: &[u32],
) -> Result<u32, StoreError> {
    let group = transact(cx, &Creation { asked, members }).await?;
    group_create::start_counter(cx, group).await;
    group_members::note_joined(cx, group, members).await;
    Ok(group)
}

/// Adds (`adds`) or removes members; `None` if the user may not do it, or nobody would change.
///
/// # Errors
/// [`StoreError::NotAllowed`] if there is no such group.
pub async fn change<W: World>(
    cx: &mut Context<W>,
    asked: &ImGroupChangeMemberReq,
    adds: bool,
) -> Result<Option<group_members::Change>, StoreError> {
    let ids = asked.member_id_list.iter().copied().collect();
    let done = transact(cx, &Changing { asked, adds, ids }).await?;
    if let Some(change) = &done {
        if adds {
            group_members::note_joined(cx, asked.group_id, &change.changed).await;
        } else {
            group_members::note_left(cx, asked.group_id, &change.changed).await;
        }
        // With unread-from-store TTMember says where the unread ones begin.
        if !cx.protocol().unread_from_store {
            group_members::set_read(cx, asked.group_id, &change.changed).await;
        }
    }
    Ok(done)
}

struct Creation<'a> {
    asked: &'a ImGroupCreateReq,
    members: &'a [u32],
}

impl<W: World> Transaction<W> for Creation<'_> {
    type Done = u32;

    async fn run(&self, cx: &mut Context<W>) -> Result<u32, StoreError> {
        let group = match group_create::insert(cx, self.asked, self.members.len()).await? {
            0 => return Err(StoreError::NoEffect("group without an id")),
            group => group,
        };
        for &user in self.members {
            insert(cx, group, user).await?;
        }
        relation::add_floor_of_group(cx, group).await?;
        membership::hide(cx, group, self.members, 0).await?;
        Ok(group)
    }
}

struct Changing<'a> {
    asked: &'a ImGroupChangeMemberReq,
    adds: bool,
    ids: BTreeSet<u32>,
}

/// Locks the group first: changes of one group take turns, and each sees who is in it.
impl<W: World> Transaction<W> for Changing<'_> {
    type Done = Option<group_members::Change>;

    async fn run(&self, cx: &mut Context<W>) -> Result<Self::Done, StoreError> {
        const GROUP: &str = "select creator, type from IMGroup where id=? and status=0 for update";
        const MEMBERS: &str = "select userId,status from IMGroupMember where groupId=?";
        const COUNT: &str = "update IMGroup set userCnt=?, version=version+1 where id=?";
        let group = self.asked.group_id;
        let found = cx.primary(GROUP, &[group.into()]).await?;
        if found.rows.is_empty() {
            return Err(StoreError::NotAllowed("no such group"));
        }
        if !group_members::may_change(&found, self.asked.user_id, self.adds) {
            return Ok(None);
        }
        let found = cx.primary(MEMBERS, &[group.into()]).await?;
        let (mut live, mut former) = (BTreeSet::new(), BTreeSet::new());
        for row in 0..found.rows.len() {
            let of_status =
                if found.get(row, "status").uint() == 0 { &mut live } else { &mut former };
            of_status.insert(found.get(row, "userId").uint());
        }
        let changed: Vec<u32> = match self.adds {
            true => self.ids.difference(&live).copied().collect(),
            false => self.ids.intersection(&live).copied().collect(),
        };
        if changed.is_empty() {
            return Ok(None);
        }
        if self.adds {
            join(cx, group, &changed, &former).await?;
            live.extend(&changed);
        } else {
            leave(cx, group, &changed).await?;
            live.retain(|user| !self.ids.contains(user));
        }
        let current: Vec<u32> = live.into_iter().collect();
        cx.primary(COUNT, &[Value::Int(current.len() as i64), group.into()]).await?;
        Ok(Some(group_members::Change { changed, current }))
    }
}

async fn join<W: World>(
    cx: &mut Context<W>,
    group: u32,
    users: &[u32],
    former: &BTreeSet<u32>,
) -> Result<(), StoreError> {
    let (back, new): (Vec<u32>, Vec<u32>) = users.iter().partition(|user| former.contains(user));
    if !back.is_empty() {
        let (among, mut params) = membership::among(group, &back);
        params.insert(0, cx.now.into());
        let text = format!("update IMGroupMember set status=0, updated=? {among}");
        cx.primary(&text, &params).await?;
    }
    for user in new {
        insert(cx, group, user).await?;
    }
    membership::hide_until_now(cx, group, users).await
}

/// Their sessions with the group go with them.
async fn leave<W: World>(cx: &mut Context<W>, group: u32, users: &[u32]) -> Result<(), StoreError> {
    let (among, params) = membership::among(group, users);
    cx.primary(&format!("update IMGroupMember set status=1 {among}"), &params).await?;
    let text = format!(
        "update IMRecentSession set status=1, updated=? \
         where userId in ({}) and peerId=? and type=? and status=0",
        placeholders(users.len())
    );
    let mut params = vec![Value::from(cx.now)];
    params.extend(users.iter().copied().chain([group, session::GROUP]).map(Value::from));
    cx.primary(&text, &params).await?;
    Ok(())
}

async fn insert<W: World>(cx: &mut Context<W>, group: u32, user: u32) -> Result<(), StoreError> {
    let params = [group, user, cx.now, cx.now].map(Value::from);
    cx.primary(group_members::INSERT, &params).await?;
    Ok(())
}
