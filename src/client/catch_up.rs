//! `catch-up-on-gap`: asking for what pushes and lost connections skipped (ours).
//!
//! A sweep asks for a conversation's messages from the newest unknown one down, a page at a
//! time, past what is held. What the pages did not have is a hole; the next sweep asks for it
//! again, in a group once (`DeviceStore::swept`). What is asked for is asked again until it is
//! answered, as long as the device is online.

use super::{
    device::{Device, Turn},
    requests::{Asked, PAGE},
};
use crate::conversation::Chat;
use std::time::Duration;

/// A conversation that is being caught up.
#[derive(Debug)]
pub(super) struct Sweep {
    /// Nothing at or below this is asked for.
    floor: u32,
    /// Nothing above this is asked for.
    top: u32,
    /// What is above this has been answered.
    cursor: u32,
    /// When to start; `None` while a page is awaited.
    pub due: Option<Duration>,
}

/// What hints (07e2) led to; all of it is forgotten at a login, which compares by itself.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// When one led to a question last.
    asked: Option<Duration>,
    /// When the next one does.
    pub due: Option<Duration>,
    /// One came while the question was under way.
    again: bool,
}

impl Device {
    /// 07e2 (`catch-up-hint`): pushes to these users, or to all, may have been lost.
    pub(super) fn hinted(&mut self, turn: &mut Turn<'_>, users: &[u32]) {
        let to_me = users.is_empty() || users.contains(&self.config.user);
        if to_me && self.catches_up() && self.config.protocol.catch_up_hint {
            self.compare_soon(turn);
        }
    }

    /// Asks for the sessions, unless they are asked for; then once more after the answer, which
    /// may have been made before what the hint is about. A store in trouble makes many hints:
    /// they lead to one question within an answer timeout.
    fn compare_soon(&mut self, turn: &mut Turn<'_>) {
        if self.requests.values().any(|request| request.asked == Asked::Sessions) {
            self.hints.again = true;
            return;
        }
        let pause = self.config.timing.client_answer_timeout();
        let due = self.hints.asked.map_or(turn.now, |asked| asked + pause);
        self.hints.due = Some(due.max(turn.now));
        self.hints_due(turn);
    }

    /// Compares, if a hint's time has come.
    pub(super) fn hints_due(&mut self, turn: &mut Turn<'_>) {
        if self.hints.due.is_some_and(|due| due <= turn.now) {
            self.hints = Hints { asked: Some(turn.now), due: None, again: false };
            self.ask_sessions(turn, Asked::Sessions);
        }
    }

    /// The answer to a comparison came.
    pub(super) fn compared(&mut self, turn: &mut Turn<'_>) {
        if std::mem::take(&mut self.hints.again) {
            self.compare_soon(turn);
        }
    }

    /// After a login or a hint: what the server has against what is held.
    pub(super) fn compare_sessions(
        &mut self,
        turn: &mut Turn<'_>,
        sessions: impl Iterator<Item = (Chat, u32)>,
    ) {
        for (chat, latest) in sessions {
            self.belongs_to(turn, chat);
            turn.store.heard_of(self.conversation(chat), latest);
        }
        let user = self.config.user;
        let chats = turn.store.progress.keys().filter_map(|c| c.chat_of(user));
        for chat in chats.filter(|&chat| !turn.store.has_left(chat)).collect::<Vec<_>>() {
            // One that waits for its start asks for the same, and for less than is known now.
            if self.sweeps.get(&chat).is_none_or(|sweep| sweep.due.is_some()) {
                self.sweeps.remove(&chat);
                self.start_sweep(turn, chat, turn.now);
            }
        }
        self.sweep_due(turn);
    }

    /// A message of this id exists. If that shows a gap, it is asked for a tick later: answers of
    /// db_proxy's workers, and so pushes and acks, may overtake each other.
    pub(super) fn heard_of(&mut self, turn: &mut Turn<'_>, chat: Chat, msg_id: u32) {
        let conversation = self.conversation(chat);
        turn.store.heard_of(conversation, msg_id);
        let behind =
            turn.store.progress.get(&conversation).is_some_and(|p| p.latest > p.contiguous);
        let follows = self.catches_up() && !turn.store.has_left(chat);
        if behind && follows && !self.sweeps.contains_key(&chat) {
            self.start_sweep(turn, chat, turn.now + self.config.timing.tick());
        }
    }

    fn start_sweep(&mut self, turn: &mut Turn<'_>, chat: Chat, due: Duration) {
        if let Some((floor, top)) = turn.store.behind(self.conversation(chat)) {
            self.sweeps.insert(chat, Sweep { floor, top, cursor: top, due: Some(due) });
        }
    }

    /// Starts the sweeps whose time has come.
    pub(super) fn sweep_due(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let due = |sweep: &Sweep| sweep.due.is_some_and(|due| due <= now);
        let chats: Vec<Chat> =
            self.sweeps.iter().filter(|(_, s)| due(s)).map(|(&chat, _)| chat).collect();
        for chat in chats {
            // What came meanwhile may have closed the gap, or widened it.
            let latest = turn.store.behind(self.conversation(chat));
            match (latest, self.sweeps.get_mut(&chat)) {
                (Some((floor, top)), Some(sweep)) => {
                    *sweep = Sweep { floor, top, cursor: top, due: None };
                    self.next_page(turn, chat);
                }
                _ => {
                    self.sweeps.remove(&chat);
                }
            }
        }
    }

    fn next_page(&mut self, turn: &mut Turn<'_>, chat: Chat) {
        let conversation = self.conversation(chat);
        let Some(sweep) = self.sweeps.get_mut(&chat) else { return };
        if let Some(begin) = turn.store.top_missing(conversation, sweep.floor, sweep.cursor) {
            sweep.cursor = begin;
            return self.pull(turn, Asked::CatchUp { chat }, chat, begin, PAGE);
        }
        turn.store.swept(conversation, sweep.floor, sweep.top);
        let top = sweep.top;
        self.sweeps.remove(&chat);
        // Only what is newer than this sweep: its holes wait for a later one.
        if turn.store.progress.get(&conversation).is_some_and(|p| p.latest > p.contiguous.max(top))
        {
            self.start_sweep(turn, chat, turn.now + self.config.timing.tick());
        }
    }

    /// A page came; its messages are stored.
    pub(super) fn swept_page(
        &mut self,
        turn: &mut Turn<'_>,
        chat: Chat,
        ids: impl ExactSizeIterator<Item = u32>,
    ) {
        let Some(sweep) = self.sweeps.get_mut(&chat) else { return };
        let full = ids.len() >= PAGE as usize;
        // Not a full page: there is nothing below it. Else go on below its lowest, and in any
        // case below where it began.
        let below = ids.min().map_or(0, |id| id.saturating_sub(1));
        sweep.cursor = if full { below.min(sweep.cursor.saturating_sub(1)) } else { 0 };
        self.next_page(turn, chat);
    }
}
