//! What a device keeps over crashes: messages, unread counts, how far it has caught up, and what
//! its person sent and no ack has come for.

use crate::conversation::{Chat, Conversation};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// The most holes that are remembered of one conversation; past it the oldest is forgotten (ours).
const HOLES_BOUND: usize = 64;

/// After so many sweeps without it an id of a group is not asked for any more (ours): it may be of
/// a message from before the user joined, which they cannot pull. In a chat of two every sweep
/// asks.
const GROUP_SWEEPS: u32 = 2;

/// The msg_id that the original acks and pushes while Redis is away (SYSTEM.md section 3). It is
/// not drawn from the counter, so it says nothing about what is missing.
const NO_COUNT: u32 = u32::MAX;

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who sent it.
    pub from: u32,
    /// The text or recording as it travelled, lossy where it is not UTF-8.
    pub content: String,
}

/// How far a device has come in one conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every id up to this is held, or was answered as missing.
    pub contiguous: u32,
    /// Ids up to `contiguous` that an answered pull did not have and that are asked for again,
    /// with how many sweeps missed each. At most 64.
    pub holes: BTreeMap<u32, u32>,
    /// The highest id heard of.
    pub latest: u32,
    /// `cumulative-acks`: a msg_server has surely read an ack of everything up to this.
    pub settled: u32,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text,
    /// A voice message.
    Audio,
}

/// A message of the device's person that was not acked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The operation that sent it first.
    pub op: u32,
    /// Where to.
    pub to: Chat,
    /// What it is.
    pub kind: Content,
    /// The text as it travels, or the 4 bytes of an audio's length and its recording.
    pub data: Bytes,
    /// The operations whose outcome the person does not know yet, with how often each was
    /// attempted. None: the person was told that it failed, and may send it again by hand.
    pub waiting: BTreeMap<u32, u32>,
    /// It was written without a token, by a program or under a protocol that has none: nobody would know it
    /// again.
    pub bare: bool,
}

/// What survives a crash of the program. It holds every message received, so it grows with the
/// history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceStore {
    /// Every message held.
    pub messages: BTreeMap<(Conversation, u32), Message>,
    /// What is shown as unread; zeros are left out.
    pub unread: BTreeMap<Chat, u32>,
    /// How far each conversation has been caught up.
    pub progress: BTreeMap<Conversation, Progress>,
    /// Groups that the user was taken out of: they are not caught up, and count nothing unread.
    pub left: BTreeSet<u32>,
    /// The person wants to be online.
    pub logged_in: bool,
    /// The seq_num given out last.
    pub seq_num: u16,
    /// Messages sent so far: the number of the last one, which its token ends with.
    pub sends: u64,
    /// Messages that were sent and not acked, by number. Those that failed stay.
    pub outbox: BTreeMap<u64, Outgoing>,
    /// `confirmed-read-acks`: the msg_id up to which a chat was acked as read, where that is not
    /// confirmed.
    pub unconfirmed_reads: BTreeMap<Chat, u32>,
    /// `confirmed-read-acks`: the msg_id up to which the user has read a chat on any device, as far as
    /// this one was told.
    pub read: BTreeMap<Chat, u32>,
}

impl DeviceStore {
    /// The next seq_num: 1 to 65535, then 1 again. 0 is for PDUs that nobody asked for.
    pub fn next_seq(&mut self) -> u16 {
        self.seq_num = self.seq_num.checked_add(1).unwrap_or(1);
        self.seq_num
    }

    /// Whether the user was taken out of this group, as far as the device knows.
    pub fn has_left(&self, chat: Chat) -> bool {
        matches!(chat, Chat::Group(group) if self.left.contains(&group))
    }

    /// Notes that the user has read a chat up to a msg_id.
    pub fn read_up_to(&mut self, chat: Chat, msg_id: u32) {
        let read = self.read.entry(chat).or_default();
        *read = msg_id.max(*read);
    }

    /// Whether the user has read a message of a chat, as far as this device knows.
    pub fn has_read(&self, chat: Chat, msg_id: u32) -> bool {
        let marks = [self.read.get(&chat), self.unconfirmed_reads.get(&chat)];
        marks.into_iter().flatten().any(|read| *read >= msg_id)
    }

