//! order: a sender who waited for an ack has a lower msg_id before than after; history is in
//! msg_id order, without gaps that are not explained.
//!
//! A page must be whole: everything that was committed before it was asked for, and that is within
//! its range and count, is on it. Of a group's page that is said only of messages that were sent
//! after the asker had surely joined, and only if the asker was surely a member from then on.

use super::{
    About, Class, Known, Property, Seen, Sort, Subject, Tally, Violation,
    membership::Moment,
    wire::{At, Message, conversation_of, conversation_with},
};
use crate::{
    lookup::Lookup,
    plan::Role,
    record::{Frame, Kind},
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::{self, id as command},
    conversation::Conversation,
    env::ConnId,
    wire::im::message::{ImGetMsgByIdRsp, ImGetMsgListReq, ImGetMsgListRsp, ImMsgDataAck},
};

/// A send, as far as its device knows.
#[derive(Debug, Clone)]
struct Send {
    device: u32,
    conversation: Conversation,
    /// The highest msg_id that the device knew as acked in this conversation when it first wrote
    /// this message.
    above: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Order {
    sends: Lookup<Message, Send>,
    asked: Lookup<(ConnId, u16), Message>,
    /// The highest msg_id that was acked to a device in a conversation.
    highest_ack: Lookup<(u32, Conversation), u32>,
    /// The rows by msg_id; of several with one id, the first.
    rows: BTreeMap<Conversation, BTreeMap<u32, Row>>,
    /// List requests that are not answered.
    lists: Lookup<(ConnId, u16), ListRequest>,
    /// Sends that are not acked, by device and conversation.
    unacked: Lookup<(u32, Conversation), BTreeSet<Message>>,
    tally: Tally,
}

/// When a message was sent and stored.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// When its message first arrived at a msg_server.
    sent: Moment,
    /// The line of its commit.
    committed: u64,
}

/// Who was sent a page, and when.
#[derive(Debug, Clone, Copy)]
struct Viewer<'a> {
    user: u32,
    known: &'a Known,
}

/// A 0309 as a msg_server read it.
#[derive(Debug, Clone, Copy)]
struct ListRequest {
    /// The line at which it was first read: a client may write it again, and the first may be the
    /// one that is answered.
    since: u64,
    /// The msg_id from which the page goes down; 0: from the newest.
    begin: u32,
    /// How many messages the page has at most.
    count: usize,
}

#[cold]
fn violation(kind: &'static str, sentence: String, about: About) -> Option<Violation> {
    Some(Violation { property: "order", kind, role: Role::Db, sentence, about })
}

impl Viewer<'_> {
    /// Whether a row is part of the conversation as the user sees it.
    fn sees(&self, conversation: Conversation, row: &Row) -> bool {
        let Known { membership, now, .. } = self.known;
        match conversation {
            Conversation::Single { .. } => true,
            Conversation::Group(group) => membership.sees(group, self.user, row.sent, *now),
        }
    }
}

