//! What a device may show as unread by what it was told.
//!
//! For each device and chat there is a highest count that may be shown: a push of a message that it does
//! not hold raises it by one, an answer with counts (0308) sets it, a read notice (0304) leaves what came
//! after the message that was read, a removal (020f) and a notice that its user is out of a group leave
//! nothing. A device whose connection is gone may have lost what came last: it is judged again from the
//! next answer with counts on.

use super::{Held, Key, of_chat, wrong};
use crate::{
    plan::{Host, TICK_MS},
    properties::{
        Seen, Subject, Violation,
        wire::{At, is_group},
    },
    record::Frame,
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id as command,
    conversation::Chat,
    env::ConnId,
    fact::Fact,
    wire::im::{
        base_define::GroupModifyType,
        buddy::{ImRecentContactSessionRsp, ImRemoveSessionNotify},
        group::ImGroupChangeMemberNotify,
        message::{ImGetLatestMsgIdRsp, ImMsgDataAck, ImMsgDataReadNotify, ImUnreadMsgCntRsp},
    },
};

/// A tick in simulated microseconds.
const TICK_US: u64 = TICK_MS * 1_000;

/// A device, as far as its counts are known.
#[derive(Debug, Default)]
struct Device {
    host: Option<Host>,
    /// It has read an answer with counts since it was last online.
    is_known: bool,
    shown: BTreeMap<Chat, u32>,
    /// The highest count that may be shown.
    most: BTreeMap<Chat, u32>,
    /// The highest count that was allowed before `most` was last lowered, and when that was, in simulated
    /// microseconds: of what a device reads in one tick it hears one thing after the other, so a count of the
    /// same tick may still be the old one.
    before: BTreeMap<Chat, (u32, u64)>,
    /// The highest msg_id that it was told of.
    top: BTreeMap<Chat, u32>,
    /// Chats of which less must be shown, with since when, in simulated microseconds.
    stale: BTreeMap<Chat, u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Counts {
    devices: BTreeMap<u32, Device>,
    /// Questions for counts, and read acks that are confirmed, by connection and seq_num.
    asked: BTreeSet<(ConnId, u16)>,
}

impl Device {
    fn may_show(&mut self, chat: Chat, most: u32, now_us: u64) {
        let before = self.most.insert(chat, most).unwrap_or(0);
        if before > most {
            let kept = self.before.entry(chat).or_insert((before, now_us));
            let highest = if kept.1 + TICK_US < now_us { before } else { before.max(kept.0) };
            *kept = (highest, now_us);
        }
        if self.shown.get(&chat).copied().unwrap_or(0) > most {
            self.stale.entry(chat).or_insert(now_us);
        }
    }

    /// It was told of a message of a chat.
    fn hears_of(&mut self, chat: Chat, msg_id: u32) {
        let top = self.top.entry(chat).or_default();
        *top = msg_id.max(*top);
    }

    fn forget(&mut self) {
        self.is_known = false;
        self.stale.clear();
    }
}

impl Counts {
    /// What a device shows, by chat.
    pub fn of_device(&self, device: u32) -> BTreeMap<Chat, u32> {
        self.devices.get(&device).map(|device| device.shown.clone()).unwrap_or_default()
    }

    pub fn host_down(&mut self, host: &Host) {
        let here = self.devices.values_mut().filter(|device| device.host.as_ref() == Some(host));
        here.for_each(Device::forget);
    }

    pub fn fact(&mut self, fact: &Fact, seen: &Seen<'_>) -> Option<Violation> {
        match *fact {
            Fact::DeviceOnline { device, .. } | Fact::DeviceOffline { device, .. } => {
                let known = self.devices.entry(device).or_default();
                known.host = Some(seen.line.host.clone());
                known.forget();
                None
            }
            Fact::Held { device, conversation, msg_id, .. } => {
                let user = seen.known.clients.user_of_device(device)?;
                let known = self.devices.entry(device).or_default();
                known.hears_of(conversation.chat_of(user)?, msg_id);
                None
            }
            Fact::UnreadShown { device, chat, count } => {
                let known = self.devices.entry(device).or_default();
                known.shown.insert(chat, count);
                let most = known.most.get(&chat).copied().unwrap_or(0);
                let before = known.before.get(&chat);
                let before = before.filter(|(_, since)| since + TICK_US >= seen.line.sim_us);
                if !known.is_known || count <= most {
                    known.stale.remove(&chat);
                    return None;
                }
                if before.is_some_and(|(most, _)| count <= *most) {
                    known.stale.entry(chat).or_insert(seen.line.sim_us);
                    return None;
                }
                let what = format!(
                    "device {device} shows {count} unread in {chat:?}; by what it was told there \
                     are at most {most}"
                );
                Some(wrong("too-many", what, of_chat(seen.known, (device, chat))))
            }
            _ => None,
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
        let key = (pdu.conn, pdu.header.seq_num);
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_UNREAD_CNT_REQUEST | command::MSG_READ_ACK) => {
                self.asked.insert(key);
                None
            }
            (At::DeviceReads, _) => {
                let stale = self.stale(seen, device, pdu.conn);
                self.told(seen, device, pdu, held);
                stale
            }
            _ => None,
        }
    }