    /// Stores a message. One of that id that is held already stays as it is, or is replaced.
    /// False if nothing changed.
    pub fn hold(
        &mut self,
        conversation: Conversation,
        msg_id: u32,
        message: Message,
        replace: bool,
    ) -> bool {
        if let Some(held) = self.messages.get(&(conversation, msg_id))
            && (!replace || *held == message)
        {
            return false;
        }
        self.messages.insert((conversation, msg_id), message);
        self.heard_of(conversation, msg_id);
        if let Some(progress) = self.progress.get_mut(&conversation) {
            progress.holes.remove(&msg_id);
            // An ack that covered its id was no ack of it.
            progress.settled = progress.settled.min(msg_id.saturating_sub(1));
        }
        self.advance(conversation);
        true
    }

    /// Notes that a message of this id exists.
    pub fn heard_of(&mut self, conversation: Conversation, msg_id: u32) {
        let progress = self.progress.entry(conversation).or_default();
        if msg_id != NO_COUNT {
            progress.latest = progress.latest.max(msg_id);
        }
    }

    /// A msg_server has read an ack of everything up to this.
    pub fn settle(&mut self, conversation: Conversation, up_to: u32) {
        if let Some(progress) = self.progress.get_mut(&conversation) {
            progress.settled = progress.settled.max(up_to);
        }
    }

    /// Whether a message of this id and content is held, in any conversation: a Windows client
    /// takes the new one for a repeat (SYSTEM.md section 7).
    pub fn is_repeat(&self, msg_id: u32, content: &str) -> bool {
        self.progress
            .keys()
            .filter_map(|&c| self.messages.get(&(c, msg_id)))
            .any(|m| m.content == content)
    }

    /// How many messages above `floor` and up to `top` others may have sent: all ids, less those of
    /// messages held that `user` sent.
    pub fn from_others(&self, conversation: Conversation, user: u32, floor: u32, top: u32) -> u32 {
        if floor >= top {
            return 0;
        }
        let held = self.messages.range((conversation, floor + 1)..=(conversation, top));
        (top - floor) - held.filter(|(_, m)| m.from == user).count() as u32
    }

    /// The newest ids held of a conversation, newest first, at most `limit`.
    pub fn newest_held(&self, conversation: Conversation, limit: usize) -> Vec<u32> {
        let held = self.messages.range((conversation, 0)..=(conversation, NO_COUNT));
        held.rev().take(limit).map(|((_, id), _)| *id).collect()
    }

    /// The highest id held of a conversation; 0 if none is.
    pub fn last_held(&self, conversation: Conversation) -> u32 {
        let held = self.messages.range((conversation, 0)..=(conversation, NO_COUNT));
        held.last().map_or(0, |((_, id), _)| *id)
    }

    /// Which ids to ask for: those above the first value and up to the second, holes included.
    /// `None` if nothing is missing.
    pub fn behind(&self, conversation: Conversation) -> Option<(u32, u32)> {
        let progress = self.progress.get(&conversation)?;
        let under_holes = progress.holes.keys().next().map_or(u32::MAX, |id| id - 1);
        let (floor, top) = (progress.contiguous.min(under_holes), progress.latest);
        self.top_missing(conversation, floor, top).map(|_| (floor, top))
    }

    /// The highest id above `floor` and up to `top` that is not held.
    pub fn top_missing(&self, conversation: Conversation, floor: u32, top: u32) -> Option<u32> {
        self.missing(conversation, floor, top, 1).first().copied()
    }

    /// A sweep over the ids above `floor` and up to `top` has been answered: an id that is not held
    /// is a hole now, but in a group not one that an earlier sweep missed too.
    pub fn swept(&mut self, conversation: Conversation, floor: u32, top: u32) {
        let missing = self.missing(conversation, floor, top, HOLES_BOUND);
        let is_group = matches!(conversation, Conversation::Group(_));
        let progress = self.progress.entry(conversation).or_default();
        let before = std::mem::take(&mut progress.holes);
        let again = missing.iter().map(|id| (*id, before.get(id).map_or(1, |sweeps| sweeps + 1)));
        let again = again.filter(|(_, sweeps)| !is_group || *sweeps < GROUP_SWEEPS);
        progress.holes.extend(again);
        progress.holes.extend(before.into_iter().filter(|&(id, _)| id <= floor || id > top));
        while progress.holes.len() > HOLES_BOUND {
            progress.holes.pop_first();
        }
        progress.contiguous = progress.contiguous.max(top);
        self.advance(conversation);
    }

    /// The highest ids above `floor` and up to `top` that are not held, at most `limit`.
    fn missing(&self, conversation: Conversation, floor: u32, top: u32, limit: usize) -> Vec<u32> {
        if floor >= top {
            return Vec::new();
        }
        let held = self.messages.range((conversation, floor + 1)..=(conversation, top));
        let bounds = held.rev().map(|((_, id), _)| *id).chain([floor]);
        // Between two neighbouring ids that are held lies what is missing.
        let mut above = u64::from(top) + 1;
        let mut missing = Vec::new();
        for id in bounds {
            let gap = (u64::from(id) + 1..above).rev().map(|id| id as u32);
            missing.extend(gap.take(limit - missing.len()));
            if missing.len() == limit {
                break;
            }
            above = u64::from(id);
        }
        missing
    }

