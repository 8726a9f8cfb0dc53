//! isolation: nothing reaches or is taken from a connection that is not logged in, was kicked,
//! or is no member.
//!
//! Whether a connection is logged in or kicked follows from what the msg_server has written on it.
//! What concerns a group may be written to a user who may have been a member (`membership`) at some
//! time since a certain moment:
//!
//! - a message that is pushed, or shown beside a session: since its row was committed;
//! - the answer to a question: since the question arrived at the msg_server.
//!
//! Of the history of a group a user may be told what was committed after a db_proxy was asked to
//! let them in. Where the store says who is a member (`members-from-store`, with a floor for
//! msg_ids), a message is not pushed to users who joined after its commit: a device that missed the
//! push could not get it from the history.
//!
//! A message to a group may be stored if its sender may have been a member at some time since the
//! attempt that is stored arrived at its db_proxy. That users came or went is told to them and to
//! the members.

#[cfg(test)]
mod tests;
mod told;
mod tries;

use super::{
    About, Class, Known, Property, Rows, Seen, Sort, Subject, Tally, Violation,
    answered::reply_of,
    membership::Moment,
    seen::Stood,
    wire::{At, Message},
};
use crate::{
    lookup::{Lookup, LookupSet},
    plan::Role,
    record::{Frame, Kind},
};
use std::{collections::BTreeMap, sync::Arc};
use teamtalk::{
    catalogue::{self, id as command},
    conversation::Conversation,
    env::ConnId,
    protocol::Protocol,
};
use told::{OfGroup, Since};
use tries::Tries;

/// Simulated microseconds by which the times of two clocks that count whole seconds may differ.
const GRAIN_US: u64 = 2_000_000;

/// See the module.
#[derive(Debug)]
pub struct Isolation {
    /// A user may see what was committed up to this many simulated microseconds before they joined.
    grain_us: u64,
    /// The store says who is a member, and a join waits for its turn among the messages of its
    /// group (at the floor), so that joins and messages take effect in the order of their commits.
    from_store: bool,
    tries: Tries,
    /// The lines at which questions (connection, seq_num, command) that are not answered were
    /// first read.
    asked: BTreeMap<(ConnId, u16, u16), u64>,
    /// When rows of groups were committed, by group and msg_id.
    rows: Lookup<(u32, u32), Committed>,
    /// Contents that came on a connection that was logged in and not kicked.
    welcome: LookupSet<Arc<str>>,
    /// Contents that came on other connections, with the connection and what was wrong with it.
    intruding: Lookup<Arc<str>, (ConnId, &'static str)>,
    tally: Tally,
}

/// When the rows with one msg_id were committed: the original may store several.
#[derive(Debug, Clone, Copy)]
struct Committed {
    first: Moment,
    last: Moment,
}

#[cold]
fn violation(kind: &'static str, sentence: String, about: About) -> Option<Violation> {
    Some(Violation { property: "isolation", kind, role: Role::Msg, sentence, about })
}

/// What a device asks: a message to be stored, and questions.
const ASKED: &[u16] = &[
    command::MSG_DATA,
    command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST,
    command::MSG_UNREAD_CNT_REQUEST,
    command::MSG_LIST_REQUEST,
    command::MSG_GET_LATEST_MSG_ID_REQ,
    command::MSG_GET_BY_MSG_ID_REQ,
    command::GROUP_NORMAL_LIST_REQUEST,
    command::GROUP_INFO_REQUEST,
];

impl Isolation {
    /// For a deployment under this protocol.
    pub fn new(protocol: &Protocol) -> Self {
        Self {
            // Else who joined sees what is of the same second.
            grain_us: if protocol.members_from_store { 0 } else { GRAIN_US },
            from_store: protocol.members_from_store && protocol.has_floor(),
            tries: Tries::default(),
            asked: BTreeMap::new(),
            rows: Lookup::default(),
            welcome: LookupSet::default(),
            intruding: Lookup::default(),
            tally: Tally::default(),
        }
    }

