//! unread: at rest the unread counts equal what was sent and not read.
//!
//! An audit asks a db_proxy for the counts of every user. A message is surely read if a read ack
//! names its msg_id or a higher one, and a device that is online at the end wrote that ack, or a
//! db_proxy has confirmed it (without `confirmed-read-acks`: has received it). It is maybe read if
//! any device wrote such an ack. One that is over a limit reads nothing where that is refused (`bounded`
//! judges that it is); nor does one read what comes after it was kept, where db_proxies keep it as far as there are
//! messages. To remove a session is to read what was committed before.
//!
//! In a group the messages of others count from the user's last joining on; those that were sent or
//! committed within a second of it may count or not. The store says who is a member; no count is
//! expected for users who are not.

mod reads;

use super::{
    About, Class, Known, Property, Rows, Seen, Sort, Subject, Tally, Violation,
    membership::{GRAIN_US, Moment},
};
use crate::{
    plan::Role,
    record::{End, Kind, Line},
};
use reads::{Reader, Reads};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    protocol::Protocol,
    wire::im::{base_define::UnreadInfo, message::ImUnreadMsgCntRsp},
};

/// A message that may count.
#[derive(Debug, Clone, Copy)]
struct Row {
    msg_id: u32,
    from: u32,
    /// When it first arrived at a msg_server.
    sent: Moment,
    committed: Moment,
}

/// See the module.
#[derive(Debug)]
pub struct Unread {
    reads: Reads,
    rows: BTreeMap<Conversation, Vec<Row>>,
    /// The answers to the last audit: the counts of each user, by chat.
    answers: BTreeMap<u32, BTreeMap<Chat, u32>>,
}

impl Unread {
    /// For a deployment under this protocol.
    pub fn new(protocol: &Protocol) -> Self {
        Self { reads: Reads::new(protocol), rows: BTreeMap::new(), answers: BTreeMap::new() }
    }

    fn audited_answer(&mut self, line: &Line) -> Option<()> {
        let Kind::PduReceived(frame) = &line.kind else { return None };
        let ours = line.host.role() == Role::Outside && frame.end == End::Dialler;
        if !ours || frame.pdu.command() != command::MSG_UNREAD_CNT_RESPONSE {
            return None;
        }
        let answer: ImUnreadMsgCntRsp = frame.pdu.view().ok()?;
        let count =
            |info: &UnreadInfo| (Chat::of(info.session_type, info.session_id), info.unread_cnt);
        let counts = answer.unreadinfo_list.iter().map(count).collect();
        self.answers.insert(answer.user_id, counts);
        Some(())
    }

    /// The lowest and the highest count that may be true of what a user has not read.
    fn bounds(&self, known: &Known, reader: Reader) -> (u32, u32) {
        let (user, chat) = reader;
        let (sure, maybe) = self.reads.up_to(known, reader);
        let is_cut = known.protocols.all_of(Role::Db, cuts_read_acks);
        let (mut low, mut high) = (0, 0);
        for row in self.rows.get(&chat.conversation(user)).into_iter().flatten() {
            let (removed, maybe_removed) = self.reads.removed(reader, row.committed.n);
            let (must, may) = counts_for(known, user, chat, row);
            let (mut read, mut maybe_read) = (row.msg_id <= sure, row.msg_id <= maybe);
            if is_cut && maybe_read {
                let of = (row.msg_id, row.committed.n);
                let (surely, perhaps) = self.reads.was_there(known, reader, of);
                (read, maybe_read) = (read && surely, maybe_read && perhaps);
            }
            high += u32::from(may && !read && !removed);
            low += u32::from(must && !maybe_read && !maybe_removed);
        }
        (low, high)
    }

    /// The chats in which a user may have something to read.
    fn chats(&self, user: u32) -> BTreeSet<Chat> {
        let told = self.answers.get(&user).into_iter().flat_map(BTreeMap::keys);
        told.copied().chain(self.rows.keys().filter_map(|c| c.chat_of(user))).collect()
    }
}

