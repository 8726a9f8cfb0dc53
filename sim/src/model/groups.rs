//! What is said of groups.

use super::{
    Exchange, Judged, Reads, Says, Wrong,
    conversations::{exists, members, memberships},
    number,
    reads::listed,
    right,
    stores::View,
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id::{GROUP_INFO_REQUEST, GROUP_NORMAL_LIST_REQUEST, OTHER_GET_SHIELD_REQ},
    protocol::Protocol,
    wire::{
        attach::{Attach, kind},
        check,
        im::{
            base_define::{GroupInfo, GroupType, GroupVersionInfo, ShieldStatus},
            group::{
                ImGroupInfoListReq, ImGroupInfoListRsp, ImNormalGroupListReq, ImNormalGroupListRsp,
            },
            message::ImMsgData,
            server::{ImGroupGetShieldReq, ImGroupGetShieldRsp},
        },
    },
};

pub(super) const ANSWERS: &[(u16, &str, Says)] = &[
    (GROUP_NORMAL_LIST_REQUEST, "group-list", normal_list),
    (GROUP_INFO_REQUEST, "group-info", infos),
    (OTHER_GET_SHIELD_REQ, "mutes", mutes),
];

/// 0402: the normal groups that a user is in, with their versions, the last changed first.
fn normal_list(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImNormalGroupListReq, ImNormalGroupListRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    let own = |view: View<'_>| -> BTreeSet<u32> {
        memberships(view, exchange.protocol, asked.user_id).iter().map(|own| own.group).collect()
    };
    reads.choose(own, |own, rest| {
        let groups = |view: View<'_>| -> Vec<(u32, GroupVersionInfo)> {
            let normal = view.rows("IMGroup").filter(|row| {
                own.contains(&row.uint("id")) && row.uint("type") == GroupType::Normal as u32
            });
            let info = |row: super::stores::Row<'_>| GroupVersionInfo {
                group_id: row.uint("id"),
                version: row.uint("version"),
            };
            normal.map(|row| (row.uint("updated"), info(row))).collect()
        };
        rest.holds(groups, |found| {
            listed("groups", &answer.group_version_list, found.clone(), usize::MAX)
        })
    })
}

/// What a 0403 asks for, and in whose name.
struct Asked<'a> {
    protocol: &'a Protocol,
    user: u32,
    /// The versions that whoever asks has.
    versions: BTreeMap<u32, u32>,
    /// Only groups that the user is in are shown (`members-from-store`), unless a message that they
    /// sent is to be pushed.
    only_own: bool,
    /// The message that is to be pushed: those who joined after it are not among the members.
    pushed: Option<u32>,
}

/// 0404: the groups that are newer than the versions asked with, the last changed first, with their
/// members.
fn infos(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImGroupInfoListReq, ImGroupInfoListRsp>();
    let Some((question, answer)) = both else { return Ok(()) };
    let protocol = exchange.protocol;
    let attach = question.attach_data.as_deref().and_then(Attach::decode);
    let fan_out = attach.filter(|attach| protocol.members_from_store && attach.kind == kind::GROUP);
    let asked = Asked {
        protocol,
        user: question.user_id,
        versions: question.group_version_list.iter().map(|v| (v.group_id, v.version)).collect(),
        only_own: protocol.members_from_store && fan_out.is_none(),
        pushed: fan_out
            .and_then(|attach| Some(check::decode::<ImMsgData>(&attach.pdu?).ok()?.msg_id)),
    };
    let said = &answer.group_info_list;
    if said.is_empty() && asked.pushed.is_some() && exchange.may_lack_a_store() {
        // Nobody waits for a refusal here: members that can't be read are said to be none, and
        // msg_server tells its clients that they may have missed a message.
        return Ok(());
    }
    reads.choose(
        |view| asked.rows(view),
        |rows, rest| {
            let start = *rest;
            let mut before = u32::MAX;
            for info in said {
                let row = rows.iter().find(|(_, row)| row.group_id == info.group_id);
                let said = GroupInfo { group_member_list: Vec::new(), ..info.clone() };
                let Some((updated, _)) = row.filter(|(_, row)| *row == said) else {
                    return Err(Wrong(format!("{said:?}, where the stores have {row:?}")));
                };
                right(*updated <= before, || format!("group {} too late", info.group_id))?;
                before = *updated;
                asked.judge_members(info, rest)?;
            }
            let listed: BTreeSet<u32> = said.iter().map(|info| info.group_id).collect();
            let left_out = rows.iter().filter(|(_, row)| !listed.contains(&row.group_id));
            for group in left_out.map(|(_, row)| row.group_id) {
                right(asked.only_own, || format!("nothing of group {group}, which is there"))?;
                start.clone().equals(
                    &format!("that user {} is no member", asked.user),
                    &false,
                    |v| members(v, protocol, group).contains(&asked.user),
                )?;
            }
            right(listed.len() == said.len(), || "a group twice".to_string())
        },
    )
}

