//! What a PDU to a device tells of groups, and for whom it is.

use crate::{
    properties::{
        Seen,
        wire::{Message, is_group},
    },
    record::Frame,
};
use teamtalk::{
    catalogue::id as command,
    conversation::Chat,
    wire::im::{
        base_define::MsgInfo,
        buddy::ImRecentContactSessionRsp,
        group::{ImGroupChangeMemberNotify, ImGroupInfoListRsp, ImNormalGroupListRsp},
        message::{ImGetLatestMsgIdRsp, ImGetMsgByIdRsp, ImGetMsgListRsp, ImUnreadMsgCntRsp},
    },
};

/// What a PDU tells of one group.
#[derive(Debug)]
pub struct OfGroup {
    /// The group's id.
    pub group: u32,
    /// Users who were members at some time since then may be told.
    pub since: Since,
    /// The msg_ids of its messages that are shown.
    pub shown: Vec<u32>,
}

/// The moment since which a user must have been a member.
#[derive(Debug)]
pub enum Since {
    /// When the question arrived that this answers.
    Question,
    /// When the question arrived or, if that is earlier, when what is shown was committed.
    Shown,
    /// When the message that is pushed was committed; with its msg_id.
    Pushed(Message, u32),
}

/// What a PDU tells of groups.
pub fn of_groups(seen: &Seen<'_>, pdu: &Frame) -> Option<Vec<OfGroup>> {
    let answer = |group, shown| OfGroup { group, since: Since::Question, shown };
    let history = |session_type, id, shown: Vec<u32>| match Chat::of(session_type, id) {
        Chat::Group(group) if !shown.is_empty() => vec![answer(group, shown)],
        _ => Vec::new(),
    };
    let some = |msg_id: u32| (msg_id != 0).then_some(msg_id).into_iter().collect::<Vec<_>>();
    Some(match pdu.command() {
        command::MSG_DATA => {
            let m = &seen.data.as_ref()?.body;
            if !is_group(m.msg_type) {
                return None;
            }
            let since = Since::Pushed(seen.message.clone()?, m.msg_id);
            vec![OfGroup { group: m.to_session_id, since, shown: Vec::new() }]
        }
        command::MSG_LIST_RESPONSE => {
            let answer = pdu.view::<ImGetMsgListRsp>().ok()?;
            history(answer.session_type, answer.session_id, ids(&answer.msg_list))
        }
        command::MSG_GET_BY_MSG_ID_RES => {
            let answer = pdu.view::<ImGetMsgByIdRsp>().ok()?;
            history(answer.session_type, answer.session_id, ids(&answer.msg_list))
        }
        command::MSG_GET_LATEST_MSG_ID_RSP => {
            let answer = pdu.view::<ImGetLatestMsgIdRsp>().ok()?;
            history(answer.session_type, answer.session_id, some(answer.latest_msg_id))
        }
        command::GROUP_NORMAL_LIST_RESPONSE => {
            let told = pdu.view::<ImNormalGroupListRsp>().ok()?;
            told.group_version_list.iter().map(|of| answer(of.group_id, Vec::new())).collect()
        }
        command::GROUP_INFO_RESPONSE => {
            let told = pdu.view::<ImGroupInfoListRsp>().ok()?;
            told.group_info_list.iter().map(|info| answer(info.group_id, Vec::new())).collect()
        }
        command::MSG_UNREAD_CNT_RESPONSE => {
            let told = pdu.view::<ImUnreadMsgCntRsp>().ok()?;
            let infos = told.unreadinfo_list.iter();
            let of = infos.filter_map(|info| match Chat::of(info.session_type, info.session_id) {
                Chat::Group(group) => Some(answer(group, some(info.latest_msg_id))),
                Chat::User(_) => None,
            });
            of.collect()
        }
        // A session stays when its user has left the group, and may go on to show what was the
        // latest message then.
        command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE => {
            let told = pdu.view::<ImRecentContactSessionRsp>().ok()?;
            let sessions = told.contact_session_list.iter();
            let of = sessions.filter_map(|s| match Chat::of(s.session_type, s.session_id) {
                Chat::Group(group) if s.latest_msg_id != 0 => {
                    Some(OfGroup { since: Since::Shown, ..answer(group, some(s.latest_msg_id)) })
                }
                _ => None,
            });
            of.collect()
        }
        _ => return None,
    })
}

/// Says for whom a PDU is, if it is not for this user.
pub fn whose(seen: &Seen<'_>, pdu: &Frame, user: u32) -> Option<String> {
    let owner = match pdu.command() {
        command::MSG_DATA => {
            let m = &seen.data.as_ref()?.body;
            let member = user == m.from_user_id || user == m.to_session_id;
            let pair = || format!("a message from user {} to {}", m.from_user_id, m.to_session_id);
            return (!is_group(m.msg_type) && !member).then(pair);
        }
        command::GROUP_CHANGE_MEMBER_NOTIFY => {
            let notice = pdu.view::<ImGroupChangeMemberNotify>().ok()?;
            let named = [&notice.cur_user_id_list, &notice.chg_user_id_list];
            let whose = || {
                let group = notice.group_id;
                format!("of group {group}; user {user} neither is in it nor came or went")
            };
            return named.iter().all(|users| !users.contains(&user)).then(whose);
        }
        command::MSG_LIST_RESPONSE => pdu.view::<ImGetMsgListRsp>().ok()?.user_id,
        command::MSG_GET_BY_MSG_ID_RES => pdu.view::<ImGetMsgByIdRsp>().ok()?.user_id,
        command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE => {
            pdu.view::<ImRecentContactSessionRsp>().ok()?.user_id
        }
        command::MSG_UNREAD_CNT_RESPONSE => pdu.view::<ImUnreadMsgCntRsp>().ok()?.user_id,
        _ => return None,
    };
    (owner != user).then(|| format!("which is for user {owner}"))
}

fn ids(rows: &[MsgInfo]) -> Vec<u32> {
    rows.iter().map(|row| row.msg_id).collect()
}