    /// What a device is told.
    fn told(&mut self, seen: &Seen<'_>, device: u32, pdu: &Frame, held: &Held) -> Option<()> {
        let now_us = seen.line.sim_us;
        let user = seen.known.clients.user_of_device(device)?;
        let key = (pdu.conn, pdu.header.seq_num);
        let Self { devices, asked } = self;
        let known = devices.entry(device).or_default();
        match pdu.command() {
            command::MSG_DATA => {
                let data = &seen.data.as_ref()?.body;
                let chat = match (is_group(data.msg_type), data.from_user_id) {
                    (true, _) => Chat::Group(data.to_session_id),
                    // A message of another of the user's devices: what is before it and not here may be the peer's.
                    (false, from) if from == user => Chat::User(data.to_session_id),
                    (false, from) => Chat::User(from),
                };
                known.hears_of(chat, data.msg_id);
                let is_held = held.contains(&(device, chat.conversation(user), data.msg_id));
                if data.from_user_id != user && !is_held {
                    *known.most.entry(chat).or_default() += 1;
                }
            }
            command::MSG_UNREAD_CNT_RESPONSE if asked.remove(&key) => {
                let answer = pdu.view::<ImUnreadMsgCntRsp>().ok()?.into_owned();
                known.is_known = true;
                let mut counts = BTreeMap::new();
                for info in answer.unreadinfo_list {
                    let chat = Chat::of(info.session_type, info.session_id);
                    counts.insert(chat, info.unread_cnt);
                    known.hears_of(chat, info.latest_msg_id);
                }
                let others: Vec<_> = known.shown.keys().chain(known.most.keys()).copied().collect();
                for chat in others {
                    counts.entry(chat).or_insert(0);
                }
                for (chat, count) in counts {
                    known.may_show(chat, count, now_us);
                }
            }
            command::MSG_DATA_ACK => {
                let ack = pdu.view::<ImMsgDataAck>().ok()?;
                known.hears_of(Chat::of(ack.session_type, ack.session_id), ack.msg_id);
            }
            command::MSG_GET_LATEST_MSG_ID_RSP => {
                let told = pdu.view::<ImGetLatestMsgIdRsp>().ok()?;
                known.hears_of(Chat::of(told.session_type, told.session_id), told.latest_msg_id);
            }
            command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE => {
                for told in &pdu.view::<ImRecentContactSessionRsp>().ok()?.contact_session_list {
                    let chat = Chat::of(told.session_type, told.session_id);
                    known.hears_of(chat, told.latest_msg_id);
                }
            }
            command::MSG_READ_NOTIFY if !asked.remove(&key) => {
                let read = pdu.view::<ImMsgDataReadNotify>().ok()?;
                let chat = Chat::of(read.session_type, read.session_id);
                let after = known.top.get(&chat).copied().unwrap_or(0).saturating_sub(read.msg_id);
                let most = known.most.get(&chat).copied().unwrap_or(0).min(after);
                known.may_show(chat, most, now_us);
            }
            command::BUDDY_LIST_REMOVE_SESSION_NOTIFY => {
                let gone = pdu.view::<ImRemoveSessionNotify>().ok()?;
                known.may_show(Chat::of(gone.session_type, gone.session_id), 0, now_us);
            }
            command::GROUP_CHANGE_MEMBER_NOTIFY => {
                let change = pdu.view::<ImGroupChangeMemberNotify>().ok()?;
                let del = GroupModifyType::Del as i32;
                if change.change_type == del && change.chg_user_id_list.contains(&user) {
                    known.may_show(Chat::Group(change.group_id), 0, now_us);
                }
            }
            _ => {}
        }
        Some(())
    }

    /// A device reads on and still shows what it was told is read.
    fn stale(&mut self, seen: &Seen<'_>, device: u32, conn: ConnId) -> Option<Violation> {
        let known = self.devices.get_mut(&device).filter(|known| known.is_known)?;
        let late_us = seen.line.sim_us.checked_sub(TICK_US)?;
        let mut stale = known.stale.iter();
        let (&chat, _) = stale.find(|(_, since_us)| **since_us < late_us)?;
        known.stale.remove(&chat);
        let key: Key = (device, chat);
        let (shown, most) = (known.shown.get(&chat)?, known.most.get(&chat)?);
        let what = format!(
            "device {device} goes on showing {shown} unread in {chat:?}; by what it was told there \
             are at most {most}"
        );
        let about = of_chat(seen.known, key).and(Subject::Connection(conn));
        Some(wrong("stale", what, about))
    }
}
