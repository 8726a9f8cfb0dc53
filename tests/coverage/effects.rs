//! What must come of the workload, beyond a command being on the wire.

use teamtalk::{
    catalogue::id as cmd,
    wire::{
        Pdu,
        im::{
            base_define::{GroupModifyType, MsgType},
            buddy::{ImAllUserRsp, ImDepartmentRsp},
            file::ImFileHasOfflineRsp,
            group::{
                ImGroupChangeMemberRsp, ImGroupCreateRsp, ImGroupInfoListRsp, ImNormalGroupListRsp,
            },
            message::{ImGetMsgListRsp, ImUnreadMsgCntRsp},
            server::ImPushToUserReq,
        },
    },
};

/// All of them: each has to be seen.
pub const ALL: [&str; 14] = [
    "a group is created",
    "members are added",
    "members are taken out",
    "a change of members is denied",
    "a group list has a group",
    "a group info has members",
    "a group has something unread",
    "a group's messages are pulled",
    "a voice message is pulled",
    "a push of a group's message",
    "a push of another message",
    "a file waits",
    "users are listed",
    "departments are listed",
];

/// Those that a PDU, as it is read, shows.
pub fn of(pdu: &Pdu) -> Vec<&'static str> {
    effect(pdu).into_iter().collect()
}

fn effect(pdu: &Pdu) -> Option<&'static str> {
    const GROUP: i32 = 2;
    let seen = |seen: bool, effect| seen.then_some(effect);
    match pdu.command() {
        cmd::GROUP_CREATE_RESPONSE => {
            seen(pdu.view::<ImGroupCreateRsp>().ok()?.result_code == 0, ALL[0])
        }
        cmd::GROUP_CHANGE_MEMBER_RESPONSE => {
            let rsp: ImGroupChangeMemberRsp = pdu.view().ok()?;
            match (rsp.result_code, GroupModifyType::try_from(rsp.change_type).ok()?) {
                (0, GroupModifyType::Add) => Some(ALL[1]),
                (0, GroupModifyType::Del) => Some(ALL[2]),
                _ => Some(ALL[3]),
            }
        }
        cmd::GROUP_NORMAL_LIST_RESPONSE => {
            seen(!pdu.view::<ImNormalGroupListRsp>().ok()?.group_version_list.is_empty(), ALL[4])
        }
        cmd::GROUP_INFO_RESPONSE => {
            let rsp: ImGroupInfoListRsp = pdu.view().ok()?;
            seen(rsp.group_info_list.iter().any(|g| !g.group_member_list.is_empty()), ALL[5])
        }
        cmd::MSG_UNREAD_CNT_RESPONSE => {
            let rsp: ImUnreadMsgCntRsp = pdu.view().ok()?;
            let unread = |i: &teamtalk::wire::im::base_define::UnreadInfo| {
                i.session_type == GROUP && i.unread_cnt > 0
            };
            seen(rsp.unreadinfo_list.iter().any(unread), ALL[6])
        }
        cmd::MSG_LIST_RESPONSE => {
            let rsp: ImGetMsgListRsp = pdu.view().ok()?;
            let audio = [MsgType::SingleAudio, MsgType::GroupAudio].map(|kind| kind as i32);
            if rsp.msg_list.iter().any(|m| audio.contains(&m.msg_type)) {
                return Some(ALL[8]);
            }
            seen(rsp.session_type == GROUP && !rsp.msg_list.is_empty(), ALL[7])
        }
        cmd::OTHER_PUSH_TO_USER_REQ => {
            let push: ImPushToUserReq = pdu.view().ok()?;
            let of_group = String::from_utf8_lossy(&push.data).contains("group_id");
            Some(if of_group { ALL[9] } else { ALL[10] })
        }
        cmd::FILE_HAS_OFFLINE_RES => {
            seen(!pdu.view::<ImFileHasOfflineRsp>().ok()?.offline_file_list.is_empty(), ALL[11])
        }
        cmd::BUDDY_LIST_ALL_USER_RESPONSE => {
            seen(!pdu.view::<ImAllUserRsp>().ok()?.user_list.is_empty(), ALL[12])
        }
        cmd::BUDDY_LIST_DEPARTMENT_RESPONSE => {
            seen(!pdu.view::<ImDepartmentRsp>().ok()?.dept_list.is_empty(), ALL[13])
        }
        _ => None,
    }
}
