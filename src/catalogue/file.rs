//! Service 5: files between users.

#![allow(
    missing_docs,
    reason = "the constants have the schema's names; the entries say what they are"
)]

use super::command::{
    AttachForm, Command, CommandLimits, FROM_DB, FROM_DEVICE, FROM_ROUTE, Half, THROUGH_ROUTE,
    TO_DB, field, limit, small,
};
use crate::wire::{check::Checked, im::file::*};

pub const FILE_LOGIN_REQ: u16 = 0x0501;
pub const FILE_LOGIN_RES: u16 = 0x0502;
pub const FILE_STATE: u16 = 0x0503;
pub const FILE_PULL_DATA_REQ: u16 = 0x0504;
pub const FILE_PULL_DATA_RSP: u16 = 0x0505;
pub const FILE_REQUEST: u16 = 0x0506;
pub const FILE_RESPONSE: u16 = 0x0507;
pub const FILE_NOTIFY: u16 = 0x0508;
pub const FILE_HAS_OFFLINE_REQ: u16 = 0x0509;
pub const FILE_HAS_OFFLINE_RES: u16 = 0x050a;
pub const FILE_ADD_OFFLINE_REQ: u16 = 0x050b;
pub const FILE_DEL_OFFLINE_REQ: u16 = 0x050c;

/// Its commands, by id.
pub(super) const COMMANDS: &[Command] = &[
    Command::new(FILE_LOGIN_REQ, "CID_FILE_LOGIN_REQ", ImFileLoginReq::TABLE),
    Command::new(FILE_LOGIN_RES, "CID_FILE_LOGIN_RES", ImFileLoginRsp::TABLE),
    Command::new(FILE_STATE, "CID_FILE_STATE", ImFileState::TABLE),
    Command::new(FILE_PULL_DATA_REQ, "CID_FILE_PULL_DATA_REQ", ImFilePullDataReq::TABLE),
    Command::new(FILE_PULL_DATA_RSP, "CID_FILE_PULL_DATA_RSP", ImFilePullDataRsp::TABLE),
    Command::new(FILE_REQUEST, "CID_FILE_REQUEST", ImFileReq::TABLE)
        .ways(&[FROM_DEVICE])
        .answered_by(FILE_RESPONSE)
        .limited(CommandLimits { rate: limit(20, 100), fields: &[field("file_name", 255, 4_096)] })
        .asked("send_file", 10, "{offline?leaves:offers} file {text} {offline?for:to} user {to}"),
    Command::new(FILE_RESPONSE, "CID_FILE_RESPONSE", ImFileRsp::TABLE),
    Command::new(FILE_NOTIFY, "CID_FILE_NOTIFY", ImFileNotify::TABLE)
        .ways(&[FROM_ROUTE, THROUGH_ROUTE]),
    Command::new(FILE_HAS_OFFLINE_REQ, "CID_FILE_HAS_OFFLINE_REQ", ImFileHasOfflineReq::TABLE)
        .relayed(Half::Other, AttachForm::Handle)
        .answered_by(FILE_HAS_OFFLINE_RES)
        .limited(small(20))
        .asked("offline_files", 6, "asks which files wait"),
    Command::new(FILE_HAS_OFFLINE_RES, "CID_FILE_HAS_OFFLINE_RES", ImFileHasOfflineRsp::TABLE)
        .ways(&[FROM_DB]),
    Command::new(FILE_ADD_OFFLINE_REQ, "CID_FILE_ADD_OFFLINE_REQ", ImFileAddOfflineReq::TABLE)
        .ways(&[FROM_DEVICE, TO_DB])
        .limited(CommandLimits {
            rate: limit(20, 100),
            fields: &[field("task_id", 64, 4_096), field("file_name", 255, 4_096)],
        }),
    Command::new(FILE_DEL_OFFLINE_REQ, "CID_FILE_DEL_OFFLINE_REQ", ImFileDelOfflineReq::TABLE)
        .ways(&[FROM_DEVICE, TO_DB])
        // Whoever fetched the file is its receiver.
        .claims("to_user_id")
        .limited(CommandLimits { rate: limit(20, 100), fields: &[field("task_id", 64, 4_096)] }),
];
