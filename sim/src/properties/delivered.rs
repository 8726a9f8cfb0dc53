//! delivered: a message acked, or held by any device but the sender's, is shown once on every
//! device of its conversation that is online at the end.
//!
//! An ack counts once the device reads it. In a group a message is owed to every user who is a
//! member at its commit and stays one, by the store, to the end. A change of members excuses a user
//! whom it names if it is under way at any line from the first write of the message to its commit.

use super::{
    Class, Known, Property, Seen, Sort, Subject, Tally, Violation,
    wire::{At, Message, conversation_of},
};
use crate::{
    lookup::Lookup,
    plan::Role,
    record::{Frame, Kind},
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id as command, conversation::Conversation, env::ConnId, fact::Fact,
    wire::im::message::ImMsgDataAck,
};

/// Why a message must arrive: it was acked to a device, or a device holds it.
#[derive(Debug)]
struct Debt {
    conversation: Conversation,
    how: &'static str,
    device: u32,
    msg_id: u32,
    /// The line at which that happened.
    since: u64,
}

/// What is known of a message.
#[derive(Debug, Default)]
struct Fate {
    /// The devices that wrote it.
    origins: BTreeSet<u32>,
    /// Why it must arrive, if it must.
    owed: Option<Debt>,
    /// The devices that show it, and under which msg_id.
    shown: BTreeMap<u32, u32>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Delivered {
    /// What a device sent on a connection under a seq_num.
    sent: Lookup<(ConnId, u16), (Message, Conversation)>,
    messages: Lookup<Message, Fate>,
}

impl Delivered {
    fn pdu(&mut self, seen: &Seen<'_>, at: At, conn: ConnId, pdu: &Frame) -> Option<()> {
        let key = (conn, pdu.header.seq_num);
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_DATA) => {
                let device = seen.known.clients.device(conn)?;
                let (data, message) = (seen.data.as_ref()?, seen.message.clone()?);
                let (to, msg_type) = (data.body.to_session_id, data.body.msg_type);
                let conversation = conversation_of(message.0, to, msg_type);
                self.messages.entry(message.clone()).or_default().origins.insert(device);
                self.sent.insert(key, (message, conversation));
            }
            (At::DeviceReads, command::MSG_DATA_ACK) => {
                let device = seen.known.clients.device(conn)?;
                let msg_id = pdu.view::<ImMsgDataAck>().ok()?.msg_id;
                let (message, conversation) = self.sent.get(&key).filter(|_| msg_id != 0)?;
                let (conversation, since) = (*conversation, seen.line.n);
                let debt = Debt { conversation, how: "acked to", device, msg_id, since };
                self.messages.entry(message.clone()).or_default().owed.get_or_insert(debt);
            }
            _ => {}
        }
        Some(())
    }

    fn held(
        &mut self,
        since: u64,
        device: u32,
        (conversation, msg_id): (Conversation, u32),
        message: &Message,
    ) -> Option<Violation> {
        let fate = self.messages.entry(message.clone()).or_default();
        if !fate.origins.contains(&device) {
            let debt = Debt { conversation, how: "held by", device, msg_id, since };
            fate.owed.get_or_insert(debt);
        }
        let first = *fate.shown.entry(device).or_insert(msg_id);
        (first != msg_id).then(|| Violation {
            property: "delivered",
            kind: "twice",
            role: Role::Client,
            sentence: format!(
                "device {device} shows \"{}\" from user {} as msg_id {first} and as msg_id \
                 {msg_id} of {conversation}",
                message.1, message.0
            ),
            about: [
                Subject::Content(message.1.clone()),
                Subject::Message(conversation, first),
                Subject::Message(conversation, msg_id),
            ]
            .into(),
        })
    }
}

impl Fate {
    /// The debt, a device that is online and should show the message and does not, and its user.
    fn lacking(&self, known: &Known, message: &Message) -> Option<(&Debt, u32, u32)> {
        let debt = self.owed.as_ref()?;
        let mut online = known.clients.online().iter();
        let (device, online) = online.find(|(device, online)| {
            !self.shown.contains_key(device) && is_owed_to(known, online.user, message, debt)
        })?;
        Some((debt, *device, online.user))
    }
}

