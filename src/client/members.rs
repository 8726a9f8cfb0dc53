//! How the device learns that its user joined or left a group.

use super::{
    device::{Device, Turn},
    requests::Asked,
};
use crate::{
    conversation::Chat,
    mutants::Mutant,
    wire::im::{base_define::GroupModifyType, group::ImGroupChangeMemberNotify},
};

impl Device {
    /// 040b, or the answer to this device's own 0407: who came or went.
    pub(super) fn members_changed(
        &mut self,
        turn: &mut Turn<'_>,
        notice: &ImGroupChangeMemberNotify,
    ) {
        if !notice.chg_user_id_list.contains(&self.config.user) {
            return;
        }
        let chat = Chat::Group(notice.group_id);
        match GroupModifyType::try_from(notice.change_type) {
            // What is missing shows with the next message, or when sessions are compared next.
            Ok(GroupModifyType::Add) => self.belongs_to(turn, chat),
            Ok(GroupModifyType::Del) => self.leave(turn, notice.group_id),
            Err(_) => {}
        }
    }

    /// The user is in a group, as a notice or the list of sessions says. The list counts as much as
    /// a notice, which may have been lost. If the list is older than the user's leaving, that costs
    /// one page.
    pub(super) fn belongs_to(&self, turn: &mut Turn<'_>, chat: Chat) {
        if let Chat::Group(group) = chat {
            turn.store.left.remove(&group);
        }
    }

    /// Forgets what is unread in a group, and stops catching it up.
    fn leave(&mut self, turn: &mut Turn<'_>, group: u32) {
        let chat = Chat::Group(group);
        turn.store.left.insert(group);
        // Counts that are under way do not say that the user is in again.
        self.outdate_counts();
        turn.store.unconfirmed_reads.remove(&chat);
        if self.open == Some(chat) {
            self.open = None;
        }
        if self.config.protocol.mutated(Mutant::LeaverSweepsOn) {
            return;
        }
        self.sweeps.remove(&chat);
        // Else the request would be written again until it is answered.
        self.requests.retain(|_, request| request.asked != Asked::CatchUp { chat });
        self.removed(turn, chat);
    }
}
