//! Service 7: between servers; 07e1 and 07e2 are ours (proto/TT.Extension.proto).

#![allow(
    missing_docs,
    reason = "the constants have the schema's names; the entries say what they are"
)]

use super::command::{
    Command, FROM_DB, FROM_DEVICE, FROM_ROUTE, Peer, Serve, THROUGH_ROUTE, TO_DB, TO_ROUTE, Way,
    small,
};
use crate::wire::{
    check::Checked,
    im::{other::ImHeartBeat, server::*},
    tt::extension::{CatchUpHint, Refused},
};

/// What msg_server sends to the file server.
const TO_FILE: Way = Way { from: Peer::Msg, to: Peer::File, serve: Serve::Outside };
/// What the file server sends.
const FROM_FILE: Way = Way { from: Peer::File, to: Peer::Msg, serve: Serve::Handler };

pub const OTHER_HEARTBEAT: u16 = 0x0701;
pub const OTHER_STOP_RECV_PACKET: u16 = 0x0702;
pub const OTHER_VALIDATE_REQ: u16 = 0x0703;
pub const OTHER_VALIDATE_RSP: u16 = 0x0704;
pub const OTHER_GET_DEVICE_TOKEN_REQ: u16 = 0x0705;
pub const OTHER_GET_DEVICE_TOKEN_RSP: u16 = 0x0706;
pub const OTHER_ROLE_SET: u16 = 0x0707;
pub const OTHER_ONLINE_USER_INFO: u16 = 0x0708;
pub const OTHER_MSG_SERV_INFO: u16 = 0x0709;
pub const OTHER_USER_STATUS_UPDATE: u16 = 0x070a;
pub const OTHER_USER_CNT_UPDATE: u16 = 0x070b;
pub const OTHER_SERVER_KICK_USER: u16 = 0x070d;
pub const OTHER_LOGIN_STATUS_NOTIFY: u16 = 0x070e;
pub const OTHER_PUSH_TO_USER_REQ: u16 = 0x070f;
pub const OTHER_PUSH_TO_USER_RSP: u16 = 0x0710;
pub const OTHER_GET_SHIELD_REQ: u16 = 0x0711;
pub const OTHER_GET_SHIELD_RSP: u16 = 0x0712;
pub const OTHER_FILE_TRANSFER_REQ: u16 = 0x0731;
pub const OTHER_FILE_TRANSFER_RSP: u16 = 0x0732;
pub const OTHER_FILE_SERVER_IP_REQ: u16 = 0x0733;
pub const OTHER_FILE_SERVER_IP_RSP: u16 = 0x0734;
pub const OTHER_REFUSED: u16 = 0x07e1;
pub const OTHER_CATCH_UP_HINT: u16 = 0x07e2;

