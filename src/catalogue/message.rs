//! Service 3: messages, reading and unread counts.

#![allow(
    missing_docs,
    reason = "the constants have the schema's names; the entries say what they are"
)]

use super::command::{
    ATTACH, AttachForm, Command, CommandLimits, FROM_DB, FROM_DEVICE, FROM_ROUTE, Half,
    THROUGH_ROUTE, TO_DB, field, limit, small,
};
use crate::wire::{check::Checked, im::message::*};

pub const MSG_DATA: u16 = 0x0301;
pub const MSG_DATA_ACK: u16 = 0x0302;
pub const MSG_READ_ACK: u16 = 0x0303;
pub const MSG_READ_NOTIFY: u16 = 0x0304;
pub const MSG_TIME_REQUEST: u16 = 0x0305;
pub const MSG_TIME_RESPONSE: u16 = 0x0306;
pub const MSG_UNREAD_CNT_REQUEST: u16 = 0x0307;
pub const MSG_UNREAD_CNT_RESPONSE: u16 = 0x0308;
pub const MSG_LIST_REQUEST: u16 = 0x0309;
pub const MSG_LIST_RESPONSE: u16 = 0x030a;
pub const MSG_GET_LATEST_MSG_ID_REQ: u16 = 0x030b;
pub const MSG_GET_LATEST_MSG_ID_RSP: u16 = 0x030c;
pub const MSG_GET_BY_MSG_ID_REQ: u16 = 0x030d;
pub const MSG_GET_BY_MSG_ID_RES: u16 = 0x030e;

/// Its commands, by id.
pub(super) const COMMANDS: &[Command] = &[
    Command::new(MSG_DATA, "CID_MSG_DATA", ImMsgData::TABLE)
        .ways(&[FROM_DEVICE, TO_DB, FROM_DB, THROUGH_ROUTE, FROM_ROUTE])
        .answered_by(MSG_DATA_ACK)
        .limited(CommandLimits {
            // A user's PC and phone, of each of which `messages.rate` lets through 20, as the original does.
            rate: limit(40, 4_000),
            fields: &[field("msg_data", 65_536, 1_048_576), field("send_token", 16, 16), ATTACH],
        }),
    Command::new(MSG_DATA_ACK, "CID_MSG_DATA_ACK", ImMsgDataAck::TABLE)
        .ways(&[FROM_DEVICE])
        .limited(small(2_000)),
    // Answered with `confirmed-read-acks` only.
    Command::new(MSG_READ_ACK, "CID_MSG_READ_ACK", ImMsgDataReadAck::TABLE)
        .ways(&[FROM_DEVICE, TO_DB])
        .answered_by(MSG_READ_NOTIFY)
        .limited(small(200)),
    Command::new(MSG_READ_NOTIFY, "CID_MSG_READ_NOTIFY", ImMsgDataReadNotify::TABLE).ways(&[
        FROM_DB,
        THROUGH_ROUTE,
        FROM_ROUTE,
    ]),
    Command::new(MSG_TIME_REQUEST, "CID_MSG_TIME_REQUEST", ImClientTimeReq::TABLE)
        .ways(&[FROM_DEVICE])
        .answered_by(MSG_TIME_RESPONSE)
        .limited(small(10))
        .asked("time", 10, "asks what time it is"),
    Command::new(MSG_TIME_RESPONSE, "CID_MSG_TIME_RESPONSE", ImClientTimeRsp::TABLE),
    Command::new(MSG_UNREAD_CNT_REQUEST, "CID_MSG_UNREAD_CNT_REQUEST", ImUnreadMsgCntReq::TABLE)
        .relayed(Half::Login, AttachForm::Handle)
        .answered_by(MSG_UNREAD_CNT_RESPONSE)
        .limited(small(50)),
    Command::new(MSG_UNREAD_CNT_RESPONSE, "CID_MSG_UNREAD_CNT_RESPONSE", ImUnreadMsgCntRsp::TABLE)
        .passed_on(),
    Command::new(MSG_LIST_REQUEST, "CID_MSG_LIST_REQUEST", ImGetMsgListReq::TABLE)
        .relayed(Half::Login, AttachForm::Handle)
        .answered_by(MSG_LIST_RESPONSE)
        .limited(CommandLimits {
            rate: limit(300, 10_000),
            fields: &[field("msg_cnt", 100, 1_000), ATTACH],
        }),
    Command::new(MSG_LIST_RESPONSE, "CID_MSG_LIST_RESPONSE", ImGetMsgListRsp::TABLE).passed_on(),
    Command::new(
        MSG_GET_LATEST_MSG_ID_REQ,
        "CID_MSG_GET_LATEST_MSG_ID_REQ",
        ImGetLatestMsgIdReq::TABLE,
    )
    .relayed(Half::Other, AttachForm::Handle)
    .answered_by(MSG_GET_LATEST_MSG_ID_RSP)
    .limited(small(200))
    .asked("latest", 20, "asks for the latest msg_id with {chat}"),
    Command::new(
        MSG_GET_LATEST_MSG_ID_RSP,
        "CID_MSG_GET_LATEST_MSG_ID_RSP",
        ImGetLatestMsgIdRsp::TABLE,
    )
    .passed_on(),
    Command::new(MSG_GET_BY_MSG_ID_REQ, "CID_MSG_GET_BY_MSG_ID_REQ", ImGetMsgByIdReq::TABLE)
        .relayed(Half::Login, AttachForm::Handle)
        .answered_by(MSG_GET_BY_MSG_ID_RES)
        .limited(CommandLimits {
            rate: limit(100, 1_000),
            fields: &[field("msg_id_list", 100, 1_000), ATTACH],
        })
        .asked("by_id", 20, "gets messages {ids} with {chat}"),
    Command::new(MSG_GET_BY_MSG_ID_RES, "CID_MSG_GET_BY_MSG_ID_RES", ImGetMsgByIdRsp::TABLE)
        .passed_on(),
];
