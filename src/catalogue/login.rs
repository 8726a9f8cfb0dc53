//! Service 1: logins, device tokens, pushes at night.

#![allow(
    missing_docs,
    reason = "the constants have the schema's names; the entries say what they are"
)]

use super::command::{
    ATTACH, AttachForm, Command, CommandLimits, FROM_DEVICE, Half, Peer, Serve, TO_DB, Way, field,
    limit, small,
};
use crate::wire::{check::Checked, im::login::*};

pub const LOGIN_REQ_MSGSERVER: u16 = 0x0101;
pub const LOGIN_RES_MSGSERVER: u16 = 0x0102;
pub const LOGIN_REQ_USERLOGIN: u16 = 0x0103;
pub const LOGIN_RES_USERLOGIN: u16 = 0x0104;
pub const LOGIN_REQ_LOGINOUT: u16 = 0x0105;
pub const LOGIN_RES_LOGINOUT: u16 = 0x0106;
pub const LOGIN_KICK_USER: u16 = 0x0107;
pub const LOGIN_REQ_DEVICETOKEN: u16 = 0x0108;
pub const LOGIN_RES_DEVICETOKEN: u16 = 0x0109;
pub const LOGIN_REQ_KICKPCCLIENT: u16 = 0x010a;
pub const LOGIN_RES_KICKPCCLIENT: u16 = 0x010b;
pub const LOGIN_REQ_PUSH_SHIELD: u16 = 0x010c;
pub const LOGIN_RES_PUSH_SHIELD: u16 = 0x010d;
pub const LOGIN_REQ_QUERY_PUSH_SHIELD: u16 = 0x010e;
pub const LOGIN_RES_QUERY_PUSH_SHIELD: u16 = 0x010f;

/// Its commands, by id.
pub(super) const COMMANDS: &[Command] = &[
    Command::new(LOGIN_REQ_MSGSERVER, "CID_LOGIN_REQ_MSGSERVER", ImMsgServReq::TABLE),
    Command::new(LOGIN_RES_MSGSERVER, "CID_LOGIN_RES_MSGSERVER", ImMsgServRsp::TABLE),
    Command::new(LOGIN_REQ_USERLOGIN, "CID_LOGIN_REQ_USERLOGIN", ImLoginReq::TABLE)
        .ways(&[FROM_DEVICE])
        .before_login()
        .answered_by(LOGIN_RES_USERLOGIN)
        .limited(CommandLimits {
            rate: limit(4, 100),
            fields: &[
                field("user_name", 128, 1_024),
                field("password", 64, 1_024),
                field("client_version", 128, 1_024),
            ],
        }),
    Command::new(LOGIN_RES_USERLOGIN, "CID_LOGIN_RES_USERLOGIN", ImLoginRes::TABLE),
    Command::new(LOGIN_REQ_LOGINOUT, "CID_LOGIN_REQ_LOGINOUT", ImLogoutReq::TABLE)
        .ways(&[FROM_DEVICE])
        .answered_by(LOGIN_RES_LOGINOUT)
        .limited(small(5)),
    Command::new(LOGIN_RES_LOGINOUT, "CID_LOGIN_RES_LOGINOUT", ImLogoutRsp::TABLE),
    Command::new(LOGIN_KICK_USER, "CID_LOGIN_KICK_USER", ImKickUser::TABLE),
    Command::new(LOGIN_REQ_DEVICETOKEN, "CID_LOGIN_REQ_DEVICETOKEN", ImDeviceTokenReq::TABLE)
        .ways(&[FROM_DEVICE, TO_DB])
        .answered_by(LOGIN_RES_DEVICETOKEN)
        .limited(CommandLimits {
            rate: limit(10, 100),
            fields: &[field("device_token", 256, 4_096), ATTACH],
        })
        .asked_by_phones("device_token", 10, "registers for pushes"),
    // The phone had its 0109 when it asked.
    Command::new(LOGIN_RES_DEVICETOKEN, "CID_LOGIN_RES_DEVICETOKEN", ImDeviceTokenRsp::TABLE)
        .ways(&[Way { from: Peer::Db, to: Peer::Msg, serve: Serve::Ignored }]),
    Command::new(LOGIN_REQ_KICKPCCLIENT, "CID_LOGIN_REQ_KICKPCCLIENT", ImKickPcClientReq::TABLE)
        .ways(&[FROM_DEVICE])
        .answered_by(LOGIN_RES_KICKPCCLIENT)
        .limited(small(10))
        .asked_by_phones("kick_pc", 20, "logs the user's PC out"),
    Command::new(LOGIN_RES_KICKPCCLIENT, "CID_LOGIN_RES_KICKPCCLIENT", ImKickPcClientRsp::TABLE),
    Command::new(LOGIN_REQ_PUSH_SHIELD, "CID_LOGIN_REQ_PUSH_SHIELD", ImPushShieldReq::TABLE)
        .relayed(Half::Other, AttachForm::HandleAndEmptyPdu)
        .answered_by(LOGIN_RES_PUSH_SHIELD)
        .limited(small(10))
        .asked("set_push_shield", 6, "wants {on?no pushes:pushes} at night"),
    Command::new(LOGIN_RES_PUSH_SHIELD, "CID_LOGIN_RES_PUSH_SHIELD", ImPushShieldRsp::TABLE)
        .passed_on(),
    Command::new(
        LOGIN_REQ_QUERY_PUSH_SHIELD,
        "CID_LOGIN_REQ_QUERY_PUSH_SHIELD",
        ImQueryPushShieldReq::TABLE,
    )
    .relayed(Half::Other, AttachForm::HandleAndEmptyPdu)
    .answered_by(LOGIN_RES_QUERY_PUSH_SHIELD)
    .limited(small(10))
    .asked("ask_push_shield", 6, "asks whether it has pushes at night"),
    Command::new(
        LOGIN_RES_QUERY_PUSH_SHIELD,
        "CID_LOGIN_RES_QUERY_PUSH_SHIELD",
        ImQueryPushShieldRsp::TABLE,
    )
    .passed_on(),
];