    /// The line at which the question was read that a PDU answers, or 0 if it answers none. The
    /// question counts as answered from then on.
    fn question(&mut self, conn: ConnId, pdu: &Frame) -> u64 {
        let (seq, answer) = (pdu.header.seq_num, pdu.command());
        let same_seq = self.asked.range((conn, seq, 0)..=(conn, seq, u16::MAX));
        let answered =
            |question| answer == command::OTHER_REFUSED || reply_of(question) == Some(answer);
        let keys: Vec<_> = same_seq.map(|(key, _)| *key).filter(|key| answered(key.2)).collect();
        keys.iter().filter_map(|key| self.asked.remove(key)).min().unwrap_or(0)
    }

    fn takes(&mut self, seen: &Seen<'_>, conn: ConnId) {
        let Some(data) = &seen.data else { return };
        let content = data.content.clone();
        match seen.stood {
            Some(Stood { user: Some(_), kicked: false }) => {
                self.welcome.insert(content);
            }
            Some(Stood { user: Some(_), kicked: true }) => {
                self.intruding.insert(content, (conn, "was kicked"));
            }
            _ => {
                self.intruding.insert(content, (conn, "is not logged in"));
            }
        }
    }

    /// Judges a PDU that a msg_server writes, by how the connection stood before it.
    fn tells(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let asked = self.question(conn, pdu);
        let (stood, known) = (seen.stood?, seen.known);
        let id = pdu.command();
        if [command::OTHER_HEARTBEAT, command::OTHER_REFUSED].contains(&id) {
            return None;
        }
        self.tally.judge();
        let name = catalogue::name(id).unwrap_or("a PDU");
        let about = || About::from([Subject::Connection(conn)]);
        let Some(user) = stood.user else {
            if id == command::LOGIN_RES_USERLOGIN {
                return None;
            }
            let why = format!("connection {conn} is not logged in and was sent {id:#06x} ({name})");
            return violation("not-logged-in", why, about());
        };
        if stood.kicked {
            let why = format!(
                "connection {conn} of user {user} was kicked and then sent {id:#06x} ({name})"
            );
            return violation("kicked", why, about());
        }
        let of_groups = told::of_groups(seen, pdu).unwrap_or_default();
        let head = || format!("connection {conn} is of user {user} and was sent {name}");
        let stranger = told::whose(seen, pdu, user).map(|why| (None, why)).or_else(|| {
            let foreign = |of: &&OfGroup| {
                !known.membership.is_ever(
                    of.group,
                    user,
                    self.since_of(known, of, asked),
                    known.now,
                )
            };
            let group = of_groups.iter().find(foreign)?.group;
            let why = format!(
                "which tells of group {group}; user {user} is no member, nor was one in time"
            );
            Some((Some(group), why))
        });
        let of_group = |group: Option<u32>| {
            let pushed = seen.data.iter().map(|data| Subject::Content(data.content.clone()));
            let member = group.map(|group| Subject::Rows(Rows::Member { group, user }));
            pushed.chain(member).chain([Subject::answer(conn, pdu)]).collect::<About>()
        };
        if let Some((group, why)) = stranger {
            return violation("no-member", format!("{}, {why}", head()), of_group(group));
        }
        let too_old = |of| {
            self.too_old(known, of, user, asked).or_else(|| self.pushed_too_late(known, of, user))
        };
        let (group, msg_id) = of_groups.iter().find_map(too_old)?;
        let why = format!(
            "{}, which tells of msg_id {msg_id} of group {group}; that was committed before user \
             {user} became a member",
            head()
        );
        let about = of_group(Some(group));
        let about = about.and(Subject::Message(Conversation::Group(group), msg_id));
        Some(Violation { role: Role::Db, ..violation("before-joining", why, about)? })
    }

    /// The line from which on a user must have been a member to be told something, in the answer
    /// to a question that was read in line `asked`.
    fn since_of(&self, known: &Known, of: &OfGroup, asked: u64) -> u64 {
        match &of.since {
            Since::Question => asked,
            Since::Pushed(message, _) => since(known, message),
            Since::Shown => {
                let rows = of.shown.iter().filter_map(|id| self.rows.get(&(of.group, *id)));
                rows.map(|row| row.first.n).min().unwrap_or(asked).min(asked)
            }
        }
    }

