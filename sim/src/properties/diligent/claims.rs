//! What a device may say that it holds (`cumulative-acks`): up to an id below which it holds each
//! message, or has asked for it and was answered without it.

use crate::{
    lookup::Lookup,
    properties::{Seen, wire::At},
    record::Frame,
};
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    env::ConnId,
    wire::im::message::{ImGetMsgListReq, ImGetMsgListRsp, ImMsgDataAck},
};

/// Ids of messages: the first of each run, and the last.
#[derive(Debug, Default)]
struct Ids(BTreeMap<u32, u32>);

impl Ids {
    fn add(&mut self, mut low: u32, mut high: u32) {
        // Runs that it touches are one with it.
        while let Some((&first, &last)) = self.0.range(..=high.saturating_add(1)).next_back()
            && u64::from(last) + 1 >= u64::from(low)
        {
            self.0.remove(&first);
            (low, high) = (low.min(first), high.max(last));
        }
        self.0.insert(low, high);
    }

    /// Up to which id, from 1, all are there.
    fn contiguous(&self) -> u32 {
        self.0.range(..=1).next_back().map_or(0, |(_, last)| *last)
    }
}

/// An ack that says too much.
#[derive(Debug)]
pub struct Lie {
    pub conversation: Conversation,
    /// The message that it names.
    pub msg_id: u32,
    /// Up to which all is held, as it says.
    pub held_up_to: u32,
    /// Up to which the device knows of all.
    pub known_up_to: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Claims {
    /// Pages that were asked for: of which conversation, from which id down, how many.
    asked: Lookup<(ConnId, u16), (Conversation, u32, u32)>,
    /// What each device knows of a conversation.
    known: Lookup<(u32, Conversation), Ids>,
}

impl Claims {
    /// A device holds a message.
    pub fn hold(&mut self, device: u32, conversation: Conversation, msg_id: u32) {
        self.known.entry((device, conversation)).or_default().add(msg_id, msg_id);
    }

    /// Takes a PDU of a device.
    pub fn observe(
        &mut self,
        seen: &Seen<'_>,
        (at, conn, pdu): (At, ConnId, &Frame),
        (device, user): (u32, u32),
    ) -> Option<Lie> {
        let of = |kind, id| Chat::of(kind, id).conversation(user);
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_LIST_REQUEST) => {
                let asked = pdu.view::<ImGetMsgListReq>().ok()?;
                let page =
                    (of(asked.session_type, asked.session_id), asked.msg_id_begin, asked.msg_cnt);
                self.asked.insert((conn, pdu.header.seq_num), page);
                None
            }
            (At::DeviceReads, command::MSG_LIST_RESPONSE) => {
                let (conversation, begin, count) =
                    self.asked.remove(&(conn, pdu.header.seq_num))?;
                let page = pdu.view::<ImGetMsgListRsp>().ok()?;
                let ids = || page.msg_list.iter().map(|row| row.msg_id);
                let high = if begin == 0 { ids().max()? } else { begin };
                let is_last = (page.msg_list.len() as u32) < count;
                let low = if is_last { 1 } else { ids().min()? };
                self.known.entry((device, conversation)).or_default().add(low.min(high), high);
                None
            }
            (At::DeviceWrites, command::MSG_DATA_ACK) => {
                let ack = pdu.view::<ImMsgDataAck>().ok()?;
                let up_to = ack.held_up_to.filter(|_| seen.known.orderly.contains(&device))?;
                let conversation = of(ack.session_type, ack.session_id);
                let known = self.known.get(&(device, conversation)).map_or(0, Ids::contiguous);
                (up_to > known).then_some(Lie {
                    conversation,
                    msg_id: ack.msg_id,
                    held_up_to: up_to,
                    known_up_to: known,
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ids;

    #[test]
    fn runs_of_ids_grow_together() {
        let mut ids = Ids::default();
        let contiguous = |ids: &mut Ids, low, high| {
            ids.add(low, high);
            ids.contiguous()
        };
        assert_eq!(contiguous(&mut ids, 3, 4), 0);
        assert_eq!(contiguous(&mut ids, 1, 1), 1);
        assert_eq!(contiguous(&mut ids, 7, 9), 1);
        assert_eq!(contiguous(&mut ids, 2, 2), 4, "1 and 3 to 4 were there");
        assert_eq!(contiguous(&mut ids, 4, 8), 9);
        assert_eq!(contiguous(&mut ids, 0, u32::MAX), u32::MAX);
        assert_eq!(ids.0.len(), 1);
    }
}
