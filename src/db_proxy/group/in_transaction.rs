//! Switch `members-from-store`: groups are made and their members changed in one transaction each.
//! Redis is written afterwards, for db_proxies without the switch; with the switch nothing depends
//! on it.
//!
//! When COMMIT has no answer, the store is read: if all is as asked, the change is a success. So is
//! a change that finds everybody as asked already (ours; the original answers an ADD of members
//! with result 1): a client whose answer was lost asks again.

use crate::{
    db_proxy::{
        data::{keys, session_key::Key, sql_text::placeholders},
        group::{
            members::{self, Change},
            membership, row,
        },
        message::{new_marks, relation},
        plumbing::{
            context::{Context, World},
            error::{OnFailure, StoreError},
            transaction::{Transaction, transact},
        },
    },
    mutants::Mutant,
    store::{
        cache::{Cache, Hash},
        sql::Value,
    },
    wire::im::group::{ImGroupChangeMemberReq, ImGroupCreateReq},
};
use std::collections::{BTreeMap, BTreeSet};

/// Makes a group of these members, in ascending order and at least one. Returns its id.
pub async fn create<W: World>(
    cx: &mut Context<W>,
    asked: &ImGroupCreateReq,
    members: &[u32],
) -> Result<u32, StoreError> {
    let group = transact(cx, &Creation { asked, members }).await?;
    row::start_counter(cx, group).await;
    note_joined(cx, group, members.iter().map(|user| (*user, cx.now)).collect()).await;
    Ok(group)
}

/// Adds members (`adds`) or takes them out; `None` if the user may not do it, or named nobody. If
/// all are as asked already, all who were named count as changed.
///
/// # Errors
/// [`StoreError::NotAllowed`] if there is no such group.
pub async fn change<W: World>(
    cx: &mut Context<W>,
    asked: &ImGroupChangeMemberReq,
    adds: bool,
) -> Result<Option<Change>, StoreError> {
    let (group, ids) = (asked.group_id, asked.member_id_list.iter().copied().collect());
    match transact(cx, &Changing { asked, adds, ids }).await? {
        Changed::Nothing => Ok(None),
        Changed::Before { change, joined } => {
            // The request that changed them may not have written Redis.
            note_joined(cx, group, joined).await;
            if !adds {
                note_left(cx, group, &change.changed).await;
            }
            Ok(Some(change))
        }
        Changed::Now(change) => {
            if adds {
                let joined = change.changed.iter().map(|user| (*user, cx.now)).collect();
                note_joined(cx, group, joined).await;
            } else {
                note_left(cx, group, &change.changed).await;
            }
            // With unread-from-store TTMember says after which message a member counts unread ones.
            if !cx.protocol().unread_from_store {
                members::set_read(cx, group, &change.changed).await;
            }
            Ok(Some(change))
        }
    }
}

/// Notes in Redis when users joined, in seconds, best effort. One after the other, as the original does it, the 200 that
/// may join at once take longer than a device waits.
async fn note_joined<W: World>(cx: &mut Context<W>, group: u32, joined: BTreeMap<u32, u32>) {
    let text = |number: u32| number.to_string().into_bytes();
    let fields: Hash = joined.into_iter().map(|(user, time)| (text(user), text(time))).collect();
    if let Err(error) = cx.cache().hset_each(&keys::members(group), &fields).await {
        tracing::warn!(%error, group, "members not in Redis");
    }
}

/// Notes in Redis that users left, best effort.
async fn note_left<W: World>(cx: &mut Context<W>, group: u32, users: &[u32]) {
    let fields: Vec<String> = users.iter().map(u32::to_string).collect();
    if let Err(error) = cx.cache().hdel_each(&keys::members(group), &fields).await {
        tracing::warn!(%error, group, "members still in Redis");
    }
}

struct Creation<'a> {
    asked: &'a ImGroupCreateReq,
    members: &'a [u32],
}

impl<W: World> Transaction<W> for Creation<'_> {
    type Done = u32;

    async fn run(&self, cx: &mut Context<W>) -> Result<u32, StoreError> {
        let group = match row::insert(cx, self.asked, self.members.len()).await? {
            0 => return Err(StoreError::NoEffect("group without an id")),
            group => group,
        };
        let mut members = self.members;
        if members.len() > 2 && cx.protocol().mutated(Mutant::NewGroupLacksOne) {
            members = &members[1..];
        }
        for &user in members {
            insert(cx, group, user);
        }
        relation::add_floor_of_group(cx, group);
        new_marks::add_group(cx, group);
        membership::hide(cx, group, self.members, 0);
        Ok(group)
    }

    /// Whether there is a group of that id. A MySQL before 8.0 that was restarted meanwhile may
    /// have given the id to another group, so creator and second must match too.
    async fn took_effect(&self, cx: &mut Context<W>, &group: &u32) -> Result<bool, StoreError> {
        const TEXT: &str = "select creator,created from IMGroup where id=?";
        let found = cx.primary(TEXT, &[group.into()]).await?;
        let number = |column| found.get(0, column).uint();
        let ours = (number("creator"), number("created")) == (self.asked.user_id, cx.now);
        Ok(!found.rows.is_empty() && ours)
    }
}

struct Changing<'a> {
    asked: &'a ImGroupChangeMemberReq,
    adds: bool,
    ids: BTreeSet<u32>,
}

/// What a change came to.
enum Changed {
    /// The user may not do it, or named nobody.
    Nothing,
    /// All named are as asked already.
    Before {
        /// The changed ones are all named.
        change: Change,
        /// When each of them joined, in seconds, if they are members.
        joined: BTreeMap<u32, u32>,
    },
    /// Some or all named have changed.
    Now(Change),
}

