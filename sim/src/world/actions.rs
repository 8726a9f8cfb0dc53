//! What a plan's operation is to a device.

use crate::plan::{Action, Chat, GroupRef, Operation, text_of};
use bytes::Bytes;
use std::collections::BTreeMap;
use teamtalk::{client, conversation};

/// A body that ends within its first field: malformed, whatever the command.
const BREAKS_OFF: &[u8] = b"\x08";

/// The operation's group was to be created by another one, and was not so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoGroup;

/// The device's action; `None`: it is the rogue's. `created`: group ids by the operation that
/// created them.
pub(super) fn of(
    op: &Operation,
    created: &BTreeMap<u32, u32>,
) -> Result<Option<client::Action>, NoGroup> {
    let text = || Bytes::from(op.content().unwrap_or_default());
    let name = || Bytes::from(text_of(op.id));
    let id = |group: GroupRef| match group {
        GroupRef::Known(id) => Ok(id),
        GroupRef::Created { created_by } => created.get(&created_by).copied().ok_or(NoGroup),
    };
    let chat = |chat: Chat| match chat {
        Chat::User(id) => Ok(conversation::Chat::User(id)),
        Chat::Group { group } => id(group).map(conversation::Chat::Group),
    };
    Ok(Some(match op.action.clone() {
        Action::Login => client::Action::Login,
        Action::Logout => client::Action::Logout,
        Action::Send { to } | Action::SendCipher { to } | Action::SendOdd { to, .. } => {
            client::Action::Send { to: chat(to)?, text: text() }
        }
        Action::SendAudio { to } => client::Action::SendAudio { to: chat(to)?, audio: text() },
        Action::Resend { of } => client::Action::Resend { of },
        Action::Read { chat: c } => client::Action::Read { chat: chat(c)? },
        Action::Pull { chat: c, count } => client::Action::Pull { chat: chat(c)?, count },
        Action::Latest { chat: c } => client::Action::Latest { chat: chat(c)? },
        Action::ById { chat: c, ids } => client::Action::ById { chat: chat(c)?, ids },
        Action::Sessions => client::Action::Sessions,
        Action::RemoveSession { chat: c } => client::Action::RemoveSession { chat: chat(c)? },
        Action::Time => client::Action::Time,
        Action::KickPc => client::Action::KickPc,
        Action::Status { users } => client::Action::Status { users },
        Action::P2p { to } => client::Action::P2p { to, data: name() },
        Action::CreateGroup { members } => client::Action::CreateGroup { name: name(), members },
        Action::AddMembers { group, users } => {
            client::Action::ChangeMembers { group: id(group)?, add: true, users }
        }
        Action::RemoveMembers { group, users } => {
            client::Action::ChangeMembers { group: id(group)?, add: false, users }
        }
        Action::GroupList => client::Action::GroupList,
        Action::GroupInfo { group } => client::Action::GroupInfo { groups: vec![id(group)?] },
        Action::ShieldGroup { group, on } => client::Action::ShieldGroup { group: id(group)?, on },
        Action::UserInfo { users } => client::Action::UserInfo { users },
        Action::AllUsers { since } => client::Action::AllUsers { since },
        Action::Departments => client::Action::Departments,
        Action::Avatar => client::Action::Avatar { url: name() },
        Action::Sign => client::Action::Sign { text: name() },
        Action::SetPushShield { on } => client::Action::SetPushShield { on },
        Action::AskPushShield => client::Action::AskPushShield,
        Action::DeviceToken => client::Action::DeviceToken { token: token(op) },
        Action::SendFile { to, offline } => client::Action::SendFile { to, name: name(), offline },
        Action::OfflineFiles => client::Action::OfflineFiles,
        Action::AddOfflineFile { to } => client::Action::AddOfflineFile { to, name: name() },
        Action::DelOfflineFile { from, of } => {
            client::Action::DelOfflineFile { from, name: text_of(of).into() }
        }
        Action::Malformed { command } => {
            client::Action::Raw { command, body: Bytes::from_static(BREAKS_OFF) }
        }
        Action::Rogue { .. } => return Ok(None),
        Action::Reconnect => client::Action::Disconnect,
    }))
}

/// A phone keeps its token, whoever asks for it.
fn token(op: &Operation) -> Bytes {
    format!("token-{}", op.device).into()
}
