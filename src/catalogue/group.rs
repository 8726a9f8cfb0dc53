//! Service 4: groups.

#![allow(
    missing_docs,
    reason = "the constants have the schema's names; the entries say what they are"
)]

use super::command::{
    ATTACH, AttachForm, Command, CommandLimits, FROM_DB, FROM_ROUTE, Half, THROUGH_ROUTE, field,
    limit, small,
};
use crate::wire::{check::Checked, im::group::*};

pub const GROUP_NORMAL_LIST_REQUEST: u16 = 0x0401;
pub const GROUP_NORMAL_LIST_RESPONSE: u16 = 0x0402;
pub const GROUP_INFO_REQUEST: u16 = 0x0403;
pub const GROUP_INFO_RESPONSE: u16 = 0x0404;
pub const GROUP_CREATE_REQUEST: u16 = 0x0405;
pub const GROUP_CREATE_RESPONSE: u16 = 0x0406;
pub const GROUP_CHANGE_MEMBER_REQUEST: u16 = 0x0407;
pub const GROUP_CHANGE_MEMBER_RESPONSE: u16 = 0x0408;
pub const GROUP_SHIELD_GROUP_REQUEST: u16 = 0x0409;
pub const GROUP_SHIELD_GROUP_RESPONSE: u16 = 0x040a;
pub const GROUP_CHANGE_MEMBER_NOTIFY: u16 = 0x040b;

/// Its commands, by id.
pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        GROUP_NORMAL_LIST_REQUEST,
        "CID_GROUP_NORMAL_LIST_REQUEST",
        ImNormalGroupListReq::TABLE,
    )
    .relayed(Half::Other, AttachForm::Handle)
    .answered_by(GROUP_NORMAL_LIST_RESPONSE)
    .limited(small(50))
    .asked("group_list", 8, "asks for its groups"),
    Command::new(
        GROUP_NORMAL_LIST_RESPONSE,
        "CID_GROUP_NORMAL_LIST_RESPONSE",
        ImNormalGroupListRsp::TABLE,
    )
    .passed_on(),
    Command::new(GROUP_INFO_REQUEST, "CID_GROUP_INFO_REQUEST", ImGroupInfoListReq::TABLE)
        .relayed(Half::Other, AttachForm::HandleAndEmptyPdu)
        .answered_by(GROUP_INFO_RESPONSE)
        .limited(CommandLimits {
            rate: limit(50, 1_000),
            fields: &[field("group_version_list", 100, 1_000), ATTACH],
        })
        .asked("group_info", 10, "asks what {group} is"),
    Command::new(GROUP_INFO_RESPONSE, "CID_GROUP_INFO_RESPONSE", ImGroupInfoListRsp::TABLE)
        .ways(&[FROM_DB]),
    Command::new(GROUP_CREATE_REQUEST, "CID_GROUP_CREATE_REQUEST", ImGroupCreateReq::TABLE)
        .seen_and_relayed(Half::Other, AttachForm::Handle)
        .answered_by(GROUP_CREATE_RESPONSE)
        .limited(CommandLimits {
            rate: limit(5, 100),
            fields: &[
                field("group_name", 255, 1_024),
                field("group_avatar", 255, 1_024),
                field("member_id_list", 500, 5_000),
                ATTACH,
            ],
        }),
    Command::new(GROUP_CREATE_RESPONSE, "CID_GROUP_CREATE_RESPONSE", ImGroupCreateRsp::TABLE)
        .passed_on(),
    Command::new(
        GROUP_CHANGE_MEMBER_REQUEST,
        "CID_GROUP_CHANGE_MEMBER_REQUEST",
        ImGroupChangeMemberReq::TABLE,
    )
    .relayed(Half::Other, AttachForm::Handle)
    .answered_by(GROUP_CHANGE_MEMBER_RESPONSE)
    .limited(CommandLimits {
        rate: limit(20, 100),
        fields: &[field("member_id_list", 200, 5_000), ATTACH],
    }),
    Command::new(
        GROUP_CHANGE_MEMBER_RESPONSE,
        "CID_GROUP_CHANGE_MEMBER_RESPONSE",
        ImGroupChangeMemberRsp::TABLE,
    )
    .ways(&[FROM_DB]),
    Command::new(
        GROUP_SHIELD_GROUP_REQUEST,
        "CID_GROUP_SHIELD_GROUP_REQUEST",
        ImGroupShieldReq::TABLE,
    )
    .relayed(Half::Other, AttachForm::Handle)
    .answered_by(GROUP_SHIELD_GROUP_RESPONSE)
    .limited(small(50))
    .asked("shield_group", 10, "{on?mutes:unmutes} {group}"),
    Command::new(
        GROUP_SHIELD_GROUP_RESPONSE,
        "CID_GROUP_SHIELD_GROUP_RESPONSE",
        ImGroupShieldRsp::TABLE,
    )
    .passed_on(),
    Command::new(
        GROUP_CHANGE_MEMBER_NOTIFY,
        "CID_GROUP_CHANGE_MEMBER_NOTIFY",
        ImGroupChangeMemberNotify::TABLE,
    )
    .ways(&[FROM_ROUTE, THROUGH_ROUTE]),
];
