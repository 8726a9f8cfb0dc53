//! The users and groups that operations name. Whether the plan has them is another matter: what is left of a case
//! that was made small may name what was left out, and it comes to nothing in the run.

use super::{LARGEST_ID, within};
use crate::plan::{Action, Ask, Chat, GroupRef, Rogue};

/// Each is an id that a user or a group can have.
pub(super) fn check(place: &str, action: &Action) -> Result<(), String> {
    let id = |field: &str, id: u32| within(place, field, id, 1, LARGEST_ID);
    let ids = |field: &str, ids: &[u32]| ids.iter().try_for_each(|&of| id(field, of));
    let group = |field: &str, group: &GroupRef| match group {
        GroupRef::Known(known) => id(field, *known),
        GroupRef::Created { .. } => Ok(()),
    };
    let chat = |field: &str, chat: &Chat| match chat {
        Chat::User(user) => id(field, *user),
        Chat::Group { group: of } => group(field, of),
    };
    match action {
        Action::Send { to }
        | Action::SendCipher { to }
        | Action::SendPayload { to, .. }
        | Action::SendAudio { to }
        | Action::SendOdd { to, .. } => chat("to", to),
        Action::Read { chat: of } | Action::Pull { chat: of, .. } => chat("chat", of),
        Action::Claim { to, of } => id("to", *to).and_then(|()| id("of", *of)),
        Action::P2p { to } | Action::AddOfflineFile { to } => id("to", *to),
        Action::DelOfflineFile { from, .. } => id("from", *from),
        Action::CreateGroup { members } => ids("members", members),
        Action::AddMembers { group: of, users } | Action::RemoveMembers { group: of, users } => {
            group("group", of)?;
            ids("users", users)
        }
        Action::Ask(Ask { args, .. }) => {
            args.chat.as_ref().map_or(Ok(()), |of| chat("chat", of))?;
            args.group.as_ref().map_or(Ok(()), |of| group("group", of))?;
            args.to.map_or(Ok(()), |to| id("to", to))?;
            ids("users", &args.users)
        }
        Action::Rogue { what } => match what {
            Rogue::Text { to } => id("what.text.to", *to),
            Rogue::Unread { of } => id("what.unread.of", *of),
            Rogue::Hasty { to, .. } => id("what.hasty.to", *to),
            // Who logs in has a row (`extent`).
            Rogue::Garbage
            | Rogue::Login { .. }
            | Rogue::Flood { .. }
            | Rogue::Crowd { .. }
            | Rogue::Silent { .. } => Ok(()),
        },
        Action::Login
        | Action::Logout
        | Action::Resend { .. }
        | Action::Avatar
        | Action::Malformed { .. }
        | Action::Probe { .. }
        | Action::Reconnect => Ok(()),
    }
}
