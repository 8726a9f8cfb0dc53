//! shown: what a device shows is what it was told, and at rest what the stores say.
//!
//! Judged are devices that run our program and do nothing else, where unread counts are counted from
//! the messages (`unread-from-store`). While a run goes on, a count is never higher than what the device
//! was told allows, and what lowers it is followed before anything else is ([`counts`]); what a device
//! sent and was acked it holds ([`sent`]). At rest each count of a device that is online equals that of
//! the stores.

mod counts;
mod sent;
#[cfg(test)]
mod tests;
mod unanswered;

use super::{About, Class, Known, Property, Seen, Sort, Subject, Tally, Violation};
use crate::{lookup::LookupSet, model, plan::Role, record::Kind};
use counts::Counts;
use sent::Sent;
use std::collections::BTreeMap;
use teamtalk::{
    conversation::{Chat, Conversation},
    fact::Fact,
};
use unanswered::Unanswered;

/// See the module.
#[derive(Debug, Default)]
pub struct Shown {
    counts: Counts,
    sent: Sent,
    held: Held,
    unanswered: Unanswered,
    tally: Tally,
}

/// A count that is too high because its device was told of no read.
const UNTOLD: &str = "read by a device that has left, and its db_proxy was gone before it answered";

/// A count that is not that of the stores.
struct Other {
    user: u32,
    key: Key,
    is: u32,
    right: u32,
    /// Whether nobody could tell the device.
    is_untold: bool,
}

/// What devices hold: device, conversation and msg_id.
type Held = LookupSet<(u32, Conversation, u32)>;

/// What a device shows as unread of a chat, or should.
type Key = (u32, Chat);

#[cold]
fn wrong(kind: &'static str, sentence: String, about: About) -> Violation {
    Violation { property: "shown", kind, role: Role::Client, sentence, about }
}

/// A device and one of its user's chats, for cards.
fn of_chat(known: &Known, (device, chat): Key) -> About {
    let user = known.clients.user_of_device(device);
    let unread = user.map(|user| Subject::Unread { user, conversation: chat.conversation(user) });
    [Subject::Device(device)].into_iter().chain(unread).collect()
}

impl Property for Shown {
    fn name(&self) -> &'static str {
        "shown"
    }

    fn says(&self) -> &'static str {
        "a device shows what it was told and holds what it sent, and at rest its unread counts are \
         those of the stores"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn audited(&self) -> bool {
        // Only then nobody opens a chat any more.
        true
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::DeviceWrites, Class::DeviceReads, Class::Shown, Class::Fact, Class::Event]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if !seen.known.protocols.promised().unread_from_store {
            return None;
        }
        match &seen.line.kind {
            Kind::HostDown => {
                self.counts.host_down(&seen.line.host);
                self.sent.host_down();
                None
            }
            Kind::Fact(fact) => {
                match *fact {
                    Fact::UnreadShown { .. } => self.tally.judge(),
                    Fact::Held { device, conversation, msg_id, .. } => {
                        self.held.insert((device, conversation, msg_id));
                    }
                    _ => {}
                }
                self.sent.fact(fact);
                self.counts.fact(fact, seen)
            }
            _ => {
                let (at, conn, pdu) = seen.client.filter(|(at, ..)| at.is_at_device())?;
                let device = seen.known.clients.listens(conn)?;
                self.unanswered.pdu(seen, at, device, pdu);
                if !seen.known.orderly.contains(&device) {
                    return None;
                }
                let unheld = self.sent.pdu(seen, at, device, pdu, &self.held);
                unheld.or_else(|| self.counts.pdu(seen, at, device, pdu, &self.held))
            }
        }
    }

    fn pending(&self, known: &Known) -> Option<Violation> {
        let other = self.others(known).into_iter().find(|other| !other.is_untold)?;
        let Other { user, key: (device, chat), is, right, .. } = other;
        let kind = if is < right { "too-few" } else { "too-many" };
        let what = format!(
            "at rest device {device} of user {user} shows {is} unread in {chat:?}, and by the stores it \
             is {right}"
        );
        Some(wrong(kind, what, of_chat(known, (device, chat))))
    }

    fn tally(&self, known: &Known) -> Option<Tally> {
        let mut tally = self.tally.clone();
        for _ in self.others(known).iter().filter(|other| other.is_untold) {
            tally.excuse(UNTOLD);
        }
        Some(tally)
    }
}

impl Shown {
    /// The counts of devices that are on line which are not those of the stores.
    fn others(&self, known: &Known) -> Vec<Other> {
        let now = known.stores.after(known.now);
        let protocol = known.protocols.promised();
        let mut others = Vec::new();
        if !protocol.unread_from_store {
            return others;
        }
        let mut by_user: BTreeMap<u32, BTreeMap<Chat, u32>> = BTreeMap::new();
        for (device, online) in known.clients.online() {
            if !known.orderly.contains(device) {
                continue;
            }
            let user = online.user;
            let fresh = || model::shown::unread(now, protocol, user);
            let truth = by_user.entry(user).or_insert_with(fresh);
            let shown = self.counts.of_device(*device);
            for chat in truth.keys().chain(shown.keys().filter(|chat| !truth.contains_key(chat))) {
                let count = |of: &BTreeMap<Chat, u32>| of.get(chat).copied().unwrap_or(0);
                let (is, right) = (count(&shown), count(truth));
                if is != right {
                    let is_untold = is > right && self.unanswered.is_of(known, user, *chat);
                    others.push(Other { user, key: (*device, *chat), is, right, is_untold });
                }
            }
        }
        others
    }
}
