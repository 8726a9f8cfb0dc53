//! Service 2: users, who is online, recent sessions.

#![allow(
    missing_docs,
    reason = "the constants have the schema's names; the entries say what they are"
)]

use super::command::{
    ATTACH, AttachForm, Command, CommandLimits, FROM_DB, FROM_DEVICE, FROM_ROUTE, Half, Peer,
    Serve, THROUGH_ROUTE, TO_ROUTE, Way, field, limit, small,
};
use crate::wire::{check::Checked, im::buddy::*};

pub const BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST: u16 = 0x0201;
pub const BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE: u16 = 0x0202;
pub const BUDDY_LIST_STATUS_NOTIFY: u16 = 0x0203;
pub const BUDDY_LIST_USER_INFO_REQUEST: u16 = 0x0204;
pub const BUDDY_LIST_USER_INFO_RESPONSE: u16 = 0x0205;
pub const BUDDY_LIST_REMOVE_SESSION_REQ: u16 = 0x0206;
pub const BUDDY_LIST_REMOVE_SESSION_RES: u16 = 0x0207;
pub const BUDDY_LIST_ALL_USER_REQUEST: u16 = 0x0208;
pub const BUDDY_LIST_ALL_USER_RESPONSE: u16 = 0x0209;
pub const BUDDY_LIST_USERS_STATUS_REQUEST: u16 = 0x020a;
pub const BUDDY_LIST_USERS_STATUS_RESPONSE: u16 = 0x020b;
pub const BUDDY_LIST_CHANGE_AVATAR_REQUEST: u16 = 0x020c;
pub const BUDDY_LIST_CHANGE_AVATAR_RESPONSE: u16 = 0x020d;
pub const BUDDY_LIST_PC_LOGIN_STATUS_NOTIFY: u16 = 0x020e;
pub const BUDDY_LIST_REMOVE_SESSION_NOTIFY: u16 = 0x020f;
pub const BUDDY_LIST_DEPARTMENT_REQUEST: u16 = 0x0210;
pub const BUDDY_LIST_DEPARTMENT_RESPONSE: u16 = 0x0211;
pub const BUDDY_LIST_AVATAR_CHANGED_NOTIFY: u16 = 0x0212;
pub const BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST: u16 = 0x0213;
pub const BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE: u16 = 0x0214;
pub const BUDDY_LIST_SIGN_INFO_CHANGED_NOTIFY: u16 = 0x0215;