/// Its commands, by id.
pub(super) const COMMANDS: &[Command] = &[
    // Of server links the shell takes it.
    Command::new(OTHER_HEARTBEAT, "CID_OTHER_HEARTBEAT", ImHeartBeat::TABLE)
        .ways(&[FROM_DEVICE])
        .before_login()
        .limited(small(20)),
    Command::new(OTHER_STOP_RECV_PACKET, "CID_OTHER_STOP_RECV_PACKET", ImStopReceivePacket::TABLE)
        .ways(&[FROM_DB]),
    Command::new(OTHER_VALIDATE_REQ, "CID_OTHER_VALIDATE_REQ", ImValidateReq::TABLE)
        .ways(&[TO_DB])
        .answered_by(OTHER_VALIDATE_RSP),
    Command::new(OTHER_VALIDATE_RSP, "CID_OTHER_VALIDATE_RSP", ImValidateRsp::TABLE)
        .ways(&[FROM_DB]),
    Command::new(
        OTHER_GET_DEVICE_TOKEN_REQ,
        "CID_OTHER_GET_DEVICE_TOKEN_REQ",
        ImGetDeviceTokenReq::TABLE,
    )
    .ways(&[TO_DB])
    .answered_by(OTHER_GET_DEVICE_TOKEN_RSP),
    Command::new(
        OTHER_GET_DEVICE_TOKEN_RSP,
        "CID_OTHER_GET_DEVICE_TOKEN_RSP",
        ImGetDeviceTokenRsp::TABLE,
    )
    .ways(&[FROM_DB]),
    Command::new(OTHER_ROLE_SET, "CID_OTHER_ROLE_SET", ImRoleSet::TABLE).ways(&[TO_ROUTE]),
    Command::new(OTHER_ONLINE_USER_INFO, "CID_OTHER_ONLINE_USER_INFO", ImOnlineUserInfo::TABLE)
        .ways(&[TO_ROUTE]),
    Command::new(OTHER_MSG_SERV_INFO, "CID_OTHER_MSG_SERV_INFO", ImMsgServInfo::TABLE)
        .ways(&[Way { from: Peer::Msg, to: Peer::Login, serve: Serve::Outside }]),
    Command::new(
        OTHER_USER_STATUS_UPDATE,
        "CID_OTHER_USER_STATUS_UPDATE",
        ImUserStatusUpdate::TABLE,
    )
    .ways(&[TO_ROUTE]),
    Command::new(OTHER_USER_CNT_UPDATE, "CID_OTHER_USER_CNT_UPDATE", ImUserCntUpdate::TABLE)
        .ways(&[Way { from: Peer::Msg, to: Peer::Login, serve: Serve::Outside }]),
    Command::new(OTHER_SERVER_KICK_USER, "CID_OTHER_SERVER_KICK_USER", ImServerKickUser::TABLE)
        .ways(&[FROM_ROUTE, THROUGH_ROUTE]),
    Command::new(
        OTHER_LOGIN_STATUS_NOTIFY,
        "CID_OTHER_LOGIN_STATUS_NOTIFY",
        ImServerPcLoginStatusNotify::TABLE,
    )
    .ways(&[FROM_ROUTE]),
    Command::new(OTHER_PUSH_TO_USER_REQ, "CID_OTHER_PUSH_TO_USER_REQ", ImPushToUserReq::TABLE)
        .ways(&[Way { from: Peer::Msg, to: Peer::Push, serve: Serve::Outside }])
        .answered_by(OTHER_PUSH_TO_USER_RSP),
    // Nobody waits for it.
    Command::new(OTHER_PUSH_TO_USER_RSP, "CID_OTHER_PUSH_TO_USER_RSP", ImPushToUserRsp::TABLE)
        .ways(&[Way { from: Peer::Push, to: Peer::Msg, serve: Serve::Ignored }]),
    Command::new(OTHER_GET_SHIELD_REQ, "CID_OTHER_GET_SHIELD_REQ", ImGroupGetShieldReq::TABLE)
        .ways(&[TO_DB])
        .answered_by(OTHER_GET_SHIELD_RSP),
    Command::new(OTHER_GET_SHIELD_RSP, "CID_OTHER_GET_SHIELD_RSP", ImGroupGetShieldRsp::TABLE)
        .ways(&[FROM_DB]),
    Command::new(OTHER_FILE_TRANSFER_REQ, "CID_OTHER_FILE_TRANSFER_REQ", ImFileTransferReq::TABLE)
        .ways(&[TO_FILE])
        .answered_by(OTHER_FILE_TRANSFER_RSP),
    Command::new(OTHER_FILE_TRANSFER_RSP, "CID_OTHER_FILE_TRANSFER_RSP", ImFileTransferRsp::TABLE)
        .ways(&[FROM_FILE]),
    Command::new(
        OTHER_FILE_SERVER_IP_REQ,
        "CID_OTHER_FILE_SERVER_IP_REQ",
        ImFileServerIpReq::TABLE,
    )
    .ways(&[TO_FILE])
    .answered_by(OTHER_FILE_SERVER_IP_RSP),
    Command::new(
        OTHER_FILE_SERVER_IP_RSP,
        "CID_OTHER_FILE_SERVER_IP_RSP",
        ImFileServerIpRsp::TABLE,
    )
    .ways(&[FROM_FILE]),
    // To a device for any request (switch `answered-refusals`).
    Command::new(OTHER_REFUSED, "CID_OTHER_REFUSED", Refused::TABLE).ways(&[FROM_DB]),
    // No matter of a switch on the way: an old route_server ignores it.
    Command::new(OTHER_CATCH_UP_HINT, "CID_OTHER_CATCH_UP_HINT", CatchUpHint::TABLE)
        .ways(&[THROUGH_ROUTE, FROM_ROUTE]),
];