/// Whether a db_proxy keeps a read ack as far as there are messages (`raise_as_said`), and draws msg_ids in the order
/// in which messages are committed.
fn cuts_read_acks(protocol: &Protocol) -> bool {
    protocol.edge_limits && protocol.unread_from_store && protocol.id_floor_from_store
}

fn about(user: u32, chat: Chat) -> About {
    let about = About::from([Subject::Unread { user, conversation: chat.conversation(user) }]);
    match chat {
        Chat::User(_) => about,
        Chat::Group(group) => about.and(Subject::Rows(Rows::Member { group, user })),
    }
}

/// Whether a message that is not read must count, and whether it may.
fn counts_for(known: &Known, user: u32, chat: Chat, row: &Row) -> (bool, bool) {
    if row.from == user {
        return (false, false);
    }
    let Chat::Group(group) = chat else { return (true, true) };
    // An audit that met a change is made again.
    match known.membership.join(group, user) {
        Some(join) => (join.is_before(row.sent), !join.is_after(row.committed, GRAIN_US)),
        None => (false, false),
    }
}

impl Property for Unread {
    fn name(&self) -> &'static str {
        "unread"
    }

    fn says(&self) -> &'static str {
        "at rest the unread counts equal what was sent and not read"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn audited(&self) -> bool {
        true
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::DeviceWrites, Class::DbPdu, Class::OtherPdu, Class::Row, Class::Event]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::DeviceWrites => Some(&[command::MSG_READ_ACK]),
            Class::DbPdu => Some(&[
                command::MSG_READ_ACK,
                command::MSG_READ_NOTIFY,
                command::BUDDY_LIST_REMOVE_SESSION_REQ,
                command::BUDDY_LIST_REMOVE_SESSION_RES,
            ]),
            Class::OtherPdu => Some(&[command::MSG_UNREAD_CNT_RESPONSE]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        match &line.kind {
            Kind::Row { conversation, msg_id, from, .. } => {
                let committed = Moment::of(line);
                let arrived = seen.known.sends.arrived(seen.message.as_ref()?);
                let sent = arrived.unwrap_or(committed);
                let row = Row { msg_id: *msg_id, from: *from, sent, committed };
                self.rows.entry(*conversation).or_default().push(row);
            }
            Kind::Phase { phase: "audit" } => self.answers.clear(),
            _ => {
                self.audited_answer(line);
                self.reads.observe(seen);
            }
        }
        None
    }

    fn pending(&self, known: &Known) -> Option<Violation> {
        let violation = |kind, sentence, about: About| {
            Some(Violation { property: "unread", kind, role: Role::Db, sentence, about })
        };
        // Whoever was told once that the login succeeded must be answered for.
        let users: BTreeSet<u32> = known.clients.all_served().filter_map(|s| s.user).collect();
        for user in users {
            let Some(counts) = self.answers.get(&user) else {
                let why = format!("no db_proxy says what user {user} has not read");
                return violation("no-answer", why, [Subject::User(user)].into());
            };
            for chat in self.chats(user) {
                let (low, high) = self.bounds(known, (user, chat));
                let count = counts.get(&chat).copied().unwrap_or(0);
                if (low..=high).contains(&count) {
                    continue;
                }
                let truth = if low == high { low.to_string() } else { format!("{low} to {high}") };
                let why = format!(
                    "user {user} is said to have {count} unread messages of {chat}; it is {truth}"
                );
                let kind = if count > high { "too-many" } else { "too-few" };
                return violation(kind, why, about(user, chat));
            }
        }
        None
    }

    fn tally(&self, known: &Known) -> Option<Tally> {
        let mut tally = Tally::default();
        for user in self.answers.keys() {
            for chat in self.chats(*user) {
                match self.bounds(known, (*user, chat)) {
                    (low, high) if low == high => tally.judge(),
                    _ => {
                        tally.excuse("a read, a removal or a joining that may have come before it")
                    }
                }
            }
        }
        Some(tally)
    }
}

#[cfg(test)]
mod tests;