    /// A group and a msg_id of it that is shown to a user who joined after it was committed.
    fn too_old(&self, known: &Known, of: &OfGroup, user: u32, asked: u64) -> Option<(u32, u32)> {
        let join = known.membership.join_at(of.group, user, asked)?;
        let committed = |id: &&u32| self.rows.get(&(of.group, **id)).map(|row| row.last);
        let old = |id: &&u32| committed(id).is_some_and(|at| join.is_after(at, self.grain_us));
        of.shown.iter().find(old).map(|id| (of.group, *id))
    }

    /// A group and a msg_id of it that is pushed to a user who was no member when it was committed,
    /// by the order of the commits.
    fn pushed_too_late(&self, known: &Known, of: &OfGroup, user: u32) -> Option<(u32, u32)> {
        let Since::Pushed(_, msg_id) = of.since else { return None };
        let row = self.rows.get(&(of.group, msg_id)).filter(|_| self.from_store)?;
        let was_in = |at: Moment| known.membership.stored(of.group, user, at.n);
        (!was_in(row.first) && !was_in(row.last)).then_some((of.group, msg_id))
    }

    /// Judges a row of a message when it is committed.
    fn stores(
        &self,
        known: &Known,
        (conversation, msg_id): (Conversation, u32),
        message: &Message,
    ) -> Option<Violation> {
        let content = &message.1;
        if !self.welcome.contains(content)
            && let Some((conn, why)) = self.intruding.get(content)
        {
            let sentence = format!(
                "\"{content}\" is stored as msg_id {msg_id} of {conversation}; it came on \
                 connection {conn} only, which {why}"
            );
            let about = [Subject::Content(content.clone()), Subject::Connection(*conn)];
            return violation("taken", sentence, about.into());
        }
        let Conversation::Group(group) = conversation else { return None };
        let arrived = known.sends.arrived(message).map(|at| at.n);
        let arrived = self.tries.stored(message).or(arrived).unwrap_or(0);
        if known.membership.is_ever(group, message.0, arrived, known.now) {
            return None;
        }
        let sentence = format!(
            "\"{content}\" is stored as msg_id {msg_id} of {conversation}; its sender, user {}, \
             was no member when it arrived, nor since",
            message.0
        );
        let sender = Rows::Member { group, user: message.0 };
        let about = [Subject::Content(content.clone()), Subject::Rows(sender)];
        Some(Violation { role: Role::Db, ..violation("no-member", sentence, about.into())? })
    }
}

/// The line from which on a user must have been a member to be pushed a message.
fn since(known: &Known, message: &Message) -> u64 {
    let first = known.sends.stored(message).or_else(|| known.sends.arrived(message));
    first.map_or(0, |at| at.n)
}

impl Property for Isolation {
    fn name(&self) -> &'static str {
        "isolation"
    }

    fn says(&self) -> &'static str {
        "nothing reaches or is taken from a connection that is not logged in, was kicked, or is \
         no member"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::ServerReads, Class::ServerWrites, Class::DbPdu, Class::Row, Class::Event]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::ServerReads => Some(ASKED),
            Class::DbPdu => Some(&[command::MSG_DATA, command::OTHER_REFUSED]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        self.tries.observe(seen);
        if let Kind::Row { conversation, msg_id, .. } = &line.kind {
            if let Conversation::Group(group) = conversation {
                let at = Moment::of(line);
                let row = self.rows.entry((*group, *msg_id));
                row.or_insert(Committed { first: at, last: at }).last = at;
            }
            self.tally.judge();
            return self.stores(seen.known, (*conversation, *msg_id), seen.message.as_ref()?);
        }
        match seen.client {
            Some((At::ServerWrites, conn, pdu)) => self.tells(seen, conn, pdu),
            Some((At::ServerReads, conn, pdu)) if pdu.command() == command::MSG_DATA => {
                self.takes(seen, conn);
                None
            }
            Some((At::ServerReads, conn, pdu)) => {
                let question = (conn, pdu.header.seq_num, pdu.command());
                self.asked.entry(question).or_insert(line.n);
                None
            }
            _ => None,
        }
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}