impl Order {
    fn writes(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<()> {
        let (data, message) = (&seen.data.as_ref()?.body, seen.message.clone()?);
        let device = seen.known.clients.device(conn)?;
        let conversation = conversation_of(message.0, data.to_session_id, data.msg_type);
        self.asked.insert((conn, pdu.header.seq_num), message.clone());
        let above = self.highest_ack.get(&(device, conversation)).copied().unwrap_or(0);
        let beside = self.unacked.entry((device, conversation)).or_default();
        if beside.insert(message.clone()) && beside.len() > 1 {
            self.tally.excuse("sends side by side");
        }
        self.sends.entry(message).or_insert(Send { device, conversation, above });
        Some(())
    }

    fn acked(&mut self, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let ack = pdu.view::<ImMsgDataAck>().ok()?;
        let message = self.asked.get(&(conn, pdu.header.seq_num))?;
        if ack.msg_id == 0 {
            return None;
        }
        let Send { device, conversation, above } = self.sends.get(message)?.clone();
        if let Some(unacked) = self.unacked.get_mut(&(device, conversation)) {
            unacked.remove(message);
        }
        self.tally.judge();
        let highest = self.highest_ack.entry((device, conversation)).or_default();
        *highest = ack.msg_id.max(*highest);
        if ack.msg_id > above {
            return None;
        }
        let sentence = format!(
            "device {device} first sent \"{}\" in {conversation} after an ack of msg_id {above}; \
             it became msg_id {}",
            message.1, ack.msg_id
        );
        let about = [
            Subject::Content(message.1.clone()),
            Subject::Message(conversation, ack.msg_id),
            Subject::Message(conversation, above),
        ];
        violation("descending", sentence, about.into())
    }

    fn list(&mut self, known: &Known, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let key = (conn, pdu.header.seq_num);
        let viewer = Viewer { user: known.clients.user(conn)?, known };
        let user = viewer.user;
        let (conversation, ids, request) = if pdu.command() == command::MSG_LIST_RESPONSE {
            let list = pdu.view::<ImGetMsgListRsp>().ok()?;
            let conversation = conversation_with(user, list.session_type, list.session_id);
            (conversation, ids(&list.msg_list), self.lists.remove(&key))
        } else {
            // Ids that nobody asked for are no gaps.
            let list = pdu.view::<ImGetMsgByIdRsp>().ok()?;
            let conversation = conversation_with(user, list.session_type, list.session_id);
            (conversation, ids(&list.msg_list), None)
        };
        self.tally.judge();
        let name = catalogue::name(pdu.command()).unwrap_or_default();
        let head = || format!("{name} seq {} on connection {conn} of {conversation}", key.1);
        let about = |ids: &[u32]| {
            let messages = ids.iter().map(|id| Subject::Message(conversation, *id));
            messages.chain([Subject::answer(conn, pdu)]).collect::<About>()
        };
        for pair in ids.windows(2) {
            let (above, below) = (pair[0], pair[1]);
            if above <= below {
                let sentence = format!("{} lists msg_id {below} after {above}", head());
                return violation("unsorted", sentence, about(&[above, below]));
            }
            let rows = self.rows.get(&conversation);
            let mut between = rows.into_iter().flat_map(|rows| rows.range(below + 1..above));
            if let Some(ListRequest { since, .. }) = request
                && let Some((missing, _)) =
                    between.find(|(_, row)| row.committed < since && viewer.sees(conversation, row))
            {
                let sentence = format!(
                    "{} lists msg_id {below} after {above} and not {missing}, which was \
                     committed before the request came",
                    head()
                );
                return violation("gap", sentence, about(&[above, *missing, below]));
            }
        }
        let missing = self.missing(viewer, conversation, &ids, request?)?;
        let sentence = format!(
            "{} lists {} messages and not msg_id {missing}, which was committed before the \
             request came",
            head(),
            ids.len()
        );
        violation("missing", sentence, about(&[missing]))
    }

    /// A message that should be on a page and is not: it was committed when the page was asked for,
    /// it is in the page's range, and the page has room for it.
    fn missing(
        &self,
        viewer: Viewer<'_>,
        conversation: Conversation,
        ids: &[u32],
        ListRequest { since, begin, count }: ListRequest,
    ) -> Option<u32> {
        let top = if begin == 0 { u32::MAX } else { begin };
        let known = self.rows.get(&conversation)?.range(..=top).rev();
        let seen = |row: &Row| row.committed < since && viewer.sees(conversation, row);
        let before = known.filter(|(_, row)| seen(row)).map(|(id, _)| *id);
        let full = ids.len() >= count;
        let on_it = |id: u32| !full || ids.last().is_some_and(|&last| id > last);
        before.take(count).find(|&id| !ids.contains(&id) && on_it(id))
    }
}

fn ids(rows: &[teamtalk::wire::im::base_define::MsgInfo]) -> Vec<u32> {
    rows.iter().map(|row| row.msg_id).collect()
}

impl Property for Order {
    fn name(&self) -> &'static str {
        "order"
    }