impl Asked<'_> {
    /// The groups that are newer, without their members, each with its last change.
    fn rows(&self, view: View<'_>) -> Vec<(u32, GroupInfo)> {
        let newer = view.rows("IMGroup").filter(|row| {
            let known = self.versions.get(&row.uint("id"));
            known.is_some_and(|version| row.uint("version") > *version)
                && exists(view, self.protocol, row.uint("id"))
                && GroupType::try_from(row.uint("type") as i32).is_ok()
        });
        let info = |row: super::stores::Row<'_>| GroupInfo {
            group_id: row.uint("id"),
            version: row.uint("version"),
            group_name: row.bytes("name"),
            group_avatar: row.bytes("avatar"),
            group_creator_id: row.uint("creator"),
            group_type: row.uint("type") as i32,
            shield_status: 0,
            group_member_list: Vec::new(),
        };
        newer.map(|row| (row.uint("updated"), info(row))).collect()
    }

    fn judge_members(&self, info: &GroupInfo, rest: &mut Reads<'_>) -> Judged {
        let said = &info.group_member_list;
        let what = format!("of group {} the members", info.group_id);
        rest.choose(
            |view| members(view, self.protocol, info.group_id),
            |all, rest| {
                right(!self.only_own || all.contains(&self.user), || {
                    format!("group {} to user {}, who is no member", info.group_id, self.user)
                })?;
                rest.equals(&what, said, |view| {
                    let late = self.joined_after(view, info.group_id);
                    all.iter().filter(|user| !late.contains(user)).copied().collect()
                })
            },
        )
    }

    /// Who joined a group after the message that is to be pushed.
    fn joined_after(&self, view: View<'_>, group: u32) -> BTreeSet<u32> {
        let Some(msg_id) = self.pushed else { return BTreeSet::new() };
        let late = view
            .rows("TTMember")
            .filter(|row| row.uint("groupId") == group && row.uint("sinceId") >= msg_id);
        late.map(|row| row.uint("userId")).collect()
    }
}

/// 0712: whether each of these users has muted a group, ascending; who has set nothing has not. Nobody is
/// said to have if Redis does not answer: one push too many is better than one too few.
fn mutes(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImGroupGetShieldReq, ImGroupGetShieldRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    let users: BTreeSet<u32> = asked.user_id.iter().copied().collect();
    let said = &answer.shield_status_list;
    let unmuted =
        |&user_id: &u32| ShieldStatus { user_id, group_id: asked.group_id, shield_status: 0 };
    let judged = reads.equals("mutes", said, |view| {
        let status = |&user_id: &u32| {
            let set = view.field(&format!("group_set_{}", asked.group_id), &format!("{user_id}_1"));
            let shield_status = set.map_or(0, |status| number(status));
            ShieldStatus { user_id, group_id: asked.group_id, shield_status }
        };
        users.iter().map(status).collect()
    });
    let none = users.iter().map(unmuted).collect::<Vec<_>>();
    if judged.is_err() && *said == none && exchange.may_lack_a_store() {
        return Ok(());
    }
    judged
}
