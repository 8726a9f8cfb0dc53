//! What a plan's operation is to a device.

use crate::plan::{Action, Ask, Chat, Device, GroupRef, Odd, Operation, Size, text_of};
use bytes::{Bytes, BytesMut};
use prost::encoding;
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::{
        Args, id,
        limits::Limits,
        probe::{self, Probe, Which},
    },
    client, conversation,
    wire::{
        Pdu, fields,
        im::{base_define::MsgType, message::ImMsgData},
    },
};

/// `msg_data` of IMMsgData.
const MSG_DATA: u32 = 6;

/// A body that ends within its first field: malformed, whatever the command.
const BREAKS_OFF: &[u8] = b"\x08";

/// Why a device is not told of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotDone {
    /// Its group was to be created by another one, and was not so far.
    #[error("its group was not created")]
    NoGroup,
    /// The deployment has no limit of this name.
    #[error("no such limit")]
    NoLimit,
}

/// The device's action; `None`: it is the rogue's. `device`: whose operation it is, if the plan has it. `created`:
/// group ids by the operation that created them.
pub(super) fn of(
    op: &Operation,
    device: Option<&Device>,
    created: &BTreeMap<u32, u32>,
    limits: &Limits,
) -> Result<Option<client::Action>, NotDone> {
    let text = || Bytes::from(op.content().unwrap_or_default());
    let name = || Bytes::from(text_of(op.id));
    let group = |group: GroupRef| match group {
        GroupRef::Known(id) => Ok(id),
        GroupRef::Created { created_by } => {
            created.get(&created_by).copied().ok_or(NotDone::NoGroup)
        }
    };
    let chat = |chat: Chat| match chat {
        Chat::User(id) => Ok(conversation::Chat::User(id)),
        Chat::Group { group: of } => group(of).map(conversation::Chat::Group),
    };
    Ok(Some(match op.action.clone() {
        Action::Login => client::Action::Login,
        Action::Logout => client::Action::Logout,
        Action::SendAudio { to } | Action::SendOdd { to, odd: Odd::ShortAudio } => {
            client::Action::SendAudio { to: chat(to)?, audio: text() }
        }
        Action::Send { to }
        | Action::SendCipher { to }
        | Action::SendPayload { to, .. }
        | Action::SendOdd { to, .. } => client::Action::Send { to: chat(to)?, text: text() },
        Action::Claim { to, of } => {
            let message = ImMsgData {
                from_user_id: of,
                to_session_id: to,
                msg_type: MsgType::SingleText.into(),
                msg_data: text(),
                ..Default::default()
            };
            let body = Pdu::new(id::MSG_DATA, 0, &message).body;
            client::Action::Raw { command: id::MSG_DATA, body }
        }
        Action::Resend { of } => client::Action::Resend { of },
        Action::Read { chat: c } => client::Action::Read { chat: chat(c)? },
        Action::Pull { chat: c, count } => client::Action::Pull { chat: chat(c)?, count },
        Action::P2p { to } => client::Action::P2p { to, data: name() },
        Action::CreateGroup { members } => client::Action::CreateGroup { name: name(), members },
        Action::AddMembers { group: of, users } => {
            client::Action::ChangeMembers { group: group(of)?, add: true, users }
        }
        Action::RemoveMembers { group: of, users } => {
            client::Action::ChangeMembers { group: group(of)?, add: false, users }
        }
        Action::Avatar => client::Action::Avatar { url: name() },
        Action::AddOfflineFile { to } => client::Action::AddOfflineFile { to, name: name() },
        Action::DelOfflineFile { from, of } => {
            client::Action::DelOfflineFile { from, name: text_of(of).into() }
        }
        Action::Malformed { command } => {
            client::Action::Raw { command, body: Bytes::from_static(BREAKS_OFF) }
        }
        Action::Ask(Ask { command, args }) => {
            // A phone keeps its token, whoever asks for it.
            let text = match device.filter(|_| command == id::LOGIN_REQ_DEVICETOKEN) {
                Some(device) => device.push_token().into(),
                None => name(),
            };
            let args = Args { text, ..args.renamed(chat, group)? };
            client::Action::Ask(client::Question { command, args })
        }
        Action::Probe { limit, size } => {
            let probe = probe::named(limits, &limit).ok_or(NotDone::NoLimit)?;
            let size = probed(&probe, size);
            let body = match op.content() {
                Some(text) => probe_that_says(&probe, size, text.into()),
                None => probe.body(size),
            };
            client::Action::Raw { command: probe.command, body }
        }
        Action::Rogue { .. } => return Ok(None),
        Action::Reconnect => client::Action::Disconnect,
    }))
}

/// A user who is in no plan: whoever claims to be them is not.
const NOBODY: u32 = 0xffff_fff0;

/// A message of a probe from user 1 to user 2 with a text of its own, after the least one from user 1 to themselves: of a
/// field that comes twice the last one counts.
fn probe_that_says(probe: &Probe, size: u32, msg_data: Bytes) -> Bytes {
    let mut says = BytesMut::new();
    encoding::uint32::encode(fields::TO_SESSION_ID, &2, &mut says);
    encoding::bytes::encode(MSG_DATA, &msg_data, &mut says);
    let size = if probe.limit == Which::Body { size - says.len() as u32 } else { size };
    [probe.body(size), says.freeze()].concat().into()
}

/// How much a probe writes.
fn probed(probe: &Probe, size: Size) -> u32 {
    match (probe.limit, size) {
        (Which::Claim(_), _) => NOBODY,
        (_, Size::Under) => probe.most - 1,
        (_, Size::At) => probe.most,
        (_, Size::Over) => probe.most + 1,
    }
}