    fn says(&self) -> &'static str {
        "a sender who waited for an ack has a lower msg_id before than after; history is in \
         msg_id order without unexplained gaps"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::DeviceWrites,
            Class::ServerReads,
            Class::ServerWrites,
            Class::DeviceReads,
            Class::Row,
        ]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::DeviceWrites => Some(&[command::MSG_DATA]),
            Class::ServerReads => Some(&[command::MSG_LIST_REQUEST]),
            Class::ServerWrites => {
                Some(&[command::MSG_LIST_RESPONSE, command::MSG_GET_BY_MSG_ID_RES])
            }
            Class::DeviceReads => Some(&[command::MSG_DATA_ACK]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let (line, known) = (seen.line, seen.known);
        if let Kind::Row { conversation, msg_id, .. } = &line.kind {
            let arrived = known.sends.arrived(seen.message.as_ref()?);
            let row = Row { sent: arrived.unwrap_or(Moment::of(line)), committed: line.n };
            self.rows.entry(*conversation).or_default().entry(*msg_id).or_insert(row);
        }
        let (at, conn, pdu) = seen.client?;
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_DATA) => {
                self.writes(seen, conn, pdu);
                None
            }
            (At::DeviceReads, command::MSG_DATA_ACK) => self.acked(conn, pdu),
            (At::ServerReads, command::MSG_LIST_REQUEST) => {
                let asked = pdu.view::<ImGetMsgListReq>().ok()?;
                let (begin, count) = (asked.msg_id_begin, asked.msg_cnt as usize);
                let request = ListRequest { since: line.n, begin, count };
                self.lists.entry((conn, pdu.header.seq_num)).or_insert(request);
                None
            }
            (At::ServerWrites, command::MSG_LIST_RESPONSE | command::MSG_GET_BY_MSG_ID_RES) => {
                self.list(known, conn, pdu)
            }
            _ => None,
        }
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Order;
    use crate::properties::tape::{
        G, Tape, ack, group_ack, group_list, group_message, list, list_request, message,
        page_request,
    };
    use teamtalk::conversation::Chat;

    fn tape() -> Tape<Order> {
        let mut tape = Tape::new(Order::default());
        tape.login(1, 10, 1).login(2, 20, 2);
        tape
    }

    #[test]
    fn a_send_after_an_ack_must_get_a_higher_id() {
        let mut tape = tape();
        tape.asks(10, message(5, 0, 1, 2, "a")).tells(10, ack(5, 7, 1, 2));
        tape.asks(10, message(6, 0, 1, 2, "b")).tells(10, ack(6, 8, 1, 2));
        // Another conversation, and another device, have their own.
        tape.asks(10, message(7, 0, 1, 3, "c")).tells(10, ack(7, 1, 1, 3));
        tape.asks(20, message(5, 0, 2, 1, "d")).tells(20, ack(5, 6, 2, 1));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.asks(10, message(8, 0, 1, 2, "e")).tells(10, ack(8, 8, 1, 2));
        assert_eq!(tape.found, ["order/descending/db"]);
    }

    #[test]
    fn sends_side_by_side_and_later_tries_have_no_order() {
        let mut tape = tape();
        tape.asks(10, message(5, 0, 1, 2, "a")).asks(10, message(6, 0, 1, 2, "b"));
        tape.tells(10, ack(6, 8, 1, 2)).tells(10, ack(5, 7, 1, 2));
        tape.asks(10, message(7, 0, 1, 2, "c")).asks(10, message(8, 0, 1, 2, "d"));
        tape.tells(10, ack(8, 10, 1, 2)).asks(10, message(9, 0, 1, 2, "c"));
        tape.tells(10, ack(9, 9, 1, 2)).tells(10, ack(9, 0, 1, 2));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
    }

    #[test]
    fn an_unsorted_list_is_found() {
        for rows in [[(4, 1, "a"), (5, 1, "b")], [(4, 1, "a"), (4, 1, "b")]] {
            let mut tape = tape();
            tape.tells(20, list(5, 2, 1, &rows));
            assert_eq!(tape.found, ["order/unsorted/db"]);
        }
    }

    #[test]
    fn a_gap_is_found_unless_its_row_came_after_the_request() {
        let mut tape = tape();
        tape.row(3, (1, "a")).row(5, (1, "c")).asks(20, list_request(5, 2, 1));
        tape.row(4, (1, "b")).tells(20, list(5, 2, 1, &[(5, 1, "c"), (3, 1, "a")]));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.asks(20, list_request(6, 2, 1));
        tape.tells(20, list(6, 2, 1, &[(5, 1, "c"), (3, 1, "a")]));
        assert_eq!(tape.found, ["order/gap/db"]);
    }

    const MISSING: [&str; 1] = ["order/missing/db"];

    #[test]
    fn a_page_must_be_whole_up_to_its_count() {
        // What is answered to user 2, who asks from an id down for at most so many of 3, 4 and 5.
        let page = |range, rows: &[(u32, u32, &str)]| {
            let mut tape = tape();
            tape.row(3, (1, "a")).row(4, (1, "b")).row(5, (1, "c"));
            tape.asks(20, page_request(5, 2, Chat::User(1), range)).row(6, (1, "late"));
            tape.tells(20, list(5, 2, 1, rows)).found.clone()
        };
        let (a, b, c) = ((3, 1, "a"), (4, 1, "b"), (5, 1, "c"));
        assert!(page((0, 100), &[c, b, a]).is_empty());
        assert!(page((0, 100), &[(6, 1, "late"), c, b, a]).is_empty());
        assert!(page((0, 2), &[c, b]).is_empty());
        assert!(page((0, 2), &[(6, 1, "late"), c]).is_empty());
        assert!(page((4, 100), &[b, a]).is_empty());
        assert_eq!(page((0, 100), &[b, a]), MISSING, "the newest");
        assert_eq!(page((0, 100), &[c, b]), MISSING, "the oldest, and there is room");
        assert_eq!(page((0, 100), &[]), MISSING);
        assert_eq!(page((0, 2), &[b, a]), MISSING);
        assert_eq!(page((4, 100), &[a]), MISSING);
        assert_eq!(page((0, 100), &[c, a]), ["order/gap/db"]);
    }

    /// Users 1 and 2 are members from the start; 3 ("a") was sent, then user 4 joined and seconds
    /// later 4 ("b") and 5 ("c") were sent. User 4 is on connection 40.
    fn group() -> Tape<Order> {
        let mut tape = tape();
        tape.group(&[1, 2]).login(4, 40, 4).group_row(3, (1, "a")).later(5).changes(8, 4, true);
        tape.later(5).group_row(4, (1, "b")).group_row(5, (1, "c"));
        tape
    }

    fn paged(tape: &mut Tape<Order>, conn: u64, user: u32, rows: &[(u32, u32, &str)]) {
        tape.asks(conn, page_request(5, user, Chat::Group(G), (0, 100)));
        tape.tells(conn, group_list(5, user, rows));
    }

    #[test]
    fn a_member_sees_a_group_since_he_joined() {
        let (a, b, c) = ((3, 1, "a"), (4, 1, "b"), (5, 1, "c"));
        let page = |conn, user, rows: &[(u32, u32, &str)]| {
            let mut tape = group();
            paged(&mut tape, conn, user, rows);
            tape.found
        };
        assert!(page(20, 2, &[c, b, a]).is_empty());
        assert!(page(40, 4, &[c, b]).is_empty());
        assert_eq!(page(20, 2, &[c, b]), MISSING);
        assert_eq!(page(20, 2, &[c, a]), ["order/gap/db"]);
        assert_eq!(page(40, 4, &[c]), MISSING);
        let mut tape = group();
        tape.group_row(6, (1, "d")).group_row(7, (1, "e"));
        paged(&mut tape, 40, 4, &[(7, 1, "e"), c, b]);
        assert_eq!(tape.found, ["order/gap/db"]);
    }

    #[test]
    fn a_change_that_was_denied_excuses_nothing() {
        let mut tape = group();
        tape.denied(9, &[2]);
        paged(&mut tape, 20, 2, &[]);
        assert_eq!(tape.found, MISSING);
    }

    #[test]
    fn who_left_or_has_just_joined_may_see_less_of_a_group() {
        let mut tape = group();
        tape.changes(9, 2, false);
        paged(&mut tape, 20, 2, &[]);
        tape.changes(10, 2, true).group_row(6, (1, "in the same second"));
        paged(&mut tape, 20, 2, &[]);
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        // It arrived before the user joined, and was committed long after.
        tape.asks(10, group_message(5, 0, 1, "d")).changes(11, 4, false).changes(12, 4, true);
        tape.later(5).group_row(7, (1, "d"));
        paged(&mut tape, 40, 4, &[]);
        assert!(tape.found.is_empty(), "{:?}", tape.found);
    }

    #[test]
    fn a_send_to_a_group_after_an_ack_must_get_a_higher_id() {
        let mut tape = group();
        tape.asks(10, group_message(5, 0, 1, "d")).tells(10, group_ack(5, 7, 1));
        tape.asks(10, message(6, 0, 1, G, "e")).tells(10, ack(6, 1, 1, G));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.asks(10, group_message(7, 0, 1, "f")).tells(10, group_ack(7, 6, 1));
        assert_eq!(tape.found, ["order/descending/db"]);
    }
}