/// Whether a user must have a message in the end.
fn is_owed_to(known: &Known, user: u32, message: &Message, debt: &Debt) -> bool {
    let Conversation::Group(group) = debt.conversation else {
        return debt.conversation.peer_of(user).is_some();
    };
    let commit = known.sends.stored(message).map_or(debt.since, |at| at.n);
    let written = known.sends.written(message).map_or(commit, |at| at.n);
    let m = &known.membership;
    m.is_always(group, user, written.min(commit), commit) && m.stays(group, user, commit, known.now)
}

impl Property for Delivered {
    fn name(&self) -> &'static str {
        "delivered"
    }

    fn says(&self) -> &'static str {
        "a message acked or seen by anyone is shown once on every device of its conversation \
         that is online at the end"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::DeviceWrites, Class::DeviceReads, Class::Shown]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::DeviceWrites => Some(&[command::MSG_DATA]),
            Class::DeviceReads => Some(&[command::MSG_DATA_ACK]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if let Kind::Fact(Fact::Held { device, conversation, msg_id, .. }) = &seen.line.kind {
            let message = seen.message.as_ref()?;
            return self.held(seen.line.n, *device, (*conversation, *msg_id), message);
        }
        let (at, conn, pdu) = seen.client?;
        self.pdu(seen, at, conn, pdu);
        None
    }

    fn pending(&self, known: &Known) -> Option<Violation> {
        let is_lacking = |message: &_, fate: &Fate| fate.lacking(known, message).is_some();
        let (message, fate) = self.messages.least(is_lacking)?;
        let (debt, device, user) = fate.lacking(known, message)?;
        let own = user == message.0;
        Some(Violation {
            property: "delivered",
            kind: if own { "own-message-lost" } else { "lost" },
            role: Role::Msg,
            sentence: format!(
                "device {device} of user {user} is online and does not have \"{}\" from user {} in \
                 {}, which was {} device {} as msg_id {}",
                message.1, message.0, debt.conversation, debt.how, debt.device, debt.msg_id
            ),
            about: [
                Subject::Content(message.1.clone()),
                Subject::Message(debt.conversation, debt.msg_id),
                Subject::Device(device),
            ]
            .into(),
        })
    }

    fn tally(&self, known: &Known) -> Option<Tally> {
        let mut tally = Tally::default();
        for (message, Fate { owed, shown, .. }) in self.messages.sorted() {
            let Some(debt) = owed else {
                tally.excuse("acked to nobody, and held by nobody");
                continue;
            };
            for (device, user) in known.clients.users() {
                if shown.contains_key(&device) {
                    tally.judge();
                } else if debt.conversation.chat_of(user).is_none() {
                } else if !known.clients.online().contains_key(&device) {
                    tally.excuse("a device that is off line at the end");
                } else if is_owed_to(known, user, message, debt) {
                    tally.judge();
                } else {
                    tally.excuse("not surely a member since");
                }
            }
        }
        Some(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::Delivered;
    use crate::{
        properties::tape::{
            G, Tape, ack, audio, change_members, data, group_ack, group_message, message, refused,
        },
        record::Kind,
    };
    use teamtalk::{
        catalogue::id as command,
        wire::{im::base_define::MsgType, tt::extension::RefusedCode},
    };

    /// Devices 1 and 3 are of user 1, device 2 is of user 2, device 4 of user 4; device 1 sends.
    fn sent() -> Tape<Delivered> {
        let mut tape = Tape::new(Delivered::default());
        tape.login(1, 10, 1).login(2, 20, 2).login(3, 30, 1).login(4, 40, 4);
        tape.asks(10, message(5, 0, 1, 2, "text"));
        tape
    }

    #[test]
    fn what_is_acked_is_owed_to_every_device_of_both_users() {
        let mut tape = sent();
        assert_eq!(tape.pending(), None, "unknown to all is owed to nobody");
        tape.tells(10, ack(5, 7, 1, 2));
        assert_eq!(tape.pending(), Some("delivered/own-message-lost/msg".into()));
        tape.holds(1, 7, (1, "text")).holds(3, 7, (1, "text"));
        assert_eq!(tape.pending(), Some("delivered/lost/msg".into()));
        tape.holds(2, 7, (1, "text"));
        assert_eq!(tape.pending(), None);
        assert!(tape.found.is_empty());
    }

    #[test]
    fn what_another_device_holds_is_owed_and_what_only_its_sender_holds_is_not() {
        let mut tape = sent();
        tape.holds(1, 7, (1, "text"));
        assert_eq!(tape.pending(), None);
        tape.holds(2, 7, (1, "text"));
        assert_eq!(tape.pending(), Some("delivered/own-message-lost/msg".into()), "device 3");
    }

    #[test]
    fn a_device_that_is_not_online_is_owed_nothing_until_it_is() {
        let mut tape = sent();
        tape.tells(10, ack(5, 7, 1, 2)).holds(1, 7, (1, "text")).holds(3, 7, (1, "text"));
        tape.hang_up(2, 20);
        assert_eq!(tape.pending(), None);
        tape.login(2, 21, 2);
        assert_eq!(tape.pending(), Some("delivered/lost/msg".into()));
        tape.line("client1", crate::record::Kind::HostDown);
        assert_eq!(tape.pending(), None);
    }

    #[test]
    fn an_ack_of_msg_id_0_acks_nothing() {
        let mut tape = sent();
        tape.tells(10, ack(5, 0, 1, 2)).tells(10, ack(6, 7, 1, 2));
        assert_eq!(tape.pending(), None);
    }

    #[test]
    fn a_message_shown_twice_is_found() {
        let mut tape = sent();
        tape.holds(2, 7, (1, "text")).holds(2, 7, (1, "text")).holds(2, 8, (1, "other"));
        assert!(tape.found.is_empty());
        tape.holds(2, 9, (1, "text"));
        assert_eq!(tape.found, ["delivered/twice/client"]);
    }

    /// Users 1 (devices 1 and 3), 2 and 5 (offline) are members of the group, 4 (device 4) is none;
    /// device 1 writes.
    fn sent_to_group() -> Tape<Delivered> {
        let mut tape = Tape::new(Delivered::default());
        tape.group(&[1, 2, 5]).login(1, 10, 1).login(2, 20, 2).login(3, 30, 1).login(4, 40, 4);
        tape.asks(10, group_message(5, 0, 1, "text"));
        tape
    }

    /// It is stored and acked; the sender's devices hold it.
    fn acked(tape: &mut Tape<Delivered>) -> &mut Tape<Delivered> {
        tape.group_row(7, (1, "text")).tells(10, group_ack(5, 7, 1));
        tape.holds_of_group(1, 7, (1, "text")).holds_of_group(3, 7, (1, "text"))
    }

    const LOST: Option<&str> = Some("delivered/lost/msg");

    #[test]
    fn a_message_to_a_group_is_owed_to_every_device_of_its_members() {
        let mut tape = sent_to_group();
        tape.group_row(7, (1, "text")).tells(10, group_ack(5, 7, 1));
        tape.holds_of_group(1, 7, (1, "text")).holds_of_group(2, 7, (1, "text"));
        assert_eq!(tape.pending(), Some("delivered/own-message-lost/msg".into()), "device 3");
        tape.holds_of_group(3, 7, (1, "text"));
        assert_eq!(tape.pending(), None);
        assert_eq!(tape.login(5, 50, 5).pending().as_deref(), LOST);
    }

    #[test]
    fn who_joins_or_leaves_during_the_send_is_excused_and_nobody_else() {
        type Step = fn(&mut Tape<Delivered>);
        let leaves: Step = |tape| _ = tape.changes(9, 2, false);
        let joins: Step = |tape| _ = tape.changes(8, 2, true);
        let asks: Step = |tape| _ = tape.db_reads(change_members(9, 1, G, false, &[2]));
        let unavailable: Step = |tape| {
            let (command, code) =
                (command::GROUP_CHANGE_MEMBER_REQUEST, RefusedCode::RefusedUnavailable);
            tape.db_writes(refused(9, 1, command, code));
        };
        let gone: Step = |tape| _ = tape.member(2, false);
        let other: Step = |tape| _ = tape.changes(9, 4, true);
        let owed = |before: Option<Step>, after: &[Step]| {
            let mut tape = sent_to_group();
            before.into_iter().for_each(|step| step(&mut tape));
            acked(&mut tape);
            after.iter().for_each(|step| step(&mut tape));
            tape.pending()
        };
        assert_eq!(owed(None, &[]).as_deref(), LOST);
        assert_eq!(owed(Some(other), &[]).as_deref(), LOST, "another one joins");
        assert_eq!(owed(Some(leaves), &[]), None);
        assert_eq!(owed(Some(leaves), &[joins]), None, "comes back later");
        assert_eq!(owed(Some(joins), &[]), None, "even if that changes nothing");
        assert_eq!(owed(Some(asks), &[]), None, "maybe");
        assert_eq!(owed(None, &[leaves]), None);
        assert_eq!(owed(None, &[leaves, joins]), None);
        assert_eq!(
            owed(None, &[joins]).as_deref(),
            LOST,
            "after the commit: the user was a member"
        );
        assert_eq!(owed(None, &[asks]).as_deref(), LOST, "the store still has the user");
        assert_eq!(owed(None, &[asks, unavailable]).as_deref(), LOST, "and again");
        assert_eq!(owed(None, &[asks, gone]), None, "committed and never answered");
    }

    #[test]
    fn a_change_that_is_never_answered_excuses_until_nothing_can_come_of_it() {
        let owed = |seconds| {
            let mut tape = Tape::new(Delivered::default());
            tape.group(&[1, 2]).login(1, 10, 1).login(2, 20, 2).login(3, 30, 1);
            tape.db_reads(change_members(9, 1, G, false, &[2]));
            tape.line("world", Kind::Phase { phase: "liveness" }).later(seconds);
            tape.line("world", Kind::HostUp);
            acked(tape.asks(10, group_message(5, 0, 1, "text")));
            tape.pending()
        };
        assert_eq!(owed(5), None);
        assert_eq!(owed(10).as_deref(), LOST);
    }

    #[test]
    fn a_join_before_the_send_counts() {
        let mut tape = Tape::new(Delivered::default());
        tape.group(&[1]).login(1, 10, 1).login(2, 20, 2).changes(8, 2, true);
        acked(tape.asks(10, group_message(5, 0, 1, "text")));
        assert_eq!(tape.pending().as_deref(), LOST);
    }

    #[test]
    fn the_sender_who_left_is_owed_nothing() {
        let mut tape = sent_to_group();
        tape.group_row(7, (1, "text")).tells(10, group_ack(5, 7, 1));
        tape.holds_of_group(2, 7, (1, "text")).changes(9, 1, false);
        assert_eq!(tape.pending(), None);
    }

    #[test]
    fn audio_is_the_same_message_under_every_duration() {
        let mut tape = sent_to_group();
        let whole = |duration| String::from_utf8(audio(duration, "op-3")).expect("ASCII");
        let bytes = audio(5, "op-3");
        tape.asks(10, data(6, 0, (1, G), MsgType::GroupAudio, &bytes));
        tape.group_row(8, (1, "op-3")).tells(10, group_ack(6, 8, 1));
        assert_eq!(tape.pending().as_deref(), Some("delivered/own-message-lost/msg"));
        for device in 1..=3 {
            tape.holds_of_group(device, 8, (1, &whole(if device == 2 { 0 } else { 5 })));
        }
        assert_eq!(tape.pending(), None);
        tape.holds_of_group(2, 8, (1, &whole(5)));
        assert!(tape.found.is_empty());
        tape.holds_of_group(2, 9, (1, &whole(0)));
        assert_eq!(tape.found, ["delivered/twice/client"]);
    }
}