/// Its commands, by id.
pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST,
        "CID_BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST",
        ImRecentContactSessionReq::TABLE,
    )
    .relayed(Half::Login, AttachForm::Handle)
    .answered_by(BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE)
    .limited(small(50))
    .asked("sessions", 15, "asks for its recent sessions"),
    Command::new(
        BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE,
        "CID_BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE",
        ImRecentContactSessionRsp::TABLE,
    )
    .passed_on(),
    Command::new(BUDDY_LIST_STATUS_NOTIFY, "CID_BUDDY_LIST_STATUS_NOTIFY", ImUserStatNotify::TABLE)
        .ways(&[FROM_ROUTE]),
    Command::new(
        BUDDY_LIST_USER_INFO_REQUEST,
        "CID_BUDDY_LIST_USER_INFO_REQUEST",
        ImUsersInfoReq::TABLE,
    )
    .relayed(Half::Login, AttachForm::Handle)
    .answered_by(BUDDY_LIST_USER_INFO_RESPONSE)
    .limited(CommandLimits {
        rate: limit(50, 1_000),
        fields: &[field("user_id_list", 200, 5_000), ATTACH],
    })
    .asked("user_info", 6, "asks who users {users} are"),
    Command::new(
        BUDDY_LIST_USER_INFO_RESPONSE,
        "CID_BUDDY_LIST_USER_INFO_RESPONSE",
        ImUsersInfoRsp::TABLE,
    )
    .passed_on(),
    Command::new(
        BUDDY_LIST_REMOVE_SESSION_REQ,
        "CID_BUDDY_LIST_REMOVE_SESSION_REQ",
        ImRemoveSessionReq::TABLE,
    )
    .seen_and_relayed(Half::Other, AttachForm::Handle)
    .answered_by(BUDDY_LIST_REMOVE_SESSION_RES)
    .limited(small(50))
    .asked("remove_session", 20, "removes the session with {chat}"),
    Command::new(
        BUDDY_LIST_REMOVE_SESSION_RES,
        "CID_BUDDY_LIST_REMOVE_SESSION_RES",
        ImRemoveSessionRsp::TABLE,
    )
    .ways(&[FROM_DB]),
    Command::new(
        BUDDY_LIST_ALL_USER_REQUEST,
        "CID_BUDDY_LIST_ALL_USER_REQUEST",
        ImAllUserReq::TABLE,
    )
    .relayed(Half::Other, AttachForm::Handle)
    .answered_by(BUDDY_LIST_ALL_USER_RESPONSE)
    .limited(small(4))
    .asked("all_users", 6, "asks for the users changed since {since}"),
    Command::new(
        BUDDY_LIST_ALL_USER_RESPONSE,
        "CID_BUDDY_LIST_ALL_USER_RESPONSE",
        ImAllUserRsp::TABLE,
    )
    .passed_on(),
    Command::new(
        BUDDY_LIST_USERS_STATUS_REQUEST,
        "CID_BUDDY_LIST_USERS_STATUS_REQUEST",
        ImUsersStatReq::TABLE,
    )
    .ways(&[FROM_DEVICE, TO_ROUTE])
    .answered_by(BUDDY_LIST_USERS_STATUS_RESPONSE)
    .limited(CommandLimits {
        rate: limit(20, 1_000),
        fields: &[field("user_id_list", 5_000, 65_535), ATTACH],
    })
    .asked("status", 10, "asks which of users {users} are online"),
    Command::new(
        BUDDY_LIST_USERS_STATUS_RESPONSE,
        "CID_BUDDY_LIST_USERS_STATUS_RESPONSE",
        ImUsersStatRsp::TABLE,
    )
    .ways(&[FROM_ROUTE]),
    // db_proxy has no handler for what msg_server sends it (SYSTEM.md section 6).
    Command::new(
        BUDDY_LIST_CHANGE_AVATAR_REQUEST,
        "CID_BUDDY_LIST_CHANGE_AVATAR_REQUEST",
        ImChangeAvatarReq::TABLE,
    )
    .ways(&[FROM_DEVICE])
    .limited(CommandLimits {
        rate: limit(5, 100),
        fields: &[field("avatar_url", 255, 4_096), ATTACH],
    }),
    Command::new(
        BUDDY_LIST_CHANGE_AVATAR_RESPONSE,
        "CID_BUDDY_LIST_CHANGE_AVATAR_RESPONSE",
        ImChangeAvatarRsp::TABLE,
    ),
    Command::new(
        BUDDY_LIST_PC_LOGIN_STATUS_NOTIFY,
        "CID_BUDDY_LIST_PC_LOGIN_STATUS_NOTIFY",
        ImpcLoginStatusNotify::TABLE,
    ),
    Command::new(
        BUDDY_LIST_REMOVE_SESSION_NOTIFY,
        "CID_BUDDY_LIST_REMOVE_SESSION_NOTIFY",
        ImRemoveSessionNotify::TABLE,
    )
    .ways(&[FROM_ROUTE, THROUGH_ROUTE]),
    Command::new(
        BUDDY_LIST_DEPARTMENT_REQUEST,
        "CID_BUDDY_LIST_DEPARTMENT_REQUEST",
        ImDepartmentReq::TABLE,
    )
    .relayed(Half::Other, AttachForm::Handle)
    .answered_by(BUDDY_LIST_DEPARTMENT_RESPONSE)
    .limited(small(10))
    .asked("departments", 6, "asks for the departments"),
    Command::new(
        BUDDY_LIST_DEPARTMENT_RESPONSE,
        "CID_BUDDY_LIST_DEPARTMENT_RESPONSE",
        ImDepartmentRsp::TABLE,
    )
    .passed_on(),
    Command::new(
        BUDDY_LIST_AVATAR_CHANGED_NOTIFY,
        "CID_BUDDY_LIST_AVATAR_CHANGED_NOTIFY",
        ImAvatarChangedNotify::TABLE,
    ),
    Command::new(
        BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST,
        "CID_BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST",
        ImChangeSignInfoReq::TABLE,
    )
    .relayed(Half::Other, AttachForm::HandleAndEmptyPdu)
    .answered_by(BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE)
    .limited(CommandLimits {
        rate: limit(10, 100),
        fields: &[field("sign_info", 128, 512), ATTACH],
    })
    .asked("sign", 8, "signs as \"{text}\""),
    Command::new(
        BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE,
        "CID_BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE",
        ImChangeSignInfoRsp::TABLE,
    )
    .ways(&[FROM_DB]),
    Command::new(
        BUDDY_LIST_SIGN_INFO_CHANGED_NOTIFY,
        "CID_BUDDY_LIST_SIGN_INFO_CHANGED_NOTIFY",
        ImSignInfoChangedNotify::TABLE,
    )
    .ways(&[FROM_ROUTE, Way { from: Peer::Msg, to: Peer::Route, serve: Serve::ToAllLinks }]),
];
