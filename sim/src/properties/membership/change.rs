//! Changes of members: what a db_proxy is asked for, and what it answers.

use super::Moment;
use crate::record::Frame;
use bytes::Bytes;
use std::collections::BTreeSet;
use teamtalk::{
    catalogue::id as command,
    env::ConnId,
    wire::{
        Malformed,
        im::group::{
            ImGroupChangeMemberReq, ImGroupChangeMemberRsp, ImGroupCreateReq, ImGroupCreateRsp,
        },
        tt::extension::{Refused, RefusedCode},
    },
};

/// A request for a change at a db_proxy: its answer carries the same connection, seq_num and
/// attachment, and names the same user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    conn: ConnId,
    seq: u16,
    command: u16,
    user: u32,
    attach: Bytes,
}

/// A change of members.
#[derive(Debug)]
pub struct Change {
    /// The request that asked for it.
    pub request: Request,
    /// The group; `None` while it is still to be made.
    pub group: Option<u32>,
    /// The users who may come or go by it.
    pub users: BTreeSet<u32>,
    /// When the request was received.
    pub from: Moment,
    /// When it ended: the answer was written or, without one, it can have no effect any more.
    pub done: Option<Moment>,
    /// An answer was written.
    pub is_answered: bool,
}

/// What an answer says.
#[derive(Debug)]
pub enum Said {
    /// A group was made.
    Made {
        /// The group's id, if the answer names it.
        group: Option<u32>,
    },
    /// Users came or went.
    Changed {
        /// Those users.
        users: BTreeSet<u32>,
    },
    /// Nothing was changed.
    Nothing,
}

impl Change {
    /// Whether the change is under way at any line from `from` to `to`.
    pub fn overlaps(&self, from: u64, to: u64) -> bool {
        self.from.n <= to && self.done.is_none_or(|done| done.n >= from)
    }

    /// The change that a PDU asks for, if it asks for one.
    pub fn asked(from: Moment, conn: ConnId, pdu: &Frame) -> Result<Option<Self>, Malformed> {
        let (user, group, users, attach) = match pdu.command() {
            command::GROUP_CREATE_REQUEST => {
                let asked = pdu.view::<ImGroupCreateReq>()?.into_owned();
                (asked.user_id, None, asked.member_id_list, asked.attach_data)
            }
            command::GROUP_CHANGE_MEMBER_REQUEST => {
                let asked = pdu.view::<ImGroupChangeMemberReq>()?.into_owned();
                (asked.user_id, Some(asked.group_id), asked.member_id_list, asked.attach_data)
            }
            _ => return Ok(None),
        };
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        let request = Request { conn, seq, command, user, attach: attach.unwrap_or_default() };
        let users = users.into_iter().collect();
        Ok(Some(Self { request, group, users, from, done: None, is_answered: false }))
    }
}

/// The request that a PDU answers, and what it says; `None` if the change may still happen.
pub fn answered(conn: ConnId, pdu: &Frame) -> Result<Option<(Request, Said)>, Malformed> {
    let (command, user, attach, said) = match pdu.command() {
        command::GROUP_CREATE_RESPONSE => {
            let answer = pdu.view::<ImGroupCreateRsp>()?.into_owned();
            let said = match answer.result_code {
                0 => Said::Made { group: answer.group_id },
                _ => Said::Nothing,
            };
            (command::GROUP_CREATE_REQUEST, answer.user_id, answer.attach_data, said)
        }
        command::GROUP_CHANGE_MEMBER_RESPONSE => {
            let answer = pdu.view::<ImGroupChangeMemberRsp>()?.into_owned();
            let said = match answer.result_code {
                0 => Said::Changed { users: answer.chg_user_id_list.into_iter().collect() },
                _ => Said::Nothing,
            };
            (command::GROUP_CHANGE_MEMBER_REQUEST, answer.user_id, answer.attach_data, said)
        }
        command::OTHER_REFUSED => {
            let refused = pdu.view::<Refused>()?.into_owned();
            if refused.code == RefusedCode::RefusedUnavailable as i32 {
                return Ok(None); // it may happen yet
            }
            (refused.command_id as u16, refused.user_id, refused.attach_data, Said::Nothing)
        }
        _ => return Ok(None),
    };
    let (seq, attach) = (pdu.header.seq_num, attach.unwrap_or_default());
    Ok(Some((Request { conn, seq, command, user, attach }, said)))
}
