//! order: a sender who waited for an ack has a lower msg_id before than after; history is in
//! msg_id order, without gaps that are not explained.

use super::{
    Property, Sort, Violation,
    clients::Clients,
    role_of,
    wire::{At, Message, client_pdu, conversation_of, conversation_with, text},
};
use crate::record::{Frame, Kind, Line};
use std::collections::BTreeMap;
use teamtalk::{
    conversation::Conversation,
    env::ConnId,
    wire::{
        command,
        im::message::{ImGetMsgByIdRsp, ImGetMsgListReq, ImGetMsgListRsp, ImMsgData, ImMsgDataAck},
    },
};

/// A send as its device knows it.
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
    clients: Clients,
    sends: BTreeMap<Message, Send>,
    asked: BTreeMap<(ConnId, u16), Message>,
    /// By device and conversation.
    highest_ack: BTreeMap<(u32, Conversation), u32>,
    /// The line at which a row of this id was first committed.
    rows: BTreeMap<Conversation, BTreeMap<u32, u64>>,
    /// List requests that are not answered.
    lists: BTreeMap<(ConnId, u16), ListRequest>,
}

/// A 0309 as a msg_server read it.
#[derive(Debug, Clone, Copy)]
struct ListRequest {
    /// The line at which it was read (of one that was written again the first may be answered).
    since: u64,
    /// From which id down; 0 from the newest.
    begin: u32,
    /// How many at most.
    count: usize,
}

fn violation(kind: &'static str, sentence: String, about: Vec<String>) -> Option<Violation> {
    Some(Violation { property: "order", kind, role: role_of("db"), sentence, about })
}

impl Order {
    fn writes(&mut self, conn: ConnId, pdu: &Frame) -> Option<()> {
        let data: ImMsgData = pdu.view().ok()?;
        let (device, user) = (self.clients.device(conn)?, self.clients.user_of_device_on(conn)?);
        let conversation = conversation_of(user, data.to_session_id, data.msg_type);
        let message = (user, text(&data.msg_data));
        self.asked.insert((conn, pdu.header.seq_num), message.clone());
        let above = self.highest_ack.get(&(device, conversation)).copied().unwrap_or(0);
        self.sends.entry(message).or_insert(Send { device, conversation, above });
        Some(())
    }

    fn acked(&mut self, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let ack: ImMsgDataAck = pdu.view().ok()?;
        let message = self.asked.get(&(conn, pdu.header.seq_num))?;
        if ack.msg_id == 0 {
            return None;
        }
        let Send { device, conversation, above } = self.sends.get(message)?.clone();
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
        violation("descending", sentence, vec![message.1.clone()])
    }

    fn list(&mut self, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let key = (conn, pdu.header.seq_num);
        let user = self.clients.user(conn)?;
        let (conversation, ids, request) = if pdu.command() == command::MSG_LIST_RESPONSE {
            let list: ImGetMsgListRsp = pdu.view().ok()?;
            let conversation = conversation_with(user, list.session_type, list.session_id);
            (conversation, ids(&list.msg_list), self.lists.remove(&key))
        } else {
            // Ids that nobody asked for are no gaps.
            let list: ImGetMsgByIdRsp = pdu.view().ok()?;
            let conversation = conversation_with(user, list.session_type, list.session_id);
            (conversation, ids(&list.msg_list), None)
        };
        let name = command::name(pdu.command()).unwrap_or_default();
        let head = format!("{name} seq {} on connection {conn} of {conversation}", key.1);
        for pair in ids.windows(2) {
            let (above, below) = (pair[0], pair[1]);
            let about = || vec![format!("\"conn\":{conn},")];
            if above <= below {
                let sentence = format!("{head} lists msg_id {below} after {above}");
                return violation("unsorted", sentence, about());
            }
            let rows = self.rows.get(&conversation);
            let mut between = rows.into_iter().flat_map(|rows| rows.range(below + 1..above));
            if let Some(ListRequest { since, .. }) = request
                && let Some((missing, _)) = between.find(|(_, at)| **at < since)
            {
                let sentence = format!(
                    "{head} lists msg_id {below} after {above} and not {missing}, which was \
                     committed before the request came"
                );
                return violation("gap", sentence, about());
            }
        }
        let missing = self.missing(conversation, &ids, request?)?;
        let sentence = format!(
            "{head} lists {} messages and not msg_id {missing}, which was committed before the \
             request came",
            ids.len()
        );
        violation("missing", sentence, vec![format!("\"conn\":{conn},")])
    }

    /// A message above or below a page that should be on it: it was there when the page was asked
    /// for, and the page has room for it.
    fn missing(
        &self,
        conversation: Conversation,
        ids: &[u32],
        ListRequest { since, begin, count }: ListRequest,
    ) -> Option<u32> {
        let top = if begin == 0 { u32::MAX } else { begin };
        let known = self.rows.get(&conversation)?.range(..=top).rev();
        let before = known.filter(|(_, at)| **at < since).map(|(id, _)| *id);
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

    fn observe(&mut self, line: &Line) -> Option<Violation> {
        self.clients.observe(line);
        if let Kind::Row { conversation, msg_id, .. } = &line.kind {
            self.rows.entry(*conversation).or_default().entry(*msg_id).or_insert(line.n);
        }
        let (at, conn, pdu) = client_pdu(line)?;
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_DATA) => {
                self.writes(conn, pdu);
                None
            }
            (At::DeviceReads, command::MSG_DATA_ACK) => self.acked(conn, pdu),
            (At::ServerReads, command::MSG_LIST_REQUEST) => {
                let asked: ImGetMsgListReq = pdu.view().ok()?;
                let (begin, count) = (asked.msg_id_begin, asked.msg_cnt as usize);
                let request = ListRequest { since: line.n, begin, count };
                self.lists.entry((conn, pdu.header.seq_num)).or_insert(request);
                None
            }
            (At::ServerWrites, command::MSG_LIST_RESPONSE | command::MSG_GET_BY_MSG_ID_RES) => {
                self.list(conn, pdu)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Order;
    use crate::properties::tape::{Tape, ack, list, list_request, message};

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
}