/// Locks the group first, so that changes of one group take turns and each sees all members.
impl<W: World> Transaction<W> for Changing<'_> {
    type Done = Changed;

    async fn run(&self, cx: &mut Context<W>) -> Result<Changed, StoreError> {
        const GROUP: &str = "select creator, type from IMGroup where id=? and status=0 for update";
        const UNLOCKED: &str = "select creator, type from IMGroup where id=? and status=0";
        const MEMBERS: &str = "select userId,status,updated from IMGroupMember where groupId=?";
        const COUNT: &str = "update IMGroup set userCnt=?, version=version+1 where id=?";
        const COUNT_ONLY: &str = "update IMGroup set userCnt=? where id=?";
        let group = self.asked.group_id;
        let text = match cx.protocol().mutated(Mutant::ChangesTakeNoTurns) {
            true => UNLOCKED,
            false => GROUP,
        };
        let found = cx.primary(text, &[group.into()]).await?;
        if found.rows.is_empty() {
            return Err(StoreError::NotAllowed("no such group"));
        }
        let may = members::may_change(&found, self.asked.user_id, self.adds)
            || cx.protocol().mutated(Mutant::AnyoneMayTakeOut);
        if !may || self.ids.is_empty() {
            return Ok(Changed::Nothing);
        }
        let after = self.adds && cx.protocol().mutated(Mutant::FloorLockedAfterMembers);
        let mut latest = match self.adds && !after {
            true => membership::hold_now(cx, group).await?,
            false => 0,
        };
        let found = cx.primary(MEMBERS, &[group.into()]).await?;
        if after {
            latest = membership::hold_now(cx, group).await?;
        }
        let (mut live, mut former) = (BTreeSet::new(), BTreeSet::new());
        let mut joined = BTreeMap::new();
        for row in 0..found.rows.len() {
            let number = |column| found.get(row, column).uint();
            let user = number("userId");
            if number("status") != 0 {
                former.insert(user);
                continue;
            }
            live.insert(user);
            if self.ids.contains(&user) {
                joined.insert(user, number("updated"));
            }
        }
        let changed: Vec<u32> = match self.adds {
            true => self.ids.difference(&live).copied().collect(),
            false => self.ids.intersection(&live).copied().collect(),
        };
        if changed.is_empty() {
            let changed = self.ids.iter().copied().collect();
            let current = live.into_iter().collect();
            return Ok(Changed::Before { change: Change { changed, current }, joined });
        }
        if cx.protocol().mutated(Mutant::ChangeNotStored) {
            return Ok(Changed::Now(Change { changed, current: live.into_iter().collect() }));
        }
        if self.adds {
            join(cx, group, &changed, &former, latest);
            live.extend(&changed);
        } else {
            leave(cx, group, &changed);
            live.retain(|user| !self.ids.contains(user));
        }
        let mut current: Vec<u32> = live.into_iter().collect();
        let text = match cx.protocol().mutated(Mutant::GroupVersionStays) {
            true => COUNT_ONLY,
            false => COUNT,
        };
        cx.defer(text, &[Value::Int(current.len() as i64), group.into()]);
        if cx.protocol().mutated(Mutant::ChangeNamesOneLess) {
            current.pop();
        }
        Ok(Changed::Now(Change { changed, current }))
    }

    async fn took_effect(&self, cx: &mut Context<W>, done: &Changed) -> Result<bool, StoreError> {
        let Changed::Now(change) = done else { return Ok(true) };
        let live = membership::members(cx, OnFailure::Fail, self.asked.group_id).await?;
        Ok(change.changed.iter().all(|user| live.contains(user) == self.adds))
    }
}

/// Makes users members who may read messages after `latest`.
fn join<W: World>(
    cx: &mut Context<W>,
    group: u32,
    users: &[u32],
    former: &BTreeSet<u32>,
    latest: u32,
) {
    let (back, new): (Vec<u32>, Vec<u32>) = users.iter().partition(|user| former.contains(user));
    if !back.is_empty() {
        let (among, mut params) = membership::among(group, &back);
        params.insert(0, cx.now.into());
        let text = format!("update IMGroupMember set status=0, updated=? {among}");
        cx.defer(text, &params);
    }
    for user in new {
        insert(cx, group, user);
    }
    let since_now: Vec<u32> = match cx.protocol().mutated(Mutant::RejoinKeepsFloor) {
        true => users.iter().copied().filter(|user| !former.contains(user)).collect(),
        false => users.to_vec(),
    };
    if !since_now.is_empty() {
        membership::hide(cx, group, &since_now, latest);
    }
}

/// Takes members out and removes their sessions with the group.
fn leave<W: World>(cx: &mut Context<W>, group: u32, users: &[u32]) {
    let (among, params) = membership::among(group, users);
    cx.defer(format!("update IMGroupMember set status=1 {among}"), &params);
    if cx.protocol().mutated(Mutant::LeaverKeepsSession) {
        return;
    }
    let any_type = cx.protocol().mutated(Mutant::LeaverLosesNamesakeSession);
    let text = format!(
        "update IMRecentSession set status=1, updated=? \
         where userId in ({}) and peerId=?{} and status=0",
        placeholders(users.len()),
        if any_type { "" } else { " and type=?" }
    );
    let mut params = vec![Value::from(cx.now)];
    params.extend(users.iter().copied().chain([group]).map(Value::from));
    params.extend((!any_type).then_some(Value::from(Key::GROUP)));
    cx.defer(text, &params);
}

fn insert<W: World>(cx: &mut Context<W>, group: u32, user: u32) {
    let params = [group, user, cx.now, cx.now].map(Value::from);
    cx.defer(members::INSERT, &params);
}