    fn advance(&mut self, conversation: Conversation) {
        let Some(progress) = self.progress.get_mut(&conversation) else { return };
        while let Some(next) = progress.contiguous.checked_add(1)
            && next != NO_COUNT
            && self.messages.contains_key(&(conversation, next))
        {
            progress.contiguous = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: Conversation = Conversation::Group(1);

    fn store(held: &[u32]) -> DeviceStore {
        let mut store = DeviceStore::default();
        for &id in held {
            assert!(store.hold(C, id, Message { from: 1, content: id.to_string() }, false));
        }
        store
    }

    #[test]
    fn gaps_are_seen_and_filled() {
        let mut store = store(&[1, 2, 5]);
        assert_eq!(store.behind(C), Some((2, 5)));
        assert_eq!(store.top_missing(C, 2, 5), Some(4));
        store.hold(C, 4, Message { from: 1, content: String::new() }, false);
        assert_eq!(store.top_missing(C, 2, 5), Some(3));
        store.hold(C, 3, Message { from: 1, content: String::new() }, false);
        assert_eq!(store.behind(C), None);
        assert_eq!(store.progress[&C].contiguous, 5);
    }

    #[test]
    fn holes_are_passed_remembered_bounded_and_filled_late() {
        let mut store = store(&[1, 300]);
        store.swept(C, 1, 300);
        assert_eq!(store.progress[&C].contiguous, 300);
        let holes: Vec<u32> = store.progress[&C].holes.keys().copied().collect();
        assert_eq!((holes.len(), holes.first(), holes.last()), (64, Some(&236), Some(&299)));
        assert_eq!(store.behind(C), Some((235, 300)));
        store.hold(C, 236, Message { from: 1, content: String::new() }, false);
        assert_eq!(store.behind(C), Some((236, 300)));
    }

    #[test]
    fn a_hole_is_asked_for_once_more_in_a_group_and_by_every_sweep_in_a_chat_of_two() {
        for (conversation, again) in [(C, false), (Conversation::single(1, 2), true)] {
            let mut store = DeviceStore::default();
            store.heard_of(conversation, 3);
            assert_eq!(store.behind(conversation), Some((0, 3)));
            store.swept(conversation, 0, 3);
            assert_eq!(store.behind(conversation), Some((0, 3)));
            store.heard_of(conversation, 5);
            store.swept(conversation, 0, 5);
            let floor = if again { 0 } else { 3 };
            assert_eq!(store.behind(conversation), Some((floor, 5)), "4 and 5 were missed once");
            store.swept(conversation, floor, 5);
            assert_eq!(store.behind(conversation).is_some(), again);
        }
    }

    #[test]
    fn the_id_of_an_unreachable_redis_counts_nothing() {
        let mut store = store(&[1, u32::MAX]);
        assert_eq!(store.behind(C), None);
        store.heard_of(C, u32::MAX);
        assert_eq!(store.behind(C), None);
    }

    #[test]
    fn one_of_the_same_id_stays_or_is_replaced() {
        let mut store = store(&[1]);
        let other = Message { from: 2, content: "other".into() };
        assert!(!store.hold(C, 1, other.clone(), false));
        assert_eq!(store.messages[&(C, 1)].content, "1");
        assert!(store.hold(C, 1, other.clone(), true));
        assert!(!store.hold(C, 1, other, true), "the same again is nothing new");
        assert_eq!(store.messages[&(C, 1)].content, "other");
    }

    #[test]
    fn what_others_may_have_sent_is_counted() {
        let mut store = store(&[1, 2, 5]);
        store.hold(C, 4, Message { from: 2, content: String::new() }, false);
        assert_eq!(store.from_others(C, 1, 0, 5), 2, "3, which is not held, and 4");
        assert_eq!(store.from_others(C, 2, 3, 5), 1);
        assert_eq!((store.from_others(C, 1, 5, 5), store.from_others(C, 1, 9, 5)), (0, 0));
        assert_eq!(store.newest_held(C, 3), [5, 4, 2]);
    }

    #[test]
    fn seq_nums_skip_zero() {
        let mut store = DeviceStore { seq_num: 65_534, ..Default::default() };
        assert_eq!((store.next_seq(), store.next_seq()), (65_535, 1));
    }
}
