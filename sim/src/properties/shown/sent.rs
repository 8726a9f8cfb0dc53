//! What a device sent and was acked, it holds.

use super::{Held, wrong};
use crate::{
    lookup::Lookup,
    plan::TICK_MS,
    properties::{Seen, Subject, Violation, wire::At},
    record::Frame,
};
use std::{collections::BTreeMap, sync::Arc};
use teamtalk::{
    catalogue::id as command,
    conversation::{Chat, Conversation},
    env::ConnId,
    fact::Fact,
    wire::{
        im::message::ImMsgDataAck,
        tt::extension::{Refused, RefusedCode},
    },
};

/// A message that a device must hold.
#[derive(Debug)]
struct Due {
    conn: ConnId,
    conversation: Conversation,
    msg_id: u32,
    at_us: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Sent {
    /// What a device wrote under a seq_num, and under which it wrote that last.
    written: Lookup<(ConnId, u16), Arc<str>>,
    last: Lookup<(ConnId, Arc<str>), u16>,
    due: BTreeMap<u32, Due>,
}

/// Whether a device that is refused a send gives it up: what it is told of an earlier try later on comes after
/// its person was told that it failed.
fn is_final(pdu: &Frame) -> bool {
    use RefusedCode::{RefusedNotLoggedIn, RefusedTooMany, RefusedUnavailable};
    pdu.view::<Refused>().is_ok_and(|refused| {
        refused.command_id == u32::from(command::MSG_DATA)
            && ![RefusedNotLoggedIn, RefusedTooMany, RefusedUnavailable].contains(&refused.code())
    })
}

impl Sent {
    pub fn host_down(&mut self) {
        self.due.clear();
    }

    pub fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Held { device, conversation, msg_id, .. } => {
                let is = |due: &Due| (due.conversation, due.msg_id) == (*conversation, *msg_id);
                if self.due.get(device).is_some_and(is) {
                    self.due.remove(device);
                }
            }
            Fact::DeviceOffline { device, .. } => drop(self.due.remove(device)),
            _ => {}
        }
    }

    pub fn pdu(
        &mut self,
        seen: &Seen<'_>,
        at: At,
        device: u32,
        pdu: &Frame,
        held: &Held,
    ) -> Option<Violation> {
        let (conn, seq) = (pdu.conn, pdu.header.seq_num);
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_DATA) => {
                let content = seen.data.as_ref()?.content.clone();
                self.last.insert((conn, content.clone()), seq);
                self.written.insert((conn, seq), content);
                None
            }
            (At::DeviceReads, read) => {
                let broken = self.unheld(seen.line.sim_us, device);
                if broken.is_none() && read == command::MSG_DATA_ACK {
                    self.acked(seen, device, pdu, held);
                }
                if read == command::OTHER_REFUSED && is_final(pdu) {
                    self.written.remove(&(conn, seq));
                }
                broken
            }
            _ => None,
        }
    }

    fn acked(&mut self, seen: &Seen<'_>, device: u32, pdu: &Frame, held: &Held) -> Option<()> {
        let (conn, seq) = (pdu.conn, pdu.header.seq_num);
        // Only the first answer to what was written last is waited for.
        let content = self.written.remove(&(conn, seq))?;
        let is_last = self.last.get(&(conn, content)) == Some(&seq);
        let ack = pdu.view::<ImMsgDataAck>().ok().filter(|ack| is_last && ack.msg_id != 0)?;
        let user = seen.known.clients.user_of_device(device)?;
        let conversation = Chat::of(ack.session_type, ack.session_id).conversation(user);
        if !held.contains(&(device, conversation, ack.msg_id)) {
            let (msg_id, at_us) = (ack.msg_id, seen.line.sim_us);
            self.due.insert(device, Due { conn, conversation, msg_id, at_us });
        }
        Some(())
    }

    /// A device reads on without holding what it was acked before.
    fn unheld(&mut self, now_us: u64, device: u32) -> Option<Violation> {
        let is_late = |due: &Due| due.at_us + TICK_MS * 1_000 < now_us;
        self.due.get(&device).filter(|due| is_late(due))?;
        let Due { conn, conversation, msg_id, .. } = self.due.remove(&device)?;
        let what = format!(
            "device {device} was told on connection {conn} that what it sent is msg_id {msg_id} of \
             {conversation}, and does not hold it"
        );
        let about = [Subject::Message(conversation, msg_id), Subject::Connection(conn)];
        Some(wrong("sent-not-held", what, about.into()))
    }
}
