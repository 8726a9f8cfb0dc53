//! Service 6: what devices say to each other.

#![allow(
    missing_docs,
    reason = "the constants have the schema's names; the entries say what they are"
)]

use super::command::{
    Command, CommandLimits, FROM_DEVICE, FROM_ROUTE, THROUGH_ROUTE, field, limit,
};
use crate::wire::{check::Checked, im::switch_service::*};

pub const SWITCH_P2P_CMD: u16 = 0x0601;

/// Its commands, by id.
pub(super) const COMMANDS: &[Command] =
    &[Command::new(SWITCH_P2P_CMD, "CID_SWITCH_P2P_CMD", Imp2pCmdMsg::TABLE)
        .ways(&[FROM_DEVICE, THROUGH_ROUTE, FROM_ROUTE])
        .claims("from_user_id")
        .limited(CommandLimits {
            rate: limit(50, 1_000),
            fields: &[field("cmd_msg_data", 16_384, 262_144)],
        })];
